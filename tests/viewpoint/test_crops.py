"""Crops hold the object in the same place and size wherever it is in its photo."""

import numpy as np
import pytest
import torch

from genstruct.viewpoint.crops import MARGIN, crop_object, crop_square, largest_part, mask_box, sample_square


def rectangle(x0, y0, x1, y1, size=(60, 80)):
    mask = np.zeros(size, np.uint8)
    mask[y0:y1, x0:x1] = 255
    return mask


def test_the_box_of_a_rectangle_leaves_out_its_tail_on_every_side():
    box = mask_box(torch.from_numpy(rectangle(10, 20, 60, 40))[None, None] / 255, tail=0.1)
    torch.testing.assert_close(box, torch.tensor([[15.0, 22.0, 55.0, 38.0]]))


def test_an_empty_mask_has_the_whole_picture_as_its_box():
    torch.testing.assert_close(mask_box(torch.zeros(1, 1, 6, 8), 0.0), torch.tensor([[0.0, 0.0, 8.0, 6.0]]))


def test_the_square_lies_around_the_middle_of_the_box():
    square = crop_square(torch.tensor([[10.0, 20.0, 60.0, 40.0]]))
    torch.testing.assert_close(square, torch.tensor([[35 - 25 * MARGIN, 30 - 25 * MARGIN, 50 * MARGIN]]))


@pytest.mark.parametrize("move", [(0, 0), (13, 7)])
def test_a_moved_object_gives_the_same_crop(move):
    x, y = move
    mask = rectangle(10 + x, 20 + y, 50 + x, 40 + y)
    image = np.repeat(mask[..., None], 3, 2) // 2 + 60
    crop, cut, _ = crop_object(image, mask, 32)
    still, same, _ = crop_object(
        np.repeat(rectangle(10, 20, 50, 40)[..., None], 3, 2) // 2 + 60, rectangle(10, 20, 50, 40), 32
    )
    torch.testing.assert_close(cut, same, atol=1e-4, rtol=0)
    torch.testing.assert_close(crop, still, atol=1e-4, rtol=0)


def test_beyond_the_photo_there_is_no_object():
    picture = torch.ones(1, 4, 10, 10)
    cut = sample_square(picture, torch.tensor([[-10.0, 0.0, 20.0]]), 20)
    assert cut[0, 0].min() == 1 and cut[0, 3, 5, :9].max() == 0 and cut[0, 3, 5, 11:].min() == 1


def test_only_the_largest_part_of_a_mask_stays():
    mask = rectangle(10, 10, 40, 40) | rectangle(60, 50, 64, 54)
    assert (largest_part(mask) == rectangle(10, 10, 40, 40)).all()
    soft = rectangle(10, 10, 40, 40)
    soft[9, 10:40] = 90  # a soft rim is no part of its own
    assert (largest_part(soft) == soft).all()
