"""Models by name: those of `nn.models`, and a perceptron, for images of any size and number of channels."""

from collections.abc import Callable
from typing import Any

import autograd
import nn

SMALL = 64  # pixels; below, residual nets get the stem for CIFAR's images


class Widen(nn.Module):
    """Repeat a single channel three times, for nets whose first layer expects colours."""

    def forward(self, x: autograd.Tensor) -> autograd.Tensor:
        """(N, 1, H, W) → (N, 3, H, W)."""
        return x.expand(-1, 3, -1, -1)


class Rows(nn.Module):
    """Read an image from top to bottom: its rows are the steps of a sequence."""

    def forward(self, x: autograd.Tensor) -> autograd.Tensor:
        """(N, C, H, W) → (N, H, C · W)."""
        return x.transpose(1, 2).flatten(2)


def _mlp(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    """One hidden layer of 256."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 256), nn.ReLU(), nn.Linear(256, classes))


def _lenet5(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    """LeNet-5, with maxima in place of its averages."""
    _check_square(height, width)
    return nn.models.lenet5(classes, channels, side=height, pool=nn.MaxPool2d)


def _recurrent(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    return nn.Sequential(Rows(), getattr(nn.models, name)(channels * width, 128, classes))


def _residual(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    stem = "cifar" if min(height, width) < SMALL else "imagenet"
    return getattr(nn.models, name)(num_classes=classes, in_channels=channels, stem=stem)


def _mixer(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    """The small Mixer, on about 8 × 8 patches of images below 64 pixels and on 16 × 16 pixels each of larger ones."""
    _check_square(height, width)
    patch = (
        16 if height >= SMALL else max(p for p in range(1, height + 1) if height % p == 0 and p <= max(1, height / 7))
    )
    return nn.models.mlp_mixer("S", patch, height, num_classes=classes, in_channels=channels)


def _sized(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    """A net of a fixed size of colour images."""
    _check_square(height, width)
    return _colored(getattr(nn.models, name)(num_classes=classes, image_size=height), channels)


def _other(name: str, channels: int, height: int, width: int, classes: int) -> nn.Module:
    return _colored(getattr(nn.models, name)(num_classes=classes), channels)


def _colored(net: nn.Module, channels: int) -> nn.Module:
    return nn.Sequential(Widen(), net) if channels == 1 else net


def _check_square(height: int, width: int) -> None:
    if height != width:
        raise ValueError(f"images must be as high as wide, not {height} × {width}: give --size")


Builder = Callable[[str, int, int, int, int], nn.Module]
FAMILIES: dict[str, Builder] = {
    "lenet5": _lenet5,
    "rnn_": _recurrent,
    "lstm_": _recurrent,
    "gru_": _recurrent,
    "resn": _residual,
    "wide_resnet": _residual,
    "plain": _residual,
    "mlp_mixer_": _sized,
    "mlp_mixer": _mixer,
    "vit_": _sized,
}


def _builder(name: str) -> Builder:
    return next((builder for prefix, builder in FAMILIES.items() if name.startswith(prefix)), _other)


MODELS: dict[str, Builder] = {name: _builder(name) for name in nn.models.__all__ if name.islower()}
MODELS["mlp"] = _mlp


def build(name: str, image_shape: Any, classes: int) -> nn.Module:
    """Return a model for images (C, H, W), or stop with a sentence where it takes no such images."""
    try:
        model = MODELS[name](name, *image_shape, classes)
        with autograd.no_grad():
            model.eval()(autograd.zeros(1, *image_shape))
    except (ValueError, RuntimeError) as error:
        raise SystemExit(f"--model {name}: {error}") from None
    return model.train()
