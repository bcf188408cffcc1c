"""Data sets in NumPy archives."""

import numpy as np
import pytest

import autograd
from nn.data import datasets
from tests.image_files import drawn


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_files_are_read(tmp_path, save):
    x = {"train_x": drawn(0, 5, 3, 4, 4), "test_x": drawn(1, 2, 3, 4, 4).astype(np.float64)}
    y = {"train_y": np.arange(5, dtype=np.uint8), "test_y": np.arange(2)[::-1], "other": np.zeros(1)}
    save(tmp_path / "a b.npz", **x, **y)
    train, test = datasets.from_npz(tmp_path / "a b.npz")
    np.testing.assert_array_equal(train.tensors[0].numpy(), (x["train_x"] / 255).astype(np.float32))
    np.testing.assert_array_equal(test.tensors[0].numpy(), x["test_x"].astype(np.float32))
    assert [test.tensors[1].tolist(), train.tensors[1].tolist()] == [[1, 0], [0, 1, 2, 3, 4]]
    assert {each.dtype for each in (test.tensors[1], train.tensors[1])} == {autograd.int64}


def test_npz_arrays_of_columns_first_are_read(tmp_path):
    x = np.asfortranarray(drawn(0, 5, 3, 4, 4))
    np.savez(tmp_path / "a.npz", train_x=x, train_y=np.zeros(5, int), test_x=x, test_y=np.zeros(5, int))
    np.testing.assert_array_equal(datasets.from_npz(tmp_path / "a.npz")[1].tensors[0].numpy() * 255, x)


@pytest.mark.parametrize(("change", "message"), [
    ({"test_y": None}, "there is no array test_y"),
    ({"train_x": np.zeros((5, 16), np.uint8)}, r"train_x is \(5, 16\) uint8, expected \(N, C, H, W\)"),
    ({"train_x": np.zeros((5, 1, 2, 2), np.int64)}, "train_x is .* int64, expected"),
    ({"test_x": np.zeros((4, 1, 2, 2), np.uint8)}, r"test_y is \(5,\) int64, expected integers \(4,\)"),
    ({"train_y": np.zeros(5)}, r"train_y is \(5,\) float64, expected integers"),
    ({"train_y": np.array([None] * 5)}, "header|type"),
])  # fmt: skip
def test_other_npz_files_are_refused(tmp_path, change, message):
    x, y = np.zeros((5, 1, 2, 2), np.uint8), np.zeros(5, int)
    arrays = {"train_x": x, "train_y": y, "test_x": x, "test_y": y, **change}
    np.savez(tmp_path / "a.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ValueError, match=message) as caught:
        datasets.from_npz(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(caught.value)


def test_missing_npz_files_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        datasets.from_npz(tmp_path / "a.npz")
