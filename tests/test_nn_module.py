"""What every Module does: registration, traversal, state, errors, representation."""

import copy
import pickle
import timeit
import warnings
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd.tensor import Tensor
from tests.drawn import tensor


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(tensor(3))
        self.layers = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.register_buffer("steps", Tensor(np.zeros((), np.int64)))
        self.register_buffer("cache", tensor(2), persistent=False)
        self.register_parameter("off", None)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * self.scale


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.second = Block()
        self.head = nn.Linear(3, 2)
        self.tied = self.head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)))


# -- registration -----------------------------------------------------------------------------------------------------


def test_attributes_are_registered_by_what_they_are() -> None:
    block = Block()
    assert list(block._parameters) == ["scale", "off"]
    assert list(block._buffers) == ["steps", "cache"]
    assert list(block._modules) == ["layers"]
    assert block.off is None
    assert isinstance(block.scale, nn.Parameter)
    assert "scale" in dir(block)
    assert "0" not in dir(block.layers)


def test_registries_are_read_only() -> None:
    with pytest.raises(TypeError):
        Block()._parameters["scale"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "what"), [(nn.Parameter(), "parameters"), (nn.Module(), "module"), (nn.Buffer(), "buffer")]
)
def test_assignment_before_init(value: Any, what: str) -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.x = value

    with pytest.raises(AttributeError, match=f"cannot assign {what} before Module.__init__\\(\\) call"):
        Hasty()


def test_plain_attributes_may_be_set_before_init() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.size = 3
            super().__init__()

    assert Early().size == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "scale",
            Tensor(np.zeros(3)),
            r"cannot assign '.*Tensor' as parameter 'scale' \(nn.Parameter or None",
        ),
        ("off", 3, r"cannot assign 'int' as parameter 'off'"),
        ("scale", nn.ReLU(), r"cannot assign 'nn.activation.ReLU' as parameter 'scale'"),
        ("layers", 3, r"cannot assign 'int' as child module 'layers' \(nn.Module or None expected\)"),
        ("steps", 3, r"cannot assign 'int' as buffer 'steps' \(nn.Buffer, Tensor or None expected\)"),
    ],
)
def test_an_attribute_keeps_its_kind(name: str, value: Any, message: str) -> None:
    block = Block()
    with pytest.raises(TypeError, match=message):
        setattr(block, name, value)


def test_replacing_keeps_the_place_and_another_kind_moves() -> None:
    block = Block()
    block.off = nn.Parameter(tensor(1))
    block.scale = nn.Parameter(tensor(4))
    assert [name for name, _ in block.named_parameters()][:2] == ["scale", "off"]
    block.steps = nn.Parameter(tensor(1))
    assert "steps" in block._parameters
    assert "steps" not in block._buffers
    block.cache = Tensor(np.ones(1))
    assert "cache" not in block.state_dict()
    block.layers = None
    assert list(block.children()) == []
    block.note = 3
    block.note = nn.ReLU()
    assert list(block._modules) == ["layers", "note"]
    block.scale = None
    assert "scale" not in block.state_dict()
    del block.note
    assert list(block._modules) == ["layers"]
    with pytest.raises(AttributeError):
        del block.note


def test_buffer_objects() -> None:
    block = Block()
    block.table = nn.Buffer(tensor(2), persistent=False)
    assert "table" in dict(block.named_buffers())
    assert "table" not in block.state_dict()
    clone = copy.deepcopy(block)
    assert clone.table.persistent is False
    block.table = nn.Buffer(tensor(2))
    assert "table" in block.state_dict()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("a.b", None), KeyError, "parameter name can.+contain"),
        (lambda m: m.register_parameter("", None), KeyError, "parameter name can.+be empty string"),
        (lambda m: m.register_parameter("forward", None), KeyError, "attribute 'forward' already exists"),
        (lambda m: m.register_parameter("w", tensor(2)), TypeError, "to parameter 'w'"),
        (lambda m: m.register_buffer("a.b", None), KeyError, "buffer name can.+contain"),
        (lambda m: m.register_buffer("scale", None), KeyError, "attribute 'scale' already exists"),
        (lambda m: m.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (lambda m: m.add_module("m", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.register_module("a.b", nn.ReLU()), KeyError, "module name can.+contain"),
        (lambda m: m.register_module("scale", nn.ReLU()), KeyError, "attribute 'scale' already exists"),
        (lambda m: nn.Parameter(np.ones(2)), TypeError, "Parameter: expected a Tensor, got numpy.ndarray"),
        (lambda m: nn.Parameter(Tensor(np.ones(2, int))), RuntimeError, "floating"),
        (
            lambda m: nn.Linear(2**40, 2**40),
            RuntimeError,
            "empty: no tensor can have sizes \\[1099511627776, 1099511627776\\]: .* too big",
        ),
        (lambda m: nn.ParameterList([1, 2])[2], IndexError, "index 2 is out of range for a list of 2"),
    ],
)
def test_wrong_registrations(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(Block())


def test_a_computed_tensor_is_no_parameter() -> None:
    p = nn.Parameter(tensor(2))
    p._node = (p * 2)._node
    with pytest.raises(ValueError, match="Cannot assign non-leaf Tensor to parameter 'w'"):
        Block().register_parameter("w", p)


def test_a_misspelt_attribute_raises() -> None:
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'scael'"):
        Block().scael  # noqa: B018


def test_a_shallow_copy_registers_for_itself() -> None:
    block = Block()
    clone = copy.copy(block)
    clone.extra = nn.ReLU()
    assert list(block._modules) == ["layers"]
    assert clone.scale is block.scale


def test_parameter_shares_memory_and_versions_with_its_tensor() -> None:
    x = tensor(3)
    p = nn.Parameter(x)
    assert p.requires_grad
    assert p.is_leaf
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    before = p._version
    x.mul_(2.0)
    np.testing.assert_array_equal(p.array, x.array)
    assert p._version == before + 1
    assert repr(p).startswith("Parameter containing:\ntensor([")
    assert type(p * 2) is Tensor


def test_parameters_keep_attributes_of_the_users() -> None:
    p = nn.Parameter(tensor(3))
    p.decay = False  # type: ignore[attr-defined]
    for clone in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(clone) is nn.Parameter
        assert clone.decay is False
        np.testing.assert_array_equal(clone.array, p.array)


# -- traversal --------------------------------------------------------------------------------------------------------


def test_names_come_in_order_and_shared_ones_once() -> None:
    net = Net()
    assert [name for name, _ in net.named_modules()] == [
        "", "first", "first.layers", "first.layers.0", "first.layers.1", "second", "second.layers",
        "second.layers.0", "second.layers.1", "head",
    ]  # fmt: skip
    assert [name for name, _ in net.named_parameters(prefix="net")] == [
        "net.first.scale", "net.first.layers.0.weight", "net.first.layers.0.bias", "net.second.scale",
        "net.second.layers.0.weight", "net.second.layers.0.bias", "net.head.weight", "net.head.bias",
    ]  # fmt: skip
    assert [name for name, _ in net.named_parameters(remove_duplicate=False)][-2:] == [
        "tied.weight",
        "tied.bias",
    ]
    assert [name for name, _ in net.named_modules(remove_duplicate=False)][-1] == "tied"
    assert [name for name, _ in net.named_children()] == ["first", "second", "head"]
    assert [name for name, _ in net.named_buffers()] == [
        "first.steps",
        "first.cache",
        "second.steps",
        "second.cache",
    ]
    assert list(net.parameters(recurse=False)) == []
    for name, plain in (
        ("named_modules", net.modules()),
        ("named_parameters", net.parameters()),
        ("named_buffers", net.buffers()),
    ):
        assert [id(x) for x in plain] == [id(x) for _, x in getattr(net, name)()]


def test_a_module_below_two_others_comes_where_it_is_reached_first() -> None:
    leaf = nn.Linear(1, 1)
    net = nn.Sequential(nn.Sequential(nn.ReLU(), leaf), leaf, nn.Sequential(leaf, nn.Tanh()))
    assert [id(m) for m in net.modules()] == [id(m) for _, m in net.named_modules()]
    assert len(list(net.parameters())) == 2


def test_members_by_path() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("first.layers.0") is net.first.layers[0]
    assert net.get_parameter("first.layers.0.weight") is net.first.layers[0].weight
    assert net.get_buffer("second.steps") is net.second.steps
    net.set_submodule("first.layers.1", nn.Tanh())
    assert isinstance(net.first.layers[1], nn.Tanh)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n: n.get_submodule("first.nothing"), AttributeError, "Block has no attribute `nothing`"),
        (lambda n: n.get_submodule("first.scale"), AttributeError, "`scale` is not an nn.Module"),
        (lambda n: n.get_parameter("first.steps"), AttributeError, "`steps` is not an nn.Parameter"),
        (lambda n: n.get_buffer("first.scale"), AttributeError, "`scale` is not a buffer"),
        (lambda n: n.set_submodule("", nn.ReLU()), ValueError, "without a target name"),
        (lambda n: n.set_submodule("first.x", 3), ValueError, "`module` is not an nn.Module"),
        (lambda n: n.set_submodule("first.x", nn.ReLU(), strict=True), AttributeError, "no attribute `x`"),
        (lambda n: n.set_submodule("first.scale", nn.ReLU()), AttributeError, "`scale` is not an nn.Module"),
    ],
)
def test_wrong_paths(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(Net())


def test_apply_visits_children_first() -> None:
    seen: list[Any] = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen[-1] is net
    assert seen[0] is net.first.layers[0]
    assert len(seen) == 10


# -- mode, gradients, types -------------------------------------------------------------------------------------------


def test_train_and_eval_reach_all_modules() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        net.train(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_zero_grad(set_to_none: bool) -> None:
    net = Net()
    net(tensor(4, 3)).sum().backward()
    grad = net.head.bias.grad
    net.zero_grad(set_to_none=set_to_none)
    for p in net.parameters():
        assert p.grad is None if set_to_none else not p.grad.array.any()
    assert set_to_none or net.head.bias.grad is grad


def test_zero_grad_cuts_a_recorded_gradient_off() -> None:
    net = nn.Linear(2, 1)
    net(tensor(1, 2)).square().sum().backward(create_graph=True)
    assert net.weight.grad.requires_grad
    net.zero_grad(set_to_none=False)
    assert not net.weight.grad.requires_grad


def test_requires_grad_() -> None:
    net = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert not net(tensor(1, 3)).requires_grad
    assert net.requires_grad_()(tensor(1, 3)).requires_grad


def test_conversion_changes_floating_tensors_and_their_gradients() -> None:
    net = Net()
    net(tensor(4, 3)).sum().backward()
    weight = net.head.weight
    assert net.double() is net
    assert net.head.weight is weight
    assert weight.dtype == weight.grad.dtype == autograd.float64
    assert net.first.steps.dtype == autograd.int64
    assert net.first.cache.dtype == autograd.float64
    net.zero_grad()
    net(tensor(4, 3, dtype=np.float64)).sum().backward()
    assert weight.grad.dtype == autograd.float64
    assert net.half().head.bias.dtype == autograd.float16
    assert net.float().head.bias.dtype == autograd.float32
    assert net.type(autograd.float64).first.steps.dtype == autograd.float64
    with pytest.raises(RuntimeError, match="type: parameters .* got autograd.int64"):
        net.type(autograd.int64)
    assert net.head.bias.dtype == autograd.float64
    assert net.requires_grad_(False).type(autograd.int64).head.bias.dtype == autograd.int64
    assert net.cpu() is net


@pytest.mark.parametrize(
    "arguments",
    [
        (autograd.float64,), (np.float64,), ("cpu", autograd.float64), (autograd.device("cpu"), autograd.float64),
        (Tensor(np.zeros(1)),), (None, autograd.float64), ("cpu", autograd.float64, True), (float,),
    ],
)  # fmt: skip
def test_to(arguments: Any) -> None:
    assert nn.Linear(1, 1).to(*arguments).weight.dtype == autograd.float64


def test_to_by_keyword_and_its_errors() -> None:
    layer = nn.Linear(1, 1)
    assert layer.to(dtype=autograd.float64, device="cpu", non_blocking=True).weight.dtype == autograd.float64
    assert layer.to("cpu") is layer
    with pytest.raises(RuntimeError, match="'cpu' alone"):
        layer.to("cuda")
    with pytest.raises(TypeError, match="only accepts floating point dtypes"):
        layer.to(autograd.int64)
    with pytest.raises(TypeError, match="unexpected keyword argument 'place'"):
        layer.to(place="cpu")
    with pytest.raises(TypeError, match="unexpected argument"):
        layer.to(autograd.float32, "cpu", "cpu")


def test_conversion_leaves_the_users_tensor_alone(torch: Any) -> None:
    """A buffer is the tensor that was registered, until it is converted; so it is in PyTorch."""
    for library, base in ((autograd, nn.Module), (torch, torch.nn.Module)):
        mask = library.ones(3)
        first, second = base(), base()
        for module in (first, second):
            module.register_buffer("mask", mask, persistent=False)
        first.double()
        assert first.mask.dtype == library.float64
        assert first.state_dict() == {}
        assert second.mask is mask
        assert mask.dtype == library.float32
        assert first.double().mask is first.mask


def test_hooks_on_a_parameter_survive_conversion() -> None:
    layer, seen = nn.Linear(2, 1), []
    layer.weight.register_hook(lambda grad: seen.append(grad.dtype))
    layer.double()(tensor(1, 2, dtype=np.float64)).sum().backward()
    assert seen == [autograd.float64]


# -- state ------------------------------------------------------------------------------------------------------------


def test_state_dict_holds_what_persists_and_shares_memory() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state)[:4] == ["first.scale", "first.steps", "first.layers.0.weight", "first.layers.0.bias"]
    assert {"head.weight", "tied.weight"} <= set(state)
    assert not any("cache" in key or "off" in key for key in state)
    assert np.shares_memory(state["head.weight"].array, net.head.weight.array)
    assert not state["head.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["head.weight"] is net.head.weight
    assert list(net.head.state_dict(prefix="a.")) == ["a.weight", "a.bias"]
    destination: dict[str, Any] = {}
    assert net.head.state_dict(destination=destination) is destination
    assert state._metadata["first"] == {"version": 1}  # type: ignore[attr-defined]


def test_load_state_dict_copies_and_counts_the_write() -> None:
    a, b = Net(), Net()
    version = a.head.weight._version
    result = a.load_state_dict(b.state_dict())
    assert str(result) == "<All keys matched successfully>"
    assert result == ([], [])
    for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        np.testing.assert_array_equal(p.array, q.array)
        assert not np.shares_memory(p.array, q.array)
    assert a.head.weight._version > version


def test_load_state_dict_reports_everything_at_once() -> None:
    net = Net()
    state = dict(net.state_dict())
    del state["first.scale"], state["head.bias"]
    state |= {"head.weight": tensor(3, 2), "extra": tensor(1), "first.extra.x": tensor(1), "second.scale": 3}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    text = str(error.value)
    assert text.startswith("Error(s) in loading state_dict for Net:")
    assert 'Missing key(s) in state_dict: "first.scale", "head.bias".' in text
    assert 'Unexpected key(s) in state_dict: "extra", "first.extra.x".' in text
    assert "size mismatch for head.weight: copying a param with shape Size([3, 2])" in text
    assert "the shape in current model is Size([2, 3])" in text
    assert '"second.scale", expected a Tensor from checkpoint but received int' in text


def test_load_state_dict_not_strict() -> None:
    net = Net()
    given = tensor(3)
    result = net.load_state_dict({"first.scale": given, "extra": tensor(1)}, strict=False)
    assert result.missing_keys == [key for key in net.state_dict() if key != "first.scale"]
    assert result.unexpected_keys == ["extra"]
    assert net.first.scale.tolist() == given.tolist()
    with pytest.raises(RuntimeError, match="size mismatch for first.scale"):
        net.load_state_dict({"first.scale": tensor(4)}, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        net.load_state_dict([1])  # type: ignore[arg-type]


def test_load_state_dict_assign() -> None:
    net, given = Net(), {key: x.double() for key, x in Net().state_dict().items() if x.is_floating_point()}
    net.first.scale.requires_grad_(False)
    net.load_state_dict(given, strict=False, assign=True)
    assert np.shares_memory(net.head.weight.array, given["tied.weight"].array)
    assert type(net.first.scale) is nn.Parameter
    assert not net.first.scale.requires_grad
    assert net.head.weight.requires_grad


def test_extra_state() -> None:
    class Counter(nn.Module):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    a, b = nn.Sequential(Counter()), nn.Sequential(Counter())
    a[0].count = 5
    assert list(a.state_dict()) == ["0._extra_state"]
    b.load_state_dict(a.state_dict())
    assert b[0].count == 5
    with pytest.raises(RuntimeError, match="Missing key"):
        b.load_state_dict({})
    with pytest.raises(RuntimeError, match="has no extra state"):
        nn.ReLU().get_extra_state()


def test_state_hooks() -> None:
    net, log = Block(), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep_vars: log.append(("pre", prefix, keep_vars)))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop(f"{prefix}steps"))  # returns: an error
    with pytest.raises(RuntimeError, match="post-hook must return None"):
        net.state_dict()
    assert log == [("pre", "", False)]

    net = Block()
    net.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: state.update(scale=state.pop("old")))
    handle = net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    state = dict(Block().state_dict())
    state["old"] = state.pop("scale")
    del state["layers.0.bias"]
    assert net.load_state_dict(state) == ([], [])
    np.testing.assert_array_equal(net.scale.array, state["old"].array)
    handle.remove()
    with pytest.raises(RuntimeError, match="layers.0.bias"):
        net.load_state_dict({**state, "old": state["old"]})


def test_save_and_load_by_pickle_of_the_state() -> None:
    a, b = Net(), Net()
    b.load_state_dict(pickle.loads(pickle.dumps(a.state_dict())))
    x = tensor(2, 3)
    np.testing.assert_array_equal(a(x).array, b(x).array)


def test_a_pickled_model_computes_the_same() -> None:
    net = nn.models.lenet5(side=8)
    clone, x = pickle.loads(pickle.dumps(net)), tensor(2, 1, 8, 8)
    assert repr(clone) == repr(net)
    assert list(clone.state_dict()) == list(net.state_dict())
    np.testing.assert_array_equal(clone(x).array, net(x).array)


def test_deepcopy_keeps_sharing() -> None:
    net = Net()
    clone = copy.deepcopy(net)
    assert clone.head is clone.tied
    assert clone.head is not net.head
    x = tensor(2, 3)
    np.testing.assert_array_equal(clone(x).array, net(x).array)


# -- errors -----------------------------------------------------------------------------------------------------------


class Fails(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Any) -> Any:
        raise self.error


def test_errors_carry_the_path_of_the_module() -> None:
    net = nn.Sequential(OrderedDict(features=nn.Sequential(nn.ReLU(), nn.Linear(3, 2)), out=nn.ReLU()))
    with pytest.raises(RuntimeError, match=r"^features.1 \(Linear\): linear: ") as error:
        net(tensor(1, 4))
    assert str(error.value).count("Linear") == 1
    with pytest.raises(RuntimeError, match=r"^Linear: linear: "):
        nn.Linear(3, 2)(tensor(1, 4))


def test_errors_pass_through_lists() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.ReLU(), nn.Linear(3, 2)])

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    with pytest.raises(RuntimeError, match=r"^0.layers.1 \(Linear\): "):
        nn.Sequential(Stack())(tensor(1, 4))


def test_errors_of_modules_that_are_not_registered() -> None:
    class Hides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = [nn.Linear(3, 2)]

        def forward(self, x: Tensor) -> Tensor:
            return self.hidden[0](x)

    with pytest.raises(RuntimeError, match=r"^0 \(Hides\) > Linear: linear: "):
        nn.Sequential(Hides())(tensor(1, 4))


def test_errors_that_are_no_sentences_get_a_note() -> None:
    for error in (KeyError("weight"), ValueError(1, 2), ZeroDivisionError()):
        arguments = error.args
        with pytest.raises(type(error)) as raised:
            nn.Sequential(nn.Sequential(Fails(error)))(1)
        assert raised.value is error
        assert error.args == arguments
        assert error.__notes__ == ["in 0.0 (Fails)"]


def test_warnings_do_not_arise_from_a_plain_call() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Net()(tensor(1, 3))


def test_a_call_costs_little_more_than_forward() -> None:
    layer = nn.Identity()
    call = min(timeit.repeat(lambda: layer(1), number=2000, repeat=20))
    forward = min(timeit.repeat(lambda: layer.forward(1), number=2000, repeat=20))
    assert (call - forward) / 2000 < 2e-6  # measured 0.2 µs; the bound leaves room for a busy machine


# -- representation ---------------------------------------------------------------------------------------------------


def test_repr_of_nested_modules_is_pytorchs(torch: Any) -> None:
    def build(namespace: Any) -> Any:
        class Net(namespace.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.features = namespace.Sequential(namespace.Conv2d(1, 2, 3), namespace.ReLU(inplace=True))
                self.empty = namespace.Sequential()
                self.blocks = namespace.ModuleList([namespace.Linear(2, 2) for _ in range(3)] + [namespace.Tanh()])
                self.none = namespace.ModuleList()
                self.named = namespace.ModuleDict(
                    {"a": namespace.Linear(1, 1), "b": namespace.ModuleList([self.empty])}
                )
                self.loss = namespace.CrossEntropyLoss()
                self.nothing = namespace.Identity()
                self.register_module("off", None)

            def extra_repr(self) -> str:
                return "first line\nsecond line"

        return Net()

    assert repr(build(nn)) == repr(build(torch.nn))


def test_repr_of_parameter_containers() -> None:
    assert repr(nn.ParameterList([nn.Parameter(tensor(2, 3)), 5])) == (
        "ParameterList(\n    (0): Parameter containing: [autograd.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )
    assert repr(nn.ParameterDict({"w": nn.Parameter(tensor(2))})) == (
        "ParameterDict(  (w): Parameter containing: [autograd.float32 of size 2])"
    )


# -- utils ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [2.0, 1, 3.5, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clip_grad_norm_is_pytorchs(norm_type: float, max_norm: float, torch: Any) -> None:
    arrays = [np.random.default_rng(i).standard_normal((3, i + 1)) for i in range(3)]
    ours = [nn.Parameter(Tensor(a)) for a in arrays]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
    for p, q, a in zip(ours, theirs, arrays, strict=True):
        p.grad, q.grad = Tensor(a * 2), torch.tensor(a * 2)
    total = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(total.array, expected.numpy(), rtol=1e-12)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.array, q.grad.numpy(), rtol=1e-12)


def test_clipping_of_nothing_and_of_values_that_are_not_finite() -> None:
    assert nn.utils.clip_grad_norm_([nn.Parameter(tensor(2))], 1.0).item() == 0.0
    p = nn.Parameter(tensor(2))
    p.grad = Tensor(np.array([np.inf, 1.0], np.float32))
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_clip_grad_value() -> None:
    p = nn.Parameter(tensor(3))
    p.grad = Tensor(np.array([-3.0, 0.1, 2.0], np.float32))
    nn.utils.clip_grad_value_(p, 0.5)
    np.testing.assert_array_equal(p.grad.array, np.array([-0.5, 0.1, 0.5], np.float32))


def test_parameters_to_vector_and_back() -> None:
    a, b = Net(), Net()
    vector = nn.utils.parameters_to_vector(a.parameters())
    assert vector.shape == (sum(p.numel() for p in a.parameters()),)
    nn.utils.vector_to_parameters(vector.detach(), b.parameters())
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.array, q.array)
    vector.square().sum().backward()
    np.testing.assert_allclose(a.head.weight.grad.array, 2 * a.head.weight.array, rtol=1e-6)
    with pytest.raises(RuntimeError, match="the vector has shape"):
        nn.utils.vector_to_parameters(vector[:-1], b.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.utils.vector_to_parameters(3, b.parameters())  # type: ignore[arg-type]


# -- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "features", "parameters"), [(32, 400, 61706), (28, 400, 61706), (8, 64, 21386)])
def test_lenet5(side: int, features: int, parameters: int) -> None:
    net = nn.models.lenet5(side=side)
    x = tensor(2, 1, side, side)
    assert net.features(x).flatten(1).shape == (2, features)
    assert net(x).shape == (2, 10)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert [name for name, _ in net.named_children()] == ["features", "classifier"]


def test_lenet5_of_other_parts() -> None:
    net = nn.models.lenet5(3, 2, side=28, activation=nn.ReLU, pool=nn.MaxPool2d)
    assert net(tensor(1, 2, 28, 28)).shape == (1, 3)
    assert isinstance(net.features[1], nn.ReLU)
    assert isinstance(net.features[2], nn.MaxPool2d)


def test_training_twice_gives_the_same_bits() -> None:
    def train() -> list[np.ndarray]:
        autograd.manual_seed(1)
        net = nn.Sequential(nn.models.lenet5(side=8, pool=nn.MaxPool2d), nn.Dropout(0.1), nn.BatchNorm1d(10))
        optimizer = nn.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            x, t = autograd.randn(32, 1, 8, 8), autograd.randint(0, 10, (32,))
            optimizer.zero_grad()
            F.cross_entropy(net(x), t).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        return [x.array for x in net.state_dict().values()]

    for a, b in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(a, b)
