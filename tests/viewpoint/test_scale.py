"""How far photos turn that do not go round the object, and which way."""

import math

import pytest
import torch
from rendered import photographed

from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.viewpoint.config import GridConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.fitting import orbit
from genstruct.viewpoint.scale import best_convex, land

COUNT = 160
ORBIT = orbit(PriorConfig(whole_circle=False, widest=90), GridConfig(azimuths=120))


@pytest.fixture(scope="module")
def scene():
    """A painted ellipsoid as deep as it is wide, seen from the front and both sides."""
    sphere = octahedral_sphere(24)
    rng = torch.Generator().manual_seed(0)
    texture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8, generator=rng), size=32, mode="bilinear")
    mesh = Mesh(
        sphere.vertices * torch.tensor([0.35, 0.5, 0.35]),
        sphere.faces,
        sphere.uv,
        sphere.uv_faces,
        (texture + texture.flip(-1)) / 2,
    )
    azimuth = (torch.rand(COUNT, generator=rng) - 0.5) * math.radians(120)
    images, masks, _ = photographed(mesh, azimuth, torch.full((COUNT,), math.radians(10)))
    return ObjectCrops(images, masks, torch.zeros(COUNT, 3)), azimuth


def found(azimuth, energy=0.0, **findings):
    """A fit that is sure of these azimuths."""
    view = ORBIT.grid.nearest(azimuth % math.tau, torch.zeros(COUNT))
    q = torch.nn.functional.one_hot(view, len(ORBIT.grid)).float()
    return Fit((), torch.ones(COUNT, 1), q, energy, ORBIT, findings)


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_turns_land_at_the_factor_by_which_views_are_too_near(scene, factor):
    crops, azimuth = scene
    landed = land(crops, found(azimuth * factor))
    assert landed.ratio == pytest.approx(factor, abs=0.15) and landed.right_side > 0.9


def test_turns_of_views_in_reverse_order_land_on_the_wrong_side(scene):
    crops, azimuth = scene
    landed = land(crops, found(-azimuth))
    assert landed.right_side < 0.1 and landed.ratio == pytest.approx(-1, abs=0.2)


def test_a_start_whose_turns_go_wrong_comes_after_all_others():
    zero = torch.zeros(COUNT)
    starts = [
        found(zero, -0.5, turns_on_right_side=0.1),
        *(found(zero, e, turns_on_right_side=0.9) for e in (-0.3, -0.4)),
    ]
    assert best_convex(starts) == 2


def test_energies_leave_out_views_beyond_the_widest():
    limited = ORBIT.grid.limited(torch.zeros(1, len(ORBIT.grid)))[0]
    signed = torch.atan2(ORBIT.grid.azimuth.sin(), ORBIT.grid.azimuth.cos()).rad2deg().abs()
    assert (limited > 1).equal(signed > 90.01) and not limited[signed < 90].any()
