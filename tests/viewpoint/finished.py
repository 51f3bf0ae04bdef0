"""A finished graph that is small and known: photos round a box-like shape, as the stages would leave it."""

import math

import pytest
import torch

from genstruct.data.source import Failure
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.graph import Category, Graph, Photos
from genstruct.viewpoint.nodes import group, spanning_tree
from genstruct.viewpoint.show import page, shape
from genstruct.viewpoint.template import Template
from genstruct.viewpoint.viewpoints import Viewpoints
from genstruct.viewpoint.views import ViewGrid

AWKWARD = "a <b>&\"'</script>\u2028 \udcff.jpg"
"""A name that is markup, ends scripts, and is no text."""
BROKEN, COPY = "broken <1>.jpg", "copy & paste.jpg"
PLACES = 8
"""Photos come in pairs: two from each of so many azimuths, evenly round the circle."""
STEP = math.tau / PLACES
GRID = ViewGrid(16, 0.0, 0.5, 3)


def few_views(patch: pytest.MonkeyPatch) -> None:
    """Draw shapes from fewer sides, so that what writes whole graphs takes a second."""
    patch.setattr(page, "AROUND", 4)
    patch.setattr(shape, "FRAMES", 3)
    patch.setattr(shape, "STRIP", 2)


def finished(undetermined: str = "", shapes: int = 1, size: int = 16) -> Graph:
    """Pairs are joined by "same", each pair with the next one by "+"; the last photo is unsure of its view."""
    count = 2 * PLACES
    azimuth = torch.arange(PLACES).repeat_interleave(2) * STEP
    elevation = torch.full((count,), 0.25)
    confidence = torch.ones(count)
    confidence[-1] = 0.25
    candidates = torch.zeros(count, 4, 3)
    candidates[:, 0] = torch.stack([azimuth, elevation, 0.5 + confidence / 2], 1)
    candidates[-1, 1] = torch.tensor([1.0, 0.25, 0.375])
    views = Viewpoints(azimuth, elevation, confidence, torch.arange(count) % shapes, candidates)
    rng = torch.Generator().manual_seed(0)
    claims = _claims(count)
    edges, denied = claims[claims.agrees], claims[~claims.agrees]
    images = 0.7 * torch.rand(count, 3, 1, 1, generator=rng) + 0.3 * torch.rand(count, 3, size, size, generator=rng)
    masks = torch.zeros(count, 1, size, size)
    masks[..., size // 4 : -size // 4, 1:-1] = 1
    squares = torch.tensor([[10.0, 20.0, 40.0]]).expand(count, 3)
    names = (AWKWARD, *(f"{number:02}.jpg" for number in range(1, count)))
    sizes = torch.tensor([[80, 60]]).expand(count, 2)
    failed = (Failure(BROKEN, "not an image <&>"),)
    photos = Photos(names, sizes, ObjectCrops(images, masks, squares), failed, {COPY: names[2]})
    tree = spanning_tree(edges, count)
    nodes = group(edges, azimuth, elevation, confidence, 0.5)
    templates = tuple(Template(seed=number, cells=4, texels=8) for number in range(shapes))
    category = Category(templates, GRID, 2.6, True, {"starts": 4, "energies": [-0.3, -0.25]})
    return Graph(photos, category, views, edges, nodes, tree, undetermined, ("a note <i>",), denied)


def _claims(count: int) -> Edges:
    """Within pairs, to the next pair, and one that the views deny: a claim about a mirror image."""
    rows = [(2 * place, 2 * place + 1, False, 0.0, 0.9, True) for place in range(PLACES)]
    rows += [(2 * place, 2 * (place + 1) % count, False, STEP, 0.75, True) for place in range(PLACES)]
    rows += [(2, 8, True, -STEP, 0.5, False)]
    start, end, mirrored, turn, similarity, agrees = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Edges(start, end, mirrored, turn, similarity, agrees)
