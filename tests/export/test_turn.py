"""Turns around a mesh: where cameras stand, what pictures show, what is refused."""

import math
import weakref
from dataclasses import replace

import jaxtyping
import pytest
import torch
from PIL import Image

from genstruct.errors import ConfigError, OutputError, ShapeError
from genstruct.export.turn import Turn, fitting_distance, views, with_creases, write_turn
from genstruct.geometry.measures import vertex_normals
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import box, icosphere, plane
from genstruct.render.render import GRAY, render

QUICK = Turn(frames=4, size=(32, 32), elevation=0.0, samples=1, light=False)
SIDES = {"front": (1, 0, 0), "left": (0, 1, 0), "back": (0, 0, 1), "right": (1, 1, 0)}


def painted_box():
    """A box whose front is red, left side green, back blue, right side yellow, top and bottom white."""
    shape = box((1.0, 1.0, 1.0))
    corners = shape.vertices[0, shape.faces]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axes = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    side = (normal @ axes.T).argmax(1)
    colors = torch.tensor([*SIDES.values(), (1, 1, 1), (1, 1, 1)], dtype=torch.float32)
    places = torch.stack([(torch.arange(6) + 0.5) / 6, torch.full((6,), 0.5)], -1)
    return Mesh(shape.vertices, shape.faces, places, side[:, None].expand(-1, 3).clone(), colors.T[None, :, None])


def test_the_turn_begins_at_the_front_and_shows_the_left_side_next():
    middles = [picture[:, 16, 16].round().int().tolist() for picture in views(painted_box(), QUICK)]
    assert middles == [list(color) for color in SIDES.values()]
    turned = next(views(painted_box(), replace(QUICK, azimuth=math.pi / 2)))
    assert turned[:, 16, 16].round().int().tolist() == list(SIDES["left"])


def test_a_camera_above_sees_the_top_above_the_front():
    above = next(views(painted_box(), replace(QUICK, elevation=0.5, frames=1)))
    assert above[:, 8, 16].tolist() == pytest.approx([1, 1, 1], abs=0.01)
    assert above[:, 20, 16].tolist() == pytest.approx([1, 0, 0], abs=0.01)


@pytest.mark.parametrize("size", [(40, 40), (30, 60), (60, 30)])
@pytest.mark.parametrize("elevation", [0.0, 0.6, math.pi / 2])
@pytest.mark.parametrize("frames", [1, 5, 100])
def test_the_camera_is_as_near_as_the_object_allows(size, elevation, frames):
    turn = Turn(frames=frames, size=size, elevation=elevation, margin=0.1)
    shape = box((0.3, 0.2, 1.9))
    cameras = turn.cameras(fitting_distance(shape, turn))
    points = cameras.to_camera(shape.vertices)
    image = (points / points[..., 2:]) @ cameras.intrinsics.mT
    reach = (image[..., :2] / torch.tensor([size[1] / 2, size[0] / 2]) - 1).abs().max()
    # Beyond 72 frames only some are looked at, so that others may reach a little into the margin.
    assert float(reach) == pytest.approx(0.9, abs=1e-4 if frames < 72 else 2e-3)


def test_a_sphere_fills_the_picture_up_to_the_margin():
    turn = Turn(frames=1, size=(100, 100), background=None, margin=0.1, field_of_view=0.2, light=False)
    alpha = next(views(icosphere(4), turn))[3]
    assert float(alpha.sum()) == pytest.approx(math.pi * 45**2, rel=0.01)


def test_a_flat_thing_is_seen_from_both_sides_and_vanishes_from_the_edge():
    pictures = list(views(plane(), replace(QUICK, background=None, light=True)))
    areas = [float(picture[3].mean()) for picture in pictures]
    assert areas[0] == pytest.approx(areas[2], rel=0.01)
    assert areas[0] > 0.5
    assert areas[1] == pytest.approx(0, abs=0.05)
    assert pictures[0][0, 16, 16] == pytest.approx(float(pictures[2][0, 16, 16]), abs=0.01)


@pytest.mark.parametrize("light", [True, False])
def test_a_picture_with_alpha_laid_over_a_color_is_the_picture_with_that_background(light):
    turn = replace(QUICK, elevation=0.4, light=light)
    color = (0.2, 0.5, 0.9)
    over = views(painted_box(), replace(turn, background=color))
    for clear, expected in zip(views(painted_box(), replace(turn, background=None)), over, strict=True):
        alpha = clear[3:]
        composed = alpha * clear[:3] + (1 - alpha) * torch.tensor(color)[:, None, None]
        torch.testing.assert_close(composed, expected, atol=1e-4, rtol=0)
        assert float(((alpha > 0.01) & (alpha < 0.99)).float().sum()) > 0, "silhouettes are smooth"


def test_unlit_colors_are_those_of_the_texture_and_light_comes_from_above():
    gray = Mesh(box().vertices, box().faces)
    turn = replace(QUICK, elevation=0.5, frames=1)
    assert next(views(gray, turn))[:, 16, 16].tolist() == pytest.approx([GRAY] * 3, abs=1e-3)
    lit = next(views(gray, replace(turn, light=True)))
    assert float(lit[0, 8, 16]) > float(lit[0, 20, 16]) + 0.03


def test_sides_of_a_box_are_lit_evenly_and_a_sphere_is_not():
    turn = replace(QUICK, frames=1, light=True, size=(64, 64))
    flat = next(views(Mesh(box().vertices, box().faces), turn))[0, 20:44, 20:44]
    assert float(flat.max() - flat.min()) < 1e-3
    round_one = next(views(Mesh(icosphere(3).vertices, icosphere(3).faces), turn))[0, 20:44, 20:44]
    assert float(round_one.max() - round_one.min()) > 0.05


def test_creases_double_only_the_vertices_at_edges():
    ball = icosphere(2)
    assert with_creases(ball).vertices.shape == ball.vertices.shape
    shape = box()
    creased = with_creases(Mesh(shape.vertices, shape.faces))
    used = creased.faces.unique()
    assert len(used) == 24  # each of 8 corners once for each of its 3 sides
    torch.testing.assert_close(creased.vertices[0, creased.faces], shape.vertices[0, shape.faces])
    normal = vertex_normals(creased.vertices, creased.faces)[0, used]
    assert (normal.abs().amax(1) > 0.999).all()


def test_sheets_that_lie_back_to_back_are_lit_like_one():
    one = plane()
    both = Mesh(one.vertices, torch.cat([one.faces, one.faces.flip(1)]))
    turn = replace(QUICK, frames=1, light=True)
    torch.testing.assert_close(next(views(both, turn)), next(views(Mesh(one.vertices, one.faces), turn)))


def test_silhouettes_with_creases_are_as_right_as_without():
    turn = Turn(frames=3, elevation=0.4, size=(96, 96))
    shape = box((1.0, 0.5, 0.2))
    cameras = turn.cameras(fitting_distance(shape, turn))
    fine = render(shape, cameras, turn.size, samples=6).alpha
    plain, creased = (
        float((render(mesh, cameras, turn.size, samples=2).alpha - fine).abs().mean())
        for mesh in (shape, with_creases(shape))
    )
    assert creased < 1.2 * plain  # a few pixels at corners, where doubled edges meet, differ


def test_pictures_are_made_as_they_are_asked_for_and_not_kept(monkeypatch):
    monkeypatch.setattr("genstruct.export.turn.PIXELS_AT_ONCE", 3 * 32 * 32)
    alive, most = [], 0
    for picture in views(icosphere(1), replace(QUICK, frames=30)):
        alive.append(weakref.ref(picture))
        most = max(most, sum(reference() is not None for reference in alive))
    assert len(alive) == 30
    assert most <= 6


def test_batches_change_no_picture(monkeypatch):
    turn = replace(QUICK, frames=7, light=True)
    whole = torch.stack(list(views(painted_box(), turn)))
    monkeypatch.setattr("genstruct.export.turn.PIXELS_AT_ONCE", 2 * 32 * 32)
    assert torch.equal(torch.stack(list(views(painted_box(), turn))), whole)


def test_progress_is_told_and_the_file_is_there_at_the_end(tmp_path):
    told = []
    path = tmp_path / "turn.png"
    write_turn(painted_box(), path, QUICK, on_frame=lambda done, total: told.append((done, total, path.exists())))
    assert told == [(number, 4, False) for number in range(5)]
    with Image.open(path) as image:
        assert image.size == (64, 64)


@pytest.mark.parametrize("unit", [1e-12, 1e-3, 1e3, 1e20])
def test_the_unit_of_a_mesh_does_not_matter(unit):
    mesh = icosphere(1)
    far = Mesh(mesh.vertices.double() * unit, mesh.faces)
    torch.testing.assert_close(next(views(far, QUICK)).float(), next(views(mesh, QUICK)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"frames": 0}, "1 to 100000 frames, got 0"),
        ({"frames": 2.5}, "got 2.5"),
        ({"size": (0, 8)}, r"size must be \(height, width\).* got \(0, 8\)"),
        ({"size": 8}, "size must be .* got 8"),
        ({"background": (2.0, 0.0, 0.0)}, "background must be three numbers from 0 to 1"),
        ({"background": (0.0, 0.0)}, "background must be three numbers"),
        ({"samples": 1.5}, "samples must be 1 to 8"),
        ({"size": (8, 4000)}, "1 to 2048 pixels wide and high with samples=2, got 4000 x 8"),
        ({"samples": 0}, "samples must be 1 to 8"),
        ({"elevation": 2.0}, "from -90 to 90 degrees, got 114"),
        ({"elevation": math.nan}, "elevation"),
        ({"azimuth": math.inf}, "azimuth"),
        ({"field_of_view": 0.0}, "field of view"),
        ({"margin": 1.0}, "margin"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(setting, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ConfigError, match=message):
        Turn(**setting)


def test_meshes_that_are_none_are_refused(tmp_path):
    good = icosphere(1)
    for bad, message in (
        (Mesh(good.vertices.expand(2, -1, -1), good.faces), "got 2 with"),
        (Mesh(good.vertices, good.faces[:0]), "with 0 triangles"),
        (Mesh(good.vertices / 0, good.faces), "NaN|nan|finite"),
    ):
        with pytest.raises(ShapeError, match=message):
            next(views(bad, QUICK))
        with pytest.raises(ShapeError):
            write_turn(bad, tmp_path / "turn.gif", QUICK)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="must end in"):
        write_turn(good, tmp_path / "turn.mov", QUICK)
