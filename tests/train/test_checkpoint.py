import errno
import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from tiny_training import trainer

from genstruct.errors import CheckpointError, OutputError
from genstruct.train import checkpoint

CONTENTS = {"weights": {"a": torch.arange(5.0)}, "number": 3, "names": ["x"]}


def test_what_is_saved_comes_back(tmp_path):
    checkpoint.save(tmp_path / "new" / "a.pt", CONTENTS)
    loaded = checkpoint.load(tmp_path / "new" / "a.pt")
    assert torch.equal(loaded["weights"]["a"], torch.arange(5.0))
    assert loaded["number"] == 3 and loaded["format"] == checkpoint.FORMAT
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.pt"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_one_clear_line(tmp_path, keep):
    trainer(tmp_path, images=4).run()
    path = checkpoint.latest(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(CheckpointError, match="truncated or no checkpoint") as caught:
        trainer(tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("state"), r"damaged \(it lacks state\); delete it to continue from an older one"),
        (lambda c: c.update(format="1"), r"damaged \(it has no format number\); delete it"),
    ],
)
def test_a_checkpoint_that_lacks_something_says_so(tmp_path, change, message):
    trainer(tmp_path, images=4).run()
    path = checkpoint.latest(tmp_path)
    contents = torch.load(path, weights_only=True)
    change(contents)
    torch.save(contents, path)
    with pytest.raises(CheckpointError, match=message):
        trainer(tmp_path)


def test_a_checkpoint_of_a_newer_format_asks_for_an_update(tmp_path):
    path = tmp_path / "a.pt"
    torch.save({"kind": checkpoint.KIND, "format": checkpoint.FORMAT + 1}, path)
    with pytest.raises(CheckpointError, match=f"format {checkpoint.FORMAT + 1}.*update genstruct"):
        checkpoint.load(path)


def test_an_older_format_is_migrated(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a.pt", {"color": 1})
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 2)
    monkeypatch.setitem(checkpoint.MIGRATIONS, 1, lambda c: {**c, "color": c["color"]})
    monkeypatch.setitem(checkpoint.MIGRATIONS, 2, lambda c: {**c, "color": c["color"] + 1})
    loaded = checkpoint.load(tmp_path / "a.pt")
    assert loaded["color"] == 2 and loaded["format"] == 3


@pytest.mark.parametrize("contents", [{"model": torch.ones(2)}, [1, 2], torch.ones(3)])
def test_a_file_of_another_kind_is_refused(tmp_path, contents):
    torch.save(contents, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of a training"):
        checkpoint.load(tmp_path / "a.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"kind": checkpoint.KIND, "format": 1, "trap": Trap()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Trap()))
    for name in ("a.pt", "b.pt", "missing.pt"):
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_too_little_space_is_noticed_before_writing(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a.pt", CONTENTS)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(OutputError, match=r"needs 5\.0 MiB but its disk has 0\.0 MiB left"):
        checkpoint.save(tmp_path / "a.pt", {"big": torch.zeros(2**20)})
    assert checkpoint.load(tmp_path / "a.pt")["number"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_a_disk_that_fills_up_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a.pt", CONTENTS)

    def half(contents, file):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OutputError, match="No space left on device"):
        checkpoint.save(tmp_path / "a.pt", {"number": 4})
    monkeypatch.undo()
    assert checkpoint.load(tmp_path / "a.pt")["number"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


def test_an_interruption_while_writing_leaves_no_half_file(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a.pt", CONTENTS)

    def interrupted(contents, file):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path / "a.pt", {"number": 4})
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("place", ["file/a.pt", "file/deep/a.pt"])
def test_a_file_in_the_place_of_a_folder_is_one_clear_line(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        checkpoint.save(tmp_path / place, CONTENTS)
    assert (tmp_path / "file").read_text() == "mine"


def test_networks_to_use_are_the_averaged_ones_where_there_are_any(tmp_path):
    run = trainer(tmp_path, images=16)
    run.run()
    loaded = checkpoint.load_networks(tmp_path)
    assert torch.equal(loaded["generator"]["late.weight"], run.averaged["generator"].late.weight)
    assert torch.equal(loaded["generator"]["early.weight"], run.averaged["generator"].early.weight)
    assert not torch.equal(loaded["generator"]["early.weight"], run.method.networks["generator"].early.weight)
    assert torch.equal(loaded["critic"]["0.weight"], run.method.networks["critic"][0].weight)
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        checkpoint.load_networks(tmp_path / "checkpoints")
