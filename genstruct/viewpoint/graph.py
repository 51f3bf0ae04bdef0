"""What is found in a set of photos of a category: its shape, the views of the photos, and the graph that joins them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.data.source import Failure
from genstruct.geometry.camera import Camera
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.nodes import Nodes
from genstruct.viewpoint.template import Template, boxed_camera
from genstruct.viewpoint.viewpoints import Viewpoints
from genstruct.viewpoint.views import ViewGrid


@dataclass(frozen=True)
class Photos:
    """The photos that could be cut out.

    Args:
        names: Of their files.
        sizes: Width and height, pixels.
        crops: Their objects, one after the other.
        failed: Photos left out, and why.
        twins: Photos that are the very picture of an earlier one, by name; they are left out, and share its view.
    """

    names: tuple[str, ...]
    sizes: Int[Tensor, "photos 2"]
    crops: ObjectCrops
    failed: tuple[Failure, ...] = ()
    twins: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Category:
    """What all photos of a category have in common.

    Args:
        templates: Its shapes, which share one frame; the first is the commonest.
        grid: Views that are told apart.
        distance: Of the cameras, object lengths.
        whole_circle: Whether its photos show it from all around.
        findings: What was chosen without labels, and the figures that decided; plain values.
    """

    templates: tuple[Template, ...]
    grid: ViewGrid
    distance: float
    whole_circle: bool
    findings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The view graph of a set.

    Args:
        photos: Its image nodes; edges and views go by their numbers.
        category: Shape and frame.
        views: Of the photos.
        edges: Claims of interventions that views verify, the strongest for their images.
        nodes: Groups of photos with one view, and components.
        tree: Rows of the edges of a maximum spanning forest of them.
        undetermined: Why the whole graph must not be relied on; empty where it may.
        notes: What a reader should know beside.
        denied: Claims that views do not verify: no part of the graph, but of what confidence is judged by.
    """

    photos: Photos
    category: Category
    views: Viewpoints
    edges: Edges
    nodes: Nodes
    tree: Int[Tensor, " tree"]
    undetermined: str = ""
    notes: tuple[str, ...] = ()
    denied: Edges | None = None

    @property
    def shown_edges(self) -> Edges:
        """What is shown of a graph: its edges, in their order, and then the claims that are denied."""
        return self.edges if self.denied is None else Edges.cat([self.edges, self.denied])

    def cameras(self) -> Camera:
        """See `photo_cameras`."""
        return photo_cameras(self.category, self.views, self.photos.crops.squares)


@torch.no_grad()
def photo_cameras(category: Category, views: Viewpoints, squares: Float[Tensor, "photos 3"]) -> Camera:
    """Cameras that draw the category's shape over each photo, in pixels of the photo.

    Args:
        category: Its templates are in the world.
        views: Of the photos.
        squares: Left, top and side of their crops, pixels.
    """
    world, intrinsics = squares.new_zeros(len(views), 3, 4), squares.new_zeros(len(views), 3, 3)
    for number, template in enumerate(category.templates):
        rows = views.shape == number
        if rows.any():
            cut = boxed_camera(template.mesh(), views.azimuth[rows], views.elevation[rows], category.distance, 1)
            world[rows], intrinsics[rows] = cut.world_to_camera, _placed(squares[rows]) @ cut.intrinsics
    return Camera(world, intrinsics)


def _placed(squares: Float[Tensor, "photos 3"]) -> Float[Tensor, "photos 3 3"]:
    """From a unit square to the square of each crop."""
    left, top, side = squares.unbind(1)
    matrix = torch.zeros(len(squares), 3, 3, dtype=squares.dtype)
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, 2, 2] = side, side, 1
    matrix[:, 0, 2], matrix[:, 1, 2] = left, top
    return matrix
