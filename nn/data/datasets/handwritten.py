"""Handwritten digits that come with scikit-learn."""

import numpy as np

from autograd.tensor import Tensor
from nn.data.dataset import TensorDataset


def digits(train: bool = True, size: int = 8) -> TensorDataset:
    """Return handwritten digits: images (N, 1, size, size) float32 in [0, 1], labels (N,) int64 in 0…9.

    The images are 8×8; a larger `size` is interpolated bilinearly. The 1,797 images come with scikit-learn. The same
    360, drawn once with equal shares of each digit, are held back for testing; `train` chooses the 1,437 others.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"digits: size should be a positive integer, got {size!r}")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("datasets.digits reads scikit-learn's copy: pip install 'magtape[examples]'") from error
    raw = load_digits()
    images = (raw.images / 16).astype(np.float32)[:, None]
    labels = raw.target.astype(np.int64)
    by_class = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))
    by_class = by_class[np.argsort(labels[by_class], kind="stable")]
    held_back = np.zeros(len(labels), bool)
    held_back[by_class[::5]] = True
    chosen = np.flatnonzero(~held_back if train else held_back)
    if size != 8:
        images = _resize(images, size)
    return TensorDataset(Tensor(images[chosen]), Tensor(labels[chosen]))


def _resize(images: np.ndarray, size: int) -> np.ndarray:
    """Interpolate (N, 1, H, H) bilinearly to (N, 1, size, size), pixel centres aligned: y = M x Mᵀ."""
    side = images.shape[-1]
    centres = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    weights = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(side))).astype(images.dtype)  # M (size, H)
    return weights @ images @ weights.T
