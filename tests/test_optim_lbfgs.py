"""L-BFGS against PyTorch's on a convex problem, with and without line search, through and across state dicts."""

import importlib
import io
import itertools

import numpy as np
import pytest

import autograd
from nn import optim
from nn.optim.line_search import Point, StrongWolfe
from ops.kernels import lbfgs
from ops.kernels.threads import least_threads
from tests.optim_cases import assert_close, assert_same, assert_states_equal, convert, values

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")

GRID = {
    "lr": [1, 0.3],
    "max_iter": [1, 4],
    "max_eval": [None, 3],
    "tolerance_grad": [1e-7, 1e-1],
    "tolerance_change": [1e-9, 1e-2],
    "history_size": [100, 2],
    "line_search_fn": [None, "strong_wolfe"],
}
CASES = [dict(zip(GRID, options, strict=True)) for options in itertools.product(*GRID.values())]
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((12, 4)), np.sign(rng.standard_normal(12))


def parameters(lib):
    start = np.random.default_rng(1)
    return [lib.tensor(np.asarray(start.standard_normal(shape)), requires_grad=True) for shape in ((4, 1), (), (2, 1))]


def closure_of(lib, params, optimizer, x=X, y=Y):
    """Return a regularised logistic regression; the last parameter has no gradient."""
    x, y = lib.tensor(x), lib.tensor(y)

    def closure():
        optimizer.zero_grad()
        w, b, _ = params
        loss = lib.log(1 + lib.exp(-y * ((x @ w).reshape(-1) + b))).mean() + 0.05 * (w * w).sum()
        loss.backward()
        return loss.detach()

    return closure


def run(lib, params, optimizer, steps):
    closure = closure_of(lib, params, optimizer)
    return [float(optimizer.step(closure)) for _ in range(steps)]


def without_scratch(state):
    """Leave out PyTorch's list of coefficients, which every step fills anew."""
    return {**state, "state": {key: {k: v for k, v in e.items() if k != "al"} for key, e in state["state"].items()}}


@pytest.mark.parametrize("options", CASES)
def test_20_steps_equal_pytorch_and_resume(options):
    ours, theirs = parameters(autograd), parameters(torch)
    mine, other = optim.LBFGS(ours, **options), torch.optim.LBFGS(theirs, **options)
    np.testing.assert_allclose(run(autograd, ours, mine, 10), run(torch, theirs, other, 10), rtol=1e-12)
    assert_close(ours, theirs)
    there = [torch.tensor(p.detach().numpy().copy(), requires_grad=True) for p in ours]
    other_there = torch.optim.LBFGS(there)
    other_there.load_state_dict(convert(mine.state_dict(), torch.from_numpy))
    here = [autograd.tensor(p.detach().numpy().copy(), requires_grad=True) for p in theirs]
    mine_here = optim.LBFGS(here)
    mine_here.load_state_dict(convert(other.state_dict(), autograd.tensor))
    file = io.BytesIO()
    autograd.save({"params": [p.detach() for p in ours], "optim": mine.state_dict()}, file)
    file.seek(0)
    saved = autograd.load(file)
    resumed = [p.clone().requires_grad_() for p in saved["params"]]
    mine_resumed = optim.LBFGS(resumed)
    mine_resumed.load_state_dict(saved["optim"])
    run(autograd, ours, mine, 10)
    run(autograd, resumed, mine_resumed, 10)
    assert_same(ours, resumed)
    for lib, params, optimizer in ((torch, theirs, other), (torch, there, other_there), (autograd, here, mine_here)):
        run(lib, params, optimizer, 10)
        assert_close(ours, params)
    for name in ("func_evals", "n_iter"):
        assert mine.state[ours[0]][name] == other.state[theirs[0]][name]
    counts = [len(o.state_dict()["state"][0].get("old_dirs", ())) for o in (mine, other)]
    assert counts[0] == counts[1]


def test_the_states_have_the_same_entries():
    ours, theirs = parameters(autograd), parameters(torch)
    mine, other = optim.LBFGS(ours, max_iter=4), torch.optim.LBFGS(theirs, max_iter=4)
    run(autograd, ours, mine, 1)
    run(torch, theirs, other, 1)
    assert_states_equal(mine.state_dict(), without_scratch(other.state_dict()))


@pytest.mark.parametrize("fn", [None, "strong_wolfe"])
def test_a_hard_valley_is_crossed(fn):
    """Rosenbrock's function; line search finds its minimum."""
    for real in (np.float32, np.float64):
        x = autograd.tensor(np.array([-1.2, 1.0], real), requires_grad=True)
        optimizer = optim.LBFGS([x], lr=1 if fn else 1e-3, max_iter=40, line_search_fn=fn, tolerance_grad=1e-6)

        def closure(x=x, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
            loss.backward()
            return loss

        first = float(closure())
        for _ in range(3):
            optimizer.step(closure)
        assert float(closure()) < (1e-8 if fn else first)
    if fn:
        np.testing.assert_allclose(x.detach().numpy(), [1.0, 1.0], rtol=1e-4)


@pytest.mark.parametrize("limits", [{"max_iter": 12}, {"max_iter": 6, "max_eval": 9}, {"max_iter": 3, "max_eval": 100}])
@pytest.mark.parametrize("lr", [1, 0.01, 30])
def test_line_search_through_a_valley_takes_pytorchs_points(lr, limits):
    """All that a search may do happens here: brackets are widened, narrowed, given up, and found at once."""
    points = {autograd: [], torch: []}
    for lib, LBFGS in ((autograd, optim.LBFGS), (torch, torch.optim.LBFGS)):
        x = lib.tensor([-1.2, 1.0], dtype=lib.float64, requires_grad=True)
        optimizer = LBFGS([x], lr=lr, line_search_fn="strong_wolfe", **limits)

        def closure(lib=lib, x=x, optimizer=optimizer):
            points[lib].append(x.detach().clone().numpy())
            optimizer.zero_grad()
            loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
            loss.backward()
            return loss.detach()

        optimizer.step(closure)
        optimizer.step(closure)
    assert len(points[autograd]) == len(points[torch]) > 8
    np.testing.assert_allclose(points[autograd], points[torch], rtol=1e-9, atol=1e-9)


def test_line_search_over_waves_takes_pytorchs_points():
    """Where the slope is no guide, searches turn back, get stuck at an end of the bracket, and run out of trials."""
    reference = importlib.import_module("torch.optim.lbfgs")._strong_wolfe
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        heights, frequencies, phases = rng.uniform(0, 1, 3), rng.uniform(0.1, 30, 3), rng.uniform(0, 7, 3)
        power, first, limit = rng.integers(1, 5), 10 ** rng.uniform(-3, 1), int(rng.integers(1, 12))

        def f(t, heights=heights, frequencies=frequencies, phases=phases, power=power):
            wave, slope = np.sin(frequencies * t + phases), np.cos(frequencies * t + phases) * frequencies
            return float(heights @ wave + (t - 1) ** (2 * power)), float(
                heights @ slope + 2 * power * (t - 1) ** (2 * power - 1)
            )

        loss, slope = f(0.0)
        if slope >= 0:
            continue
        ours, theirs = [], []

        def evaluate(t, f=f, ours=ours):
            ours.append(float(t))
            loss, slope = f(float(t))
            return Point(float(t), np.float64(loss), None, np.float64(slope))

        def objective(_x, t, _d, f=f, theirs=theirs):
            theirs.append(float(t))
            loss, slope = f(float(t))
            return loss, torch.tensor([slope], dtype=torch.float64)

        start = Point(0.0, np.float64(loss), None, np.float64(slope))
        found = StrongWolfe(evaluate, start, 1.0, limit)(first)
        d, g = torch.ones(1, dtype=torch.float64), torch.tensor([slope], dtype=torch.float64)
        value, _, t, _ = reference(objective, None, first, d, loss, g, g.dot(d), max_ls=limit)
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9, err_msg=str(seed))
        np.testing.assert_allclose([found.t, found.loss], [float(t), value], rtol=1e-7, atol=1e-9)


def test_nothing_moves_where_the_gradient_is_zero():
    x = autograd.tensor([0.0, 0.0], requires_grad=True)
    optimizer = optim.LBFGS([x])

    def closure():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 0.0
    assert optimizer.state[x] == {"func_evals": 1, "n_iter": 0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_direction_is_the_inverse_hessian_times_the_gradient(dtype):
    """BFGS's update of a dense matrix, from the identity times `scale`."""
    draw = np.random.default_rng(3)
    size, scale = 30, 0.7
    steps = [draw.standard_normal(size) for _ in range(4)]
    changes = [s + 0.1 * draw.standard_normal(size) for s in steps]
    inverse = scale * np.eye(size)
    for s, y in zip(steps, changes, strict=True):
        rho = 1 / (y @ s)
        left = np.eye(size) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    grad = draw.standard_normal(size)
    inverses = [1 / (y @ s) for s, y in zip(steps, changes, strict=True)]
    found = lbfgs.direction(
        grad.astype(dtype), [y.astype(dtype) for y in changes], [s.astype(dtype) for s in steps], inverses, scale
    )
    np.testing.assert_allclose(
        found, -inverse @ grad, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-5 if dtype == np.float32 else 1e-12
    )


def test_long_vectors_give_the_same_bits_on_any_number_of_threads():
    x, y = (np.random.default_rng(i).standard_normal(100_001).astype(np.float32) for i in range(2))
    results = []
    for threads in (1, 2, 3):
        with least_threads(threads):
            z = x.copy()
            results.append((lbfgs.dot(x, y), lbfgs.add_and_dot(z, 0.5, 2.0, y, x), z.tobytes()))
    assert results[0] == results[1] == results[2]
    assert results[0][0] == pytest.approx(float(x.astype(np.float64) @ y), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: optim.LBFGS([{"params": [p]}, {"params": []}]), ValueError, "parameter groups"),
        (lambda p: optim.LBFGS([p], lr=-1), ValueError, "LBFGS: lr must be at least 0, got -1"),
        (lambda p: optim.LBFGS([p], line_search_fn="armijo"), RuntimeError, "only 'strong_wolfe' is supported"),
        (lambda p: optim.LBFGS([p]).step(), TypeError, "closure"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(autograd.tensor([1.0], requires_grad=True))


def test_values_are_vectors():
    assert values(parameters(autograd)).shape == (7,)
