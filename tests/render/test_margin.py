"""Margins: the published profile, their order in depth, and their gradient."""

import pytest
import torch
from gradients import assert_exact
from scenes import join, rectangle, soup

from genstruct.errors import ConfigError
from genstruct.render.margin import alpha_image, find_margins, interpolate_margins
from genstruct.render.rasterize import rasterize


def margins_of(v, faces, size=(12, 12), margin=2.0, **settings):
    return find_margins(v, faces[None], rasterize(v, faces, size, **settings), margin)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.5])
def test_alpha_falls_linearly_with_the_distance_from_the_triangle(margin):
    found = alpha_image(margins_of(*rectangle(3.2, 3.2, 7.2, 7.2), margin=margin))[0, 0]
    x = torch.arange(12) + 0.5
    outside = torch.maximum(3.2 - x, x - 7.2)
    expected = torch.where(outside > 0, (1 - outside / margin).clamp(min=0), 0.0)
    torch.testing.assert_close(found[5], expected, atol=1e-5, rtol=0)
    corner = 1 - ((3.2 - 2.5) ** 2 * 2) ** 0.5 / margin  # the closest point is the corner
    assert found[2, 2].item() == pytest.approx(max(corner, 0.0), abs=1e-5)


def test_margins_lie_over_what_is_further_away_and_under_what_is_nearer():
    behind = rectangle(0, 0, 12, 12, depth=3.0)
    assert (margins_of(*join(rectangle(3, 3, 7, 7, depth=1.0), behind)).index[0, 5, 7:9] >= 0).all()
    # Depth grows by half over the margin: 2.9 becomes 3.26 at a quarter of it.
    assert (margins_of(*join(rectangle(3, 3, 7, 7, depth=2.9), behind)).index[0, 5, 7:9] < 0).all()
    assert (margins_of(*join(rectangle(3, 3, 7, 7, depth=4.0), behind)).index < 0).all()


def test_values_come_from_the_closest_point():
    v, faces = rectangle(3.2, 3.2, 7.2, 7.2)
    margins = margins_of(v, faces)
    positions = interpolate_margins(v, v[..., :2], faces[None], faces[None], margins, False)
    torch.testing.assert_close(positions[0, :, 5, 8], torch.tensor([7.2, 5.5]))
    torch.testing.assert_close(positions[0, :, 2, 2], torch.tensor([3.2, 3.2]))
    assert (positions[0, :, 5, 5] == 0).all()


def test_gradients_are_exact():
    v, faces = soup(6, (8, 8), batch=1, dtype=torch.float64)
    fragments = rasterize(v, faces, (8, 8))

    def picture(p):
        margins = find_margins(p, faces[None], fragments, 1.5)
        values = interpolate_margins(p, p, faces[None], faces[None], margins, False)
        return torch.cat([alpha_image(margins), values], 1)

    assert_exact(picture, v, step=1e-7, fast=True)


def test_no_triangles_have_no_margins():
    v, faces = torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.long)
    assert (alpha_image(margins_of(v, faces)) == 0).all()


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="margin must be above 0"):
        margins_of(*rectangle(3, 3, 7, 7), margin=0.0)
