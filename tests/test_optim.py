"""What optimisers share: groups, states, hooks, closures, copies, errors."""

import copy
import pickle

import numpy as np
import pytest

import autograd
from autograd import tensor
from nn import optim
from tests.optim_cases import assert_close, assert_same, give_gradients, parameters, values

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_a_copy_steps_on_its_own(how):
    params = parameters(autograd)
    optimizer = optim.Adam(params, lr=0.1)
    give_gradients(autograd, params, 1)
    optimizer.step()
    copied_params, copied = how((params, optimizer))
    before = values(params)
    for step in (2, 4):
        give_gradients(autograd, copied_params, step)
        copied.step()
    np.testing.assert_array_equal(before, values(params))
    for step in (2, 4):
        give_gradients(autograd, params, step)
        optimizer.step()
    assert_same(copied_params, params)


def test_groups_have_options_of_their_own_and_mixed_types():
    ours, theirs = parameters(autograd), parameters(torch)
    mine = optim.SGD([{"params": ours[:1], "lr": 0.5}, {"params": ours[1:]}], lr=0.1, momentum=0.9)
    other = torch.optim.SGD([{"params": theirs[:1], "lr": 0.5}, {"params": theirs[1:]}], lr=0.1, momentum=0.9)
    for step in range(3):
        for lib, params, optimizer in ((autograd, ours, mine), (torch, theirs, other)):
            give_gradients(lib, params, step)
            optimizer.step()
    assert_close(ours, theirs)
    single = tensor([1.0], requires_grad=True)
    mine.add_param_group({"params": [single, tensor([1.0], dtype=autograd.float64, requires_grad=True)]})
    single.grad = tensor([2.0])
    mine.step()
    assert single.item() == pytest.approx(0.8)


def test_a_parameter_in_another_memory_order_is_stepped_where_it_lives():
    base = np.arange(6.0).reshape(2, 3)
    param = autograd.Tensor(base.T, requires_grad=True)
    optimizer = optim.SGD([param], lr=1.0)
    for _ in range(2):
        param.grad = autograd.Tensor(np.ones((2, 3)).T)
        optimizer.step()
    np.testing.assert_array_equal(base, np.arange(6.0).reshape(2, 3) - 2)


def test_a_step_counts_as_a_write():
    w = tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w.grad = tensor([1.0, 1.0])
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"SGD.step has written"):
        loss.backward()


def test_closures_hooks_and_zero_grad():
    w = tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([("w", w)], lr=0.1)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))

    def closure():
        optimizer.zero_grad()
        loss = (w * 3).sum()
        loss.backward()
        return loss

    with autograd.no_grad():
        assert optimizer.step(closure).item() == 3.0
    assert calls == ["before", "after"]
    assert w.item() == pytest.approx(0.7)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([], lr=0.1), ValueError, "empty parameter list"),
        (lambda: optim.SGD(tensor([1.0]), lr=0.1), TypeError, "iterable"),
        (lambda: optim.SGD([1.0], lr=0.1), TypeError, "float"),
        (lambda: optim.SGD([tensor([1.0], requires_grad=True) * 2], lr=0.1), ValueError, "non-leaf"),
        (lambda: optim.SGD([tensor([1.0])], lr=-1.0), ValueError, "SGD: lr must be at least 0, got -1.0"),
        (lambda: optim.SGD([tensor([1.0])], nesterov=True), ValueError, "Nesterov"),
        (lambda: optim.Adam([tensor([1.0])], betas=(0.9, 1.0)), ValueError, r"Adam: betas\[1\] must be in \[0, 1\)"),
        (lambda: optim.AdamW([tensor([1.0])], eps=float("nan")), ValueError, "AdamW: eps"),
        (lambda: optim.RMSprop([tensor([1.0])], alpha=-1), ValueError, "RMSprop: alpha"),
        (lambda: optim.Adagrad([tensor([1.0])], lr_decay=-1), ValueError, "Adagrad: lr_decay"),
        (lambda: optim.SGD([tensor([1.0])] * 0 + [p := tensor([1.0]), p]), ValueError, "twice"),
        (
            lambda: optim.SGD([tensor([1.0])]).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "groups: 0",
        ),
    ],
)
def test_wrong_options_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
