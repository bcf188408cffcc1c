"""Hypothesis strategies for shapes, arrays and tensors."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from autograd import dtypes
from autograd.tensor import Tensor
from autograd.testing.domains import Domain, integers, reals
from autograd.testing.layouts import with_layout

Shape = tuple[int, ...]


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4) -> SearchStrategy[Shape]:
    """Draw shapes; they shrink to few dimensions and short sides."""
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(draw: DrawFn, n: int = 2, **limits: int) -> tuple[Shape, ...]:
    """Draw n shapes that broadcast together, some with sides of 1 or without leading dimensions.

    Args:
        limits: those of `shapes`, for the shape they broadcast to.
    """
    whole = draw(shapes(**limits))
    drawn = []
    for _ in range(n):
        first = draw(st.integers(0, len(whole)))
        ones = draw(st.lists(st.booleans(), min_size=len(whole) - first, max_size=len(whole) - first))
        drawn.append(tuple(1 if one else side for one, side in zip(ones, whole[first:], strict=True)))
    return tuple(drawn)


def _default_domain(dtype: np.dtype) -> Domain:
    if dtype.kind == "f":
        return reals()
    return integers(0 if dtype.kind in "ub" else -5, 1 if dtype.kind == "b" else 5)


@st.composite
def arrays(
    draw: DrawFn,
    shape: Shape | SearchStrategy[Shape],
    *,
    dtype: Any = np.float64,
    domain: Domain | None = None,
    distinct: bool = False,
    away_from: Sequence[float] = (),
    margin: float = 0.01,
    layouts: Sequence[str] = ("contiguous",),
) -> np.ndarray:
    """Draw NumPy arrays; the arguments are those of `tensors`."""
    numpy_dtype = dtypes.as_numpy(dtype)
    if distinct and "expanded" in layouts:
        raise ValueError("arrays: the elements of an expanded array are not distinct")
    sides = draw(shape) if isinstance(shape, SearchStrategy) else tuple(shape)
    size = math.prod(sides)
    numbers = (domain or _default_domain(numpy_dtype)).numbers(size if distinct else 1, tuple(away_from), margin)
    chosen = draw(st.lists(st.integers(0, len(numbers) - 1), min_size=size, max_size=size, unique=distinct))
    array = numbers[np.array(chosen, np.intp)].astype(numpy_dtype).reshape(sides)
    return with_layout(array, draw(st.sampled_from(list(layouts))))


def tensors(
    shape: Shape | SearchStrategy[Shape],
    *,
    dtype: Any = np.float64,
    domain: Domain | None = None,
    distinct: bool = False,
    away_from: Sequence[float] = (),
    margin: float = 0.01,
    layouts: Sequence[str] = ("contiguous",),
    requires_grad: bool | None = None,
) -> SearchStrategy[Tensor]:
    """Draw tensors whose elements lie in a domain; they shrink to simple numbers in contiguous memory.

    Args:
        shape: a shape, or a strategy such as `shapes()`; () is 0-d, a side of 0 makes the tensor empty.
        domain: `reals(low, high)`, `positive()`, `integers(low, high)`; by default -3 to 3 for floats.
        distinct: no two elements are equal: they are a step of the domain apart, as max and sort need it.
        away_from: kinks, points that no element is closer to than `margin`.
        layouts: how the memory may lie: names that `with_layout` knows, or `LAYOUTS` for all of them.
        requires_grad: by default, floating-point tensors do.

    >>> from hypothesis import given
    >>> from autograd.testing import LAYOUTS
    >>> @given(tensors(shapes(max_side=3), away_from=[0.0], layouts=LAYOUTS))
    ... def test_abs_is_positive(x):
    ...     assert (x.abs() > 0).all()
    >>> test_abs_is_positive()
    """
    wanted = dtypes.as_numpy(dtype).kind == "f" if requires_grad is None else requires_grad
    drawn = arrays(
        shape,
        dtype=dtype,
        domain=domain,
        distinct=distinct,
        away_from=away_from,
        margin=margin,
        layouts=tuple(layouts),
    )
    return drawn.map(lambda array: Tensor(array, requires_grad=wanted))
