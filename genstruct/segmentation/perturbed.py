"""Perturbed generative segmentation (Bielski & Favaro 2019): learn object and background layers such that the picture
stays real when the object is shifted over its background. No label is used."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.augment import random_view
from genstruct.data.sample import Sample
from genstruct.losses import mask as mask_losses
from genstruct.losses.adversarial import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    reversal,
    zero_centered_penalty,
)
from genstruct.nn.augmentation import change_color, change_contrast, change_place
from genstruct.nn.discriminator import Discriminator
from genstruct.nn.named import named
from genstruct.render.layers import Layer, composite, shift_whole
from genstruct.segmentation.config import PerturbedConfig
from genstruct.segmentation.layered import LayeredGenerator, Mixing, Scene, fading_prior
from genstruct.train import schedules
from genstruct.train.method import Kept, Phase, Step, Update
from genstruct.train.optimizer_config import AdamSettings, OptimizerSettings
from genstruct.train.randomness import seeded


class PerturbedSegmentation:
    """The adversarial stage, as a `Method`."""

    averaged = ("generator",)

    def __init__(self, config: PerturbedConfig, seed: int = 0) -> None:
        self.config = config
        generator, objective = config.generator, config.objective
        with seeded(seed):
            widths = dict(zip(generator.sizes, generator.discriminator_widths, strict=False))
            networks = {
                "generator": LayeredGenerator(generator),
                "discriminator": (discriminator := Discriminator(widths, start=generator.start_size)),
            }
        self.networks = nn.ModuleDict(networks)
        if objective.adversarial != "non_saturating" and objective.drift == 0:
            # Differences of logits do not feel a common bias, but Adam turns the rounding error of its gradient into
            # steps of full length: a random walk (0.005 after 6 steps) that differs with the number of ranks.
            discriminator.logit.bias.register_hook(torch.zeros_like)
        penalty = Phase("penalty", ("discriminator",), every=objective.penalty_every)
        if objective.updates == "joint":
            self.phases = (Phase("joint", ("generator", "discriminator")), penalty)
        else:
            self.phases = (Phase("discriminator", ("discriminator",)), penalty, Phase("generator", ("generator",)))
        rates = config.rates
        self.optimizers: Mapping[str, OptimizerSettings] = {
            "generator": AdamSettings(lr=rates.generator, betas=rates.betas),
            "discriminator": AdamSettings(lr=rates.discriminator, betas=rates.betas),
        }

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """Loss of one phase; see `Method`."""
        return getattr(self, f"_{phase.name}")(batch, step)

    def lr_multiplier(self, network: str, step: Step) -> float:
        """Lower once the resolution has grown, and falling over the last third."""
        rates, generator = self.config.rates, self.config.generator
        grown = rates.after_growth if generator.size_at(step.images) > generator.start_size else 1.0
        return grown * schedules.linear(schedules.late(step.fraction), 1.0, rates.final)

    def after_step(self, step: Step, kept: Kept) -> None:
        """Nothing to do."""

    @torch.no_grad()
    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """Layers of 16 scenes, the same codes every time, and photos cropped as for the discriminator."""
        generator = named(networks, "generator", LayeredGenerator)
        count = min(16, step.draws.count)
        z = torch.randn(count, generator.latent_size, generator=torch.Generator().manual_seed(0))
        scene = generator(z.to(step.draws.device), self.config.generator.size_at(step.images), self._prior(step))
        mask = scene.mask.expand(-1, 3, -1, -1)
        return {
            "layers": torch.cat([scene.picture, scene.background, scene.foreground, mask]),
            "shifted": self._perturbed(scene, step),
            "real": self._real(batch, step),
        }

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """Empty, full or framed masks."""
        if step.fraction < 0.1 or step.images < 10_000:  # layers are still forming
            return None
        area, at_border = logs.get("mask_area"), logs.get("mask_border")
        if area is not None and not 0.25 * self.config.objective.minimum_area <= area <= 0.85:
            return f"masks cover {area:.3f} of the picture"
        if at_border is not None and self.config.objective.border > 0 and at_border > 0.4:
            return f"masks cover {at_border:.2f} of the frame of the picture: object and background have changed places"
        return None

    # Pictures for the discriminator

    def _scene(self, step: Step) -> Scene:
        generator = named(self.networks, "generator", LayeredGenerator)
        size = self.config.generator.size_at(step.images)
        z = step.draws.normal("latents", generator.latent_size)
        share, levels, mixing = self.config.generator.style_mixing, size.bit_length() - 2, None
        if share > 0 and levels > 1:
            mixing = Mixing.draw(step.draws, generator.latent_size, levels, share)
        return generator(z, size, self._prior(step), generator.draw_noise(step.draws, size), mixing)

    def _prior(self, step: Step) -> Tensor | float:
        size = self.config.generator.size_at(step.images)
        return fading_prior(self.config.objective, step.fraction, size, step.draws.device)

    def _perturbed(self, scene: Scene, step: Step) -> Float[Tensor, "batch 3 size size"]:
        """The composite after moving the object, and after changing the contrast of the background."""
        perturb = self.config.perturb
        background, mask, foreground = scene.background, scene.mask, scene.foreground
        if perturb.background_contrast > 0:
            reach = perturb.background_contrast
            factor = step.draws.uniform("contrast", low=1 - reach, high=1 + reach)[: len(mask)]
            background = change_contrast(background, factor)
        if perturb.shift > 0:
            moved = self._shifted(torch.cat([foreground, mask], 1), step)
            foreground, mask = moved[:, :3], moved[:, 3:]
        return composite(background, [Layer(foreground, mask)])

    def _shifted(self, layer: Float[Tensor, "batch c size size"], step: Step) -> Float[Tensor, "batch c size size"]:
        """The object's layer, or its mask, where this step moves it."""
        reach = self.config.perturb.shift * layer.shape[-1]
        offset = step.draws.uniform("shift", 2, low=-reach, high=reach)[: len(layer)].round()
        return shift_whole(layer, offset)

    def _real(self, batch: Sample, step: Step) -> Float[Tensor, "batch 3 size size"]:
        """Real images at the present resolution, cropped at random from a slightly larger frame."""
        perturb, size = self.config.perturb, self.config.generator.size_at(step.images)
        flipped = step.draws.uniform("flip") < 0.5 if perturb.flip else None
        return random_view(batch.images, size, perturb.real_frame, step.draws.uniform("corner", 2), flipped)

    def _seen(self, images: Float[Tensor, "batch 3 h w"], step: Step) -> Float[Tensor, "batch 3 h w"]:
        """What the discriminator sees: the same move, mirror and colour change of the i-th real and i-th fake image."""
        perturb = self.config.perturb
        if perturb.mirror > 0 or perturb.translation > 0:
            place = step.draws.uniform("place", 4)
            images = change_place(
                images, place, perturb.translation, perturb.translation_chance, mirrored=perturb.mirror
            )
        if perturb.color == 0 or perturb.color_chance == 0:
            return images
        return change_color(images, step.draws.uniform("colour", 5), perturb.color, perturb.color_chance)

    # Phases

    def _joint(self, batch: Sample, step: Step) -> Update:
        """Both networks from one pass through the discriminator; see `losses.adversarial`."""
        kind = self.config.objective.adversarial
        scene = self._scene(step)
        entry = self._perturbed(scene, step).clone()
        logits = self.networks["discriminator"](
            torch.cat([self._seen(self._real(batch, step), step), self._seen(entry, step)])
        )
        real, fake = logits.chunk(2)
        factor = reversal(kind, real.detach(), fake.detach())[:, None, None, None]
        if entry.requires_grad:
            entry.register_hook(lambda gradient: gradient * factor)
        loss = discriminator_loss(kind, real, fake).mean() + self.config.objective.drift * real.square().mean()
        structure, logs = self._structure(scene, step)
        return Update(loss + structure, self._scores(real, fake) | logs)

    def _discriminator(self, batch: Sample, step: Step) -> Update:
        kind = self.config.objective.adversarial
        with torch.no_grad():
            fakes = self._perturbed(self._scene(step), step)
        real, fake = self._judge(self._real(batch, step), fakes, step)
        loss = discriminator_loss(kind, real, fake).mean() + self.config.objective.drift * real.square().mean()
        return Update(loss, self._scores(real, fake))

    def _generator(self, batch: Sample, step: Step) -> Update:
        kind = self.config.objective.adversarial
        scene = self._scene(step)
        real, fake = self._judge(self._real(batch, step), self._perturbed(scene, step), step)
        structure, logs = self._structure(scene, step)
        return Update(generator_loss(kind, real.detach(), fake).mean() + structure, logs)

    def _judge(self, real: Tensor, fake: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        pair = torch.cat([self._seen(real, step), self._seen(fake, step)])
        real_logits, fake_logits = self.networks["discriminator"](pair).chunk(2)
        return real_logits, fake_logits

    def _penalty(self, batch: Sample, step: Step) -> Update:
        """R1 and R2, or WGAN-GP, in full precision: a gradient of a gradient loses too much in bfloat16."""
        objective, discriminator = self.config.objective, self.networks["discriminator"]
        real = self._seen(self._real(batch, step), step)
        with torch.no_grad():
            fake = self._seen(self._perturbed(self._scene(step), step), step).float()
        with torch.autocast(real.device.type, enabled=False):
            if objective.adversarial == "wasserstein":
                value = gradient_penalty(discriminator, real, fake, step.draws.uniform("mix"))
                return Update(
                    objective.penalty_every * objective.penalty * value.mean(),
                    {"gradient_penalty": value.mean().detach()},
                )
            value, _ = zero_centered_penalty(discriminator, torch.cat([real, fake]) if objective.r2 else real)
        weight = objective.penalty_every * self._penalty_weight(step) / 2
        total = value.mean() * (2 if objective.r2 else 1)
        return Update(weight * total, {"squared_gradient": value.mean().detach()})

    def _penalty_weight(self, step: Step) -> float:
        objective = self.config.objective
        return schedules.linear(schedules.ease(step.fraction), objective.penalty, objective.penalty_end)

    def _structure(self, scene: Scene, step: Step) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The terms that rule out degenerate masks: on the layers before the shift, except where `shifted_mask` wants
        area and binarisation of the mask after it. Logs are of the mask before it."""
        objective, mask = self.config.objective, scene.mask
        size = mask.shape[-1]
        framed = mask_losses.border(mask, max(1, round(objective.border_width * size)))
        gray = mask_losses.binarization(mask)
        moves = objective.shifted_mask and self.config.perturb.shift > 0
        placed = self._shifted(mask, step) if moves else mask
        hinges = mask_losses.minimum_area(placed, objective.minimum_area) + mask_losses.maximum_area(
            placed, objective.maximum_area
        )
        rise = schedules.ramp(step.fraction, objective.binarize_from, objective.binarize_until)
        loss = objective.area_weight * hinges + objective.border * framed
        loss = loss + objective.binarize * rise * (mask_losses.binarization(placed) if moves else gray)
        loss = loss + objective.saturation * scene.saturation
        if objective.leak > 0:
            leak = mask_losses.information_leak(scene.background, scene.foreground, mask)
            early = objective.leak_early if step.fraction < objective.leak_early_until else 1.0
            loss = loss + objective.leak * early * leak
        if objective.total_variation > 0:
            loss = loss + objective.total_variation * mask_losses.total_variation(mask)
        return loss.mean(), mask_logs(scene, framed, gray)

    @staticmethod
    def _scores(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"real_logit": real.mean().detach(), "fake_logit": fake.mean().detach()}


@torch.no_grad()
def mask_logs(scene: Scene, framed: Tensor, gray: Tensor) -> dict[str, Tensor]:
    """What tells health without labels: area, its spread, the frame, grey pixels, how far the layers differ."""
    mask = scene.mask
    area = mask_losses.area(mask)
    inside = ((scene.background - scene.foreground).abs() * mask).sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3)) + 1e-6)
    return {
        "mask_area": area.mean(),
        "mask_area_std": area.std(correction=0),
        "mask_border": framed.detach().mean(),
        "mask_gray": gray.detach().mean() / (area.mean() + 1e-6),
        "mask_variety": mask.std(0, correction=0).mean() / (area.mean() + 1e-6),
        "layer_difference": inside.mean(),
    }
