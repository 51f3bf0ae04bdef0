"""Photos of a painted body whose views are known, and the graph that knows some of them."""

import torch
from rendered import photographed, random_views, wedge
from torch import Tensor

from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.graph import Category, Graph, Photos
from genstruct.viewpoint.nodes import Nodes
from genstruct.viewpoint.template import Template
from genstruct.viewpoint.viewpoints import Viewpoints
from genstruct.viewpoint.views import ViewGrid

SIZE, COUNT = 64, 160
GRID = ViewGrid(24, 0.0, 0.5, 3)


def seen(azimuth: Tensor, elevation: Tensor) -> ObjectCrops:
    """Crops of the body from these views."""
    images, masks, _ = photographed(wedge(), azimuth, elevation, SIZE)
    return ObjectCrops(images, masks, torch.tensor([[0.0, 0.0, SIZE]]).expand(len(azimuth), 3))


def views(azimuth: Tensor, elevation: Tensor) -> Viewpoints:
    """As a graph knows them: surely."""
    one = torch.ones_like(azimuth)
    candidates = torch.zeros(len(azimuth), 4, 3)
    candidates[:, 0] = torch.stack([azimuth, elevation, one], 1)
    return Viewpoints(azimuth, elevation, one, torch.zeros(len(azimuth), dtype=torch.long), candidates)


def known_graph(undetermined: str = "", count: int = COUNT) -> Graph:
    """Photos with their true views, and a shape that has nothing of the body but its proportions."""
    azimuth, elevation = random_views(count)
    photos = Photos(
        tuple(f"{number:03}.png" for number in range(count)),
        torch.full((count, 2), SIZE),
        seen(azimuth, elevation),
    )
    none, rows = torch.zeros(0), torch.arange(count)
    edges = Edges(none.long(), none.long(), none.bool(), none, none, none.bool())
    category = Category((Template(seed=1, cells=8, texels=8),), GRID, 2.6, True, {"shapes": 1})
    nodes = Nodes(torch.zeros_like(rows), rows[:1], torch.zeros_like(rows))
    return Graph(photos, category, views(azimuth, elevation), edges, nodes, none.long(), undetermined)
