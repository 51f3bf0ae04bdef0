"""Images in a .zip, read in place: nothing is ever extracted to disk."""

import threading
import zipfile
import zlib
from pathlib import Path

from genstruct.data.metadata import is_safe_path
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import MAX_FILE_BYTES, Entry, Source
from genstruct.data.tree import choose_images
from genstruct.errors import DataError, ImageError

_LINK = 0o120000  # file type of a symbolic link in the upper half of a member's attributes


class ZipSource(Source):
    """Image members of a zip file, in alphabetical order of their paths.

    Members whose path leaves the archive and links are left out, which is a problem; of two members with one path the
    last counts.

    Raises:
        DataError: Not a zip file, or damaged.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{path} is not a zip file that can be read ({error}); pack it again") from error
        self._lock = threading.Lock()  # the members share one file position
        self._members: dict[str, zipfile.ZipInfo] = {}
        notes: list[str] = []
        problems: list[str] = []
        for member in self._file.infolist():
            if problem := _problem(member):
                problems.append(f"{member.filename!r}: {problem}; it is left out")
            elif not member.is_dir():
                if member.filename in self._members:
                    notes.append(f"{member.filename!r}: twice in the archive; the last one counts")
                self._members[member.filename] = member
        chosen = choose_images(self._members, self.read_path)
        entries = [self._entry(name) for name in chosen.names]
        try:
            problems += chosen.problems
            super().__init__(f"archive {path}", entries, chosen.records, notes + chosen.notes, max_pixels, problems)
        except DataError:
            self.close()
            raise

    def read_path(self, path: str) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise ImageError(f"{path}: not in the archive; add it")
        if member.file_size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: claims {member.file_size >> 20} MiB, over the limit of 1024; leave it out")
        try:
            with self._lock:
                return self._file.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise ImageError(f"{path}: damaged in the archive ({error}); pack it again") from error
        except RuntimeError as error:  # what zipfile raises for encryption
            raise ImageError(f"{path}: encrypted; pack the archive without a password") from error

    def close(self) -> None:
        self._file.close()

    def _entry(self, name: str) -> Entry:
        member = self._members[name]
        return Entry(name, member.file_size, member.CRC)  # the checksum tells changes more surely than the date


def _problem(member: zipfile.ZipInfo) -> str | None:
    if not is_safe_path(member.filename):
        return "a path that has control characters or leaves the archive"
    return "a link" if (member.external_attr >> 16) & 0o170000 == _LINK else None
