"""Packing a set of images into an archive: decode every file once, in threads, and keep squares of one size.

Files that cannot be used are reported and left out; the archive appears whole or not at all. Packing the same set with
the same policy again does nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from genstruct.data.archive import FORMAT, Archive, read_index
from genstruct.data.crop import POLICIES, Policy, Region, choose_region, cut
from genstruct.data.likeness import strangeness
from genstruct.data.read import read_picture, told
from genstruct.data.source import Source
from genstruct.data.sources import Root, open_source
from genstruct.data.threads import in_order
from genstruct.errors import ConfigError, DataError, GenstructError, ImageError, OutputError
from genstruct.files import is_occupied, whole_folder

Progress = Callable[[int, int], None]
"""Called with the number of images done and the number of all."""


@dataclass(frozen=True)
class Squaring:
    """How a picture becomes a square.

    Args:
        size: Width and height, pixels.
        crop: Which region is kept, see `genstruct.data.crop`.
        margin: Around the box, as a fraction of its longer side (crop "box").
        seed: Of random crops.
        smallest: Regions with a shorter side of fewer pixels are left out; those between this and `size` are enlarged
            and reported. Left out: a quarter of `size`.
    """

    size: int
    crop: Policy = "center"
    margin: int | float = 0.15
    seed: int = 0
    smallest: int | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size must be at least 1 pixel, got {self.size}")
        if self.crop not in POLICIES:
            raise ConfigError(f"no crop {self.crop!r}; choose one of {', '.join(POLICIES)}")
        if not -0.5 < self.margin <= 10:
            raise ConfigError(f"margin must be between -0.5 and 10 times the box, got {self.margin}")


@dataclass(frozen=True)
class Square:
    """A picture made square: the pixels, where they come from, the upright picture's width and height, and a remark."""

    pixels: UInt8[np.ndarray, "size size 3"]
    region: Region
    picture: tuple[int, int]
    frames: int = 1
    remark: str | None = None


@dataclass(frozen=True)
class PackReport:
    """What packing did.

    Args:
        archive: The result, opened.
        reused: Nothing was done, the archive was there already.
        skipped: Name and reason of images that were left out.
        enlarged: Names of images smaller than the squares, which were enlarged.
        animated: Names of files of several frames, of which the first was taken.
        notes: Remarks on the pictures, one line each; empty for what an older version packed.
    """

    archive: Archive
    reused: bool
    skipped: tuple[tuple[str, str], ...]
    enlarged: tuple[str, ...]
    animated: tuple[str, ...]
    notes: tuple[str, ...] = ()


def pack(
    source: Source,
    out: str | Path,
    size: int,
    crop: Policy = "center",
    workers: int | None = None,
    on_progress: Progress | None = None,
    *,
    margin: int | float = 0.15,
    seed: int = 0,
    smallest: int | None = None,
    overwrite: bool = False,
) -> PackReport:
    """Pack a source into an archive folder.

    Args:
        source: The images.
        out: The folder to make.
        size: Width and height of the packed images in pixels.
        crop: Which region of each picture is kept; with `margin`, `seed` and `smallest`, see `Squaring`.
        workers: Decoding threads; as many as there are processors if left out.
        on_progress: Called after each image.
        overwrite: Replace an archive of another set or policy. Anything that is not an archive is never replaced.

    Raises:
        DataError: No image could be used.
        OutputError: `out` cannot be written, holds something else, or the disk is too full.
    """
    out, squaring = Path(out), Squaring(size, crop, margin, seed, smallest)
    fingerprint = fingerprint_of(source, squaring)
    if (archive := _existing(out, fingerprint, source, squaring, overwrite)) is not None:
        return _report(archive, reused=True)
    try:
        with whole_folder(out, len(source) * size * size * 3, replace=True) as folder:
            index = _write_images(source, squaring, folder / "images.bin", workers, on_progress)
            (folder / "index.json").write_text(json.dumps(index | {"fingerprint": fingerprint}))
    except OutputError:
        # Another process may have packed the same meanwhile, and then all is well.
        if (archive := _existing(out, fingerprint, source, squaring, overwrite=False)) is not None:
            return _report(archive, reused=True)
        raise
    return _report(Archive.open(out), reused=False)


def make_square(source: Source, number: int, squaring: Squaring) -> Square:
    """Decode one image of a source and cut its square. Raises `ImageError`."""
    name = source.entries[number].name
    # A JPEG may be decoded at a fraction of its size, if twice the final size is left for the antialiased resize. What
    # share of the picture a box takes is not known before its header is read, so those are decoded in full.
    at_least = {"box": None, "random": 3 * squaring.size}.get(squaring.crop, 2 * squaring.size)
    picture = read_picture(source.read(number), name, source.max_pixels, at_least)
    (width, height), record = picture.size, source.records.get(name)
    box = record.box if record else None
    region = choose_region(width, height, squaring.crop, name, squaring.seed, box, squaring.margin)
    smallest = squaring.size // 4 if squaring.smallest is None else squaring.smallest
    if region.side < smallest:
        raise ImageError(
            f"{name}: too small, {region.side:.0f} of {smallest} pixels needed; choose a smaller size or leave it out"
        )
    decoded = region.scaled(picture.pixels.shape[1] / width, picture.pixels.shape[0] / height)
    pixels = cut(picture.pixels, decoded, squaring.size)
    return Square(pixels, region, picture.size, picture.frames, picture.remark or strangeness(pixels))


def _attempt(source: Source, number: int, squaring: Squaring) -> Square | ImageError:
    try:
        return make_square(source, number, squaring)
    except ImageError as error:
        return error


def truth_masks(source: Source, archive: Archive) -> UInt8[np.ndarray, "n size size"]:
    """Ground-truth masks cut like the images of an archive: for evaluation and supervised ceilings only.

    Args:
        source: What the archive was packed from; its metadata names the masks.
        archive: With regions.

    Raises:
        ImageError: An image without a mask, or a mask of another size than its picture.
    """
    records = source.records
    masks = np.empty((len(archive), archive.size, archive.size), np.uint8)
    for number, name in enumerate(archive.names):
        record = records.get(name)
        if record is None or record.mask_file_name is None:
            raise ImageError(f"{name}: no mask_file_name in the metadata of {source.description}; add it")
        path = record.mask_file_name
        mask = source.masks[path]
        if mask.shape[::-1] != archive.pictures[number]:
            width, height = archive.pictures[number]
            found = f"{mask.shape[1]} x {mask.shape[0]}"
            raise ImageError(
                f"{path}: {found} pixels, but its picture {name} has {width} x {height}; save it at that size"
            )
        masks[number] = cut(mask, archive.regions[number], archive.size)
    return masks


def stored(squaring: Squaring) -> dict[str, Any]:
    """How an archive writes its policy: "center" by the word of the first archives, which so stay valid."""
    return asdict(squaring) | ({"crop": "centre"} if squaring.crop == "center" else {})


def fingerprint_of(source: Source, squaring: Squaring) -> str:
    """A digest of all that decides the content of an archive: names, sizes and times of the files, and the policy."""
    boxes = [record.box for record in source.records.values()] if squaring.crop == "box" else []
    entries = [(entry.name, entry.size, entry.changed) for entry in source.entries]
    content = json.dumps([FORMAT, stored(squaring), source.max_pixels, entries, boxes])
    return hashlib.sha256(content.encode()).hexdigest()


def holds(archive: Path, root: Root | Sequence[Root], size: int, crop: Policy) -> bool:
    """Whether an archive was packed of these very files, wherever they lie now and however their place is written.

    False too where names, sizes and times of the files are not all known: then nothing proves it.
    """
    try:
        there = read_index(archive).get("fingerprint")
        with open_source(root) as source:
            known = all(entry.changed for entry in source.entries)
            return known and there == fingerprint_of(source, Squaring(size, crop))
    except GenstructError:
        return False


def _existing(out: Path, fingerprint: str, source: Source, squaring: Squaring, overwrite: bool) -> Archive | None:
    """The very archive where it is there already; None where it can be made.

    Raises:
        OutputError: Something is there that must not be replaced.
    """
    if not is_occupied(out):
        return None
    try:
        index = read_index(out)
    except DataError as error:
        raise OutputError(f"{out} holds other files; choose a new folder") from error
    if index.get("fingerprint") == fingerprint:
        try:
            return Archive.open(out)
        except DataError:  # damaged since; the fingerprint says that it can be made again
            return None
    if overwrite:
        return None
    remedy = "choose another folder or overwrite it"
    if index.get("policy") == stored(squaring) and _names(index) == set(source.names):
        raise OutputError(
            f"{out} holds an archive of files of these names, but of other sizes, times of change, boxes or limits; if "
            f"they were copied, copy them with their times (cp -p), otherwise {remedy}"
        )
    raise OutputError(
        f"{out} holds an archive of another set, size or crop ({index.get('source')}, {index.get('size')} px); {remedy}"
    )


def _names(index: Mapping[str, Any]) -> set[str]:
    """Names of all images that an archive was made from."""
    return {*index.get("names", ()), *(name for name, _ in index.get("skipped", ()))}


def _write_images(
    source: Source, squaring: Squaring, path: Path, workers: int | None, on_progress: Progress | None
) -> dict[str, object]:
    """Write the pixels in the order of the source; returns the index."""
    names, regions, pictures, skipped, enlarged, animated, remarks = [], [], [], [], [], [], []
    with path.open("wb") as file:
        squares = in_order(lambda number: _attempt(source, number, squaring), len(source), workers)
        for done, (name, square) in enumerate(zip(source.names, squares, strict=True), 1):
            if isinstance(square, Square):
                file.write(square.pixels.data)
                names.append(name)
                regions.append((square.region.left, square.region.top, square.region.right, square.region.bottom))
                pictures.append(square.picture)
                enlarged += [name] * (square.region.side < squaring.size)
                animated += [name] * (square.frames > 1)
                remarks.append((name, square.remark))
            else:
                skipped.append((name, str(square)))
            if on_progress is not None:
                on_progress(done, len(source))
        file.flush()
        os.fsync(file.fileno())
    if not names:
        raise DataError(f"{source.description}: none of {len(source)} images can be used; the first: {skipped[0][1]}")
    return {
        "genstruct_archive": FORMAT,
        "size": squaring.size,
        "source": source.description,
        "policy": stored(squaring),
        "names": names,
        "regions": regions,
        "pictures": pictures,
        "skipped": skipped,
        "enlarged": enlarged,
        "animated": animated,
        "notes": told("pictures", remarks),
    }


def _report(archive: Archive, reused: bool) -> PackReport:
    assert archive.path is not None  # it was packed into a file
    index = read_index(archive.path)
    enlarged, animated = (tuple(index[key]) for key in ("enlarged", "animated"))
    return PackReport(archive, reused, archive.skipped, enlarged, animated, tuple(index.get("notes", ())))
