"""Checkpointing: gradients of the plain tape, bit for bit, for less memory."""

import contextlib
import copy
import functools
import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
import nn.functional as F
from autograd import Function, tensor
from autograd.recomputation import ForgottenCall
from nn.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def block(width=8, seed=0):
    autograd.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(width, 2 * width), nn.GELU(), nn.LayerNorm(2 * width), nn.Dropout(0.3), nn.Linear(2 * width, width)
    )


def gradients(run, modules, x):
    """Return the result and all gradients of a run that begins with seed 5."""
    for module in modules:
        module.zero_grad()
    x = tensor(x, requires_grad=True)
    autograd.manual_seed(5)
    y = run(x)
    after = autograd.rand(3)
    (y * y).sum().backward()
    return [each.numpy() for each in (y.detach(), after, x.grad, *(p.grad for m in modules for p in m.parameters()))]


def assert_same_bits(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def calls(functions, x):
    return functools.reduce(lambda value, function: function(value), functions, x)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2))
def test_gradients_are_those_of_the_plain_tape_bit_for_bit(count, batch, nesting):
    blocks = [block(seed=i) for i in range(count)]
    x = np.random.default_rng(0).standard_normal((batch, 8)).astype(np.float32)

    def nested(module, depth):
        return functools.partial(checkpoint, nested(module, depth - 1)) if depth else module

    plain = gradients(lambda x: calls(blocks, x), blocks, x)
    assert_same_bits(plain, gradients(lambda x: calls([nested(each, 1 + nesting) for each in blocks], x), blocks, x))
    whole = gradients(lambda x: checkpoint(lambda y: calls([nested(b, nesting) for b in blocks], y), x), blocks, x)
    assert_same_bits(plain, whole)


def test_gradients_agree_with_pytorchs_checkpoint(torch):
    from torch.utils.checkpoint import checkpoint as theirs

    x, w = np.random.default_rng(0).standard_normal((2, 3, 3))

    def both(library, checkpoint):
        a, b = (library.tensor(each, requires_grad=True) for each in (x, w))
        y = checkpoint(lambda a, scale, *, shift: ((a @ b).tanh() * scale, {"z": (a.exp() + shift).sum()}, "text"),
                       a, 3.0, shift=b, use_reentrant=False)  # fmt: skip
        assert y[2] == "text"
        (y[0].sum() * y[1]["z"]).backward()
        return [a.grad.numpy(), b.grad.numpy()]

    for ours, expected in zip(both(autograd, checkpoint), both(torch, theirs), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_nothing_is_kept_but_the_arguments_and_the_function_runs_twice():
    runs = []

    def function(x):
        runs.append(1)
        return (x.exp() * x.sin()).tanh()

    x = tensor(np.linspace(-1, 1, 5), requires_grad=True)
    y = checkpoint(function, x)
    assert type(y.grad_fn) is ForgottenCall
    assert y.grad_fn.name() == "TanhBackward"
    assert len(runs) == 1
    y.sum().backward()
    assert len(runs) == 2
    expected = tensor(x.array, requires_grad=True)
    function(expected).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected.grad.numpy())


def peak_of_backward(run):
    gc.collect()
    tracemalloc.start()
    run().sum().backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_what_was_computed_again_is_let_go_of_although_the_graph_is_retained():
    x = autograd.randn(100_000).requires_grad_()
    x.grad = autograd.zeros(100_000)
    y = checkpoint(lambda x: functools.reduce(lambda y, _: y.sin(), range(10), x), x).sum()
    gc.collect()
    tracemalloc.start()
    for _ in range(2):
        y.backward(retain_graph=True)
        assert tracemalloc.get_traced_memory()[0] < 3 * x.nbytes
    tracemalloc.stop()


def test_a_deep_net_needs_a_fraction_of_the_memory():
    layers = nn.Sequential(*[nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(36)])
    x = autograd.randn(2000, 64)
    for run in (layers, lambda x: checkpoint_sequential(layers, 6, x)):
        run(x).sum().backward()  # gradients are there from now on
    plain = peak_of_backward(lambda: layers(x))
    segmented = peak_of_backward(lambda: checkpoint_sequential(layers, 6, x))
    assert plain > 36 * x.nbytes  # a layer keeps its input
    assert segmented < 0.5 * plain


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_a_sequence_in_segments_is_the_sequence(segments):
    layers = nn.Sequential(*[block(seed=i) for i in range(5)])
    x = np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)
    plain = gradients(layers, [layers], x)
    assert_same_bits(plain, gradients(lambda x: checkpoint_sequential(layers, segments, x), [layers], x))
    assert_same_bits(plain, gradients(lambda x: checkpoint_sequential(list(layers), segments, x), [layers], x))


@pytest.mark.parametrize("segments", [0, 6])
def test_a_wrong_number_of_segments_is_refused(segments):
    with pytest.raises(ValueError, match=f"segments should be 1 to 5, got {segments}"):
        checkpoint_sequential([F.relu] * 5, segments, autograd.zeros(1))


def test_grad_hooks_and_parameters_alone():
    weight = tensor([2.0, 3.0], requires_grad=True)
    seen = []

    def function(x):
        y = x * weight
        if y.requires_grad:
            y.register_hook(lambda grad: seen.append(grad.tolist()))
        return y.exp()

    x = tensor([0.5, 1.0])  # needs no gradient itself
    y = checkpoint(function, x)
    (grad,) = autograd.autograd.grad(y.sum(), weight)
    np.testing.assert_allclose(grad.numpy(), x.array * np.exp(x.array * weight.array), rtol=1e-6)
    assert len(seen) == 1


def test_second_derivatives():
    def function(x):
        return (x**3 * x.sin()).sum()

    results = []
    for run in (function, lambda x: checkpoint(function, x), lambda x: checkpoint(checkpoint, function, x)):
        x = tensor(np.linspace(0.5, 2, 4), requires_grad=True)
        (first,) = autograd.autograd.grad(run(x * 2), x, create_graph=True)
        (second,) = autograd.autograd.grad((first * first).sum(), x)
        results.append([first.detach().numpy(), second.numpy()])
    for found in results[1:]:
        for a, b in zip(found, results[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)
    assert autograd.autograd.gradgradcheck(lambda x: checkpoint(function, x), (x,))


def test_backward_twice_needs_a_retained_graph():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(lambda x: x.exp() * x, x).sum()
    y.backward(retain_graph=True)
    first = x.grad.clone()
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * first.numpy())
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.factor = 3
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * ctx.factor * x**2


def test_custom_functions_views_and_writes_inside():
    def function(x):
        y = Cube.apply(x) + 0
        y[1:3].mul_(x[:2])
        part = y.reshape(2, 2)
        part[0] += 1
        return part.sum(0) * y.prod(), y[0]

    x = [tensor([1.0, 2.0, 3.0, 0.5], requires_grad=True) for _ in range(2)]
    for each, run in zip(x, (function, functools.partial(checkpoint, function)), strict=True):
        first, second = run(each)
        (first.sum() + second).backward()
    np.testing.assert_array_equal(x[0].grad.numpy(), x[1].grad.numpy())
    once = checkpoint(Cube.apply, x[0])
    once.backward(autograd.ones(4))
    with pytest.raises(RuntimeError, match="CubeBackward: Trying to backward through the graph a second time"):
        once.backward(autograd.ones(4))


def test_views_made_before_and_outputs_written_after():
    base = tensor([1.0, 2.0, 3.0], requires_grad=True) * 1
    view = base[:2]
    base.mul_(2)
    y = checkpoint(lambda x: x.exp(), view)
    expected = view.exp().detach().numpy()
    y.mul_(3)
    (grad,) = autograd.autograd.grad(y.sum(), view)
    np.testing.assert_allclose(grad.numpy(), 3 * expected, rtol=1e-6)


def test_copies_of_the_graph_go_the_same_way():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(lambda x: Cube.apply(x.exp()).sum(), x * 2)
    copy.deepcopy(y)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * np.exp(6 * x.array), rtol=1e-5)


def test_without_gradients_it_is_a_plain_call():
    runs = []
    x = tensor([1.0], requires_grad=True)
    with autograd.no_grad():
        assert not checkpoint(lambda x: runs.append(1) or x * 2, x).requires_grad
    assert not checkpoint(lambda x: x * 2, tensor([1.0])).requires_grad
    assert checkpoint(lambda x: "no tensor", x) == "no tensor"
    assert checkpoint(lambda x: x, x) is x
    assert runs == [1]


def test_random_numbers_are_drawn_again_only_if_they_are_to_be():
    x = tensor(np.ones(64), requires_grad=True)
    autograd.manual_seed(0)
    y = checkpoint(lambda x: F.dropout(x.exp(), 0.5), x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    x.grad = None
    y = checkpoint(lambda x: F.dropout(x.exp(), 0.5), x, preserve_rng_state=False)
    y.sum().backward()
    assert (x.grad.numpy() != y.detach().numpy()).any()


def test_the_calls_run_in_the_contexts_given():
    log = []

    @contextlib.contextmanager
    def context(name):
        log.append(name)
        yield
        log.append(f"end of {name}")

    x = tensor([1.0], requires_grad=True)
    y = checkpoint(lambda x: log.append("call") or x.exp(), x, context_fn=lambda: (context("first"), context("again")))
    y.backward()
    assert log == ["first", "call", "end of first", "again", "call", "end of again"]


# -- errors -----------------------------------------------------------------------------------------------------------


def differing(first, second):
    calls = iter([first, second])
    return lambda x: next(calls)(x)


def test_a_function_that_does_something_else_the_second_time_is_refused():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(differing(lambda x: x.exp().sin(), lambda x: x.exp()), x)
    with pytest.raises(CheckpointError, match="recorded 2 ops at first and now 1"):
        y.sum().backward()
    y = checkpoint(differing(lambda x: x.exp(), lambda x: x.sin()), x)
    with pytest.raises(CheckpointError, match=r"recorded ExpBackward \(2,\) float32 at first and now SinBackward"):
        y.sum().backward()
    y = checkpoint(differing(lambda x: x.exp(), lambda x: x.sin()), x, determinism_check="none")
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(x.array), rtol=1e-6)
    assert issubclass(CheckpointError, RuntimeError)


def test_arguments_and_parameters_that_were_written_to_since_are_refused():
    x, w = tensor([1.0, 2.0]), tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(lambda x: (x * w).exp(), x)
    x.add_(1)
    with pytest.raises(RuntimeError, match=r"from input 0 of checkpoint, of shape \(2,\), which add_ has written to"):
        y.sum().backward()
    y = checkpoint(lambda x: (x * w).exp() * w, x)
    with autograd.no_grad():
        w.mul_(2)
    with pytest.raises(RuntimeError, match=r"mul saved its input y of shape \(2,\), which mul_ has written to"):
        y.sum().backward()


def test_errors_of_the_function_pass():
    def fails(x):
        raise KeyError("no such")

    x = tensor([1.0], requires_grad=True)
    with pytest.raises(KeyError, match="no such"):
        checkpoint(fails, x)
    y = checkpoint(differing(lambda x: x.exp(), fails), x)
    with pytest.raises(KeyError, match="no such"):
        y.backward()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"use_reentrant": True}, NotImplementedError, "no use_reentrant=True"),
        ({"determinism_check": "maybe"}, ValueError, "'default' or 'none', got 'maybe'"),
        ({"no_argument_of_it": 1}, TypeError, "no_argument_of_it"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        checkpoint(lambda x: x, autograd.zeros(1), **options)


def test_the_graph_is_freed_without_the_collector():
    x = tensor(np.ones(1000), requires_grad=True)
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(20):
            y = checkpoint(lambda x: Cube.apply(x.exp()).tanh(), x)
            y.sum().backward()
        del y
        assert len(gc.get_objects()) - before < 200
    finally:
        gc.enable()
