"""Filters, feature maps, and what of an image excites a unit.

First-layer filters are small pictures: edges, strokes, spots. A feature map says where in an image its filter fits. For
deeper units one looks for the patches that excite them the most, and sends the activation back to the pixels: by the
gradient, by a deconvnet (negative signals stop on the way back) or by guided backpropagation (those through units that
were off stop, too). The deeper the layer, the more a unit sees and the more particular is what excites it.

Course: slides "Deep Learning 2", visualizing convolutional nets (p. 45); Zeiler and Fergus, Visualizing and
understanding convolutional networks, ECCV 2014; Springenberg et al., Striving for simplicity, ICLR workshop 2015.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
from nn import optim
from nn.utils import receptive_field

ENDS = (3, 6, 8)  # where the convolutional layers of the net end
VIEWS = ("gradient", "deconvnet", "guided")


def network(channels: int, side: int, classes: int) -> nn.Sequential:
    """Return three convolutions with ReLU, a pooling, and a linear layer."""
    return nn.Sequential(
        nn.ZeroPad2d(2),  # the digits touch the edges
        *(nn.Conv2d(channels, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(32 * (side // 2 + 2) ** 2, classes)),
    )


def view(layers: nn.Sequential, images: torch.Tensor, unit: int, places: torch.Tensor, name: str) -> torch.Tensor:
    """Return what a unit's activation at a place of each image says about its pixels."""
    x = pixels = images.clone().requires_grad_()
    for layer in layers:
        y = layer(x)
        if isinstance(layer, nn.ReLU) and name == "deconvnet":
            y = x + (y - x).detach()  # on the way back also through units that were off
        if isinstance(layer, nn.ReLU) and name != "gradient":
            y.register_hook(lambda grad: grad.clamp(min=0))
        x = y
    x[:, unit].flatten(1).gather(1, places[:, None]).sum().backward()
    return pixels.grad


def crop(layers: nn.Sequential, images: torch.Tensor, places: torch.Tensor, width: int) -> np.ndarray:
    """Cut from each image what the unit at its place sees, with zeros beyond the border."""
    field = receptive_field(layers)
    size, jump, start = field.size[0], field.jump[0], field.start[0]
    padded = np.pad(images.mean(1).numpy(), ((0, 0), (size, size), (size, size)))
    corners = size + start + jump * np.stack(np.divmod(places.numpy(), width), 1)
    return np.stack([image[i : i + size, j : j + size] for image, (i, j) in zip(padded, corners, strict=True)])


def study(layers: nn.Sequential, images: torch.Tensor) -> list[tuple[np.ndarray, ...]]:
    """Return for each unit its best patches and the views of them, those of the highest contrast first."""
    maps = common.predict(layers, images)
    best, where = maps.flatten(2).max(2)  # (N, C): the place in each image that excites a unit the most
    found = []
    for unit in range(best.shape[1]):
        top = best[:, unit].argsort(descending=True)[:9]
        seen = [images[top], *(view(layers, images[top], unit, where[top, unit], name) for name in VIEWS)]
        found.append(tuple(crop(layers, each, where[top, unit], maps.shape[3]) for each in seen))
    return sorted(found, key=lambda pictures: -pictures[0].std((1, 2)).mean())


def likeness(patches: np.ndarray, views: np.ndarray) -> float:
    """Return the correlation of pixels, all patches of a unit together; nan for a unit that is never on."""
    return np.corrcoef(patches.ravel(), views.ravel())[0, 1] if views.any() else np.nan


def show(cell, picture: np.ndarray, signed: bool) -> None:
    """Draw a picture: grey, or blue for negative and red for positive numbers."""
    reach = np.abs(picture).max()
    cell.set(xticks=[], yticks=[], frame_on=False)
    cell.imshow(picture, cmap="RdBu_r" if signed else "gray", vmin=-reach if signed else 0, vmax=reach)


def main() -> None:
    """Train the net; draw its filters and maps; look for what excites its units."""
    options = common.options(__doc__)
    data, (images, labels) = common.load(options, size=16)
    net = network(images.shape[1], images.shape[-1], int(labels.max()) + 1)
    common.train(net, data, 2 if options.small else 20, optim.Adam(net.parameters(), lr=2e-3))

    figure, axes = plt.subplots(3, 9, figsize=(10, 3.6))
    for row, layer in enumerate(("filters 1", "maps 1", "maps 2")):
        pictures = net[1].weight.detach().mean(1) if row == 0 else common.predict(net[: ENDS[row - 1]], images[:1])[0]
        for cell, picture in zip(axes[row, 1:], pictures.numpy(), strict=False):
            show(cell, picture, signed=row == 0)
        axes[row, 1].set_ylabel(layer)
    show(axes[1, 0], images[0].mean(0).numpy(), signed=False)
    axes[0, 0].axis("off")
    axes[2, 0].axis("off")
    common.save(figure, options, "filters")

    figure, axes = plt.subplots(6, 7, figsize=(8, 7))
    for number, end in enumerate(ENDS):
        units = study(net[:end], images)
        for row, (patches, *views) in zip(axes[2 * number :], units[:2], strict=False):
            for column, picture in enumerate([*patches[:4], *(each[0] for each in views)]):
                show(row[column], picture, signed=column > 3)
            row[0].set_ylabel(f"layer {number + 1}\n{patches.shape[1]} × {patches.shape[1]}")
    for cell, name in zip(axes[0], ("best patch", "second", "third", "fourth", *VIEWS), strict=True):
        cell.set_title(name)
    common.save(figure, options, "filters-units")
    grad, deconvnet, guided = np.nanmean([[likeness(patches, each) for each in views] for patches, *views in units], 0)
    common.say(
        f"the patches that excite the {len(units)} units of layer 3 most correlate with their gradient "
        f"by {grad:.2f}, with the deconvnet's view by {deconvnet:.2f}, with guided backpropagation's by {guided:.2f} "
        f"({common.accuracy(net, images, labels):.1%} of the test images are right)."
    )


if __name__ == "__main__":
    main()
