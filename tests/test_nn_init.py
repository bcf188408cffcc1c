"""Initial values: their distributions, orthogonality, generators, and errors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd.random import Generator
from autograd.tensor import Tensor
from nn import Linear, init

SIZE = 200_000


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def empty(*shape: int, dtype: Any = np.float32) -> Tensor:
    return Tensor(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 0, dtype))


def check_moments(values: np.ndarray, mean: float, std: float) -> None:
    n = values.size
    np.testing.assert_allclose(values.mean(), mean, atol=5 * std / np.sqrt(n))
    np.testing.assert_allclose(values.std(), std, rtol=5 / np.sqrt(n))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_uniform_and_normal(dtype: Any) -> None:
    x = empty(SIZE, dtype=dtype)
    assert init.uniform_(x, -1.0, 3.0, generator()) is x
    assert x.array.dtype == dtype
    check_moments(x.array.astype(np.float64), 1.0, 4 / np.sqrt(12))
    assert x.array.min() >= -1.0
    assert x.array.max() <= 3.0
    init.normal_(x, 2.0, 0.5, generator())
    check_moments(x.array.astype(np.float64), 2.0, 0.5)
    with pytest.raises(RuntimeError, match="std -1"):
        init.normal_(x, std=-1)
    with pytest.raises(RuntimeError, match="std nan"):
        init.normal_(x, std=np.nan)


@pytest.mark.parametrize(
    ("low", "high"),
    [(-2.0, 2.0), (-0.5, 0.3), (0.5, 1.0), (3.0, 5.0), (5.0, np.inf), (-np.inf, -1.0), (-1.0, 8.0)],
)
def test_truncated_normal(low: float, high: float) -> None:
    """Mean and variance by integrating the density over the window."""
    x = empty(50_000, dtype=np.float64)
    init.trunc_normal_(x, 1.0, 2.0, 1.0 + 2.0 * low, 1.0 + 2.0 * high, generator())
    z = (x.array - 1.0) / 2.0
    assert z.min() >= low - 1e-12
    assert z.max() <= high + 1e-12
    t = np.linspace(max(low, -12), min(high, 12), 200_001)
    density = np.exp(-t * t / 2)
    mean = (t * density).sum() / density.sum()
    std = np.sqrt(((t - mean) ** 2 * density).sum() / density.sum())
    np.testing.assert_allclose(z.mean(), mean, atol=5 * std / np.sqrt(z.size))
    np.testing.assert_allclose(z.std(), std, rtol=0.03)


class Counting:
    """A source of random numbers that counts them."""

    def __init__(self) -> None:
        self.rng, self.drawn = np.random.default_rng(0), 0

    def uniform(self, low: float, high: float, count: int) -> np.ndarray:
        self.drawn += count
        return self.rng.uniform(low, high, count)

    def random(self, count: int) -> np.ndarray:
        return self.rng.random(count)


@pytest.mark.parametrize("low", [6.0, 1e3, 1e6])
def test_truncated_normal_far_from_the_mean_is_drawn_in_few_trials(low: float) -> None:
    """The tail beyond `low` is nearly exponential, of mean 1 / low."""
    rng = Counting()
    x = init._truncated(rng, 2000, low, 2 * low)  # type: ignore[arg-type]
    assert rng.drawn < 200 * x.size
    np.testing.assert_allclose((x - low).mean() * low, 1.0, rtol=0.15)
    y = init._truncated(Counting(), 2000, -2 * low, -low)  # type: ignore[arg-type]
    np.testing.assert_allclose((-low - y).mean() * low, 1.0, rtol=0.15)


def test_truncated_normal_of_wrong_windows() -> None:
    for arguments in ((0.0, 1.0, 3.0, 2.0), (0.0, 0.0, -1.0, 1.0), (0.0, float("nan"), -1.0, 1.0)):
        with pytest.raises(RuntimeError, match="expected std > 0 and a <= b"):
            init.trunc_normal_(empty(3), *arguments)
    assert init.trunc_normal_(empty(3), 0.0, 1.0, 2.0, 2.0).tolist() == [2.0] * 3
    assert init.trunc_normal_(empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda x, g: init.xavier_uniform_(x, 2.0, g), 2 * np.sqrt(2 / (60 + 150))),
        (lambda x, g: init.xavier_normal_(x, generator=g), np.sqrt(2 / (60 + 150))),
        (lambda x, g: init.kaiming_uniform_(x, generator=g), np.sqrt(2 / 60)),
        (lambda x, g: init.kaiming_uniform_(x, np.sqrt(5), generator=g), 1 / np.sqrt(3 * 60)),
        (
            lambda x, g: init.kaiming_normal_(x, mode="fan_out", nonlinearity="relu", generator=g),
            np.sqrt(2 / 150),
        ),
        (lambda x, g: init.kaiming_normal_(x, nonlinearity="tanh", generator=g), 5 / 3 / np.sqrt(60)),
        (lambda x, g: init.kaiming_normal_(x, nonlinearity="linear", generator=g), 1 / np.sqrt(60)),
    ],
)
def test_variances_by_fan(fill: Any, std: float) -> None:
    """A weight (50, 20, 3) has fan_in 60 and fan_out 150; a thousand of them give the moments."""
    values = np.concatenate([fill(empty(50, 20, 3), generator(i)).array.ravel() for i in range(50)])
    check_moments(values, 0.0, std)


LAWS = {
    "uniform": lambda i, x, g: i.uniform_(x, -1.0, 3.0, generator=g),
    "normal": lambda i, x, g: i.normal_(x, 2.0, 0.5, generator=g),
    "truncated normal": lambda i, x, g: i.trunc_normal_(x, generator=g),
    "truncated to one side": lambda i, x, g: i.trunc_normal_(x, 1.0, 2.0, 0.5, 2.0, generator=g),
    "xavier uniform": lambda i, x, g: i.xavier_uniform_(x, 0.7, generator=g),
    "xavier normal": lambda i, x, g: i.xavier_normal_(x, 0.7, generator=g),
    "orthogonal": lambda i, x, g: i.orthogonal_(x[:, :40], 2.0, generator=g),
    "sparse": lambda i, x, g: i.sparse_(x, 0.3, 0.1, generator=g),
    **{
        f"kaiming {law} {mode} {nonlinearity}": lambda i, x, g, law=law, mode=mode, nonlinearity=nonlinearity: getattr(
            i, f"kaiming_{law}_"
        )(x, 0.2, mode, nonlinearity, generator=g)
        for law in ("uniform", "normal")
        for mode in ("fan_in", "fan_out")
        for nonlinearity in ("relu", "leaky_relu", "tanh", "selu", "linear", "conv3d", "sigmoid")
    },
}


@pytest.mark.parametrize("law", LAWS)
def test_distributions_are_pytorchs(law: str, torch: Any) -> None:
    """The two samples' distribution functions are nowhere further apart than chance has it (Kolmogorov, Smirnov)."""
    ours = LAWS[law](init, empty(100, 300), generator())
    theirs = LAWS[law](torch.nn.init, torch.empty(100, 300), torch.Generator().manual_seed(0))
    a, b = (np.sort(x.detach().numpy().ravel()) for x in (ours, theirs))
    points = np.concatenate([a, b])
    distance = np.abs(np.searchsorted(a, points, "right") - np.searchsorted(b, points, "right")).max() / a.size
    assert distance < 2.2 * np.sqrt(2 / a.size)  # reached once in 8000 times


def test_uniform_laws_keep_to_their_bounds() -> None:
    assert np.abs(init.xavier_uniform_(empty(100, 50)).array).max() <= np.sqrt(6 / 150) * (1 + 1e-6)
    assert np.abs(init.kaiming_uniform_(empty(100, 50)).array).max() <= np.sqrt(6 / 50) * (1 + 1e-6)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.sampled_from([1.0, 0.5]))
def test_orthogonal(rows: int, columns: int, depth: int, gain: float) -> None:
    """W·Wᵀ = gain²·I, or Wᵀ·W where there are more rows than columns."""
    w = init.orthogonal_(empty(rows, columns, depth, dtype=np.float64), gain, generator()).array.reshape(rows, -1)
    product = w @ w.T if rows <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_is_uniform_over_reflections_too() -> None:
    signs = [np.sign(np.linalg.det(init.orthogonal_(empty(3, 3), generator=generator(i)).array)) for i in range(60)]
    assert 15 < signs.count(1.0) < 45
    corners = [init.orthogonal_(empty(3, 3), generator=generator(i)).array[0, 0] for i in range(60)]
    assert 15 < sum(c > 0 for c in corners) < 45


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.25, 5), (0.33, 7), (0.0, 0), (1.0, 20)])
def test_sparse(sparsity: float, zeros: int) -> None:
    w = init.sparse_(empty(20, 3000), sparsity, std=0.1, generator=generator()).array
    np.testing.assert_array_equal((w == 0).sum(0), np.full(3000, zeros))
    if zeros < 20:
        check_moments(w[w != 0].astype(np.float64), 0.0, 0.1)
        assert len({tuple(c) for c in (w == 0).T}) > (1 if zeros else 0)


def test_constants() -> None:
    np.testing.assert_array_equal(init.constant_(empty(2, 3), 0.3).array, np.full((2, 3), 0.3, np.float32))
    np.testing.assert_array_equal(init.ones_(empty(2)).array, [1, 1])
    np.testing.assert_array_equal(init.zeros_(empty(2)).array, [0, 0])
    np.testing.assert_array_equal(init.eye_(empty(2, 3)).array, [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(("shape", "groups"), [((4, 3, 3), 1), ((4, 2, 3, 4), 2), ((2, 3, 3, 2, 1), 1), ((6, 2, 5), 3)])
def test_dirac_is_pytorchs(shape: tuple[int, ...], groups: int, torch: Any) -> None:
    expected = torch.nn.init.dirac_(torch.empty(shape), groups)
    np.testing.assert_array_equal(init.dirac_(empty(*shape), groups).array, expected.numpy())


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(name: str, torch: Any) -> None:
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.calculate_gain("sine"), ValueError, "Unsupported nonlinearity sine"),
        (lambda: init.calculate_gain("leaky_relu", True), ValueError, "not a valid number"),
        (lambda: init.xavier_normal_(empty(3)), ValueError, "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(empty(3, 2), mode="fan"), ValueError, "Mode fan not supported"),
        (lambda: init.eye_(empty(3)), ValueError, "Only tensors with 2 dimensions"),
        (lambda: init.sparse_(empty(3), 0.1), ValueError, "Only tensors with 2 dimensions"),
        (lambda: init.orthogonal_(empty(3)), ValueError, "2 or more dimensions"),
        (lambda: init.dirac_(empty(3, 3)), ValueError, "3, 4, or 5 dimensions"),
        (lambda: init.dirac_(empty(3, 3, 3), 2), ValueError, "divisible by groups"),
        (lambda: init.uniform_(empty(3), generator=3), TypeError, "expected a Generator"),
        (lambda: init.uniform_(empty(3), 1.0, 0.0), RuntimeError, "from=1.0 > to=0.0"),
        (lambda: init.uniform_(empty(3, dtype=np.int64)), NotImplementedError, "uniform_: .* got autograd.int64"),
        (lambda: init.normal_(empty(3, dtype=np.int64)), NotImplementedError, "normal_: .* got autograd.int64"),
        (lambda: init.constant_(empty(3), "a"), TypeError, "constant_: expected a number, got str"),
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_empty_tensors_warn() -> None:
    with pytest.warns(UserWarning, match="no-op"):
        init.kaiming_uniform_(empty(0, 3))
    assert init.orthogonal_(empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    "fill",
    [
        init.uniform_, init.normal_, init.trunc_normal_, init.xavier_uniform_, init.xavier_normal_,
        init.kaiming_uniform_, init.kaiming_normal_, init.orthogonal_,
        lambda x, generator=None: init.sparse_(x, 0.5, generator=generator),
    ],
)  # fmt: skip
def test_generators(fill: Any) -> None:
    """A generator decides the values and leaves the default stream alone; without one, the seed decides."""
    state = autograd.get_rng_state()
    a, b = (fill(empty(8, 6), generator=generator(3)).array for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(autograd.get_rng_state().array, state.array)
    autograd.manual_seed(5)
    c = fill(empty(8, 6)).array
    autograd.manual_seed(5)
    np.testing.assert_array_equal(fill(empty(8, 6)).array, c)
    assert not np.array_equal(fill(empty(8, 6)).array, c)


def test_parameters_are_filled_unrecorded_and_count_the_write() -> None:
    weight = Linear(3, 2).weight
    version = weight._version
    assert init.normal_(weight) is weight
    assert weight.is_leaf
    assert weight.requires_grad
    assert weight._version == version + 1


def test_a_write_that_backward_notices() -> None:
    layer = Linear(3, 2)
    y = layer(Tensor(np.ones((1, 3), np.float32), requires_grad=True)).sum()
    init.zeros_(layer.weight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation: .* constant_"):
        y.backward()
