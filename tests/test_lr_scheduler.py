"""Every schedule with every option against PyTorch's, 40 steps, through and across state dicts."""

import copy
import io
import itertools
import math
import warnings

import numpy as np
import pytest

import autograd
from autograd import tensor
from nn import optim
from nn.optim import lr_scheduler

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")

FLAGS = [False, True]
GRID = {
    "StepLR": {"step_size": [1, 3], "gamma": [0.1, 0.9]},
    "MultiStepLR": {"milestones": [[20, 2, 5, 5], []], "gamma": [0.1, 0.9]},
    "ConstantLR": {"factor": [1.0 / 3, 1.0], "total_iters": [1, 5]},
    "LinearLR": {"start_factor": [1.0 / 3, 1.0], "end_factor": [1.0, 0.0, 0.5], "total_iters": [5, 50]},
    "ExponentialLR": {"gamma": [0.9, 1.1]},
    "PolynomialLR": {"total_iters": [5, 60], "power": [1.0, 0.5, 2.0]},
    "CosineAnnealingLR": {"T_max": [1, 7, 50], "eta_min": [0.0, 0.01]},
    "CosineAnnealingWarmRestarts": {"T_0": [1, 4], "T_mult": [1, 2, 3], "eta_min": [0.0, 0.01]},
    "LambdaLR": {"lr_lambda": [lambda epoch: 0.9**epoch, [lambda epoch: 1.0 / (1 + epoch), lambda epoch: 0.5]]},
    "MultiplicativeLR": {"lr_lambda": [lambda epoch: 1 - 0.01 * epoch, [lambda epoch: 0.9, lambda epoch: 1.1]]},
    "CyclicLR": {
        "base_lr": [0.01, [0.02, 0.03]],
        "max_lr": [0.3],
        "step_size_up": [4],
        "step_size_down": [None, 7],
        "mode": ["triangular", "triangular2", "exp_range"],
        "gamma": [0.95],
        "scale_fn": [None, lambda x: 1 / (1 + x)],
        "scale_mode": ["cycle", "iterations"],
        "cycle_momentum": FLAGS,
    },
    "OneCycleLR": {
        "max_lr": [0.3, [0.2, 0.4]],
        "total_steps": [45],
        "pct_start": [0.3, 0.1],
        "anneal_strategy": ["cos", "linear"],
        "cycle_momentum": FLAGS,
        "div_factor": [25.0, 2.0],
        "final_div_factor": [1e4, 10.0],
        "three_phase": FLAGS,
    },
}
CASES = [
    (name, dict(zip(grid, options, strict=True)))
    for name, grid in GRID.items()
    for options in itertools.product(*grid.values())
]
CLOSED = ("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR")
CLOSED_CASES = [(name, options) for name, options in CASES if name in CLOSED]
LIBRARIES = ((autograd, optim), (torch, torch.optim))


def optimizer_of(lib, lib_optim, kind="SGD", rate=0.3, **options):
    """Return an optimiser of two groups."""
    params = [lib.tensor([1.0], requires_grad=True) for _ in range(2)]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": rate / 3}]
    return getattr(lib_optim, kind)(groups, lr=rate, **options)


def made(name, options, kind="SGD", **others):
    """Return both libraries' optimisers and their schedules."""
    if kind == "SGD":
        others.setdefault("momentum", 0.5)
    optimizers = [optimizer_of(lib, lib_optim, kind, **others) for lib, lib_optim in LIBRARIES]
    return optimizers, [
        getattr(lib_optim.lr_scheduler, name)(optimizer, **copy.copy(options))
        for (_, lib_optim), optimizer in zip(LIBRARIES, optimizers, strict=True)
    ]


def rates(optimizer):
    """Return what a schedule may change."""
    groups = optimizer.param_groups
    return [float(x) for g in groups for x in (g["lr"], g.get("momentum", 0), g.get("betas", (0, 0))[0])]


def take_step(optimizers, schedules, *args):
    for optimizer, schedule in zip(optimizers, schedules, strict=True):
        optimizer.step()
        schedule.step(*args)


def assert_equal(optimizers, schedules):
    np.testing.assert_allclose(rates(optimizers[0]), rates(optimizers[1]), rtol=1e-12, atol=1e-12)
    last = [[float(lr) for lr in schedule.get_last_lr()] for schedule in schedules]
    np.testing.assert_allclose(*last, rtol=1e-12, atol=1e-12)
    assert last[0] == [float(g["lr"]) for g in optimizers[0].param_groups]


def test_every_schedule_is_compared():
    ours = set(lr_scheduler.__all__)
    assert set(torch.optim.lr_scheduler.__all__) <= ours | {"LRScheduler"}
    composite = {"LRScheduler", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
    assert ours == set(GRID) | composite


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_40_steps_equal_pytorch_and_resume(name, options, kind):
    optimizers, schedules = made(name, options, kind)
    for step in range(40):
        assert_equal(optimizers, schedules)
        take_step(optimizers, schedules)
        if step == 16:
            saved, states = [s.state_dict() for s in schedules], [o.state_dict() for o in optimizers]
            assert set(saved[0]) >= set(saved[1]) - {"_scale_fn_ref"}
            file = io.BytesIO()
            autograd.save({"schedule": saved[0], "optimizer": states[0]}, file)
            file.seek(0)
            loaded = autograd.load(file)
            fresh, again = made(name, options, kind)
            here, there = made(name, options, kind)
            for o, s, optimizer_state, state in (
                (fresh[0], again[0], loaded["optimizer"], loaded["schedule"]),
                (here[0], here_schedule := there[0], states[1], saved[1]),
                (here[1], there[1], states[0], saved[0]),
            ):
                o.load_state_dict({"state": {}, "param_groups": optimizer_state["param_groups"]})
                s.load_state_dict(copy.deepcopy(state))
        if step > 16:
            take_step([fresh[0]], [again[0]])
            assert rates(fresh[0]) == rates(optimizers[0])
            take_step(here, [here_schedule, there[1]])
            for optimizer in here:
                np.testing.assert_allclose(rates(optimizer), rates(optimizers[0]), rtol=1e-12, atol=1e-12)
    assert_equal(optimizers, schedules)


@pytest.mark.parametrize(("name", "options"), CLOSED_CASES)
def test_an_epoch_given_uses_the_closed_form(name, options):
    optimizers, schedules = made(name, options)
    for epoch in (0, 1, 5, 3, 4, 60, 7, 20, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            take_step(optimizers, schedules, epoch)
        assert_equal(optimizers, schedules)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] == "CosineAnnealingWarmRestarts"])
def test_warm_restarts_take_fractions_of_epochs(name, options):
    optimizers, schedules = made(name, options)
    for epoch in (0, 0.25, 0.5, 1.5, 3.9, 4.0, 4.1, 12.5, 40.0, 7):
        take_step(optimizers, schedules, epoch)
        assert_equal(optimizers, schedules)
        take_step(optimizers, schedules)
        assert_equal(optimizers, schedules)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if "Lambda" not in case[0]])
def test_last_epoch_resumes(name, options):
    """As after loading an optimiser whose groups have their initial rates."""
    optimizers, schedules = made(name, options)
    for _ in range(6):
        take_step(optimizers, schedules)
    resumed = []
    for (_, lib_optim), optimizer in zip(LIBRARIES, optimizers, strict=True):
        resumed.append(getattr(lib_optim.lr_scheduler, name)(optimizer, **options, last_epoch=5))
    assert_equal(optimizers, resumed)
    for _ in range(10):
        take_step(optimizers, resumed)
        assert_equal(optimizers, resumed)


@pytest.mark.parametrize("name", sorted(GRID))
def test_rates_that_are_tensors_are_written_to(name):
    options = next(options for each, options in CASES if each == name)
    tensors = [[lib.tensor(rate, dtype=lib.float64) for rate in (0.3, 0.1)] for lib, _ in LIBRARIES]
    optimizers = [optimizer_of(lib, lib_optim, momentum=0.5) for lib, lib_optim in LIBRARIES]
    for optimizer, each in zip(optimizers, tensors, strict=True):
        for group, lr in zip(optimizer.param_groups, each, strict=True):
            group["lr"] = lr
    schedules = [
        getattr(lib_optim.lr_scheduler, name)(optimizer, **options)
        for (_, lib_optim), optimizer in zip(LIBRARIES, optimizers, strict=True)
    ]
    for _ in range(12):
        take_step(optimizers, schedules)
        assert_equal(optimizers, schedules)
    assert [group["lr"] for group in optimizers[0].param_groups] == tensors[0]
    assert schedules[0].get_last_lr()[0] is not tensors[0][0]


def sequences(lib_scheduler, optimizer, which):
    """Return a schedule made of schedules."""
    s = lib_scheduler
    if which == "warm-up":
        parts = [s.LinearLR(optimizer, 0.1, total_iters=5), s.CosineAnnealingLR(optimizer, 20)]
        return s.SequentialLR(optimizer, parts, [5])
    if which == "three":
        parts = [s.ConstantLR(optimizer, 0.1), s.ExponentialLR(optimizer, 0.9), s.StepLR(optimizer, 3)]
        return s.SequentialLR(optimizer, parts, milestones=[4, 11])
    if which == "restarts":
        parts = [s.ConstantLR(optimizer, 0.5, 2), s.CosineAnnealingWarmRestarts(optimizer, 5, 2)]
        return s.SequentialLR(optimizer, parts, milestones=[3])
    if which == "from the second":
        parts = [s.ConstantLR(optimizer, 0.5, 2), s.ExponentialLR(optimizer, 0.9)]
        return s.SequentialLR(optimizer, parts, milestones=[0])
    if which == "chained":
        return s.ChainedScheduler([s.ConstantLR(optimizer, 0.1, 4), s.ExponentialLR(optimizer, 0.9)])
    if which == "chained three":
        parts = [s.LinearLR(optimizer), s.MultiStepLR(optimizer, [3, 9]), s.CosineAnnealingLR(optimizer, 10)]
        return s.ChainedScheduler(parts, optimizer=optimizer)
    inner = s.SequentialLR(optimizer, [s.LinearLR(optimizer), s.StepLR(optimizer, 2)], [3])
    return s.SequentialLR(optimizer, [inner, s.ExponentialLR(optimizer, 0.8)], [8])


@pytest.mark.parametrize(
    "which", ["warm-up", "three", "restarts", "from the second", "chained", "chained three", "nested"]
)
def test_schedules_of_schedules_equal_pytorch_and_resume(which):
    optimizers = [optimizer_of(lib, lib_optim) for lib, lib_optim in LIBRARIES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's give an epoch where a milestone is passed
        schedules = [sequences(o.lr_scheduler, each, which) for (_, o), each in zip(LIBRARIES, optimizers, strict=True)]
        for step in range(40):
            assert_equal(optimizers, schedules)
            take_step(optimizers, schedules)
            if step == 6:
                file = io.BytesIO()
                autograd.save({"s": schedules[0].state_dict(), "o": optimizers[0].state_dict()}, file)
                file.seek(0)
                loaded = autograd.load(file)
                fresh = optimizer_of(*LIBRARIES[0])
                again = sequences(lr_scheduler, fresh, which)
                again.load_state_dict(loaded["s"])
                fresh.load_state_dict(loaded["o"])
            if step > 6:
                take_step([fresh], [again])
                assert rates(fresh) == rates(optimizers[0])
                assert again.get_last_lr() == schedules[0].get_last_lr()


PLATEAU = {
    "mode": ["min", "max"],
    "factor": [0.1, 0.5],
    "patience": [0, 2],
    "threshold": [1e-4, 0.2],
    "threshold_mode": ["rel", "abs"],
    "cooldown": [0, 3],
    "min_lr": [0, [0.01, 0.002]],
    "eps": [1e-8, 1e-2],
}
METRICS = np.random.default_rng(0).standard_normal(40) * 0.3 + np.linspace(2, 1, 40)


@pytest.mark.parametrize("options", list(itertools.product(*PLATEAU.values())))
def test_plateaus_equal_pytorch_and_resume(options):
    options = dict(zip(PLATEAU, options, strict=True))
    optimizers, schedules = made("ReduceLROnPlateau", options)
    for step, metric in enumerate([*METRICS[:20], float("nan"), *METRICS[20:39]]):
        take_step(optimizers, schedules, metric)
        assert_equal(optimizers, schedules)
        assert vars(schedules[0]) == {**vars(schedules[1]), "optimizer": optimizers[0]}
        if step == 16:
            file = io.BytesIO()
            autograd.save({"s": schedules[0].state_dict(), "o": optimizers[0].state_dict()}, file)
            file.seek(0)
            loaded = autograd.load(file)
            fresh = optimizer_of(*LIBRARIES[0], momentum=0.5)
            again = lr_scheduler.ReduceLROnPlateau(fresh)
            again.load_state_dict(loaded["s"])
            fresh.load_state_dict(loaded["o"])
        if step > 16:
            again.step(metric)
            assert rates(fresh) == rates(optimizers[0])


class Halving:
    """A function with a state."""

    def __init__(self):
        self.rate = 1.0

    def __call__(self, epoch):
        self.rate *= 0.5
        return self.rate


@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR", "CyclicLR"])
def test_functions_with_a_state_are_saved(name):
    options = {"base_lr": 0.1, "max_lr": 1.0, "cycle_momentum": False} if name == "CyclicLR" else {}
    argument = "scale_fn" if name == "CyclicLR" else "lr_lambda"
    optimizer = optimizer_of(*LIBRARIES[0])
    schedule = getattr(lr_scheduler, name)(optimizer, **options, **{argument: Halving()})
    for _ in range(3):
        take_step([optimizer], [schedule])
    state = copy.deepcopy(schedule.state_dict())
    fresh = optimizer_of(*LIBRARIES[0])
    again = getattr(lr_scheduler, name)(fresh, **options, **{argument: Halving()})
    again.load_state_dict(state)
    fresh.load_state_dict(optimizer.state_dict())
    take_step([optimizer, fresh], [schedule, again])
    assert rates(optimizer) == rates(fresh)


def test_functions_without_attributes_have_no_state():
    schedule = lr_scheduler.LambdaLR(sgd(), math.cos)
    again = lr_scheduler.LambdaLR(sgd(), math.cos)
    assert schedule.state_dict()["lr_lambdas"] == [None, None]
    again.load_state_dict(schedule.state_dict())


def test_a_schedule_that_cannot_be_made_leaves_the_optimizer_alone():
    optimizer = optim.Adagrad([tensor([1.0])], lr=0.5)
    before = dict(optimizer.param_groups[0])
    for make in (lambda: lr_scheduler.CyclicLR(optimizer, 0.01, 0.1), lambda: lr_scheduler.OneCycleLR(optimizer, 1, 9)):
        with pytest.raises(ValueError, match="cycle_momentum"):
            make()
        assert optimizer.param_groups[0] == before


def test_a_schedule_of_ones_own():
    class Inverse(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    optimizer = optimizer_of(*LIBRARIES[0])
    schedule = Inverse(optimizer)
    take_step([optimizer], [schedule])
    assert schedule.get_last_lr() == pytest.approx([0.15, 0.05])


def test_the_order_of_calls():
    optimizer = optim.SGD([tensor([1.0])], lr=0.3)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"before `optimizer.step"):
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(3)


def test_a_group_added_to_the_optimizer_may_follow():
    optimizer = optimizer_of(*LIBRARIES[0])
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    listed = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0, 0.0])
    optimizer.add_param_group({"params": [tensor([1.0])], "lr": 1.0})
    plateau.step(1.0)
    plateau.step(1.0)
    assert plateau.get_last_lr()[2] == 0.5
    listed.step(1.0)
    with pytest.raises(RuntimeError, match=r"param groups in the `optimizer` \(3\)"):
        listed.step(1.0)


def sgd():
    return optimizer_of(*LIBRARIES[0])


def sequential(**changes):
    optimizer = sgd()
    options = {"schedulers": [lr_scheduler.StepLR(optimizer, 1)] * 2, "milestones": [2], **changes}
    return lr_scheduler.SequentialLR(optimizer, **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lr_scheduler.StepLR(None, 1), TypeError, "NoneType is not an Optimizer"),
        (lambda: lr_scheduler.LambdaLR(None, abs), TypeError, "NoneType is not an Optimizer"),
        (lambda: lr_scheduler.ReduceLROnPlateau(3), TypeError, "int is not an Optimizer"),
        (lambda: lr_scheduler.StepLR(sgd(), 1, last_epoch=3), KeyError, r"initial_lr.*param_groups\[0\]"),
        (lambda: lr_scheduler.LambdaLR(sgd(), [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda: lr_scheduler.MultiplicativeLR(sgd(), 0.5), TypeError, "should be a function, but got float"),
        (lambda: lr_scheduler.ConstantLR(sgd(), 2.0), ValueError, "ConstantLR: factor .* between 0 and 1, got 2.0"),
        (lambda: lr_scheduler.LinearLR(sgd(), 0.0), ValueError, r"LinearLR: start_factor .* \(0, 1\], got 0.0"),
        (lambda: lr_scheduler.LinearLR(sgd(), end_factor=2), ValueError, "LinearLR: end_factor .* got 2"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 0), ValueError, "positive integer T_0, but got 0"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 1, 0), ValueError, "T_mult >= 1, but got 0"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 1, 1, "0"), ValueError, "eta_min"),
        (lambda: lr_scheduler.CosineAnnealingWarmRestarts(sgd(), 1).step(-1), ValueError, "non-negative epoch"),
        (lambda: lr_scheduler.CyclicLR(sgd(), 0.1, 1.0, mode="square"), ValueError, "mode is invalid"),
        (lambda: lr_scheduler.CyclicLR(sgd(), [0.1], 1.0), ValueError, "base_lr has 1 values, param_groups has 2"),
        (lambda: lr_scheduler.CyclicLR(optim.Adagrad([tensor([1.0])]), 0.1, 1.0), ValueError, "cycle_momentum"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1), ValueError, "either total_steps OR"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1, 0), ValueError, "positive integer total_steps, but got 0"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1, epochs=2, steps_per_epoch=-1), ValueError, "steps_per_epoch"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1, 9, pct_start=2.0), ValueError, "pct_start, but got 2.0"),
        (lambda: lr_scheduler.OneCycleLR(sgd(), 0.1, 9, anneal_strategy="no"), ValueError, "instead got no"),
        (lambda: sequential(schedulers=[]), ValueError, "at least one scheduler"),
        (lambda: sequential(schedulers=[1, 2]), TypeError, "index 0 should have `optimizer`"),
        (lambda: sequential(schedulers=[lr_scheduler.StepLR(sgd(), 1)] * 2), ValueError, "the same optimizer"),
        (lambda: sequential(schedulers=[lr_scheduler.ReduceLROnPlateau(sgd())]), ValueError, "ReduceLROnPlateau"),
        (lambda: sequential(milestones=[]), ValueError, "2 schedulers and 0 milestones"),
        (lambda: lr_scheduler.ChainedScheduler([]), ValueError, "at least one scheduler"),
        (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), factor=1.0), ValueError, "factor should be < 1.0, got 1.0"),
        (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), "best"), ValueError, "mode best is unknown"),
        (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), threshold_mode="x"), ValueError, "threshold mode x is unknown"),
        (lambda: lr_scheduler.ReduceLROnPlateau(sgd(), min_lr=[0.1]), ValueError, "expected 2 min_lrs, got 1"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_one_step_too_many_is_an_error():
    optimizer = optimizer_of(*LIBRARIES[0], momentum=0.5)
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=2, steps_per_epoch=2)
    for _ in range(4):
        take_step([optimizer], [schedule])
    with pytest.raises(ValueError, match="Tried to step 5 times. The specified number of total steps is 4"):
        take_step([optimizer], [schedule])
