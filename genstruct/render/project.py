"""From the world to the screen."""

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.checks import check_float, check_together
from genstruct.render.checks import full


def project(points: Float[Tensor, "#batch points 3"], camera: Camera) -> Float[Tensor, "cameras points 3"]:
    """Where points appear: x and y in pixels, and camera depth (object units, above 0 in front). Differentiable.

    Points of a perspective camera with a depth of 0 or less get the pixels of a tiny depth of the same sign, so that
    nothing is infinite; `rasterize` leaves their triangles out.

    Args:
        points: World; a batch of one is shared by all cameras.
        camera: A batch of cameras; a batch of one is shared by all points.

    Raises:
        ShapeError: Another shape or type, batch sizes that do not fit, or mixed devices.
    """
    check_float("points", points, "batch points 3")
    check_together({"points": points, "camera": camera.world_to_camera})
    if len(points) != len(camera) and 1 not in (len(points), len(camera)):
        raise ShapeError(f"points must have 1 or {len(camera)} items like the cameras, got {list(points.shape)}")
    with torch.autocast(points.device.type, enabled=False):
        points = full(points)
        camera = camera.to(points.dtype)
        seen = camera.to_camera(points.expand(len(camera) if len(points) == 1 else len(points), -1, -1))
        depth = seen[..., 2:]
        if camera.orthographic:
            flat = seen[..., :2]
        else:
            flat = seen[..., :2] / torch.where(depth.abs() < 1e-6, torch.where(depth < 0, -1e-6, 1e-6), depth)
        pixels = flat @ camera.intrinsics[:, :2, :2].mT + camera.intrinsics[:, None, :2, 2]
        return torch.cat([pixels, depth], -1)
