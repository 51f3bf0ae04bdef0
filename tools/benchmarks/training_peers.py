"""The adversarial step of another package on the same images, its networks as costly as ours.

torch-mimicry (MIT; Lee & Town 2020) has two whose work is like ours, on residual networks: SNGAN (Miyato et al. 2018)
with spectral norms and no penalty, and WGAN-GP (Gulrajani et al. 2017) with a penalty every step; ours has two every 8
steps. A step is one update of each network by the package's own `train_step`: eager float32, no average of weights.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.clock import Clock
from genstruct.data.archive import Archive
from genstruct.errors import MissingDependency

PACKAGE = "torch_mimicry"
# Its list of dependencies, tensorflow among them, is for scores and data sets.
SOURCES = {PACKAGE: "pip install --no-deps torch-mimicry"}
SIZES = (32, 64, 128)


class Kind(NamedTuple):
    """A pair of networks of the package.

    Args:
        module: Where they are.
        name: What their names begin with.
        widths: Of generator and discriminator (`ngf`, `ndf`) by resolution: of the pairs whose step costs as many
            multiply-adds as ours within 5 %, the one with most of them a second on a CPU with AVX-512. Narrow layers
            that do not fill its registers cost up to a third.
    """

    module: str
    name: str
    widths: dict[int, tuple[int, int]]


KINDS = {
    "mimicry SNGAN": Kind("nets.sngan", "SNGAN", {32: (48, 20), 64: (128, 256), 128: (80, 192)}),
    "mimicry WGAN-GP": Kind("nets.wgan_gp", "WGANGP", {32: (48, 16), 64: (64, 224), 128: (112, 128)}),
}


class Mimicry:
    """A `Training` with networks and steps of torch-mimicry; learning rates as its examples have them.

    Args:
        kind: Which networks.
        size: Resolution, pixels.
        archive: Images, at least as large; their upper left corner is seen.
        batch: Images of a step.
        device: Where to train.
    """

    def __init__(self, kind: Kind, size: int, archive: Archive, batch: int, device: str) -> None:
        networks, widths = load(kind.module), kind.widths[size]
        self.generator = getattr(networks, f"{kind.name}Generator{size}")(ngf=widths[0]).to(device)
        self.discriminator = getattr(networks, f"{kind.name}Discriminator{size}")(ndf=widths[1]).to(device)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), 2e-4, (0.0, 0.9)) for network in (self.generator, self.discriminator)
        ]
        self.new_log = load("training.metric_log").MetricLog
        self.images, self.batch, self.device = archive.images[:, :size, :size], batch, torch.device(device)
        self.number = 0

    def step(self, clock: Clock) -> None:
        """See `Training`."""
        clock.start()
        images = self._images()
        shared = {
            "real_batch": (images, images.new_zeros(self.batch)),
            "log_data": self.new_log(),
            "global_step": self.number,
            "device": self.device,
        }
        clock.mark("data")
        self.discriminator.train_step(netG=self.generator, optD=self.optimizers[1], **shared)
        clock.mark("discriminator")
        self.generator.train_step(netD=self.discriminator, optG=self.optimizers[0], **shared)
        clock.mark("generator")
        self.number += 1

    def close(self) -> None:
        """See `Training`."""

    def _images(self) -> Tensor:
        """A batch in [-1, 1]."""
        index = np.random.default_rng(self.number).integers(0, len(self.images), self.batch)
        images = torch.from_numpy(self.images[index]).permute(0, 3, 1, 2).float()
        return images.div(127.5).sub(1).contiguous().to(self.device)


def trainings(names: Sequence[str], size: int, archive: Archive, batch: int, device: str) -> dict[str, Mimicry]:
    """What the installed packages `names` can train at this resolution, by name of the row."""
    if PACKAGE not in names or size not in SIZES:
        return {}
    return {name: Mimicry(kind, size, archive, batch, device) for name, kind in KINDS.items()}


def load(name: str) -> Any:
    """A module of the package, without what the package itself imports: tensorflow, scikit-image, all for scores."""
    for package in (PACKAGE, f"{PACKAGE}.training"):
        if package not in sys.modules:
            spec = find_spec(package)
            if spec is None:
                raise MissingDependency(f"{package} is not installed: {SOURCES[PACKAGE]}")
            sys.modules[package] = module_from_spec(spec)
    return importlib.import_module(f"{PACKAGE}.{name}")
