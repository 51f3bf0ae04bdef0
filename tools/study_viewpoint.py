"""Compare the view graph with what it is compared with, on a labelled set whose labels only score: the paper's table.

    DATA=../shared/data/cars/train
    genstruct masks --model cars $DATA --refine --out out/masks
    python tools/study_viewpoint.py $DATA --masks out/masks --limit 1000 --out out/views

Rows: chance, retrieval without interventions, planes as published, convex stand-ins, the learned shape with
interventions only, the method without one of its parts, sham turns, no masks, the whole. Then, of each hypothesis,
whether crops turned by it know the direction of the turn, and whether realism chooses it. One file a row lies in
--out/rows: the same command again goes on with what is missing; table.md and table.json hold what there is.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstruct.cli.ending import CONTINUES, ending
from genstruct.errors import ConfigError
from genstruct.files import write_bytes, write_json

if TYPE_CHECKING:
    from benchmarks.viewpoints import Subject

VIEWS = ("median", "<15", "<30", "flips", "tree median", "tree <30", "precision", "sign", "joined", "surest flips")
TURNS = ("one-way", "mutual", "best match", "realism", "chosen", "realism by critic", "chosen by critic")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, help="folder with images and metadata.jsonl")
    made.add_argument("--masks", type=Path, required=True, help="folder of masks named like the images")
    made.add_argument("--seed", type=int, default=0, help="of the start (0)")
    made.add_argument("--limit", type=int, help="only so many images, evenly spaced")
    made.add_argument("--only", nargs="+", metavar="ROW", help="some of the rows; all if left out")
    made.add_argument("--out", type=Path, required=True, help="folder for rows and table")
    return made


@ending("study_viewpoint", CONTINUES)
def main(argv: list[str] | None = None) -> int:
    """Make what rows are missing, and the table."""
    args = parser().parse_args(argv)
    steps = steps_of(args)
    wanted = args.only or list(steps)
    if unknown := sorted(set(wanted) - set(steps)):
        raise ConfigError(f"--only: there is no row {unknown[0]!r}; rows: {', '.join(steps)}")
    for name in wanted:
        path = args.out / "rows" / f"{file_name(name)}.json"
        if not path.exists():
            began = time.monotonic()
            figures = steps[name]()
            write_json(path, {"row": name, "figures": figures, "seconds": round(time.monotonic() - began, 1)})
        print(json.dumps(json.loads(path.read_text())), flush=True)
        write_tables(args.out, list(steps))
    return 0


def write_tables(out: Path, names: list[str]) -> None:
    """What there is, as Markdown and as JSON."""
    from benchmarks.viewpoint_rows import ROWS
    from benchmarks.viewpoint_turns import HYPOTHESES

    made = {name: out / "rows" / f"{file_name(name)}.json" for name in names}
    found = {name: json.loads(path.read_text()) for name, path in made.items() if path.exists()}
    write_json(out / "table.json", list(found.values()))
    about_turns = {name: row["figures"] for name, row in found.items() if name not in ROWS}
    views = table(VIEWS, {name: found[name]["figures"] for name in ROWS if name in found})
    turns = table(TURNS, joined(about_turns, list(HYPOTHESES)))
    write_bytes(out / "table.md", f"{views}\n{turns}".encode())


def steps_of(args: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    """What makes each row; the subject is read when the first needs it."""
    from benchmarks.viewpoint_rows import ROWS
    from benchmarks.viewpoint_turns import HYPOTHESES, chosen, direction
    from benchmarks.viewpoints import read_subject

    from genstruct.viewpoint.realism import Retrieval

    made: dict[str, Subject] = {}

    def subject(row: str = "") -> "Subject":
        kind = "no masks" if row.endswith("no masks") else "masks"
        if kind not in made:
            masks = None if kind == "no masks" else args.masks
            made[kind] = read_subject(args.data, masks, args.out / kind.replace(" ", "-"), args.limit, args.seed)
        return made[kind]

    rows = {name: lambda name=name, row=row: row(subject(name)) for name, row in ROWS.items()}
    turns = {f"turns: {name}": lambda make=make: direction(subject(), make) for name, make in HYPOTHESES.items()}
    choice = {
        "choice by retrieval": lambda: chosen(subject(), Retrieval(subject().crops)),
        "choice by critic": lambda: chosen(subject(), subject().critic),
    }
    return {**rows, **turns, **choice}


def joined(found: dict[str, dict[str, Any]], names: list[str]) -> dict[str, dict[str, float]]:
    """Figures of each hypothesis, from the rows about turns and about choices."""
    rows: dict[str, dict[str, float]] = {name: dict(found.get(f"turns: {name}", {})) for name in names}
    for judge, ending_ in (("choice by retrieval", ""), ("choice by critic", " by critic")):
        for name, figures in found.get(judge, {}).items():
            rows[name] |= {f"{key}{ending_}": value for key, value in figures.items()}
    return rows


def table(columns: tuple[str, ...], rows: dict[str, dict[str, float]]) -> str:
    """Markdown; columns without any figure are left out."""
    shown = [column for column in columns if any(column in row for row in rows.values())]
    lines = [f"| | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    for name, row in rows.items():
        cells = [written(column, row[column]) if column in row else "" for column in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(column: str, value: float) -> str:
    """Degrees and counts with one decimal, shares with three."""
    return f"{value:.1f}" if column in ("median", "tree median", "edges", "best match") else f"{value:.3f}"


def file_name(row: str) -> str:
    """A row's name as a file name."""
    return "".join(c if c.isalnum() else "-" for c in row)


if __name__ == "__main__":
    sys.exit(main())
