"""Rows of new tensors, random ones, filling and conversion."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.call import Arr, DType
from tests.conformance.draw import FLOATS, Draw
from tests.conformance.runner import Row

TYPES = ("float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool", "float16")


def options(d: Draw, dtypes: tuple[str, ...] = TYPES, grad: bool = True) -> dict[str, Any]:
    """Return some of dtype, device and requires_grad."""
    given = d.some(dtype=lambda: DType(d.choice(*dtypes)), device=lambda: d.choice("cpu", None))
    return given | ({"requires_grad": d.chance(0.5)} if grad and d.chance(0.4) else {})


def sized(dtypes: tuple[str, ...] = TYPES, grad: bool = True) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        return {"size": d.choice(tuple, list)(d.shape() if d.chance(0.97) else (2, -1))} | options(d, dtypes, grad)

    return draw


def like(dtypes: tuple[str, ...] = TYPES) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        return {"input": d.tensor()} | options(d, dtypes)

    return draw


def filled(d: Draw) -> dict[str, Any]:
    return {"size": d.shape(), "fill_value": d.scalar()} | options(d)


def full_like(d: Draw) -> dict[str, Any]:
    return {"input": d.tensor(), "fill_value": d.scalar()} | options(d)


def new(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(), "size": d.shape()} | options(d)


def new_full(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(), "size": d.shape(), "fill_value": d.scalar()} | options(d)


def arange(d: Draw) -> dict[str, Any]:
    numbers = (lambda: d.integer(-4, 6)) if d.chance(0.6) else (lambda: d.number(-4, 6))
    form = d.choice(1, 2, 3)
    if form == 1:
        return {"end": numbers()} | options(d, TYPES[:6])
    given = {"start": numbers(), "end": numbers()} | ({"step": d.choice(1, 2, 0.5, -1, 0)} if form == 3 else {})
    return given | options(d, TYPES[:6])


def linspace(d: Draw) -> dict[str, Any]:
    return {"start": d.number(), "end": d.choice(d.number(), 3), "steps": d.integer(-d.chance(0.05), 7)} | options(
        d, FLOATS
    )


def eye(d: Draw) -> dict[str, Any]:
    return {"n": d.integer(0, 4)} | d.some(m=lambda: d.integer(-d.chance(0.05), 4)) | options(d)


def randint(d: Draw) -> dict[str, Any]:
    low = d.choice({}, {"low": d.integer(-5, 3)})
    return (
        low | {"high": d.integer(2 if d.chance(0.95) else -6, 9), "size": d.shape()} | options(d, TYPES[:6], grad=False)
    )


def randint_values(d: Draw) -> dict[str, Any]:
    """Draw one integer alone can be: then values are comparable."""
    low = d.integer(-5, 5)
    return {"low": low, "high": low + 1, "size": d.shape()} | options(d, TYPES[:4], grad=False)


def normal(d: Draw) -> dict[str, Any]:
    form = d.choice("mean", "std", "both", "numbers")
    shape = d.shape()
    std = d.tensor(shape, FLOATS, low=0.0 if d.chance(0.95) else -1.0, special=0.0)
    if form == "numbers":
        return {"mean": d.number(), "std": d.number(0, 2), "size": shape} | options(d, FLOATS)
    if form == "mean":
        return {"mean": d.tensor(shape, FLOATS, special=0.0)} | d.some(std=lambda: d.number(0, 2))
    return {"mean": d.number() if form == "std" else d.tensor(d.shrunk(shape), FLOATS, special=0.0), "std": std}


def bernoulli(d: Draw) -> dict[str, Any]:
    x = d.tensor(None, FLOATS, low=0.0, high=1.0 if d.chance(0.95) else 1.3, special=0.0)
    return {"input": x} | d.some(p=lambda: d.choice(0.0, 0.3, 1.0, 1.2))


def certain(d: Draw) -> dict[str, Any]:
    """Draw probabilities 0 and 1: then values are comparable."""
    return {"input": Arr(d.array(d.shape(), "bool").astype(d.choice(*FLOATS)))}


def multinomial(d: Draw) -> dict[str, Any]:
    shape = (*d.shape(0, 1, empty=0.0), d.integer(1, 4))
    x = d.tensor(shape, FLOATS, low=0.1 if d.chance(0.95) else -1.0, special=0.0, grad=0.0)
    return {"input": x, "num_samples": d.integer(1, 4)} | d.some(replacement=lambda: d.chance(0.6))


def one_of(d: Draw) -> dict[str, Any]:
    """Draw weights of which one is not 0."""
    n = d.integer(1, 4)
    weights = np.eye(n)[d.integer(0, n - 1)]
    return {"input": Arr(weights), "num_samples": d.integer(1, 3), "replacement": True}


def fill(d: Draw) -> dict[str, Any]:
    value = d.scalar() if d.chance(0.7) else d.tensor(() if d.chance(0.9) else (1,), FLOATS)
    return {"input": d.tensor(), "value": value}


def self_only(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor()}


def floating(d: Draw) -> dict[str, Any]:
    """A tensor to be filled with random numbers."""
    return {"self": d.tensor(None, FLOATS if d.chance(0.93) else TYPES, layout=False)}


def random_in_place(*names: str, limits: tuple[float, float] = (0.1, 2.0)) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        return floating(d) | {name: d.number(*limits) if d.chance(0.95) else -1.0 for name in names if d.chance(0.6)}

    return draw


def uniform(d: Draw) -> dict[str, Any]:
    return floating(d) | ({"from": d.number(-2, 1), "to": d.number(0.9, 2)} if d.chance(0.6) else {})


def converted(d: Draw) -> dict[str, Any]:
    x = d.tensor(low=0.0, special=0.0)
    form = d.choice("dtype", "device", "both", "other")
    if form == "other":
        return {"self": x, "other": d.tensor()} | d.some(non_blocking=False, copy=lambda: d.chance(0.5))
    given = {"self": x} | ({"device": "cpu"} if form != "dtype" else {})
    given |= {"dtype": DType(d.choice(*TYPES))} if form != "device" else {}
    return given | d.some(non_blocking=False, copy=lambda: d.chance(0.5))


def unsigned(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(low=0.0, special=0.0)}  # negative and infinite numbers have no unsigned integer


def item(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(tuple(d.choice(1, 1, 1, 2) for _ in range(d.integer(0, 2))))}


def data(d: Draw) -> dict[str, Any]:
    value = d.choice(
        d.scalar(), d.array(d.shape(), d.choice(*TYPES[:8])), d.array(d.shape(), "float64").tolist(),
        d.array(d.shape(), "int64").tolist(), [d.scalar(), d.scalar()], [[1, 2], [3.5, True]], [[1], [2, 3]], (), "text",
        [d.scalar(), [d.scalar()]],
    )  # fmt: skip
    return {"data": value} | options(d, (*FLOATS, "int64", "int32", "bool") if d.chance(0.5) else FLOATS)


def no_grad(draw: Callable[[Draw], dict[str, Any]]) -> Callable[[Draw], dict[str, Any]]:
    return lambda d: {k: v for k, v in draw(d).items() if k != "requires_grad"}


KEYWORD = ("dtype", "device", "requires_grad")

ROWS = [
    *(Row(name, sized(), KEYWORD, splat="size", splat_function=True) for name in ("zeros", "ones")),
    Row("empty", sized(), KEYWORD, splat="size", splat_function=True, values=False),
    *(Row(name, sized(FLOATS), KEYWORD, splat="size", splat_function=True, values=False) for name in ("rand", "randn")),
    *(Row(name, like(), KEYWORD) for name in ("zeros_like", "ones_like")),
    Row("empty_like", like(), KEYWORD, values=False),
    *(Row(name, like((*FLOATS, "float16")), KEYWORD, values=False) for name in ("rand_like", "randn_like")),
    Row("full", filled, KEYWORD),
    Row("full_like", full_like, KEYWORD),
    *(Row(name, new, KEYWORD, splat="size") for name in ("new_zeros", "new_ones")),
    Row("new_empty", new, KEYWORD, splat="size", values=False),
    Row("new_full", new_full, KEYWORD),
    Row("arange", arange, KEYWORD),
    Row("linspace", linspace, KEYWORD),
    Row("eye", eye, KEYWORD),
    Row("randint", randint, KEYWORD, values=False),
    Row("randint", randint_values, KEYWORD, label="one value"),
    Row("normal", normal, KEYWORD, values=False, forms=("function",)),
    Row("bernoulli", bernoulli, values=False, forms=("function", "method")),
    Row("bernoulli", certain, forms=("function", "method"), label="of 0 and 1"),
    Row("multinomial", multinomial, values=False),
    Row("multinomial", one_of, label="of one"),
    Row("randperm", lambda d: {"n": d.integer(0, 1)} | options(d, TYPES[:6], grad=False), KEYWORD),
    Row("fill", fill),
    Row("zero", self_only, forms=("in-place",)),
    Row("zero_", lambda d: {"input": d.tensor(layout=False, grad=0.0)}, forms=("function",)),
    Row("uniform", uniform, forms=("in-place",), values=False, by_position=True),
    Row("normal", random_in_place("mean", "std"), forms=("in-place",), values=False, label="in place"),
    Row("exponential", random_in_place("lambd"), forms=("in-place",), values=False),
    Row("cauchy", random_in_place("median", "sigma"), forms=("in-place",), values=False),
    Row("log_normal", random_in_place("mean", "std"), forms=("in-place",), values=False),
    Row("geometric", lambda d: floating(d) | {"p": d.choice(0.2, 0.5, 0.9, 1.5)}, forms=("in-place",), values=False),
    Row(
        "bernoulli",
        lambda d: floating(d) | d.some(p=lambda: d.choice(0.0, 1.0, 0.5, 2.0)),
        forms=("in-place",),
        values=False,
        label="in place",
    ),
    Row("random", lambda d: floating(d), forms=("in-place",), values=False),
    Row("to", converted, keyword=("non_blocking", "copy"), samples=2),
    *(
        Row(name, unsigned, forms=("method",))
        for name in ("float", "double", "long", "int", "bool", "half", "short", "char", "byte")
    ),
    Row("item", item),
    Row("tensor", data, KEYWORD),
    Row("as_tensor", no_grad(data), KEYWORD),
]
