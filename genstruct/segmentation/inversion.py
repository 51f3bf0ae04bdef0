"""Learn to find the code with which the frozen generator makes a picture (the second part of Bielski & Favaro 2019).

The generator then works as a decoder that cuts: the mask it makes of a photo's code is the photo's mask. The encoder
learns from generated pictures, whose codes are known, and from photos, whose reconstruction must resemble them. The
authors never released this part; losses and networks are ours.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.augment import random_view
from genstruct.data.sample import Sample
from genstruct.errors import ConfigError
from genstruct.losses.mask import area
from genstruct.nn.discriminator import Discriminator
from genstruct.nn.encoder import Encoder
from genstruct.nn.named import named
from genstruct.pixels import resized
from genstruct.segmentation.layered import Latents, LayeredGenerator, Scene
from genstruct.segmentation.learning_config import InvertConfig, check_widths
from genstruct.train.method import Kept, Phase, Step, Update
from genstruct.train.optimizer_config import AdamSettings, OptimizerSettings
from genstruct.train.randomness import Draws, seeded
from genstruct.train.schedules import linear, warm_up_cosine


class StyleEncoder(nn.Module):
    """Picture to a code: both style vectors of the generator, each feature in units of its spread about its mean.

    Styles rather than latents: a latent is cut to its direction by the mapping network, so many fit one picture.

    Args:
        widths: Channels by resolution; the largest resolution is that of the pictures.
        style: Features of a style vector.
    """

    def __init__(self, widths: dict[int, int], style: int) -> None:
        super().__init__()
        self.size, self.style = max(widths), style
        self.encoder = Encoder(widths, 2 * style)
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(2 * style))
        self.register_buffer("spread", torch.ones(2 * style))

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch code"]:
        """Codes of images in [0, 1]."""
        return self.encoder(images).float()

    @torch.no_grad()
    def measure(self, generator: LayeredGenerator, samples: int = 4096) -> None:
        """Set mean and spread from styles that the generator makes."""
        device = next(generator.parameters()).device
        z = Draws(0, 0, 0, samples, samples, device).normal("styles", generator.latent_size)
        styles = styles_of(generator, z)
        self.mean.copy_(styles.mean(0))
        self.spread.copy_(styles.std(0).clamp(min=1e-4))

    def code(self, styles: Float[Tensor, "batch code"]) -> Float[Tensor, "batch code"]:
        """Styles of background and object, side by side, as a code."""
        return (styles - self.mean) / self.spread

    def decode(self, codes: Float[Tensor, "batch code"], generator: LayeredGenerator) -> Scene:
        """The scenes that the generator makes of codes; differentiable in them."""
        background, foreground = (self.mean + self.spread * codes).chunk(2, 1)
        return generator.decode(background, foreground, self.size)


def styles_of(generator: LayeredGenerator, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch code"]:
    """Both styles of latent codes, background first, side by side."""
    latents = Latents.split(z, *generator.latent_sizes)
    background = generator.map_background(torch.cat([latents.shared, latents.background], 1))
    return torch.cat([background, generator.map_foreground(torch.cat([latents.shared, latents.foreground], 1))], 1)


def reconstruction(
    picture: Float[Tensor, "batch 3 size size"], photo: Float[Tensor, "batch 3 size size"]
) -> Float[Tensor, " batch"]:
    """Mean absolute difference, of the pictures and of their averages over 4 x 4 pixels by halves: the coarse part
    sees an object that is a little off, where single pixels only differ."""
    difference = picture - photo
    coarse = nn.functional.avg_pool2d(difference, 4)
    return (difference.abs().mean((1, 2, 3)) + coarse.abs().mean((1, 2, 3))) / 2


def refine_codes(
    encoder: StyleEncoder,
    generator: LayeredGenerator,
    photos: Float[Tensor, "batch 3 size size"],
    codes: Float[Tensor, "batch code"],
    steps: int,
    prior: float = 0.01,
    lr: float = 0.05,
) -> Float[Tensor, "batch code"]:
    """Follow the gradient of each photo's own reconstruction; rows do not influence each other.

    Args:
        encoder: Whose codes these are.
        generator: Frozen.
        photos: In [0, 1], at the encoder's size.
        codes: Where to start.
        steps: Of Adam; 0 returns `codes`.
        prior: Weight of the codes' mean square.
        lr: Rate at the start, in units of a code's spread; falls linearly to zero.
    """
    with torch.enable_grad():
        found = codes.detach().clone().requires_grad_()
        adam = torch.optim.Adam([found], lr, betas=(0.9, 0.99))
        for number in range(steps):
            adam.param_groups[0]["lr"] = lr * linear(number / steps)
            loss = reconstruction(encoder.decode(found, generator).picture, photos)
            loss = loss + prior * found.square().mean(1)
            (found.grad,) = torch.autograd.grad(loss.sum(), found)
            adam.step()
    return found.detach()


class Inversion:
    """Training of the encoder, as a `Method`.

    Args:
        generator: Frozen; averaged weights.
        size: Resolution, pixels; that of the generator's last stage.
        config: Losses and rates.
        discriminator: Frozen; needed where `config.features` is not 0.
        seed: Of the encoder's first weights.
    """

    phases = (Phase("encoder", ("encoder",)),)
    averaged = ("encoder",)

    def __init__(
        self,
        generator: LayeredGenerator,
        size: int,
        config: InvertConfig,
        discriminator: Discriminator | None = None,
        seed: int = 0,
    ) -> None:
        if config.features > 0 and discriminator is None:
            raise ConfigError("invert.features needs the discriminator of the generator's training")
        self.generator = generator.eval().requires_grad_(False)
        self.discriminator = None if discriminator is None else discriminator.eval().requires_grad_(False)
        self.config = config
        with seeded(seed):
            encoder = style_encoder(size, config.widths, generator)
        encoder.measure(generator)
        self.networks = nn.ModuleDict({"encoder": encoder})
        self.optimizers: Mapping[str, OptimizerSettings] = {"encoder": AdamSettings(lr=config.lr, betas=(0.9, 0.99))}

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """Reconstruction of photos, and the codes of generated pictures."""
        encoder, config = named(self.networks, "encoder", StyleEncoder), self.config
        photos = self._photos(batch, step, encoder.size)
        with torch.no_grad():
            fakes, known = self._fakes(encoder, step.draws)
        codes, found = encoder(torch.cat([photos, fakes])).chunk(2)
        scene = encoder.decode(codes, self.generator)
        picture = scene.picture.float()
        apart, wrong = reconstruction(picture, photos), (found - known).square().mean(1)
        loss = apart + config.code * wrong + config.prior * codes.square().mean(1)
        if config.features > 0:
            loss = loss + config.features * self._feature_distance(picture, photos)
        logs = {
            "reconstruction": apart.mean(),
            "code": wrong.mean(),
            "code_size": codes.square().mean(),
            "mask_area": area(scene.mask).mean(),
        }
        return Update(loss.mean(), {name: value.detach() for name, value in logs.items()})

    def lr_multiplier(self, network: str, step: Step) -> float:
        """A short warm-up, then a cosine to zero."""
        return warm_up_cosine(step.fraction)

    def after_step(self, step: Step, kept: Kept) -> None:
        """Nothing to do."""

    @torch.no_grad()
    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """Generated pictures and photos, each above what they are taken for, and the masks found."""
        encoder = named(networks, "encoder", StyleEncoder)
        fakes, _ = self._fakes(encoder, step.draws)
        photos = resized(batch.images, (encoder.size, encoder.size))
        return {"inverted": self._inverted(encoder, fakes), "inverted_photos": self._inverted(encoder, photos)}

    def _inverted(self, encoder: StyleEncoder, images: Tensor) -> Float[Tensor, "rows 3 size size"]:
        scene = encoder.decode(encoder(images), self.generator)
        return torch.cat([images, scene.picture, scene.mask.expand(-1, 3, -1, -1)])

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """None: nothing here competes, so nothing collapses."""
        return None

    def _photos(self, batch: Sample, step: Step, size: int) -> Float[Tensor, "batch 3 size size"]:
        draws = step.draws
        zoom = 1 + (self.config.zoom - 1) * draws.shared("zoom")
        return random_view(batch.images, size, zoom, draws.uniform("corner", 2), draws.uniform("flip") < 0.5)

    def _fakes(self, encoder: StyleEncoder, draws: Draws) -> tuple[Tensor, Tensor]:
        """Generated pictures and their codes."""
        codes = encoder.code(styles_of(self.generator, draws.normal("latents", self.generator.latent_size)))
        return encoder.decode(codes, self.generator).picture, codes

    def _feature_distance(self, picture: Tensor, photos: Tensor) -> Float[Tensor, " batch"]:
        assert self.discriminator is not None
        with torch.no_grad():
            wanted = self.discriminator.features(photos)
        found = self.discriminator.features(picture)
        pairs = zip(found, wanted, strict=True)
        return torch.stack([(a - b).abs().mean((1, 2, 3)) for a, b in pairs]).mean(0)


def style_encoder(size: int, widths: tuple[int, ...], generator: LayeredGenerator) -> StyleEncoder:
    """An encoder for pictures of `size` pixels, on the generator's device. Raises ConfigError for too few widths."""
    sizes = check_widths(size, widths)
    encoder = StyleEncoder(dict(zip(sizes, widths, strict=False)), generator.map_background.style)
    return encoder.to(next(generator.parameters()).device)
