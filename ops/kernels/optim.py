"""Optimiser steps: all arrays of a group updated by one call in one pass.

Formulas, argument names and the order of operations are those of the optimisers of `torch.optim`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.adaptive import adadelta, adagrad, rmsprop
from ops.kernels.descent import asgd, rprop, sgd
from ops.kernels.moments import adam, adamax, nadam, radam
from ops.kernels.parameters import BLOCK, Parameters

__all__ = [
    "BLOCK",
    "VARIANTS",
    "Parameters",
    "Variant",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "asgd",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "warmup_cases",
]


class Variant(NamedTuple):
    """A compiled variant of a step: the options that select it; the states and scalars it needs, in order."""

    step: Callable[..., None]
    states: tuple[str, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012  # never written
    scalars: tuple[str, ...] = ()


MOMENTS = ("exp_avg", "exp_avg_sq")
CENTERED = ("square_avg", "grad_avg")
VARIANTS = {
    "sgd": Variant(sgd),
    "sgd momentum": Variant(sgd, ("momentum_buffer",), {"momentum": 0.9}),
    "sgd nesterov": Variant(sgd, ("momentum_buffer",), {"momentum": 0.9, "nesterov": True}),
    "asgd": Variant(asgd, ("ax",), scalars=("eta", "mu")),
    "rprop": Variant(rprop, ("prev", "step_size")),
    "adam": Variant(adam, MOMENTS),
    "adam amsgrad": Variant(adam, (*MOMENTS, "max_exp_avg_sq"), {"amsgrad": True}),
    "adamax": Variant(adamax, ("exp_avg", "exp_inf")),
    "nadam": Variant(nadam, MOMENTS, scalars=("mu_product",)),
    "radam": Variant(radam, MOMENTS),
    "rmsprop": Variant(rmsprop, ("square_avg",)),
    "rmsprop centered": Variant(rmsprop, CENTERED, {"centered": True}),
    "rmsprop momentum": Variant(rmsprop, ("square_avg", "momentum_buffer"), {"momentum": 0.9}),
    "rmsprop centered momentum": Variant(rmsprop, (*CENTERED, "momentum_buffer"), {"centered": True, "momentum": 0.9}),
    "adagrad": Variant(adagrad, ("sum",)),
    "adadelta": Variant(adadelta, ("square_avg", "acc_delta")),
}
"""Every compiled variant."""


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        for name, variant in VARIANTS.items():
            yield f"optim.{name} {dtype}", functools.partial(_step_once, dtype, variant)


def _step_once(dtype: str, variant: Variant) -> None:
    shapes = ((1,), (1, 1), (1, 1, 1, 1))
    parameters = Parameters([np.ones(shape, dtype) for shape in shapes], variant.states, variant.scalars)
    parameters.set_grads([np.ones(shape, dtype) for shape in shapes])
    options = variant.options if variant.step is rprop else {"lr": 0.1, **variant.options}
    variant.step(parameters, **options)
