"""Pictures of planes that turn: what a photo would look like if its object were flat and turned a little."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.checks import check_float, check_together
from genstruct.geometry.plane import Homography, Plane, plane_homography
from genstruct.geometry.precision import full_precision
from genstruct.render.layers import Fill

# Ratio of depths before and after below which a point is taken for behind the camera: its gradients grow as 1/ratio^2.
NEAREST = 1e-4


@full_precision
def warp_plane(
    image: Float[Tensor, "images channels height width"],
    plane: Plane,
    rotation: Float[Tensor, "rotations 3 3"],
    camera: Camera,
    fill: Fill = "zero",
) -> Float[Tensor, "batch channels height width"]:
    """What `image` shows on a plane, after the object has turned about the plane's centre; the camera stands still.

    Bilinear and differentiable in all arguments. Shrinking by more than about 0.7 aliases, as the lookup is not
    prefiltered. Stack a mask on the channels to know what is covered: where the plane
    is not seen (beyond its horizon, behind the camera, from its edge or from behind) everything is 0, whatever `fill`.

    Args:
        image: Pictures, masks, or both stacked on channels; a batch of one is shared, here and below.
        plane: World axes.
        rotation: Of the object about `plane.centre`, world axes.
        camera: Its intrinsics belong to the size of the image; orthographic cameras give weak perspective.
        fill: What appears where the picture ended: nothing, or its repeated border.

    Raises:
        ShapeError: Shapes, types or devices that do not belong together.
    """
    check_float("image", image, "batch channels height width")
    check_together({"image": image, "rotation": rotation})
    if image.dtype != rotation.dtype or 0 in image.shape[2:]:
        raise ShapeError(
            f"image must be [batch, channels, height, width] of {rotation.dtype} like rotation and not empty, "
            f"got {image.dtype} {list(image.shape)}"
        )
    # Each pixel looks up where it was before: the way back of the turned planes.
    back = plane_homography(plane.turned(rotation), rotation.mT, camera)
    return warp_back(image, back, fill)


def warp_back(
    image: Float[Tensor, "images channels height width"], back: Homography, fill: Fill = "zero"
) -> Float[Tensor, "batch channels height width"]:
    """Picture whose every pixel (u, v) is read from `image` at `back` of it; 0 where the homography shows nothing.

    Raises:
        ShapeError: Batch sizes that are neither equal nor 1.
    """
    sizes = {len(image), len(back.matrix)} - {1}
    if len(sizes) > 1:
        raise ShapeError(f"image {list(image.shape)} must have a batch of 1 or {len(back.matrix)}, like the planes")
    batch = sizes.pop() if sizes else 1
    height, width = image.shape[-2:]
    pixels = _pixel_centres(image)
    source = pixels @ back.matrix.mT[:, None]  # [batch, height, width, 3]
    shown = (source[..., 2] > NEAREST) & ((pixels @ back.horizon[:, None, :, None])[..., 0] > 0)
    shown = shown & (back.visible > 0)[:, None, None]
    place = source[..., :2] / torch.where(shown, source[..., 2], 1)[..., None]
    place = place * 2 / image.new_tensor([width, height]) - 1
    place = torch.where(shown[..., None], place, 0).expand(batch, -1, -1, -1)
    mode = "zeros" if fill == "zero" else "border"
    read = F.grid_sample(image.expand(batch, -1, -1, -1), place, padding_mode=mode, align_corners=False)
    return torch.where(shown[:, None], read, 0)


def _pixel_centres(image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "height width 3"]:
    """(u, v, 1) of every pixel."""
    height, width = image.shape[-2:]
    u = torch.arange(width, device=image.device, dtype=image.dtype) + 0.5
    v = torch.arange(height, device=image.device, dtype=image.dtype) + 0.5
    u, v = torch.meshgrid(u, v, indexing="xy")
    return torch.stack([u, v, torch.ones_like(u)], -1)
