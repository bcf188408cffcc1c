"""MultiheadAttention and the transformers against PyTorch, with every kind of mask, and their errors."""

import numpy as np
import pytest

import autograd
import nn
from autograd.tensor import Tensor
from nn import functional
from tests.against_torch import assert_close, compare, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched", "ignore:enable_nested_tensor is True")

N, H, E = 2, 4, 8


def hidden(*shape, share=0.4, seed=0):
    """Return a mask that is true where a key is left out; every query sees the first key."""
    mask = np.random.default_rng((seed, *shape)).random(shape) < share
    mask[..., 0] = False
    return mask


def twice_differentiable():
    """Let PyTorch compose attention: its fused kernel has no second derivative."""
    return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)


def both(value):
    """Return a value as our tensor and as PyTorch's; what is no array as it is."""
    if not isinstance(value, np.ndarray):
        return value, value
    return Tensor(value.copy()), torch.tensor(value)


def twins(name, *args, **options):
    """Return our module and PyTorch's, of float64 and with the same parameters."""
    ours, theirs = getattr(nn, name)(*args, **options).double(), getattr(torch.nn, name)(*args, **options).double()
    ours.load_state_dict({key: Tensor(value.numpy().copy()) for key, value in theirs.state_dict().items()})
    return ours, theirs


def agree(ours, theirs, *arrays, pick=lambda y: y, order=1, **masks):
    """Compare outputs, and gradients to inputs and parameters."""
    mine = {name: both(value)[0] for name, value in masks.items()}
    other = {name: both(value)[1] for name, value in masks.items()}
    compare(lambda *x: pick(ours(*x, **mine)), lambda *x: pick(theirs(*x, **other)), *arrays, order=order)
    ours.zero_grad()
    theirs.zero_grad()
    pick(ours(*map(Tensor, arrays), **mine)).sum().backward()
    pick(theirs(*map(torch.tensor, arrays), **other)).sum().backward()
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if p.grad is not None:
            assert_close(p.grad, q.grad)


# -- multi-head attention -------------------------------------------------------------------------------------


def masks_of(L, S):
    causal = np.triu(np.ones((L, S), bool), 1)
    return {
        "none": {},
        "bool": {"attn_mask": hidden(L, S)},
        "float": {"attn_mask": draw(L, S)},
        "heads": {"attn_mask": hidden(N * H, L, S)},
        "padding": {"key_padding_mask": hidden(N, S)},
        "float padding": {"key_padding_mask": draw(N, S)},
        "both": {"attn_mask": hidden(L, S), "key_padding_mask": hidden(N, S, seed=1)},
        "causal": {"attn_mask": causal, "is_causal": True},
        "causal padding": {"attn_mask": causal, "is_causal": True, "key_padding_mask": hidden(N, S)},
    }


@pytest.mark.parametrize("L", [3, 9])
@pytest.mark.parametrize("kind", masks_of(1, 1))
@pytest.mark.parametrize("need_weights", [False, True])
def test_masks_of_self_attention(L, kind, need_weights):
    a, b = twins("MultiheadAttention", E, H)
    x, masks = draw(L, N, E), masks_of(L, L)[kind]

    def itself(module):
        return lambda x, **masks: module(x, x, x, need_weights=need_weights, **masks)

    mine, other = itself(a), itself(b)
    mine.zero_grad, other.zero_grad = a.zero_grad, b.zero_grad
    mine.named_parameters, other.named_parameters = a.named_parameters, b.named_parameters
    with twice_differentiable():
        agree(mine, other, x, pick=lambda y: y[0], order=2 if L == 3 or kind == "both" else 1, **masks)
    if need_weights:
        for average in (True, False):
            shown = [m(x, average_attn_weights=average, **masks) for m, x, masks in (
                (mine, Tensor(x), {k: both(v)[0] for k, v in masks.items()}),
                (other, torch.tensor(x), {k: both(v)[1] for k, v in masks.items()}),
            )]  # fmt: skip
            assert_close(shown[0][1], shown[1][1])


OPTIONS = [
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 5, "vdim": 6},
    {"batch_first": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("kind", ["none", "float", "both"])
def test_options_of_cross_attention(options, need_weights, kind):
    a, b = twins("MultiheadAttention", E, H, **options)
    sizes = (N, 9), (N, 7), (N, 7)
    features = E, options.get("kdim", E), options.get("vdim", E)
    arrays = [
        draw(*(size if options.get("batch_first") else size[::-1]), width, seed=i)
        for i, (size, width) in enumerate(zip(sizes, features, strict=True))
    ]
    agree(a, b, *arrays, pick=lambda y: y[0], need_weights=need_weights, **masks_of(9, 7)[kind])


@pytest.mark.parametrize("need_weights", [False, True])
def test_without_a_batch(need_weights):
    a, b = twins("MultiheadAttention", E, H, batch_first=True)
    masks = {"attn_mask": hidden(H, 9, 7), "key_padding_mask": hidden(7), "need_weights": need_weights}
    agree(a, b, draw(9, E), draw(7, E), draw(7, E, seed=1), pick=lambda y: y[0], **masks)


def test_keys_that_are_the_values_are_projected_with_them():
    a, b = twins("MultiheadAttention", E, H)
    q, k = draw(9, N, E), draw(7, N, E)
    with twice_differentiable():
        compare(lambda q, k: a(q, k, k, need_weights=False)[0], lambda q, k: b(q, k, k, need_weights=False)[0], q, k)


@pytest.mark.parametrize("L", [3, 9])
@pytest.mark.parametrize("need_weights", [False, True])
def test_a_query_that_sees_no_key(L, need_weights):
    """Without weights its output is that of zeros, with weights NaN, as in PyTorch."""
    a, b = twins("MultiheadAttention", E, H)
    x, mask = draw(L, N, E), hidden(L, L)
    mask[1] = True
    y, z = (
        m(t, t, t, attn_mask=w, need_weights=need_weights)[0]
        for m, t, w in ((a, Tensor(x), Tensor(mask)), (b, torch.tensor(x), torch.tensor(mask)))
    )
    assert_close(y, z)
    assert np.isnan(y.array).any() == need_weights


def test_gradients_reach_masks():
    """A learned bias of the scores."""
    a, b = twins("MultiheadAttention", E, H)
    compare(
        lambda x, mask: a(x, x, x, attn_mask=mask, need_weights=False)[0],
        lambda x, mask: b(x, x, x, attn_mask=mask, need_weights=False)[0],
        draw(9, N, E), draw(9, 9),
    )  # fmt: skip
    q, mask = draw(2, 9, 4), draw(9, 9)
    compare(
        lambda q, mask: functional.scaled_dot_product_attention(q, q, q, mask),
        lambda q, mask: F.scaled_dot_product_attention(q, q, q, mask),
        q, mask,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(9, 7), (1, 7), (9, 1), (1, 1), (4, 9, 7), (1, 1, 7), (2, 1, 9, 7), (2, 4, 1, 7)])
@pytest.mark.parametrize("boolean", [False, True])
def test_masks_broadcast(shape, boolean):
    mask = draw(*shape)
    mask = mask > -0.5 if boolean else mask
    q, k, v = draw(2, 4, 9, 5), draw(2, 4, 7, 5), draw(2, 4, 7, 3)
    compare(
        lambda *x: functional.scaled_dot_product_attention(*x, Tensor(mask)),
        lambda *x: F.scaled_dot_product_attention(*x, torch.tensor(mask)),
        q, k, v, order=1,
    )  # fmt: skip


@pytest.mark.parametrize("mask", [(9, 7), (4, 9, 7), (2, 1, 9, 7), None])
@pytest.mark.parametrize(("of_key", "of_value"), [(2, 2), (1, 1), (4, 4), (2, 4), (4, 1)])
def test_groups_of_query_heads_share_key_heads(mask, of_key, of_value):
    given = None if mask is None else draw(*mask)
    compare(
        lambda *x: functional.scaled_dot_product_attention(*x, both(given)[0], enable_gqa=True),
        lambda *x: F.scaled_dot_product_attention(*x, both(given)[1], enable_gqa=True),
        draw(2, 4, 9, 5), draw(2, of_key, 7, 5), draw(2, of_value, 7, 3), order=1,
    )  # fmt: skip


@pytest.mark.parametrize("shapes", [((9, 5), (0, 5), (0, 3)), ((0, 5), (7, 5), (7, 3)), ((9, 0), (7, 0), (7, 3))])
@pytest.mark.parametrize("leading", [(), (2,), (0,)])
def test_empty_arguments(shapes, leading):
    arrays = [draw(*leading, *shape) for shape in shapes]
    compare(functional.scaled_dot_product_attention, F.scaled_dot_product_attention, *arrays, order=1)


# -- transformers ---------------------------------------------------------------------------------------------

S, T = 9, 10
CAUSAL = np.triu(np.full((T, T), -np.inf), 1)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_encoder_layer(norm_first, activation, batch_first):
    options = {"dropout": 0.0, "norm_first": norm_first, "batch_first": batch_first, "layer_norm_eps": 1e-3}
    a, b = (
        namespace.TransformerEncoderLayer(E, H, 12, **options, activation=chosen).double()
        for namespace, chosen in ((nn, functional.tanh), (torch.nn, torch.tanh))
        for chosen in ([chosen] if activation == "tanh" else [activation])
    )
    a.load_state_dict({key: Tensor(value.numpy().copy()) for key, value in b.state_dict().items()})
    masks = {"src_mask": hidden(S, S), "src_key_padding_mask": hidden(N, S)}
    x = draw(N, S, E) if batch_first else draw(S, N, E)
    for chosen in ({}, {"src_mask": masks["src_mask"]}, masks):
        agree(a, b, x, **chosen)
    agree(a.eval(), b.eval(), x, **masks)


@pytest.mark.parametrize("norm_first", [False, True])
def test_decoder_layer(norm_first):
    a, b = twins("TransformerDecoderLayer", E, H, 12, dropout=0.0, norm_first=norm_first, bias=norm_first)
    masks = {
        "tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_mask": hidden(T, S),
        "memory_key_padding_mask": hidden(N, S),
    }  # fmt: skip
    agree(a, b, draw(T, N, E), draw(S, N, E), **masks)
    agree(a, b, draw(T, N, E), draw(S, N, E), tgt_mask=hidden(T, T), tgt_key_padding_mask=hidden(N, T, seed=1))


@pytest.mark.parametrize("causal", [None, True, False])
@pytest.mark.parametrize("boolean", [False, True])
def test_transformer(causal, boolean):
    a, b = twins("Transformer", E, H, 2, 2, 12, 0.0, batch_first=True)
    mask = np.isneginf(CAUSAL) if boolean else CAUSAL
    masks = {
        "src_mask": draw(S, S), "tgt_mask": mask, "memory_mask": draw(T, S),
        "src_key_padding_mask": hidden(N, S), "memory_key_padding_mask": hidden(N, S), "tgt_is_causal": causal,
    }  # fmt: skip
    agree(a, b, draw(N, S, E), draw(N, T, E), **masks)
    agree(a, b, draw(S, E), draw(T, E))


def test_layers_of_a_stack_are_copies_with_parameters_of_their_own():
    layer = nn.TransformerEncoderLayer(E, H, 12)
    stack = nn.TransformerEncoder(layer, 3)
    for (name, p), (_, q), (_, r) in zip(*(m.named_parameters() for m in (layer, *stack.layers[:2])), strict=True):
        np.testing.assert_array_equal(p.array, q.array, err_msg=name)
        assert not np.shares_memory(q.array, r.array)


def test_custom_encoder_and_decoder():
    class Last(nn.Module):
        def forward(self, tgt, memory, **masks):
            return tgt + memory

    model = nn.Transformer(E, H, custom_encoder=nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H), 1),
                           custom_decoder=Last())  # fmt: skip
    x = Tensor(draw(3, N, E).astype(np.float32))
    np.testing.assert_allclose(model.eval()(x, x).array, (x + model.encoder(x)).array)


def test_square_subsequent_mask():
    for dtype in ("float32", "float64"):
        ours = nn.Transformer.generate_square_subsequent_mask(5, dtype=getattr(autograd, dtype))
        theirs = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=getattr(torch, dtype))
        assert_close(ours, theirs)
    assert nn.Transformer.generate_square_subsequent_mask(2).dtype is autograd.get_default_dtype()


def test_first_values():
    autograd.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = np.sqrt(6 / (64 + 3 * 64))
    assert 0.98 * bound < np.abs(layer.in_proj_weight.array).max() <= bound
    assert not layer.in_proj_bias.array.any()
    assert not layer.out_proj.bias.array.any()
    assert 0.98 / 8 < np.abs(layer.out_proj.weight.array).max() <= 1 / 8
    assert 0.5 < layer.bias_k.array.std() / np.sqrt(2 / (64 * 1 + 64)) < 2
    separate = nn.MultiheadAttention(64, 4, kdim=32, vdim=16)
    assert 0.98 < np.abs(separate.k_proj_weight.array).max() / np.sqrt(6 / 96) <= 1
    model = nn.Transformer(32, 4, 1, 1, 64)
    assert 0.98 < np.abs(model.encoder.layers[0].linear1.weight.array).max() / np.sqrt(6 / 96) <= 1


def test_dropout_of_weights_keeps_the_mean_and_rests_in_eval():
    autograd.manual_seed(0)
    layer = nn.MultiheadAttention(4, 1, dropout=0.5)
    x = Tensor(draw(400, 1, 4).astype(np.float32))
    expected = layer.eval()(x, x, x, need_weights=False)[0].array
    np.testing.assert_array_equal(layer(x, x, x, need_weights=False)[0].array, expected)
    layer.train()
    dropped = [layer(x, x, x, need_weights=False)[0].array for _ in range(60)]
    assert np.abs(dropped[0] - dropped[1]).max() > 1e-3
    np.testing.assert_allclose(np.mean(dropped, 0), expected, atol=0.1)


# -- errors ---------------------------------------------------------------------------------------------------

CALLS = {
    "rank": lambda m, t: m(8, 2)(t(3), t(3), t(3)),
    "rank of key": lambda m, t: m(8, 2)(t(3, 2, 8), t(3, 8), t(3, 2, 8)),
    "rank of padding": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, key_padding_mask=t(3)),
    "rank of mask": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, attn_mask=t(3)),
    "rank of padding without batch": lambda m, t: m(8, 2)(*[t(3, 8)] * 3, key_padding_mask=t(2, 3)),
    "mask without batch": lambda m, t: m(8, 2)(*[t(3, 8)] * 3, attn_mask=t(3, 3, 3)),
    "features": lambda m, t: m(8, 2)(*[t(3, 2, 6)] * 3),
    "key and value": lambda m, t: m(8, 2)(t(3, 2, 8), t(3, 2, 8), t(4, 2, 8)),
    "separate key and value": lambda m, t: m(8, 2, kdim=5)(t(3, 2, 8), t(3, 2, 5), t(4, 2, 8)),
    "batches": lambda m, t: m(8, 2)(t(3, 2, 8), t(3, 4, 8), t(3, 4, 8)),
    "size of mask": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, attn_mask=t(3, 4)),
    "size of mask of heads": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, attn_mask=t(2, 3, 3)),
    "size of padding": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, key_padding_mask=t(2, 4)),
    "type of mask": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, attn_mask=t(3, 3).long()),
    "width of mask": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, attn_mask=t(3, 3).double(), need_weights=False),
    "causal without mask": lambda m, t: m(8, 2)(*[t(3, 2, 8)] * 3, is_causal=True),
    "heads": lambda m, t: m(8, 3),
    "no heads": lambda m, t: m(8, 0),
}
TRANSFORMER_CALLS = {
    "activation": lambda n, t: n.TransformerEncoderLayer(8, 2, activation="swish"),
    "batches": lambda n, t: n.Transformer(8, 2, 1, 1, 8)(t(3, 2, 8), t(3, 4, 8)),
    "features": lambda n, t: n.Transformer(8, 2, 1, 1, 8)(t(3, 2, 6), t(3, 2, 6)),
    "causal without mask": lambda n, t: n.TransformerEncoderLayer(8, 2)(t(3, 2, 8), is_causal=True),
    "heads": lambda n, t: n.Transformer(8, 3),
}
FUNCTION_CALLS = {
    "vectors": lambda f, t: f(t(3), t(3), t(3)),
    "features": lambda f, t: f(t(2, 3), t(4, 2), t(4, 5)),
    "keys and values": lambda f, t: f(t(2, 3), t(4, 3), t(5, 5)),
    "leading": lambda f, t: f(t(2, 2, 3), t(3, 4, 3), t(2, 4, 5)),
    "types": lambda f, t: f(t(2, 3), t(4, 3).double(), t(4, 5)),
    "integers": lambda f, t: f(t(2, 3).int(), t(4, 3).int(), t(4, 5).int()),
    "type of mask": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), t(2, 4).long()),
    "width of mask": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), t(2, 4).double()),
    "size of mask": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), t(2, 3)),
    "rank of mask": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), t(5, 2, 4)),
    "mask and causal": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), t(2, 4), is_causal=True),
    "probability": lambda f, t: f(t(2, 3), t(4, 3), t(4, 5), dropout_p=1.5),
    "groups": lambda f, t: f(t(1, 4, 2, 3), t(1, 3, 4, 3), t(1, 3, 4, 5), enable_gqa=True),
    "mask of groups": lambda f, t: f(t(1, 4, 2, 3), t(1, 2, 4, 3), t(1, 2, 4, 5), t(2, 2, 4), enable_gqa=True),
}  # fmt: skip
OURS = {"module": nn.MultiheadAttention, "transformer": nn, "function": functional.scaled_dot_product_attention}
THEIRS = {"module": torch.nn.MultiheadAttention, "transformer": torch.nn, "function": F.scaled_dot_product_attention}
WRONG = [
    pytest.param(kind, call, id=f"{kind}: {name}")
    for kind, calls in zip(OURS, (CALLS, TRANSFORMER_CALLS, FUNCTION_CALLS), strict=True)
    for name, call in calls.items()
]


@pytest.mark.parametrize(("kind", "call"), WRONG)
def test_wrong_calls_raise_pytorchs_exceptions(kind, call):
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # which one is what is asked
        call(THEIRS[kind], torch.ones)
    with pytest.raises(theirs.type) as ours:
        call(OURS[kind], lambda *shape: Tensor(np.ones(shape, np.float32)))
    assert len(str(ours.value)) > 20
