"""A style-modulated image generator that grows: every resolution adds to a picture that was already there."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.layers import Linear, ModulatedConv, leaky, normalize_features, upsample


class Mapping(nn.Module):
    """Latent code to style (Karras et al. 2019, section 2)."""

    def __init__(self, latent: int, style: int, depth: int = 2, lr: float = 0.1) -> None:
        super().__init__()
        self.style = style
        widths = [latent, *[style] * depth]
        self.layers = nn.ModuleList(Linear(a, b, lr=lr) for a, b in itertools.pairwise(widths))

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch style"]:
        z = normalize_features(z)
        for layer in self.layers:
            z = leaky(layer(z))
        return z


class Level(nn.Module):
    """Twice the resolution: a convolution before upsampling (a quarter of the work), one after, and what it adds to
    the output. `added` starts at zero, so that a level that grows in changes nothing at first. So do the strengths of
    noise, by channel; there are none without `noise`."""

    def __init__(self, inputs: int, width: int, outputs: int, style: int, noise: bool = False) -> None:
        super().__init__()
        self.before = ModulatedConv(inputs, width, style)
        self.after = ModulatedConv(width, width, style)
        self.added = ModulatedConv(width, outputs, style, size=1, demodulate=False, zero=True)
        if noise:
            self.strength_before = nn.Parameter(torch.zeros(width))
            self.strength_after = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        x: Float[Tensor, "batch inputs h w"],
        style: Float[Tensor, "batch style"],
        noise: Sequence[Float[Tensor, "noises 1 _ _"]] = (),
    ) -> Float[Tensor, "batch width h2 w2"]:
        before = self.before(x, style)
        if noise:
            before = add_noise(before, self.strength_before, noise[0])
        after = self.after(upsample(leaky(before)), style)
        if noise:
            after = add_noise(after, self.strength_after, noise[1])
        return leaky(after)


def add_noise(
    x: Float[Tensor, "batch channels h w"], strength: Float[Tensor, " channels"], noise: Float[Tensor, "noises 1 h w"]
) -> Float[Tensor, "batch channels h w"]:
    """One picture of noise onto all channels, each by its own learned strength (Karras et al. 2019, section 2)."""
    return x + (strength[:, None, None] * noise).to(x.dtype)


class Synthesis(nn.Module):
    """Style to picture, from 4 x 4 pixels up to any of its resolutions (skip outputs: Karras et al. 2020, Fig. 7).

    Args:
        widths: Channels by resolution, for example `{4: 96, 8: 96, 16: 48, 32: 24}`.
        outputs: Channels of the picture.
        style: Features of the style vector.
        noise: Seed of the noise that is added where none is given; None makes a network without noise.
    """

    def __init__(self, widths: dict[int, int], outputs: int, style: int, noise: int | None = None) -> None:
        super().__init__()
        noisy = noise is not None
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.first = ModulatedConv(widths[4], widths[4], style)
        self.picture = ModulatedConv(widths[4], outputs, style, size=1, demodulate=False)
        self.levels = nn.ModuleDict()
        for size in sorted(widths)[1:]:
            self.levels[str(size)] = Level(widths[size // 2], widths[size], outputs, style, noisy)
        self.fixed: list[str] = []  # names of the buffers with noise that is used where none is given
        if noise is not None:
            self.strength = nn.Parameter(torch.zeros(widths[4]))
            rng = torch.Generator().manual_seed(noise)
            for number, side in enumerate(self.noise_sizes(max(widths))):
                self.fixed.append(f"noise_{number}")
                self.register_buffer(self.fixed[-1], torch.randn(1, 1, side, side, generator=rng), persistent=False)

    def noise_sizes(self, size: int) -> list[int]:
        """Pixels of each picture of noise that goes into one of `size` pixels: the first convolution at 4, and two for
        each level; each is as large as what its convolution gives."""
        sizes = [int(resolution) for resolution in self.levels if int(resolution) <= size]
        return [4, *(side for resolution in sizes for side in (resolution // 2, resolution))]

    def forward(
        self,
        style: Float[Tensor, "batch *levels style"],
        size: int,
        noise: Sequence[Float[Tensor, "noises 1 _ _"]] | None = None,
    ) -> Float[Tensor, "batch outputs size size"]:
        """Make pictures.

        Args:
            style: From `Mapping`: one for all, or one for each resolution from 4 px to `size`.
            size: Resolution, pixels.
            noise: Standard normal, `[batch, 1, side, side]` for each of `noise_sizes`; otherwise a fixed one. For
                networks that have noise.
        """
        if noise is None:
            noise = [getattr(self, name) for name in self.fixed]
        styles = [style] * (1 + len(self.levels)) if style.ndim == 2 else style.unbind(1)
        x = self.first(self.constant.expand(len(style), -1, -1, -1), styles[0])
        if noise:
            x = add_noise(x, self.strength, noise[0])
        x = leaky(x)
        picture = self.picture(x, styles[0])
        for number, (resolution, level) in enumerate(self.levels.items()):
            if int(resolution) > size:
                break
            assert isinstance(level, Level)
            x = level(x, styles[number + 1], noise[1 + 2 * number : 3 + 2 * number])
            picture = upsample(picture) + level.added(x, styles[number + 1])
        return picture
