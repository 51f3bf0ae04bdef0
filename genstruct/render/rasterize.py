"""Visibility: which triangle each pixel centre sees."""

from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ConfigError
from genstruct.render.backends import Backend, choose
from genstruct.render.checks import check_positions, check_size, full
from genstruct.render.fragments import NEAR, Cull, Fragments


def rasterize(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "*lists faces 3"],
    size: tuple[int, int],
    cull: Cull = "none",
    near: float = NEAR,
    orthographic: bool = False,
    backend: Backend = "auto",
) -> Fragments:
    """Find the nearest triangle at each pixel centre.

    A centre on the edge between two triangles belongs to exactly one of them; of equally near triangles the one with
    the lower number wins. Triangles without area on the screen are invisible. Nothing is clipped: a triangle with a
    corner at or before `near` is left out as a whole, so keep the camera outside of what it looks at. What lies behind
    the camera or off the screen, and empty meshes, give empty fragments.

    Args:
        v: x and y in pixels, camera depth, as `project` gives them.
        faces: Corners [F, 3], or [B, F, 3] for each item its own; repeat a corner to fill up shorter lists.
        size: (height, width), pixels.
        cull: "back" leaves out triangles seen from behind: twice as fast for closed surfaces, wrong for open ones.
        near: Object units.
        orthographic: Depth is linear on the screen (parallel rays).
        backend: "auto" is numba on a CPU, triton on CUDA and torch elsewhere.

    Raises:
        ShapeError: Shapes, types or devices that do not fit, faces out of range; on the CPU also NaN or infinity in v.
        ConfigError: An unknown `cull` or `backend`, or a negative `near`.
    """
    check_positions(v, faces)
    check_size(size)
    if cull not in ("none", "back"):
        raise ConfigError(f"cull must be none or back, got {cull!r}")
    if not near >= 0:
        raise ConfigError(f"near must be at least 0, got {near}")
    work = choose(backend, v.device)
    lists = faces if faces.ndim == 3 else faces[None]
    index, inverse_depth = work.rasterize(full(v.detach()), lists, tuple(size), cull, near, orthographic)
    return Fragments(index, inverse_depth, orthographic, cull, near, faces.shape[-2])
