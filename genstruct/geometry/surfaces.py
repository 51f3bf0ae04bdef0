"""Surface templates: icosphere, plane, box, and the two a generator bends: the octahedral sphere grid and the sheet.

All are `Mesh`es of one batch item with float32 vertices and uv; faces are counter-clockwise seen from outside, and no
texture is mirrored when seen from there. Templates are made once; `sample_at_vertices` reads a generator's maps
(offsets, colours) where their vertices lie.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_float, check_together
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.precision import full_precision
from genstruct.geometry.remember import remembered


def sheet(rows: int, columns: int, height: float = 2.0, width: float = 2.0) -> Mesh:
    """An open grid of `rows` x `columns` cells in the plane z = 0, facing +z, uv over the whole picture.

    Vertices are numbered row by row from the upper left. Diagonals are mirrored at the middle, so that a mirrored
    picture makes a mirrored surface (for even `columns`).

    Args:
        rows, columns: Cells, two triangles each.
        height, width: Object units, centred on the origin.

    Raises:
        ShapeError: Less than one cell.
    """
    if not (isinstance(rows, int) and isinstance(columns, int) and rows >= 1 and columns >= 1):
        raise ShapeError(f"a sheet needs whole numbers of cells, at least 1 x 1, got {rows} x {columns}")
    uv = _grid(rows, columns)
    x, y = (uv[:, 0] - 0.5) * width, (0.5 - uv[:, 1]) * height
    falling = (torch.arange(columns) >= columns / 2).expand(rows, columns)
    return Mesh(torch.stack([x, y, torch.zeros_like(x)], -1)[None], _cells(falling), uv)


def plane(size: float = 2.0) -> Mesh:
    """A square of side `size` in the plane z = 0, facing +z: two triangles under the whole texture."""
    return sheet(1, 1, size, size)


def box(size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Mesh:
    """A box of `size` (x, y, z) centred on the origin: 8 vertices, 12 triangles.

    The texture holds two rows of three sides, each as seen from outside with +y up (top and bottom: with the front
    downwards and upwards): left (+x), front (+z), right (-x); top (+y), back (-z), bottom (-y).

    Raises:
        ShapeError: Not three lengths.
    """
    if len(size) != 3:
        raise ShapeError(f"size must be (x, y, z), got {size}")
    # Right and up in the picture of each side, as seen from outside; their cross product looks outwards.
    sides = [((0, 0, -1), (0, 1, 0)), ((1, 0, 0), (0, 1, 0)), ((0, 0, 1), (0, 1, 0))]
    sides += [((1, 0, 0), (0, 0, -1)), ((-1, 0, 0), (0, 1, 0)), ((1, 0, 0), (0, 0, 1))]
    right, up = torch.tensor(sides).unbind(1)
    corner = torch.tensor([[-1, 1], [-1, -1], [1, -1], [1, 1]])  # of a side: right and up, counter-clockwise
    signs = torch.linalg.cross(right, up)[:, None] + corner[:, :1] * right[:, None] + corner[:, 1:] * up[:, None]
    numbers = ((signs > 0) * torch.tensor([1, 2, 4])).sum(-1)  # [side, corner]: vertex number by its signs
    vertices = (torch.arange(8)[:, None] >> torch.arange(3) & 1) - 0.5
    place = torch.stack([torch.arange(6) % 3, torch.arange(6) // 3], -1)
    uv = (place[:, None] + torch.tensor([[0, 0], [0, 1], [1, 1], [1, 0]])) / torch.tensor([3.0, 2.0])
    halves = torch.tensor([[0, 1, 2], [0, 2, 3]])
    faces, uv_faces = numbers[:, halves].flatten(0, 1), torch.arange(24).view(6, 4)[:, halves].flatten(0, 1)
    return Mesh((vertices * torch.tensor(size))[None], faces, uv.flatten(0, 1), uv_faces)


def icosphere(subdivisions: int = 3) -> Mesh:
    """The unit sphere from an icosahedron with 20 x 4^subdivisions triangles of nearly equal size.

    The texture is the unfolded net of the icosahedron (5 strips between the poles +y and -y, bottom triangles pointing
    down); what lies between the strips is not seen.

    Raises:
        ShapeError: Below 0, or above 8 (1.3 million triangles).
    """
    if not isinstance(subdivisions, int) or not 0 <= subdivisions <= 8:
        raise ShapeError(f"subdivisions must be a whole number from 0 to 8, got {subdivisions}")
    vertices, faces, uv, uv_faces = _icosahedron()
    for _ in range(subdivisions):
        vertices, faces = subdivide(vertices, faces)
        uv, uv_faces = subdivide(uv, uv_faces)
        vertices = F.normalize(vertices, dim=-1)
    return Mesh(vertices.float()[None], faces, uv.float(), uv_faces)


def octahedral_sphere(cells: int) -> Mesh:
    """The unit sphere as a square picture folded around an octahedron (Praun & Hoppe 2003): closed, without a seam.

    The middle of the picture is the top (+y), its four corners meet at the bottom (-y), right is the object's left
    (+x), downwards its front (+z); mirroring the picture from left to right mirrors the object. Vertices are shared
    across the picture's border, where the picture goes on mirrored, so that the surface stays closed whatever a
    generator draws. No place of the sphere gets less than a quarter of the mean area of texture.

    Args:
        cells: Along each side of the picture, even; the mesh has 2 cells^2 triangles and cells^2 + 2 vertices.

    Raises:
        ShapeError: An odd number or less than 2.
    """
    if not isinstance(cells, int) or cells < 2 or cells % 2:
        raise ShapeError(f"cells must be a whole number, even and at least 2, got {cells}")
    uv = _grid(cells, cells)
    half = cells // 2
    cell = torch.arange(cells)
    falling = (cell[:, None] < half) != (cell < half)  # along the folds of the octahedron in each quarter
    uv_faces = _cells(falling)
    position, number = _fold(cells)[uv_faces.flatten()].unique(return_inverse=True)
    return Mesh(octahedral_point(uv[position])[None], number.view(-1, 3), uv, uv_faces)


@full_precision
def octahedral_point(uv: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    """The point of the unit sphere at texture coordinates of `octahedral_sphere`."""
    x, z = (uv * 2 - 1).unbind(-1)
    y = 1 - x.abs() - z.abs()
    over = (-y).clamp(min=0)  # how far beyond the equator: folds down and inwards
    x, z = x - over * torch.where(x < 0, -1, 1), z - over * torch.where(z < 0, -1, 1)
    return F.normalize(torch.stack([x, y, z], -1), dim=-1)


@full_precision
def octahedral_uv(direction: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 2"]:
    """Texture coordinates of `octahedral_sphere` in a direction of any length above 0; undoes `octahedral_point`."""
    x, y, z = (direction / direction.abs().sum(-1, keepdim=True)).unbind(-1)
    below = y < 0
    right, front = torch.where(x < 0, -1, 1), torch.where(z < 0, -1, 1)
    u, v = torch.where(below, (1 - z.abs()) * right, x), torch.where(below, (1 - x.abs()) * front, z)
    return (torch.stack([u, v], -1) + 1) / 2


def pad_octahedral(
    picture: Float[Tensor, "batch channels size size"], margin: int
) -> Float[Tensor, "batch channels padded padded"]:
    """Continue a picture of `octahedral_sphere` by `margin` pixels on every side: what lies there on the sphere.

    Each side goes on as the picture turned by half a turn about the middle of that side. A convolution without padding
    of its own, or a bilinear lookup, then has no seam at the border.

    Raises:
        ShapeError: Not square, or a margin above the size.
    """
    check_float("picture", picture, "batch channels size size")
    size = picture.shape[-1]
    if picture.shape[-2] != size or not 0 <= margin <= size:
        raise ShapeError(
            f"picture must be square and margin 0 to its size, got {list(picture.shape)} and a margin of {margin}"
        )
    turned = picture.flip(-1, -2)
    ends = (slice(size - margin, size), slice(0, margin))
    above, below = (turned[..., end, :] for end in ends)
    before, after = (turned[..., :, end] for end in ends)
    # Beyond a corner lies the opposite corner: all four meet at the bottom.
    corners = [[picture[..., row, column] for column in ends] for row in ends]
    rows = [torch.cat([corners[0][0], above, corners[0][1]], -1), torch.cat([before, picture, after], -1)]
    return torch.cat([*rows, torch.cat([corners[1][0], below, corners[1][1]], -1)], -2)


@full_precision
def sample_at_vertices(
    surface: Mesh, picture: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch vertices channels"]:
    """Read a picture (offsets, colours, ...) at the vertices of a surface with uv; bilinear, differentiable.

    A vertex with several texture coordinates gets their mean, so that a closed surface stays closed; one that no
    triangle uses gets 0.

    Raises:
        ShapeError: A surface without uv, or a picture of another shape or on another device.
    """
    if surface.uv is None:
        raise ShapeError("surface has no uv; take one of the templates or give texture coordinates")
    check_float("picture", picture, "batch channels height width")
    check_together({"picture": picture, "surface": surface.uv})
    places = (surface.uv * 2 - 1).to(picture.dtype).expand(len(picture), 1, -1, -1)
    values = F.grid_sample(picture, places, padding_mode="border", align_corners=False)[:, :, 0].mT
    if surface.uv_faces is None:
        return values
    vertex, place = _corner_pairs(surface.faces, surface.uv_faces).unbind(1)
    count = surface.vertices.shape[1]
    total = values.new_zeros(len(values), count, values.shape[2]).index_add(1, vertex, values[:, place])
    return total / torch.bincount(vertex, minlength=count).clamp(min=1)[:, None]


def subdivide(
    points: Float[Tensor, "points coordinates"], faces: Int[Tensor, "faces 3"]
) -> tuple[Float[Tensor, "more coordinates"], Int[Tensor, "four_times_faces 3"]]:
    """Split every triangle into four at the middles of its sides; the order depends on the faces alone.

    Given points and uv of one mesh with their own faces, the results still belong together, triangle by triangle.
    """
    sides = torch.stack([faces, faces.roll(-1, 1)], -1).flatten(0, 1).sort(-1).values
    edges, number = sides.unique(dim=0, return_inverse=True)
    middles = points[edges].mean(1)
    first, second, third = faces.unbind(1)
    ab, bc, ca = (number.view(-1, 3) + len(points)).unbind(1)
    parts = [[first, ab, ca], [ab, second, bc], [ca, bc, third], [ab, bc, ca]]
    split = torch.stack([torch.stack(part, -1) for part in parts], 1).flatten(0, 1)
    return torch.cat([points, middles]), split


def _grid(rows: int, columns: int) -> Float[Tensor, "nodes 2"]:
    """Texture coordinates of the nodes of a grid of cells, row by row from the upper left."""
    v, u = torch.meshgrid(torch.linspace(0, 1, rows + 1), torch.linspace(0, 1, columns + 1), indexing="ij")
    return torch.stack([u, v], -1).flatten(0, 1)


def _cells(falling: Bool[Tensor, "rows columns"]) -> Int[Tensor, "faces 3"]:
    """Two triangles for each cell of a grid, counter-clockwise with v downwards.

    Args:
        falling: The diagonal goes from the upper left to the lower right; else from the lower left to the upper right.
    """
    rows, columns = falling.shape
    upper_left = torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)
    lower_left, upper_right = upper_left + columns + 1, upper_left + 1
    lower_right = lower_left + 1
    fall = [upper_left, lower_left, lower_right, upper_left, lower_right, upper_right]
    rise = [upper_left, lower_left, upper_right, lower_left, lower_right, upper_right]
    return torch.where(falling[..., None], torch.stack(fall, -1), torch.stack(rise, -1)).view(-1, 3)


def _fold(cells: int) -> Int[Tensor, " nodes"]:
    """For each node of the octahedral picture, the node that is the same place: each side folds at its middle."""
    row, column = torch.meshgrid(torch.arange(cells + 1), torch.arange(cells + 1), indexing="ij")
    column = torch.where((row == 0) | (row == cells), column.minimum(cells - column), column)
    row = torch.where((column == 0) | (column == cells), row.minimum(cells - row), row)
    return (row * (cells + 1) + column).flatten()


@remembered
def _corner_pairs(faces: Int[Tensor, "faces 3"], uv_faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "pairs 2"]:
    """Every pair of a vertex and a texture coordinate that some corner has, once."""
    return torch.stack([faces.flatten(), uv_faces.flatten()], -1).unique(dim=0)


def _icosahedron() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Vertices, faces, uv and uv_faces of an icosahedron with poles on the y axis, and of its net."""
    step = torch.arange(6, dtype=torch.float64)
    azimuth = torch.cat([step[:5] - 2.5, step[:5] - 2]) * math.tau / 5  # the front is in the middle of the net
    height = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(5) / math.sqrt(5)
    ring = torch.stack([azimuth.sin() * 2 / math.sqrt(5), height, azimuth.cos() * 2 / math.sqrt(5)], -1)
    pole = torch.tensor([[0.0, 1, 0], [0, -1, 0]], dtype=torch.float64)
    across = torch.cat([step[:5] + 0.5, step, step + 0.5, step[:5] + 1])
    down = torch.tensor([0, 1, 2, 3]).repeat_interleave(torch.tensor([5, 6, 6, 5]))
    uv = torch.stack([across / 5.5, down / 3.0], -1)
    here = torch.arange(5)
    top, upper, lower, bottom = here, here + 5, here + 11, here + 17  # rows of uv
    corners = [[top, upper, upper + 1], [upper, lower, upper + 1], [lower, lower + 1, upper + 1]]
    corners += [[bottom, lower + 1, lower]]
    uv_faces = torch.cat([torch.stack(corner, -1) for corner in corners])
    # Rows of uv as vertices: both poles, the upper ring from 2, the lower one from 7; rings close after five.
    vertex = torch.cat([here * 0, torch.arange(6) % 5 + 2, torch.arange(6) % 5 + 7, here * 0 + 1])
    return torch.cat([pole, ring]), vertex[uv_faces], uv, uv_faces
