"""Cameras of other programs: OpenGL matrices and PyTorch3D objects, both ways.

| | x | y | z | image row 0 | vectors |
|---|---|---|---|---|---|
| ours, OpenCV, COLMAP | right | down | forward | top | column |
| OpenGL, glTF, Blender | right | up | backward | bottom | column |
| PyTorch3D | left | up | forward | top | row |

The world is the same for all: only the camera's axes and the image change.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import MissingDependency, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.checks import check_float, check_size

OPENGL_AXES, PYTORCH3D_AXES = (1.0, -1.0, -1.0), (-1.0, -1.0, 1.0)
"""Signs of the camera's axes there, in terms of ours."""


def to_opengl(
    camera: Camera, size: tuple[int, int], near: float, far: float
) -> tuple[Float[Tensor, "batch 4 4"], Float[Tensor, "batch 4 4"]]:
    """View and projection matrices: clip = projection @ view @ (x, y, z, 1).

    Args:
        camera: Ours.
        size: (height, width) of the image, pixels: OpenGL's image is [-1, 1] x [-1, 1] whatever its size.
        near, far: Depths that get z/w = -1 and +1, object units.

    Raises:
        ShapeError: Depths out of order, or not the size of an image.
    """
    check_size(size)
    if not (near < far and (camera.orthographic or near > 0)):
        raise ShapeError(f"near and far must be 0 < near < far, got {near} and {far}")
    view = _flip(camera.world_to_camera, OPENGL_AXES)
    last = view.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(view), 1, 4)
    projection = view.new_zeros(len(view), 4, 4)
    x, y = _normalized(camera.intrinsics, size)
    # Rows act on (x, y, z, 1) with z backward: what multiplies our depth changes its sign.
    for row, (across, down, offset) in enumerate((x.unbind(-1), y.unbind(-1))):
        projection[:, row, 0], projection[:, row, 1] = across, -down
        projection[:, row, 3 if camera.orthographic else 2] = offset if camera.orthographic else -offset
    span = far - near
    if camera.orthographic:
        projection[:, 2, 2], projection[:, 2, 3], projection[:, 3, 3] = -2 / span, -(far + near) / span, 1
    else:
        projection[:, 2, 2], projection[:, 2, 3], projection[:, 3, 2] = -(far + near) / span, -2 * far * near / span, -1
    return torch.cat([view, last], 1), projection


def from_opengl(
    view: Float[Tensor, "batch 4 4"], projection: Float[Tensor, "batch 4 4"], size: tuple[int, int]
) -> Camera:
    """The camera of a view matrix (world to eye) and a perspective or orthographic projection matrix.

    Of a pose "camera to world", as Blender and NeRF's transforms.json store it, give the inverse.

    Args:
        view: A rotation and a translation.
        projection: All of one kind.
        size: (height, width) of the image, pixels.

    Raises:
        ShapeError: Other shapes, or a projection of neither kind.
    """
    check_size(size)
    check_float("view", view, "batch 4 4")
    check_float("projection", projection, "batch 4 4")
    last = projection[:, 3]
    orthographic = bool((last == last.new_tensor([0.0, 0.0, 0.0, 1.0])).all())
    if not orthographic and not (last == last.new_tensor([0.0, 0.0, -1.0, 0.0])).all():
        raise ShapeError(
            "projection must have the last row (0, 0, -1, 0) of a perspective or (0, 0, 0, 1) of an orthographic "
            f"camera, got {last[0].tolist()}"
        )
    height, width = size
    offset = projection[:, :2, 3] if orthographic else -projection[:, :2, 2]
    # Rows x and y of our intrinsics in OpenGL's image, then from [-1, 1] to pixels, y downwards.
    rows = torch.stack([projection[:, :2, 0], -projection[:, :2, 1], offset], -1)
    intrinsics = projection.new_zeros(len(projection), 3, 3)
    intrinsics[:, 0], intrinsics[:, 1], intrinsics[:, 2, 2] = rows[:, 0] * width / 2, -rows[:, 1] * height / 2, 1
    intrinsics[:, 0, 2] += width / 2
    intrinsics[:, 1, 2] += height / 2
    return Camera(_flip(view[:, :3], OPENGL_AXES), intrinsics, orthographic)


def to_pytorch3d(camera: Camera, size: tuple[int, int]) -> Any:
    """`PerspectiveCameras` or `OrthographicCameras` that see the same, for an image of `size` (height, width).

    In float32: PyTorch3D's transforms know no other type.

    Raises:
        ShapeError: Skewed pixels, which PyTorch3D's parameters cannot say, or not the size of an image.
        MissingDependency: PyTorch3D is not installed.
    """
    check_size(size)
    try:
        from pytorch3d.renderer import OrthographicCameras, PerspectiveCameras
    except ImportError as error:
        raise MissingDependency("cameras of PyTorch3D need it: pip install easypytorch3d (Linux)") from error
    if camera.intrinsics[:, 0, 1].any():
        raise ShapeError("PyTorch3D's cameras have no skew; intrinsics[:, 0, 1] must be 0")
    camera = camera.to(torch.float32)
    pose = _flip(camera.world_to_camera, PYTORCH3D_AXES)
    height, width = size
    half = min(size) / 2  # its image is [-1, 1] along the shorter side
    focal = torch.stack([camera.intrinsics[:, 0, 0], camera.intrinsics[:, 1, 1]], -1) / half
    center = (camera.intrinsics.new_tensor([width / 2, height / 2]) - camera.intrinsics[:, :2, 2]) / half
    kind = OrthographicCameras if camera.orthographic else PerspectiveCameras
    return kind(focal, center, R=pose[:, :, :3].mT, T=pose[:, :, 3], device=pose.device)


def from_pytorch3d(cameras: Any, size: tuple[int, int]) -> Camera:
    """The camera of any of PyTorch3D's perspective or orthographic cameras, in NDC or screen units.

    Read off where it sends four points, so every one of its parametrisations is understood.

    Args:
        cameras: `PerspectiveCameras`, `FoVPerspectiveCameras`, `OrthographicCameras` or `FoVOrthographicCameras`.
        size: (height, width) of the image, pixels.

    Raises:
        ShapeError: Not the size of an image.
    """
    check_size(size)
    rotation, translation = cameras.R, cameras.T
    batch, identity = len(rotation), torch.eye(3).to(rotation)
    points = rotation.new_tensor([[0.0, 0, 1], [-1.0, 0, 1], [0.0, -1, 1]]).expand(batch, 3, 3)
    # A clone, since PyTorch3D keeps the pose that it is given for one call.
    seen = cameras.clone().transform_points_screen(
        points, image_size=(size,), R=identity.expand(batch, 3, 3), T=torch.zeros_like(translation)
    )
    origin, right, down = seen[..., :2].unbind(1)
    last = rotation.new_tensor([0.0, 0.0, 1.0]).expand(batch, 3)
    intrinsics = torch.stack([torch.cat([side, last[:, -1:] * 0], -1) for side in (right - origin, down - origin)], -1)
    intrinsics = torch.cat([intrinsics, torch.cat([origin, last[:, -1:]], -1)[..., None]], -1)
    pose = torch.cat([rotation.mT, translation[..., None]], -1)
    return Camera(_flip(pose, PYTORCH3D_AXES), intrinsics, not cameras.is_perspective())


def _flip(pose: Tensor, signs: tuple[float, float, float]) -> Tensor:
    """Change the camera's axes of world-to-camera matrices; the way back is the same."""
    return pose * pose.new_tensor(signs)[:, None]


def _normalized(intrinsics: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """First two rows of the intrinsics with the image as [-1, 1] x [-1, 1], y upwards."""
    height, width = size
    unit = intrinsics.new_tensor([0.0, 0.0, 1.0])
    return intrinsics[:, 0] * 2 / width - unit, unit - intrinsics[:, 1] * 2 / height
