"""Cameras: where they stand and how they project.

The world is right-handed with +y up; an object's front looks along +z, its left side along +x, and it fits the unit
ball. Camera axes are those of OpenCV: +x right, +y down, +z forward. Row 0 of an image is on top and the centre of its
first pixel is at (0.5, 0.5).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_batches, check_float, check_size, check_together
from genstruct.geometry.precision import full_precision

Number = float | int | Tensor
"""One number for all cameras, or a tensor [batch]."""


@dataclass(frozen=True)
class Camera:
    """A batch of perspective or orthographic cameras.

    Args:
        world_to_camera: (R | t) for column vectors, x_camera = R x_world + t; R is a rotation, units are object units.
        intrinsics: Camera to image, pixels, last row (0, 0, 1). Perspective: (u, v, 1) = K (x/z, y/z, 1).
            Orthographic: (u, v, 1) = K (x, y, 1), so the focal lengths are pixels per object unit.
        orthographic: Kind of all cameras of the batch.

    Raises:
        ShapeError: Other shapes, not floating point, or mixed devices or types. Values are not read.
    """

    world_to_camera: Float[Tensor, "batch 3 4"]
    intrinsics: Float[Tensor, "batch 3 3"]
    orthographic: bool = False

    def __post_init__(self) -> None:
        check_float("world_to_camera", self.world_to_camera, "batch 3 4")
        check_float("intrinsics", self.intrinsics, "batch 3 3")
        check_together({"world_to_camera": self.world_to_camera, "intrinsics": self.intrinsics})
        if len(self.world_to_camera) != len(self.intrinsics):
            raise ShapeError(
                f"world_to_camera and intrinsics must have one batch size, got {list(self.world_to_camera.shape)} "
                f"and {list(self.intrinsics.shape)}; expand the one that is shared"
            )
        if self.world_to_camera.dtype != self.intrinsics.dtype:
            raise ShapeError(
                f"world_to_camera and intrinsics must be of one type, got {self.world_to_camera.dtype} "
                f"and {self.intrinsics.dtype}"
            )

    def __len__(self) -> int:
        return len(self.world_to_camera)

    def __getitem__(self, index: slice | Tensor) -> "Camera":
        """Some of the cameras, still as a batch.

        Raises:
            ShapeError: A single number; a batch of one is `camera[i : i + 1]`.
        """
        if isinstance(index, int):
            raise ShapeError(f"cameras stay a batch: write camera[{index} : {index + 1}] instead of camera[{index}]")
        return replace(self, world_to_camera=self.world_to_camera[index], intrinsics=self.intrinsics[index])

    def to(self, *args: Any, **kwargs: Any) -> "Camera":
        """On another device or of another floating-point type, as `Tensor.to`."""
        return replace(
            self,
            world_to_camera=self.world_to_camera.to(*args, **kwargs),
            intrinsics=self.intrinsics.to(*args, **kwargs),
        )

    @property
    def rotation(self) -> Float[Tensor, "batch 3 3"]:
        """World to camera; its rows are the camera's right, down and forward axes in the world."""
        return self.world_to_camera[:, :, :3]

    @property
    def translation(self) -> Float[Tensor, "batch 3"]:
        """The world's origin in camera axes."""
        return self.world_to_camera[:, :, 3]

    @property
    @full_precision
    def position(self) -> Float[Tensor, "batch 3"]:
        """The camera's centre in the world. Of an orthographic camera: the point of zero depth on its axis."""
        return -(self.rotation.mT @ self.translation[..., None])[..., 0]

    @full_precision
    def to_camera(self, points: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "batch points 3"]:
        """World points in camera axes; a batch of one is shared by all cameras, and one camera by all.

        Raises:
            ShapeError: Another shape or type, or batches that do not fit; so does `to_world`.
        """
        self._check_points(points)
        return points @ self.rotation.mT + self.translation[:, None]

    @full_precision
    def to_world(self, points: Float[Tensor, "#batch points 3"]) -> Float[Tensor, "batch points 3"]:
        """Points in camera axes back in the world."""
        self._check_points(points)
        return (points - self.translation[:, None]) @ self.rotation

    def _check_points(self, points: Tensor) -> None:
        check_float("points", points, "batch points 3")
        check_batches({"points": len(points), "camera": len(self)})

    def resized(self, size: tuple[int, int], to: tuple[int, int]) -> "Camera":
        """The same view in an image of `to` (height, width) pixels instead of `size`.

        Raises:
            ShapeError: Not sizes of images.
        """
        check_size(size)
        check_size(to)
        scale = self.intrinsics.new_tensor([to[1] / size[1], to[0] / size[0], 1.0])
        return replace(self, intrinsics=self.intrinsics * scale[:, None])

    def weak_perspective(self) -> "Camera":
        """Orthographic cameras that see the world's origin, and what is as far away, as these perspective ones do.

        Raises:
            ShapeError: The cameras are orthographic already, or (on the CPU) one has the origin not before it.
        """
        if self.orthographic:
            raise ShapeError("weak perspective approximates perspective cameras, these are orthographic")
        depth = self.translation[:, 2, None, None]
        if depth.device.type == "cpu" and (depth <= 0).any():
            raise ShapeError(f"the origin must be before each camera, got a depth of {depth.min().item():g}")
        intrinsics = torch.cat([self.intrinsics[:, :, :2] / depth, self.intrinsics[:, :, 2:]], -1)
        return replace(self, intrinsics=intrinsics, orthographic=True)

    @classmethod
    def orbit(
        cls,
        azimuth: Number,
        elevation: Number,
        distance: Number,
        focal: Number,
        size: tuple[int, int],
        orthographic: bool = False,
    ) -> "Camera":
        """Cameras that look at the origin, upright, from the direction (cos el sin az, sin el, cos el cos az).

        Smooth everywhere, also at the poles, and differentiable in every number.

        Args:
            azimuth: Radians; 0 = on +z, facing the front; grows counter-clockwise seen from above, pi / 2 = on +x.
            elevation: Radians; above 0 looks from above.
            distance: From the origin, object units.
            focal: Pixels; orthographic: pixels per object unit.
            size: (height, width) of the image, pixels; the axis goes through its centre.
            orthographic: Parallel rays.

        Raises:
            ShapeError: Numbers of different batch sizes, or an empty image.
        """
        azimuth, elevation, distance, focal = together(azimuth, elevation, distance, focal)
        origin = torch.zeros_like(distance)
        rotation = _facing(azimuth, elevation)
        translation = torch.stack([origin, origin, distance], -1)
        return cls(torch.cat([rotation, translation[..., None]], -1), pinhole(focal, size), orthographic)

    @classmethod
    @full_precision
    def look_at(
        cls,
        position: Float[Tensor, "batch 3"],
        target: Float[Tensor, "#batch 3"],
        focal: Number,
        size: tuple[int, int],
        up: Float[Tensor, "#batch 3"] | None = None,
        orthographic: bool = False,
    ) -> "Camera":
        """Cameras at `position` that look at `target`.

        Args:
            position: World.
            target: World; not the position itself.
            focal: Pixels; orthographic: pixels per object unit.
            size: (height, width) of the image, pixels.
            up: What points upwards in the image, +y by default. Where it is parallel to the view, the image's right is
                +x (or +z), as in `orbit` at the poles.
            orthographic: Parallel rays.

        Raises:
            ShapeError: Shapes that do not belong together, an empty image, or a camera at its own target.
        """
        check_float("position", position, "batch 3")
        up = position.new_tensor([[0.0, 1.0, 0.0]]) if up is None else up
        points = {"position": position, "target": target, "up": up}
        for name, tensor in points.items():
            check_float(name, tensor, "batch 3")
        check_together(points)
        check_batches({name: len(tensor) for name, tensor in points.items()})
        if (target == position).all(-1).any():
            raise ShapeError("a camera cannot stand at the point it looks at; move position or target")
        forward = F.normalize(target - position, dim=-1)
        right = _right_of(forward, up.expand_as(forward))
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], -2)
        translation = -(rotation @ position[..., None])
        (focal,) = together(focal, like=position)
        check_batches({"position": len(rotation), "focal": len(focal)})
        return cls(torch.cat([rotation, translation], -1), pinhole(focal.expand(len(rotation)), size), orthographic)


def pinhole(focal: Float[Tensor, " batch"], size: tuple[int, int]) -> Float[Tensor, "batch 3 3"]:
    """Intrinsics with square pixels and the axis through the centre of an image of `size` (height, width).

    Raises:
        ShapeError: An empty image.
    """
    check_size(size)
    height, width = size
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    rows = [[focal, zero, one * width / 2], [zero, focal, one * height / 2], [zero, zero, one]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def focal_length(field_of_view: Number, pixels: int) -> Number:
    """Focal length in pixels of a camera that sees `field_of_view` radians over `pixels` of width (or height).

    Raises:
        ShapeError: A field of view that is not between 0 and pi (of tensors values are not read).
    """
    if not isinstance(field_of_view, Tensor) and not 0 < field_of_view < math.pi:
        raise ShapeError(f"field_of_view must be above 0 and below pi radians, got {field_of_view}")
    half = field_of_view / 2
    return pixels / 2 / (torch.tan(half) if isinstance(half, Tensor) else math.tan(half))


def viewpoint(camera: Camera) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Azimuth, elevation (radians) and distance of each camera as seen from the origin: the inverse of `orbit`.

    Azimuth is in (-pi, pi]. Roll and where the camera looks play no part.
    """
    x, y, z = camera.position.unbind(-1)
    return torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z)), camera.position.norm(dim=-1)


def together(*numbers: Number, like: Tensor | None = None) -> list[Tensor]:
    """Numbers and tensors [batch] as tensors of one batch size, type and device.

    Args:
        numbers: Floats, or tensors [] or [batch].
        like: Gives type and device; by default the first tensor does, or there are float32 on the CPU.

    Raises:
        ShapeError: Different batch sizes or more dimensions.
    """
    like = next((number for number in numbers if isinstance(number, Tensor)), like) if like is None else like
    like = torch.zeros(1) if like is None else like
    tensors = [torch.as_tensor(number, dtype=like.dtype, device=like.device) for number in numbers]
    sizes = {tensor.shape[0] for tensor in tensors if tensor.ndim and tensor.shape[0] != 1}
    if any(tensor.ndim > 1 for tensor in tensors) or len(sizes) > 1:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in tensors)
        raise ShapeError(f"numbers of cameras must be single or tensors [batch] of one size, got shapes {shapes}")
    return list(torch.broadcast_tensors(*[tensor.reshape(-1) for tensor in tensors]))


def _right_of(forward: Float[Tensor, "batch 3"], up: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3"]:
    """Unit vector to the right of the view; along +x (or +z) as far as possible where the view is along `up`."""
    right = torch.linalg.cross(forward, F.normalize(up, dim=-1))
    axis = torch.where(forward[:, :1].abs() < 0.9, forward.new_tensor([1.0, 0, 0]), forward.new_tensor([0, 0, 1.0]))
    spare = axis - (axis * forward).sum(-1, keepdim=True) * forward
    parallel = right.norm(dim=-1, keepdim=True) < 1e-6
    return F.normalize(torch.where(parallel, spare, right), dim=-1)


def _facing(azimuth: Float[Tensor, " batch"], elevation: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """World to camera, seen from this direction; rows right, down, forward."""
    sin_a, cos_a, sin_e, cos_e = azimuth.sin(), azimuth.cos(), elevation.sin(), elevation.cos()
    right = torch.stack([cos_a, torch.zeros_like(cos_a), -sin_a], -1)
    down = torch.stack([sin_a * sin_e, -cos_e, cos_a * sin_e], -1)
    forward = torch.stack([-sin_a * cos_e, -sin_e, -cos_a * cos_e], -1)
    return torch.stack([right, down, forward], -2)
