"""Calling a module, and its hooks: forward, backward, and what they leave behind."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd.tensor import Tensor
from tests.drawn import tensor


def test_a_module_without_forward() -> None:
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_forward_hooks_see_and_replace() -> None:
    layer, log = nn.Linear(2, 2), []
    x = tensor(1, 2)
    y = layer(x)
    handles = [
        layer.register_forward_pre_hook(lambda m, args: log.append("pre")),
        layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,), prepend=True),
        layer.register_forward_hook(lambda m, args, out: log.append("post")),
        layer.register_forward_hook(lambda m, args, out: out + 1),
        layer.register_forward_hook(lambda m, args, kwargs, out: log.append(kwargs), with_kwargs=True, prepend=True),
    ]
    expected = F.linear(x * 2, layer.weight, layer.bias) + 1
    np.testing.assert_allclose(layer(x).array, expected.array, rtol=1e-6)
    assert log == ["pre", {}, "post"]
    for handle in handles:
        handle.remove()
    np.testing.assert_array_equal(layer(x).array, y.array)


def test_pre_hooks_with_kwargs() -> None:
    class Add(nn.Module):
        def forward(self, x: Any, *, y: Any) -> Any:
            return x + y

    add = Add()
    handle = add.register_forward_pre_hook(lambda m, args, kwargs: (args, {"y": 10}), with_kwargs=True)
    assert add(1, y=2) == 11
    handle.remove()
    assert add(1, y=2) == 3
    with add.register_forward_pre_hook(lambda m, args: 5):  # not a tuple: the only argument
        assert add(1, y=2) == 7
    add.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match="None or a tuple of \\(new_args, new_kwargs\\)"):
        add(1, y=2)


def test_hooks_that_are_always_called() -> None:
    layer, log = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)
    layer.register_forward_hook(lambda m, args, out: log.append("not called"))
    with pytest.raises(RuntimeError, match="features"):
        layer(tensor(1, 3))
    assert log == [None]

    def fail(*args: Any) -> None:
        raise ValueError("in the hook")

    layer.register_forward_hook(fail, always_call=True)
    with (
        pytest.raises(RuntimeError, match="features"),
        pytest.warns(UserWarning, match="silenced .* in the hook"),
    ):
        layer(tensor(1, 3))


def test_full_backward_hooks() -> None:
    layer, log = nn.Linear(2, 3), []
    x = Tensor(tensor(4, 2).array, requires_grad=True)
    layer.register_full_backward_pre_hook(lambda m, grads: log.append(("pre", grads[0].shape)))
    layer.register_full_backward_hook(lambda m, ins, outs: log.append(("post", ins[0].shape, outs[0].shape)))
    layer(x).sum().backward()
    assert log == [("pre", (4, 3)), ("post", (4, 2), (4, 3))]
    np.testing.assert_allclose(x.grad.array, np.tile(layer.weight.array.sum(0), (4, 1)), rtol=1e-6)


def test_full_backward_hooks_replace_gradients() -> None:
    layer = nn.Linear(2, 3)
    layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 2,))
    layer.register_full_backward_hook(lambda m, ins, outs: (ins[0] * 0 + outs[0].sum(),))
    x = Tensor(tensor(4, 2).array, requires_grad=True)
    layer(x).sum().backward()
    np.testing.assert_array_equal(layer.bias.grad.array, np.full(3, 8.0))
    np.testing.assert_array_equal(x.grad.array, np.full((4, 2), 24.0))


def test_full_backward_hooks_where_no_input_requires_a_gradient() -> None:
    layer, log = nn.Linear(2, 3), []
    handle = layer.register_full_backward_hook(lambda m, ins, outs: log.append((ins, outs[0].shape)))
    layer(tensor(4, 2)).sum().backward()
    assert log == [((None,), (4, 3))]
    with autograd.no_grad():
        layer(tensor(4, 2))
    handle.remove()
    with layer.register_full_backward_hook(lambda m, ins, outs: ins):  # a None for each
        layer(tensor(4, 2)).sum().backward()
    layer.register_full_backward_hook(lambda m, ins, outs: outs)
    with pytest.raises(RuntimeError, match="no input requires gradient"):
        layer(tensor(4, 2)).sum().backward()


def test_full_backward_hooks_of_several_values(torch: Any) -> None:
    """Arguments that are no tensors, or need no gradient, count as None; so does a count that is wrong."""

    def build(library: Any, base: Any) -> Any:
        class Mix(base):  # type: ignore[misc]
            def forward(self, x: Any, k: float, z: Any) -> Any:
                return x * k, z + x

        return Mix()

    logs: list[Any] = []
    for library, base, make in (
        (autograd, nn.Module, autograd.tensor),
        (torch, torch.nn.Module, torch.tensor),
    ):
        mix = build(library, base)
        x, z = make([1.0, 2.0], requires_grad=True), make([3.0, 4.0])
        seen: list[Any] = []
        mix.register_full_backward_hook(lambda m, ins, outs, seen=seen: seen.append((ins, outs)))
        a, b = mix(x, 3.0, z)
        (a.sum() + 2 * b.sum()).backward()
        ((ins, outs),) = seen
        logs.append(([None if g is None else g.tolist() for g in ins], [g.tolist() for g in outs], x.grad.tolist()))
    assert logs[0] == logs[1]
    mix = build(autograd, nn.Module)
    mix.register_full_backward_hook(lambda m, ins, outs: ins[:1])
    with pytest.raises(RuntimeError, match="backward hook returned 1 values, but expected 3 values"):
        mix(Tensor(np.ones(2), requires_grad=True), 3.0, Tensor(np.ones(2)))[0].sum().backward()


def test_full_backward_hooks_are_called_once_where_a_gradient_is_differentiated(torch: Any) -> None:
    logs: list[Any] = []
    for library, base, make in ((autograd, nn.Module, autograd.tensor), (torch, torch.nn.Module, torch.tensor)):

        class Cube(base):  # type: ignore[misc]
            def forward(self, x: Any) -> Any:
                return x * x * x

        cube, seen = Cube(), []
        cube.register_full_backward_hook(
            lambda m, ins, outs, seen=seen: seen.append((ins[0].tolist(), outs[0].tolist()))
        )
        x = make([1.0, 2.0], requires_grad=True)
        (grad,) = library.autograd.grad(cube(x).sum(), x, create_graph=True)
        (grad**2).sum().backward()
        logs.append((seen, x.grad.tolist()))
    assert logs[0] == logs[1]
    assert logs[0] == ([([3.0, 12.0], [1.0, 1.0])], [36.0, 288.0])


def test_full_backward_hooks_get_none_for_outputs_that_were_not_used(torch: Any) -> None:
    logs: list[Any] = []
    for base, make in ((nn.Module, autograd.tensor), (torch.nn.Module, torch.tensor)):

        class Split(base):  # type: ignore[misc]
            def forward(self, x: Any, y: Any) -> Any:
                return x * 2, y * 3

        split, seen = Split(), []
        split.register_full_backward_hook(lambda m, ins, outs, seen=seen: seen.append([*ins, *outs]))
        x, y = make([1.0], requires_grad=True), make([1.0], requires_grad=True)
        split(x, y)[0].sum().backward()
        logs.append([None if g is None else g.tolist() for g in (*seen[0], x.grad, y.grad)])
    assert logs[0] == logs[1] == [[2.0], [0.0], [1.0], None, [2.0], [0.0]]


def test_hooks_leave_no_reference_cycles() -> None:

    layer = nn.Linear(2, 3)
    layer.register_full_backward_hook(lambda m, ins, outs: None)
    gc.collect()
    gc.disable()
    try:
        x = Tensor(tensor(4, 2).array, requires_grad=True)
        y = layer(x).sum()
        y.backward()
        gone = weakref.ref(y)
        del y
        assert gone() is None
    finally:
        gc.enable()
