"""Recurrent kernels against tests/naive/recurrent.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import recurrent, recurrent_plan
from ops.kernels.threads import least_threads
from tests.naive import recurrent as naive

KINDS = ("tanh", "relu", "lstm", "gru")
TYPES = (np.float32, np.float64)


@st.composite
def layers(draw):
    """Draw sizes of a layer and lengths of sequences."""
    kind = draw(st.sampled_from(KINDS))
    inputs, units = draw(st.integers(1, 20)), draw(st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17, 33, 40]))
    outputs = draw(st.sampled_from([0, 1, units // 2])) if kind == "lstm" and units > 1 else 0
    sequences, longest = draw(st.sampled_from([0, 1, 2, 5, 13, 26])), draw(st.sampled_from([0, 1, 2, 6]))
    lengths = draw(st.lists(st.integers(1, max(longest, 1)), min_size=sequences, max_size=sequences))
    lengths = sorted(lengths, reverse=True) if draw(st.booleans()) else [longest] * sequences
    steps = tuple(sum(length > t for length in lengths) for t in range(longest))
    return kind, inputs, units, outputs, tuple(n for n in steps if n) if sequences else steps


def arguments(layer, seed, real, start=True, biased=True):
    """Return what `forward` takes, of normal numbers."""
    kind, I, H, P, steps = layer
    rng = np.random.default_rng(seed)
    gates, outputs, B = recurrent_plan.GATES[kind] * H, P or H, max(steps, default=0)

    def normal(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(real)

    states = (normal(B, outputs), normal(B, H) if kind == "lstm" else None) if start else (None, None)
    biases = (normal(gates), normal(gates)) if biased else (None, None)
    weights = normal(gates, I, scale=I**-0.5), normal(gates, outputs, scale=outputs**-0.5)
    return normal(sum(steps), I), *states, *weights, *biases, normal(P, H, scale=H**-0.5) if P else None


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(layer=layers(), seed=st.integers(0, 99), start=st.booleans(), biased=st.booleans(), reverse=st.booleans())
def test_forward(real, threads, layer, seed, start, biased, reverse):
    kind, *_, steps = layer
    given_ = arguments(layer, seed, real, start, biased)
    with least_threads(threads):
        flat, _ = recurrent.forward(kind, *given_, steps, reverse)
    assert flat.dtype == real
    expected = naive.layer(kind, *given_, steps, reverse)
    np.testing.assert_allclose(
        flat, expected, rtol=0, atol=300 * np.finfo(real).eps * max(1, abs(expected).max(initial=0))
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequences", [1, 5, recurrent.FEW, recurrent.FEW + 1])
@pytest.mark.parametrize(("start", "biased", "outputs"), [(True, True, 0), (False, True, 3), (True, False, 3)])
def test_a_single_step(kind, sequences, start, biased, outputs):
    layer = (kind, 5, 9, outputs if kind == "lstm" else 0, (sequences,))
    given_ = arguments(layer, 0, np.float64, start, biased)
    flat, _ = recurrent.forward(kind, *given_, layer[-1], False)
    np.testing.assert_allclose(flat, naive.layer(kind, *given_, layer[-1]), rtol=0, atol=1e-13)


def gradients(layer, given_, u, reverse):
    """Return the gradients of u · forward(...) for every argument, None for those that are None."""
    kind, *_, steps = layer
    _, kept = recurrent.forward(kind, *given_, steps, reverse)
    _, h, _, w_ih, w_hh, _, _, w_hr = given_
    found = recurrent.backward(kind, u, kept, w_ih, w_hh, w_hr, steps, reverse, (True, h is not None, True), h is None)
    named = (found.x, found.h, found.c, found.w_ih, found.w_hh, found.b_ih, found.b_hh, found.w_hr)
    return [None if a is None else g.reshape(a.shape) for a, g in zip(given_, named, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
@given(layer=layers(), seed=st.integers(0, 99), start=st.booleans(), biased=st.booleans(), reverse=st.booleans())
def test_backward_is_the_slope_along_any_direction(threads, layer, seed, start, biased, reverse):
    kind, *_, steps = layer
    given_ = arguments(layer, seed, np.float64, start, biased)
    rng = np.random.default_rng(seed + 1)
    with least_threads(threads):
        flat, _ = recurrent.forward(kind, *given_, steps, reverse)
        u = rng.standard_normal(flat.shape)
        found = gradients(layer, given_, u, reverse)
    for i, (a, g) in enumerate(zip(given_, found, strict=True)):
        if a is None or not a.size:
            continue
        direction = rng.standard_normal(a.shape) / np.sqrt(a.size)
        eps = 1e-6 if kind != "relu" else 1e-9  # a kink is met less often

        def moved(by, i=i, a=a, direction=direction):
            return u @ naive.layer(kind, *given_[:i], a + by * direction, *given_[i + 1 :], steps, reverse)

        slope = (moved(eps) - moved(-eps)) / (2 * eps)
        scale = max(1.0, np.sqrt(flat.size), abs(slope))
        np.testing.assert_allclose((g * direction).sum() / scale, slope / scale, rtol=0, atol=2e-7 * 1e-6 / eps)


@pytest.mark.parametrize("threads", [1, 2])
@given(layer=layers(), seed=st.integers(0, 99), reverse=st.booleans())
def test_backward_of_float32_is_that_of_float64(threads, layer, seed, reverse):
    kind, *_, steps = layer
    single = arguments(layer, seed, np.float32)
    double = [None if a is None else a.astype(np.float64) for a in single]
    with least_threads(threads):
        flat, _ = recurrent.forward(kind, *double, steps, reverse)
        u = np.random.default_rng(seed).standard_normal(flat.shape).astype(np.float32)
        pairs = zip(
            gradients(layer, single, u, reverse), gradients(layer, double, u.astype(float), reverse), strict=True
        )
    for a, b in pairs:
        if a is not None and kind != "relu":  # where rounding decides on which side of the kink a unit is
            assert a.dtype == np.float32
            np.testing.assert_allclose(a, b, rtol=0, atol=3e-5 * max(1.0, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("kind", KINDS)
def test_parts_that_are_not_wanted_change_nothing(kind):
    layer = (kind, 5, 18, 0, (7, 7, 3))
    _, _, _, w_ih, w_hh, _, _, w_hr = given_ = arguments(layer, 0, np.float64)
    flat, kept = recurrent.forward(kind, *given_, layer[-1], False)
    u = np.random.default_rng(1).standard_normal(flat.shape)

    def run(*wanted):
        return recurrent.backward(kind, u, kept, w_ih, w_hh, w_hr, layer[-1], False, wanted)

    whole = run(True, True, True)
    np.testing.assert_array_equal(run(True, False, False).x, whole.x)
    np.testing.assert_array_equal(run(False, True, False).h, whole.h)
    for a, b in zip(run(False, False, True)[3:], whole[3:], strict=True):
        np.testing.assert_array_equal(a, b)
    assert run(False, False, True).x.size == run(True, True, False).w_ih.size == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_same_bits_twice_and_inputs_are_left_alone(kind, threads):
    layer = (kind, 9, 33, 0, (26, 26, 25, 4, 1))
    given_ = arguments(layer, 3, np.float32)
    copies = [None if a is None else a.copy() for a in given_]
    with least_threads(threads):
        flat, _ = recurrent.forward(kind, *given_, layer[-1], True)
        again, _ = recurrent.forward(kind, *given_, layer[-1], True)
        np.testing.assert_array_equal(flat, again)
        for a, b in zip(gradients(layer, given_, flat, True), gradients(layer, given_, flat, True), strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(given_, copies, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", ["transposed", "reversed", "spread", "read-only", "one step repeated"])
def test_input_in_any_memory_layout(form):
    layer = ("lstm", 5, 17, 0, (6,) * 4)
    given_ = arguments(layer, 0, np.float64)
    x = given_[0].reshape(4, 6, 5)
    if form == "one step repeated":
        x = np.broadcast_to(x[:1], x.shape)
    plain = recurrent.forward("lstm", np.ascontiguousarray(x), *given_[1:], layer[-1], False)[0]
    if form == "transposed":
        x = x.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    elif form == "reversed":
        x = x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]
    elif form == "spread":
        x = np.repeat(x, 2, axis=2)[:, :, ::2]
    elif form == "read-only":
        x = x.copy()
        x.flags.writeable = False
    np.testing.assert_array_equal(recurrent.forward("lstm", x, *given_[1:], layer[-1], False)[0], plain)


def test_large_numbers_and_nan():
    layer = ("lstm", 3, 16, 0, (2, 2))
    x, *rest = arguments(layer, 0, np.float32)
    flat, _ = recurrent.forward("lstm", x * np.float32(1e30), *rest, layer[-1], False)
    assert np.isfinite(flat).all()
    x[0, 0] = np.nan
    flat, _ = recurrent.forward("lstm", x, *rest, layer[-1], False)
    y = flat[: 4 * 16].reshape(2, 2, 16)
    assert np.isnan(y[:, 0]).all()
    assert np.isfinite(y[:, 1]).all()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40), threads=st.integers(1, 5))
def test_threads_share_the_rows(lengths, threads):
    lengths.sort(reverse=True)
    steps = tuple(sum(length > t for length in lengths) for t in range(lengths[0]))
    bounds = recurrent_plan.bounds_of(steps, min(threads, len(lengths)))
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    assert all(a < b for a, b in itertools.pairwise(bounds))
    shares = [sum(lengths[a:b]) for a, b in itertools.pairwise(bounds)]
    assert len(shares) <= threads
    assert max(shares) <= sum(lengths) / min(threads, len(lengths)) + max(lengths)
