"""Transforms that draw nothing, and what the random ones do at given numbers, against plain loops over pixels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as torch
from nn.data import transforms as T
from nn.data.transforms import affine, color, cropping
from tests.naive import images as naive
from tests.transform_images import assert_close, draw, one

sides = st.integers(1, 9)
few = settings(max_examples=25, deadline=None)


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


def test_an_image_that_expands_is_shown_whole_whatever_it_turns_about():
    image = draw(1, 4, 6)
    with pytest.warns(UserWarning, match="center has no effect") as caught:
        turned = T.RandomRotation((90, 90), expand=True, center=(0, 0))
    assert caught[0].filename == __file__
    assert_close(turned(image), np.rot90(image, 1, (1, 2)), 1e-9)


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


@pytest.mark.parametrize("dtype", [torch.float64, np.float64, np.dtype(np.float64), "float64", float])
def test_to_dtype_takes_types_of_all_kinds(dtype):
    assert T.ToDtype(dtype)(draw(1, 2, 2, dtype=np.uint8)).dtype == np.float64


def test_to_dtype_without_scale_converts():
    found = T.ToDtype(torch.float32)(torch.tensor(draw(3, 2, 2, dtype=np.uint8)))
    assert found.dtype == torch.float32
    assert found.max() > 1


def test_a_crop_is_a_slice():
    images = draw(3, 2, 5, 6)
    found = cropping.crop(images, np.array([0, 1, 2]), np.array([2, 1, 0]), 3, 4)
    for b in range(3):
        np.testing.assert_array_equal(found[b], images[b, :, b : b + 3, 2 - b : 6 - b])
