"""Output folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genstruct.errors import OutputError


@contextmanager
def appearing_folder(out: Path, needed: int = 0, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its name when the block ends well, and vanishes when it does not.

    Args:
        out: The folder to make; an empty one may be there.
        needed: Bytes that will be written.
        replace: Put the new folder in the place of a full one, which stays until the new one is complete.

    Raises:
        OutputError: No permission, too little space, or a folder with files where `replace` is not set.
    """
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        _check_space(partial, needed)
        yield partial
        _publish(partial, out, replace)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror or error}); check permission and space"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_occupied(out: Path) -> bool:
    """Whether there is something at `out` that must not be overwritten silently: a file, or a folder with content."""
    return out.exists() and (not out.is_dir() or any(out.iterdir()))


def _check_space(folder: Path, needed: int) -> None:
    free, needed = shutil.disk_usage(folder).free, needed + (64 << 20)  # leave the system some room
    if free < needed:
        raise OutputError(f"{folder.parent}: {needed >> 20} MiB needed, {free >> 20} free; make room or choose a disk")


def _publish(partial: Path, out: Path, replace: bool) -> None:
    if is_occupied(out):
        if not replace:
            raise OutputError(f"{out} holds other files; choose a new folder")
        old = out.with_name(f".{out.name}.old-{os.getpid()}")
        out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(out)
