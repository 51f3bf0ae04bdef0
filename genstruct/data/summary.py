"""What is in a set of images: sizes, modes, duplicates, files that cannot be read, the mean picture."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from genstruct.data.crop import Region, cut
from genstruct.data.likeness import strangeness
from genstruct.data.read import read_picture, told
from genstruct.data.source import Source
from genstruct.data.threads import in_order
from genstruct.errors import ImageError

MEAN_SIZE = 128


@dataclass(frozen=True)
class Summary:
    """A set of images at a glance.

    Args:
        description: Of the source.
        count: Images, readable or not.
        sizes: How many upright pictures have a width and height.
        modes: How many have a mode, as Pillow names it.
        duplicates: Names of files with the same bytes, group by group.
        unreadable: Name and reason.
        animated: Names of files of several frames, of which the first counts.
        masks: Number of images with a usable mask.
        wrong_masks: Name and reason of masks that are unreadable or of another size than their picture.
        notes: What the source left out as it should, and remarks on pictures and masks.
        problems: What was lost of the source and why: files, lines or fields of metadata.
        mean: The mean picture, each squeezed to 128 x 128 pixels; None where nothing is readable.
    """

    description: str
    count: int
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    duplicates: tuple[tuple[str, ...], ...]
    unreadable: tuple[tuple[str, str], ...]
    animated: tuple[str, ...]
    masks: int
    wrong_masks: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    mean: UInt8[np.ndarray, "128 128 3"] | None

    @property
    def readable(self) -> int:
        """Number of images that can be used."""
        return self.count - len(self.unreadable)


@dataclass(frozen=True)
class _Look:
    """What one file shows."""

    digest: bytes | None = None
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    frames: int = 1
    small: UInt8[np.ndarray, "128 128 3"] | None = None
    error: str | None = None
    mask: bool = False
    mask_error: str | None = None
    remark: str | None = None


def summarize(
    source: Source, workers: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Summary:
    """Read every image of a source once.

    Args:
        source: The images.
        workers: Decoding threads; as many as there are processors if left out.
        on_progress: Called after each image with the number done and the number of all.
    """
    looks: list[_Look] = []
    total = np.zeros((MEAN_SIZE, MEAN_SIZE, 3))
    for look in in_order(lambda number: _look(source, number), len(source), workers):
        if look.small is not None:
            total += look.small
        # The pixels are in the mean now; holding them would take 48 kB an image.
        looks.append(_Look(**{**vars(look), "small": None}))
        if on_progress is not None:
            on_progress(len(looks), len(source))
    good = [look for look in looks if look.error is None]
    return Summary(
        description=source.description,
        count=len(source),
        sizes=Counter(look.size for look in good),
        modes=Counter(look.mode for look in good),
        duplicates=_duplicates(zip(source.names, looks, strict=True)),
        unreadable=_named(source, [look.error for look in looks]),
        animated=tuple(name for name, look in zip(source.names, looks, strict=True) if look.frames > 1),
        masks=sum(look.mask for look in looks),
        wrong_masks=_named(source, [look.mask_error for look in looks]),
        notes=(
            *source.notes,
            *told("pictures", ((name, look.remark) for name, look in zip(source.names, looks, strict=True))),
            *source.masks.remarks,
        ),
        problems=source.problems,
        mean=np.rint(total / len(good)).astype(np.uint8) if good else None,
    )


def _look(source: Source, number: int) -> _Look:
    name = source.entries[number].name
    try:
        data = source.read(number)
    except ImageError as error:
        return _Look(error=str(error))
    digest = hashlib.blake2b(data, digest_size=16).digest()
    try:
        picture = read_picture(data, name, source.max_pixels, at_least=MEAN_SIZE)
    except ImageError as error:
        return _Look(digest, error=str(error))
    height, width = picture.pixels.shape[:2]
    small = cut(picture.pixels, Region(0, 0, width, height), MEAN_SIZE)
    found, problem = _check_mask(source, name, picture.size)
    remark = picture.remark or strangeness(small)
    return _Look(digest, picture.size, picture.mode, picture.frames, small, None, found, problem, remark)


def _check_mask(source: Source, name: str, size: tuple[int, int]) -> tuple[bool, str | None]:
    """Whether an image has a mask that fits, and what is wrong with one that does not."""
    record = source.records.get(name)
    if record is None or record.mask_file_name is None:
        return False, None
    path = record.mask_file_name
    try:
        height, width = source.masks[path].shape
    except ImageError as error:
        return False, str(error)
    if (width, height) != size:
        return False, f"{path}: {width} x {height} pixels, but {name} has {size[0]} x {size[1]}; save it at that size"
    return True, None


def _duplicates(looks: Iterable[tuple[str, _Look]]) -> tuple[tuple[str, ...], ...]:
    groups: dict[bytes, list[str]] = {}
    for name, look in looks:
        if look.digest is not None:
            groups.setdefault(look.digest, []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _named(source: Source, problems: list[str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in zip(source.names, problems, strict=True) if text is not None)
