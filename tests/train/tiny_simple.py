"""Methods on the simple base: the smallest one, and one with all that a momentum encoder and a queue need."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.augment import random_view
from genstruct.data.sample import Sample
from genstruct.nn.batch_norm import BatchNorm
from genstruct.nn.collective import gather
from genstruct.train.average import averaged_copy, update_average
from genstruct.train.method import Kept, Step, Update
from genstruct.train.optimizer_config import LARSSettings, SGDSettings
from genstruct.train.randomness import seeded
from genstruct.train.simple import SimpleMethod


class Autoencoder(SimpleMethod):
    """Remember pictures by eight numbers."""

    def __init__(self, seed: int = 0) -> None:
        with seeded(seed):
            super().__init__({"encoder": nn.Linear(192, 8), "decoder": nn.Linear(8, 192)}, SGDSettings(lr=0.5))

    def loss(self, views: Float[Tensor, "batch 3 8 8"], step: Step) -> Update:
        """Squared error."""
        images = views.flatten(1)
        return Update((self.networks["decoder"](self.networks["encoder"](images)) - images).square().mean(1))


class Queue(nn.Module):
    """Keys of earlier batches."""

    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.rows: Tensor
        self.register_buffer("rows", F.normalize(torch.randn(rows, features), dim=1))


class Contrast(SimpleMethod):
    """Momentum contrast (He et al. 2020): two views of a picture against a queue of keys."""

    def __init__(self, seed: int = 0) -> None:
        with seeded(seed):
            query = nn.Sequential(nn.Conv2d(3, 8, 3, 2), BatchNorm(8), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4))
            networks = {"query": query, "key": averaged_copy(query).train(), "queue": Queue(24, 4)}
            super().__init__(networks, LARSSettings(lr=1.0, trust=0.02), ("key", "queue"), ("query",))

    def views(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor]:
        """Two crops of each picture."""
        one, two = (random_view(batch.images, 8, 1.2, step.draws.uniform(use, 2)) for use in ("one", "two"))
        return one, two

    def loss(self, views: tuple[Tensor, Tensor], step: Step) -> Update:
        """The view's key among all of the queue."""
        query = F.normalize(self.networks["query"](views[0]), dim=1)
        with torch.no_grad():
            keys = F.normalize(self.networks["key"](views[1]), dim=1)
        positive, negative = (query * keys).sum(1, keepdim=True), query @ self.networks["queue"].rows.T
        logits = torch.cat([positive, negative], 1) / 0.2
        values = F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long), reduction="none")
        return Update(values, {"spread": query.std(0).mean().detach()}, {"keys": keys})

    def after_step(self, step: Step, kept: Kept) -> None:
        """Move the momentum encoder, and put the keys of all ranks into the queue."""
        update_average(self.networks["key"], self.networks["query"], 0.9)
        keys, queue = gather(kept["train"]["keys"]), self.networks["queue"].rows
        queue.copy_(torch.cat([keys, queue])[: len(queue)])

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Tensor]:
        """The views, darker where they are not taken for the same picture."""
        views = self.views(batch, step)
        one, two = (F.normalize(networks["query"](view), dim=1) for view in views)
        alike = (one * two).sum(1).clamp(0, 1)[:, None, None, None]
        return {"views": torch.cat([view * alike for view in views])}
