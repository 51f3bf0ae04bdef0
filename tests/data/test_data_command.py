import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np
import pytest
from pictures import encoded, fill, mask, photo
from PIL import Image

from genstruct.cli import data
from genstruct.data.archive import Archive
from genstruct.data.sources import open_source
from genstruct.data.summary import summarize
from genstruct.data.threads import in_order
from genstruct.errors import DataError, OutputError


def _run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    return data.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def mixed(tmp_path):
    """A folder with one of everything."""
    folder = fill(tmp_path / "mixed", ["a.png", "b.png", "sub/a.png"])
    (folder / "copy of a.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "grey.png").write_bytes(encoded(photo(5, 30, 10)[..., 0]))
    (folder / "broken.jpg").write_bytes(encoded(photo(6), "jpeg")[:-30])
    (folder / "page.jpg").write_text("<html>")
    return folder


def test_a_summary_counts_everything(mixed):
    progress = []
    summary = summarize(open_source(mixed), on_progress=lambda *done: progress.append(done))
    assert (summary.count, summary.readable) == (7, 5)
    assert summary.sizes == {(24, 20): 4, (30, 10): 1}
    assert summary.modes == {"RGB": 4, "L": 1}
    assert summary.duplicates == (("a.png", "copy of a.png"),)
    assert [name for name, _ in summary.unreadable] == ["broken.jpg", "page.jpg"]
    assert progress == [(done, 7) for done in range(1, 8)]


def test_the_mean_picture_is_the_mean_of_the_squeezed_pictures(tmp_path):
    for number, value in enumerate((10, 20, 60)):
        (tmp_path / f"{number}.png").write_bytes(encoded(np.full((8 + number, 30, 3), value, np.uint8)))
    assert np.array_equal(summarize(open_source(tmp_path)).mean, np.full((128, 128, 3), 30))


def test_masks_of_another_size_and_unreadable_masks_are_named(tmp_path):
    fill(tmp_path, ["0.png", "1.png", "2.png"])
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/0.png").write_bytes(encoded(mask()))
    (tmp_path / "masks/1.png").write_bytes(encoded(mask(24, 21)))
    (tmp_path / "masks/2.png").write_bytes(b"no")
    lines = [json.dumps({"file_name": f"{n}.png", "mask_file_name": f"masks/{n}.png"}) for n in range(3)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    summary = summarize(open_source(tmp_path))
    assert summary.masks == 1
    assert summary.wrong_masks[0] == (
        "1.png",
        "masks/1.png: 24 x 21 pixels, but 1.png has 24 x 20; save it at that size",
    )
    assert summary.wrong_masks[1][1].startswith("masks/2.png: not an image")


def test_the_command_prints_what_is_there_and_what_is_wrong(mixed, capsys):
    assert _run(mixed) == 1
    printed = capsys.readouterr()
    assert "5 readable of 7" in printed.out
    assert "24 x 20 (4), 30 x 10 (1)" in printed.out
    assert "RGB 4, L 1" in printed.out
    assert "1 with the content of another" in printed.out
    assert "  page.jpg: not an image, or of a format that cannot be read; remove it or replace it" in printed.out
    assert printed.err == ""  # no bar where nobody is looking


def test_names_with_brackets_are_printed_as_they_are(tmp_path, capsys):
    fill(tmp_path, ["[bold]x[/bold].png", "ok.png"])
    (tmp_path / "[bold]x[/bold].png").write_bytes(b"no")
    assert _run(tmp_path) == 1
    assert "[bold]x[/bold].png: not an image" in capsys.readouterr().out


def test_a_name_cannot_command_the_terminal_or_fake_a_line(tmp_path, capsys):
    (tmp_path / "a\x1b[2J\nb.png").write_bytes(b"no")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"no")
    (tmp_path / "screen\u202fshot.png").write_bytes(b"no")
    fill(tmp_path, ["ok.png"])
    assert _run(tmp_path) == 1
    printed = capsys.readouterr().out
    assert "\\x1b" in printed and "\x1b" not in printed
    assert "  a\\x1b[2J\\nb.png: not an image" in printed
    assert "  \\udcff.png: not an image" in printed
    assert "  screen\u202fshot.png: not an image" in printed  # a narrow space does no harm


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_names_outside_the_encoding_of_the_output_are_escaped(tmp_path, encoding):
    data = encoded(photo(0))
    for name in ("\U0001f697 \u8eca.png", "gr\u00f6\u00dfe.png", os.fsdecode(b"gr\xf6\xdfe.png"), "line\nbreak.png"):
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-W", "error", "-m", "genstruct", "data", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode(encoding)
    assert "line\\nbreak.png" in printed
    assert "gr\\udcf6\\udcdfe.png" in printed
    assert ("\u8eca" if encoding == "utf-8" else "\\u8eca") in printed
    assert ("gr\\xf6\\xdfe" if encoding == "ascii" else "gr\u00f6\u00dfe.png") in printed


def test_several_places_are_one_set(tmp_path, capsys):
    fill(tmp_path, ["x/a.png", "x/b.png", "y/c.png"])
    assert _run(tmp_path / "x/a.png", tmp_path / "x/b.png", tmp_path / "y") == 0
    assert "3 readable of 3" in capsys.readouterr().out


def test_what_a_set_lost_gives_status_1_and_what_was_left_out_rightly_0(tmp_path, capsys):
    fill(tmp_path, ["a.png", "b.png"])
    (tmp_path / "readme.txt").write_text("hello")
    assert _run(tmp_path) == 0
    assert "notes (1):" in capsys.readouterr().out
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png"}\n{"file_name": 3}\n')
    assert _run(tmp_path) == 1
    printed = capsys.readouterr().out
    assert "left out of the set (1):\n  metadata.jsonl line 2: file_name must be" in printed
    assert _run(tmp_path, "--json") == 1
    assert json.loads(capsys.readouterr().out)["problems"][0].startswith("metadata.jsonl line 2")


def test_archives_that_lost_members_give_status_1(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "hostile.zip", "w") as archive:
        archive.writestr("a.png", encoded(photo(0)))
        archive.writestr("../evil.png", encoded(photo(1)))
    assert _run(tmp_path / "hostile.zip") == 1
    assert "leaves the archive; it is left out" in capsys.readouterr().out
    with tarfile.open(tmp_path / "cut.tar", "w") as archive:
        for number in range(2):
            data = encoded(photo(number))
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with tarfile.open(tmp_path / "cut.tar") as archive:
        second = archive.getmembers()[1].offset
    whole = (tmp_path / "cut.tar").read_bytes()
    assert _run(tmp_path / "cut.tar") == 0
    for there in (second + 600, second + 100, second):  # in the middle of a picture, of a header, and between members
        (tmp_path / "cut.tar").write_bytes(whole[:there])
        capsys.readouterr()
        assert _run(tmp_path / "cut.tar") == 1
        assert "cut.tar: ends early" in capsys.readouterr().out


def test_the_command_packs_and_writes_the_mean(mixed, tmp_path, capsys):
    status = _run(
        mixed, "--pack", tmp_path / "packed", "--size", 16, "--crop", "fit", "--mean", tmp_path / "x/mean.png"
    )
    assert status == 1
    assert len(Archive.open(tmp_path / "packed")) == 5
    with Image.open(tmp_path / "x/mean.png") as mean:
        assert mean.size == (128, 128)
    printed = capsys.readouterr().out
    assert "written: 5 images of 16 x 16 px" in printed
    assert "smaller than 16 px, enlarged (1):" in printed


def test_json_has_the_complete_lists(mixed, tmp_path, capsys):
    assert _run(mixed, "--json", "--pack", tmp_path / "packed", "--size", 8) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["count"] == 7
    assert sorted(content["unreadable"]) == ["broken.jpg", "page.jpg"]
    assert content["packed"]["count"] == 5
    assert content["packed"]["skipped"].keys() == content["unreadable"].keys()


def test_the_status_is_zero_only_if_all_is_well(tmp_path, capsys):
    assert _run(fill(tmp_path / "good", ["a.png"])) == 0
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.png").write_bytes(b"no")
    assert _run(tmp_path / "bad", "--pack", tmp_path / "packed") == 2
    assert not (tmp_path / "packed").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        _run(tmp_path / "empty")


def test_a_mean_that_cannot_be_written_is_said(tmp_path):
    fill(tmp_path / "good", ["a.png"])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"mean\.png cannot be written"):
        _run(tmp_path / "good", "--mean", tmp_path / "file/mean.png")


def test_the_crops_of_the_command_are_those_there_are():
    from genstruct.data.crop import POLICIES

    assert data.CROPS == POLICIES


def test_results_come_in_order_whatever_takes_long():
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number

    assert list(in_order(work, 50, 4)) == list(range(50))


def test_stopping_early_begins_no_more_work():
    begun = []
    results = in_order(lambda number: begun.append(number), 10_000, 2)
    next(results)
    results.close()
    assert len(begun) < 30
