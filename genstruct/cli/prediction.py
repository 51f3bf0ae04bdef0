"""What every command that predicts for a set of images shares: its options, its progress, its report and its status."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstruct.cli.arguments import place, positive
from genstruct.cli.printable import printable
from genstruct.cli.progress import progress_bar
from genstruct.errors import OutputError

if TYPE_CHECKING:
    from genstruct.run.ledger import Line
    from genstruct.run.predict import SetReport, Task

SHOWN_NOTES = 10
STATUS = "Status 0: all are done; 1: some are not, or files or lines of metadata were left out; 2: none is."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of every such command to `parser`."""
    parser.add_argument(
        "images",
        nargs="+",
        help="folders, images, .zip, .tar or shards ('s-{000..031}.tar'), LSUN folder, torchvision:NAME,key=value",
    )
    parser.add_argument("--model", type=place, required=True, metavar="RUN_OR_FILE", help="a run, or .safetensors")
    parser.add_argument("--out", type=place, required=True, metavar="DIR", help="folder: new, empty or to be continued")
    parser.add_argument("--batch", type=positive, default=16, help="images the network sees at once (16)")
    parser.add_argument("--workers", type=positive, help="decoding threads (number of processors, at most 4)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to run (auto)")
    parser.add_argument("--max-megapixels", type=positive, default=200, help="refuse larger pictures (200)")
    parser.add_argument("--overwrite", action="store_true", help="do all again, and replace what other models made")


def predict(args: argparse.Namespace, name: str, load: "Callable[[], Task[Any]]") -> int:
    """Predict, and print what became of it.

    Args:
        args: Of `add_arguments`.
        name: Of the task, "masks".
        load: Gives the task; called once the photos and the folder have been looked at, which takes less time.

    Returns:
        Status 0: all images are done; 1: some are not or were left out; 2: none is.
    """
    from genstruct.data.sources import open_source
    from genstruct.run.ledger import check_ours
    from genstruct.run.predict import StreamOptions, predict_set

    check_apart(args.images, args.out)
    check_ours(args.out, name)
    with open_source(all_of(args.images), max_pixels=args.max_megapixels * 1_000_000) as source:
        print_remarks("left out", source.problems)
        print_remarks("note", source.notes)
        stream = StreamOptions(args.batch, args.overwrite, args.workers)
        task = load()
        with progress(name) as on_line:
            report = predict_set(task, source, args.out, stream, on_line)
    if report.replaced and not args.overwrite:
        print_remarks("note", [_replaced(report.replaced)])
    print(printable(_told(report, name, args.out, len(source.problems))))
    return _status(report, len(source.problems))


def print_remarks(kind: str, lines: Sequence[str]) -> None:
    """Up to `SHOWN_NOTES` lines on the error stream, and how many more there are."""
    for line in lines[:SHOWN_NOTES]:
        print(f"{kind}: {printable(line)}", file=sys.stderr)
    if len(lines) > SHOWN_NOTES:
        print(f"{kind}: {len(lines) - SHOWN_NOTES} more (genstruct data --json lists all)", file=sys.stderr)


def all_of(images: list[str]) -> Any:
    return images[0] if len(images) == 1 else images


def check_apart(images: Sequence[str], out: Path) -> None:
    for root in map(Path, images):
        if root.is_dir() and out.resolve().is_relative_to(root.resolve()):
            raise OutputError(f"{out} lies inside {root}, so what is written would be read; give a folder outside")


@contextmanager
def progress(name: str) -> "Iterator[Callable[[Line, int, int], None]]":
    """A progress bar on the error stream, and a line for each image that has no result."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with progress_bar(name, console) as count:

        def show(line: "Line", done: int, total: int) -> None:
            if "error" in line:
                console.print(printable(f"{line['file_name']}: {line['error']}"), markup=False)
            count(done, total)

        yield show


def _replaced(names: Sequence[str]) -> str:
    which = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{len(names)} photos that have changed since the last run were done again: {which}"


def _told(report: "SetReport", name: str, out: Path, problems: int) -> str:
    parts = [f"{report.made} {name} written to {out}"]
    if report.there:
        parts.append(f"{report.there} were there")
    if report.failed:
        parts.append(f"{report.failed} images have none (see {out / name}.jsonl)")
    if problems:
        parts.append(f"{problems} problems of the set itself (see above)")
    return "; ".join(parts)


def _status(report: "SetReport", problems: int) -> int:
    if not report.made + report.there:
        return 2
    return int(bool(report.failed or problems))
