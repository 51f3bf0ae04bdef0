"""WebDataset layout: members of a tar that belong together by their names.

    000017.jpg  000017.mask.png  000017.json

A mask (`.mask.png`, `.seg.png`), a depth (`.depth.png`) or the fields of a metadata line (`.json`, without file names)
belong to the image of the same key, which is everything before these endings: `clip.01.jpg` has `clip.01.mask.png`.
Where no image has that key they belong to all whose key goes on after a dot, by the format's own rule that a key ends
at the first dot: `000017.left.jpg` and `000017.right.jpg` share `000017.json`. Labels of other kinds
(`.label.png`) are told, and so is what belongs to no image.
In a tar of plain photographs every file is a sample of its own.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genstruct.data.apart import is_label_word, set_labels_apart
from genstruct.data.kinds import has_image_bytes, is_image, left_out, says_nothing
from genstruct.data.metadata import FILE_NAME, Record, parse_record
from genstruct.data.tree import Chosen, Files, choose_all, hidden_images, is_hidden
from genstruct.errors import ImageError

_FIELDS = {
    "mask": "mask_file_name",
    "seg": "mask_file_name",
    "segmentation": "mask_file_name",
    "depth": "depth_file_name",
}
_SIDECAR = ".json"


@dataclass
class _Parts:
    """What was found for the images of one key."""

    companions: dict[str, str] = field(default_factory=dict)
    sidecar: str | None = None


def choose_samples(paths: Collection[str], files: Files) -> Chosen:
    """Find photos, masks, depths and metadata among members in WebDataset layout."""
    visible = sorted(path for path in paths if not is_hidden(path))
    pictures = [p for p in visible if is_image(p) or (says_nothing(p) and _has_image_bytes(p, files))]
    owners = _Owners(_key(path) for path in pictures if _kind(path) is None)
    # A photograph called sunset.mask.jpg, alone, is a photograph.
    companions = [path for path in pictures if (kind := _kind(path)) is not None and owners.of(_label_key(path, kind))]
    sidecars = [path for path in visible if path.endswith(_SIDECAR)]
    photos, notes = set_labels_apart(_without(pictures, companions), files.read_path)
    parts, used = _share(companions, sidecars, owners)
    problems: list[str] = []
    records = {photo: record for photo in photos if (record := _record(photo, parts.get(_key(photo)), files, problems))}
    if unused := [path for path in companions if _kind(path) not in _FIELDS]:
        notes.append(
            f"{len(unused)} labels of samples are not used, such as {unused[0]}; masks are called NAME.mask.png"
        )
    notes += [*left_out(_without(visible, [*pictures, *used, FILE_NAME]), photos, files.peek), *hidden_images(paths)]
    return Chosen(photos, records, notes, problems)


def choose_sample_masks(paths: Collection[str], files: Files) -> Chosen:
    """The masks of samples that have some, else all images, taken for masks."""
    chosen = choose_samples(paths, files)
    records = {name: record for name, record in chosen.records.items() if record.mask_file_name is not None}
    if not records:
        return choose_all(paths, files)
    without = [f"{name}: has no mask in its sample; add it" for name in chosen.names if name not in records]
    masks = dict.fromkeys(str(record.mask_file_name) for record in records.values())
    return Chosen(list(masks), records, [], chosen.problems + without)


class _Owners:
    """Keys of images, by what may be called after them."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = set(keys)
        self._groups: dict[str, list[str]] = {}
        for key in sorted(self.keys):
            self._groups.setdefault(_first(key), []).append(key)

    def of(self, key: str) -> list[str]:
        """The image of a label's key, else all whose keys go on after it and a dot."""
        if key in self.keys:
            return [key]
        return [other for other in self._groups.get(_first(key), []) if other.startswith(f"{key}.")]


def _share(companions: list[str], sidecars: list[str], owners: _Owners) -> tuple[dict[str, _Parts], list[str]]:
    """Parts by key, and the sidecars among them; those of the very key win over shared ones, so they come last."""
    parts = {key: _Parts() for key in owners.keys}
    for path in sorted(companions, key=lambda path: len(_key(path))):
        kind = _kind(path) or ""
        if name := _FIELDS.get(kind):
            for owner in owners.of(_label_key(path, kind)):
                parts[owner].companions[name] = path
    used = []
    for path in sorted(sidecars, key=len):
        for owner in owners.of(_key(path)):
            parts[owner].sidecar = path
            used.append(path)
    return parts, used


def _without(paths: list[str], taken: list[str]) -> list[str]:
    there = set(taken)
    return [path for path in paths if path not in there]


def _key(path: str) -> str:
    """Everything before the extension; before the first dot of a hidden-looking or bare name, all of it."""
    return str(PurePosixPath(path).with_suffix(""))


def _first(key: str) -> str:
    """A key up to the first dot of its last part."""
    folder, slash, name = key.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _label_key(path: str, kind: str) -> str:
    """The key of the image that a label belongs to; `0.jpg.mask.png` is of `0.jpg`, too."""
    key = _key(path)[: -len(kind) - 1]
    return _key(key) if is_image(key) else key


def _kind(path: str) -> str | None:
    """What a sample's picture is, by the word before its extension: "mask" of "0.mask.png"; None for a photo."""
    word = PurePosixPath(PurePosixPath(path).stem).suffix.removeprefix(".")
    return word.lower() if word and is_label_word(word) else None


def _has_image_bytes(path: str, files: Files) -> bool:
    try:
        return has_image_bytes(files.peek(path))
    except ImageError:
        return False


def _record(image: str, parts: _Parts | None, files: Files, problems: list[str]) -> Record | None:
    """What the other members of a sample say about its image."""
    if parts is None:
        return None
    fields: dict[str, object] = {}
    if parts.sidecar is not None:
        try:
            fields = json.loads(files.read_path(parts.sidecar))
            # Paths in a sidecar are relative to wherever the shard was made; the sample has its own members.
            fields = {key: value for key, value in fields.items() if not key.endswith("file_name")}
        except (ImageError, ValueError, AttributeError, RecursionError) as error:
            problems.append(f"{parts.sidecar}: not a JSON object ({error}); it is left out")
            fields = {}
    fields |= parts.companions
    if not fields:
        return None
    record, complaints = parse_record(fields, image)
    problems += [f"{parts.sidecar or image}: {complaint}; the field is left out" for complaint in complaints]
    return record
