"""Data sets, splits and batches."""

from typing import NamedTuple

import numpy as np
import pytest

import autograd
from autograd import tensor
from nn.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, datasets, default_collate, random_split


def numbered(count):
    return TensorDataset(tensor(np.arange(count)), tensor(np.arange(count) * 10.0))


class Squares(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return {"x": index, "square": float(index**2)}


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [3, 3, 3, 1]), (True, [3, 3, 3])])
def test_batches_in_order(drop_last, sizes):
    loader = DataLoader(numbered(10), batch_size=3, drop_last=drop_last)
    batches = list(loader)
    assert [len(x) for x, _ in batches] == sizes
    assert len(loader) == len(sizes)
    assert np.concatenate([x.numpy() for x, _ in batches]).tolist() == list(range(sum(sizes)))
    for x, y in batches:
        np.testing.assert_array_equal(y.numpy(), x.numpy() * 10.0)


def test_shuffling_draws_a_new_order_each_epoch_and_repeats_by_seed():
    def epochs(seed):
        generator = autograd.Generator().manual_seed(seed)
        loader = DataLoader(numbered(20), batch_size=20, shuffle=True, generator=generator)
        return [next(iter(loader))[0].tolist() for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(20))
    assert epochs(1) == [first, second]


def test_sliced_and_collected_batches_are_the_same():
    data = Subset(Subset(numbered(20), list(range(19, -1, -2))), [3, 1, 4, 1, 5])
    sliced = list(DataLoader(data, batch_size=2))
    collected = list(DataLoader(data, batch_size=2, collate_fn=lambda samples: default_collate(samples)))
    for a, b in zip(sliced, collected, strict=True):
        for mine, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(mine.numpy(), other.numpy())
    assert sliced[0][0].tolist() == [13, 17]


def test_a_subclass_of_tensor_dataset_keeps_its_own_items():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(2 * x for x in super().__getitem__(index))

    (batch,) = DataLoader(Doubled(tensor([1.0, 2.0])), batch_size=2)
    assert batch[0].tolist() == [2.0, 4.0]


def test_samplers_and_batch_samplers():
    assert [x.tolist() for x, _ in DataLoader(numbered(9), 2, sampler=[8, 0, 4])] == [[8, 0], [4]]
    loader = DataLoader(numbered(9), batch_sampler=[[1, 2, 3], [0]])
    assert [x.tolist() for x, _ in loader] == [[1, 2, 3], [0]]
    assert len(loader) == 2


def test_collating_dicts_names_numbers_and_strings():
    class Point(NamedTuple):
        x: float
        label: str

    batch = next(iter(DataLoader(Squares(), batch_size=3)))
    assert batch["x"].tolist() == [0, 1, 2]
    assert batch["square"].dtype is autograd.float64
    points = default_collate([Point(1.0, "a"), Point(2.0, "b")])
    assert points.x.tolist() == [1.0, 2.0]
    assert points.label == ("a", "b")
    with pytest.raises(TypeError, match="object"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [1]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "positive integer"),
        ({"batch_size": 2.0}, "positive integer"),
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
    ],
)
def test_wrong_loader_options(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(numbered(3), **options)


def test_an_empty_dataset_has_no_batches():
    empty = TensorDataset(tensor(np.zeros((0, 3))))
    assert list(DataLoader(empty, batch_size=2)) == []
    with pytest.raises(ValueError, match="num_samples=0"):  # as in PyTorch
        DataLoader(empty, batch_size=2, shuffle=True)


def test_tensor_datasets_need_tensors_of_one_length():
    with pytest.raises(AssertionError, match=r"\[2, 3\]"):
        TensorDataset(tensor([1, 2]), tensor([1, 2, 3]))
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()


def test_random_split_covers_everything_once():
    parts = random_split(numbered(10), [0.5, 0.25, 0.25], generator=autograd.Generator().manual_seed(0))
    assert [len(part) for part in parts] == [6, 2, 2]  # the sample left over goes to the first part
    assert sorted(int(part[i][0]) for part in parts for i in range(len(part))) == list(range(10))
    assert [len(part) for part in random_split(numbered(10), [7, 3])] == [7, 3]
    with pytest.raises(ValueError, match=r"\[7, 4\] and 10"):
        random_split(numbered(10), [7, 4])


def test_concatenation():
    both = numbered(3) + Subset(numbered(9), [8, 7])
    assert len(both) == 5
    assert [int(both[i][0]) for i in range(5)] == [0, 1, 2, 8, 7]
    assert int(both[-1][0]) == 7
    with pytest.raises(IndexError, match="5"):
        both[5]
    with pytest.raises(AssertionError):
        ConcatDataset([])


def test_digits_are_split_evenly_and_never_overlap():
    train, test = datasets.digits(train=True), datasets.digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    images, labels = test.tensors
    assert tuple(images.shape) == (360, 1, 8, 8)
    assert images.dtype is autograd.float32
    assert labels.dtype is autograd.int64
    assert (float(images.numpy().min()), float(images.numpy().max())) == (0.0, 1.0)
    counts = np.bincount(labels.numpy(), minlength=10)
    assert counts.min() >= 34
    assert counts.max() <= 38
    seen = {image.tobytes() for image in train.tensors[0].numpy()} | {image.tobytes() for image in images.numpy()}
    from sklearn.datasets import load_digits

    assert len(seen) == len({image.tobytes() for image in load_digits().images})


@pytest.mark.parametrize("size", [0, -1, 28.5, True])
def test_digits_of_no_size_are_refused(size):
    with pytest.raises(ValueError, match=f"digits: size should be a positive integer, got {size}"):
        datasets.digits(size=size)


def test_larger_digits_are_interpolated_bilinearly():
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
    small, large = (datasets.digits(train=False, size=size).tensors[0].numpy() for size in (8, 32))
    expected = torch.nn.functional.interpolate(torch.from_numpy(small), size=(32, 32), mode="bilinear")
    np.testing.assert_allclose(large, expected.numpy(), atol=1e-6)
