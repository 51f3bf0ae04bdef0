"""Telling masks and other labels from photos where no metadata does: by name, and by a look at some of them.

A name alone is no proof (carnival masks are photographed, too), so files are set apart only if there are photos beside
them and they look like labels: two values, class numbers, few flat colours; or grey as depths are, and called like
photos in colour. Nothing set apart goes without a word.
"""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from pathlib import PurePosixPath

from genstruct.data.likeness import resemblance
from genstruct.data.masks import spread
from genstruct.errors import ImageError

KINDS = (
    "mask|matte|alpha|seg|segm|segmentation|segmentationclass|segmentationobject|segmap|label|labelid|labelmap"
    "|labeltrainid|instanceid|instance|annotation|anno|ann|gt|gtfine|gtcoarse|ground_?truth|trimap|panoptic|semantic"
    "|parsing|silhouette|depth|edge"
)
"""What files and folders of labels are called, in the singular."""
_FOLDER = re.compile(rf"(?:.*[-_. ])?(?:{KINDS})(?:s|es)?(?:[-_. ].*)?", re.IGNORECASE)
_ENDING = re.compile(rf"(?P<stem>.+?)[-_. ]+(?P<kind>{KINDS})s?(?:[-_. ]?\d+)?", re.IGNORECASE)
_LOOKS = 4


def set_labels_apart(images: list[str], read: Callable[[str], bytes]) -> tuple[list[str], list[str]]:
    """Split image files into photos and a note for each group of files that are labels.

    Args:
        images: Paths of image files, in order.
        read: Gives the bytes of a path; raises `ImageError`.

    Returns:
        The photos, in order, and the notes.
    """
    groups = {path: group for path in images if (group := _group(path)) is not None}
    free = [path for path in images if path not in groups]
    if not free or not groups:
        return images, []
    in_color, stems = _looks(free, read)["photo"] > 0, {PurePosixPath(path).stem for path in free}
    labels, notes = set(), []
    for _, members in groupby(sorted(groups, key=groups.__getitem__), key=groups.__getitem__):
        paths = list(members)
        looks = _looks(paths, read)
        named = in_color and all(_bare(path) in stems for path in paths)
        if looks["mask"] + looks["gray"] * named > looks.total() / 2:
            labels.update(paths)
            notes.append(
                f"{len(paths)} files that look like masks or labels are left out of the photos, such as {paths[0]}; "
                "name photos and masks in a metadata.jsonl (file_name, mask_file_name) to use them"
            )
    return [path for path in images if path not in labels], notes


def without_ending(name: str) -> str | None:
    """What is left of a label's path without its endings: "a/0" of "a/0_gtFine_labelIds.png"; None for other names."""
    path = PurePosixPath(name)
    stem = path.stem
    while match := _ENDING.fullmatch(stem):
        stem = match["stem"]
    return str(path.with_name(stem)) if stem != path.stem else None


def is_label_word(word: str) -> bool:
    """Whether a word is one that labels are called."""
    return re.fullmatch(rf"(?:{KINDS})s?", word, re.IGNORECASE) is not None


def _group(path: str) -> str | None:
    """What makes a path look like a label's: the folder ("masks/"), or the ending of its name; None for nothing."""
    folders = PurePosixPath(path).parts[:-1]
    for depth, folder in enumerate(folders, 1):
        if _FOLDER.fullmatch(folder):
            return "/".join(folders[:depth]) + "/"
    match = _ENDING.fullmatch(PurePosixPath(path).stem)
    return match["kind"].lower() if match else None


def _bare(path: str) -> str:
    """The stem of the photo that a label of this name would belong to."""
    bare = without_ending(path)
    return PurePosixPath(path).stem if bare is None else PurePosixPath(bare).name


def _looks(paths: list[str], read: Callable[[str], bytes]) -> Counter[str]:
    """What some of the files look like, and how many of them."""
    looks: Counter[str] = Counter()
    for path in spread(paths, _LOOKS):
        with suppress(ImageError):
            looks[resemblance(read(path), path)] += 1
    return looks
