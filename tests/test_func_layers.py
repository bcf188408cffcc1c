"""vmap over custom Functions, attention and recurrent layers."""

import warnings
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd import Function, func


def draw(*shape: int, seed: int = 0) -> Any:
    return autograd.tensor(np.random.default_rng((seed, *shape)).standard_normal(shape))


def assert_is_loop(function: Any, *args: Any, tolerance: float = 1e-11, **options: Any) -> None:
    """Compare values and gradients of a vmap over the first dimension of all arguments with a loop's."""

    def slopes(*xs: Any) -> Any:
        return function(*xs).cos().sum()

    numbers = tuple(range(len(args)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is called for one sample after the other says so
        found = func.vmap(function, **options)(*args)
        grads = func.vmap(func.grad(slopes, numbers), **options)(*args)
    for i in range(len(args[0])):
        sample = [x[i] for x in args]
        np.testing.assert_allclose(found.array[i], function(*sample).array, rtol=tolerance, atol=tolerance)
        expected = func.grad(slopes, numbers)(*sample)
        for g, reference in zip(grads, expected, strict=True):
            np.testing.assert_allclose(g.array[i], reference.array, rtol=tolerance, atol=tolerance)


# -- custom Functions --------------------------------------------------------------------------------------------------


class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any) -> Any:
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2


class Scaled(Function):
    """x · factor and x + factor, with a rule that sees whole batches."""

    seen: list[Any] = []

    @staticmethod
    def forward(x: Any, factor: Any) -> Any:
        return x * factor, x + factor

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        return first * ctx.factor + second, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Any, factor: Any) -> Any:
        Scaled.seen.append((info.batch_size, info.randomness, in_dims))
        product, total = Scaled.apply(x, factor)
        return (product.movedim(0, -1), total), (-1, 0)


def test_a_function_is_called_for_each_sample() -> None:
    x = draw(3, 2)
    assert_is_loop(Cube.apply, x)
    jacobian = func.jacrev(lambda v: Cube.apply(v))(x[0])  # vmap over its backward, which is made of ops
    np.testing.assert_allclose(jacobian.array, np.diag(3 * x[0].array ** 2))
    np.testing.assert_allclose(func.hessian(lambda v: Cube.apply(v).sum())(x[0]).array, np.diag(6 * x[0].array))


def test_a_function_s_own_rule_sees_the_batch() -> None:
    x = draw(3, 2)
    product, total = func.vmap(Scaled.apply, in_dims=(0, None), randomness="same")(x, 2.0)
    np.testing.assert_allclose(product.array, x.array * 2)
    np.testing.assert_allclose(total.array, x.array + 2)
    assert Scaled.seen == [(3, "same", (0, None))]
    slopes = func.vmap(func.grad(lambda v: Scaled.apply(v, 5.0)[0].sum()))(x)
    np.testing.assert_allclose(slopes.array, 5.0)


def test_a_function_without_a_rule_is_refused() -> None:
    class Plain(Cube):
        generate_vmap_rule = False

    with pytest.raises(RuntimeError, match="Plain, but it does not have vmap support"):
        func.vmap(Plain.apply)(draw(3, 2))


# -- layers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [3, 9])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}], ids=str)
def test_attention(length: int, options: dict[str, Any]) -> None:
    q, k, v = (draw(3, 2, length, 4, seed=i) for i in range(3))
    assert_is_loop(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options), q, k, v)


def test_attention_with_masks() -> None:
    q, k, v = (draw(3, 2, 9, 4, seed=i) for i in range(3))
    mask = draw(3, 9, 9, seed=4) > -0.3

    def masked(q: Any, k: Any, v: Any, mask: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    for given, dims in ((mask, 0), (mask[0], None)):
        found = func.vmap(masked, in_dims=(0, 0, 0, dims))(q, k, v, given)
        slopes = func.vmap(func.grad(lambda *xs: masked(*xs).cos().sum()), in_dims=(0, 0, 0, dims))(q, k, v, given)
        for i in range(3):
            sample = (q[i], k[i], v[i], given[i] if dims == 0 else given)
            np.testing.assert_allclose(found.array[i], masked(*sample).array, rtol=1e-11, atol=1e-11)
            expected = func.grad(lambda *xs: masked(*xs).cos().sum())(*sample)
            np.testing.assert_allclose(slopes.array[i], expected.array, rtol=1e-11, atol=1e-11)


def test_attention_that_drops() -> None:
    q = autograd.ones(4, 2, 9, 4)

    def dropping(x: Any) -> Any:
        return F.scaled_dot_product_attention(x, x, x, dropout_p=0.5)

    with pytest.raises(RuntimeError, match="randomness"):
        func.vmap(dropping)(q)
    same = func.vmap(dropping, randomness="same")(q).array
    different = func.vmap(dropping, randomness="different")(q).array
    assert (same == same[:1]).all()
    assert (different != different[:1]).any()


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers(kind: Any) -> None:
    layer = kind(3, 4, batch_first=True).double()
    assert_is_loop(lambda x: layer(x[None])[0], draw(3, 5, 3))
    params = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(params: Any, x: Any) -> Any:
        return func.functional_call(layer, params, (x[None],))[0].cos().sum()

    x = draw(3, 5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = func.vmap(func.grad(loss), in_dims=(None, 0))(params, x)
    for i in range(3):
        expected = func.grad(loss)(params, x[i])
        for name, g in found.items():
            np.testing.assert_allclose(g.array[i], expected[name].array, rtol=1e-11, atol=1e-11)


def test_a_transformer_layer() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).double()
    assert_is_loop(lambda x: layer(x[None])[0], draw(3, 9, 8), tolerance=1e-10)  # enough for the kernel by tiles


def test_an_embedding() -> None:
    table = nn.Embedding(5, 3, padding_idx=1).double()
    words = autograd.tensor([[0, 1, 4], [1, 1, 2], [3, 0, 0]])
    params = {"weight": table.weight.detach()}

    def loss(params: Any, words: Any) -> Any:
        return func.functional_call(table, params, (words,)).cos().sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = func.vmap(func.grad(loss), in_dims=(None, 0))(params, words)["weight"]
    for i in range(3):
        np.testing.assert_allclose(found.array[i], func.grad(loss)(params, words[i])["weight"].array)
