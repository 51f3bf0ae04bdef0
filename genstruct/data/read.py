"""Files to pixels: any mode, bit depth and orientation in, upright 8-bit sRGB out, or one clear line of error.

Choices a reader should know:

- Orientation (EXIF) is applied, so height and width are those a viewer shows.
- Transparent pictures are laid over white, what browsers and printers show behind a cut-out. A BMP or TGA whose alpha
  is 0 everywhere shows its colours: their writers leave that byte empty. What hides all of a picture is told.
- 16-bit values are divided by 257 and rounded (65535 becomes 255; dropping the low byte would darken by half a level).
  Pillow reads 16-bit colour PNG and TIFF by its high byte already. Twelve bits in sixteen come out dark, which is told.
- Animations and multi-page files give their first frame; `Picture.frames` says how many there were.
- Colour profiles are not applied: wide-gamut photographs come out a little pale.

Masks are read by `genstruct.data.masks`, from what is opened here.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps

from genstruct.errors import ImageError

MAX_PIXELS = 200_000_000
"""Default limit on width times height: 600 MB as RGB. The largest cameras on sale reach 150 million."""

Transparent = Literal["over white", "ignored"]

WHOLLY_TRANSPARENT = "are wholly transparent, so they show nothing but white; export them without transparency"
EMPTY_ALPHA = "have an alpha channel that is 0 everywhere; their colours are used"
TOO_DARK = "have 16 bits but no value above 4095 of 65535, so they are dark; if they hold 12 bits, multiply them by 16"
_LEAVE_ALPHA_EMPTY = ("BMP", "DIB", "TGA")
_PROGRAMS = ("EPS", "WMF")
"""Formats, whatever the file is called, that Pillow gives to other programs."""
_PILLOW_LIMIT = threading.Lock()


Remarks = Iterable[tuple[str, str | None]]


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Args:
        pixels: sRGB, upright.
        mode: Of the file, as Pillow names it ("RGB", "L", "I;16", ...).
        size: Width and height of the upright file in pixels; `pixels` is smaller where `at_least` allowed it.
        frames: Frames or pages of the file; `pixels` is the first.
        remark: What a reader should know, as the end of "pictures ...", or None.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    mode: str
    size: tuple[int, int]
    frames: int = 1
    remark: str | None = None


def decode_image(
    data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "height width 3"]:
    """Upright sRGB pixels of an image file. See `read_picture`."""
    return read_picture(data, name, max_pixels).pixels


def read_picture(
    data: bytes | Path,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    at_least: int | None = None,
    transparent: Transparent = "over white",
) -> Picture:
    """Decode an image file.

    Args:
        data: The file's bytes, or its path.
        name: What errors call it; the path if left out.
        max_pixels: Larger pictures are refused before they are decoded (decompression bombs).
        at_least: Allow a JPEG to be decoded at 1/2, 1/4 or 1/8 of its size while its shorter side keeps at least this
            many pixels: several times faster for photographs that are about to be shrunk.
        transparent: Laid over white, or the colours as they are in the file: in textures of meshes alpha often means
            something else.

    Raises:
        ImageError: Unreadable, truncated, empty, too large, or not an image.
    """
    with opened(data, name, max_pixels) as image:
        mode, size = image.mode, image.size
        if at_least is not None:
            image.draft(None, (at_least, at_least))
        if stand_upright(image):
            size = size[1], size[0]
        pixels, remark = _to_rgb(image, transparent)
        return Picture(pixels, mode, size, getattr(image, "n_frames", 1), remark)


def told(what: str, remarks: Remarks) -> list[str]:
    """A line for each remark of names with remarks: how many have it, and which is one of them."""
    groups: dict[str, list[str]] = {}
    for name, remark in remarks:
        if remark is not None:
            groups.setdefault(remark, []).append(name)
    return [f"{len(names)} {what} (such as {min(names)}) {text}" for text, names in sorted(groups.items())]


@contextmanager
def opened(data: bytes | Path, name: str | None, max_pixels: int) -> Iterator[Image.Image]:
    """The file, its header read; whatever the decoder raises inside the block becomes an `ImageError`."""
    name = name or (str(data) if isinstance(data, Path) else "image")
    try:
        with _open(data) as image:
            if image.format in _PROGRAMS:
                raise ImageError(
                    f"{name}: {image.format} is a program that draws and is not read; save it as JPEG or PNG"
                )
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError(
                    f"{name}: {width} x {height} pixels, over the limit of {max_pixels}; shrink it or raise the limit"
                )
            if not width * height:
                raise ImageError(f"{name}: has no pixels ({width} x {height}); remove it or replace it")
            yield image
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name}: too large for the memory there is; shrink it or leave it out") from error
    except Exception as error:  # decoders of some forty formats raise whatever a broken file makes them raise
        raise ImageError(f"{name}: {_reason(data, error)}; {_advice(error)}") from error


def _open(data: bytes | Path) -> Image.Image:
    # Pillow's own limit is a module global that warns on stderr and then raises. Opening reads headers only, so holding
    # the limit off here costs other threads nothing, and ours applies to the size before anything is decoded.
    with _PILLOW_LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(data if isinstance(data, Path) else BytesIO(data))
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _advice(error: Exception) -> str:
    """What the system does not hand over may be a good file."""
    by_system = isinstance(error, OSError) and error.errno is not None
    return "check the file and its permissions" if by_system else "remove it or replace it"


def _reason(data: bytes | Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if (len(data) if isinstance(data, bytes) else data.stat().st_size) == 0:
        return "an empty file"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, or of a format that cannot be read"
    return f"cannot be decoded ({' '.join(str(error).split()) or type(error).__name__})"


def stand_upright(image: Image.Image) -> bool:
    """Decode, and turn as EXIF says, in place; whether rows became columns.

    The pixels' own proportions cannot tell: a JPEG of 999 x 1000 that is decoded at half its size is square.
    """
    image.load()
    with suppress(Exception):  # a broken EXIF block says nothing about orientation; the pixels are fine
        orientation = image.getexif().get(ExifTags.Base.Orientation)  # gone once it is applied, as TIFF's is by now
        ImageOps.exif_transpose(image, in_place=True)  # the other way copies every picture, turned or not
        return orientation in (5, 6, 7, 8)
    return False


def has_alpha(image: Image.Image) -> bool:
    """Whether the file says what is transparent: in a channel, or by naming a colour."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def is_deep(image: Image.Image) -> bool:
    """Whether values have more than 8 bits: greys of 16 and 32 bits, and floats."""
    return image.mode.startswith(("I", "F"))


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float greys to 8 bits, a transparent value to an alpha channel; other modes as they are.

    Raises:
        ValueError: Values of no known range.
    """
    if not is_deep(image):
        return image
    values = np.asarray(image)
    gray = np.rint(values.astype(np.float64) * (255 / _top(image.mode, values))).astype(np.uint8)
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return Image.fromarray(gray)
    return Image.fromarray(np.stack([gray, np.where(values == clear, 0, 255).astype(np.uint8)], -1))


def _top(mode: str, values: np.ndarray) -> float:
    """The value that is white."""
    low, high = float(values.min()), float(values.max())
    if mode == "F" and low >= 0 and high <= 1:
        return 1.0
    if mode == "F" and low >= 0 and high <= 255:
        return 255.0
    if low >= 0 and high <= 65535:
        return 65535.0
    raise ValueError(f"grey values from {low:g} to {high:g} have no known range; save it with 8 or 16 bits")


def _to_rgb(image: Image.Image, transparent: Transparent) -> tuple[UInt8[np.ndarray, "height width 3"], str | None]:
    eight_bit = to_eight_bit(image)
    if not has_alpha(eight_bit):
        return np.asarray(eight_bit if eight_bit.mode == "RGB" else eight_bit.convert("RGB")), _darkness(image)
    color = eight_bit.convert("RGBA")
    if transparent == "ignored":
        return np.asarray(color.convert("RGB")), None
    remark = None
    if extremes(color.getchannel("A")) == (0, 0):
        if image.format in _LEAVE_ALPHA_EMPTY:
            return np.asarray(color.convert("RGB")), EMPTY_ALPHA
        remark = WHOLLY_TRANSPARENT
    return np.asarray(Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")), remark


def _darkness(image: Image.Image) -> str | None:
    dark = image.mode.startswith("I") and 0 < extremes(image)[1] < 4096
    return TOO_DARK if dark else None


def extremes(channel: Image.Image) -> tuple[int | float, int | float]:
    """The lowest and the highest value of a picture with one channel."""
    low, high = channel.getextrema()
    assert not isinstance(low, tuple) and not isinstance(high, tuple)  # pairs are of pictures with several
    return low, high
