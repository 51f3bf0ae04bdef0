"""Novel views of a mesh: a turn around it as a stream of pictures, and as a file."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.export.images import Pixels, to_uint8
from genstruct.export.video import check_place, write_frames
from genstruct.geometry.camera import Camera, focal_length
from genstruct.geometry.checks import check_size
from genstruct.geometry.measures import vertex_normals
from genstruct.geometry.mesh import Mesh
from genstruct.render.render import Look, render
from genstruct.render.shading import DirectionalLight

LARGEST = 4096
"""Most pixels of a side, samples included: a frame of so many takes some 3 GB while it is drawn."""
MOST_FRAMES = 100_000
"""An hour of film; more is a mistake."""
PIXELS_AT_ONCE = 1 << 20
"""Samples drawn in one batch of frames; larger batches are not faster on a CPU."""
FACES_AT_ONCE = 1 << 20
NEAREST = 0.1
"""Least depth of a vertex when the camera is placed, object units."""
CREASE = math.radians(30)
"""Between a triangle and the mean of its neighbours."""
AMBIENT, DIRECT = 0.35, 0.8
FROM = (-0.5, -0.9, -1.0)
"""Towards the light in camera axes: above the camera and to its left, so that it goes with the camera."""


@dataclass(frozen=True)
class Turn:
    """A turn around an object, and how it is drawn.

    Args:
        frames: Number of views, evenly around the object; the last is one step before the first.
        elevation: Radians above the horizon, -pi / 2 to pi / 2.
        azimuth: Radians; of the first view. 0 faces the front; views go on counter-clockwise seen from above.
        size: (height, width), pixels.
        field_of_view: Radians over the shorter side of the picture.
        margin: Share of the picture's half that stays free around the object in the view in which it is widest.
        background: sRGB in [0, 1], or None: pictures have alpha.
        light: Matt surfaces under a light that goes with the camera; without it colours are as they are in the file.
        samples: Drawn at this multiple of the size and averaged, so that textures and thin parts do not flicker.

    Raises:
        ConfigError: A number out of its range.
    """

    frames: int = 36
    elevation: float | int = math.radians(15)
    azimuth: float | int = 0.0
    size: tuple[int, int] = (256, 256)
    field_of_view: float | int = math.radians(30)
    margin: float | int = 0.05
    background: tuple[float | int, float | int, float | int] | None = (1.0, 1.0, 1.0)
    light: bool = True
    samples: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.frames, int) or not 1 <= self.frames <= MOST_FRAMES:
            raise ConfigError(f"a turn has 1 to {MOST_FRAMES} frames, got {self.frames}")
        if not isinstance(self.samples, int) or not 1 <= self.samples <= 8:
            raise ConfigError(f"samples must be 1 to 8 (times the size), got {self.samples}")
        try:
            check_size(self.size)
        except ShapeError as error:
            raise ConfigError(str(error)) from error
        if max(self.size) * self.samples > LARGEST:
            raise ConfigError(
                f"pictures must be 1 to {LARGEST // self.samples} pixels wide and high with samples={self.samples}, "
                f"got {self.size[1]} x {self.size[0]}"
            )
        if not abs(self.elevation) <= math.pi / 2:
            raise ConfigError(f"elevation must be from -90 to 90 degrees, got {math.degrees(self.elevation):g}")
        if not math.isfinite(self.azimuth):
            raise ConfigError(f"azimuth must be a number, got {self.azimuth}")
        if not math.radians(1) <= self.field_of_view <= math.radians(120):
            raise ConfigError(f"field of view must be from 1 to 120 degrees, got {math.degrees(self.field_of_view):g}")
        if not 0 <= self.margin < 1:
            raise ConfigError(f"margin must be at least 0 and below 1, got {self.margin}")
        if self.background is not None and [0 <= share <= 1 for share in self.background] != [True] * 3:
            raise ConfigError(f"background must be three numbers from 0 to 1, or None, got {self.background}")

    def cameras(self, distance: float) -> Camera:
        """All views, from `distance` object units."""
        azimuth = self.azimuth + torch.arange(self.frames) * (2 * math.pi / self.frames)
        focal = focal_length(self.field_of_view, min(self.size))
        return Camera.orbit(azimuth, self.elevation, distance, float(focal), self.size)


def write_turn(
    mesh: Mesh,
    path: Path,
    turn: Turn = Turn(),
    fps: float | int = 12,
    overwrite: bool = False,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw a turn around a mesh into a film, an animated picture, a sheet or a folder (see `write_frames`).

    Frames are drawn a few at a time; nothing is at `path` before all are done.

    Args:
        mesh: A batch of one, on any device. It turns about the world's origin.
        path: Where to; its ending chooses the format.
        turn: Which views, and how they look.
        fps: Frames a second of .mp4 and .gif.
        overwrite: Replace what is there.
        on_frame: Told the number of frames done, and of all.

    Raises:
        OutputError: See `write_frames`; a place that cannot be written is found before anything is drawn.
        ConfigError: See `write_frames`; or a film or gif that should be transparent.
        ShapeError: Several meshes, one without triangles, or values that are NaN or infinite.
    """
    check_place(path, turn.frames, turn.size, fps, overwrite, transparent=turn.background is None)
    write_frames(path, _counted(views(mesh, turn), turn.frames, on_frame), turn.frames, fps, overwrite)


def views(mesh: Mesh, turn: Turn = Turn()) -> Iterator[Float[Tensor, "channels height width"]]:
    """Pictures of a mesh from all around, one after the other, sRGB in [0, 1]; with a fourth channel, alpha (colours
    not premultiplied), where `turn.background` is None.

    The camera is as near as it can be with all of the object in every picture. Memory does not grow with their number.

    Args:
        mesh: A batch of one, on any device. It turns about the world's origin.
        turn: Which views, and how they look.

    Raises:
        ShapeError: Several meshes, one without triangles, or values that are NaN or infinite.
    """
    if len(mesh) != 1 or not len(mesh.faces):
        raise ShapeError(f"a turn shows one mesh with triangles, got {len(mesh)} with {len(mesh.faces)} triangles")
    mesh = mesh.check()
    mesh = with_creases(mesh) if turn.light else mesh
    mesh = _scaled(mesh)
    cameras = turn.cameras(fitting_distance(mesh, turn)).to(mesh.vertices)
    samples = turn.size[0] * turn.size[1] * turn.samples**2
    at_once = max(1, min(PIXELS_AT_ONCE // samples, FACES_AT_ONCE // len(mesh.faces)))
    for first in range(0, turn.frames, at_once):
        yield from _pictures(mesh, cameras[first : first + at_once], turn)


@torch.no_grad()
def _scaled(mesh: Mesh) -> Mesh:
    """The mesh in units of its largest coordinate: pictures are the same, and no number is too large or too small."""
    largest = mesh.vertices.abs().amax()
    return replace(mesh, vertices=mesh.vertices / torch.where(largest > 0, largest, 1))


@torch.no_grad()
def fitting_distance(mesh: Mesh, turn: Turn) -> float:
    """The least distance from which every view holds all vertices, with the margin. Object units.

    A vertex at (x, y, z) in axes of the camera, z from the origin, is inside at a distance of at least k |x| - z, where
    k is the focal length over half of the width without its margin; likewise for y.
    """
    most = min(turn.frames, 72)  # beyond, between views of 5 degrees, the margin is wide enough: 1 - cos(2.5) = .001
    sparse = turn.cameras(0.0)[torch.arange(most) * turn.frames // most].to(mesh.vertices)
    half = mesh.vertices.new_tensor([turn.size[1] / 2, turn.size[0] / 2]) * (1 - turn.margin)
    slope = sparse.intrinsics[0, [0, 1], [0, 1]] / half
    nearest = 0.0
    for number in range(most):  # one at a time: meshes may have a million vertices
        points = sparse[number : number + 1].to_camera(mesh.vertices)[0]
        reach = (points[:, :2].abs() * slope).amax(1) - points[:, 2]
        nearest = max(nearest, float(reach.max()), float(NEAREST - points[:, 2].min()))
    return nearest


@torch.no_grad()
def with_creases(mesh: Mesh, widest: float = CREASE) -> Mesh:
    """The mesh with vertices doubled where its surface has an edge, so that normals of vertices do not round it off.

    A corner of a triangle that turns away from the normal of its vertex by more than `widest` radians gets a vertex of
    its own, which it shares with triangles of about the same direction. So do the corners of surfaces that lie on each
    other back to back, whose normals cancel.
    """
    faces, points = mesh.faces, mesh.vertices[0]
    sides = points[faces[:, 1:]] - points[faces[:, :1]]
    normal = F.normalize(torch.linalg.cross(sides[:, 0], sides[:, 1]), dim=-1)
    agreement = (vertex_normals(mesh.vertices, faces)[0, faces] * normal[:, None]).sum(-1)
    sharp = agreement < math.cos(widest)  # [faces, 3]
    direction = (normal * 8).round().long() + 8  # 17 steps along each axis, with the axes themselves amid a step
    code = (faces * 17**3 + (direction * direction.new_tensor([17**2, 17, 1])).sum(-1, keepdim=True))[sharp]
    codes, own = code.unique(return_inverse=True)
    split = faces.masked_scatter(sharp, own + len(points))
    vertices = torch.cat([points, points[codes // 17**3]])
    uv_faces = faces if mesh.uv is not None and mesh.uv_faces is None else mesh.uv_faces
    return replace(mesh, vertices=vertices[None], faces=split, uv_faces=uv_faces)


@torch.no_grad()
def _pictures(mesh: Mesh, cameras: Camera, turn: Turn) -> Iterator[Float[Tensor, "channels height width"]]:
    look = Look(_light(cameras) if turn.light else None)
    seen = render(mesh, cameras, turn.size, look=look, samples=turn.samples, normals=False)
    if turn.background is None:  # over black, colours are multiplied by their coverage
        color = seen.color / seen.alpha.clamp(min=1 / 1024)
        return iter(torch.cat([color.clamp(max=1), seen.alpha], 1))
    below = seen.color.new_tensor(turn.background)[:, None, None]
    return iter(seen.color + (1 - seen.alpha) * below)


def _light(cameras: Camera) -> DirectionalLight:
    """White light from above the camera's left shoulder."""
    ones = cameras.rotation.new_ones(1, 3)
    return DirectionalLight(AMBIENT * ones, DIRECT * ones, cameras.rotation.new_tensor(FROM) @ cameras.rotation)


def _counted(
    pictures: Iterator[Float[Tensor, "channels height width"]], total: int, on_frame: Callable[[int, int], None]
) -> Iterator[Pixels]:
    """Bytes of each picture; `on_frame` is told of the pictures before it, which are written by then."""
    for done, picture in enumerate(pictures):
        on_frame(done, total)
        yield to_uint8(picture)
    on_frame(total, total)
