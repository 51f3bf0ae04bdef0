"""Small pictures and folders that the tests of this room share."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

# Asymmetric under every turn and mirror: six colours that share no row or column.
ASYMMETRIC = np.array(
    [[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [40, 80, 160]]], dtype=np.uint8
)


def photo(seed: int, width: int = 24, height: int = 20) -> np.ndarray:
    """A smooth random picture [height, width, 3]."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def mask(width: int = 24, height: int = 20, left: int = 4) -> np.ndarray:
    """A block of 255 on 0 [height, width]."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[5:15, left : left + 10] = 255
    return pixels


def encoded(pixels: np.ndarray, kind: str = "png", **options: object) -> bytes:
    """The bytes of an image file."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def fill(folder: Path, names: list[str], **options: int) -> Path:
    """Write one PNG for each name, each another picture."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(photo(number, **options)))
    return folder
