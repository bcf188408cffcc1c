"""autograd.functional against torch.autograd.functional."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import functional

# PyTorch's forward mode compiles something when it is first used.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def flat(value: Any) -> list[Any]:
    return [x for each in value for x in flat(each)] if isinstance(value, (tuple, list)) else [value]


def nesting(value: Any) -> Any:
    """Say how results nest; PyTorch gives lists in forward mode, where its documentation says tuples."""
    return tuple(map(nesting, value)) if isinstance(value, (tuple, list)) else None


def one(x: Any) -> Any:
    return (x**3).sum() * x[0, 0].sin()


def two(x: Any, y: Any) -> Any:
    return (x @ y).tanh(), (y * y).sum()


def number(x: Any, y: Any) -> Any:
    return ((x @ y) ** 3).sum() + y.exp().sum()


CASES: dict[str, Callable[..., Any]] = {
    "vjp": lambda f, x, y: f.vjp(two, (x, y), (x @ y, y.sum())),
    "vjp of a number": lambda f, x, y: f.vjp(one, x),
    "vjp of one input": lambda f, x, y: f.vjp(lambda x: x.cos(), x, x),
    "vjp that does not depend": lambda f, x, y: f.vjp(lambda x, y: x * 2, (x, y), x),
    "jvp": lambda f, x, y: f.jvp(two, (x, y), (x.cos(), y)),
    "jvp of one input": lambda f, x, y: f.jvp(lambda x: x.cos(), x, x),
    "jvp that does not depend": lambda f, x, y: f.jvp(lambda x: y * 2, x, x),
    "jacobian": lambda f, x, y: f.jacobian(two, (x, y)),
    "jacobian at once": lambda f, x, y: f.jacobian(two, (x, y), vectorize=True),
    "jacobian forwards": lambda f, x, y: f.jacobian(two, (x, y), vectorize=True, strategy="forward-mode"),
    "jacobian of one input": lambda f, x, y: f.jacobian(lambda x: x.cos(), x),
    "jacobian of a tuple of one": lambda f, x, y: f.jacobian(lambda x: (x.cos(),), (x,)),
    "jacobian that does not depend": lambda f, x, y: f.jacobian(lambda x: y * 2, x),
    "hessian": lambda f, x, y: f.hessian(number, (x, y)),
    "hessian at once": lambda f, x, y: f.hessian(number, (x, y), vectorize=True),
    "hessian forwards": lambda f, x, y: f.hessian(
        number, (x, y), vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
    "hessian of one input": lambda f, x, y: f.hessian(one, x),
    "hessian of a linear function": lambda f, x, y: f.hessian(lambda x: x.sum(), x),
    "vhp": lambda f, x, y: f.vhp(number, (x, y), (x.cos(), y)),
    "vhp of one input": lambda f, x, y: f.vhp(one, x, x),
    "vhp of one element": lambda f, x, y: f.vhp(lambda x: (x**3).sum(), x[:1, :1]),
    "vhp of a tensor of one element": lambda f, x, y: f.vhp(lambda x: (x**3).sum()[None], x, x),
    "hvp": lambda f, x, y: f.hvp(number, (x, y), (x.cos(), y)),
    "hvp of one input": lambda f, x, y: f.hvp(one, x, x),
}


@pytest.mark.parametrize("name", CASES)
def test_results_are_pytorchs(name: str, torch: Any) -> None:
    x, y = draw(2, 3), draw(3, 2)
    found = CASES[name](functional, autograd.tensor(x), autograd.tensor(y))
    expected = CASES[name](torch.autograd.functional, torch.tensor(x), torch.tensor(y))
    assert nesting(found) == nesting(expected)
    for ours, theirs in zip(flat(found), flat(expected), strict=True):
        assert not ours.requires_grad
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(ours.array, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", ["vjp", "jvp", "jacobian", "hessian", "vhp", "hvp"])
def test_graphs_through_the_results(name: str, strict: bool, torch: Any) -> None:
    def run(library: Any, home: Any) -> Any:
        x = library.tensor(draw(2, 2), requires_grad=True)
        options = {"create_graph": True, "strict": strict}

        def cubes(x: Any) -> Any:
            return (x**3).sum()

        if name in ("jacobian", "hessian"):
            result = getattr(home, name)(cubes, x, **options)
        elif name in ("vhp", "hvp"):
            result = getattr(home, name)(cubes, x, library.ones_like(x), **options)[1]
        elif name == "jvp":
            result = home.jvp(lambda x: x**3, x, library.ones_like(x), **options)[1]
        else:
            result = home.vjp(lambda x: x**3, x, library.ones_like(x), **options)[1]
        (result**2).sum().backward()
        return x.grad

    ours, theirs = run(autograd, functional), run(torch, torch.autograd.functional)
    np.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-10, atol=1e-10)


def lists(f: Any, t: Any, x: Any) -> Any:
    return f.jacobian(lambda x: [x], x)


WRONG: dict[str, Callable[..., Any]] = {
    "no v": lambda f, t, x: f.vjp(lambda x: x * 2, x),
    "v of another shape": lambda f, t, x: f.vjp(lambda x: x * 2, x, t.ones(2)),
    "v of another count": lambda f, t, x: f.vjp(lambda x: x * 2, x, (x, x)),
    "output a number": lambda f, t, x: f.vjp(lambda x: 3, x),
    "input a number": lambda f, t, x: f.vjp(lambda x: x, 3),
    "input a list": lambda f, t, x: f.jacobian(lambda x: x, [x]),
    "output a list": lists,
    "integers": lambda f, t, x: f.jacobian(lambda x: x, x.long()),
    "strict vjp": lambda f, t, x: f.vjp(lambda x: t.ones(3), x, x, strict=True),
    "strict vjp of two inputs": lambda f, t, x: f.vjp(lambda x, y: x.sum(), (x, x), strict=True),
    "strict vjp of two outputs": lambda f, t, x: f.vjp(lambda x: (x * 2, t.ones(3)), x, (x, x), strict=True),
    "jvp without v": lambda f, t, x: f.jvp(lambda x: x * 2, x),
    "strict jvp": lambda f, t, x: f.jvp(lambda x: t.ones(3), x, x, strict=True),
    "strict jvp of a linear function": lambda f, t, x: f.jvp(lambda x: x * 2, x, x, strict=True, create_graph=True),
    "strict jacobian": lambda f, t, x: f.jacobian(lambda x: t.ones(3), x, strict=True),
    "strict jacobian at once": lambda f, t, x: f.jacobian(lambda x: x, x, strict=True, vectorize=True),
    "strict jacobian of a linear function": lambda f, t, x: f.jacobian(
        lambda x: x * 2, x, strict=True, create_graph=True
    ),
    "forward mode by rows": lambda f, t, x: f.jacobian(lambda x: x, x, strategy="forward-mode"),
    "forward mode with a graph": lambda f, t, x: f.jacobian(
        lambda x: x, x, strategy="forward-mode", vectorize=True, create_graph=True
    ),
    "unknown strategy": lambda f, t, x: f.jacobian(lambda x: x, x, strategy="sideways"),
    "hessian of a vector": lambda f, t, x: f.hessian(lambda x: x, x),
    "hessian of two numbers": lambda f, t, x: f.hessian(lambda x: (x.sum(), x.sum()), x),
    "hessian of a Python number": lambda f, t, x: f.hessian(lambda x: 3.0, x),
    "strict hessian of a linear function": lambda f, t, x: f.hessian(lambda x: x.sum(), x, strict=True),
    "vhp without v": lambda f, t, x: f.vhp(lambda x: x.sum(), x),
    "vhp of a vector": lambda f, t, x: f.vhp(lambda x: x, x, x),
    "strict vhp of a linear function": lambda f, t, x: f.vhp(lambda x: x.sum(), x, x, strict=True),
    "strict hvp of a linear function": lambda f, t, x: f.hvp(lambda x: x.sum(), x, x, strict=True),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_raises_what_pytorch_raises(name: str, torch: Any) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  # whatever it is
        WRONG[name](torch.autograd.functional, torch, torch.ones(3))
    with pytest.raises(expected.type):
        WRONG[name](functional, autograd, autograd.ones(3))
