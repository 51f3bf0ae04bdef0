"""The smallest perturbed segmentation, on pictures of noise: it grows from 8 to 16 px half-way, and learns nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig, PerturbConfig, PerturbedConfig
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.train.config import TrainConfig
from genstruct.train.method import Step
from genstruct.train.randomness import Draws
from genstruct.train.trainer import Trainer

GENERATOR = GeneratorConfig(
    size=16,
    start_size=8,
    stage_images=(32,),
    shared_latent=3,
    layer_latent=5,
    style=8,
    widths=(8, 8, 8),
    discriminator_widths=(8, 8, 8),
)
TRAIN = TrainConfig(
    images=80,
    batch=8,
    device="cpu",
    precision="float32",
    ema_half_life_images=16.0,
    save_every_images=16,
    preview_every_images=0,
    log_every_images=16,
    tensorboard=False,
    threads=1,
)


def settings(**objective):
    """Settings with another objective."""
    values = {"penalty_every": 3, "leak": 0.1, **objective}
    return PerturbedConfig(generator=GENERATOR, perturb=PerturbConfig(), objective=ObjectiveConfig(**values))


def perturbing(config, **perturb):
    """The same settings with another perturbation."""
    return replace(config, perturb=replace(config.perturb, **perturb))


def published():
    """Settings with the published generator's parts, and all that is done to real and made images alike."""
    config = perturbing(settings(shifted_mask=True), translation=0.1, mirror=0.5)
    return replace(config, generator=replace(GENERATOR, noise=True, style_mixing=0.6, mapping_layers=3))


def photos(count=20, size=24, masks=False):
    """An archive of smooth noise, with masks on demand."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 4, 4, 3), np.uint8)
    images = coarse.repeat(size // 4, 1).repeat(size // 4, 2)
    return Archive.from_arrays(images, np.ascontiguousarray(images[..., 0]) if masks else None)


def step_at(images, number=0, batch=8, total=TRAIN.images, first=0, count=None):
    """Where a training stands after `images` images, with its draws."""
    return Step(number, images, total, Draws(0, number, first, count or batch, batch))


def stirred(method, seed=0):
    """The method with all weights moved, so that gates and levels that start at zero take part."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in method.networks.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng))
    return method


def trainer(out, config=None, **train):
    """A trainer."""
    settings_ = replace(TRAIN, **train)
    batches = Batches(photos(), settings_.batch, settings_.seed, prefetch=False)
    return Trainer(PerturbedSegmentation(config or settings()), batches, settings_, Path(out))
