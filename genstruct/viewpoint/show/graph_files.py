"""`graph.json`, which holds all of a graph, and `graph.graphml`, which other programs draw.

`graph.json`, version 1. Angles are degrees; photos, nodes and edges are called by their places in the lists, from 0.

- `format`: "genstruct view graph"; `version`.
- `undetermined`: why nothing in the file may be relied on, or null. `verdict`, `notes`: for people. `counts`.
- `gauge`: what is convention: `turn` (which one is positive), `front`, `mirror`, `scale`, `size`.
- `category`: `shapes` (files beside this one), `distance` of the cameras in lengths of the object, `whole_circle`,
  `elevations` (lowest, highest), `findings`: what was chosen without labels, and the figures that decided.
- `photos`: `file_name`, `width`, `height` (pixels), `confidence`, `component` (0 is the largest), and, where the view
  is determined, `azimuth`, `elevation`, `shape`, `node`. Cameras and candidates are in viewpoints.jsonl.
- `nodes`: groups of photos with one view: `center` (the photo it began with), `photos`, `azimuth`, `elevation`.
- `components`: how many photos each has.
- `edges`: `columns` and `rows`: `start` and `end` (photos), `kind` ("same", "+" or "-"), `turn` (by which the azimuth
  grows from start to end), `similarity` (cosine, the lesser of both ways), `verified` (the views of both ends say so
  too: these come first, the others are claims that are denied), `mirrored` (the claim is about the mirror image of the
  end). `tree`: edges of a maximum spanning forest.
- `failed`: `file_name` and `error`; `copies`: `file_name` and `copy_of`.

`graph.graphml` has the photos as nodes and the verified edges alone; Gephi and yEd open it.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genstruct.files import whole_file
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.records import degrees
from genstruct.viewpoint.show.statements import counts, gauge, kinds, verdict

FORMAT, VERSION = "genstruct view graph", 1
COLUMNS = ("start", "end", "kind", "turn", "similarity", "verified", "mirrored")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def graph_record(graph: Graph, shapes: list[str]) -> dict[str, Any]:
    """The content of graph.json as plain values.

    Args:
        graph: Finished.
        shapes: Names of the files of its shapes.
    """
    category = graph.category
    return {
        "format": FORMAT,
        "version": VERSION,
        "undetermined": graph.undetermined or None,
        "verdict": verdict(graph),
        "notes": list(graph.notes),
        "counts": asdict(counts(graph)),
        "gauge": gauge(category),
        "category": {
            "shapes": shapes,
            "distance": category.distance,
            "whole_circle": category.whole_circle,
            "elevations": [degrees(category.grid.lowest), degrees(category.grid.highest)],
            "findings": dict(category.findings),
        },
        "photos": list(photo_records(graph)),
        "nodes": list(_nodes(graph)),
        "components": graph.nodes.component.bincount().tolist(),
        "edges": {"columns": list(COLUMNS), "rows": list(edge_rows(graph.shown_edges))},
        "tree": graph.tree.tolist(),
        "failed": [{"file_name": failure.name, "error": failure.why} for failure in graph.photos.failed],
        "copies": [{"file_name": name, "copy_of": first} for name, first in graph.photos.twins.items()],
    }


def photo_records(graph: Graph) -> Iterator[dict[str, Any]]:
    """What is known of each photo."""
    photos, views, of = graph.photos, graph.views, graph.nodes.of.tolist()
    shown = views.determined.tolist() if not graph.undetermined else [False] * len(photos)
    confidence, component, shape = (part.tolist() for part in (views.confidence, graph.nodes.component, views.shape))
    angles = zip(views.azimuth.tolist(), views.elevation.tolist(), strict=True)
    for row, (name, (width, height), (azimuth, elevation)) in enumerate(
        zip(photos.names, photos.sizes.tolist(), angles, strict=True)
    ):
        known: dict[str, Any] = {"file_name": name, "width": width, "height": height}
        known |= {"confidence": round(confidence[row], 4), "component": component[row]}
        if shown[row]:
            known |= {"azimuth": degrees(azimuth, True), "elevation": degrees(elevation), "shape": shape[row]}
            known |= {"node": of[row]} if of[row] >= 0 else {}
        yield known


def edge_rows(edges: Edges) -> Iterator[tuple[int, int, str, float, float, bool, bool]]:
    """Values of `COLUMNS`."""
    turn = [round(math.degrees(value), 2) for value in edges.turn.tolist()]
    similarity = [round(value, 4) for value in edges.similarity.tolist()]
    ends = edges.start.tolist(), edges.end.tolist()
    yield from zip(*ends, kinds(edges), turn, similarity, edges.agrees.tolist(), edges.mirrored.tolist(), strict=True)


def write_graph_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write it with one item of a list a line: tens of thousands of edges, but still for people and for `diff`."""
    with whole_file(path) as partial, partial.open("w", encoding="ascii") as file:
        file.write("{\n")
        for number, (key, value) in enumerate(record.items()):
            file.write((",\n" if number else "") + f" {json.dumps(key)}: ")
            file.writelines(_laid_out(value))
        file.write("\n}\n")


def write_graphml(path: Path, graph: Graph) -> None:
    """Write photos and verified edges, by networkx. An undetermined graph has no views here either, and no edges: its
    reason is an attribute of the graph."""
    import networkx as nx  # takes a while; only who writes this file pays

    drawn = nx.MultiDiGraph(gauge=gauge(graph.category)["turn"])
    if graph.undetermined:
        drawn.graph["undetermined"] = xml_text(graph.undetermined)
    for row, known in enumerate(photo_records(graph)):
        drawn.add_node(row, label=xml_text(known.pop("file_name")), **known)
    if not graph.undetermined:
        in_tree = set(graph.tree.tolist())
        for row, (start, end, kind, turn, similarity, _, mirrored) in enumerate(edge_rows(graph.edges)):
            said = {"kind": kind, "turn": turn, "weight": similarity, "mirrored": mirrored, "tree": row in in_tree}
            drawn.add_edge(start, end, row, **said)  # keys become ids, which must differ in the whole file
    with whole_file(path) as partial:
        nx.write_graphml_xml(drawn, partial)


def xml_text(text: str) -> str:
    """The text with a replacement character for what no XML file may hold: most control characters, lone surrogates."""
    return _NOT_XML.sub("\ufffd", text)


def _nodes(graph: Graph) -> Iterator[dict[str, Any]]:
    members: dict[int, list[int]] = {}
    for row, node in enumerate(graph.nodes.of.tolist()):
        members.setdefault(node, []).append(row)
    for node, center in enumerate(graph.nodes.center.tolist()):
        known: dict[str, Any] = {"center": center, "photos": members[node]}
        if not graph.undetermined:
            azimuth, elevation = graph.views.azimuth[center], graph.views.elevation[center]
            known |= {"azimuth": degrees(azimuth, True), "elevation": degrees(elevation)}
        yield known


def _laid_out(value: object) -> Iterator[str]:
    """Lists with an item a line; so also the rows of a table."""
    if isinstance(value, list) and value:
        yield "[\n"
        for number, item in enumerate(value):
            yield (",\n" if number else "") + "  " + json.dumps(item, allow_nan=False)
        yield "\n ]"
    elif isinstance(value, dict) and "rows" in value:
        yield '{"columns": ' + json.dumps(value["columns"]) + ', "rows": '
        yield from _laid_out(value["rows"])
        yield "}"
    else:
        yield json.dumps(value, allow_nan=False)
