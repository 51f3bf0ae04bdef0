"""What every demo begins with: its folder, its photos (drawn scenes or a sample of those given), a short training."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genstruct.data.metadata import FILE_NAME, Record
from genstruct.data.source import Source
from genstruct.data.sources import open_source
from genstruct.data.synthetic import write_scenes
from genstruct.errors import CheckpointError, ConfigError, DataError, GenstructError, ImageError, OutputError
from genstruct.files import is_occupied, whole_folder, write_text

MARKER = "demo.json"


@dataclass(frozen=True)
class DemoConfig:
    """What the demo works on.

    Args:
        data: Photos of one category, anything that `open_source` takes; None draws synthetic scenes.
        train: Photos to learn from, at most.
        test: Photos to make masks for, at most. They are not learned from, unless there are too few photos to spare.
        size: Width and height of synthetic scenes, pixels.
        seed: Of the synthetic scenes.
        minutes: What the whole demo may take; None trains as long as the configuration says.
    """

    data: str | None = None
    train: int = 600
    test: int = 60
    size: int = 96
    seed: int = 0
    minutes: float | None = None


@dataclass(frozen=True)
class Photos:
    """The photos of a demo.

    Args:
        train: Folder to learn from.
        test: Folder to make masks for.
        about: What they are, a sentence without its full stop.
        truth: Whether true masks of the test photos are known.
    """

    train: Path
    test: Path
    about: str
    truth: bool


def claim(out: Path, config: DemoConfig) -> None:
    """Make `out` the folder of this demo. Raises OutputError if it holds something else."""
    marker, ours = out / MARKER, asdict(config)
    if marker.is_file():
        try:
            there = json.loads(marker.read_text(encoding="utf-8"))
        except ValueError:
            there = None
        if there != ours:
            raise OutputError(f"{out} holds a demo of other photos; give another folder (OUT=...)")
    elif is_occupied(out):
        raise OutputError(f"{out} holds other files; give a new or empty folder (OUT=...)")
    write_text(marker, json.dumps(ours) + "\n")


def trained(run: Callable[[], bool], notes: list[str]) -> bool:
    """Whether a training was not stopped; one that has failed is noted, so that the rest is shown all the same.

    Raises:
        GenstructError: What the user can mend: settings, photos, the place, files of before.
    """
    try:
        return run()
    except (ConfigError, DataError, OutputError, CheckpointError):
        raise
    except GenstructError as error:
        notes.append(f"The short training made no model: {error}.")
        return True


def prepare_photos(folder: Path, config: DemoConfig) -> Photos:
    """Draw synthetic scenes, or sample the photos that were given, into `folder/train` and `folder/test`."""
    train, test = folder / "train", folder / "test"
    if config.data is None:
        for place, count, seed in ((train, config.train, config.seed), (test, config.test, config.seed + 1)):
            if not is_occupied(place):
                write_scenes(place, count, config.size, seed, bands=1)
        about = f"{config.train} drawn scenes to learn from, {config.test} others to make masks for"
        return Photos(train, test, about, truth=True)
    with open_source(config.data) as source:
        learned, shown = split(len(source), config.train, config.test)
        for place, numbers in ((train, learned), (test, shown)):
            if not is_occupied(place):
                sample(source, numbers, place, Path(config.data))
        about = f"{len(learned)} of {len(source)} photos of {config.data} to learn from, "
        about += f"{len(shown)} {'of the same' if learned == shown else 'others'} to make masks for"
        truth = any(_mask_of(source, number) for number in shown)
    return Photos(train, test, about, truth)


def split(count: int, train: int, test: int) -> tuple[list[int], list[int]]:
    """Numbers of photos to learn from and to show, evenly spaced; the same ones if fewer than 4 `test` are there."""
    numbers = _spaced(list(range(count)), train + test)
    if len(numbers) < 4 * test:
        return _spaced(numbers, train), _spaced(numbers, test)
    shown = _spaced(numbers, test)
    taken = set(shown)
    return [number for number in numbers if number not in taken], shown


def sample(source: Source, numbers: Sequence[int], out: Path, root: Path) -> None:
    """Put some photos of a source, and their masks where known, into a folder with metadata; links where that will do.

    Args:
        source: The photos.
        numbers: Which.
        out: The folder to make.
        root: Where the source lies; its files are linked if this is a folder.

    Raises:
        DataError: None of the photos can be read.
    """
    lines = []
    with whole_folder(out) as partial:
        for number in numbers:
            name, mask = source.names[number], _mask_of(source, number)
            line = {**_extra(source.records.get(name)), "file_name": f"images/{name}"}
            try:
                _place(source, name, root, partial / "images" / name)
                if mask is not None:
                    _place(source, mask, root, partial / "masks" / mask)
                    line["mask_file_name"] = f"masks/{mask}"
            except ImageError:  # packing and prediction report broken photos; this one cannot even be copied
                continue
            lines.append(json.dumps(line) + "\n")
        (partial / FILE_NAME).write_text("".join(lines), encoding="utf-8")
    if not lines:
        raise DataError(f"{source.description}: none of {len(numbers)} photos can be read")


def _spaced(items: list[int], count: int) -> list[int]:
    return items if len(items) <= count else [items[i * len(items) // count] for i in range(count)]


def _mask_of(source: Source, number: int) -> str | None:
    record = source.records.get(source.names[number])
    return record.mask_file_name if record else None


def _extra(record: Record | None) -> Mapping[str, object]:
    if record is None:
        return {}
    return {**record.extra, **({"box": list(record.box)} if record.box else {})}


def _place(source: Source, name: str, root: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if (root / name).is_file():
        target.symlink_to((root / name).resolve())
    else:
        target.write_bytes(source.read_path(name))
