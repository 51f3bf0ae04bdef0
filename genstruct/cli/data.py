"""`genstruct data`: what is in a set of images, and packing it for training."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genstruct.cli.arguments import number, place, positive
from genstruct.cli.printable import printable
from genstruct.cli.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from genstruct.data.pack import PackReport
    from genstruct.data.source import Source
    from genstruct.data.summary import Summary

SHOWN = 10  # lines of a list of problems; --json has them all
CROPS = ("center", "random", "box", "fit", "pad")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Read every image once and print count, sizes, modes, duplicates and files that cannot be read. "
        "Status 0: all can be read; 1: some cannot, or files or lines of metadata were left out; 2: none can."
    )
    parser.add_argument(
        "images",
        nargs="+",
        help="folder, images, .zip, .tar or shards ('s-{000..031}.tar'), LSUN folder, torchvision:NAME,key=value; "
        "several become one set",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, with complete lists")
    parser.add_argument("--mean", type=place, metavar="PNG", help="write the mean picture there")
    parser.add_argument("--workers", type=positive, help="decoding threads (number of processors)")
    parser.add_argument("--max-megapixels", type=positive, default=200, help="refuse larger pictures (200)")
    parser.add_argument("--download", action="store_true", help="let torchvision download a set that is not there yet")
    packing = parser.add_argument_group("packing")
    packing.add_argument("--pack", type=place, metavar="OUT", help="also pack squares into this folder, for training")
    packing.add_argument("--size", type=positive, default=128, help="width and height of the squares, pixels (128)")
    packing.add_argument(
        "--crop",
        choices=CROPS,
        default="center",
        help="center: largest square; random: one of 70-100 %% of the shorter side; box: around the metadata's box; "
        "fit: all of it, squeezed; pad: all of it, edges repeated (center)",
    )
    packing.add_argument("--margin", type=number, default=0.15, help="around the box, in its longer sides (0.15)")
    packing.add_argument("--seed", type=int, default=0, help="of random crops (0)")
    packing.add_argument("--overwrite", action="store_true", help="replace a packed archive of other images or crops")


def run(args: argparse.Namespace) -> int:
    """Print the summary, pack if asked to. Status 0: all can be read; 1: some cannot or were left out; 2: none can."""
    from rich.console import Console

    from genstruct.data.sources import open_source
    from genstruct.data.summary import summarize
    from genstruct.export.images import write_png

    console = Console(highlight=False, soft_wrap=True)
    report = None
    with open_source(args.images, args.download, args.max_megapixels * 1_000_000) as source:
        with progress_bar("reading") as on_progress:
            summary = summarize(source, args.workers, on_progress)
        if not args.json:
            _print_summary(console, summary)
        if args.mean is not None and summary.mean is not None:
            write_png(args.mean, summary.mean)
        if args.pack is not None and summary.readable:
            report = _pack(source, args)
    if args.json:
        print(json.dumps(_as_json(summary, report), indent=1))
    else:
        _print_pack(console, report, args)
    if not summary.readable:
        return 2
    return int(bool(summary.problems or summary.unreadable or summary.wrong_masks or (report and report.skipped)))


def _pack(source: "Source", args: argparse.Namespace) -> "PackReport":
    from genstruct.data.pack import pack

    with progress_bar("packing") as on_progress:
        options = {"margin": args.margin, "seed": args.seed, "overwrite": args.overwrite}
        return pack(source, args.pack, args.size, args.crop, args.workers, on_progress, **options)


def _print_summary(console: "Console", summary: "Summary") -> None:
    extra = sum(len(group) - 1 for group in summary.duplicates)
    rows = {
        "source": summary.description,
        "images": f"{summary.readable} readable of {summary.count}",
        "sizes": _sizes(summary.sizes),
        "modes": ", ".join(f"{mode} {count}" for mode, count in summary.modes.most_common()) or "none",
        "duplicates": f"{extra} with the content of another" if extra else "none",
        "animated": f"{len(summary.animated)}; the first frame is used" if summary.animated else "none",
        "masks": f"{summary.masks} in the metadata" if summary.masks else "none",
    }
    for title, value in rows.items():
        console.print(f"{title:<12}{printable(value)}", markup=False)
    _print_list(console, "cannot be used", [reason for _, reason in summary.unreadable])
    _print_list(console, "masks that cannot be used", [reason for _, reason in summary.wrong_masks])
    _print_list(console, "same content", [" = ".join(group) for group in summary.duplicates])
    _print_list(console, "left out of the set", summary.problems)
    _print_list(console, "notes", summary.notes)


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    if not sizes:
        return "none"
    shown = ", ".join(f"{w} x {h} ({count})" for (w, h), count in sizes.most_common(4))
    if len(sizes) <= 4:
        return shown
    shorter = sorted(min(size) for size in sizes.elements())
    middle = shorter[len(shorter) // 2]
    return f"{shown}, {len(sizes) - 4} others; shorter side {shorter[0]} to {shorter[-1]} px, median {middle}"


def _print_pack(console: "Console", report: "PackReport | None", args: argparse.Namespace) -> None:
    if report is None:
        return
    size, count = report.archive.size, len(report.archive)
    done = "is there already" if report.reused else "written"
    console.print(f"packed      {printable(args.pack)} {done}: {count} images of {size} x {size} px", markup=False)
    _print_list(console, f"smaller than {size} px, enlarged", report.enlarged)
    _print_list(console, "left out", [reason for _, reason in report.skipped])


def _print_list(console: "Console", title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    console.print(f"{title} ({len(lines)}):", markup=False)
    for line in lines[:SHOWN]:
        console.print(f"  {printable(line)}", markup=False)
    if len(lines) > SHOWN:
        console.print(f"  ... and {len(lines) - SHOWN} more (--json lists all)", markup=False)


def _as_json(summary: "Summary", report: "PackReport | None") -> dict[str, object]:
    content: dict[str, object] = {
        "source": summary.description,
        "count": summary.count,
        "readable": summary.readable,
        "sizes": [[width, height, count] for (width, height), count in summary.sizes.most_common()],
        "modes": dict(summary.modes),
        "duplicates": summary.duplicates,
        "unreadable": dict(summary.unreadable),
        "animated": summary.animated,
        "masks": summary.masks,
        "wrong_masks": dict(summary.wrong_masks),
        "notes": summary.notes,
        "problems": summary.problems,
    }
    if report is not None:
        content["packed"] = {
            "path": str(report.archive.path),
            "count": len(report.archive),
            "reused": report.reused,
            "enlarged": report.enlarged,
            "skipped": dict(report.skipped),
            "notes": report.notes,
        }
    return content
