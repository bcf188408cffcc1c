"""Transforms of images: what holds for all of them, those made of others, and wrong calls."""

from typing import NamedTuple

import numpy as np
import pytest

import autograd as torch
from nn.data import DataLoader, datasets
from nn.data import transforms as T
from tests.naive import images as naive
from tests.transform_images import MANY, assert_close, assert_share, draw


class Sample(NamedTuple):
    image: torch.Tensor
    label: torch.Tensor


# Containers


def test_compose_applies_in_order_and_passes_labels():
    image = draw(3, 8, 8)
    transform = T.Compose([T.CenterCrop(4), T.Grayscale(), T.Lambda(lambda x: x * 2, np.ndarray)])
    found, label = transform(image, 3)
    assert_close(found[0], 2 * naive.luma(image[:, 2:6, 2:6]))
    assert label == 3
    found, label = transform((image, 3))[0], transform([image, 3])[1]
    assert found.shape == (1, 4, 4)
    assert T.Identity()(image) is image


def test_apply_and_choice_decide_for_each_image():
    torch.manual_seed(0)
    images = np.ones((MANY, 1, 1, 1))
    applied = T.RandomApply([T.Lambda(lambda x: x + 1), T.Lambda(lambda x: x * 3)], p=0.2)(images)
    assert set(applied.reshape(-1)) == {1.0, 6.0}
    assert_share((applied == 6).mean(), 0.2)
    chosen = T.RandomChoice([T.Lambda(lambda x, n=n: x * n) for n in (2, 3, 4)], p=[1, 1, 2])(torch.tensor(images))
    assert isinstance(chosen, torch.Tensor)
    for n, share in ((2, 0.25), (3, 0.25), (4, 0.5)):
        assert_share((chosen.numpy() == n).mean(), share)


def test_one_image_that_is_not_transformed_is_copied():
    image = draw(3, 4, 5)
    for transform in (T.RandomApply([T.Grayscale(3)], p=0.0), T.RandomChoice([T.Identity()])):
        found = transform(image)
        np.testing.assert_array_equal(found, image)
        assert not np.shares_memory(found, image)


@pytest.mark.parametrize(
    "transform", [T.CenterCrop(2), T.Compose([T.CenterCrop(2)]), T.CutMix(num_classes=3)], ids=repr
)
def test_named_tuples_stay(transform):
    given = Sample(torch.tensor(draw(4, 1, 3, 3)), torch.arange(4) % 3)
    found = transform(given)
    assert type(found) is Sample
    assert len(found.image) == len(found.label) == 4


def test_images_of_one_batch_stay_alike():
    torch.manual_seed(0)
    half = T.RandomApply([T.CenterCrop(2)])
    assert half(draw(1, 4, 4)).shape in ((1, 2, 2), (1, 4, 4))
    with pytest.raises(RuntimeError, match="came out different"):
        half(draw(50, 1, 4, 4))


# What holds for all

ALL = [
    T.CenterCrop(3),
    T.ColorJitter(0.5, 0.5, 0.5, 0.5),
    T.GaussianBlur(3),
    T.Grayscale(),
    T.Identity(),
    T.Pad(1),
    T.RandomAffine(10, (0.1, 0.1), (0.5, 2), 10),
    T.RandomApply([T.RandomVerticalFlip(1.0)]),
    T.RandomChoice([T.RandomVerticalFlip(1.0), T.RandomHorizontalFlip(1.0)]),
    T.RandomCrop(4, padding=1),
    T.RandomErasing(1.0),
    T.RandomGrayscale(),
    T.RandomHorizontalFlip(),
    T.RandomResizedCrop(3),
    T.RandomRotation(90),
    T.RandomVerticalFlip(),
    T.Resize(3),
    T.Compose([T.RandomCrop(4), T.RandomErasing(1.0, value=1)]),
]
every = pytest.mark.parametrize("transform", ALL, ids=lambda transform: type(transform).__name__)
DTYPES = [np.uint8, np.float32, np.float64]


@every
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_kinds_types_and_leading_dimensions_stay(transform, dtype):
    for shape in ((3, 5, 6), (4, 3, 5, 6), (2, 3, 3, 5, 6), (0, 3, 5, 6), (2, 0, 3, 5, 6)):
        images = draw(*shape, dtype=dtype)
        found = transform(images)
        assert isinstance(found, np.ndarray)
        assert found.dtype == dtype
        assert found.shape[:-3] == shape[:-3]
        tensor, label = transform(torch.tensor(images), 3)
        assert isinstance(tensor, torch.Tensor)
        assert (tensor.shape, label) == (found.shape, 3)


def test_an_empty_batch_may_become_larger():
    for transform in (T.RandomResizedCrop(8), T.Resize((8, 8)), T.RandomCrop(8, pad_if_needed=True), T.CenterCrop(8)):
        assert transform(draw(0, 3, 5, 6)).shape == (0, 3, 8, 8)


@every
def test_inputs_stay_and_results_have_memory_of_their_own(transform):
    images = draw(4, 3, 5, 6)
    kept = images.copy()
    images.flags.writeable = False
    found = transform(images)
    np.testing.assert_array_equal(images, kept)
    if not isinstance(transform, T.Identity):
        assert not np.shares_memory(found, images)
        assert found.flags.writeable


@every
def test_strided_images_give_what_contiguous_ones_do(transform):
    images = draw(4, 6, 10, 6)[:, ::2, ::-2].swapaxes(2, 3)
    torch.manual_seed(0)
    expected = transform(np.ascontiguousarray(images))
    torch.manual_seed(0)
    np.testing.assert_array_equal(transform(images), expected)


@every
def test_images_of_one_pixel(transform):
    if isinstance(transform, T.GaussianBlur):
        with pytest.raises(RuntimeError, match="reflect padding"):
            transform(draw(3, 1, 1))
    elif isinstance(transform, (T.RandomCrop, T.Compose)):
        with pytest.raises(ValueError, match="larger than"):
            transform(draw(3, 1, 1))
    else:
        assert np.isfinite(transform(draw(2, 3, 1, 1))).all()


@every
def test_the_same_seed_gives_the_same_images_and_another_others(transform):
    images = draw(30, 3, 5, 6)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(transform(images))
    np.testing.assert_array_equal(results[0], results[1])
    deterministic = not type(transform).__name__.startswith(("Random", "Color", "Gaussian", "Compose"))
    assert np.array_equal(results[0], results[2]) == deterministic


def test_each_image_of_a_batch_draws_its_own():
    torch.manual_seed(0)
    image = draw(3, 6, 6)
    batch = np.stack([image] * 20)
    for transform in ALL:
        if type(transform).__name__.startswith(("Random", "Color", "Gaussian", "Compose")):
            results = {each.tobytes() for each in transform(batch)}
            assert len(results) > 1, transform


def test_nan_stays_where_it_is():
    image = draw(1, 3, 6, 6)
    image[0, 0, 0, 0] = np.nan
    assert np.isnan(T.Resize(3)(image)).sum() == 1
    assert np.isnan(T.Normalize([0.0], [1.0])(image)).sum() == 1


@pytest.mark.parametrize("name", T.__all__)
def test_every_name_is_documented(name):
    assert getattr(T, name).__doc__


WRONG = [
    (lambda: T.RandomCrop(8)(draw(3, 5, 6)), ValueError, r"RandomCrop: crop size \(8, 8\) is larger"),
    (lambda: T.RandomCrop(0), ValueError, "RandomCrop: size should be at least 1, got 0"),
    (lambda: T.RandomCrop((1, 2, 3)), ValueError, "one or two entries"),
    (lambda: T.RandomCrop("4"), TypeError, "RandomCrop: size should be an integer"),
    (lambda: T.RandomCrop(2.0), TypeError, "RandomCrop: size should be an integer"),
    (lambda: T.RandomCrop(2, padding=(1, 2, 3)), ValueError, "1, 2 or 4 entries, got 3"),
    (lambda: T.RandomCrop(2, padding_mode="mirror"), ValueError, "padding_mode is 'mirror'"),
    (lambda: T.CenterCrop(-1), ValueError, "at least 1, got -1"),
    (
        lambda: T.CenterCrop(2)(draw(5, 6)),
        ValueError,
        r"CenterCrop: expected images \(..., C, H, W\), got shape \(5, 6\)",
    ),
    (lambda: T.CenterCrop(2)(draw(3, 0, 6)), ValueError, "at least one channel and pixel"),
    (lambda: T.CenterCrop(2)("image"), TypeError, "expected a tensor or a NumPy array of numbers, got str"),
    (lambda: T.CenterCrop(2)(np.array([[["a"]]])), TypeError, "got an array of <U1"),
    (lambda: T.CenterCrop(2)(), TypeError, "expected images, got nothing"),
    (lambda: T.CenterCrop(2)(torch.rand(1, 3, 3, requires_grad=True)), RuntimeError, "not recorded"),
    (lambda: T.Pad("1"), TypeError, "padding should be an integer"),
    (lambda: T.Pad(1, fill="red"), TypeError, "fill should be a number"),
    (lambda: T.Pad(1, fill=(1, 2))(draw(3, 4, 4)), ValueError, "fill has 2 entries, but images have 3 channels"),
    (lambda: T.Pad(4, padding_mode="reflect")(draw(3, 4, 4)), RuntimeError, "reflect padding .* too large"),
    (lambda: T.Pad(-2)(draw(3, 4, 4)), ValueError, "leaves nothing"),
    (lambda: T.RandomHorizontalFlip(1.5), ValueError, r"p should be a number in \[0, 1\], got 1.5"),
    (lambda: T.Resize(-3), ValueError, "size should be at least 1"),
    (lambda: T.Resize(3, "bicubic"), ValueError, "interpolation is 'bicubic', expected one of bilinear, nearest"),
    (lambda: T.Resize(3, max_size=3), ValueError, "max_size 3"),
    (lambda: T.Resize((3, 4), max_size=9), ValueError, "max_size 9"),
    (lambda: T.Resize(None), ValueError, "needs an integer max_size"),
    (lambda: T.Resize(9, max_size=10)(draw(1, 100, 2)), ValueError, "nothing would be left"),
    (lambda: T.RandomResizedCrop(3, scale=0.5), TypeError, "scale should be a sequence of two"),
    (lambda: T.RandomResizedCrop(3, ratio=(0, 1)), ValueError, "RandomResizedCrop: ratio should be positive"),
    (lambda: T.RandomResizedCrop(3, scale=(-0.5, 1)), ValueError, "RandomResizedCrop: scale should be between 0 and 1"),
    (lambda: T.RandomErasing(ratio=(float("nan"), 1)), ValueError, "RandomErasing: ratio should be positive"),
    (lambda: T.RandomRotation(-3), ValueError, "must not be negative"),
    (lambda: T.RandomRotation((1, 2, 3)), ValueError, "2 entries"),
    (lambda: T.RandomRotation(5, "nearest-exact"), ValueError, "expected one of nearest, bilinear"),
    (lambda: T.RandomRotation(5, center=3), TypeError, "center should be a sequence"),
    (lambda: T.RandomRotation(5, expand=True)(draw(2, 3, 4, 4)), ValueError, "one at a time"),
    (lambda: T.RandomAffine(5, translate=(2, 0)), ValueError, "between 0 and 1"),
    (lambda: T.RandomAffine(5, scale=(0, 1)), ValueError, "scale should be positive"),
    (lambda: T.ColorJitter(-1), ValueError, "brightness is a single number, so it must not be negative"),
    (lambda: T.ColorJitter(hue=0.7), ValueError, "hue should increase and lie within"),
    (lambda: T.ColorJitter(contrast="x"), TypeError, "contrast should be a number or a sequence"),
    (lambda: T.ColorJitter(0.5)(draw(2, 4, 4)), TypeError, "1 or 3 channels, got 2"),
    (lambda: T.Grayscale(2), ValueError, "num_output_channels should be 1 or 3"),
    (lambda: T.GaussianBlur(4), ValueError, "kernel_size should be odd"),
    (lambda: T.GaussianBlur(3, 0), ValueError, "sigma should be positive"),
    (lambda: T.RandomErasing(value="noise"), ValueError, "value is 'noise'"),
    (lambda: T.RandomErasing(scale=(0.1, 1.5)), ValueError, "between 0 and 1"),
    (lambda: T.RandomErasing(value="random")(draw(3, 4, 4, dtype=np.uint8)), TypeError, "normal numbers"),
    (lambda: T.Normalize([0.5], [0.0]), ValueError, "std has a zero"),
    (lambda: T.Normalize([0.5, 0.5], [1.0])(draw(3, 4, 4)), ValueError, "mean has 2 entries, but images have 3"),
    (lambda: T.Normalize([0.5], [1.0])(draw(3, 4, 4, dtype=np.uint8)), TypeError, "floating-point images, got uint8"),
    (lambda: T.ToTensor()([[1.0]]), TypeError, "got list"),
    (lambda: T.ToTensor()(np.zeros((2, 2), np.uint16)), TypeError, "uint16. The only supported types"),
    (
        lambda: T.ToTensor()(torch.rand(3, 3)),
        ValueError,
        r"ToTensor: expected images \(..., C, H, W\), got shape \(3, 3\)",
    ),
    (lambda: T.ToTensor()(draw(2, 3, 4, 5)), ValueError, r"\(H, W, C\) or \(H, W\), got shape"),
    (lambda: T.ToDtype(torch.int32, True)(draw(1, 2, 2, dtype=np.float32)), RuntimeError, "cannot be performed safely"),
    (lambda: T.Compose([]), ValueError, "at least one transform"),
    (lambda: T.Compose(T.Identity()), TypeError, "sequence of transforms, got Identity"),
    (lambda: T.Compose([3]), TypeError, "expected functions, got int"),
    (lambda: T.RandomChoice([T.Identity()], p=[0.5, 0.5]), ValueError, "p has 2 entries"),
    (lambda: T.Lambda(3), TypeError, "expected a function, got int"),
    (lambda: T.MixUp(alpha=0.0), ValueError, "alpha should be positive"),
    (lambda: T.MixUp(num_classes=3)(draw(2, 1, 2, 2)), ValueError, "a batch of images and its labels"),
    (lambda: T.MixUp(num_classes=3)(draw(1, 2, 2), np.array([1])), ValueError, r"batch of images \(N, C, H, W\)"),
    (lambda: T.MixUp()(draw(2, 1, 2, 2), np.array([0, 1])), ValueError, "num_classes is needed"),
    (lambda: T.MixUp(num_classes=2)(draw(2, 1, 2, 2), np.array([0, 2])), ValueError, "integers from 0 to 1"),
    (
        lambda: T.MixUp(num_classes=2)(draw(2, 1, 2, 2), np.eye(3)[:2]),
        ValueError,
        "num_classes is 2, but labels have 3",
    ),
    (lambda: T.CutMix(num_classes=2)(draw(2, 1, 2, 2), np.zeros(3, int)), ValueError, r"labels \(2,\)"),
    (lambda: T.MixUp(num_classes=2)(draw(2, 1, 2, 2, dtype=np.uint8), np.array([0, 1])), TypeError, "got uint8"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=[message for *_, message in WRONG])
def test_wrong_calls_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_interval_the_wrong_way_round_is_told():
    with pytest.warns(UserWarning, match="scale should be of kind") as caught:
        T.RandomResizedCrop(3, scale=(1.0, 0.5))
    assert caught[0].filename == __file__


def test_options_are_shown():
    assert repr(T.RandomHorizontalFlip(0.25)) == "RandomHorizontalFlip(p=0.25)"
    assert repr(T.Compose([T.CenterCrop(2)])) == "Compose(transforms=[CenterCrop(size=(2, 2))])"


def test_data_sets_give_whole_batches_to_those_that_take_them():
    assert T.Resize(3).batched
    assert T.Compose([T.RandomCrop(3), T.RandomApply([T.RandomHorizontalFlip()])]).batched
    assert not T.Lambda(abs).batched
    assert not T.Compose([T.Lambda(abs), T.RandomCrop(3)]).batched
    images = datasets.ImageDataset(torch.tensor(draw(20, 3, 6, 6, dtype=np.uint8)), torch.arange(20), T.RandomCrop(4))
    torch.manual_seed(0)
    (batch,) = DataLoader(images, batch_size=20)
    assert batch[0].shape == (20, 3, 4, 4)
    torch.manual_seed(0)
    (again,) = DataLoader(images, batch_size=20, num_workers=1, workers="threads")
    np.testing.assert_array_equal(batch[0].numpy(), again[0].numpy())
