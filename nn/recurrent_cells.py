"""Recurrent cells: one step of a recurrent layer."""

from typing import Any

from nn import functional as F
from nn import init
from nn.module import Module
from nn.parameter import Parameter, empty_parameter


class RNNCellBase(Module):
    """What recurrent cells share; see `RNNCell`, `LSTMCell` and `GRUCell`.

    Args:
        input_size: number of features I.
        hidden_size: number of units H.
        bias: whether biases are added.
        num_chunks: how many gates there are.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (B, I) or (I,), hx and output (B, H) or (H,), an LSTMCell's pairs of these; hx is by default zeros;
        weight_ih (gates·H, I), weight_hh (gates·H, H), bias_ih, bias_hh (gates·H,).

    All start as U(-1/√H, 1/√H).
    """

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        self.weight_ih = empty_parameter(gates, input_size, device=device, dtype=dtype)
        self.weight_hh = empty_parameter(gates, hidden_size, device=device, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty_parameter(gates, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for parameter in self.parameters():
            init.inverse_root_(parameter, self.hidden_size)

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias is True else f", bias={self.bias}"
        nonlinearity = vars(self).get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _step(self, kind: str, input: Any, *states: Any) -> tuple[Any, Any]:
        """Return h' and c'; a single input (I,) is a batch of one."""
        self._check(input, states)
        batched = input.ndim == 2
        given = (input, *states) if len(states) == 2 else (input, *states, None)
        x, h, c = (each if each is None or each.ndim == 2 else each.unsqueeze(0) for each in given)
        weights = F.RecurrentWeights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        h, c = F.recurrent_cell(kind, x, h, c, weights)
        return (h, c) if batched else (h.squeeze(0), c if c is None else c.squeeze(0))

    def _check(self, input: Any, states: tuple[Any, ...]) -> None:
        name = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        for i, state in enumerate(states):
            if state is not None and state.ndim not in (1, 2):
                what = f"hx[{i}]" if len(states) == 2 else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {state.ndim}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}"
            )
        for i, state in enumerate(states):
            self._check_state(i, state, input)
        if any(x is not None and x.dtype != self.weight_ih.dtype for x in (input, *states)):
            given = [str(x.dtype) for x in (input, *states) if x is not None]
            raise RuntimeError(f"{name}: expected input and hx of {self.weight_ih.dtype}, the weights', got {given}")

    def _check_state(self, i: int, state: Any, input: Any) -> None:
        if state is None:
            return
        name, B = self._get_name(), 1 if input.ndim == 1 else input.shape[0]
        if state.shape[-1] != self.hidden_size or state.ndim != input.ndim:
            raise RuntimeError(
                f"{name}: hidden{i} has inconsistent hidden_size: got {list(state.shape)}, expected "
                f"{[self.hidden_size] if input.ndim == 1 else [B, self.hidden_size]}"
            )
        if input.ndim == 2 and state.shape[0] != B:
            raise RuntimeError(f"{name}: Input batch size {B} doesn't match hidden{i} batch size {state.shape[0]}")


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu(...).

    Args:
        nonlinearity: "tanh" or "relu".

    The other arguments, and all shapes, are those of `RNNCellBase`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return h'."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}")
        return self._step(self.nonlinearity, input, hx)[0]


class LSTMCell(RNNCellBase):
    """c' = f c + i g, h' = o tanh(c'), the gates as in `LSTM`; arguments and shapes are those of `RNNCellBase`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return (h', c')."""
        return self._step("lstm", input, *((None, None) if hx is None else (hx[0], hx[1])))


class GRUCell(RNNCellBase):
    """h' = (1 - z) n + z h, the gates as in `GRU`; arguments and shapes are those of `RNNCellBase`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return h'."""
        return self._step("gru", input, hx)[0]
