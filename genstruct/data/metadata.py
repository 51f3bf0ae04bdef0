"""`metadata.jsonl` in the Hugging Face imagefolder convention: one JSON object a line, paths relative to the file.

A wrong line is reported with its number and left out; a wrong field is reported and the rest of the line is kept.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

FILE_NAME = "metadata.jsonl"
_DRIVE = re.compile("[A-Za-z]:")  # C:\\photos leaves the folder on Windows


@dataclass(frozen=True)
class Record:
    """What is known about one image. Everything but the name is optional.

    Args:
        file_name: Of the image, relative to the metadata file.
        mask_file_name: Of its mask; evaluation only, nothing unsupervised reads it.
        depth_file_name: Of its depth, 16-bit, camera z times 10000, 0 = background.
        category: What the image shows.
        box: x0, y0, x1, y1 of the object in pixels.
        azimuth: Degrees; 0 = camera in front of the object, growing counter-clockwise seen from above.
        elevation: Degrees, > 0 from above.
        distance: Of the camera, object units.
        intrinsics: Row by row [3, 3], pixels; the centre of the first pixel is (0.5, 0.5).
        world_to_camera: Row by row [3, 4], OpenCV axes.
        extra: All other fields as they came.
    """

    file_name: str
    mask_file_name: str | None = None
    depth_file_name: str | None = None
    category: str | None = None
    box: tuple[float, float, float, float] | None = None
    azimuth: float | None = None
    elevation: float | None = None
    distance: float | None = None
    intrinsics: tuple[tuple[float, ...], ...] | None = None
    world_to_camera: tuple[tuple[float, ...], ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """The value of any field of the line, None where it has none."""
        return self.extra.get(key, getattr(self, key, None))


@dataclass(frozen=True)
class Metadata:
    """The records of a file in its order, and one line of text for every problem."""

    records: tuple[Record, ...]
    problems: tuple[str, ...]


def parse_metadata(text: bytes, name: str = FILE_NAME) -> Metadata:
    """Read a metadata file's content (UTF-8, -16 or -32, with a mark or without); `name` is what problems call it."""
    records: dict[str, Record] = {}
    problems: list[str] = []
    if not (encoding := json.detect_encoding(text)).startswith("utf-8"):  # as PowerShell's > writes it
        text = text.decode(encoding, errors="replace").encode("utf-8", errors="replace")
    if text.lstrip().startswith(b"[") and _is_json(text):
        return Metadata((), (f"{name}: a list; write an object {{...}} on each line, without brackets around all",))
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        try:
            record, complaints = parse_record(json.loads(line.decode("utf-8-sig")))
        except (ValueError, RecursionError) as error:
            problems.append(f"{name} line {number}: {_reason(error)}; the line is left out")
            continue
        problems += [f"{name} line {number}: {complaint}; the field is left out" for complaint in complaints]
        if record.file_name in records:
            problems.append(f"{name} line {number}: a second line for {record.file_name}; the line is left out")
            continue
        records[record.file_name] = record
    return Metadata(tuple(records.values()), tuple(problems))


def parse_record(fields: Any, file_name: str | None = None) -> tuple[Record, list[str]]:
    """A record from a JSON object, and what is wrong with fields that were left out.

    Args:
        fields: The object.
        file_name: Of the image, where the object need not say it (the sidecar of a tar sample).

    Raises:
        ValueError: Not an object, or without a usable file name.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"expected an object {{...}}, got {type(fields).__name__}")
    fields = dict(fields)
    given = fields.pop("file_name", None)
    file_name = file_name or given
    if not isinstance(file_name, str) or not file_name:
        raise ValueError(f"file_name must be the image's path, got {given!r}")
    if not is_safe_path(file_name):
        raise ValueError(f"file_name {file_name!r} leaves the folder")
    known: dict[str, Any] = {}
    complaints: list[str] = []
    for key, check in _CHECKS.items():
        if (value := fields.pop(key, None)) is not None:
            try:
                known[key] = check(value)
            except (TypeError, ValueError, OverflowError) as error:
                complaints.append(f"{key} {error}")
    return Record(plain_path(file_name), **known, extra=fields), complaints


def is_safe_path(name: str) -> bool:
    """Whether a path from a file we do not trust names a file inside the folder it is relative to, on any system.

    Any letters are fine, line breaks and bytes that are no text among them: what prints a name escapes it.
    """
    parts = name.replace("\\", "/").split("/")
    return parts[0] != "" and ".." not in parts and not _DRIVE.match(name) and "\0" not in name


def plain_path(name: str) -> str:
    """A safe path without what does not matter: `./photos//0.jpg` is `photos/0.jpg`; "." for the folder itself."""
    return str(PurePosixPath(name))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error.msg} at column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    return str(error) if not isinstance(error, RecursionError) else "nested too deeply"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {_shown(value)}")
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str) or not is_safe_path(value):
        raise ValueError(f"must be a path inside the folder, got {_shown(value)}")
    return plain_path(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a number, got {_shown(value)}")
    return float(value)


def _box(value: Any) -> tuple[float, ...]:
    box = _row(value, 4)
    if not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError(f"must be x0 y0 x1 y1 with x0 < x1 and y0 < y1, got {_shown(value)}")
    return box


def _row(value: Any, length: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != length:
        raise ValueError(f"must be {length} numbers, got {_shown(value)}")
    return tuple(_number(item) for item in value)


def _matrix(value: Any, columns: int) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(f"must be 3 rows of {columns} numbers, got {_shown(value)}")
    return tuple(_row(row, columns) for row in value)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


_CHECKS = {
    "mask_file_name": _path,
    "depth_file_name": _path,
    "category": _text,
    "box": _box,
    "azimuth": _number,
    "elevation": _number,
    "distance": _number,
    "intrinsics": lambda value: _matrix(value, 3),
    "world_to_camera": lambda value: _matrix(value, 4),
}
