"""Files appear whole or not at all, names of any length can be written, and one process at a time holds a folder."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from genstruct.errors import OutputError
from genstruct.files import (
    check_vacant,
    is_occupied,
    locked,
    scratch_folder,
    whole_file,
    whole_folder,
    write_bytes,
    write_text,
)


def test_a_file_appears_whole_with_its_folders(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "one")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "one"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("bad"), OSError(errno.ENOSPC, "No space")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    wanted = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(wanted) as caught, whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise error
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}
    if wanted is OutputError:
        assert str(tmp_path / "a.txt") in str(caught.value) and "No space" in str(caught.value)


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_the_longest_name_of_the_file_system_can_be_written(tmp_path, letter):
    name = letter * (255 // len(letter.encode()))
    write_bytes(tmp_path / name, b"1")
    with whole_folder(tmp_path / "folder" / name) as partial:
        (partial / name).touch()
    assert (tmp_path / "folder" / name / name).exists()


def test_a_new_file_has_the_rights_that_any_program_gives(tmp_path):
    write_bytes(tmp_path / "ours", b"1")
    (tmp_path / "other").write_bytes(b"1")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_more_than_the_disk_has_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(OutputError, match="MiB left"), whole_file(tmp_path / "a", needed=1 << 62):
        raise AssertionError("not reached")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_laid_over_a_full_one_unless_asked(tmp_path):
    out = tmp_path / "out"
    with whole_folder(out) as partial:
        write_text(partial / "one", "1")
    with pytest.raises(OutputError, match="holds other files"), whole_folder(out) as partial:
        write_text(partial / "two", "2")
    assert [path.name for path in out.iterdir()] == ["one"]
    with whole_folder(out, replace=True) as partial:
        write_text(partial / "two", "2")
    assert [path.name for path in out.iterdir()] == ["two"] and len(list(tmp_path.iterdir())) == 1


def test_a_scratch_folder_is_inside_hidden_and_gone_with_the_block(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path / "made") as scratch:
        write_text(scratch / "half", "x")
        assert scratch.parent == tmp_path / "made" and scratch.name.startswith(".") and len(scratch.name) <= 10
        raise KeyboardInterrupt
    assert list((tmp_path / "made").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file cannot be written"), scratch_folder(tmp_path / "file"):
        raise AssertionError("not reached")


def test_hidden_files_do_not_occupy_a_run_but_others_are_named(tmp_path):
    (tmp_path / ".DS_Store").touch()
    check_vacant(tmp_path)
    assert is_occupied(tmp_path)
    for number in range(5):
        (tmp_path / f"file-{number}").touch()
    with pytest.raises(OutputError, match="file-0, file-1, file-2 and 2 more"):
        check_vacant(tmp_path)


HOLD = "import sys, time; from pathlib import Path; from genstruct.files import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_a_folder_is_held_by_one_process_and_free_once_that_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another process is writing"), locked(tmp_path):
            raise AssertionError("not reached")
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with locked(Path(tmp_path)):
        pass


def test_what_a_killed_process_has_left_is_taken_away_by_the_next_one(tmp_path):
    (tmp_path / "run" / "deep").mkdir(parents=True)
    for name in (".0a1b2~", "deep/.ab12_xyz~"):
        (tmp_path / "run" / name).write_text("half")
    (tmp_path / "run" / ".zshrc~").write_text("mine")  # no name of ours
    (tmp_path / "run" / ".3f3f3~").mkdir()
    with locked(tmp_path / "run"):
        names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert names == ["run", "run/.lock", "run/.zshrc~", "run/deep"]


def test_a_folder_is_made_by_one_process_at_a_time(tmp_path):
    with whole_folder(tmp_path / "out") as first:
        (first / "a").write_text("a")
        with pytest.raises(OutputError, match="out; wait until it has ended"), whole_folder(tmp_path / "out"):
            pass
        with whole_folder(tmp_path / "other") as second:
            (second / "b").write_text("b")
        assert (first / "a").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "out"]


def test_a_folder_that_a_killed_process_began_is_begun_again(tmp_path):
    names: list[str] = []
    with suppress(KeyboardInterrupt), whole_folder(tmp_path / "out") as folder:
        names.append(folder.name)
        raise KeyboardInterrupt
    (name,) = names
    (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / name / "half").write_text("half")
    with whole_folder(tmp_path / "out") as folder:
        assert folder.name == name and not list(folder.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
