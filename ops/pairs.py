"""The product of two tensors whose dimensions have labels: the step of Einstein's sums, and its own gradient.

z[batch, free_x, free_y] = Σ x[batch, free_x, summed] y[batch, summed, free_y], every part any number of labels.
Each label stands in at least two of x, y and z. So the gradient of x is the product of z's gradient and y, with x's
labels, and as much holds for y.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from autograd.batching import Batch
from autograd.primitive import primitive
from ops.linear import matmul
from ops.shape import permute, reshape, with_shape

Dims = tuple[int, ...]
Labels = tuple[str, ...]
Terms = tuple[Labels, Labels, Labels]

SAMPLES = ("samples",)
"""The label of vmap's dimension."""


class Pair(NamedTuple):
    """How two tensors become batches of matrices, and their product the result. Dims None: they are in order."""

    exchanged: bool
    dims_x: Dims | None
    dims_y: Dims | None
    dims_z: Dims | None
    batch: int
    summed: int

    @classmethod
    def of(cls, terms: Terms) -> "Pair":
        """Return it for the labels of x, y and z. The free labels that z has first are those of the rows."""
        xs, ys, zs = terms
        first = next((label for label in zs if (label in xs) != (label in ys)), None)
        exchanged = first is not None and first in ys
        if exchanged:
            xs, ys = ys, xs
        batch = tuple([label for label in zs if label in xs and label in ys])
        summed = tuple([label for label in xs if label in ys and label not in zs])
        free_x, free_y = (tuple([label for label in each if label not in batch + summed]) for each in (xs, ys))
        return cls(
            exchanged,
            _places(xs, batch + free_x + summed),
            _places(ys, batch + summed + free_y),
            _places(batch + free_x + free_y, zs),
            len(batch),
            len(summed),
        )


pair_of = functools.lru_cache(maxsize=4096)(Pair.of)


def _places(labels: Labels, wanted: Labels) -> Dims | None:
    """Return the dims by which `labels` become `wanted`."""
    return None if labels == wanted else tuple([labels.index(label) for label in wanted])


def product(x: Any, y: Any, terms: Terms) -> Any:
    """Return z with the labels terms[2] from x and y with the labels terms[0] and terms[1]."""
    pair = pair_of(terms)
    if pair.summed:
        return contracted(x, y, terms=terms)
    if pair.exchanged:
        x, y = y, x
    x, y = (each if dims is None else permute(each, dims) for each, dims in ((x, pair.dims_x), (y, pair.dims_y)))
    shared, right = tuple(y.shape[: pair.batch]), tuple(y.shape[pair.batch :])
    z = reshape(x, (*x.shape, *[1] * len(right))) * reshape(y, (*shared, *[1] * (x.ndim - pair.batch), *right))
    return z if pair.dims_z is None else permute(z, pair.dims_z)


@primitive
def contracted(x: np.ndarray, y: np.ndarray, *, terms: Terms) -> np.ndarray:
    """The product as one of matrices: at least one label is summed."""
    pair = pair_of(terms)
    if pair.exchanged:
        x, y = y, x
    x = x if pair.dims_x is None else x.transpose(pair.dims_x)
    y = y if pair.dims_y is None else y.transpose(pair.dims_y)
    rows, depth = x.shape[pair.batch : x.ndim - pair.summed], x.shape[x.ndim - pair.summed :]
    shared, columns = y.shape[: pair.batch], y.shape[pair.batch + pair.summed :]
    m, k, n = math.prod(rows), math.prod(depth), math.prod(columns)
    groups = (math.prod(shared),) if shared else ()
    z = matmul(with_shape(x, (*groups, m, k)), with_shape(y, (*groups, k, n)))
    z = z.reshape((*shared, *rows, *columns))
    return z if pair.dims_z is None else z.transpose(pair.dims_z)


contracted.vjp(
    x=lambda grad, y, terms: product(grad, y, (terms[2], terms[1], terms[0])),
    y=lambda grad, x, terms: product(x, grad, (terms[0], terms[2], terms[1])),
)


@contracted.joint_vmap
def _(batch: Batch, x: Any, y: Any, terms: Terms) -> Any:
    xs, ys = (SAMPLES * own + labels for own, labels in zip(batch.of, terms[:2], strict=True))
    return contracted(x, y, terms=(xs, ys, SAMPLES + terms[2]))
