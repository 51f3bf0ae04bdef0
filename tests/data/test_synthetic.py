import json

import numpy as np
import pytest
from PIL import Image

from genstruct.data.sources import open_source
from genstruct.data.synthetic import AREA, CATEGORIES, make_scenes, write_scenes
from genstruct.errors import ConfigError, OutputError


def test_a_scene_depends_on_seed_and_number_only():
    many, few = make_scenes(70, 16, seed=4), make_scenes(3, 16, seed=4)  # 70 are drawn in two pieces
    assert np.array_equal(many.images[:3], few.images)
    assert np.array_equal(many.masks[:3], few.masks)
    assert not np.array_equal(make_scenes(3, 16, seed=5).images, few.images)
    assert len(np.unique(many.images.reshape(70, -1), axis=0)) == 70


def test_a_scene_is_the_same_at_every_size():
    large, small = make_scenes(6, 96, seed=1), make_scenes(6, 24, seed=1)
    for number in range(6):
        shrunk = np.asarray(Image.fromarray(large.images[number]).reduce(4)).astype(float)
        assert np.abs(shrunk - small.images[number]).mean() < 6
        mask = np.asarray(Image.fromarray(large.masks[number]).reduce(4)).astype(float)
        assert np.abs(mask - small.masks[number]).mean() < 3


@pytest.mark.parametrize("category", CATEGORIES)
def test_objects_have_the_stated_area_lie_inside_and_have_hard_edges(category):
    masks = make_scenes(40, 32, seed=2, category=category).masks
    area = masks.mean((1, 2)) / 255
    assert area.min() > 0.08  # long shapes are made smaller where they would leave the picture
    assert area.max() < AREA[1] + 0.02
    border = np.concatenate([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], 1)
    assert border.max() == 0
    assert ((masks > 0) & (masks < 255)).mean() < 0.12  # coverage is partial along the outline only


@pytest.mark.parametrize("category", CATEGORIES)
def test_objects_lie_around_the_middle_and_move(category):
    masks = make_scenes(60, 32, seed=3, category=category).masks / 255.0
    places = np.arange(32) + 0.5 - 16
    x = (masks * places).sum((1, 2)) / masks.sum((1, 2))
    y = (masks * places[:, None]).sum((1, 2)) / masks.sum((1, 2))
    assert abs(x.mean()) < 1.2
    assert abs(y.mean()) < 1.2
    assert x.std() > 0.8
    assert y.std() > 0.8


def test_backgrounds_know_nothing_of_the_object():
    """With other objects on the same backgrounds, pixels that neither object covers are the same."""
    fish, stars = make_scenes(8, 32, seed=6, category="fish"), make_scenes(8, 32, seed=6, category="stars")
    free = (fish.masks == 0) & (stars.masks == 0)
    assert free.mean() > 0.4
    assert np.array_equal(fish.images[free], stars.images[free])
    assert not np.array_equal(fish.images, stars.images)


def test_color_does_not_give_the_object_away():
    scenes = make_scenes(200, 8, seed=7)
    inside = [image[mask == 255].mean(0) for image, mask in zip(*scenes, strict=True)]
    outside = [image[mask == 0].mean(0) for image, mask in zip(*scenes, strict=True)]
    inside, outside = np.array(inside), np.array(outside)
    assert np.abs(inside.mean(0) - outside.mean(0)).max() < 0.5 * outside.std(0).max()
    correlation = [np.corrcoef(inside[:, c], outside[:, c])[0, 1] for c in range(3)]
    assert np.abs(correlation).max() < 0.25  # 3.5 standard errors of 200 independent pairs


def test_backgrounds_without_bands_are_calmer():
    busy, calm = make_scenes(16, 24, seed=8), make_scenes(16, 24, seed=8, bands=0)
    assert np.array_equal(busy.masks, calm.masks)
    assert not np.array_equal(busy.images, calm.images)


def test_a_written_set_reads_back_with_its_masks_and_boxes(tmp_path):
    folder = write_scenes(tmp_path / "fish", 5, 16, seed=9)
    scenes = make_scenes(5, 16, seed=9)
    source = open_source(folder)
    assert source.notes == ()
    assert source.names[0] == "images/00000.png"
    for number in range(5):
        assert np.array_equal(source.image(number), scenes.images[number])
        assert np.array_equal(source.mask(number), scenes.masks[number])
    record = source.records["images/00002.png"]
    x0, y0, x1, y1 = (int(edge) for edge in record.box)
    covered = scenes.masks[2] > 127
    assert covered[y0:y1, x0:x1].sum() == covered.sum()
    assert covered[y0].any()
    assert covered[:, x1 - 1].any()
    assert record.category == "fish"
    line = json.loads((folder / "metadata.jsonl").read_text().splitlines()[2])
    assert line["area_fraction"] == pytest.approx(scenes.masks[2].mean() / 255, abs=1e-4)


def test_a_set_is_not_written_over_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files; choose a new folder"):
        write_scenes(tmp_path, 2, 16)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ConfigError, match="choose one of fish, ellipses, polygons, stars"):
        make_scenes(1, 16, category="cats")
    with pytest.raises(ConfigError, match="at least 1 scene of at least 4 px"):
        make_scenes(0, 16)
