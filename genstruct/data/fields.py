"""Further values of each image of an archive: `ARCHIVE/fields/NAME.npy`, one row an image, read through a memory map.

The field called `labels` holds classes that people gave; see `genstruct.data.sample.Sample` for who may read it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genstruct.errors import DataError, ShapeError
from genstruct.files import whole_file

FOLDER = "fields"
LABELS = "labels"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def check_fields(fields: Mapping[str, np.ndarray], count: int) -> None:
    """Raise ShapeError for names or arrays that an archive of `count` images cannot have as fields."""
    for name, values in fields.items():
        if not _NAME.fullmatch(name):
            raise ShapeError(f"a field is called by small letters, digits and _, got {name!r}")
        if values.dtype.kind not in "biuf":
            raise ShapeError(f"field {name} must hold numbers, got {values.dtype}")
        if values.ndim == 0 or len(values) != count:
            raise ShapeError(f"field {name} needs one row for each of {count} images, got shape {list(values.shape)}")
        if name == LABELS and (values.ndim != 1 or values.dtype.kind not in "iu"):
            raise ShapeError(f"labels must be whole numbers [{count}], got {values.dtype} {list(values.shape)}")


def write_fields(archive: Path, fields: Mapping[str, np.ndarray]) -> None:
    """Store checked fields, each file whole or not at all. Raises OutputError."""
    for name, values in fields.items():
        with whole_file(archive / FOLDER / f"{name}.npy") as partial, partial.open("wb") as file:
            np.save(file, _native(values), allow_pickle=False)


def open_fields(archive: Path, count: int) -> dict[str, np.ndarray]:
    """All fields of an archive of `count` images, as memory maps. Raises DataError for a damaged one."""
    fields = {}
    for path in sorted((archive / FOLDER).glob("*.npy")):
        try:
            fields[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
            check_fields({path.stem: fields[path.stem]}, count)
        except (OSError, ValueError, EOFError, ShapeError) as error:
            raise DataError(f"{path} is no field of this archive ({error}); write it again or delete it") from error
    return fields


def _native(values: np.ndarray) -> np.ndarray:
    """Values as torch takes them: in this machine's byte order."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))
