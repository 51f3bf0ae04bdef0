"""Pictures of planes that turn: what a photo would look like if its object were flat and turned a little."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.checks import check_finite, check_float, check_together
from genstruct.geometry.plane import Homography, Plane, plane_homography
from genstruct.geometry.precision import full_precision
from genstruct.render.layers import Fill, check_fill

# Ratio of depths before and after below which a point is taken for behind the camera: its gradients grow as 1/ratio^2.
NEAREST = 1e-4


@full_precision
def warp_plane(
    image: Float[Tensor, "images channels height width"],
    plane: Plane,
    rotation: Float[Tensor, "rotations 3 3"],
    camera: Camera,
    fill: Fill = "zero",
    samples: int = 1,
) -> Float[Tensor, "batch channels height width"]:
    """What `image` shows on a plane, after the object has turned about the plane's centre; the camera stands still.

    Bilinear and differentiable in all arguments. Stack a mask on the channels to know what is covered: where the plane
    is not seen (beyond its horizon, behind the camera, from its edge or from behind) everything is 0, whatever `fill`.

    Args:
        image: Pictures, masks, or both stacked on channels; a batch of one is shared, here and below.
        plane: World axes.
        rotation: Of the object about `plane.center`, world axes.
        camera: Its intrinsics belong to the size of the image; orthographic cameras give weak perspective.
        fill: What appears where the picture ended: nothing, or its repeated border.
        samples: Lookups of each pixel along each axis. With 1, pictures that shrink to less than about 0.7 alias; n are
            enough down to 2 / (n + 1). Time and memory grow with their square.

    Raises:
        ShapeError: Shapes, types or devices that do not belong together; on the CPU also planes, rotations and cameras
            that are NaN or infinite.
        ConfigError: Fewer than one sample, or an unknown `fill`.
    """
    check_float("image", image, "batch channels height width")
    check_together({"image": image, "rotation": rotation})
    if image.dtype != rotation.dtype or 0 in image.shape[2:]:
        raise ShapeError(
            f"image must be [batch, channels, height, width] of {rotation.dtype} like rotation and not empty, "
            f"got {image.dtype} {list(image.shape)}"
        )
    if rotation.device.type == "cpu":  # before it turns the planes; they are checked there
        check_finite("rotation", rotation)
    # Each pixel looks up where it was before: the way back of the turned planes.
    back = plane_homography(plane.turned(rotation), rotation.mT, camera)
    return warp_back(image, back, fill, samples)


@full_precision
def warp_back(
    image: Float[Tensor, "images channels height width"], back: Homography, fill: Fill = "zero", samples: int = 1
) -> Float[Tensor, "batch channels height width"]:
    """Picture whose every pixel (u, v) is read from `image` at `back` of it; 0 where the homography shows nothing.

    Args:
        image: A batch of one is shared.
        back: From pixels of the result to pixels of `image`.
        fill: See `warp_plane`.
        samples: See `warp_plane`. They spread along what each of a pixel's two axes spans in `image`, as far as that is
            more than a pixel: what only shrinks in width is not blurred in height, and what does not shrink not at all.

    Raises:
        ShapeError: Batch sizes that are neither equal nor 1, or another shape, type or device.
        ConfigError: Fewer than one sample, or an unknown `fill`.
    """
    if not isinstance(samples, int) or samples < 1:
        raise ConfigError(f"samples must be a whole number of at least 1, got {samples}")
    check_fill(fill)
    check_float("image", image, "batch channels height width")
    check_together({"image": image, "back": back.matrix})
    if image.dtype != back.matrix.dtype:
        raise ShapeError(f"image must be {back.matrix.dtype} like the homography, got {image.dtype}")
    sizes = {len(image), len(back.matrix)} - {1}
    if len(sizes) > 1:
        raise ShapeError(f"image {list(image.shape)} must have a batch of 1 or {len(back.matrix)}, like the planes")
    batch = sizes.pop() if sizes else 1
    height, width = image.shape[-2:]
    pixels = _pixel_centers(image)
    source = pixels @ back.matrix.mT[:, None]  # [batch, height, width, 3]
    shown = (source[..., 2] > NEAREST) & ((pixels @ back.horizon[:, None, :, None])[..., 0] > 0)
    shown = shown & (back.visible > 0)[:, None, None]
    depth = torch.where(shown, source[..., 2], 1)[..., None]
    spots, weights = _spread(source[..., :2] / depth, depth, back.matrix, samples)
    spots = torch.where(shown[:, None, ..., None], spots * 2 / image.new_tensor([width, height]) - 1, 0)
    mode = "zeros" if fill == "zero" else "border"
    grid = spots.flatten(1, 2).expand(batch, -1, -1, -1)  # [batch, spot * height, width, 2]
    read = F.grid_sample(image.expand(batch, -1, -1, -1), grid, padding_mode=mode, align_corners=False)
    mean = read if len(weights) == 1 else torch.einsum("bcshw,s->bchw", read.unflatten(2, (-1, height)), weights)
    return torch.where(shown[:, None], mean, 0)


def _spread(
    place: Float[Tensor, "batch height width 2"],
    depth: Float[Tensor, "batch height width 1"],
    matrix: Float[Tensor, "batch 3 3"],
    samples: int,
) -> tuple[Float[Tensor, "batch spots height width 2"], Float[Tensor, " spots"]]:
    """Places to read about each place, and their weights, which sum to 1.

    A pixel spans the columns of the map's Jacobian. Bilinear reading is a tent that reaches 1 px to both sides; for a
    span of s px it should reach s, as when pictures are resized. A second tent that reaches (s^2 - 1)^(1/2) makes up
    for the difference in variance; s - 1 / s^2 is close to it, and has a derivative at 1.
    """
    if samples == 1:
        return place[:, None], place.new_ones(1)
    top, bottom = matrix[:, None, None, :2, :2], matrix[:, None, None, 2:, :2]
    span = (top - place[..., None] * bottom) / depth[..., None]  # [batch, height, width, (u, v) there, (u, v) here]
    reach = span * (1 - span.norm(dim=-2, keepdim=True).clamp(min=1) ** -3)
    ticks = torch.arange(1, samples + 1, device=place.device, dtype=place.dtype) * 2 / (samples + 1) - 1
    tent = (1 - ticks.abs()) / (1 - ticks.abs()).sum()
    offsets = torch.cartesian_prod(ticks, ticks)
    spots = place[:, None] + torch.einsum("bhwij,sj->bshwi", reach, offsets)
    return spots, torch.outer(tent, tent).flatten()


def _pixel_centers(image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "height width 3"]:
    """(u, v, 1) of every pixel."""
    height, width = image.shape[-2:]
    u = torch.arange(width, device=image.device, dtype=image.dtype) + 0.5
    v = torch.arange(height, device=image.device, dtype=image.dtype) + 0.5
    u, v = torch.meshgrid(u, v, indexing="xy")
    return torch.stack([u, v, torch.ones_like(u)], -1)
