"""A step length that satisfies the strong Wolfe conditions: bracket one, then narrow the bracket by cubics.

Source: Nocedal & Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6 and equation 3.59.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

DECREASE, CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """What is known of f at one step length t: f(x + t d), its gradient, and the slope along d."""

    t: float
    loss: np.float64
    grad: Any
    slope: np.float64


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Return where the cubic through two points with their slopes is least, within [low, high]."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, low), high)


class StrongWolfe:
    """The search: f(t) ≤ f(0) + 10⁻⁴ t f′(0) and |f′(t)| ≤ 0.9 |f′(0)|.

    Args:
        evaluate: gives the point at a step length.
        start: the point at 0.
        reach: the largest element of the direction.
        limit: how many points to try after the first.
        tolerance: the width, times `reach`, below which a bracket is not narrowed.
    """

    def __init__(
        self, evaluate: Callable[[float], Point], start: Point, reach: float, limit: int, tolerance: float = 1e-9
    ) -> None:
        self.evaluate = evaluate
        self.start = start
        self.reach = reach
        self.left = limit
        self.tolerance = tolerance

    def __call__(self, t: float) -> Point:
        """Return the point found, starting from step length t."""
        with np.errstate(all="ignore"):
            return self._narrow(*self._bracket(t))

    def _too_high(self, point: Point) -> bool:
        return bool(point.loss > self.start.loss + DECREASE * point.t * self.start.slope)

    def _is_flat(self, point: Point) -> bool:
        return bool(abs(point.slope) <= -CURVATURE * self.start.slope)

    def _bracket(self, t: float) -> tuple[Point, Point]:
        """Return two points around an acceptable one, or one such point twice."""
        before, point = self.start, self.evaluate(t)
        tried = 0
        while self.left > 0:
            if self._too_high(point) or (tried > 1 and point.loss >= before.loss):
                return before, point
            if self._is_flat(point):
                return point, point
            if point.slope >= 0:
                return before, point
            t = cubic_minimum(before, point, point.t + 0.01 * (point.t - before.t), point.t * 10)
            before, point = point, self.evaluate(t)
            tried += 1
            self.left -= 1
        return self.start, point

    def _narrow(self, a: Point, b: Point) -> Point:
        """Return the best point of a bracket that shrinks."""
        if a is b:
            return a
        low, high = (a, b) if a.loss <= b.loss else (b, a)
        stuck = False
        while self.left > 0 and not abs(b.t - a.t) * self.reach < self.tolerance:
            t, stuck = self._inside(a, b, stuck)
            point = self.evaluate(t)
            self.left -= 1
            if self._too_high(point) or point.loss >= low.loss:
                a, b = (point, b) if high is a else (a, point)
                low, high = (a, b) if a.loss <= b.loss else (b, a)
                continue
            if self._is_flat(point):
                return point
            turns = point.slope * (high.t - low.t) >= 0
            kept = low if turns else high
            a, b = (point, kept) if low is a else (kept, point)
            low, high = point, kept
        return low

    def _inside(self, a: Point, b: Point, stuck: bool) -> tuple[float, bool]:
        """Return the cubic's minimum, moved off an end of the bracket if it is there twice in a row, or on it."""
        left, right = min(a.t, b.t), max(a.t, b.t)
        t = cubic_minimum(a, b, left, right)
        margin = 0.1 * (right - left)
        if not min(right - t, t - left) < margin:
            return t, False
        if not stuck and left < t < right:
            return t, True
        return (right - margin if abs(t - right) < abs(t - left) else left + margin), False
