"""Hooks, and whose memory a gradient is: each program runs under PyTorch too, and must return the same."""

import copy
import pickle

import pytest

import autograd
from autograd.hooks import HookTable
from autograd.node import Leaf

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")


def leaf(lib, *values):
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def numbers(value):
    """Return nested lists of numbers."""
    if isinstance(value, (list, tuple)):
        return [numbers(each) for each in value]
    return value.detach().numpy().tolist() if hasattr(value, "detach") else value


# -- gradients that hooks see and keep --------------------------------------------------------------------------------


def a_gradient_kept_by_a_hook_is_not_added_to(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    x.register_hook(seen.append)
    for _ in range(3):
        (x * x).sum().backward()
    return seen, x.grad


def a_tensor_returned_by_a_hook_is_not_added_to(lib):
    x, constant = leaf(lib, 1.0, 2.0), lib.tensor([7.0, 8.0], dtype=lib.float64)
    x.register_hook(lambda grad: constant)
    for _ in range(2):
        (x * x).sum().backward()
    return constant, x.grad


def retained_gradients_are_tensors_of_their_own(lib):
    x = leaf(lib, 1.0, 2.0)
    a, b = x * 1, x * 2
    seed = lib.ones(2, dtype=lib.float64)
    a.retain_grad()
    b.retain_grad()
    (a + b).backward(seed)
    a.grad.mul_(5)
    return a.grad, b.grad, seed, x.grad


def gradients_with_a_graph_are_tensors_of_their_own(lib):
    a, b, seed = leaf(lib, 1.0), leaf(lib, 1.0), lib.ones(1, dtype=lib.float64)
    (a + b).backward(seed, create_graph=True)
    with lib.no_grad():
        a.grad.mul_(5)
    return a.grad, b.grad, seed


def hooks_run_for_chosen_inputs(lib):
    x, w, seen = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0), []
    for each in (x, w):
        each.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.tolist()))
    (x * w).sum().backward(inputs=[x])
    return seen, w.grad is None


def chosen_inputs_count_once(lib):
    x = leaf(lib, 1.0, 2.0)
    (x * x).sum().backward(inputs=[x, x])
    return x.grad


def a_leaf_frozen_since_gets_nothing(lib):
    x, w = leaf(lib, 1.0, 2.0), leaf(lib, 3.0, 4.0)
    y = (x * w).sum()
    x.requires_grad_(False)
    y.backward()
    return x.grad is None, w.grad


def hooks_survive_while_a_leaf_is_frozen(lib):
    x, seen = leaf(lib, 1.0, 2.0), []
    x.register_hook(lambda grad: seen.append(grad.tolist()))
    x.requires_grad_(False)
    x.requires_grad_(True)
    (x * x).sum().backward()
    return seen, x.grad


PROGRAMS = [
    a_gradient_kept_by_a_hook_is_not_added_to,
    a_tensor_returned_by_a_hook_is_not_added_to,
    retained_gradients_are_tensors_of_their_own,
    gradients_with_a_graph_are_tensors_of_their_own,
    hooks_run_for_chosen_inputs,
    chosen_inputs_count_once,
    a_leaf_frozen_since_gets_nothing,
    hooks_survive_while_a_leaf_is_frozen,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True:UserWarning")
def test_as_in_pytorch(program):
    assert numbers(program(autograd)) == numbers(program(torch))


def test_a_gradient_that_was_saved_and_added_to_since_is_refused():
    for lib in (autograd, torch):
        x, w = leaf(lib, 1.0, 2.0), leaf(lib, 1.0, 1.0)
        (x * x).sum().backward()
        y = (w * x.grad).sum()
        (x * x).sum().backward()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda grad: grad.sum(), RuntimeError, r"hook: expected .*float64 of shape \(2,\), got .*of shape \(\)"),
        (lambda grad: grad.float(), RuntimeError, "hook: expected .*float64 .*, got .*float32"),
        (lambda grad: 3.0, TypeError, "hook: expected a Tensor or None, got float"),
    ],
)
def test_what_a_hook_may_not_return(result, error, message):
    for lib, says in ((torch, None), (autograd, message)):
        x = leaf(lib, 1.0, 2.0)
        x.register_hook(result)
        with pytest.raises(error, match=says):
            (x * 2).sum().backward()


# -- copies -----------------------------------------------------------------------------------------------------------


def test_hooks_stay_with_the_original_of_a_copied_graph():
    x, seen = leaf(autograd, 1.0, 2.0), []
    y = x * 2
    y.retain_grad()
    y.register_hook(seen.append)
    copy.deepcopy(y).sum().backward()
    assert y.grad is None
    assert not seen


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_the_copy_of_a_handle_belongs_to_the_copy_of_its_table(copied):
    table = HookTable()
    handle = table.add(len)
    twin, twin_handle = copied((table, handle))
    twin_handle.remove()
    assert (list(table.values()), list(twin)) == ([len], [])
    handle.remove()
    assert not table
    copied(handle).remove()  # of a table that is gone: harmless
    del table
    copied(handle).remove()


def test_hooks_that_came_from_another_process_are_not_replaced():
    table = HookTable()
    key = table.add(len).id
    later = HookTable({key + 1: min, key + 2: max})  # as if it had been pickled by a process that was ahead
    later.add(sum)
    assert list(later.values()) == [min, max, sum]


def test_hooks_of_frozen_leaves_go_with_them():
    x = leaf(autograd, 1.0)
    x.register_hook(print)
    x.requires_grad_(False)
    assert len(Leaf.resting) == 1
    del x
    assert not Leaf.resting
