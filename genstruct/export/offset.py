"""The offset test: does a segmenter find objects, or the middle of the picture?

A labelled set is cropped at random so that its objects lie off-centre. A centred prior loses a lot there; a method that
looks at the picture should not.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from genstruct.data.source import Failure, Source, labeled
from genstruct.data.sources import Root, open_source
from genstruct.errors import ImageError, OutputError
from genstruct.export.images import to_uint8, write_png
from genstruct.files import is_occupied, whole_folder, write_text
from genstruct.pixels import to_unit

SIDES = (0.75, 0.875)
"""Crop size as a share of the picture's, both ways alike: 96 to 112 px of 128."""
KEPT = 0.9
"""Least share of the object inside the crop."""
PASSED_ON = (
    "category",
    "object_id",
    "instance",
    "body_type",
    "azimuth",
    "elevation",
    "distance",
    "world_to_camera",
)
"""Metadata that a crop does not change."""


@dataclass(frozen=True)
class OffsetReport:
    """What was written. Distances: of the object's centroid from the picture's centre, in sides, mean over items."""

    written: int
    failures: list[Failure]
    distance: float
    distance_before: float


def valid_placements(
    mask: Float[np.ndarray, "height width"], crop: tuple[int, int], kept: float = KEPT
) -> Bool[np.ndarray, "rows columns"]:
    """For every top-left corner of a crop (height, width), whether at least `kept` of the mask's mass lies inside."""
    height, width = crop
    running = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    running[1:, 1:] = mask.astype(np.float64).cumsum(0).cumsum(1)
    inside = (
        running[height:, width:] - running[:-height, width:] - running[height:, :-width] + running[:-height, :-width]
    )
    # 1e-6: running sums round differently from the total.
    return inside >= (kept - 1e-6) * running[-1, -1]


def offset_box(
    mask: Float[np.ndarray, "height width"], rng: np.random.Generator, farthest: float = 1.0
) -> tuple[int, int, int, int] | None:
    """A random crop (x0, y0, x1, y1): side uniform in `SIDES`, place uniform among the valid ones.

    A crop too small for its object grows to the largest allowed side; None if even that cannot hold it. `farthest`
    keeps only that share of the valid places, those with the object farthest from the crop's centre.
    """
    share, choice = rng.uniform(*SIDES), rng.random()
    for side in (share, SIDES[1]):
        height, width = (max(1, round(side * size)) for size in mask.shape)
        crop = height, width
        places = np.argwhere(valid_placements(mask, crop))
        if not len(places):
            continue
        off_center = np.hypot(*((_centroid(mask) - places - np.array(crop) / 2) / crop).T)
        places = places[np.argsort(-off_center, kind="stable")][: math.ceil(farthest * len(places))]
        y, x = places[int(choice * len(places))].tolist()
        return x, y, x + crop[1], y + crop[0]
    return None


def write_offset_set(
    truth: Root, out: Path, seed: int = 0, limit: int | None = None, farthest: float = 1.0
) -> OffsetReport:
    """Write the offset version of a labelled set: images/, masks/ (PNG) and metadata.jsonl in the same convention.

    The folder appears whole or not at all. An item's crop depends on `seed` and its name alone. Camera intrinsics move
    with the crop; `source_box` tells where in the original it lies.

    Args:
        truth: metadata.jsonl with file_name and mask_file_name, or its folder, or an archive that holds both.
        out: A new or empty folder.
        seed: Of the crops.
        limit: Only the first so many.
        farthest: Share of the valid places, the most off-centre ones, among which to draw; in (0, 1].

    Raises:
        DataError: No metadata with images and masks.
        OutputError: `out` holds files or cannot be written.
    """
    if is_occupied(out):  # told now, not after the work
        raise OutputError(f"{out} already holds files; choose a new folder")
    with open_source(truth) as source:
        numbers, failed = labeled(source)
        lines, distances, taken = [], [], set()
        with whole_folder(out) as folder:
            for number in numbers[:limit]:
                try:
                    line, distance = _write_item(source, number, folder, seed, farthest, taken)
                except ImageError as error:
                    failed.append(Failure(source.names[number], str(error)))
                    continue
                lines.append(json.dumps(line))
                distances.append(distance)
            write_text(folder / "metadata.jsonl", "".join(f"{line}\n" for line in lines))
    after, before = np.mean(distances, 0).tolist() if distances else (0.0, 0.0)
    return OffsetReport(len(lines), failed, after, before)


def _write_item(
    source: Source, number: int, out: Path, seed: int, farthest: float, taken: set[str]
) -> tuple[dict[str, object], tuple[float, float]]:
    """Crop one item; its metadata line, and how far off-centre the object is now and was before."""
    name = source.names[number]
    record, picture = source.records[name], source.image(number)
    mask = to_unit(source.masks[str(record.mask_file_name)][..., None])[0].numpy()
    if picture.shape[:2] != mask.shape:
        sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (mask, picture)]
        raise ImageError(f"{record.mask_file_name}: is {sizes[0]}, its image {sizes[1]}; save it at that size")
    address = f"{seed}/{name}".encode(errors="surrogateescape")
    rng = np.random.default_rng(int.from_bytes(hashlib.blake2s(address).digest()[:8], "big"))
    box = offset_box(mask, rng, farthest)
    if box is None:
        raise ImageError(f"{name}: the object is too large for a crop of {SIDES[1]:.1%} of the side; leave it out")
    stem = Path(name).with_suffix("").as_posix().removeprefix("images/")
    if stem in taken:
        raise ImageError(f"{name}: another image has the same name but for its suffix; rename it")
    taken.add(stem)
    x0, y0, x1, y1 = box
    cropped = mask[y0:y1, x0:x1]
    write_png(out / "images" / f"{stem}.png", picture[y0:y1, x0:x1])
    write_png(out / "masks" / f"{stem}.png", to_uint8(torch.from_numpy(cropped)))
    line = {"file_name": f"images/{stem}.png", "mask_file_name": f"masks/{stem}.png", "source_box": list(box)}
    line |= {field: value for field in PASSED_ON if (value := record.get(field)) is not None}
    line |= _moved(record.intrinsics, x0, y0) | _extent(cropped)
    return line, (_off_center(cropped), _off_center(mask))


def _moved(intrinsics: tuple[tuple[float, ...], ...] | None, x0: int, y0: int) -> dict[str, object]:
    """The 3x3 intrinsics after a crop: the principal point moves, the focal length stays."""
    if intrinsics is None:
        return {}
    matrix = np.array(intrinsics, np.float64)
    matrix[0, 2] -= x0
    matrix[1, 2] -= y0
    return {"intrinsics": matrix.round(5).tolist()}


def _extent(mask: Float[np.ndarray, "height width"]) -> dict[str, object]:
    """`box` (x0 y0 x1 y1 in pixels) and `area_fraction` of the object."""
    rows, columns = np.nonzero(mask > 0.5)
    if not len(rows):
        return {"area_fraction": 0.0}
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return {"box": [int(edge) for edge in box], "area_fraction": round(float((mask > 0.5).mean()), 4)}


def _centroid(mask: Float[np.ndarray, "height width"]) -> Float[np.ndarray, " 2"]:
    """Centre of the mask's mass (y, x) in pixels; the middle of the picture for an empty mask."""
    total = mask.sum()
    if not total:
        return np.array(mask.shape) / 2
    return np.array([mask.sum(1 - axis) @ (np.arange(size) + 0.5) / total for axis, size in enumerate(mask.shape)])


def _off_center(mask: Float[np.ndarray, "height width"]) -> float:
    """Distance of the mask's centroid from the picture's centre, in sides."""
    return float(np.hypot(*(_centroid(mask) / mask.shape - 0.5)))
