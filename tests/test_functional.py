"""What `nn.functional` adds to the ops: in-place forms, implicit dims, resampling, folding and attention."""

import itertools

import numpy as np
import pytest

from autograd.random import manual_seed
from autograd.tape import grad
from autograd.tensor import Tensor
from nn import functional
from tests.against_torch import assert_close, compare, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional


def check(name, *arrays, order=2, tolerance=1e-10, **options):
    ours, theirs = getattr(functional, name), getattr(F, name)
    compare(
        lambda *x: ours(*x, **options),
        lambda *x: theirs(*x, **options),
        *arrays,
        order=order,
        tolerance=tolerance,
    )


def test_every_name_is_there_once_and_is_pytorchs():
    assert sorted(set(functional.__all__)) == functional.__all__
    for name in functional.__all__:
        assert callable(getattr(functional, name))
        assert callable(getattr(F, name))


# -- activations and softmax ---------------------------------------------------------------------------------

IN_PLACE = [
    ("relu", {}),
    ("relu6", {}),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("rrelu", {"lower": 0.1, "upper": 0.5}),
    ("threshold", {"threshold": 0.1, "value": -3.0}),
    ("hardtanh", {"min_val": -0.5, "max_val": 0.7}),
    ("hardsigmoid", {}),
    ("hardswish", {}),
    ("elu", {"alpha": 0.7}),
    ("selu", {}),
    ("celu", {"alpha": 0.7}),
    ("silu", {}),
    ("mish", {}),
]


@pytest.mark.parametrize(("name", "options"), IN_PLACE)
def test_in_place_activations_write_and_pass_the_same_gradient(name, options):
    check(name, draw(3, 4), order=1, tolerance=1e-7, **options)  # some of PyTorch's constants are float32
    function = getattr(functional, name)
    leaf = Tensor(draw(3, 4), requires_grad=True)
    plain = function(leaf * 1.0, **options)
    x = leaf * 1.0
    memory = x.array
    y = function(x, inplace=True, **options)
    assert y is x
    assert y.array is memory
    np.testing.assert_array_equal(memory, plain.array)
    u = Tensor(draw(3, 4, seed=1))
    np.testing.assert_array_equal(grad(y, leaf, u)[0].array, grad(plain, leaf, u)[0].array)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_along_a_dim_given_or_chosen(name):
    check(name, draw(3, 4), dim=0)
    for shape in ((4,), (3, 4), (2, 3, 4), (2, 3, 2, 2)):
        x = draw(*shape)
        with pytest.warns(UserWarning, match=f"Implicit dimension choice for {name}"):
            ours = getattr(functional, name)(Tensor(x))
        with pytest.warns(UserWarning, match="Implicit dimension"):
            theirs = getattr(F, name)(torch.tensor(x))
        assert_close(ours, theirs)
    assert getattr(functional, name)(Tensor(draw(3).astype(np.float32)), 0, dtype=float).array.dtype == np.float64


def test_gumbel_softmax_samples_with_the_right_frequencies():
    manual_seed(0)
    p = np.array([0.1, 0.2, 0.7])
    logits = Tensor(np.broadcast_to(np.log(p), (20000, 3)).copy(), requires_grad=True)
    y = functional.gumbel_softmax(logits, tau=0.5, hard=True)
    assert (np.sort(np.round(y.array, 12), axis=1) == [0, 0, 1]).all()
    np.testing.assert_allclose(y.array.mean(0), p, atol=0.015)
    manual_seed(0)
    soft = functional.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.array.sum(1), 1, rtol=1e-12)
    u = Tensor(draw(20000, 3))
    np.testing.assert_array_equal(grad(y, logits, u)[0].array, grad(soft, logits, u)[0].array)
    with pytest.warns(UserWarning, match="no effect"):
        functional.gumbel_softmax(logits, eps=1.0)


# -- resampling and folding ----------------------------------------------------------------------------------

MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear"],
}
PLANES = {1: (2, 3, 7), 2: (2, 3, 5, 7), 3: (1, 2, 3, 4, 5)}
TARGETS = {1: [3, (7,), 16, 1], 2: [(3, 9), 4, (5, 7), (1, 1)], 3: [(2, 6, 5), 4]}
SCALES = {1: [2, 0.6, (1.7,)], 2: [2, (0.5, 1.9), 1.3], 3: [2, (0.7, 1.5, 1.0)]}
RESIZED = [
    (dims, mode, options)
    for dims in (1, 2, 3)
    for mode in MODES[dims]
    for options in (
        *[{"size": size} for size in TARGETS[dims]],
        *[{"scale_factor": scale} for scale in SCALES[dims]],
    )
]


@pytest.mark.parametrize(("dims", "mode", "options"), RESIZED)
def test_interpolate_is_pytorchs(dims, mode, options):
    check("interpolate", draw(*PLANES[dims]), mode=mode, **options)
    if mode.endswith(("linear", "cubic")):
        check("interpolate", draw(*PLANES[dims]), mode=mode, align_corners=True, **options)
    if "scale_factor" in options:
        check("interpolate", draw(*PLANES[dims]), mode=mode, recompute_scale_factor=True, **options)


@pytest.mark.filterwarnings("ignore:`nn.functional.upsample")
def test_upsample_is_interpolate():
    check("upsample", draw(2, 3, 4, 5), scale_factor=2)
    check("upsample_nearest", draw(2, 3, 4, 5), size=(7, 3))
    check("upsample_bilinear", draw(2, 3, 4, 5), scale_factor=2)


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        ((2, 3, 4), {}, ValueError, "either size or scale_factor should be defined"),
        ((2, 3, 4), {"size": 2, "scale_factor": 2}, ValueError, "only one of"),
        ((2, 3, 4), {"size": 2, "mode": "bilinear"}, NotImplementedError, "bilinear mode needs 4D"),
        ((2, 3, 4), {"size": 2, "mode": "cubist"}, NotImplementedError, "unknown mode 'cubist'"),
        ((2, 3, 4), {"size": 2, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ((2, 3, 4), {"size": (2, 2)}, ValueError, "same number of spatial dimensions"),
        ((2, 3, 4), {"size": 0}, RuntimeError, "greater than 0"),
        ((2, 3, 0), {"size": 2}, RuntimeError, r"greater than 0, but got input \[0\] output \[2\]"),
        ((2, 3, 0), {"size": 2, "mode": "linear"}, RuntimeError, "greater than 0"),
        ((2, 3), {"size": 2}, NotImplementedError, "expected 3D, 4D or 5D"),
    ],
)
def test_interpolate_refuses(shape, options, error, message):
    with pytest.raises(error, match=message):
        functional.interpolate(Tensor(draw(*shape)), **options)
    with pytest.raises(error):
        F.interpolate(torch.tensor(draw(*shape)), **options)


def test_interpolate_refuses_weighted_sums_of_integers():
    for mode, dims in (("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3)):
        shape = (1, 1, *[3] * dims)
        with pytest.raises(NotImplementedError, match=f"mode '{mode}' is not implemented for"):
            functional.interpolate(Tensor(np.ones(shape, np.int64)), scale_factor=2, mode=mode)
        with pytest.raises(NotImplementedError):
            F.interpolate(torch.ones(shape, dtype=torch.int64), scale_factor=2, mode=mode)


FOLDS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 3, "dilation": 2, "padding": 2, "stride": 2},
]


@pytest.mark.parametrize("options", FOLDS)
@pytest.mark.parametrize("shape", [(2, 3, 6, 7), (3, 6, 7)])
def test_unfold_and_fold_are_pytorchs(shape, options):
    check("unfold", draw(*shape), **options)
    columns = F.unfold(torch.tensor(draw(*shape)), **options).shape
    check("fold", draw(*columns), output_size=shape[-2:], **options)


def test_folding_refuses():
    x = Tensor(draw(2, 3, 4, 4))
    with pytest.raises(RuntimeError, match="must be at least one"):
        functional.unfold(x, 5)
    with pytest.raises(RuntimeError, match="stride should be at least 1"):
        functional.unfold(x, 2, stride=0)
    with pytest.raises(RuntimeError, match="Expected 3D or 4D"):
        functional.unfold(Tensor(draw(4, 4)), 2)
    with pytest.raises(RuntimeError, match=r"a multiple of 4, 9\), but got \[2, 12, 8\]"):
        functional.fold(Tensor(draw(2, 12, 8)), (4, 4), 2)


def test_shuffles_are_pytorchs():
    check("pixel_shuffle", draw(2, 12, 3, 4), upscale_factor=2)
    check("pixel_shuffle", draw(9, 2, 2), upscale_factor=3)
    check("pixel_unshuffle", draw(2, 3, 4, 6), downscale_factor=2)
    check("channel_shuffle", draw(2, 6, 3), groups=3)
    for name, shape, factor in (("pixel_shuffle", (2, 6, 3, 3), 2), ("pixel_unshuffle", (2, 3, 4, 5), 2),
                                ("channel_shuffle", (2, 5, 3), 2), ("pixel_shuffle", (3, 3), 1)):  # fmt: skip
        with pytest.raises(RuntimeError, match=name):
            getattr(functional, name)(Tensor(draw(*shape)), factor)


def test_bilinear_is_pytorchs():
    for leading, bias in itertools.product([(4,), (2, 3)], [draw(5), None]):
        check("bilinear", draw(*leading, 2), draw(*leading, 3), draw(5, 2, 3), bias)
    with pytest.raises(RuntimeError, match=r"inputs have 2 and 4 features but weight \(5, 2, 3\)"):
        functional.bilinear(Tensor(draw(4, 2)), Tensor(draw(4, 4)), Tensor(draw(5, 2, 3)))


def test_lp_pools_are_pytorchs():
    check("lp_pool1d", np.abs(draw(2, 3, 8)), norm_type=3.0, kernel_size=2)
    check("lp_pool2d", draw(2, 3, 6, 6), norm_type=2.0, kernel_size=(3, 2), stride=2)
    check("lp_pool3d", draw(2, 2, 4, 4, 4), norm_type=2.0, kernel_size=2)


# -- attention -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_scaled_dot_product_attention_is_pytorchs(leading, options):
    q, k, v = draw(*leading, 4, 5), draw(*leading, 6, 5, seed=1), draw(*leading, 6, 3, seed=2)
    check("scaled_dot_product_attention", q, k, v, **options)


def test_attention_masks_are_pytorchs():
    q, k, v = draw(2, 3, 4, 5), draw(2, 3, 6, 5, seed=1), draw(2, 3, 6, 3, seed=2)
    kept = draw(4, 6, seed=3) > -0.5
    kept[1] = False  # a query that may see nothing gets zeros
    compare(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, Tensor(kept)),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, torch.tensor(kept)),
        q, k, v, order=1,
    )  # fmt: skip
    check("scaled_dot_product_attention", q, k, v, draw(4, 6, seed=3))
    check("scaled_dot_product_attention", draw(2, 4, 4, 5), k[:, :2], v[:, :2], enable_gqa=True)
    with pytest.raises(RuntimeError, match="attn_mask should not be set when is_causal"):
        functional.scaled_dot_product_attention(*map(Tensor, (q, k, v)), Tensor(kept), is_causal=True)


def test_attention_drops_weights():
    manual_seed(0)
    value = Tensor(np.ones((1, 50, 2)))
    y = functional.scaled_dot_product_attention(Tensor(draw(1, 400, 3)), Tensor(draw(1, 50, 3)), value, dropout_p=0.5)
    assert y.array.std() > 0.05
    assert abs(y.array.mean() - 1) < 0.05


L, S, N, E, H = 3, 5, 2, 8, 4
PROJECTIONS = {
    "in_proj_weight": draw(3 * E, E),
    "in_proj_bias": draw(3 * E),
    "out_proj_weight": draw(E, E, seed=1),
    "out_proj_bias": draw(E, seed=1),
}


def attend(module, make, q, k, v, **options):
    packed = {name: make(array) for name, array in PROJECTIONS.items()}
    arguments = {"bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0} | packed | options
    arguments = {name: make(x) if isinstance(x, np.ndarray) else x for name, x in arguments.items()}
    return module.multi_head_attention_forward(q, k, v, embed_dim_to_check=E, num_heads=H, **arguments)


ATTENTION = [
    {},
    {"average_attn_weights": False},
    {"attn_mask": np.triu(np.ones((L, S), bool), 2)},
    {"attn_mask": draw(N * H, L, S)},
    {"key_padding_mask": np.array([[False] * 4 + [True], [False] * 3 + [True] * 2])},
    {
        "attn_mask": np.triu(np.ones((L, S), bool), 3),
        "key_padding_mask": np.arange(S)[None].repeat(N, 0) == 1,
    },
    {
        "add_zero_attn": True,
        "bias_k": draw(1, 1, E),
        "bias_v": draw(1, 1, E, seed=1),
        "attn_mask": draw(L, S),
    },
    {"in_proj_bias": None},
]


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("options", ATTENTION)
def test_multi_head_attention_is_pytorchs(options):
    arrays = draw(L, N, E), draw(S, N, E), draw(S, N, E, seed=1)
    for output in (0, 1):
        compare(
            lambda q, k, v: attend(functional, Tensor, q, k, v, **options)[output],  # noqa: B023  # called at once
            lambda q, k, v: attend(F, torch.tensor, q, k, v, **options)[output],  # noqa: B023
            *arrays,
        )


def test_multi_head_attention_unbatched_and_with_separate_projections():
    compare(
        lambda q, k, v: attend(functional, Tensor, q, k, v)[0],
        lambda q, k, v: attend(F, torch.tensor, q, k, v)[0],
        draw(L, E), draw(S, E), draw(S, E, seed=1),
    )  # fmt: skip
    separate = {
        "use_separate_proj_weight": True,
        "in_proj_weight": None,
        "q_proj_weight": draw(E, E),
        "k_proj_weight": draw(E, 6),
        "v_proj_weight": draw(E, 7),
    }
    compare(
        lambda q, k, v: attend(functional, Tensor, q, k, v, **separate)[0],
        lambda q, k, v: attend(F, torch.tensor, q, k, v, **separate)[0],
        draw(L, N, E), draw(S, N, 6), draw(S, N, 7),
    )  # fmt: skip
    y, weights = attend(
        functional, Tensor, *map(Tensor, (draw(L, N, E), draw(S, N, E), draw(S, N, E))), need_weights=False
    )
    assert y.shape == (L, N, E)
    assert weights is None
