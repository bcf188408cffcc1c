"""Images in folders, one for each class."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autograd.serialization.errors import FileError
from autograd.tensor import Tensor
from nn.data.dataset import Dataset
from nn.data.datasets.images import Transform, scaled

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")  # others' readers may start programs
UNSUSPICIOUS = 1 << 24  # pixels
DENSEST = 8 * 1032  # pixels that a byte can stand for: of one bit each, deflated


class ImageFolder(Dataset[tuple[Any, int]]):
    """Images that are read from `root/CLASS/.../NAME` when they are asked for; the classes' names sorted are 0, 1, ….

    An image is (3, H, W) float32 in [0, 1]; `transform` changes it, e.g. to a size that all have.

    Args:
        loader: returns the image at a path, by default with Pillow (extra `data`) as uint8. What is no uint8 tensor or
            array is left as it is.
        is_valid_file: tells of a path whether it is an image's; by default its extension does.
        allow_empty: whether a class may have no images.

    Attributes:
        samples: paths and labels.
        targets: the labels.

    Raises:
        FileNotFoundError: there are no classes, or one has no images.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.transform, self.target_transform = transform, target_transform
        self.loader = load_image if loader is None else loader
        self.classes, self.class_to_idx = self.find_classes(self.root)
        valid = is_valid_file or _is_image
        self.samples = [
            (path, label)
            for name, label in sorted(self.class_to_idx.items())
            for path in sorted_files(self.root / name)
            if valid(path)
        ]
        self.targets = [label for _, label in self.samples]
        filled = set(self.targets)
        empty = sorted(name for name, label in self.class_to_idx.items() if label not in filled)
        if empty and not allow_empty:
            hint = "" if is_valid_file else f" Supported extensions are: {', '.join(IMG_EXTENSIONS)}"
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)} in {self.root}.{hint}")

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """Return the classes, which are the folders in `directory`, and their labels."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {os.fspath(directory)}.")
        return classes, {name: label for label, name in enumerate(classes)}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        path, label = self.samples[index]
        image = _in_floats(self.loader(path))
        if self.transform is not None:
            image = self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __repr__(self) -> str:
        return f"ImageFolder({len(self)} images, {len(self.classes)} classes, {str(self.root)!r})"


def load_image(path: str) -> Tensor:
    """Return the image at a path as (3, H, W) uint8, read by Pillow and converted to RGB.

    Raises:
        ValueError: it is damaged, or of more pixels than `PIL.Image.MAX_IMAGE_PIXELS` or than so many bytes can hold.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("images are read with Pillow: pip install 'magtape[data]'") from error
    with open(path, "rb") as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_size(image, os.fstat(file.fileno()).st_size, Image.MAX_IMAGE_PIXELS)
                array = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        except Exception as error:  # Pillow's readers raise errors of many types
            raise FileError(f"{path}: {error or type(error).__name__}") from error
    return Tensor(np.ascontiguousarray(array.transpose(2, 0, 1)))


def _check_size(image: Any, size: int, limit: int | None) -> None:
    """Refuse an image before memory is taken for it, if that would be much, and more than its file can fill."""
    pixels = image.width * image.height
    if limit is not None and pixels > limit:
        raise FileError(f"it has {pixels} pixels, more than PIL.Image.MAX_IMAGE_PIXELS, {limit}")
    if pixels > max(UNSUSPICIOUS, DENSEST * size):
        raise FileError(f"it says it has {pixels} pixels, more than its {size} bytes can hold")


def sorted_files(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of all files below a folder, folder by folder, each sorted; links are followed."""
    found = sorted((place, sorted(names)) for place, names in _walk(os.fspath(folder), ()))
    return (os.path.join(place, name) for place, names in found for name in names)


def _walk(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder with the names of its files; one that links back to a folder above is left out."""
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    entries = list(os.scandir(folder))
    yield folder, [entry.name for entry in entries if not entry.is_dir()]
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry.path, (*above, here))


def _is_image(path: str) -> bool:
    return path.lower().endswith(IMG_EXTENSIONS)


def _in_floats(image: Any) -> Any:
    pixels = image.array if isinstance(image, Tensor) else image
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        return image
    return Tensor(scaled(pixels))
