"""Triangle meshes with texture: the value type that templates, files and generators make and the renderer draws."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_finite, check_float, check_shape, check_together
from genstruct.geometry.remember import remembered

GRAY = 180
"""sRGB of surfaces without any colour, of 255."""


@dataclass(frozen=True)
class Mesh:
    """A batch of meshes with the same faces.

    Args:
        vertices: Object units, +y up, front towards +z; a batch of one is shared.
        faces: Corners of each triangle as rows of `vertices`, int64, counter-clockwise seen from outside.
        uv: Texture coordinates in [0, 1], u right and v down as in an image: (0, 0) is the outer corner of its first
            pixel, (1, 1) that of its last.
        uv_faces: Corners of each triangle as rows of `uv`, so that seams need no doubled vertices; None = `faces`.
        texture: sRGB in [0, 1]; a batch of one is shared.

    Raises:
        ShapeError: Other shapes or types, faces beyond the vertices, a texture without uv, mixed devices. Values of
            vertices are not read: `check` does that.
    """

    vertices: Float[Tensor, "batch vertices 3"]
    faces: Int[Tensor, "faces 3"]
    uv: Float[Tensor, "uvs 2"] | None = None
    uv_faces: Int[Tensor, "faces 3"] | None = None
    texture: Float[Tensor, "textures 3 height width"] | None = None

    def __post_init__(self) -> None:
        check_float("vertices", self.vertices, "batch vertices 3")
        check_faces("faces", self.faces, "vertices", self.vertices.shape[1])
        if self.uv is None and (self.uv_faces is not None or self.texture is not None):
            texture = None if self.uv_faces is not None else self.texture
            given = "uv_faces" if texture is None else f"a texture {list(texture.shape)}"
            raise ShapeError(f"{given} needs uv [uvs, 2], got None; give texture coordinates or leave the texture out")
        if self.uv is not None:
            self._check_uv(self.uv)
        if self.texture is not None:
            self._check_texture(self.texture)
        check_together(self.tensors())

    def _check_uv(self, uv: Tensor) -> None:
        check_float("uv", uv, "uvs 2")
        corners = self.faces if self.uv_faces is None else self.uv_faces
        check_faces("faces" if self.uv_faces is None else "uv_faces", corners, "uv", len(uv))
        if len(corners) != len(self.faces):
            raise ShapeError(f"uv_faces must be [{len(self.faces)}, 3] like faces, got {list(corners.shape)}")

    def _check_texture(self, texture: Tensor) -> None:
        check_float("texture", texture, "batch 3 height width")
        sizes = {len(self.vertices), len(texture)} - {1}
        if len(sizes) > 1 or 0 in texture.shape[2:]:
            raise ShapeError(
                f"texture must be [1 or {len(self.vertices)}, 3, height, width] and not empty for vertices "
                f"{list(self.vertices.shape)}, got {list(texture.shape)}"
            )

    def __len__(self) -> int:
        """Number of meshes: the batch of vertices or of textures, whichever is not shared."""
        return len(self.vertices) if self.texture is None or len(self.vertices) != 1 else len(self.texture)

    def __getitem__(self, index: slice | Tensor) -> "Mesh":
        """Some of the meshes, still as a batch; what is shared stays shared.

        Raises:
            ShapeError: A single number; a batch of one is `mesh[i : i + 1]`.
        """
        if isinstance(index, int):
            raise ShapeError(f"meshes stay a batch: write mesh[{index} : {index + 1}] instead of mesh[{index}]")
        batch = len(self)
        vertices, texture = self.vertices, self.texture
        if len(vertices) == batch:
            vertices = vertices[index]
        if texture is not None and len(texture) == batch:
            texture = texture[index]
        return replace(self, vertices=vertices, texture=texture)

    def tensors(self) -> dict[str, Tensor]:
        """What is there, by name."""
        return {name: tensor for name, tensor in vars(self).items() if tensor is not None}

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Mesh":
        """On another device, or with floating-point numbers of another type."""
        moved: dict[str, Any] = {
            name: tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)
            for name, tensor in self.tensors().items()
        }
        return replace(self, **moved)

    def check(self) -> "Mesh":
        """The mesh itself, once its values are known to be usable. Reads them, so a CUDA device is waited for.

        Raises:
            ShapeError: NaN or infinite vertices, uv or texture.
        """
        for name, tensor in self.tensors().items():
            if tensor.is_floating_point():
                check_finite(name, tensor)
        return self


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


def check_faces(name: str, faces: Tensor, target: str, rows: int, shape: str = "faces 3") -> None:
    """Faces must be int64 of a `shape` and point at rows of `target`. The range is read once for each tensor.

    Raises:
        ShapeError: Another shape or type, or corners that are not there.
    """
    check_shape(name, faces, shape)
    if faces.dtype != torch.int64:
        raise ShapeError(f"{name} {list(faces.shape)} must be int64, got {faces.dtype}; use .long()")
    lowest, highest = _corner_range(faces)
    if lowest < 0 or highest >= rows:
        raise ShapeError(
            f"{name} {list(faces.shape)} must hold rows of {target}, 0 to {rows - 1}, got {lowest} to {highest}"
        )


@remembered
def _corner_range(faces: Tensor) -> tuple[int, int]:
    """Lowest and highest corner; (0, -1) without faces, or on the device "meta" that has shapes only."""
    return (0, -1) if faces.is_meta or not faces.numel() else (int(faces.min()), int(faces.max()))
