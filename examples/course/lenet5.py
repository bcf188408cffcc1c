"""LeNet-5 as in 1998: a net that draws its answer.

Today's last layer is linear and its loss the cross-entropy. The first LeNet-5 had a picture of 7 × 12 pixels as code of
each class, drawn by hand, and its class was that of the code nearest to the 84 units before; trained by the squared
distance to the right code, these units learn to draw the digit. Where a drawing is halfway between two codes one sees
what the net is unsure about. Units before a softmax have no such meaning, but nobody has to invent the codes.

Course: slides "Deep Learning 2", LeNet-5 (p. 47–48); LeCun et al., Gradient-based learning applied to document
recognition, Proc. IEEE 1998, section II.B, figure 3 and equations 7–9.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from nn.models import RBFLoss, lenet5

# The paper's loss; the paper's with a term that pushes the other codes away; and that of today.
NETS = {
    "squared distance": ("rbf", RBFLoss()),
    "discriminative": ("rbf", RBFLoss(j=0.1)),
    "softmax": ("linear", F.cross_entropy),
}


def scores(net: nn.Module, kind: str, images: torch.Tensor) -> torch.Tensor:
    """Return the score of each class: of distances, the smallest is the best."""
    return -common.predict(net, images) if kind == "rbf" else common.predict(net, images)


def drawings(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the 84 units before the output as pictures, (N, 12, 7)."""
    return common.predict(nn.Sequential(net.features, nn.Flatten(), net.classifier[:-1]), images).reshape(-1, 12, 7)


def main() -> None:
    """Train LeNet-5 with three losses; show what its last hidden layer holds."""
    options = common.options(__doc__)
    (images, labels), (test_images, test_labels) = common.load(options, size=32)
    epochs, seeds = (1, 1) if options.small else (10, 3)
    classes, channels, side = int(labels.max()) + 1, *images.shape[1:3]
    right, nets = {name: [] for name in NETS}, {}
    for name, (output, loss) in NETS.items():
        for seed in range(seeds):
            torch.manual_seed(options.seed + seed)
            net = lenet5(classes, channels, side=side, activation=nn.models.ScaledTanh, output=output)
            optimizer = optim.Adam(net.parameters(), lr=2e-3)
            common.train(net, (images, labels), epochs, optimizer, batch_size=32, loss=loss)
            chosen = scores(net, output, test_images).argmax(1)
            right[name].append(100 * (chosen == test_labels).float().mean().item())
            nets.setdefault(name, net)

    old, new = nets["squared distance"], nets["softmax"]
    first = [int((test_labels == k).nonzero()[0].item()) for k in range(classes)]
    best = scores(old, "rbf", test_images).sort(1, descending=True)[0]
    unsure = int((best[:, 0] - best[:, 1]).argmin())
    chosen = [*first, unsure]
    rows = {
        "test image": test_images[chosen].mean(1),
        "its 84 units": drawings(old, test_images[chosen]),
        "nearest code": old.classifier[-1].codes[scores(old, "rbf", test_images[chosen]).argmax(1)].reshape(-1, 12, 7),
        "84 units before\na softmax": drawings(new, test_images[chosen]),
    }
    figure, axes = plt.subplots(len(rows), len(chosen), figsize=(10, 5), height_ratios=(7, 12, 12, 12))
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for cell, picture in zip(line, pictures.numpy(), strict=True):
            cell.imshow(picture, cmap="gray_r", vmin=-1 if "image" not in name else 0, vmax=1)
            cell.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    axes[0, -1].set_title("least sure")
    common.save(figure, options, "lenet5")
    mean = {name: np.mean(each) for name, each in right.items()}
    common.say(
        f"{mean['squared distance']:.1f} % of the test images are right with the squared distance to drawn codes, "
        f"{mean['discriminative']:.1f} % if the other codes are pushed away, {mean['softmax']:.1f} % with softmax and "
        f"cross-entropy; means of {seeds} seeds."
    )


if __name__ == "__main__":
    main()
