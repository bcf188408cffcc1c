"""MNIST and Fashion-MNIST."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from autograd.tensor import Tensor
from nn.data.datasets import idx
from nn.data.datasets.images import ImageDataset, Transform, checked_labels
from nn.data.datasets.remote import Remote, obtain

SIDE = 28
AMAZON, GOOGLE = "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"
FASHION = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)


class MNIST(ImageDataset):
    """Handwritten digits, 1×28×28: 60,000 to train with and 10,000 to test with.

    The files lie in `root/MNIST/raw`, where torchvision keeps them. Each is read only if its SHA-256 is right.

    Source: LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition, 1998.

    Args:
        train: which of the two.
        transform, target_transform: as in `ImageDataset`.
        download: fetch the files that are missing or damaged (extra `data`).
    """

    classes: ClassVar[Sequence[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip
    counts: ClassVar[dict[bool, int]] = {True: 60000, False: 10000}
    files: ClassVar[dict[bool, tuple[Remote, Remote]]] = {
        True: (
            Remote("train-images-idx3-ubyte.gz", 9912422,
                   "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", (AMAZON, GOOGLE)),
            Remote("train-labels-idx1-ubyte.gz", 28881,
                   "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", (AMAZON, GOOGLE)),
        ),
        False: (
            Remote("t10k-images-idx3-ubyte.gz", 1648877,
                   "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", (AMAZON, GOOGLE)),
            Remote("t10k-labels-idx1-ubyte.gz", 4542,
                   "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", (AMAZON, GOOGLE)),
        ),
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        self.root, self.train = Path(root).expanduser(), train
        folder = self.root / type(self).__name__ / "raw"
        if download:
            for file in (*self.files[True], *self.files[False]):
                obtain(file, folder, download=True)
        paths = [obtain(file, folder) for file in self.files[bool(train)]]
        super().__init__(*self._read(*paths), transform, target_transform)

    def _read(self, images: Path, labels: Path) -> tuple[Tensor, Tensor]:
        count = self.counts[bool(self.train)]
        pixels = idx.read(images, (count, SIDE, SIDE))
        targets = checked_labels(labels, idx.read(labels, (count,)), len(self.classes))
        return Tensor(pixels[:, None]), Tensor(targets)


class FashionMNIST(MNIST):
    """Pictures of clothes in the format and numbers of MNIST, in `root/FashionMNIST/raw`.

    Source: Xiao, Rasul & Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms,
    arXiv 1708.07747.
    """

    classes: ClassVar[Sequence[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
    files: ClassVar[dict[bool, tuple[Remote, Remote]]] = {
        True: (
            Remote("train-images-idx3-ubyte.gz", 26421880,
                   "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", FASHION),
            Remote("train-labels-idx1-ubyte.gz", 29515,
                   "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", FASHION),
        ),
        False: (
            Remote("t10k-images-idx3-ubyte.gz", 4422102,
                   "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", FASHION),
            Remote("t10k-labels-idx1-ubyte.gz", 5148,
                   "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", FASHION),
        ),
    }  # fmt: skip
