"""The tape: traversal, accumulation, what is freed, and what a wrong call says."""

import copy
import gc
import threading
import weakref

import numpy as np
import pytest

import autograd
from autograd import Tensor, tensor


def leaf(values):
    return tensor(values, dtype=autograd.float64, requires_grad=True)


def test_a_value_used_twice_gets_both_gradients():
    a = leaf(3.0)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4.0


def test_gradients_accumulate_over_backwards():
    x = leaf([1.0, 2.0])
    for count in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), count * np.array([2.0, 4.0]))


def test_a_gradient_is_not_shared_between_leaves():
    a, b = leaf([1.0]), leaf([1.0])
    seed = tensor([2.0], dtype=autograd.float64)
    (a + b).backward(seed)
    a.grad.zero_()
    assert b.grad.item() == 2.0
    assert seed.item() == 2.0


def test_backward_visits_a_diamond_once_and_in_order():
    x = leaf([2.0])
    calls = []
    y = x * 3
    y.register_hook(lambda grad: calls.append(grad.item()))
    (y * y + y).sum().backward()
    assert calls == [13.0]
    assert x.grad.item() == 39.0


def test_higher_derivatives_of_a_polynomial():
    x = leaf(1.5)
    y = x**5
    for order, factor in enumerate((5, 20, 60, 120, 120), start=1):
        (y,) = autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(factor * 1.5 ** (5 - order), rel=1e-12)


def test_grad_leaves_grad_attributes_alone_and_reaches_inner_tensors():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = x * w
    dh, dx = autograd.grad((h * h).sum(), (h, x))
    np.testing.assert_array_equal(dh.numpy(), [6.0, 16.0])
    np.testing.assert_array_equal(dx.numpy(), [18.0, 64.0])
    assert x.grad is None
    assert w.grad is None


def test_grad_of_an_unused_input():
    x, unused = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        autograd.grad(x * 2, unused)
    assert autograd.grad(x * 2, unused, allow_unused=True) == (None,)
    (zero,) = autograd.grad(x * 2, unused, materialize_grads=True)
    assert zero.item() == 0.0


def test_backward_into_chosen_inputs_only():
    x, w = leaf(2.0), leaf(3.0)
    autograd.autograd.backward(x * w, inputs=[w])
    assert x.grad is None
    assert w.grad.item() == 2.0


def test_tensors_may_come_from_whatever_yields_them():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    named = {"x": x, "w": w}
    seeds = (tensor(np.ones(2)) for _ in range(2))
    dx, dw = autograd.grad((each * each for each in (x, w)), (p for p in named.values()), seeds)
    assert (dx.tolist(), dw.tolist()) == ([2.0, 4.0], [6.0, 8.0])
    autograd.backward((each.sum() for each in (x, w)), inputs=named.values())
    assert (x.grad.tolist(), w.grad.tolist()) == ([1.0, 1.0], [1.0, 1.0])


def test_backward_twice_needs_retain_graph():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4.0, 8.0])
    with pytest.raises(RuntimeError, match="sum: .*second time.*retain_graph=True"):
        y.backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: (leaf([1.0, 2.0]) * 2).backward(), RuntimeError, r"scalar outputs.*\(2,\)"),
        (lambda: tensor(1.0).backward(), RuntimeError, "does not require grad"),
        (lambda: leaf([1.0, 2.0]).backward(tensor([1.0])), RuntimeError, r"shape of \(1,\).*\(2,\)"),
        (lambda: leaf([1.0]).backward(np.ones(1)), TypeError, "Tensors or None, but got ndarray"),
        (lambda: autograd.grad(leaf(1.0) * 2, tensor(1.0)), RuntimeError, "does not require grad"),
        (lambda: autograd.grad(leaf(1.0) * 2, 3.0), TypeError, "expected a Tensor"),
        (lambda: autograd.grad(leaf(1.0) * 2, []), RuntimeError, "'inputs' argument cannot be empty"),
        (lambda: (leaf(1.0) * 2).backward(inputs=[]), RuntimeError, "'inputs' argument cannot be empty"),
        (lambda: setattr(x := leaf(1.0), "grad", x), RuntimeError, "its own grad"),
        (lambda: setattr(leaf(1.0), "data", tensor(1)), RuntimeError, "must be floating-point, got .*int64"),
        (lambda: tensor(1.0).size(0), IndexError, "size: dimension 0 is out of range for a tensor with 0 dim"),
        (lambda: "a" in tensor([1.0]), RuntimeError, "only supports Tensor or scalar, got str"),
        (lambda: f"{tensor([1.0, 2.0]):.2f}", TypeError, "unsupported format string"),
        (lambda: Tensor(2, 3), TypeError, r"expected data, got the number 2; use tensor\(2\)"),
        (lambda: tensor([1, 2], requires_grad=True), RuntimeError, "floating"),
        (lambda: tensor([1, 2]).requires_grad_(), RuntimeError, "floating-point"),
        (lambda: (leaf([1.0]) * 2).requires_grad_(False), RuntimeError, "leaf variables"),
        (lambda: bool(tensor([1.0, 2.0])), RuntimeError, "ambiguous"),
        (lambda: tensor([1.0, 2.0]).item(), RuntimeError, "2 elements"),
        (lambda: len(tensor(1.0)), TypeError, "0-d"),
        (lambda: tensor(1.0, device="cuda"), RuntimeError, "cpu"),
        (lambda: autograd.device("tpu"), RuntimeError, "cpu"),
        (lambda: tensor([1.0]).missing, AttributeError, "missing"),
        (lambda: leaf([1.0]).add_(1), RuntimeError, "leaf Variable that requires grad"),
        (lambda: leaf([1.0])[0].add_(1), RuntimeError, "view of a leaf"),
    ],
)
def test_wrong_calls_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_hooks_change_and_see_gradients():
    x = leaf([1.0, 2.0])
    seen = []
    handle = x.register_hook(lambda grad: grad * 10)
    x.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.tolist()))
    (x * 2).sum().backward()
    handle.remove()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [[20.0, 20.0], [22.0, 22.0]]


def test_a_hook_that_returns_another_shape_is_refused():
    x = leaf([1.0, 2.0])
    x.register_hook(lambda grad: grad.sum())
    with pytest.raises(RuntimeError, match=r"expected .* of shape \(2,\), got .* of shape \(\)"):
        (x * 2).sum().backward()


def test_hooks_need_a_gradient_to_wait_for():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        tensor([1.0]).register_hook(print)


def test_retain_grad_keeps_an_inner_gradient():
    x = leaf([1.0, 2.0])
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), [6.0, 12.0])


def test_no_grad_and_enable_grad_nest_and_survive_exceptions():
    x = leaf([1.0])
    with autograd.no_grad():
        assert not (x * 2).requires_grad
        with autograd.enable_grad():
            assert (x * 2).requires_grad
        assert not autograd.is_grad_enabled()
    with pytest.raises(KeyError), autograd.no_grad():
        raise KeyError
    assert autograd.is_grad_enabled()


def test_grad_modes_as_decorators_and_around_generators():
    @autograd.no_grad()
    def plain():
        return autograd.is_grad_enabled()

    @autograd.no_grad
    def bare():
        return autograd.is_grad_enabled()

    @autograd.no_grad()
    def generator():
        yield autograd.is_grad_enabled()
        yield autograd.is_grad_enabled()

    @autograd.enable_grad
    def enabled():
        return autograd.is_grad_enabled()

    @autograd.inference_mode
    def inferring(x):
        return autograd.is_grad_enabled(), x

    assert plain() is False
    assert bare() is False
    assert inferring(3) == (False, 3)
    with autograd.no_grad():
        assert enabled()
    states = generator()
    assert next(states) is False
    assert autograd.is_grad_enabled()  # a paused generator leaks nothing
    assert next(states) is False


def test_grad_mode_belongs_to_its_thread():
    found = []
    with autograd.no_grad():
        thread = threading.Thread(target=lambda: found.append(autograd.is_grad_enabled()))
        thread.start()
        thread.join()
    assert found == [True]


def test_a_guard_can_be_used_again():
    guard = autograd.set_grad_enabled(False)
    assert not autograd.is_grad_enabled()
    for _ in range(2):
        with guard:
            assert not autograd.is_grad_enabled()
        assert autograd.is_grad_enabled()


def test_set_grad_enabled_as_a_call_and_as_a_context():
    autograd.set_grad_enabled(False)
    try:
        assert not autograd.is_grad_enabled()
    finally:
        autograd.set_grad_enabled(True)
    with autograd.set_grad_enabled(False):
        assert not autograd.is_grad_enabled()
    assert autograd.is_grad_enabled()


def test_threads_run_backward_on_separate_graphs_with_shared_leaves():
    x = leaf(np.ones(100))

    def work():
        for _ in range(50):
            (x * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(x.grad.numpy(), 4 * 50 * 2 * np.ones(100))


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_graph_is_freed_by_reference_count_alone(create_graph):
    x = leaf(np.ones(10))
    gc.collect()
    gc.disable()
    try:
        y = x * x
        z = y.exp() * y
        watched = [weakref.ref(y), weakref.ref(z._node), weakref.ref(y._node)]
        (g,) = autograd.grad(z.sum(), x, create_graph=create_graph)
        watched.append(weakref.ref(g))
        if create_graph:
            autograd.grad(g.sum(), x)
        del y, z, g
        assert [ref() for ref in watched] == [None] * 4
    finally:
        gc.enable()


def test_a_chain_of_200_000_ops():
    x = leaf([1.0, 2.0])
    y = x
    for _ in range(200_000):
        y = y + 1.0
    copied = copy.deepcopy(y)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 1.0])
    assert repr(y).startswith("tensor([200001., 200002.]")
    del y
    copied.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]  # the copy has leaves of its own
    del copied


def test_resident_memory_stays_flat_without_the_collector():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4

    w = leaf(np.random.default_rng(0).standard_normal((64, 64)))
    gc.collect()
    gc.disable()
    try:
        for create_graph in (False, True):
            sizes = []
            for step in range(400):
                x = tensor(np.full((64, 64), 0.1))
                loss = ((x @ w).tanh() * w).sum()
                if create_graph:
                    (g,) = autograd.grad(loss, w, create_graph=True)
                    loss = (g * g).sum()
                w.grad = None
                loss.backward()
                if step >= 50:
                    sizes.append(resident())
            assert max(sizes) - sizes[0] < 2048, "kilobytes gained"
    finally:
        gc.enable()


def test_one_leaf_may_be_read_by_ops_after_backward_wrote_its_gradient():
    x = leaf([1.0])
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert first is x.grad
    assert x.grad.item() == 5.0


def test_the_gradient_of_a_broadcast_value_is_summed_and_cast():
    x = leaf([[1.0], [2.0]])
    w = tensor([1.0, 2.0, 3.0], requires_grad=True)
    (x * w).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[6.0], [6.0]])
    np.testing.assert_array_equal(w.grad.numpy(), [3.0, 3.0, 3.0])
    assert w.grad.dtype is autograd.float32


def test_setting_grad_checks_what_it_gets():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match="shape"):
        x.grad = tensor([1.0], dtype=autograd.float64)
    with pytest.raises(RuntimeError, match="float64"):
        x.grad = tensor([1.0, 2.0])
    with pytest.raises(TypeError, match="ndarray"):
        x.grad = np.ones(2)
    x.grad = Tensor(np.ones(2))
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_leaf_given_other_data_gets_gradients_of_its_new_type():
    x = tensor([1.0, 2.0], requires_grad=True)
    x.data = tensor(np.ones((2, 2)))
    (x * 3).sum().backward()
    assert x.grad.dtype is autograd.float64
    assert x.grad.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_a_single_number_is_formatted_as_a_number():
    assert f"{tensor(0.5)} {tensor(3)} {tensor(0.25, requires_grad=True):.1f}" == "0.5 3 0.2"
    assert f"{tensor([0.5])}" == "tensor([0.5000])"


def test_numbers_and_tensors_are_found_among_the_elements():
    x = tensor([1.0, 2.0])
    assert 2 in x
    assert tensor(2.0) in x
    assert 3 not in x


def test_second_derivatives_through_what_was_cut_off_since_are_refused():
    x = leaf([1.0, 2.0])
    y = x * 2
    z = (y * y).sum()
    y.detach_()
    with pytest.raises(RuntimeError, match="mul: its input . has been detached in-place"):
        autograd.grad(z, x, create_graph=True)
