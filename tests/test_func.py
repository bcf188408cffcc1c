"""autograd.func against torch.func: each case is written once and run under both libraries."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd import func
from autograd.pytree import flatten, unflatten
from autograd.tensor import Tensor

# PyTorch's forward mode compiles something when it is first used.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")

OURS = SimpleNamespace(torch=autograd, nn=nn, F=F, **{name: getattr(func, name) for name in func.__all__})


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


@pytest.fixture
def both(torch: Any) -> Any:
    """Both libraries, each with everything a case uses."""
    names = [name for name in func.__all__ if hasattr(torch.func, name)]
    theirs = SimpleNamespace(
        torch=torch, nn=torch.nn, F=torch.nn.functional, **{name: getattr(torch.func, name) for name in names}
    )
    return OURS, theirs


def arrays(tree: Any) -> tuple[list[np.ndarray], list[Any]]:
    """Return the arrays of a result, and how it is nested."""
    leaves, structure = flatten(tree)
    values = [x.detach().numpy() if hasattr(x, "detach") else np.asarray(x) for x in leaves]
    return values, [structure]


def compare(both: Any, case: Callable[..., Any], *inputs: np.ndarray, tolerance: float = 1e-10) -> None:
    ours, theirs = both
    found, nesting = arrays(case(ours, *[ours.torch.tensor(x) for x in inputs]))
    expected, their_nesting = arrays(case(theirs, *[theirs.torch.tensor(x) for x in inputs]))
    assert nesting == their_nesting
    for y, reference in zip(found, expected, strict=True):
        assert y.dtype == reference.dtype
        assert y.shape == reference.shape
        np.testing.assert_allclose(y, reference, rtol=tolerance, atol=tolerance)


CASES: dict[str, Callable[..., Any]] = {}


def case(function: Callable[..., Any]) -> Callable[..., Any]:
    CASES[function.__name__] = function
    return function


# -- derivatives -----------------------------------------------------------------------------------------------------


@case
def gradients(t: Any, x: Any, w: Any) -> Any:
    def f(x: Any, w: Any) -> Any:
        return (t.torch.tanh(x @ w) ** 2).sum()

    with_aux = t.grad(lambda x, w: (f(x, w), {"x": x * 2, "n": [w]}), has_aux=True)
    return (
        t.grad(f)(x, w),
        t.grad(f, argnums=1)(x, w),
        t.grad(f, argnums=(1, 0))(x, w),
        t.grad(f, argnums=-1)(x, w),
        t.grad_and_value(f)(x, w),
        t.grad_and_value(f, argnums=(0,))(x, w),
        with_aux(x, w),
        t.grad(lambda d: f(d["a"], d["b"][0]))({"a": x, "b": (w,)}),
        t.grad(lambda x, scale: (x * scale).sum())(x, scale=2.0),
        t.grad(lambda x: (w * w).sum())(x),
    )


@case
def gradients_of_gradients(t: Any, x: Any, w: Any) -> Any:
    def sine(x: Any) -> Any:
        return t.torch.sin(x[0, 0] * x[1, 1])

    inner = t.grad(lambda x: (t.grad(sine)(x) ** 2).sum())
    confusion = t.grad(lambda a: a * t.grad(lambda b: a + b)(a))  # of b alone: 1, not 2
    return inner(x), t.grad(lambda x: inner(x).sum())(x), confusion(x[0, 0])


@case
def vector_jacobian_products(t: Any, x: Any, w: Any) -> Any:
    y, pull = t.vjp(lambda x, w: {"a": x @ w, "b": (x.sum(), w * 3)}, x, w)
    u = {"a": y["a"].cos(), "b": (y["b"][0] * 2, w)}
    value, pull_aux, aux = t.vjp(lambda x: (x * 2, [x.sum()]), x, has_aux=True)
    many, pull_many = t.vjp(lambda x: (x, x * 2), x)
    return y, pull(u), pull(u), value, pull_aux(x), aux, many, pull_many((x, x)), pull_many((x * 0, x))


@case
def jacobian_vector_products(t: Any, x: Any, w: Any) -> Any:
    return (
        t.jvp(lambda x, w: t.torch.tanh(x @ w), (x, w), (x * 2, w.cos())),
        t.jvp(lambda x: {"a": x * x, "b": (x.sum(),)}, (x,), (x,)),
        t.jvp(lambda x: (x.exp(), x.sum()), (x,), (x * 0 + 1,), has_aux=True),
        t.jvp(lambda x: w * 2, (x,), (x,)),
        t.jvp(lambda d: d["a"].sin(), ({"a": x},), ({"a": x},)),
    )


@case
def jacobians(t: Any, x: Any, w: Any) -> Any:
    def f(x: Any, w: Any) -> Any:
        return {"y": t.torch.tanh(x @ w), "z": [x.sum(), (w * w).prod()]}

    results = []
    for jac in (t.jacrev, t.jacfwd):
        results += [
            jac(f)(x, w),
            jac(f, argnums=1)(x, w),
            jac(f, argnums=(0, 1))(x, w),
            jac(lambda x: (x.cos(), x.sum()), has_aux=True)(x),
            jac(lambda d: d["a"] ** 3)({"a": x}),
            jac(lambda x: w * 2)(x),
        ]
    return results, t.jacrev(f, argnums=(1,), chunk_size=2)(x, w), t.jacrev(f, chunk_size=100)(x, w)


@case
def hessians(t: Any, x: Any, w: Any) -> Any:
    def f(x: Any, w: Any) -> Any:
        return (t.torch.tanh(x @ w) ** 3).sum()

    return (
        t.hessian(f)(x, w),
        t.hessian(f, argnums=(0, 1))(x, w),
        t.jacrev(t.jacfwd(f))(x, w),
        t.jacfwd(t.jacrev(f))(x, w),
        t.jacfwd(t.jacfwd(f, argnums=1), argnums=0)(x, w),
        t.hessian(lambda x: x.sin().sum(0))(x),
        t.vmap(t.hessian(lambda v: (v**3).sum() * v[0]))(x),
    )


@case
def products_with_the_hessian(t: Any, x: Any, w: Any) -> Any:
    def f(x: Any) -> Any:
        return (x**4).sum() + (x @ w).exp().sum()

    forward_over_reverse = t.jvp(t.grad(f), (x,), (x.cos(),))[1]
    reverse_over_forward = t.grad(lambda x: t.jvp(f, (x,), (x.detach().cos(),))[1])(x)
    return forward_over_reverse, reverse_over_forward, t.vjp(t.grad(f), x)[1](x.cos())


@case
def beside_the_ordinary_tape(t: Any, x: Any, w: Any) -> Any:
    """What requires gradients outside gets them through a derivative inside."""
    x.requires_grad_()
    w.requires_grad_()
    slope = t.grad(lambda x: ((x @ w) ** 2).sum())(x)
    rows = t.vmap(lambda v: (v @ w).tanh())(x)
    (slope.sin().sum() + rows.sum()).backward()
    with t.torch.no_grad():
        quiet = t.grad(lambda x: (x**3).sum())(x)
    return x.grad, w.grad, slope.requires_grad, quiet.requires_grad, quiet


@case
def meta_learning(t: Any, x: Any, w: Any) -> Any:
    """Gradients of what several tasks lose after a step of their own (Finn et al. 2017)."""

    def loss(params: Any, x: Any, y: Any) -> Any:
        return ((t.torch.tanh(x @ params["w"]) @ params["v"] - y) ** 2).mean()

    def adapted(params: Any, x: Any, y: Any) -> Any:
        grads = t.grad(loss)(params, x, y)
        return loss({name: p - 0.1 * grads[name] for name, p in params.items()}, x, y)

    params = {"w": w, "v": w.sum(0)}
    tasks = t.torch.stack([x, x.flip(0), x * 2])
    targets = tasks.sum(-1).sin()

    def total(params: Any) -> Any:
        return t.vmap(adapted, in_dims=(None, 0, 0))(params, tasks, targets).mean()

    return t.grad_and_value(total)(params), t.vmap(t.grad(adapted), in_dims=(None, 0, 0))(params, tasks, targets)


# -- vmap --------------------------------------------------------------------------------------------------------------


@case
def dimensions(t: Any, x: Any, w: Any) -> Any:
    three = t.torch.stack([x, x + 1, x * 2])
    return (
        t.vmap(lambda v: v.sum())(x),
        t.vmap(lambda v: v * 2, in_dims=1, out_dims=1)(x),
        t.vmap(lambda v: v.sum(0), in_dims=-1, out_dims=-1)(three),
        t.vmap(t.torch.mm, in_dims=(0, None), out_dims=1)(three, w),
        t.vmap(lambda d, y: {"s": d["a"] + y, "p": (d["b"],)}, in_dims=({"a": 0, "b": None}, 0))({"a": x, "b": w}, x),
        t.vmap(lambda v: (v, v.sum()), out_dims=(1, 0))(x),
        t.vmap(lambda pair: pair[0] * pair[1])((x, x)),
        t.vmap(lambda v: w)(x),
        t.vmap(lambda v, k: v * k, in_dims=(0, None))(x, 3.0),
        t.vmap(t.vmap(lambda a, b: a * b + 1, in_dims=(0, None)), in_dims=(None, 0))(x[0], x[1]),
        t.vmap(t.vmap(t.torch.dot))(x.expand(2, *x.shape), three[1:]),
        t.vmap(t.vmap(lambda v: v.cumsum(0), in_dims=1, out_dims=1), in_dims=2, out_dims=1)(three),
        t.vmap(lambda v: v.sin(), chunk_size=2)(x),
        t.vmap(lambda v: (v, v.sum()), out_dims=(1, 0), chunk_size=2)(x),
    )


@case
def types(t: Any, x: Any, w: Any) -> Any:
    """A number per sample counts as a number: it does not widen the type of what has dimensions."""
    narrow = x.float()
    return (
        t.vmap(lambda a, b: a * b, in_dims=(0, None))(x[:, 0], narrow),
        t.vmap(lambda a, b: a + b)(narrow, x),
        t.vmap(lambda a: a * 2.5)((x > 0).long()),
        t.vmap(lambda a: a > 0)(x),
        t.vmap(lambda a: a.sum())(x > 0),
        t.vmap(lambda a: t.torch.where(a > 0, a, 0.0))(narrow),
    )


@case
def writing(t: Any, x: Any, w: Any) -> Any:
    def in_place(v: Any) -> Any:
        v = v.clone()
        v[0] = 5.0
        v[1:].mul_(2)
        v += 1
        out = t.torch.zeros_like(v)
        out[1:] = v[:-1]
        buffer = v.new_zeros(2)
        buffer[0] = v.sum()
        return out, buffer, v

    def gradient(v: Any) -> Any:
        y = v * 1
        y[0] = v[1] * v[0]
        y.mul_(v)
        y[1:] += v[:-1].sin()
        return y.sum()

    return t.vmap(in_place)(x), t.vmap(t.grad(gradient))(x), t.grad(lambda x: t.vmap(gradient)(x).sum())(x)


@case
def indexing(t: Any, x: Any, w: Any) -> Any:
    index = t.torch.tensor([1, 0, 2, 1])
    pairs = t.torch.tensor([[1, 0], [0, 0], [2, 1], [1, 2]])
    return (
        t.vmap(lambda v, i: v[i])(x, index),
        t.vmap(lambda v, i: v[i])(x, pairs),
        t.vmap(lambda v, i: v[:, i], in_dims=(None, 0))(x, index),
        t.vmap(lambda v, i: v[i], in_dims=(None, 0))(x, index),
        t.vmap(lambda v, i: v[0, None, :, i], in_dims=(None, 0))(x.expand(2, 4, 3), pairs),
        t.vmap(lambda v: v[t.torch.tensor([2, 0])])(x),
        t.vmap(lambda v: v[..., [0, 0]])(x),
        t.vmap(lambda v: v[[[0, 1], [1, 0]], :, [1, 2]])(t.torch.arange(72.0).reshape(4, 2, 3, 3)),
        t.vmap(lambda v, i: v[i[0], :, i[1]])(t.torch.arange(108.0).reshape(4, 3, 3, 3), pairs),
        t.vmap(lambda v, i: v.gather(0, i))(x, pairs),
        t.vmap(lambda v, i: v.index_select(0, i))(x, pairs),
        t.vmap(lambda v, i: t.torch.zeros_like(v).index_add(0, i, v[:2]))(x, pairs),
        t.vmap(lambda v, i: t.torch.zeros_like(v).scatter(0, i, v[:2]))(x, t.torch.tensor([[0, 1]] * 4)),
        t.vmap(t.grad(lambda v, i: (v[i] ** 2).sum()))(x, pairs),
        t.vmap(lambda v: (v.max(0).values, v.argmax(), v.sort(descending=True).indices, v.topk(2).values))(x),
        t.vmap(lambda v: t.F.one_hot(v, num_classes=3))(pairs),
    )


@case
def language(t: Any, x: Any, w: Any) -> Any:
    """Functions that are compositions."""
    return t.vmap(
        lambda v: {
            "einsum": t.torch.einsum("i,j,jk->ik", v, v, w),
            "matmul": v @ w,
            "outer": t.torch.outer(v, v),
            "softmax": v.softmax(0),
            "logsumexp": v.logsumexp(0),
            "norm": v.norm(),
            "var": v.var(),
            "cat": t.torch.cat([v, v * 2]),
            "stack": t.torch.stack([v, v], 1),
            "view": v.view(1, -1).expand(2, -1).reshape(-1),
            "unsqueeze": v.unsqueeze(0).squeeze(0),
            "flip": v.flip(0),
            "tril": t.torch.outer(v, v).tril(),
            "diag": t.torch.outer(v, v).diagonal(),
            "clamp": v.clamp(-0.5, 0.5),
            "prod": v.prod(),
            "cumprod": v.cumprod(0),
            "chunk": v.chunk(2),
            "pad": t.F.pad(v, (1, 2)),
            "split": t.torch.split(v, 1),
            "roll": v.roll(1),
            "kron": t.torch.kron(v, v),
            "all": ((v > 0).any(), (v > 0).all()),
        }
    )(x)


@case
def losses(t: Any, x: Any, w: Any) -> Any:
    classes = t.torch.tensor([0, 2, 1, 1])
    weight = t.torch.tensor([1.0, 2.0, 0.5], dtype=x.dtype)

    def each(v: Any, c: Any) -> Any:
        return (
            t.F.cross_entropy(v, c),
            t.F.cross_entropy(v[None], c[None], weight=weight),
            t.F.cross_entropy(v[None], c[None], label_smoothing=0.1, reduction="sum"),
            t.F.nll_loss(v.log_softmax(0)[None], c[None], weight=weight),
            t.F.mse_loss(v, w[0, :3] if w.shape[1] >= 3 else v * 0),
            t.F.binary_cross_entropy_with_logits(v, (v > 0).to(v.dtype)),
            t.F.huber_loss(v, v * 0),
        )

    slopes = t.vmap(t.grad(lambda v, c: each(v, c)[1] + each(v, c)[3]))(x, classes)
    return t.vmap(each)(x, classes), slopes


@case
def transformations_of_transformations(t: Any, x: Any, w: Any) -> Any:
    def f(v: Any, w: Any) -> Any:
        return t.torch.tanh(v @ w) * v.sum()

    def each(w: Any) -> Any:
        return t.vmap(f, in_dims=(0, None))(x, w)

    deep = t.torch.stack([x, x * 2 - 1])
    _, pull = t.vjp(f, x[0], w)
    return (
        t.vmap(t.vmap(t.jacrev(f), in_dims=(0, None)), in_dims=(0, None))(deep, w),
        t.vmap(t.vmap(t.jacfwd(f, argnums=1), in_dims=(0, None)), in_dims=(0, None))(deep, w),
        t.jacrev(lambda w: t.vmap(t.vmap(f, in_dims=(0, None)), in_dims=(0, None))(deep, w).sum((1, 2)))(w),
        t.vmap(lambda a: t.grad(lambda w: t.vmap(lambda v: f(v, w).sum())(a).sum())(w))(deep),
        t.vmap(lambda a: t.jacrev(lambda w: t.vmap(lambda v: f(v, w))(a))(w))(deep),
        t.vmap(lambda a: t.vmap(lambda b: t.grad(lambda v: (f(v, w) * a).sum())(b))(x))(x),
        t.grad(lambda w: t.vmap(t.grad(lambda v: f(v, w).sum()))(x).pow(2).sum())(w),
        t.hessian(lambda v: t.vmap(lambda i: (v * i).sin().prod())(x).sum())(x[0]),
        t.vmap(lambda u: t.jvp(lambda v: f(v, w), (x[0],), (u,))[1])(x),
        t.vmap(lambda v, u: t.jvp(lambda v: f(v, w), (v,), (u,))[1])(x, x.cos()),
        t.jacrev(lambda s: t.vmap(lambda v: t.jvp(lambda v: f(v, w) * s, (v,), (v,))[1])(x))(x[0]),
        t.vmap(pull)(x),
        t.vmap(t.vmap(pull))(deep),
        t.jacrev(each)(w),
    )


@case
def layouts(t: Any, x: Any, w: Any) -> Any:
    """Samples along another dimension do not lie in C order."""
    three = t.torch.stack([x, x + 1, x * 2])
    return (
        t.vmap(lambda v: v.view(-1).contiguous().view(2, -1), in_dims=1)(t.torch.stack([x.T, x.T]).mT.contiguous().mT),
        t.vmap(lambda v: v.reshape(-1), in_dims=1)(three),
        t.vmap(lambda v: v.T.reshape(-1), in_dims=2)(three),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_case_gives_what_pytorch_gives(name: str, both: Any) -> None:
    compare(both, CASES[name], draw(4, 3), draw(3, 4, seed=1)[:, :3])


def test_value_and_grad_is_grad_and_value_the_other_way_round() -> None:
    x = autograd.tensor([1.0, 2.0])
    value, slope = func.value_and_grad(lambda x: (x**2).sum())(x)
    assert (value.item(), slope.tolist()) == (5.0, [2.0, 4.0])
    (value, aux), slope = func.value_and_grad(lambda x: ((x**2).sum(), x), has_aux=True)(x)
    assert (value.item(), slope.tolist(), aux.tolist()) == (5.0, [2.0, 4.0], [1.0, 2.0])
    assert not value.requires_grad
    assert not aux.requires_grad


def test_masks_of_samples_choose_what_is_written() -> None:
    """PyTorch refuses them, as results of reading by a mask have a shape that depends on elements."""
    x = autograd.tensor(draw(4, 3, 2))

    def written(v: Any) -> Any:
        v = v * 1
        v[v > 0] = 7.0
        v[v.sum(1) < 0] = autograd.tensor([1.0, 2.0], dtype=autograd.float64)
        return v

    assert func.vmap(written)(x).tolist() == [written(v).tolist() for v in x]
    with pytest.raises(RuntimeError, match="mask"):
        func.vmap(lambda v: v.clone().__setitem__(v > 0, v[0]))(x)


# -- modules -----------------------------------------------------------------------------------------------------------


def convolutional(t: Any, dtype: Any) -> Any:
    return t.nn.Sequential(
        t.nn.Conv2d(2, 4, 3, padding=1),
        t.nn.GroupNorm(2, 4),
        t.nn.ReLU(),
        t.nn.MaxPool2d(2),
        t.nn.Conv2d(4, 3, 2, groups=1),
        t.nn.Tanh(),
        t.nn.AvgPool2d(2),
        t.nn.Flatten(),
        t.nn.Linear(3, 5),
        t.nn.LayerNorm(5),
        t.nn.GELU(),
        t.nn.Linear(5, 3),
    ).to(dtype)


def same_weights(ours: Any, theirs: Any, torch: Any) -> None:
    theirs.load_state_dict({name: torch.tensor(x.numpy(force=True)) for name, x in ours.state_dict().items()})


def per_sample(t: Any, model: Any, images: Any, labels: Any) -> Any:
    params = {name: p.detach() for name, p in model.named_parameters()}

    def loss(params: Any, image: Any, label: Any) -> Any:
        return t.F.cross_entropy(t.functional_call(model, params, (image[None],)), label[None])

    return t.vmap(t.grad(loss), in_dims=(None, 0, 0))(params, images, labels)


def test_gradients_of_each_sample(both: Any, torch: Any) -> None:
    """Those of a loop over the samples, and PyTorch's."""
    ours, theirs = both
    autograd.manual_seed(0)
    model, reference = convolutional(ours, autograd.float64), convolutional(theirs, torch.float64)
    same_weights(model, reference, torch)
    images, labels = draw(6, 2, 6, 6), np.array([0, 2, 1, 1, 0, 2])
    found = per_sample(ours, model, autograd.tensor(images), autograd.tensor(labels))
    expected = per_sample(theirs, reference, torch.tensor(images), torch.tensor(labels))
    for name, g in found.items():
        np.testing.assert_allclose(g.array, expected[name].detach().numpy(), rtol=1e-9, atol=1e-11)
    for i in range(6):
        model.zero_grad()
        F.cross_entropy(model(autograd.tensor(images[i : i + 1])), autograd.tensor(labels[i : i + 1])).backward()
        for name, p in model.named_parameters():
            np.testing.assert_allclose(found[name].array[i], p.grad.array, rtol=1e-11, atol=1e-13)
    assert all(p.requires_grad for p in model.parameters())  # the module has its own parameters back


def test_an_ensemble_of_modules(both: Any, torch: Any) -> None:
    def run(t: Any, models: Any, x: Any) -> Any:
        params, buffers = t.stack_module_state(models)
        base = models[0]

        def call(params: Any, buffers: Any, x: Any) -> Any:
            return t.functional_call(base, (params, buffers), (x,))

        y = t.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
        z = t.vmap(call)(params, buffers, t.torch.stack([x, x * 2, x - 1]))
        (y.sum() + z.cos().sum()).backward()
        return y, z, {name: p.grad for name, p in params.items()}, buffers

    ours, theirs = both

    def net(t: Any, dtype: Any) -> Any:
        return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.ReLU(), t.nn.Linear(4, 2)).to(dtype)

    for training in (True, False):
        models = [net(ours, autograd.float64).train(training) for _ in range(3)]
        references = [net(theirs, torch.float64).train(training) for _ in range(3)]
        for model, reference in zip(models, references, strict=True):
            same_weights(model, reference, torch)
        found = arrays(run(ours, models, autograd.tensor(draw(5, 3))))[0]
        expected = arrays(run(theirs, references, torch.tensor(draw(5, 3))))[0]
        for y, reference in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, reference, rtol=1e-10, atol=1e-10)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.second = nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("shift", autograd.zeros(2))

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.second(self.first(x)) * scale + self.shift


def test_functional_call_ties_weights_and_puts_everything_back() -> None:
    model, x = Tied(), autograd.tensor([[1.0, 2.0]])
    weight, shift = model.first.weight, model.shift
    double = autograd.eye(2) * 2
    assert func.functional_call(model, {"first.weight": double}, (x,)).tolist() == [[4.0, 8.0]]
    assert func.functional_call(model, {"first.weight": double}, x, {"scale": 0.5}).tolist() == [[2.0, 4.0]]
    both_names = {"first.weight": double, "second.weight": double, "shift": autograd.ones(2)}
    assert func.functional_call(model, both_names, x, strict=True).tolist() == [[5.0, 9.0]]
    untied = func.functional_call(model, {"first.weight": double}, x, tie_weights=False)
    np.testing.assert_allclose(untied.array, (2 * x @ weight.T).array)
    parts = ({"first.weight": double}, {"shift": autograd.ones(2)})
    assert func.functional_call(model, parts, x).tolist() == [[5.0, 9.0]]
    with pytest.raises(ValueError, match="tied"):
        func.functional_call(model, {"first.weight": double, "second.weight": autograd.eye(2)}, x)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        func.functional_call(model, (parts[0], parts[0]), x)
    with pytest.raises(ValueError, match="Expected parameter_and_buffer_dicts"):
        func.functional_call(model, 3, x)
    with pytest.raises(RuntimeError, match="missing key.*shift"):
        func.functional_call(model, {"first.weight": double}, x, strict=True)
    with pytest.raises(RuntimeError, match="unexpected key.*bias"):
        func.functional_call(model, {**both_names, "bias": double}, x, strict=True)
    with pytest.raises(TypeError, match=r"first\.weight is a int"):
        func.functional_call(model, {"first.weight": 3}, x)
    with pytest.raises(RuntimeError):
        func.functional_call(model, {"first.weight": autograd.eye(3)}, x)
    assert model.first.weight is weight is model.second.weight
    assert model.shift is shift


def test_stack_module_state_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(RuntimeError, match="at least one model"):
        func.stack_module_state([])
    with pytest.raises(RuntimeError, match="training/eval"):
        func.stack_module_state([nn.Linear(1, 1), nn.Linear(1, 1).eval()])
    with pytest.raises(RuntimeError, match="same class"):
        func.stack_module_state([nn.Linear(1, 1), nn.Identity()])


def test_statistics_that_are_not_vmapped_over_do_not_move() -> None:
    model, x = nn.BatchNorm1d(3), autograd.randn(4, 5, 3)
    with pytest.raises(RuntimeError, match="running statistics"):
        func.vmap(model)(x)
    y = func.vmap(nn.BatchNorm1d(3, track_running_stats=False))(x)
    np.testing.assert_allclose(y.array.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(func.vmap(model.eval())(x).array, model(x.reshape(20, 3)).array.reshape(4, 5, 3))


# -- random numbers ----------------------------------------------------------------------------------------------------


def noises(x: Any) -> list[Callable[[], Any]]:
    """Random functions of shapes and of tensors."""
    share = x.sigmoid()
    return [
        lambda: autograd.randn(3),
        lambda: autograd.rand(2, 2),
        lambda: autograd.randint(0, 1000, (3,)),
        lambda: autograd.randperm(50),
        lambda: autograd.rand_like(x),
        lambda: autograd.normal(0.0, 1.0, (3,)),
        lambda: autograd.normal(x, 1.0),
        lambda: autograd.bernoulli(x.sigmoid() * 0 + 0.5),
        lambda: autograd.multinomial(share, 2),
        lambda: F.dropout(autograd.ones(50)),
        lambda: F.dropout(x.expand(20, -1)),
        lambda: F.alpha_dropout(autograd.ones(50), training=True),
        lambda: F.rrelu(-autograd.ones(3), training=True),
        lambda: x.clone().uniform_(),
        lambda: x.clone().exponential_(),
    ]


@pytest.mark.parametrize("number", range(15))
def test_random_numbers_of_samples(number: int) -> None:
    x = autograd.ones(8, 3)  # so that differences come from what is drawn

    def drawn(v: Any) -> Any:
        return noises(v)[number]()

    with pytest.raises(RuntimeError, match="randomness error mode"):
        func.vmap(drawn)(x)
    same = func.vmap(drawn, randomness="same")(x)
    different = func.vmap(drawn, randomness="different")(x)
    assert same.shape == different.shape
    assert (same.array == same.array[:1]).all()
    assert len({sample.tobytes() for sample in different.array}) > 1
    autograd.manual_seed(3)
    alone = drawn(x[0])
    autograd.manual_seed(3)
    assert (func.vmap(drawn, randomness="same")(x).array[0] == alone.array).all()


def test_random_numbers_of_nested_vmaps() -> None:
    x = autograd.zeros(4, 5)
    noise = func.vmap(func.vmap(lambda v: v + autograd.randn(()), randomness="same"), randomness="different")(x).array
    assert (noise == noise[:, :1]).all()
    assert len(set(noise[:, 0].tolist())) == 4
    noise = func.vmap(func.vmap(lambda v: v + autograd.randn(()), randomness="different"), randomness="same")(x).array
    assert (noise == noise[:1]).all()
    assert len(set(noise[0].tolist())) == 5
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        func.vmap(lambda v: autograd.zeros(2).normal_(), randomness="different")(x)
    assert (F.dropout(autograd.ones(3), training=False) == 1).all()  # and nothing is drawn where nothing is random
    assert func.vmap(lambda v: F.dropout(v, training=False))(x).tolist() == x.tolist()


# -- errors ------------------------------------------------------------------------------------------------------------

X = draw(3)
WRONG: list[tuple[str, Callable[..., Any]]] = [
    ("grad of integers", lambda t, x: t.grad(lambda x: x.sum())(x.long())),
    ("grad of a vector", lambda t, x: t.grad(lambda x: x * 2)(x)),
    ("grad of a tuple", lambda t, x: t.grad(lambda x: (x, x))(x)),
    ("grad of a number", lambda t, x: t.grad(lambda x: 3.0)(x)),
    ("grad at a number", lambda t, x: t.grad(lambda x: x)(3.0)),
    ("argnums too large", lambda t, x: t.grad(lambda x: x.sum(), argnums=2)(x)),
    ("argnums twice", lambda t, x: t.grad(lambda x, y: x.sum(), argnums=(0, 0))(x, x)),
    ("argnums empty", lambda t, x: t.grad(lambda x: x.sum(), argnums=())(x)),
    ("grad without aux", lambda t, x: t.grad(lambda x: x.sum(), has_aux=True)(x)),
    ("vjp of a number", lambda t, x: t.vjp(lambda x: 3, x)),
    ("vjp at a number", lambda t, x: t.vjp(lambda x: x, 3.0)),
    ("cotangent of another shape", lambda t, x: t.vjp(lambda x: x * 1, x)[1](x[:2])),
    ("cotangents of another structure", lambda t, x: t.vjp(lambda x: (x, x), x)[1](x)),
    ("jvp without a tuple", lambda t, x: t.jvp(lambda x: x, x, x)),
    ("tangent of another shape", lambda t, x: t.jvp(lambda x: x, (x,), (x[:2],))),
    ("too many tangents", lambda t, x: t.jvp(lambda x: x, (x,), (x, x))),
    ("jvp strict", lambda t, x: t.jvp(lambda x: x.detach() * 0 + 1, (x,), (x,), strict=True)),
    ("jvp of nothing", lambda t, x: t.jvp(lambda x: x, (), ())),
    ("jacrev of integers", lambda t, x: t.jacrev(lambda x: x.long())(x)),
    ("jacrev chunks", lambda t, x: t.jacrev(lambda x: x, chunk_size=0)(x)),
    ("vmap of a number", lambda t, x: t.vmap(lambda x: (x, 3))(x)),
    ("out_dims None", lambda t, x: t.vmap(lambda x: x, out_dims=None)(x)),
    ("out_dims too large", lambda t, x: t.vmap(lambda x: x, out_dims=3)(x)),
    ("out_dims too many", lambda t, x: t.vmap(lambda x: (x, x), out_dims=(0,))(x)),
    ("in_dims None", lambda t, x: t.vmap(lambda x: x, in_dims=None)(x)),
    ("in_dims too many", lambda t, x: t.vmap(lambda x: x, in_dims=(0, 0))(x)),
    ("in_dims all None", lambda t, x: t.vmap(lambda x: x, in_dims=(None,))(x)),
    ("in_dims too large", lambda t, x: t.vmap(lambda x: x, in_dims=1)(x)),
    ("in_dims a list", lambda t, x: t.vmap(lambda x: x, in_dims=[0])(x)),
    ("in_dims a string", lambda t, x: t.vmap(lambda x: x, in_dims="a")(x)),
    ("vmap at a number", lambda t, x: t.vmap(lambda x: x)(3)),
    ("vmap of nothing", lambda t, x: t.vmap(lambda: x)()),
    ("sizes that differ", lambda t, x: t.vmap(lambda x, y: x)(x, x[:2])),
    ("randomness", lambda t, x: t.vmap(lambda x: x, randomness="z")(x)),
    ("chunk_size", lambda t, x: t.vmap(lambda x: x, chunk_size=0)(x)),
    ("a branch", lambda t, x: t.vmap(lambda x: x if x > 0 else -x)(x)),
    ("item", lambda t, x: t.vmap(lambda x: x.item())(x)),
    ("a loop", lambda t, x: t.vmap(lambda x: sum(range(int(x))))(x)),
    ("nonzero", lambda t, x: t.vmap(lambda x: x.nonzero())(x[None])),
    ("a mask", lambda t, x: t.vmap(lambda x: x[x > 0])(x[None])),
    ("writing samples into one tensor", lambda t, x: t.vmap(lambda x, y: y.add_(x), in_dims=(0, None))(x, x[:1])),
    ("backward", lambda t, x: t.vmap(lambda x: x.backward())(x)),
    ("requires_grad_", lambda t, x: t.vmap(lambda x: x.requires_grad_())(x)),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_raises_what_pytorch_raises(name: str, wrong: Any, both: Any) -> None:
    ours, theirs = both
    with pytest.raises(Exception) as expected:  # noqa: PT011  # whatever it is
        wrong(theirs, theirs.torch.tensor(X))
    with pytest.raises(expected.type):
        wrong(ours, ours.torch.tensor(X))


def test_nothing_is_left_behind_by_an_error() -> None:
    x = autograd.ones(2)
    with pytest.raises(RuntimeError):
        func.vmap(func.grad(lambda v: v.item()))(x)
    assert autograd.randn(2).shape == (2,)  # no vmap is running
    assert autograd.is_grad_enabled()
    texts: list[str] = []
    func.vmap(lambda v: (texts.append(f"{v!r} {v}"), v)[1])(x)
    assert "BatchedTensor(level=" in texts[0]


def test_threads_run_vmaps_of_their_own() -> None:
    results: dict[int, Any] = {}

    def work(size: int) -> None:
        x = autograd.arange(size * 3, dtype=autograd.float64).reshape(size, 3)
        for _ in range(20):
            results[size] = func.vmap(func.grad(lambda v: (v**3).sum()))(x).array - 3 * x.array**2

    threads = [threading.Thread(target=work, args=(size,)) for size in (2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {size: np.abs(r).max() for size, r in results.items()} == {2: 0.0, 3: 0.0, 5: 0.0}


def test_trees_are_rebuilt() -> None:
    tree = {"a": [1, (2, {"b": 3})], "c": ()}
    leaves, structure = flatten(tree)
    assert leaves == [1, 2, 3]
    assert unflatten(leaves, structure) == tree
