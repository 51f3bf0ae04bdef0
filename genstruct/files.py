"""Writing files: whole or not at all, in folders that are ours, on disks that have room; the one place that does it.

Whatever fails becomes an `OutputError` that names the file. Temporary names are at most ten letters long, so
that any name which the file system holds can be written.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genstruct.errors import OutputError

SPARE_BYTES = 64 << 20
"""Room that large writes leave to the system."""
SHOWN = 3  # names of files in a message
_TEMPORARY = re.compile(r"\.([0-9a-f]{5}|[a-z0-9_]{8})~")
"""Names of what is being written, here or by `tempfile`."""


@contextmanager
def writing(place: Path | str) -> Iterator[None]:
    """Turn failures of the file system inside the block into an `OutputError` that names `place`."""
    try:
        yield
    except OSError as error:
        raise unwritable(place, error) from error


def unwritable(place: Path | str, error: OSError) -> OutputError:
    """The error for a place that the system does not let us write."""
    return OutputError(f"{place} cannot be written ({error.strerror or error}); make room, or choose another place")


def write_bytes(path: Path, contents: bytes) -> None:
    """Write a file whole or not at all; folders are made. Raises OutputError."""
    with whole_file(path) as partial:
        partial.write_bytes(contents)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: object) -> None:
    """Write plain values as indented JSON, whole or not at all."""
    write_text(path, json.dumps(values, indent=1) + "\n")


@contextmanager
def whole_file(path: Path, needed: int = 0, durable: bool = False) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well and vanishes when it does not.

    Args:
        path: The file to make or to replace; folders are made.
        needed: Bytes that will be written; fewer free ones are told before anything is.
        durable: Also wait for the disk, so that a power cut leaves the old file or the new one.

    Raises:
        OutputError: No permission, no room.
    """
    partial = None
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            check_space(path.parent, needed)
            partial = _temporary(path)
            yield partial
            if durable:
                _flush(partial)
            partial.replace(path)
        finally:
            if partial is not None:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path, needed: int = 0, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its name when the block ends well, and vanishes when it does not.

    What a killed process has left of it is taken away by the next one.

    Args:
        out: The folder to make; an empty one may be there.
        needed: Bytes that will be written.
        replace: Put the new folder in the place of a full one, which stays until the new one is complete.

    Raises:
        OutputError: No permission, too little space, another process makes the same folder, or a folder with files
            where `replace` is not set.
    """
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with _own_folder(out) as partial:
            check_space(out.parent, needed + SPARE_BYTES)
            yield partial
            _publish(partial, out, replace)


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder inside `folder` (which is made) for what is not done yet; it vanishes with the block.

    For programs that write by themselves: one that outlives the block has then no place to write to.

    Raises:
        OutputError: No permission, no room.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = _hidden_folder(folder)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def is_occupied(out: Path) -> bool:
    """Whether there is something at `out` that must not be overwritten silently: a file, or a folder with content."""
    return out.exists() and (not out.is_dir() or any(out.iterdir()))


def check_vacant(out: Path) -> None:
    """Raise OutputError for a file, or for a folder with anything but hidden files in it."""
    with writing(out):
        if out.exists() and not out.is_dir():
            raise OutputError(f"{out} is a file; give a folder")
        names = sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) if out.exists() else []
    if names:
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        raise OutputError(f"{out} holds other files ({shown}); give a new or empty folder")


def check_space(folder: Path, needed: int) -> None:
    """Raise OutputError if the disk under `folder` has fewer than `needed` bytes left."""
    if needed and (free := shutil.disk_usage(folder).free) < needed:
        raise OutputError(
            f"{folder} needs {needed / 2**20:.1f} MiB but its disk has {free / 2**20:.1f} MiB left; free some space"
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process. The system takes the lock back when a process ends, however it ends.

    What an earlier process has left half written when it was killed is taken away.

    Args:
        folder: Is made where it is not there; a hidden file in it carries the lock.

    Raises:
        OutputError: Another process holds it, or the folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if _hold(file, folder):
            _sweep(folder)
        yield
    finally:
        os.close(file)


def _hold(file: int, place: Path) -> bool:
    """Lock an open file until it is closed; False on a file system without locks, where we go on as if alone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            return False
        raise OutputError(
            f"another process is writing to {place}; wait until it has ended, or give another folder"
        ) from error
    return True


def _sweep(folder: Path) -> None:
    """Take away the temporary files and folders below a folder that nobody else writes to."""
    for below, folders, files in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, files):
            with suppress(OSError):
                Path(below, name).unlink()
        for name in filter(_TEMPORARY.fullmatch, list(folders)):
            folders.remove(name)
            shutil.rmtree(Path(below, name), ignore_errors=True)


@contextmanager
def _own_folder(out: Path) -> Iterator[Path]:
    """The temporary folder of `out`, empty, held by this process; it is taken away unless it got another name."""
    file, partial = _claimed(out)
    try:
        for path in partial.iterdir():  # what a killed process has left
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        yield partial
    finally:
        if _inode(partial) == os.fstat(file).st_ino:
            shutil.rmtree(partial, ignore_errors=True)
        os.close(file)


def _claimed(out: Path) -> tuple[int, Path]:
    """The temporary folder of `out`, opened and locked. Its name follows from that of `out`: so processes meet."""
    partial = out.with_name(f".{hashlib.blake2b(os.fsencode(out.name), digest_size=4).hexdigest()}~")
    while True:
        partial.mkdir(exist_ok=True)
        try:
            file = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if not _hold(file, out):
                partial = _hidden_folder(out.parent)
                return os.open(partial, os.O_RDONLY), partial
            if os.fstat(file).st_ino == _inode(partial):  # else the process before us has given it its final name
                return os.dup(file), partial
        finally:
            os.close(file)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _temporary(path: Path) -> Path:
    """An empty file beside `path`; hidden, its name shorter than any that comes from us."""
    for _ in range(100):
        partial = path.with_name(f".{os.urandom(3).hex()[:5]}~")
        try:
            partial.touch(exist_ok=False)
        except FileExistsError:
            continue
        return partial
    raise OutputError(f"{path} cannot be written (no free temporary name beside it); give another folder")


def _hidden_folder(place: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=".", suffix="~", dir=place))


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _publish(partial: Path, out: Path, replace: bool) -> None:
    if not is_occupied(out):
        partial.rename(out)
        return
    if not replace:
        raise OutputError(f"{out} holds other files; choose a new folder")
    old = _hidden_folder(out.parent)
    out.rename(old / out.name)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)
