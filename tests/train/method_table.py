"""Every method there is, made small, for `test_method_conformance.py`. A new method is one more row.

Run as a script it trains each of them as one of several ranks: `python method_table.py OUT`.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_simple import Autoencoder, Contrast
from tiny_training import TinyGan, weights

sys.path.append(str(Path(__file__).parents[1] / "segmentation"))
from tiny_perturbed import GENERATOR, perturbing, published, settings

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.nn.discriminator import Discriminator
from genstruct.nn.unet import UNet
from genstruct.segmentation.inversion import Inversion
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.learning_config import InvertConfig, MaskLearningConfig
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.segmentation.supervise import MaskLearning
from genstruct.train.config import TrainConfig
from genstruct.train.distributed import current, joined
from genstruct.train.method import Method
from genstruct.train.randomness import seeded
from genstruct.train.trainer import Trainer
from genstruct.viewpoint.config import DistillConfig
from genstruct.viewpoint.distill import Distillation
from genstruct.viewpoint.views import ViewGrid

TRAIN = TrainConfig(
    images=48,  # six steps: levels of the generators grow in after three or four of them, penalties come at 0 and 3
    batch=8,
    device="cpu",
    precision="float32",
    ema_half_life_images=16.0,
    save_every_images=16,
    preview_every_images=0,
    preview_images=4,
    log_every_images=16,
    health_every_images=1000,
    tensorboard=False,
    threads=1,
)


@dataclass(frozen=True)
class Row:
    """A method and what it is trained on.

    Args:
        make: A new method; its first weights depend on the seed alone.
        size: Of the images, pixels.
        silent: Parameters whose gradient is zero by construction.
        tolerance: Between one rank and two, after all steps, absolute.
        train: Other settings of the training.
        fields: Further values of the images.
    """

    make: Callable[[int], Method]
    size: int = 24
    silent: tuple[str, ...] = ()
    tolerance: float = 1e-5
    train: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)


def _views(count: int = 20) -> Mapping[str, np.ndarray]:
    """One view for each image, most of them sure."""
    candidates = np.zeros((count, 4, 3), np.float32)
    candidates[:, 0] = np.stack([np.arange(count) / 3, np.full(count, 0.2), np.full(count, 0.9)], 1)
    return {"views": candidates, "confidence": (np.arange(count) % 5 > 0).astype(np.float32)}


def _mask_learning(seed: int) -> MaskLearning:
    with seeded(seed):
        network = UNet(3, 1, (8, 8))
    return MaskLearning(network, 16, MaskLearningConfig(blur=0.5), (torch.arange(20) % 5 != 0).float())


def _inversion(seed: int) -> Inversion:
    with seeded(7):
        generator, discriminator = LayeredGenerator(GENERATOR), Discriminator({4: 8, 8: 8, 16: 8})
    config = InvertConfig(images=48, batch=8, widths=(16, 12, 8), features=0.5)
    return Inversion(generator, 16, config, discriminator, seed)


# A common bias of all logits cancels where only their differences count.
BIAS = ("discriminator.logit.bias",)
METHODS = {
    "gan": Row(lambda seed: TinyGan(seed), 8),
    "perturbed": Row(lambda seed: PerturbedSegmentation(settings(), seed), silent=BIAS),
    # A hidden bias has no say either while its unit is on one side of zero for all eight images: Adam turns the
    # rounding error of that gradient into steps (of up to 2e-3 each; real gradients move weights by 1e-2 in all).
    "published": Row(lambda seed: PerturbedSegmentation(published(), seed), silent=BIAS, tolerance=2e-4),
    "alternating": Row(
        lambda seed: PerturbedSegmentation(
            perturbing(settings(updates="alternating", adversarial="wasserstein", drift=0.001), mirror=0.5), seed
        )
    ),
    "mask learning": Row(_mask_learning),
    "inversion": Row(_inversion),
    "autoencoder": Row(lambda seed: Autoencoder(seed), 8),
    "distillation": Row(
        lambda seed: Distillation(ViewGrid(8, 0.0, 0.5, 2), DistillConfig(widths=(8, 8, 8)), seed), fields=_views()
    ),
    "contrast": Row(lambda seed: Contrast(seed), 8),
}


def photos(size: int, count: int = 20, labels: bool = False, more: Mapping[str, np.ndarray] | None = None) -> Archive:
    """Smooth noise with masks; labels on demand."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), np.uint8)
    images = coarse.repeat(size // 4, 1).repeat(size // 4, 2)
    fields = {"labels": np.arange(count) % 7, "weight": np.arange(count) / count} if labels else {}
    return Archive.from_arrays(images, np.ascontiguousarray(images[..., 0]), fields={**fields, **(more or {})})


def trainer(name: str, out: Path, seed: int = 0, labels: bool = False, **train: Any) -> Trainer:
    """A trainer of this rank's share of a method's images."""
    row, ranks = METHODS[name], current()
    config = replace(TRAIN, **{**row.train, "seed": seed, **train})
    images = photos(row.size, labels=labels, more=row.fields)
    batches = Batches(images, config.batch, seed, "cpu", ranks.rank, ranks.world, prefetch=False)
    return Trainer(row.make(seed), batches, config, out)


if __name__ == "__main__":
    with joined() as place:
        for each in METHODS:
            run = trainer(each, Path(sys.argv[1]) / each, preview_every_images=32)  # by rank 0 alone
            run.run()
            torch.save(weights(run), Path(sys.argv[1]) / f"{each}-{place.rank}.pt")
    os._exit(0)  # all is done and saved; threads of gloo now and then abort the interpreter's own exit (torch)
