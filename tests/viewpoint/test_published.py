"""Hypotheses against exact geometry, realism against a plain loop, and the graph from interventions on known turns."""

import math

import pytest
import torch
import torch.nn.functional as F
from test_interventions import DISTANCE, SIZE, body, crops_of

from genstruct.geometry.camera import Camera
from genstruct.geometry.plane import Plane, plane_homography
from genstruct.geometry.rotation import about_y
from genstruct.viewpoint.config import PaperConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import describe
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.hypotheses import (
    PROXIES,
    WEAK,
    ChosenHypothesis,
    ShapeHypothesis,
    mesh_fields,
    plane,
    proxy_hypothesis,
    surface_mesh,
)
from genstruct.viewpoint.interventions import Fields, turned
from genstruct.viewpoint.published import averaged_azimuth, graph_by, published_graph, walk
from genstruct.viewpoint.realism import Retrieval, cells, realism_of
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.views import ViewGrid

TURN = math.radians(12)
FRONT = ViewGrid(1, 0.0, 0.0, 1)


@pytest.mark.parametrize(("yaw", "pitch"), [(-0.6, 0.0), (0.0, 0.5), (0.9, -0.4)])
@pytest.mark.parametrize("turn", [TURN, -TURN])
def test_planes_turn_by_the_exact_homography(yaw, pitch, turn):
    mesh = surface_mesh(plane(yaw, pitch), 0.7)
    fields = mesh_fields(mesh, FRONT, turn, DISTANCE, SIZE)
    azimuth = torch.tensor([0.0, turn])
    before, after = boxed_camera(mesh, azimuth, torch.zeros(2), DISTANCE, SIZE).intrinsics
    base = Camera.orbit(0.0, 0.0, DISTANCE, DISTANCE * SIZE, (SIZE, SIZE))
    # The camera goes to the right by the turn: the object turns to the left about its axis.
    right, up = math.tan(yaw) / math.cos(pitch), math.tan(pitch)
    rotation = about_y(torch.tensor([-turn]))
    flat = Plane(torch.tensor([[right, up, 1.0]]))
    back = plane_homography(flat.turned(rotation), rotation.mT, base).matrix[0]
    place = before @ base.intrinsics[0].inverse() @ back @ base.intrinsics[0] @ after.inverse()
    pixel = torch.cartesian_prod(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5).flip(1)
    exact = torch.cat([pixel, torch.ones(len(pixel), 1)], 1) @ place.mT
    exact = (exact[:, :2] / exact[:, 2:]).unflatten(0, (SIZE, SIZE))
    inside = fields.alpha[0, 0] > 0
    found = (fields.source[0] + 1) * (SIZE / 2)
    assert inside.double().mean() > 0.3
    torch.testing.assert_close(found[inside], exact[inside], atol=2e-2, rtol=0)


def test_an_upright_plane_only_stretches_the_picture_whichever_way_it_turns():
    mesh = surface_mesh(plane(0.5, 0.0), 1.0)
    for turn in (TURN, -TURN):
        fields = mesh_fields(mesh, FRONT, turn, WEAK, SIZE)
        inside = fields.alpha[0, 0] > 0
        x, y = fields.source[0].unbind(-1)
        here = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
        # Each axis by itself, about the middle: nothing tells left from right.
        for axis, values in ((here, x), (here[:, None], y)):
            ratio = (values / axis.expand(SIZE, SIZE))[inside & (axis.expand(SIZE, SIZE).abs() > 0.3)]
            assert ratio.std() < 0.03


@pytest.mark.parametrize("name", PROXIES)
def test_what_bulges_towards_the_viewer_moves_with_the_turn(name):
    depth, lean = PROXIES[name]
    crops = crops_of(body(0.4), torch.zeros(3), torch.tensor([0.0, 0.3, 0.6]))
    hypothesis = proxy_hypothesis(crops, depth, lean)
    assert hypothesis.state.shape == (3,) and hypothesis.states == len(hypothesis.meshes)
    there, back = (
        hypothesis.fields(turn, SIZE).source[hypothesis.state[0], SIZE // 2, SIZE // 2, 0] for turn in (0.2, -0.2)
    )
    # Seen from further right, the middle shows what was to the right of it.
    assert there > 0.02 and back < -0.02


def shifted(by):
    """A field that shifts everything by so many pixels."""
    here = (torch.arange(SIZE) + 0.5) * 2 / SIZE - 1
    return torch.stack(torch.meshgrid(here + by * 2 / SIZE, here, indexing="xy"), -1)


def test_cells_of_a_crop_are_turned_each_by_its_own_field():
    rng = torch.Generator().manual_seed(0)
    crops = ObjectCrops(torch.rand(2, 3, SIZE, SIZE, generator=rng), torch.ones(2, 1, SIZE, SIZE), torch.zeros(2, 3))
    fields = Fields(torch.stack([shifted(0), shifted(5), shifted(-3)]), torch.ones(3, 1, SIZE, SIZE))
    state = torch.tensor([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])
    made = turned(crops, fields, state).images
    half = SIZE // 2
    for image in range(2):
        for row in range(2):
            for column in range(2):
                alone = turned(crops, fields, state[:, row, column]).images[image]
                place = (slice(row * half, (row + 1) * half), slice(column * half, (column + 1) * half))
                torch.testing.assert_close(made[image, :, *place], alone[:, *place])


def test_a_chosen_hypothesis_turns_each_image_by_its_own():
    azimuth = torch.tensor([0.3, 1.0, 2.0])
    crops = crops_of(body(), azimuth, torch.zeros(3))
    alternatives = [proxy_hypothesis(crops, *PROXIES[name]) for name in ("roof", "ellipsoid")]
    chosen = ChosenHypothesis(alternatives, torch.tensor([1, 0, 1]))
    made = turned(crops, chosen.fields(TURN, SIZE), chosen.state)
    for image, choice in enumerate([1, 0, 1]):
        own = alternatives[choice]
        alone = turned(crops, own.fields(TURN, SIZE), own.state)
        torch.testing.assert_close(made.images[image], alone.images[image])
    cells = ChosenHypothesis(alternatives, torch.tensor([[[1, 0], [0, 0]]] * 3))
    assert (cells.state[:, 0, 0] == chosen.alternatives[1].state + alternatives[0].states).all()


def test_realism_is_the_mean_of_the_most_similar_other_crops():
    azimuth = torch.arange(8) * (math.tau / 8)
    crops = crops_of(body(), azimuth, torch.full((8,), 0.2))
    made = crops_of(body(), azimuth + 0.1, torch.full((8,), 0.2))
    found = Retrieval(crops, top=2)(made)
    plain, mirror = describe(crops.images, crops.masks), describe(crops.images.flip(-1), crops.masks.flip(-1))
    for number, features in enumerate(describe(made.images, made.masks)):
        others = [set_[other] @ features for set_ in (plain, mirror) for other in range(8) if other != number]
        assert found[number].item() == pytest.approx(sum(sorted(map(float, others))[-2:]) / 2, abs=1e-5)


def test_the_true_shape_is_more_real_than_a_wrong_one():
    azimuth = torch.arange(36) * (math.tau / 36)
    crops = crops_of(body(), azimuth, torch.full((36,), 0.3))
    grid = ViewGrid(36, 0.0, 0.6, 3)
    view = grid.nearest(azimuth, torch.full((36,), 0.3))
    right = ShapeHypothesis([body()], grid, DISTANCE, view)
    wrong = ShapeHypothesis([body()], grid, DISTANCE, grid.nearest(azimuth + math.pi / 3, torch.full((36,), 0.3)))
    turns = (math.radians(10), -math.radians(10))
    scores = realism_of(crops, [right, wrong], Retrieval(crops, top=1), turns)
    assert (scores[:, 0] > scores[:, 1]).double().mean() > 0.9


def test_features_of_a_cell_know_nothing_of_the_others():
    rng = torch.Generator().manual_seed(0)
    images, masks = torch.rand(1, 3, SIZE, SIZE, generator=rng), torch.ones(1, 1, SIZE, SIZE)
    other = images.clone()
    other[..., SIZE // 2 + 16 :] = 0
    one, two = (F.normalize(cells(2)(describe(each, masks)), dim=-1) for each in (images, other))
    assert one.shape == (4, 1, 4 * 4 * 72)
    same = [torch.allclose(one[part], two[part], atol=1e-5) for part in range(4)]
    assert same == [True, False, True, False]


def test_views_are_carried_along_a_tree_and_averaged_over_all_edges():
    start, end = torch.tensor([0, 1, 3, 0]), torch.tensor([2, 2, 4, 1])
    turn = torch.tensor([0.2, -0.3, 0.4, 0.5])
    nothing = torch.zeros(4)
    edges = Edges(start, end, nothing.bool(), turn, nothing, ~nothing.bool())
    azimuth = walk(edges[torch.tensor([0, 1, 2])], 5)
    torch.testing.assert_close(azimuth, torch.tensor([0.0, 0.5, 0.2, 0.0, 0.4]))
    torch.testing.assert_close(averaged_azimuth(edges, azimuth), azimuth, atol=1e-4, rtol=0)
    off = azimuth + torch.tensor([0.0, 0.1, -0.1, 0.0, 0.0])
    again = averaged_azimuth(edges, off)
    torch.testing.assert_close(again[2] - again[0], torch.tensor(0.2), atol=1e-3, rtol=0)


def test_a_graph_from_interventions_alone_knows_turns_with_the_right_shape():
    azimuth = torch.arange(36) * (math.tau / 36)
    crops = crops_of(body(), azimuth, torch.full((36,), 0.3))
    grid = ViewGrid(36, 0.0, 0.6, 3)
    hypothesis = ShapeHypothesis([body()], grid, DISTANCE, grid.nearest(azimuth, torch.full((36,), 0.3)))
    found = graph_by(crops, hypothesis, PaperConfig(degrees=10.0, claims=1))
    off = azimuth[found.edges.end] - azimuth[found.edges.start] - found.edges.turn
    moved = found.edges.turn != 0
    assert (torch.atan2(off.sin(), off.cos()).abs() < 0.18)[moved].double().mean() > 0.9
    assert len(found.azimuth) == len(found.averaged) == 36


def test_the_published_system_runs_with_planes_and_with_piecewise_planes():
    azimuth = torch.arange(12) * (math.tau / 12)
    crops = crops_of(body(), azimuth, torch.full((12,), 0.3))
    for each in (1, 2):
        found = published_graph(crops, PaperConfig(yaws=(-30.0, 30.0), pitches=(0.0,), cells=each, claims=2))
        assert found.azimuth.isfinite().all() and found.nodes.of.min() == 0 and not found.edges.mirrored.any()
