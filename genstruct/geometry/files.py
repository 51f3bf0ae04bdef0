"""Mesh files: glb, gltf, obj, ply (and stl, off) of any unit, with one or many materials, as a `Mesh` with one texture.

trimesh parses them. Corners at the same place become one vertex again (files split them at seams of the texture), so
that silhouettes are those of the surface. Transparency and shininess are not kept.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import DataError, ShapeError
from genstruct.geometry.atlas import Corners, bake
from genstruct.geometry.materials import charts_of
from genstruct.geometry.mesh import Mesh

GLTF = (".glb", ".gltf")
SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
Up = Literal["y", "z"]
Float64 = Float[np.ndarray, "_ 3"]

FLAT = 1e-10
"""Height over length of triangles that are lines."""


def read_mesh(
    path: Path,
    up: Up = "y",
    fit: bool = True,
    largest_texture: int = 2048,
    most_faces: int = 2_000_000,
    most_bytes: int = 512_000_000,
) -> Mesh:
    """Read a mesh file: one batch item, float32, on the CPU.

    Colours come from pictures, else from vertices or faces, else from the material; surfaces without any are grey
    (`materials.GRAY`). Several materials are baked into one texture.

    Args:
        path: The file; pictures and materials that it names lie beside it. Missing and damaged ones count as none.
        up: "y": +y is up and +z the front, as in glTF. "z": +z is up and -y the front, as inside Blender; turned to
            ours.
        fit: Move the middle of the bounding box to the origin and scale until the unit ball just holds every vertex.
        largest_texture: Pictures shrink until together they have at most this many pixels squared.
        most_faces, most_bytes: Larger files are refused: by their size before they are read, by triangles after.

    Raises:
        DataError: No such file, of another kind, broken, too large, without a triangle that has an area, or with
            vertices that are no finite numbers; the message names the file.
    """
    path = Path(path)
    _check_file(path, most_bytes)
    parts = _parts(path, most_faces)
    places, faces, uv, texture = _joined(parts, largest_texture, path.suffix.lower() in GLTF)
    centered, radius = _centered(places)
    if not _has_area(centered, faces):
        raise DataError(f"{path} has no triangle with an area (points and lines are not drawn); give a surface mesh")
    places = centered / radius if fit else places
    if np.abs(places).max() > np.finfo(np.float32).max:
        raise DataError(f"{path} has coordinates beyond the range of float32; fit it, or scale it down")
    vertices, corners = _welded(places.astype(np.float32), faces)
    flat = (corners == np.roll(corners, 1, 1)).any(1)
    faces, uv = corners[~flat], uv[~flat]
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    places, uv_faces = np.unique(uv.astype(np.float32).reshape(-1, 2), axis=0, return_inverse=True)
    return Mesh(
        torch.from_numpy(vertices)[None],
        torch.from_numpy(faces),
        torch.from_numpy(places),
        torch.from_numpy(uv_faces.reshape(-1, 3).astype(np.int64)),
        torch.from_numpy(texture).permute(2, 0, 1)[None].float() / 255,
    )


def fitted(mesh: Mesh) -> Mesh:
    """Each mesh of the batch moved and scaled: the middle of its bounding box at the origin, its farthest vertex at 1.

    A mesh that is a single point is only moved.

    Raises:
        ShapeError: No vertices.
    """
    if not mesh.vertices.shape[1]:
        raise ShapeError(f"fitting needs a vertex, got vertices {list(mesh.vertices.shape)}")
    low, high = torch.aminmax(mesh.vertices, dim=1, keepdim=True)
    centered: Tensor = mesh.vertices - (low / 2 + high / 2)
    widest = centered.abs().amax((1, 2), keepdim=True)  # squares of large numbers would be infinite, of small ones 0
    centered = centered / torch.where(widest > 0, widest, 1)
    radius = centered.norm(dim=-1).amax(1)[:, None, None]
    return replace(mesh, vertices=centered / torch.where(radius > 0, radius, 1))


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


def _parts(path: Path, most_faces: int) -> list[tuple[Any, np.ndarray]]:
    """The surfaces of the scene in the file, each with one material, and where they stand [4, 4]."""
    import trimesh  # takes a while; only who reads files pays

    try:
        scene = trimesh.load_scene(str(path), process=False)
        placed = [scene.graph[node] for node in scene.graph.nodes_geometry]
        parts = [(scene.geometry[name], np.asarray(place, np.float64)) for place, name in placed]
        parts = [(part, place) for part, place in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    except Exception as error:  # parsers of broken files raise whatever they stumble over
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise DataError(f"{path} cannot be read as a mesh ({reason}); it may be damaged, export it again") from error
    faces = sum(len(part.faces) for part, _ in parts)
    if faces > most_faces:
        raise DataError(f"{path} has {faces} triangles, at most {most_faces} are read; simplify the mesh or allow more")
    for part, place in parts:
        _check_part(path, part, place)
    return parts


def _check_part(path: Path, part: Any, place: np.ndarray) -> None:
    """Parsers pass on what a damaged file says."""
    vertices, faces = np.asarray(part.vertices), np.asarray(part.faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{path} has triangles between vertices that are not there; it is damaged, export it again")
    if not (np.isfinite(vertices).all() and np.isfinite(place).all()):
        raise DataError(f"{path} has vertices that are NaN or infinite; repair it, or export it again")


def _joined(
    parts: list[tuple[Any, np.ndarray]], largest_texture: int, gltf: bool
) -> tuple[np.ndarray, np.ndarray, Corners, np.ndarray]:
    """Places that some face uses (float64: files may count from far away), faces, uv of every corner, and the texture
    of all parts together."""
    vertices, faces, inside_out, first_vertex = [], [], [], 0
    for part, place in parts:
        vertices.append(np.asarray(part.vertices, np.float64) @ place[:3, :3].T + place[:3, 3])
        faces.append(np.asarray(part.faces, np.int64) + first_vertex)
        inside_out.append(np.full(len(faces[-1]), np.linalg.det(place[:3, :3]) < 0))
        first_vertex += len(vertices[-1])
    if not parts:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3, 2)), np.zeros((1, 1, 3))
    charts = charts_of([part for part, _ in parts], largest_texture, gltf)
    texture, uv = bake(charts, sum(map(len, faces)), largest_texture)
    used, corners = np.unique(np.concatenate(faces), return_inverse=True)
    order = np.where(np.concatenate(inside_out)[:, None], [2, 1, 0], [0, 1, 2])  # a mirror turns triangles
    corners, uv = np.take_along_axis(corners.reshape(-1, 3), order, 1), np.take_along_axis(uv, order[..., None], 1)
    return np.concatenate(vertices)[used], corners, uv, texture


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices at the same place as one; in the order in which the file has them."""
    _, first, same = np.unique(vertices + np.float32(0), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[first[order]], rank[same.reshape(-1)][faces].astype(np.int64)
