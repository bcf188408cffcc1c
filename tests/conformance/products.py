"""Rows of matrix products and sums of products."""

from typing import Any

from tests.conformance.call import Arr
from tests.conformance.draw import Draw
from tests.conformance.runner import Row

EQUATIONS = (
    ("ij,jk->ik", "ij jk"), ("ij,jk", "ij jk"), ("ij,ij->", "ij ij"), ("ii->i", "ii"), ("ii", "ii"), ("ij->ji", "ij"),
    ("i,j->ij", "i j"), ("bij,bjk->bik", "bij bjk"), ("...ij,...jk->...ik", "bij jk"), ("...i->...", "bi"),
    ("i...,i...->...", "ib i"), ("ij,jk,kl->il", "ij jk kl"), ("ij,jk,kl,lm->im", "ij jk kl lm"),
    ("ab,bc,ca->", "ab bc ca"), ("bhqd,bhkd->bhqk", "bhqd bhkd"), ("iij,jk->ik", "iij jk"), ("i,i,i->i", "i i i"),
    (" i j , j k -> i k ", "ij jk"), ("ij->", "ij"), ("b...,...", "bi i"), ("...,...->...", "bi i"),
    ("ij,kl->ijkl", "ij kl"), ("AbC,bC->A", "AbC bC"), ("ij,jk->", "ij jk"), (",i->i", " i"), ("->", ""),
    ("...ii->...i", "bii"), ("...a,...b->...ab", "ca db"),
)  # fmt: skip
WRONG = (
    "ij,jk->iz",
    "ij,jk->ii",
    "ij",
    "ij,jk,kl->il",
    "i j->",
    "ij,j1->i",
    "ij,jk->ik->",
    "ijk,jk->",
    "ij,jk->.ik",
    "ij,jk->...ik",
)


def operand(d: Draw, term: str, sizes: dict[str, int], dtype: str) -> Arr:
    return d.tensor(tuple(sizes[letter] for letter in term), (dtype,), special=0.0)


def einsum(d: Draw) -> dict[str, Any]:
    sizes = {letter: 0 if d.chance(0.02) else d.integer(1, 3) for letter in "abcdefghijklmnopqrstuvwxyzAC"}
    dtype = d.choice("float64", "float64", "float32", "int64")
    if d.chance(0.1):
        equation, terms = d.choice(*WRONG), ["ij", "jk"]
    else:
        equation, listed = d.choice(*EQUATIONS)
        terms = listed.split(" ") if listed else [""]
    if d.chance(0.05):
        sizes["j"] += 1 if d.chance(0.5) else 0
    operands = [operand(d, term, sizes, dtype) for term in terms]
    if d.chance(0.03):
        operands[0] = d.tensor(d.shape(), (dtype,), special=0.0)
    if d.chance(0.2) and equation.isascii() and not set(equation) - set("abcdefghijklmnopqrstuvwxyz,->."):
        return {"equation": sublists(equation, operands)}
    return {"equation": [equation, *operands]}


def sublists(equation: str, operands: list[Arr]) -> list[Any]:
    """Return the arguments in the other format: operands, each followed by its indices."""
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands) or equation.count("->") > 1:
        return [equation, *operands]
    given: list[Any] = []
    for x, term in zip(operands, terms, strict=True):
        given += [x, indices(term)]
    return [*given, indices(right)] if "->" in equation else given


def indices(term: str) -> list[Any]:
    listed: list[Any] = []
    while term:
        if term.startswith("..."):
            listed.append(Ellipsis)
            term = term[3:]
        else:
            listed.append(ord(term[0]) - 97 if term[0] != "." else 99)
            term = term[1:]
    return listed


def factors(d: Draw, *shapes: tuple[int, ...], names: tuple[str, ...]) -> dict[str, Any]:
    dtype = d.choice("float64", "float64", "float32", "int64", "int32")
    wrong = d.chance(0.03)
    dtypes = [dtype if not wrong or i else d.choice("float64", "float32", "int64") for i in range(len(shapes))]
    tensors = [
        d.tensor(shape if not d.chance(0.02) else d.shape(), (t,), special=0.0)
        for shape, t in zip(shapes, dtypes, strict=True)
    ]
    return dict(zip(names, tensors, strict=True))


def n(d: Draw) -> int:
    return 0 if d.chance(0.05) else d.integer(1, 4)


def matmul(d: Draw) -> dict[str, Any]:
    i, j, k = n(d), n(d), n(d)
    batch = d.shape(0, 2)
    left = d.choice((j,), (i, j), (*d.shrunk(batch), i, j))
    right = d.choice((j,), (j, k), (*d.shrunk(batch), j, k))
    return factors(d, left, right, names=("input", "other"))


def mm(d: Draw) -> dict[str, Any]:
    i, j, k = n(d), n(d), n(d)
    return factors(d, (i, j), (j, k), names=("input", "mat2"))


def bmm(d: Draw) -> dict[str, Any]:
    b, i, j, k = n(d), n(d), n(d), n(d)
    return factors(d, (b, i, j), (b, j, k), names=("input", "mat2"))


def mv(d: Draw) -> dict[str, Any]:
    i, j = n(d), n(d)
    return factors(d, (i, j), (j,), names=("input", "vec"))


def dot(d: Draw) -> dict[str, Any]:
    i = n(d)
    return factors(d, (i,), (i,), names=("input", "tensor"))


def outer(d: Draw) -> dict[str, Any]:
    return factors(d, (n(d),), (n(d),), names=("input", "vec2"))


def scales(d: Draw) -> dict[str, Any]:
    return d.some(beta=lambda: d.choice(0, 1, 2, 0.5), alpha=lambda: d.choice(0, 1, 2, -0.5))


def addmm(d: Draw) -> dict[str, Any]:
    i, j, k = n(d), n(d), n(d)
    return factors(d, d.shrunk((i, k)), (i, j), (j, k), names=("input", "mat1", "mat2")) | scales(d)


def baddbmm(d: Draw) -> dict[str, Any]:
    b, i, j, k = n(d), n(d), n(d), n(d)
    return factors(d, d.shrunk((b, i, k)), (b, i, j), (b, j, k), names=("input", "batch1", "batch2")) | scales(d)


def rmatmul(d: Draw) -> dict[str, Any]:
    given = matmul(d)
    return {"self": given["other"], "other": given["input"]}


def operator(d: Draw) -> dict[str, Any]:
    given = matmul(d)
    return {"self": given["input"], "other": given["other"]}


def linear(d: Draw) -> dict[str, Any]:
    i, o = n(d), n(d)
    x = (*d.shape(0, 3), i)
    given = factors(d, x, (o, i) if d.chance(0.9) else (i,), (o,), names=("input", "weight", "bias"))
    if given["weight"].array.ndim == 1:
        del given["bias"]
    return given if d.chance(0.6) else {k: v for k, v in given.items() if k != "bias"}


ROWS = [
    Row("matmul", matmul),
    Row("mm", mm),
    Row("bmm", bmm),
    Row("mv", mv),
    Row("dot", dot),
    Row("outer", outer),
    Row("addmm", addmm, keyword=("beta", "alpha")),
    Row("baddbmm", baddbmm, keyword=("beta", "alpha")),
    Row("__matmul__", operator, forms=("operator",)),
    Row("__rmatmul__", rmatmul, forms=("operator",)),
    Row("einsum", einsum, splat="equation", splat_function=True, by_position=True, samples=4, always_splat=True),
    Row("F.linear", linear),
]
