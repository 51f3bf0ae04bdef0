"""Images of an LSUN folder: an LMDB whose values are image files."""

from pathlib import Path

from genstruct.data.metadata import is_safe_path
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import Entry, Source
from genstruct.errors import DataError, ImageError, MissingDependency


class LsunSource(Source):
    """Values of an LMDB, in the order of their keys, which are the names (hexadecimal where they are not plain text).

    Raises:
        DataError: Not an LMDB, or damaged.
        MissingDependency: The package lmdb is not installed.
    """

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise MissingDependency("reading LSUN folders needs lmdb: pip install 'genstruct[lmdb]'") from error
        self._error = lmdb.Error
        try:
            self._environment = lmdb.open(str(path), readonly=True, lock=False, readahead=False, max_readers=512)
            with self._environment.begin() as transaction:
                keys = list(transaction.cursor().iternext(keys=True, values=False))
        except lmdb.Error as error:
            if "already open" in str(error):
                raise DataError(f"{path} is open already, and an LMDB opens once in a process; copy it") from error
            raise DataError(f"{path} is not an LMDB that can be read ({error}); fetch it again") from error
        self._keys = {_name(key): key for key in keys}
        changed = (path / "data.mdb").stat().st_mtime_ns
        try:
            super().__init__(f"LMDB {path}", [Entry(n, 0, changed) for n in self._keys], max_pixels=max_pixels)
        except DataError:
            self.close()
            raise

    def read_path(self, path: str) -> bytes:
        try:
            with self._environment.begin() as transaction:
                data = transaction.get(self._keys[path]) if path in self._keys else None
        except self._error as error:
            raise ImageError(f"{path}: cannot be read from the LMDB ({error}); fetch it again") from error
        if data is None:
            raise ImageError(f"{path}: not in the LMDB; fetch it again")
        return data

    def close(self) -> None:
        self._environment.close()


def _name(key: bytes) -> str:
    try:
        text = key.decode("ascii")
    except UnicodeDecodeError:
        return key.hex()
    return text if is_safe_path(text) and text.isprintable() else key.hex()
