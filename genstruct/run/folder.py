"""The folder of a run: its resolved configuration, the machine and code that made it, and whether to go on with it.

```text
config.yaml        every setting of the command, defaults included; its presence marks a folder as ours
environment.json   one entry for each session: versions, device, threads, git commit, command
.lock              held by the process that works here; the system frees it when that process ends, however it ends
```

The rest is written by the stages, see `genstruct.run`.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.files import check_vacant, locked, write_text
from genstruct.run.ranks import made_once
from genstruct.train import distributed

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
PACKAGES = ("torch", "torchvision", "numpy", "pillow")
MAY_DIFFER = (
    *("*train.images", "*train.device", "*train.threads", "*train.tensorboard"),
    *("*train.save_every_images", "*train.keep_checkpoints", "*train.max_rollbacks"),
    *("*train.preview_every_images", "*train.preview_images"),
)
"""Dotted keys that may change when a run is continued: how long and how comfortably, not what is learned."""


@dataclass(frozen=True)
class RunFolder:
    """A folder that is ours.

    Args:
        path: The folder.
        continued: Whether it held this run already.
    """

    path: Path
    continued: bool


@contextmanager
def open_run(
    out: Path,
    config: Mapping[str, Any],
    may_differ: Sequence[str] = MAY_DIFFER,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Iterator[RunFolder]:
    """Make the folder of a run, or go on with it if it holds the same one; nobody else works there meanwhile.

    Every rank may call it; rank 0 writes. Nothing is touched in a folder that is not ours.

    Args:
        out: The folder. New, empty (hidden files aside), or made by an earlier call.
        config: Every setting of the command: nested mappings, lists, numbers, strings, paths.
        may_differ: Patterns (`fnmatch`) of dotted keys that may have changed since.
        complete: Given the settings of the run that is there, adds today's defaults of settings that came since.

    Raises:
        OutputError: Not writable, holding files that are not a run's, or another process works there.
        ConfigError: A run of other settings is there.
    """
    settings = yaml.safe_load(_as_yaml(config))

    def look() -> bool:
        """Whether the run is there already."""
        continued = (out / CONFIG).is_file()
        if continued:
            _check_same(out, settings, may_differ, complete or dict)
        else:
            check_vacant(out)
        return continued

    with ExitStack() as held:

        def begin() -> bool:
            look()
            held.enter_context(locked(out))
            continued = look()  # once more: another process may have begun and ended in between
            write_text(out / CONFIG, _as_yaml(settings))
            _add_session(out / ENVIRONMENT)
            return continued

        yield RunFolder(out, made_once(begin))
        distributed.barrier()  # no rank writes once the lock is free


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings that a run was made with, as they are stored. Raises CheckpointError where there are none."""
    try:
        values = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{folder} is not the folder of a run ({CONFIG} is missing or broken)") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{folder} is not the folder of a run ({CONFIG} holds no settings)")
    return values


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """What `environment` told of each session of a run, oldest first. Raises CheckpointError where there is none."""
    try:
        sessions = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is not the folder of a run ({ENVIRONMENT} is missing or broken)") from error
    if not isinstance(sessions, list) or not sessions:
        raise CheckpointError(f"{folder} is not the folder of a run ({ENVIRONMENT} lists no session)")
    return sessions


def run_of(file: Path) -> Path:
    """The folder of the run that a file, such as a checkpoint, lies in. Raises CheckpointError."""
    folder = next((parent for parent in file.absolute().parents if (parent / CONFIG).is_file()), None)
    if folder is None:
        raise CheckpointError(f"{file} does not lie in the folder of a run (no {CONFIG} above it)")
    return folder


def environment() -> dict[str, Any]:
    """What a run depends on beside its configuration, ready for JSON."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in ("genstruct", *PACKAGES)},
        "gpus": gpus,
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": distributed.current().world,
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout that `folder` lies in and whether it has uncommitted changes; None outside a checkout."""
    if shutil.which("git") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or not _git(folder, "ls-files", "."):  # an installed copy inside somebody else's repository
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}


def _check_same(
    out: Path,
    settings: Mapping[str, Any],
    may_differ: Sequence[str],
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> None:
    try:
        there = yaml.safe_load((out / CONFIG).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise OutputError(f"cannot read {out / CONFIG} ({type(error).__name__}); give another folder") from error
    if not isinstance(there, dict):
        raise OutputError(f"{out / CONFIG} holds no settings of a run; give another folder")
    old, new = dict(_flat(complete(there))), dict(_flat(settings))
    absent = object()
    keys = [k for k in dict.fromkeys([*old, *new]) if old.get(k, absent) != new.get(k, absent)]
    changes = [
        f"{k} ({old.get(k, 'absent')!r} there, {new.get(k, 'absent')!r} here)"
        for k in keys
        if not any(fnmatch(k, pattern) for pattern in may_differ)
    ]
    if changes:
        raise ConfigError(f"{out} holds a run with another {'; '.join(changes)}; use its settings or another folder")


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _as_yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _add_session(path: Path) -> None:
    try:
        sessions = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        if not isinstance(sessions, list):
            raise ValueError
    except ValueError as error:  # no JSON, no text
        raise OutputError(f"{path} is not a list of sessions; move it away, a new one is begun") from error
    write_text(path, json.dumps([*sessions, environment()], indent=1) + "\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None
