"""Every combination of an optimiser's options against PyTorch's, step by step, through and across state dicts."""

import io

import pytest

import autograd
from nn import optim
from tests.optim_cases import GRID, HOW, assert_close, assert_same, assert_states_equal, cases, convert, parameters, run

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
torch_tensor = torch.from_numpy
CASES = list(cases())


def made(name, options, lr=None):
    """Return our parameters and optimiser, and PyTorch's."""
    ours, theirs = parameters(autograd), parameters(torch)
    mine = getattr(optim, name)(ours, **options)
    return ours, mine, theirs, getattr(torch.optim, name)(theirs, **options)


def test_every_optimiser_is_compared():
    kernel_optimisers = {name for name in optim.__all__ if name[0].isupper()} - {"Optimizer", "LBFGS"}
    assert kernel_optimisers == set(GRID)
    assert len(CASES) > 400


@pytest.fixture
def default_dtype(request):
    """Numbers kept for each parameter, such as NAdam's product, are of the default type."""
    for lib in (autograd, torch):
        lib.set_default_dtype(getattr(lib, request.param))
    yield request.param
    for lib in (autograd, torch):
        lib.set_default_dtype(lib.float32)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_20_steps_equal_pytorch(name, options):
    ours, mine, theirs, other = made(name, options)
    for step in range(20):
        run(autograd, ours, mine, range(step, step + 1))
        run(torch, theirs, other, range(step, step + 1))
        assert_close(ours, theirs)
    assert_states_equal(mine.state_dict(), other.state_dict())


@pytest.mark.parametrize(("name", "options"), CASES)
def test_saved_in_the_middle_it_goes_on_exactly(name, options):
    straight = parameters(autograd)
    optimizer = getattr(optim, name)(straight, **options)
    run(autograd, straight, optimizer, range(10))
    file = io.BytesIO()
    autograd.save({"params": [p.detach() for p in straight], "optim": optimizer.state_dict()}, file)
    run(autograd, straight, optimizer, range(10, 20))
    file.seek(0)
    saved = autograd.load(file)
    resumed = [p.clone().requires_grad_() for p in saved["params"]]
    optimizer = getattr(optim, name)(resumed, lr=99.0)
    optimizer.load_state_dict(saved["optim"])
    run(autograd, resumed, optimizer, range(10, 20))
    assert_same(straight, resumed)


@pytest.mark.parametrize(
    ("name", "options", "default_dtype"),
    [
        (name, options, dtype)
        for name, options in CASES
        for dtype in (("float32", "float64") if name in ("ASGD", "NAdam") else ("float32",))
    ],
    indirect=["default_dtype"],
)
def test_pytorchs_state_goes_on_here_and_ours_there(name, options, default_dtype):
    ours, mine, theirs, other = made(name, options)
    run(torch, theirs, other, range(10))
    run(autograd, ours, mine, range(10))
    here = [autograd.tensor(p.detach().numpy().copy(), requires_grad=True) for p in theirs]
    mine_here = getattr(optim, name)(here, lr=99.0)
    mine_here.load_state_dict(convert(other.state_dict(), autograd.tensor))
    there = [torch.tensor(p.detach().numpy().copy(), requires_grad=True) for p in ours]
    other_there = getattr(torch.optim, name)(there, lr=99.0)
    other_there.load_state_dict(convert(mine.state_dict(), torch_tensor))
    run(torch, theirs, other, range(10, 20))
    run(autograd, here, mine_here, range(10, 20))
    assert_close(here, theirs)
    if name == "NAdam" and default_dtype == "float32":
        return  # PyTorch loads mu_product in the parameter's type, and from there on rounds it otherwise
    run(torch, there, other_there, range(10, 20))
    assert_close(here, there)


@pytest.mark.parametrize("name", GRID)
def test_implementations_and_rates_given_as_tensors_change_nothing(name):
    straight = parameters(autograd)
    run(autograd, straight, getattr(optim, name)(straight, lr=0.125), range(5))
    for option in HOW.get(name, ("foreach",)):
        for choice in (False, True):
            params = parameters(autograd)
            run(autograd, params, getattr(optim, name)(params, lr=0.125, **{option: choice}), range(5))
            assert_same(params, straight)
    for shape in ((), (1,)):
        params = parameters(autograd)
        lr = autograd.full(shape, 0.125)
        optimizer = getattr(optim, name)(params, lr=lr)
        run(autograd, params, optimizer, range(5))
        assert_same(params, straight)
        assert optimizer.param_groups[0]["lr"] is lr


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_decay_rates_may_be_tensors(name):
    betas = (autograd.tensor(0.5), autograd.tensor(0.75))
    ours, mine, theirs, other = made(name, {"betas": (0.5, 0.75)})
    mine = getattr(optim, name)(ours, betas=betas)
    run(autograd, ours, mine, range(5))
    run(torch, theirs, other, range(5))
    assert_close(ours, theirs)


@pytest.mark.parametrize("name", GRID)
def test_a_group_whose_rate_changes_follows(name):
    ours, mine, theirs, other = made(name, {"lr": 0.1})
    for step in range(8):
        for lib, params, optimizer in ((autograd, ours, mine), (torch, theirs, other)):
            optimizer.param_groups[0]["lr"] = 0.1 * 0.8**step
            run(lib, params, optimizer, range(step, step + 1))
    assert_close(ours, theirs)
