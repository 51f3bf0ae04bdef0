"""A folder of masks: how its files are called, what is written about each, and what a second run need not do again.

```text
OUT/photo.png  OUT/trip/photo.png   8-bit soft masks, named like the images: folders kept, suffix replaced
OUT/masks.jsonl                     one line an image (`MaskRecord`); its presence marks the folder as ours
OUT/overlay/  OUT/cutout/           on request
```

Two images that differ only by their suffix keep it: `a.jpg` and `a.png` give `a.jpg.png` and `a.png.png`.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import IO, Any

from genstruct.data.source import Source
from genstruct.errors import ImageError, OutputError
from genstruct.files import check_vacant, unwritable, write_text

RECORDS = "masks.jsonl"
OVERLAY, CUTOUT = "overlay", "cutout"


@dataclass(frozen=True)
class MaskRecord:
    """A line of `masks.jsonl`.

    Args:
        file_name: Of the image, relative to its source.
        mask_file_name: Of the mask, relative to the folder; None after an error.
        width: Of image and mask, pixels.
        height: Of image and mask, pixels.
        area: Share of the picture above the threshold, in [0, 1].
        box: x0, y0, x1, y1 around the pixels above the threshold, pixels; None when there are none.
        confidence: How decided the mask is, in [0, 1]: IoU of the soft mask with itself thresholded.
        error: Why there is no mask.
        model: Fingerprint of the weights.
        refined: Whether the photo's own colours refined the mask.
        bytes: Size of the image file, as its source knows it.
        changed: Date of the image file, in the unit of its source.
        crc32: Of the image file.
    """

    file_name: str
    mask_file_name: str | None = None
    width: int | None = None
    height: int | None = None
    area: float | None = None
    box: tuple[int, int, int, int] | None = None
    confidence: float | None = None
    error: str | None = None
    model: str = ""
    refined: bool = False
    bytes: int = 0
    changed: int = 0
    crc32: int = 0

    def line(self) -> str:
        """As JSON, without what is unknown."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None}) + "\n"


def mask_names(images: Sequence[str]) -> list[str]:
    """A mask's file name for each image: unique, also where upper and lower case are one."""
    whole: set[int] = set()  # images that keep their suffix
    while True:
        names = [n if i in whole else str(PurePosixPath(n).with_suffix("")) for i, n in enumerate(images)]
        groups: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            groups[name.casefold()].append(number)
        clashing = {number for group in groups.values() if len(group) > 1 for number in group} - whole
        if not clashing:
            return [f"{name}.png" for name in names]
        whole |= clashing


class MaskFolder:
    """The folder that masks are written to.

    Args:
        out: New, empty, or written by an earlier run.
        source: The images.
        extras: `OVERLAY`, `CUTOUT` or both, to be written beside the masks.
        model: Fingerprint of the weights.
        refined: Whether masks are refined.
        overwrite: Make masks again that are there, and replace those of another model or of other images.

    Raises:
        OutputError: Other files are there, or masks of other weights, settings or images that would be replaced.
    """

    def __init__(
        self, out: Path, source: Source, extras: Iterable[str], model: str, refined: bool, overwrite: bool = False
    ) -> None:
        self.out, self.source, self.extras = out, source, tuple(extras)
        self.model, self.refined = model, refined
        self.names = mask_names(source.names)
        self._file: IO[str] | None = None
        self._check_names()
        self.records = _read_records(out)
        self.todo = list(range(len(source))) if overwrite else self._missing()

    def open(self) -> None:
        """Begin to write: the folder and `masks.jsonl` are there from now on."""
        for number in self.todo:
            self.records.pop(self.source.names[number], None)
        self._rewrite()
        try:
            self._file = (self.out / RECORDS).open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise unwritable(self.out / RECORDS, error) from error

    def add(self, record: MaskRecord) -> None:
        """Append a line, which is on its way to the disk when this returns."""
        assert self._file is not None
        self.records[record.file_name] = record
        try:
            self._file.write(record.line())
        except OSError as error:
            raise unwritable(self.out / RECORDS, error) from error

    def close(self, tidy: bool = True) -> None:
        """End; `tidy` brings the lines into the order of the source."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if tidy:
                self._rewrite()

    def paths(self, number: int) -> dict[str, Path]:
        """Files of an image by kind: "mask" and the extras."""
        name = self.names[number]
        return {"mask": self.out / name, **{extra: self.out / extra / name for extra in self.extras}}

    def record(self, number: int, crc32: int, **found: Any) -> MaskRecord:
        """The line of an image, whose file has this checksum."""
        entry = self.source.entries[number]
        return MaskRecord(
            entry.name,
            model=self.model,
            refined=self.refined,
            bytes=entry.size,
            changed=entry.changed,
            crc32=crc32,
            **found,
        )

    def _check_names(self) -> None:
        planned = {path for number in range(len(self.names)) for path in self.paths(number).values()}
        if len(planned) < len(self.names) * (1 + len(self.extras)) or self.out / RECORDS in planned:
            raise OutputError(
                f"{self.source.description} has a folder called {OVERLAY} or {CUTOUT}, where extras would be written; "
                "run without --overlay and --cutout"
            )

    def _missing(self) -> list[int]:
        """Images without a mask of this model; those with another's are an error."""
        todo, foreign = [], []
        for number, name in enumerate(self.source.names):
            record = self.records.get(name)
            if record is None or record.error is not None:
                todo.append(number)
            elif not self._is_ours(number, record):
                foreign.append(name)
            elif record.mask_file_name != self.names[number] or not all(
                p.exists() for p in self.paths(number).values()
            ):
                todo.append(number)
        if foreign:
            raise OutputError(
                f"{self.out} holds masks by other weights or settings, or of other images ({len(foreign)} of "
                f"{len(self.names)}, such as {foreign[0]}); give another folder, or --overwrite"
            )
        return todo

    def _is_ours(self, number: int, record: MaskRecord) -> bool:
        if (record.model, record.refined) != (self.model, self.refined):
            return False
        entry = self.source.entries[number]
        if record.bytes != entry.size or record.changed == entry.changed:
            return record.bytes == entry.size
        try:  # a copy of the file has another date
            return zlib.crc32(self.source.read(number)) == record.crc32
        except ImageError:
            return False

    def _rewrite(self) -> None:
        order = {name: number for number, name in enumerate(self.source.names)}
        records = sorted(self.records.values(), key=lambda r: (order.get(r.file_name, -1), r.file_name))
        write_text(self.out / RECORDS, "".join(record.line() for record in records))


def _read_records(out: Path) -> dict[str, MaskRecord]:
    """Lines of an earlier run by image. Raises OutputError for a folder that is not ours."""
    file = out / RECORDS
    try:
        if not file.exists():
            check_vacant(out)
            return {}
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{file} cannot be read ({error}); give another folder") from error
    lines = text.split("\n")[:-1]  # what follows the last line break was cut off while it was written
    records = {}
    for number, line in enumerate(lines, 1):
        try:
            record = _parse(line)
        except (ValueError, TypeError) as error:
            raise OutputError(f"{file} line {number} is not about a mask; give another folder") from error
        records[record.file_name] = record
    return records


def _parse(line: str) -> MaskRecord:
    values = json.loads(line)
    known = {field.name for field in fields(MaskRecord)}
    box = values.get("box")
    return MaskRecord(**{k: v for k, v in values.items() if k in known and k != "box"}, box=box and tuple(box))
