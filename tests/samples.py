"""Strategies for the samples of rows, in the words the rows are written in."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from autograd.testing import LAYOUTS, Domain, arrays, broadcastable_shapes, reals, shapes
from tests.row import Sample, Samples

SMALL = {"min_side": 0, "max_side": 3}
LARGE = (3, 701)  # enough elements, in two dimensions, for the fused kernels that small arrays go without
_EVERY = tuple(LAYOUTS)
_DENSE = tuple(name for name in LAYOUTS if name != "expanded")


def _array(shape: Any, domain: Domain | None, distinct: bool = False, **options: Any) -> SearchStrategy[np.ndarray]:
    layouts = _DENSE if distinct else _EVERY
    return arrays(shape, domain=domain, distinct=distinct, layouts=layouts, **options)


def _numbers(domain: Domain | None, options: dict[str, Any]) -> np.ndarray:
    """Return the numbers an array's elements are drawn from."""
    away_from, margin = tuple(options.get("away_from", ())), options.get("margin", 0.01)
    return (domain or reals()).numbers(1, away_from, margin)


def one(domain: Domain | None = None, *, min_dims: int = 0, max_dims: int = 3, **options: Any) -> Samples:
    """Draw one array of any shape; the options are those of `arrays`."""
    drawn = _array(shapes(min_dims, max_dims, **SMALL), domain, **options)
    dtype = options.get("dtype", np.float64)
    numbers = _numbers(domain, options)
    sides = [(), (0,), (2, 0, 3)] if min_dims == 0 else [(0,) * min_dims]
    edges = [np.resize(numbers[-1:], shape) for shape in sides if len(shape) <= max_dims]
    if not (min_dims or options.get("distinct")):
        edges.append(np.resize(numbers[::-1], LARGE))
    return Samples(drawn.map(lambda x: Sample((x,))), tuple(Sample((edge.astype(dtype),)) for edge in edges))


def pair(
    left: Domain | None = None, right: Domain | None = None, *, dtype: Any = np.float64, **options: Any
) -> Samples:
    """Draw two arrays whose shapes broadcast."""
    return many(left, right, dtype=dtype, **options)


def many(*domains: Domain | None, dtype: Any = np.float64, **options: Any) -> Samples:
    """Draw an array per domain; their shapes broadcast."""

    @st.composite
    def drawn(draw: DrawFn) -> Sample:
        sizes = draw(broadcastable_shapes(len(domains), **SMALL))
        return Sample(
            tuple(
                draw(_array(shape, domain, dtype=dtype, **options))
                for shape, domain in zip(sizes, domains, strict=True)
            )
        )

    fillings = [_numbers(domain, options)[::-1] for domain in domains]

    def edge(shapes_: Sequence[tuple[int, ...]]) -> Sample:
        return Sample(tuple(np.resize(x, shape).astype(dtype) for shape, x in zip(shapes_, fillings, strict=True)))

    sides: list[list[tuple[int, ...]]] = [
        [()] * len(domains),
        [(0,)] * len(domains),
        [(2, 3)] * len(domains),
        [(2, 1, 0)] + [(3, 1)] * (len(domains) - 1),
        [()] + [(2, 2)] * (len(domains) - 1),
    ]
    return Samples(drawn(), tuple(edge(each) for each in sides))


def alike(*domains: Domain | None) -> Samples:
    """Draw an array per domain, all of one shape."""

    @st.composite
    def drawn(draw: DrawFn) -> Sample:
        shape = draw(shapes(**SMALL))
        return Sample(tuple(draw(_array(shape, domain)) for domain in domains))

    fillings = [_numbers(domain, {}) for domain in domains]
    edges = tuple(Sample(tuple(np.resize(x[::-1], shape) for x in fillings)) for shape in [(), (0, 2), LARGE])
    return Samples(drawn(), edges)


def of(*inputs: Any, **parameters: Any) -> Samples:
    """Draw each input and parameter: a tuple is the shape of an array, strategies are drawn."""
    positional = [_array(x, None) if isinstance(x, tuple) else _drawn(x) for x in inputs]
    keywords = {name: _drawn(value) for name, value in parameters.items()}
    return Samples(st.builds(Sample, st.tuples(*positional), st.fixed_dictionaries(keywords)))


def array(shape: Any, domain: Domain | None = None, **options: Any) -> SearchStrategy[np.ndarray]:
    """Draw an array of a shape in any memory layout, to be an argument of `of`."""
    return _array(shape, domain, **options)


def listed(*inputs: Any) -> SearchStrategy[list[Any]]:
    """Draw a list of arrays, given by their shapes, to be an argument of `of`."""
    return st.tuples(*(_array(x, None) for x in inputs)).map(list)


def built(function: Callable[[DrawFn], Sample], edges: tuple[Sample, ...] = ()) -> Samples:
    """Return what a function draws: for arguments that depend on each other."""
    return Samples(st.composite(function)(), edges)


def with_parameters(samples: Samples, **parameters: Any) -> Samples:
    """Add keyword parameters: strategies are drawn, other values stand for themselves."""
    chosen = st.fixed_dictionaries({name: _drawn(value) for name, value in parameters.items()})
    simplest = {name: next(iter(_values(value))) for name, value in parameters.items()}
    return Samples(
        st.builds(lambda sample, more: Sample(sample.inputs, sample.parameters | more), samples.drawn, chosen),
        tuple(Sample(edge.inputs, edge.parameters | simplest) for edge in samples.edges),
    )


class Choice(list[Any]):
    """Values of a parameter, one of which is drawn."""


def choice(*values: Any) -> Choice:
    """Draw one of some values; edge samples have the first."""
    return Choice(values)


def _drawn(value: Any) -> SearchStrategy[Any]:
    if isinstance(value, SearchStrategy):
        return value
    return st.sampled_from(value) if isinstance(value, Choice) else st.just(value)


def _values(value: Any) -> Any:
    if isinstance(value, SearchStrategy):
        raise TypeError("with_parameters: give `choice(...)`, so that edge samples know a value too")
    return value if isinstance(value, Choice) else [value]


def along(
    domain: Domain | None = None,
    *,
    keepdim: bool = True,
    several: bool = False,
    optional: bool = True,
    min_side: int = 1,
    min_dims: int = 0,
    **options: Any,
) -> Samples:
    """Draw an array with a `dim` of it (or `several`; or none, if `optional`), and perhaps `keepdim`."""

    @st.composite
    def drawn(draw: DrawFn) -> Sample:
        x = draw(_array(shapes(min_dims, 3, min_side, 3), domain, **options))
        rank = max(x.ndim, 1)
        dims: Any = st.integers(-rank, rank - 1)
        if several and x.ndim:
            lists = st.lists(st.integers(0, x.ndim - 1), min_size=1, unique=True)
            dims = dims | lists.map(tuple)
        parameters: dict[str, Any] = {}
        if not optional or draw(st.booleans()):
            parameters["dim"] = draw(dims)
            if keepdim:
                parameters["keepdim"] = draw(st.booleans())
        return Sample((x,), parameters)

    return Samples(drawn())
