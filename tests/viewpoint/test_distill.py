"""What a network is taught: views that follow the mirror, pictures that keep their object, and no unsure photo."""

import math
from dataclasses import replace
from pathlib import Path

import torch
from finished import finished
from known import GRID, known_graph, seen, views
from rendered import random_views

from genstruct.data.batches import Batches
from genstruct.run.stages import StageRunner, silent
from genstruct.train.config import TrainConfig
from genstruct.train.method import Step
from genstruct.train.randomness import Draws
from genstruct.viewpoint.config import DistillConfig, FitConfig
from genstruct.viewpoint.distill import Distillation, bent, crops_archive, distill, elsewhere, held_out, moved
from genstruct.viewpoint.model import ViewGraph
from genstruct.viewpoint.parts import apart

DRAWS = Draws(0, 0, 0, 8, 8)
STILL = DistillConfig(widths=(8, 8), shift=0.0, scale=0.0, rotation=0.0, swap=0.0, mask_noise=0.0, color=0.0)


def test_labels_follow_the_mirror():
    graph = known_graph(count=40)
    rows = torch.ones(40, dtype=torch.bool)
    with Batches(crops_archive(graph, rows), 8, 0, prefetch=False) as batches:
        batch = batches.at(0)
    method = Distillation(GRID, replace(STILL, softness=2.0))
    images, taught, weight = method.views(batch, Step(0, 0, 100, DRAWS))
    flip = DRAWS.uniform("flip") < 0.5
    assert 0 < flip.sum() < 8
    azimuth = graph.views.azimuth[batch.index]
    found, _ = GRID.mean_view(taught)
    off = found - torch.where(flip, -azimuth, azimuth)
    assert torch.atan2(off.sin(), off.cos()).abs().max() < math.radians(1)
    given = torch.nn.functional.interpolate(batch.masks, 48, mode="bilinear", antialias=True)
    shown = torch.where(flip[:, None, None, None], given.flip(3), given)
    assert (images[:, 3:] - shown).abs().mean() < 0.06 and weight.eq(1).all()


def test_undetermined_photos_weigh_nothing_and_held_out_ones_are_not_there():
    graph = finished(size=32)
    back = held_out(graph, 0.3, 0)
    assert 0 < back.sum() < len(graph.photos) and torch.equal(back, held_out(graph, 0.3, 0))
    archive = crops_archive(graph, ~back)
    assert len(archive) == (~back).sum()
    assert archive.fields["confidence"].tolist() == torch.where(graph.views.determined, 1.0, 0.0)[~back].tolist()


def test_an_object_before_another_picture_stays_as_it_is():
    crops = seen(*random_views(8))
    there = elsewhere(crops.images, crops.masks, DRAWS, 1.0)
    inside, outside = crops.masks.eq(1).expand(-1, 3, -1, -1), crops.masks.eq(0).expand(-1, 3, -1, -1)
    partner = crops.images[[1, 0, 3, 2, 5, 4, 7, 6]].flip(2)
    assert torch.allclose(there[inside], crops.images[inside]) and torch.allclose(there[outside], partner[outside])
    assert torch.equal(elsewhere(crops.images, crops.masks, DRAWS, 0.0), crops.images)


def test_outlines_are_wrong_only_at_the_outline():
    masks = torch.zeros(8, 1, 48, 48)
    masks[..., 12:36, 12:36] = 1
    changed = (bent(masks, DRAWS, 0.3) > 0.5) != (masks > 0.5)
    assert changed.any()
    assert not changed[..., :9, :].any() and not changed[..., 16:32, 16:32].any()


def test_moves_shift_picture_and_mask_together():
    crops = seen(*random_views(8))
    still = torch.zeros(8, dtype=torch.bool)
    both = moved(torch.cat([crops.masks.expand(-1, 3, -1, -1), crops.masks], 1), still, DRAWS, DistillConfig())
    inside = both[:, 3:] > 0.99
    assert (both[:, :1][inside] > 0.97).all() and both.shape[2:] == (48, 48)


def test_a_network_learns_what_the_graph_knows(tmp_path: Path):
    graph = known_graph()
    model = ViewGraph.of(graph, FitConfig())
    train = TrainConfig(images=6400, batch=32, device="cpu", threads=1, tensorboard=False, preview_every_images=0)
    runner = StageRunner(train, tmp_path, silent)
    config = replace(STILL, widths=(8, 16, 16), lr=1e-2, held_out=0.2)
    with runner.stage("network") as progress:
        taught = distill(runner, progress, graph, model, config, train, tmp_path / "network")
    azimuth, elevation = random_views(40, 7)
    found = taught.views_of(seen(azimuth, elevation), "network")
    assert apart(found, views(azimuth, elevation)).rad2deg().median() < 25
    place = tmp_path / "taught.safetensors"
    place.write_bytes(taught.encode())
    again = ViewGraph.load(place, "cpu").views_of(seen(azimuth, elevation), "network")
    assert torch.equal(again.azimuth, found.azimuth) and torch.equal(again.confidence, found.confidence)
