"""A small U-Net (Ronneberger et al. 2015) without batch statistics, for images of any size."""

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def pad_to_multiple(x: Float[Tensor, "batch c h w"], multiple: int) -> Float[Tensor, "batch c h2 w2"]:
    """Repeat the right and bottom edge until both sides are a multiple."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


class Block(nn.Module):
    """Two 3 x 3 convolutions with group normalisation, which does not depend on the rest of the batch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        groups = outputs // 8
        self.norms = nn.ModuleList([nn.GroupNorm(groups, outputs), nn.GroupNorm(groups, outputs)])

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h w"]:
        x = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(x)))


class UNet(nn.Module):
    """Image to per-pixel logits, at the size of the image.

    Args:
        in_channels: 3 for colour.
        out_channels: 1 for a mask.
        widths: Channels from full resolution downwards, each a multiple of 8; each step halves the resolution.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 1, widths: tuple[int, ...] = (24, 48, 96, 96)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        inputs = (in_channels, *widths[:-1])
        self.down = nn.ModuleList(Block(a, b) for a, b in zip(inputs, widths, strict=True))
        reversed_widths = widths[::-1]
        self.up = nn.ModuleList(Block(a + b, b) for a, b in itertools.pairwise(reversed_widths))
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, images: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch outputs h w"]:
        height, width = images.shape[-2:]
        kept = self.contracted(images)
        x = kept[-1]
        for block, skip in zip(self.up, kept[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], 1))
        return self.head(x)[..., :height, :width]

    def contracted(self, images: Float[Tensor, "batch channels h w"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """Maps of the contracting half, from full resolution (padded to a multiple) downwards, one for each width."""
        x = pad_to_multiple(images * 2 - 1, 2 ** (len(self.down) - 1))
        kept: list[Tensor] = []
        for block in self.down:
            x = block(F.avg_pool2d(x, 2) if kept else x)
            kept.append(x)
        return kept
