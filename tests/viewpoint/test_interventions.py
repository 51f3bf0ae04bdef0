"""Turned crops against renderings of what turned, and the edges that they claim against a plain loop."""

import math

import pytest
import torch
import torch.nn.functional as F

from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.render.render import render
from genstruct.viewpoint import edges as edge_module
from genstruct.viewpoint.config import InterventionConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import describe, mirror_features
from genstruct.viewpoint.edges import find_edges
from genstruct.viewpoint.hypotheses import ShapeHypothesis, mesh_fields
from genstruct.viewpoint.interventions import intervene, turned
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.views import ViewGrid

SIZE, DISTANCE = 64, 2.6
GRID = ViewGrid(8, 0.0, 0.6, 2)
TURN = math.radians(15)


def body(wide=0.25):
    """An ellipsoid with a smooth texture."""
    sphere = octahedral_sphere(16)
    rng = torch.Generator().manual_seed(0)
    texture = F.interpolate(torch.rand(1, 3, 6, 6, generator=rng), (64, 64), mode="bicubic").clamp(0, 1)
    vertices = sphere.vertices * torch.tensor([wide, 0.2, 0.5])
    return Mesh(vertices, sphere.faces, sphere.uv, sphere.uv_faces, texture)


def crops_of(mesh, azimuth, elevation):
    camera = boxed_camera(mesh, azimuth, elevation, DISTANCE, SIZE)
    seen = render(mesh, camera, (SIZE, SIZE), samples=2)
    return ObjectCrops(seen.color, seen.alpha, torch.zeros(len(azimuth), 3))


@pytest.mark.parametrize("turn", [TURN, -TURN])
def test_a_turned_crop_is_the_rendering_from_there_wherever_its_surface_was_seen(turn):
    mesh = body()
    before = crops_of(mesh, GRID.azimuth, GRID.elevation)
    after = crops_of(mesh, GRID.azimuth + turn, GRID.elevation)
    made = turned(before, mesh_fields(mesh, GRID, turn, DISTANCE, SIZE), torch.arange(len(GRID)))
    assert ((made.masks > 0.5) != (after.masks > 0.5)).double().mean() < 0.01
    off = (made.images - after.images).abs().mean(1, keepdim=True)
    inner = -F.max_pool2d(-after.masks, 5, 1, 2) > 0.99
    unturned = (before.images - after.images).abs().mean(1, keepdim=True)[inner]
    # A turn by 15 degrees hides nearly none of an ellipsoid's inner pixels; what it does hide has no right answer.
    assert off[inner].quantile(0.85) < 0.03 and off[inner].median() < 0.1 * unturned.median()


def test_no_turn_leaves_a_crop_as_it_is():
    mesh = body()
    crops = crops_of(mesh, GRID.azimuth, GRID.elevation)
    made = turned(crops, mesh_fields(mesh, GRID, 0.0, DISTANCE, SIZE), torch.arange(len(GRID)))
    inside = crops.masks > 0.99
    assert (made.images - crops.images).abs().mul(inside).max() < 2e-2


def test_each_image_is_turned_by_the_shape_it_has():
    wide, narrow = body(0.4), body(0.15)
    view = torch.arange(len(GRID))
    crops = crops_of(wide, GRID.azimuth, GRID.elevation)
    other = crops_of(narrow, GRID.azimuth, GRID.elevation)
    both = ObjectCrops(*(torch.cat([getattr(c, n) for c in (crops, other)]) for n in ("images", "masks", "squares")))
    state = torch.cat([view, view + len(GRID)])
    hypothesis = ShapeHypothesis([wide, narrow], GRID, DISTANCE, state)
    made = turned(both, hypothesis.fields(TURN, SIZE), hypothesis.state)
    for number, (mesh, mine) in enumerate(((wide, crops), (narrow, other))):
        rows = slice(number * len(GRID), (number + 1) * len(GRID))
        alone = turned(mine, mesh_fields(mesh, GRID, TURN, DISTANCE, SIZE), view)
        torch.testing.assert_close(made.images[rows], alone.images)


def test_a_described_mirror_image_is_the_mirrored_description():
    rng = torch.Generator().manual_seed(0)
    images, masks = torch.rand(3, 3, 64, 64, generator=rng), torch.rand(3, 1, 64, 64, generator=rng)
    flipped = describe(images.flip(-1), masks.flip(-1))
    torch.testing.assert_close(mirror_features(describe(images, masks)), flipped)
    assert (describe(images, masks) - flipped).abs().max() > 0.01


def pairs(rng, images=7, features=4):
    """Descriptors of which half describe mirror images by swapping two halves."""
    plain = F.normalize(torch.randn(images, features, generator=rng), dim=1)
    return plain, plain.roll(features // 2, 1)


def expected(plain, turned, count):
    """Claims by a loop over images, partners and turns; both directions of an edge as one."""
    claims = {}
    for turn in (0.0, *turned):
        there, back = turned.get(turn, plain), turned.get(-turn, plain)
        for i in range(len(plain[0])):
            found = []
            for j in range(len(plain[0])):
                for mirrored in (False, True):
                    ahead = there[0][i] @ plain[mirrored][j]
                    # The mirror image of j turned back is j turned on, mirrored.
                    behind = plain[0][i] @ (there[1][j] if mirrored else back[0][j])
                    found += [(min(ahead, behind).item(), j, mirrored)] * (i != j)
            for similarity, j, mirrored in sorted(found, reverse=True)[:count]:
                sign = -1 if i > j and not mirrored else 1
                claims[min(i, j), max(i, j), mirrored, round(sign * turn, 3) + 0.0] = similarity
    return claims


@pytest.mark.parametrize("block", [3, 1024])
def test_edges_are_the_most_similar_both_ways_and_each_is_there_once(monkeypatch, block):
    monkeypatch.setattr(edge_module, "BLOCK", block)
    rng = torch.Generator().manual_seed(1)
    plain, turned = pairs(rng), {0.2: pairs(rng), -0.2: pairs(rng)}
    found = find_edges(plain, turned, torch.zeros(7), 2)
    columns = found.start, found.end, found.mirrored, found.turn.round(decimals=3), found.similarity
    rows = zip(*(column.tolist() for column in columns), strict=True)
    table = {(start, end, mirrored, round(turn, 3)): similarity for start, end, mirrored, turn, similarity in rows}
    assert len(table) == len(found)
    assert table == pytest.approx(expected(plain, turned, 2), abs=1e-5)


def test_interventions_claim_the_turns_between_renderings_of_one_object():
    azimuth = torch.arange(0, 360, 10).deg2rad()
    crops = crops_of(body(), azimuth, torch.full_like(azimuth, 0.3))
    grid = ViewGrid(36, 0.0, 0.6, 3)
    hypothesis = ShapeHypothesis([body()], grid, DISTANCE, grid.nearest(azimuth, torch.full_like(azimuth, 0.3)))
    steps = []
    config = InterventionConfig(degrees=(10.0,), claims=1)
    found = intervene(crops, hypothesis, azimuth, config, on_turn=lambda done, total: steps.append((done, total)))
    moved = found[(found.turn != 0) & ~found.mirrored]
    assert steps == [(1, 3), (2, 3), (3, 3)] and len(moved) >= 30
    off = azimuth[moved.end] - azimuth[moved.start] - moved.turn
    assert (torch.atan2(off.sin(), off.cos()).abs() < 0.01).double().mean() > 0.95
