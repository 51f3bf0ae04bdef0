"""Real or fake? A residual network that reads the picture at every resolution, so that it can grow."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.nn.layers import Conv, Linear, downsample, leaky

# Gates learn this many times as fast as weights: at Adam's usual 2e-3 they are open after about 50 steps.
GATE_RATE = 10.0


class DownLevel(nn.Module):
    """Half the resolution: what was read there, and a gated branch from above, summed to unit variance.

    Args:
        width: Channels of its input.
        outputs: Channels of its output.
        grows: Start with the gate closed, so that a level that grows in is a no-op at first. Levels that are there from
            the beginning start open: behind closed gates a discriminator sees little more than average colours for
            thousands of steps, and lets the generator get away with blobs.
    """

    def __init__(self, width: int, outputs: int, grows: bool) -> None:
        super().__init__()
        self.first = Conv(width, width)
        self.second = Conv(width, outputs)
        self.gate = nn.Parameter(torch.full((outputs,), 0.0 if grows else 1 / GATE_RATE))

    def forward(
        self, x: Float[Tensor, "batch width h w"], read: Float[Tensor, "batch outputs h2 w2"]
    ) -> Float[Tensor, "batch outputs h2 w2"]:
        branch = leaky(self.second(downsample(leaky(self.first(x)))))
        gate = (GATE_RATE * self.gate)[:, None, None]
        return (read + gate.to(x.dtype) * branch) * torch.rsqrt(1 + gate.square()).to(x.dtype)


class Discriminator(nn.Module):
    """Picture to a logit: high = real (input skips: Karras et al. 2020, Fig. 7; no batch statistics).

    Args:
        widths: Channels by resolution, for example `{4: 128, 8: 96, 16: 64, 32: 32}`.
        channels: Of the picture.
        start: Size of the first pictures it will see; levels above grow in. None grows if left out.
    """

    def __init__(self, widths: dict[int, int], channels: int = 3, start: int | None = None) -> None:
        super().__init__()
        self.read = nn.ModuleDict({str(size): Conv(channels, widths[size], size=1) for size in sorted(widths)})
        self.levels = nn.ModuleDict(
            {
                str(size): DownLevel(widths[size], widths[size // 2], grows=start is not None and size > start)
                for size in sorted(widths)
                if size > 4
            }
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
            read = leaky(self.read[str(size // 2)](picture))
            seen.append(self.levels[str(size)](seen[-1], read))
            size //= 2
        return seen
