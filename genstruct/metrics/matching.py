"""Which prediction belongs to which true mask, by their names."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genstruct.data.apart import without_ending
from genstruct.data.metadata import Record
from genstruct.data.source import Failure, Source


@dataclass(frozen=True)
class Truth:
    """One mask of the truth.

    Args:
        name: Of the image it belongs to, relative to the data set (or of the mask, where a plain folder is the truth).
        mask: Its path in its source.
        keys: Relative paths without suffix under which a prediction may be found.
        record: The image's metadata, where there are some.
    """

    name: str
    mask: str
    keys: tuple[str, ...]
    record: Record | None = None


@dataclass
class Matching:
    """Truths with their predictions, truths without one, and remarks on how some were found, one line each."""

    pairs: list[tuple[Truth, str]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def truths_of(source: Source) -> list[Truth]:
    """The masks of a source of masks (`genstruct.data.sources.open_masks`)."""
    if not source.records:
        return [Truth(name, name, (_key(name),)) for name in source.names]
    return [_labeled(name, record) for name, record in source.records.items()]


def match(truths: list[Truth], names: Iterable[str]) -> Matching:
    """Give each truth its prediction: the same relative path without suffix, else the only file of the same stem.

    Where that finds none, endings such as `_mask` on either side are taken off, which is noted.

    Args:
        truths: From `truths_of`.
        names: Relative paths of the predictions.
    """
    # A .png wins over other suffixes of the same name: it is what `genstruct masks` writes.
    by_key = {_key(name): name for name in sorted(names, key=lambda name: name.lower().endswith(".png"))}
    result, missing = Matching(), []
    by_stem, namesakes = _grouped(by_key, _stem), Counter(_stem(truth.name) for truth in truths)
    for truth in truths:
        candidates = by_stem.get(_stem(truth.name), [])
        found = next((by_key[key] for key in truth.keys if key in by_key), None)
        if found is None and len(candidates) == 1 and namesakes[_stem(truth.name)] == 1:
            found = candidates[0]
        if found is None:
            missing.append(truth)
        else:
            result.pairs.append((truth, found))
    if missing:
        _match_bare(missing, by_key, by_stem, namesakes, result)
        order = {truth.name: number for number, truth in enumerate(truths)}
        result.pairs.sort(key=lambda pair: order[pair[0].name])
    return result


def _match_bare(
    missing: list[Truth],
    by_key: dict[str, str],
    by_stem: dict[str, list[str]],
    namesakes: Counter[str],
    result: Matching,
) -> None:
    """Find what is called the same but for endings such as `_mask`."""
    taken = {name for _, name in result.pairs}
    free = {key: name for key, name in by_key.items() if name not in taken}
    bare, twins = _grouped(free, _bare), Counter(_bare(truth.name) for truth in missing)
    found = []
    for truth in missing:
        stem, candidates = _bare(truth.name), bare.get(_bare(truth.name), [])
        if len(candidates) == 1 and twins[stem] == 1 and namesakes[_stem(truth.name)] == 1:
            found.append((truth, candidates[0]))
        else:
            stem = _stem(truth.name)
            result.failures.append(Failure(truth.name, _no_match(stem, by_stem.get(stem, []), namesakes[stem])))
    result.pairs += found
    if found:
        truth, name = found[0]
        result.notes.append(
            f"{len(found)} predictions were found by names without endings such as _mask, as {name} for {truth.name}"
        )


def _labeled(name: str, record: Record) -> Truth:
    mask = str(record.mask_file_name)
    # The whole name last: beside a.png, the mask of a.jpg is called a.jpg.png.
    return Truth(name, mask, (_key(name), _key(mask), name), record)


def _grouped(by_key: dict[str, str], part: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, name in by_key.items():
        groups.setdefault(part(f"{key}.png"), []).append(name)
    return groups


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _bare(name: str) -> str:
    """The stem without an ending that labels have."""
    return PurePosixPath(without_ending(name) or _key(name)).name


def _no_match(stem: str, candidates: list[str], namesakes: int) -> str:
    if not candidates:
        return f"no prediction is called {stem}; names are matched without suffix, by relative path or name alone"
    if namesakes > 1:
        return f"no prediction of the same relative path, and {namesakes} truths are called {stem}"
    return f"no prediction of the same relative path, and several called {stem}: {', '.join(candidates[:3])}"
