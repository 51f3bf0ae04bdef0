"""Kills and full disks: whatever happens at whatever moment, the same command goes on and ends byte-equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genstruct.data.synthetic import write_scenes
from genstruct.nn.unet import UNet
from genstruct.segmentation.segmenter import Segmenter

HERE = Path(__file__).parent
TINY = HERE.parents[1] / "configs" / "tiny" / "segmentation.yaml"
KEPT = (".safetensors", ".npy", ".bin", ".png", ".jsonl")
"""Of what must be equal; logs and checkpoints hold times, and a kill may cost the preview that was due just then."""
COMMANDS = ("train", "masks", "data")
GOLDEN = 0.618034


def ends(jobs):
    """How these jobs end, see `harsh`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(HERE / "harsh.py")]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def contents(folder):
    """What must be equal in the folder of a run, of masks or of an archive."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.suffix in KEPT}
    kept = {name: path for name, path in files.items() if path.name != "log.jsonl" and path.parent.name != "previews"}
    return {name: path.read_bytes() for name, path in kept.items()}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Command lines by name, without the folder that they write to."""
    root = tmp_path_factory.mktemp("work")
    photos = write_scenes(root / "photos", 12, 20)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(3, 1, (8, 8))
    (root / "model.safetensors").write_bytes(Segmenter(network, 16).encode())
    images = str(photos / "images")
    starts = ["starts.count=2", "starts.images=16"]
    return {
        "train": ["train", str(TINY), f"data.root={photos}", *starts, "--out"],
        "masks": ["masks", images, "--model", str(root / "model.safetensors"), "--cutout", "--out"],
        "data": ["data", images, "--size", "16", "--pack"],
    }


def harsh(commands, folder, plan):
    """Run each command whole, then once for each (how, at) of the plan and again to its end.

    Returns:
        (command, how, at) and how it ended that time.
    """
    jobs, cases = [], []
    for name, words in commands.items():
        for how, at in [("count", 0), *plan]:
            out = folder / f"{name}-{how}-{at}" / "out"
            out.parent.mkdir()
            job = {"words": [*words, str(out)], "below": str(out.parent), "at": at}
            jobs += [{**job, "how": how}, {**job, "how": "again"}]
            cases.append(((name, how, at), out))
    found = ends(jobs)
    for (case, out), last in zip(cases, found[1::2], strict=True):
        whole = folder / f"{case[0]}-count-0" / "out"
        assert last["status"] == 0, (case, last)
        assert contents(out) == contents(whole) != {}, case
        assert not [path for path in out.rglob(".*~")], case  # what a killed process left is taken away
    return [(case, first) for (case, _), first in zip(cases, found[::2], strict=True) if case[1] != "count"]


def check(case, end, folder):
    """A killed process could tell nothing; a full disk is one line with the file that could not be written."""
    if case[1] in ("kill", "late"):
        assert end["status"] in (-9, 0) if case[1] == "late" else end["status"] == -9, (case, end)
        return
    lines = [line for line in end["told"].splitlines() if "error" in line or "Traceback" in line]
    assert (end["status"], len(lines)) == (2, 1), (case, end)
    assert lines[0].startswith("genstruct: error: ") and str(folder) in lines[0], (case, lines)
    assert "No space left" in lines[0] or "File too large" in lines[0], (case, lines)


def test_what_was_killed_or_met_a_full_disk_goes_on_and_ends_byte_equal(commands, tmp_path):
    plan = [("kill", 0.35), ("kill", 0.8), ("full", 0.6)]
    for case, end in harsh(commands, tmp_path, plan):
        check(case, end, tmp_path)


def test_a_disk_that_fills_while_a_file_is_written_is_one_line_too(commands, tmp_path):
    chosen = {name: commands[name] for name in ("train", "data")}
    for case, end in harsh(chosen, tmp_path, [("limit", 5000)]):
        check(case, end, tmp_path)


@pytest.mark.slow
def test_twenty_kills_and_full_disks_at_any_moment(commands, tmp_path):
    places = [number * GOLDEN % 1 for number in range(20)]
    plan = [(how, at) for how in ("kill", "full") for at in places]
    plan += [("late", 0.2 + at) for at in places] + [("limit", 10 * 2**number) for number in range(10)]
    for case, end in harsh(commands, tmp_path, plan):
        if case[1] != "limit" or end["status"]:
            check(case, end, tmp_path)
