"""Everything that can be set of a run of segmentation."""

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar

from genstruct.errors import ConfigError
from genstruct.run.settings import DataConfig, StartConfig
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
class SegmentationSettings:
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

    @property
    def perturbed(self) -> PerturbedConfig:
        """The part that concerns the adversarial stage."""
        return PerturbedConfig(self.generator, self.perturb, self.objective, self.rates)
