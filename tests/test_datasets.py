"""Data sets of images: what they hold, and how loaders make batches of them."""

import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import autograd
from nn.data import ConcatDataset, DataLoader, StackDataset, Subset, datasets
from nn.data import transforms as T
from nn.data.datasets import idx as idx_files
from tests.image_files import TEST, TRAIN, Cifar, Mnist, drawn, idx, tarred

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def mnist(monkeypatch, tmp_path):
    """MNIST of a few images, in tmp_path."""
    files = Mnist()
    files.patch(monkeypatch, datasets.MNIST)
    files.write(tmp_path, datasets.MNIST)
    return files


# -- MNIST --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [datasets.MNIST, datasets.FashionMNIST])
@pytest.mark.parametrize("train", [True, False])
def test_mnist_is_what_the_files_hold(monkeypatch, tmp_path, kind, train):
    files = Mnist()
    files.patch(monkeypatch, kind)
    files.write(tmp_path, kind)
    data = kind(tmp_path, train=train)
    assert data.data.dtype is autograd.uint8
    assert data.targets.dtype is autograd.int64
    assert np.array_equal(data.data.numpy(), files.images[train][:, None])
    assert np.array_equal(data.targets.numpy(), files.labels[train])
    assert len(data) == (TRAIN if train else TEST)
    image, label = data[1]
    assert image.dtype is autograd.float32
    np.testing.assert_array_equal(image.numpy(), (files.images[train][1:2] / 255).astype(np.float32))
    assert type(label) is int
    assert label == files.labels[train][1]
    assert len(data.classes) == 10
    assert data.class_to_idx[data.classes[3]] == 3


def test_names_of_classes_are_torchvisions():
    assert datasets.MNIST.classes[7] == "7 - seven"
    assert datasets.FashionMNIST.classes[9] == "Ankle boot"
    assert datasets.CIFAR10.classes[6] == "frog"
    assert (len(set(datasets.CIFAR100.classes)), datasets.CIFAR100.classes[::33]) == (
        100,
        ["apple", "forest", "raccoon", "worm"],
    )


def test_numpys_reader_reads_the_same_idx(tmp_path):
    import gzip

    array = drawn(0, 3, 4, 5)
    (tmp_path / "x.gz").write_bytes(idx(array))
    assert np.array_equal(idx_files.read(tmp_path / "x.gz", (3, 4, 5)), array)
    raw = gzip.decompress((tmp_path / "x.gz").read_bytes())
    assert np.array_equal(np.frombuffer(raw, ">u4", 3, 4), (3, 4, 5))


@pytest.mark.parametrize("index", [-1, np.int64(2), autograd.tensor(2)])
def test_items_are_found_by_all_kinds_of_integers(mnist, tmp_path, index):
    image, label = datasets.MNIST(tmp_path)[index]
    assert np.array_equal(image.numpy() * 255, mnist.images[True][int(index)][None])
    assert label == mnist.labels[True][int(index)]


@pytest.mark.parametrize(
    ("index", "error"),
    [(TRAIN, IndexError), (-TRAIN - 1, IndexError), ("a", TypeError), (0.5, TypeError), (None, TypeError)],
)
def test_there_are_no_other_items(mnist, tmp_path, index, error):
    with pytest.raises(error):
        datasets.MNIST(tmp_path)[index]


def test_an_item_is_changed_without_changing_the_data(mnist, tmp_path):
    data = datasets.MNIST(tmp_path)
    before = data.data.numpy().copy()
    data[0][0].zero_()
    for images, labels in DataLoader(data, 3):
        images.zero_()
        labels.zero_()
    assert np.array_equal(data.data.numpy(), before)
    assert np.array_equal(data.targets.numpy(), mnist.labels[True])


def test_missing_files_are_refused_in_torchvisions_words(tmp_path):
    with pytest.raises(
        RuntimeError,
        match=r"Dataset not found. You can use download=True to download it: .*train-images-idx3-ubyte.gz is missing",
    ):
        datasets.MNIST(tmp_path)
    with pytest.raises(RuntimeError, match=r"Dataset not found. .*cifar-10-binary.tar.gz is missing"):
        datasets.CIFAR10(tmp_path, train=False)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_refused(mnist, tmp_path):
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RuntimeError, match=r"train-labels-idx1-ubyte.gz has the SHA-256 [0-9a-f]{64}, expected"):
        datasets.MNIST(tmp_path)
    path.write_bytes(raw[:-1])
    with pytest.raises(RuntimeError, match=f"has {len(raw) - 1} bytes, expected {len(raw)}"):
        datasets.MNIST(tmp_path)


def test_files_of_the_right_hash_but_another_shape_or_label_are_refused(monkeypatch, tmp_path):
    files = Mnist()
    files.labels[True][4] = 10
    files.contents["train-labels-idx1-ubyte.gz"] = idx(files.labels[True])
    files.contents["t10k-images-idx3-ubyte.gz"] = idx(drawn(0, TEST, 28, 27))
    files.patch(monkeypatch, datasets.MNIST)
    files.write(tmp_path, datasets.MNIST)
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte.gz: label 4 is 10, expected less than 10"):
        datasets.MNIST(tmp_path)
    with pytest.raises(
        ValueError, match=r"t10k-images-idx3-ubyte.gz: its header says \(3, 28, 27\), expected \(3, 28, 28\)"
    ):
        datasets.MNIST(tmp_path, train=False)


# -- CIFAR --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hundred", [False, True])
@pytest.mark.parametrize("train", [True, False])
def test_cifar_is_what_the_archive_holds(monkeypatch, tmp_path, hundred, train):
    files = Cifar(hundred)
    files.patch(monkeypatch)
    files.write(tmp_path)
    data = files.kind(tmp_path, train)
    assert np.array_equal(data.data.numpy(), files.images[train])
    assert np.array_equal(data.targets.numpy(), files.labels[train])
    assert [each.name for each in tmp_path.iterdir()] == [files.kind.archive.name]


def test_records_are_read_block_by_block(monkeypatch, tmp_path):
    monkeypatch.setattr("nn.data.datasets.cifar.BLOCK", 3)
    files = Cifar(hundred=True)
    files.patch(monkeypatch)
    files.write(tmp_path)
    assert np.array_equal(datasets.CIFAR100(tmp_path).data.numpy(), files.images[True])


def test_the_order_of_members_does_not_matter(monkeypatch, tmp_path):
    files = Cifar()
    content = tarred(reversed(files.members))
    files.patch(monkeypatch, content=content)
    files.write(tmp_path, content)
    assert np.array_equal(datasets.CIFAR10(tmp_path).data.numpy(), files.images[True])


def other_archives():
    """Yield archives that hold something else, and what is said of them."""
    files = Cifar(hundred=True)
    train, test = (dict(files.members)[f"cifar-100-binary/{name}"] for name in ("train.bin", "test.bin"))
    name = "cifar-100-binary/train.bin"
    yield tarred([("cifar-100-binary/test.bin", test)]), "it has no member cifar-100-binary/train.bin"
    yield tarred([(name, train), (name, train)]), "is there twice"
    yield tarred([(name, train[:-1])]), f"'{name}' has {len(train) - 1} bytes, expected {len(train)}"
    yield tarred([("../train.bin", train), ("/cifar-100-binary/train.bin", train)]), "no member"
    yield tarred([("readme", bytes(2 << 20))]), "more than was expected"
    wrong = bytearray(train)
    wrong[1 + 5 * 3074] = 100
    yield tarred([(name, bytes(wrong))]), "label 5 is 100, expected less than 100"
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        yield file.getvalue(), "no regular file"


@pytest.mark.parametrize(
    ("content", "message"), [pytest.param(*each, id=str(i)) for i, each in enumerate(other_archives())]
)
def test_other_archives_are_refused_and_nothing_is_unpacked(monkeypatch, tmp_path, content, message):
    files = Cifar(hundred=True)
    files.patch(monkeypatch, content=content)
    path = files.write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.CIFAR100(tmp_path)
    assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            autograd.rand(3, 1, 2, 2),
            autograd.arange(3),
            r"data is \(3, 1, 2, 2\) float32, expected \(N, C, H, W\) uint8",
        ),
        (autograd.zeros(3, 2, 2, dtype=autograd.uint8), autograd.arange(3), r"data is \(3, 2, 2\) uint8, expected"),
        (
            autograd.zeros(3, 1, 2, 2, dtype=autograd.uint8),
            autograd.arange(4),
            r"targets have shape \(4,\), expected \(3,\)",
        ),
    ],
)
def test_images_in_memory_are_bytes_with_a_label_each(images, labels, message):
    with pytest.raises(ValueError, match=f"ImageDataset: {message}"):
        datasets.ImageDataset(images, labels)


# -- batches ------------------------------------------------------------------------------------------


class Doubled:
    """A transform that counts its calls."""

    def __init__(self, batched):
        self.batched, self.shapes = batched, []

    def __call__(self, images):
        self.shapes.append(tuple(images.shape))
        return images * 2


def test_a_batch_is_sliced_and_equals_its_items(mnist, tmp_path, monkeypatch):
    data = datasets.MNIST(tmp_path)
    assert type(data).sliceable.fget(data)
    batches = list(DataLoader(data, 3))
    monkeypatch.setattr(datasets.ImageDataset, "sliceable", False)
    for (images, labels), (each, its) in zip(batches, DataLoader(data, 3), strict=True):
        assert images.numpy().tobytes() == each.numpy().tobytes()
        assert labels.dtype is autograd.int64
        assert labels.tolist() == its.tolist()


def test_a_transform_of_batches_is_called_once_for_each(mnist, tmp_path):
    one, many = Doubled(batched=False), Doubled(batched=True)
    apart = list(DataLoader(datasets.MNIST(tmp_path, transform=one), 4))
    together = list(DataLoader(datasets.MNIST(tmp_path, transform=many), 4))
    assert one.shapes == [(1, 28, 28)] * TRAIN
    assert many.shapes == [(4, 1, 28, 28), (3, 1, 28, 28)]
    for a, b in zip(apart, together, strict=True):
        assert a[0].numpy().tobytes() == b[0].numpy().tobytes()
        assert a[1].tolist() == b[1].tolist()


def test_transforms_see_images_and_labels(mnist, tmp_path):
    data = datasets.MNIST(tmp_path, transform=lambda image: image.flatten(), target_transform=lambda label: -label)
    image, label = data[2]
    assert tuple(image.shape) == (784,)
    assert label == -int(mnist.labels[True][2])
    images, labels = next(iter(DataLoader(data, 5)))
    assert tuple(images.shape) == (5, 784)
    assert labels.tolist() == [-int(each) for each in mnist.labels[True][:5]]


def test_what_a_subclass_overrides_is_heeded(mnist, tmp_path):
    class Labels(datasets.MNIST):
        def __getitem__(self, index):
            return super().__getitem__(index)[1]

    Mnist().write(tmp_path, Labels)
    (labels,) = DataLoader(Labels(tmp_path), TRAIN)
    assert labels.tolist() == mnist.labels[True].tolist()


def test_getitems_of_a_subclass_is_heeded(mnist, tmp_path):
    class Numbered(datasets.MNIST):
        def __getitems__(self, indices):
            return [(*self[i], i) for i in indices]

    Mnist().write(tmp_path, Numbered)
    (batch,) = DataLoader(Numbered(tmp_path), TRAIN)
    assert batch[2].tolist() == list(range(TRAIN))


@pytest.mark.parametrize(
    "part",
    [
        lambda data: Subset(data, [4, 2]),
        lambda data: ConcatDataset([Subset(data, [4]), Subset(data, [2])]),
        lambda data: StackDataset(Subset(data, [4, 2])),
    ],
)
def test_other_datasets_are_made_of_it(mnist, tmp_path, part):
    (batch,) = DataLoader(part(datasets.MNIST(tmp_path)), 2)
    images, labels = batch[0] if len(batch) == 1 else batch
    assert labels.tolist() == mnist.labels[True][[4, 2]].tolist()
    np.testing.assert_array_equal(images.numpy() * 255, mnist.images[True][[4, 2]][:, None])


@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_workers_make_the_same_batches(mnist, tmp_path, workers):
    data = datasets.MNIST(tmp_path)
    loader = DataLoader(data, 3, num_workers=2, workers=workers)
    for (images, labels), (each, its) in zip(DataLoader(data, 3), loader, strict=True):
        assert images.numpy().tobytes() == each.numpy().tobytes()
        assert labels.tolist() == its.tolist()


def test_pickled_data_are_the_same(mnist, tmp_path):
    data = pickle.loads(pickle.dumps(datasets.MNIST(tmp_path)))
    assert np.array_equal(data.data.numpy(), mnist.images[True][:, None])
    assert repr(data) == "MNIST(7 images of 1×28×28, 10 classes)"


def test_importing_the_library_imports_no_extra():
    code = "import sys, nn; print([each for each in ('pooch', 'PIL', 'requests', 'sklearn', 'tarfile') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


# -- with this library's transforms -------------------------------------------------------------------


def batches(data, monkeypatch, at_once):
    """Return the batches of an epoch from a fixed seed, and whether transforms were called with all images of each."""
    monkeypatch.setattr(datasets.ImageDataset, "_transforms_batches", lambda self: at_once)
    return [images.numpy() for images, _ in DataLoader(data, 4)]


@pytest.mark.parametrize("transform", [
    T.ToTensor(), T.Normalize([0.5], [0.25]), T.Compose([T.Resize((8, 8)), T.CenterCrop(6), T.Normalize([0.5], [0.25])]),
    T.Compose([T.ToTensor(), T.ToDtype(autograd.float32, scale=True), T.Grayscale(3)]), T.Pad(2),
    T.Compose([T.RandomHorizontalFlip(1.0), T.RandomVerticalFlip(0.0)]),
], ids=repr)  # fmt: skip
def test_transforms_make_of_a_batch_what_they_make_of_its_images(mnist, tmp_path, monkeypatch, transform):
    data = datasets.MNIST(tmp_path, transform=transform)
    assert data._transforms_batches()
    for a, b in zip(batches(data, monkeypatch, True), batches(data, monkeypatch, False), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("transform", [
    T.Lambda(lambda image: image.flatten()), T.Compose([T.ToTensor(), lambda image: image.flatten()]), T.MixUp(num_classes=10),
    T.RandomApply([T.Lambda(lambda image: image)]), T.RandomChoice([T.Pad(1), T.CutMix(num_classes=10)]),
], ids=["Lambda", "Compose", "MixUp", "RandomApply", "RandomChoice"])  # fmt: skip
def test_other_transforms_are_given_images_one_by_one(mnist, tmp_path, transform):
    assert not datasets.MNIST(tmp_path, transform=transform)._transforms_batches()


def test_transforms_that_draw_give_each_image_another_and_each_epoch_the_same_from_one_seed(mnist, tmp_path):
    data = datasets.MNIST(tmp_path, transform=T.Compose([T.RandomCrop(28, padding=4), T.RandomHorizontalFlip()]))
    data.data.array[:] = data.data.array[:1]
    epochs = []
    for workers in (0, 0, 2):
        autograd.manual_seed(3)
        loader = DataLoader(data, 4, num_workers=workers, workers="threads")
        epochs.append(np.concatenate([images.numpy() for images, _ in loader]))
    assert len({image.tobytes() for image in epochs[0]}) > 3
    assert epochs[0].tobytes() == epochs[1].tobytes() == epochs[2].tobytes()
