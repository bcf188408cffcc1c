"""One row per module: how it is made, what it is called with, and what of it can be compared with PyTorch's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class ModuleRow:
    """A module with constructor arguments; arrays among them become tensors, rows modules.

    Args:
        inputs: a shape for normal numbers, or a function that draws an array.
        random: its output in training is drawn at random.
        order: how often it can be checked against finite differences.
        tolerance: how far float64 results may be from PyTorch's.
    """

    name: str
    args: tuple[Any, ...] = ()
    inputs: tuple[Any, ...] = ((2, 3),)
    kwargs: dict[str, Any] = field(default_factory=dict)
    random: bool = False
    order: int = 2
    tolerance: float = 1e-10

    @property
    def id(self) -> str:
        """What the tests call the row."""
        arguments = [*map(_text, self.args), *(f"{k}={_text(v)}" for k, v in self.kwargs.items())]
        shape = next((str(x) for x in self.inputs if isinstance(x, tuple)), "")
        return f"{self.name}({', '.join(arguments)}){shape}"

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        """Return inputs: float64 numbers, or integers."""
        rng = np.random.default_rng(seed)
        return [x(rng) if callable(x) else rng.standard_normal(x) for x in self.inputs]


def _text(value: Any) -> str:
    if isinstance(value, ModuleRow):
        return value.name
    return f"array{value.shape}" if isinstance(value, np.ndarray) else repr(value)


def integers(high: int, *shape: int) -> Draw:
    """Return a function that draws integers from [0, high)."""
    return lambda rng: rng.integers(0, high, shape)


def distinct(*shape: int) -> Draw:
    """Return a function that draws numbers no two of which are close: a maximum has no ties."""
    size = int(np.prod(shape))
    return lambda rng: (rng.permutation(size).reshape(shape) - size / 2 + 0.25) / size * 4


def probabilities(*shape: int) -> Draw:
    """Return a function that draws rows of probabilities."""
    return lambda rng: rng.dirichlet(np.ones(shape[-1]), shape[:-1])


def between(low: float, high: float, *shape: int) -> Draw:
    """Return a function that draws from U(low, high)."""
    return lambda rng: rng.uniform(low, high, shape)


def log_probabilities(*shape: int) -> Draw:
    """Return a function that draws rows of logarithms of probabilities."""
    return lambda rng: np.log(rng.dirichlet(np.ones(shape[-1]), shape[:-1]))


WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])  # one per class

LINEAR = [
    ModuleRow("Identity"),
    ModuleRow("Identity", (5,), kwargs={"anything": 1}),
    ModuleRow("Linear", (3, 4)),
    ModuleRow("Linear", (3, 4), ((2, 5, 3),), {"bias": False}),
    ModuleRow("Linear", (3, 4), ((3,),)),
    ModuleRow("Bilinear", (2, 3, 4), ((5, 2), (5, 3))),
    ModuleRow("Bilinear", (2, 3, 4, False), ((5, 2), (5, 3))),
]

CONV = [
    ModuleRow("Conv1d", (2, 4, 3), ((2, 2, 7),)),
    ModuleRow("Conv1d", (2, 4, 3), ((2, 7),), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}),
    ModuleRow("Conv1d", (2, 4, 4), ((2, 2, 7),), {"padding": "same", "padding_mode": "circular"}),
    ModuleRow("Conv2d", (2, 4, 3), ((2, 2, 5, 6),)),
    ModuleRow("Conv2d", (2, 4, (3, 2)), ((2, 5, 6),), {"stride": (2, 1), "padding": (1, 0), "bias": False}),
    ModuleRow("Conv2d", (4, 6, 3, 1, 1, 2, 2), ((2, 4, 6, 5),)),
    ModuleRow("Conv2d", (2, 3, (2, 3)), ((2, 2, 5, 6),), {"padding": "same"}),
    ModuleRow("Conv2d", (2, 3, (2, 3)), ((2, 2, 5, 6),), {"padding": "same", "padding_mode": "reflect"}),
    ModuleRow("Conv2d", (2, 3, 3), ((2, 2, 5, 6),), {"padding": "valid", "padding_mode": "replicate"}),
    ModuleRow("Conv2d", (2, 3, 3), ((2, 2, 5, 6),), {"padding": (1, 2), "padding_mode": "replicate"}),
    ModuleRow("Conv2d", (2, 3, 3), ((2, 2, 5, 6),), {"padding": (2, 1), "padding_mode": "circular"}),
    ModuleRow("ConvTranspose1d", (2, 4, 3), ((2, 2, 5),), {"stride": 2, "padding": 1, "output_padding": 1}),
    ModuleRow("ConvTranspose2d", (2, 4, 3), ((2, 2, 4, 3),)),
    ModuleRow(
        "ConvTranspose2d",
        (2, 4, (3, 2), (2, 3), (1, 0), (1, 2), 2, False, 1),
        ((2, 2, 4, 3),),
    ),
]

POOLING = [
    ModuleRow("MaxPool1d", (2,), (distinct(2, 3, 7),)),
    ModuleRow("MaxPool1d", (3, 2, 1), (distinct(3, 7),), {"ceil_mode": True, "dilation": 2}),
    ModuleRow("MaxPool2d", (2,), (distinct(2, 3, 5, 6),)),
    ModuleRow("MaxPool2d", ((3, 2), (2, 1), (1, 0)), (distinct(2, 2, 5, 6),), {"ceil_mode": True}),
    ModuleRow("AvgPool1d", (2,), ((2, 3, 7),)),
    ModuleRow("AvgPool1d", (3, 2, 1, True, False), ((3, 7),)),
    ModuleRow("AvgPool2d", (2,), ((2, 3, 5, 6),)),
    ModuleRow("AvgPool2d", ((3, 2),), ((2, 2, 5, 6),), {"padding": (1, 0), "count_include_pad": False}),
    ModuleRow("AvgPool2d", (3, 2), ((2, 2, 5, 6),), {"ceil_mode": True, "divisor_override": 5}),
    ModuleRow("AdaptiveAvgPool1d", (3,), ((2, 3, 7),)),
    ModuleRow("AdaptiveAvgPool2d", (1,), ((2, 3, 5, 6),)),
    ModuleRow("AdaptiveAvgPool2d", ((3, None),), ((2, 3, 5, 6),)),
    ModuleRow("AdaptiveMaxPool1d", (3,), (distinct(2, 3, 7),)),
    ModuleRow("AdaptiveMaxPool2d", ((3, 4),), (distinct(2, 3, 5, 6),)),
]

NORMALIZATION = [
    ModuleRow("BatchNorm1d", (3,), ((5, 3),)),
    ModuleRow("BatchNorm1d", (3,), ((4, 3, 5),), {"momentum": None}),
    ModuleRow("BatchNorm2d", (3,), ((2, 3, 4, 2),)),
    ModuleRow("BatchNorm2d", (3, 1e-3, 0.3, False), ((2, 3, 4, 2),)),
    ModuleRow("BatchNorm2d", (3,), ((2, 3, 4, 2),), {"track_running_stats": False, "bias": False}),
    ModuleRow("LayerNorm", (4,), ((2, 3, 4),)),
    ModuleRow("LayerNorm", ((3, 4), 1e-3), ((2, 3, 4),), {"bias": False}),
    ModuleRow("LayerNorm", ([3, 4],), ((2, 3, 4),), {"elementwise_affine": False}),
    ModuleRow("GroupNorm", (2, 4), ((2, 4, 3),)),
    ModuleRow("GroupNorm", (4, 4, 1e-3, False), ((2, 4, 3, 2),)),
    ModuleRow("InstanceNorm1d", (3,), ((2, 3, 5),), {"affine": True, "track_running_stats": True}),
    ModuleRow("InstanceNorm2d", (3,), ((2, 3, 4, 3),)),
    ModuleRow("InstanceNorm2d", (3,), ((3, 4, 3),), {"affine": True}),
    ModuleRow("InstanceNorm2d", (3,), ((2, 3, 4, 3),), {"affine": True, "track_running_stats": True}),
    ModuleRow("RMSNorm", (4,), ((2, 3, 4),)),
    ModuleRow("RMSNorm", ((3, 4), 1e-3, False), ((2, 3, 4),)),
    ModuleRow("LocalResponseNorm", (3,), ((2, 5, 3, 2),)),
    ModuleRow("LocalResponseNorm", (2, 0.5, 0.6, 2.0), ((2, 5, 3),)),
]

ACTIVATION = [
    *(ModuleRow(name) for name in (
        "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Mish", "Softplus", "Sigmoid",
        "LogSigmoid", "Tanh", "Hardtanh", "Hardswish", "Hardshrink", "Softshrink", "Tanhshrink",
        "Softsign", "PReLU",
    )),
    ModuleRow("Hardsigmoid", tolerance=1e-7),  # PyTorch's gradient has a factor 1/6 of float32
    ModuleRow("LeakyReLU", (0.2,)),
    ModuleRow("ELU", (0.5,)),
    ModuleRow("CELU", (0.5,)),
    ModuleRow("GELU", ("tanh",)),
    ModuleRow("Softplus", (2.0, 1.0)),
    ModuleRow("Hardtanh", (-0.5, 0.25)),
    ModuleRow("Threshold", (0.1, 2.0)),
    ModuleRow("Hardshrink", (0.3,)),
    ModuleRow("Softshrink", (0.3,)),
    ModuleRow("PReLU", (3, 0.1), ((2, 3, 4),)),
    ModuleRow("RReLU", (0.2, 0.4), random=True),
    ModuleRow("Softmax", (1,)),
    ModuleRow("LogSoftmax", kwargs={"dim": 0}),
    ModuleRow("Softmin", kwargs={"dim": -1}),
    ModuleRow("Softmax2d", inputs=((2, 3, 4, 2),)),
    ModuleRow("GLU", inputs=((2, 4),)),
    ModuleRow("GLU", (0,), ((2, 4),)),
]  # fmt: skip

OTHER = [
    ModuleRow("Dropout", random=True),
    ModuleRow("Dropout", (0.2,), random=True),
    ModuleRow("Dropout1d", (0.5,), ((2, 3, 4),), random=True),
    ModuleRow("Dropout2d", (0.5,), ((2, 3, 4, 2),), random=True),
    ModuleRow("Flatten", inputs=((2, 3, 4),)),
    ModuleRow("Flatten", (0, 1), ((2, 3, 4),)),
    ModuleRow("Unflatten", (1, (2, 3)), ((2, 6, 4),)),
    ModuleRow("Embedding", (5, 3), (integers(5, 2, 4),)),
    ModuleRow("Embedding", (5, 3), (integers(5, 7),), {"padding_idx": -2, "scale_grad_by_freq": True}, order=0),
    ModuleRow("Upsample", inputs=((1, 2, 3, 4),), kwargs={"scale_factor": 2}),
    ModuleRow("Upsample", ((5, 7),), ((1, 2, 3, 4),), {"mode": "bilinear", "align_corners": True}),
    ModuleRow("PixelShuffle", (2,), ((2, 8, 3, 2),)),
    ModuleRow("PixelUnshuffle", (2,), ((2, 3, 4, 6),)),
    ModuleRow("ZeroPad1d", ((1, 2),), ((2, 3, 4),)),
    ModuleRow("ZeroPad2d", ((1, -1, 2, 0),), ((2, 3, 4, 5),)),
    ModuleRow("ConstantPad1d", (2, 1.5), ((2, 3, 4),)),
    ModuleRow("ConstantPad2d", (1, 1.5), ((2, 3, 4, 5),)),
    ModuleRow("ReflectionPad1d", ((1, 2),), ((2, 3, 4),)),
    ModuleRow("ReflectionPad2d", ((1, 2, 0, 3),), ((2, 3, 4, 5),)),
    ModuleRow("ReplicationPad1d", (2,), ((2, 3, 4),)),
    ModuleRow("ReplicationPad2d", ((1, 2, 0, 3),), ((2, 3, 4, 5),)),
    ModuleRow("CircularPad1d", (2,), ((2, 3, 4),)),
    ModuleRow("CircularPad2d", ((1, 2, 0, 3),), ((2, 3, 4, 5),)),
]

LOSS = [
    ModuleRow("L1Loss", inputs=((3, 4), (3, 4))),
    ModuleRow("L1Loss", inputs=((3, 4), (3, 4)), kwargs={"reduction": "sum"}),
    ModuleRow("MSELoss", inputs=((3, 4), (3, 4))),
    ModuleRow("MSELoss", inputs=((3, 4), (3, 4)), kwargs={"reduction": "none"}),
    ModuleRow("SmoothL1Loss", inputs=((3, 4), (3, 4)), kwargs={"beta": 0.7}),
    ModuleRow("HuberLoss", ("sum", 0.7), ((3, 4), (3, 4))),
    ModuleRow("CrossEntropyLoss", inputs=((3, 4), integers(4, 3))),
    ModuleRow(
        "CrossEntropyLoss",
        inputs=((2, 4, 3), integers(4, 2, 3)),
        kwargs={"weight": WEIGHT, "ignore_index": 1},
    ),
    ModuleRow("CrossEntropyLoss", inputs=((3, 4), integers(4, 3)), kwargs={"label_smoothing": 0.1}),
    ModuleRow("CrossEntropyLoss", (WEIGHT,), ((3, 4), probabilities(3, 4)), {"reduction": "sum"}),
    ModuleRow("NLLLoss", inputs=((3, 4), integers(4, 3))),
    ModuleRow("NLLLoss", (WEIGHT,), ((3, 4), integers(4, 3)), {"reduction": "none"}),
    ModuleRow("BCELoss", inputs=(between(0.1, 0.9, 3, 4), between(0.0, 1.0, 3, 4))),
    ModuleRow("BCELoss", (WEIGHT,), (between(0.1, 0.9, 3, 4), between(0.0, 1.0, 3, 4))),
    ModuleRow("BCEWithLogitsLoss", inputs=((3, 4), between(0.0, 1.0, 3, 4))),
    ModuleRow(
        "BCEWithLogitsLoss",
        inputs=((3, 4), between(0.0, 1.0, 3, 4)),
        kwargs={"pos_weight": WEIGHT, "reduction": "sum"},
    ),
    ModuleRow("KLDivLoss", inputs=(log_probabilities(3, 4), probabilities(3, 4)), kwargs={"reduction": "batchmean"}),
    ModuleRow(
        "KLDivLoss",
        inputs=(log_probabilities(3, 4), log_probabilities(3, 4)),
        kwargs={"log_target": True, "reduction": "sum"},
    ),
]

SELF, CROSS = ((3, 2, 8),) * 3, ((3, 2, 8), (5, 2, 8), (5, 2, 8))
LAYER = (4, 2, 6, 0.0)
ENCODER_LAYER, DECODER_LAYER = ModuleRow("TransformerEncoderLayer", LAYER), ModuleRow("TransformerDecoderLayer", LAYER)
NORM = ModuleRow("LayerNorm", (4,))

ATTENTION = [
    ModuleRow("MultiheadAttention", (8, 2), SELF),
    ModuleRow("MultiheadAttention", (8, 4), ((9, 8), (5, 8), (5, 8)), {"bias": False}),
    ModuleRow("MultiheadAttention", (8, 2), CROSS, {"add_bias_kv": True, "add_zero_attn": True}),
    ModuleRow(
        "MultiheadAttention", (8, 2), ((2, 9, 8), (2, 5, 6), (2, 5, 7)), {"kdim": 6, "vdim": 7, "batch_first": True}
    ),
    ModuleRow("MultiheadAttention", (8, 2, 0.4), SELF, random=True),
    ModuleRow("TransformerEncoderLayer", LAYER, ((9, 2, 4),)),
    ModuleRow("TransformerEncoderLayer", LAYER, ((3, 4),), {"norm_first": True, "activation": "gelu", "bias": False}),
    ModuleRow("TransformerEncoderLayer", (4, 2, 6), ((3, 2, 4),), random=True),
    ModuleRow("TransformerEncoderLayer", LAYER, ((2, 3, 4),), {"batch_first": True, "activation": ModuleRow("GELU")}),
    ModuleRow("TransformerDecoderLayer", LAYER, ((9, 2, 4), (3, 2, 4))),
    ModuleRow("TransformerDecoderLayer", LAYER, ((2, 3, 4), (2, 5, 4)), {"norm_first": True, "batch_first": True}),
    ModuleRow("TransformerEncoder", (ENCODER_LAYER, 2, NORM, False), ((3, 2, 4),)),
    ModuleRow("TransformerDecoder", (DECODER_LAYER, 2), ((3, 2, 4), (2, 2, 4))),
    ModuleRow("Transformer", (4, 2, 1, 2, 6, 0.0), ((3, 2, 4), (2, 2, 4)), order=1),
]

SEQUENCE = (4, 2, 3)  # steps, sequences, features

RECURRENT = [
    ModuleRow("RNN", (3, 4), (SEQUENCE,)),
    ModuleRow("RNN", (3, 4, 2, "relu"), (SEQUENCE,), {"bidirectional": True}),
    ModuleRow("RNN", (3, 5), ((4, 3), (1, 5)), {"bias": False}),
    ModuleRow("LSTM", (3, 4), (SEQUENCE,)),
    ModuleRow("LSTM", (3, 4, 2), (SEQUENCE,), {"bidirectional": True, "batch_first": True}),
    ModuleRow("LSTM", (3, 4, 2), ((4, 3),), {"bidirectional": True, "proj_size": 2}),
    ModuleRow("LSTM", (3, 4, 2, False), (SEQUENCE,), {"proj_size": 3, "batch_first": True}),
    ModuleRow("LSTM", (3, 4, 2), (SEQUENCE,), {"dropout": 0.5}, random=True),
    ModuleRow("GRU", (3, 4), (SEQUENCE,)),
    ModuleRow("GRU", (3, 4, 2), (SEQUENCE, (4, 4, 4)), {"bidirectional": True, "batch_first": True}),
    ModuleRow("GRU", (3, 4), ((4, 3),), {"bias": False}),
    ModuleRow("RNNCell", (3, 4)),
    ModuleRow("RNNCell", (3, 4), ((3,), (4,)), {"nonlinearity": "relu"}),
    ModuleRow("LSTMCell", (3, 4)),
    ModuleRow("LSTMCell", (3, 4, False), ((3,),)),
    ModuleRow("GRUCell", (3, 4)),
    ModuleRow("GRUCell", (3, 4), ((3,), (4,))),
]

MODULES = [*LINEAR, *CONV, *POOLING, *NORMALIZATION, *ACTIVATION, *ATTENTION, *RECURRENT, *OTHER, *LOSS]
