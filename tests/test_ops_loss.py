"""Losses against PyTorch, and what they refuse."""

import warnings

import numpy as np
import pytest

from autograd.tape import grad
from autograd.tensor import Tensor
from ops import class_loss, loss, margin_loss
from tests.against_torch import assert_close, compare, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional
every_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def classes_of(shape, seed=0, ignored=None):
    target = np.random.default_rng((seed, *shape)).integers(0, shape[min(1, len(shape) - 1)], shape[:1] + shape[2:])
    target = target if len(shape) > 1 else target[0]
    if ignored is not None:
        target.reshape(-1)[::3] = ignored
    return np.asarray(target)


def probabilities(*shape, seed=0):
    e = np.exp(draw(*shape, seed=seed))
    return e / e.sum(min(1, len(shape) - 1), keepdims=True)


SHAPES = [(4, 5), (1, 3), (5,), (3, 4, 2), (2, 3, 4, 5), (4, 1), (40, 70)]


# -- classes -------------------------------------------------------------------------------------------------


OPTIONS = [{}, {"weight": True}, {"ignore_index": 2}]
SMOOTHED = [
    {"label_smoothing": 0.3},
    {"weight": True, "label_smoothing": 0.2},
    {"ignore_index": 2, "label_smoothing": 0.3},
]
CLASS_CASES = [
    (name, shape, options)
    for name, several in (("cross_entropy", OPTIONS + SMOOTHED), ("nll_loss", OPTIONS))
    for options in several
    for shape in SHAPES
    if "ignore_index" not in options or shape not in ((5,), (1, 3))  # where nothing would be left
]


@every_reduction
@pytest.mark.parametrize(("name", "shape", "options"), CLASS_CASES)
def test_class_losses_are_pytorchs(name, shape, options, reduction):
    options = dict(options)
    target = classes_of(shape, ignored=options.get("ignore_index"))
    weight = np.abs(draw(shape[min(1, len(shape) - 1)], seed=3)) if options.pop("weight", None) else None
    ours, theirs = getattr(class_loss, name), getattr(F, name)
    w = (None, None) if weight is None else (Tensor(weight), torch.tensor(weight))
    compare(
        lambda x: ours(x, Tensor(target), w[0], reduction=reduction, **options),
        lambda x: theirs(x, torch.tensor(target), w[1], reduction=reduction, **options),
        draw(*shape),
    )


@every_reduction
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.3}, {"weight": True, "label_smoothing": 0.2}])
def test_cross_entropy_with_probabilities_is_pytorchs(shape, options, reduction):
    options = dict(options)
    weight = np.abs(draw(shape[min(1, len(shape) - 1)], seed=3)) if options.pop("weight", None) else None
    w = (None, None) if weight is None else (Tensor(weight), torch.tensor(weight))
    compare(
        lambda x, t: class_loss.cross_entropy(x, t, w[0], reduction=reduction, **options),
        lambda x, t: F.cross_entropy(x, t, w[1], reduction=reduction, **options),
        draw(*shape),
        probabilities(*shape, seed=4),
    )


@every_reduction
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (0, 3, 2), (2, 3, 2)])
def test_no_rows_left_are_nan_on_average_and_give_no_gradient(name, shape, reduction):
    target = np.full(shape[:1] + shape[2:], -100)
    x, t = Tensor(draw(*shape), requires_grad=True), torch.tensor(draw(*shape), requires_grad=True)
    ours = getattr(class_loss, name)(x, Tensor(target), reduction=reduction)
    theirs = getattr(F, name)(t, torch.tensor(target), reduction=reduction)
    assert_close(ours, theirs)
    if reduction == "mean":
        assert np.isnan(ours.array)
    for create_graph in (False, True):
        u = Tensor(np.ones(ours.shape))
        (dx,) = grad(ours, x, u, retain_graph=True, create_graph=create_graph)
        assert (dx.array == 0).all()


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_what_an_ignored_row_holds_does_not_matter(name):
    x, target = draw(3, 4), np.array([1, -100, 2])
    x[1] = [np.nan, np.inf, 0.0, -np.inf]
    ours = getattr(class_loss, name)(Tensor(x), Tensor(target))
    assert_close(ours, getattr(F, name)(torch.tensor(x), torch.tensor(target)))
    assert np.isfinite(ours.array)
    leaf = Tensor(x, requires_grad=True)
    (dx,) = grad(getattr(class_loss, name)(leaf, Tensor(target)), leaf)
    assert (dx.array[1] == 0).all()


def test_cross_entropy_takes_bytes_and_a_target_of_one_element():
    x = draw(3)
    ours = class_loss.cross_entropy(Tensor(x), Tensor(np.array([1])), reduction="none")
    assert_close(ours, F.cross_entropy(torch.tensor(x), torch.tensor([1]), reduction="none"))
    x, target = draw(2, 3), np.array([0, 2], np.uint8)
    assert_close(
        class_loss.cross_entropy(Tensor(x), Tensor(target)), F.cross_entropy(torch.tensor(x), torch.tensor(target))
    )


def test_cross_entropy_is_finite_for_large_logits():
    x = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    compare(
        lambda x: class_loss.cross_entropy(x, Tensor(np.array([0, 0]))),
        lambda x: F.cross_entropy(x, torch.tensor([0, 0])),
        x,
        order=1,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_cross_entropy_whose_sum_is_too_large_is_infinite_and_warns_of_nothing(reduction):
    logits, target = Tensor(np.float32([[3e38, 0], [3e38, 0]])), Tensor(np.array([1, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_loss.cross_entropy(logits, target, reduction=reduction).item() == np.inf


@every_reduction
@pytest.mark.parametrize("shape", [(8, 5), (3, 4, 2), (5,)])
def test_cross_entropy_of_float16_is_pytorchs(shape, reduction):
    x, target, weight = (
        draw(*shape).astype(np.float16),
        classes_of(shape),
        np.ones(shape[min(1, len(shape) - 1)], np.float16),
    )
    compare(
        lambda x: class_loss.cross_entropy(x, Tensor(target), Tensor(weight), reduction=reduction),
        lambda x: F.cross_entropy(x, torch.tensor(target), torch.tensor(weight), reduction=reduction),
        x,
        order=0,
        tolerance=2e-3,
    )
    leaf = Tensor(x, requires_grad=True)
    (dx,) = grad(class_loss.cross_entropy(leaf, Tensor(target)), leaf)
    assert dx.array.dtype == np.float16
    assert (dx.array != 0).any()


def test_cross_entropy_of_float32_keeps_its_type():
    x, target = draw(8, 5).astype(np.float32), classes_of((8, 5))
    ours = class_loss.cross_entropy(Tensor(x), Tensor(target))
    assert ours.array.dtype == np.float32
    np.testing.assert_allclose(ours.array, F.cross_entropy(torch.tensor(x), torch.tensor(target)).numpy(), rtol=1e-6)


CLASS_ERRORS = [
    ((2, 3), [0, 3], {}, IndexError, "arget 3 is out of bounds"),
    ((2, 3), [0, -1], {}, IndexError, "arget -1 is out of bounds"),
    ((2, 3, 4), [[0] * 4, [7] * 4], {}, IndexError, "arget 7 is out of bounds"),
    ((2, 3), [0, 1, 2], {}, ValueError, r"Expected input batch_size \(2\) to match target batch_size \(3\)"),
    ((2, 3), [0.0, 1.0], {}, RuntimeError, "target dtype to be int64"),
    ((2, 3, 4), [0, 1], {}, RuntimeError, r"Expected target size \[2, 4\], got \[2\]"),
    ((2, 3), [[0], [1]], {}, RuntimeError, r"Expected target size \[2\], got \[2, 1\]"),
    ((2, 3), [0, 1], {"weight": (2,)}, RuntimeError, "all 3 classes or no classes"),
    ((2, 3), [0, 1], {"reduction": "product"}, ValueError, "product is not a valid value for reduction"),
]


@pytest.mark.parametrize(("shape", "target", "options", "error", "message"), CLASS_ERRORS)
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_class_losses_refuse(name, shape, target, options, error, message):
    options = dict(options)
    x, target = draw(*shape), np.array(target)
    weight = np.ones(options.pop("weight")) if "weight" in options else None
    w = (None, None) if weight is None else (Tensor(weight), torch.tensor(weight))
    with pytest.raises(error, match=message):
        getattr(class_loss, name)(Tensor(x), Tensor(target), w[0], **options)
    with pytest.raises(error):
        getattr(F, name)(torch.tensor(x), torch.tensor(target), w[1], **options)


def test_cross_entropy_refuses():
    x = Tensor(draw(2, 3))
    with pytest.raises(RuntimeError, match=r"between 0\.0 and 1\.0\. Got: 1\.5"):
        class_loss.cross_entropy(x, Tensor(np.array([0, 1])), label_smoothing=1.5)
    with pytest.raises(RuntimeError, match="floating point type for target with class probabilities, got"):
        class_loss.cross_entropy(x, Tensor(np.zeros((2, 3), np.int64)))
    with pytest.raises(RuntimeError, match="ignore_index is not supported"):
        class_loss.cross_entropy(x, Tensor(probabilities(2, 3)), ignore_index=1)
    with pytest.raises(RuntimeError, match="weight is a constant"):
        class_loss.cross_entropy(x, Tensor(np.array([0, 1])), Tensor(np.ones(3), requires_grad=True))
    with pytest.raises(NotImplementedError, match=r"floating-point input, got autograd\.int64"):
        class_loss.cross_entropy(Tensor(np.zeros((2, 3), np.int64)), Tensor(np.array([0, 1])))
    with pytest.raises(ValueError, match="1 or more dimensions"):
        class_loss.nll_loss(Tensor(np.array(1.0)), Tensor(np.array(0)))


# -- numbers -------------------------------------------------------------------------------------------------

PAIRS = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0.0}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 0.4}),
]


@every_reduction
@pytest.mark.parametrize("shape", [(4, 3), (), (1,), (2, 3, 4)])
@pytest.mark.parametrize(("name", "options"), PAIRS)
def test_pair_losses_are_pytorchs(name, options, shape, reduction):
    ours, theirs = getattr(loss, name), getattr(F, name)
    compare(
        lambda x, t: ours(x, t, reduction=reduction, **options),
        lambda x, t: theirs(x, t, reduction=reduction, **options),
        draw(*shape),
        draw(*shape, seed=1),
    )


@every_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weighted_pair_losses_are_pytorchs(name, reduction):
    ours, theirs = getattr(loss, name), getattr(F, name)
    compare(
        lambda x, t, w: ours(x, t, reduction=reduction, weight=w),
        lambda x, t, w: theirs(x, t, reduction=reduction, weight=w),
        draw(4, 3),
        draw(4, 3, seed=1),
        np.abs(draw(4, 3, seed=2)),
    )
    with pytest.raises(ValueError, match="same size"):
        ours(Tensor(draw(4, 3)), Tensor(draw(4, 3)), weight=Tensor(draw(3)))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_pair_losses_warn_where_sizes_differ(name):
    x, t = draw(2, 3), draw(3)
    with pytest.warns(UserWarning, match=r"Using a target size \(\[3\]\) that is different to the input size"):
        ours = getattr(loss, name)(Tensor(x), Tensor(t))
    with pytest.warns(UserWarning, match="target size"):
        theirs = getattr(F, name)(torch.tensor(x), torch.tensor(t))
    assert_close(ours, theirs)
    with pytest.warns(UserWarning, match="target size"), pytest.raises(RuntimeError, match="size"):
        getattr(loss, name)(Tensor(x), Tensor(draw(4)))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("size", [2000, 70001])
def test_the_mean_of_squares_of_float16_is_formed_in_float32(size, reduction):
    x = np.full(size, 8 if reduction == "mean" else 0.25, np.float16)
    ours = loss.mse_loss(Tensor(x), Tensor(0 * x), reduction=reduction)
    assert_close(ours, F.mse_loss(torch.tensor(x), torch.tensor(0 * x), reduction=reduction), tolerance=1e-3)


def test_a_broadcast_target_gets_a_gradient_of_its_own_shape():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        compare(loss.mse_loss, F.mse_loss, draw(2, 3), draw(3))


@every_reduction
def test_losses_of_nothing_are_pytorchs(reduction):
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss"):
        compare(
            lambda x, t: getattr(loss, name)(x, t, reduction=reduction),  # noqa: B023  # called at once
            lambda x, t: getattr(F, name)(x, t, reduction=reduction),  # noqa: B023
            draw(0, 3),
            draw(0, 3),
            order=1,
        )


def test_pair_losses_refuse():
    x, integers = Tensor(draw(2, 3)), Tensor(np.zeros((2, 3), np.int64))
    with pytest.raises(RuntimeError, match="negative values for beta"):
        loss.smooth_l1_loss(x, x, beta=-1.0)
    with pytest.raises(RuntimeError, match="non-positive values for delta"):
        loss.huber_loss(x, x, delta=0.0)
    with pytest.raises(NotImplementedError, match="expected floating-point tensors"):
        loss.mse_loss(integers, integers)
    with pytest.raises(TypeError, match="target must be a Tensor, not list"):
        loss.mse_loss(x, [1.0])
    with pytest.raises(ValueError, match="median is not a valid value"):
        loss.mse_loss(x, x, reduction="median")


@pytest.mark.parametrize(
    ("pair", "reduction"),
    [((True, None), "mean"), ((False, None), "sum"), ((None, False), "none"), ((False, True), "sum")],
)
def test_the_older_way_to_say_the_reduction(pair, reduction):
    x, t = Tensor(draw(3)), Tensor(draw(3, seed=1))
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        older = loss.mse_loss(x, t, *pair)
    np.testing.assert_array_equal(older.array, loss.mse_loss(x, t, reduction=reduction).array)


# -- probabilities -------------------------------------------------------------------------------------------


@every_reduction
@pytest.mark.parametrize("weight", [None, (4, 3), (3,)])
def test_binary_cross_entropy_is_pytorchs(weight, reduction):
    w = None if weight is None else np.abs(draw(*weight, seed=3))
    pair = (None, None) if w is None else (Tensor(w), torch.tensor(w))
    p, t = np.random.default_rng(0).uniform(0.05, 0.95, (2, 4, 3))
    compare(
        lambda x, t: loss.binary_cross_entropy(x, t, pair[0], reduction=reduction),
        lambda x, t: F.binary_cross_entropy(x, t, pair[1], reduction=reduction),
        p,
        t,
        tolerance=1e-9,
    )


def test_binary_cross_entropy_of_certainties_is_finite():
    x, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    for reduction in ("none", "mean"):
        ours = loss.binary_cross_entropy(Tensor(x), Tensor(t), reduction=reduction)
        assert_close(ours, F.binary_cross_entropy(torch.tensor(x), torch.tensor(t), reduction=reduction))
    leaf, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    (dx,) = grad(loss.binary_cross_entropy(leaf, Tensor(t)), leaf)
    expected = torch.autograd.grad(F.binary_cross_entropy(theirs, torch.tensor(t)), theirs)[0]
    assert_close(dx, expected, tolerance=1e-8)  # PyTorch's 1e-12 has the precision of a float32


@every_reduction
@pytest.mark.parametrize("shapes", [{}, {"weight": (4, 1)}, {"pos_weight": (3,)}, {"weight": (3,), "pos_weight": (3,)}])
def test_binary_cross_entropy_with_logits_is_pytorchs(shapes, reduction):
    arrays = {name: np.abs(draw(*shape, seed=len(name))) for name, shape in shapes.items()}
    ours, theirs = ({name: make(a) for name, a in arrays.items()} for make in (Tensor, torch.tensor))
    compare(
        lambda x, t: loss.binary_cross_entropy_with_logits(x, t, **ours, reduction=reduction),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, **theirs, reduction=reduction),
        draw(4, 3) * 3,
        np.random.default_rng(0).uniform(0, 1, (4, 3)),
    )


def test_binary_cross_entropy_with_logits_is_finite_for_large_logits():
    x, t = np.array([800.0, -800.0, 800.0, -800.0]), np.array([0.0, 1.0, 1.0, 0.0])
    ours = loss.binary_cross_entropy_with_logits(Tensor(x), Tensor(t), reduction="none")
    np.testing.assert_array_equal(ours.array, [800.0, 800.0, 0.0, 0.0])


def test_binary_losses_refuse():
    x = Tensor(np.array([0.2, 0.7]))
    with pytest.raises(ValueError, match="different to the input size"):
        loss.binary_cross_entropy(x, Tensor(np.ones(3)))
    with pytest.raises(RuntimeError, match="elements of input should be between 0 and 1"):
        loss.binary_cross_entropy(Tensor(np.array([0.2, 1.2])), x)
    with pytest.raises(RuntimeError, match="elements of input should be between 0 and 1"):
        loss.binary_cross_entropy(Tensor(np.array([0.2, np.nan])), x)
    with pytest.raises(RuntimeError, match="elements of target should be between 0 and 1"):
        loss.binary_cross_entropy(x, Tensor(np.array([-0.1, 0.5])))
    with pytest.raises(RuntimeError, match="target is"):
        loss.binary_cross_entropy(x, Tensor(np.ones(2, np.float32)))
    integers = Tensor(np.array([0, 1]))
    with pytest.raises(
        NotImplementedError, match=r"binary_cross_entropy: expected a floating-point input, got autograd\.int64"
    ):
        loss.binary_cross_entropy(integers, integers)
    with pytest.raises(NotImplementedError, match="with_logits: expected a floating-point input"):
        loss.binary_cross_entropy_with_logits(integers, integers)
    with pytest.raises(ValueError, match="must be the same as input size"):
        loss.binary_cross_entropy_with_logits(x, Tensor(np.ones(3)))


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div_is_pytorchs(reduction, log_target):
    t = probabilities(4, 3)
    compare(
        lambda x, t: loss.kl_div(x, t, reduction=reduction, log_target=log_target),
        lambda x, t: F.kl_div(x, t, reduction=reduction, log_target=log_target),
        np.log(probabilities(4, 3, seed=1)),
        np.log(t) if log_target else t,
    )


def test_kl_div_of_an_impossible_class_is_zero_and_the_plain_mean_warns():
    x, t = np.log([0.5, 0.5]), np.array([0.0, 1.0])
    with pytest.warns(UserWarning, match="batchmean"):
        ours = loss.kl_div(Tensor(x), Tensor(t))
    np.testing.assert_allclose(ours.array, np.log(2) / 2, rtol=1e-12)


# -- margins, embeddings, distributions ----------------------------------------------------------------------


def sign(*shape, seed=0):
    return np.where(draw(*shape, seed=seed) > 0, 1.0, -1.0)


POSITIVE = np.abs(draw(4, 3, seed=9)) + 0.1
COMPOSED = [
    ("margin_ranking_loss", (draw(5), draw(5, seed=1), sign(5)), {"margin": 0.3}),
    ("hinge_embedding_loss", (draw(4, 3), sign(4, 3)), {"margin": 0.7}),
    ("cosine_embedding_loss", (draw(4, 3), draw(4, 3, seed=1), sign(4)), {"margin": 0.1}),
    ("cosine_embedding_loss", (draw(3), draw(3, seed=1), np.array(1.0)), {}),
    ("triplet_margin_loss", (draw(4, 3), draw(4, 3, seed=1), draw(4, 3, seed=2)), {}),
    (
        "triplet_margin_loss",
        (draw(4, 3), draw(4, 3, seed=1), draw(4, 3, seed=2)),
        {"swap": True, "p": 3, "margin": 2.0},
    ),
    (
        "triplet_margin_with_distance_loss",
        (draw(4, 3), draw(4, 3, seed=1), draw(4, 3, seed=2)),
        {"margin": 2.0},
    ),
    ("multilabel_soft_margin_loss", (draw(4, 3), (sign(4, 3) + 1) / 2), {}),
    ("poisson_nll_loss", (draw(4, 3), POSITIVE * 4), {}),
    ("poisson_nll_loss", (draw(4, 3), POSITIVE * 4), {"full": True}),
    ("poisson_nll_loss", (POSITIVE, POSITIVE * 4), {"log_input": False}),
    ("gaussian_nll_loss", (draw(4, 3), draw(4, 3, seed=1), POSITIVE), {}),
    ("gaussian_nll_loss", (draw(4, 3), draw(4, 3, seed=1), POSITIVE[:, 0]), {"full": True}),
    ("gaussian_nll_loss", (draw(4, 3), draw(4, 3, seed=1), POSITIVE[:, :1]), {"eps": 0.7}),
]


@every_reduction
@pytest.mark.parametrize(("name", "arrays", "options"), COMPOSED)
def test_composed_losses_are_pytorchs(name, arrays, options, reduction):
    ours, theirs = getattr(margin_loss, name), getattr(F, name)
    compare(
        lambda *x: ours(*x, reduction=reduction, **options),
        lambda *x: theirs(*x, reduction=reduction, **options),
        *arrays,
    )


@every_reduction
def test_soft_margin_loss_is_pytorchs(reduction):
    target = sign(4, 3)
    compare(
        lambda x: margin_loss.soft_margin_loss(x, Tensor(target), reduction=reduction),
        lambda x: F.soft_margin_loss(x, torch.tensor(target), reduction=reduction),
        draw(4, 3),
    )


@every_reduction
@pytest.mark.parametrize("options", [{}, {"p": 2}, {"margin": 0.5}, {"weight": True}])
@pytest.mark.parametrize("shape", [(4, 3), (3,)])
def test_multi_margin_loss_is_pytorchs(shape, options, reduction):
    options, target = dict(options), classes_of(shape)
    weight = np.abs(draw(3, seed=5)) if options.pop("weight", None) else None
    w = (None, None) if weight is None else (Tensor(weight), torch.tensor(weight))
    compare(
        lambda x: margin_loss.multi_margin_loss(x, Tensor(target), weight=w[0], reduction=reduction, **options),
        lambda x: F.multi_margin_loss(x, torch.tensor(target), weight=w[1], reduction=reduction, **options),
        draw(*shape),
        order=1,  # PyTorch has no second derivative
    )


@every_reduction
def test_multilabel_margin_loss_is_pytorchs(reduction):
    target = np.array([[0, 2, -1, 3], [1, -1, 0, 2], [-1, 0, 1, 2], [3, 0, 1, 2]])
    for x, t in ((draw(4, 4), target), (draw(4), target[0])):
        compare(
            lambda x: margin_loss.multilabel_margin_loss(x, Tensor(t), reduction=reduction),  # noqa: B023  # called at once
            lambda x: F.multilabel_margin_loss(x, torch.tensor(t), reduction=reduction),  # noqa: B023
            x,
            order=1,  # PyTorch has no second derivative
        )


def test_composed_losses_refuse():
    x = Tensor(draw(2, 3))
    with pytest.raises(ValueError, match="var has negative"):
        margin_loss.gaussian_nll_loss(x, x, Tensor(-np.ones((2, 3))))
    with pytest.raises(ValueError, match="var is of incorrect size"):
        margin_loss.gaussian_nll_loss(x, x, Tensor(np.ones(4)))
    with pytest.raises(RuntimeError, match="target out of range"):
        margin_loss.multi_margin_loss(x, Tensor(np.array([0, 4])))
    with pytest.raises(RuntimeError, match="Expected a vector or matrix"):
        margin_loss.multi_margin_loss(Tensor(draw(2, 2, 3)), Tensor(np.zeros((2, 2), np.int64)))
    with pytest.raises(RuntimeError, match="target out of range"):
        margin_loss.multilabel_margin_loss(x, Tensor(np.array([[0, -2, 1], [0, 1, 2]])))
    with pytest.raises(ValueError, match="only p == 1 and p == 2"):
        margin_loss.multi_margin_loss(x, Tensor(np.array([0, 1])), p=3)
    with pytest.raises(ValueError, match="margin must be greater than 0, got -1"):
        margin_loss.triplet_margin_loss(x, x, x, margin=-1)
    with pytest.raises(RuntimeError, match="should have same dimension"):
        margin_loss.margin_ranking_loss(x, Tensor(draw(3)), x)
    with pytest.raises(RuntimeError, match="0D or 1D target"):
        margin_loss.cosine_embedding_loss(x, x, x)


@every_reduction
def test_float32_stays_float32(reduction):
    x, other = (draw(4, 3, seed=seed).astype(np.float32) for seed in (0, 1))
    p, classes = probabilities(4, 3).astype(np.float32), classes_of((4, 3))
    calls = {
        class_loss.cross_entropy: (x, classes),
        class_loss.nll_loss: (x, classes),
        loss.binary_cross_entropy: (p, p),
        loss.binary_cross_entropy_with_logits: (x, p),
        **dict.fromkeys((loss.mse_loss, loss.l1_loss, loss.smooth_l1_loss, loss.huber_loss), (x, other)),
    }
    for function, (a, b) in calls.items():
        leaf = Tensor(a, requires_grad=True)
        ours = function(leaf, Tensor(b), reduction=reduction)
        theirs = getattr(F, function.__name__)(torch.tensor(a), torch.tensor(b), reduction=reduction)
        assert_close(ours, theirs, tolerance=1e-5)
        (dx,) = grad(ours, leaf, Tensor(np.ones(ours.shape, np.float32)))
        assert dx.array.dtype == np.float32
