"""Settings of segmentation: how the resolution grows, and mistakes that are told before anything runs."""

import copy
import math
from dataclasses import replace
from functools import partial

import pytest

from genstruct.configuration import plain
from genstruct.errors import ConfigError
from genstruct.run.experiment import completed
from genstruct.run.folder import open_run
from genstruct.run.settings import StartConfig
from genstruct.run.stages import StageRunner
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig, PerturbConfig, RateConfig
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.segmentation.learning_config import InvertConfig, MaskLearningConfig, PairConfig, StageConfig

GROWING = GeneratorConfig(size=64, start_size=16, stage_images=(100, 50))


def opened(out, config, **options):
    """The folder of a run, opened and left again."""
    with open_run(out, config, **options) as run:
        return run


def test_the_resolution_doubles_after_each_stage():
    sizes = {images: GROWING.size_at(images) for images in (0, 99, 100, 149, 150, 10_000)}
    assert sizes == {0: 16, 99: 16, 100: 32, 149: 32, 150: 64, 10_000: 64}


def test_a_generator_that_starts_at_its_full_size_never_grows():
    config = replace(GROWING, start_size=64)
    assert config.doublings == 0 and config.size_at(0) == config.size_at(1_000) == 64


def test_further_stages_than_there_are_doublings_are_ignored():
    assert replace(GROWING, size=32, stage_images=(100, 50, 10)).size_at(10_000) == 32


@pytest.mark.parametrize("size", [4, 8, 16, 128])
def test_sizes_are_all_powers_of_two_from_four(size):
    config = GeneratorConfig(size, start_size=size, widths=(8,) * 6, discriminator_widths=(8,) * 6)
    assert config.sizes == tuple(2**i for i in range(2, size.bit_length()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": (8, 8, 8)}, r"^widths needs 5 entries \(4 to 64 px\), got 3"),
        ({"discriminator_widths": (8,)}, r"^discriminator_widths needs 5 entries"),
        ({"size": 48}, "powers of two from 4, got 48, 16"),
        ({"start_size": 24}, "powers of two from 4, got 64, 24"),
        ({"size": 2, "start_size": 2}, "powers of two"),
        ({"start_size": 128}, "start_size 128 is larger than size 64"),
        ({"stage_images": (100,)}, "stage_images needs 2 entries to grow from 16 to 64 px, got 1"),
        ({"shared_latent": 0, "layer_latent": 0}, "must not both be 0"),
        ({"layer_latent": -1}, "layer_latent: expected int of at least 0, got -1"),
        ({"widths": (0, 8, 8, 8)}, r"widths: expected list of int above 0, got \[0, 8, 8, 8\]"),
    ],
)
def test_generators_that_cannot_be_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(GROWING, **change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PerturbConfig(shift=0.6), "shift: expected float from 0 to below 0.5, got 0.6"),
        (lambda: PerturbConfig(shift=-0.1), "shift: expected float from 0 to below 0.5, got -0.1"),
        (lambda: GeneratorConfig(mapping_layers=0), "mapping_layers: expected int from 1 to 64, got 0"),
        (lambda: GeneratorConfig(style_mixing=1.5), "style_mixing: expected float from 0 to 1, got 1.5"),
        (lambda: GeneratorConfig(mapping_rate=0.0), "mapping_rate: expected float from 1e-06 to 1"),
        (lambda: PerturbConfig(translation=0.5), "translation: expected float from 0 to below 0.5"),
        (lambda: PerturbConfig(mirror=1.1), "mirror: expected float from 0 to 1"),
        (lambda: PerturbConfig(real_frame=0.9), "real_frame: expected float from 1 to 4, got 0.9"),
        (lambda: PerturbConfig(color_chance=2.0), "color_chance: expected float from 0 to 1"),
        (lambda: ObjectiveConfig(binarize=-1.0), "binarize: expected float of at least 0"),
        (lambda: ObjectiveConfig(penalty=math.nan), "penalty: expected float of at least 0, got nan"),
        (lambda: ObjectiveConfig(border_width=0.9), "border_width: expected float from 0.001 to 0.5"),
        (lambda: RateConfig(generator=-1.0), "generator: expected float from 1e-09 to 1, got -1"),
        (lambda: RateConfig(betas=(0.0, 1.5)), r"betas: expected list of 2 \(.*0.999999\), got \[0.0, 1.5\]"),
        (lambda: StartConfig(count=0), "count: expected int above 0"),
        (lambda: StageConfig(batch=0), "batch: expected int above 0, got 0"),
        (lambda: SegmentationExperiment(widths=()), "widths must be multiples of 8, at least one of them"),
        (lambda: ObjectiveConfig(penalty_every=0), "penalty_every: expected int above 0"),
        (
            lambda: ObjectiveConfig(minimum_area=0.5, maximum_area=0.5),
            "minimum_area must be below maximum_area, got 0.5 and 0.5",
        ),
        (lambda: ObjectiveConfig(maximum_area=1.5), "maximum_area: expected float from 0 to 1, got 1.5"),
        (lambda: MaskLearningConfig(paste=0.6, texture=0.5), "paste and texture must be together at most 1"),
        (lambda: PairConfig(count=0), "count: expected int above 0"),
        (lambda: MaskLearningConfig(zoom=0.5), "zoom: expected float from 1 to 4"),
        (lambda: StageConfig(keep=0.0), "keep: expected float above 0 and at most 1, got 0.0"),
        (lambda: StageConfig(keep=90.0), "keep: expected float above 0 and at most 1"),
        (lambda: InvertConfig(images=-1), "images: expected int of at least 0, got -1"),
        (lambda: InvertConfig(zoom=0.5), "zoom: expected float of at least 1, got 0.5"),
        (lambda: SegmentationExperiment(widths=(24, 20)), "widths must be multiples of 8"),
        (lambda: SegmentationExperiment(distil=StageConfig(size=64)), "distil.size 64 must equal generator.size 32"),
        (lambda: SegmentationExperiment(invert=InvertConfig(100, widths=(8,))), "invert.widths needs 4 entries"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_an_encoder_that_is_not_wanted_need_not_fit():
    SegmentationExperiment(invert=InvertConfig(0, widths=()))


def test_a_run_without_photos_says_what_is_missing(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.root is not set"):
        SegmentationExperiment().run(tmp_path / "run", lambda stage: None)
    assert not (tmp_path / "run").exists()


def test_later_trainings_do_not_compile_networks_that_they_do_not_have(tmp_path):
    experiment = SegmentationExperiment()
    experiment = replace(experiment, train=replace(experiment.train, compile=("generator",), seed=7))
    later = StageRunner(experiment.train, tmp_path, lambda stage: None).later(images=100, batch=4)
    assert (later.compile, later.images, later.batch, later.seed) == ((), 100, 4, 7)


def test_a_run_continues_though_settings_came_since_whose_defaults_leave_it_as_it_was(tmp_path):
    now = {"experiment": "segmentation", **plain(SegmentationExperiment())}
    before = copy.deepcopy(now)
    del before["objective"]["leak_early"]
    opened(tmp_path, before)
    with pytest.raises(ConfigError, match="leak_early"):
        opened(tmp_path, now)
    assert opened(tmp_path, now, complete=partial(completed, SegmentationExperiment)).continued
    now["objective"]["leak_early"] = 0.2
    with pytest.raises(ConfigError, match=r"objective\.leak_early \(1\.0 there, 0\.2 here\)"):
        opened(tmp_path, now, complete=partial(completed, SegmentationExperiment))
