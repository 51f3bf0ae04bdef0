"""A set of images packed once to one size, so that training reads pixels from a memory map instead of decoding files.

An archive is a folder:

| file | content |
|---|---|
| index.json | format, size, names, regions that were cut out, what was left out and why, fingerprint |
| images.bin | uint8 [N, S, S, 3], sRGB |
| masks.bin  | uint8 [N, S, S], optional: masks that a model made (`write_masks`); never ground truth |
| fields/NAME.npy | [N, ...], optional: further values of each image, `labels` among them (`write_fields`) |
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from genstruct.data.crop import Region
from genstruct.data.fields import check_fields, open_fields, write_fields
from genstruct.errors import DataError, OutputError, ShapeError
from genstruct.files import whole_file

FORMAT = 1


@dataclass(frozen=True)
class Archive:
    """Square images of one size, and where they came from.

    Args:
        images: uint8 [N, S, S, 3], sRGB; a memory map when opened from a folder.
        names: Of the images in their source.
        regions: What was cut out of each upright picture, in its pixels; empty when unknown.
        pictures: Width and height of each upright picture; empty when unknown.
        skipped: Names of images that were left out, and why.
        source: What it was packed from.
        masks: uint8 [N, S, S], 255 = object, where a model has made some.
        path: The folder, or None for an archive in memory.
        fingerprint: Of the source and the policy it was packed with.
        fields: Further values of each image by name, [N, ...]; memory maps when opened from a folder.
    """

    images: UInt8[np.ndarray, "n size size 3"]
    names: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    pictures: tuple[tuple[int, int], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    source: str = ""
    masks: UInt8[np.ndarray, "n size size"] | None = None
    path: Path | None = None
    fingerprint: str = ""
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Width and height of every image in pixels."""
        return self.images.shape[1]

    @staticmethod
    def from_arrays(
        images: UInt8[np.ndarray, "n size size 3"],
        masks: UInt8[np.ndarray, "n size size"] | None = None,
        names: Sequence[str] | None = None,
        fields: Mapping[str, np.ndarray] | None = None,
    ) -> "Archive":
        """An archive in memory. Without names, images are called by their number. Raises ShapeError for `fields` that
        do not have one row of numbers for each image."""
        names = names if names is not None else [f"{i:05d}.png" for i in range(len(images))]
        check_fields(fields or {}, len(images))
        return Archive(images, tuple(names), source="memory", masks=masks, fields=fields or {})

    @staticmethod
    def open(path: str | Path) -> "Archive":
        """Open a packed folder.

        Raises:
            DataError: Not an archive, truncated, or written by a newer version.
        """
        path = Path(path)
        try:
            return Archive._from_index(path, read_index(path))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}/index.json is damaged ({error!r}); pack the archive again") from error

    @staticmethod
    def _from_index(path: Path, index: Mapping[str, Any]) -> "Archive":
        count, size = len(index["names"]), index["size"]
        return Archive(
            _mapped(path / "images.bin", (count, size, size, 3)),
            tuple(index["names"]),
            tuple(Region(*numbers) for numbers in index["regions"]),
            tuple((width, height) for width, height in index["pictures"]),
            tuple((name, reason) for name, reason in index["skipped"]),
            index["source"],
            _mapped(path / "masks.bin", (count, size, size)) if (path / "masks.bin").exists() else None,
            path,
            index["fingerprint"],
            open_fields(path, count),
        )

    def write_masks(self, masks: Iterable[np.ndarray]) -> "Archive":
        """Store masks that a model made beside the images, replacing earlier ones; returns the archive that has them.

        Args:
            masks: One uint8 [S, S] for each image, in order, 255 = object; an array [N, S, S] or anything that yields.

        Raises:
            ShapeError: A mask of another size, or too few or too many of them.
            OutputError: The archive lives in memory, or its folder cannot be written.
        """
        if self.path is None:
            raise OutputError(
                "masks cannot be stored beside an archive in memory; use Archive.from_arrays(images, masks)"
            )
        with whole_file(self.path / "masks.bin") as partial, partial.open("wb") as file:
            self._write_masks(file, masks)
        return Archive.open(self.path)

    def write_fields(self, fields: Mapping[str, np.ndarray]) -> "Archive":
        """Store further values of each image, replacing those of the same names; returns the archive that has them.

        Args:
            fields: Numbers by name, one row for each image, in order. `labels` are whole numbers [N].

        Raises:
            ShapeError: Not one row of numbers for each image.
            OutputError: The archive lives in memory, or its folder cannot be written.
        """
        if self.path is None:
            raise OutputError(
                "fields cannot be stored beside an archive in memory; use Archive.from_arrays(images, fields=...)"
            )
        check_fields(fields, len(self))
        write_fields(self.path, fields)
        return Archive.open(self.path)

    def _write_masks(self, file: Any, masks: Iterable[np.ndarray]) -> None:
        count = 0
        for count, mask in enumerate(masks, 1):  # noqa: B007 - read after the loop
            if mask.shape != (self.size, self.size) or mask.dtype != np.uint8:
                raise ShapeError(f"masks must be uint8 [{self.size}, {self.size}], got {mask.dtype} {list(mask.shape)}")
            file.write(np.ascontiguousarray(mask).data)
        if count != len(self):
            raise ShapeError(f"{len(self)} images need as many masks, got {count}")


def read_index(path: Path) -> dict[str, Any]:
    """The index of an archive. Raises `DataError` when there is none that this version reads."""
    try:
        index = json.loads((path / "index.json").read_bytes())
        version = index["genstruct_archive"]
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is not a packed archive (no index.json); pack one with genstruct data --pack"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}/index.json is not the index of a packed archive; pack it again") from error
    if not isinstance(version, int):
        raise DataError(f"{path}/index.json is not the index of a packed archive; pack it again")
    if version > FORMAT:
        raise DataError(f"{path} has archive format {version}, this version reads up to {FORMAT}; update genstruct")
    return index


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    expected = int(np.prod(shape))
    found = path.stat().st_size if path.exists() else 0
    if found != expected:
        raise DataError(f"{path} has {found} bytes instead of {expected}: it is damaged; pack the archive again")
    return np.memmap(path, np.uint8, "r", shape=shape)
