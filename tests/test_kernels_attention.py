"""The attention kernel against tests/naive/attention.py."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.random import manual_seed
from autograd.tape import grad as gradients
from autograd.tensor import Tensor
from ops import attention as composed
from ops.kernels import attention as kernels
from ops.kernels import attention_leaves as leaves
from ops.kernels import attention_plan, attention_rows
from ops.kernels.jit import kernel
from ops.kernels.random import dropout_forward, random_bits
from ops.kernels.scratch import scratch
from ops.kernels.simd import address_of, call, lanes
from ops.kernels.threads import least_threads
from tests.naive import attention as naive

TYPES = (np.float32, np.float64)
LEADING = st.sampled_from([(), (1,), (3,), (2, 2)])
LENGTH = st.sampled_from([1, 2, 13, 16, 17, 33, 70, 129, 140])
FEATURES = st.sampled_from([1, 3, 8, 16, 20, 33])
MASKS = st.sampled_from(["none", "keys", "pairs", "shared", "hidden"])


def draw(rng, real, *shape):
    """Return numbers that lie in memory as a projection to heads leaves them: the heads next to the features."""
    order = rng.permutation(len(shape) - 1)
    memory = rng.standard_normal((*(shape[i] for i in order), 2 * shape[-1])).astype(real)
    return memory.transpose(*np.argsort(order), len(order))[..., : shape[-1]]


def draw_mask(rng, real, kind, scores):
    if kind == "none":
        return None
    shape = {"keys": (*scores[:-2], 1, scores[-1]), "shared": scores[-2:]}.get(kind, scores)
    mask = rng.standard_normal(shape).astype(real)
    if kind == "hidden":
        mask[rng.random(shape) < 0.5] = -np.inf
        mask[..., 0, :] = -np.inf  # the first query sees nothing
    return mask


def close(actual, expected, real, terms=1):
    """Compare sums; a slope is a difference of sums of as many terms as a value has features."""
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=64 * terms * scale * np.finfo(real).eps)
    assert actual.dtype == real


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    leading=LEADING, L=LENGTH, S=LENGTH, E=FEATURES, D=FEATURES, kind=MASKS,
    causal=st.booleans(), p=st.sampled_from([0.0, 0.3]), seed=st.integers(0, 99),
)  # fmt: skip
def test_attention_is_the_sum_of_weighted_values(real, threads, leading, L, S, E, D, kind, causal, p, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (draw(rng, real, *leading, *size) for size in ((L, E), (S, E), (S, D)))
    grad, mask = draw(rng, real, *leading, L, D), draw_mask(rng, real, kind, (*leading, L, S))
    dropout = kernels.Dropout(p, (3 << 40) + seed) if p else None
    options = kernels.Options(0.6, causal, dropout)
    factors = dropout_forward(np.ones((*leading, L, S)), *dropout)[0] if dropout else np.ones((*leading, L, S))
    wide = [x.astype(float) for x in (q, k, v)]
    wide.append(None if mask is None else np.broadcast_to(mask, (*leading, L, S)).astype(float))
    with least_threads(threads):
        forward = kernels.attention_forward(q, k, v, mask, options)
        backward = kernels.attention_backward(grad, q, k, v, mask, forward, options)
    close(forward.output, naive.attention(*wide, 0.6, causal, factors), real)
    expected = naive.attention_grad(grad.astype(float), *wide, 0.6, causal, factors)
    for found, reference in zip(backward, expected, strict=True):
        close(found, reference, real, terms=1 + D // 8)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    leading=LEADING, L=st.integers(1, 7), S=LENGTH, E=FEATURES, D=FEATURES, kind=MASKS,
    causal=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_few_queries(real, threads, leading, L, S, E, D, kind, causal, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (draw(rng, real, *leading, *size) for size in ((L, E), (S, E), (S, D)))
    mask = draw_mask(rng, real, kind, (*leading, L, S))
    wide = [x.astype(float) for x in (q, k, v)]
    wide.append(None if mask is None else np.broadcast_to(mask, (*leading, L, S)).astype(float))
    with least_threads(threads):
        y = attention_rows.attention_of_few(q, k, v, mask, kernels.Options(0.6, causal))
    close(y, naive.attention(*wide, 0.6, causal, np.ones((*leading, L, S))), real)


@pytest.mark.parametrize("real", TYPES)
def test_few_queries_stay_inside_their_scratch_memory(real):
    """Seven queries are more than the lanes of a narrow vector; so are these, of any."""
    options, shapes = kernels.Options(0.5), ((1, 2 * lanes(real), 8), (1, 20, 8), (1, 20, 8))
    inputs = [np.random.default_rng(i).standard_normal(shape).astype(real) for i, shape in enumerate(shapes)]
    memory = scratch(1 << 16, np.dtype(real))  # with which smaller requests begin
    memory[:] = 7
    output = attention_rows.attention_of_few(*inputs, None, options)
    plan = attention_rows._plan(attention_plan.shapes_of([*inputs, None, output]), np.dtype(real), options, 1)
    assert (memory[: plan.work] != 7).any()
    assert (memory[plan.work :] == 7).all()


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    leading=st.sampled_from([(1,), (3,), (2, 2)]), L=LENGTH, S=LENGTH, E=FEATURES, kind=MASKS,
    causal=st.booleans(), p=st.sampled_from([0.0, 0.3]), average=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_weights_that_are_shown(real, threads, leading, L, S, E, kind, causal, p, average, seed):
    rng = np.random.default_rng(seed)
    q, k = (draw(rng, real, *leading, *size) for size in ((L, E), (S, E)))
    mask, dropout = draw_mask(rng, real, kind, (*leading, L, S)), kernels.Dropout(p, seed) if p else None
    factors = dropout_forward(np.ones((*leading, L, S)), *dropout)[0] if dropout else np.ones((*leading, L, S))
    wide = None if mask is None else np.broadcast_to(mask, (*leading, L, S)).astype(float)
    expected = np.zeros((*leading, L, S))
    for n, i, weights, _ in naive.rows(q.astype(float), k.astype(float), wide, 0.6, causal):
        expected[n][i] = weights * factors[n][i]
    with least_threads(threads):
        shown = kernels.attention_weights(q, k, mask, kernels.Options(0.6, causal, dropout), average=average)
    close(shown, expected.mean(-3) if average else expected, real)


@pytest.mark.parametrize("heads", [(4, 1), (1, 4)])
def test_leading_axes_broadcast(heads):
    rng = np.random.default_rng(0)
    of_query, of_key = heads
    q, k, v = (draw(rng, np.float64, 2, *shape) for shape in ((of_query, 9, 5), (of_key, 7, 5), (of_key, 7, 3)))
    full = [np.broadcast_to(x, (2, 4, *x.shape[-2:])) for x in (q, k, v)]
    options = kernels.Options(0.5)
    forward = kernels.attention_forward(q, k, v, None, options)
    close(forward.output, naive.attention(*full, None, 0.5, False, np.ones((2, 4, 9, 7))), np.float64)
    slopes = kernels.attention_backward(forward.output, q, k, v, None, forward, options)
    expected = naive.attention_grad(forward.output, *full, None, 0.5, False, np.ones((2, 4, 9, 7)))
    for found, reference in zip(slopes, expected, strict=True):
        close(found, reference, np.float64)


def test_results_lie_in_the_order_of_the_queries_and_may_be_written_to_one_array():
    packed = np.random.default_rng(0).standard_normal((9, 2, 3, 4, 8)).transpose(2, 1, 3, 0, 4)  # (3, N, H, L, D)
    options = kernels.Options(0.5, causal=True)
    forward = kernels.attention_forward(*packed, None, options)
    joined = forward.output.transpose(2, 0, 1, 3)
    assert joined.flags.c_contiguous  # (L, N, H, D): joining the heads copies nothing
    slopes = kernels.in_order_of(packed, 8)
    assert slopes.transpose(3, 1, 0, 2, 4).flags.c_contiguous
    kernels.attention_backward(forward.output, *packed, None, forward, options, out=tuple(slopes))
    apart = kernels.attention_backward(forward.output, *packed, None, forward, options)
    np.testing.assert_array_equal(slopes, np.stack(apart))


def test_no_matrix_of_scores_is_held():
    L = 2048
    x = np.random.default_rng(0).standard_normal((L, 16)).astype(np.float32)
    options = kernels.Options(0.25, causal=True)
    kernels.attention_backward(x, x, x, x, None, kernels.attention_forward(x, x, x, None, options), options)
    tracemalloc.start()
    try:
        kernels.attention_backward(x, x, x, x, None, kernels.attention_forward(x, x, x, None, options), options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * L * L / 8


def test_nan_reaches_what_it_takes_part_in():
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((20, 16)).astype(np.float32) for _ in range(3))
    q[3, 0] = np.nan
    y = kernels.attention_forward(q, k, v, None, kernels.Options(0.25)).output
    np.testing.assert_array_equal(np.isnan(y).any(1), np.arange(20) == 3)
    q[3, 0], k[5, 0] = 0, np.nan
    y = kernels.attention_forward(q, k, v, None, kernels.Options(0.25, causal=True)).output
    np.testing.assert_array_equal(np.isnan(y).any(1), np.arange(20) >= 5)
    k[5, 0], v[2, 1] = 0, np.nan  # a weight of 0 is a factor like any other
    y = kernels.attention_forward(q, k, v, None, kernels.Options(0.25)).output
    np.testing.assert_array_equal(np.isnan(y).any(0), np.arange(16) == 1)


def test_large_scores_neither_overflow_nor_lose_the_largest():
    q, k, v = np.full((16, 4), 1e4), np.ones((300, 4)), np.arange(300.0).reshape(-1, 1)
    k[250] = 2.0
    y = kernels.attention_forward(q, k, v, None, kernels.Options(1.0)).output
    np.testing.assert_array_equal(y, np.full((16, 1), 250.0))


@pytest.mark.parametrize("p", [0.25, 1.0])
def test_dropped_weights_are_those_of_the_composition(p):
    """First and second derivatives of a call are of one and the same function, and a seed says which."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((2, 12, 4)) for _ in range(3)]

    def run(create_graph):
        manual_seed(5)
        q, k, v = (Tensor(x, requires_grad=True) for x in arrays)
        y = composed.scaled_dot_product_attention(q, k, v, dropout_p=p)
        return [y, *gradients(y, [q, k, v], Tensor(np.ones(y.shape)), create_graph=create_graph)]

    for by_tiles, by_ops in zip(run(False), run(True), strict=True):
        np.testing.assert_allclose(by_tiles.array, by_ops.array, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_keys_are_shared_out_where_there_are_fewer_heads_than_threads(causal):
    rng = np.random.default_rng(0)
    q, k, v, grad = (rng.standard_normal(shape) for shape in ((150, 9), (400, 9), (400, 5), (150, 5)))
    options = kernels.Options(0.3, causal)
    forward = kernels.attention_forward(q, k, v, None, options)
    alone = kernels.attention_backward(grad, q, k, v, None, forward, options)
    with least_threads(3):
        shared = kernels.attention_backward(grad, q, k, v, None, forward, options)
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_dropped_weights_depend_on_the_key_alone():
    x = np.random.default_rng(0).standard_normal((4, 150, 16)).astype(np.float32)
    results = []
    for threads in (1, 2, 1):
        with least_threads(threads):
            options = kernels.Options(0.25, dropout=kernels.Dropout(0.5, 77))
            results.append(kernels.attention_forward(x, x, x, None, options).output)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_counters_of_dropped_weights_have_64_bits():
    """Weight number 2^32 and those after it are no copies of the first ones."""
    first, step, words = 2**32 - 130, 40, np.array([3, 5, 1 << 31], np.int64)
    for real in TYPES:
        x, keep = np.ones((3, 32), real), np.ones(1, real)
        run_leaf(leaves.drop(np.dtype(real)), x, words, keep, 32 // lanes(real), first, step)
        for row, column in np.ndindex(x.shape):
            counter = first + row + step * column
            bits = random_bits(np.uint32(counter % 2**32), np.uint32(3), np.uint32(5 ^ counter >> 32))
            assert x[row, column] == (bits <= words[2]), (row, column)


@kernel
def run_leaf(leaf, x, words, keep, vectors, first, step):
    pitch = x.shape[1] * x.itemsize
    call(leaf, address_of(x), pitch, x.shape[0], vectors, first, step, address_of(words), address_of(keep))
