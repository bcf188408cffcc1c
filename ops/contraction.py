"""Products of several tensors at once: Einstein's sums, contractions, chains of matrices."""

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd.tensor import Tensor
from autograd.views import forgotten
from ops.dims import wrap_dims
from ops.linear import matmul
from ops.pairs import Dims, Terms, product
from ops.reduction import sum as sum_over
from ops.shape import permute, reshape
from ops.slicing import diagonal, select

# -- Einstein's sums -----------------------------------------------------------------------------------------

Labels = list[str]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(*args: Any) -> Any:
    """Return the sum of products that an equation describes: "ij,jk->ik" is zᵢₖ = Σⱼ xᵢⱼ yⱼₖ.

    A label missing on the right is summed over; without "->" all that occur once are kept, in alphabetical
    order. "..." stands for further dimensions, which broadcast. Labels may also be given as lists of numbers,
    one after each operand: einsum(x, [0, 1], y, [1, 2], [0, 2]). Several operands are contracted in a cheap
    order.
    """
    equation, operands = _equation(args)
    plan = _plan(equation, tuple([tuple(x.shape) for x in operands]))
    values = [_prepared(x, labels, plan.sizes)[0] for x, labels in zip(operands, plan.terms, strict=True)]
    for step in plan.steps:
        x, y = (_summed(values[i], dims) for i, dims in zip(step.operands, step.sums, strict=True))
        values.append(product(x, y, step.terms))
    return values[-1] if plan.last is None else permute(_summed(values[-1], plan.sums), plan.last)


class _Step(NamedTuple):
    """A product of two values, of which dims that nobody else needs are first summed over."""

    operands: tuple[int, int]
    sums: tuple[Dims, Dims]
    terms: Terms


class _Plan(NamedTuple):
    """What an equation says of operands of certain shapes. Values are numbered: the operands, then every step's."""

    terms: list[Labels]
    sizes: dict[str, int]
    steps: list[_Step]
    sums: Dims
    last: Dims | None
    """Where the only operand has the labels of the output; None where the last step makes the output."""


@functools.lru_cache(maxsize=1024)
def _plan(equation: str, shapes: tuple[Dims, ...]) -> _Plan:
    operands = [np.broadcast_to(np.empty(()), shape) for shape in shapes]
    terms, output = _labels(equation, operands)
    sizes = _sizes(terms, operands)
    pairs = [_prepared(x, labels, sizes) for x, labels in zip(operands, terms, strict=True)]
    labels = [each for _, each in pairs]
    missing = [label for label in output if not any(label in each for each in labels)]
    if missing:
        raise RuntimeError(
            f"einsum(): output subscript {missing[0]} does not appear in the equation for any input operand"
        )
    if len(pairs) > 1:
        return _Plan(terms, sizes, _steps(labels, output, _order(pairs, output)), (), None)
    (only,) = labels
    kept = [label for label in only if label in output]
    return _Plan(terms, sizes, [], _others(only, kept), tuple([kept.index(label) for label in output]))


def _steps(labels: list[Labels], output: Labels, order: Sequence[tuple[int, ...]]) -> list[_Step]:
    """Return the products, two values each. `labels` gets those of every result."""
    waiting, steps = list(range(len(labels))), []
    for positions in order:
        chosen = [waiting.pop(i) for i in sorted(positions, reverse=True)]
        while len(chosen) > 1:
            x, y = chosen.pop(), chosen.pop()
            needed = {*output, *(label for i in (*waiting, *chosen) for label in labels[i])}
            xs = [label for label in labels[x] if label in needed or label in labels[y]]
            ys = [label for label in labels[y] if label in needed or label in labels[x]]
            zs = [label for label in dict.fromkeys(xs + ys) if label in needed] if waiting or chosen else output
            sums = _others(labels[x], xs), _others(labels[y], ys)
            steps.append(_Step((x, y), sums, (tuple(xs), tuple(ys), tuple(zs))))
            chosen.append(len(labels))
            labels.append(zs)
        waiting += chosen
    return steps


def _others(labels: Labels, kept: Labels) -> Dims:
    return tuple([i for i, label in enumerate(labels) if label not in kept])


def _summed(x: Any, dims: Dims) -> Any:
    return sum_over(x, dims) if dims else x


def _equation(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the equation as a string, and the operands."""
    if args and isinstance(args[0], str):
        operands = args[1] if len(args) == 2 and isinstance(args[1], (list, tuple)) else args[1:]
        return args[0].replace(" ", ""), list(operands)
    operands, subscripts = list(args[0 : len(args) // 2 * 2 : 2]), args[1::2]
    equation = ",".join(_subscript(each) for each in subscripts)
    return equation + ("->" + _subscript(args[-1]) if len(args) % 2 else ""), operands


def _subscript(numbers: Sequence[Any]) -> str:
    return "".join(["..." if number is Ellipsis else _letter(operator.index(number)) for number in numbers])


def _letter(number: int) -> str:
    if not 0 <= number < len(LETTERS):
        raise ValueError(f"einsum(): subscript {number} in a list is not within the valid range [0, {len(LETTERS)})")
    return LETTERS[number]


def _labels(equation: str, operands: Sequence[Any]) -> tuple[list[Labels], Labels]:
    """Return the labels of every operand and of the output; dimensions under "..." are numbered from the
    last.
    """
    left, arrow, right = equation.partition("->")
    subscripts = left.split(",")
    if len(subscripts) != len(operands):
        raise RuntimeError(
            f"einsum(): got {len(operands)} operands, but the equation {equation!r} has {len(subscripts)} subscripts"
        )
    terms = [_term(s, x.ndim, i) for i, (s, x) in enumerate(zip(subscripts, operands, strict=True))]
    every = [label for term in terms for label in term]
    broadcast = sorted({label for label in every if label.isdigit()}, key=int, reverse=True)
    if not arrow:
        return terms, broadcast + sorted(label for label in set(every) if label.isalpha() and every.count(label) == 1)
    before, dots, after = right.partition("...")
    output = [*before, *(broadcast if dots else []), *after]
    if len(set(output)) != len(output) or not all(label in LETTERS for label in before + after):
        raise RuntimeError(f"einsum(): the output subscript {right!r} repeats a label or has an invalid one")
    return terms, output


def _term(subscript: str, ndim: int, position: int) -> Labels:
    before, dots, after = subscript.partition("...")
    hidden = ndim - len(before) - len(after)
    if not all(label in LETTERS for label in before + after) or hidden < 0 or (hidden and not dots):
        raise RuntimeError(
            f"einsum(): the subscript {subscript!r} does not match operand {position}, which has {ndim} dimensions"
        )
    return [*before, *[str(i) for i in reversed(range(hidden))], *after]


def _sizes(terms: Sequence[Labels], operands: Sequence[Any]) -> dict[str, int]:
    """Return the size of every label; size 1 broadcasts."""
    sizes: dict[str, int] = {}
    for i, (labels, x) in enumerate(zip(terms, operands, strict=True)):
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.get(label, 1)
            if size != known and 1 not in (size, known):
                raise RuntimeError(
                    f"einsum(): subscript {label} has size {size} for operand {i} which does not broadcast "
                    f"with previously seen size {known}"
                )
            sizes[label] = known if size == 1 else size
    return sizes


def _prepared(x: Any, labels: Labels, sizes: dict[str, int]) -> tuple[Any, Labels]:
    """Take diagonals for repeated labels, and drop dimensions of size 1 that would broadcast."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(
                    f"einsum(): subscript {label} is repeated with sizes {x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            del labels[second], labels[first]
            labels.append(label)
    for label in [label for label, size in zip(labels, x.shape, strict=True) if size == 1 != sizes[label]]:
        x = select(x, labels.index(label), 0)
        labels.remove(label)
    return x, labels


def _order(pairs: Sequence[tuple[Any, Labels]], output: Labels) -> list[tuple[int, ...]]:
    """Return which operands to contract, step by step; results go to the end of the list."""
    if len(pairs) < 3:
        return [tuple(range(len(pairs)))]
    letters = dict(zip(sorted({label for _, labels in pairs for label in labels}), LETTERS, strict=False))
    terms = ["".join(letters[label] for label in labels) for _, labels in pairs]
    equation = ",".join(terms) + "->" + "".join(letters[label] for label in output)
    return _path(equation, tuple([tuple(x.shape) for x, _ in pairs]))


def _path(equation: str, shapes: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """Return the order in which NumPy's greedy search contracts operands of these shapes."""
    operands = [np.broadcast_to(np.empty(()), shape) for shape in shapes]
    return list(np.einsum_path(equation, *operands, optimize="greedy")[0][1:])


# -- contractions and chains ---------------------------------------------------------------------------------


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """z = Σ a[..., k₁, k₂, ...] b[k₁, k₂, ..., ...] over the last `dims` dimensions of a and the first of b.

    `dims` may also be a pair of lists: which dimensions of a are summed with which of b.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0 or dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims >= 0 and at most the number of dimensions, but got dims={dims}")
        dims = [*range(a.ndim - dims, a.ndim)], [*range(dims)]
    summed_a, summed_b = (list(wrap_dims("tensordot", each, x.ndim)) for each, x in zip(dims, (a, b), strict=True))
    sizes_a, sizes_b = [a.shape[i] for i in summed_a], [b.shape[i] for i in summed_b]
    if sizes_a != sizes_b:
        raise RuntimeError(
            f"tensordot: contracted dimensions need to match, but first has sizes {sizes_a} and {sizes_b}"
        )
    free_a = [i for i in range(a.ndim) if i not in summed_a]
    free_b = [i for i in range(b.ndim) if i not in summed_b]
    shape = [a.shape[i] for i in free_a] + [b.shape[i] for i in free_b]
    count = math.prod(sizes_a)
    left = reshape(permute(a, free_a + summed_a), (math.prod([a.shape[i] for i in free_a]), count))
    right = reshape(permute(b, summed_b + free_b), (count, math.prod([b.shape[i] for i in free_b])))
    return reshape(matmul(left, right), shape)


def kron(input: Any, other: Any) -> Any:
    """z[..., i · m + j, ...] = input[..., i, ...] other[..., j, ...] with m the size of other."""
    ndim = max(input.ndim, other.ndim)
    a, b = ([1] * (ndim - x.ndim) + list(x.shape) for x in (input, other))
    left = reshape(input, [size for n in a for size in (n, 1)])
    right = reshape(other, [size for n in b for size in (1, n)])
    return reshape(left * right, [n * m for n, m in zip(a, b, strict=True)])


def chain_matmul(*matrices: Any) -> Any:
    """Return the product of matrices, multiplied in the order that takes the fewest operations."""
    for x in matrices:
        if x.ndim != 2:
            raise RuntimeError(f"chain_matmul: expected matrices, got a tensor of {x.ndim} dimensions")
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


def multi_dot(tensors: Sequence[Any]) -> Any:
    """Return the product of matrices in the order of fewest operations; the outer two may be vectors.

    cost[i, j] = min over k of cost[i, k] + cost[k + 1, j] + size[i] size[k + 1] size[j + 1], matrix i having
    size[i] rows (Cormen et al., section 15.2).
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for i, x in enumerate(tensors):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(tensors) - 1)):
            expected = "1D or 2D" if i in (0, len(tensors) - 1) else "2D"
            raise RuntimeError(f"multi_dot(): tensor {i} must be {expected} but got {x.ndim}D")
    sizes = [1 if tensors[0].ndim == 1 else tensors[0].shape[0], *[x.shape[-1] for x in tensors[:-1]]]
    sizes.append(1 if tensors[-1].ndim == 1 else tensors[-1].shape[1])
    best: dict[tuple[int, int], tuple[float, int]] = {(i, i): (0, i) for i in range(len(tensors))}
    for length in range(1, len(tensors)):
        for i in range(len(tensors) - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        return tensors[i] if i == j else matmul(product(i, best[i, j][1]), product(best[i, j][1] + 1, j))

    return product(0, len(tensors) - 1)


def matrix_power(input: Any, n: int) -> Any:
    """Return the n-th power, n ≥ 0, of square matrices, by repeated squaring."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise RuntimeError(f"matrix_power: A must be batches of square matrices, but they are {list(input.shape)}")
    if n < 0:
        raise RuntimeError(f"matrix_power: expected n >= 0, got {n}")
    if n == 0:
        identity = np.eye(input.shape[-1], dtype=input.array.dtype)
        return forgotten(input, Tensor(np.broadcast_to(identity, input.shape).copy()))
    result, square = None, input
    while n:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        square = matmul(square, square) if n else square
    return result
