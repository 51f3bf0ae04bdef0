"""`genstruct graph` from photos and masks to a graph, and what a second run of it does."""

import json
from pathlib import Path

import pytest
from finished import few_views
from rendered import photographed, random_views, wedge, write_photos

from genstruct.cli.main import main

TINY = str(Path(__file__).parents[2] / "configs" / "tiny" / "viewpoint.yaml")
COUNT = 48


@pytest.fixture(scope="module", autouse=True)
def _few_views():
    with pytest.MonkeyPatch.context() as patch:
        few_views(patch)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    images, masks, _ = photographed(wedge(), *random_views(COUNT))
    return write_photos(tmp_path_factory.mktemp("wedge"), images, masks)


@pytest.fixture(scope="module")
def made(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("graph") / "out"
    assert graph(folders, out) == 0
    return out


def graph(folders, out, *options):
    photos, masks = folders
    return main(["graph", str(photos), "--masks", str(masks), "--config", TINY, "--out", str(out), *options])


def stages(out):
    return {file.name: file.stat().st_mtime_ns for file in (out / "stages").iterdir()}


def test_the_folder_holds_every_stage_and_a_line_for_each_photo(made):
    kinds = {name.rpartition("-")[0] for name in stages(made)}
    assert kinds == {"crops", "start-0", "start-1", "scout", "shapes", "views", "edges"}
    assert {"index.html", "graph.json", "graph.graphml", "template.glb"} <= {path.name for path in made.iterdir()}
    lines = [json.loads(line) for line in (made / "viewpoints.jsonl").read_text().splitlines()]
    assert [line["file_name"] for line in lines] == [f"{number:03}.png" for number in range(COUNT)]
    assert all(0 <= line["confidence"] <= 1 for line in lines)
    assert all(("azimuth" in line) != ("undetermined" in line) for line in lines)


def test_the_same_command_again_makes_no_stage_anew(made, folders):
    before = stages(made)
    assert graph(folders, made) == 0
    assert stages(made) == before


def test_a_changed_setting_makes_anew_what_depends_on_it(made, folders):
    before = stages(made)
    assert graph(folders, made, "--turns.claims=3") == 0
    after = stages(made)
    changed = {name.rpartition("-")[0] for name in after.keys() - before.keys()}
    assert changed == {"edges"} and len(after) == len(before)


def test_the_number_of_neighbors_is_a_setting_of_the_fit(made, folders):
    before = stages(made)
    assert graph(folders, made, "--turns.claims=3", "--neighbors=5") in (0, 1)
    changed = {name.rpartition("-")[0] for name in stages(made).keys() - before.keys()}
    assert changed >= {"start-0", "start-1", "shapes", "views", "edges"} and "crops" not in changed
    assert graph(folders, made, "--turns.claims=3") == 0
    assert stages(made).keys() == before.keys()


def test_what_a_second_session_makes_of_kept_stages_is_what_the_first_made(made, folders):
    before = {name: (made / name).read_bytes() for name in ("viewpoints.jsonl", "graph.json", "viewgraph.safetensors")}
    for name in before:
        (made / name).unlink()
    assert graph(folders, made, "--turns.claims=3") == 0
    assert {name: (made / name).read_bytes() for name in before} == before


def test_a_damaged_stage_is_made_again(made, folders):
    edges = next((made / "stages").glob("edges-*"))
    contents = edges.read_bytes()
    edges.write_bytes(contents[: len(contents) // 2])
    assert graph(folders, made, "--turns.claims=3") == 0
    assert edges.read_bytes() == contents


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("--masks", "nowhere"), "nowhere"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--prior.lowest=60",), "lowest must be below highest"),
        (("--turn.claims=3",), "did you mean"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(folders, tmp_path, capsys, change, told):
    assert graph(folders, tmp_path / "out", *change) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in error


def test_without_masks_the_command_says_what_to_do(folders, tmp_path, capsys):
    assert main(["graph", str(folders[0]), "--out", str(tmp_path / "out")]) == 2
    assert "genstruct masks" in capsys.readouterr().err
