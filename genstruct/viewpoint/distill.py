"""Teach a small network what a view graph knows of its photos.

Labels are the graph's own posteriors, weighted by its confidence. Pictures are moved, mirrored, recoloured and laid
over each other's surroundings, masks are bent at their outlines: the network must say the same of all of them.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.data.archive import Archive
from genstruct.data.sample import Sample
from genstruct.errors import ShapeError
from genstruct.nn.augmentation import change_color
from genstruct.run.stages import StageRunner
from genstruct.train.config import TrainConfig
from genstruct.train.method import Step, Update
from genstruct.train.optimizer_config import AdamWSettings
from genstruct.train.randomness import Draws, generator_for, seeded
from genstruct.train.report import OnProgress
from genstruct.train.simple import SimpleMethod
from genstruct.viewpoint.bank import spread
from genstruct.viewpoint.config import DistillConfig
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.model import ViewGraph
from genstruct.viewpoint.network import SIZE, ViewNetwork
from genstruct.viewpoint.views import ViewGrid

VIEWS, WEIGHT = "views", "confidence"
"""Fields of the archive: candidates of each photo's view, and how sure they are."""
NETWORK = "views"


def held_out(graph: Graph, share: float, seed: int) -> Bool[Tensor, " photos"]:
    """Which photos are kept back from the network."""
    return torch.rand(len(graph.photos), generator=generator_for(seed, "held out")) < share


def crops_archive(graph: Graph, rows: Bool[Tensor, " photos"]) -> Archive:
    """Some of the graph's crops with their views, weighted by confidence; undetermined ones weigh nothing."""
    crops, views = graph.photos.crops[rows], graph.views[rows]
    images = (crops.images.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    masks = (crops.masks[:, 0] * 255).round().byte().numpy()
    weight = torch.where(views.determined, views.confidence, 0.0)
    fields = {VIEWS: views.candidates.float().numpy(), WEIGHT: weight.float().numpy()}
    return Archive.from_arrays(images, masks, fields=fields)


def distill(
    runner: StageRunner,
    progress: OnProgress,
    graph: Graph,
    model: ViewGraph,
    config: DistillConfig,
    train: TrainConfig,
    folder: Path,
) -> ViewGraph:
    """The model with a network that has learned from the graph's photos.

    Args:
        runner: Runs the training.
        progress: Of the training.
        graph: What is taught.
        model: Of the same graph.
        config: How pictures are changed, and rates.
        train: Settings of the training.
        folder: Of its checkpoints.

    Raises:
        Stopped: A signal ended it.
    """
    back = held_out(graph, config.held_out, train.seed)
    method = Distillation(graph.category.grid, config, train.seed)
    networks = runner.train(progress, method, crops_archive(graph, ~back), train, folder)
    network = networks[NETWORK]
    assert isinstance(network, ViewNetwork)
    return model.with_network(network.cpu(), graph, back.nonzero()[:, 0])


class Distillation(SimpleMethod):
    """Soft labels of views, as a `genstruct.train.method.Method`.

    Args:
        grid: Views that are told apart.
        config: How pictures are changed, and rates.
        seed: Of the first weights.
    """

    def __init__(self, grid: ViewGrid, config: DistillConfig, seed: int = 0) -> None:
        with seeded(seed):
            network = ViewNetwork(len(grid), config.widths)
        optimizer = AdamWSettings(lr=config.lr, weight_decay=config.weight_decay)
        super().__init__({NETWORK: network}, optimizer, averaged=(NETWORK,))
        self.grid, self.config = grid, config

    def views(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Changed pictures with masks, posteriors to be learned, and weights."""
        if batch.masks is None or not {VIEWS, WEIGHT} <= batch.fields.keys():
            raise ShapeError("distillation needs an archive of crops with views (distill.crops_archive)")
        flip = step.draws.uniform("flip") < 0.5
        seen = moved(torch.cat([batch.images, batch.masks], 1), flip, step.draws, self.config)
        colors, masks = seen[:, :3], bent(seen[:, 3:], step.draws, self.config.mask_noise)
        colors = elsewhere(colors, seen[:, 3:], step.draws, self.config.swap)
        colors = recolored(colors, step.draws, self.config)
        shown = batch.fields[VIEWS].float()
        turn = torch.where(flip, -1.0, 1.0)[:, None]
        shown = torch.cat([(shown[..., :1] * turn[..., None]) % math.tau, shown[..., 1:]], -1)
        softness = math.radians(self.config.softness)
        return torch.cat([colors, masks], 1), self.grid.smooth(spread(shown, self.grid), softness), batch.fields[WEIGHT]

    def loss(self, views: tuple[Tensor, Tensor, Tensor], step: Step) -> Update:
        """Cross-entropy with the soft labels, less their own entropy."""
        images, taught, weight = views
        logs = self.networks[NETWORK](images).float().log_softmax(1)
        apart = (taught * ((taught + 1e-9).log() - logs)).sum(1)
        loss = apart * weight.float()
        right = off_by(logs.detach().argmax(1), taught.argmax(1), self.grid) <= math.radians(30)
        return Update(loss, {"divergence": apart.detach().mean(), "within_30": right.float().mean()})


def moved(
    view: Float[Tensor, "batch 4 large large"], flip: Tensor, draws: Draws, config: DistillConfig
) -> Float[Tensor, "batch 4 size size"]:
    """Mirrored, shifted, scaled and a little rotated, at the size of the network."""
    place = draws.uniform("place", 4, low=-1.0, high=1.0)
    angle, scale = place[:, 2] * math.radians(config.rotation), 1 + place[:, 3] * config.scale
    cos, sin = scale * angle.cos(), scale * angle.sin()
    mirror = torch.where(flip, -1.0, 1.0)
    rows = [torch.stack([cos * mirror, -sin, place[:, 0] * config.shift], 1)]
    rows.append(torch.stack([sin * mirror, cos, place[:, 1] * config.shift], 1))
    grid = F.affine_grid(torch.stack(rows, 1), [len(view), 4, SIZE, SIZE], align_corners=False)
    colors = F.grid_sample(view[:, :3], grid, padding_mode="border", align_corners=False)
    return torch.cat([colors, F.grid_sample(view[:, 3:], grid, align_corners=False)], 1)


def bent(masks: Float[Tensor, "batch 1 h w"], draws: Draws, strength: float) -> Float[Tensor, "batch 1 h w"]:
    """Masks whose outlines are wrong here and there."""
    noise = F.interpolate(draws.normal("outline", 1, 6, 6), masks.shape[-2:], mode="bilinear", align_corners=False)
    soft = F.avg_pool2d(masks, 5, stride=1, padding=2, count_include_pad=False)
    return ((soft - 0.5 + (strength * noise).clamp(-0.45, 0.45)) * 8).sigmoid()


def elsewhere(
    colors: Float[Tensor, "batch 3 h w"], masks: Float[Tensor, "batch 1 h w"], draws: Draws, chance: float
) -> Float[Tensor, "batch 3 h w"]:
    """Some objects before another picture of the batch, which is turned upside down.

    Rows are paired 0 and 1, 2 and 3, ...: pairs stay together however ranks share a batch.
    """
    rows = torch.arange(len(colors), device=colors.device)
    other = colors[(rows ^ 1).clamp(max=len(rows) - 1)].flip(2)
    there = (draws.uniform("elsewhere") < chance)[:, None, None, None]
    return torch.where(there, masks * colors + (1 - masks) * other, colors)


def recolored(
    colors: Float[Tensor, "batch 3 h w"], draws: Draws, config: DistillConfig
) -> Float[Tensor, "batch 3 h w"]:
    """Channels in another order, and hue, saturation, contrast and brightness changed."""
    order = draws.uniform("order", 3).argsort(1)
    mixed = colors.gather(1, order[:, :, None, None].expand_as(colors))
    return change_color(mixed, draws.uniform("color", 5), config.color, 0.8)


def off_by(views: Tensor, others: Tensor, grid: ViewGrid) -> Float[Tensor, " images"]:
    """Difference of the azimuths of two views, radians."""
    apart = grid.azimuth.to(views.device)[views] - grid.azimuth.to(views.device)[others]
    return torch.atan2(apart.sin(), apart.cos()).abs()
