"""Rows of arithmetic, elementary functions, comparison and choice."""

from typing import Any

from tests.conformance.call import Arr
from tests.conformance.draw import ALL, FLOATS, NUMBERS, Draw
from tests.conformance.runner import Row

INTEGRAL = ("int64", "int32", "int16", "int8", "uint8", "bool")


def binary(d: Draw) -> dict[str, Any]:
    x, y = d.pair()
    return {"input": x, "other": y}


def tensors(d: Draw) -> dict[str, Any]:
    x, y = d.pair()
    return {"input": x, "other": y if isinstance(y, Arr) else d.tensor(())}


def scaled(d: Draw) -> dict[str, Any]:
    return binary(d) | d.some(alpha=lambda: d.choice(2, -1, 0.5, True, d.number()))


def quotient(d: Draw) -> dict[str, Any]:
    # Integers by zero are refused by floor and trunc, and undefined in the quotient of floating numbers.
    return binary(d) | d.some(rounding_mode=lambda: d.choice(None, "floor", "trunc", "up"))


def unary(low: float = -3.0, high: float = 3.0) -> Any:
    return lambda d: {"input": d.tensor(low=low, high=high)}


def rounding(d: Draw) -> dict[str, Any]:
    x = d.tensor(low=-30.0, high=30.0)
    return {"input": x} | d.some(decimals=lambda: d.choice(0, 1, 2, -1))


def power(d: Draw) -> dict[str, Any]:
    x, y = d.pair(low=-2.0, high=3.0)
    if d.chance(0.3):
        y = d.choice(2, 3, 0, 1, -1, 0.5, -0.5, 2.0, True, -2)
    if d.chance(0.1):
        return {"input": d.choice(2, 0.5, 0, 1.0), "exponent": d.tensor()}
    return {"input": x, "exponent": y}


def bounds(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    x = d.tensor(shape)
    kind = d.choice("numbers", "numbers", "tensors", "tensors", "mixed")
    low: Any = d.choice(-1, 0, -0.5, d.number(), None) if kind != "tensors" else d.tensor(d.shrunk(shape))
    high: Any = d.choice(1, 2, 0.5, d.number(), None) if kind == "numbers" else d.tensor(d.shrunk(shape))
    if d.chance(0.3):
        high = None
    return {"input": x} | ({"min": low} if d.chance(0.85) else {}) | ({"max": high} if d.chance(0.7) else {})


def bound(name: str) -> Any:
    def draw(d: Draw) -> dict[str, Any]:
        x, y = d.pair()
        return {"input": x, name: y}

    return draw


def lerp(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    dtypes = (d.choice(*FLOATS),) if d.chance(0.9) else NUMBERS
    weight = d.number(-0.5, 1.5) if d.chance(0.5) else d.tensor(d.shrunk(shape), dtypes, low=-0.5, high=1.5)
    return {"input": d.tensor(shape, dtypes), "end": d.tensor(d.shrunk(shape), dtypes), "weight": weight}


def ternary(d: Draw) -> dict[str, Any]:
    shape, dtypes = d.shape(), d.choice(("float64",), ("float32",), NUMBERS, NUMBERS)
    special = 0.3 if d.chance(0.3) else 0.0  # sums of infinite gradients depend on their order
    x, y, z = (d.tensor(d.shrunk(shape), dtypes, special=special, grad=0.0 if special else 0.6) for _ in range(3))
    return {"input": x, "tensor1": y, "tensor2": z} | d.some(value=lambda: d.choice(2, -0.5, 1))


def where(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    condition = d.tensor(d.shrunk(shape), ("bool",) if d.chance(0.9) else ("bool", "uint8", "float32"))
    if d.chance(0.08):
        return {"condition": condition}
    values = [d.tensor(d.shrunk(shape)) if d.chance(0.8) else d.scalar() for _ in range(2)]
    return {"condition": condition, "input": values[0], "other": values[1]}


def where_method(d: Draw) -> dict[str, Any]:
    given = where(d)
    x = given.get("input")
    x = x if isinstance(x, Arr) else d.tensor(())
    return {"self": x, "condition": given["condition"], "other": given.get("other", 1.5)}


def masked_fill(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    mask = d.tensor(d.shrunk(shape), ("bool",) if d.chance(0.95) else ("uint8",))
    value = d.scalar() if d.chance(0.7) else d.tensor(() if d.chance(0.9) else (1,), FLOATS if d.chance(0.7) else ALL)
    return {"input": d.tensor(shape), "mask": mask, "value": value}


def close(d: Draw) -> dict[str, Any]:
    x, y = d.pair(("float64", "float32") if d.chance(0.7) else ALL)
    y = y if isinstance(y, Arr) else x
    if d.chance(0.5):
        y = Arr(x.array + x.array.dtype.type(d.choice(0, 1) * 1e-6), False) if x.array.dtype.kind == "f" else x
    y = Arr(y.array.astype(x.array.dtype)) if d.chance(0.9) else y
    more = d.some(rtol=lambda: d.choice(1e-5, 1e-3, 0.0), atol=lambda: d.choice(1e-8, 1e-2), equal_nan=d.chance(0.5))
    return {"input": x, "other": y} | more


def integral(d: Draw) -> dict[str, Any]:
    x, y = d.pair(INTEGRAL if d.chance(0.9) else ALL)
    return {"input": x, "other": y if isinstance(y, Arr) or type(y) is not float else d.integer(0, 5)}


def reflected(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(low=-2.0), "other": d.scalar()}


def operands(d: Draw) -> dict[str, Any]:
    x, y = d.pair(low=-2.0)
    return {"self": x, "other": y if d.chance(0.95) else None}


def bits(d: Draw) -> dict[str, Any]:
    given = integral(d)
    return {"self": given["input"], "other": given["other"]}


UNARY = {
    "neg": (-3, 3), "abs": (-3, 3), "square": (-3, 3), "sqrt": (-1, 9), "rsqrt": (-1, 9), "reciprocal": (-3, 3),
    "exp": (-3, 3), "expm1": (-3, 3), "log": (-1, 9), "log1p": (-1.5, 9), "log2": (-1, 9), "log10": (-1, 9),
    "sin": (-9, 9), "cos": (-9, 9), "tanh": (-3, 3), "sigmoid": (-9, 9), "erf": (-3, 3), "sign": (-3, 3),
    "floor": (-9, 9), "ceil": (-9, 9), "logical_not": (-1, 1), "isnan": (-3, 3), "isinf": (-3, 3),
    "isfinite": (-3, 3), "bitwise_not": (-9, 9), "absolute": (-3, 3), "negative": (-3, 3),
}  # fmt: skip

ROWS = [
    *(Row(name, unary(*limits)) for name, limits in UNARY.items()),
    Row("round", rounding, keyword=("decimals",)),
    Row("add", scaled, keyword=("alpha",)),
    Row("sub", scaled, keyword=("alpha",)),
    Row("subtract", scaled, keyword=("alpha",), samples=0.3),
    Row("mul", binary),
    Row("multiply", binary, samples=0.3),
    Row("div", quotient, keyword=("rounding_mode",)),
    Row("divide", quotient, keyword=("rounding_mode",), samples=0.3),
    Row("true_divide", binary),
    Row("floor_divide", binary),
    Row("remainder", binary),
    Row("pow", power),
    Row("clamp", bounds),
    Row("clip", bounds, samples=0.3),
    Row("clamp_min", bound("min")),
    Row("clamp_max", bound("max")),
    Row("maximum", tensors),
    Row("minimum", tensors),
    Row("lerp", lerp),
    Row("addcmul", ternary, keyword=("value",)),
    Row("addcdiv", ternary, keyword=("value",)),
    Row("where", where, forms=("function",), by_position=True),
    Row("where", where_method, forms=("method",), label="method"),
    Row("masked_fill", masked_fill),
    *(Row(name, binary) for name in ("eq", "ne", "lt", "le", "gt", "ge")),
    *(Row(name, binary, samples=0.3) for name in ("greater", "less", "not_equal", "greater_equal", "less_equal")),
    *(Row(name, tensors) for name in ("logical_and", "logical_or", "logical_xor")),
    *(Row(name, integral) for name in ("bitwise_and", "bitwise_or")),
    Row("allclose", close),
    Row("isclose", close),
    Row("equal", lambda d: {k: v for k, v in close(d).items() if k in ("input", "other")}),
    *(
        Row(name, reflected, forms=("operator",))
        for name in ("__radd__", "__rsub__", "__rmul__", "__rdiv__", "__rtruediv__", "__rpow__", "__rfloordiv__",
                     "__rmod__")
    ),
    *(
        Row(name, operands, forms=("operator",))
        for name in ("__add__", "__sub__", "__mul__", "__truediv__", "__floordiv__", "__mod__", "__pow__", "__eq__",
                     "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
    ),
    *(
        Row(name, operands, forms=("in-place operator",))
        for name in ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ifloordiv__", "__imod__", "__ipow__")
    ),
    *(
        Row(name, bits, forms=("operator",))
        for name in ("__and__", "__or__", "__xor__", "__rand__", "__ror__", "__rxor__", "__lshift__", "__rshift__")
    ),
    *(Row(name, bits, forms=("in-place operator",)) for name in ("__iand__", "__ior__", "__ixor__")),
    *(
        Row(name, lambda d: {"self": d.tensor()}, forms=("operator",))
        for name in ("__neg__", "__pos__", "__abs__", "__invert__")
    ),
]  # fmt: skip
