"""Data sets: names, arguments and attributes are torchvision's; images are arrays (C, H, W) throughout.

What is downloaded is compared with a hash before it is read.
"""

from nn.data.datasets.arrays import from_npz
from nn.data.datasets.cifar import CIFAR10, CIFAR100
from nn.data.datasets.folder import ImageFolder
from nn.data.datasets.handwritten import digits
from nn.data.datasets.images import ImageDataset
from nn.data.datasets.mnist import MNIST, FashionMNIST

__all__ = ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "ImageDataset", "ImageFolder", "digits", "from_npz"]
