"""Images in a .zip, read in place: nothing is ever extracted to disk."""

import threading
import zipfile
import zlib
from pathlib import Path

from genstruct.data.metadata import is_safe_path, plain_path
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import MAX_FILE_BYTES, PEEK_BYTES, Entry, Source
from genstruct.data.tree import Choose, choose_images
from genstruct.errors import DataError, ImageError

_AES = 99  # method of members that WinZip or 7-Zip encrypted
_LINK = 0o120000  # file type of a symbolic link in the upper half of a member's attributes


class ZipSource(Source):
    """Image members of a zip file, in alphabetical order of their paths.

    Members whose path leaves the archive and links are left out, which is a problem; of two members with one path the
    last counts. Paths are as folders have them: `./` is taken off, and backslashes of Windows programs part folders.

    Raises:
        DataError: Not a zip file, or damaged.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS, choose: Choose = choose_images) -> None:
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{path} is not a zip file that can be read ({error}); pack it again") from error
        self._lock = threading.Lock()  # the members share one file position
        self._members: dict[str, zipfile.ZipInfo] = {}
        notes: list[str] = []
        problems: list[str] = []
        if lost := _archive_before(path, self._file):
            problems.append(lost)
        for member in self._file.infolist():
            if member.is_dir():
                continue
            if problem := _problem(member):
                problems.append(f"{member.filename!r}: {problem}; it is left out")
            else:
                name = plain_path(member.filename.replace("\\", "/"))
                if name in self._members:
                    notes.append(f"{member.filename!r}: twice in the archive; the last one counts")
                self._members[name] = member
        chosen = choose(self._members, self)
        entries = [self._entry(name) for name in chosen.names]
        try:
            problems += chosen.problems
            super().__init__(f"archive {path}", entries, chosen.records, notes + chosen.notes, max_pixels, problems)
        except DataError:
            self.close()
            raise

    def read_path(self, path: str) -> bytes:
        member = self._members.get(path)
        if member is not None and member.file_size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: claims {member.file_size >> 20} MiB, over the limit of 1024; leave it out")
        return self._read(path, -1)

    def peek(self, path: str) -> bytes:
        return self._read(path, PEEK_BYTES)

    def _read(self, path: str, count: int) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise ImageError(f"{path}: not in the archive; add it")
        if member.flag_bits & 1 or member.compress_type == _AES:
            raise ImageError(f"{path}: encrypted; pack the archive without a password")
        try:
            with self._lock, self._file.open(member) as file:
                return file.read(count)
        except NotImplementedError as error:
            kind = f"{error} (method {member.compress_type})"
            raise ImageError(f"{path}: {kind}; pack the archive again, as an ordinary .zip") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise ImageError(f"{path}: damaged in the archive ({error}); pack it again") from error

    def close(self) -> None:
        self._file.close()

    def _entry(self, name: str) -> Entry:
        member = self._members[name]
        return Entry(name, member.file_size, member.CRC)  # the checksum tells changes more surely than the date


def _archive_before(path: Path, archive: zipfile.ZipFile) -> str | None:
    """What is lost where archives were put together by `cat`: the list at the end is that of the last."""
    first = min((member.header_offset for member in archive.infolist()), default=0)
    with path.open("rb") as file:
        starts_with_one = first and file.read(4) == b"PK\3\4"
    return (
        f"{path.name}: another archive stands before this one and is not read; give it by itself"
        if (starts_with_one)
        else None
    )


def _problem(member: zipfile.ZipInfo) -> str | None:
    if not is_safe_path(member.filename):
        return "a path that leaves the archive"
    return "a link" if (member.external_attr >> 16) & 0o170000 == _LINK else None
