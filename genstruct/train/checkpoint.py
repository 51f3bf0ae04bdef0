"""Training checkpoints: data, not code. Written whole or not at all, read with `weights_only=True`.

A checkpoint is a dictionary of tensors, numbers, strings, lists and dictionaries with a `format` number and a `kind`.
When the layout changes, `FORMAT` goes up and `MIGRATIONS` gains the function that brings the previous layout forward.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from genstruct.errors import CheckpointError, OutputError
from genstruct.files import whole_file

Contents = dict[str, Any]

KIND = "genstruct training"
FORMAT = 1
MIGRATIONS: dict[int, Callable[[Contents], Contents]] = {}
"""From a format number to the function that turns its contents into the next format's."""

PARTS = ("networks", "averaged", "optimizers", "state", "sums", "config", "log_bytes")
"""What a trainer writes and needs to continue."""

FOLDER = "checkpoints"
_DELETE = "delete it to continue from an older one"
_SPARE_BYTES = 2**20  # what the file holds beside tensors: names, settings, zip directory


def save(path: Path, contents: Contents) -> None:
    """Write a checkpoint so that a reader sees the old file or the new one, never half of one.

    Raises:
        OutputError: The folder cannot be written or the disk is too full; an older file of that name stays as it was.
            Whatever ends the writing, an interruption too, leaves no half file behind.
    """
    try:
        with (
            whole_file(path, _tensor_bytes(contents) + _SPARE_BYTES, durable=True) as partial,
            partial.open("wb") as file,
        ):
            torch.save({**contents, "format": FORMAT, "kind": KIND}, file)
    except RuntimeError as error:  # how torch reports a failed write
        raise OutputError(f"{path} cannot be written ({_first_line(error)}); free space or fix rights") from error


def load(path: Path, parts: Sequence[str] = ()) -> Contents:
    """Read a checkpoint to the CPU and bring it to the current format.

    Args:
        path: The file.
        parts: Keys that it must have.

    Raises:
        CheckpointError: Not there, truncated, of another kind, of a newer format, without one of `parts`, or holding
            something other than data.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, torch and system errors: no common class
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # that is seeking before the start
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
        raise CheckpointError(
            f"{path} is truncated or no checkpoint ({_first_line(error).partition('. ')[0]}); {_DELETE}"
        ) from error
    contents = _migrated(path, contents)
    if missing := [part for part in parts if part not in contents]:
        raise CheckpointError(f"{path} is damaged (it lacks {', '.join(missing)}); {_DELETE}")
    return contents


def load_networks(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Weights of each network of a run: the moving average where there is one, else the latest.

    Args:
        path: A checkpoint, or the folder of a run, which means its latest checkpoint.
    """
    file = latest(path) if path.is_dir() else path
    if file is None:
        raise CheckpointError(f"no checkpoint in {path}; is it the folder of a training?")
    contents = load(file, ("networks", "averaged"))
    return {**contents["networks"], **contents["averaged"]}


def file_for(out: Path, images: int) -> Path:
    """Where the checkpoint after `images` images lies in the run at `out`."""
    return out / FOLDER / f"images-{images:012d}.pt"


def all_in(out: Path) -> list[Path]:
    """Checkpoints of the run at `out`, oldest first."""
    return sorted((out / FOLDER).glob("images-*.pt"))


def latest(out: Path) -> Path | None:
    """The newest checkpoint of the run at `out`."""
    return next(reversed(all_in(out)), None)


def prune(out: Path, keep: int, also: set[str]) -> None:
    """Delete all but the `keep` newest checkpoints and those whose file names are in `also`."""
    for path in all_in(out)[:-keep]:
        if path.name not in also:
            path.unlink(missing_ok=True)


def delete_after(path: Path) -> None:
    """Delete the checkpoints newer than `path`, newest first, so that being cut off leaves a run that can go on."""
    for newer in reversed(all_in(path.parent.parent)):
        if newer.name > path.name:
            newer.unlink()


def _migrated(path: Path, contents: object) -> Contents:
    if not isinstance(contents, dict) or contents.get("kind") != KIND:
        found = contents.get("kind") if isinstance(contents, dict) else type(contents).__name__
        raise CheckpointError(f"{path} is no checkpoint of a training (kind: {found}); give one from a run's folder")
    if not isinstance(contents.get("format"), int):
        raise CheckpointError(f"{path} is damaged (it has no format number); {_DELETE}")
    if contents["format"] > FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {contents['format']}, this version reads up to {FORMAT}; update genstruct"
        )
    while contents["format"] < FORMAT:
        number = contents["format"]
        contents = {**MIGRATIONS[number](contents), "format": number + 1}
    return contents


def _tensor_bytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(_tensor_bytes, value.values()))
    return sum(map(_tensor_bytes, value)) if isinstance(value, list | tuple) else 0


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
