"""Views and in-place ops: what shares memory, whose history changes, and which stale values are refused."""

import numpy as np
import pytest

import autograd
from autograd import tensor

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")


def both(program):
    """Run a program of PyTorch calls on both libraries and compare every number it returns."""
    ours, theirs = program(autograd), program(torch)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-12)


def leaves(lib):
    x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=lib.float64, requires_grad=True)
    w = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True)
    return x, w


def write_through_view(lib):
    x, w = leaves(lib)
    y = x * 2
    y[0].mul_(w)
    (y * y).sum().backward()
    return [y, x.grad, w.grad]


def other_view_sees_the_write(lib):
    x, w = leaves(lib)
    y = x * 2
    row, column = y[1], y[:, 2]
    row.mul_(w)
    (column * column).sum().backward()
    return [column, x.grad, w.grad]


def write_to_base_seen_by_view(lib):
    x, w = leaves(lib)
    y = x * 2
    view = y.t()[1:]
    y.add_(w)
    (view**3).sum().backward()
    return [view, x.grad, w.grad]


def chain_of_writes(lib):
    x, w = leaves(lib)
    y = x + 0
    y[0, 1:] = w[:2] * 3
    y[:, 0] = y[:, 1]
    y.mul_(2).add_(x)
    y[1] += y[0]
    (y**2).sum().backward()
    return [y, x.grad, w.grad]


def view_of_untracked_base(lib):
    _, w = leaves(lib)
    base = lib.zeros(2, 3, dtype=lib.float64)
    view = base[1]
    base.add_(w)
    (view * view).sum().backward()
    return [base, view, w.grad]


def write_of_a_constant_stops_the_gradient(lib):
    x, _ = leaves(lib)
    y = x * 3
    y[0].zero_()
    y.sum().backward()
    return [y, x.grad]


def in_place_saves_the_old_value(lib):
    x, w = leaves(lib)
    y = x * 2
    y.mul_(w)
    y.div_(w + 3)
    y.sum().backward()
    return [x.grad, w.grad]


def reshape_and_expand(lib):
    x, w = leaves(lib)
    y = (x * 1).reshape(3, 2)
    y.view(-1)[2:4].exp_()
    (y.t() * w.reshape(1, 3).expand(2, 3)).sum().backward()
    return [y, x.grad, w.grad]


def second_derivative_through_a_write(lib):
    x, w = leaves(lib)
    y = x**2
    y[0] = y[1].clone() * w
    (g,) = lib.autograd.grad((y**2).sum(), x, create_graph=True)
    (g * w).sum().backward()
    return [g, x.grad, w.grad]


def what_was_overwritten_has_gradient_0_whatever_arrives(lib):
    x, w = leaves(lib)
    y, z = x * 2, w * 2
    y.fill_(3)
    z.copy_(lib.ones(3, dtype=lib.float64))
    (y * lib.nan + z * lib.inf).sum().backward()
    return [x.grad, w.grad]


def reshaping_in_place_keeps_the_history_under_no_grad(lib):
    x, w = leaves(lib)
    y = x * 2
    with lib.no_grad():
        y.unsqueeze_(0)
    (y * w).sum().backward()
    return [y, x.grad, w.grad]


def detach_shares_memory(lib):
    x, _ = leaves(lib)
    y = x * 2
    d = y.detach()
    d[0, 0] = 100.0
    return [y, d, lib.tensor(float(d.requires_grad))]


@pytest.mark.parametrize(
    "program",
    [
        write_through_view,
        other_view_sees_the_write,
        write_to_base_seen_by_view,
        chain_of_writes,
        view_of_untracked_base,
        write_of_a_constant_stops_the_gradient,
        in_place_saves_the_old_value,
        reshape_and_expand,
        second_derivative_through_a_write,
        what_was_overwritten_has_gradient_0_whatever_arrives,
        reshaping_in_place_keeps_the_history_under_no_grad,
        detach_shares_memory,
    ],
    ids=lambda f: f.__name__,
)
def test_as_in_pytorch(program):
    both(program)


def stale_input(lib):
    x, w = leaves(lib)
    y = x * 2
    z = y * w
    y.add_(1)
    z.sum().backward()


def stale_output(lib):
    x, _ = leaves(lib)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


def stale_through_view(lib):
    x, w = leaves(lib)
    y = x * 2
    z = y * w
    y[0].add_(1)
    z.sum().backward()


def stale_through_detach(lib):
    x, _ = leaves(lib)
    y = x.exp()
    y.detach().add_(1)
    y.sum().backward()


def write_to_expanded(lib):
    lib.zeros(1).expand(3).add_(1)


def in_place_that_would_grow(lib):
    lib.zeros(3).add_(lib.zeros(2, 3))


def in_place_float_into_int(lib):
    lib.tensor([1, 2]).mul_(1.5)


def view_under_no_grad(lib):
    x, w = leaves(lib)
    y = x * 2
    with lib.no_grad():
        view = y[0]
    view.mul_(w)


def hidden_view(lib, make=lambda y: y[:2]):
    x, _ = leaves(lib)
    y = x * 2
    with lib.no_grad():
        return y, make(y)


def write_to_a_view_under_no_grad(lib):
    _y, view = hidden_view(lib)
    view.add_(1)


def write_to_a_view_of_a_leaf_under_no_grad(lib):
    x, _ = leaves(lib)
    with lib.no_grad():
        view = x[:2]
    view.zero_()


def set_item_of_a_view_under_no_grad(lib):
    _y, view = hidden_view(lib)
    view[0] = 5.0


def write_to_a_view_of_views_under_no_grad(lib):
    _y, view = hidden_view(lib, lambda y: y[:2][:1])
    view.fill_(2.0)


def write_to_a_view_of_a_view_under_no_grad(lib):
    _y, view = hidden_view(lib)
    view[:1].uniform_()


def write_of_a_history_to_a_view_of_a_view_under_no_grad(lib):
    _, w = leaves(lib)
    with lib.no_grad():
        view = lib.ones(3)[:2]
    view[:1].mul_(w.sum())


def reshape_in_place_a_view_under_no_grad(lib):
    _y, view = hidden_view(lib)
    view.unsqueeze_(0)


def detach_a_view_in_place(lib):
    x, _ = leaves(lib)
    (x * 2)[0].detach_()


@pytest.mark.parametrize(
    "program",
    [
        stale_input,
        stale_output,
        stale_through_view,
        stale_through_detach,
        write_to_expanded,
        in_place_that_would_grow,
        in_place_float_into_int,
        view_under_no_grad,
        write_to_a_view_under_no_grad,
        write_to_a_view_of_a_leaf_under_no_grad,
        set_item_of_a_view_under_no_grad,
        write_to_a_view_of_views_under_no_grad,
        write_to_a_view_of_a_view_under_no_grad,
        write_of_a_history_to_a_view_of_a_view_under_no_grad,
        reshape_in_place_a_view_under_no_grad,
        detach_a_view_in_place,
    ],
    ids=lambda f: f.__name__,
)
def test_refused_as_in_pytorch(program):
    with pytest.raises(RuntimeError):
        program(torch)
    with pytest.raises(RuntimeError):
        program(autograd)


def test_a_stale_value_names_saver_writer_shape_and_versions():
    x, w = leaves(autograd)
    y = x * 2
    z = y * w
    y.add_(1)
    y.sub_(1)
    with pytest.raises(RuntimeError, match=r"mul saved its input .*\(2, 3\).*sub_.*version 2, expected version 0"):
        z.sum().backward()


def test_versions_are_shared_by_views_and_detached_tensors():
    x = tensor([1.0, 2.0, 3.0])
    view, cut = x[1:], x.detach()
    assert (x._version, view._version, cut._version) == (0, 0, 0)
    view.add_(1)
    cut.mul_(2)
    assert (x._version, view._version, cut._version) == (2, 2, 2)
    assert x.tolist() == [2.0, 6.0, 8.0]


def test_data_has_a_counter_of_its_own():
    x = tensor([1.0], requires_grad=True)
    x.data.add_(1)
    assert x.item() == 2.0
    assert x._version == 0


def test_an_unused_in_place_under_no_grad_counts_and_keeps_the_leaf():
    x = tensor([1.0, 2.0], requires_grad=True)
    with autograd.no_grad():
        x -= 0.5
    assert x.is_leaf
    assert x.requires_grad
    assert x.tolist() == [0.5, 1.5]
    assert x._version == 1


def test_read_only_memory_is_not_written():
    array = np.ones(3)
    array.setflags(write=False)
    x = autograd.Tensor(array)
    with pytest.raises(RuntimeError, match="add_.*read-only"):
        x.add_(1)


def test_views_under_no_grad_are_written_to_where_no_history_is_lost():
    x = autograd.ones(3, requires_grad=True)
    y = x * 2
    with autograd.no_grad():
        view = y[:2]
        view.zero_()  # inside, as the optimisers do
        of_constant, of_detached, of_forgotten = autograd.ones(3)[:2], y.detach()[:2], (x * 3)[:2]
    for each in (of_constant, of_detached, of_forgotten):
        each.fill_(7.0)
        assert each.tolist() == [7.0, 7.0]
    assert y.tolist() == [7.0, 7.0, 2.0]


def test_a_tensor_given_other_data_shares_nothing_with_its_views():
    x, w = leaves(autograd)
    y = x * 2
    view = y[1]
    y.data = autograd.zeros(5, dtype=autograd.float64)
    view.mul_(w)
    y.add_(1)
    assert y.tolist() == [1.0] * 5
    assert y._version == 1
    view.sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), [8.0, 10.0, 12.0])
    np.testing.assert_array_equal(x.grad.numpy(), [[0.0, 0.0, 0.0], [1.0, -2.0, 4.0]])


def test_gradients_are_of_the_values_used_though_a_leaf_was_given_others_since():
    x, w = leaves(autograd)
    y = (x * w).sum()
    x.data = autograd.zeros(2, 3, dtype=autograd.float64)
    for create_graph in (False, True):
        (g,) = autograd.autograd.grad(y, w, retain_graph=True, create_graph=create_graph)
        np.testing.assert_array_equal(g.detach().numpy(), [5.0, 7.0, 9.0])


def test_a_transposition_in_place_under_no_grad_transposes_the_gradient():
    x = autograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    with autograd.no_grad():
        y.t_()
    (y * autograd.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_a_retained_gradient_is_that_of_the_newest_value():
    def in_place(lib):
        x, w = leaves(lib)
        y = x * 2
        y.retain_grad()
        y.mul_(w)
        (y * y).sum().backward()
        return [y.grad, x.grad]

    def through_the_base(lib):
        x, w = leaves(lib)
        y = x * 2
        view = y[1]
        view.retain_grad()
        y.mul_(w)
        (view * view).sum().backward()
        return [view.grad, x.grad]

    both(in_place)
    both(through_the_base)
