"""`load_state_dict` says what PyTorch's says, about everything at once, and changes nothing when it raises."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from autograd import Tensor, tensor


def net(n: Any) -> Any:
    """A module with nested parameters, buffers, something switched off and something tied; `n` is either library."""
    inner = n.Sequential(n.Conv1d(2, 3, 1), n.BatchNorm1d(3))
    module = n.ModuleDict({"inner": inner, "head": n.Linear(3, 4, bias=False), "again": inner[0]})
    module.register_buffer("scale", module["head"].weight.detach().sum())
    module.register_buffer("cache", None)
    module.register_module("absent", None)
    return module


KEYS = list(net(nn).state_dict())
STRANGE = ["extra", "inner.extra", "inner.0.extra.deep", "head.bias", "cache", "absent", "absent.weight", "_extra_state",
           "inner._extra_state", "inner.7.weight", "inner.", "", ".", "head"]  # fmt: skip

changes = st.fixed_dictionaries(
    {
        "dropped": st.sets(st.sampled_from(KEYS), max_size=4),
        "added": st.lists(st.sampled_from(STRANGE), unique=True, max_size=3),
        "reshaped": st.dictionaries(
            st.sampled_from(KEYS), st.sampled_from([(), (1,), (2,), (3,), (3, 2, 1), (4, 3, 1)]), max_size=3
        ),
    }
)


def change(state: Any, wrap: Any, dropped: set[str], added: list[str], reshaped: dict[str, tuple[int, ...]]) -> Any:
    """Return a state with keys left out, added, and given another shape."""
    result = type(state)((key, value) for key, value in state.items() if key not in dropped)
    result._metadata = state._metadata
    result.update({key: wrap(np.full(shape, 7.0, np.float32)) for key, shape in reshaped.items() if key in result})
    result.update({key: wrap(np.zeros(2, np.float32)) for key in added})
    return result


def attempt(module: Any, state: Any, **options: Any) -> Any:
    """Return what loading gives, or the message of its error in our spelling."""
    try:
        return tuple(module.load_state_dict(state, **options))
    except RuntimeError as error:
        return str(error).replace("torch.Size", "Size")


@pytest.mark.parametrize("strict", [True, False])
@given(changes=changes)
def test_what_does_not_fit_is_said_as_pytorch_says_it(strict, changes):
    torch = pytest.importorskip("torch")
    ours, theirs = net(nn), net(torch.nn)
    before = {key: value.array.copy() for key, value in ours.state_dict().items()}
    state = change(net(nn).state_dict(), Tensor, **changes)
    found = attempt(ours, state, strict=strict)
    assert found == attempt(theirs, change(net(torch.nn).state_dict(), torch.from_numpy, **changes), strict=strict)
    after = ours.state_dict()
    if isinstance(found, str):
        assert all(np.array_equal(after[key].array, value) for key, value in before.items())
    else:
        tied = {"again.weight": "inner.0.weight", "again.bias": "inner.0.bias"}
        for key, value in after.items():
            last = {new: old for old, new in tied.items()}.get(key, key)
            source = last if last in state else key
            if source in state:
                assert np.array_equal(value.array, state[source].array.reshape(value.shape)), key


def test_nothing_is_changed_when_the_last_key_does_not_fit():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    before = {key: value.array.copy() for key, value in module.state_dict().items()}
    versions = [p._version for p in module.parameters()]
    state = {key: value + 1 for key, value in module.state_dict().items()}
    for wrong in (autograd.zeros(3), 5):
        with pytest.raises(RuntimeError, match="2.bias"):
            module.load_state_dict({**state, "2.bias": wrong})
        with pytest.raises(RuntimeError, match="2.bias"):
            module.load_state_dict({**state, "2.bias": wrong}, assign=True)
    with pytest.raises(RuntimeError, match="Unexpected"):
        module.load_state_dict({**state, "x": autograd.zeros(1)})
    assert all(np.array_equal(module.state_dict()[key].array, value) for key, value in before.items())
    assert [p._version for p in module.parameters()] == versions


class Extra(nn.Module):
    """A module with state beside its tensors, which may not be accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(autograd.zeros(1))
        self.seen: Any = None

    def get_extra_state(self) -> Any:
        return {"steps": 3}

    def set_extra_state(self, state: Any) -> None:
        self.seen = (state, self.weight.item())


def test_extra_state_is_set_when_the_tensors_are_there_and_only_if_all_fits():
    module = nn.Sequential(Extra(), nn.Linear(1, 1))
    state = module.state_dict()
    assert state["0._extra_state"] == {"steps": 3}
    state = {key: value if "extra" in key else value * 0 + 5 for key, value in state.items()}
    with pytest.raises(RuntimeError, match="Missing"):
        module.load_state_dict({key: value for key, value in state.items() if key != "1.bias"})
    assert module[0].seen is None
    module.load_state_dict(state)
    assert module[0].seen == ({"steps": 3}, 5.0)


def test_a_modules_own_loading_sees_its_values():
    class Doubling(nn.Linear):
        def _load_from_state_dict(self, *arguments: Any) -> None:
            super()._load_from_state_dict(*arguments)
            with autograd.no_grad():
                self.weight.mul_(2)

    module = nn.Sequential(Doubling(1, 1))
    module.load_state_dict({"0.weight": tensor([[3.0]]), "0.bias": tensor([1.0])})
    assert module[0].weight.item() == 6.0


def test_hooks_after_loading_see_the_values_children_first_and_may_change_the_keys():
    module, seen = nn.Sequential(nn.Linear(1, 1)), []
    module.register_load_state_dict_post_hook(lambda m, keys: seen.append(("outer", m[0].weight.item())))
    module[0].register_load_state_dict_post_hook(lambda m, keys: seen.append(("inner", m.weight.item())))
    module[0].register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert module.load_state_dict({"0.weight": tensor([[4.0]])}) == ([], [])
    assert seen == [("inner", 4.0), ("outer", 4.0)]
    module.register_load_state_dict_post_hook(lambda m, keys: 1)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        module.load_state_dict(module.state_dict())


def test_types_are_converted_as_in_pytorch_or_taken_over(torch):
    values = {"weight": np.array([0.1, 0.2]), "bias": np.array([1, 2], np.float16), "running_mean": np.array([1, 2])}
    values |= {"running_var": np.array([True, False]), "num_batches_tracked": np.array([3.7])}
    ours, theirs = nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    ours.load_state_dict({k: Tensor(v) for k, v in values.items()})
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()})
    for name, value in theirs.state_dict().items():
        assert ours.state_dict()[name].array.dtype == value.numpy().dtype
        assert np.array_equal(ours.state_dict()[name].array, value.numpy())
    given = {"weight": autograd.zeros(2).double(), "bias": nn.Parameter(autograd.ones(2), requires_grad=False)}
    ours.load_state_dict({**ours.state_dict(), **given}, assign=True)
    assert ours.weight.dtype is autograd.float64
    assert np.shares_memory(ours.weight.array, given["weight"].array)
    assert ours.weight.requires_grad
    assert ours.bias.requires_grad


def test_a_read_only_parameter_is_named():
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    state = {key: value + 1 for key, value in module.state_dict().items()}
    module[1].bias.array.flags.writeable = False
    before = module[0].weight.item()
    with pytest.raises(RuntimeError, match='named "1.bias", the parameter\'s memory is read-only'):
        module.load_state_dict(state)
    assert module[0].weight.item() == before


def test_batch_norms_of_before_version_two_have_no_count_of_batches():
    module = nn.Sequential(nn.BatchNorm1d(2))
    state = module.state_dict()
    del state["0.num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.num_batches_tracked"'):
        module.load_state_dict(state)
    state._metadata["0"]["version"] = 1
    assert module.load_state_dict(state) == ([], [])
    file = io.BytesIO()
    autograd.save(state, file)
    file.seek(0)
    assert module.load_state_dict(autograd.load(file)) == ([], [])


@pytest.mark.parametrize("metadata", [None, 3, [], {"0": 5}, {"0": None}])
def test_metadata_that_is_none_is_not_needed(metadata):
    module = nn.Sequential(nn.BatchNorm1d(2))
    state = module.state_dict()
    state._metadata = metadata
    assert module.load_state_dict(state) == ([], [])
