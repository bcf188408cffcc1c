"""vmap over custom Functions, attention and recurrent layers."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd import Function, batching, func


def draw(*shape: int, seed: int = 0) -> Any:
    return autograd.tensor(np.random.default_rng((seed, *shape)).standard_normal(shape))


def assert_is_loop(function: Any, *args: Any, tolerance: float = 1e-11, **options: Any) -> None:
    """Compare values and gradients of a vmap over the first dimension of all arguments with a loop's."""

    def slopes(*xs: Any) -> Any:
        return function(*xs).cos().sum()

    numbers = tuple(range(len(args)))
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


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a primitive has no batching rule, which is said once for each."""
    monkeypatch.setattr(batching, "_warned", set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


RECURRENT = [
    (nn.RNN, {}),
    (nn.LSTM, {}),
    (nn.LSTM, {"bidirectional": True, "proj_size": 2}),
    (nn.GRU, {"num_layers": 2}),
]


@pytest.mark.parametrize(("kind", "options"), RECURRENT)
@pytest.mark.usefixtures("all_at_once")
def test_recurrent_layers(kind: Any, options: dict[str, Any]) -> None:
    layer = kind(3, 4, **options).double()
    assert_is_loop(lambda x: layer(x)[0], draw(3, 5, 2, 3))
    params = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(params: Any, x: Any) -> Any:
        y, state = func.functional_call(layer, params, (x,))
        return y.cos().sum() + (state if kind is not nn.LSTM else state[1]).sin().sum()

    x = draw(3, 5, 2, 3)
    found = func.vmap(func.grad(loss), in_dims=(None, 0))(params, x)
    for i in range(3):
        expected = func.grad(loss)(params, x[i])
        for name, g in found.items():
            np.testing.assert_allclose(g.array[i], expected[name].array, rtol=1e-11, atol=1e-11)


@pytest.mark.usefixtures("all_at_once")
def test_recurrent_layers_with_states_and_packed_sequences() -> None:
    layer = nn.LSTM(3, 4).double()
    assert_is_loop(lambda x, h, c: layer(x, (h, c))[1][1], draw(3, 5, 2, 3), draw(3, 1, 2, 4), draw(3, 1, 2, 4, seed=1))

    def last(x: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 2])
        return nn.utils.rnn.pad_packed_sequence(layer(packed)[0])[0]

    assert_is_loop(last, draw(3, 5, 2, 3))
    shared = draw(1, 2, 4)
    found = func.vmap(lambda x: layer(x, (shared, shared))[0])(draw(3, 5, 2, 3)).array
    np.testing.assert_allclose(found[1], layer(draw(3, 5, 2, 3)[1], (shared, shared))[0].array, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("all_at_once")
def test_recurrent_layers_under_two_vmaps() -> None:
    layer = nn.GRU(3, 4).double()
    x = draw(2, 3, 5, 1, 3)
    found = func.vmap(func.vmap(lambda v: layer(v)[0]))(x).array
    np.testing.assert_allclose(found[1, 2], layer(x[1, 2])[0].array, rtol=1e-12, atol=1e-12)
    hessian = func.hessian(lambda v: layer(v)[0].sum())(x[0, 0]).array
    jacobian = func.jacrev(func.grad(lambda v: layer(v)[0].sum()))(x[0, 0]).array
    np.testing.assert_allclose(hessian, jacobian, rtol=1e-11, atol=1e-11)


def test_a_transformer_layer() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).double()
    assert_is_loop(lambda x: layer(x[None])[0], draw(3, 9, 8), tolerance=1e-10)  # enough for the kernel by tiles


@pytest.mark.parametrize("by_frequency", [False, True])
@pytest.mark.usefixtures("all_at_once")
def test_an_embedding(by_frequency: bool) -> None:
    table = nn.Embedding(5, 3, padding_idx=1, scale_grad_by_freq=by_frequency).double()
    words = autograd.tensor([[0, 1, 4], [1, 1, 2], [3, 0, 0]])
    params = {"weight": table.weight.detach()}

    def loss(params: Any, words: Any) -> Any:
        return func.functional_call(table, params, (words,)).cos().sum()

    found = func.vmap(func.grad(loss), in_dims=(None, 0))(params, words)["weight"]
    for i in range(3):
        np.testing.assert_allclose(found.array[i], func.grad(loss)(params, words[i])["weight"].array)


@pytest.mark.usefixtures("all_at_once")
def test_tables_of_each_sample() -> None:
    words, weights = autograd.tensor([[0, 1, 4], [1, 1, 2], [3, 0, 0]]), draw(3, 5, 2)
    assert_is_loop(lambda w: F.embedding(words, w, padding_idx=1), weights)
    assert_is_loop(func.vmap(lambda w: F.embedding(words, w, padding_idx=1)), draw(2, 3, 5, 2))
    hessian = func.hessian(lambda w: F.embedding(words, w, padding_idx=1).cos().sum())(weights[0]).array
    ours = -weights[0].cos().array * np.array([3, 0, 1, 1, 1])[:, None]
    np.testing.assert_allclose(hessian.reshape(10, 10), np.diag(ours.ravel()), rtol=1e-11, atol=1e-11)
