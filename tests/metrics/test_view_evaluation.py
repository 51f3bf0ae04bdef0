"""Files of viewpoints are scored by hand-made errors; whatever is wrong with them is told in a line."""

import json
import math

import numpy as np
import pytest

from genstruct.cli.main import main
from genstruct.errors import DataError
from genstruct.metrics.view_evaluation import ViewProtocol, circular_rank_correlation, score_view_file

COUNT = 40
RNG = np.random.default_rng(0)
AZIMUTH, ELEVATION = RNG.uniform(0, 360, COUNT), RNG.uniform(0, 30, COUNT)
PLAIN = ViewProtocol(bootstrap=0)


def write(file, lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


@pytest.fixture
def truth(tmp_path):
    views = zip(AZIMUTH, ELEVATION, strict=True)
    lines = [
        {"file_name": f"images/{n:02}.jpg", "azimuth": azimuth, "elevation": elevation}
        for n, (azimuth, elevation) in enumerate(views)
    ]
    return write(tmp_path / "truth" / "metadata.jsonl", lines)


def found(offset=0.0, sign=1.0, **changes):
    """Lines in a frame turned by `offset`, mirrored by `sign`; errors in azimuth by number of the photo."""
    lines = []
    for n, (azimuth, elevation) in enumerate(zip(AZIMUTH, ELEVATION, strict=True)):
        wrong = changes.get("wrong", {}).get(n, 0)
        view = {"azimuth": (sign * (azimuth + wrong) + offset) % 360, "elevation": elevation}
        lines.append({"file_name": f"images/{n:02}.jpg", "confidence": 0.9, **view})
    return lines


def test_errors_are_told_beside_the_frame_and_the_mirror(truth, tmp_path):
    wrong = {1: 20, 2: 180, 3: 180, 4: 20}
    for offset, sign in ((0, 1), (77, 1), (77, -1)):
        report = score_view_file(write(tmp_path / "p.jsonl", found(offset, sign, wrong=wrong)), truth, PLAIN)
        scores = {name: score.value for name, score in report.scores.items()}
        assert scores["median"] < 1.5 and report.mirrored == (sign < 0)
        assert scores["within_15"] == pytest.approx(0.9) and scores["within_30"] == pytest.approx(0.95)
        assert scores["flips"] == pytest.approx(0.05) and scores["coverage"] == 1
        assert report.errors["images/01.jpg"] == pytest.approx(20, abs=3)  # about an axis that leans
    assert scores["azimuth_order"] > 0.6


def test_undetermined_photos_are_not_covered_and_told_apart(truth, tmp_path):
    lines = found()
    for n in range(4):
        guess = {"azimuth": lines[n]["azimuth"] + (180 if n == 0 else 0), "elevation": lines[n]["elevation"]}
        lines[n] = {
            "file_name": lines[n]["file_name"],
            "confidence": 0.3,
            "candidates": [{**guess, "probability": 0.6}],
            "undetermined": "unsure",
        }
    lines[5] = {"file_name": lines[5]["file_name"], "error": "no mask"}
    report = score_view_file(write(tmp_path / "p.jsonl", lines), truth, PLAIN)
    assert (report.scored, report.undetermined, report.photos) == (35, 4, 40)
    assert report.scores["coverage"].value == 35 / 40 and report.guesses == 0.75
    assert report.scores["within_30"].value == 1 and report.scores["within_30_of_all"].value == pytest.approx(38 / 39)
    assert [(share.photos, share.right) for share in report.sure] == [(4, 0.75), (35, 1.0)]
    assert [(failure.name, failure.why) for failure in report.failures] == [("images/05.jpg", "no mask")]


def test_intervals_hold_the_value_and_repeat(truth, tmp_path):
    file = write(tmp_path / "p.jsonl", found(wrong={n: 180 for n in range(0, 40, 7)}))
    first, second = (score_view_file(file, truth, ViewProtocol(200, 3)).scores for _ in range(2))
    assert first == second
    flips = first["flips"]
    assert flips.low is not None and flips.high is not None and flips.low < flips.value < flips.high


def test_verified_edges_beside_are_judged_by_true_azimuths(truth, tmp_path):
    folder = tmp_path / "graph"
    write(folder / "viewpoints.jsonl", found(30))
    turn = (AZIMUTH[1] - AZIMUTH[0]) % 360
    mirrored = (-AZIMUTH[3] - AZIMUTH[2]) % 360
    rows = [
        [0, 1, "+", turn + 10, 0.9, True, False],
        [2, 3, "+", mirrored, 0.9, True, True],
        [4, 5, "same", (AZIMUTH[5] - AZIMUTH[4]) + 90, 0.9, True, False],
        [6, 7, "same", 0, 0.1, False, False],
    ]
    columns = ["start", "end", "kind", "turn", "similarity", "verified", "mirrored"]
    photos = [{"file_name": f"images/{n:02}.jpg"} for n in range(COUNT)]
    graph = {"version": 1, "photos": photos, "edges": {"columns": columns, "rows": rows}}
    (folder / "graph.json").write_text(json.dumps(graph))
    report = score_view_file(folder, truth, PLAIN)
    assert report.edges == {"verified": 3, "judged": 3, "precision": pytest.approx(2 / 3)}
    (folder / "graph.json").write_text(json.dumps({**graph, "version": 9}))
    with pytest.raises(DataError, match=r"graph\.json: not a graph that this version reads"):
        score_view_file(folder, truth, PLAIN)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (found()[:9], "9 of 40 photos have a determined view, scoring needs at least 10"),
        ([{**line, "file_name": f"other{line['file_name'][7:]}".replace("/", "-")} for line in found()], "none of"),
        ([{**line, "azimuth": math.nan} for line in found()], "none of the 40 lines"),
    ],
    ids=["few", "names", "nan"],
)
def test_what_cannot_be_scored_is_one_line(truth, tmp_path, capsys, lines, message):
    file = write(tmp_path / "p.jsonl", lines)
    assert main(["evaluate", "viewpoints", "--pred", str(file), "--truth", str(truth)]) == 2
    captured = capsys.readouterr().err.splitlines()
    assert len(captured) == 1 and message in captured[0]


def test_places_that_are_not_there_are_one_line(truth, tmp_path, capsys):
    file = write(tmp_path / "p.jsonl", found())
    no_cameras = write(tmp_path / "plain" / "metadata.jsonl", [{"file_name": "a.jpg"}])
    for pred, true, message in (
        (tmp_path, truth, "viewpoints.jsonl is not there"),
        (file, tmp_path / "gone", "truth: "),
        (file, no_cameras, "has no world_to_camera"),
    ):
        assert main(["evaluate", "viewpoints", "--pred", str(pred), "--truth", str(true)]) == 2
        captured = capsys.readouterr().err.splitlines()
        assert len(captured) == 1 and message in captured[0]


def test_the_command_prints_tables_and_writes_json(truth, tmp_path, capsys):
    file = write(tmp_path / "p.jsonl", found(wrong={2: 180}))
    arguments = ["evaluate", "viewpoints", "--pred", str(file), "--truth", str(truth), "--json", str(tmp_path / "r")]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "error, median" in shown and "by confidence" in shown
    result = json.loads((tmp_path / "r").read_text())
    assert result["kind"] == "viewpoints" and result["scored"] == 40
    assert result["scores"]["flips"]["value"] == pytest.approx(1 / 40)


def test_order_round_the_circle_is_1_forwards_minus_1_backwards_and_0_by_chance():
    angles = np.random.default_rng(0).uniform(0, math.tau, 300)
    bent = angles + 0.5 * np.sin(angles)
    assert circular_rank_correlation(angles, bent + 2) == pytest.approx(1, abs=0.02)
    assert circular_rank_correlation(angles, -bent) == pytest.approx(-1, abs=0.02)
    assert abs(circular_rank_correlation(angles, np.random.default_rng(1).permutation(angles))) < 0.1
