import json
import subprocess
from pathlib import Path

import pytest
import yaml

from genstruct.errors import ConfigError, OutputError
from genstruct.files import locked
from genstruct.run.folder import git_state, open_run

CONFIG = {"train": {"images": 100, "batch": 4}, "data": {"root": Path("cars"), "sizes": (64, 64)}, "seed": 0}


def opened(out, config, **options):
    """The folder of a run, opened and left again."""
    with open_run(out, config, **options) as run:
        return run


def test_a_new_folder_holds_the_resolved_configuration_and_the_machine(tmp_path):
    run = opened(tmp_path / "deep" / "run", CONFIG)
    assert not run.continued
    written = yaml.safe_load((run.path / "config.yaml").read_text())
    assert written == {"train": {"images": 100, "batch": 4}, "data": {"root": "cars", "sizes": [64, 64]}, "seed": 0}
    (session,) = json.loads((run.path / "environment.json").read_text())
    assert session["packages"]["torch"] and session["cpus"] >= 1 and session["threads"] >= 1
    assert sorted(p.name for p in run.path.iterdir()) == [".lock", "config.yaml", "environment.json"]


def test_the_same_command_again_continues(tmp_path):
    opened(tmp_path, CONFIG)
    assert opened(tmp_path, CONFIG).continued
    assert len(json.loads((tmp_path / "environment.json").read_text())) == 2


def test_a_longer_training_continues_and_is_noted(tmp_path):
    opened(tmp_path, CONFIG)
    assert opened(tmp_path, {**CONFIG, "train": {"images": 200, "batch": 4}}).continued
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["train"]["images"] == 200


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path):
    opened(tmp_path, CONFIG)
    before = (tmp_path / "config.yaml").read_bytes()
    other = {"train": {"images": 200, "batch": 8}, "data": {"root": "cats", "sizes": [64, 64]}, "extra": True}
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, other)
    message = str(caught.value)
    assert "train.batch (4 there, 8 here)" in message and "data.root ('cars' there, 'cats' here)" in message
    assert "extra ('absent' there, True here)" in message and "seed (0 there, 'absent' here)" in message
    assert "train.images" not in message and "sizes" not in message and "\n" not in message
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (tmp_path / name).write_text("photo")
    with pytest.raises(OutputError, match=r"holds other files \(a.jpg, b.jpg, c.jpg and 1 more\)"):
        opened(tmp_path, CONFIG)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("content", ["{broken", '{"a": 1}'])
def test_a_broken_list_of_sessions_is_said_and_not_replaced(tmp_path, content):
    opened(tmp_path, CONFIG)
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(OutputError, match=r"environment\.json is not a list of sessions; move it away"):
        opened(tmp_path, CONFIG)
    assert (tmp_path / "environment.json").read_text() == content


def test_a_configuration_that_is_none_is_said(tmp_path):
    (tmp_path / "config.yaml").write_text("[1]")
    with pytest.raises(OutputError, match="holds no settings of a run"):
        opened(tmp_path, CONFIG)


def test_hidden_files_do_not_matter(tmp_path):
    (tmp_path / ".DS_Store").write_text("")
    assert not opened(tmp_path, CONFIG).continued


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        opened(tmp_path / "file" / "run", CONFIG)
    with pytest.raises(OutputError, match="is a file; give a folder"):
        opened(tmp_path / "file", CONFIG)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")  # root, who runs tests in containers, is never refused

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        opened(tmp_path / "run", CONFIG)


def test_the_git_state_names_the_commit_and_uncommitted_changes(tmp_path):
    assert git_state(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "code.py").write_text("1")
    for command in (["init", "-q"], ["add", "code.py"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40 and not clean["dirty"]
    (tmp_path / "code.py").write_text("2")
    assert git_state(tmp_path) == {"commit": clean["commit"], "dirty": True}


def test_a_folder_in_which_another_process_works_is_refused_in_a_line(tmp_path):
    with locked(tmp_path / "run"):
        with pytest.raises(OutputError, match="another process is writing"):
            opened(tmp_path / "run", CONFIG)
        assert not (tmp_path / "run" / "config.yaml").exists()
    assert not opened(tmp_path / "run", CONFIG).continued  # the lock does not count as a file of others


def test_nothing_is_touched_in_a_folder_of_others(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match="holds other files"):
        opened(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
