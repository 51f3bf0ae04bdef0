import numpy as np
import pytest
from pictures import photo

from genstruct.data.crop import POLICIES, Region, choose_region, cut
from genstruct.errors import ImageError


def _ramp(width: int, height: int) -> np.ndarray:
    """Red is x and green is y, in pixels."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, 0 * x], -1).astype(np.uint8)


def test_center_keeps_the_largest_square_in_the_middle():
    assert choose_region(100, 60, "center") == Region(20, 0, 80, 60)
    assert choose_region(60, 101, "center") == Region(0, 20.5, 60, 80.5)


def test_fit_keeps_everything_and_pad_keeps_everything_in_proportion():
    assert choose_region(100, 60, "fit") == Region(0, 0, 100, 60)
    assert choose_region(100, 60, "pad") == Region(0, -20, 100, 80)


def test_a_random_crop_depends_on_name_and_seed_only_and_stays_inside():
    first = choose_region(100, 60, "random", "a.png", 1)
    assert first == choose_region(100, 60, "random", "a.png", 1)
    assert first != choose_region(100, 60, "random", "b.png", 1)
    assert first != choose_region(100, 60, "random", "a.png", 2)
    regions = [choose_region(100, 60, "random", str(number)) for number in range(500)]
    assert all(r.left >= 0 and r.top >= 0 and r.right <= 100 and r.bottom <= 60 for r in regions)
    sides = np.array([region.side for region in regions])
    assert 42 <= sides.min() < 43
    assert 59 < sides.max() <= 60
    assert np.mean([r.left / (100 - r.side) for r in regions]) == pytest.approx(0.5, abs=0.05)  # 4 standard errors


def test_a_box_gets_its_margin_and_a_square():
    region = choose_region(200, 200, "box", box=(60, 80, 100, 120), margin=0.25)
    assert region == Region(50, 70, 110, 130)


def test_a_box_at_the_edge_moves_the_square_inside_rather_than_pad():
    assert choose_region(200, 200, "box", box=(0, 0, 40, 40), margin=0.25) == Region(0, 0, 60, 60)


def test_a_box_wider_than_the_picture_is_high_reaches_beyond_it_evenly():
    assert choose_region(100, 50, "box", box=(0, 10, 100, 40), margin=0) == Region(0, -25, 100, 75)


@pytest.mark.parametrize(("box", "reason"), [(None, "no box in its metadata"), ((300, 0, 400, 50), "holds nothing of")])
def test_a_box_that_is_missing_or_elsewhere_is_an_error_of_the_image(box, reason):
    with pytest.raises(ImageError, match=rf"a\.png: .*{reason}"):
        choose_region(200, 200, "box", "a.png", box=box)


def test_a_box_far_beyond_the_picture_counts_by_what_is_inside():
    assert choose_region(200, 200, "box", box=(-1e9, -1e9, 1e9, 1e9), margin=0) == Region(0, 0, 200, 200)


def test_cutting_whole_pixels_at_their_own_size_changes_nothing():
    assert np.array_equal(cut(_ramp(20, 10), Region(5, 2, 9, 6), 4), _ramp(20, 10)[2:6, 5:9])


def test_shrinking_averages_so_that_fine_stripes_turn_gray():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(cut(stripes, Region(0, 0, 64, 64), 8)[:, 1:-1].astype(int) - 127).max() <= 3


def test_shrinking_keeps_positions():
    small = cut(_ramp(64, 64), Region(0, 0, 64, 64), 16)
    expected = np.arange(16) * 4 + 1.5  # the middle of four pixels
    assert np.abs(small[8, 2:-2, 0] - expected[2:-2]).max() <= 0.5


def test_beyond_the_edge_the_edge_pixels_repeat():
    wide = cut(_ramp(8, 4), Region(0, -2, 8, 6), 8)
    assert wide[:3, 2, 1].tolist() == [0, 0, 0]
    assert wide[-3:, 2, 1].tolist() == [3, 3, 3]
    assert wide[4, :, 0].tolist() == list(range(8))


def test_an_endless_strip_is_padded_in_little_memory():
    strip = np.full((1, 200_000, 3), 77, np.uint8)  # padded at full size it would take 120 GB
    assert np.array_equal(cut(strip, choose_region(200_000, 1, "pad"), 32), np.full((32, 32, 3), 77))


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "box"])
def test_every_policy_gives_squares_of_pictures_of_any_shape(policy):
    for width, height in ((1, 1), (1, 9), (33, 7), (7, 33), (300, 200)):
        pixels = photo(0, width, height)
        assert cut(pixels, choose_region(width, height, policy, "x"), 16).shape == (16, 16, 3)
        assert cut(pixels[..., 0], choose_region(width, height, policy, "x"), 16).shape == (16, 16)


def test_a_mask_is_cut_where_its_picture_is():
    picture = np.zeros((50, 80, 3), np.uint8)
    picture[10:30, 40:60] = 255
    region = choose_region(80, 50, "random", "x", 3)
    assert np.abs(cut(picture, region, 24)[..., 0].astype(int) - cut(picture[..., 0], region, 24)).mean() < 4
