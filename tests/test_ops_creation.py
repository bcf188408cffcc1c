"""New tensors, random tensors and conversions: values and types against PyTorch, and the facade."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

import autograd
from autograd import Tensor
from tests.against_torch import compare, draw

torch = pytest.importorskip("torch")


def same(ours, theirs):
    assert isinstance(ours, Tensor)
    assert str(ours.dtype)[9:] == str(theirs.dtype)[6:]
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().array, theirs.detach().numpy(), rtol=1e-6)
    assert ours.requires_grad == theirs.requires_grad


DATA = [
    1, 2.5, True, [], [[]], [[], []], [1, 2], [1, 2.5], [True, 1], [True, False], [[1, 2], [3, 4]],
    ((1, 2), [3, 4]), range(3),
    np.float64(1), np.float32(1), [np.float64(1), 2.0], [np.float32(1)], [np.int32(1), 2], np.ones(2),
    np.ones(2, np.int8),
    np.array(3), [np.ones(2), np.zeros(2)], [[np.float32(1), 2], [3, 4]], np.ones((2, 3)).T, np.array([True]),
    -(2**63),
]  # fmt: skip


@pytest.mark.parametrize("data", DATA, ids=repr)
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy")
def test_tensor(data):
    same(autograd.tensor(data), torch.tensor(data))
    same(autograd.tensor(data, dtype=autograd.float64), torch.tensor(data, dtype=torch.float64))
    same(autograd.as_tensor(data), torch.as_tensor(data))
    ours = autograd.tensor(data, dtype=autograd.float32, requires_grad=True, device="cpu")
    same(ours, torch.tensor(data, dtype=torch.float32, requires_grad=True))
    assert ours.is_leaf


def test_tensor_of_floats_is_exact():
    assert autograd.tensor([0.1], dtype=autograd.float64).item() == 0.1
    assert autograd.tensor(0.1, dtype=autograd.float64).item() == 0.1
    assert autograd.tensor([2**53 + 1]).item() == 2**53 + 1
    assert autograd.tensor([[0.0, 0.5], [2, 0]], dtype=autograd.bool).tolist() == [
        [False, True],
        [True, False],
    ]


def test_tensor_of_tensors():
    for make in (
        lambda t: [t.tensor(1.0), t.tensor(2.0)], lambda t: [t.tensor([1.0]), 2],
        lambda t: [t.tensor(1), t.tensor(2.0)],
        lambda t: [[t.tensor(1, dtype=t.int8)], [t.tensor(2, dtype=t.int32)]],
        lambda t: [t.tensor(1.0, dtype=t.float64), 2],
    ):  # fmt: skip
        same(autograd.tensor(make(autograd)), torch.tensor(make(torch)))
    x = autograd.ones(2, requires_grad=True)
    y = autograd.tensor(x)
    assert not y.requires_grad
    assert not np.shares_memory(x.array, y.array)


def test_tensor_follows_the_default_dtype():
    autograd.set_default_dtype(autograd.float64)
    assert autograd.tensor([1.5]).dtype is autograd.float64
    assert autograd.zeros(2).dtype is autograd.float64
    assert autograd.rand(2).dtype is autograd.float64
    assert autograd.arange(0.0, 1.0, 0.3).dtype is autograd.float64
    autograd.set_default_dtype(autograd.float32)


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(3)
    copied, shared = autograd.tensor(array), autograd.as_tensor(array)
    array[0] = 1
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [1, 0, 0]
    assert autograd.as_tensor(shared) is shared
    assert autograd.as_tensor(shared, autograd.float32).dtype is autograd.float32
    assert not np.shares_memory(autograd.as_tensor(array, dtype=autograd.float32).array, array)
    assert np.shares_memory(autograd.from_numpy(array).array, array)
    assert np.shares_memory(autograd.asarray(array).array, array)
    assert not np.shares_memory(autograd.asarray(array, copy=True).array, array)
    with pytest.raises(ValueError, match="copy=False"):
        autograd.asarray(array, dtype=autograd.float32, copy=False)
    x = autograd.ones(2, requires_grad=True)
    assert not autograd.asarray(x).requires_grad
    assert autograd.asarray([1.0], requires_grad=True).requires_grad


def test_read_only_arrays_warn_and_stay_read_only():
    array = np.zeros(3)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        x = autograd.from_numpy(array)
    with pytest.raises(RuntimeError, match="read-only"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="read-only"):
        x[[0]] = 1


BAD_DATA = [
    ([[1, 2], [3]], ValueError), ("a", TypeError), (None, RuntimeError), ({1}, RuntimeError),
    (np.array(["a"]), TypeError), (np.array([None]), TypeError), (2**63, ValueError),
    ([[[1], [2, 3]]], ValueError),
]  # fmt: skip


@pytest.mark.parametrize(("data", "error"), BAD_DATA, ids=repr)
def test_bad_data(data, error):
    with pytest.raises((ValueError, TypeError, RuntimeError)) as theirs:
        torch.tensor(data)
    assert theirs.type is error
    with pytest.raises(error):
        autograd.tensor(data)


def test_arrays_of_unsupported_types():
    with pytest.raises(TypeError, match="complex"):
        autograd.tensor(np.array([1j]))
    with pytest.raises(TypeError, match="uint16"):
        autograd.from_numpy(np.zeros(2, np.uint16))
    with pytest.raises(ValueError, match="byte order"):
        autograd.from_numpy(np.zeros(2, ">f4"))
    with pytest.raises(TypeError, match="list"):
        autograd.from_numpy([1.0])
    with pytest.raises(ValueError, match="one element"):
        autograd.tensor([autograd.ones(2), autograd.ones(2)])
    with pytest.raises(ValueError, match="length 2 at dim 1"):
        autograd.tensor([[1, 2], [3]])
    with pytest.raises(RuntimeError, match="floating"):
        autograd.tensor([1, 2], requires_grad=True)


FACTORIES = [
    lambda t: t.zeros(2, 3), lambda t: t.zeros((2, 3), dtype=t.int64), lambda t: t.zeros(size=(2,)),
    lambda t: t.zeros(()),
    lambda t: t.zeros(0, 3), lambda t: t.ones([2, 3]), lambda t: t.ones(2, dtype=t.bool),
    lambda t: t.ones(2, requires_grad=True),
    lambda t: t.full((2, 3), 7), lambda t: t.full((2,), 1.5), lambda t: t.full((2,), True),
    lambda t: t.full((), 1, dtype=t.float64),
    lambda t: t.full((2,), t.tensor(3)), lambda t: t.eye(3), lambda t: t.eye(2, 3, dtype=t.int64),
    lambda t: t.eye(0),
    lambda t: t.tensor([-1, 255], dtype=t.uint8), lambda t: t.tensor([-1.9, 126.9], dtype=t.int8),
    lambda t: t.randint(0, 1, (2,), dtype=t.bool), lambda t: t.multinomial(t.zeros(0, 3), 2, replacement=True),
    lambda t: t.arange(5), lambda t: t.arange(1, 10, 3), lambda t: t.arange(5, 0, -2),
    lambda t: t.arange(0, 1, 0.3),
    lambda t: t.arange(2.5), lambda t: t.arange(1, 3, dtype=t.float64), lambda t: t.arange(3, 3),
    lambda t: t.arange(start=1, end=4),
    lambda t: t.arange(t.tensor(2), 5), lambda t: t.arange(0, 1, 0.1, dtype=t.float64),
    lambda t: t.arange(0.5, 5, dtype=t.int64),
    lambda t: t.linspace(0, 1, 5), lambda t: t.linspace(3, -3, 1), lambda t: t.linspace(0, 1, 0),
    lambda t: t.linspace(0, 5, 3, dtype=t.int64),
    lambda t: t.linspace(-1.5, 2, 7, dtype=t.float64), lambda t: t.logspace(0, 2, 3),
    lambda t: t.logspace(-1, 1, 5, base=2),
    lambda t: t.tril_indices(3, 4), lambda t: t.tril_indices(3, 3, -1), lambda t: t.triu_indices(3, 4, 1),
    lambda t: t.scalar_tensor(2),
    lambda t: t.zeros_like(t.ones(2, 3, dtype=t.float64)), lambda t: t.ones_like(t.ones(2), dtype=t.int64),
    lambda t: t.full_like(t.ones(2), 3),
    lambda t: t.full_like(t.ones(2, dtype=t.int64), 2.5), lambda t: t.ones(2).new_tensor([1, 2]),
    lambda t: t.ones(2).new_zeros(2, 3),
    lambda t: t.ones(2, dtype=t.int64).new_ones((2, 3)),
    lambda t: t.ones(2, dtype=t.int64).new_full((2,), 2.5),
    lambda t: t.ones(2).new_zeros(size=(3,), dtype=t.float64), lambda t: t.fill(t.zeros(2), 3),
    lambda t: t.zeros(2).fill_(t.tensor(2)),
    lambda t: t.ones(2, dtype=t.int64).fill_(2.7), lambda t: t.zeros(2, device="cpu"),
    lambda t: t.zeros(2, device=t.device("cpu")),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(FACTORIES)))
def test_factories(index):
    same(FACTORIES[index](autograd), FACTORIES[index](torch))


@pytest.mark.parametrize("name", ["empty", "rand", "randn"])
def test_shapes_of_what_has_arbitrary_contents(name):
    for args, options in (((2, 3), {}), (((2, 3),), {"dtype": "float64"}), ((), {"size": (2,)}), ((0,), {})):
        theirs_options = {k: getattr(torch, v) if k == "dtype" else v for k, v in options.items()}
        ours, theirs = (
            getattr(autograd, name)(*args, **options),
            getattr(torch, name)(*args, **theirs_options),
        )
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert str(ours.dtype)[9:] == str(theirs.dtype)[6:]
    assert autograd.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert autograd.ones(2, dtype=autograd.int64).new_empty_strided((2,), (3,)).dtype is autograd.int64
    assert autograd.empty_like(autograd.ones(2, 3)).shape == (2, 3)
    assert autograd.ones(2).new_empty(3).shape == (3,)


FACTORY_ERRORS = [
    lambda t: t.zeros(), lambda t: t.zeros(-1), lambda t: t.zeros(2.5), lambda t: t.eye(-1),
    lambda t: t.arange(5, 0),
    lambda t: t.arange(0, 5, 0), lambda t: t.arange(float("inf")), lambda t: t.linspace(0, 1, -1),
    lambda t: t.ones(2, dtype=t.int64, requires_grad=True), lambda t: t.randint(5, 0, (2,)),
    lambda t: t.randint(0, (2,)),
    lambda t: t.randperm(-1), lambda t: t.normal(0.0, -1.0, (2,)), lambda t: t.normal(0.0, 1.0),
    lambda t: t.normal(t.zeros(2), -t.ones(2)),
    lambda t: t.rand(2, dtype=t.int64), lambda t: t.randn_like(t.zeros(2, dtype=t.int64)),
    lambda t: t.bernoulli(t.tensor([2.0])),
    lambda t: t.bernoulli(t.tensor([1])), lambda t: t.multinomial(t.tensor([0.0, 0.0]), 1),
    lambda t: t.multinomial(t.tensor([-1.0, 1]), 1),
    lambda t: t.multinomial(t.ones(3), 4), lambda t: t.multinomial(t.ones(3), 0),
    lambda t: t.multinomial(t.ones(3, 2, 2), 1),
    lambda t: t.zeros(2).uniform_(1, 0), lambda t: t.zeros(2).normal_(0, -1),
    lambda t: t.zeros(2).bernoulli_(2),
    lambda t: t.zeros(2).exponential_(0), lambda t: t.zeros(2).geometric_(0),
    lambda t: t.zeros(2, dtype=t.int64).uniform_(),
    lambda t: t.zeros(2).random_(5, 3), lambda t: t.ones(2).fill_(t.ones(2)),
    lambda t: t.ones(2, requires_grad=True).normal_(),
    lambda t: t.ones(2).log_normal_(0, -1), lambda t: t.ones(2).cauchy_(0, 0),
    lambda t: t.ones(2, requires_grad=True).numpy(),
    lambda t: t.tensor([300], dtype=t.uint8), lambda t: t.tensor([[1e10], [0.0]], dtype=t.int8),
    lambda t: t.tensor(float("nan"), dtype=t.int64), lambda t: t.tensor([-1.0], dtype=t.uint8),
    lambda t: t.randint(0, 257, (2,), dtype=t.uint8), lambda t: t.randint(-129, 0, (2,), dtype=t.int8),
    lambda t: t.randint(0, 3, (2,), dtype=t.bool), lambda t: t.randint_like(t.zeros(2, dtype=t.uint8), 1000),
    lambda t: t.zeros(2, dtype=t.uint8).random_(0, 1000), lambda t: t.randint(0, 100000, (2,), dtype=t.float16),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(FACTORY_ERRORS)))
def test_errors_are_of_pytorchs_type(index):
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # whatever PyTorch raises
        FACTORY_ERRORS[index](torch)
    with pytest.raises(theirs.type):
        FACTORY_ERRORS[index](autograd)


# -- random numbers ------------------------------------------------------------------------------------------

N = 20000

# make, mean, standard deviation, range
DISTRIBUTIONS = [
    (lambda g: autograd.rand(N, generator=g), 0.5, 12**-0.5, (0, 1)),
    (lambda g: autograd.rand(N, generator=g, dtype=autograd.float16), 0.5, 12**-0.5, (0, 0.9999)),
    (lambda g: autograd.randn(N, generator=g), 0, 1, (-7, 7)),
    (lambda g: autograd.randn(N, generator=g, dtype=autograd.float16), 0, 1, (-7, 7)),
    (lambda g: autograd.rand_like(autograd.zeros(N), generator=g), 0.5, 12**-0.5, (0, 1)),
    (lambda g: autograd.randn_like(autograd.zeros(N), generator=g), 0, 1, (-7, 7)),
    (lambda g: autograd.normal(2.0, 3.0, (N,), generator=g), 2, 3, (-19, 23)),
    (lambda g: autograd.normal(autograd.full((N,), 2.0), 3.0, generator=g), 2, 3, (-19, 23)),
    (lambda g: autograd.randint(-2, 3, (N,), generator=g).double(), 0, 2**0.5, (-2, 2)),
    (lambda g: autograd.randint(5, (N,), generator=g).double(), 2, 2**0.5, (0, 4)),
    (lambda g: autograd.randint_like(autograd.zeros(N), 5, generator=g), 2, 2**0.5, (0, 4)),
    (lambda g: autograd.bernoulli(autograd.full((N,), 0.3), generator=g), 0.3, 0.21**0.5, (0, 1)),
    (lambda g: autograd.bernoulli(autograd.zeros(N), 0.3, generator=g), 0.3, 0.21**0.5, (0, 1)),
    (lambda g: autograd.empty(N).uniform_(-1, 3, generator=g), 1, 4 * 12**-0.5, (-1, 3)),
    (lambda g: autograd.empty(N).normal_(2, 3, generator=g), 2, 3, (-19, 23)),
    (lambda g: autograd.empty(N).bernoulli_(0.3, generator=g), 0.3, 0.21**0.5, (0, 1)),
    (lambda g: autograd.empty(N).bernoulli_(autograd.tensor([0.3]), generator=g), 0.3, 0.21**0.5, (0, 1)),
    (lambda g: autograd.empty(N).exponential_(2, generator=g), 0.5, 0.5, (1e-20, 20)),
    (lambda g: autograd.empty(N).geometric_(0.25, generator=g), 4, 12**0.5, (1, 100)),
    (lambda g: autograd.empty(N).log_normal_(0.5, 0.25, generator=g).log(), 0.5, 0.25, (-3, 3)),
    (
        lambda g: autograd.empty(N).cauchy_(1, 2, generator=g).sub(1).div(2).atan(),
        0,
        np.pi * 12**-0.5,
        (-1.6, 1.6),
    ),
    (
        lambda g: autograd.empty(N, dtype=autograd.int64).random_(-2, 3, generator=g).double(),
        0,
        2**0.5,
        (-2, 2),
    ),
    (lambda g: autograd.empty(N).random_(5, generator=g), 2, 2**0.5, (0, 4)),
    (lambda g: autograd.empty(N).random_(to=5, generator=g), 2, 2**0.5, (0, 4)),
    (lambda g: autograd.empty(N, dtype=autograd.uint8).random_(generator=g).double(), 127, 73.6, (0, 255)),
    (
        lambda g: autograd.multinomial(autograd.tensor([0.0, 1, 1, 2]), N, replacement=True, generator=g).double(),
        2.25,
        0.6875**0.5,
        (1, 3),
    ),
]


@pytest.mark.parametrize("index", range(len(DISTRIBUTIONS)))
def test_distributions(index):
    make, mean, deviation, (low, high) = DISTRIBUTIONS[index]
    x = make(autograd.Generator().manual_seed(3)).array
    assert x.shape == (N,)
    assert abs(x.mean(dtype=np.float64) - mean) < 5 * deviation / N**0.5
    assert abs(x.std(dtype=np.float64) - deviation) < 0.05 * deviation
    assert x.min() >= low
    assert x.max() <= high
    again = make(autograd.Generator().manual_seed(3)).array
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, make(autograd.Generator().manual_seed(4)).array)
    autograd.manual_seed(5)
    default = make(None).array
    autograd.manual_seed(5)
    np.testing.assert_array_equal(default, make(None).array)


def test_randperm_and_multinomial_without_replacement():
    assert sorted(autograd.randperm(50).tolist()) == list(range(50))
    assert autograd.randperm(3, dtype=autograd.int32).dtype is autograd.int32
    weights = autograd.tensor([[1.0, 0, 3, 0], [1, 1, 1, 1]])
    assert sorted(autograd.multinomial(weights, 2)[0].tolist()) == [0, 2]
    first = autograd.multinomial(weights[0].expand(8000, 4), 1).double()
    assert abs(first.mean().item() - 1.5) < 0.05
    assert autograd.multinomial(autograd.tensor([1.0, 0.0]), 2).tolist() == [0, 1]


def test_random_in_place_cuts_the_history():
    x = autograd.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    assert y.requires_grad  # as a function of x that is constant
    assert autograd.grad(y.sum(), x)[0].tolist() == [0, 0, 0]
    z = x * 2
    z[0].normal_()
    z.sum().backward()
    assert x.grad.tolist() == [0, 2, 2]


# -- conversion ----------------------------------------------------------------------------------------------


def test_to():
    x = autograd.ones(2, requires_grad=True)
    assert x.to(autograd.float32) is x
    assert x.to("cpu") is x
    assert x.to() is x
    assert x.float() is x
    assert x.cpu() is x
    assert x.to("cpu", autograd.float64).dtype is autograd.float64
    assert x.to(autograd.device("cpu"), non_blocking=True) is x
    assert x.to(autograd.ones(1, dtype=autograd.float64)).dtype is autograd.float64
    assert x.to(dtype=np.float64, device="cpu").dtype is autograd.float64
    assert x.to(float).dtype is autograd.float64
    assert x.to(autograd.float32, copy=True) is not x
    assert x.to(autograd.float32, False, True) is not x
    assert x.type_as(autograd.ones(1, dtype=autograd.int8)).dtype is autograd.int8
    assert x.type() == "torch.FloatTensor"
    assert x.type("torch.DoubleTensor").dtype is autograd.float64
    with pytest.raises(RuntimeError, match="cpu"):
        x.to("cuda")
    with pytest.raises(TypeError, match="dtype"):
        x.to(3)


@pytest.mark.parametrize("name", ["half", "float", "double", "bool", "byte", "char", "short", "int", "long"])
def test_conversion_methods(name):
    values = np.array([0.0, 1.5, -2.7, 100.0])
    same(getattr(autograd.tensor(values), name)(), getattr(torch.tensor(values), name)())


def test_conversions_are_recorded():
    compare(lambda x: x.float().double() * 2, lambda x: x.float().double() * 2, draw(3), tolerance=1e-6)
    compare(lambda x: x.to(autograd.float64, copy=True), lambda x: x.to(torch.float64, copy=True), draw(3))


def test_conversion_of_nan_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autograd.tensor([float("nan"), float("inf")]).int()
        autograd.tensor(np.array([np.nan]), dtype=autograd.int64)
        autograd.tensor([1e300], dtype=autograd.float64).float()


def test_questions():
    x = autograd.ones(2, 3, dtype=autograd.float16)
    assert autograd.is_tensor(x)
    assert not autograd.is_tensor(x.array)
    assert autograd.is_floating_point(x)
    assert autograd.numel(x) == 6
    assert autograd.result_type(x, 1.5) is autograd.float16
    assert autograd.result_type(autograd.ones(1, dtype=autograd.int8), 1.5) is autograd.float32
    for a, b in (
        ("uint8", "int8"),
        ("int8", "uint8"),
        ("float64", "float16"),
        ("float16", "int64"),
        ("int64", "bool"),
    ):
        assert autograd.can_cast(a, b) == torch.can_cast(getattr(torch, a), getattr(torch, b))


def test_limits():
    for name in ("float16", "float32", "float64"):
        ours, theirs = autograd.finfo(getattr(autograd, name)), torch.finfo(getattr(torch, name))
        assert ours.dtype == theirs.dtype
        for field in ("bits", "eps", "max", "min", "resolution", "smallest_normal", "tiny"):
            assert getattr(ours, field) == pytest.approx(getattr(theirs, field), rel=1e-6)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, theirs = autograd.iinfo(getattr(autograd, name)), torch.iinfo(getattr(torch, name))
        assert (ours.bits, ours.min, ours.max, repr(ours)) == (
            theirs.bits,
            theirs.min,
            theirs.max,
            repr(theirs),
        )
    assert autograd.finfo().dtype == "float32"
    with pytest.raises(TypeError, match="iinfo"):
        autograd.finfo(autograd.int8)
    with pytest.raises(TypeError, match="finfo"):
        autograd.iinfo(autograd.float32)


# -- the facade ----------------------------------------------------------------------------------------------


def test_every_public_name_exists_and_the_list_is_sorted():
    for name in autograd.__all__:
        assert hasattr(autograd, name), name
    assert len(set(autograd.__all__)) == len(autograd.__all__)
    memory = {"empty_cache", "memory_summary"}  # which torch has for each kind of device, torch.cuda.empty_cache ...
    assert all(hasattr(torch.cuda, name) for name in memory)
    ours = {"trace_nans"}
    public = {n for n in autograd.__all__ if not hasattr(torch, n)} - memory - ours
    assert public <= {
        "backward",
        "grad",
        "Function",
        "gradcheck",
        "gradgradcheck",
        "functional",
        "detect_anomaly",
        "set_detect_anomaly",
    }  # which torch.autograd has
    assert all(hasattr(torch.autograd, name) for name in public)
    assert autograd.autograd.grad is autograd.grad


def test_names_are_pytorchs_arguments_in_pytorchs_order():
    x = autograd.ones(2, 3)
    assert autograd.transpose(input=x, dim0=0, dim1=1).shape == (3, 2)
    assert autograd.reshape(x, shape=(6,)).shape == (6,)
    assert autograd.permute(input=x, dims=(1, 0)).shape == (3, 2)
    assert autograd.matmul(input=x, other=x.T).shape == (2, 2)
    assert autograd.cat(tensors=[x, x], dim=1).shape == (2, 6)
    assert autograd.clone(input=x).shape == (2, 3)


@pytest.mark.parametrize("statement", ["import ops", "import nn", "import autograd", "from ops.kernels import gemm"])
def test_any_package_may_be_imported_first(statement):
    code = f"{statement}\nimport autograd, ops\nassert (autograd.ones(2) + 1).tolist() == [2, 2]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_distribution_called_autograd_is_named(tmp_path):
    package = tmp_path / "autograd"
    package.mkdir()
    (package / "__init__.py").write_text("def grad(f): return f\n")
    for statement in ("import ops", "import nn", "import autograd, ops"):
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{statement}"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.returncode == 1
        last = found.stderr.strip().splitlines()[-1]
        assert last.startswith("ImportError: magtape needs its own package `autograd`")
        assert str(package) in last
