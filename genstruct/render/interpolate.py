"""Values of vertices over pixels."""

from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.render.backends import Backend, choose
from genstruct.render.checks import check_fragments, check_lists, check_positions, check_same_type, check_shared, full
from genstruct.render.fragments import Fragments


def interpolate(
    v: Float[Tensor, "batch vertices 3"],
    attributes: Float[Tensor, "sets rows channels"],
    faces: Int[Tensor, "*lists faces 3"],
    fragments: Fragments,
    attribute_faces: Int[Tensor, "*attribute_lists faces 3"] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, "batch channels height width"]:
    """Interpolate values given at corners over the pixels of each triangle, perspective-correct; 0 where nothing is.

    Differentiable in `v` and `attributes` (of the interior: moving silhouettes are `antialias_silhouettes`' part).
    Gradients to `v` are damped inside triangles lower than a tenth of a pixel: a centre sees those rarely, and would
    then outweigh the whole picture.

    Args:
        v: x and y in pixels, camera depth; the ones given to `rasterize`.
        attributes: One row for each vertex, or for whatever `attribute_faces` counts; a batch of one is shared.
        faces: The ones given to `rasterize`.
        fragments: Of `rasterize`.
        attribute_faces: Rows of `attributes` at the corners of each triangle; `faces` by default.
        backend: "auto" is numba on a CPU, triton on CUDA and torch elsewhere.

    Raises:
        ShapeError: Shapes, types or devices that do not fit, corners out of range, or fragments of other faces.
    """
    check_positions(v, faces)
    check_fragments(fragments, "v", len(v), faces)
    check_shared("attributes", attributes, "batch rows channels", len(v))
    corners = faces if attribute_faces is None else attribute_faces
    check_lists("faces" if attribute_faces is None else "attribute_faces", corners, "attributes", attributes.shape[1],
                len(v))  # fmt: skip
    if corners.shape[-2] != faces.shape[-2]:
        raise ShapeError(f"attribute_faces must have {faces.shape[-2]} rows like faces, got {list(corners.shape)}")
    v, attributes = full(v), full(attributes)
    check_same_type({"v": v, "attributes": attributes})
    lists, corners = (each if each.ndim == 3 else each[None] for each in (faces, corners))
    return choose(backend, v.device).interpolate(v, attributes, lists, corners, fragments)
