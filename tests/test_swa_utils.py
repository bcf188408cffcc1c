"""Averaged models and their schedule against PyTorch's."""

import copy
import itertools

import numpy as np
import pytest

import autograd
import nn
from nn import optim
from nn.optim import swa_utils
from ops.kernels import lists
from ops.kernels.threads import least_threads

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
LIBRARIES = ((autograd, nn, optim), (torch, torch.nn, torch.optim))


def net(lib, lib_nn):
    """Return a model with buffers of two types, the same in both libraries."""
    model = lib_nn.Sequential(
        lib_nn.Conv2d(2, 3, 2), lib_nn.BatchNorm2d(3), lib_nn.Flatten(), lib_nn.Linear(12, 2)
    ).double()
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.standard_normal(tuple(p.shape))))
    return model


def states(module):
    return {name: np.array(x.detach().numpy()) for name, x in module.state_dict().items()}


def assert_same_states(ours, theirs):
    mine, other = states(ours), states(theirs)
    assert list(mine) == list(other)
    for name in other:
        assert mine[name].dtype == other[name].dtype
        np.testing.assert_allclose(mine[name], other[name], rtol=1e-12, atol=1e-12, err_msg=name)


def train(lib, model, step):
    """Change parameters and buffers, alike in both libraries."""
    rng = np.random.default_rng(step)
    model.train()
    model(lib.tensor(rng.standard_normal((5, 2, 3, 3))))
    with lib.no_grad():
        for p in model.parameters():
            p.add_(lib.tensor(rng.standard_normal(tuple(p.shape))))


CHOICES = {
    "mean": lambda swa: {},
    "avg_fn mean": lambda swa: {"avg_fn": swa.get_swa_avg_fn()},
    "avg_fn ema": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "multi mean": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "multi ema": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "own": lambda swa: {"avg_fn": lambda average, value, n: 0.3 * average + 0.7 * value},
}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("choice", CHOICES)
def test_averages_equal_pytorch_and_resume(choice, use_buffers):
    pairs = []
    for lib, lib_nn, lib_optim in LIBRARIES:
        model = net(lib, lib_nn)
        if use_buffers and "mean" in choice:
            model[1].num_batches_tracked = None  # PyTorch cannot average integers
        options = CHOICES[choice](lib_optim.swa_utils)
        pairs.append((lib, model, lib_optim.swa_utils.AveragedModel(model, use_buffers=use_buffers, **options)))
    for step in range(6):
        for lib, model, averaged in pairs:
            train(lib, model, step)
            averaged.update_parameters(model)
        assert_same_states(pairs[0][2], pairs[1][2])
        if step == 2:
            options = CHOICES[choice](swa_utils)
            resumed = swa_utils.AveragedModel(copy.deepcopy(pairs[0][1]), use_buffers=use_buffers, **options)
            resumed.load_state_dict(copy.deepcopy(pairs[0][2].state_dict()))
        if step > 2:
            resumed.update_parameters(pairs[0][1])
    for name, value in states(pairs[0][2]).items():
        np.testing.assert_array_equal(value, states(resumed)[name])
    x = np.random.default_rng(9).standard_normal((4, 2, 3, 3))
    outputs = [averaged.eval()(lib.tensor(x)).detach().numpy() for lib, _, averaged in pairs]
    np.testing.assert_allclose(*outputs, rtol=1e-12, atol=1e-12)


def test_a_mean_is_the_mean():
    model = nn.Linear(3, 2).double()
    averaged = swa_utils.AveragedModel(model, avg_fn=swa_utils.get_swa_avg_fn())
    seen = []
    for _ in range(5):
        with autograd.no_grad():
            model.weight.normal_()
        seen.append(model.weight.detach().numpy().copy())
        averaged.update_parameters(model)
    np.testing.assert_allclose(averaged.module.weight.detach().numpy(), np.mean(seen, 0), rtol=1e-12)
    assert averaged.n_averaged.item() == 5
    assert averaged.module.weight is not model.weight


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_computed_anew(momentum):
    rng = np.random.default_rng(3)
    batches = [rng.standard_normal((4, 2, 3, 3)) for _ in range(3)]
    models = []
    for lib, lib_nn, lib_optim in LIBRARIES:
        model = net(lib, lib_nn).eval()
        model[1].momentum = momentum
        lib_optim.swa_utils.update_bn([[lib.tensor(x), None] for x in batches[:2]] + [lib.tensor(batches[2])], model)
        assert model[1].momentum == momentum
        assert not model.training
        models.append(model)
    assert_same_states(*models)
    optim.swa_utils.update_bn(iter(()), nn.Linear(2, 2))


@pytest.mark.parametrize("choice", CHOICES)
def test_averages_of_another_type_than_the_values(choice):
    """The kernel, which takes one type, must not see them."""
    options = CHOICES[choice](swa_utils)
    results = []
    for average, value in ((np.float32, np.float64), (np.float64, np.float32), (np.float32, np.float16)):
        model = nn.Linear(40, 30)
        averaged = swa_utils.AveragedModel(model.to(average), **options)
        rng = np.random.default_rng(0)
        for _ in range(3):
            model.to(value)
            with autograd.no_grad():
                for p in model.parameters():
                    p.copy_(autograd.tensor(np.round(rng.standard_normal(tuple(p.shape)) * 64) / 64))
            averaged.update_parameters(model)
        assert averaged.module.weight.array.dtype == average
        results.append(averaged.module.weight.detach().numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[2], results[1], rtol=1e-2, atol=1e-2)


def test_running_statistics_that_fail_leave_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, momentum=0.3)).eval()
    with pytest.raises(RuntimeError, match="Linear"):
        swa_utils.update_bn([autograd.ones(4, 2), autograd.ones(4, 5)], model)
    assert model[1].momentum == 0.3
    assert not model.training
    assert not model[1].training


GRID = {"swa_lr": [0.05, [0.5, 0.01]], "anneal_epochs": [0, 1, 10], "anneal_strategy": ["cos", "linear"]}


@pytest.mark.parametrize("options", list(itertools.product(*GRID.values())))
def test_40_rates_equal_pytorch_and_resume(options):
    options = dict(zip(GRID, options, strict=True))

    def made(lib, lib_optim):
        params = [lib.tensor([1.0], requires_grad=True) for _ in range(2)]
        optimizer = lib_optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.1}], lr=0.3)
        return optimizer, lib_optim.swa_utils.SWALR(optimizer, **copy.copy(options))

    (mine, ours), (other, theirs) = (made(lib, lib_optim) for lib, _, lib_optim in LIBRARIES)
    for step in range(40):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12, atol=1e-12)
        for each in (mine, ours, other, theirs):
            each.step()
        if step == 4:
            fresh, again = made(autograd, optim)
            fresh.load_state_dict(mine.state_dict())
            again.load_state_dict(ours.state_dict())
        if step > 4:
            fresh.step()
            again.step()
            assert again.get_last_lr() == ours.get_last_lr()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_is_the_formula(dtype):
    rng = np.random.default_rng(0)
    shapes = [(3,), (), (0, 2), (100, 901)]
    for threads in (1, 2):
        averages, values = ([np.asarray(rng.standard_normal(s), dtype) for s in shapes] for _ in range(2))
        expected = [a + 0.25 * (x - a) for a, x in zip(averages, values, strict=True)]
        with least_threads(threads):
            lists.average(averages, values, 0.25)
        for found, wanted in zip(averages, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == np.float32 else 1e-14, atol=1e-7)


def test_writes_are_seen_by_the_tape():
    model = nn.Linear(2, 1)
    averaged = swa_utils.AveragedModel(model)
    averaged.update_parameters(model)
    x = autograd.ones(1, 2, requires_grad=True)
    loss = averaged(x).sum()
    averaged.update_parameters(model)
    with pytest.raises(RuntimeError, match="AveragedModel.update_parameters has written"):
        loss.backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: swa_utils.get_ema_avg_fn(1.5), ValueError, "Invalid decay value 1.5"),
        (lambda: swa_utils.get_ema_multi_avg_fn(-1), ValueError, "Invalid decay value -1"),
        (lambda: swa_utils.AveragedModel(nn.Linear(1, 1), avg_fn=max, multi_avg_fn=max), AssertionError, "only one of"),
        (lambda: swa_utils.AveragedModel(nn.Linear(1, 1), device="cuda"), RuntimeError, "cuda"),
        (lambda: swa_utils.SWALR(optim.SGD([autograd.ones(1)]), 0.1, anneal_strategy="no"), ValueError, "got no"),
        (lambda: swa_utils.SWALR(optim.SGD([autograd.ones(1)]), 0.1, -1), ValueError, "got -1"),
        (lambda: swa_utils.SWALR(optim.SGD([autograd.ones(1)]), [0.1, 0.2]), ValueError, "swa_lr has 2 values"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
