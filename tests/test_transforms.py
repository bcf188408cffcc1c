"""Transforms of images: the deterministic ones against plain loops, the random ones against those at what was drawn."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as torch
from nn.data import DataLoader, datasets
from nn.data import transforms as T
from nn.data.transforms import affine, color, cropping, filtering, resampling
from tests.naive import images as naive

sides = st.integers(1, 9)
few = settings(max_examples=25, deadline=None)


def draw(*shape, seed=0, dtype=np.float64):
    values = np.random.default_rng((seed, *shape)).random(shape)
    return (values * 256).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)


def one(value):
    return np.array([value])


def assert_close(found, expected, tolerance=1e-10):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# Deterministic ones


@few
@given(sides, sides, sides, sides, st.booleans())
def test_resize_is_the_loop(h, w, height, width, antialias):
    image = draw(2, h, w)
    assert_close(T.Resize((height, width), antialias=antialias)(image), naive.resize(image, height, width, antialias))


@few
@given(sides, sides, sides, sides)
def test_nearest_is_the_loop(h, w, height, width):
    image = draw(2, h, w, dtype=np.uint8)
    np.testing.assert_array_equal(T.Resize((height, width), "nearest")(image), naive.nearest(image, height, width))


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "nearest-exact"])
@pytest.mark.parametrize("size", [(7, 5), (31, 40), (20, 3)])
def test_resize_is_pytorchs_interpolate(size, mode, antialias):
    peer = pytest.importorskip("torch", reason="PyTorch is an extra")
    images = draw(2, 3, 17, 23, dtype=np.float32)
    options = {"align_corners": False, "antialias": antialias} if mode == "bilinear" else {}
    expected = peer.nn.functional.interpolate(peer.tensor(images), size, mode=mode, **options).numpy()
    assert_close(T.Resize(size, mode, antialias=antialias)(images), expected, 1e-5)


def test_a_resized_image_of_bytes_is_the_nearest_whole_number():
    image = draw(3, 9, 8, dtype=np.uint8)
    found = T.Resize((4, 13))(image)
    assert found.dtype == np.uint8
    assert np.abs(found - naive.resize(image, 4, 13)).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    ("size", "most", "shape", "expected"),
    [
        (20, None, (40, 30), (26, 20)),
        ([20], None, (30, 40), (20, 26)),
        (20, 24, (40, 30), (24, 18)),
        (None, 24, (40, 30), (24, 18)),
        ((5, 6), None, (40, 30), (5, 6)),
    ],
)
def test_one_number_is_the_shorter_edge(size, most, shape, expected):
    assert T.Resize(size, max_size=most)(draw(1, *shape)).shape == (1, *expected)


@few
@given(*[st.integers(0, 3)] * 4, st.sampled_from(["constant", "edge", "reflect", "symmetric"]))
def test_padding_is_the_loop(left, top, right, bottom, mode):
    image = draw(2, 4, 5)
    expected = naive.pad(image, left, top, right, bottom, 0.5, mode)
    np.testing.assert_array_equal(T.Pad([left, top, right, bottom], 0.5, mode)(image), expected)


def test_padding_has_a_color_and_negative_numbers_take_away():
    image = draw(3, 4, 5)
    padded = T.Pad((1, 2), fill=(0.1, 0.2, 0.3))(image)
    assert padded.shape == (3, 8, 7)
    np.testing.assert_array_equal(padded[:, 0, 0], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(T.Pad((-1, -1, 1, 0))(image), np.pad(image[:, 1:, 1:], ((0, 0), (0, 0), (0, 1))))


@few
@given(*[st.integers(1, 8)] * 4)
def test_the_centre_is_as_far_from_both_edges(h, w, height, width):
    image = draw(1, h, w) + 1
    found = T.CenterCrop((height, width))(image)[0]
    assert found.shape == (height, width)
    rows, columns = found.any(1), found.any(0)
    assert rows.sum() == min(h, height)
    assert columns.sum() == min(w, width)
    first = np.argwhere(found)[0]
    offset = np.argwhere(image[0] == found[tuple(first)])[0] - first
    assert np.abs(offset - ((h - height) / 2, (w - width) / 2)).max() <= 0.5


def test_an_even_margin_is_shared_by_both_edges():
    image = draw(1, 6, 8)
    np.testing.assert_array_equal(T.CenterCrop((2, 4))(image), image[:, 2:4, 2:6])
    np.testing.assert_array_equal(T.CenterCrop((8, 8))(image), np.pad(image, ((0, 0), (1, 1), (0, 0))))


def forward_map(degrees, translate, scale, shear):
    """Return the matrix and shift of p ↦ M p + t, with M = R S Y X spelt out."""
    a, x, y = (math.radians(v) for v in (degrees, *shear))
    rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    matrix = rotation @ np.array([[1, 0], [-math.tan(y), 1]]) @ np.array([[1, -math.tan(x)], [0, 1]]) * scale
    return matrix, np.array(translate)


@few
@given(
    st.floats(-180, 180),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    st.floats(0.5, 2.0),
    st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    st.sampled_from([None, (2.0, 5.5)]),
    st.sampled_from(["nearest", "bilinear"]),
)
def test_affine_maps_go_back_from_each_pixel(degrees, translate, scale, shear, center, mode):
    image = draw(2, 7, 6)
    matrix, shift = forward_map(degrees + 0.123, translate, scale, shear)  # so that no place is between two pixels
    shift = shift.astype(float)
    fixed = np.zeros(2) if center is None else np.array(center) - (3.0, 3.5)

    def source(x, y):
        return tuple(np.linalg.solve(matrix, np.array([x, y]) - shift - fixed) + fixed)

    found = affine.affine(
        image[None], one(degrees + 0.123), one(translate), one(scale), one(shear), mode, 0.25, center
    )[0]
    expected = naive.move(image, source, mode, 0.25)
    if mode == "nearest":  # a place half-way between two pixels may go to either
        assert np.mean(found != expected) <= 0.05
    else:
        assert_close(found, expected)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_quarter_turns_move_whole_pixels(turns, mode):
    image = draw(1, 2, 5, 7)
    angle = 90 * turns
    found = T.RandomRotation((angle, angle), mode, expand=True)(image)
    assert_close(found, np.rot90(image, turns, (2, 3)), 1e-9)


def test_a_rotated_image_that_expands_holds_all_corners():
    assert T.RandomRotation((45, 45), expand=True)(draw(1, 10, 10)).shape == (
        1,
        16,
        16,
    )  # √200 ≈ 14.14 around the centre


@few
@given(st.sampled_from([(3, 3), (1, 5), (5, 3)]), st.floats(0.1, 3.0))
def test_blur_is_the_loop(kernel, sigma):
    image = draw(2, 6, 7)
    assert_close(T.GaussianBlur(kernel, sigma)(image), naive.blur(image, *kernel, sigma))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.8])
def test_brightness_contrast_and_saturation_are_blends(channels, factor):
    image = draw(channels, 4, 5)
    luma = naive.luma(image)
    for adjust, other in (
        (color.adjust_brightness, 0.0),
        (color.adjust_contrast, luma.mean()),
        (color.adjust_saturation, image if channels == 1 else luma),
    ):
        expected = np.clip(factor * image + (1 - factor) * other, 0, 1)
        assert_close(adjust(image[None], one(factor))[0], expected)


def test_colors_of_bytes_are_cut_to_whole_numbers():
    image = draw(3, 4, 5, dtype=np.uint8)
    found = color.adjust_saturation(image[None], one(0.3))[0]
    exact = 0.3 * image + 0.7 * np.floor(naive.luma(image))
    assert found.dtype == np.uint8
    assert (np.abs(exact - 0.5 - found) <= 0.5 + 1e-3).all()


@few
@given(st.floats(-0.5, 0.5), st.booleans())
def test_hue_is_colorsys(shift, dull):
    image = draw(3, 3, 4, dtype=np.float32)
    image[:, 0] = image[0, 0] if dull else 0.0
    assert_close(color.adjust_hue(image[None], one(shift))[0], naive.turn_hue(image, shift), 2e-6)


def test_grey_is_the_luma():
    image = draw(3, 4, 5)
    assert_close(T.Grayscale()(image)[0], naive.luma(image))
    assert_close(T.Grayscale(3)(image), np.stack([naive.luma(image)] * 3))
    assert_close(T.RandomGrayscale(1.0)(image), np.stack([naive.luma(image)] * 3))
    assert T.Grayscale()(draw(3, 4, 5, dtype=np.uint8)).dtype == np.uint8


def test_normalize():
    images = draw(2, 3, 4, 5)
    found = T.Normalize([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])(images)
    for c in range(3):
        assert_close(found[:, c], (images[:, c] - 0.1 * (c + 1)) / (0.5 + 0.1 * c))


def test_to_tensor_moves_channels_to_the_front_and_scales_bytes():
    image = draw(4, 5, 3, dtype=np.uint8)
    found = T.ToTensor()(image)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert T.ToTensor()(draw(4, 5)).shape == (1, 4, 5)
    assert T.ToTensor()(draw(4, 5, 1)).dtype == torch.float64
    assert T.ToTensor()((image, 7))[1] == 7
    planes = image.transpose(2, 0, 1)
    np.testing.assert_array_equal(T.ToTensor()(torch.tensor(planes)).numpy(), found.numpy())
    np.testing.assert_array_equal(T.ToTensor()(found).numpy(), found.numpy())


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (np.uint8([0, 51, 255]), torch.float32, np.float32([0, 0.2, 1])),
        (np.float32([0, 0.2, 0.997, 1]), torch.uint8, np.uint8([0, 51, 255, 255])),
        (np.uint8([0, 51, 255]), torch.int16, np.int16([0, 51 << 7, 255 << 7])),
        (np.int16([0, 51 << 7]), torch.uint8, np.uint8([0, 51])),
        (np.float64([0.25]), torch.float32, np.float32([0.25])),
    ],
)
def test_to_dtype_scales_ranges(value, dtype, expected):
    found = T.ToDtype(dtype, scale=True)(value.reshape(1, 1, -1)).reshape(-1)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_to_dtype_without_scale_converts():
    found = T.ToDtype(torch.float32)(torch.tensor(draw(3, 2, 2, dtype=np.uint8)))
    assert found.dtype == torch.float32
    assert found.max() > 1


# Random ones: equal to the deterministic function at what was drawn, and drawn from the right distribution

MANY = 4000


def assert_share(found, expected, count=MANY):
    """Assert a share of `count` draws within five standard deviations."""
    assert abs(found - expected) <= 5 * math.sqrt(expected * (1 - expected) / count)


@pytest.mark.parametrize(("flip", "axis"), [(T.RandomHorizontalFlip, -1), (T.RandomVerticalFlip, -2)])
def test_flips_turn_over_their_share(flip, axis):
    torch.manual_seed(0)
    images = draw(MANY, 1, 2, 3)
    found = flip(0.3)(images)
    turned = (found == np.flip(images, axis)).all((1, 2, 3))
    np.testing.assert_array_equal(found[~turned], images[~turned])
    assert_share(turned.mean(), 0.3)


def test_crops_are_uniform_among_all_places():
    torch.manual_seed(0)
    images = np.broadcast_to(np.arange(1.0, 21).reshape(1, 1, 4, 5), (MANY, 1, 4, 5))
    found = T.RandomCrop((4, 3), padding=(1, 2))(images)
    padded = naive.pad(images[0], 1, 2, 1, 2, 0.0, "constant")
    counts = {}
    for top in range(5):
        for left in range(5):
            same = (found == padded[None, :, top : top + 4, left : left + 3]).all((1, 2, 3))
            counts[top, left] = same.mean()
    assert math.isclose(sum(counts.values()), 1)
    for share in counts.values():
        assert_share(share, 1 / 25)


def test_a_crop_pads_what_an_image_lacks():
    image = draw(1, 3, 9) + 1
    found = T.RandomCrop(5, pad_if_needed=True)(image)
    assert found.shape == (1, 5, 5)
    assert (found == 0).any()


@few
@given(st.integers(0, 99), st.integers(2, 20), st.integers(2, 20))
def test_parts_have_the_area_and_ratio_asked_for_and_are_then_resized(seed, h, w):
    transform = T.RandomResizedCrop((4, 5), scale=(0.2, 0.6), ratio=(0.5, 2.0))
    images = draw(50, 2, h, w)
    torch.manual_seed(seed)
    top, left, height, width = transform.boxes(50, h, w)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= h).all()
    assert (left + width <= w).all()
    torch.manual_seed(seed)
    found = transform(images)
    for b in range(0, 50, 10):
        part = images[b, :, top[b] : top[b] + height[b], left[b] : left[b] + width[b]]
        assert_close(found[b], naive.resize(part, 4, 5))


def test_areas_are_uniform_and_ratios_log_uniform():
    torch.manual_seed(0)
    height, width, fits = resampling.draw_rectangles(MANY, 10**8, (0.2, 0.6), (0.5, 2.0), (10**4, 10**4))
    assert fits.all()
    area, ratio = height * width / 1e8, width / height
    assert (area > 0.199).all()
    assert (area < 0.601).all()
    assert_share((area < 0.3).mean(), 0.25)
    assert_share((ratio < 1 / math.sqrt(2)).mean(), 0.25)
    assert (ratio > 0.499).all()


def test_where_no_part_fits_the_centre_is_taken():
    boxes = T.RandomResizedCrop(4, scale=(1, 1), ratio=(1, 1)).boxes(3, 10, 20)
    assert [each.tolist() for each in boxes] == [[0] * 3, [5] * 3, [10] * 3, [10] * 3]
    boxes = T.RandomResizedCrop(4, scale=(1, 1), ratio=(1, 1)).boxes(1, 21, 10)
    assert [each.tolist() for each in boxes] == [[5], [0], [10], [10]]


def test_rotations_are_those_of_the_angles_drawn():
    images = draw(6, 2, 5, 5)
    torch.manual_seed(4)
    found = T.RandomRotation((-20, 50), "bilinear", center=(1, 2), fill=0.5)(images)
    torch.manual_seed(4)
    angles = torch.default_generator.numpy.uniform(-20, 50, 6)
    for image, angle, result in zip(images, angles, found, strict=True):
        assert_close(result, affine.rotate(image[None], one(angle), "bilinear", False, (1, 2), 0.5)[0])
        turned = T.RandomAffine((-angle, -angle), interpolation="bilinear", fill=0.5, center=(1, 2))(image)
        assert_close(result, turned)  # its angles turn the other way, as torchvision's do


def test_translations_are_whole_pixels_within_their_reach():
    torch.manual_seed(0)
    image = np.zeros((1, 1, 11, 21))
    image[..., 5, 10] = 1
    found = T.RandomAffine(0, translate=(0.1, 0.2))(np.repeat(image, MANY, axis=0))
    places = np.argwhere(found[:, 0])[:, 1:] - (5, 10)
    assert len(places) == MANY
    assert np.abs(places).max(0).tolist() == [2, 2]
    assert_share((places[:, 1] == 0).mean(), 1 / 4.2)


def test_scale_and_shear_of_affine_maps():
    image = draw(1, 1, 9, 9)
    zero = np.zeros((1, 2))
    larger = T.RandomAffine(0, scale=(2.0, 2.0), interpolation="bilinear")(image)
    assert_close(larger, affine.affine(image, one(0.0), zero, one(2.0), zero, "bilinear"))
    for given_, shear in (((10, 10), (10, 0)), ((0, 0, 10, 10), (0, 10))):
        found = T.RandomAffine(0, shear=given_, interpolation="bilinear")(image)
        assert_close(found, affine.affine(image, one(0.0), zero, one(1.0), one(shear), "bilinear"))


def test_jitter_is_one_order_of_the_four_adjustments():
    images = draw(8, 3, 4, 4, dtype=np.float32)
    torch.manual_seed(1)
    found = T.ColorJitter((0.5, 0.5), (1.5, 1.5), (0.3, 0.3), (0.2, 0.2))(images)
    adjust = [
        lambda x: color.adjust_brightness(x, one(0.5)),
        lambda x: color.adjust_contrast(x, one(1.5)),
        lambda x: color.adjust_saturation(x, one(0.3)),
        lambda x: color.adjust_hue(x, one(0.2)),
    ]
    orders = set()
    for image, result in zip(images, found, strict=True):
        for order in permutations(range(4)):
            x = image[None]
            for i in order:
                x = adjust[i](x)
            if np.allclose(x[0], result, atol=1e-6):
                orders.add(order)
                break
        else:
            raise AssertionError("no order gives this image")
    assert len(orders) > 1


def test_jitter_draws_factors_from_their_interval():
    torch.manual_seed(0)
    found = T.ColorJitter(brightness=0.4)(np.full((MANY, 1, 1, 1), 0.5)).reshape(-1) / 0.5
    assert 0.6 <= found.min() < 0.61
    assert 1.39 < found.max() <= 1.4
    assert_share((found < 1.0).mean(), 0.5)


def test_erased_rectangles_have_the_area_asked_for():
    torch.manual_seed(0)
    images = np.ones((MANY, 1, 30, 40))
    found = T.RandomErasing(0.6, scale=(0.1, 0.3), ratio=(0.5, 2.0), value=7)(images)[:, 0]
    erased = found == 7
    np.testing.assert_array_equal(found[~erased], 1)
    touched = erased.any((1, 2))
    assert_share(touched.mean(), 0.6)
    area = erased[touched].sum((1, 2))
    rows, columns = erased[touched].any(2).sum(1), erased[touched].any(1).sum(1)
    np.testing.assert_array_equal(area, rows * columns)  # one rectangle
    assert 0.09 < area.min() / 1200 < area.max() / 1200 < 0.32
    assert_share((area / 1200 < 0.2).mean(), 0.5, int(touched.sum()) // 2)
    assert 0.4 < (rows / columns).min() < (rows / columns).max() < 2.4
    assert erased[:, 0].any()
    assert erased[:, :, -1].any()


def test_nothing_is_erased_where_no_rectangle_fits():
    images = draw(20, 1, 6, 6)
    np.testing.assert_array_equal(T.RandomErasing(1.0, scale=(0.9, 1.0), ratio=(3, 3.3))(images), images)


def test_erased_pixels_take_colors_or_noise():
    images = np.zeros((50, 3, 12, 12), np.float32)
    found = T.RandomErasing(1.0, value=(1, 2, 3))(images)
    assert {tuple(pixel) for pixel in found.transpose(0, 2, 3, 1).reshape(-1, 3)} == {(0, 0, 0), (1, 2, 3)}
    noise = T.RandomErasing(1.0, scale=(0.3, 0.33), value="random")(images)
    values = noise[noise != 0]
    assert abs(values.mean()) < 5 / math.sqrt(len(values))
    assert abs(values.std() - 1) < 5 / math.sqrt(2 * len(values))
    np.testing.assert_array_equal(
        filtering.erase(images[:1], one(2), one(3), one(4), one(5), np.float32(9))[0, 0, 2:6, 3:8], 9
    )


def test_blurs_are_those_of_the_sigmas_drawn():
    images = draw(4, 1, 6, 6)
    torch.manual_seed(2)
    found = T.GaussianBlur(3, (0.5, 2.0))(images)
    torch.manual_seed(2)
    for image, sigma, result in zip(images, torch.default_generator.numpy.uniform(0.5, 2, 4), found, strict=True):
        assert_close(result, naive.blur(image, 3, 3, sigma))


# Mixing


def test_mixup_mixes_neighbours_by_the_share_in_their_labels():
    torch.manual_seed(0)
    images, labels = draw(6, 2, 3, 3), np.array([0, 1, 2, 0, 1, 2])
    mixed, shares = T.MixUp(num_classes=3)(images, labels)
    assert shares.shape == (6, 3)
    assert_close(shares.sum(1), np.ones(6), 1e-6)
    for i in range(6):
        own = shares[i, labels[i]]
        assert_close(mixed[i], own * images[i] + (1 - own) * images[i - 1], 1e-6)
    assert len(set(shares.max(1))) == 6  # each has its own


def test_cutmix_cuts_rectangles_of_the_share_in_their_labels():
    torch.manual_seed(0)
    images = np.arange(1.0, 201)[:, None, None, None] * np.ones((1, 2, 8, 10))
    labels = np.arange(200)
    mixed, shares = T.CutMix(num_classes=200)(images, labels)
    partial = 0
    for i in range(200):
        own = mixed[i] == i + 1
        np.testing.assert_array_equal(mixed[i][~own], (i - 1) % 200 + 1)
        assert math.isclose(shares[i, i], own.mean(), abs_tol=1e-6)
        rows, columns = (~own[0]).any(1).sum(), (~own[0]).any(0).sum()
        assert (~own[0]).sum() == rows * columns
        partial += 0 < own.mean() < 1
    assert partial > 50


@pytest.mark.parametrize("mixing", [T.MixUp, T.CutMix])
def test_mixing_takes_probabilities_tensors_and_more_inputs(mixing):
    images, labels = torch.rand(4, 3, 8, 8), torch.eye(4)
    mixed, shares, more = mixing(alpha=0.5)(images, labels, "more")
    assert isinstance(mixed, torch.Tensor)
    assert shares.dtype == torch.float32
    assert more == "more"
    assert_close(shares.sum(1).numpy(), np.ones(4), 1e-6)


def test_one_of_two_ways_to_mix_is_chosen_for_the_whole_batch():
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    transform = T.RandomChoice([T.CutMix(num_classes=4), T.Compose([T.MixUp(num_classes=4)])])
    for _ in range(5):
        mixed, shares = transform(images, labels)
        assert shares.shape == (4, 4)
        assert mixed.shape == images.shape


def test_the_share_follows_the_beta_distribution():
    torch.manual_seed(0)
    _, shares = T.MixUp(alpha=2.0, num_classes=MANY)(np.zeros((MANY, 1, 1, 1)), np.arange(MANY))
    own = shares[np.arange(MANY), np.arange(MANY)]
    assert abs(own.mean() - 0.5) < 5 * math.sqrt(0.05 / MANY)
    assert abs(own.var() - 0.05) < 0.005  # 1 / (4 (2α + 1))


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
    with pytest.warns(UserWarning, match="scale should be of kind"):
        T.RandomResizedCrop(3, scale=(1.0, 0.5))


def test_options_are_shown():
    assert repr(T.RandomHorizontalFlip(0.25)) == "RandomHorizontalFlip(p=0.25)"
    assert repr(T.Compose([T.CenterCrop(2)])) == "Compose(transforms=[CenterCrop(size=(2, 2))])"


def test_a_crop_is_a_slice():
    images = draw(3, 2, 5, 6)
    found = cropping.crop(images, np.array([0, 1, 2]), np.array([2, 1, 0]), 3, 4)
    for b in range(3):
        np.testing.assert_array_equal(found[b], images[b, :, b : b + 3, 2 - b : 6 - b])


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
