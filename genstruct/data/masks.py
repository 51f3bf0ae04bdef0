"""What a mask file means: the one place that decides, wherever masks are read.

A mask is a grey picture, 0 = background, 255 = object, soft between them. Files that mean it otherwise are read where
there is no doubt and refused in one line where there is: class numbers that pass for a mask give a score too.

| the file holds | read as |
|---|---|
| 0 to 255, any depth; colours without colour; a grey palette; JPEG's noise near 0 and 255 | itself |
| 0 alone | nothing is object |
| 0 and 1, where no other mask of the set reaches higher | 0 and 255, with a remark |
| 0 and 1, where others reach 255 | itself: nearly nothing is object, with a remark |
| at most 255 in 16 bits | its 8 bits, with a remark |
| opacity that differs (a cut-out) | its opacity |
| opacity that is full everywhere | its colours, as if there were no alpha |
| opacity that is 0 everywhere, over black | nothing is object, with a remark |
| a palette of colours with the numbers 0 and 1 | 0 and 255, with a remark |
| few flat values between: class numbers, 255 around them or not; trimaps of 1, 2, 3 or 0, 128, 255 | refused |
| 0 and 255 in a set of class numbers (nothing there but a border to be ignored) | refused |
| colours (photos, class colours) | refused |
| opacity that is the same everywhere (neither of the above), or 0 everywhere over a picture | refused |
| opacity that differs, over black and white that stands in it | refused |
| grey for the most part (a photo without colour) | truth: refused; prediction: itself, with a remark |

Where the meaning of numbers is known (masks that `genstruct masks` wrote), they are not judged.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from genstruct.data.read import MAX_PIXELS, extremes, has_alpha, is_deep, opened, stand_upright, to_eight_bit, told
from genstruct.errors import ImageError

Kind = Literal["empty", "unit", "binary", "soft", "labels", "gray"]
"""By its values: 0 alone; 0 and 1; about 0 and 255; any; class numbers; grey for the most part."""

SAVE_GRAY = "save it as a grey picture with 255 where the object is and 0 elsewhere"
WHITE = 250  # from here on it counts as object without doubt
MOST_LABELS = 32  # more values than this are no class numbers
FLAT = 0.5  # share of class pixels whose neighbours have the same number; the two pixels of a soft edge stay below
COLORFUL = 16  # difference of channels that JPEG does not make
SAMPLE = 24
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")

UNIT = "hold the values 0 and 1, which are taken for 0 and 255"
ALMOST_NOTHING = "hold no value above 1 of 255, though others of the set do: nearly nothing is object"
EIGHT_IN_SIXTEEN = "hold no value above 255 in 16 bits, which are taken for 8 bits"
TRANSPARENT = "are wholly transparent: nothing is object"
MOSTLY_GRAY = "are grey for the most part, neither object nor background"


@dataclass(frozen=True)
class Mask:
    """A mask file as it is, before its set is asked.

    Args:
        pixels: 0 to 255.
        kind: By its values.
        counts: How many pixels have each value.
        remark: What was done to read it, as the end of "masks ...", or None.
    """

    pixels: UInt8[np.ndarray, "height width"]
    kind: Kind
    counts: Int[np.ndarray, "256"]
    remark: str | None = None


class MaskSet:
    """The masks of one set, which are judged together where one alone is ambiguous. Safe in threads.

    Args:
        read: Gives the bytes of a path, or where they are; raises `ImageError`.
        paths: Of all masks.
        max_pixels: Larger files are refused.
        predicted: They may be undecided everywhere, as bad predictions are.
        known: Their values are known to go from 0 to 255.
    """

    def __init__(
        self,
        read: Callable[[str], bytes | Path],
        paths: Sequence[str],
        max_pixels: int = MAX_PIXELS,
        predicted: bool = False,
        known: bool = False,
    ) -> None:
        self._read, self._paths, self._max_pixels = read, tuple(paths), max_pixels
        self._predicted, self._known = predicted, known
        self._lock = threading.Lock()
        self._kinds: Counter[Kind | None] | None = None
        self._remarks: list[tuple[str, str]] = []

    def __getitem__(self, path: str) -> UInt8[np.ndarray, "height width"]:
        """A mask, 0 to 255, upright.

        Raises:
            ImageError: Unreadable, or not a mask.
        """
        mask = look_at_mask(self._read(path), path, self._max_pixels)
        pixels, remark = (mask.pixels, mask.remark) if self._known else self._judged(mask, path)
        if remark is not None:
            self._remarks.append((path, remark))
        return pixels

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was done to read masks so far, a line for each way."""
        return tuple(told("masks", set(self._remarks)))

    def _judged(self, mask: Mask, path: str) -> tuple[UInt8[np.ndarray, "height width"], str | None]:
        kinds = self._kinds_of_some() if mask.kind in ("unit", "binary") else Counter([mask.kind])
        usual = kinds["binary"] + kinds["soft"]
        if mask.kind == "labels" or kinds["labels"] > usual:
            raise ImageError(f"{path}: {_meaning(mask)}; {SAVE_GRAY}")
        if mask.kind == "unit":
            return (mask.pixels, ALMOST_NOTHING) if usual else (mask.pixels * np.uint8(255), UNIT)
        if mask.kind == "gray":
            if not self._predicted:
                raise ImageError(f"{path}: a grey picture, most of it neither object nor background; {SAVE_GRAY}")
            return mask.pixels, MOSTLY_GRAY
        return mask.pixels, mask.remark

    def _kinds_of_some(self) -> "Counter[Kind | None]":
        """How many masks of a sample are of each kind; looked at once."""
        with self._lock:
            if self._kinds is None:
                self._kinds = Counter(self._kind_of(path) for path in spread(self._paths, SAMPLE))
            return self._kinds

    def _kind_of(self, path: str) -> Kind | None:
        try:
            return look_at_mask(self._read(path), path, self._max_pixels).kind
        except ImageError:
            return None


def decode_mask(
    data: bytes | Path, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "height width"]:
    """Upright mask of an image file by itself, 0 = background, 255 = object; see the module for what is refused.

    Raises:
        ImageError: Unreadable, or not a mask.
    """
    name = name or (str(data) if isinstance(data, Path) else "mask")
    return MaskSet(lambda _: data, [name], max_pixels)[name]


def look_at_mask(data: bytes | Path, name: str, max_pixels: int = MAX_PIXELS) -> Mask:
    """A file as a mask, by itself.

    Raises:
        ImageError: Unreadable, or colours, or an opacity that says nothing.
    """
    with opened(data, name, max_pixels) as image:
        stand_upright(image)
        try:
            plane = _plane(image)
        except ValueError as error:
            raise ImageError(f"{name}: {error}; {SAVE_GRAY}") from error
        counts = np.array(Image.fromarray(plane.pixels).histogram())
        kind = "soft" if plane.sure else _kind(plane.pixels, counts, image.format in _LOSSY)
        return Mask(plane.pixels, kind, counts, plane.remark)


def spread(paths: Sequence[str], count: int) -> Sequence[str]:
    """Up to `count` of the paths, evenly over all of them."""
    step = max(1, -(-len(paths) // count))
    return paths[::step]


class _Plane(NamedTuple):
    """The channel that is the mask, what was done to get it, and whether its values surely go from 0 to 255."""

    pixels: UInt8[np.ndarray, "height width"]
    remark: str | None = None
    sure: bool = False


def _plane(image: Image.Image) -> _Plane:
    """What can be a mask of a picture. Raises ValueError where nothing can."""
    if has_alpha(image):
        color = to_eight_bit(image).convert("RGBA")
        alpha = color.getchannel("A")
        low, high = extremes(alpha)
        if low < WHITE and low < high:
            _check_one_mask(np.asarray(alpha), np.asarray(color.convert("L")))
            return _Plane(np.asarray(alpha), sure=True)
        if high == 0 and extremes(color.convert("L"))[1] == 0:
            return _Plane(np.asarray(alpha), TRANSPARENT)
        if low < WHITE:
            raise ValueError(f"its opacity is {low} of 255 everywhere, which says nothing about an object")
        if image.mode not in ("P", "L") and not is_deep(image):
            image = color.convert("RGB")
    if is_deep(image):
        return _shallow(image)
    if image.mode == "P":
        return _Plane(_numbers(image))
    if image.mode == "L":
        return _Plane(np.asarray(image))
    return _Plane(np.asarray(image.convert("L")) if image.mode == "1" else _without_color(image))


def _check_one_mask(alpha: UInt8[np.ndarray, "height width"], gray: UInt8[np.ndarray, "height width"]) -> None:
    """Raises ValueError for a mask in the colours under an opacity that differs: either may be meant."""
    seen = np.bincount(gray[alpha >= WHITE], minlength=256)
    black, white = seen[:6].sum(), seen[WHITE:].sum()
    if min(black, white) > 0.01 * seen.sum() and black + white > 0.98 * seen.sum():
        raise ValueError("its colours show a mask, and its opacity another one")


def _shallow(image: Image.Image) -> _Plane:
    """8 bits of a grey file of more."""
    values = np.asarray(image)
    if image.mode != "F" and values.min() >= 0 and 0 < values.max() <= 255:
        return _Plane(values.astype(np.uint8), EIGHT_IN_SIXTEEN)
    plane = np.asarray(to_eight_bit(image))
    # Floats that are no whole numbers count no classes.
    sure = image.mode == "F" and bool((values != np.floor(values)).any())
    return _Plane(plane[..., 0] if plane.ndim == 3 else plane, sure=sure)


def _numbers(image: Image.Image) -> UInt8[np.ndarray, "height width"]:
    """A palette's greys where all of its colours that are used are grey, else the numbers of its colours."""
    used = [number for number, count in enumerate(image.histogram()[:256]) if count]
    palette = np.array(image.getpalette("RGB"), np.int16).reshape(-1, 3)
    colors = palette[[number for number in used if number < len(palette)]]
    if len(colors) and np.ptp(colors, 1).max() <= COLORFUL:
        return np.asarray(image.convert("RGB").convert("L"))
    if len(used) > MOST_LABELS:
        raise ValueError("a coloured picture, not a mask")
    return np.asarray(image)


def _without_color(image: Image.Image) -> UInt8[np.ndarray, "height width"]:
    color = image.convert("RGB")
    red, green, blue = (np.asarray(channel).astype(np.int16) for channel in color.split())
    difference = np.maximum(np.abs(red - green), np.abs(green - blue))
    # A few pixels more: where an edge is sharp, JPEG makes some colour.
    if (difference > COLORFUL).mean() > 0.001:
        raise ValueError("a coloured picture, not a mask")
    return np.asarray(color.convert("L"))


def _kind(pixels: UInt8[np.ndarray, "height width"], counts: np.ndarray, lossy: bool) -> Kind:
    present = np.flatnonzero(counts)
    top, between = int(present[-1]), present[(present > 0) & (present < WHITE)]
    if top == 0:
        return "empty"
    if top == 1:
        return "unit"
    if not len(between):
        return "binary"
    if (not lossy or top < 64) and _are_labels(pixels, counts, between):
        return "labels"
    return "gray" if counts[26:230].sum() > 0.5 * counts.sum() else "soft"


def _are_labels(pixels: UInt8[np.ndarray, "height width"], counts: np.ndarray, between: np.ndarray) -> bool:
    """Whether values between are few and lie in flat regions, and are not the steps of an enlarged edge."""
    steps = len(between) > 1 and between[-1] >= 64 and counts[between].sum() <= counts[WHITE:].sum()
    if len(between) > MOST_LABELS or steps:
        return False
    here = (pixels > 0) & (pixels < WHITE)
    down, across = (here[1:] & here[:-1]).any(), (here[:, 1:] & here[:, :-1]).any()
    if len(between) == 1 and down and across:
        return True  # soft edges that run in both directions have more values
    flat = here.copy()
    flat[:, :-1] &= pixels[:, :-1] == pixels[:, 1:]
    flat[:-1] &= pixels[:-1] == pixels[1:]
    return bool(flat.sum() > FLAT * here.sum()) and not _is_weak(pixels, between)


def _is_weak(pixels: UInt8[np.ndarray, "height width"], between: np.ndarray) -> bool:
    """Whether low values come from a soft mask that hardly sees anything: all of them, each beside the next."""
    if len(between) < 6 or between[-1] != len(between):
        return False
    levels = pixels.astype(np.int16)
    return all(np.abs(np.diff(levels, axis=axis)).max(initial=0) <= 2 for axis in (0, 1))


def _meaning(mask: Mask) -> str:
    values = np.flatnonzero(mask.counts).tolist()
    shown = ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")
    if mask.kind in ("unit", "binary"):
        return f"one of a set of class numbers (this one holds {shown}), not a mask"
    return f"class numbers or a three-valued map (the values {shown}), not a mask"
