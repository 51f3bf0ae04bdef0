import pytest
import torch

from genstruct.data.augment import crop, mirror, random_view, resize
from genstruct.errors import ShapeError


def _ramp(batch: int, size: int) -> torch.Tensor:
    """Channel 0 is x, channel 1 is y, channel 2 the number of the image, all in pixels or numbers."""
    pixels = torch.arange(float(size))
    x, y = pixels.expand(size, size), pixels[:, None].expand(size, size)
    return torch.stack([torch.stack([x, y, torch.full_like(x, float(i))]) for i in range(batch)])


def test_a_crop_begins_where_it_is_told_to():
    windows = crop(_ramp(3, 10), torch.tensor([[0, 0], [3, 1], [4, 4]]), 6)
    assert windows.shape == (3, 3, 6, 6)
    assert windows[:, 0, 0, 0].tolist() == [0, 3, 4]
    assert windows[:, 1, 0, 0].tolist() == [0, 1, 4]
    assert windows[:, 0, 0, 5].tolist() == [5, 8, 9]
    assert windows[:, 2, 2, 2].tolist() == [0, 1, 2]


def test_corners_span_all_the_freedom_there_is_evenly():
    corner = torch.stack([torch.linspace(0, 0.999999, 900), torch.zeros(900)], 1)
    view = random_view(_ramp(1, 9).expand(900, 3, 9, 9), 8, 9 / 8, corner)
    starts = view[:, 0, 0, 0]
    assert starts.unique().tolist() == [0, 1]
    assert starts.mean() == pytest.approx(0.5, abs=0.01)


def test_a_corner_of_one_does_not_leave_the_frame():
    assert random_view(_ramp(1, 9), 8, 9 / 8, torch.ones(1, 2))[0, 0, 0, 0] == 1


def test_without_freedom_and_resizing_a_view_is_the_image():
    images = _ramp(2, 8)
    assert torch.equal(random_view(images, 8, 1.0, torch.rand(2, 2)), images)


def test_mirroring_takes_the_chosen_images_only_and_twice_is_nothing():
    images, flip = _ramp(3, 4), torch.tensor([True, False, True])
    flipped = mirror(images, flip)
    assert flipped[:, 0, 0].tolist() == [[3, 2, 1, 0], [0, 1, 2, 3], [3, 2, 1, 0]]
    assert torch.equal(mirror(flipped, flip), images)


@pytest.mark.parametrize(("source", "target"), [(64, 32), (64, 16), (72, 64), (128, 36), (16, 24)])
def test_resizing_keeps_positions_range_and_memory_order(source, target):
    images = (_ramp(2, source) / source).contiguous(memory_format=torch.channels_last)
    small = resize(images, target)
    expected = (torch.arange(target) + 0.5) / target - 0.5 / source  # pixel centres keep their place
    inner = slice(2, target - 2)
    torch.testing.assert_close(small[0, 0, target // 2, inner], expected[inner], atol=1e-3, rtol=0)
    assert small.min() >= images.min()
    assert small.max() <= images.max()
    assert small.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("target", [36, 40, 18])
def test_shrinking_averages_so_that_fine_stripes_turn_gray(target):
    stripes = torch.zeros(1, 1, 72, 72)
    stripes[..., ::2] = 1
    assert (resize(stripes, target)[..., 2:-2] - 0.5).abs().max() < 0.05


def test_gradients_flow_through_a_view():
    images = _ramp(2, 18).requires_grad_()
    random_view(images, 8, 1.125, torch.rand(2, 2), torch.tensor([True, False])).sum().backward()
    assert images.grad.sum().item() == pytest.approx(2 * 3 * 64 * 4 * (9 / 9) ** 2 / 4, rel=1e-4)


def test_a_window_larger_than_its_frame_is_refused():
    with pytest.raises(ShapeError, match="at least 1"):
        random_view(_ramp(1, 8), 8, 0.9, torch.zeros(1, 2))
