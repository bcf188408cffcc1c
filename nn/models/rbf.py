"""The output layer of the first LeNet-5: distances to a picture of each class, and the loss that goes with it.

LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition, section II.B and
equations 7 to 9. A class has a code of 84 numbers ±1, chosen by hand and not trained. For the ten digits it is a
stylised picture of 7 × 12 pixels, so that what looks alike has similar codes. The class is that of the nearest code.
"""

import numpy as np

from autograd import get_default_dtype, tensor
from autograd.tensor import Tensor
from nn import functional as F
from nn.module import Module

_DIGITS = """
..###.. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.#...#. ..##... #.....# #.....# ...#.#. #...... .#..... ......# #.....# #.....#
#.....# .#.#... ......# ......# ...#.#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....#. ......# ..#..#. #.###.. #.###.. ....#.. #.....# #.....#
#.....# ...#... ....#.. ..####. .#...#. ##...#. ##...#. ....#.. .#####. .######
#.....# ...#... ...#... ......# .#...#. ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... .#..... ......# .....#. ......# #.....# ..#.... #.....# ......#
#.....# ...#... #...... ......# .....#. ......# #.....# ..#.... #.....# .....#.
.#...#. ...#... #...... #.....# .....#. #....#. .#...#. .#..... #.....# ....#..
..###.. .#####. ####### .#####. .....#. .####.. ..###.. .#..... .#####. .###...
"""


def class_codes(num_classes: int, in_features: int = 84) -> np.ndarray:
    """Return a code of ±1 for each class, (K, in_features).

    The digits' pictures, row by row, for 10 classes and 84 features; otherwise coin tosses, always the same.
    """
    if (num_classes, in_features) == (10, 84):
        pictures = zip(*(row.split() for row in _DIGITS.strip().split("\n")), strict=True)
        return np.array([[1.0 if pixel == "#" else -1.0 for pixel in "".join(rows)] for rows in pictures])
    coins = np.random.RandomState(0)  # a stream that NumPy promises never to change
    return 2.0 * coins.randint(0, 2, (num_classes, in_features)) - 1.0


class RBFOutput(Module):
    """yₙₖ = Σⱼ (xₙⱼ - cₖⱼ)²: the squared distance of the input to the fixed code of each class (equation 7).

    The most likely class is the one nearest: `y.argmin(1)`. Euclidean radial basis functions, whence the name.

    Args:
        num_classes: K, the number of classes.
        in_features: J, the number of features.

    Attributes:
        codes: (K, J), a buffer: those of `class_codes`.

    Shapes:
        input (N, J), output (N, K).
    """

    codes: Tensor

    def __init__(self, num_classes: int = 10, in_features: int = 84) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_features = in_features
        self.register_buffer("codes", tensor(class_codes(num_classes, in_features), dtype=get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the distances to the codes."""
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise RuntimeError(f"RBFOutput: expected input (N, {self.in_features}), got {tuple(x.shape)}")
        return (x.unsqueeze(1) - self.codes).square().sum(2)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"num_classes={self.num_classes}, in_features={self.in_features}"


class RBFLoss(Module):
    """The mean over n of yₙₜ, the distance to the right class t: a mean squared error (equation 8).

    With j it is that of yₙₜ + log(e⁻ʲ + Σₖ e⁻ʸₙₖ) (equation 9), which also pushes the wrong classes away, those
    further than about j the least. It is never negative; j = ∞ makes it the cross-entropy of the logits -y.

    Args:
        j: a positive number; None: no such term.

    Shapes:
        distances (N, K), target (N): classes; output a scalar.
    """

    def __init__(self, j: float | None = None) -> None:
        super().__init__()
        if j is not None and not j > 0:
            raise ValueError(f"RBFLoss: expected j > 0 or None, got {j}")
        self.j = j

    def forward(self, distances: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        if distances.ndim != 2 or target.shape != distances.shape[:1]:
            raise ValueError(
                f"RBFLoss: expected distances (N, K) and target (N), got {tuple(distances.shape)} and "
                f"{tuple(target.shape)}"
            )
        right = distances.gather(1, target.unsqueeze(1)).mean()
        if self.j is None:
            return right
        s = (-distances).logsumexp(1)
        return right + (s + F.softplus(-self.j - s)).mean()  # log(e⁻ʲ + eˢ) = s + log(1 + e⁻ʲ⁻ˢ)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"j={self.j}"
