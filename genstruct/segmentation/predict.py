"""Masks for a whole set of images, streaming: decode ahead in threads, predict in batches, write in threads.

Memory does not grow with the number of images, and hardly with their size: the network is given a photo of at most
`INPUT_PIXELS` pixels, the mask is enlarged to the photo's own size as bytes, and photos of more than `LARGE` pixels are
decoded and written one at a time.
"""

import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from genstruct.data.read import Picture, read_picture
from genstruct.data.source import Source
from genstruct.data.threads import in_order
from genstruct.errors import ImageError
from genstruct.export.images import overlay, to_uint8, write_png
from genstruct.files import check_space
from genstruct.pixels import to_unit
from genstruct.segmentation.mask_folder import CUTOUT, OVERLAY, MaskFolder, MaskRecord

INPUT_PIXELS = 512 * 512
"""Pixels of a photo as it is given to the network: well above its working size (64) and the refinement's (256)."""
OVERLAY_PIXELS = 2048 * 1536
"""Most pixels of an overlay; it is for looking at."""
LARGE = 32_000_000
_ONE_LARGE = threading.Lock()
_SPARE_BYTES = 32 << 20

T = TypeVar("T")


@runtime_checkable
class Predictor(Protocol):
    """What makes masks, for example a `genstruct.segmentation.segmenter.Segmenter`."""

    fingerprint: str

    def predict(self, images: Sequence[Float[Tensor, "3 _ _"]], refine: bool = False) -> list[Float[Tensor, "1 _ _"]]:
        """Soft masks in [0, 1] of the images' sizes."""
        ...


@dataclass(frozen=True)
class MaskOptions:
    """How to make masks.

    Args:
        batch: Images that the network sees at once.
        refine: Sharpen each mask with its photo's own colours.
        overlay: Also write the photo with the object tinted, at most `OVERLAY_PIXELS` pixels.
        cutout: Also write the object alone (RGBA), at the photo's own size.
        threshold: Pixels above it count as object in area and box; the mask itself stays soft.
        overwrite: Make again what is there, and replace masks by other weights.
        workers: Threads that decode and as many that write; up to 4 if left out.
    """

    batch: int = 16
    refine: bool = False
    overlay: bool = False
    cutout: bool = False
    threshold: float = 0.5
    overwrite: bool = False
    workers: int | None = None

    @property
    def extras(self) -> tuple[str, ...]:
        """Folders to write beside the masks."""
        return (OVERLAY,) * self.overlay + (CUTOUT,) * self.cutout


@dataclass(frozen=True)
class MaskReport:
    """What became of a set: masks made now, masks that were there already, and images without one."""

    made: int
    there: int
    failed: int


@dataclass(frozen=True)
class _Loaded:
    number: int
    crc32: int
    size: tuple[int, int]
    pixels: UInt8[np.ndarray, "height width 3"]


OnRecord = Callable[[MaskRecord, int, int], None]


def extract_masks(
    predictor: Predictor,
    source: Source,
    out: Path,
    options: MaskOptions | None = None,
    on_record: OnRecord | None = None,
) -> MaskReport:
    """Write a mask for each image of a source; images that cannot be used are recorded and passed over.

    A second call does what is missing. Stopping at any moment leaves whole files and a folder that can be continued.

    Args:
        predictor: Makes the masks.
        source: The images.
        out: See `genstruct.segmentation.mask_folder` for what is in it.
        options: How.
        on_record: Called with each new record, the number of images done so far and the number to do.

    Raises:
        OutputError: The folder holds other files or masks by other weights, cannot be written, or the disk is too full.
    """
    options = options or MaskOptions()
    folder = MaskFolder(out, source, options.extras, predictor.fingerprint, options.refine, overwrite=options.overwrite)
    there = len(source) - len(folder.todo)
    folder.open()
    tidy = False
    try:
        check_space(out, _needed_bytes(folder))
        failed = 0
        for done, record in enumerate(_records(predictor, folder, options), 1):
            folder.add(record)
            failed += record.error is not None
            if on_record:
                on_record(record, done, len(folder.todo))
        tidy = True
    finally:
        folder.close(tidy)
    return MaskReport(len(folder.todo) - failed, there, failed)


def measure(
    mask: UInt8[np.ndarray, "height width"], threshold: float = 0.5
) -> tuple[float, tuple[int, int, int, int] | None, float]:
    """Area, box and confidence of a mask, as in `MaskRecord`."""
    inside = mask > 255 * threshold
    area = float(inside.mean())
    if not area:
        return 0.0, None, 0.0
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    shared = float(mask[inside].sum(dtype=np.int64))  # IoU = sum of minima / sum of maxima
    either = 255.0 * int(inside.sum()) + float(mask[~inside].sum(dtype=np.int64))
    return area, box, shared / either


def _records(predictor: Predictor, folder: MaskFolder, options: MaskOptions) -> Iterator[MaskRecord]:
    """A record for each image that is to be done, once its files are written."""
    workers = options.workers or min(4, os.cpu_count() or 1)
    todo = folder.todo

    def load(place: int) -> _Loaded | MaskRecord:
        return _load(folder, todo[place])

    def write(item: tuple[_Loaded, Float[Tensor, "1 _ _"]] | MaskRecord) -> MaskRecord:
        return item if isinstance(item, MaskRecord) else _write(folder, *item, options.threshold)

    loaded = in_order(load, len(todo), workers)
    return _map_behind(write, _predicted(predictor, loaded, options), workers)


def _predicted(
    predictor: Predictor, items: Iterator[_Loaded | MaskRecord], options: MaskOptions
) -> Iterator[tuple[_Loaded, Float[Tensor, "1 _ _"]] | MaskRecord]:
    """Masks for what was loaded, in order; failures pass through."""
    for group in _chunks(items, options.batch):
        good = [item for item in group if isinstance(item, _Loaded)]
        images = [to_unit(item.pixels) for item in good]
        masks = iter(_predict(predictor, images, options.refine))
        for item in group:
            yield (item, next(masks)) if isinstance(item, _Loaded) else item


def _predict(predictor: Predictor, images: list[Float[Tensor, "3 _ _"]], refine: bool) -> list[Float[Tensor, "1 _ _"]]:
    """Masks on the CPU; a batch that does not fit the GPU's memory is halved."""
    if not images:
        return []
    try:
        return [mask.cpu() for mask in predictor.predict(images, refine=refine)]
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    half = len(images) // 2
    return _predict(predictor, images[:half], refine) + _predict(predictor, images[half:], refine)


def _load(folder: MaskFolder, number: int) -> _Loaded | MaskRecord:
    """An image as the network wants it, or the record of its failure."""
    data = b""
    try:
        data = folder.source.read(number)
        picture = _decode(data, folder.source.names[number], folder.source.max_pixels)
        return _Loaded(number, zlib.crc32(data), picture.size, _shrunk(picture.pixels, INPUT_PIXELS))
    except (ImageError, MemoryError) as error:
        return _failure(folder, number, zlib.crc32(data), error)


def _decode(data: bytes, name: str, max_pixels: int) -> Picture:
    shorter = round(INPUT_PIXELS**0.5)
    try:
        return read_picture(data, name, min(LARGE, max_pixels), at_least=shorter)
    except ImageError:  # broken, or large
        with _ONE_LARGE:
            return read_picture(data, name, max_pixels, at_least=shorter)


def _failure(folder: MaskFolder, number: int, crc32: int, error: Exception) -> MaskRecord:
    reason = "too large for the memory there is" if isinstance(error, MemoryError) else str(error)
    return folder.record(number, crc32, error=reason.removeprefix(f"{folder.source.names[number]}: "))


def _write(folder: MaskFolder, loaded: _Loaded, mask: Float[Tensor, "1 _ _"], threshold: float) -> MaskRecord:
    """Write the files of an image, the mask last, and say what it shows."""
    width, height = loaded.size
    paths = folder.paths(loaded.number)
    try:
        with _ONE_LARGE if width * height > LARGE else nullcontext():
            own = np.asarray(Image.fromarray(to_uint8(mask)).resize(loaded.size, Image.Resampling.BILINEAR))
            if OVERLAY in paths or CUTOUT in paths:
                _write_extras(folder, loaded, own, paths)
            write_png(paths["mask"], own)
            area, box, confidence = measure(own, threshold)
    except (ImageError, MemoryError) as error:
        return _failure(folder, loaded.number, loaded.crc32, error)
    found = {"mask_file_name": folder.names[loaded.number], "width": width, "height": height}
    measured = {"area": round(area, 6), "box": box, "confidence": round(confidence, 4)}
    return folder.record(loaded.number, loaded.crc32, **found, **measured)


def _write_extras(
    folder: MaskFolder, loaded: _Loaded, mask: UInt8[np.ndarray, "height width"], paths: dict[str, Path]
) -> None:
    pixels = folder.source.image(loaded.number)
    if CUTOUT in paths:
        write_png(paths[CUTOUT], np.dstack([pixels, mask]))
    if OVERLAY in paths:
        photo = to_unit(_shrunk(pixels, OVERLAY_PIXELS))
        small = to_unit(_shrunk(mask, OVERLAY_PIXELS)[..., None])
        write_png(paths[OVERLAY], to_uint8(overlay(photo, small)))


def _shrunk(pixels: UInt8[np.ndarray, "..."], most: int) -> UInt8[np.ndarray, "..."]:
    """A writable copy with at most about `most` pixels."""
    height, width = pixels.shape[:2]
    scale = (most / (height * width)) ** 0.5
    if scale >= 1:
        return pixels.copy()
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _needed_bytes(folder: MaskFolder) -> int:
    """Roughly what will be written: soft masks take half a JPEG's bytes at most, colour PNGs some six times as many."""
    size = sum(folder.source.entries[number].size for number in folder.todo)
    return _SPARE_BYTES + size // 2 + 6 * size * len(folder.extras)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _map_behind(work: Callable[[T], MaskRecord], items: Iterable[T], workers: int) -> Iterator[MaskRecord]:
    """`work` on each item in threads, results in order, at most twice as many unfinished as there are threads."""
    pool = ThreadPoolExecutor(workers, "masks")
    behind: deque[Future[MaskRecord]] = deque()
    try:
        for item in items:
            behind.append(pool.submit(work, item))
            if len(behind) > 2 * workers:
                yield behind.popleft().result()
        while behind:
            yield behind.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
