"""Meshes as files that other tools open: glb (texture inside), obj (material and picture beside it), ply (colours)."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import OutputError, ShapeError
from genstruct.export.images import png_bytes, to_uint8
from genstruct.files import write_bytes
from genstruct.geometry.measures import vertex_normals
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import sample_at_vertices

SUFFIXES = (".glb", ".obj", ".ply")


def write_mesh(path: Path, mesh: Mesh) -> list[Path]:
    """Write one mesh; the name's ending chooses the format. Folders are made, files appear whole or not at all.

    Axes stay: +y up, front +z, as glTF has it. Files that hold v upwards get it so.

    - .glb: one file, smooth normals, matt.
    - .obj: vertices stay shared across seams of the texture; .mtl and .png are written beside it.
    - .ply: binary; the texture only as a colour at every vertex.

    Args:
        path: Where to.
        mesh: A batch of one; of more, choose with `mesh[i : i + 1]`.

    Returns:
        The files written, `path` first.

    Raises:
        OutputError: Another ending, or a place that cannot be written.
        ShapeError: Several meshes, a .glb without triangles, or values that are NaN or infinite.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OutputError(f"{path} must end in {', '.join(SUFFIXES)}, which choose the format of a mesh")
    if len(mesh) != 1:
        raise ShapeError(f"one mesh a file, got a batch of {len(mesh)}; choose one with mesh[i : i + 1]")
    if not len(mesh.faces) and suffix == ".glb":
        raise ShapeError(
            f"a .glb holds at least one triangle, got faces {list(mesh.faces.shape)}; .obj and .ply do not"
        )
    mesh = mesh.check().to("cpu", torch.float32)
    mesh = replace(mesh, **{name: tensor.detach() for name, tensor in mesh.tensors().items()})
    if suffix == ".glb":
        files = {path: _glb(mesh)}
    elif suffix == ".ply":
        files = {path: _ply(mesh)}
    else:
        files = _obj(path, mesh)
    for place, contents in reversed(files.items()):  # the file that names the others comes last
        write_bytes(place, contents)
    return list(files)


def _pixels(mesh: Mesh) -> np.ndarray | None:
    return None if mesh.texture is None else to_uint8(mesh.texture[0])


def _glb(mesh: Mesh) -> bytes:
    """By trimesh; vertices with several texture coordinates are doubled, as the format wants it."""
    import trimesh  # takes a while; only who writes these files pays
    from PIL import Image
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    vertex, uv, faces = _split(mesh)
    visual: Any = None
    if uv is not None:
        pixels = _pixels(mesh)
        image = None if pixels is None else Image.fromarray(pixels)
        matt = PBRMaterial(baseColorTexture=image, metallicFactor=0.0, roughnessFactor=1.0)
        visual = TextureVisuals(_upwards(uv).numpy(), material=matt)
    normals = vertex_normals(mesh.vertices, mesh.faces)[0, vertex]
    surface = trimesh.Trimesh(
        mesh.vertices[0, vertex].numpy(), faces.numpy(), vertex_normals=normals.numpy(), visual=visual, process=False
    )
    exported = trimesh.Scene(surface).export(file_type="glb", include_normals=True)
    assert isinstance(exported, bytes)  # other types of file would be text
    return exported


def _split(mesh: Mesh) -> tuple[Int[Tensor, " corners"], Float[Tensor, "corners 2"] | None, Int[Tensor, "faces 3"]]:
    """The vertex of each pair of vertex and texture coordinate, that coordinate, and faces as rows of the pairs."""
    if mesh.uv is None or mesh.uv_faces is None:
        return torch.arange(mesh.vertices.shape[1]), mesh.uv, mesh.faces
    pairs = torch.stack([mesh.faces, mesh.uv_faces], -1).flatten(0, 1)
    pairs, faces = pairs.unique(dim=0, return_inverse=True)
    return pairs[:, 0], mesh.uv[pairs[:, 1]], faces.view(-1, 3)


def _obj(path: Path, mesh: Mesh) -> dict[Path, bytes]:
    """Text with one-based numbers; the names of the files beside it hold no blanks, which readers split at."""
    pixels, name = _pixels(mesh), re.sub(r"[^\w.-]", "_", path.stem)
    lines = [] if pixels is None else [f"mtllib {name}.mtl", "usemtl surface"]
    lines += ["v {:.7g} {:.7g} {:.7g}".format(*point) for point in mesh.vertices[0].tolist()]
    corners = (mesh.faces + 1).tolist()
    if mesh.uv is None:
        lines += ["f {} {} {}".format(*face) for face in corners]
    else:
        lines += ["vt {:.7g} {:.7g}".format(*place) for place in _upwards(mesh.uv).tolist()]
        uv_corners = corners if mesh.uv_faces is None else (mesh.uv_faces + 1).tolist()
        pairs = zip(corners, uv_corners, strict=True)
        lines += [f"f {a}/{i} {b}/{j} {c}/{k}" for (a, b, c), (i, j, k) in pairs]
    files = {path: ("\n".join(lines) + "\n").encode()}
    if pixels is not None:
        material = f"newmtl surface\nKd 1 1 1\nmap_Kd {name}.png\n"
        files |= {path.with_name(f"{name}.mtl"): material.encode(), path.with_name(f"{name}.png"): png_bytes(pixels)}
    return files


def _ply(mesh: Mesh) -> bytes:
    """Little-endian, vertices with colours where there is a texture."""
    fields: list[tuple[str, str]] = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    if mesh.texture is not None:
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
    vertices = np.zeros(mesh.vertices.shape[1], fields)
    for axis, name in enumerate("xyz"):
        vertices[name] = mesh.vertices[0, :, axis].numpy()
    if mesh.texture is not None:
        colors = to_uint8(sample_at_vertices(mesh, mesh.texture)[0].mT[:, None])[0]
        for channel, name in enumerate(("red", "green", "blue")):
            vertices[name] = colors[:, channel]
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces.numpy()
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n"]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def _upwards(uv: Float[Tensor, "uvs 2"]) -> Float[Tensor, "uvs 2"]:
    """With v growing upwards, as trimesh and obj count it."""
    return torch.stack([uv[:, 0], 1 - uv[:, 1]], -1)
