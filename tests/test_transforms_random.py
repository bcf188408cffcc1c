"""Random transforms: equal to the deterministic function at what was drawn, and drawn from the right distribution."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as torch
from nn.data import transforms as T
from nn.data.transforms import affine, color, filtering, resampling
from tests.naive import images as naive
from tests.transform_images import MANY, assert_close, assert_share, draw, one

few = settings(max_examples=25, deadline=None)


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
    assert np.isfinite(
        T.RandomResizedCrop(3, scale=(1, 1), ratio=(0.1, 0.4))(draw(1, 1, 10))
    ).all()  # at least one pixel


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
