"""Pictures of a graph show what is there: turned photos what a camera would see, spheres what is where."""

import io
import math

import numpy as np
import pytest
import torch
from finished import GRID, PLACES, finished
from PIL import Image

from genstruct.data.sources import open_source
from genstruct.export.images import to_uint8, write_png
from genstruct.render.render import render
from genstruct.viewpoint.show.digests import result_digest
from genstruct.viewpoint.show.figure import UNSEEN, chosen, repainted
from genstruct.viewpoint.show.globe import Places, directions, node_links, on_globe, spaced
from genstruct.viewpoint.show.pictures import Atlas, CropPictures, PhotoPictures
from genstruct.viewpoint.show.shape import painted
from genstruct.viewpoint.template import Template, boxed_camera

SIZE = 96


@pytest.fixture(scope="module")
def rendered():
    """A painted shape from several azimuths, each with its camera."""
    mesh, found = painted(Template(seed=1)), {}
    for degrees in (30, 50, 150, 330):
        azimuth, elevation = torch.tensor([math.radians(degrees)]), torch.tensor([0.3])
        camera = boxed_camera(mesh, azimuth, elevation, 2.6, SIZE)
        seen = render(mesh, camera, (SIZE, SIZE), samples=2)
        found[degrees] = camera, torch.cat([seen.color / seen.alpha.clamp(min=1e-3), seen.alpha], 1)[0]
    return mesh, found


def difference(rendered, start, end):
    """Mean error of the photo from `start` turned to `end`, and the share that it leaves grey."""
    mesh, found = rendered
    made = repainted(mesh, found[start][1], found[start][0], found[end][0])
    inside = found[end][1][3] > 0.99
    grey = (made == UNSEEN).all(0) & inside
    off = (made - found[end][1][:3]).abs().mean(0)
    return float(off[inside & ~grey].mean()), float(grey.sum() / inside.sum())


def test_a_photo_turned_to_its_own_view_is_itself(rendered):
    off, grey = difference(rendered, 30, 30)
    assert off < 0.01 and grey < 0.02


def test_a_turned_photo_is_what_a_camera_would_see_there(rendered):
    off, grey = difference(rendered, 30, 50)
    _, found = rendered
    flat = (found[30][1][:3] - found[50][1][:3]).abs().mean(0)[found[50][1][3] > 0.99].mean()
    assert off < 0.02 and off < flat / 3 and grey < 0.1


def test_what_a_photo_hides_comes_from_its_mirror_image(rendered):
    off, grey = difference(rendered, 30, 330)  # the mirrored view: all of it is known
    assert off < 0.02 and grey < 0.03


def test_what_neither_half_shows_stays_grey(rendered):
    assert difference(rendered, 30, 150)[1] > 0.1


def test_photos_of_the_figure_spread_over_its_window_and_are_sure():
    graph = finished()
    rows = chosen(graph.views)
    assert len(rows) == len(set(rows)) == 3 and bool(graph.views.determined[rows].all())
    azimuth = graph.views.azimuth[rows].rad2deg()
    assert ((azimuth.diff() % 360) > 40).all()


def test_a_view_is_in_the_middle_of_the_globe_for_who_looks_from_there():
    azimuth, elevation = torch.tensor([0.3, 2.0, 4.0]), torch.tensor([0.1, 0.4, -0.3])
    where = directions(azimuth, elevation)
    for row in range(3):
        seen = on_globe(where[row : row + 1], float(azimuth[row]), float(elevation[row]))
        assert torch.allclose(seen, torch.tensor([[0.0, 0.0, 1.0]]), atol=1e-6)
    right = on_globe(directions(torch.tensor([math.pi / 2]), torch.zeros(1)), 0.0, 0.0)
    assert torch.allclose(right, torch.tensor([[1.0, 0.0, 0.0]]), atol=1e-6)  # +x, where the camera is at azimuth 90


def test_of_crowded_nodes_the_larger_one_is_shown_and_far_ones_not_at_all():
    xy = torch.tensor([[0.0, 0.0], [3.0, 3.0], [30.0, 0.0], [60.0, 0.0]])
    places = Places(xy, torch.tensor([0.5, 0.9, 0.7, -0.1]))
    assert spaced(places, torch.tensor([1, 5, 2, 9]), 10) == [2, 1]  # nearest last: it is drawn over the others


def test_links_join_different_nodes_once():
    links = node_links(finished())
    assert len(links) == len(links.unique(dim=0)) and (links[:, 0] < links[:, 1]).all()
    assert len(links) == PLACES - 1


def test_photos_are_sharper_than_crops_and_crops_serve_where_photos_fail(tmp_path):
    graph = finished()
    rng = np.random.default_rng(0)
    for number in (1, 2):
        write_png(tmp_path / f"{number:02}.png", rng.integers(0, 255, (60, 80, 3), np.uint8))
    (tmp_path / "02.png").rename(tmp_path / "02.jpg")
    (tmp_path / "01.png").rename(tmp_path / "01.jpg")
    (tmp_path / "03.jpg").write_bytes(b"no picture")
    crops = CropPictures(graph.photos.crops)
    with open_source(str(tmp_path)) as source:
        pictures = PhotoPictures(graph.photos, source)
        sharp, photo = pictures(1, 40), torch.from_numpy(source.image(0).copy()).permute(2, 0, 1) / 255
        assert torch.allclose(sharp[:3], photo[:, 20:60, 10:50], atol=0.02)  # the square of the crop, pixel by pixel
        assert torch.equal(sharp[3], crops(1, 40)[3])
        assert torch.equal(pictures(3, 40), crops(3, 40)) and torch.equal(pictures(5, 40), crops(5, 40))
        assert torch.equal(pictures(1, 16), crops(1, 16))


def test_an_atlas_has_each_photo_in_its_tile_and_keeps_within_its_bytes():
    graph = finished()
    pictures, rows = CropPictures(graph.photos.crops), [3, 1, 4, 0, 5]
    atlas = Atlas.of(pictures, rows, 16, most_bytes=10_000_000, columns=2)
    assert atlas.rows == tuple(rows) and len(atlas.sheets) == 2
    second = np.asarray(Image.open(io.BytesIO(atlas.sheets[1])))
    assert second.shape == (16, 32, 3)
    off = np.abs(second[:, :16].astype(int) - to_uint8(pictures(5, 16)[:3])).mean()
    others = np.abs(second[:, :16].astype(int) - to_uint8(pictures(4, 16)[:3])).mean()
    assert off < others / 2
    size = sum(map(len, atlas.sheets))
    less = Atlas.of(pictures, rows, 16, most_bytes=size - 1, columns=2)
    assert sum(map(len, less.sheets)) < size


def test_digests_differ_where_any_value_does():
    graph = finished()
    assert result_digest(graph) == result_digest(finished())
    assert result_digest(graph) != result_digest(finished("no"))
    before = result_digest(graph)
    with torch.no_grad():
        graph.category.templates[0].offset[3, 1] += 1e-6
    assert result_digest(graph) != before
    assert result_digest(GRID) != result_digest(graph.category)
