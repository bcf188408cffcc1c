"""Images in folders: classes, order, what counts as an image, and how it is read."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import autograd
from autograd import Tensor
from nn.data import DataLoader, datasets
from nn.data.datasets.folder import load_image, sorted_files
from tests.hostile.images import png
from tests.image_files import drawn

Image = pytest.importorskip("PIL.Image", reason="images need Pillow: pip install 'magtape[data]'")


def save(path, seed=0, size=(5, 4, 3), **options):
    """Save an image of drawn pixels; return them (H, W) or (H, W, C)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = drawn(seed, *size)
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def root(tmp_path):
    """Two classes with three images and other files."""
    root = tmp_path / "my images"
    save(root / "dog" / "2.png", 0)
    save(root / "dog" / "10.PNG", 1)
    save(root / "cat" / "old" / "1.bmp", 2)
    (root / "dog" / "notes.txt").write_text("woof")
    (root / "readme.png").write_text("not in a class")
    return root


def test_classes_and_samples_are_sorted(root):
    data = datasets.ImageFolder(root)
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    assert [(os.path.relpath(path, root), label) for path, label in data.samples] == [
        ("cat/old/1.bmp", 0), ("dog/10.PNG", 1), ("dog/2.png", 1)]  # fmt: skip
    assert data.targets == [0, 1, 1]
    assert len(data) == 3
    assert "3 images, 2 classes" in repr(data)


def test_an_image_is_channels_first_in_0_to_1(root):
    image, label = datasets.ImageFolder(str(root))[-1]
    assert image.dtype is autograd.float32
    assert label == 1
    np.testing.assert_array_equal(image.numpy(), (drawn(0, 5, 4, 3).transpose(2, 0, 1) / 255).astype(np.float32))
    images, labels = next(iter(DataLoader(datasets.ImageFolder(root), 3)))
    assert tuple(images.shape) == (3, 3, 5, 4)
    assert labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm"])
@pytest.mark.parametrize("size", [(5, 4), (5, 4, 3), (5, 4, 4)])
def test_all_kinds_become_rgb(tmp_path, name, size):
    if size[-1] == 4 and len(size) == 3 and name.endswith("ppm"):
        size = (5, 4, 3)  # the format has no alpha
    pixels = save(tmp_path / name, size=size)
    expected = np.stack([pixels] * 3) if pixels.ndim == 2 else pixels[..., :3].transpose(2, 0, 1)
    assert np.array_equal(load_image(str(tmp_path / name)).numpy(), expected)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "L", "CMYK", "I;16"])
def test_other_modes_become_what_pillow_makes_of_them(tmp_path, mode):
    image = Image.fromarray(drawn(0, 5, 4, 3)).convert("L" if mode == "I;16" else mode)
    image = image.convert("I;16") if mode == "I;16" else image
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    with Image.open(path) as saved:
        expected = np.asarray(saved.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(load_image(str(path)).numpy(), expected)


def test_transforms_are_called(root):
    data = datasets.ImageFolder(root, lambda image: image.sum(), lambda label: f"class {label}")
    value, label = data[0]
    assert value.item() == pytest.approx(drawn(2, 5, 4, 3).sum() / 255, rel=1e-5)
    assert label == "class 0"


def test_loader_and_files_may_be_ones_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", np.full((2, 3, 3), 51, np.uint8))
    data = datasets.ImageFolder(tmp_path, loader=np.load, is_valid_file=lambda path: path.endswith(".npy"))
    image, label = data[1]
    assert isinstance(image, Tensor)
    np.testing.assert_array_equal(image.numpy(), np.full((2, 3, 3), 0.2, np.float32))
    assert label == 1
    data = datasets.ImageFolder(tmp_path, loader=Path, is_valid_file=lambda path: True)
    assert data[0][0] == tmp_path / "a" / "x.npy"


def test_no_classes_and_empty_classes_are_refused(tmp_path, root):
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match=f"Couldn't find any class folder in {tmp_path / 'none'}."):
        datasets.ImageFolder(tmp_path / "none")
    (root / "ant").mkdir()
    (root / "bee").mkdir()
    with pytest.raises(
        FileNotFoundError,
        match=r"Found no valid file for the classes ant, bee in .*\. Supported extensions are: .jpg, .jpeg, .png",
    ):
        datasets.ImageFolder(root)
    data = datasets.ImageFolder(root, allow_empty=True)
    assert data.classes == ["ant", "bee", "cat", "dog"]
    assert data.targets == [2, 3, 3]
    with pytest.raises(FileNotFoundError, match="missing"):
        datasets.ImageFolder(root / "missing")


def test_classes_may_be_found_otherwise(root):
    class Dogs(datasets.ImageFolder):
        def find_classes(self, directory):
            return ["dog"], {"dog": 0}

    assert Dogs(root).targets == [0, 0]


def test_links_are_followed_but_not_in_circles(root, tmp_path):
    save(tmp_path / "elsewhere" / "3.png")
    (root / "dog" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "again").symlink_to(root)
    (tmp_path / "elsewhere" / "up").symlink_to(root / "dog")
    data = datasets.ImageFolder(root)
    assert [os.path.relpath(path, root) for path, label in data.samples if label == 1 and "again" not in path] == [
        "dog/10.PNG", "dog/2.png", "dog/more/3.png"]  # fmt: skip
    assert len(data) < 10


def test_files_are_in_the_order_of_a_sorted_walk(tmp_path):
    for name in ("b/1", "a b/1", "a/2", "a/10", "a/c/0", "a-b/1", "1"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    walked = [os.path.join(at, name) for at, _, names in sorted(os.walk(tmp_path)) for name in sorted(names)]
    assert list(sorted_files(tmp_path)) == walked


@pytest.mark.parametrize(
    "content", [b"", b"no image", png(30, 20, b""), png(9000, 9000, b""), png(2**31 - 1, 2**31 - 1, b"")], ids=len
)
def test_a_broken_image_is_named(root, content):
    path = root / "dog" / "broken.png"
    path.write_bytes(content)
    data = datasets.ImageFolder(root)
    with pytest.raises(ValueError, match=str(path)):
        data[[each for each, _ in data.samples].index(str(path))]


def test_programs_in_postscript_are_no_images(root):
    path = root / "dog" / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(ValueError, match="cannot identify image file"):
        load_image(str(path))


def test_more_pixels_than_pillows_limit_are_refused(tmp_path, monkeypatch):
    save(tmp_path / "a.png", size=(10, 10, 3))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="it has 100 pixels, more than PIL.Image.MAX_IMAGE_PIXELS, 99"):
            load_image(str(tmp_path / "a.png"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_image(str(tmp_path / "a.png")).shape == (3, 10, 10)


def test_without_pillow_a_sentence_says_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'magtape\[data\]'"):
        datasets.ImageFolder(root)[0]
