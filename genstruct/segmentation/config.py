"""Settings of perturbed generative segmentation, each with its unit and the reason for its default."""

import math
from dataclasses import dataclass, field
from typing import Literal

from genstruct.configuration import plain
from genstruct.errors import ConfigError
from genstruct.losses.adversarial import Objective


def check_bounds(config: object, section: str, low: int | float, high: int | float, *names: str) -> None:
    """Raise ConfigError for the first of the settings `names` that is not in [low, high]; of a tuple, each item."""
    for name in names:
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if not low <= item <= high:  # so that NaN is refused
                bounds = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
                raise ConfigError(f"{section}.{name} must be {bounds}, got {plain(value)}")


@dataclass(frozen=True)
class GeneratorConfig:
    """The layered generator and its discriminator."""

    size: int = 32
    """Final resolution of generated pictures, pixels; a power of two from 8."""
    shared_latent: int = 16
    """Latent features that both layers see; 0 makes object and background independent."""
    layer_latent: int = 48
    """Latent features of each layer alone; 0 gives both layers the same code (the published generator)."""
    style: int = 128
    """Features of the style vectors."""
    mapping_layers: int = 2
    """Layers of each network that maps a code to a style (published: 8)."""
    mapping_rate: float = 0.1
    """Learning rate of these layers, as a multiple of the generator's (published: 0.01)."""
    style_mixing: float = 0.0
    """Share of training pictures whose finer resolutions follow the style of a second code, from a resolution drawn for
    each picture, the same for both layers (published: 0.9)."""
    noise: bool = False
    """Add noise to what each convolution gives, every pixel its own, by strengths that are learned from 0 (published).
    Samples and pairs draw theirs; previews and inversion use one fixed noise."""
    widths: tuple[int, ...] = (96, 64, 48, 24, 16)
    """Channels of each layer's generator at 4, 8, 16, 32, ... pixels."""
    discriminator_widths: tuple[int, ...] = (96, 64, 48, 32, 16)
    """Channels of the discriminator at 4, 8, 16, 32, ... pixels."""
    start_size: int = 16
    """Resolution of the first stage, pixels: layers separate within 20k images at 16 px and often never at 32."""
    stage_images: tuple[int, ...] = (60_000,)
    """Images seen before each doubling of the resolution, counted from the previous one."""

    def __post_init__(self) -> None:
        check_bounds(self, "generator", 1, math.inf, "widths", "discriminator_widths", "style", "size", "start_size")
        check_bounds(self, "generator", 0, 1, "style_mixing")
        check_bounds(self, "generator", 1, 64, "mapping_layers")
        check_bounds(self, "generator", 1e-6, 1, "mapping_rate")
        check_bounds(self, "generator", 0, math.inf, "shared_latent", "layer_latent", "stage_images")
        sizes = self.sizes
        for name, widths in (("widths", self.widths), ("discriminator_widths", self.discriminator_widths)):
            if len(widths) < len(sizes):
                raise ConfigError(
                    f"generator.{name} needs {len(sizes)} entries (4 to {self.size} px), got {len(widths)}"
                )
        if self.start_size > self.size:
            raise ConfigError(f"generator.start_size {self.start_size} is larger than size {self.size}")
        if self.size not in sizes or self.start_size not in sizes:
            raise ConfigError(
                f"generator.size and start_size must be powers of two from 4, got {self.size}, {self.start_size}"
            )
        if len(self.stage_images) < self.doublings:
            raise ConfigError(
                f"generator.stage_images needs {self.doublings} entries to grow from {self.start_size} "
                f"to {self.size} px, got {len(self.stage_images)}"
            )
        if self.shared_latent + self.layer_latent < 1:
            raise ConfigError("generator.shared_latent and layer_latent must not both be 0")

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


@dataclass(frozen=True)
class PerturbConfig:
    """What is done to the layers before the discriminator sees their composite, and to real images."""

    shift: float = 0.125
    """Largest shift of the object per axis, share of the picture. 0 is the control that breaks the method."""
    background_contrast: float = 0.3
    """The background's contrast is scaled by 1 +- this."""
    real_frame: float = 1.125
    """Real images are resized to this times the resolution and cropped at random, so that they show translation too."""
    flip: bool = True
    """Mirror half of the real images."""
    color: float = 0.5
    """Strength of the colour change of real and made images before the discriminator."""
    color_chance: float = 0.4
    """Share of images whose colours change."""
    mirror: float = 0.0
    """Share of images, real and made, that are mirrored before the discriminator, the i-th of both alike. Made pictures
    do not learn to be mirrored from this, as they do from `flip`."""
    translation: float = 0.0
    """Largest move per axis of real and made images before the discriminator, share of the picture, the i-th of both
    alike; what moves in is reflected. For small data sets, which a discriminator otherwise learns by heart."""
    translation_chance: float = 0.4
    """Share of images that move."""

    def __post_init__(self) -> None:
        for name in ("shift", "translation"):
            if not 0 <= getattr(self, name) < 0.5:
                value = getattr(self, name)
                raise ConfigError(f"perturb.{name} is a share of the picture, from 0 to below 0.5, got {value}")
        check_bounds(self, "perturb", 1, 4, "real_frame")
        check_bounds(self, "perturb", 0, 1, "background_contrast", "color_chance", "mirror", "translation_chance")
        check_bounds(self, "perturb", 0, 3, "color")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Losses and their weights; schedules are shares of the training."""

    adversarial: Objective = "relativistic"
    """relativistic and non_saturating use R1 and R2; wasserstein uses the gradient penalty to norm 1."""
    updates: Literal["joint", "alternating"] = "joint"
    """joint trains both networks from one pass (about a third cheaper); alternating is the published order."""
    penalty: float = 0.075
    """Weight gamma of R1 and R2 at the start (half the squared norm), or of the WGAN gradient penalty. Gradients are
    per unit of images in [0, 1]: a quarter of a gamma published for [-1, 1]. Four times as much starves the generator.
    """
    penalty_end: float = 0.0125
    """The same at the end, reached along a cosine."""
    penalty_every: int = 8
    """Steps between penalties; the weight is scaled up to match."""
    r2: bool = True
    """Penalise the gradient at made images too."""
    drift: float = 0.0
    """Weight of the squared real logit (published WGAN-GP: 0.001)."""
    minimum_area: float = 0.1
    """Masks smaller than this share of the picture are penalised."""
    maximum_area: float = 0.6
    """Masks larger than this share are penalised."""
    area_weight: float = 2.0
    """Weight of both area hinges."""
    binarize: float = 0.3
    """Weight of the binarisation. Strong and early freezes one template mask."""
    binarize_from: float = 0.0
    """Share of the training at which the binarisation starts to rise."""
    binarize_until: float = 0.5
    """Share of the training at which it has its full weight."""
    shifted_mask: bool = False
    """Area hinges and binarisation look at the mask as it is after the shift (published), where what has left the
    picture no longer counts; otherwise at the mask before it."""
    border: float = 2.0
    """Weight of the mask on the frame of the picture."""
    border_width: float = 0.0625
    """Width of that frame, share of the picture."""
    saturation: float = 0.1
    """Weight of raw colours beyond the useful range. Without it the object's layer turns all black or white early on,
    loses its gradient there, and masks keep a black or white outline."""
    leak: float = 0.0
    """Weight of the information-leak term (ILSGAN; there 1)."""
    leak_early: float = 1.0
    """Share of that weight at first (ILSGAN: 0.2)."""
    leak_early_until: float = 0.05
    """Share of the training at which the information-leak term has its full weight."""
    total_variation: float = 0.0
    """Weight of the mask's total variation, against frayed outlines and holes."""
    center: float = 2.0
    """Height of the initial centre prior on the mask logits."""
    center_width: float = 0.25
    """Standard deviation of the prior, share of the picture."""
    center_until: float = 0.2
    """Share of the training at which the prior has vanished."""

    def __post_init__(self) -> None:
        check_bounds(self, "objective", 1, math.inf, "penalty_every")
        check_bounds(self, "objective", 0, math.inf, "penalty", "penalty_end", "drift", "area_weight", "binarize")
        check_bounds(self, "objective", 0, math.inf, "border", "saturation", "leak", "center", "total_variation")
        check_bounds(self, "objective", 0, 1, "binarize_from", "binarize_until", "center_until")
        check_bounds(self, "objective", 0, 1, "leak_early", "leak_early_until")
        check_bounds(self, "objective", 1e-3, 0.5, "border_width")
        check_bounds(self, "objective", 1e-3, math.inf, "center_width")
        if not 0 <= self.minimum_area < self.maximum_area <= 1:
            raise ConfigError(
                f"objective needs 0 <= minimum_area < maximum_area <= 1, got {self.minimum_area}, {self.maximum_area}"
            )


@dataclass(frozen=True)
class RateConfig:
    """Learning rates of the adversarial stage."""

    generator: float = 2e-3
    """Adam's rate for the generator (equalised layers)."""
    discriminator: float = 2e-3
    """Adam's rate for the discriminator."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's moment decays."""
    after_growth: float = 0.6
    """Multiplier once the resolution has grown."""
    final: float = 0.25
    """Multiplier at the very end, reached linearly over the last third."""

    def __post_init__(self) -> None:
        check_bounds(self, "rates", 1e-9, 1, "generator", "discriminator")
        check_bounds(self, "rates", 0, 1 - 1e-6, "betas")
        check_bounds(self, "rates", 0, 10, "after_growth", "final")


@dataclass(frozen=True)
class PerturbedConfig:
    """Everything the adversarial stage needs beside data and trainer."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    perturb: PerturbConfig = field(default_factory=PerturbConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    rates: RateConfig = field(default_factory=RateConfig)
