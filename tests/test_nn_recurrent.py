"""Recurrent layers and cells: states, packed sequences and wrong arguments, as PyTorch has them."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd.tensor import Tensor
from nn.utils import rnn as sequences
from ops.kernels.threads import least_threads

CONFIGURATIONS = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bias": False, "num_layers": 2}),
    ("LSTM", {"bidirectional": True}),
    ("LSTM", {"num_layers": 2, "proj_size": 3}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2, "bias": False}),
    ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("GRU", {}),
]
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # PyTorch's
configurations = pytest.mark.parametrize(("name", "options"), CONFIGURATIONS, ids=lambda value: str(value))


def zeros(*shape: int, dtype: Any = np.float32) -> Tensor:
    return Tensor(np.zeros(shape, dtype))


def twins(torch: Any, name: str, dtype: str = "float64", **options: Any) -> tuple[Any, Any]:
    """Return our layer of 5 inputs and 7 units, and PyTorch's with the same parameters."""
    theirs = getattr(torch.nn, name)(5, 7, dtype=getattr(torch, dtype), **options)
    ours = getattr(nn, name)(5, 7, dtype=getattr(autograd, dtype), **options)
    ours.load_state_dict({key: Tensor(value.numpy().copy()) for key, value in theirs.state_dict().items()})
    return ours, theirs


def flat(output: Any) -> list[Any]:
    """Return all tensors of an output: y (packed or not), then the states."""
    y, states = output
    y = y.data if isinstance(y, tuple) else y
    return [y, *(states if isinstance(states, tuple) else [states])]


def compare(torch: Any, ours: Any, theirs: Any, run: Any, run_theirs: Any, inputs: list[np.ndarray]) -> None:
    """Compare all outputs, and gradients of a mixture of them, with respect to inputs and parameters."""
    tolerance = 1e-10 if inputs[0].dtype == np.float64 else 2e-4
    x = [Tensor(v.copy(), requires_grad=True) for v in inputs]
    z = [torch.tensor(v, requires_grad=True) for v in inputs]
    outputs, expected = flat(run(ours, *x)), flat(run_theirs(theirs, *z))
    assert len(outputs) == len(expected)
    rng = np.random.default_rng(1)
    total: Any = 0
    reference: Any = 0
    for y, w in zip(outputs, expected, strict=True):
        assert tuple(y.shape) == tuple(w.shape)
        np.testing.assert_allclose(y.array, w.detach().numpy(), rtol=tolerance, atol=tolerance)
        u = rng.standard_normal(w.shape).astype(inputs[0].dtype)
        total, reference = total + (y * Tensor(u)).sum(), reference + (w * torch.tensor(u)).sum()
    total.backward()
    reference.backward()
    for a, b in zip([*x, *ours.parameters()], [*z, *theirs.parameters()], strict=True):
        np.testing.assert_allclose(a.grad.array, b.grad.numpy(), rtol=tolerance, atol=tolerance)


def states_of(layer: Any, B: int) -> list[tuple[int, ...]]:
    """Return the shapes of the states of a layer for B sequences."""
    count = layer.num_layers * (1 + layer.bidirectional)
    shapes = [(count, B, layer.proj_size or layer.hidden_size), (count, B, layer.hidden_size)]
    return shapes if layer.mode == "LSTM" else shapes[:1]


def hx_of(states: Any) -> Any:
    return states[0] if len(states) == 1 else tuple(states)


@configurations
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", ["steps first", "batch first", "single"])
def test_outputs_states_and_gradients(name: str, options: Any, dtype: str, form: str, torch: Any) -> None:
    ours, theirs = twins(torch, name, dtype, batch_first=form == "batch first", **options)
    rng = np.random.default_rng(0)
    shape, B = {"steps first": ((6, 3, 5), 3), "batch first": ((3, 6, 5), 3), "single": ((6, 5), 1)}[form]
    states = [rng.standard_normal(s).astype(dtype) for s in states_of(ours, B)]
    if form == "single":
        states = [s[:, 0] for s in states]
    inputs = [rng.standard_normal(shape).astype(dtype), *states]

    def run(layer: Any, x: Any, *hx: Any) -> Any:
        return layer(x, hx_of(hx))

    compare(torch, ours, theirs, run, run, inputs)


@configurations
@pytest.mark.parametrize("threads", [1, 2])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5), with_states=st.booleans())
def test_packed_sequences(
    name: str, options: Any, threads: int, lengths: list[int], with_states: bool, torch: Any
) -> None:
    ours, theirs = twins(torch, name, **options)
    rng = np.random.default_rng(len(lengths))
    B, T = len(lengths), max(lengths)
    states = [rng.standard_normal(s) for s in states_of(ours, B)] if with_states else []

    def run_with(library: Any) -> Any:
        def run(layer: Any, x: Any, *hx: Any) -> Any:
            packed = library.pack_padded_sequence(x, lengths, enforce_sorted=False)
            y, last = layer(packed, hx_of(hx) if hx else None)
            assert isinstance(y, library.PackedSequence)
            return library.pad_packed_sequence(y)[0], last

        return run

    theirs_library = torch.nn.utils.rnn
    with least_threads(threads):
        inputs = [rng.standard_normal((T, B, 5)), *states]
        compare(torch, ours, theirs, run_with(sequences), run_with(theirs_library), inputs)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("shape", [(3, 5), (5,)])
def test_cells_with_states(name: str, shape: tuple[int, ...], torch: Any) -> None:
    ours, theirs = twins(torch, name)
    rng = np.random.default_rng(0)
    states = [rng.standard_normal((*shape[:-1], 7)) for _ in range(1 + (name == "LSTMCell"))]

    def run(layer: Any, x: Any, *hx: Any) -> Any:
        for _ in range(3):
            after = layer(x, hx_of(hx))
            hx = after if isinstance(after, tuple) else (after,)
        return hx[0], hx

    compare(torch, ours, theirs, run, run, [rng.standard_normal(shape), *states])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_a_loop_of_cells(name: str) -> None:
    layer, cell = getattr(nn, name)(5, 7), getattr(nn, f"{name}Cell")(5, 7)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x = Tensor(np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32))
    y, _ = layer(x)
    state = None
    for t in range(4):
        state = cell(x[t], state)
        h = state[0] if isinstance(state, tuple) else state
        np.testing.assert_allclose(h.array, y[t].array, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_initial_values_are_uniform(name: str) -> None:
    layer = getattr(nn, name)(30, 100, num_layers=2)
    for parameter in layer.parameters():
        assert np.abs(parameter.array).max() <= 0.1
        np.testing.assert_allclose(np.abs(parameter.array).max(), 0.1, rtol=0.05)
    weight = layer.weight_hh_l1.array
    np.testing.assert_allclose(weight.std(), 0.1 / np.sqrt(3), rtol=0.02)


def test_dropout_is_between_layers_and_in_training_only() -> None:
    autograd.manual_seed(0)
    layer = nn.GRU(4, 6, num_layers=2, dropout=1.0)
    x = Tensor(np.random.default_rng(0).standard_normal((3, 2, 4)).astype(np.float32))
    y, h = layer(x)
    alone = nn.GRU(6, 6)
    alone.load_state_dict({k.replace("l1", "l0"): v for k, v in layer.state_dict().items() if "_l1" in k})
    np.testing.assert_allclose(y.array, alone(zeros(3, 2, 6))[0].array, rtol=1e-6, atol=1e-6)
    assert np.abs(h.array[0]).min() > 0
    layer.eval()
    assert np.abs(layer(x)[0].array - y.array).max() > 1e-3


def test_flatten_parameters_and_all_weights() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
    before = [p.array.copy() for p in layer.parameters()]
    assert layer.flatten_parameters() is None
    for a, b in zip(before, layer.parameters(), strict=True):
        np.testing.assert_array_equal(a, b.array)
    assert [len(each) for each in layer.all_weights] == [5] * 4
    assert layer.all_weights[3][4] is layer.weight_hr_l1_reverse


def test_states_have_memory_of_their_own() -> None:
    """States are carried over, detached, while outputs are dropped."""
    y, (h, c) = nn.LSTM(3, 4)(zeros(5, 2, 3))
    assert not any(np.shares_memory(a.array, b.array) for a, b in [(y, h), (y, c), (h, c)])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "LSTMCell", "GRUCell"])  # an RNNCell's tanh saves its output
def test_states_may_be_changed_in_place(name: str) -> None:
    """What was computed of the outputs, or of the other state, before keeps its gradient."""
    layer, cell = getattr(nn, name)(3, 4), name.endswith("Cell")
    x = Tensor(np.ones((2, 3) if cell else (5, 2, 3), np.float32))
    output = layer(x)
    y, states = (output, output) if cell else output
    *others, last = states if isinstance(states, tuple) else (states,)
    loss = sum(((other * other).sum() for other in others), (last if cell else y).sum())
    last *= 2
    (loss + last.sum()).backward()
    assert np.abs(next(layer.parameters()).grad.array).max() > 0


def test_outputs_may_be_changed_in_place() -> None:
    for name in ("RNN", "LSTM", "GRU"):
        layer, x = getattr(nn, name)(3, 4), Tensor(np.ones((5, 2, 3), np.float32), requires_grad=True)
        y, _ = layer(x)
        (y * 2).sum().backward()
        expected, x.grad = x.grad, None
        z, _ = layer(x)
        z *= 2
        z.sum().backward()
        np.testing.assert_array_equal(x.grad.array, expected.array)


def test_batch_of_none() -> None:
    for name in ("RNN", "LSTM", "GRU"):
        layer = getattr(nn, name)(3, 4, bidirectional=True)
        y, states = layer(zeros(5, 0, 3))
        assert tuple(y.shape) == (5, 0, 8)
        assert tuple((states[0] if name == "LSTM" else states).shape) == (2, 0, 4)
        y.sum().backward()
        assert all(np.array_equal(p.grad.array, np.zeros(p.shape)) for p in layer.parameters())


def test_half_precision_is_computed_cell_by_cell() -> None:
    layer = nn.GRU(3, 4)
    x = Tensor(np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32))
    expected = layer(x)[0].array
    y = layer.half()(x.half())[0]
    assert y.dtype == autograd.float16
    np.testing.assert_allclose(y.array, expected, atol=5e-3)


def test_gradient_penalty_through_an_lstm(torch: Any) -> None:
    ours, theirs = twins(torch, "LSTM", num_layers=2, bidirectional=True)
    x = np.random.default_rng(0).standard_normal((3, 2, 5))
    results = []
    for layer, tensor, grad in (
        (ours, Tensor(x, requires_grad=True), autograd.autograd.grad),
        (theirs, torch.tensor(x, requires_grad=True), torch.autograd.grad),
    ):
        y, _ = layer(tensor)
        (slope,) = grad((y * y).sum(), tensor, create_graph=True)
        ((slope * slope).sum()).backward()
        results.append([p.grad.numpy() for p in layer.parameters()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_second_derivatives_where_the_state_depends_on_the_input(name: str, torch: Any) -> None:
    ours, theirs = twins(torch, name)
    x = np.random.default_rng(0).standard_normal((3, 2, 5))
    w = np.random.default_rng(1).standard_normal((5, 7))
    results = []
    for layer, make, grad in ((ours, Tensor, autograd.autograd.grad), (theirs, torch.tensor, torch.autograd.grad)):
        tensor = make(x, requires_grad=True)
        state = (tensor[0] @ make(w)).unsqueeze(0)
        y, _ = layer(tensor, (state, state * state) if name == "LSTM" else state)
        (slope,) = grad((y * y).sum(), tensor, create_graph=True)
        (slope * slope).sum().backward()
        results.append([slope.detach().numpy(), tensor.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


# -- wrong arguments -------------------------------------------------------------------------------------------

X, H = (5, 2, 3), (1, 2, 4)
lstm, gru, rnn_ = (lambda: nn.LSTM(3, 4)), (lambda: nn.GRU(3, 4)), (lambda: nn.RNN(3, 4))
WRONG = [
    (
        lambda: lstm()(zeros(5, 2, 7)),
        RuntimeError,
        r"LSTM: input.size\(-1\) must be equal to input_size. Expected 3, got 7",
    ),
    (lambda: gru()(zeros(5, 2, 3, 1)), ValueError, "GRU: Expected input to be 2D or 3D, got 4D instead"),
    (lambda: rnn_()(zeros(3)), ValueError, "RNN: Expected input to be 2D or 3D, got 1D"),
    (lambda: rnn_()(zeros(0, 2, 3)), RuntimeError, "RNN: Expected sequence length to be larger than 0"),
    (lambda: gru()(zeros(*X, dtype=np.float64)), ValueError, r"input dtype \(\S*float64\) does not match weight dtype"),
    (lambda: gru()(zeros(*X, dtype=np.int64)), ValueError, r"input dtype \(\S*int64\) does not match"),
    (lambda: gru()(zeros(*X), zeros(1, 3, 4)), RuntimeError, r"GRU: Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]"),
    (lambda: gru()(zeros(*X), zeros(3, 4)), RuntimeError, "For batched 3-D input, hx should also be 3-D but got 2-D"),
    (lambda: gru()(zeros(5, 3), zeros(*H)), RuntimeError, "For unbatched 2-D input, hx should also be 2-D but got 3-D"),
    (
        lambda: gru()(zeros(*X), zeros(*H, dtype=np.float64)),
        RuntimeError,
        "hidden is of .*float64, but expected .*float32",
    ),
    (lambda: lstm()(zeros(*X), (zeros(1, 3, 4), zeros(*H))), RuntimeError, r"Expected hidden\[0\] size \(1, 2, 4\)"),
    (
        lambda: lstm()(zeros(*X), (zeros(*H), zeros(1, 2, 5))),
        RuntimeError,
        r"Expected hidden\[1\] size .* got \[1, 2, 5\]",
    ),
    (
        lambda: lstm()(zeros(*X), (zeros(3, 4), zeros(*H))),
        RuntimeError,
        r"hx and cx should also be 3-D but got \(2-D, 3-D\)",
    ),
    (lambda: lstm()(zeros(*X), zeros(*H)), IndexError, "index 1 is out of bounds"),
    (lambda: gru()(sequences.pack_sequence([zeros(3)])), RuntimeError, "GRU: input must have 2 dimensions, got 1"),
    (lambda: gru()(sequences.pack_sequence([zeros(3, 5)])), RuntimeError, "Expected 3, got 5"),
    (
        lambda: gru()(sequences.pack_sequence([zeros(3, 3)]), zeros(*H)),
        RuntimeError,
        r"Expected hidden size \(1, 1, 4\)",
    ),
    (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout should be a number in range"),
    (lambda: nn.LSTM(3, 4, dropout=True), ValueError, "dropout should be a number in range"),
    (lambda: nn.LSTM(3, "a"), TypeError, "hidden_size should be of type int, got: str"),
    (lambda: nn.LSTM(3.0, 4), TypeError, "input_size should be of type int, got: float"),
    (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
    (lambda: nn.LSTM(-1, 4), ValueError, "input_size must be greater than zero"),
    (lambda: nn.LSTM(3, 4, 0), ValueError, "num_layers must be greater than zero"),
    (lambda: nn.LSTM(3, 4, proj_size=-1), ValueError, "proj_size should be a positive integer or zero"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller than hidden_size"),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
    (lambda: nn.RNN(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
    (lambda: nn.RNN(3, 4, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="x")(zeros(2, 3)), RuntimeError, "Unknown nonlinearity: x"),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 2, 3)), ValueError, "GRUCell: Expected input to be 1D or 2D, got 3D instead"),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 3), zeros(2, 4, 1)), ValueError, "Expected hidden to be 1D or 2D, got 3D"),
    (
        lambda: nn.LSTMCell(3, 4)(zeros(2, 3), (zeros(2, 4), zeros(2, 4, 1))),
        ValueError,
        r"Expected hx\[1\] to be 1D or 2D, got 3D",
    ),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 5)), RuntimeError, "input has inconsistent input_size: got 5 expected 3"),
    (
        lambda: nn.GRUCell(3, 4)(zeros(2, 3), zeros(3, 4)),
        RuntimeError,
        "Input batch size 2 doesn't match hidden0 batch size 3",
    ),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 3), zeros(2, 5)), RuntimeError, "hidden0 has inconsistent hidden_size"),
    (lambda: nn.GRUCell(3, 4)(zeros(2, 3, dtype=np.float64)), RuntimeError, "expected input and hx of .*float32"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_dropout_of_a_single_layer_warns() -> None:
    with pytest.warns(UserWarning, match="got dropout=0.5 and num_layers=1") as caught:
        nn.LSTM(3, 4, dropout=0.5)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.LSTM(3, 4, 2, dropout=0.5)


def test_an_error_inside_a_model_says_where() -> None:
    model = nn.Sequential(nn.Sequential(nn.Identity(), nn.GRU(3, 4)))
    with pytest.raises(RuntimeError, match=r"0\.1 \(GRU\): .*Expected 3, got 7"):
        model(zeros(5, 2, 7))
