"""Mesh files: glb, gltf, obj, ply (and stl, off) of any unit, with one or many materials, as a `Mesh` with one texture.

trimesh parses them. Corners at the same place become one vertex again (files split them at seams of the texture), so
that silhouettes are those of the surface. Transparency and shininess are not kept.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from genstruct.errors import DataError
from genstruct.geometry.atlas import Chart, Corners, bake, colour_chart, picture_charts
from genstruct.geometry.mesh import Mesh

GLTF = (".glb", ".gltf")
SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
GREY = 180
"""sRGB of surfaces without any colour, of 255."""
# What trimesh puts where a file names a material that is nowhere: a colour, or a picture of 4 pixels (count, colour).
NO_COLOUR, NO_PICTURE = [102, 102, 102, 255], [(4, (100, 100, 100, 255))]

Up = Literal["y", "z"]


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
    (`GREY`). Several materials are baked into one texture.

    Args:
        path: The file; pictures and materials that it names lie beside it. Missing and damaged ones count as none.
        up: "y": +y is up and +z the front, as in glTF. "z": +z is up and -y the front, as Blender writes obj and ply
            when not told otherwise; turned to ours.
        fit: Move the middle of the bounding box to the origin and scale until the unit ball just holds every vertex.
        largest_texture: Pictures shrink to at most this many pixels squared.
        most_faces, most_bytes: Larger files are refused before they are read as far as can be told.

    Raises:
        DataError: No such file, of another kind, broken, too large, without a triangle, or with vertices that are no
            finite numbers; the message names the file.
    """
    path = Path(path)
    _check_file(path, most_bytes)
    parts = _parts(path, most_faces)
    vertices, faces, uv, texture = _joined(parts, largest_texture, path.suffix.lower() in GLTF)
    if not len(faces):
        raise DataError(f"{path} has no triangle with an area (points and lines are not drawn); give a surface mesh")
    if up == "z":
        vertices = vertices[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    places, uv_faces = np.unique(uv.astype(np.float32).reshape(-1, 2), axis=0, return_inverse=True)
    mesh = Mesh(
        torch.from_numpy(vertices)[None],
        torch.from_numpy(faces),
        torch.from_numpy(places),
        torch.from_numpy(uv_faces.reshape(-1, 3).astype(np.int64)),
        torch.from_numpy(texture).permute(2, 0, 1)[None].float() / 255,
    )
    return fitted(mesh) if fit else mesh


def fitted(mesh: Mesh) -> Mesh:
    """Each mesh of the batch moved and scaled: the middle of its bounding box at the origin, its farthest vertex at 1.

    A mesh that is a single point is only moved. Needs a vertex.
    """
    low, high = torch.aminmax(mesh.vertices, dim=1, keepdim=True)
    centred: Tensor = mesh.vertices - (low + high) / 2
    radius = centred.norm(dim=-1).amax(1)[:, None, None]
    return replace(mesh, vertices=centred / torch.where(radius > 0, radius, 1))


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
    """Vertices, faces, uv of every corner, and the texture of all parts together."""
    vertices, faces, inside_out, charts, first_vertex, first_face = [], [], [], [], 0, 0
    for part, place in parts:
        charts += _charts(part, first_face, gltf)
        vertices.append((np.asarray(part.vertices) @ place[:3, :3].T + place[:3, 3]).astype(np.float32))
        faces.append(np.asarray(part.faces, np.int64) + first_vertex)
        inside_out.append(np.full(len(faces[-1]), np.linalg.det(place[:3, :3]) < 0))
        first_vertex, first_face = first_vertex + len(vertices[-1]), first_face + len(faces[-1])
    if not parts:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64), np.zeros((0, 3, 2)), np.zeros((1, 1, 3))
    texture, uv = bake(charts, first_face, largest_texture)
    points, corners = _welded(np.concatenate(vertices), np.concatenate(faces))
    order = np.where(np.concatenate(inside_out)[:, None], [2, 1, 0], [0, 1, 2])  # a mirror turns triangles
    corners, uv = np.take_along_axis(corners, order, 1), np.take_along_axis(uv, order[..., None], 1)
    flat = (corners == np.roll(corners, 1, 1)).any(1)
    return points, corners[~flat], uv[~flat], texture


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that some face uses, those at the same place as one; in the order in which the file has them."""
    used, corners = np.unique(faces, return_inverse=True)
    _, first, same = np.unique(vertices[used] + np.float32(0), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return vertices[used][first[order]], rank[same.reshape(-1)][corners].reshape(faces.shape).astype(np.int64)


def _charts(part: Any, first: int, gltf: bool) -> list[Chart]:
    """What the triangles of one part wear; they are numbered from `first`."""
    numbers = np.arange(first, first + len(part.faces))
    visual = part.visual
    if visual.kind == "texture":
        image, plain = _material(visual.material)
        uv = visual.uv
        if image is not None and uv is not None and len(uv) == len(part.vertices):
            corners = np.asarray(uv, np.float64)[:, :2][part.faces] * (1, -1) + (0, 1)  # trimesh counts v upwards
            return picture_charts(image, corners, numbers)
        beside = visual.vertex_attributes.get("color")
        light = _to_linear(plain / 255) if beside is None else _to_linear(plain / 255) * _shares(beside)[part.faces]
        colours = np.broadcast_to(_to_srgb(light), (len(numbers), 3, 3))
    elif visual.kind == "vertex":
        shares = _shares(visual.vertex_colors)[part.faces]
        colours = _to_srgb(shares) if gltf else (shares * 255).round().astype(np.uint8)  # glTF's are linear
    elif visual.kind == "face":
        colours = np.repeat(np.asarray(visual.face_colors, np.uint8)[:, None, :3], 3, 1)
    else:
        colours = np.full((len(numbers), 3, 3), GREY, np.uint8)
    return [colour_chart(np.ascontiguousarray(colours), numbers)]


def _shares(colours: Any) -> np.ndarray:
    """Red, green and blue of vertices in [0, 1], from bytes, 16-bit numbers or shares of one."""
    colours = np.asarray(colours)[:, :3]
    most = np.iinfo(colours.dtype).max if colours.dtype.kind in "iu" else 1
    shares: np.ndarray = np.nan_to_num(colours / most).clip(0, 1)
    return shares


def _material(material: Any) -> tuple[np.ndarray | None, np.ndarray]:
    """Picture and plain colour of a material, sRGB bytes; glTF's factors are linear and tint the picture."""
    if not hasattr(material, "baseColorFactor"):
        diffuse = np.asarray(getattr(material, "diffuse", NO_COLOUR), np.uint8)
        plain = np.full(3, GREY, np.uint8) if diffuse.tolist() == NO_COLOUR else diffuse[:3]
        return _pixels(getattr(material, "image", None)), plain
    image, factor = _pixels(material.baseColorTexture), material.baseColorFactor
    factor = np.ones(3) if factor is None else np.asarray(factor, np.float64)[:3] / 255
    if image is not None and (factor < 1).any():
        table = _to_srgb(_to_linear(np.arange(256) / 255)[:, None] * factor)  # [byte, channel]
        image = np.stack([table[image[..., channel], channel] for channel in range(3)], -1)
    return image, _to_srgb(factor)


def _pixels(image: Any) -> np.ndarray | None:
    """Bytes [height, width, 3], or None without a picture or for a damaged one: only decoding shows that."""
    if image is None:
        return None
    try:
        return None if image.getcolors(1) == NO_PICTURE else np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError):  # what pillow raises for damaged data
        return None


def _to_linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, from [0, 1] to [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _to_srgb(linear: np.ndarray) -> np.ndarray:
    """The inverse, to bytes."""
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return (srgb * 255).round().clip(0, 255).astype(np.uint8)
