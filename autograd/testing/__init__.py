"""Property tests of gradients: Hypothesis strategies for tensors, and `check_gradients`.

Any function of tensors, `nn.Module` or custom `Function` is compared with finite differences, in first and
second order, at points Hypothesis draws and, where a check fails, shrinks:

    >>> from autograd.testing import check_gradients, reals, tensors
    >>> check_gradients(lambda x: x.log() * x, tensors((2, 3), domain=reals(0.5, 3.0)), max_examples=5)

Install it with `pip install magtape[test]`.
"""

from autograd.testing import requirement as requirement  # before all that needs it
from autograd.testing.domains import Domain, integers, positive, reals
from autograd.testing.gradients import check_gradients
from autograd.testing.layouts import LAYOUTS, layout_of, with_layout
from autograd.testing.strategies import arrays, broadcastable_shapes, shapes, tensors

__all__ = [
    "LAYOUTS",
    "Domain",
    "arrays",
    "broadcastable_shapes",
    "check_gradients",
    "integers",
    "layout_of",
    "positive",
    "reals",
    "shapes",
    "tensors",
    "with_layout",
]
