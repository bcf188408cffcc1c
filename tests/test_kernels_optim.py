"""Update kernels against the formulas of the papers written out in NumPy, and against torch.optim."""

import functools
import math

import numpy as np
import pytest

from ops.kernels import optim
from ops.kernels.optim import Parameters
from ops.kernels.threads import least_threads

SHAPES = [(3, 4), (), (17,), (2, 3, 3, 3), (0, 5), (optim.BLOCK + 5,)]
STEPS = 20

# variant of optim.VARIANTS, options beyond those that select it, name in torch.optim
CASES = [
    ("sgd", {"weight_decay": 0.1}, "SGD"),
    ("sgd momentum", {"dampening": 0.1, "weight_decay": 0.01}, "SGD"),
    ("sgd nesterov", {"maximize": True}, "SGD"),
    ("adam", {"weight_decay": 0.01, "betas": (0.8, 0.95)}, "Adam"),
    ("adam", {"weight_decay": 0.05, "decoupled": True}, "AdamW"),
    ("adam amsgrad", {"maximize": True}, "Adam"),
    ("rmsprop", {"weight_decay": 0.1}, "RMSprop"),
    ("rmsprop centered", {"alpha": 0.9}, "RMSprop"),
    ("rmsprop momentum", {"maximize": True}, "RMSprop"),
    ("rmsprop centered momentum", {}, "RMSprop"),
    ("adagrad", {"lr_decay": 0.1, "weight_decay": 0.02}, "Adagrad"),
    ("adadelta", {"rho": 0.8, "weight_decay": 0.1}, "Adadelta"),
    ("asgd", {"lambd": 0.1, "t0": 5.0, "weight_decay": 0.1}, "ASGD"),
    ("rprop", {"etas": (0.4, 1.5), "step_sizes": (1e-3, 0.1)}, "Rprop"),
    ("adamax", {"weight_decay": 0.1, "maximize": True}, "Adamax"),
    ("nadam", {"weight_decay": 0.1, "momentum_decay": 0.1}, "NAdam"),
    ("radam", {"betas": (0.9, 0.8), "weight_decay": 0.1}, "RAdam"),
]
STARTS = {"eta": 0.01, "mu": 1.0, "mu_product": 1.0, "step_size": 0.01}


def gradients(rng, step, real=np.float64):
    """Draw gradients, each parameter without one in every fifth step."""
    return [None if (step + i) % 5 == 0 else np.asarray(rng.standard_normal(s), real) for i, s in enumerate(SHAPES)]


def arrays(rng, real=np.float64):
    return [np.asarray(rng.standard_normal(shape), real) for shape in SHAPES]


def prepared(name, arrays):
    """Return a variant's parameters with states as at first, and its step with options that are always given."""
    variant = optim.VARIANTS[name]
    parameters = Parameters(arrays, variant.states, variant.scalars)
    for start, value in STARTS.items():
        for x in (*parameters.state.get(start, ()), parameters.scalar.get(start, np.zeros(0))):
            x[...] = value
    lr = {} if variant.step is optim.rprop else {"lr": 0.01}
    return parameters, functools.partial(variant.step, parameters, **lr, **variant.options)


def test_every_variant_is_compared():
    assert {name for name, _, _ in CASES} == set(optim.VARIANTS)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("name", "extra", "theirs"), CASES)
def test_equals_torch_in_double_precision(torch, threads, name, extra, theirs):
    rng = np.random.default_rng(0)
    ours = arrays(rng)
    parameters, step = prepared(name, ours)
    options = optim.VARIANTS[name].options
    tensors = [torch.nn.Parameter(torch.from_numpy(np.array(p))) for p in ours]
    torch_options = {k: v for k, v in {**options, **extra}.items() if k != "decoupled"}
    optimizer = getattr(torch.optim, theirs)(tensors, lr=0.01, foreach=False, **torch_options)
    with least_threads(threads):
        for i in range(STEPS):
            grads = gradients(rng, i)
            for tensor, grad in zip(tensors, grads, strict=True):
                tensor.grad = None if grad is None else torch.from_numpy(np.array(grad))
            optimizer.step()
            parameters.set_grads(grads)
            step(**extra)
    for p, tensor in zip(ours, tensors, strict=True):
        np.testing.assert_allclose(p, tensor.detach().numpy(), rtol=1e-12, atol=1e-12)
    for state in parameters.state:
        for i, tensor in enumerate(tensors):
            theirs_state = optimizer.state[tensor].get(state)
            if theirs_state is not None:
                np.testing.assert_allclose(parameters.state[state][i], theirs_state.numpy(), rtol=1e-12, atol=1e-12)


def test_adam_is_the_papers_algorithm():
    p, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    parameters = Parameters([ours := p.copy()], ("exp_avg", "exp_avg_sq"))
    for t in range(1, 6):
        g = np.array([math.sin(t), t])
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        p = p - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-3)
        parameters.set_grads([g])
        optim.adam(parameters, lr=0.1, betas=(0.9, 0.99), eps=1e-3)
    np.testing.assert_allclose(ours, p, rtol=1e-13)
    np.testing.assert_allclose(parameters.state["exp_avg"][0], m, rtol=1e-13)


@pytest.mark.parametrize(("name", "extra", "theirs"), CASES)
def test_float32_follows_float64(name, extra, theirs):
    results = []
    for real in (np.float32, np.float64):
        rng = np.random.default_rng(0)
        parameters, step = prepared(name, arrays(rng, real))
        for i in range(STEPS):
            parameters.set_grads(gradients(rng, i, real))
            step(**extra)
        results.append(parameters.arrays)
    for single, double in zip(*results, strict=True):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


def test_threads_do_not_change_a_bit():
    results = []
    for threads in (1, 2, 3):
        rng = np.random.default_rng(0)
        parameters = Parameters(arrays(rng, np.float32), ("exp_avg", "exp_avg_sq"))
        with least_threads(threads):
            for i in range(3):
                parameters.set_grads(gradients(rng, i, np.float32))
                optim.adam(parameters, lr=0.1)
        results.append(parameters.arrays)
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], result, strict=True))


def test_a_parameter_without_gradient_is_left_alone():
    a, b = np.ones(3), np.ones(3)
    parameters = Parameters([a, b], ("exp_avg", "exp_avg_sq"))
    parameters.set_grads([None, np.ones(3)])
    optim.adam(parameters, lr=0.1, weight_decay=1.0)
    assert a.tolist() == [1, 1, 1]
    assert b.tolist() != [1, 1, 1]
    assert parameters.steps.tolist() == [0, 1]
    optim.adam(parameters, lr=0.1)  # gradients serve one step
    assert parameters.steps.tolist() == [0, 1]


def test_gradients_of_any_layout():
    grad = np.arange(12.0).reshape(3, 4)
    for layout in (grad, np.asfortranarray(grad), np.repeat(grad, 2, 1)[:, ::2], grad[::-1][::-1]):
        p = np.zeros((3, 4))
        parameters = Parameters([p])
        layout.flags.writeable = False
        parameters.set_grads([layout])
        optim.sgd(parameters, lr=1.0)
        assert np.array_equal(p, -grad)


def test_states_are_arrays_of_their_own_and_restorable():
    a, b = np.zeros((2, 3), np.float32), np.zeros(5, np.float32)
    parameters = Parameters([a, b], ("sum",))
    first, second = parameters.state["sum"]
    assert (first.shape, second.shape) == ((2, 3), (5,))
    first[:] = 3
    assert (second == 0).all()
    assert first.ctypes.data % 64 == second.ctypes.data % 64 == 0
    parameters.set_grads([np.ones_like(a), np.ones_like(b)])
    optim.adagrad(parameters, lr=1.0)
    np.testing.assert_allclose(a, -0.5)
    np.testing.assert_allclose(b, -1.0)


def test_rebind_moves_a_parameter():
    old, new = np.zeros(3), np.ones(3)
    parameters = Parameters([old])
    parameters.rebind(0, new)
    parameters.set_grads([np.ones(3)])
    optim.sgd(parameters, lr=1.0)
    assert old.tolist() == [0, 0, 0]
    assert new.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"array \(4,\) does not match parameter \(3,\)"):
        parameters.rebind(0, np.ones(4))


def test_errors():
    parameters = Parameters([np.zeros((2, 3))])
    with pytest.raises(ValueError, match=r"gradient 0 \(4,\) does not match \(2, 3\)"):
        parameters.set_grads([np.zeros(4)])
    with pytest.raises(TypeError, match="gradient 0 is float32, its parameter float64"):
        parameters.set_grads([np.zeros((2, 3), np.float32)])
    with pytest.raises(ValueError, match="got 2 gradients for 1 parameters"):
        parameters.set_grads([None, None])
    with pytest.raises(TypeError, match="float32 or float64, got int64"):
        Parameters([np.zeros(3, np.int64)])
    with pytest.raises(ValueError, match="not C-contiguous"):
        Parameters([np.zeros((3, 2)).T])
    Parameters([]).set_grads([])
