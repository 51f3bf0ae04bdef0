"""Views and shape are found together, and edges and nodes from them, on renderings whose views are known."""

import json
import math
from dataclasses import replace

import pytest
import torch
from rendered import photographed, random_views, wedge

from genstruct.geometry.camera import Camera
from genstruct.metrics.viewpoint import score_views
from genstruct.viewpoint.appearance import appearance
from genstruct.viewpoint.config import FitConfig, GridConfig, GrowConfig, PriorConfig
from genstruct.viewpoint.descriptors import describe
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Images, Problem
from genstruct.viewpoint.fitting import (
    best,
    category,
    finish,
    grow,
    narrowed,
    orbit,
    pack_fit,
    shown_elevations,
    start,
    unpack_fit,
)
from genstruct.viewpoint.neighbors import find_neighbors
from genstruct.viewpoint.nodes import components, group, spanning_tree
from genstruct.viewpoint.selection import confidence

COUNT = 240


@pytest.fixture(scope="module")
def scene():
    return photographed(wedge(), *random_views(COUNT))


@pytest.fixture(scope="module")
def found(scene):
    """The problem, a fit of it, and the energies on the way."""
    images, masks, _ = scene
    plain, mirrored = describe(images, masks), describe(images.flip(-1), masks.flip(-1))
    near = find_neighbors(plain, plain, mirrored, 6, own=True)
    place = orbit(PriorConfig(lowest=0, highest=32), GridConfig())
    problem = Problem(Images(appearance(images, masks)), near, place, FitConfig(iterations=10))
    energies: list[float] = []
    fit = start(problem, PriorConfig(), 0, lambda done, rounds, energy: energies.append(energy))
    return problem, fit, energies


def scores(fit, scene):
    azimuth, elevation = fit.orbit.grid.mean_view(fit.q)
    return score_views(Camera.orbit(azimuth, elevation, 2.6, 64.0, (64, 64)).rotation, scene[2])


def test_views_of_an_unknown_shape_are_recovered_within_degrees(scene, found):
    problem, fit, energies = found
    weaker = replace(
        problem, config=replace(problem.config, last_strength=1.0)
    )  # of 240, 6 are not all of the same view
    views = scores(finish(weaker, fit, GridConfig()), scene)
    assert views.median < 3 and views.within(15) > 0.98 and not views.mirrored
    assert len(energies) == 10 and energies[-1] < energies[FitConfig().fade_in]


def test_several_shapes_share_the_frame_of_the_first(scene, found):
    problem, fit, _ = found
    grown = grow(problem, fit, GrowConfig(shapes=2, rounds=2, bends=4, tries=1), seed=0)
    last = finish(problem, grown, GridConfig(finer=1))
    assert scores(last, scene).median < 4
    assert last.shares.shape == (COUNT, 2) and last.shares[:, 0].mean() >= last.shares[:, 1].mean()
    assert category(last).findings["shapes"] == 2 == len(category(last).templates)


def test_elevations_that_few_images_show_are_left_out(found):
    _, fit, _ = found
    q = torch.zeros(COUNT, fit.orbit.grid.azimuths, 5)
    for number, share in enumerate((0.1, 0.3, 0.4, 0.19, 0.01)):
        q[:, 3, number] = share
    lowest, highest, shares = shown_elevations(replace(fit, q=q.flatten(1)))
    assert [round(math.degrees(end)) for end in (lowest, highest)] == [4, 20]
    assert shares == pytest.approx([0.1, 0.3, 0.4, 0.19, 0.01])


def test_a_problem_is_narrowed_to_the_elevations_that_are_shown(found):
    problem, fit, _ = found
    narrow = narrowed(problem, fit, GridConfig(step=5))
    grid = narrow.orbit.grid
    assert grid.lowest < math.radians(6) and grid.highest > math.radians(26)
    assert math.degrees(grid.highest - grid.lowest) / (grid.elevations - 1) == pytest.approx(5, abs=0.6)
    assert narrow.findings["elevations"] == [round(math.degrees(end), 1) for end in (grid.lowest, grid.highest)]


def test_a_fit_comes_back_from_its_parts(found):
    _, fit, _ = found
    tensors, about = pack_fit(fit)
    again = unpack_fit(tensors, json.loads(json.dumps(about)))
    assert again.orbit == fit.orbit and again.energy == fit.energy and again.findings == fit.findings
    torch.testing.assert_close(again.q, fit.q, atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(again.templates[0].mesh().vertices, fit.templates[0].mesh().vertices)


def test_the_start_of_the_lowest_energy_is_the_best(found):
    _, fit, _ = found
    assert best([fit, replace(fit, energy=fit.energy - 1), replace(fit, energy=fit.energy + 1)]) == 1


def edges(rows):
    """(start, end, turn, agrees) with falling similarity."""
    start, end, turn, agrees = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Edges(start, end, torch.zeros(len(rows), dtype=torch.bool), turn, torch.linspace(1, 0, len(rows)), agrees)


ROWS = [(0, 1, 0.0, True), (1, 2, 0.2, True), (0, 2, 0.2, True), (3, 4, 0.0, True), (2, 3, 0.0, False)]


def test_components_are_numbered_by_their_size_and_rejected_edges_do_not_join():
    found = edges(ROWS)
    assert components(found[found.agrees], 6).tolist()[:5] == [0, 0, 0, 1, 1]
    assert components(found, 6).tolist()[:5] == [0, 0, 0, 0, 0]


def test_the_spanning_tree_takes_the_most_similar_edges_that_join():
    assert spanning_tree(edges(ROWS), 6).tolist() == [0, 1, 3, 4]


def test_nodes_hold_verified_partners_of_one_view_and_sure_images_only():
    azimuth = torch.tensor([0.0, 0.1, 0.2, 2.0, 2.5, 0.0])
    nodes = group(edges(ROWS), azimuth, torch.zeros(6), confidence(edges(ROWS), 6), 0.2)
    assert nodes.of[0] == nodes.of[1] and nodes.of[3] != nodes.of[4] and nodes.of[5] == -1
