"""Edge tables: counts that Euler knew, and every kind of edge."""

import jaxtyping
import pytest
import torch
from scenes import ball, join, rectangle

from genstruct.errors import ShapeError
from genstruct.render.topology import topology


def triangles_by_edge(table, item=0):
    """{(low, high): [(face, forward), ...]}"""
    found = {}
    for number, (low, high) in enumerate(table.edges[item].tolist()):
        begin, end = table.start[item, number], table.start[item, number + 1]
        entries = zip(table.face[item, begin:end].tolist(), table.forward[item, begin:end].tolist(), strict=True)
        if begin < end:
            found[low, high] = list(entries)
    return found


def test_a_closed_surface_has_two_triangles_at_each_edge_running_in_opposite_senses():
    _, faces = ball(2)
    table = triangles_by_edge(topology(faces))
    assert len(table) == len(faces) * 3 // 2
    assert all(len(entry) == 2 and entry[0][1] != entry[1][1] for entry in table.values())


def test_boundaries_folds_and_repeated_corners():
    # Three triangles at the edge (0, 1), one of them wound the other way; and one without area.
    faces = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4], [5, 5, 2]])
    table = triangles_by_edge(topology(faces))
    assert table[0, 1] == [(0, True), (1, False), (2, True)]
    assert table[1, 2] == [(0, True)]
    assert (5, 5) not in table and table[2, 5] == [(3, False), (3, True)]


def test_parts_are_what_shares_no_vertex():
    _, faces = join(ball(1), rectangle(0, 0, 1, 1), ball(1))
    table = topology(faces)
    assert table.component[0].unique().numel() == 3 and table.parts
    assert table.component[0, :80].unique().numel() == 1
    assert not topology(ball(2)[1]).parts


def test_a_long_strip_is_one_part():
    step = torch.arange(200)
    strip = torch.stack([step, step + 1, step + 2], 1).flip(0)
    assert topology(strip).component.unique().numel() == 1


def test_lists_of_items_are_tables_side_by_side():
    faces = torch.tensor([[[0, 1, 2], [0, 2, 3]], [[0, 1, 2], [2, 2, 2]]])
    table = topology(faces)
    for item in range(2):
        assert triangles_by_edge(table, item) == triangles_by_edge(topology(faces[item]))


def test_a_table_is_made_once_and_again_after_a_change():
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    first = topology(faces)
    assert topology(faces) is first
    faces[1, 2] = 1
    assert topology(faces) is not first


def test_an_empty_list_has_an_empty_table():
    table = topology(torch.zeros(0, 3, dtype=torch.long))
    assert table.edges.shape == (1, 0, 2) and table.start.tolist() == [[0]]


def test_no_list_has_no_table():
    table = topology(torch.zeros(0, 4, 3, dtype=torch.long))
    assert len(table.edges) == len(table.start) == len(table.component) == 0 and not table.parts


@pytest.mark.parametrize(
    ("faces", "words"),
    [([[0, 1, 2]], "must be a tensor .* got list"), (torch.tensor([[0, 1, -2]]), "0 and up, got -2")],
)
def test_what_is_no_list_is_refused(faces, words, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match=words):
        topology(faces)


@pytest.mark.parametrize("faces", [torch.zeros(4, 2, dtype=torch.long), torch.zeros(4, 3, dtype=torch.int32)])
def test_bad_faces_are_refused(faces, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match=r"faces must be int64 \[F, 3\] or \[B, F, 3\]"):
        topology(faces)
