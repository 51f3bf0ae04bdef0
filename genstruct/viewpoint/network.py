"""A small network that tells the view of a crop: what a view graph knows, distilled, for speed."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.unet import Block
from genstruct.pixels import resized
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.views import ViewGrid

SIZE = 48
"""Pixels of the crops as it sees them."""
POOLED = 3


class ViewNetwork(nn.Module):
    """Crop and mask to logits of views.

    Args:
        views: How many are told apart.
        widths: Channels from full resolution downwards, each a multiple of 8; each step halves the resolution.
        hidden: Features before the last layer.
    """

    def __init__(self, views: int, widths: tuple[int, ...] = (24, 48, 96, 128), hidden: int = 128) -> None:
        super().__init__()
        self.widths = tuple(widths)
        inputs = (4, *widths[:-1])
        self.down = nn.ModuleList(Block(a, b) for a, b in zip(inputs, widths, strict=True))
        self.hidden = nn.Linear(widths[-1] * POOLED**2, hidden)
        self.out = nn.Linear(hidden, views)

    def forward(self, images: Float[Tensor, "batch 4 size size"]) -> Float[Tensor, "batch views"]:
        """Of colours and mask in [0, 1]."""
        x = images * 2 - 1
        for number, block in enumerate(self.down):
            x = block(F.avg_pool2d(x, 2) if number else x)
        x = F.adaptive_avg_pool2d(x, POOLED).flatten(1)
        return self.out(F.relu(self.hidden(x)))


@torch.inference_mode()
def network_posterior(network: ViewNetwork, crops: ObjectCrops, grid: ViewGrid) -> Float[Tensor, "images views"]:
    """Views of crops: the mean of what is said of them and of their mirror images."""
    seen = resized(torch.cat([crops.images, crops.masks], 1), (SIZE, SIZE)).contiguous(
        memory_format=torch.channels_last
    )
    alone, mirrored = (network(pictures).float().log_softmax(1) for pictures in (seen, seen.flip(-1)))
    return ((alone + mirrored[:, grid.mirror.to(mirrored.device)]) / 2).softmax(1)
