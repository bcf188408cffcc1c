"""Containers: Sequential, ModuleList, ModuleDict, and lists and dictionaries of parameters."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nn
from autograd.tensor import Tensor
from tests.drawn import tensor


def layers(count: int) -> list[Any]:
    return [nn.Linear(1, 1) for _ in range(count)]


def test_sequential() -> None:
    a, b, c, d = layers(4)
    net = nn.Sequential(a, b, c)
    assert len(net) == 3
    assert list(net) == [a, b, c]
    assert net[-1] is c
    assert list(net[1:]._modules) == ["1", "2"]
    assert list(net[1:]) == [b, c]
    net[0] = d
    assert list(net) == [d, b, c]
    del net[1]
    assert dict(net._modules) == {"0": d, "1": c}
    assert net.append(a) is net
    assert list(net.insert(1, b)) == [d, b, c, a]
    assert list(net.insert(-1, b)) == [d, b, c, b, a]
    assert net.pop(0) is d
    assert list(net.extend([d, d])) == [b, c, b, a, d, d]
    del net[2:]
    assert list(net) == [b, c]
    assert list(net + net) == [b, c, b, c]
    assert list(2 * net) == list(net * 2) == [b, c, b, c]
    net += nn.Sequential(a)
    net *= 2
    assert list(net) == [b, c, a, b, c, a]
    x = tensor(1, 1)
    np.testing.assert_array_equal(nn.Sequential(a, b)(x).array, b(a(x)).array)
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda s: s[5], IndexError),
        (lambda s: s["0"], TypeError),
        (lambda s: s + 1, ValueError),
        (lambda s: s * 1.5, TypeError),
        (lambda s: s * 0, ValueError),
        (lambda s: s.insert(9, nn.ReLU()), IndexError),
        (lambda s: s.insert(0, 3), AssertionError),
        (lambda s: s.append(3), TypeError),
        (lambda s: nn.Sequential(3), TypeError),
        (lambda s: nn.ModuleList(3), TypeError),
        (lambda s: nn.ModuleList([nn.ReLU()])[1], IndexError),
        (lambda s: nn.ModuleList([nn.ReLU()])(1), NotImplementedError),
        (lambda s: nn.ModuleDict()["a"], KeyError),
        (lambda s: nn.ModuleDict().update(3), TypeError),
        (lambda s: nn.ModuleDict([("a",)]), ValueError),
        (lambda s: nn.ModuleDict([3]), TypeError),
        (lambda s: nn.ModuleDict({"keys": nn.ReLU()}), KeyError),
        (lambda s: nn.ParameterList(Tensor(np.ones(2))), TypeError),
        (lambda s: nn.ParameterList([1])(1), RuntimeError),
        (lambda s: nn.ParameterDict().popitem(), KeyError),
        (lambda s: nn.ParameterDict()["a"], KeyError),
        (lambda s: nn.ParameterDict({3: 1}), TypeError),
        (lambda s: nn.ParameterDict({"a": 1})(1), RuntimeError),
    ],
)
def test_wrong_use_of_containers(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(nn.Sequential(nn.ReLU()))


def test_sequential_of_names() -> None:
    a, b = layers(2)
    net = nn.Sequential(OrderedDict(first=a, second=b))
    assert net.second is net[1] is b
    assert list(net[:1]._modules) == ["first"]
    assert list(net.state_dict()) == ["first.weight", "first.bias", "second.weight", "second.bias"]


def test_a_slice_of_sequential_shares_parameters() -> None:
    net = nn.Sequential(*layers(3))
    assert net[1:][0].weight is net[1].weight


def test_module_list() -> None:
    a, b, c, d = layers(4)
    held = nn.ModuleList([a, b])
    assert held.append(c) is held
    held += [d]
    assert list(held) == [a, b, c, d]
    held.insert(0, d)
    assert list(held) == [d, a, b, c, d]
    assert list(held[1:3]) == [a, b]
    assert held.pop(0) is d
    held[-1] = a
    del held[0]
    assert dict(held._modules) == {"0": b, "1": c, "2": a}
    assert list(held + [d]) == [b, c, a, d]
    assert len(list(held.parameters())) == 6


def test_a_failed_insert_changes_nothing() -> None:
    a, b = layers(2)
    held = nn.ModuleList([a, b])
    with pytest.raises(TypeError, match="insert: int is not a Module subclass"):
        held.insert(0, 3)  # type: ignore[arg-type]
    assert list(held) == [a, b]
    held.insert(1, None)  # type: ignore[arg-type]  # as PyTorch's list, it may hold nothing at a place
    assert list(held) == [a, None, b]


def test_module_dict() -> None:
    a, b, c, _ = layers(4)
    held = nn.ModuleDict({"a": a})
    held["b"] = b
    held.update([("c", c)])
    assert list(held) == list(held.keys()) == ["a", "b", "c"]
    assert list(held.values()) == [a, b, c]
    assert dict(held.items()) == {"a": a, "b": b, "c": c}
    assert "b" in held
    assert held.pop("b") is b
    del held["a"]
    assert len(held) == 1
    held.clear()
    assert len(held) == 0


def test_parameter_list() -> None:
    p, q = nn.Parameter(tensor(1)), tensor(2)
    held = nn.ParameterList([p, q, "other"])
    assert held[0] is p
    assert isinstance(held[1], nn.Parameter)
    assert held[-1] == "other"
    held += [q]
    held[0] = q
    assert [type(x) for x in held[1:3]] == [nn.Parameter, str]
    assert len(held) == 4
    assert [name for name, _ in held.named_parameters()] == ["0", "1", "3"]


def test_parameter_dict() -> None:
    p, q = nn.Parameter(tensor(1)), tensor(2)
    held = nn.ParameterDict({"p": p})
    held["q"] = q
    assert isinstance(held["q"], nn.Parameter)
    assert held.get("z", 3) == 3
    assert held.setdefault("r", 5) == 5
    assert list(held) == list(held.keys()) == ["p", "q", "r"]
    assert list(reversed(held)) == ["r", "q", "p"]
    assert held.values()[0] is p
    assert len(held | {"s": q}) == 4
    assert list(held.fromkeys(["u", "v"], 1).items()) == [("u", 1), ("v", 1)]
    held |= {"t": 4}
    assert held.popitem() == ("t", 4)
    assert held.pop("r") == 5
    assert held.copy()["p"] is p
    del held["q"]
    assert "q" not in held
    held.clear()
    assert len(held) == 0


def test_parameters_of_a_dictionary_come_in_pytorchs_order(torch: Any) -> None:
    """Optimisers number parameters by it: plain mappings are sorted, what has an order of its own keeps it."""
    orders = []
    for n, new in ((nn, lambda: nn.Parameter(tensor(1))), (torch.nn, lambda: torch.nn.Parameter(torch.ones(1)))):
        items = [(name, new()) for name in ("b", "c", "a")]
        given = (dict(items), OrderedDict(items), items, n.ParameterDict(items))
        orders.append([[name for name, _ in n.ParameterDict(each).named_parameters()] for each in given])
    assert orders[0] == orders[1]
    assert orders[0][:2] == [["a", "b", "c"], ["b", "c", "a"]]
