"""`nn.summary`: its figures, and that it leaves the model as it was."""

from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd.tensor import Tensor
from nn.summary import Summary


class Digits(nn.Module):
    """CONV5-10, POOL2, CONV5-10, POOL2, FC-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5, padding=2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(10, 10, 5, padding=2)
        self.pool2 = nn.MaxPool2d(2)
        self.fc = nn.Linear(640, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool2(self.conv2(self.pool1(self.conv1(x))))
        return self.fc(x.flatten(1))


def column(table: Summary, name: str) -> list[Any]:
    return [getattr(row, name) for row in table.rows]


def test_a_small_convolutional_net() -> None:
    table = nn.summary(Digits(), (1, 1, 32, 32))
    assert column(table, "path") == ["conv1", "pool1", "conv2", "pool2", "fc"]
    assert column(table, "kind") == ["Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Linear"]
    assert column(table, "parameters") == [260, 0, 2510, 0, 6410]
    assert column(table, "volume") == ["32x32x10", "16x16x10", "16x16x10", "8x8x10", "10"]
    assert column(table, "output_shape")[0] == (1, 10, 32, 32)
    assert column(table, "multiply_adds") == [250 * 1024, 0, 2500 * 256, 0, 6400]
    assert column(table, "memory") == [40960, 10240, 10240, 2560, 40]
    assert table.total_parameters == table.trainable_parameters == 9180
    assert table.total_multiply_adds == 902400
    assert table.activation_bytes == 64040
    assert (table.input_bytes, table.parameter_bytes) == (4096, 9180 * 4)


def test_the_text() -> None:
    text = str(nn.summary(Digits(), (1, 1, 32, 32)))
    assert (
        text
        == """\
Digits
--------------------------------------------------------------------------------
layer  type       output shape     volume    parameters  multiply-adds    memory
--------------------------------------------------------------------------------
conv1  Conv2d     (1, 10, 32, 32)  32x32x10         260         256000  40.0 KiB
pool1  MaxPool2d  (1, 10, 16, 16)  16x16x10           0              0  10.0 KiB
conv2  Conv2d     (1, 10, 16, 16)  16x16x10        2510         640000  10.0 KiB
pool2  MaxPool2d  (1, 10, 8, 8)    8x8x10             0              0   2.5 KiB
fc     Linear     (1, 10)          10              6410           6400      40 B
--------------------------------------------------------------------------------
parameters       9,180 (9,180 trainable)
multiply-adds    902,400
memory           input 4.0 KiB, activations 62.5 KiB, parameters and buffers 35.9 KiB"""
    )


class Tied(nn.Module):
    """A layer called twice, a weight used in two places, a parameter of its own, and one layer never called."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(Tensor(np.zeros(4, np.float32)))
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)) for _ in range(2)])
        self.spare = nn.Linear(4, 1)
        self.decoder = nn.Linear(4, 4)
        self.decoder.weight = self.blocks[0][0].weight

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.token
        for block in (*self.blocks, self.blocks[1]):
            x = block(x)
        return self.decoder(x)


def test_shared_and_repeated_modules_count_once() -> None:
    model = Tied()
    table = nn.summary(model, (2, 4))
    assert column(table, "path") == [
        "", "blocks.0", "blocks.0.0", "blocks.0.1", "blocks.1", "blocks.1.0", "blocks.1.1", "blocks.1", "blocks.1.0",
        "blocks.1.1", "decoder", "spare",
    ]  # fmt: skip
    assert column(table, "parameters") == [4, 0, 20, 0, 0, 20, 0, 0, 20, 0, 20, 5]
    assert [row.path for row in table.rows if row.repeated] == ["blocks.1.0"]
    assert table.total_parameters == sum(p.numel() for p in model.parameters()) == 4 + 20 + 20 + 4 + 5
    assert table.total_multiply_adds == 4 * 2 * 16
    assert column(table, "volume")[-1] == "-"
    assert "(20)" in str(table)


def test_depth() -> None:
    model = Tied()
    table = nn.summary(model, (2, 4), depth=1)
    assert column(table, "path") == ["", "blocks", "decoder", "spare"]
    assert column(table, "parameters") == [4, 40, 20, 5]
    assert column(table, "multiply_adds") == [0, 96, 32, 0]
    assert table.total_multiply_adds == 128
    assert nn.summary(model, (2, 4), depth=2).total_parameters == table.total_parameters
    (row,) = nn.summary(Digits(), (1, 1, 32, 32), depth=0).rows
    assert (row.parameters, row.multiply_adds) == (9180, 902400)


def test_a_single_layer_and_other_inputs() -> None:
    (row,) = nn.summary(nn.Linear(3, 2), (5, 3)).rows
    assert (row.path, row.parameters, row.multiply_adds) == ("", 8, 30)
    (row,) = nn.summary(nn.Embedding(5, 3), (2, 4), dtype=autograd.int64).rows
    assert row.output_shape == (2, 4, 3)
    (row,) = nn.summary(nn.Bilinear(2, 3, 4), (5, 2), Tensor(np.zeros((5, 3), np.float32))).rows
    assert row.multiply_adds == 5 * 4 * 2 * 3
    (row,) = nn.summary(nn.ConvTranspose2d(2, 6, 3, groups=2), (1, 2, 5, 4)).rows
    assert row.multiply_adds == 2 * 5 * 4 * 3 * 9
    (row,) = nn.summary(nn.Linear(3, 2).double(), (5, 3)).rows
    assert row.memory == 10 * 8
    with pytest.raises(TypeError, match="give the model's input"):
        nn.summary(nn.Linear(3, 2))


def test_outputs_of_several_tensors() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return {"a": x + 1, "b": [x * 2, (x.sum(),)]}

    (row,) = nn.summary(Pair(), (2, 3)).rows
    assert row.output_shapes == [(2, 3), (2, 3), ()]
    assert row.memory == 4 * 13


class Fallback(nn.Module):
    """A layer for vectors of 4, another for those it refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.fours = nn.Sequential(nn.Linear(4, 3))
        self.others = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.fours(x)
        except RuntimeError:
            return self.others(x)


def test_calls_that_fail_have_no_output() -> None:
    table = nn.summary(Fallback(), (7, 5))
    assert column(table, "path") == ["fours", "fours.0", "others"]
    assert column(table, "output_shape") == [None, None, (7, 2)]
    assert column(table, "multiply_adds") == [0, 0, 7 * 2 * 5]


def test_the_model_is_left_as_it_was() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
            self.register_buffer("calls", Tensor(np.zeros((), np.int64)))

        def forward(self, x: Tensor) -> Tensor:
            self.calls.add_(1)
            autograd.rand(3)
            return self.layers(x)

    model = Counts()
    model.layers[2].eval()
    log: list[Any] = []
    model.layers[0].register_forward_hook(lambda *arguments: log.append("called"))
    modes = [m.training for m in model.modules()]
    state = {key: x.array.copy() for key, x in model.state_dict().items()}
    random = autograd.get_rng_state().array
    nn.summary(model, (4, 3))
    assert [m.training for m in model.modules()] == modes
    assert log == ["called"]
    np.testing.assert_array_equal(autograd.get_rng_state().array, random)
    for key, x in model.state_dict().items():
        np.testing.assert_array_equal(x.array, state[key])
    assert all(p.grad is None for p in model.parameters())
    assert model._hooks is None
    assert len(model.layers[0]._hooks.forward) == 1


def test_a_model_with_memory_nobody_may_write_to() -> None:
    model = nn.BatchNorm1d(3)
    model.running_mean.array.flags.writeable = False
    assert nn.summary(model, (2, 3)).total_parameters == 6


def test_the_model_is_left_as_it_was_by_an_error() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 3))
    with pytest.raises(RuntimeError, match=r"^1 \(Linear\): linear: "):
        nn.summary(model, (2, 3))
    assert model.training
    assert model._hooks is None
