"""Indexing, gathering, scattering, sorting and lookups against PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Tensor
from autograd.tape import grad
from ops.embedding import embedding, one_hot
from ops.kernels.largest import positions_of_largest
from ops.kernels.rows import add_rows
from ops.kernels.threads import least_threads
from tests.against_torch import compare, distinct, draw

torch = pytest.importorskip("torch")

SHAPE = (3, 4, 5)

# The same for both libraries: `i` makes a tensor of integers, `b` a mask.
INDICES = [
    ("int", lambda i, b: 1),
    ("negative", lambda i, b: (-1, 2)),
    ("to_0d", lambda i, b: (0, 1, 2)),
    ("slice", lambda i, b: slice(1, None)),
    ("slices", lambda i, b: (slice(None), slice(0, 3, 2), slice(-2, None))),
    ("beyond", lambda i, b: slice(2, 100)),
    ("empty", lambda i, b: slice(2, 1)),
    ("none", lambda i, b: None),
    ("ellipsis", lambda i, b: (..., 1)),
    ("all", lambda i, b: (0, None, ..., slice(None), None)),
    ("nothing", lambda i, b: ()),
    ("list", lambda i, b: ([2, 0, 0],)),
    ("nested_list", lambda i, b: ([[0, 1], [2, 0]],)),
    ("tensor", lambda i, b: i([2, 0, 0])),
    ("negative_tensor", lambda i, b: i([-1, 0, -3])),
    ("tensor_2d", lambda i, b: i([[2, 0, 0], [1, 1, 1]])),
    ("tensor_empty", lambda i, b: i([])),
    ("tensor_0d", lambda i, b: i(1)),
    ("int32", lambda i, b: i([1, 0]).int()),
    ("middle", lambda i, b: (slice(None), i([3, 3, 1]))),
    ("last", lambda i, b: (..., i([4, 0]))),
    ("last_2d", lambda i, b: (..., i([[4, 0], [4, 4]]))),
    ("two", lambda i, b: (i([0, 2, 2]), i([1, 3, 3]))),
    ("two_negative", lambda i, b: (i([-1, 0]), i([1, -2]))),
    ("apart_late", lambda i, b: (None, i([0, 2, 2]), slice(None), i([1, 3, 3]))),
    ("two_broadcast", lambda i, b: (i([[0], [2]]), i([1, 3, 3]))),
    ("two_at_end", lambda i, b: (slice(None), i([0, 2, 2]), i([1, 3, 3]))),
    ("apart", lambda i, b: (i([0, 2, 2]), slice(None), i([1, 3, 3]))),
    ("apart_2d", lambda i, b: (i([[0, 2]]), slice(1, 3), i([1]))),
    ("three", lambda i, b: (i([0, 2]), i([1, 1]), i([4, 4]))),
    ("int_and_tensor", lambda i, b: (0, slice(None), i([1, 3, 3]))),
    ("tensor_and_int", lambda i, b: (i([1, 1]), 0)),
    ("int_between", lambda i, b: (i([1, 1]), 0, i([2, 4]))),
    ("none_and_tensor", lambda i, b: (None, i([1, 1]), slice(None), 0)),
    ("slice_and_tensor", lambda i, b: (slice(1, 3), i([1, 1]), slice(None, None, 2))),
    ("mask", lambda i, b: b(3)),
    ("mask_2d", lambda i, b: b(3, 4)),
    ("mask_full", lambda i, b: b(3, 4, 5)),
    ("mask_middle", lambda i, b: (slice(None), b(4))),
    ("mask_last", lambda i, b: (..., b(5))),
    ("mask_end_2d", lambda i, b: (slice(None), b(4, 5))),
    ("mask_none_true", lambda i, b: b(3) & False),
    ("mask_and_int", lambda i, b: (b(3), 1)),
    ("mask_and_tensor", lambda i, b: (slice(None), b(4), i([2]))),
    ("true", lambda i, b: True),
    ("false", lambda i, b: (False, 0)),
    ("list_of_bools", lambda i, b: ([True, False, True],)),
]
every_index = pytest.mark.parametrize("make", [make for _, make in INDICES], ids=[name for name, _ in INDICES])


def indices(make, t):
    """Return the index for the library `t`."""

    def mask(*shape):
        return t.tensor(np.random.default_rng(shape).random(shape) < 0.5)

    def integers(values):
        return t.tensor(values, dtype=t.int64)

    return make(integers, mask)


@every_index
def test_getitem(make):
    ours, theirs = indices(make, autograd), indices(make, torch)
    compare(lambda x: x[ours], lambda x: x[theirs], draw(*SHAPE))
    compare(lambda x: x.permute(1, 2, 0)[ours], lambda x: x.permute(1, 2, 0)[theirs], draw(5, 3, 4))


@every_index
def test_getitem_of_numpy_arrays_as_indices(make):
    ours = indices(make, autograd)
    items = ours if isinstance(ours, tuple) else (ours,)
    arrays = tuple(item.numpy() if isinstance(item, Tensor) else item for item in items)
    x = Tensor(draw(*SHAPE))
    np.testing.assert_array_equal(x[arrays].array, x[ours].array)


@every_index
def test_setitem(make):
    ours, theirs = indices(make, autograd), indices(make, torch)
    shape = torch.zeros(SHAPE)[theirs].shape

    def write(index):
        def run(x, value):
            y = x * 1
            y[index] = value
            return y

        return run

    for value in (draw(), draw(*shape[-1:]), draw(1, *shape)):
        value = np.full_like(value, 0.5)  # where positions repeat, PyTorch does not say which value wins
        compare(write(ours), write(theirs), draw(*SHAPE), value)


@pytest.mark.parametrize(
    "index",
    [
        (0,),
        (slice(None), 1),
        ([0, 2],),
        (slice(None), [3, 0]),
        ([0, 2], [1, 1]),
        ([[0], [2]], [1, 3]),
        (..., None, [4, 0]),
    ],
)
def test_setitem_gradients_of_values(index):
    shape = torch.zeros(SHAPE)[index].shape

    def run(x, value):
        y = x * 1
        y[index] = value * 2
        return y * y

    compare(run, run, draw(*SHAPE), draw(*shape))


def test_setitem_of_numbers_and_types():
    for dtype in ("float32", "int64", "bool", "float16", "uint8"):
        for value in (True, 3, 2.7):
            ours, theirs = autograd.zeros(3, dtype=dtype), torch.zeros(3, dtype=getattr(torch, dtype))
            ours[1], theirs[1] = value, value
            ours[[0, 2]], theirs[[0, 2]] = value, value
            assert ours.tolist() == theirs.tolist()
            assert str(ours.dtype)[9:] == dtype
    x = autograd.zeros(3)
    x[:2] = np.arange(2)
    x[2] = autograd.tensor(7, dtype=autograd.int64)
    assert x.tolist() == [0.0, 1.0, 7.0]


def test_setitem_of_a_slice_on_itself():
    x = autograd.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_setitem_counts_versions_and_guards_saved_values():
    x = Tensor(draw(3, 4), requires_grad=True)
    y = x * 1
    z = y.exp().sum() + (y * y).sum()
    version = y._version
    y[0, [1, 2]] = 5.0
    assert y._version > version
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    with autograd.no_grad():
        x[0] = 1.0
        version = x._version
        x[:, [1]] = 2.0
        assert x._version == version + 1
    assert x.array[0].tolist() == [1, 2, 1, 1]
    for index in (0, [0], (0, [1])):
        with pytest.raises(RuntimeError, match="leaf"):
            x[index] = 1.0


def test_written_index_is_noticed():
    x, index = Tensor(draw(4), requires_grad=True), autograd.tensor([0, 1])
    y = x[index]
    index[0] = 3
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


def test_getitem_gives_views_and_copies():
    x = Tensor(draw(3, 4))
    assert np.shares_memory(x[1:, 0].array, x.array)
    assert np.shares_memory(x[...].array, x.array)
    assert np.shares_memory(x[0, 0].array, x.array)
    assert not np.shares_memory(x[[0]].array, x.array)
    x[0][1] = 9.0
    assert x.array[0, 1] == 9.0


GETTING_ERRORS = [
    lambda t: 5, lambda t: -4, lambda t: (0, 0, 0), lambda t: slice(None, None, -1),
    lambda t: slice(None, None, 0),
    lambda t: ([5],), lambda t: ([-4],), lambda t: (slice(None), [4]), lambda t: t.tensor([1.0]),
    lambda t: 1.0,
    lambda t: t.tensor([1]).char(),
    lambda t: t.ones(2, dtype=t.bool), lambda t: t.ones(3, 5, dtype=t.bool), lambda t: ([0, 1], [0, 1, 2]),
    lambda t: (0, 0, t.tensor([0])), lambda t: (t.ones(3, 4, dtype=t.bool), 0),
]  # fmt: skip


@pytest.mark.parametrize("make", GETTING_ERRORS)
def test_index_errors(make):
    with pytest.raises((IndexError, ValueError, TypeError)) as theirs:
        torch.zeros(3, 4)[make(torch)]
    with pytest.raises(theirs.type):
        autograd.zeros(3, 4)[make(autograd)]
    with pytest.raises(theirs.type):
        autograd.zeros(3, 4)[make(autograd)] = 1.0


def many(*shape, below):
    return np.random.default_rng(below).integers(-below, below, shape)


MANY = {  # enough positions for several indices to be joined
    "pairs": lambda i: (i(300, below=5), i(300, below=6)),
    "pairs_2d": lambda i: (i(20, 9, below=5), i(20, 9, below=6)),
    "all_dims": lambda i: (i(99, below=5), i(99, below=6), i(99, below=4), i(99, below=3)),
    "outer": lambda i: (i(90, 1, below=5), i(60, below=6)),
    "middle": lambda i: (slice(None), i(80, below=6), i(80, below=4)),
    "at_end": lambda i: (..., i(80, below=4), i(1, 80, below=3)),
    "apart": lambda i: (i(80, below=5), slice(None), i(80, below=4)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("permutation", [(0, 1, 2, 3), (1, 0, 3, 2)], ids=["contiguous", "permuted"])
@pytest.mark.parametrize("name", MANY)
def test_many_positions(name, permutation, dtype):
    sizes = [(5, 6, 4, 3)[i] for i in permutation]
    values = (draw(*sizes) * 3).astype(dtype)

    def index(t):
        return MANY[name](lambda *shape, below: t.tensor(many(*shape, below=below)))

    def write(t):
        def function(x):
            y = x.permute(*permutation).clone()
            y[index(t)] = 1
            return y

        return function

    order = 2 if dtype == "float64" else 0  # in float32 the order of sums is seen
    ours, theirs = index(autograd), index(torch)
    compare(lambda x: x.permute(*permutation)[ours], lambda x: x.permute(*permutation)[theirs], values, order=order)
    compare(write(autograd), write(torch), values, order=order)


def test_many_positions_outside():
    rows, columns = np.zeros(3000, np.int64), np.zeros(3000, np.int64)
    for bad in (5, -6):
        columns[1234] = bad
        with pytest.raises(IndexError) as theirs:
            torch.zeros(4, 5)[torch.tensor(rows), torch.tensor(columns)]
        with pytest.raises(IndexError) as ours:
            autograd.zeros(4, 5)[autograd.tensor(rows), autograd.tensor(columns)]
        assert str(ours.value) == str(theirs.value)
        with pytest.raises(IndexError, match=f"index {bad} .* dimension 1 with size 5"):
            autograd.zeros(4, 5)[autograd.tensor(rows), autograd.tensor(columns)] = 1.0
    with pytest.raises(IndexError, match="could not be broadcast"):
        autograd.zeros(4, 5)[autograd.tensor(rows), autograd.tensor(columns[:7])]


def test_index_error_names_index_and_size():
    for index in (5, [5], [0, 5], (slice(None), [5])):
        with pytest.raises(IndexError, match=r"index 5 .* size 3"):
            autograd.zeros(3, 3)[index]


@pytest.mark.parametrize(
    ("index", "value", "error"),
    [
        (0, lambda t: t.zeros(2), RuntimeError), ([0, 1], lambda t: t.zeros(2), RuntimeError),
        (0, lambda t: [1, 2, 3], TypeError), (0, lambda t: "a", TypeError), (0, lambda t: None, TypeError),
        (0, lambda t: t.zeros(2, 3), RuntimeError),
    ],
)  # fmt: skip
def test_setitem_errors(index, value, error):
    for t in (torch, autograd):
        for requires_grad in (False, True):
            x = t.zeros(2, 3, requires_grad=requires_grad) * 1
            with pytest.raises(error):
                x[index] = value(t)


# -- functions -----------------------------------------------------------------------------------------------

SELECTING = [
    ("index_select", lambda x, t: x.index_select(1, t.tensor([3, 0, 0])), SHAPE),
    ("index_select_0d", lambda x, t: t.index_select(x, 0, t.tensor(0)), ()),
    ("take", lambda x, t: x.take(t.tensor([[0, 59], [-1, 0]])), SHAPE),
    ("masked_select", lambda x, t: x.masked_select(t.tensor([True, False, True, True, False])), SHAPE),
    ("masked_select_wide", lambda x, t: t.masked_select(x, t.tensor([[True], [False]])), (1, 3)),
    ("masked_select_0d", lambda x, t: x.masked_select(t.tensor(True)), ()),
    ("gather", lambda x, t: x.gather(1, t.tensor([[[0, 1, 1], [3, 3, 3]]])), SHAPE),
    ("gather_0d", lambda x, t: x.gather(0, t.tensor(0)), ()),
    ("gather_1d", lambda x, t: t.gather(x, -1, t.tensor([2, 2, 0, 1, 1, 1])), (3,)),
    ("take_along_dim", lambda x, t: t.take_along_dim(x, t.tensor([[[0], [2]]]), 1), SHAPE),
    ("take_along_dim_flat", lambda x, t: t.take_along_dim(x, t.tensor([[0, 7], [7, 7]])), SHAPE),
    ("gather_of_one", lambda x, t: x.gather(0, t.tensor(1)), (3,)),
    ("gather_of_a_0d", lambda x, t: x.gather(0, t.tensor([0, 0])), ()),
    ("index_fill", lambda x, t: x.index_fill(1, t.tensor([0, 2]), 5.0), SHAPE),
    ("index_fill_0d", lambda x, t: x.index_fill(-1, t.tensor([0]), 5.0), ()),
    ("index_fill_0d_nowhere", lambda x, t: x.index_fill(0, t.tensor([], dtype=t.int64), 5.0), ()),
    ("sort", lambda x, t: x.sort(1).values, SHAPE),
    ("sort_descending", lambda x, t: t.sort(x, descending=True)[0], SHAPE),
    ("sort_0d", lambda x, t: x.sort().values, ()),
    ("sort_empty", lambda x, t: x.sort().values, (0,)),
    ("msort", lambda x, t: x.msort(), SHAPE),
    ("topk", lambda x, t: x.topk(2).values, SHAPE),
    ("topk_smallest", lambda x, t: x.topk(2, 0, largest=False).values, SHAPE),
    ("topk_of_many", lambda x, t: t.topk(x, 3, 1)[0], (2, 40)),
    ("topk_smallest_of_many", lambda x, t: t.topk(x, 3, 0, False)[0], (40, 2)),
    ("topk_none", lambda x, t: x.topk(0).values, SHAPE),
    ("kthvalue", lambda x, t: x.kthvalue(2).values, SHAPE),
    ("kthvalue_keepdim", lambda x, t: x.kthvalue(3, 0, True).values, SHAPE),
    ("kthvalue_0d", lambda x, t: x.kthvalue(1).values, ()),
]  # fmt: skip


@pytest.mark.parametrize("row", SELECTING, ids=[row[0] for row in SELECTING])
def test_selecting(row):
    _, call, shape = row
    compare(lambda x: call(x, autograd), lambda x: call(x, torch), distinct(*shape))


PLACES = [[0, 0], [4, 3]]

WRITING = [
    ("index_add", lambda x, y, t: x.index_add(1, t.tensor([3, 0, 0]), y), SHAPE, (3, 3, 5)),
    ("index_add_alpha", lambda x, y, t: t.index_add(x, 0, t.tensor([1, 1]), y, alpha=2.5), (2, 3), (2, 3)),
    ("index_copy", lambda x, y, t: x.index_copy(-1, t.tensor([4, 0]), y), SHAPE, (3, 4, 2)),
    ("index_copy_0d", lambda x, y, t: x.index_copy(0, t.tensor([0]), y), (), (1,)),
    ("masked_scatter_0d", lambda x, y, t: x.masked_scatter(t.tensor(True), y), (), (1,)),
    ("index_put", lambda x, y, t: x.index_put((t.tensor([0, 2]), t.tensor([1, 1])), y), SHAPE, (2, 5)),
    ("index_put_sum", lambda x, y, t: x.index_put((t.tensor([2, 2]),), y, accumulate=True), SHAPE, (4, 5)),
    ("index_put_mask", lambda x, y, t: x.index_put((t.tensor([True, False, True]),), y), SHAPE, ()),
    ("put", lambda x, y, t: x.put(t.tensor([0, 59, 3]), y), SHAPE, (3,)),
    ("put_sum", lambda x, y, t: x.put(t.tensor([0, 0, 3]), y, accumulate=True), SHAPE, (3,)),
    ("masked_scatter", lambda x, y, t: x.masked_scatter(t.tensor([[True], [False]]), y), (2, 4), (6,)),
    ("scatter", lambda x, y, t: x.scatter(1, t.tensor([[0, 2], [4, 3]]), y), (3, 5), (2, 2)),
    ("scatter_of_larger", lambda x, y, t: t.scatter(x, 0, t.tensor([[0, 2], [1, 0]]), y), (3, 5), (4, 3)),
    ("scatter_sum", lambda x, y, t: x.scatter_reduce(1, t.tensor(PLACES), y, "sum"), (3, 5), (2, 2)),
    ("scatter_add", lambda x, y, t: x.scatter_add(1, t.tensor(PLACES), y), (3, 5), (2, 2)),
    ("scatter_add_0d", lambda x, y, t: x.scatter_add(0, t.tensor(0), y), (), ()),
    ("scatter_prod", lambda x, y, t: x.scatter_reduce(1, t.tensor(PLACES), y, "prod"), (3, 5), (2, 2)),
    ("scatter_mean", lambda x, y, t: x.scatter_reduce(1, t.tensor(PLACES), y, "mean"), (3, 5), (2, 2)),
    ("scatter_amax", lambda x, y, t: x.scatter_reduce(1, t.tensor(PLACES), y, "amax"), (3, 5), (2, 2)),
    (
        "scatter_amin_alone",
        lambda x, y, t: x.scatter_reduce(0, t.tensor([[0, 0], [0, 2]]), y, "amin", include_self=False),
        (3, 5),
        (2, 2),
    ),
    (
        "scatter_mean_alone",
        lambda x, y, t: x.scatter_reduce(0, t.tensor([[0, 0], [0, 2]]), y, "mean", include_self=False),
        (3, 5),
        (2, 2),
    ),
    (
        "scatter_prod_alone",
        lambda x, y, t: x.scatter_reduce(0, t.tensor([[0, 0], [0, 2]]), y, "prod", include_self=False),
        (3, 5),
        (2, 2),
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", WRITING, ids=[row[0] for row in WRITING])
def test_writing(row):
    name, call, *shapes = row
    x, y = distinct(*shapes[0]), distinct(*shapes[1], seed=1) * 1.01
    order = 1 if "prod" in name or "am" in name else 2  # PyTorch has no second derivative of those in general
    order = 0 if name == "scatter_of_larger" else order  # nor a first one of this
    compare(lambda x, y: call(x, y, autograd), lambda x, y: call(x, y, torch), x, y, order=order)


def test_scatter_product_of_zeros():
    x, y = np.array([2.0, 0.0, 3.0, 0.0]), np.array([0.0, 5.0, 4.0, 0.0, 7.0])
    index = [0, 1, 0, 3, 2]
    compare(
        lambda x, y: x.scatter_reduce(0, autograd.tensor(index), y, "prod"),
        lambda x, y: x.scatter_reduce(0, torch.tensor(index), y, "prod"),
        x,
        y,
        order=1,
    )
    for zeros in range(4):
        x[:zeros] = 0
        inputs = [Tensor(x.copy(), requires_grad=True), Tensor(y.copy(), requires_grad=True)]
        assert autograd.gradgradcheck(
            lambda x, y: x.scatter_reduce(0, autograd.tensor([0, 0, 0, 1, 2]), y, "prod"), inputs
        )


@pytest.mark.parametrize("reduce", ["amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_of_truth_values(reduce, include_self):
    x, src, index = [True, False, True], [False, False, True, True], [0, 0, 1, 1]
    ours, theirs = (
        t.scatter_reduce(t.tensor(x), 0, t.tensor(index), t.tensor(src), reduce, include_self=include_self)
        for t in (autograd, torch)
    )
    assert ours.tolist() == theirs.tolist()


def test_scatter_of_numbers_and_ties():
    index = [[0, 0], [2, 1]]
    for options in ({"value": 1.5}, {"value": 1.5, "reduce": "add"}, {"value": 2, "reduce": "multiply"}):
        ours = autograd.ones(3, 2).scatter(0, autograd.tensor(index), **options)
        theirs = torch.ones(3, 2).scatter(0, torch.tensor(index), **options)
        assert ours.tolist() == theirs.tolist()
    compare(
        lambda x, y: x.scatter_reduce(0, autograd.tensor([0, 0, 1]), y, "amax"),
        lambda x, y: x.scatter_reduce(0, torch.tensor([0, 0, 1]), y, "amax"),
        np.array([1.0, 2.0]),
        np.array([1.0, 1.0, 2.0]),
        order=1,
    )


IN_PLACE = [
    ("index_add_", lambda x, t: x.index_add_(0, t.tensor([0, 0]), t.ones(2, 3, dtype=t.float64))),
    ("index_copy_", lambda x, t: x.index_copy_(0, t.tensor([1]), t.ones(1, 3, dtype=t.float64))),
    ("index_fill_", lambda x, t: x.index_fill_(1, t.tensor([1]), 4)),
    ("index_put_", lambda x, t: x.index_put_((t.tensor([1]),), t.tensor(2.0, dtype=t.float64))),
    ("masked_scatter_", lambda x, t: x.masked_scatter_(x > 0, t.arange(12, dtype=t.float64))),
    ("scatter_", lambda x, t: x.scatter_(1, t.tensor([[0, 1]]), 3.0)),
    ("scatter_add_", lambda x, t: x.scatter_add_(1, t.tensor([[0, 0]]), t.ones(1, 2, dtype=t.float64))),
    (
        "scatter_reduce_",
        lambda x, t: x.scatter_reduce_(1, t.tensor([[0, 0]]), t.ones(1, 2, dtype=t.float64), "mean"),
    ),
    ("put_", lambda x, t: x.put_(t.tensor([0]), t.ones(1, dtype=t.float64))),
    ("tril_", lambda x, t: x.tril_()),
    ("fill_", lambda x, t: x.fill_(2.5)),
    ("zero_", lambda x, t: x.zero_()),
    ("copy_", lambda x, t: x.copy_(t.ones(3))),
]


@pytest.mark.parametrize("row", IN_PLACE, ids=[row[0] for row in IN_PLACE])
def test_in_place(row):
    _, call = row

    def run(t):
        def written(x):
            y = x * 1
            assert call(y, t) is y
            return y + x

        def written_view(x):
            y = x * 1
            call(y[:, 1:], t)
            return y

        return written, written_view

    (ours, our_view), (theirs, their_view) = run(autograd), run(torch)
    compare(ours, theirs, draw(4, 3))
    compare(our_view, their_view, draw(4, 4))


def test_sort_orders_as_pytorch():
    values = np.array([2.0, np.nan, -np.inf, 2.0, 0.0, np.inf, -0.0, 2.0, np.nan])
    for dtype in ("float32", "int64", "uint8", "bool"):
        array = np.nan_to_num(values, nan=1, posinf=3, neginf=0).astype(dtype) if dtype != "float32" else values
        ours, theirs = autograd.tensor(array), torch.tensor(array)
        for descending in (False, True):
            a, b = (each.sort(stable=True, descending=descending) for each in (ours, theirs))
            np.testing.assert_array_equal(a.values.array, b.values.numpy())
            np.testing.assert_array_equal(a.indices.array, b.indices.numpy())
            np.testing.assert_array_equal(
                ours.argsort(descending=descending, stable=True).array,
                theirs.argsort(descending=descending, stable=True).numpy(),
            )
        for k in (1, 3, 9) if dtype != "bool" else ():
            for largest in (True, False):
                a, b = ours.topk(k, largest=largest), theirs.topk(k, largest=largest)
                np.testing.assert_array_equal(a.values.array, b.values.numpy())
                np.testing.assert_array_equal(ours.array[a.indices.array], a.values.array)


def test_unordered_and_unstable():
    x = distinct(200)
    assert autograd.tensor(x).sort().indices.tolist() == torch.tensor(x).sort().indices.tolist()
    unordered = autograd.tensor(x).topk(5, sorted=False).values.tolist()
    assert sorted(unordered, reverse=True) == torch.tensor(x).topk(5).values.tolist()


def test_topk_prefers_nan_among_many():
    x = draw(100)
    x[[7, 50]] = np.nan
    np.testing.assert_array_equal(autograd.tensor(x).topk(4).values.array, torch.tensor(x).topk(4).values.numpy())


@given(st.data())
def test_topk_of_ties_and_nan_as_a_plain_sort(data):
    shape = data.draw(st.lists(st.integers(1, 6), max_size=2).map(tuple))
    size, dtype = data.draw(st.integers(1, 700)), data.draw(st.sampled_from(["f2", "f4", "f8", "i8", "i4", "u1"]))
    k, largest = data.draw(st.integers(1, size)), data.draw(st.booleans())
    dim, ordered = data.draw(st.integers(-1, len(shape) - 1)), data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = rng.integers(0, data.draw(st.sampled_from([2, 20, 200])), (*shape, size)).astype(dtype)
    if dtype[0] == "f":
        x[rng.random(x.shape) < data.draw(st.sampled_from([0, 0.01, 0.9]))] = -np.nan
        x[rng.random(x.shape) < 0.01] = -np.inf
    x = np.moveaxis(x, -1, dim)
    expected = np.sort(x, axis=dim)
    expected = (np.flip(expected, dim) if largest else expected).take(range(k), dim)
    values, indices = autograd.tensor(x).topk(k, dim, largest, ordered)
    found = values.array if ordered else np.sort(values.array, axis=dim)
    np.testing.assert_array_equal(found, expected if ordered else np.sort(expected, axis=dim))
    np.testing.assert_array_equal(np.take_along_axis(x, indices.array, dim), values.array)
    in_order = np.sort(indices.array, axis=dim)
    assert (np.diff(in_order, axis=dim) > 0).all()


@pytest.mark.parametrize("largest", [True, False])
def test_topk_of_equal_elements_takes_the_first(largest):
    indices = autograd.ones(2, 1000).topk(3, largest=largest).indices
    assert indices.tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_topk_of_the_least_and_greatest_integers(dtype):
    limits = np.iinfo(dtype)
    x = np.full(300, limits.min, dtype)
    x[[7, 100]] = limits.max, 0
    assert autograd.tensor(x).topk(4).indices.tolist() == [7, 100, 0, 1]
    assert autograd.tensor(~x).topk(4, largest=False).indices.tolist() == [7, 100, 0, 1]


def test_topk_in_two_threads_as_in_one():
    x = draw(64, 3000)
    with least_threads(2):
        two = positions_of_largest(x, 9, largest=False)
    np.testing.assert_array_equal(two, np.argsort(x, axis=1, stable=True)[:, :9])


def test_nonzero():
    x = np.array([[0.0, 1.0], [np.nan, 0.0]])
    assert autograd.tensor(x).nonzero().tolist() == torch.tensor(x).nonzero().tolist()
    assert autograd.argwhere(autograd.tensor(x)).tolist() == torch.argwhere(torch.tensor(x)).tolist()
    assert [i.tolist() for i in autograd.nonzero(autograd.tensor(x), as_tuple=True)] == [[0, 1], [1, 0]]
    assert autograd.tensor(3).nonzero().shape == (1, 0)
    assert [i.tolist() for i in autograd.tensor(3).nonzero(as_tuple=True)] == [[0]]


def test_one_hot():
    F = torch.nn.functional
    for values, classes in (([1, 0, 3], -1), ([[1], [0]], 4), ([], 3), (2, 5)):
        ours = one_hot(autograd.tensor(values, dtype=autograd.int64), classes)
        theirs = F.one_hot(torch.tensor(values, dtype=torch.int64), classes)
        assert ours.dtype is autograd.int64
        np.testing.assert_array_equal(ours.array, theirs.numpy())
    for values, classes in (([-1], -1), ([], -1), ([3], 3), ([1.0], 3)):
        with pytest.raises(RuntimeError):
            one_hot(autograd.tensor(values, dtype=None if values == [1.0] else autograd.int64), classes)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding_idx": 1},
        {"padding_idx": -1},
        {"scale_grad_by_freq": True},
        {"padding_idx": 1, "scale_grad_by_freq": True},
    ],
)
def test_embedding(shape, options):
    index = np.random.default_rng(0).integers(0, 4, shape)
    order = 1 if options.get("scale_grad_by_freq") or 0 in shape else 2  # PyTorch's second derivative fails there
    compare(
        lambda w: embedding(autograd.tensor(index), w, **options),
        lambda w: torch.nn.functional.embedding(torch.tensor(index), w, **options),
        draw(4, 3),
        order=order,
    )


def test_embedding_with_a_largest_norm():
    ours, theirs = (
        Tensor(draw(5, 3) * 3, requires_grad=True),
        torch.tensor(draw(5, 3) * 3, requires_grad=True),
    )
    y = embedding(autograd.tensor([0, 2, 2]), ours, max_norm=1.0, norm_type=1.0)
    z = torch.nn.functional.embedding(torch.tensor([0, 2, 2]), theirs, max_norm=1.0, norm_type=1.0)
    np.testing.assert_allclose(y.detach().array, z.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(ours.detach().array, theirs.detach().numpy(), rtol=1e-12)
    assert ours._version == 1


def test_embedding_errors():
    weight = autograd.zeros(4, 3)
    for index in ([4], [-1]):
        with pytest.raises(IndexError, match="size 4"):
            embedding(autograd.tensor(index), weight)
    with pytest.raises(AssertionError):
        embedding(autograd.tensor([0]), weight, padding_idx=4)
    with pytest.raises(RuntimeError, match="int"):
        embedding(autograd.tensor([0.0]), weight)
    with pytest.raises(RuntimeError, match="2-D"):
        embedding(autograd.tensor([0]), weight[0])


FUNCTION_ERRORS = [
    lambda x, t: x.index_select(0, t.tensor([3])), lambda x, t: x.index_select(0, t.tensor([[0]])),
    lambda x, t: x.index_select(2, t.tensor([0])), lambda x, t: x.index_select(0, t.tensor([0.0])),
    lambda x, t: x.index_add(0, t.tensor([0]), t.zeros(2, 4)),
    lambda x, t: x.index_add(0, t.tensor([0]), t.zeros(1, 4, dtype=t.int64)),
    lambda x, t: x.gather(0, t.tensor([0])), lambda x, t: x.gather(0, t.tensor([[3]])),
    lambda x, t: x.gather(0, t.tensor([[-1]])),
    lambda x, t: x.gather(0, t.zeros(1, 5, dtype=t.int64)), lambda x, t: x.gather(2, t.tensor([[0]])),
    lambda x, t: x.scatter(0, t.tensor([[0]]), t.zeros(1, 1, dtype=t.int64)),
    lambda x, t: x.scatter(0, t.tensor([[0, 0]]), t.zeros(1, 1)),
    lambda x, t: x.scatter(0, t.tensor([[7]]), 1.0),
    lambda x, t: x.scatter_reduce(0, t.tensor([[0]]), t.zeros(1, 1), "most"),
    lambda x, t: x.masked_select(t.tensor([1, 0, 1, 1])),
    lambda x, t: x.masked_select(t.ones(3, dtype=t.bool)),
    lambda x, t: x.masked_scatter(t.ones(3, 4, dtype=t.bool), t.zeros(3)), lambda x, t: x.topk(5),
    lambda x, t: x.topk(-1),
    lambda x, t: x.kthvalue(0), lambda x, t: x.kthvalue(5), lambda x, t: x.sort(2),
    lambda x, t: x.argsort(-3),
    lambda x, t: x.put(t.tensor([0, 1]), t.zeros(3)), lambda x, t: x.take(t.tensor([12])),
    lambda x, t: t.take_along_dim(x, t.tensor([0]), 0),
    lambda x, t: x.index_fill(0, t.tensor([0]), t.zeros(2)),
    lambda x, t: x.index_put((t.tensor([0]),), t.zeros(4, dtype=t.float64)),
    lambda x, t: x.index_put((t.tensor([0]),), t.zeros(4, dtype=t.int64), accumulate=True),
    lambda x, t: x.put(t.tensor([0]), t.zeros(1, dtype=t.float64)),
    lambda x, t: x.long().put(t.tensor([0]), t.zeros(1), accumulate=True),
    lambda x, t: x.masked_scatter(x == 0, t.zeros(12, dtype=t.int64)),
    lambda x, t: x.long().index_fill(0, t.tensor([0]), float("nan")),
    lambda x, t: x.byte().index_fill(0, t.tensor([0]), 300), lambda x, t: x.index_fill(0, t.tensor([0]), None),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(FUNCTION_ERRORS)))
def test_errors_are_of_pytorchs_type(index):
    call = FUNCTION_ERRORS[index]
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # whatever PyTorch raises
        call(torch.zeros(3, 4), torch)
    with pytest.raises(theirs.type):
        call(autograd.zeros(3, 4), autograd)


# -- the kernel ----------------------------------------------------------------------------------------------


@given(
    st.integers(1, 6),
    st.integers(0, 40),
    st.integers(0, 9),
    st.sampled_from(["float32", "float64", "float16", "int64"]),
)
def test_add_rows_is_the_obvious_loop(rows, count, columns, dtype):
    rng = np.random.default_rng((rows, count, columns))
    index = rng.integers(0, rows, count)
    source = np.asfortranarray(rng.integers(-9, 9, (count, columns)).astype(dtype))
    found = rng.integers(-9, 9, (rows, columns)).astype(dtype)
    expected = found.copy()
    for i in range(count):
        for j in range(columns):
            expected[index[i], j] += source[i, j]
    add_rows(found, index, source)
    np.testing.assert_array_equal(found, expected)


def test_add_rows_in_several_threads():
    rng = np.random.default_rng(0)
    index, source = rng.integers(0, 50, 3000), rng.standard_normal((3000, 70))
    results = []
    before = autograd.get_num_threads()
    for threads in (1, 2, 3):
        autograd.set_num_threads(threads)
        found = np.zeros((50, 70))
        add_rows(found, index, source)
        results.append(found)
    autograd.set_num_threads(before)
    expected = np.zeros((50, 70))
    np.add.at(expected, index, source)
    for found in results:
        np.testing.assert_array_equal(found, expected)


def test_add_rows_refuses_other_shapes():
    with pytest.raises(RuntimeError, match="add_rows"):
        add_rows(np.zeros((3, 2)), np.zeros(4, np.int64), np.zeros((4, 3)))


def test_gradient_of_a_lookup_is_exact_where_rows_repeat():
    x = Tensor(draw(6, 3), requires_grad=True)
    (found,) = grad(x[[1, 1, 1, 5]].sum(), x)
    assert found.array[:, 0].tolist() == [0, 3, 0, 0, 0, 1]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.data())
def test_mask_of_leading_dimensions_of_a_transposed_tensor(shape, data):
    covered = data.draw(st.integers(1, len(shape)))
    mask = np.random.default_rng(data.draw(st.integers(0, 9))).random(shape[:covered]) < 0.5
    x = draw(*reversed(shape))

    def run(t):
        return lambda x: x.permute(*reversed(range(len(shape))))[t.tensor(mask)]

    compare(run(autograd), run(torch), x)
