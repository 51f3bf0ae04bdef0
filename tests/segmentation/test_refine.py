"""Refinement by a photo's own colours: what it promises on scenes whose mask is known."""

import pytest
import torch
import torch.nn.functional as F

from genstruct.errors import ShapeError
from genstruct.segmentation.contrast import NEIGHBORS, contrast_weights, smooth_regions
from genstruct.segmentation.palette import CHROMA, Palette, perceptual, texture
from genstruct.segmentation.refine import best_threshold, judge_thresholds, refine, refine_and_judge, strict_threshold

SIZE = 64


def scene(separation: float = 1.0, size: int = SIZE, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures of a disc with a notch, red on green-grey, both with noise; and the true masks."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    masks = torch.stack([((x - c) ** 2 + y**2 < 0.3) & ~((x > c) & (y.abs() < 0.12)) for c in (0.0, 0.2)])[:, None]
    middle = torch.tensor([0.45, 0.45, 0.4])[:, None, None]
    change = separation * torch.tensor([0.25, -0.15, -0.1])[:, None, None]
    noise = 0.04 * torch.randn(2, 3, size, size, generator=rng)
    return (torch.where(masks, middle + change, middle) + noise).clamp(0, 1), masks.float()


def weak(masks: torch.Tensor) -> torch.Tensor:
    """What a poor network sees: no outline, shrunk, a false object to the side."""
    small = F.avg_pool2d(masks, 8)
    small = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)
    small[:, :, -2:, :2] = 0.7
    return F.interpolate(small, scale_factor=8, mode="bilinear") * 0.9


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float(((a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3))).mean())


def test_colors_restore_an_outline_that_the_network_never_saw() -> None:
    images, masks = scene()
    assert iou(weak(masks), masks) < 0.8
    assert iou(refine(images, weak(masks)), masks) > 0.97


def test_without_a_difference_in_color_the_mask_of_the_network_stays() -> None:
    images, masks = scene(separation=0)
    before, after = iou(weak(masks), masks), iou(refine(images, weak(masks)), masks)
    assert after > before - 0.05


def test_the_refined_area_is_that_of_the_object() -> None:
    images, masks = scene()
    refined = refine(images, weak(masks))
    torch.testing.assert_close(refined.mean((1, 2, 3)), masks.mean((1, 2, 3)), atol=0.01, rtol=0)
    assert refined.min() >= 0 and refined.max() <= 1


def test_images_do_not_influence_each_other() -> None:
    images, masks = scene()
    soft = weak(masks)
    together = refine(images, soft)
    alone = torch.cat([refine(images[n : n + 1], soft[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


def test_mirroring_the_picture_mirrors_the_mask() -> None:
    images, masks = scene()
    straight, mirrored = refine(images, weak(masks)), refine(images.flip(-1), weak(masks).flip(-1))
    torch.testing.assert_close(mirrored.flip(-1), straight, atol=0.05, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (37, 53), (130, 61)])
def test_pictures_of_any_size_are_refined(size: tuple[int, int]) -> None:
    refined = refine(torch.rand(1, 3, *size), torch.rand(1, 1, *size))
    assert refined.shape == (1, 1, *size) and refined.isfinite().all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_one_color_and_one_probability_stay_finite(value: float) -> None:
    assert refine(torch.full((1, 3, 32, 32), value), torch.full((1, 1, 32, 32), value)).isfinite().all()


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match="do not belong"):
        refine(torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 9))


def test_lightness_of_white_is_one_and_grays_have_no_hue() -> None:
    gray = perceptual(torch.linspace(0, 1, 5)[None, None, :, None].expand(1, 3, 5, 1))
    assert gray[0, 0, 0, 0] == pytest.approx(0, abs=1e-5) and gray[0, 0, -1, 0] == pytest.approx(1, abs=1e-5)
    assert gray[:, 1:].abs().max() < 1e-4


@pytest.mark.parametrize(
    ("color", "lab"),
    [((1, 0, 0), (53.24, 80.09, 67.20)), ((0, 1, 0), (87.73, -86.18, 83.18)), ((0, 0, 1), (32.30, 79.19, -107.86))],
)
def test_distances_of_colors_are_those_of_cie_lab(color: tuple[int, ...], lab: tuple[float, ...]) -> None:
    found = perceptual(torch.tensor(color, dtype=torch.float32)[None, :, None, None])[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor(lab) / 100 * torch.tensor([1, CHROMA, CHROMA]), atol=1e-3, rtol=0)


def test_a_palette_separates_well_separated_colors() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3, (1, 500), generator=rng)
    colors = torch.eye(3)[truth] + 0.02 * torch.randn(1, 500, 3, generator=rng)
    memberships = Palette(colors, entries=3, fits=5)(colors)
    overlap = torch.einsum("bpe,bpt->et", memberships, F.one_hot(truth, 3).float())
    assert overlap.max(1).values.sum() == pytest.approx(500, abs=0.1)


def test_a_border_without_contrast_costs_its_length() -> None:
    weights = contrast_weights(torch.zeros(1, 3, 5, 7), strength=2.0).view(4, 5, 7)
    assert weights[0, :, :-1].unique().tolist() == [2.0] and weights[0, :, -1].max() == 0
    assert NEIGHBORS[2] == (1, 1) and weights[2, 0, 0] == pytest.approx(2 / 2**0.5)


def test_smoothing_finds_the_minimum_that_two_pixels_have_in_closed_form() -> None:
    # -a x + s (x - 1/2)^2 - b y + s (y - 1/2)^2 + w |x - y|: a tie x = y = 1/2 + (a + b) / 4 s while w > |a - b| / 2.
    weights = torch.zeros(4, 1, 2)
    weights[0, 0, 0] = 1.0
    evidence = torch.tensor([[0.6, -0.2]])
    tied = smooth_regions(evidence, weights, 2, torch.full((1, 2), 0.5), 500, softness=1.0)
    torch.testing.assert_close(tied, torch.tensor([[0.6, 0.6]]), atol=1e-3, rtol=0)
    free = smooth_regions(evidence, 0 * weights, 2, torch.full((1, 2), 0.5), 500, softness=1.0)
    torch.testing.assert_close(free, torch.tensor([[0.8, 0.4]]), atol=1e-3, rtol=0)


def test_texture_is_the_same_for_flat_light_and_dark_and_larger_where_busy() -> None:
    flat = texture(torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)]))
    torch.testing.assert_close(flat, torch.full_like(flat, float(flat[0, 0, 0, 0])), atol=1e-4, rtol=0)
    assert texture(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))).min() > flat.max()


def test_confidence_is_high_for_other_colors_and_low_for_the_same() -> None:
    (images, masks), (plain, _) = scene(), scene(separation=0)
    other, same = refine_and_judge(images, weak(masks))[1], refine_and_judge(plain, weak(masks))[1]
    assert other.min() > 0.8 and same.max() < 0.6


def test_the_best_threshold_follows_a_network_that_exaggerates() -> None:
    images, masks = scene()
    soft = F.interpolate(F.avg_pool2d(F.pad(masks, (12, 12, 12, 12)), 25, 1), (SIZE, SIZE))
    tried = (0.02, 0.12, 0.5, 0.88, 0.98)
    made = [(soft.clamp(0.01, 0.99).logit() * 2 + bias).sigmoid() for bias in (-2.0, 2.0)]
    low, high = (best_threshold(judge_thresholds(images, each, tried)) for each in made)
    assert low < high


def test_the_strict_threshold_is_the_highest_of_equals() -> None:
    confidences = {0.3: 0.8, 0.5: 0.85, 0.7: 0.847, 0.9: 0.83}
    assert best_threshold(confidences) == 0.5 and strict_threshold(confidences) == 0.7
