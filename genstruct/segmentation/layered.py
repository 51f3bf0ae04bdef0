"""The layered generator: a background, and an object with its mask (Bielski & Favaro 2019, section 3)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genstruct.nn.generator import Mapping, Synthesis
from genstruct.render.layers import Layer, composite
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig
from genstruct.train.randomness import Draws
from genstruct.train.schedules import ramp

# Sigmoid of +-6 is within 0.0025 of 0 and 1: masks can be crisp, but a wrong pixel can still change its mind.
LOGIT_RANGE = 6.0
# tanh(2) = 0.964: within +-2 nearly all colours can be made, and every pixel still has a gradient.
COLOR_RANGE = 2.0

# Pictures of noise for the background's generator and for the object's; see `Synthesis.forward`.
Noise = tuple[list[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Latents:
    """Codes of a batch, standard normal."""

    shared: Float[Tensor, "batch shared"]
    background: Float[Tensor, "batch layer"]
    foreground: Float[Tensor, "batch layer"]

    @staticmethod
    def split(z: Float[Tensor, "batch total"], shared: int, layer: int) -> "Latents":
        """Cut one code `[batch, shared + 2 layer]` into its parts."""
        return Latents(*z.split([shared, layer, layer], 1))


@dataclass(frozen=True)
class Mixing:
    """A second code of each row, whose style takes over ("mixing regularisation", Karras et al. 2019, section 3.1)."""

    z: Float[Tensor, "batch latent"]
    start: Int[Tensor, " batch"]
    """First resolution that follows `z`: 0 for 4 px, 1 for 8 px, ...; one beyond the last leaves a row as it is."""

    @staticmethod
    def draw(draws: Draws, latent_size: int, levels: int, share: float) -> "Mixing":
        """Mix this share of the rows; resolutions are `levels`, and the first one always keeps the first code."""
        chosen, place = draws.uniform("mixing", 2).unbind(1)
        start = 1 + (place * (levels - 1)).long()
        return Mixing(draws.normal("mixed_latents", latent_size), start.where(chosen < share, levels))


@dataclass(frozen=True)
class Scene:
    """What the generator makes of a code; colours in [0, 1]."""

    background: Float[Tensor, "batch 3 size size"]
    foreground: Float[Tensor, "batch 3 size size"]
    logits: Float[Tensor, "batch 1 size size"]
    saturation: Float[Tensor, " batch"]
    """How far raw colours lie beyond `COLOR_RANGE`, where the bound flattens them: mean square over both layers."""

    @property
    def mask(self) -> Float[Tensor, "batch 1 size size"]:
        """Coverage of the object in [0, 1]."""
        return self.logits.sigmoid()

    @property
    def picture(self) -> Float[Tensor, "batch 3 size size"]:
        """The composite, without perturbation."""
        return composite(self.background, [Layer(self.foreground, self.mask)])


class LayeredGenerator(nn.Module):
    """Two style-modulated generators, one for the background (3 channels) and one for the object (3 + mask logit).

    Args:
        config: Sizes and widths.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        widths = dict(zip(config.sizes, config.widths, strict=False))
        self.latent_sizes = (config.shared_latent, config.layer_latent)
        code = config.shared_latent + config.layer_latent
        self.map_background = Mapping(code, config.style, config.mapping_layers, config.mapping_rate)
        self.map_foreground = Mapping(code, config.style, config.mapping_layers, config.mapping_rate)
        self.noisy = config.noise
        seeds = (0, 1) if config.noise else (None, None)
        self.background = Synthesis(widths, 3, config.style, seeds[0])
        self.foreground = Synthesis(widths, 4, config.style, seeds[1])

    @property
    def latent_size(self) -> int:
        """Features of a whole code (`Latents.split`)."""
        shared, layer = self.latent_sizes
        return shared + 2 * layer

    def draw_noise(self, draws: Draws, size: int) -> Noise | None:
        """Noise for scenes of `size` pixels, one for each row of `draws`; None for a generator without noise."""
        if not self.noisy:
            return None
        sides = self.background.noise_sizes(size)
        background, foreground = (
            [draws.normal(f"noise_{layer}_{number}", 1, side, side) for number, side in enumerate(sides)]
            for layer in ("background", "foreground")
        )
        return background, foreground

    def forward(
        self,
        z: Float[Tensor, "batch latent"],
        size: int,
        prior: Tensor | float = 0.0,
        noise: Noise | None = None,
        mixing: Mixing | None = None,
    ) -> Scene:
        """Make scenes.

        Args:
            z: Standard normal codes.
            size: Resolution, pixels.
            prior: Added to the mask logits (a centre prior early in training).
            noise: From `draw_noise`; otherwise a generator with noise uses a fixed one.
            mixing: Codes that take over at finer resolutions (in training).
        """
        background, foreground = self._styles(z)
        if mixing is not None:
            levels = torch.arange(size.bit_length() - 2, device=z.device)
            later = (levels >= mixing.start[:, None])[..., None]  # [batch, levels, 1]
            mixed = (
                torch.where(later, second[:, None], first[:, None])
                for first, second in zip((background, foreground), self._styles(mixing.z), strict=True)
            )
            background, foreground = mixed
        return self.decode(background, foreground, size, prior, noise)

    def _styles(self, z: Float[Tensor, "batch latent"]) -> tuple[Tensor, Tensor]:
        latents = Latents.split(z, *self.latent_sizes)
        background = self.map_background(torch.cat([latents.shared, latents.background], 1))
        return background, self.map_foreground(torch.cat([latents.shared, latents.foreground], 1))

    def decode(
        self,
        style_background: Float[Tensor, "batch *levels style"],
        style_foreground: Float[Tensor, "batch *levels style"],
        size: int,
        prior: Tensor | float = 0.0,
        noise: Noise | None = None,
    ) -> Scene:
        """Make scenes from styles (inversion looks for these): one for all resolutions, or one for each."""
        noise_background, noise_foreground = noise or (None, None)
        background = self.background(style_background, size, noise_background).float()
        foreground = self.foreground(style_foreground, size, noise_foreground).float()
        logits = LOGIT_RANGE * torch.tanh((foreground[:, 3:] + prior) / LOGIT_RANGE)
        excess = torch.cat([background, foreground[:, :3]], 1).abs().sub(COLOR_RANGE).relu().square().mean((1, 2, 3))
        return Scene(to_color(background), to_color(foreground[:, :3]), logits, excess)


def to_color(x: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch 3 size size"]:
    """Unbounded values to [0, 1]. The bound matters: an unbounded object paints white outlines."""
    return (x.tanh() + 1) / 2


def center_prior(size: int, height: float, width: float, device: torch.device | str) -> Float[Tensor, "1 1 size size"]:
    """A bump on the mask logits: `height` in the middle of the picture, negative outside, mean about zero.

    Args:
        size: Pixels.
        height: In logits; the bump falls from +height to -height / 2.
        width: Standard deviation as a share of the picture.
    """
    axis = (torch.arange(size, device=device) + 0.5) / size - 0.5
    squared = axis[:, None].square() + axis[None].square()
    return (height * (1.5 * torch.exp(-squared / (2 * width**2)) - 0.5))[None, None]


def fading_prior(
    objective: ObjectiveConfig, fraction: float, size: int, device: torch.device | str
) -> Float[Tensor, "1 1 size size"] | float:
    """The centre prior at a moment of the training; 0 once it has vanished, or where there is none.

    Args:
        objective: Its height, width and end.
        fraction: Share of the training that is done, in [0, 1].
        size: Pixels.
        device: Where the scenes are made.
    """
    if objective.center == 0 or fraction >= objective.center_until:
        return 0.0
    left = 1 - ramp(fraction, 0.0, objective.center_until)
    return center_prior(size, objective.center * left, objective.center_width, device)
