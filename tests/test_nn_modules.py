"""Every module of the table: against PyTorch's, against finite differences, copied, converted and repeated."""

import copy
import inspect
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

import autograd
import nn
from autograd.tensor import Tensor
from autograd.testing import check_gradients
from nn.module import Module
from tests.module_table import MODULES, ModuleRow

rows = pytest.mark.parametrize("row", MODULES, ids=lambda row: row.id)
one_row_each = pytest.mark.parametrize(
    "row", {row.name: row for row in reversed(MODULES)}.values(), ids=lambda row: row.name
)


def ours(row: ModuleRow, **kwargs: Any) -> Any:
    """Return our module, of float64."""
    make = _converted(row, lambda x: Tensor(x.copy()))
    return make(nn, **kwargs).double()


def theirs(row: ModuleRow) -> Any:
    """Return PyTorch's, of float64."""
    import torch

    make = _converted(row, torch.tensor)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "enable_nested_tensor is True")  # how its inference stores batches
        return make(torch.nn).double()


def _converted(row: ModuleRow, tensor: Any) -> Any:
    def value(x: Any, namespace: Any) -> Any:
        if isinstance(x, ModuleRow):
            return _converted(x, tensor)(namespace)
        return tensor(x) if isinstance(x, np.ndarray) else x

    def make(namespace: Any, **more: Any) -> Any:
        kwargs = {k: value(x, namespace) for k, x in row.kwargs.items()}
        return getattr(namespace, row.name)(*(value(x, namespace) for x in row.args), **kwargs, **more)

    return make


def twins(row: ModuleRow) -> tuple[Any, Any]:
    """Return our module and PyTorch's, with the same parameters and buffers."""
    a, b = ours(row), theirs(row)
    for value in b.state_dict().values():  # other than ones and zeros, so that mixing them up shows
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    a.load_state_dict({key: Tensor(value.numpy().copy()) for key, value in b.state_dict().items()})
    return a, b


def tensors(arrays: list[np.ndarray]) -> list[Tensor]:
    """Return the arrays as leaves; floating ones require gradients."""
    return [Tensor(x.copy(), requires_grad=x.dtype.kind == "f") for x in arrays]


def first(output: Any) -> Any:
    """Return the output itself, or the first of several."""
    return output[0] if isinstance(output, tuple) else output


def close(a: Any, b: Any, tolerance: float) -> None:
    """Assert that a value, or the lack of one, is PyTorch's."""
    assert (a is None) == (b is None)
    if a is None:
        return
    expected = b.detach().numpy()
    assert tuple(a.shape) == expected.shape
    assert a.array.dtype == expected.dtype
    assert not np.isnan(expected).any()
    np.testing.assert_allclose(a.array, expected, rtol=tolerance, atol=tolerance)


def test_the_table_has_a_row_for_every_module() -> None:
    containers = {"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Module"}
    containers |= {"RNNBase", "RNNCellBase"}  # bases
    modules = {name for name, x in vars(nn).items() if isinstance(x, type) and issubclass(x, Module)}
    assert modules - containers == {row.name for row in MODULES}


@rows
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # how PyTorch does it
def test_values_gradients_and_buffers_are_pytorchs(row: ModuleRow, torch: Any) -> None:
    a, b = twins(row)
    modes = (False,) if row.random else (True, True, False)  # twice: running estimates move on
    for seed, mode in enumerate(modes):
        arrays = row.draw(seed)
        x = tensors(arrays)
        z = [torch.tensor(v, requires_grad=v.dtype.kind == "f") for v in arrays]
        y, w = a.train(mode)(*x), b.train(mode)(*z)
        close(first(y), first(w), row.tolerance)
        u = np.random.default_rng(9).standard_normal(tuple(first(y).shape))
        a.zero_grad()
        b.zero_grad()
        first(y).backward(Tensor(u))
        first(w).backward(torch.tensor(u))
        for ours_x, theirs_x in zip(x, z, strict=True):
            close(ours_x.grad, theirs_x.grad, row.tolerance)
        for (name, p), (expected, q) in zip(a.named_parameters(), b.named_parameters(), strict=True):
            assert name == expected
            close(p.grad, q.grad, row.tolerance)
        for (name, p), (expected, q) in zip(a.named_buffers(), b.named_buffers(), strict=True):
            assert name == expected
            close(p, q, row.tolerance)


@rows
def test_repr_is_pytorchs(row: ModuleRow, torch: Any) -> None:
    assert repr(ours(row)) == repr(theirs(row))


@rows
def test_state_dict_has_pytorchs_keys_shapes_and_types(row: ModuleRow, torch: Any) -> None:
    a, b = ours(row).state_dict(), theirs(row).state_dict()
    assert list(a) == list(b)
    assert [tuple(x.shape) for x in a.values()] == [tuple(x.shape) for x in b.values()]
    assert [x.array.dtype for x in a.values()] == [x.numpy().dtype for x in b.values()]


@one_row_each
def test_constructor_has_pytorchs_arguments_in_order(row: ModuleRow, torch: Any) -> None:
    a, b = (inspect.signature(getattr(namespace, row.name)).parameters for namespace in (nn, torch.nn))
    if {p.kind for p in b.values()} == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return  # PyTorch's generic signature of a module without arguments
    assert [(p.name, p.kind) for p in a.values()] == [(p.name, p.kind) for p in b.values()]
    for p, q in zip(a.values(), b.values(), strict=True):
        assert getattr(p.default, "__name__", p.default) == getattr(q.default, "__name__", q.default), p.name


@rows
def test_gradients_are_those_of_finite_differences(row: ModuleRow) -> None:
    module = ours(row).train(not row.random)
    arguments = tensors(row.draw())

    def function(*x: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return first(copy.deepcopy(module)(*x)) if module._buffers else first(module(*x))

    parameters = [] if module._buffers else list(module.parameters())
    if not row.order or not any(x.requires_grad for x in (*arguments, *parameters)):
        return
    check_gradients(function, *arguments, order=row.order, parameters=parameters, fast_mode=True)


@rows
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_compute_the_same_with_memory_of_their_own(row: ModuleRow, copied: Any) -> None:
    module = ours(row).eval()
    clone = copied(module)
    x = tensors(row.draw())
    np.testing.assert_array_equal(first(clone(*x)).array, first(module(*x)).array)
    assert repr(clone) == repr(module)
    assert clone.training is False
    for p, q in zip(module.state_dict().values(), clone.state_dict().values(), strict=True):
        assert not np.shares_memory(p.array, q.array)
    assert all(type(p) is nn.Parameter and p.requires_grad for p in clone.parameters())


@rows
def test_float32_stays_float32(row: ModuleRow) -> None:
    module = ours(row).float()
    assert all(p.dtype == autograd.float32 for p in module.parameters())
    x = [Tensor(v.astype(np.float32) if v.dtype.kind == "f" else v) for v in row.draw()]
    assert first(module(*x)).dtype == autograd.float32


@rows
def test_dtype_and_device_arguments(row: ModuleRow) -> None:
    if "dtype" not in inspect.signature(getattr(nn, row.name)).parameters:
        return
    make = _converted(row, Tensor)
    made = [x for x in make(nn, dtype=autograd.float64, device="cpu").state_dict().values() if x.is_floating_point()]
    assert all(x.dtype == autograd.float64 for x in made)
    if made:
        with pytest.raises(RuntimeError, match="'cpu' alone"):
            make(nn, device="cuda")


@rows
def test_the_same_seed_gives_the_same_bits(row: ModuleRow) -> None:
    def run() -> list[np.ndarray]:
        autograd.manual_seed(7)
        module, x = (
            ours(row).float(),
            [v.float() if v.is_floating_point() else v for v in tensors(row.draw())],
        )
        y = first(module(*x))
        if y.requires_grad:
            y.sum().backward()
        return [y.array, *(p.grad.array for p in module.parameters()), *(b.array for b in module.buffers())]

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_module_of_hypothesis_shapes() -> None:
    """`check_gradients` takes a module as it is, with drawn inputs."""
    from autograd.testing import tensors as drawn

    check_gradients(nn.Linear(3, 2), drawn(st.tuples(st.integers(0, 3), st.just(3))), max_examples=5)


# -- first values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "fan_in"),
    [
        (lambda: nn.Linear(64, 100), 64),
        (lambda: nn.Bilinear(25, 10, 20), 25),
        (lambda: nn.Conv1d(8, 64, 5, groups=2), 20),
        (lambda: nn.Conv2d(4, 64, (3, 5)), 60),
        (lambda: nn.ConvTranspose1d(16, 32, 5), 160),
        (lambda: nn.ConvTranspose2d(16, 8, 3, groups=2), 36),
    ],
)
def test_weight_and_bias_start_uniform_by_fan_in(module: Any, fan_in: int) -> None:
    autograd.manual_seed(0)
    bound = 1 / np.sqrt(fan_in)
    made = module()
    for values, slack in ((made.weight.array, 0.02), (made.bias.array, 0.6)):
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert np.abs(values).max() >= bound * (1 - slack)
    np.testing.assert_allclose(made.weight.array.std(), bound / np.sqrt(3), rtol=0.05)
    np.testing.assert_allclose(made.weight.array.mean(), 0, atol=4 * bound / np.sqrt(made.weight.numel()))


def test_embedding_starts_normal_with_a_row_of_zeros() -> None:
    weight = nn.Embedding(1000, 50, padding_idx=3).weight.array
    np.testing.assert_array_equal(weight[3], np.zeros(50))
    np.testing.assert_allclose(np.delete(weight, 3, 0).std(), 1.0, rtol=0.02)


# -- layers' own behaviour --------------------------------------------------------------------------------------------


def test_batch_norm_of_one_value_per_channel_raises_in_training_only() -> None:
    layer = nn.BatchNorm1d(3)
    x = Tensor(np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        layer(x)
    assert layer.eval()(x).shape == (1, 3)


def test_batch_norm_in_eval_does_not_depend_on_the_batch() -> None:
    layer = nn.BatchNorm2d(3)
    x = Tensor(np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32))
    layer(x)
    layer.eval()
    np.testing.assert_allclose(layer(x[1:2]).array, layer(x)[1:2].array, rtol=1e-6, atol=1e-6)


def test_batch_norm_that_no_longer_tracks_counts_no_batches(torch: Any) -> None:
    for library, n in ((autograd, nn), (torch, torch.nn)):
        layer = n.BatchNorm1d(2)
        layer(library.ones(3, 2))
        layer.track_running_stats = False
        layer(library.ones(3, 2))
        assert layer.num_batches_tracked.item() == 1


def test_checkpoints_without_num_batches_tracked_load() -> None:
    layer = nn.BatchNorm2d(2)
    old = {key: x for key, x in layer.state_dict().items() if key != "num_batches_tracked"}
    assert layer.load_state_dict(old) == ([], [])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
        (lambda: nn.Conv2d(4, 3, 3, groups=0), ValueError, "groups must be a positive integer"),
        (lambda: nn.Conv2d(1, 1, 3, padding="some"), ValueError, "Invalid padding string 'some'"),
        (lambda: nn.Conv2d(1, 1, 3, 2, "same"), ValueError, "not supported for strided"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of"),
        (
            lambda: nn.Conv2d(1, 1, (3, 3, 3)),
            ValueError,
            r"Conv2d: kernel_size must be a number or 2 numbers",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
            ValueError,
            'Only "zeros" padding mode',
        ),
        (lambda: nn.GroupNorm(2, 3), ValueError, r"num_channels \(3\) must be divisible by num_groups \(2\)"),
        (lambda: nn.Dropout(1.5), ValueError, "between 0 and 1, but got 1.5"),
        (
            lambda: nn.Embedding(3, 2, padding_idx=3),
            AssertionError,
            "Padding_idx must be within num_embeddings",
        ),
        (lambda: nn.Embedding(3, 2, sparse=True), ValueError, "sparse gradients are not supported"),
        (lambda: nn.Unflatten(1, 6), TypeError, "tuple of ints, but found type int"),
        (lambda: nn.Hardtanh(1.0, 0.0), AssertionError, "must be greater than"),
        (lambda: nn.HuberLoss(delta="x"), TypeError, "delta must be a float or int"),
        (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0"),
        (
            lambda: nn.BatchNorm2d(2)(Tensor(np.ones((2, 2)))),
            ValueError,
            r"expected 4D input \(got 2D input\)",
        ),
        (
            lambda: nn.BatchNorm1d(2)(Tensor(np.ones(2))),
            ValueError,
            r"expected 2D or 3D input \(got 1D input\)",
        ),
    ],
)
def test_wrong_arguments(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_conv_transpose_output_size(torch: Any) -> None:
    a = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1)
    x = Tensor(np.ones((1, 2, 4, 4), np.float32))
    assert a(x, output_size=[8, 7]).shape == (1, 3, 8, 7)
    assert a(x, output_size=(1, 3, 7, 8)).shape == (1, 3, 7, 8)
    with pytest.raises(ValueError, match=r"requested an output size of \[9, 7\], but valid sizes range from"):
        a(x, output_size=[9, 7])
    with pytest.raises(ValueError, match="must have 2 or 4 elements"):
        a(x, output_size=[1, 9, 7])


def test_deprecated_reduction_flags_warn_and_work() -> None:
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.CrossEntropyLoss(reduce=False).reduction == "none"


@pytest.mark.parametrize("kind", [nn.Softmax, nn.LogSoftmax, nn.Softmin])
def test_a_dimension_left_out_is_warned_of_where_the_module_is_called(kind: Any) -> None:
    with pytest.warns(UserWarning, match="Implicit dimension choice") as caught:
        kind()(Tensor(np.ones((2, 3), np.float32)))
    assert [warning.filename for warning in caught] == [__file__]


def test_max_pool_can_return_indices(torch: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    y, index = nn.MaxPool2d(2, return_indices=True)(Tensor(x))
    expected, where = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    np.testing.assert_array_equal(y.array, expected.numpy())
    np.testing.assert_array_equal(index.array, where.numpy())


def test_inplace_activation_writes_over_its_input() -> None:
    x = Tensor(np.array([-1.0, 2.0]))
    y = nn.ReLU(inplace=True)(x)
    np.testing.assert_array_equal(x.array, [0.0, 2.0])
    assert np.shares_memory(x.array, y.array)


def test_dropout_keeps_the_mean_and_is_the_identity_in_eval() -> None:
    autograd.manual_seed(0)
    layer, x = nn.Dropout(0.25), Tensor(np.ones(40000, np.float32))
    y = layer(x).array
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    np.testing.assert_allclose(y.mean(), 1.0, atol=0.02)
    np.testing.assert_array_equal(layer.eval()(x).array, x.array)


def test_embedding_from_pretrained_is_frozen() -> None:
    table = Tensor(np.arange(6.0).reshape(3, 2))
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    assert np.shares_memory(layer.weight.array, table.array)
    np.testing.assert_array_equal(layer(Tensor(np.array([2, 0]))).array, [[4.0, 5.0], [0.0, 1.0]])


def test_conv_in_place_of_linear() -> None:
    """A Linear on a flattened volume is a Conv2d whose filter covers it; one of size 1 is a Linear over channels."""
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 4, 4)))
    linear, conv = nn.Linear(48, 5).double(), nn.Conv2d(3, 5, 4).double()
    conv.load_state_dict({"weight": linear.weight.reshape(5, 3, 4, 4).detach(), "bias": linear.bias.detach()})
    np.testing.assert_allclose(conv(x).array.reshape(2, 5), linear(x.flatten(1)).array, rtol=1e-12, atol=1e-12)
