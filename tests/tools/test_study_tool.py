import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def call(*arguments):
    command = [sys.executable, str(ROOT / "tools" / "study_segmentation.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    out = tmp_path_factory.mktemp("scenes") / "set"
    command = [sys.executable, str(ROOT / "tools" / "make_scenes.py"), str(out), "--count", "8", "--size", "32"]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_a_study_scores_every_stage_of_every_variant_and_continues(scenes, tmp_path):
    tiny = ROOT / "configs" / "tiny" / "segmentation.yaml"
    command = [tiny, "--photos", scenes, "--val", scenes, "--out", tmp_path / "study"]
    command += ["--set", "train.images=16", "--vary", "still:perturb.shift=0,rounds=[]"]
    first = call(*command)
    assert first.returncode == 0, first.stderr
    rows = [line.split(" | ") for line in first.stdout.splitlines() if line.startswith("| ")]
    assert [(row[0], row[1]) for row in rows[1:]] == [
        ("| segmentation", "distil"),
        ("| segmentation", "round-1"),
        ("| still", "distil"),
    ]
    results = [json.loads(line) for line in (tmp_path / "study" / "results.jsonl").read_text().splitlines()]
    assert all(0 <= result["alone"] <= result["flipped"] <= 1 for result in results)
    again = call(*command)
    assert again.stdout == first.stdout and "distil" not in again.stderr


def test_a_variation_without_a_name_is_refused(scenes, tmp_path):
    tiny = ROOT / "configs" / "tiny" / "segmentation.yaml"
    wrong = call(tiny, "--photos", scenes, "--val", scenes, "--out", tmp_path, "--vary", "perturb.shift=0")
    assert wrong.returncode == 2
    assert wrong.stderr == "study_segmentation: error: --vary takes NAME:KEY=VALUE[,KEY=VALUE], got 'perturb.shift=0'\n"
