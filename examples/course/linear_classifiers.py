"""A linear classifier learns one template per class: hinge loss and softmax.

Both classifiers compute the scores Wx + b, so a row of W, drawn as an image, is what the class looks for: red pixels
speak for it, blue ones against it. The multiclass SVM is content once the right score leads by a margin of 1, softmax
never is; both templates look alike. L2 regularisation, λ‖W‖², takes the noise out of them: with a large λ the template
of 0 is a ring with a hole.

Course: midterm review, linear classifier and its losses (p. 9–16); Weston & Watkins, multi-class SVMs, 1999.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

STRENGTHS = [0, 0.01]  # λ


def svm_loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean of Lᵢ = Σ_{j≠y} max(0, s_j − s_y + 1), for scores (N, K) and labels y (N,)."""
    right = scores.gather(1, labels[:, None])
    margins = F.relu(scores - right + 1)
    return margins.sum(1).mean() - 1  # j = y contributes max(0, 0 + 1)


LOSSES = {"SVM": svm_loss, "softmax": F.cross_entropy}


def fit(data: common.Data, loss: object, strength: float, epochs: int) -> nn.Linear:
    """Minimise loss + λ‖W‖² by Adam; return the layer."""
    images, labels = data
    linear = nn.Linear(images.shape[1], int(labels.max()) + 1)

    def regularised(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return loss(scores, labels) + strength * (linear.weight**2).sum()

    optimizer = optim.Adam(linear.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    common.train(linear, data, epochs, optimizer, loss=regularised, after_epoch=lambda epoch: scheduler.step())
    return linear


def draw(templates: dict[str, np.ndarray]) -> plt.Figure:
    """Draw a row of templates (K, H, W) for each classifier, each row in its own scale."""
    classes = len(next(iter(templates.values())))
    figure, axes = plt.subplots(len(templates), classes, figsize=(classes, 1.1 * len(templates) + 0.4))
    for row, (name, images) in zip(axes, templates.items(), strict=True):
        reach = np.abs(images).max()
        for cell, image in zip(row, images, strict=True):
            cell.imshow(image, cmap="RdBu_r", vmin=-reach, vmax=reach)
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for k, cell in enumerate(axes[0]):
        cell.set_title(f"class {k}")
    figure.suptitle("templates: rows of W (red speaks for the class, blue against it)")
    return figure


def main() -> None:
    """Train both classifiers with every λ; draw their templates."""
    options = common.options(__doc__)
    (train_x, train_y), (test_x, test_y) = common.load(options, size=16)
    flat, shape = train_x.flatten(1), train_x.shape[1:]
    tested, templates = {}, {}
    for strength in STRENGTHS:
        for name, loss in LOSSES.items():
            linear = fit((flat, train_y), loss, strength, epochs=5 if options.small else 60)
            tested[name, strength] = 100 * common.accuracy(linear, test_x.flatten(1), test_y)
            label = f"{name}\nλ = {strength:g}\n{tested[name, strength]:.1f} % right"
            templates[label] = linear.weight.detach().numpy().reshape(-1, *shape).mean(1)
            print(f"{name}, λ = {strength:g}: {tested[name, strength]:.1f} % of the test images right")

    common.save(draw(templates), options, "linear_classifiers")
    none, some = STRENGTHS
    common.say(
        f"without regularisation the SVM gets {tested['SVM', none]:.1f} % of the test images right and softmax "
        f"{tested['softmax', none]:.1f} %; with λ = {some:g} they get {tested['SVM', some]:.1f} % and "
        f"{tested['softmax', some]:.1f} %."
    )


if __name__ == "__main__":
    main()
