"""Settings of what learns from the generator: segmenters by stages, and the encoder of the published way."""

from dataclasses import field
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from genstruct.errors import ConfigError
from genstruct.segmentation.config import Rate
from genstruct.settings import Share, settings


@settings
class PairConfig:
    """Which generated pairs are good enough to learn from."""

    count: PositiveInt = 20_000
    """Pairs to keep."""
    minimum_area: Share = 0.02
    """Pairs whose mask covers less than this share of the picture are dropped."""
    maximum_area: Share = 0.7
    """Pairs whose mask covers more are dropped."""
    gray: NonNegativeFloat = 0.35
    """Pairs are dropped whose mean of min(m, 1 - m) exceeds this share of the mask's area."""
    border: Share = 0.15
    """Pairs are dropped whose mask covers more than this share of the picture's frame."""


@settings
class MaskLearningConfig:
    """How a segmenter learns from masks that a model gave."""

    lr: Rate = 1e-3
    """AdamW's rate at the start; falls to zero along a cosine."""
    weight_decay: NonNegativeFloat = 1e-3
    """Decoupled weight decay."""
    jaccard: NonNegativeFloat = 0.5
    """Weight of the soft intersection over union beside the cross-entropy."""
    zoom: Annotated[float, Field(ge=1, le=4)] = 1.2
    """Images are enlarged by up to this and cropped at random, so that objects appear off-centre and at other sizes."""
    shrink: Annotated[float, Field(ge=1, le=2)] = 1.2
    """Images are made smaller by up to this, their surroundings mirrored. Without it every training view is larger than
    the photo, and objects of a whole photo are smaller than all that the segmenter has seen."""
    paste: Share = 0.4
    """Share of images whose object is laid over another photo, turned, enlarged and recoloured. A set of photos
    often has few places, and a segmenter that has learned them by heart takes new ones for objects."""
    texture: Share = 0.3
    """Share of images whose object is laid over a generated texture instead (`genstruct.data.textures`)."""
    color: NonNegativeFloat = 0.8
    """Strength of the colour change."""
    blur: Share = 0.0
    """Share of images that are halved and enlarged again, so that generated and real images look alike."""

    def __post_init__(self) -> None:
        if self.paste + self.texture > 1:
            raise ConfigError(f"paste and texture must be together at most 1, got {self.paste} and {self.texture}")


@settings
class StageConfig:
    """One training of a segmenter."""

    size: PositiveInt = 64
    """Working resolution, pixels: the shorter side of a photo."""
    images: PositiveInt = 60_000
    """Images to see."""
    batch: PositiveInt = 32
    """Images of one step."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the pseudo-labels to learn from, the surest ones."""
    fresh: bool = True
    """Start from new weights; otherwise go on with those of the round before."""
    learning: MaskLearningConfig = field(default_factory=MaskLearningConfig)
    """Rates and augmentation."""


@settings
class InvertConfig:
    """The published way to masks of photos: an encoder against the frozen generator."""

    images: NonNegativeInt = 0
    """Photos to see; 0 = leave this stage out."""
    batch: PositiveInt = 32
    """Photos of one step; as many generated pictures go with them."""
    widths: tuple[PositiveInt, ...] = (96, 64, 48, 32, 24)
    """Channels of the encoder at 4, 8, 16, 32, ... pixels, up to the generator's size."""
    lr: Rate = 2e-3
    """Adam's rate at the start (equalised layers); falls to zero along a cosine."""
    code: NonNegativeFloat = 0.3
    """Weight of the squared error of codes of generated pictures, in units of their variance; the reconstruction has
    weight 1."""
    prior: NonNegativeFloat = 0.01
    """Weight of the mean square of the codes of photos: codes far from all generated ones have meaningless masks."""
    features: NonNegativeFloat = 0.0
    """Weight of the distance of photo and reconstruction in the features of the discriminator."""
    zoom: Annotated[float, Field(ge=1)] = 1.125
    """Photos are enlarged by up to this and cropped at random."""
    steps: NonNegativeInt = 100
    """Gradient steps on the code of each photo when masks are refined."""


def check_widths(size: int, widths: tuple[int, ...]) -> list[int]:
    """Resolutions from 4 px to `size`. Raises ConfigError where there are fewer `widths` than these."""
    sizes = [4 * 2**i for i in range(size.bit_length() - 2)]
    if len(widths) < len(sizes):
        raise ConfigError(f"invert.widths needs {len(sizes)} entries (4 to {size} px), got {len(widths)}")
    return sizes
