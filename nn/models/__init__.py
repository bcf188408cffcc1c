"""Models, with torchvision's names for them and for the modules inside."""

from nn.models.lenet import LeNet5, lenet5

__all__ = ["LeNet5", "lenet5"]
