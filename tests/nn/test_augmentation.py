"""Changes of colour and place: what they keep, and how far they go."""

import math

import pytest
import torch
from gradients import assert_exact

from genstruct.nn.augmentation import change_color, change_contrast, change_place, color_matrix


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def ones(count):
    return torch.ones(count)


def test_no_turn_and_no_scale_is_the_identity():
    torch.testing.assert_close(color_matrix(torch.zeros(2), ones(2), ones(2)), torch.eye(3).expand(2, 3, 3))


def test_turning_the_hue_is_a_rotation_about_gray():
    hue = torch.linspace(-3, 3, 7)
    matrix = color_matrix(hue, ones(7), ones(7))
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand(7, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrix), ones(7))
    torch.testing.assert_close(matrix @ torch.ones(3), torch.ones(7, 3))
    angle = torch.acos((matrix.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2)  # of a rotation, from its trace
    torch.testing.assert_close(angle, hue.abs(), atol=1e-3, rtol=0)


def test_a_third_of_a_turn_exchanges_the_primary_colors():
    matrix = color_matrix(torch.tensor([2 * math.pi / 3]), ones(1), ones(1))[0]
    torch.testing.assert_close(matrix @ matrix @ matrix, torch.eye(3), atol=1e-5, rtol=0)
    assert sorted(matrix.flatten().round(decimals=4).abs().tolist()) == [0.0] * 6 + [1.0] * 3


def test_saturation_scales_the_distance_from_gray_and_contrast_everything():
    colors = torch.rand(5, 3, generator=stream())
    gray = colors.mean(1, keepdim=True)
    less = colors @ color_matrix(torch.zeros(1), torch.tensor([0.5]), ones(1))[0].mT
    torch.testing.assert_close(less, gray + 0.5 * (colors - gray))
    more = colors @ color_matrix(torch.zeros(1), ones(1), torch.tensor([1.5]))[0].mT
    torch.testing.assert_close(more, 1.5 * colors)


def test_colors_stay_where_strength_or_chance_is_zero():
    images, draws = torch.rand(4, 3, 5, 5, generator=stream()), torch.rand(4, 5, generator=stream(1))
    torch.testing.assert_close(change_color(images, draws, strength=0.0), images)
    torch.testing.assert_close(change_color(images, draws, strength=1.0, chance=0.0), images)


def test_about_a_share_of_the_images_changes_and_each_by_its_own_draws():
    images, draws = torch.rand(400, 3, 2, 2, generator=stream()), torch.rand(400, 5, generator=stream(1))
    changed = change_color(images, draws, strength=1.0, chance=0.4)
    share = ((changed - images).abs().amax((1, 2, 3)) > 1e-4).float().mean()
    assert 0.3 < share < 0.5
    torch.testing.assert_close(change_color(images[7:9], draws[7:9], 1.0, 0.4), changed[7:9])


def test_the_middle_gray_moves_by_brightness_alone():
    draws = torch.rand(64, 5, generator=stream())
    moved = change_color(torch.full((64, 3, 1, 1), 0.5), draws, strength=1.0)[:, 0, 0, 0]
    torch.testing.assert_close(moved, 0.5 + 0.2 * (2 * draws[:, 3] - 1))


def test_color_changes_pass_exact_gradients():
    images = torch.rand(2, 3, 2, 2, generator=stream(), dtype=torch.float64)
    draws = torch.rand(2, 5, generator=stream(1), dtype=torch.float64)
    assert_exact(lambda x: change_color(x, draws, 1.0), images)


@pytest.mark.parametrize("factor", [0.0, 0.7, 1.0, 1.3, 5.0])
def test_contrast_stays_within_the_range_of_each_image(factor):
    images = 0.2 + 0.5 * torch.rand(3, 3, 6, 6, generator=stream())
    changed = change_contrast(images, torch.full((3,), factor))
    assert (changed.amin((1, 2, 3)) >= images.amin((1, 2, 3))).all()
    assert (changed.amax((1, 2, 3)) <= images.amax((1, 2, 3))).all()
    if factor <= 1:  # nothing is clamped
        mean = images.mean((2, 3), keepdim=True)
        torch.testing.assert_close(changed, mean + factor * (images - mean))


# Place


def place(right=0.5, down=0.5, moves=0.0, mirror=0.9):
    return torch.tensor([[right, down, moves, mirror]])


def test_what_moves_in_is_the_reflected_image():
    images = torch.arange(12.0).view(1, 1, 3, 4)
    right = change_place(images, place(right=0.999), reach=0.5, chance=0.5, mirrored=0.5)  # 2 pixels
    assert right[0, 0].tolist() == [[2, 1, 0, 1], [6, 5, 4, 5], [10, 9, 8, 9]]
    up = change_place(images, place(down=0.0), reach=0.34, chance=0.5, mirrored=0.5)  # 1 pixel
    assert up[0, 0].tolist() == [[4, 5, 6, 7], [8, 9, 10, 11], [4, 5, 6, 7]]


def test_a_move_agrees_with_padding_by_reflection():
    images, draws = torch.rand(6, 3, 8, 8, generator=stream()), torch.rand(6, 4, generator=stream(1))
    moved = change_place(images, draws, reach=0.25, chance=1.0, mirrored=0.0)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    offsets = ((draws[:, :2] * 2 - 1) * 2).round().int().tolist()
    assert len({tuple(offset) for offset in offsets}) > 3
    for image, whole, (x, y) in zip(moved, padded, offsets, strict=True):
        assert torch.equal(image, whole[:, 2 - y : 10 - y, 2 - x : 10 - x])


def test_mirrored_images_are_mirrored_and_then_moved():
    images = torch.rand(1, 3, 5, 6, generator=stream())
    assert torch.equal(change_place(images, place(mirror=0.1), 0.0, 1.0, mirrored=0.5), images.flip(3))
    both = change_place(images, place(right=0.1, mirror=0.1), 0.4, 1.0, mirrored=0.5)
    assert torch.equal(both, change_place(images.flip(3), place(right=0.1), 0.4, 1.0, mirrored=0.5))
    assert not torch.equal(both, images.flip(3))


def test_about_the_wanted_shares_of_the_images_move_and_are_mirrored():
    images, draws = torch.rand(400, 1, 8, 8, generator=stream()), torch.rand(400, 4, generator=stream(1))
    moved = change_place(images, draws, reach=0.4, chance=0.3, mirrored=0.0)
    mirrored = change_place(images, draws, reach=0.4, chance=0.0, mirrored=0.2)
    for changed, share in ((moved, 0.3), (mirrored, 0.2)):
        assert abs((changed != images).any(3).any(2).float().mean() - share) < 0.06
    assert torch.equal(change_place(images, draws, 0.0, 1.0, 0.0), images)


def test_a_change_of_place_passes_exact_gradients():
    images = torch.rand(3, 2, 4, 5, generator=stream(), dtype=torch.float64)
    draws = torch.rand(3, 4, generator=stream(1))
    assert_exact(lambda x: change_place(x, draws, 0.4, 0.7, 0.5), images)
