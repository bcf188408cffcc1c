"""Drawing arguments: shapes, tensors of every type and layout, special values; all from one seeded generator."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.conformance.call import Arr

FLOATS = ("float64", "float32")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
ALL = (*FLOATS, *INTEGERS, "bool")
NUMBERS = (*FLOATS, *INTEGERS)
Shape = tuple[int, ...]


class Draw:
    """A source of arguments. What it draws depends on the seed alone."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    # -- choices ------------------------------------------------------------------------------------------------------

    def choice(self, *values: Any) -> Any:
        """Return one of the values."""
        return values[self.rng.integers(len(values))]

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        return bool(self.rng.random() < p)

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def number(self, low: float = -3.0, high: float = 3.0) -> float:
        """Return a number of few digits."""
        return round(float(self.rng.uniform(low, high)), 2)

    def scalar(self) -> Any:
        """Return a Python number of any kind."""
        return self.choice(self.number(), self.integer(-4, 4), self.chance(0.5), self.number(), self.integer(1, 3))

    def some(self, **values: Any) -> dict[str, Any]:
        """Return some of the keyword arguments; one given as a function is drawn by calling it."""
        return {k: v() if callable(v) else v for k, v in values.items() if self.chance(0.5)}

    # -- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, low: int = 0, high: int = 3, *, empty: float = 0.1, most: int = 4) -> Shape:
        """Return `low` to `high` sizes, now and then one of them 0."""
        sizes = [self.integer(1, most) for _ in range(self.integer(low, high))]
        if sizes and self.chance(empty):
            sizes[self.integer(0, len(sizes) - 1)] = 0
        return tuple(sizes)

    def dim(self, ndim: int, wrong: float = 0.04) -> int:
        """Return a dimension, counted from either end; now and then one that does not exist."""
        limit = max(ndim, 1)
        return self.choice(limit, -limit - 1) if self.chance(wrong) else self.integer(-limit, limit - 1)

    def dims(self, ndim: int, least: int = 0) -> list[int]:
        """Return distinct dimensions, in any order."""
        chosen = self.rng.permutation(ndim)[: self.integer(min(least, ndim), ndim)]
        return [int(d) - (ndim if self.chance(0.3) else 0) for d in chosen]

    def shrunk(self, shape: Shape) -> Shape:
        """Return a shape that broadcasts to `shape`."""
        kept = shape[self.integer(0, len(shape)) if self.chance(0.4) else 0 :]
        return tuple(1 if self.chance(0.25) else n for n in kept)

    # -- tensors ------------------------------------------------------------------------------------------------------

    def array(
        self,
        shape: Shape,
        dtype: str = "float64",
        low: float = -3.0,
        high: float = 3.0,
        special: bool = False,
        ties: bool = False,
    ) -> np.ndarray:
        """Return numbers of [low, high]; `ties` makes many equal, `special` adds infinities, NaN and zeros."""
        if dtype == "bool":
            return self.rng.random(shape) < 0.5
        if dtype.startswith(("int", "uint")):
            return self.rng.integers(max(int(low), 0 if dtype[0] == "u" else -100), int(high) + 1, shape).astype(dtype)
        values = np.asarray(self.rng.uniform(low, high, shape))
        if ties:
            values = np.round(values)
        if special and values.size:
            where = self.rng.random(shape) < 0.3
            values = np.where(where, self.rng.choice([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0], shape), values)
        return values.astype(dtype)

    def laid_out(self, x: np.ndarray, expanded: bool = True) -> np.ndarray:
        """Return the same elements contiguous, transposed, with gaps, or repeated by a stride of 0."""
        layouts = ("c", "c", "transposed", "gaps", "expanded")
        layout = self.choice(*layouts[: 4 + expanded]) if x.ndim else "c"
        if layout == "transposed":
            order = self.rng.permutation(x.ndim)
            return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        if layout == "gaps" and x.size:
            axis = self.integer(0, x.ndim - 1)
            return np.repeat(x, 2, axis)[(slice(None),) * axis + (slice(None, None, 2),)]
        if layout == "expanded" and x.size:
            axis = self.integer(0, x.ndim - 1)
            first = x[(slice(None),) * axis + (slice(0, 1),)]
            return np.broadcast_to(np.ascontiguousarray(first), x.shape)
        return np.ascontiguousarray(x) if x.ndim else x

    def tensor(
        self,
        shape: Shape | None = None,
        dtypes: Sequence[str] = ALL,
        *,
        grad: float = 0.6,
        layout: bool = True,
        expanded: bool = True,
        special: float = 0.15,
        **values: Any,
    ) -> Arr:
        """Return a tensor, half of the time of float64 where the types allow."""
        shape = self.shape() if shape is None else shape
        dtype = dtypes[0] if self.chance(0.4) else self.choice(*dtypes)
        x = self.array(shape, dtype, special=self.chance(special), **values)
        x = self.laid_out(x, expanded) if layout else x
        return Arr(np.asarray(x), dtype.startswith("float") and self.chance(grad))

    def floats(self, shape: Shape | None = None, **options: Any) -> Arr:
        """Return a floating tensor."""
        return self.tensor(shape, FLOATS, **options)

    def distinct(self, shape: Shape, dtypes: Sequence[str] = FLOATS, **options: Any) -> Arr:
        """Return a tensor without ties."""
        size = int(np.prod(shape))
        values = self.rng.permutation(size).reshape(shape) - size // 2
        dtype = dtypes[0] if self.chance(0.5) else self.choice(*dtypes)
        scale = 0.37 if dtype.startswith("float") else 1
        return Arr(np.asarray((values * scale).astype(dtype)), dtype.startswith("float") and self.chance(0.7))

    def indices(self, shape: Shape, size: int, dtype: str = "int64", negative: bool = False) -> Arr:
        """Return positions in a dimension of `size`."""
        low = -size if negative else 0
        drawn = self.rng.integers(low, size, shape) if size else np.zeros(shape)
        return Arr(np.asarray(drawn, dtype))

    def pair(self, dtypes: Sequence[str] = ALL, wrong: float = 0.04, **options: Any) -> tuple[Arr, Any]:
        """Return a tensor and another that broadcasts with it, or a number."""
        shape = self.shape()
        x = self.tensor(self.shrunk(shape) if self.chance(0.3) else shape, dtypes, **options)
        if self.chance(0.25):
            return x, self.scalar()
        other = self.shape(1) if self.chance(wrong) else self.shrunk(shape) if self.chance(0.5) else shape
        return x, self.tensor(other, dtypes, **options)
