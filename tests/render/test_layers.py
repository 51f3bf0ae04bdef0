"""Layers: known answers, exact gradients, and the two shifts agree."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from gradients import assert_exact

from genstruct.errors import ConfigError, ShapeError
from genstruct.render.layers import Layer, affine, composite, shift, shift_whole

FILLS = ("zero", "replicate")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(batch=2, channels=3, height=5, width=7, dtype=torch.float64, seed=0):
    return torch.rand(batch, channels, height, width, generator=stream(seed), dtype=dtype)


# Compositing


def test_an_empty_stack_leaves_the_background():
    background = pictures()
    assert composite(background, []) is background


@pytest.mark.parametrize(("alpha", "wins"), [(0.0, 0), (1.0, 1)])
def test_empty_layers_are_invisible_and_full_ones_hide_what_is_below(alpha, wins):
    background, color = pictures(seed=1), pictures(seed=2)
    picture = composite(background, [Layer(color, torch.full_like(color[:, :1], alpha))])
    torch.testing.assert_close(picture, (background, color)[wins])


def test_two_layers_follow_the_over_operator():
    background, first, second = (torch.full((1, 3, 1, 1), value) for value in (0.2, 0.6, 1.0))
    half, quarter = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.25)
    picture = composite(background, [Layer(first, half), Layer(second, quarter)])
    # 0.2 and 0.6 by halves make 0.4; a quarter of 1.0 over it makes 0.25 + 0.75 * 0.4.
    torch.testing.assert_close(picture, torch.full((1, 3, 1, 1), 0.55))
    other = composite(background, [Layer(second, quarter), Layer(first, half)])
    torch.testing.assert_close(other, torch.full((1, 3, 1, 1), 0.5))  # order matters


def test_a_composite_of_values_in_range_stays_in_range():
    layers = [Layer(pictures(seed=n), pictures(channels=1, seed=n + 9)) for n in range(3)]
    picture = composite(pictures(seed=8), layers)
    assert picture.min() >= 0 and picture.max() <= 1


def test_composite_has_exact_gradients():
    inputs = pictures(), pictures(seed=1), pictures(channels=1, seed=2)
    assert_exact(lambda b, c, a: composite(b, [Layer(c, a)]), *inputs)


# Moving


@pytest.mark.parametrize("fill", FILLS)
def test_shift_has_exact_gradients_in_picture_and_offset(fill):
    # Away from whole offsets, where bilinear interpolation has a kink.
    offset = torch.tensor([[0.3, -1.4], [2.6, 0.7]], dtype=torch.float64)
    assert_exact(lambda x, o: shift(x, o, fill), pictures(), offset)


@pytest.mark.parametrize("fill", FILLS)
def test_affine_has_exact_gradients_in_picture_offset_and_scale(fill):
    offset = torch.tensor([[0.3, -0.4], [1.6, 0.7]], dtype=torch.float64)
    scale = torch.tensor([1.17, 1.43], dtype=torch.float64)
    assert_exact(lambda x, o, s: affine(x, o, s, fill), pictures(), offset, scale)


@pytest.mark.parametrize("fill", FILLS)
def test_whole_offsets_move_pixels_alike_with_and_without_interpolation(fill):
    offsets = [[x, y] for x in (-9, -3, 0, 2, 7) for y in (-6, -1, 0, 4)]  # some beyond the frame of 5 x 7
    layer = pictures(batch=len(offsets))
    offset = torch.tensor(offsets, dtype=torch.float64)
    torch.testing.assert_close(shift(layer, offset, fill), shift_whole(layer, offset, fill), atol=1e-12, rtol=0)


def test_a_whole_shift_is_a_slice():
    layer = pictures()
    moved = shift_whole(layer, torch.tensor([[2, 1], [-3, 0]]))
    assert torch.equal(moved[0, :, 1:, 2:], layer[0, :, :-1, :-2])  # right and down
    assert not moved[0, :, :1].any() and not moved[0, :, :, :2].any()
    assert torch.equal(moved[1, :, :, :-3], layer[1, :, :, 3:])  # left
    kept = shift_whole(layer, torch.tensor([[2, 1], [-3, 0]]), "replicate")
    assert torch.equal(kept[1, :, :, -3:], layer[1, :, :, -1:].expand(-1, -1, 3))  # the border repeats


def test_a_whole_shift_keeps_the_kind_of_number():
    layer = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4)
    moved = shift_whole(layer, torch.tensor([[1.0, 0.0]]))
    assert moved.dtype == torch.uint8
    assert moved[0, 0].tolist() == [[0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]]


def test_half_a_pixel_averages_neighbors():
    layer = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    torch.testing.assert_close(shift(layer, torch.tensor([[0.5, 0.0]])).flatten(), torch.tensor([0.0, 0.5, 0.5, 0.0]))


@pytest.mark.parametrize("fill", FILLS)
def test_each_picture_moves_by_its_own_offset(fill):
    layer, offset = pictures(batch=3), torch.tensor([[1.5, 0.0], [0.0, -2.25], [3.0, 1.0]], dtype=torch.float64)
    together = shift(layer, offset, fill)
    for n in range(3):
        torch.testing.assert_close(together[n : n + 1], shift(layer[n : n + 1], offset[n : n + 1], fill))


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("scale", [0.83, 0.53, 0.31, 0.19])
def test_shrinking_has_exact_gradients(fill, scale):
    offset = torch.tensor([[0.3, -0.4], [1.6, 0.7]], dtype=torch.float64)
    # Away from scales that put the tent's ends on pixel centres, where it has kinks.
    scales = torch.tensor([scale, 1.3 * scale], dtype=torch.float64)
    assert_exact(lambda x, o, s: affine(x, o, s, fill), pictures(), offset, scales)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("scale", [1.0, 1.3, 4.0])
def test_enlarging_is_bilinear_lookup(fill, scale):
    layer, offset = pictures(), torch.tensor([[0.3, -9.4], [1.6, 0.7]], dtype=torch.float64)
    sizes = torch.tensor([7.0, 5.0], dtype=torch.float64)
    x, y = (torch.arange(n, dtype=torch.float64) + 0.5 - n / 2 for n in (7, 5))
    centered = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    grid = (centered - offset[:, None, None]) / scale * 2 / sizes
    mode = "zeros" if fill == "zero" else "border"
    expected = F.grid_sample(layer, grid, padding_mode=mode, align_corners=False)
    torch.testing.assert_close(affine(layer, offset, torch.full((2,), scale, dtype=torch.float64), fill), expected)


@pytest.mark.parametrize("parts", [2, 4])
def test_shrinking_to_a_whole_part_is_resizing_with_a_filter(parts):
    layer = pictures(height=32, width=64)
    small = affine(layer, torch.zeros(2, 2).double(), torch.full((2,), 1 / parts).double())
    rows, columns = 32 // parts, 64 // parts
    middle = small[..., 16 - rows // 2 : 16 + rows // 2, 32 - columns // 2 : 32 + columns // 2]
    expected = F.interpolate(layer, (rows, columns), mode="bilinear", antialias=True)
    torch.testing.assert_close(middle[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_fine_stripes_shrink_to_gray():
    stripes = (torch.arange(64) % 2).float().expand(1, 1, 64, 64).contiguous()
    for scale in (0.45, 0.3, 0.11):
        small = affine(stripes, torch.tensor([[0.2, 0.6]]), torch.tensor([scale]), "replicate")
        reach = int(32 * scale) - 2
        inner = small[..., 32 - reach : 32 + reach, 32 - reach : 32 + reach]
        torch.testing.assert_close(inner, torch.full_like(inner, 0.5), atol=0.06, rtol=0)


@pytest.mark.parametrize("scale", [0.9, 0.37, 0.1, 1e-4])
def test_a_shrunk_picture_keeps_its_mass_inside_and_its_border_beyond(scale):
    layer = torch.ones(2, 1, 8, 12, dtype=torch.float64)
    offset, scales = torch.tensor([[0.4, -0.7], [30.3, 2.0]]).double(), torch.full((2,), scale).double()
    torch.testing.assert_close(affine(layer, offset, scales, "replicate"), layer)
    empty = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    empty[..., 24:40, 24:40] = 1  # everything stays in the frame
    small = affine(empty, offset[:1], scales[:1])
    assert small.sum().item() == pytest.approx(256 * scale**2, rel=0.1 if scale > 0.01 else 3)


def test_doubling_spreads_the_center_over_the_whole_picture():
    layer = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    layer[..., 1:3, 1:3] = 1
    grown = affine(layer, torch.zeros(1, 2, dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64))
    # The first pixel looks up 0.25 + 0.5 pixels from the left edge, a quarter of the way from a 1 to a 0.
    profile = torch.tensor([0.75, 1.0, 1.0, 0.75], dtype=torch.float64)
    torch.testing.assert_close(grown[0, 0], profile[:, None] * profile)


def test_a_filled_picture_stays_filled_and_an_unfilled_one_does_not():
    layer, offset = torch.ones(1, 1, 4, 4), torch.tensor([[1.5, -1.0]])
    torch.testing.assert_close(shift(layer, offset, "replicate"), layer)
    assert shift(layer, offset, "zero").sum() == pytest.approx(2.5 * 3)


BAD = {
    "shape": (
        lambda: shift(torch.zeros(3, 4, 4), torch.zeros(3, 2)),
        r"layer must be \[batch, channels, height, width\]",
    ),
    "empty": (lambda: shift(torch.zeros(1, 3, 0, 4), torch.zeros(1, 2)), r"not be empty .* got \[1, 3, 0, 4\]"),
    "bytes": (lambda: shift(torch.zeros(1, 3, 4, 4).byte(), torch.zeros(1, 2)), "layer must be floating point"),
    "kind": (lambda: shift(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2).double()), "and offset torch.float64"),
    "numbers": (lambda: affine(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2), 2.0), "scale must be a tensor .* got float"),
    "nan": (lambda: shift(torch.zeros(1, 3, 4, 4), torch.full((1, 2), torch.nan)), r"offset \[1, 2\] must be finite"),
    "scale": (
        lambda: affine(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2), torch.zeros(1)),
        r"scale \[1\] must be at least 1e-06, got 0",
    ),
    "device": (lambda: shift(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, device="meta")), "offset on meta"),
    "whole": (lambda: shift_whole(torch.zeros(1, 3, 4, 4), torch.tensor([[0.5, 0.0]])), "must be whole pixels"),
    "whole nan": (lambda: shift_whole(torch.zeros(1, 3, 4, 4), torch.full((1, 2), torch.nan)), "must be finite"),
    "whole shape": (lambda: shift_whole(torch.zeros(2, 3, 4, 4), torch.zeros(1, 2)), r"offset must be \[2, 2\]"),
    "alpha": (lambda: Layer(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5)), r"alpha must be \[1, 1, 4, 4\] like"),
    "layer": (lambda: composite(torch.zeros(1, 3, 4, 4), [torch.zeros(1, 3, 4, 4)]), "got Tensor as number 0"),
    "size": (
        lambda: composite(torch.zeros(1, 3, 4, 4), [Layer(torch.zeros(1, 3, 4, 5), torch.zeros(1, 1, 4, 5))]),
        r"layers must be \[1 or 1, 3, 4, 4\] like the background, got \[1, 3, 4, 5\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    act, words = BAD[name]
    with pytest.raises(ShapeError, match=words):
        act()


@pytest.mark.parametrize("move", [shift, shift_whole, lambda *a: affine(*a[:2], torch.ones(2).double(), a[2])])
def test_an_unknown_fill_is_refused(move, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigError, match="fill must be zero or replicate, got 'reflect'"):
        move(pictures(), torch.zeros(2, 2, dtype=torch.float64), "reflect")


def test_autocast_does_not_round_offsets():
    layer, offset, scale = random_floats(), torch.tensor([[13.37, -0.11]]), torch.tensor([0.77])
    with torch.autocast("cpu", torch.bfloat16):
        cast = affine(layer, offset, scale), shift(layer, offset)
    for found, plain in zip(cast, (affine(layer, offset, scale), shift(layer, offset)), strict=True):
        assert found.dtype == torch.float32 and torch.equal(found, plain)


def random_floats():
    return pictures(batch=1, height=32, width=32, dtype=torch.float32)


def test_whole_offsets_far_beyond_the_frame_show_its_border():
    layer = pictures()
    for far in (1e30, -1e30):
        moved = shift_whole(layer, torch.full((2, 2), far), "replicate")
        corner = layer[..., :1, :1] if far > 0 else layer[..., -1:, -1:]
        assert torch.equal(moved, corner.expand_as(layer))


def test_offsets_that_do_not_belong_to_the_pictures_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=r"offset must be \[2, 2\]"):
        affine(pictures(), torch.zeros(3, 2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
