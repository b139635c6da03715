"""What is done to one photograph, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from archsieve.tasks.data.decoding import pixels_of
from archsieve.tasks.data.photographs import augmented, centred, coloured, random_box

COLOUR = (200, 100, 50)


def plain(colour=COLOUR, size=(8, 6)):
    return Image.new("RGB", size, colour)


class Fixed:
    """A generator that changes in the order given and draws the same share of every range."""

    def __init__(self, share, order=(0, 1, 2, 3)):
        self.share, self.order, self.ranges = share, order, []

    def permutation(self, count):
        return np.array(self.order[:count])

    def uniform(self, low, high):
        self.ranges.append((low, high))
        return low + self.share * (high - low)


def first_pixel(picture):
    return picture.getpixel((0, 0))


@pytest.mark.parametrize("size", [(500, 375), (100, 100), (60, 400), (2000, 30), (3, 3), (1, 1)])
def test_parts_lie_inside_and_have_allowed_area_and_shape(size):
    rng = np.random.default_rng(0)
    width, height = size
    areas = []
    for _ in range(300):
        left, upper, right, lower = random_box(width, height, rng)
        assert 0 <= left < right <= width
        assert 0 <= upper < lower <= height
        areas.append((right - left) * (lower - upper) / (width * height))
        if size == (500, 375):
            assert 0.74 < (right - left) / (lower - upper) < 1.35
    if size == (500, 375):
        # Uniform in 0.08 to 1, the large ones rarer where they do not fit.
        assert min(areas) < 0.12
        assert max(areas) > 0.9
        assert 0.4 < np.mean(areas) < 0.56


def test_a_picture_too_long_is_cut_in_its_middle():
    # No part of 8 % of 2000 x 30 fits: 4:3 of the height is what is left.
    assert random_box(2000, 30, np.random.default_rng(0)) == (980, 0, 1020, 30)
    assert random_box(30, 2000, np.random.default_rng(0)) == (0, 980, 30, 1020)


def test_the_middle_after_the_shorter_side_is_resized():
    # Stripes of 40 columns each; 80 x 40 becomes 40 x 20, whose middle 20 columns are half of each stripe.
    stripes = np.zeros((40, 80, 3), dtype=np.uint8)
    stripes[:, 40:] = 240
    pixels = pixels_of(centred(Image.fromarray(stripes), 20, 20))
    assert pixels.shape == (3, 20, 20)
    assert (pixels[:, :, :9] == 0).all()
    assert (pixels[:, :, 11:] == 240).all()
    tall = pixels_of(centred(Image.fromarray(stripes.transpose(1, 0, 2).copy()), 20, 20))
    assert np.array_equal(tall, pixels.transpose(0, 2, 1))


def test_brightness_contrast_and_saturation_by_hand():
    # The middle of the range is no change; the ends are 1 - 0.4 and 1 + 0.4.
    for jitter in ((0.4, 0, 0, 0), (0, 0.4, 0, 0), (0, 0, 0.4, 0), (0, 0, 0, 0.2)):
        assert first_pixel(coloured(plain(), jitter, Fixed(0.5))) == pytest.approx(COLOUR, abs=2)
    assert first_pixel(coloured(plain(), (0.4, 0, 0, 0), Fixed(0.0))) == (120, 60, 30)
    assert first_pixel(coloured(plain(), (0.4, 0, 0, 0), Fixed(1.0))) == (255, 140, 70)  # 280 is cut
    # Luma .299 * 200 + .587 * 100 + .114 * 50 = 124.2: a pixel moves from it by 0.6.
    faded = tuple(124.2 + 0.6 * (c - 124.2) for c in COLOUR)
    assert first_pixel(coloured(plain(), (0, 0, 0.4, 0), Fixed(0.0))) == pytest.approx(faded, abs=1)
    # Contrast moves from the mean luma of the picture: here half black, half of this colour.
    half = plain()
    half.paste((0, 0, 0), (4, 0, 8, 6))
    flat = tuple(62.1 + 0.6 * (c - 62.1) for c in COLOUR)
    assert first_pixel(coloured(half, (0, 0.4, 0, 0), Fixed(0.0))) == pytest.approx(flat, abs=1)


def test_hue_turns_by_a_share_of_the_circle():
    # A third of the circle takes red to green, or to blue the other way.
    red = plain((255, 0, 0))
    assert first_pixel(coloured(red, (0, 0, 0, 1 / 3), Fixed(1.0))) == pytest.approx((0, 255, 0), abs=6)
    assert first_pixel(coloured(red, (0, 0, 0, 1 / 3), Fixed(0.0))) == pytest.approx((0, 0, 255), abs=6)
    fixed = Fixed(0.5)
    coloured(red, (0.4, 0.5, 1.5, 0.2), fixed)
    assert fixed.ranges == [(0.6, 1.4), (0.5, 1.5), (0.0, 2.5), (-0.2, 0.2)]


def test_changes_come_in_the_order_drawn():
    # Brighter first is cut at 255 and then darkened by the contrast; the other way round it is not.
    one = coloured(plain(), (0.4, 0.4, 0, 0), Fixed(1.0, (0, 1, 2, 3)))
    other = coloured(plain(), (0.4, 0.4, 0, 0), Fixed(1.0, (1, 0, 2, 3)))
    assert first_pixel(one) != first_pixel(other)


def test_half_of_the_pictures_are_mirrored():
    halves = np.zeros((30, 30, 3), dtype=np.uint8)
    halves[:, 15:] = 255
    rng = np.random.default_rng(0)
    mirrored = 0
    for _ in range(200):
        part = pixels_of(augmented(Image.fromarray(halves), 10, (0, 0, 0, 0), rng)).astype(int)
        mirrored += part[0, :, 0].mean() > part[0, :, -1].mean()
    assert 50 < mirrored < 110  # parts of one colour alone count as neither
