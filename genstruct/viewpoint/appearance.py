"""What a crop is compared by: its mask and three maps of the object that do not know its colour.

(a) lightness, standardized inside the mask; (b) distance to the median colour of the mask, which tells windows and
wheels from the body, whatever colour that has; (c) contrast. Each is blurred, centred inside the mask and has norm 1,
so that a product of two is their normalized cross-correlation.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor

from genstruct.pixels import resized

SIZE = 32
"""Pixels of the maps."""
BLUR = 0.7
"""Standard deviation of their blur, pixels."""
MAPS = 3


@dataclass(frozen=True)
class Appearance:
    """Maps of a batch.

    Args:
        mask: Blurred, in [0, 1].
        maps: Lightness, distance to the median colour, contrast; zero outside, each centred inside with norm 1.
    """

    mask: Float[Tensor, "batch 1 size size"]
    maps: Float[Tensor, "batch maps size size"]

    def flip(self) -> "Appearance":
        """Of the mirror images."""
        return Appearance(self.mask.flip(-1), self.maps.flip(-1))


def appearance(
    images: Float[Tensor, "batch 3 large large"], masks: Float[Tensor, "batch 1 large large"], size: int = SIZE
) -> Appearance:
    """Maps of crops at `size` pixels."""
    inside = masks > 0.5
    lab = rgb_to_lab(images) / 100
    lightness = _standardized(lab[:, :1], inside).clamp(-2, 2)
    distance = ((lab - _median(lab, inside)) * lab.new_tensor([0.5, 1, 1])[:, None, None]).norm(dim=1, keepdim=True)
    contrast = _gradient(lab[:, :1])
    maps = torch.cat([lightness, _scaled(distance, inside), _scaled(contrast, inside)], 1) * masks
    return composed(resized(masks, (size, size)), resized(maps, (size, size)))


def composed(mask: Float[Tensor, "batch 1 h w"], covered: Float[Tensor, "batch maps h w"]) -> Appearance:
    """Blurred mask and maps from a mask and maps times that mask, as they are cut out of photos or drawn."""
    soft = blur(mask)
    inside = blur(covered) / soft.clamp(min=0.05)  # not darkened towards the outline
    return Appearance(soft, unit(inside, soft))


def unit(maps: Float[Tensor, "batch maps h w"], mask: Float[Tensor, "batch 1 h w"]) -> Float[Tensor, "batch maps h w"]:
    """Maps centred inside the mask, zero outside, with norm 1 each."""
    mean = (maps * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1e-6)
    centered = (maps - mean) * mask
    return centered / centered.flatten(2).norm(dim=2)[..., None, None].clamp(min=1e-6)


def blur(images: Float[Tensor, "batch channels h w"], sigma: float = BLUR) -> Float[Tensor, "batch channels h w"]:
    """A Gaussian blur with repeated borders."""
    reach = max(1, round(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = (-0.5 * (x / sigma) ** 2).exp()
    kernel = kernel / kernel.sum()
    count = images.shape[1]
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(count, 1, 1, -1), groups=count)
    return F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(count, 1, -1, 1), groups=count)


def _standardized(values: Tensor, inside: Tensor) -> Tensor:
    count = inside.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (values * inside).sum((2, 3), keepdim=True) / count
    spread = ((values - mean).square() * inside).sum((2, 3), keepdim=True) / count
    return (values - mean) / spread.sqrt().clamp(min=1e-4)


def _median(values: Tensor, inside: Tensor) -> Tensor:
    hidden = torch.where(inside, values, torch.nan).flatten(2)
    return hidden.nanmedian(2).values.nan_to_num()[..., None, None]


def _scaled(values: Tensor, inside: Tensor) -> Tensor:
    """Over their 80th percentile inside the mask, clipped at 2."""
    hidden = torch.where(inside, values, torch.nan).flatten(1)
    scale = hidden.nanquantile(0.8, dim=1).nan_to_num(1.0)[:, None, None, None]
    return (values / scale.clamp(min=1e-4)).clamp(max=2)


def _gradient(values: Tensor) -> Tensor:
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return (across.square() + down.square()).sqrt()
