"""Everything that can be set of a run of segmentation; `genstruct.segmentation.stages` does what it says."""

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, PositiveInt

from genstruct.configuration import build, plain
from genstruct.data.crop import Policy
from genstruct.errors import ConfigError
from genstruct.renamed import brought_forward
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig, PerturbConfig, PerturbedConfig, RateConfig
from genstruct.segmentation.learning_config import (
    InvertConfig,
    MaskLearningConfig,
    PairConfig,
    StageConfig,
    check_widths,
)
from genstruct.settings import settings
from genstruct.train.config import TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from genstruct.segmentation.workshop import Reporter

PHOTOS = "photos"
"""Archive of the packed photos, in the folder of a run."""


RENAMED = {
    "data.crop=centre": "center",
    "perturb.colour": "color",
    "perturb.colour_chance": "color_chance",
    "objective.centre": "center",
    "objective.centre_width": "center_width",
    "objective.centre_until": "center_until",
    "objective.binarise": "binarize",
    "objective.binarise_from": "binarize_from",
    "objective.binarise_until": "binarize_until",
    "pairs.grey": "gray",
    "distil.learning.colour": "color",
    "rounds.*.learning.colour": "color",
}
"""What keys and values of published configurations are called now, see `genstruct.renamed`."""


@settings
class DataConfig:
    """The photos."""

    root: str = ""
    """Folder, .zip, .tar, LSUN LMDB or torchvision:NAME with images of one category."""
    size: Annotated[int, Field(ge=4, le=4096)] = 128
    """Photos are packed once as squares of this many pixels."""
    crop: Policy = "center"
    """Which square of a photo: centre, random, box (from metadata), fit (squeezed) or pad."""


@settings
class StartConfig:
    """Several short trainings, of which the healthiest goes on."""

    count: PositiveInt = 1
    """How many; 1 = just train."""
    images: PositiveInt = 40_000
    """Images each sees."""


@settings
class SegmentationExperiment:
    """Perturbed generative segmentation, distilled to a segmenter and refined on the photos."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    perturb: PerturbConfig = field(default_factory=PerturbConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    rates: RateConfig = field(default_factory=RateConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    """The adversarial stage; device, precision, seed and threads hold for all stages."""
    starts: StartConfig = field(default_factory=StartConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    widths: tuple[int, ...] = (24, 48, 96, 96)
    """Channels of the segmenter at full, half, quarter, ... of its resolution; multiples of 8."""
    distil: StageConfig = field(
        default_factory=lambda: StageConfig(
            size=32, images=80_000, batch=64, learning=MaskLearningConfig(blur=0.5, lr=2e-3)
        )
    )
    """Learning from generated pairs. Its size is that of the generator."""
    rounds: tuple[StageConfig, ...] = (StageConfig(), StageConfig())
    """Learning from pseudo-labels of the photos."""
    invert: InvertConfig = field(default_factory=InvertConfig)
    """The published way, for comparison; may be asked for later, of a run that is done."""

    def __post_init__(self) -> None:
        if not self.widths or any(width % 8 or width < 8 for width in self.widths):
            raise ConfigError(f"widths must be multiples of 8, at least one of them, got {list(self.widths)}")
        if self.distil.size != self.generator.size:
            raise ConfigError(f"distil.size {self.distil.size} must equal generator.size {self.generator.size}")
        if self.invert.images:
            check_widths(self.generator.size, self.invert.widths)

    def run(self, out: Path, reporter: "Reporter") -> bool:
        """Do all stages that are not done yet.

        Args:
            out: Folder of the run.
            reporter: Shows progress.

        Returns:
            Whether everything is done; False after SIGINT or SIGTERM in any stage, with all work saved.
        """
        from genstruct.segmentation.stages import Stages  # what is heavy is imported where it is used
        from genstruct.train.run_folder import MAY_DIFFER, open_run

        if not self.data.root:
            raise ConfigError("data.root is not set: give the folder of photos, for example data.root=photos")
        settings = {"experiment": "segmentation", **plain(self)}  # so that RUN/config.yaml can be trained again
        open_run(out, settings, (*MAY_DIFFER, "invert.*"), lambda there: self._at_our_place(completed(there), out))
        return Stages(self, out, reporter).run()

    def _at_our_place(self, there: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
        """Settings of the run that is there, with our place of the photos where they are the ones that it packed."""
        from genstruct.data.pack import holds

        data = there.get("data")
        if not isinstance(data, dict) or data.get("root") == self.data.root:
            return there
        if not holds(out / PHOTOS, self.data.root, self.data.size, self.data.crop):
            return there
        return {**there, "data": {**data, "root": self.data.root}}

    def networks(self) -> "dict[str, nn.Module]":
        """What will be trained, to tell its size beforehand."""
        from genstruct.nn.unet import UNet
        from genstruct.segmentation.perturbed import PerturbedSegmentation

        adversarial = PerturbedSegmentation(self.perturbed, self.train.seed).networks
        return {**dict(adversarial.items()), "segmenter": UNet(3, 1, self.widths)}

    @property
    def perturbed(self) -> PerturbedConfig:
        """The part that concerns the adversarial stage."""
        return PerturbedConfig(self.generator, self.perturb, self.objective, self.rates)


def completed(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of an earlier version's run under today's names, with the defaults of those that came since: they leave
    a run as it was."""
    stored = brought_forward(settings, RENAMED)
    known = {key: value for key, value in stored.items() if key != "experiment"}
    try:
        return {**stored, **plain(build(SegmentationExperiment, known))}
    except ConfigError:
        return stored  # they do not belong to this version: what differs will be told
