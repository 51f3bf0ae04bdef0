"""Views of training images, made on the device, in batches, from draws the caller hands in.

```python
corner, flip = draws.uniform("corner", 2), draws.uniform("flip") < 0.5
view = random_view(sample.images, size=64, ratio=1.125, corner=corner, flip=flip)
```
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.pixels import resized


def random_view(
    images: Float[Tensor, "batch channel height width"],
    size: int,
    ratio: float,
    corner: Float[Tensor, "batch 2"],
    flip: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, "batch channel size size"]:
    """Resize to `ratio` times the final size, cut a window at random, mirror some.

    With a ratio of 1.125 real images show their object at shifted places, as perturbed layers do (Bielski & Favaro,
    2019, their option `org_to_crop`). Windows start at whole pixels, so nothing is blurred twice.

    Args:
        images: Square frames, any range.
        size: Of the result, pixels.
        ratio: Frame over window, at least 1; 1 leaves no freedom.
        corner: Uniform in [0, 1): where the window begins (x, y), as a share of the freedom there is.
        flip: Which images to mirror left to right; none if left out.

    Raises:
        ShapeError: A ratio below 1.
    """
    if ratio < 1:
        raise ShapeError(f"ratio must be at least 1 (the frame is no smaller than the window), got {ratio}")
    frame = resize(images, round(size * ratio))
    start = (corner * (frame.shape[-1] - size + 1)).long()
    window = crop(frame, start.clamp(max=frame.shape[-1] - size), size)
    return window if flip is None else mirror(window, flip)


def resize(images: Float[Tensor, "batch channel height width"], size: int) -> Float[Tensor, "batch channel size size"]:
    """Resize to `size` x `size`, antialiased where it shrinks; values stay within those of the input.

    Half the size exactly is an average of 2 x 2 pixels, which the triangle filter would blur a little more.
    """
    height, width = images.shape[-2:]
    if (height, width) == (size, size):
        return images
    if height % size == 0 and width == height:
        return F.avg_pool2d(images, height // size)
    return resized(images, (size, size))


def crop(
    images: Float[Tensor, "batch channel height width"], start: Int[Tensor, "batch 2"], size: int
) -> Float[Tensor, "batch channel size size"]:
    """Cut a window of `size` x `size` whole pixels out of each image; `start` is its first pixel (x, y)."""
    windows = images.unfold(2, size, 1).unfold(3, size, 1)  # [batch, channel, y, x, size, size], a view
    return windows[torch.arange(len(images), device=images.device), :, start[:, 1], start[:, 0]]


def mirror(
    images: Float[Tensor, "batch channel height width"], flip: Bool[Tensor, " batch"]
) -> Float[Tensor, "batch channel height width"]:
    """Mirror the images that `flip` chooses, left to right."""
    return torch.where(flip[:, None, None, None], images.flip(3), images)
