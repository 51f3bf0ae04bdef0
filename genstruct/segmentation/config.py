"""Settings of perturbed generative segmentation, each with its unit and the reason for its default."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from genstruct.errors import ConfigError
from genstruct.losses.objective import Objective
from genstruct.settings import Share, settings

Rate = Annotated[float, Field(ge=1e-9, le=1)]
"""Of learning."""
Decay = Annotated[float, Field(ge=0, le=1 - 1e-6)]
"""Of Adam's moments."""
BelowHalf = Annotated[float, Field(ge=0, lt=0.5)]
"""Share of the picture, per axis."""


@settings
class GeneratorConfig:
    """The layered generator and its discriminator."""

    size: PositiveInt = 32
    """Final resolution of generated pictures, pixels; a power of two from 8."""
    shared_latent: NonNegativeInt = 16
    """Latent features that both layers see; 0 makes object and background independent."""
    layer_latent: NonNegativeInt = 48
    """Latent features of each layer alone; 0 gives both layers the same code (the published generator)."""
    style: PositiveInt = 128
    """Features of the style vectors."""
    mapping_layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Layers of each network that maps a code to a style (published: 8)."""
    mapping_rate: Annotated[float, Field(ge=1e-6, le=1)] = 0.1
    """Learning rate of these layers, as a multiple of the generator's (published: 0.01)."""
    style_mixing: Share = 0.0
    """Share of training pictures whose finer resolutions follow the style of a second code, from a resolution drawn for
    each picture, the same for both layers (published: 0.9)."""
    noise: bool = False
    """Add noise to what each convolution gives, every pixel its own, by strengths that are learned from 0 (published).
    Samples and pairs draw theirs; previews and inversion use one fixed noise."""
    widths: tuple[PositiveInt, ...] = (96, 64, 48, 24, 16)
    """Channels of each layer's generator at 4, 8, 16, 32, ... pixels."""
    discriminator_widths: tuple[PositiveInt, ...] = (96, 64, 48, 32, 16)
    """Channels of the discriminator at 4, 8, 16, 32, ... pixels."""
    start_size: PositiveInt = 16
    """Resolution of the first stage, pixels: layers separate within 20k images at 16 px and often never at 32."""
    stage_images: tuple[NonNegativeInt, ...] = (60_000,)
    """Images seen before each doubling of the resolution, counted from the previous one."""

    def __post_init__(self) -> None:
        sizes = self.sizes
        for name, widths in (("widths", self.widths), ("discriminator_widths", self.discriminator_widths)):
            if len(widths) < len(sizes):
                raise ConfigError(f"{name} needs {len(sizes)} entries (4 to {self.size} px), got {len(widths)}")
        if self.start_size > self.size:
            raise ConfigError(f"start_size {self.start_size} is larger than size {self.size}")
        if self.size not in sizes or self.start_size not in sizes:
            raise ConfigError(f"size and start_size must be powers of two from 4, got {self.size}, {self.start_size}")
        if len(self.stage_images) < self.doublings:
            raise ConfigError(
                f"stage_images needs {self.doublings} entries to grow from {self.start_size} "
                f"to {self.size} px, got {len(self.stage_images)}"
            )
        if self.shared_latent + self.layer_latent < 1:
            raise ConfigError("shared_latent and layer_latent must not both be 0")

    @property
    def sizes(self) -> tuple[int, ...]:
        """All resolutions, from 4 to `size`."""
        return tuple(4 * 2**i for i in range(self.size.bit_length() - 2))

    @property
    def doublings(self) -> int:
        """How often the resolution grows."""
        return (self.size // self.start_size).bit_length() - 1

    def size_at(self, images: int) -> int:
        """Resolution once `images` images have been seen."""
        size = self.start_size
        for length in self.stage_images[: self.doublings]:
            images -= length
            if images < 0:
                return size
            size *= 2
        return size


@settings
class PerturbConfig:
    """What is done to the layers before the discriminator sees their composite, and to real images."""

    shift: BelowHalf = 0.125
    """Largest shift of the object per axis, share of the picture. 0 is the control that breaks the method."""
    background_contrast: Share = 0.3
    """The background's contrast is scaled by 1 +- this."""
    real_frame: Annotated[float, Field(ge=1, le=4)] = 1.125
    """Real images are resized to this times the resolution and cropped at random, so that they show translation too."""
    flip: bool = True
    """Mirror half of the real images."""
    color: Annotated[float, Field(ge=0, le=3)] = 0.5
    """Strength of the colour change of real and fake images before the discriminator."""
    color_chance: Share = 0.4
    """Share of images whose colours change."""
    mirror: Share = 0.0
    """Share of images, real and fake, that are mirrored before the discriminator, the i-th of both alike. Generated
    pictures do not learn to be mirrored from this, as they do from `flip`."""
    translation: BelowHalf = 0.0
    """Largest move per axis of real and fake images before the discriminator, share of the picture, the i-th of both
    alike; what moves in is reflected. For small data sets, which a discriminator otherwise learns by heart."""
    translation_chance: Share = 0.4
    """Share of images that move."""


@settings
class ObjectiveConfig:
    """Losses and their weights; schedules are shares of the training."""

    adversarial: Objective = "relativistic"
    """relativistic and non_saturating use R1 and R2; wasserstein uses the gradient penalty to norm 1."""
    updates: Literal["joint", "alternating"] = "joint"
    """joint trains both networks from one pass (about a third cheaper); alternating is the published order."""
    penalty: NonNegativeFloat = 0.075
    """Weight gamma of R1 and R2 at the start (half the squared norm), or of the WGAN gradient penalty. Gradients are
    per unit of images in [0, 1]: a quarter of a gamma published for [-1, 1]. Four times as much starves the generator.
    """
    penalty_end: NonNegativeFloat = 0.0125
    """The same at the end, reached along a cosine."""
    penalty_every: PositiveInt = 8
    """Steps between penalties; the weight is scaled up to match."""
    r2: bool = True
    """Penalise the gradient at fake images too."""
    drift: NonNegativeFloat = 0.0
    """Weight of the squared real logit (published WGAN-GP: 0.001)."""
    minimum_area: Share = 0.1
    """Masks smaller than this share of the picture are penalised."""
    maximum_area: Share = 0.6
    """Masks larger than this share are penalised."""
    area_weight: NonNegativeFloat = 2.0
    """Weight of both area hinges."""
    binarize: NonNegativeFloat = 0.3
    """Weight of the binarisation. Strong and early freezes one template mask."""
    binarize_from: Share = 0.0
    """Share of the training at which the binarisation starts to rise."""
    binarize_until: Share = 0.5
    """Share of the training at which it has its full weight."""
    shifted_mask: bool = False
    """Area hinges and binarisation look at the mask as it is after the shift (published), where what has left the
    picture no longer counts; otherwise at the mask before it."""
    border: NonNegativeFloat = 2.0
    """Weight of the mask on the frame of the picture."""
    border_width: Annotated[float, Field(ge=1e-3, le=0.5)] = 0.0625
    """Width of that frame, share of the picture."""
    saturation: NonNegativeFloat = 0.1
    """Weight of raw colours beyond the useful range. Without it the object's layer turns all black or white early on,
    loses its gradient there, and masks keep a black or white outline."""
    leak: NonNegativeFloat = 0.0
    """Weight of the information-leak term (ILSGAN; there 1)."""
    leak_early: Share = 1.0
    """Share of that weight at first (ILSGAN: 0.2)."""
    leak_early_until: Share = 0.05
    """Share of the training at which the information-leak term has its full weight."""
    total_variation: NonNegativeFloat = 0.0
    """Weight of the mask's total variation, against frayed outlines and holes."""
    center: NonNegativeFloat = 2.0
    """Height of the initial centre prior on the mask logits."""
    center_width: Annotated[float, Field(ge=1e-3)] = 0.25
    """Standard deviation of the prior, share of the picture."""
    center_until: Share = 0.2
    """Share of the training at which the prior has vanished."""

    def __post_init__(self) -> None:
        if not self.minimum_area < self.maximum_area:
            raise ConfigError(
                f"minimum_area must be below maximum_area, got {self.minimum_area} and {self.maximum_area}"
            )


@settings
class RateConfig:
    """Learning rates of the adversarial stage."""

    generator: Rate = 2e-3
    """Adam's rate for the generator (equalised layers)."""
    discriminator: Rate = 2e-3
    """Adam's rate for the discriminator."""
    betas: tuple[Decay, Decay] = (0.0, 0.99)
    """Adam's moment decays."""
    after_growth: Annotated[float, Field(ge=0, le=10)] = 0.6
    """Multiplier once the resolution has grown."""
    final: Annotated[float, Field(ge=0, le=10)] = 0.25
    """Multiplier at the very end, reached linearly over the last third."""


@settings
class PerturbedConfig:
    """Everything the adversarial stage needs beside data and trainer."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    perturb: PerturbConfig = field(default_factory=PerturbConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    rates: RateConfig = field(default_factory=RateConfig)
