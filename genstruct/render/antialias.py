"""Silhouettes that are smooth in the image and in the gradient."""

from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.render.backends import Backend, choose
from genstruct.render.checks import check_fragments, check_image, check_positions, check_same_type, full
from genstruct.render.fragments import Fragments
from genstruct.render.topology import Topology


def antialias_silhouettes(
    image: Float[Tensor, "batch channels height width"],
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "*lists faces 3"],
    topology: Topology,
    fragments: Fragments,
    backend: Backend = "auto",
) -> Float[Tensor, "batch channels height width"]:
    """Blend pixels along silhouettes by how much of them the silhouette leaves free.

    Silhouette edges are walked (not visible triangles: next to a smooth silhouette those are thinner than a pixel and
    mostly unseen). Where an edge passes between two pixel centres of a row (of a column, if it is rather flat), the
    pixel that is partly beyond it takes over that share of its neighbour's colour. The share moves with the edge, and
    so gradients reach the vertices.

    Rules where pixels and edges are few:
    - An edge is a silhouette if all its drawn triangles lie on one side of it on the screen: this covers boundaries,
      folds, and edges with three and more triangles, whatever their winding.
    - It counts if the inner pixel shows its surface or something nearer, and the outer pixel something behind it.
    - Of several edges between the same two pixels the outermost counts; of two that face each other, the nearer.
    - An edge that another outline hides within a pixel does not count, even if the one counts in rows and the other in
      columns: nested and joined parts have one outline.
    - The gradient of a share uses colours continued to the edge from the two nearest pixels on each side of it; the
      picture does not, so that it is not exactly the integral of that gradient where colours change towards an edge.
    - Shares of one pixel that sum to more than 1 are scaled to 1: values never leave the range of the image.
    - Where two unconnected parts pass through each other, the line where they meet is treated like an edge.
    - A part thinner than a pixel that no pixel centre sees is not drawn and has no gradient; render larger and average
      (`samples` of `render`) where that matters. Parts that pass through themselves get no gradient there.

    Args:
        image: What to blend: any channels, with the background already below them. Blending must come last; a mask
            multiplied on afterwards would cut the blended pixels off again.
        v: The ones given to `rasterize`.
        faces: The ones given to `rasterize`.
        topology: Of the same faces.
        fragments: Of `rasterize`.
        backend: "auto" is numba on a CPU, triton on CUDA and torch elsewhere.

    Raises:
        ShapeError: Shapes, types or devices that do not fit.
    """
    check_positions(v, faces)
    check_fragments(fragments, "v", len(v), faces)
    check_image("image", image, len(v), fragments.size)
    lists = faces if faces.ndim == 3 else faces[None]
    if topology.component.shape != lists.shape[:2]:
        raise ShapeError(
            f"topology is of faces {[*topology.component.shape, 3]}, got faces {list(faces.shape)}; "
            "call topology(faces) with the same list"
        )
    v, image = full(v), full(image)
    check_same_type({"image": image, "v": v})
    if not image.numel():
        return image
    return choose(backend, v.device).antialias_silhouettes(image, v, lists, topology, fragments)
