"""Classifiers of sequences: Elman's net (1990), LSTM (Hochreiter and Schmidhuber, 1997), GRU (Cho et al., 2014).

A recurrent layer reads the sequence; its last state, or the mean of its states, goes to a linear layer.

    x₁   x₂        x_L
    │    │         │
    rnn ─ rnn ─ … ─ rnn ─ last state or mean ─ dropout ─ head

`lstm_classifier(28, 128, 10)` on 28 steps of 28 features, an image row by row:

    layer     output          parameters
    rnn       (N, 28, 128)        80,896
    dropout   (N, 128)                 0
    head      (N, 10)              1,290
"""

from typing import Any

from autograd import cat
from autograd.tensor import Tensor
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.recurrent import GRU, LSTM, RNN
from nn.sparse import Embedding
from nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

_LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
_POOLINGS = ("last", "mean")


class RecurrentClassifier(Module):
    """A recurrent layer, a pooling of its states and a linear head.

    Args:
        kind: "rnn", "lstm" or "gru".
        input_size: I, features of a step; of tokens, those of their embedding.
        hidden_size: H, units of the recurrent layer.
        num_classes: K, the number of classes.
        num_layers: recurrent layers on top of each other.
        bidirectional: whether each also reads the sequence from its end, D = 2 directions.
        pooling: what is classified: "last", the states behind the last step (and behind the first, of the way back),
            or "mean", the mean of the outputs of all steps.
        dropout: how likely outputs of recurrent layers become zero in training.
        num_embeddings: if given, steps are tokens 0 ≤ x < num_embeddings and an embedding comes first.
        padding_idx: token whose embedding is zero and stays so.

    Shapes:
        input (N, L, I), or (N, L) tokens; lengths (N,): how many steps of each sequence count; output (N, K): logits.
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_classes: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        pooling: str = "last",
        dropout: float = 0.0,
        num_embeddings: int | None = None,
        padding_idx: int | None = None,
    ) -> None:
        super().__init__()
        for name, value, accepted in (("kind", kind, tuple(_LAYERS)), ("pooling", pooling, _POOLINGS)):
            if value not in accepted:
                raise ValueError(
                    f"RecurrentClassifier: {name} is {value!r}, expected one of {', '.join(map(repr, accepted))}"
                )
        if padding_idx is not None and num_embeddings is None:
            raise ValueError("RecurrentClassifier: padding_idx is of an embedding: give num_embeddings, too")
        self.pooling = pooling
        self.directions = 1 + bool(bidirectional)
        self.embedding = None if num_embeddings is None else Embedding(num_embeddings, input_size, padding_idx)
        between = dropout if num_layers > 1 else 0.0
        self.rnn = _LAYERS[kind](
            input_size, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )
        self.dropout = Dropout(dropout)
        self.head = Linear(self.directions * hidden_size, num_classes)

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Return the logits of the classes; steps at and behind `lengths` are padding and change nothing."""
        ndim = 3 if self.embedding is None else 2
        if x.ndim != ndim:
            expected = "(N, L, features)" if ndim == 3 else "(N, L): tokens"
            raise ValueError(f"RecurrentClassifier: input has shape {tuple(x.shape)}, expected {expected}")
        if self.embedding is not None:
            x = self.embedding(x)
        pooled = self._pooled(x) if lengths is None else self._pooled_packed(x, lengths)
        return self.head(self.dropout(pooled))

    def _pooled(self, x: Tensor) -> Tensor:
        outputs, states = self.rnn(x)
        return outputs.mean(1) if self.pooling == "mean" else self._last(states)

    def _pooled_packed(self, x: Tensor, lengths: Any) -> Tensor:
        outputs, states = self.rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        if self.pooling == "last":
            return self._last(states)
        padded, counts = pad_packed_sequence(outputs, batch_first=True)
        return padded.sum(1) / counts.unsqueeze(1)

    def _last(self, states: Any) -> Tensor:
        """Return the top layer's states, those of the two directions side by side."""
        h = states[0] if isinstance(states, tuple) else states
        return cat([*h[-self.directions :]], dim=1)


def rnn_classifier(input_size: int, hidden_size: int, num_classes: int, **options: Any) -> RecurrentClassifier:
    """Return a `RecurrentClassifier` with Elman's units; `options` are its other arguments."""
    return RecurrentClassifier("rnn", input_size, hidden_size, num_classes, **options)


def lstm_classifier(input_size: int, hidden_size: int, num_classes: int, **options: Any) -> RecurrentClassifier:
    """Return a `RecurrentClassifier` with LSTM units; `options` are its other arguments."""
    return RecurrentClassifier("lstm", input_size, hidden_size, num_classes, **options)


def gru_classifier(input_size: int, hidden_size: int, num_classes: int, **options: Any) -> RecurrentClassifier:
    """Return a `RecurrentClassifier` with GRU units; `options` are its other arguments."""
    return RecurrentClassifier("gru", input_size, hidden_size, num_classes, **options)
