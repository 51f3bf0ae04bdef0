"""Picture to a vector: a residual network for pictures of one size."""

import math

from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.layers import Conv, Linear, downsample, leaky


class HalvingBlock(nn.Module):
    """Half the resolution: two convolutions beside a linear path."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv(inputs, inputs)
        self.second = Conv(inputs, outputs)
        self.beside = Conv(inputs, outputs, size=1)

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        y = leaky(self.second(downsample(leaky(self.first(x)))))
        return (y + self.beside(downsample(x))) / math.sqrt(2)


class Encoder(nn.Module):
    """Picture to features, about unit variance at first (equalised layers, no batch statistics).

    Args:
        widths: Channels by resolution, from 4 px to that of the picture, for example `{4: 96, 8: 64, 16: 48, 32: 32}`.
        outputs: Features.
    """

    def __init__(self, widths: dict[int, int], outputs: int) -> None:
        super().__init__()
        sizes = sorted(widths, reverse=True)
        self.read = Conv(3, widths[sizes[0]])
        self.blocks = nn.Sequential(*(HalvingBlock(widths[size], widths[size // 2]) for size in sizes if size > 4))
        self.hidden = Linear(widths[4] * 16, widths[4] * 4)
        self.out = Linear(widths[4] * 4, outputs)

    def forward(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch outputs"]:
        """Features of images in [0, 1], whose size is the largest of `widths`."""
        x = self.blocks(leaky(self.read(images * 2 - 1)))
        return self.out(leaky(self.hidden(x.flatten(1))))
