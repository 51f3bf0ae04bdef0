"""Files that are scored: which truth belongs to which prediction, and reading both as tensors.

`metrics` stands beside `data` and does not import it; what is needed here is small: a grey mask at its own size, and a
picture brought to a square.
"""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from genstruct.errors import DataError, ImageError

PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"))
METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Truth:
    """One mask of the truth.

    Args:
        name: Of the image it belongs to, relative to the data set (or of the mask, where a plain folder is the truth).
        mask: The file.
        keys: Relative paths without suffix under which a prediction may be found.
        fields: The other columns of the metadata line.
        image: The picture's file, where metadata name one.
    """

    name: str
    mask: Path
    keys: tuple[str, ...]
    fields: dict[str, object]
    image: Path | None = None


@dataclass(frozen=True)
class Failure:
    """An item that could not be used, and why, in one line."""

    name: str
    why: str


def find_truth(place: Path) -> tuple[list[Truth], list[Failure]]:
    """The masks at `place`: a metadata.jsonl (columns file_name, mask_file_name), a folder with one, or masks alone.

    Raises:
        DataError: Nothing there, or no masks.
    """
    if not place.exists():
        raise DataError(f"truth {place} does not exist; give a folder of masks or a {METADATA}")
    metadata = place / METADATA if place.is_dir() else place
    if metadata.is_file():
        truths, failures = _from_metadata(metadata)
    else:
        truths = [Truth(name, place / name, (_key(name),), {}) for name in list_pictures(place)]
        failures = []
    if not truths and not failures:
        raise DataError(
            f"truth {place} holds no masks; expected pictures ({', '.join(sorted(PICTURES))}) or {METADATA}"
        )
    return truths, failures


def list_pictures(folder: Path) -> list[str]:
    """Relative paths of all picture files under `folder`, sorted; hidden files and folders are left out.

    Raises:
        DataError: `folder` is not a folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of pictures")
    relative = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if (folder / "masks.jsonl").exists():  # written by `genstruct masks`, whose pictures to look at are no masks
        relative = (path for path in relative if path.parts[0] not in ("overlay", "cutout"))
    return sorted(path.as_posix() for path in relative if not any(part.startswith(".") for part in path.parts))


def list_images(folder: Path) -> list[str]:
    """`list_pictures` without masks, depths and layers: below a folder with a metadata.jsonl, only what that lists.

    Raises:
        DataError: `folder` is not a folder.
    """
    names = list_pictures(folder)
    governed, listed = set(), set()
    for file in folder.rglob(METADATA):
        place = file.parent.relative_to(folder)
        governed.add(place)
        listed |= {(place / name).as_posix() for name in _file_names(file)}
    return [name for name in names if name in listed or not governed.intersection(Path(name).parents)]


def match(truths: list[Truth], names: Iterable[str]) -> tuple[list[tuple[Truth, str]], list[Failure]]:
    """Give each truth its prediction: the same relative path without suffix, else the only file of the same stem.

    Args:
        truths: From `find_truth`.
        names: Relative paths of the predictions.
    """
    # A .png wins over other suffixes of the same name: it is what `genstruct masks` writes.
    by_key = {_key(name): name for name in sorted(names, key=lambda name: name.lower().endswith(".png"))}
    by_stem: dict[str, list[str]] = {}
    for key, name in by_key.items():
        by_stem.setdefault(PurePosixPath(key).name, []).append(name)
    namesakes = Counter(PurePosixPath(truth.name).stem for truth in truths)
    pairs, failures = [], []
    for truth in truths:
        stem = PurePosixPath(truth.name).stem
        found = next((by_key[key] for key in truth.keys if key in by_key), None)
        candidates = by_stem.get(stem, [])
        if found is None and len(candidates) == 1 and namesakes[stem] == 1:
            found = candidates[0]
        if found is None:
            failures.append(Failure(truth.name, _no_match(stem, candidates, namesakes[stem])))
        else:
            pairs.append((truth, found))
    return pairs, failures


def read_mask(path: Path) -> Float[Tensor, "1 1 height width"]:
    """A grey picture of any depth as values in [0, 1], at its own size.

    Raises:
        ImageError: Missing, broken, too large, or colours with transparency (a cut-out is not a mask).
    """
    image = _open(path)
    if image.mode in ("RGBA", "LA", "PA"):
        raise ImageError(
            f"{path}: a mask is a grey picture, this one has transparency ({image.mode}); is it a cut-out?"
        )
    if image.mode.startswith("I;16") or image.mode == "I":
        values, white = np.array(image, np.float32), 65535
    else:
        values, white = np.array(image.convert("L"), np.float32), 255
    values /= white  # in place, as masks of a hundred megapixels are scored too
    return torch.from_numpy(values.clip(0, 1, out=values))[None, None]


def read_picture(path: Path) -> Image.Image:
    """A picture of any mode as 8-bit RGB, upright; a transparent one over white, as training sees it.

    Raises:
        ImageError: Missing, broken or too large.
    """
    image = _open(path)
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip at 255
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        color = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", color.size, "white"), color)
    return image.convert("RGB")


def read_square(path: Path, size: int) -> Float[Tensor, "3 size size"]:
    """The central square of a picture at `size` pixels, sRGB in [0, 1] (area-averaged where it shrinks).

    Raises:
        ImageError: Missing, broken or too large.
    """
    image = ImageOps.fit(read_picture(path), (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1).contiguous()


def _open(path: Path) -> Image.Image:
    """The decoded picture, upright."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of photos of 89 million pixels, and refuses twice as many
            with Image.open(path) as image:
                return ImageOps.exif_transpose(image)
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: more pixels than is safe to decode ({2 * Image.MAX_IMAGE_PIXELS})") from error
    except Exception as error:  # Pillow's plugins raise anything on hostile bytes
        raise ImageError(f"{path}: cannot be decoded ({str(error).splitlines()[0] or type(error).__name__})") from error


def _from_metadata(metadata: Path) -> tuple[list[Truth], list[Failure]]:
    """One truth a line; lines that cannot be used become failures."""
    truths, failures, seen = [], [], set()
    for number, line in enumerate(metadata.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        place = f"{metadata.name} line {number}"
        try:
            truth = _parse_line(metadata.parent, line)
        except ValueError as error:
            failures.append(Failure(place, str(error)))
            continue
        if truth.name in seen:
            failures.append(Failure(place, f"{truth.name} occurs a second time; the first is used"))
            continue
        seen.add(truth.name)
        truths.append(truth)
    return truths, failures


def _file_names(metadata: Path) -> Iterator[str]:
    """The images of the lines that can be read."""
    for line in metadata.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("file_name"), str):
                yield row["file_name"]


def _parse_line(root: Path, line: str) -> Truth:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    for column in ("file_name", "mask_file_name"):
        value = row.get(column)
        if not isinstance(value, str) or not value:
            raise ValueError(f"no {column}")
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise ValueError(f"{column} {value!r} leads out of the data set's folder")
    name, mask = row.pop("file_name"), row.pop("mask_file_name")
    # The whole name last: beside a.png, the mask of a.jpg is called a.jpg.png.
    return Truth(name, root / mask, (_key(name), _key(mask), name), row, root / name)


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _no_match(stem: str, candidates: list[str], namesakes: int) -> str:
    if not candidates:
        return "no prediction"
    if namesakes > 1:
        return f"no prediction of the same relative path, and {namesakes} truths are called {stem}"
    return f"no prediction of the same relative path, and several called {stem}: {', '.join(candidates[:3])}"
