"""Planes through an object's centre, and how a photo of one changes when the object turns.

A view graph asks what a photo would look like if the object were turned a little. If its visible side were a plane, the
answer would be a homography (perspective) or an affine map (weak perspective: orthographic cameras).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera, Number, together
from genstruct.geometry.checks import check_batches, check_finite, check_float, check_together
from genstruct.geometry.precision import full_precision

GRAZING = 1e-3
"""Cosine between the view and the normal below which a plane is taken for seen from its edge: its picture is empty."""


@dataclass(frozen=True)
class Plane:
    """Planes with a front side, in world axes.

    Args:
        normal: Out of the front side; of any length above 0. The back side is not seen.
        center: A point of the plane about which the object turns, object units; the world's origin by default.

    Raises:
        ShapeError: Other shapes or types, or mixed devices.
    """

    normal: Float[Tensor, "batch 3"]
    center: Float[Tensor, "#batch 3"] | None = None

    def __post_init__(self) -> None:
        check_float("normal", self.normal, "batch 3")
        if self.center is not None:
            check_float("center", self.center, "batch 3")
            check_together({"normal": self.normal, "center": self.center})

    @classmethod
    def facing(cls, azimuth: Number, elevation: Number) -> "Plane":
        """Planes through the origin that face a viewpoint: as `Camera.orbit` counts it, radians."""
        azimuth, elevation = together(azimuth, elevation)
        across = elevation.cos()
        return cls(torch.stack([across * azimuth.sin(), elevation.sin(), across * azimuth.cos()], -1))

    @full_precision
    def turned(self, rotation: Float[Tensor, "batch 3 3"]) -> "Plane":
        """The planes after the object has turned about `center`.

        Raises:
            ShapeError: Another shape or type, or batches that do not fit.
        """
        check_float("rotation", rotation, "batch 3 3")
        check_together({"plane.normal": self.normal, "rotation": rotation})
        check_batches({"plane": len(self.normal), "rotation": len(rotation)})
        return Plane((rotation @ self.normal[..., None])[..., 0], self.center)


@dataclass(frozen=True)
class Homography:
    """Where pixels of one picture lie in another: (u', v', 1) ~ matrix (u, v, 1), with pixel centres at halves.

    Args:
        matrix: The third row gives positive numbers where the plane is in front of the camera in both pictures.
        horizon: Row vector; (u, v, 1) times it is positive where the first picture shows the plane at all.
        visible: Whether the front side is seen in both pictures.
    """

    matrix: Float[Tensor, "batch 3 3"]
    horizon: Float[Tensor, "batch 3"]
    visible: Float[Tensor, " batch"]


@full_precision
def plane_homography(plane: Plane, rotation: Float[Tensor, "batch 3 3"], camera: Camera) -> Homography:
    """From pixels that show the plane to pixels that show it after the object has turned about the plane's centre.

    With normal n, centre c and turn R in camera axes and intrinsics K (Hartley & Zisserman 2004, section 13.1):
    K (R + (c - R c) n^T / (n^T c)) K^-1 for perspective cameras. Orthographic: the affine map about the centre's pixel
    with the matrix R[:2, :2] - R[:2, 2] (n_x, n_y) / n_z. Differentiable in everything; a plane seen from its edge or
    from behind gives the identity, marked as not visible.

    Args:
        plane: World axes. A batch of one is shared, here and below.
        rotation: Of the object, world axes, about `plane.center`.
        camera: Stands still.

    Raises:
        ShapeError: Shapes that do not belong together, or (on the CPU) numbers that are NaN or infinite.
    """
    batch = _check(plane, rotation, camera)
    to_camera = camera.rotation
    turn = to_camera @ rotation @ to_camera.mT
    normal = (to_camera @ torch.nn.functional.normalize(plane.normal, dim=-1)[..., None]).expand(batch, 3, 1)
    origin = torch.zeros_like(plane.normal[:1]) if plane.center is None else plane.center
    center = camera.to_camera(origin[:, None]).mT.expand(batch, 3, 1)
    map_points = _orthographic if camera.orthographic else _perspective
    matrix, horizon, visible = map_points(turn.expand(batch, 3, 3), normal, center)
    intrinsics = camera.intrinsics.expand(batch, 3, 3)
    inverse = torch.linalg.inv_ex(intrinsics).inverse  # of a batch without waiting for the device
    return Homography(intrinsics @ matrix @ inverse, (horizon @ inverse)[:, 0], visible.to(matrix.dtype))


def _perspective(turn: Tensor, normal: Tensor, center: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Homography of rays (x/z, y/z, 1), horizon (row) and visibility."""
    length = center.norm(dim=1, keepdim=True)
    facing = normal.mT @ center  # [batch, 1, 1]; negative if the front side is seen
    after = (turn @ normal).mT @ center
    visible = (facing < -GRAZING * length) & (after < -GRAZING * length)
    row = normal.mT / torch.where(visible, facing, -1)
    identity = torch.eye(3).to(turn).expand_as(turn)
    matrix = torch.where(visible, turn + (center - turn @ center) @ row, identity)
    return matrix, row, visible[:, 0, 0]


def _orthographic(turn: Tensor, normal: Tensor, center: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Affine map of (x, y, 1), a horizon that is nowhere, and visibility."""
    visible = (normal[:, 2:] < -GRAZING) & ((turn @ normal)[:, 2:] < -GRAZING)
    depth = -normal[:, :2].mT / torch.where(visible, normal[:, 2:], -1)  # how depth grows with x and y on the plane
    linear = turn[:, :2, :2] + turn[:, :2, 2:] @ depth
    identity = torch.eye(3).to(turn).expand_as(turn)
    linear = torch.where(visible, linear, identity[:, :2, :2])
    matrix = torch.cat([linear, center[:, :2] - linear @ center[:, :2]], -1)
    return torch.cat([matrix, identity[:, 2:]], 1), identity[:, 2:], visible[:, 0, 0]


def _check(plane: Plane, rotation: Tensor, camera: Camera) -> int:
    """The batch size of all together."""
    check_float("rotation", rotation, "batch 3 3")
    tensors = {"plane.normal": plane.normal, "rotation": rotation, "camera": camera.intrinsics}
    if plane.center is not None:
        tensors["plane.center"] = plane.center
    check_together(tensors)
    sizes = {len(tensor) for tensor in tensors.values()} - {1}
    types = {tensor.dtype for tensor in tensors.values()}
    if len(sizes) > 1 or len(types) > 1:
        listed = ", ".join(f"{name} {list(tensor.shape)} {tensor.dtype}" for name, tensor in tensors.items())
        raise ShapeError(f"planes, rotations and cameras must have one batch size (or 1) and one type, got {listed}")
    if rotation.device.type == "cpu":
        for name, tensor in {**tensors, "camera": camera.world_to_camera, "intrinsics": camera.intrinsics}.items():
            check_finite(name, tensor)
    return sizes.pop() if sizes else 1
