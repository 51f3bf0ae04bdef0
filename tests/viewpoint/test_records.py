"""The list of viewpoints says what is known of each photo, and nothing that is not."""

import json
import math

import pytest
import torch
from finished import AWKWARD, BROKEN, COPY, PLACES, finished

from genstruct.data.metadata import parse_metadata
from genstruct.geometry.camera import Camera, viewpoint
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.records import view_line, view_lines, view_text


def lines(graph: Graph, order=()):
    return {line["file_name"]: line for line in view_lines(graph, order)}


def test_the_camera_of_a_line_stands_where_its_angles_say_and_draws_the_shape_over_the_crop():
    graph = finished()
    line = lines(graph)["05.jpg"]
    camera = Camera(torch.tensor([line["world_to_camera"]]), torch.tensor([line["intrinsics"]]))
    azimuth, elevation, distance = (float(value) for value in viewpoint(camera))
    assert math.degrees(azimuth) % 360 == pytest.approx(line["azimuth"], abs=0.01)
    assert line["azimuth"] == pytest.approx(360 / PLACES * 2)
    assert math.degrees(elevation) == pytest.approx(line["elevation"], abs=0.01)
    assert distance == pytest.approx(2.6, abs=1e-4)
    points = camera.to_camera(graph.category.templates[0].mesh().vertices) @ camera.intrinsics.mT
    image = (points[0, :, :2] / points[0, :, 2:]).detach()
    left, top, side = graph.photos.crops.squares[5].tolist()
    low, high = image.amin(0), image.amax(0)
    assert (low >= torch.tensor([left, top])).all() and (high <= torch.tensor([left + side, top + side])).all()
    assert (high - low).max() > 0.85 * side


def test_every_photo_has_one_line_in_the_order_of_the_source():
    graph = finished()
    order = ["09.jpg", BROKEN, COPY, "never cut.jpg", AWKWARD]
    names = [line["file_name"] for line in view_lines(graph, order)]
    assert names[:4] == ["09.jpg", BROKEN, COPY, AWKWARD]
    assert sorted(names) == sorted([*graph.photos.names, BROKEN, COPY])


def test_what_has_no_view_says_why_and_names_none():
    found = lines(finished())
    assert found[BROKEN] == {"file_name": BROKEN, "error": "not an image <&>"}
    unsure = found["15.jpg"]
    assert unsure["undetermined"] == "confidence 0.25 is below 0.5" and len(unsure["candidates"]) == 2
    assert not unsure.keys() & {"azimuth", "elevation", "world_to_camera", "intrinsics", "node", "shape"}
    for line in lines(finished("masks are too poor")).values():
        assert "azimuth" not in line and ("error" in line or line["undetermined"] == "masks are too poor")


def test_a_copy_shares_the_view_of_its_original():
    found = lines(finished())
    original = found["02.jpg"]
    assert found[COPY] == {**original, "file_name": COPY, "copy_of": "02.jpg"}


def test_candidates_are_the_likeliest_first_and_empty_ones_left_out():
    line = lines(finished())["03.jpg"]
    assert line["candidates"] == [{"azimuth": 45.0, "elevation": 14.32, "probability": 1.0}]


def test_an_azimuth_just_below_the_whole_circle_is_none():
    graph = finished()
    graph.views.azimuth[4] = math.tau - 1e-5
    assert view_line(graph.views, graph.cameras(), 4)["azimuth"] == 0.0


def test_the_list_can_be_laid_beside_the_photos_as_metadata():
    text = view_text(view_lines(finished()))
    assert all(json.loads(line) for line in text.splitlines())
    metadata = parse_metadata(text.encode())
    assert not metadata.problems
    record = {record.file_name: record for record in metadata.records}[AWKWARD]
    assert record.azimuth == 0.0 and record.world_to_camera is not None and record.get("node") == 0
