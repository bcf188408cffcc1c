"""Parametrizations, weight norm and spectral norm, against PyTorch's."""

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import autograd
import nn
from nn.utils import parametrizations, parametrize

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
LIBRARIES = ((autograd, nn), (torch, torch.nn))


def conv(lib_nn):
    return lib_nn.Conv2d(3, 4, 2)


LAYERS = {
    "linear": (lambda lib_nn: lib_nn.Linear(3, 4), (5, 3)),
    "conv": (conv, (2, 3, 4, 4)),
    "transposed": (lambda lib_nn: lib_nn.ConvTranspose2d(3, 4, 2), (2, 3, 4, 4)),
}


def draw(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def twins(make, normalise):
    """Return the same layer in both libraries, normalised, with the same values in all tensors."""
    ours, theirs = (normalise(lib_nn, make(lib_nn).double()) for _, lib_nn in LIBRARIES)
    state = {name: draw(*x.shape, seed=i) for i, (name, x) in enumerate(theirs.state_dict().items())}
    theirs.load_state_dict({name: torch.tensor(x) for name, x in state.items()})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: autograd.tensor(x) for name, x in state.items()})
    return ours, theirs


def assert_same(ours, theirs):
    expected = theirs.detach().numpy()
    assert tuple(ours.shape) == expected.shape
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


NORMS = {
    "weight_norm": lambda lib_nn, layer: lib_nn.utils.parametrizations.weight_norm(layer),
    "weight_norm dim 1": lambda lib_nn, layer: lib_nn.utils.parametrizations.weight_norm(layer, dim=1),
    "weight_norm of all": lambda lib_nn, layer: lib_nn.utils.parametrizations.weight_norm(layer, dim=None),
    "weight_norm of bias": lambda lib_nn, layer: lib_nn.utils.parametrizations.weight_norm(layer, "bias"),
    "spectral_norm": lambda lib_nn, layer: lib_nn.utils.parametrizations.spectral_norm(layer),
    "spectral_norm thrice": lambda lib_nn, layer: lib_nn.utils.parametrizations.spectral_norm(
        layer, n_power_iterations=3
    ),
    "spectral_norm dim 1": lambda lib_nn, layer: lib_nn.utils.parametrizations.spectral_norm(layer, dim=-1, eps=1e-3),
    "spectral_norm of bias": lambda lib_nn, layer: lib_nn.utils.parametrizations.spectral_norm(layer, "bias", dim=0),
    "old weight_norm": lambda lib_nn, layer: lib_nn.utils.weight_norm(layer),
    "old weight_norm of all": lambda lib_nn, layer: lib_nn.utils.weight_norm(layer, dim=None),
    "old spectral_norm": lambda lib_nn, layer: lib_nn.utils.spectral_norm(layer),
    "old spectral_norm twice": lambda lib_nn, layer: lib_nn.utils.spectral_norm(layer, n_power_iterations=2, dim=1),
}
old_names = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")


@old_names
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("norm", NORMS)
def test_training_equals_pytorch(norm, layer):
    make, shape = LAYERS[layer]
    ours, theirs = twins(make, NORMS[norm])
    x = draw(*shape)
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        outputs = []
        for (lib, _), module in zip(LIBRARIES, (ours, theirs), strict=True):
            module.zero_grad()
            y = module(lib.tensor(x))
            (y * y).sum().backward()
            outputs.append(y)
        assert_same(*outputs)
        for (name, mine), (other_name, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert name == other_name
            assert_same(mine.grad, other.grad)
            for lib, p in ((autograd, mine), (torch, other)):
                with lib.no_grad():
                    p.sub_(0.01 * p.grad)
        for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
            assert_same(mine, other)


@pytest.mark.parametrize("norm", ["weight_norm", "weight_norm of all", "spectral_norm"])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_value_is_kept_where_it_can_be(norm, layer):
    make, _ = LAYERS[layer]
    module = make(nn).double()
    before = module.weight.detach().numpy().copy()
    NORMS[norm](nn, module)
    if norm == "spectral_norm":
        largest = np.linalg.norm(
            before.reshape(len(before), -1) if layer != "transposed" else before.swapaxes(0, 1).reshape(4, -1), 2
        )
        np.testing.assert_allclose(module.weight.detach().numpy(), before / largest, rtol=0.02)
    else:
        np.testing.assert_allclose(module.weight.detach().numpy(), before, rtol=1e-12)
    now = module.eval().weight.detach().numpy().copy()
    parametrize.remove_parametrizations(module, "weight")
    assert type(module) is type(make(nn))
    np.testing.assert_array_equal(module.weight.detach().numpy(), now)
    assert sorted(module.state_dict()) == ["bias", "weight"]
    assert isinstance(module.weight, nn.Parameter)


@old_names
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_the_older_norms_are_removed_and_not_doubled(kind):
    add, remove = getattr(nn.utils, kind), getattr(nn.utils, f"remove_{kind}")
    module = add(nn.Linear(3, 2)).eval()
    with pytest.raises(RuntimeError, match=f"two {kind} hooks on the same parameter weight"):
        add(module)
    module(autograd.ones(1, 3))
    value = module.weight.detach().numpy().copy()
    assert remove(module) is module
    np.testing.assert_allclose(module.weight.detach().numpy(), value, rtol=1e-6)
    assert sorted(dict(module.named_parameters())) == ["bias", "weight"]
    assert not list(module.buffers())
    module(autograd.ones(1, 3))
    with pytest.raises(ValueError, match=f"{kind} of 'weight' not found"):
        remove(module)


def test_checkpoints_of_the_older_weight_norm_load():
    theirs = torch.nn.Linear(3, 2)
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.nn.utils.weight_norm(theirs)
    ours = parametrizations.weight_norm(nn.Linear(3, 2))
    ours.load_state_dict({name: autograd.tensor(x.numpy()) for name, x in theirs.state_dict().items()})
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-6)
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(nn.Linear(1, 1))


# -- parametrize ------------------------------------------------------------------------------------------------------


def symmetric(lib_nn):
    class Symmetric(lib_nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a):
            return a.triu()

    return Symmetric()


def scaled(lib_nn, factor=2.0):
    class Scaled(lib_nn.Module):
        calls = 0

        def forward(self, x):
            Scaled.calls += 1
            return factor * x

    return Scaled()


def test_one_upon_another_as_in_pytorch():
    results = []
    for lib, lib_nn in LIBRARIES:
        p = lib_nn.utils.parametrize
        module = lib_nn.Linear(3, 3).double()
        with lib.no_grad():
            module.weight.copy_(lib.tensor(draw(3, 3)))
        p.register_parametrization(module, "weight", symmetric(lib_nn))
        p.register_parametrization(module, "weight", scaled(lib_nn))
        p.register_parametrization(module, "bias", scaled(lib_nn, 0.0))
        module(lib.tensor(draw(2, 3))).sum().backward()
        names = [name for name, _ in module.named_parameters()]
        results.append((module.weight, module.parametrizations.weight.original.grad, names, module))
        assert p.is_parametrized(module)
        assert p.is_parametrized(module, "bias")
        assert not p.is_parametrized(module, "other")
        assert p.type_before_parametrizations(module) is lib_nn.Linear
        assert type(module).__name__ == "ParametrizedLinear"
    assert_same(results[0][0], results[1][0])
    assert_same(results[0][1], results[1][1])
    assert results[0][2] == results[1][2]
    ours, theirs = results[0][3], results[1][3]
    for p, module in ((parametrize, ours), (torch.nn.utils.parametrize, theirs)):
        p.remove_parametrizations(module, "bias", leave_parametrized=False)
        p.remove_parametrizations(module, "weight")
    assert_same(ours.weight, theirs.weight)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


def test_assigning_goes_through_the_inverse():
    module = parametrize.register_parametrization(nn.Linear(3, 3).double(), "weight", symmetric(nn))
    original = module.parametrizations.weight.original
    value = draw(3, 3)
    value += value.T
    module.weight = autograd.tensor(value)
    np.testing.assert_allclose(module.weight.detach().numpy(), value, rtol=1e-15)
    assert module.parametrizations.weight.original is original
    parametrize.register_parametrization(module, "bias", scaled(nn))
    with pytest.raises(RuntimeError, match="Scaled does not implement right_inverse"):
        module.bias = autograd.zeros(3, dtype=autograd.float64)


def test_cached_values_are_computed_once():
    module = nn.Linear(2, 2)
    scale = scaled(nn)
    parametrize.register_parametrization(module, "weight", scale)
    type(scale).calls = 0
    with parametrize.cached():
        first = module.weight
        with parametrize.cached():
            assert module.weight is first
        assert module.weight is first
        assert type(scale).calls == 1
    assert module.weight is not first


def test_an_assignment_that_fails_changes_nothing():
    class Split(nn.Module):
        wrong = False

        def forward(self, a, b):
            return a + b

        def right_inverse(self, x):
            return x * 0.25, (x * 0.75).double() if self.wrong else x * 0.75

    module, split = nn.Linear(2, 3), Split()
    parametrize.register_parametrization(module, "weight", split)
    before = {name: x.clone() for name, x in module.state_dict().items()}
    split.wrong = True
    with pytest.raises(ValueError, match="dtype autograd.float64 while `original` 1 has dtype autograd.float32"):
        module.weight = autograd.ones(3, 2)
    assert all(autograd.equal(x, before[name]) for name, x in module.state_dict().items())


def test_each_thread_has_cached_values_of_its_own():
    module = parametrizations.weight_norm(nn.Linear(2, 2))

    def look():
        with autograd.no_grad():
            return module.weight

    with parametrize.cached(), ThreadPoolExecutor(1) as pool:
        assert not pool.submit(look).result().requires_grad
        assert module.weight.requires_grad


def test_copies_are_apart_and_pickles_refused():
    module = parametrizations.weight_norm(nn.Linear(3, 2))
    twin = copy.deepcopy(module)
    parametrize.remove_parametrizations(module, "weight")
    assert parametrize.is_parametrized(twin, "weight")
    before = twin.weight.detach().numpy().copy()
    with autograd.no_grad():
        twin.parametrizations.weight.original0.mul_(2.0)
        module.weight.zero_()
    np.testing.assert_allclose(twin.weight.detach().numpy(), 2 * before, rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"only supported through state_dict"):
        pickle.dumps(twin)
    file = io.BytesIO()
    autograd.save(twin.state_dict(), file)
    file.seek(0)
    again = parametrizations.weight_norm(nn.Linear(3, 2))
    again.load_state_dict(autograd.load(file))
    np.testing.assert_array_equal(again.weight.detach().numpy(), twin.weight.detach().numpy())


def test_parametrizations_are_transferred():
    source = parametrize.register_parametrization(nn.Linear(3, 3), "weight", symmetric(nn))
    target = parametrize.transfer_parametrizations_and_params(source, nn.Linear(3, 3))
    assert target.parametrizations.weight.original is source.parametrizations.weight.original
    np.testing.assert_array_equal(target.weight.detach().numpy(), source.weight.detach().numpy())
    plain = nn.Linear(3, 3)
    assert parametrize.transfer_parametrizations_and_params(nn.Linear(3, 3), plain) is plain
    assert not parametrize.is_parametrized(plain)


def test_buffers_and_optimisers_see_the_originals():
    module = nn.BatchNorm1d(3)
    parametrize.register_parametrization(module, "running_mean", scaled(nn))
    assert "parametrizations.running_mean.original" in module.state_dict()
    linear = parametrizations.weight_norm(nn.Linear(3, 2))
    optimizer = nn.optim.SGD(linear.parameters(), lr=0.1)
    before = linear.weight.detach().numpy().copy()
    linear(autograd.ones(1, 3)).sum().backward()
    optimizer.step()
    assert not np.array_equal(linear.weight.detach().numpy(), before)


class Wrong(nn.Module):
    """A parametrization that changes what it is told to."""

    def __init__(self, forward, inverse=None):
        super().__init__()
        self.how = forward
        if inverse is not None:
            self.right_inverse = inverse

    def forward(self, x):
        return self.how(x)


def register(*arguments, twice=False, **options):
    module = nn.Linear(2, 3)
    if twice:
        parametrize.register_parametrization(module, "weight", nn.Identity())
    return parametrize.register_parametrization(module, "weight", Wrong(*arguments), **options)


def test_a_registration_that_fails_leaves_the_tensor_as_it_was():
    for forward, error in ((lambda x: x[0], ValueError), (lambda x: x.no_such_method(), AttributeError)):
        module = nn.Linear(2, 3)
        before = module.weight.detach().numpy().copy()
        with pytest.raises(error):
            parametrize.register_parametrization(module, "weight", Wrong(forward, lambda x: x * 2))
        assert type(module) is nn.Linear
        np.testing.assert_array_equal(module.weight.detach().numpy(), before)


@pytest.mark.parametrize("twice", [False, True])
def test_parametrizations_may_not_change_the_tensor(twice):
    for forward, message in (
        (lambda x: x.double(), "may not change the dtype"),
        (lambda x: x[0], "may not change the shape"),
        (lambda x: 3.0, "must return a tensor. Got float"),
    ):
        with pytest.raises(ValueError, match=message):
            register(forward, twice=twice)
    assert register(lambda x: x[0], twice=twice, unsafe=True).weight.shape == (2,)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: register(abs, lambda x: 3.0), ValueError, "must return a Tensor or a Sequence of tensors.*float"),
        (lambda: register(abs, lambda x: [x, 3.0]), ValueError, "element 1 of the sequence with type float"),
        (lambda: register(abs, lambda x: x.double()), ValueError, "may not change the dtype"),
        (lambda: register(abs, lambda x: x[0], twice=True), ValueError, "same dtype and shape"),
        (lambda: parametrize.register_parametrization(nn.Linear(1, 1), "w", nn.Identity()), ValueError, "name 'w'"),
        (
            lambda: parametrize.remove_parametrizations(nn.Linear(1, 1), "weight"),
            ValueError,
            "parametrization on weight",
        ),
        (lambda: parametrize.ParametrizationList([], autograd.ones(1)), ValueError, "one or more modules"),
        (
            lambda: parametrizations.spectral_norm(nn.Linear(1, 1), "w"),
            ValueError,
            "no parameter or buffer with name 'w'",
        ),
        (lambda: parametrizations.spectral_norm(nn.Linear(1, 1), n_power_iterations=0), ValueError, "positive"),
        (lambda: parametrizations.spectral_norm(nn.Linear(1, 1), dim=2), IndexError, "but got 2"),
        (lambda: parametrizations.weight_norm(nn.Linear(1, 1), dim=5), IndexError, "dim 5 is out of range"),
        (lambda: nn.utils.spectral_norm(nn.Linear(1, 1), n_power_iterations=0), ValueError, "positive"),
        (lambda: nn.utils.spectral_norm(nn.Linear(1, 1, bias=False), "bias"), ValueError, "is None"),
        (
            lambda: parametrize.remove_parametrizations(parametrizations.weight_norm(nn.Linear(1, 1)), "weight", False),
            ValueError,
            "Cannot leave unparametrized",
        ),
    ],
)
def test_wrong_calls_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
