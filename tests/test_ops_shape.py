"""Views, pieces, joins and rearrangements against PyTorch: values, strides, gradients, shared memory,
errors.
"""

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor
from tests.against_torch import compare, draw

torch = pytest.importorskip("torch")


def functional(t):
    """Return the functions of networks of the library `t`."""
    return (torch.nn if t is torch else nn).functional


# name, call, shape: `call` is written once, for both libraries' tensors.
VIEWS = [
    ("reshape", lambda x, t: x.reshape(3, -1), (2, 3, 4)),
    ("reshape_tuple", lambda x, t: t.reshape(x, (4, 6)), (2, 3, 4)),
    ("reshape_0d", lambda x, t: x.reshape(()), (1, 1)),
    ("reshape_empty", lambda x, t: x.reshape(3, -1), (0, 3)),
    ("view", lambda x, t: x.view(6, 4), (2, 3, 4)),
    ("view_of_transposed", lambda x, t: x.transpose(0, 1).view(3, 2, 2, 2), (2, 3, 4)),
    ("view_as", lambda x, t: x.view_as(t.zeros(6)), (2, 3)),
    ("reshape_as", lambda x, t: x.reshape_as(t.zeros(6)), (2, 3)),
    ("flatten", lambda x, t: x.flatten(), (2, 3, 4)),
    ("flatten_part", lambda x, t: t.flatten(x, 1, -1), (2, 3, 4)),
    ("flatten_0d", lambda x, t: x.flatten(), ()),
    ("ravel", lambda x, t: x.ravel(), (2, 3)),
    ("ravel_empty", lambda x, t: x.ravel(), (0, 3)),
    ("unflatten", lambda x, t: x.unflatten(-1, (2, -1)), (3, 6)),
    ("squeeze", lambda x, t: x.squeeze(), (1, 3, 1)),
    ("squeeze_dim", lambda x, t: x.squeeze(-1), (1, 3, 1)),
    ("squeeze_dims", lambda x, t: t.squeeze(x, (0, 1)), (1, 3, 1)),
    ("squeeze_nothing", lambda x, t: x.squeeze(1), (1, 3, 1)),
    ("unsqueeze", lambda x, t: x.unsqueeze(1), (2, 3)),
    ("unsqueeze_last", lambda x, t: x.unsqueeze(-1), (2, 3)),
    ("permute", lambda x, t: x.permute(2, 0, -2), (2, 3, 4)),
    ("permute_tuple", lambda x, t: t.permute(x, (1, 0)), (2, 3)),
    ("transpose", lambda x, t: x.transpose(0, -1), (2, 3, 4)),
    ("swapaxes", lambda x, t: t.swapaxes(x, 0, 1), (2, 3)),
    ("movedim", lambda x, t: x.movedim(0, -1), (2, 3, 4)),
    ("movedim_two", lambda x, t: t.movedim(x, (0, 1), (-1, 0)), (2, 3, 4)),
    ("t", lambda x, t: x.t(), (2, 3)),
    ("t_1d", lambda x, t: x.t(), (3,)),
    ("T", lambda x, t: x.T, (2, 3)),
    ("mT", lambda x, t: x.mT, (2, 3, 4)),
    ("H", lambda x, t: x.H, (2, 3)),
    ("expand", lambda x, t: x.expand(4, -1, 3), (2, 1)),
    ("expand_same", lambda x, t: x.expand(2, 3), (2, 3)),
    ("expand_0d", lambda x, t: x.expand(2, 3), ()),
    ("expand_to_empty", lambda x, t: x.expand(0, 3), (1, 3)),
    ("expand_as", lambda x, t: x.expand_as(t.zeros(4, 3)), (3,)),
    ("broadcast_to", lambda x, t: t.broadcast_to(x, (2, 3)), (3,)),
    ("select", lambda x, t: x.select(1, -1), (2, 3, 4)),
    ("select_to_0d", lambda x, t: x.select(0, 1), (3,)),
    ("narrow", lambda x, t: x.narrow(1, -2, 2), (2, 3)),
    ("narrow_empty", lambda x, t: x.narrow(0, 2, 0), (2, 3)),
    ("split", lambda x, t: x.split(2, 1)[1], (2, 3)),
    ("split_sizes", lambda x, t: t.split(x, [1, 0, 2], -1)[2], (2, 3)),
    ("chunk", lambda x, t: x.chunk(2)[0], (5, 2)),
    ("tensor_split", lambda x, t: x.tensor_split(3)[1], (7,)),
    ("tensor_split_at", lambda x, t: x.tensor_split((1, 4, 9), 1)[1], (2, 6)),
    ("unbind", lambda x, t: x.unbind(1)[2], (2, 3)),
    ("hsplit", lambda x, t: x.hsplit(2)[1], (2, 4)),
    ("vsplit", lambda x, t: x.vsplit([1])[1], (3, 4)),
    ("dsplit", lambda x, t: x.dsplit(2)[0], (1, 2, 4)),
    ("diagonal", lambda x, t: x.diagonal(), (3, 4)),
    ("diagonal_offset", lambda x, t: x.diagonal(-1, -1, 0), (3, 2, 4)),
    ("diagonal_beyond", lambda x, t: x.diagonal(7), (3, 4)),
    ("unfold", lambda x, t: x.unfold(1, 3, 2), (2, 8)),
    ("unfold_middle", lambda x, t: x.unfold(0, 2, 1), (4, 3)),
    ("unfold_0d", lambda x, t: x.unfold(0, 1, 1), ()),
    ("basic_index", lambda x, t: x[1, ..., None, ::2], (2, 3, 4)),
]  # fmt: skip

COPIES = [
    ("reshape_copies", lambda x, t: x.transpose(0, 1).reshape(-1), (2, 3)),
    ("contiguous", lambda x, t: x.t().contiguous(), (2, 3)),
    ("clone", lambda x, t: x.t().clone(), (2, 3)),
    ("diag", lambda x, t: t.diag(x, 1), (3, 3)),
    ("diag_of_vector", lambda x, t: x.diag(-1), (3,)),
    ("diag_embed", lambda x, t: t.diag_embed(x, 1, 0, 2), (2, 3)),
    ("diagflat", lambda x, t: t.diagflat(x, 1), (2, 2)),
    ("repeat", lambda x, t: x.repeat(2, 1, 3), (2, 3)),
    ("repeat_once", lambda x, t: x.repeat(1, 1), (2, 3)),
    ("repeat_zero", lambda x, t: x.repeat(0, 2), (2, 3)),
    ("repeat_0d", lambda x, t: x.repeat(3), ()),
    ("tile", lambda x, t: x.tile(2), (2, 3)),
    ("tile_more", lambda x, t: t.tile(x, (2, 1, 2)), (2, 3)),
    ("repeat_interleave", lambda x, t: x.repeat_interleave(2), (2, 3)),
    ("repeat_interleave_dim", lambda x, t: t.repeat_interleave(x, t.tensor([2, 0, 1]), dim=1), (2, 3)),
    ("flip", lambda x, t: x.flip(0, -1), (2, 3, 4)),
    ("flip_none", lambda x, t: x.flip(()), (2, 3)),
    ("fliplr", lambda x, t: x.fliplr(), (2, 3)),
    ("flipud", lambda x, t: x.flipud(), (2, 3)),
    ("roll", lambda x, t: x.roll(2), (2, 3)),
    ("roll_dims", lambda x, t: t.roll(x, (1, -1), (0, 1)), (3, 4)),
    ("roll_empty", lambda x, t: x.roll(1, 0), (0, 3)),
    ("rot90", lambda x, t: x.rot90(1, (0, 2)), (2, 3, 4)),
    ("rot90_back", lambda x, t: x.rot90(-1), (2, 3)),
    ("rot180", lambda x, t: x.rot90(2), (2, 3)),
    ("tril", lambda x, t: x.tril(1), (3, 4)),
    ("triu_batch", lambda x, t: t.triu(x, -1), (2, 3, 4)),
    ("broadcast_tensors", lambda x, t: t.broadcast_tensors(x, t.zeros(4, 1, dtype=t.float64))[0], (3,)),
    ("atleast_1d", lambda x, t: t.atleast_1d(x), ()),
    ("atleast_2d", lambda x, t: t.atleast_2d(x), (3,)),
    ("atleast_3d", lambda x, t: t.atleast_3d(x), (3,)),
    ("atleast_3d_of_2d", lambda x, t: t.atleast_3d(x), (3, 2)),
]  # fmt: skip

JOINS = [
    ("cat", lambda x, y, t: t.cat([x, y], 1), (2, 3), (2, 1)),
    ("cat_negative", lambda x, y, t: t.cat((x, y), dim=-2), (2, 3), (4, 3)),
    ("cat_same", lambda x, y, t: t.cat([x, y, x]), (2,), (1,)),
    ("cat_legacy_empty", lambda x, y, t: t.cat([x, t.zeros(0, dtype=t.float64), y]), (2, 3), (1, 3)),
    ("cat_empty", lambda x, y, t: t.cat([x, y]), (0, 3), (1, 3)),
    ("stack", lambda x, y, t: t.stack([x, y], -1), (2, 3), (2, 3)),
    ("stack_0d", lambda x, y, t: t.stack([x, y]), (), ()),
    ("hstack", lambda x, y, t: t.hstack([x, y]), (2, 3), (2, 1)),
    ("hstack_1d", lambda x, y, t: t.hstack([x, y]), (2,), ()),
    ("vstack", lambda x, y, t: t.vstack([x, y]), (3,), (2, 3)),
    ("dstack", lambda x, y, t: t.dstack([x, y]), (2, 3), (2, 3)),
    ("column_stack", lambda x, y, t: t.column_stack([x, y]), (2,), (2, 3)),
    ("block_diag", lambda x, y, t: t.block_diag(x, y), (2, 3), (2,)),
    ("block_diag_of_none", lambda x, y, t: t.block_diag() + 0 * x.sum(), (2,), (2,)),
    ("meshgrid", lambda x, y, t: t.meshgrid(x, y, indexing="ij")[1], (2,), (3,)),
    ("meshgrid_xy", lambda x, y, t: t.meshgrid([x, y], indexing="xy")[0], (2,), (3,)),
    ("cartesian_prod", lambda x, y, t: t.cartesian_prod(x, y), (2,), (3,)),
]  # fmt: skip


def cases(rows):
    return pytest.mark.parametrize("row", rows, ids=[row[0] for row in rows])


@cases(VIEWS + COPIES)
def test_one_tensor(row):
    _, call, shape = row
    compare(lambda x: call(x, autograd), lambda x: call(x, torch), draw(*shape))


@cases(VIEWS + COPIES)
def test_non_contiguous(row):
    _, call, shape = row
    if len(shape) < 2 or "view" in row[0]:
        pytest.skip("needs two dimensions that may be exchanged")
    swapped = (*shape[:-2], shape[-1], shape[-2])
    compare(lambda x: call(x.mT, autograd), lambda x: call(x.mT, torch), draw(*swapped))


@cases(VIEWS)
def test_views_share_memory_and_have_pytorchs_strides(row):
    _, call, shape = row
    x = draw(*shape)
    ours, theirs = call(Tensor(x), autograd), call(torch.from_numpy(x), torch)
    assert ours.array.size == 0 or np.shares_memory(ours.array, x)
    real = [(n, s) for n, s in zip(ours.shape, ours.stride(), strict=True) if n > 1]
    assert real == [(n, s) for n, s in zip(theirs.shape, theirs.stride(), strict=True) if n > 1]


@cases(VIEWS)
def test_writing_to_a_view_is_seen_in_its_base_and_its_gradient(row):
    name, call, shape = row
    if "expand" in name or "broadcast" in name or "unfold" in name:
        pytest.skip("elements share memory")
    if name in ("split", "split_sizes", "chunk", "unbind"):
        pytest.skip("PyTorch refuses to write to one of several views")

    def write(x, t):
        y = x * 1
        part = call(y, t)
        part.mul_(3.0)
        return y

    compare(lambda x: write(x, autograd), lambda x: write(x, torch), draw(*shape))


@cases(COPIES)
def test_copies_are_copies(row):
    name, call, shape = row
    if name.startswith(("atleast", "broadcast")):
        pytest.skip("a view where it can be")
    x = draw(*shape)
    assert not np.shares_memory(call(Tensor(x), autograd).array, x)


@cases(JOINS)
def test_joins(row):
    _, call, *shapes = row
    x, y = (draw(*shape, seed=i) for i, shape in enumerate(shapes))
    compare(lambda x, y: call(x, y, autograd), lambda x, y: call(x, y, torch), x, y)


PADS = [
    ((2, 3), (1, 2), {}),
    ((2, 3), (1, 2, 0, 1), {"value": 2.5}),
    ((2, 3, 4), (1, 0, 2, 1, 0, 3), {}),
    ((2, 5), (-1, 2), {}),
    ((2, 5), (-1, -2, -1, 1), {"value": -1.0}),
    ((2, 3), (), {}),
    ((), (), {}),
    ((0, 3), (1, 1, 2, 0), {}),
    ((2, 3, 5), (4, 2), {"mode": "reflect"}),
    ((2, 3, 4, 5), (1, 2, 3, 0), {"mode": "reflect"}),
    ((2, 3, 5), (6, 2), {"mode": "replicate"}),
    ((2, 3, 4, 5), (1, 2, 3, 0), {"mode": "replicate"}),
    ((2, 3, 5), (5, 2), {"mode": "circular"}),
    ((2, 3, 4, 5), (1, 2, 3, 0), {"mode": "circular"}),
    ((1, 2, 3, 4, 5), (1, 2, 3, 0, 1, 1), {"mode": "circular"}),
]


@pytest.mark.parametrize(("shape", "pad", "options"), PADS)
def test_pad(shape, pad, options):
    from ops.padding import pad as our_pad

    compare(
        lambda x: our_pad(x, pad, **options),
        lambda x: torch.nn.functional.pad(x, pad, **options),
        draw(*shape),
    )


def test_cat_promotes():
    for a, b in (("float32", "int64"), ("int32", "float64"), ("bool", "int8"), ("float32", "float64")):
        ours = autograd.cat([autograd.ones(2, dtype=a), autograd.ones(1, dtype=b)])
        theirs = torch.cat([torch.ones(2, dtype=getattr(torch, a)), torch.ones(1, dtype=getattr(torch, b))])
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
        np.testing.assert_array_equal(ours.array, theirs.numpy())
    assert autograd.cat([autograd.tensor([]), autograd.tensor([1])]).dtype is autograd.float32


def test_shapes_of_all_pieces():
    for call in (
        lambda x: x.split(2), lambda x: x.split([1, 4], 0), lambda x: x.chunk(4), lambda x: x.chunk(7),
        lambda x: x.unbind(1),
        lambda x: x.tensor_split(4), lambda x: x.tensor_split([2, -1, 3]), lambda x: x.hsplit(3),
        lambda x: x[:0].chunk(3),
        lambda x: x[:0].split(0), lambda x: x.unsafe_split(3), lambda x: x.vsplit([1, 2]),
    ):  # fmt: skip
        x = draw(5, 3)
        ours, theirs = call(Tensor(x)), call(torch.from_numpy(x))
        assert isinstance(ours, tuple)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.array, b.numpy())


def test_view_as_another_type():
    x = autograd.arange(4, dtype=autograd.float32)
    bits = x.view(autograd.int32)
    assert bits.tolist() == torch.arange(4.0).view(torch.int32).tolist()
    bits.zero_()
    assert x.tolist() == [0.0] * 4
    assert x.view(np.uint8).shape == (16,)
    with pytest.raises(RuntimeError, match="view"):
        x[:3].view(autograd.float64)


def test_T_of_other_dimensions_warns():
    x = Tensor(draw(2, 3, 4))
    with pytest.warns(UserWarning, match="deprecated"):
        assert x.T.shape == (4, 3, 2)
    assert Tensor(draw()).T.shape == ()


def test_expanded_tensors_are_not_written_to():
    x = autograd.ones(1, 3).expand(2, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        x.add_(1)
    y = autograd.ones(3).expand(1, 3)
    y.add_(1)
    assert y.tolist() == [[2.0] * 3]


ERRORS = [
    (lambda x, t: x.view(4, -1), (2, 3)),
    (lambda x, t: x.view(-1, -1), (2, 3)),
    (lambda x, t: x.reshape(-2, 3), (2, 3)),
    (lambda x, t: x.reshape(5), (2, 3)),
    (lambda x, t: x.view(-1, 0), (0,)),
    (lambda x, t: x.t().view(6), (2, 3)),
    (lambda x, t: x.view("a"), (2, 3)),
    (lambda x, t: x.permute(0), (2, 3)),
    (lambda x, t: x.permute(0, 0), (2, 3)),
    (lambda x, t: x.permute(0, 2), (2, 3)),
    (lambda x, t: x.expand(3, 3), (2, 3)),
    (lambda x, t: x.expand(3), (2, 3)),
    (lambda x, t: x.expand(-1, 2, 3), (2, 3)),
    (lambda x, t: x.transpose(0, 5), (2, 3)),
    (lambda x, t: x.squeeze(2), (2, 3)),
    (lambda x, t: x.squeeze((0, 0)), (2, 3)),
    (lambda x, t: x.unsqueeze(4), (2, 3)),
    (lambda x, t: x.movedim(0, 5), (2, 3)),
    (lambda x, t: x.movedim((0, 1), (0,)), (2, 3)),
    (lambda x, t: x.movedim((0, 0), (0, 1)), (2, 3)),
    (lambda x, t: x.t(), (2, 3, 4)),
    (lambda x, t: x.mT, (3,)),
    (lambda x, t: x.H, (3,)),
    (lambda x, t: x.flatten(1, 0), (2, 3)),
    (lambda x, t: x.unflatten(1, (2, 2)), (2, 3)),
    (lambda x, t: x.unflatten(1, ()), (2, 3)),
    (lambda x, t: x.narrow(0, 1, 3), (2, 3)),
    (lambda x, t: x.narrow(0, 5, 1), (2, 3)),
    (lambda x, t: x.narrow(0, 0, -1), (2, 3)),
    (lambda x, t: x.select(0, 4), (2, 3)),
    (lambda x, t: x.select(0, 0), ()),
    (lambda x, t: x.split(-1), (2, 3)),
    (lambda x, t: x.split(0), (2, 3)),
    (lambda x, t: x.split([1, 2]), (2, 3)),
    (lambda x, t: x.split([3, -1]), (2, 3)),
    (lambda x, t: x.split(1), ()),
    (lambda x, t: x.chunk(0), (2, 3)),
    (lambda x, t: x.chunk(2), ()),
    (lambda x, t: x.unbind(), ()),
    (lambda x, t: x.tensor_split(0), (2, 3)),
    (lambda x, t: x.tensor_split(1), ()),
    (lambda x, t: x.hsplit(2), (2, 3)),
    (lambda x, t: x.vsplit(2), (2,)),
    (lambda x, t: x.diagonal(0, 0, 0), (2, 3)),
    (lambda x, t: x.unfold(1, 4, 1), (2, 3)),
    (lambda x, t: x.unfold(1, 2, 0), (2, 3)),
    (lambda x, t: x.repeat(2), (2, 3)),
    (lambda x, t: x.repeat(2, -1), (2, 3)),
    (lambda x, t: x.repeat_interleave(t.tensor([1, 2]), dim=1), (2, 3)),
    (lambda x, t: x.repeat_interleave(-1), (2, 3)),
    (lambda x, t: x.flip(0, 0), (2, 3)),
    (lambda x, t: x.flip(2), (2, 3)),
    (lambda x, t: x.roll((1, 2), 0), (2, 3)),
    (lambda x, t: x.rot90(1, (0, 0)), (2, 3)),
    (lambda x, t: x.roll(1, 0), ()),
    (lambda x, t: t.cartesian_prod(x), (2, 3)),
    (lambda x, t: t.cartesian_prod(x, t.zeros(2)), ()),
    (lambda x, t: t.movedim(x, (0, 1), (1, 1)), (2, 3)),
    (lambda x, t: functional(t).pad(x.byte(), (1, 1), value=300), (3,)),
    (lambda x, t: functional(t).pad(x.long(), (1, 1), value=float("nan")), (3,)),
    (lambda x, t: functional(t).pad(x, (1, 1), "reflect", value=1.0), (1, 1, 3)),
    (lambda x, t: x.tril(), (3,)),
    (lambda x, t: t.cat([x, t.zeros(2, 2)]), (2, 3)),
    (lambda x, t: t.cat([x, x[0]]), (2, 3)),
    (lambda x, t: t.cat([]), ()),
    (lambda x, t: t.cat([x]), ()),
    (lambda x, t: t.cat([x, 1]), (2, 3)),
    (lambda x, t: t.cat([x, x], 2), (2, 3)),
    (lambda x, t: t.stack([x, x[0]]), (2, 3)),
    (lambda x, t: t.stack([]), ()),
    (lambda x, t: t.meshgrid(x, indexing="ij"), (2, 3)),
    (lambda x, t: t.meshgrid(x, indexing="ab"), (2,)),
    (lambda x, t: t.broadcast_shapes((2,), (3,)), ()),
    (lambda x, t: x.diag(), (2, 3, 4)),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(ERRORS)))
def test_errors_are_of_pytorchs_type(index):
    call, shape = ERRORS[index]
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # whatever PyTorch raises
        call(torch.zeros(shape), torch)
    with pytest.raises(theirs.type) as ours:
        call(autograd.zeros(shape), autograd)
    assert ours.type is theirs.type
