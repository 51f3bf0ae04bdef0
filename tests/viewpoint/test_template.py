"""The template is symmetric, fills its crops, and its interventions show what a camera would see."""

import pytest
import torch

from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.render.render import render
from genstruct.viewpoint.appearance import appearance
from genstruct.viewpoint.crops import MARGIN, mask_box
from genstruct.viewpoint.descriptors import describe
from genstruct.viewpoint.template import Template, boxed_camera, whole_circle
from genstruct.viewpoint.views import ViewGrid

GRID = ViewGrid(12, 0.1, 0.5, 2)


@pytest.fixture(scope="module")
def template():
    made = Template(seed=3)
    with torch.no_grad():
        made.texture.mul_(10)
        made.offset.mul_(2)
    return made


def test_the_mesh_is_its_own_mirror_image_with_a_length_of_one(template):
    vertices = template.mesh().vertices[0]
    mirrored = vertices[template.partner] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(mirrored, vertices)
    assert (vertices.amax(0) - vertices.amin(0)).max().item() == pytest.approx(1)


def test_views_of_the_other_half_are_mirror_images(template):
    with torch.no_grad():
        seen = whole_circle(template.draw(GRID, 2.6), GRID)
        camera = boxed_camera(template.mesh(), GRID.azimuth, GRID.elevation, 2.6, 32)
        drawn = render(template.mesh(), camera, (32, 32), samples=2).alpha
    flipped = seen.mask[GRID.mirror].flip(-1)
    torch.testing.assert_close(flipped, seen.mask, atol=2e-2, rtol=0)
    assert (drawn.mean((1, 2, 3)) - seen.mask.mean((1, 2, 3))).abs().max() < 5e-3


def test_a_boxed_camera_shows_the_object_as_a_crop_does(template):
    camera = boxed_camera(template.mesh(), GRID.azimuth, GRID.elevation, 2.6, 64)
    with torch.no_grad():
        boxes = mask_box(render(template.mesh(), camera, (64, 64)).alpha)
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1)
    assert (side - 64 / MARGIN).abs().max() < 4.5  # the tail is that of a box, not of every outline
    assert ((boxes[:, :2] + boxes[:, 2:]) / 2 - 32).abs().max() < 4.5


def test_gradients_reach_shape_and_texture(template):
    seen = template.draw(GRID, 2.6)
    (seen.mask.square().sum() + seen.maps[:, 0, :, :16].sum()).backward()
    assert template.offset.grad.abs().sum() > 0 and template.texture.grad.abs().sum() > 0
    template.zero_grad()


def painted():
    """A smooth picture on an ellipsoid."""
    sphere = octahedral_sphere(32)
    y, x = torch.meshgrid(torch.linspace(0, 6, 64), torch.linspace(0, 6, 64), indexing="ij")
    texture = torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] * 0.4 + 0.5
    vertices = sphere.vertices * torch.tensor([0.25, 0.2, 0.5])
    return Mesh(vertices, sphere.faces, sphere.uv, sphere.uv_faces, texture)


def test_descriptors_and_maps_do_not_know_brightness_but_know_the_side(template):
    mesh = painted()
    camera = boxed_camera(mesh, torch.tensor([0.6]), torch.tensor([0.2]), 2.6, 64)
    seen = render(mesh, camera, (64, 64), samples=2)
    plain = describe(seen.color, seen.alpha)
    assert plain.norm(dim=1).item() == pytest.approx(1, abs=1e-4)
    assert (plain @ describe(seen.color * 0.8, seen.alpha).T).item() > 0.99
    assert (plain @ describe(seen.color.flip(-1), seen.alpha.flip(-1)).T).item() < 0.9
    maps = appearance(seen.color, seen.alpha).maps
    torch.testing.assert_close(maps.flatten(2).norm(dim=2), torch.ones(1, 3), atol=1e-3, rtol=0)
    assert appearance(seen.color, seen.alpha).flip().maps.equal(maps.flip(-1))
