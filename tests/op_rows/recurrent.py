"""Rows of recurrent layers."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.testing import reals
from ops.recurrent import part_of, placed, recurrent_layer
from tests.naive import recurrent as naive
from tests.row import Row, Sample
from tests.samples import array, built, choice, of

T, B, I, H = 2, 2, 1, 2


def _of(kind: str, gates: int) -> Any:
    """Draw a layer over whole sequences or packed ones, with or without states, biases and (lstm) a projection."""

    def sample(draw: Any) -> Sample:
        projected = kind == "lstm" and draw(st.booleans())
        outputs = 1 if projected else H

        def numbers(*shape: int) -> Any:
            return draw(array(shape, reals(-1, 1)))

        steps = draw(st.sampled_from([(B,) * T, (B, 1)]))
        x = numbers(T, B, I) if steps == (B,) * T else numbers(sum(steps), I)
        h, c = (numbers(B, outputs), numbers(B, H)) if draw(st.booleans()) else (None, None)
        weights = numbers(gates * H, I), numbers(gates * H, outputs)
        biases = (numbers(gates * H), numbers(gates * H)) if draw(st.booleans()) else (None, None)
        projection = numbers(outputs, H) if projected else None
        inputs = (x, h, c if kind == "lstm" else None, *weights, *biases, projection)
        return Sample(inputs, {"kind": kind, "steps": steps, "reverse": draw(st.booleans())})

    return built(sample)


def _reference(*inputs: Any, kind: str, steps: Any, reverse: bool) -> Any:
    return naive.layer(kind, *inputs, steps, reverse)


_part = {"first": choice(0, 1), "shape": choice((2, 3), (5,), (1, 0))}
_place = {"first": choice(0, 3), "size": choice(12, 9)}


def _placed(x: Any, first: int, size: int) -> Any:
    return np.pad(x.ravel(), (first, size - first - x.size))


ROWS = [
    Row(
        part_of,
        of((7,), **_part),
        lambda x, first, shape: x[first:][: np.prod(shape)].reshape(shape),
        None,
        linear=True,
    ),
    Row(placed, of((2, 3), **_place), _placed, None, linear=True),
    *(
        Row(recurrent_layer, _of(kind, gates), _reference, torch=None, name=f"recurrent_layer {kind}", doubles=False)
        for kind, gates in (("tanh", 1), ("lstm", 4), ("gru", 3))
    ),
]
