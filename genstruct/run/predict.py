"""Predictions for a whole set of images, streaming: decode ahead in threads, predict in batches, write in threads.

Memory does not grow with the number of images, and hardly with their size: the model is given a photo of at most
`INPUT_PIXELS` pixels, and photos of more than `LARGE` pixels are decoded and written one at a time.

One image never ends the set, whatever its decoding, prediction or writing raises: its line in the list says why it has
no result. A disk that takes no more ends the set, with one line that names the file; a later run goes on.
"""

import errno
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from genstruct.data.read import Picture, read_picture
from genstruct.data.source import Source
from genstruct.data.threads import in_order, mapped
from genstruct.errors import GenstructError, ImageError, OutputError
from genstruct.files import check_space, locked
from genstruct.pixels import to_unit
from genstruct.run.ledger import ERROR, Ledger, Line, check_ours

INPUT_PIXELS = 512 * 512
"""Pixels of a photo as it is given to the model."""
LARGE = 32_000_000
_ONE_LARGE = threading.Lock()
_SPARE_BYTES = 32 << 20
_ENDS_THE_SET = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENODEV, errno.ESTALE)
"""What every image would meet: no room, a broken or a vanished disk."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Photo:
    """An image on its way.

    Args:
        source: It is one of these.
        number: Its place there.
        size: Its own width and height, pixels.
        pixels: As the model sees it, shrunk to about `INPUT_PIXELS`.
        crc32: Of its file.
        files: Where its results go, by kind.
        names: The same, relative to the folder, for its line.
    """

    source: Source
    number: int
    size: tuple[int, int]
    pixels: UInt8[np.ndarray, "height width 3"]
    crc32: int
    files: Mapping[str, Path] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def image(self) -> Float[Tensor, "3 height width"]:
        """As the model sees it, sRGB in [0, 1]."""
        return to_unit(self.pixels)

    def whole(self) -> UInt8[np.ndarray, "height width 3"]:
        """Its pixels in full, decoded once more. Raises ImageError."""
        return self.source.image(self.number)


@runtime_checkable
class Task(Protocol[R]):
    """What is predicted for each image."""

    @property
    def name(self) -> str:
        """Of the list, in the plural: "masks" for `masks.jsonl`."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """Which files each image gets: a pattern by kind, `{"mask": "{}.png"}`; empty for none. The line of an image
        names its file as `KIND_file_name`."""
        ...

    @property
    def made_by(self) -> Mapping[str, Any]:
        """What decides a result beside the photo, plain values: a part of every line. Results by other values are not
        replaced unless told to."""
        ...

    def predict(self, photos: Sequence[Photo]) -> Sequence[R]:
        """A result for each of the photos."""
        ...

    def write(self, photo: Photo, result: R) -> Mapping[str, Any]:
        """Write the files of an image, and say what its line does; called from several threads."""
        ...

    def bytes_for(self, size: int) -> int:
        """Roughly what is written for images of `size` bytes in all."""
        ...


@dataclass(frozen=True)
class StreamOptions:
    """How to go through a set.

    Args:
        batch: Images that the model sees at once.
        overwrite: Do again what is there, and replace what other weights made.
        workers: Threads that decode and as many that write; up to 4 if left out.
    """

    batch: int = 16
    overwrite: bool = False
    workers: int | None = None


@dataclass(frozen=True)
class SetReport:
    """What became of a set.

    Args:
        made: Results made now.
        there: Results that were there already.
        failed: Images without one.
        replaced: Photos that had changed since, whose results were made again.
    """

    made: int
    there: int
    failed: int
    replaced: tuple[str, ...] = ()


OnLine = Callable[[Line, int, int], None]


def predict_set(
    task: Task[R],
    source: Source,
    out: Path,
    options: StreamOptions | None = None,
    on_line: OnLine | None = None,
) -> SetReport:
    """Predict for each image of a source; images that cannot be used are recorded and passed over.

    A second call does what is missing. Stopping at any moment leaves whole files and a folder that can be continued.

    Args:
        task: What is predicted.
        source: The images.
        out: See `genstruct.run.ledger` for what is in it.
        options: How.
        on_line: Called with each new line, the number of images done so far and the number to do.

    Raises:
        OutputError: The folder holds other files or results by other weights, another process writes there, it cannot
            be written, or the disk is too full.
    """
    options = options or StreamOptions()
    check_ours(out, task.name)
    with locked(out):
        ledger = Ledger(out, task.name, source, task.files, task.made_by, options.overwrite)
        ledger.open()
        failed, tidy = 0, False
        try:
            size = sum(source.entries[number].size for number in ledger.todo)
            check_space(out, _SPARE_BYTES + task.bytes_for(size))
            for done, line in enumerate(_Stream(task, ledger, options).lines(), 1):
                ledger.add(line)
                failed += ERROR in line
                if on_line:
                    on_line(line, done, len(ledger.todo))
            tidy = True
        finally:
            ledger.close(tidy)
    made = len(ledger.todo) - failed
    return SetReport(made, len(source) - len(ledger.todo), failed, tuple(ledger.replaced))


def shrunk(pixels: UInt8[np.ndarray, "..."], most: int) -> UInt8[np.ndarray, "..."]:
    """A writable copy with at most about `most` pixels."""
    height, width = pixels.shape[:2]
    scale = (most / (height * width)) ** 0.5
    if scale >= 1:
        return pixels.copy()
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


@dataclass(frozen=True)
class _Failed:
    """An image without a result, and why."""

    number: int
    crc32: int
    reason: str


@dataclass(frozen=True)
class _Stream(Generic[R]):
    task: Task[R]
    ledger: Ledger
    options: StreamOptions

    def lines(self) -> Iterator[Line]:
        """A line for each image that is to be done, once its files are written."""
        workers = self.options.workers or min(4, os.cpu_count() or 1)
        todo = self.ledger.todo
        loaded = in_order(lambda place: self.load(todo[place]), len(todo), workers)
        return mapped(self.write, self.predicted(loaded), workers, 2)

    def load(self, number: int) -> Photo | _Failed:
        """An image as the model wants it, or its failure."""
        source, data = self.ledger.source, b""
        try:
            data = source.read(number)
            picture = _decode(data, source.names[number], source.max_pixels)
            files, names = self.ledger.paths(number), self.ledger.names(number)
            pixels = shrunk(picture.pixels, INPUT_PIXELS)
            return Photo(source, number, picture.size, pixels, zlib.crc32(data), files, names)
        except Exception as error:  # whatever a decoder, a file system, an archive raise concerns this image alone
            return _Failed(number, zlib.crc32(data), _reason(error, source.names[number]))

    def predicted(self, items: Iterator[Photo | _Failed]) -> Iterator[tuple[Photo, R] | _Failed]:
        """Results for what was loaded, in order; failures pass through."""
        while group := list(islice(items, self.options.batch)):
            results = iter(self.predict([item for item in group if isinstance(item, Photo)]))
            for item in group:
                yield next(results) if isinstance(item, Photo) else item

    def predict(self, photos: list[Photo]) -> list[tuple[Photo, R] | _Failed]:
        """A batch that does not fit the memory, or with an image that the model cannot take, is halved."""
        if not photos:
            return []
        try:
            results = self.task.predict(photos)
            return list(zip(photos, results, strict=True))
        except Exception as error:
            if len(photos) == 1:
                reason = _reason(error, photos[0].source.names[photos[0].number])
                return [_Failed(photos[0].number, photos[0].crc32, reason)]
        half = len(photos) // 2
        return self.predict(photos[:half]) + self.predict(photos[half:])

    def write(self, item: tuple[Photo, R] | _Failed) -> Line:
        """Write the files of an image and make its line."""
        if isinstance(item, _Failed):
            return self.ledger.failed(item.number, item.crc32, item.reason)
        photo, result = item
        width, height = photo.size
        try:
            with _ONE_LARGE if width * height > LARGE else nullcontext():
                return self.ledger.line(photo.number, photo.crc32, self.task.write(photo, result))
        except Exception as error:
            if _ends_the_set(error):
                raise
            reason = _reason(error, photo.source.names[photo.number])
            return self.ledger.failed(photo.number, photo.crc32, reason)


def _decode(data: bytes, name: str, max_pixels: int) -> Picture:
    shorter = round(INPUT_PIXELS**0.5)
    try:
        return read_picture(data, name, min(LARGE, max_pixels), at_least=shorter)
    except ImageError:  # broken, or large
        with _ONE_LARGE:
            return read_picture(data, name, max_pixels, at_least=shorter)


def _reason(error: Exception, name: str) -> str:
    """Why an image has no result."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "too large for the memory there is"
    cause = _system_error(error)
    if isinstance(error, OutputError) and cause is not None:  # which names a path that the line names already
        return f"its result cannot be written ({cause.strerror or cause})"
    if isinstance(error, GenstructError):
        return str(error).removeprefix(f"{name}: ")
    return f"failed ({type(error).__name__}: {' '.join(str(error).split())[:300]})"


def _ends_the_set(error: Exception) -> bool:
    cause = _system_error(error)
    return cause is not None and cause.errno in _ENDS_THE_SET


def _system_error(error: BaseException | None) -> OSError | None:
    """The failure of the system that an error was made of."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error
