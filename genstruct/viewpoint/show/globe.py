"""A picture of the sphere of viewpoints: a thumbnail where each group of photos was taken from, lines for the tree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genstruct.export.images import FAINT, INK, PAPER, to_uint8, write_png
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.show.pictures import Pictures

WIDTH, MARGIN = 2160, 40
MAP_THUMB, GLOBE_THUMB = 44, 52
SPREAD = 0.72
"""Of a thumbnail's side: nearer ones hide each other, and the group with fewer photos is left out."""
ABOVE = math.radians(25)
"""From where the globes are looked at."""
LOOKS = (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)
LINE, RING = (176, 184, 192), (70, 110, 160)
FINER = 2  # lines are drawn at this multiple


@dataclass(frozen=True)
class Places:
    """Where nodes are on a picture, pixels.

    Args:
        xy: Of each node.
        depth: Below 0 on the far side; nearer ones are drawn over others.
    """

    xy: Float[Tensor, "nodes 2"]
    depth: Float[Tensor, " nodes"]


def directions(azimuth: Float[Tensor, " n"], elevation: Float[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Unit vectors to the cameras: x right, y up, z to the front."""
    flat = elevation.cos()
    return torch.stack([flat * azimuth.sin(), elevation.sin(), flat * azimuth.cos()], 1)


def on_globe(where: Float[Tensor, "n 3"], look: float, above: float = ABOVE) -> Float[Tensor, "n 3"]:
    """Directions as one sees them who looks from azimuth `look`, `above` the horizon: right, up, towards oneself."""
    x, y, z = where.unbind(1)
    right, near = x * math.cos(look) - z * math.sin(look), x * math.sin(look) + z * math.cos(look)
    up, out = y * math.cos(above) - near * math.sin(above), y * math.sin(above) + near * math.cos(above)
    return torch.stack([right, up, out], 1)


def node_links(graph: Graph) -> Int[Tensor, "links 2"]:
    """Pairs of nodes that an edge of the tree joins, each once."""
    edges, of = graph.edges[graph.tree], graph.nodes.of
    ends = torch.stack([of[edges.start], of[edges.end]], 1).sort(1).values
    return ends[(ends[:, 0] >= 0) & (ends[:, 0] != ends[:, 1]) & ~edges.mirrored].unique(dim=0)


def write_globe(path: Path, graph: Graph, pictures: Pictures) -> None:
    """Write the picture of a graph that has nodes."""
    nodes = graph.nodes
    azimuth, elevation = graph.views.azimuth[nodes.center], graph.views.elevation[nodes.center]
    size = torch.bincount(nodes.of[nodes.of >= 0], minlength=len(nodes.center))
    sheet = _Sheet(graph, pictures, size, node_links(graph))
    side = (WIDTH - 3 * MARGIN) // 4
    globes = [sheet.globe(directions(azimuth, elevation), look, side) for look in LOOKS]
    below = sheet.map(azimuth, elevation)
    whole = Image.new("RGB", (WIDTH, side + MARGIN + below.height), PAPER)
    for number, globe in enumerate(globes):
        whole.paste(globe, (number * (side + MARGIN), 0))
    whole.paste(below, (0, side + MARGIN))
    write_png(path, np.asarray(whole))


@dataclass(frozen=True)
class _Sheet:
    graph: Graph
    pictures: Pictures
    size: Int[Tensor, " nodes"]
    links: Int[Tensor, "links 2"]

    def globe(self, where: Float[Tensor, "nodes 3"], look: float, side: int) -> Image.Image:
        """The half of the sphere that faces the reader."""
        seen = on_globe(where, look)
        radius = side / 2 - GLOBE_THUMB / 2
        xy = torch.stack([side / 2 + radius * seen[:, 0], side / 2 - radius * seen[:, 1]], 1)
        picture = Image.new("RGB", (side * FINER, side * FINER), PAPER)
        draw = ImageDraw.Draw(picture)
        _ball(draw, side, radius, look)
        front = self.links[(seen[self.links, 2] > 0).all(1)]
        _lines(draw, xy, front)
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
        self._paste(picture, Places(xy, seen[:, 2]), GLOBE_THUMB)
        _caption(picture, f"seen from {math.degrees(look):.0f}°")
        return picture

    def map(self, azimuth: Float[Tensor, " nodes"], elevation: Float[Tensor, " nodes"]) -> Image.Image:
        """All around, unrolled: azimuth to the right, elevation upwards, twice as large."""
        low, high = (float(value) for value in (elevation.min(), elevation.max()))
        scale = (WIDTH - 2 * MARGIN) / math.tau
        height = round(max(2 * scale * (high - low), 60) + 3 * MARGIN)
        x = MARGIN + (azimuth % math.tau) * scale
        y = height - 2 * MARGIN - 2 * scale * (elevation - low)
        xy = torch.stack([x, y], 1)
        picture = Image.new("RGB", (WIDTH * FINER, height * FINER), PAPER)
        draw = ImageDraw.Draw(picture)
        _meridians(draw, height)
        near = (azimuth[self.links[:, 0]] - azimuth[self.links[:, 1]]).abs() < math.pi  # not once round the picture
        _lines(draw, xy, self.links[near])
        picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
        self._paste(picture, Places(xy, torch.ones(len(xy))), MAP_THUMB)
        heights = f"elevation {math.degrees(low):.0f}° to {math.degrees(high):.0f}° upwards"
        ImageDraw.Draw(picture).text((8, 8), f"azimuth to the right, {heights}", INK, ImageFont.load_default(18))
        return picture

    def _paste(self, picture: Image.Image, places: Places, side: int) -> None:
        for node in spaced(places, self.size, side * SPREAD):
            pixels = to_uint8(self.pictures(int(self.graph.nodes.center[node]), side)[:3])
            x, y = (round(value - side / 2) for value in places.xy[node].tolist())
            picture.paste(Image.fromarray(pixels), (x, y))
            ImageDraw.Draw(picture).rectangle((x, y, x + side - 1, y + side - 1), outline=RING)


def spaced(places: Places, size: Int[Tensor, " nodes"], apart: float | int) -> list[int]:
    """Nodes on the near side that are not within `apart` pixels (in x and in y) of a larger one; far ones first."""
    kept: list[int] = []
    for node in size.argsort(descending=True, stable=True).tolist():
        if places.depth[node] > 0 and not _crowded(places.xy, node, kept, apart):
            kept.append(node)
    return sorted(kept, key=lambda node: float(places.depth[node]))


def _crowded(xy: Float[Tensor, "nodes 2"], node: int, kept: Sequence[int], apart: float | int) -> bool:
    return bool(kept) and bool(((xy[list(kept)] - xy[node]).abs().amax(1) < apart).any())


def _ball(draw: ImageDraw.ImageDraw, side: int, radius: float, look: float) -> None:
    """Outline, meridians every 30 degrees, parallels every 30."""
    middle = side / 2
    box = [(middle - radius) * FINER] * 2 + [(middle + radius) * FINER] * 2
    draw.ellipse(box, (248, 249, 251), LINE, FINER)
    steps = torch.linspace(-math.pi / 2, math.pi / 2, 60)
    around = torch.linspace(0, math.tau, 120)
    curves = [(torch.full_like(steps, number * math.pi / 6), steps) for number in range(12)]
    curves += [(around, torch.full_like(around, math.radians(height))) for height in (-60, -30, 0, 30, 60)]
    for azimuth, elevation in curves:
        seen = on_globe(directions(azimuth, elevation), look)
        xy = torch.stack([middle + radius * seen[:, 0], middle - radius * seen[:, 1]], 1)
        near = seen[:, 2] > 0
        pairs = torch.arange(len(xy) - 1)
        pairs = pairs[near[:-1] & near[1:]]
        _lines(draw, xy, torch.stack([pairs, pairs + 1], 1), (226, 230, 234))


def _meridians(draw: ImageDraw.ImageDraw, height: int) -> None:
    """Every 30 degrees round the circle, upright."""
    font = ImageFont.load_default(18 * FINER)
    for number in range(13):
        x = (MARGIN + number * (WIDTH - 2 * MARGIN) / 12) * FINER
        draw.line((x, MARGIN // 2 * FINER, x, (height - MARGIN) * FINER), FAINT, FINER)
        draw.text((x, (height - 8) * FINER), f"{30 * number}°", INK, font, anchor="ms")


def _lines(
    draw: ImageDraw.ImageDraw,
    xy: Float[Tensor, "points 2"],
    pairs: Int[Tensor, "pairs 2"],
    color: tuple[int, int, int] = LINE,
) -> None:
    for start, end in (xy[pairs] * FINER).tolist():
        draw.line((*start, *end), color, FINER)


def _caption(picture: Image.Image, text: str) -> None:
    ImageDraw.Draw(picture).text((8, picture.height - 8), text, INK, ImageFont.load_default(18), anchor="ls")
