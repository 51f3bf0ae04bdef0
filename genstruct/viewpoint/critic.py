"""Realism by a critic: a discriminator that tells crops of the category from bent ones.

What it learns from are the crops themselves and their own random smooth distortions, of about the strength of a turn.
It is shown no hypothesis, so that it prefers none by training.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.data.sample import Sample
from genstruct.errors import ShapeError
from genstruct.nn.discriminator import Discriminator
from genstruct.pixels import resized
from genstruct.train.config import TrainConfig
from genstruct.train.distributed import pick_device
from genstruct.train.method import Step, Update
from genstruct.train.optimizer_config import AdamWSettings
from genstruct.train.randomness import Draws, seeded
from genstruct.train.report import OnProgress
from genstruct.train.simple import SimpleMethod
from genstruct.train.trainer import Trainer
from genstruct.viewpoint.config import CriticConfig
from genstruct.viewpoint.crops import ObjectCrops

SIZE = 32
"""Pixels of the crops as it sees them."""
NETWORK = "critic"
PIECE = 256


class Critic:
    """A `genstruct.viewpoint.realism.Realism`: logits of being a crop as it was, not a bent one."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def __call__(self, crops: ObjectCrops) -> Float[Tensor, " images"]:
        """See `Realism`."""
        both = torch.cat([crops.images, crops.masks], 1)
        return torch.cat([self.network(shown(piece)).float() for piece in both.split(PIECE)]).clone()


def train_critic(
    crops: ObjectCrops, out: Path, config: CriticConfig, train: TrainConfig, on_progress: OnProgress | None = None
) -> Critic:
    """A critic of the category of these crops, trained in the folder `out`; the same call again continues."""
    images = (crops.images.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    archive = Archive.from_arrays(images, (crops.masks[:, 0] * 255).round().byte().numpy())
    with Batches(archive, train.batch, train.seed, pick_device(train.device)) as batches:
        trainer = Trainer(CriticMethod(config, train.seed), batches, train, out, on_progress)
        trainer.run()
    return Critic(trainer.networks()[NETWORK].cpu())


class CriticMethod(SimpleMethod):
    """Tell crops from bent crops, as a `genstruct.train.method.Method`.

    Args:
        config: Widths, strength of the bending, rate.
        seed: Of the first weights.
    """

    def __init__(self, config: CriticConfig, seed: int = 0) -> None:
        with seeded(seed):
            network = Discriminator(dict(config.widths), channels=4)
        super().__init__({NETWORK: network}, AdamWSettings(lr=config.lr), averaged=(NETWORK,))
        self.config = config

    def views(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor]:
        """Each crop, moved a little, and the same one bent: both are looked up between pixels."""
        if batch.masks is None:
            raise ShapeError("a critic needs an archive of crops with masks")
        both = torch.cat([batch.images, batch.masks], 1)
        place = step.draws.uniform("place", 3, low=-1.0, high=1.0)
        still = _moved(place * both.new_tensor([0.02, 0.02, 0.03]), SIZE)
        off = self.config.bending * _smooth(step.draws)
        return read(both, still), read(both, still + off)

    def loss(self, views: tuple[Tensor, Tensor], step: Step) -> Update:
        """Cross-entropy of both kinds."""
        network = self.networks[NETWORK]
        real, bent = (network(view) for view in views)
        right = ((real > 0).double().mean() + (bent < 0).double().mean()) / 2
        return Update(F.softplus(-real) + F.softplus(bent), {"right": right.detach().float()})


def shown(both: Float[Tensor, "batch 4 large large"]) -> Float[Tensor, "batch 4 size size"]:
    """Colours before grey, and the mask, at the size of the network."""
    small = resized(both, (SIZE, SIZE))
    return torch.cat([0.5 + (small[:, :3] - 0.5) * small[:, 3:], small[:, 3:]], 1)


def read(both: Float[Tensor, "batch 4 large large"], grid: Float[Tensor, "batch size size 2"]) -> Tensor:
    """Crops looked up by fields, as turned crops are, at the size of the network."""
    fine = F.interpolate(grid.movedim(-1, 1), both.shape[-2:], mode="bilinear", align_corners=False).movedim(1, -1)
    return shown(F.grid_sample(both, fine, padding_mode="border", align_corners=False))


def _moved(place: Float[Tensor, "batch 3"], size: int) -> Float[Tensor, "batch size size 2"]:
    """Shifts and a change of scale."""
    scale, zero = 1 + place[:, 2], torch.zeros_like(place[:, 0])
    rows = [torch.stack([scale, zero, place[:, 0]], 1), torch.stack([zero, scale, place[:, 1]], 1)]
    return F.affine_grid(torch.stack(rows, 1), [len(place), 1, size, size], align_corners=False)


def _smooth(draws: Draws) -> Float[Tensor, "batch size size 2"]:
    """Random smooth displacements of standard deviation about 1."""
    coarse = draws.normal("bending", 2, 3, 3)
    return F.interpolate(coarse, (SIZE, SIZE), mode="bicubic", align_corners=True).movedim(1, -1)
