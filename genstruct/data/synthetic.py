"""Scenes with known masks: a textured object of one category over a textured background that knows nothing of it.

Object and background draw their colours from the same distribution, from streams of their own, so neither colour nor
place of the object can be told from the background. What tells them apart is what tells real objects apart: a closed
outline of a family of shapes, and shading and stripes that move with it. Scene i depends on (seed, i, category) alone,
whatever the count, and is the same scene at every size.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image

from genstruct.data.drawing import SHAPES, Streams, draw_background, draw_object
from genstruct.data.metadata import FILE_NAME
from genstruct.errors import ConfigError
from genstruct.files import whole_folder
from genstruct.pixels import to_bytes

CATEGORIES = tuple(SHAPES)
AREA = (0.12, 0.33)
"""Share of the picture that the object takes, uniform between these."""
_CHUNK = 64  # scenes at a time: 300 MB at 128 px


class Scenes(NamedTuple):
    """Pictures, sRGB, and their masks: the object's share of each pixel, 0 to 255."""

    images: UInt8[np.ndarray, "n size size 3"]
    masks: UInt8[np.ndarray, "n size size"]


def make_scenes(count: int, size: int, seed: int = 0, category: str = "fish", bands: int = 3) -> Scenes:
    """Make scenes.

    Args:
        count: How many.
        size: Width and height, pixels.
        seed: Of the set; other seeds give other scenes.
        category: One of `CATEGORIES`.
        bands: Most bands and edges of other materials that cross a background; 0 gives calm backgrounds.

    Raises:
        ConfigError: An unknown category, or nothing to make.
    """
    scenes = list(_chunks(count, size, seed, category, bands))
    return Scenes(np.concatenate([s.images for s in scenes]), np.concatenate([s.masks for s in scenes]))


def write_scenes(
    folder: str | Path, count: int, size: int, seed: int = 0, category: str = "fish", bands: int = 3
) -> Path:
    """Make scenes and write `images/`, `masks/` and `metadata.jsonl` into a new folder; returns it. See `make_scenes`.

    Raises:
        ConfigError: An unknown category, or nothing to make.
        OutputError: The folder holds files already or cannot be written.
    """
    folder = Path(folder)
    with whole_folder(folder, count * size * size * 4) as partial:
        (partial / "images").mkdir()
        (partial / "masks").mkdir()
        with (partial / FILE_NAME).open("w") as lines:
            number = 0
            for scenes in _chunks(count, size, seed, category, bands):
                for image, mask in zip(*scenes, strict=True):
                    lines.write(json.dumps(_write_scene(partial, number, image, mask, category)) + "\n")
                    number += 1
    return folder


def _write_scene(folder: Path, number: int, image: np.ndarray, mask: np.ndarray, category: str) -> dict[str, object]:
    names = {"file_name": f"images/{number:05d}.png", "mask_file_name": f"masks/{number:05d}.png"}
    Image.fromarray(image).save(folder / names["file_name"])
    Image.fromarray(mask).save(folder / names["mask_file_name"])
    rows, columns = np.nonzero((mask > 127).any(1))[0], np.nonzero((mask > 127).any(0))[0]
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    return {**names, "category": category, "box": box, "area_fraction": round(float(mask.mean()) / 255, 4)}


def _chunks(count: int, size: int, seed: int, category: str, bands: int) -> Iterator[Scenes]:
    if category not in CATEGORIES:
        raise ConfigError(f"no category {category!r} of synthetic scenes; choose one of {', '.join(CATEGORIES)}")
    if count < 1 or size < 4:
        raise ConfigError(f"need at least 1 scene of at least 4 px, got {count} of {size}")
    for first in range(0, count, _CHUNK):
        yield _render(range(first, min(first + _CHUNK, count)), size, seed, category, bands)


def _render(numbers: range, size: int, seed: int, category: str, bands: int) -> Scenes:
    """Draw at two or three times the size and average: antialiased outlines and textures alike."""
    finer = 3 if size <= 64 else 2
    inside, color = draw_object(Streams(seed, numbers, "object"), size * finer, category, AREA)
    background = draw_background(Streams(seed, numbers, "background"), size * finer, bands)
    picture = F.avg_pool2d(torch.where(inside, color, background), finer)
    return Scenes(to_bytes(picture), to_bytes(F.avg_pool2d(inside.float(), finer))[..., 0])
