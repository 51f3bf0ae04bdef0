"""`index.html`: the sphere of viewpoints to turn by hand; a click shows a group's photos and their edges.

One file that asks nobody for anything. Of sets of any size it stays below some 10 MB: photos and edges beyond a limit
are left out, and the page says so. All text travels as JSON and becomes text again: nothing of it is markup.
"""

import base64
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genstruct.export.images import to_uint8
from genstruct.export.page import templates
from genstruct.export.turn import Turn, views
from genstruct.files import write_text
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.graph import Category, Graph
from genstruct.viewpoint.records import degrees, view_line, why_undetermined
from genstruct.viewpoint.show.globe import node_links
from genstruct.viewpoint.show.pictures import Atlas, Pictures, webp
from genstruct.viewpoint.show.shape import painted
from genstruct.viewpoint.show.statements import counts, gauge, verdict

MOST_PHOTOS, MOST_EDGES, MOST_LISTED = 4000, 100_000, 1000
"""On the page: photos with a picture, edges, and names of photos that could not be used."""
SIDE = 64
"""Of thumbnails, pixels."""
ATLAS_BYTES = 4_500_000
AROUND, FRAME = 36, 112
"""Pictures of the shape round the circle, and their side."""
EDGE = struct.Struct("<HHbBB")
"""Of an edge: start, end (places among the page's photos), turn in degrees, similarity in 255ths, flags."""
VERIFIED, MIRRORED = 1, 2
"""Flags of an edge."""


@dataclass(frozen=True)
class Shown:
    """What of a graph is on the page.

    Args:
        rows: Photos, in the order in which the page counts them.
        edges: Among these, counted likewise.
        all_photos, all_edges: How many there are in all.
    """

    rows: tuple[int, ...]
    edges: Edges
    all_photos: int
    all_edges: int


def write_sphere_page(path: Path, graph: Graph, pictures: Pictures, title: str) -> None:
    """Write the page."""
    data = page_data(graph, pictures)
    page = templates("genstruct.viewpoint.show").get_template("sphere.html")
    write_text(path, page.render(title=plain(title), verdict=plain(verdict(graph)), data=data))


def page_data(graph: Graph, pictures: Pictures) -> dict[str, Any]:
    """All that the page's script is given, as plain JSON values."""
    shown = choose(graph)
    atlas = Atlas.of(pictures, shown.rows, SIDE, most_bytes=ATLAS_BYTES)
    failed = [[failure.name, failure.why] for failure in graph.photos.failed]
    copies = [[name, first] for name, first in graph.photos.twins.items()]
    return {
        "undetermined": graph.undetermined,
        "notes": [*graph.notes, *_left_out(shown)],
        "counts": asdict(counts(graph)),
        "gauge": {} if graph.undetermined else gauge(graph.category),
        "findings": dict(graph.category.findings),
        "photos": _photos(graph, shown),
        "nodes": _nodes(graph, shown),
        "edges": base64.b64encode(packed(shown.edges)).decode(),
        "failed": failed[:MOST_LISTED],
        "copies": copies[:MOST_LISTED],
        "atlas": {
            "side": atlas.side,
            "columns": atlas.columns,
            "sheets": [base64.b64encode(sheet).decode() for sheet in atlas.sheets],
        },
        "shape": _shape(graph.category),
    }


def choose(graph: Graph, photos: int = MOST_PHOTOS, edges: int = MOST_EDGES) -> Shown:
    """Photos and edges of the page: first the centers of nodes, then their photos, the surest first, then the others.
    Edges: the most similar ones."""
    count, of = len(graph.photos), graph.nodes.of
    rank = 2 - (of >= 0).double() + (1 - graph.views.confidence.double())
    rank[graph.nodes.center] = 0
    rows = rank.argsort(stable=True)[:photos].sort().values
    place = torch.full((count,), -1)
    place[rows] = torch.arange(len(rows))
    every = graph.shown_edges
    inside = every[(place[every.start] >= 0) & (place[every.end] >= 0)]
    best = inside[inside.similarity.argsort(descending=True, stable=True)[:edges]]
    counted = Edges(place[best.start], place[best.end], best.mirrored, best.turn, best.similarity, best.agrees)
    return Shown(tuple(rows.tolist()), counted, count, len(every))


def packed(edges: Edges) -> bytes:
    """Edges one after the other as `EDGE` has them."""
    turn = edges.turn.rad2deg().round().clamp(-127, 127).int().tolist()
    similarity = (edges.similarity.clamp(0, 1) * 255).round().int().tolist()
    flags = (edges.agrees * VERIFIED + edges.mirrored * MIRRORED).tolist()
    ends = edges.start.tolist(), edges.end.tolist()
    return b"".join(EDGE.pack(*values) for values in zip(*ends, turn, similarity, flags, strict=True))


def plain(text: str) -> str:
    """The text with bytes that are no text as escapes: a page is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _photos(graph: Graph, shown: Shown) -> list[dict[str, Any]]:
    of, component, cameras = graph.nodes.of.tolist(), graph.nodes.component.tolist(), graph.cameras()
    found = []
    for row in shown.rows:
        line = view_line(graph.views, cameras, row, None if of[row] < 0 else of[row], graph.undetermined)
        known: dict[str, Any] = {"name": graph.photos.names[row], "confidence": line["confidence"]}
        known |= {key: line[key] for key in ("azimuth", "elevation", "node") if key in line}
        if "undetermined" in line:
            known["why"] = why_undetermined(line["confidence"])  # of its own; the set's reason stands at the top
            known["candidates"] = [list(view.values()) for view in line["candidates"]]
        found.append(known | ({"component": component[row]} if component[row] else {}))
    return found


def _nodes(graph: Graph, shown: Shown) -> dict[str, Any]:
    """Centers as the page counts photos, their views, how many photos each node has in all, and links of the tree."""
    if graph.undetermined:
        return {"center": [], "azimuth": [], "elevation": [], "size": [], "links": []}
    place = {row: number for number, row in enumerate(shown.rows)}
    center = [place.get(row, -1) for row in graph.nodes.center.tolist()]
    views = graph.views[graph.nodes.center]
    return {
        "center": center,
        "azimuth": [degrees(value, True) for value in views.azimuth.tolist()],
        "elevation": [degrees(value) for value in views.elevation.tolist()],
        "size": torch.bincount(graph.nodes.of[graph.nodes.of >= 0], minlength=len(center)).tolist(),
        "links": node_links(graph).flatten().tolist(),
    }


def _shape(category: Category) -> dict[str, Any]:
    """The commonest shape from all around, at the lowest, the middle and the highest elevation."""
    low, high = category.grid.lowest, category.grid.highest
    elevations = [low, (low + high) / 2, high]
    mesh, rows = painted(category.templates[0]), []
    for elevation in elevations:
        turn = Turn(AROUND, elevation, size=(FRAME, FRAME), background=None)
        rows.append(np.concatenate([to_uint8(picture) for picture in views(mesh, turn)], 1))
    sheet = webp(np.concatenate(rows), 80)
    return {
        "side": FRAME,
        "around": AROUND,
        "elevations": [degrees(value) for value in elevations],
        "sheet": base64.b64encode(sheet).decode(),
    }


def _left_out(shown: Shown) -> list[str]:
    said = []
    if (rest := shown.all_photos - len(shown.rows)) > 0:
        said.append(f"This page shows {len(shown.rows):,} photos; {rest:,} more are in graph.json alone.")
    if (rest := shown.all_edges - len(shown.edges)) > 0:
        said.append(f"This page shows {len(shown.edges):,} edges; {rest:,} more are in graph.json alone.")
    return said
