"""What every set of images offers, whatever it is stored in. `genstruct.data.sources.open_source` opens one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from jaxtyping import UInt8

from genstruct.data.masks import MaskSet
from genstruct.data.metadata import Record
from genstruct.data.read import MAX_PIXELS, decode_image
from genstruct.errors import DataError, ImageError

MAX_FILE_BYTES = 1 << 30
"""A file that has more, or an archive's member that claims it, is not read: no image file comes near 1 GiB."""
PEEK_BYTES = 4096


@dataclass(frozen=True)
class Entry:
    """One image of a source.

    Args:
        name: Its path relative to the source, "/" between parts; unique, and safe to use below an output folder.
        size: Bytes (0 = unknown).
        changed: Time of the last change, in the source's own unit (0 = unknown).
    """

    name: str
    size: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Failure:
    """An item that could not be used, and why, in one line."""

    name: str
    why: str


class Source:
    """Images by number, read on demand, from any number of threads.

    `masks` reads the masks that the records name, judged together (see `genstruct.data.masks`); without records the
    images themselves, taken for masks.

    Args:
        description: What it is, for reports.
        entries: The images.
        records: Metadata by name of the image, for some or all of them; paths in it are relative to the source.
        notes: Remarks on what was left out as it should be (files of other kinds, older copies), one line each.
        max_pixels: Larger pictures are refused (decompression bombs).
        problems: What was lost and why (files, lines or fields of metadata), one line each; a command that met any ends
            with status 1.

    Raises:
        DataError: There are no images.
    """

    def __init__(
        self,
        description: str,
        entries: Iterable[Entry],
        records: Mapping[str, Record] | None = None,
        notes: Iterable[str] = (),
        max_pixels: int = MAX_PIXELS,
        problems: Iterable[str] = (),
    ) -> None:
        self.description = description
        self.entries = tuple(entries)
        self.records = dict(records or {})
        self.notes = tuple(notes)
        self.problems = tuple(problems)
        self.max_pixels = max_pixels
        masks = [record.mask_file_name for record in self.records.values() if record.mask_file_name]
        self.masks = MaskSet(self.read_path, masks or self.names, max_pixels)
        if not self.entries:
            reasons = "".join(f"; {note}" for note in (self.problems + self.notes)[:3])
            raise DataError(f"{description} holds no images{reasons}; give a folder or an archive with image files")

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images, in order."""
        return tuple(entry.name for entry in self.entries)

    def read(self, index: int) -> bytes:
        """The bytes of an image file. Raises `ImageError` when they cannot be read."""
        return self.read_path(self.entries[index].name)

    def read_path(self, path: str) -> bytes:
        """The bytes of any file of the source, for example of a mask that a record names. Raises `ImageError`."""
        raise NotImplementedError

    def peek(self, path: str) -> bytes:
        """The first bytes of any file, `PEEK_BYTES` at most. Raises `ImageError`."""
        return self.read_path(path)[:PEEK_BYTES]

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """Upright sRGB pixels. Raises `ImageError`."""
        return decode_image(self.read(index), self.entries[index].name, self.max_pixels)

    def mask(self, index: int) -> UInt8[np.ndarray, "height width"] | None:
        """The mask that the metadata names, 0 to 255, or None without one. Raises `ImageError`, also if it is none."""
        record = self.records.get(self.entries[index].name)
        if record is None or record.mask_file_name is None:
            return None
        return self.masks[record.mask_file_name]

    def close(self) -> None:
        """Release files; safe to call twice."""

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def failures(source: Source) -> list[Failure]:
    """What was lost of a source, item by item."""
    parts = (problem.partition(": ") for problem in source.problems)
    return [Failure(name, why) if why else Failure(source.description, name) for name, _, why in parts]


def labeled(source: Source) -> tuple[list[int], list[Failure]]:
    """Numbers of the images that have a mask, and what was lost of the others.

    Raises:
        DataError: No metadata name masks.
    """
    named = [source.records[n].mask_file_name if n in source.records else None for n in source.names]
    if not any(named):
        raise DataError(f"{source.description} has no metadata.jsonl with file_name and mask_file_name; write one")
    without = [Failure(n, "no mask_file_name") for n, mask in zip(source.names, named, strict=True) if mask is None]
    return [number for number, mask in enumerate(named) if mask is not None], failures(source) + without


def reading_error(path: str, error: OSError) -> ImageError:
    """The error for a file that the system does not hand over."""
    return ImageError(f"{path}: cannot be read ({error.strerror or error}); check the file and its permissions")
