"""From photos to a published view graph by the commands, which then tells the views of other photos."""

import json
import shutil
from pathlib import Path

import pytest
from finished import few_views
from rendered import photographed, random_views, wedge, write_photos

from genstruct.cli.main import main
from genstruct.errors import ConfigError, OutputError
from genstruct.viewpoint.model import RUN_FILE, ViewGraph
from genstruct.viewpoint.publish import publish

TINY = str(Path(__file__).parents[2] / "configs" / "tiny" / "viewpoint.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A graph with a distilled network."""
    folder = tmp_path_factory.mktemp("wedge")
    photos, masks = write_photos(folder, *photographed(wedge(), *random_views(48))[:2])
    with pytest.MonkeyPatch.context() as patch:
        few_views(patch)
        assert main(graph(folder)) == 0
    return folder, photos, masks


def graph(folder, *options):
    command = ["graph", str(folder / "photos"), "--masks", str(folder / "masks"), "--config", TINY]
    return [*command, "--out", str(folder / "run"), "--network=true", *options]


def test_published_weights_have_a_card_and_predict(run, tmp_path, capsys):
    folder, photos, masks = run
    views, scores, assets = tmp_path / "views", tmp_path / "scores.json", tmp_path / "assets"
    azimuth, elevation = (part.rad2deg().tolist() for part in random_views(48))
    lines = [
        {"file_name": f"{n:03}.png", "azimuth": round(one, 2), "elevation": round(two, 2)}
        for n, (one, two) in enumerate(zip(azimuth, elevation, strict=True))
    ]
    true = tmp_path / "metadata.jsonl"
    true.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.copy(true, tmp_path / "own.jsonl")
    evaluate = ["evaluate", "viewpoints", "--pred", str(tmp_path / "own.jsonl"), "--truth", str(true)]
    assert main([*evaluate, "--json", str(scores)]) == 0
    done = publish(folder / "run", "wedge-viewpoint", assets, {"val": scores}, "A wedge.")
    text = done.card_file.read_text()
    assert "view graph, 2 shapes, 48 known photos, network of widths" in text and "error, median" in text
    assert str(folder) not in text and done.size < 4 << 20
    command = ["viewpoints", str(photos), "--model", str(done.weights), "--masks", str(masks), "--out", str(views)]
    for method in ("graph", "network"):
        assert main([*command, "--method", method, "--overwrite"]) == 0
    assert len((views / "viewpoints.jsonl").read_text().splitlines()) == 48
    with pytest.raises(OutputError, match="there already"):
        publish(folder / "run", "wedge-viewpoint", assets, {})
    with pytest.raises(ConfigError, match="genstruct evaluate viewpoints"):
        publish(folder / "run", "other", assets, {"val": true})


def test_the_run_holds_a_model_and_makes_it_once_and_again_for_other_settings(run):
    folder, _, _ = run
    file = folder / "run" / RUN_FILE
    model, written = ViewGraph.load(folder / "run", "cpu"), file.stat().st_mtime_ns
    assert model.parts.network is not None and model.card["photos"] == 48
    with pytest.MonkeyPatch.context() as patch:
        few_views(patch)
        assert main(graph(folder)) == 0
        assert file.stat().st_mtime_ns == written
        assert main(graph(folder, "--network=false")) == 0
    assert ViewGraph.load(folder / "run", "cpu").parts.network is None
