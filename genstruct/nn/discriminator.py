"""Real or made? A residual network that reads the picture at every resolution, so that it can grow."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.layers import Conv, Linear, downsample, leaky


class DownLevel(nn.Module):
    """Half the resolution: a branch gated by zero at first, so that a level that grows in starts as a no-op."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv(width, width)
        self.second = Conv(width, outputs)
        self.gate = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        x = leaky(self.first(x))
        x = leaky(self.second(downsample(x)))
        return x * self.gate.to(x.dtype)[:, None, None]


class Discriminator(nn.Module):
    """Picture to a logit: high = real (input skips: Karras et al. 2020, Fig. 7; no batch statistics).

    Args:
        widths: Channels by resolution, for example `{4: 128, 8: 96, 16: 64, 32: 32}`.
        channels: Of the picture.
    """

    def __init__(self, widths: dict[int, int], channels: int = 3) -> None:
        super().__init__()
        self.read = nn.ModuleDict({str(size): Conv(channels, widths[size], size=1) for size in sorted(widths)})
        self.levels = nn.ModuleDict(
            {str(size): DownLevel(widths[size], widths[size // 2]) for size in sorted(widths) if size > 4}
        )
        self.last = Conv(widths[4], widths[4])
        self.hidden = Linear(widths[4] * 16, widths[4])
        self.logit = Linear(widths[4], 1)

    def forward(self, images: Float[Tensor, "batch channels size size"]) -> Float[Tensor, " batch"]:
        """Logits of images in [0, 1], whose size is any of the resolutions in `widths`."""
        x = leaky(self.last(self.features(images)[-1]))
        x = leaky(self.hidden(x.flatten(1)))
        return self.logit(x).float().squeeze(1)

    def features(self, images: Float[Tensor, "batch channels size size"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """What it sees at each resolution, from that of the images down to 4 px."""
        picture, size = images * 2 - 1, images.shape[-1]
        seen = [leaky(self.read[str(size)](picture))]
        while size > 4:
            picture = downsample(picture)
            branch = self.levels[str(size)](seen[-1])
            size //= 2
            seen.append((leaky(self.read[str(size)](picture)) + branch) / math.sqrt(2))
        return seen
