"""A convolution says which strategy computes it, and why."""

import pytest

import autograd as torch
import nn

DIRECTIONS = ("forward", "grad_input", "grad_weight")


def sentences(conv, size):
    lines = conv.explain(size).splitlines()
    assert [line.split()[1] for line in lines] == list(DIRECTIONS)
    return lines


def test_many_channels_take_winograd_unless_every_sum_must_be_exact():
    conv = nn.Conv2d(128, 128, 3, padding=1)
    assert all("Winograd" in line for line in sentences(conv, (32, 128, 16, 16)))
    torch.set_float32_matmul_precision("highest")
    try:
        assert not any("Winograd" in line for line in sentences(conv, (32, 128, 16, 16)))
    finally:
        torch.set_float32_matmul_precision("high")


def test_the_others_and_their_estimates_are_named():
    line = sentences(nn.Conv2d(3, 8, 5, stride=2), (4, 3, 33, 33))[0]
    assert "(4, 3, 33, 33) * (8, 3, 5, 5)" in line
    assert "million cycles, against" in line


def test_depthwise():
    assert "own channel" in sentences(nn.Conv2d(32, 32, 3, padding=1, groups=32), (32, 56, 56))[0]


@pytest.mark.parametrize(("mode", "width"), [("zeros", 11), ("circular", 13)])
def test_what_the_layer_pads_beforehand_is_counted(mode, width):
    even = nn.Conv1d(4, 6, 4, padding="same", padding_mode=mode)
    assert even(torch.zeros(2, 4, 10)).shape == (2, 6, 10)
    assert f"(2, 4, 1, {width}) * (6, 4, 1, 4)" in sentences(even, (2, 4, 10))[0]


@pytest.mark.parametrize("size", [(1, 5, 8, 8), (3, 2, 2), (3,)])
def test_wrong_sizes_are_refused_as_a_call_would(size):
    conv = nn.Conv2d(3, 4, 3)
    with pytest.raises((RuntimeError, ValueError)) as refusal:
        conv(torch.zeros(size))
    with pytest.raises(type(refusal.value), match="conv2d"):
        conv.explain(size)
