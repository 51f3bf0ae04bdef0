import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from genstruct.data.sources import open_source
from genstruct.data.synthetic import write_scenes
from genstruct.errors import OutputError
from genstruct.experiments import load_experiment
from genstruct.run.demo import DemoConfig, claim, prepare_photos, split
from genstruct.run.pace import Pace
from genstruct.segmentation import showcase
from genstruct.segmentation.segmenter import Segmenter
from genstruct.segmentation.showcase import run_demo
from genstruct.segmentation.showcase_pace import LOWEST, find_pace, shortened
from genstruct.segmentation.showcase_page import layers_of
from genstruct.train.pace import Work

TINY = Path(__file__).parents[2] / "configs" / "tiny" / "segmentation.yaml"
SMALL = DemoConfig(train=24, test=4, size=20)


@pytest.fixture(scope="module")
def experiment():
    return load_experiment(TINY)


@pytest.fixture(scope="module")
def demo(experiment, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    said = []
    report = run_demo(experiment, out, SMALL, [Path("nowhere/cars.safetensors")], say=said.append)
    return report, said


def test_the_demo_trains_predicts_scores_and_writes_a_page_and_a_sheet(demo):
    report, said = demo
    assert report.finished
    assert set(report.scores) == {"trained just now", "trained just now, refined by each photo's colours"}
    assert all(len(masks.images) == 4 and not masks.failures for masks in report.scores.values())
    page = report.page.read_text()
    assert "Scores" in page
    assert page.count('<tr class="strong">') == 1
    assert "What the generator makes" in page
    columns = ["photo", "background", "foreground", "mask", "composite", "cut-out", "true mask"]
    assert all(f">{name}</div>" in page for name in columns)
    with Image.open(report.sheet) as sheet:
        # 3 photos refined and 3 generated scenes, in cells of 192 px
        assert 6 * 192 < sheet.height < 7 * 192 + 100
        assert sheet.width > 7 * 192
    assert json.loads((report.page.parent / "scores.json").read_text())["trained just now"]["scored"] == 4
    assert len(said) == 3


def test_a_demo_with_a_time_tells_its_plan_and_what_is_left_and_goes_on_with_the_training_it_began(
    experiment, tmp_path, monkeypatch
):
    out, config, asked, said = tmp_path / "out", replace(SMALL, minutes=0.5), [], []
    plan = Pace(0.5, (Work("generator", 61.0), Work("distil", 30.0), Work("masks", 9.0, scales=False)))
    monkeypatch.setattr(showcase, "find_pace", lambda *arguments: asked.append(arguments) or plan)
    report = run_demo(experiment, out, config, [Path("nowhere")], say=said.append, began=time.perf_counter() - 20)
    ((_, photos, masks, seconds),) = asked
    assert (photos, masks) == (24, 3 * 4)
    assert seconds < 10.0
    assert "The training was 50% of the configured length." in report.page.read_text()
    assert said[1:3] == ["measuring this machine", f"{plan.describe()}"]
    assert "that is more than the" in said[3]
    assert said[4:6] == [
        "generator: about 1:40 left of the whole demo",
        "distil: about 0:39 left of the whole demo",
    ]
    learned = yaml.safe_load((out / "run" / "config.yaml").read_text())
    assert 2 * learned["train"]["images"] == experiment.train.images
    again = []
    assert run_demo(experiment, out, config, say=again.append).length == 0.5
    assert len(asked) == 1 and "going on with 50% of the configured images, as begun" in again
    with pytest.raises(OutputError, match="holds a demo of other"):
        run_demo(experiment, out, replace(config, minutes=61.0))
    (out / "pace.json").write_text("{}")
    with pytest.raises(OutputError, match=r"pace\.json is damaged"):
        run_demo(experiment, out, config)


def test_a_plan_has_every_part_that_takes_time_and_shortens_only_trainings(experiment):
    plan = find_pace(experiment, 24, 8, 0.0)
    assert plan.factor == LOWEST
    assert [(work.name, work.scales) for work in plan.works] == [
        ("generator", True),
        *(("distil", True), ("distil: cut", False)),
        *(("round 1: label", False), ("round 1", True), ("round 1: cut", False)),
        ("masks", False),
    ]
    seconds = {work.name: work.seconds for work in plan.works}
    assert min(seconds.values()) > 0
    assert seconds["round 1: label"] == pytest.approx(3 * seconds["masks"])  # 24 photos, 8 masks
    assert plan.left_from("round 1: cut") == pytest.approx(seconds["round 1: cut"] + seconds["masks"])
    assert plan.left_from("pairs") is None


def test_a_shortened_training_has_whole_steps_and_the_same_schedule(experiment):
    shorter = shortened(experiment, 0.5)
    for before, after in ((experiment.train, shorter.train), (experiment.distil, shorter.distil)):
        assert abs(after.images - before.images / 2) <= after.batch / 2
        assert after.images % after.batch == 0
    assert shorter.train.ema_half_life_images == experiment.train.ema_half_life_images / 2
    assert [stage.size for stage in shorter.rounds] == [stage.size for stage in experiment.rounds]
    assert shortened(experiment, 1e-9).distil.images == experiment.distil.batch


def test_missing_weights_are_noted_on_the_page_and_do_not_stop_the_demo(demo):
    report, _ = demo
    assert report.notes == ["nowhere/cars.safetensors is not there, so nothing is compared with shipped weights."]
    assert report.notes[0] in report.page.read_text()


def test_a_second_run_reuses_what_is_there_and_compares_with_weights_that_have_come(demo, experiment, tmp_path):
    first, _ = demo
    out = first.page.parent
    learned = out / "run" / "round-1" / "segmenter.safetensors"
    before = learned.stat().st_mtime_ns
    own = Segmenter.load(out / "run")
    own.card["data"] = "cars of our own"
    file = tmp_path / "cars.safetensors"
    file.write_bytes(own.encode(half=True))
    report = run_demo(experiment, out, SMALL, [file])
    assert learned.stat().st_mtime_ns == before
    assert report.notes == []
    assert "shipped weights cars.safetensors" in report.scores
    assert "have learned from cars of our own" in report.page.read_text()


def test_another_demo_is_not_written_over(demo, tmp_path):
    with pytest.raises(OutputError, match="holds a demo of other photos"):
        claim(demo[0].page.parent, replace(SMALL, data="mine"))
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="holds other files"):
        claim(tmp_path, SMALL)


def test_photos_that_are_given_are_sampled_with_their_masks_and_split(tmp_path):
    write_scenes(tmp_path / "mine", 10, 16)
    photos = prepare_photos(tmp_path / "photos", DemoConfig(str(tmp_path / "mine"), train=6, test=2))
    assert photos.truth
    assert photos.about == f"6 of 10 photos of {tmp_path / 'mine'} to learn from, 2 others to make masks for"
    with open_source(photos.train) as train, open_source(photos.test) as test:
        assert (len(train), len(test)) == (6, 2)
        assert not set(train.names) & set(test.names)
        with open_source(tmp_path / "mine") as mine:
            place = mine.names.index(test.names[1].removeprefix("images/"))
            np.testing.assert_array_equal(test.mask(1), mine.mask(place))


def test_few_photos_serve_for_both_and_a_plain_folder_has_no_truth(tmp_path):
    for name in ("a.png", "trip/b.png"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), "red").save(tmp_path / "mine" / name)
    photos = prepare_photos(tmp_path / "photos", DemoConfig(str(tmp_path / "mine"), train=6, test=2))
    assert not photos.truth
    assert photos.about.endswith("2 of the same to make masks for")
    with open_source(photos.test) as test:
        assert test.names == ("images/a.png", "images/trip/b.png")


@pytest.mark.parametrize(("count", "learned", "shown"), [(5000, 1000, 60), (100, 40, 60), (200, 140, 60), (1, 1, 1)])
def test_a_split_takes_no_more_than_it_was_told_and_tests_on_others_where_it_can(count, learned, shown):
    train, test = split(count, 1000, 60)
    if count < 4 * 60:
        learned, shown = count, min(count, 60)
    assert (len(train), len(test)) == (learned, shown)
    assert bool(set(train) & set(test)) == (count < 4 * 60)
    assert max(train + test) < count


def test_a_photo_is_its_layers_laid_over_each_other():
    photo = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:9, 4:9] = 1
    row = layers_of(photo, mask)
    torch.testing.assert_close(row["foreground"] * mask, photo * mask)
    torch.testing.assert_close(row["composite"][:, 4:9, 6:11], photo[:, 4:9, 4:9])  # moved by an eighth of 16 px
    torch.testing.assert_close(row["cut-out"], torch.cat([photo, mask]))
