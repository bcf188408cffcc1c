"""Rows of ops.conv, ops.pool, ops.fold: what slides a window over planes."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from ops import conv as c
from ops import fold as f
from ops import pool as p
from ops.conv_each import each_convolution
from ops.conv_nd import ConvSettings
from tests.row import Error, Row, Sample, Samples
from tests.samples import array, built, choice, of

Shape = tuple[int, ...]


def _tuple(value: Any, dims: int) -> Shape:
    return (value,) * dims if isinstance(value, int) else tuple(value)


# -- convolution --------------------------------------------------------------------------------------


def _taps(out: Shape, kernel: Shape, sizes: Shape, options: tuple[Shape, Shape, Shape]) -> Iterator[Any]:
    """Yield (position in the output, tap, position in the input) of every product."""
    stride, padding, dilation = options
    for place in np.ndindex(*out):
        for tap in np.ndindex(*kernel):
            source = [o * s - q + t * d for o, t, s, q, d in zip(place, tap, stride, padding, dilation, strict=True)]
            if all(0 <= i < n for i, n in zip(source, sizes, strict=True)):
                yield place, tap, tuple(source)


def _convolved(
    x: np.ndarray,
    w: np.ndarray,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> np.ndarray:
    dims = w.ndim - 2
    if x.ndim == w.ndim - 1:
        return _convolved(x[None], w, bias, stride, padding, dilation, groups)[0]
    options = tuple(_tuple(each, dims) for each in (stride, padding, dilation))
    out = [
        (n + 2 * q - d * (t - 1) - 1) // s + 1 for n, t, s, q, d in zip(x.shape[2:], w.shape[2:], *options, strict=True)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *out)) + (0 if bias is None else bias.reshape(-1, *[1] * dims))
    filters, channels = w.shape[0] // groups, w.shape[1]
    for place, tap, source in _taps(tuple(out), w.shape[2:], x.shape[2:], options):
        for k in range(w.shape[0]):
            first = k // filters * channels
            part = x[(slice(None), slice(first, first + channels), *source)]
            y[(slice(None), k, *place)] += part @ w[(k, slice(None), *tap)]
    return y


def _transposed(
    x: np.ndarray,
    w: np.ndarray,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> np.ndarray:
    dims = w.ndim - 2
    options = tuple(_tuple(each, dims) for each in (stride, padding, dilation))
    out = [
        (n - 1) * s - 2 * q + d * (t - 1) + extra + 1
        for n, t, s, q, d, extra in zip(x.shape[2:], w.shape[2:], *options, _tuple(output_padding, dims), strict=True)
    ]
    filters, channels = w.shape[1], w.shape[0] // groups
    y = np.zeros((x.shape[0], filters * groups, *out)) + (0 if bias is None else bias.reshape(-1, *[1] * dims))
    for place, tap, target in _taps(x.shape[2:], w.shape[2:], tuple(out), options):
        for i in range(w.shape[0]):
            first = i // channels * filters
            y[(slice(None), slice(first, first + filters), *target)] += np.outer(
                x[(slice(None), i, *place)], w[(i, slice(None), *tap)]
            )
    return y


def _convolution(dims: int, transposed: bool = False) -> Samples:
    def drawn(draw: DrawFn) -> Sample:
        groups, images = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 2))
        channels, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        limit = 4 if dims < 3 else 3
        sizes = [draw(st.integers(2, limit)) for _ in range(dims)]
        kernel = [draw(st.integers(1, min(3, n))) for n in sizes]
        stride, padding = draw(st.integers(1, 2)), draw(st.integers(0, 1))
        dilation = draw(st.integers(1, 2)) if all(2 * (t - 1) < n for t, n in zip(kernel, sizes, strict=True)) else 1
        parameters = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if transposed:
            parameters["padding"] = min(padding, *(dilation * (t - 1) for t in kernel))
            parameters["output_padding"] = draw(st.integers(0, max(stride, dilation) - 1))
            w = draw(array((channels * groups, filters, *kernel)))
        else:
            w = draw(array((filters * groups, channels, *kernel)))
        bias = draw(st.none() | array((filters * groups,)))
        return Sample((draw(array((images, channels * groups, *sizes))), w, bias), parameters)

    return built(drawn)


def _conv(function: Callable[..., Any], dims: int) -> Row:
    shape = (1, 3, *[5] * dims)
    errors = (
        Error(
            RuntimeError,
            f"{function.__name__}.* 3 channels.* 2",
            (np.zeros(shape), np.zeros((4, 2, *[3] * dims))),
        ),
        Error(RuntimeError, function.__name__, (np.zeros(shape), np.zeros((4, 3, *[7] * dims)))),
    )
    return Row(function, _convolution(dims), _convolved, linear=True, errors=errors)


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a convolution of samples by filters of their own, as a function of two of each stacked."""

    def convolved(x: Any, w: Any, **options: Any) -> Any:
        return function(x, w, settings=ConvSettings(*[_tuple(options[each], 2) for each in OPTIONS], options["groups"]))

    return convolved


OPTIONS = ("stride", "padding", "dilation")


def _of_two(sample: Sample) -> Sample:
    """Return a sample with another one beside it, of the same elements in other places."""
    x, w, _ = sample.inputs
    pairs = [np.stack([a, np.roll(a, 1)]) for a in (x, w)]
    return Sample(tuple(pairs), {"padding": 0, **sample.parameters})


def _each_convolved(x: np.ndarray, w: np.ndarray, **options: Any) -> np.ndarray:
    return np.stack([_convolved(a, b, None, **options) for a, b in zip(x, w, strict=True)])


# -- pooling ------------------------------------------------------------------------------------------


def _windows(sizes: Shape, options: dict[str, Any]) -> Iterator[tuple[Shape, list[Shape], Shape]]:
    """Yield (position in the output, positions in the window and plane, sides of the padded window)."""
    dims = len(sizes)
    kernel = _tuple(options["kernel_size"], dims)
    stride, padding = _tuple(options.get("stride") or kernel, dims), _tuple(options.get("padding", 0), dims)
    dilation = _tuple(options.get("dilation", 1), dims)
    up = options.get("ceil_mode", False)
    axes = []
    for n, t, s, q, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        span = n + 2 * q - d * (t - 1) - 1
        count = (-(-span // s) if up else span // s) + 1
        if up and (count - 1) * s >= n + q:
            count -= 1
        starts = [o * s - q for o in range(count)]
        axes.append([(o, [b + d * i for i in range(t)], min(b + t, n + q) - b) for o, b in enumerate(starts)])
    for windows in itertools.product(*axes):
        inside = [[i for i in taps if 0 <= i < n] for (_, taps, _), n in zip(windows, sizes, strict=True)]
        yield tuple(w[0] for w in windows), list(itertools.product(*inside)), tuple(w[2] for w in windows)


def _pooled(x: np.ndarray, dims: int, reduce: Callable[..., Any], options: dict[str, Any]) -> list[np.ndarray]:
    sizes = x.shape[-dims:]
    planes = x.reshape(-1, *sizes)
    found: dict[Shape, list[Any]] = {}
    for place, positions, sides in _windows(sizes, options):
        found[place] = [reduce([(plane[q], q) for q in positions], sides, sizes) for plane in planes]
    out = tuple(n + 1 for n in max(found))
    results = []
    for which in range(len(next(iter(found.values()))[0])):
        y = np.array([[found[place][n][which] for place in np.ndindex(*out)] for n in range(len(planes))])
        results.append(y.reshape(*x.shape[:-dims], *out))
    return results


def _max_pool(dims: int) -> Callable[..., Any]:
    def largest(values: list[Any], _: Shape, sizes: Shape) -> tuple[float, int]:
        value, place = max(values, key=lambda each: each[0])
        return value, int(np.ravel_multi_index(place, sizes))

    def reference(x: np.ndarray, return_indices: bool = False, **options: Any) -> Any:
        y, places = _pooled(x, dims, largest, options)
        return [y, places] if return_indices else y

    return reference


def _avg_pool(dims: int) -> Callable[..., Any]:
    def reference(
        x: np.ndarray, count_include_pad: bool = True, divisor_override: int | None = None, **options: Any
    ) -> Any:
        def average(values: list[Any], sides: Shape, _: Shape) -> tuple[float]:
            count = math.prod(sides) if count_include_pad else len(values)
            return (sum(value for value, _ in values) / (divisor_override or count),)

        return _pooled(x, dims, average, options)[0]

    return reference


def _adaptive(dims: int, reduce: Callable[[np.ndarray], float]) -> Callable[..., Any]:
    def reference(x: np.ndarray, output_size: Any) -> np.ndarray:
        out = tuple(n or x.shape[i - dims] for i, n in enumerate(_tuple(output_size, dims)))
        y = np.empty((*x.shape[:-dims], *out))
        for place in np.ndindex(*out):
            bins = [
                slice(o * n // m, -(-(o + 1) * n // m)) for o, n, m in zip(place, x.shape[-dims:], out, strict=True)
            ]
            for lead in np.ndindex(*x.shape[:-dims]):
                y[lead + place] = reduce(x[lead][tuple(bins)])
        return y

    return reference


def _pooling(dims: int, distinct: bool, **extra: Any) -> Samples:
    def drawn(draw: DrawFn) -> Sample:
        leading = draw(st.sampled_from([(2,), (1, 2)]))
        sizes = tuple(draw(st.integers(3, 5 if dims < 3 else 3)) for _ in range(dims))
        kernel = draw(st.integers(1, 3))
        parameters: dict[str, Any] = {
            "kernel_size": kernel,
            "stride": draw(st.sampled_from([None, 1, 2])),
            "padding": draw(st.integers(0, kernel // 2)),
            "ceil_mode": draw(st.booleans()),
        }
        parameters |= {name: draw(st.sampled_from(values)) for name, values in extra.items()}
        if parameters.get("dilation", 1) * (kernel - 1) >= min(sizes):
            parameters["dilation"] = 1
        return Sample((draw(array((*leading, *sizes), distinct=distinct)),), parameters)

    return built(drawn)


def _at(values: np.ndarray, positions: np.ndarray, size: int) -> np.ndarray:
    y = np.zeros(size)
    y[positions] = values
    return y


# -- blocks -------------------------------------------------------------------------------------------


def _unfolded(x: np.ndarray, kernel_size: Any, dilation: int, padding: int, stride: int) -> np.ndarray:
    kernel = _tuple(kernel_size, 2)
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    out = [(n - dilation * (t - 1) - 1) // stride + 1 for n, t in zip(x.shape[2:], kernel, strict=True)]
    y = np.empty((x.shape[0], x.shape[1], *kernel, *out))
    for r, s, i, j in np.ndindex(*kernel, *out):
        y[:, :, r, s, i, j] = x[:, :, i * stride + r * dilation, j * stride + s * dilation]
    return y.reshape(x.shape[0], -1, math.prod(out))


def _folded(x: np.ndarray, output_size: Shape, **options: Any) -> np.ndarray:
    """The adjoint of `_unfolded`, as a matrix."""
    channels = x.shape[1] // math.prod(_tuple(options["kernel_size"], 2))
    shape = (1, channels, *output_size)
    unit = np.eye(math.prod(shape)).reshape(-1, *shape)
    matrix = np.concatenate([_unfolded(e[:1], **options).reshape(1, -1) for e in unit])
    return (x.reshape(x.shape[0], -1) @ matrix.T).reshape(-1, *shape[1:])


def _shuffled(x: np.ndarray, upscale_factor: int) -> np.ndarray:
    r = upscale_factor
    y = np.empty((*x.shape[:-3], x.shape[-3] // r**2, x.shape[-2] * r, x.shape[-1] * r))
    for c_, h, w in np.ndindex(*y.shape[-3:]):
        y[..., c_, h, w] = x[..., c_ * r * r + h % r * r + w % r, h // r, w // r]
    return y


def _unshuffled(x: np.ndarray, downscale_factor: int) -> np.ndarray:
    r = downscale_factor
    y = np.empty((*x.shape[:-3], x.shape[-3] * r**2, x.shape[-2] // r, x.shape[-1] // r))
    for c_, h, w in np.ndindex(*x.shape[-3:]):
        y[..., c_ * r * r + h % r * r + w % r, h // r, w // r] = x[..., c_, h, w]
    return y


TWO_BY_TWO = p.Windows((2, 2), (2, 2), (0, 0), (1, 1), (4, 4), (2, 2))
BLOCKS = {"dilation": choice(1, 2), "padding": choice(0, 1), "stride": choice(1, 2)}

ROWS = [
    _conv(c.conv1d, 1),
    _conv(c.conv2d, 2),
    _conv(c.conv3d, 3),
    Row(
        _each(each_convolution),
        Samples(_convolution(2).drawn.map(_of_two)),
        _each_convolved,
        torch=None,
        name="each_convolution",
        linear=True,
    ),
    Row(c.conv_transpose1d, _convolution(1, True), _transposed, linear=True),
    Row(c.conv_transpose2d, _convolution(2, True), _transposed, linear=True),
    Row(c.conv_transpose3d, _convolution(3, True), _transposed, linear=True),
    Row(
        p.max_pool1d,
        _pooling(1, True, dilation=[1, 2], return_indices=[False, True]),
        _max_pool(1),
        errors=(Error(RuntimeError, "max_pool1d", (np.zeros((1, 2, 4)), 2), {"padding": 2}),),
    ),
    Row(
        p.max_pool2d,
        _pooling(2, True, dilation=[1, 2], return_indices=[False, True]),
        _max_pool(2),
        errors=(Error(RuntimeError, "max_pool2d", (np.zeros((2, 4)), 2)),),
    ),
    Row(p.avg_pool1d, _pooling(1, False, count_include_pad=[True, False]), _avg_pool(1), linear=True),
    Row(
        p.avg_pool2d,
        _pooling(2, False, count_include_pad=[True, False], divisor_override=[None, 3]),
        _avg_pool(2),
        linear=True,
        errors=(Error(RuntimeError, "avg_pool2d", (np.zeros((2, 4)), 2)),),
    ),
    Row(
        p.max_pool3d,
        _pooling(3, True, dilation=[1, 2], return_indices=[False, True]),
        _max_pool(3),
    ),
    Row(p.avg_pool3d, _pooling(3, False, count_include_pad=[True, False]), _avg_pool(3), linear=True),
    Row(p.adaptive_avg_pool3d, of((1, 3, 2, 4), choice(1, 2, (2, None, 3))), _adaptive(3, np.mean), linear=True),
    Row(
        p.adaptive_max_pool3d,
        of(array((1, 3, 2, 4), distinct=True), choice(1, 2, (2, None, 3))),
        _adaptive(3, np.max),
    ),
    Row(
        p.tapped,  # the derivative of a max-pooling's derivative, whose own is a third one
        of((1, 1, 4, 4), st.just(np.array([[[[0, 3], [1, 2]]]], np.uint8)), windows=st.just(TWO_BY_TWO)),
        lambda x, taps, windows: np.array([[[[x[0, 0, 0, 0], x[0, 0, 1, 3]], [x[0, 0, 2, 1], x[0, 0, 3, 2]]]]]),
        torch=None,
        linear=True,
    ),
    Row(p.adaptive_avg_pool1d, of((1, 2, 5), choice(1, 2, 3, 5)), _adaptive(1, np.mean), linear=True),
    Row(p.adaptive_avg_pool2d, of((2, 5, 4), choice(1, 3, (2, None))), _adaptive(2, np.mean), linear=True),
    Row(p.adaptive_max_pool1d, of(array((1, 2, 5), distinct=True), choice(1, 2, 3, 5)), _adaptive(1, np.max)),
    Row(
        p.adaptive_max_pool2d,
        of(array((2, 5, 4), distinct=True), choice(1, 3, (2, None))),
        _adaptive(2, np.max),
    ),
    Row(
        p.max_unpool2d,
        of((1, 1, 2, 2), st.just(np.array([[[[5, 2], [8, 15]]]])), kernel_size=2),
        lambda x, index, **_: _at(x.ravel(), index.ravel(), 16).reshape(1, 1, 4, 4),
        linear=True,
    ),
    Row(
        p.max_unpool1d,
        of((1, 2, 2), st.just(np.array([[[1, 2], [0, 3]]])), kernel_size=2),
        lambda x, index, **_: np.stack([_at(row, i, 4) for row, i in zip(x[0], index[0], strict=True)])[None],
        linear=True,
    ),
    Row(
        f.unfold,
        of((2, 2, 4, 5), choice(2, (2, 1)), **BLOCKS),
        _unfolded,
        name="unfold into blocks",
        torch="unfold",
        linear=True,
    ),
    Row(
        f.fold,
        of((2, 12, 6), output_size=st.just((3, 4)), kernel_size=2, dilation=1, padding=0, stride=1),
        _folded,
        linear=True,
    ),
    Row(f.pixel_shuffle, of((2, 8, 2, 3), upscale_factor=2), _shuffled, linear=True),
    Row(f.pixel_unshuffle, of((2, 2, 4, 6), downscale_factor=2), _unshuffled, linear=True),
    Row(
        f.channel_shuffle,
        of((2, 6, 2), groups=choice(2, 3)),
        lambda x, groups: x[:, [g * 6 // groups + i for i in range(6 // groups) for g in range(groups)]],
        linear=True,
        torch="channel_shuffle",
    ),
]
