"""NumPy and DLPack both ways, printing, copying, pickling, random state, saving."""

import copy
import io
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import autograd
from autograd import tensor


def leaf(values):
    return tensor(values, dtype=autograd.float64, requires_grad=True)


def test_numpy_shares_memory_both_ways():
    array = np.arange(3.0)
    x = autograd.from_numpy(array)
    array[0] = 7
    x[1] = 8
    assert x.tolist() == array.tolist() == [7.0, 8.0, 2.0]
    assert np.shares_memory(np.asarray(x), array)
    assert not np.shares_memory(np.array(x), array)


def test_a_gradient_is_never_dropped_silently():
    x = leaf([1.0])
    with pytest.raises(RuntimeError, match="detach"):
        x.numpy()
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(x)
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(x)
    assert x.numpy(force=True).tolist() == [1.0]


@pytest.mark.parametrize(
    "expression",
    [
        lambda a, x: a * x,
        lambda a, x: x * a,
        lambda a, x: np.multiply(a, x),
        lambda a, x: a[0] * x * np.float64(1.0),
        lambda a, x: np.exp(x) - a,
        lambda a, x: a / x,
        lambda a, x: np.add(x, 1),
        lambda a, x: a**x,
        lambda a, x: np.maximum(a, x),
    ],
)
def test_arrays_and_ufuncs_keep_the_gradient(expression):
    a, values = np.array([2.0, 3.0]), np.array([1.5, 0.5])
    y = expression(a, leaf(values))
    assert y.requires_grad
    np.testing.assert_allclose(y.detach().numpy(), expression(a, values), rtol=1e-14)


def test_numpy_functions_without_a_counterpart_are_refused():
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"numpy.add.reduce does not take Tensors"):
        np.add.reduce(x)
    with pytest.raises(TypeError, match="numpy.spacing does not take Tensors"):
        np.spacing(x)
    with pytest.raises(TypeError, match="with out"):
        np.add(x, 1, out=np.zeros(2))


def test_dlpack_both_ways():
    x = tensor([1.0, 2.0])
    shared = np.from_dlpack(x)
    x.add_(1)
    assert shared.tolist() == [2.0, 3.0]
    assert autograd.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="dtype complex128 is not supported"):
        autograd.from_dlpack(np.ones(2, complex))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda: tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: tensor([1, -2]), "tensor([ 1, -2])"),
        (lambda: tensor(2.5), "tensor(2.5000)"),
        (lambda: tensor([0.5, 0.25]), "tensor([0.5000, 0.2500])"),
        (lambda: tensor([1e-9, 1.0]), "tensor([1.0000e-09, 1.0000e+00])"),
        (lambda: tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: tensor([1.0], dtype=autograd.float64), "tensor([1.], dtype=autograd.float64)"),
        (lambda: tensor([1.0], requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward>)"),
        (lambda: autograd.zeros(0), "tensor([])"),
        (lambda: autograd.zeros(2, 0), "tensor([], size=(2, 0))"),
        (lambda: tensor([float("nan"), float("inf")]), "tensor([nan, inf])"),
        (lambda: tensor([True, False]), "tensor([ True, False])"),
    ],
)
def test_printing(value, text):
    assert repr(value()) == text
    assert str(value()) == text


PRINTED = [
    [1.0, 2000.0], [1.0, 1000.0], [-3e9, 1.0], [2e8], [1e-5, 2e-5], [0.0, 1.0, np.nan, np.inf], [np.nan], [np.inf, 0.5],
    [0.0, -0.0], [True, True], [[False], [True]], [-3, 20], [123456.789, 0.5], [100000.0], [-1.5, 22.25, np.nan], [[1.0, -2.0], [3.0, 4.5]], 3.0, -0.25, 1e-7, np.nan,
]  # fmt: skip


@pytest.mark.parametrize("values", PRINTED, ids=repr)
def test_printing_is_pytorchs(torch, values):
    assert repr(tensor(values)) == repr(torch.tensor(values))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float64"])
def test_printing_of_empty_tensors_is_pytorchs(torch, dtype):
    for shape in ((0,), (0, 2), (2, 3, 0)):
        ours, theirs = (repr(lib.zeros(shape, dtype=getattr(lib, dtype))) for lib in (autograd, torch))
        assert ours.replace("autograd.", "torch.") == theirs


def test_print_options_change_and_return():
    try:
        autograd.set_printoptions(precision=2)
        assert repr(tensor([0.123])) == "tensor([0.12])"
    finally:
        autograd.set_printoptions(profile="default")
    assert repr(tensor([0.123])) == "tensor([0.1230])"
    with pytest.raises(ValueError, match="profile"):
        autograd.set_printoptions(profile="loud")


def test_a_large_tensor_prints_its_edges():
    text = repr(autograd.zeros(100, 100))
    assert "..." in text
    assert len(text) < 1000


def test_deepcopy_of_leaves_keeps_sharing_and_gradients():
    x = leaf([1.0, 2.0])
    (x * 2).sum().backward()
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first is not x
    assert first.requires_grad
    assert first.grad.tolist() == [2.0, 2.0]
    first.grad.zero_()
    assert x.grad.tolist() == [2.0, 2.0]


def test_deepcopy_of_a_computed_tensor_copies_its_history():
    x = leaf([1.0, 2.0])
    y = x.exp() * x
    leaf_copy, copied = copy.deepcopy((x, y))
    copied.sum().backward()
    np.testing.assert_allclose(leaf_copy.grad.numpy(), np.exp([1.0, 2.0]) * np.array([2.0, 3.0]), rtol=1e-14)
    assert x.grad is None
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), leaf_copy.grad.numpy())


def test_deepcopy_of_a_history_whose_leaf_was_frozen_since():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (x * w).sum()
    x.requires_grad_(False)
    w_copy, copied = copy.deepcopy((w, y))
    copied.backward()
    assert w_copy.grad.tolist() == [1.0, 2.0]
    assert w.grad is x.grad is None


def test_pickle_keeps_values_and_the_flag():
    x = leaf([1.0, 2.0])
    y = pickle.loads(pickle.dumps(x))
    assert y.requires_grad
    assert y.tolist() == [1.0, 2.0]
    assert y.dtype is autograd.float64
    assert pickle.loads(pickle.dumps(autograd.float32)) is autograd.float32
    assert pickle.loads(pickle.dumps(autograd.bool)) is autograd.bool


def test_manual_seed_repeats_and_the_state_goes_on():
    autograd.manual_seed(3)
    first = autograd.rand(5)
    state = autograd.get_rng_state()
    second = autograd.randn(5)
    autograd.manual_seed(3)
    assert autograd.rand(5).tolist() == first.tolist()
    autograd.set_rng_state(state)
    assert autograd.randn(5).tolist() == second.tolist()
    generator = autograd.Generator().manual_seed(3)
    assert autograd.rand(5, generator=generator).tolist() == first.tolist()
    with pytest.raises(TypeError, match="str"):
        autograd.manual_seed("3")
    with pytest.raises(RuntimeError, match="80 bytes"):
        autograd.set_rng_state(tensor([1.0]))


def test_save_and_load_keep_structure_types_and_sharing_of_names(tmp_path):
    path = tmp_path / "file.npz"
    saved = {
        "weights": {"a.b": tensor([1.0, 2.0]), "half": tensor([1.0], dtype=autograd.float16)},
        "numbers": [1, 2.5, None, True, "text", (1, 2)],
        3: np.arange(3),
        "empty": tensor([]),
        "scalar": tensor(7),
        "leaf": leaf([1.0]),
    }
    autograd.save(saved, path)
    loaded = autograd.load(path)
    assert loaded["numbers"] == saved["numbers"]
    assert loaded["weights"]["a.b"].tolist() == [1.0, 2.0]
    assert loaded["weights"]["half"].dtype is autograd.float16
    assert loaded[3].tolist() == [0, 1, 2]
    assert loaded["empty"].shape == (0,)
    assert loaded["scalar"].item() == 7
    assert loaded["leaf"].requires_grad
    assert np.load(path)["weights/a.b"].tolist() == [1.0, 2.0]


def test_save_refuses_what_it_cannot_keep_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.npz"
    autograd.save([1], path)
    for value, message in (
        (object(), "object"),
        ({"a": {object(): 1}}, "a has a key of type object"),
        ({"x": np.array(["a"])}, "cannot be saved"),
    ):
        with pytest.raises(TypeError, match=message):
            autograd.save(value, path)
    assert autograd.load(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["file.npz"]


@pytest.mark.parametrize("damage", ["truncated", "garbage", "foreign", "pickled"])
def test_load_names_a_damaged_file(tmp_path, damage):
    path = tmp_path / "file.npz"
    autograd.save({"x": tensor(np.arange(1000.0))}, path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif damage == "garbage":
        path.write_bytes(b"not an archive")
    elif damage == "foreign":
        np.savez(path, x=np.zeros(3))
    else:
        with path.open("wb") as file:
            np.save(file, np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="load: .*file.npz"):
        autograd.load(path)
    with pytest.raises(FileNotFoundError):
        autograd.load(tmp_path / "missing.npz")


def test_save_to_an_open_file():
    file = io.BytesIO()
    autograd.save({"x": tensor([1.0])}, file)
    file.seek(0)
    assert autograd.load(file)["x"].tolist() == [1.0]


@pytest.mark.parametrize("name", ["ops", "nn"])
def test_another_autograd_on_the_path_is_named_in_one_sentence(tmp_path, name):
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd" / "__init__.py").write_text("def grad(f): ...\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.getcwd(), check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "autograd" in last
    assert "magtape" in last
