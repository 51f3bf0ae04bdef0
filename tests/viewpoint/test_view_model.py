"""A view graph tells the views of new photos, says when it does not know, and survives its file."""

import math

import pytest
import torch
from known import GRID, SIZE, known_graph, seen, views
from rendered import random_views

from genstruct.errors import CheckpointError, ConfigError, ShapeError
from genstruct.run.publish import half_precision
from genstruct.run.weights import Model
from genstruct.viewpoint.config import FitConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.model import ViewGraph
from genstruct.viewpoint.network import ViewNetwork
from genstruct.viewpoint.parts import apart


@pytest.fixture(scope="module")
def graph():
    return known_graph()


@pytest.fixture(scope="module")
def model(graph):
    return ViewGraph.of(graph, FitConfig(), {"data": "wedges", "segmenter": "wedge"})


@pytest.fixture(scope="module")
def photos():
    """Crops of views that are not in the graph, and these views."""
    azimuth, elevation = random_views(60, 7)
    return seen(azimuth, elevation), views(azimuth, elevation)


def test_new_photos_are_seen_from_where_they_were_taken(model, photos):
    crops, true = photos
    found = model.views_of(crops)
    off = apart(found, true).rad2deg()
    assert off.median() < 9 and (off < 25).float().mean() > 0.9  # the shape is not even the right one
    assert (found.candidates[:, 0, 2] > 0).all() and (found.candidates[..., 2].sum(1) <= 1 + 1e-5).all()


def test_a_mirror_image_has_the_mirrored_view(model, photos):
    crops, _ = photos
    there = model.views_of(crops)
    flipped = model.views_of(ObjectCrops(crops.images.flip(-1), crops.masks.flip(-1), crops.squares))
    turned = torch.atan2((there.azimuth + flipped.azimuth).sin(), (there.azimuth + flipped.azimuth).cos())
    assert turned.abs().median() < math.radians(1)
    assert torch.allclose(there.confidence, flipped.confidence, atol=0.02)


def test_noise_is_less_sure_than_photos(model, photos):
    crops, _ = photos
    noise = torch.rand(crops.images.shape, generator=torch.Generator().manual_seed(0))
    coarse = torch.rand(60, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    blobs = (torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bilinear") > 0.5).float()
    doubtful = model.views_of(ObjectCrops(noise, blobs, crops.squares))
    assert doubtful.confidence.max() < 0.5 < 0.8 < model.views_of(crops).confidence.median()


def test_batches_do_not_matter(model, photos):
    crops, _ = photos
    together, alone = model.views_of(crops), model.views_of(crops[torch.tensor([11])])
    assert torch.allclose(together.azimuth[11:12], alone.azimuth, atol=1e-4)
    assert torch.allclose(together.confidence[11:12], alone.confidence, atol=1e-4)


def test_a_file_gives_the_same_answers_and_half_precision_nearly_the_same(model, photos, tmp_path):
    crops, _ = photos
    assert isinstance(model, Model)
    place = tmp_path / "wedges.safetensors"
    place.write_bytes(model.encode())
    loaded = ViewGraph.load(place, "cpu")
    before, after = model.views_of(crops), loaded.views_of(crops)
    assert torch.equal(before.azimuth, after.azimuth) and torch.equal(before.confidence, after.confidence)
    assert loaded.fingerprint == model.fingerprint and loaded.card["segmenter"] == "wedge"
    rounded = model.changed(half_precision(model.parts), model.card)
    place.write_bytes(rounded.encode(half=True))
    small = ViewGraph.load(place, "cpu")
    assert apart(small.views_of(crops), before).median() < math.radians(0.5)
    assert small.fingerprint == rounded.fingerprint != model.fingerprint
    assert torch.equal(small.views_of(crops).azimuth, rounded.views_of(crops).azimuth)


def test_damaged_files_are_refused_with_their_name(model, tmp_path):
    contents = model.encode()
    for name, wrong in {
        "cut": contents[: len(contents) // 2],
        "none": contents.replace(b"genstruct view graph", b"genstruct view grape"),
        "azimuths": contents.replace(b'\\"azimuths\\"', b'\\"azimuthz\\"'),
    }.items():
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(CheckpointError, match=name):
            ViewGraph.load(tmp_path / name, "cpu")


def test_photos_of_any_size_with_masks_of_their_own(model, photos):
    crops, _ = photos
    wide = torch.nn.functional.pad(crops.images[3], (40, 10, 5, 30))
    mask = torch.nn.functional.pad(crops.masks[3], (40, 10, 5, 30))
    found = model.predict([wide, crops.images[4]], [mask, crops.masks[4]])
    cut = model.views_of(crops[torch.tensor([3, 4])])  # the same objects, cut out by hand
    assert (apart(found, cut) < math.radians(5)).all()
    none = model.predict([wide, wide], [torch.zeros_like(mask), torch.ones_like(mask)])
    assert none.confidence.tolist() == [0, 0] and not none.candidates.any()
    assert len(model.predict([])) == 0 and len(model.predict([wide])) == 1


@pytest.mark.parametrize("masks", [[], [torch.zeros(1, 5, 5)]], ids=["none", "size"])
def test_masks_that_belong_to_no_image_are_refused(model, masks):
    with pytest.raises(ShapeError, match="mask"):
        model.predict([torch.zeros(3, 8, 8)], masks)


def test_a_network_is_asked_only_where_there_is_one(model, graph, photos):
    crops, _ = photos
    with pytest.raises(ConfigError, match="no distilled network"):
        model.views_of(crops, "network")
    torch.manual_seed(0)
    taught = model.with_network(ViewNetwork(len(GRID), (8, 8)).eval(), graph, torch.arange(0, 160, 8))
    found = taught.views_of(crops, "network")
    assert found.confidence.isfinite().all() and found.confidence.mean() < 0.6  # it has learned nothing yet
    again = taught.encode()
    assert b'\\"widths\\": [8, 8]' in again
