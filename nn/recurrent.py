"""Recurrent layers: Elman's, LSTM and GRU, over whole sequences."""

import warnings
from collections.abc import Iterator
from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn import init
from nn.module import Module
from nn.parameter import empty_parameter
from nn.utils.rnn import PackedSequence

KINDS = {"RNN_TANH": "tanh", "RNN_RELU": "relu", "LSTM": "lstm", "GRU": "gru"}
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class RNNBase(Module):
    """What recurrent layers share; see `RNN`, `LSTM` and `GRU`.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: number of features I of a step's input.
        hidden_size: number of units H.
        num_layers: L; each layer takes the outputs of the one below as its inputs.
        bias: whether biases are added.
        batch_first: input and output are (B, T, ...) instead of (T, B, ...).
        dropout: probability with which, in training, outputs of all layers but the last are zeroed.
        bidirectional: whether each layer also goes through the sequence from its end, D = 2 directions.
        proj_size: P, an LSTM's outputs are projected to it; 0: they are not, P = H.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (T, B, I), (B, T, I), (T, I) of a single sequence, or a PackedSequence;
        hx (D·L, B, P), an LSTM's pair with (D·L, B, H), default: zeros; output (T, B, D·P);
        weight_ih_l{k} (gates·H, I or D·P), weight_hh_l{k} (gates·H, P), bias_ih_l{k}, bias_hh_l{k} (gates·H,),
        weight_hr_l{k} (P, H); those of the way back end in _reverse.

    All start as U(-1/√H, 1/√H).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in KINDS:
            raise ValueError("Unrecognized RNN mode: " + mode)
        _check_arguments(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._names = [list(self._names_of(k, way)) for k, way in self._ways()]
        for (k, _), names in zip(self._ways(), self._names, strict=True):
            for name in names:
                setattr(self, name, empty_parameter(*self._shape_of(name, k), device=device, dtype=dtype))
        self.reset_parameters()

    def _ways(self) -> list[tuple[int, str]]:
        """Return layer and suffix of all passes over the sequence."""
        return [(k, way) for k in range(self.num_layers) for way in ("", "_reverse")[: 1 + self.bidirectional]]

    def _names_of(self, k: int, way: str) -> Iterator[str]:
        yield from (f"weight_ih_l{k}{way}", f"weight_hh_l{k}{way}")
        if self.bias:
            yield from (f"bias_ih_l{k}{way}", f"bias_hh_l{k}{way}")
        if self.proj_size:
            yield f"weight_hr_l{k}{way}"

    def _shape_of(self, name: str, k: int) -> tuple[int, ...]:
        gates, outputs = GATES[self.mode] * self.hidden_size, self.proj_size or self.hidden_size
        if name.startswith("weight_ih"):
            return gates, outputs * (1 + self.bidirectional) if k else self.input_size
        if name.startswith("weight_hr"):
            return outputs, self.hidden_size
        return (gates, outputs) if name.startswith("weight_hh") else (gates,)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for parameter in self.parameters():
            init.inverse_root_(parameter, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing: parameters need not lie side by side, as they do for PyTorch on other devices."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    # -- forward ---------------------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return the outputs of the last layer at all steps, and the last states of all layers and directions."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(f"Expected input to be 2D or 3D, got {input.ndim}D instead")
        self._check_input(input)
        self._check_dims(hx, input.ndim)
        batched = input.ndim == 3
        if not batched:
            input, hx = input.unsqueeze(1), _each(hx, lambda state: state.unsqueeze(1))
        elif self.batch_first:
            input = input.transpose(0, 1)
        T, B = input.shape[:2]
        if T == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        self._check_states(hx, B, input)
        y, states = self._run(input, hx, (B,) * T)
        if not batched:
            return y.squeeze(1), _each(states, lambda state: state.squeeze(1))
        return (y.transpose(0, 1) if self.batch_first else y), states

    def _forward_packed(self, input: PackedSequence, hx: Any) -> tuple[Any, Any]:
        data, sizes, order, back = input
        if data.ndim != 2:
            raise RuntimeError(f"input must have 2 dimensions, got {data.ndim}")
        self._check_input(data)
        steps = tuple(sizes.tolist())
        self._check_states(hx, steps[0], data)
        y, states = self._run(data, _reordered(hx, order), steps)
        return PackedSequence(y, sizes, order, back), _reordered(states, back)

    def _run(self, x: Any, hx: Any, steps: tuple[int, ...]) -> tuple[Any, Any]:
        h, c = hx if isinstance(hx, tuple) else (hx, None)
        directions = 1 + self.bidirectional
        weights = [self._weights(names) for names in self._names]
        layers = [weights[i : i + directions] for i in range(0, len(weights), directions)]
        passed = F.recurrent_network(KINDS[self.mode], x, h, c, layers, steps, self.dropout, self.training)
        return passed.y, passed.h if passed.c is None else (passed.h, passed.c)

    def _weights(self, names: list[str]) -> F.RecurrentWeights:
        values = {name[: name.index("_l")]: getattr(self, name) for name in names}
        ih, hh, hr = (values.get(f"weight_{what}") for what in ("ih", "hh", "hr"))
        return F.RecurrentWeights(ih, hh, values.get("bias_ih"), values.get("bias_hh"), hr)

    # -- checks ----------------------------------------------------------------------------------------------

    def _check_input(self, input: Any) -> None:
        weight = getattr(self, self._names[0][0])
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _check_dims(self, hx: Any, ndim: int) -> None:
        dims = [state.ndim for state in _states(hx)]
        if any(n != ndim for n in dims):
            kind = "batched 3-D" if ndim == 3 else "unbatched 2-D"
            got = f"{dims[0]}-D tensor" if len(dims) == 1 else f"({dims[0]}-D, {dims[1]}-D) tensors"
            raise RuntimeError(
                f"For {kind} input, {'hx' if len(dims) == 1 else 'hx and cx'} should also be {ndim}-D but got {got}"
            )

    def _check_states(self, hx: Any, B: int, input: Any) -> None:
        states = _states(hx)
        for i, (state, size) in enumerate(
            zip(states, (self.proj_size or self.hidden_size, self.hidden_size), strict=False)
        ):
            name = f"hidden[{i}]" if len(states) == 2 else "hidden"
            expected = (len(self._names), B, size)
            if tuple(state.shape) != expected:
                raise RuntimeError(f"Expected {name} size {expected}, got {list(state.shape)}")
            if state.dtype != input.dtype:
                raise RuntimeError(f"{name} is of {state.dtype}, but expected {input.dtype}, the input's")

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False
        }  # fmt: skip
        given = [f"{name}={value}" for name, default in defaults.items() if (value := getattr(self, name)) != default]
        return ", ".join([text, *given])


def _states(hx: Any) -> tuple[Any, ...]:
    return () if hx is None else hx if isinstance(hx, tuple) else (hx,)


def _each(hx: Any, function: Any) -> Any:
    """Apply a function to the states, of which an LSTM has two."""
    return None if hx is None else tuple(map(function, hx)) if isinstance(hx, tuple) else function(hx)


def _reordered(hx: Any, order: Tensor | None) -> Any:
    return hx if order is None else _each(hx, lambda state: state.index_select(1, order))


def _check_arguments(
    mode: str, input_size: Any, hidden_size: Any, num_layers: int, dropout: Any, proj_size: int
) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size and mode != "LSTM":
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu(...) (Elman 1990).

    Args:
        nonlinearity: "tanh" or "relu".

    The other arguments, and all shapes, are those of `RNNBase`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        mode = "RNN_" + str(nonlinearity).upper()
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        super().__init__(mode, *sizes, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """c' = f c + i g, h' = o tanh(c') with gates i, f, o = σ(...), g = tanh(...) (Hochreiter and Schmidhuber 1997).

    Each gate is of W_ih x + b_ih + W_hh h + b_hh; their rows are those of i, f, g, o in turn. With a projection, h'
    is W_hr o tanh(c') (Sak et al. 2014). The arguments, and all shapes, are those of `RNNBase`; hx is a pair (h, c).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        super().__init__("LSTM", *sizes, device=device, dtype=dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return the outputs of the last layer at all steps, and the last (h, c) of all layers and directions."""
        return super().forward(input, None if hx is None else (hx[0], hx[1]))


class GRU(RNNBase):
    """h' = (1 - z) n + z h, n = tanh(W_in x + b_in + r (W_hn h + b_hn)), r, z = σ(...) (Cho et al. 2014).

    The rows of the weights are those of r, z, n in turn. The arguments, and all shapes, are those of `RNNBase`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        super().__init__("GRU", *sizes, device=device, dtype=dtype)
