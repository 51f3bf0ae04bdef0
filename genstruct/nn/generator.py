"""A style-modulated image generator that grows: every resolution adds to a picture that was already there."""

import itertools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.layers import Linear, ModulatedConv, leaky, normalise_features, upsample


class Mapping(nn.Module):
    """Latent code to style (Karras et al. 2019, section 2)."""

    def __init__(self, latent: int, style: int, depth: int = 2, lr: float = 0.1) -> None:
        super().__init__()
        widths = [latent, *[style] * depth]
        self.layers = nn.ModuleList(Linear(a, b, lr=lr) for a, b in itertools.pairwise(widths))

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch style"]:
        z = normalise_features(z)
        for layer in self.layers:
            z = leaky(layer(z))
        return z


class Level(nn.Module):
    """Twice the resolution: a convolution before upsampling (a quarter of the work), one after, and what it adds to
    the output. `added` starts at zero, so that a level that grows in changes nothing at first."""

    def __init__(self, inputs: int, width: int, outputs: int, style: int) -> None:
        super().__init__()
        self.before = ModulatedConv(inputs, width, style)
        self.after = ModulatedConv(width, width, style)
        self.added = ModulatedConv(width, outputs, style, size=1, demodulate=False, zero=True)

    def forward(
        self, x: Float[Tensor, "batch inputs h w"], style: Float[Tensor, "batch style"]
    ) -> Float[Tensor, "batch width h2 w2"]:
        x = upsample(leaky(self.before(x, style)))
        return leaky(self.after(x, style))


class Synthesis(nn.Module):
    """Style to picture, from 4 x 4 pixels up to any of its resolutions (skip outputs: Karras et al. 2020, Fig. 7).

    Args:
        widths: Channels by resolution, for example `{4: 96, 8: 96, 16: 48, 32: 24}`.
        outputs: Channels of the picture.
        style: Features of the style vector.
    """

    def __init__(self, widths: dict[int, int], outputs: int, style: int) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.first = ModulatedConv(widths[4], widths[4], style)
        self.picture = ModulatedConv(widths[4], outputs, style, size=1, demodulate=False)
        self.levels = nn.ModuleDict()
        for size in sorted(widths)[1:]:
            self.levels[str(size)] = Level(widths[size // 2], widths[size], outputs, style)

    def forward(self, style: Float[Tensor, "batch style"], size: int) -> Float[Tensor, "batch outputs size size"]:
        x = leaky(self.first(self.constant.expand(len(style), -1, -1, -1), style))
        picture = self.picture(x, style)
        for resolution, level in self.levels.items():
            if int(resolution) > size:
                break
            x = level(x, style)
            picture = upsample(picture) + level.added(x, style)
        return picture
