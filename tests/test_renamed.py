"""Configurations and runs of before: what has a new name is told, or brought forward."""

from functools import partial
from pathlib import Path

import pytest
import yaml

from genstruct.configuration import plain
from genstruct.errors import ConfigError
from genstruct.experiments import EXPERIMENTS, experiment_class, load_experiment
from genstruct.renamed import brought_forward, refuse_old
from genstruct.run.experiment import completed
from genstruct.run.folder import CONFIG, open_run
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.segmentation.samples import settings_of
from genstruct.segmentation.settings import RENAMED
from genstruct.setting_kinds import follow

OLD = """
experiment: segmentation
data: {root: photos, size: 64, crop: centre}
perturb: {shift: 0.125, colour: 0.25, colour_chance: 0.5}
objective: {binarise: 0.2, binarise_from: 0.1, binarise_until: 0.4, centre: 1.5, centre_width: 0.3, centre_until: 0.1}
pairs: {count: 100, grey: 0.3}
distil: {size: 32, learning: {colour: 0.7}}
rounds:
- {size: 64}
- {size: 64, learning: {colour: 0.6, blur: 0.1}}
"""
"""As of the last version that spelt its keys so."""


def opened(out, config, **options):
    """The folder of a run, opened and left again."""
    with open_run(out, config, **options) as run:
        return run


def test_keys_of_before_are_brought_forward_with_their_values_wherever_they_are():
    old = yaml.safe_load(OLD)
    new = completed(SegmentationExperiment, old)
    assert new["experiment"] == "segmentation"
    experiment = SegmentationExperiment(**{key: value for key, value in new.items() if key != "experiment"})
    assert (experiment.data.crop, experiment.pairs.gray) == ("center", 0.3)
    assert (experiment.perturb.color, experiment.perturb.color_chance) == (0.25, 0.5)
    objective = experiment.objective
    assert (objective.binarize, objective.binarize_from, objective.binarize_until) == (0.2, 0.1, 0.4)
    assert (objective.center, objective.center_width, objective.center_until) == (1.5, 0.3, 0.1)
    assert [stage.learning.color for stage in (experiment.distil, *experiment.rounds)] == [0.7, 0.8, 0.6]
    assert old == yaml.safe_load(OLD)


def test_a_run_of_before_is_continued_and_sampled(tmp_path):
    (tmp_path / CONFIG).write_text(OLD + "train: {images: 77}\ngenerator: {}\n")
    generator, objective, images = settings_of(tmp_path / "generator" / "checkpoints" / "any.pt")
    assert (generator.size, objective.center, images) == (32, 1.5, 77)
    now = completed(SegmentationExperiment, yaml.safe_load((tmp_path / CONFIG).read_text()))
    with pytest.raises(ConfigError, match="colour"):
        opened(tmp_path, now)
    assert opened(tmp_path, now, complete=partial(completed, SegmentationExperiment)).continued


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("perturb: {colour: 1.0}", [], "FILE: perturb: 'colour' is now called 'color'; rename it"),
        ("data: {crop: centre}", [], "FILE: data.crop: 'centre' is now called 'center'; rename it"),
        ("rounds: [{learning: {colour: 1}}]", [], "FILE: rounds.0.learning: 'colour' is now called 'color'; rename it"),
        ("", ["objective.centre-until=0.1"], "objective: 'centre_until' is now called 'center_until'; rename it"),
        ("", ["rounds.0.learning.colour=0"], "rounds.0.learning: 'colour' is now called 'color'; rename it"),
        ("", ["pairs={grey: 0.1}"], "pairs: 'grey' is now called 'gray'; rename it"),
    ],
)  # fmt: skip
def test_an_old_key_of_a_file_or_an_override_is_told_with_its_new_name(tmp_path, text, overrides, message):
    path = tmp_path / "old.yaml"
    path.write_text(f"experiment: segmentation\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, overrides)
    assert str(caught.value) == message.replace("FILE", str(path))


def test_the_experiment_whose_keys_were_renamed_knows_it():
    assert experiment_class("segmentation").renamed


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_new_name_is_one_of_today_and_no_old_one_is(experiment):
    cls = experiment_class(experiment)
    renamed, values = getattr(cls, "renamed", {}), plain(cls())
    for old, new in renamed.items():
        keys, _, value = old.replace("*", "0").partition("=")
        *section, key = keys.split(".")
        today = [*section, key if value else new]
        assert follow(cls, values, today).keys == tuple(today)
        assert value or follow(cls, values, [*section, key]).keys == tuple(section)
    refuse_old(values, renamed)
    assert brought_forward(values, renamed) == values


def test_what_a_pattern_does_not_name_stays_as_it_is():
    values = {"colour": 1, "data": {"crop": "pad", "root": "centre"}, "pairs": {"colour": 2}, "rounds": [3, "x"]}
    assert brought_forward(values, RENAMED) == values
    refuse_old(values, RENAMED)


def test_configurations_of_the_checkout_use_no_old_key():
    for path in (Path(__file__).parent.parent / "configs").rglob("*.yaml"):
        refuse_old(yaml.safe_load(path.read_text()), RENAMED)
