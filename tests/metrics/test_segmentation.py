"""Closed-form scores, agreement with plain loops, invariances, edge cases."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genstruct.errors import ShapeError
from genstruct.metrics import segmentation
from genstruct.metrics.segmentation import boundary_f, check_pair, confusion, f_beta_curve


def square(y0, y1, x0, x1, size=16):
    mask = torch.zeros(1, 1, size, size)
    mask[..., y0:y1, x0:x1] = 1
    return mask


def noise(seed, batch=3, size=12):
    return torch.rand(batch, 1, size, size, generator=torch.Generator().manual_seed(seed))


def test_half_overlapping_squares_have_the_scores_computed_by_hand():
    # Two 4x4 squares that share 4x2: 8 right, 8 too much, 8 missed, of 256.
    counts = confusion(square(2, 6, 2, 6), square(2, 6, 4, 8))
    assert counts.iou().item() == pytest.approx(8 / 24)
    assert counts.background_iou().item() == pytest.approx(232 / 248)
    assert counts.mean_iou().item() == pytest.approx((8 / 24 + 232 / 248) / 2)
    assert counts.dice().item() == pytest.approx(16 / 32)
    assert counts.accuracy().item() == pytest.approx(240 / 256)
    assert counts.precision().item() == counts.recall().item() == pytest.approx(0.5)


def test_f_beta_weighs_precision_as_the_formula_says():
    # Precision 1, recall 1/4.
    counts = confusion(square(0, 2, 0, 2), square(0, 4, 0, 4))
    assert counts.f_beta(0.3).item() == pytest.approx(1.3 * 1 * 0.25 / (0.3 * 1 + 0.25))


def test_pooled_iou_differs_from_the_mean_when_areas_do():
    prediction = torch.cat([square(0, 8, 0, 8), square(0, 2, 0, 1)])
    truth = torch.cat([square(0, 8, 0, 8), square(0, 2, 0, 2)])
    counts = confusion(prediction, truth)
    assert counts.iou().tolist() == pytest.approx([1.0, 0.5])
    assert counts.pooled().iou().item() == pytest.approx(66 / 68)


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        (square(0, 0, 0, 0), square(0, 0, 0, 0), 1.0),
        (square(0, 0, 0, 0), square(2, 5, 2, 5), 0.0),
        (square(2, 5, 2, 5), square(0, 0, 0, 0), 0.0),
    ],
    ids=["both empty", "prediction empty", "truth empty"],
)
def test_empty_masks_follow_the_stated_rule(prediction, truth, expected):
    counts = confusion(prediction, truth)
    values = [counts.iou(), counts.dice(), counts.precision(), counts.recall(), counts.f_beta()]
    assert [value.item() for value in values] == [expected] * 5
    assert boundary_f(prediction, truth).item() == expected
    # Curve entries, but for an empty truth: 255 thresholds of a binary mask are all alike.
    assert f_beta_curve(prediction, truth).unique().tolist() == [expected]


def test_all_full_masks_agree():
    full = square(0, 16, 0, 16)
    assert confusion(full, full).mean_iou().item() == 1
    assert boundary_f(full, full).item() == 1
    assert boundary_f(full, 1 - full).item() == 0


def test_flipping_both_masks_swaps_the_classes_and_keeps_what_is_symmetric():
    prediction, truth = noise(0), noise(1).round()
    straight, flipped = confusion(prediction.round(), truth), confusion(1 - prediction.round(), 1 - truth)
    torch.testing.assert_close(straight.iou(), flipped.background_iou())
    torch.testing.assert_close(straight.mean_iou(), flipped.mean_iou())
    torch.testing.assert_close(boundary_f(prediction.round(), truth), boundary_f(1 - prediction.round(), 1 - truth))


def test_flipped_counts_are_those_of_the_inverted_prediction():
    prediction, truth = noise(2).round(), noise(3).round()
    torch.testing.assert_close(confusion(prediction, truth).flipped().iou(), confusion(1 - prediction, truth).iou())


def test_images_of_a_batch_do_not_touch_each_other():
    prediction, truth, order = noise(4), noise(5).round(), torch.tensor([2, 0, 1])
    for score in (lambda p, t: confusion(p, t).iou(), f_beta_curve, boundary_f):
        torch.testing.assert_close(score(prediction, truth)[order], score(prediction[order], truth[order]))


def test_the_f_beta_curve_agrees_with_a_plain_loop_over_thresholds():
    prediction, truth = (noise(6) * 255).round() / 255, noise(7).round()
    curve = f_beta_curve(prediction, truth)
    assert curve.shape == (3, 255)
    for k in (1, 2, 100, 254, 255):
        claimed, actual = (prediction * 255).round() >= k, truth > 0.5
        for image in range(3):
            hit = (claimed[image] & actual[image]).sum().item()
            precision, recall = hit / max(claimed[image].sum().item(), 1), hit / actual[image].sum().item()
            expected = 1.3 * precision * recall / (0.3 * precision + recall) if hit else 0
            assert curve[image, k - 1].item() == pytest.approx(expected)


def test_the_maximum_after_averaging_is_at_most_the_mean_of_maxima():
    curve = f_beta_curve(noise(8), noise(9).round())
    assert curve.mean(0).max() < curve.amax(1).mean()


def corners_by_loop(mask):
    height, width = mask.shape
    return [
        (y, x)
        for y in range(height - 1)
        for x in range(width - 1)
        if len({bool(mask[y + a, x + b]) for a in (0, 1) for b in (0, 1)}) == 2
    ]


def share_near(some, others, radius):
    near = [any(math.dist(point, other) <= radius for other in others) for point in some]
    return sum(near) / len(near)


@pytest.mark.parametrize("tolerance", [0.008, 0.15, 0.3])
def test_boundary_f_agrees_with_a_plain_loop_over_points(tolerance):
    prediction, truth = square(3, 9, 2, 11), square(5, 12, 4, 10)
    truth[..., 8:10, 6:8] = 0
    radius = max(1, tolerance * math.hypot(16, 16))
    edges, wanted = corners_by_loop(prediction[0, 0]), corners_by_loop(truth[0, 0])
    precision, recall = share_near(edges, wanted, radius), share_near(wanted, edges, radius)
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_f(prediction, truth, tolerance=tolerance).item() == pytest.approx(expected)


def disc_by_windows(points, radius):
    """Places within the radius of a point, column of the disc by column."""
    near = torch.zeros_like(points)
    height, width = points.shape[1:]
    for dx in range(-int(radius), int(radius) + 1):
        reach = int(math.sqrt(radius * radius - dx * dx))
        for image, y, x in points.nonzero().tolist():
            if 0 <= x + dx < width:
                near[image, max(0, y - reach) : min(height, y + reach + 1), x + dx] = True
    return near


@pytest.mark.parametrize("piece", [1 << 18, 40, 1])
@pytest.mark.parametrize("radius", [1.0, 1.45, math.sqrt(2), 5.0, math.nextafter(math.sqrt(26), 0), 11.3, 80.0])
def test_places_near_a_boundary_are_those_of_the_disc_around_each_point(radius, piece, monkeypatch):
    monkeypatch.setattr(segmentation, "PIECE", piece)
    for seed, (height, width), share in ((0, (23, 17), 0.01), (1, (9, 31), 0.05), (2, (1, 12), 0.1), (3, (14, 1), 0.1)):
        points = torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed)) < share
        assert torch.equal(segmentation._within(points, radius), disc_by_windows(points, radius))


def test_scores_do_not_depend_on_the_pieces_they_are_counted_in(monkeypatch):
    prediction, truth = noise(10), noise(11).round()
    whole = [f_beta_curve(prediction, truth), confusion(prediction, truth).iou(), boundary_f(prediction, truth)]
    monkeypatch.setattr(segmentation, "PIECE", 50)
    pieces = [f_beta_curve(prediction, truth), confusion(prediction, truth).iou(), boundary_f(prediction, truth)]
    assert all(torch.equal(one, other) for one, other in zip(whole, pieces, strict=True))


class Operations(TorchDispatchMode):
    """Counts the operations on tensors."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_boundary_f_makes_no_more_passes_for_a_wider_reach():
    counts = []
    for tolerance in (0.01, 0.5):
        with Operations() as operations:
            boundary_f(square(20, 40, 20, 40, 100), square(21, 44, 20, 40, 100), tolerance=tolerance)
        counts.append(operations.count)
    assert counts[0] == counts[1] > 10


def test_a_boundary_off_by_less_than_the_tolerance_is_perfect_and_by_more_is_not():
    assert boundary_f(square(4, 10, 4, 10), square(4, 10, 5, 11)).item() == 1
    assert boundary_f(square(4, 10, 4, 10), square(4, 10, 6, 12)).item() < 0.8


def test_masks_of_different_shape_are_refused_with_both_shapes():
    with pytest.raises(ShapeError, match=r"\[1, 1, 4, 4\].*\[1, 1, 4, 5\]"):
        check_pair(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
