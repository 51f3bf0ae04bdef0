"""Mesh files: glb, gltf, obj, ply, stl and off of any unit, with one or many materials, as a `Mesh` with one texture.

Corners at the same place become one vertex again (files split them at seams of the texture), so that silhouettes are
those of the surface. Transparency and shininess are not kept.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from genstruct.data.meshes.atlas import Corners, bake
from genstruct.data.meshes.gltf import read_gltf
from genstruct.data.meshes.obj import read_obj
from genstruct.data.meshes.off import read_off
from genstruct.data.meshes.parts import Part
from genstruct.data.meshes.ply import read_ply
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.stl import read_stl
from genstruct.data.meshes.wear import charts_of
from genstruct.errors import DataError
from genstruct.geometry.mesh import Mesh

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
Up = Literal["y", "z"]
Float64 = Float[np.ndarray, "_ 3"]

FLAT = 1e-10
"""Height over length of triangles that are lines."""

_READERS = {
    ".glb": read_gltf, ".gltf": read_gltf, ".obj": read_obj, ".ply": read_ply, ".stl": read_stl, ".off": read_off
}  # fmt: skip


@dataclass(frozen=True)
class MeshFile:
    """A mesh file that was read.

    Args:
        mesh: One batch item, float32, on the CPU.
        notes: Harmless remarks, a line each, with the file's name.
        problems: What of the file was lost: pictures and materials that are not there, parts that are not read.
    """

    mesh: Mesh
    notes: list[str]
    problems: list[str]


def read_mesh(
    path: Path,
    up: Up = "y",
    fit: bool = True,
    largest_texture: int = 2048,
    most_faces: int = 2_000_000,
    most_bytes: int = 512_000_000,
) -> Mesh:
    """The mesh of `read_mesh_file`, without a word about what was lost."""
    return read_mesh_file(path, up, fit, largest_texture, most_faces, most_bytes).mesh


def read_mesh_file(
    path: Path,
    up: Up = "y",
    fit: bool = True,
    largest_texture: int = 2048,
    most_faces: int = 2_000_000,
    most_bytes: int = 512_000_000,
) -> MeshFile:
    """Read a mesh file.

    Colours are those that the format says: pictures, colours of corners and materials, and their products; surfaces
    without any are grey (`mesh.GRAY`). Several materials are baked into one texture.

    Args:
        path: The file; pictures and materials that it names lie beside it. Missing and damaged ones count as none.
        up: "y": +y is up and +z the front, as in glTF. "z": +z is up and -y the front, as inside Blender; turned to
            ours.
        fit: Move the middle of the bounding box to the origin and scale until the unit ball just holds every vertex.
        largest_texture: Pictures shrink until together they have at most this many pixels squared.
        most_faces, most_bytes: Larger files are refused: by their size before they are read, by triangles after.

    Raises:
        DataError: No such file, of another kind, broken, too large, without a triangle that has an area, with vertices
            that are no finite numbers, or with what is required to draw it and not implemented; the message names the
            file.
    """
    path = Path(path)
    _check_file(path, most_bytes)
    reading = Reading(path, largest_texture, most_faces, most_bytes)
    surface = _joined(_parts(reading), largest_texture)
    return MeshFile(_mesh(reading, surface, up, fit), reading.notes, reading.problems)


@dataclass(frozen=True)
class _Surface:
    """All parts together; places in float64, because files may count from far away."""

    places: Float64
    faces: Int[np.ndarray, "faces 3"]
    uv: Corners
    texture: np.ndarray


def _mesh(reading: Reading, surface: _Surface, up: Up, fit: bool) -> Mesh:
    centered, radius = _centered(surface.places)
    if not _has_area(centered, surface.faces):
        raise _without_surface(reading)
    places = centered / radius if fit else surface.places
    if np.abs(places).max() > np.finfo(np.float32).max:
        raise DataError(f"{reading.path} has coordinates beyond the range of float32; fit it, or scale it down")
    vertices, corners = _welded(places.astype(np.float32), surface.faces)
    flat = (corners == np.roll(corners, 1, 1)).any(1)
    faces, uv = corners[~flat], surface.uv[~flat]
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    uvs, _, uv_faces = _distinct(uv.astype(np.float32).reshape(-1, 2))
    return Mesh(
        torch.from_numpy(vertices)[None],
        torch.from_numpy(faces),
        torch.from_numpy(uvs),
        torch.from_numpy(uv_faces.reshape(-1, 3)),
        torch.from_numpy(surface.texture.copy()).permute(2, 0, 1)[None].float() / 255,
    )


def _without_surface(reading: Reading) -> DataError:
    """The error for a file without any; what was lost on the way may be why."""
    why = "points and lines are not drawn"
    if reading.problems:
        why = reading.problems[0].removeprefix(f"{reading.path}: ")
    return DataError(f"{reading.path} has no triangle with an area ({why}); give a surface mesh")


def _centered(places: Float64) -> tuple[Float64, float]:
    """Places with the middle of their box at the origin and the farthest coordinate at 1, and the farthest distance."""
    if not len(places):
        return places, 1.0
    centered = places - (places.min(0) / 2 + places.max(0) / 2)
    widest = np.abs(centered).max()
    centered = centered / (widest if widest > 0 else 1)
    return centered, float(np.linalg.norm(centered, axis=1).max()) if widest > 0 else 1.0


def _has_area(places: Float64, faces: Int[np.ndarray, "_ 3"]) -> bool:
    """Whether any triangle of an object about one unit in size is more than a line, but for rounding."""
    first, second, third = (places[faces[:, corner]] for corner in range(3))
    across = np.linalg.norm(np.cross(second - first, third - first), axis=1)
    longest = np.maximum(((second - first) ** 2).sum(1), ((third - first) ** 2).sum(1))
    return bool((across > FLAT * longest).any())


def _check_file(path: Path, most_bytes: int) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is not a mesh file that can be read; its name must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file; check the path")
    size = path.stat().st_size
    if size > most_bytes:
        raise DataError(
            f"{path} has {size / 1e6:.1f} MB, at most {most_bytes / 1e6:.1f} MB are read; "
            "simplify the mesh or allow more"
        )


def _parts(reading: Reading) -> list[Part]:
    """The surfaces in the file."""
    path = reading.path
    try:
        return _READERS[path.suffix.lower()](path.read_bytes(), reading)
    except (DataError, OSError):
        raise
    except MemoryError as error:
        raise DataError(f"{path} does not fit into the memory there is; simplify the mesh") from error
    except Exception as error:  # a broken file has what no reader thought of
        raise reading.broken(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"an entry of it has no {error}"
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _joined(parts: list[Part], largest_texture: int) -> _Surface:
    """Places that some face uses, faces, uv of every corner, and the texture of all parts together."""
    parts = [part for part in parts if len(part.faces)]
    if not parts:
        return _Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3, 2)), np.zeros((1, 1, 3)))
    first = np.cumsum([0] + [len(part.points) for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, first, strict=False)])
    texture, uv = bake(charts_of(parts, largest_texture), len(faces), largest_texture)
    used = np.zeros(first[-1], bool)
    used[faces] = True
    number = np.cumsum(used) - 1
    return _Surface(np.concatenate([part.points for part in parts])[used], number[faces], uv, texture)


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices at the same place as one; in the order in which the file has them."""
    _, first, same = _distinct(vertices)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[first[order]], rank[same][faces]


def _distinct(rows: Float[np.ndarray, "rows columns"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows in their order, the first row of each, and which of them every row is."""
    rows = rows + np.float32(0)  # -0 is 0
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(1)])
    number = np.empty(len(rows), np.int64)
    number[order] = np.cumsum(new) - 1
    return ordered[new], order[new], number
