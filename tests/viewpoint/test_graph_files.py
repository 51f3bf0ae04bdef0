"""What is written of a graph holds all of it, and other programs can read it."""

import dataclasses
import json
import xml.etree.ElementTree as ET

import networkx as nx
import pytest
import torch
from finished import AWKWARD, BROKEN, COPY, PLACES, finished

from genstruct.viewpoint.show.graph_files import COLUMNS, graph_record, write_graph_json, write_graphml, xml_text
from genstruct.viewpoint.show.statements import counts, gauge, kinds, verdict
from genstruct.viewpoint.views import ViewGrid


@pytest.fixture
def graph():
    return finished()


def written(graph, path):
    write_graph_json(path, graph_record(graph, ["template.glb"]))
    return json.loads(path.read_text())


def test_graph_json_is_its_record_and_has_an_edge_a_line(graph, tmp_path):
    read = written(graph, tmp_path / "graph.json")
    assert read == json.loads(json.dumps(graph_record(graph, ["template.glb"])))
    assert read["format"] == "genstruct view graph" and read["version"] == 1 and read["undetermined"] is None
    lines = (tmp_path / "graph.json").read_text().splitlines()
    assert sum(line.startswith("  [") for line in lines) == len(graph.shown_edges)


def test_edges_say_their_kind_their_turn_and_whether_they_are_verified(graph, tmp_path):
    read = written(graph, tmp_path / "graph.json")["edges"]
    edges = [dict(zip(read["columns"], row, strict=True)) for row in read["rows"]]
    assert tuple(read["columns"]) == COLUMNS
    said = {"start": 0, "end": 1, "kind": "same", "turn": 0.0, "similarity": 0.9, "verified": True, "mirrored": False}
    assert edges[0] == said
    assert [edge["kind"] for edge in edges] == ["same"] * PLACES + ["+"] * PLACES + ["-"] == kinds(graph.shown_edges)
    last = {"start": 2, "end": 8, "kind": "-", "turn": -45.0, "similarity": 0.5, "verified": False, "mirrored": True}
    assert edges[-1] == last


def test_photos_nodes_and_the_tree_belong_together(graph, tmp_path):
    read = written(graph, tmp_path / "graph.json")
    assert [photo["file_name"] for photo in read["photos"]] == list(graph.photos.names)
    for number, node in enumerate(read["nodes"]):
        assert node["center"] in node["photos"]
        assert all(read["photos"][photo]["node"] == number for photo in node["photos"])
    unsure = read["photos"][-1]
    assert not unsure.keys() & {"azimuth", "elevation", "node"} and unsure["confidence"] == 0.25
    drawn = nx.Graph(tuple(read["edges"]["rows"][row][:2]) for row in read["tree"])
    assert nx.is_tree(drawn) and len(drawn) == len(graph.photos)
    assert read["failed"] == [{"file_name": BROKEN, "error": "not an image <&>"}]
    assert read["copies"] == [{"file_name": COPY, "copy_of": "02.jpg"}]
    assert read["components"] == [2 * PLACES]


def test_graphml_is_read_back_by_networkx_with_types(graph, tmp_path):
    write_graphml(tmp_path / "graph.graphml", graph)
    drawn = nx.read_graphml(tmp_path / "graph.graphml", node_type=int)
    assert set(drawn.nodes) == set(range(2 * PLACES)) and drawn.is_directed()
    assert drawn.nodes[0]["label"] == xml_text(AWKWARD) and drawn.nodes[2]["azimuth"] == 45.0
    assert "azimuth" not in drawn.nodes[2 * PLACES - 1]
    found = [(start, end, said["kind"], said["turn"]) for start, end, said in drawn.edges(data=True)]
    assert len(found) == 2 * PLACES  # the rejected one is not drawn
    assert (0, 1, "same", 0.0) in found and (14, 0, "+", 45.0) in found
    assert sum(said["tree"] for *_, said in drawn.edges(data=True)) == 2 * PLACES - 1


def test_edges_of_graphml_have_ids_that_differ(graph, tmp_path):
    write_graphml(tmp_path / "graph.graphml", graph)
    ids = [element.get("id") for element in ET.parse(tmp_path / "graph.graphml").iter() if "edge" in element.tag]
    assert len(ids) == len(set(ids)) == 2 * PLACES


def test_an_undetermined_graph_gives_no_view_anywhere(tmp_path):
    graph = finished("masks are too poor")
    read = written(graph, tmp_path / "graph.json")
    assert read["undetermined"] == "masks are too poor" and read["verdict"].startswith("Undetermined: masks are too")
    assert read["counts"]["determined"] == 0
    assert not any("azimuth" in known for known in read["photos"] + read["nodes"])
    write_graphml(tmp_path / "graph.graphml", graph)
    drawn = nx.read_graphml(tmp_path / "graph.graphml")
    assert drawn.graph["undetermined"] == "masks are too poor" and not drawn.edges
    assert not any("azimuth" in known for _, known in drawn.nodes(data=True))


def test_numbers_that_json_does_not_have_are_an_error_not_a_file(graph, tmp_path):
    category = dataclasses.replace(graph.category, findings={"energy": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        written(dataclasses.replace(graph, category=category), tmp_path / "graph.json")
    assert not list(tmp_path.iterdir())


def test_what_xml_cannot_hold_is_replaced():
    assert xml_text("a\x00\x1b\udcff\ufffe\U0001f697é\n<&>") == "a\ufffd\ufffd\ufffd\ufffd\U0001f697é\n<&>"


def test_counts_and_verdict(graph):
    found = counts(graph)
    assert (found.photos, found.determined, found.failed, found.copies) == (2 * PLACES, 2 * PLACES - 1, 1, 1)
    assert (found.edges, found.denied, found.components, found.largest) == (2 * PLACES, 1, 1, 2 * PLACES)
    said = "15 of 16 photos have a view (94%), in 8 groups of one view; 100% of the photos hang together by 16 verified"
    assert verdict(graph) == f"{said} edges; 1 more claims are denied by the views."


def test_single_photos_are_no_components():
    graph = finished()
    apart = dataclasses.replace(graph.nodes, component=torch.arange(len(graph.photos)))
    assert counts(dataclasses.replace(graph, nodes=apart)).components == 0


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.0, 0.5, "below the horizon"), (-0.5, 0.0, "above the"), (-0.2, 0.5, "inside out")]
)
def test_the_gauge_says_what_fixes_the_mirror(graph, low, high, word):
    category = dataclasses.replace(graph.category, grid=ViewGrid(16, low, high, 3))
    assert word in gauge(category)["mirror"]
