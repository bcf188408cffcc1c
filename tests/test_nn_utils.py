"""Fused layers, clipped gradients and vectors of parameters, against PyTorch's."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn
from nn import utils

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
LIBRARIES = ((autograd, nn), (torch, torch.nn))


def draw(*shape, seed=0):
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def fill(lib, module):
    """Give a module values that are the same in both libraries."""
    with lib.no_grad():
        for i, (name, x) in enumerate(module.state_dict().items()):
            if "tracked" not in name:
                values = draw(*x.shape, seed=i)
                x.copy_(lib.tensor(np.abs(values) if "var" in name else values))
    return module.double().eval()


FUSABLE = {
    "conv": (lambda n, bias: n.Conv2d(3, 4, 2, stride=2, bias=bias), "BatchNorm2d", (2, 3, 5, 5), False),
    "grouped": (lambda n, bias: n.Conv1d(4, 4, 2, groups=2, bias=bias), "BatchNorm1d", (2, 4, 5), False),
    "transposed": (lambda n, bias: n.ConvTranspose2d(3, 4, 2, bias=bias), "BatchNorm2d", (2, 3, 5, 5), True),
    "linear": (lambda n, bias: n.Linear(3, 4, bias=bias), "BatchNorm1d", (2, 3), False),
}


@pytest.mark.parametrize(("affine", "bias"), list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("kind", FUSABLE)
def test_fused_layers_compute_both(kind, bias, affine):
    make, norm, shape, transpose = FUSABLE[kind]
    if kind == "linear" and not affine:
        return  # PyTorch's fails
    results = []
    for lib, lib_nn in LIBRARIES:
        layer = fill(lib, make(lib_nn, bias))
        bn = fill(lib, getattr(lib_nn, norm)(4, affine=affine))
        if kind == "linear":
            fused = lib_nn.utils.fuse_linear_bn_eval(layer, bn)
        else:
            fused = lib_nn.utils.fuse_conv_bn_eval(layer, bn, transpose)
        x = lib.tensor(draw(*shape))
        np.testing.assert_allclose(fused(x).detach().numpy(), bn(layer(x)).detach().numpy(), rtol=1e-10, atol=1e-12)
        results.append([p.detach().numpy() for p in (fused.weight, fused.bias)])
        assert [p.requires_grad for p in (fused.weight, fused.bias)] == [True, bias]
        assert (layer.bias is not None) == bias
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_fused_layers_keep_the_layers_type(bias):
    for _, lib_nn in LIBRARIES:
        layer, bn = lib_nn.Conv1d(2, 3, 1, bias=bias).float().eval(), lib_nn.BatchNorm1d(3).double().eval()
        fused = lib_nn.utils.fuse_conv_bn_eval(layer, bn)
        assert fused.weight.dtype == fused.bias.dtype == layer.weight.dtype


def test_what_cannot_be_fused_is_named():
    layer, bn = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)
    with pytest.raises(AssertionError, match="only for eval"):
        utils.fuse_conv_bn_eval(layer, bn)
    with pytest.raises(AssertionError, match="running_mean and bn.running_var must not be None"):
        utils.fuse_conv_bn_eval(layer.eval(), nn.BatchNorm2d(2, track_running_stats=False).eval())
    with pytest.raises(AssertionError, match="linear.out_features=3 and bn.num_features=2"):
        utils.fuse_linear_bn_eval(nn.Linear(1, 3).eval(), nn.BatchNorm1d(2).eval())


def with_gradients(lib, shapes, dtype=np.float64, scale=1.0):
    """Return parameters with gradients; every third has none."""
    params = [lib.tensor(np.zeros(shape, dtype), requires_grad=True) for shape in shapes]
    for i, p in enumerate(params):
        if i % 3 != 2:
            p.grad = lib.tensor(np.asarray(draw(*p.shape, seed=i) * scale, dtype))
    return params


SHAPES = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=5)


@given(SHAPES, st.sampled_from([1.0, 2.0, 3.0, float("inf"), 0.5]), st.sampled_from([0.1, 1.0, 1e3]), st.booleans())
def test_clipping_by_norm_equals_pytorch(shapes, norm_type, max_norm, foreach):
    if norm_type == float("inf") and any(0 in shape for shape in shapes):
        return  # PyTorch has no largest of nothing
    totals, grads = [], []
    for lib, lib_nn in LIBRARIES:
        params = with_gradients(lib, shapes)
        totals.append(lib_nn.utils.clip_grad_norm_(params, max_norm, norm_type, foreach=foreach).item())
        grads.append([None if p.grad is None else p.grad.numpy() for p in params])
        again = lib_nn.utils.get_total_norm([p.grad for p in params if p.grad is not None], norm_type, foreach=foreach)
        assert again.item() <= max_norm * (1 + 1e-12)
    np.testing.assert_allclose(*totals, rtol=1e-12)
    for mine, other in zip(*grads, strict=True):
        if other is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-15)


@given(SHAPES, st.sampled_from([0.1, 1.0]), st.booleans())
def test_clipping_by_value_equals_pytorch(shapes, clip_value, foreach):
    grads = []
    for lib, lib_nn in LIBRARIES:
        params = with_gradients(lib, shapes)
        lib_nn.utils.clip_grad_value_(params, clip_value, foreach=foreach)
        grads.append([None if p.grad is None else p.grad.numpy() for p in params])
    for mine, other in zip(*grads, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_norms_that_are_not_finite(value):
    grads = []
    for lib, lib_nn in LIBRARIES:
        params = with_gradients(lib, [(3,), (2, 2)])
        params[0].grad[1] = value
        with pytest.raises(RuntimeError, match="order 2.0 .* is non-finite"):
            lib_nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
        lib_nn.utils.clip_grad_norm_(params, 1.0)
        grads.append([p.grad.numpy() for p in params])
    for mine, other in zip(*grads, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_norm_of_mixed_types_has_their_common_one():
    totals = []
    for lib, lib_nn in LIBRARIES:
        grads = [lib.ones(2, dtype=lib.float16), lib.ones(3, dtype=lib.float32) * 1e5]
        totals.append(lib_nn.utils.get_total_norm(grads).numpy())
    assert totals[0].dtype == totals[1].dtype
    np.testing.assert_allclose(*totals, rtol=1e-6)


def test_clipping_of_one_tensor_of_none_and_of_an_empty_generator():
    (p,) = with_gradients(autograd, [(3,)])
    before = p.grad.numpy().copy()
    norm = utils.clip_grad_norm_(p, 0.5).item()
    np.testing.assert_allclose(p.grad.numpy(), before * (0.5 / (norm + 1e-6)), rtol=1e-14)
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in ()), 1.0)
    p.grad = autograd.Tensor(before)
    before.flags.writeable = False
    with pytest.raises(RuntimeError, match="clip_grads_with_norm_: .*read-only"):
        utils.clip_grad_norm_(p, 1e-3)


@given(SHAPES)
def test_vectors_of_parameters(shapes):
    vectors = []
    for lib, lib_nn in LIBRARIES:
        params = [lib.tensor(draw(*shape, seed=i), requires_grad=True) for i, shape in enumerate(shapes)]
        vector = lib_nn.utils.parameters_to_vector(params)
        (vector * vector).sum().backward()
        vectors.append([vector.detach().numpy(), *(p.grad.numpy() for p in params)])
        with lib.no_grad():
            lib_nn.utils.vector_to_parameters(vector.detach() * 2, params)
        vectors[-1] += [p.detach().numpy() for p in params]
    for mine, other in zip(*vectors, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_wrong_vectors_are_named():
    with pytest.raises(TypeError, match="list"):
        utils.vector_to_parameters([1.0], [autograd.ones(1)])
    with pytest.raises(RuntimeError, match=r"the parameters have 3 elements, but the vector has shape \(2,\)"):
        utils.vector_to_parameters(autograd.ones(2), [autograd.ones(3)])
