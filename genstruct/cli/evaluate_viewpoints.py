"""`genstruct evaluate viewpoints`: viewpoints against true cameras."""

import argparse
from typing import TYPE_CHECKING

from genstruct.cli.arguments import place
from genstruct.cli.scoring import add_json, console_beside, give_json, show_failures, show_notes, status

if TYPE_CHECKING:
    from rich.table import Table

    from genstruct.metrics.view_evaluation import ViewReport

LABELS = {
    "median": "error, median (degrees)",
    "mean": "error, mean (degrees)",
    "within_15": "within 15 degrees",
    "within_30": "within 30 degrees",
    "flips": "flips (above 120 degrees)",
    "median_of_all": "error, median, with the likeliest candidates of undetermined photos",
    "within_30_of_all": "within 30 degrees, with the likeliest candidates of undetermined photos",
    "coverage": "coverage: share that has a view",
    "azimuth_order": "order of azimuths (circular rank correlation)",
    "surest_flips": "flips among the surest 75 %",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Score viewpoints.jsonl against a set whose metadata.jsonl has cameras. The frame of a category found without "
        "labels is one rotation off: it is fitted on one half of the photos and judged on the other, and the other way "
        "round; whether the set came out mirrored is tried and told. A graph.json beside has its edges scored, too."
    )
    parser.add_argument(
        "--pred", type=place, required=True, metavar="DIR_OR_JSONL", help="what genstruct graph or viewpoints wrote"
    )
    parser.add_argument(
        "--truth", type=place, required=True, metavar="SET", help="a set with a metadata.jsonl, or that file"
    )
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples for the intervals, 0 for none (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Score, and print tables. Status 0: all photos are scored or undetermined; 1: some have no line or an error."""
    from genstruct.metrics.view_evaluation import ViewProtocol, score_view_file

    report = score_view_file(args.pred, args.truth, ViewProtocol(max(args.bootstrap, 0), args.seed))
    console = console_beside(args.json)
    show_failures(report.failures, report.scored + report.undetermined)
    show_notes(report.notes)
    console.print(score_table(report))
    if report.sure:
        console.print(confidence_table(report))
    for line in remarks(report):
        console.print(line, highlight=False)
    give_json(args.json, report.to_json())
    return status(report.scored, len(report.failures))


def score_table(report: "ViewReport") -> "Table":
    """The scores as a table for the terminal."""
    from rich.table import Table

    table = Table(title=f"{report.scored} of {report.photos} photos have a view")
    for name in ("score", "value", "interval"):
        table.add_column(name, justify="left" if name == "score" else "right")
    for name, label in LABELS.items():
        score = report.scores.get(name)
        if score is not None:
            digits = 2 if name.startswith(("median", "mean")) else 3
            bounds = "" if score.low is None else f"{score.low:.{digits}f} - {score.high:.{digits}f}"
            table.add_row(label, f"{score.value:.{digits}f}", bounds)
    return table


def confidence_table(report: "ViewReport") -> "Table":
    """How often views are right, by their confidence."""
    from rich.table import Table

    table = Table(title="by confidence; below 0.5 the likeliest candidate of an undetermined view")
    for name in ("confidence", "photos", "mean", "right", "flips"):
        table.add_column(name, justify="right")
    for share in report.sure:
        numbers = [f"{value:.3f}" for value in (share.confidence, share.right, share.flips)]
        table.add_row(f"{share.low:g} - {share.high:g}", str(share.photos), *numbers)
    return table


def remarks(report: "ViewReport") -> list[str]:
    """What else is to be said."""
    lines = ["The set came out as its mirror image."] if report.mirrored else []
    if report.guesses is not None:
        right = f"the likeliest candidates of {report.guesses:.0%} of them are right"
        lines.append(f"{report.undetermined} photos are undetermined and not scored; {right}.")
    if report.edges is not None:
        edges = report.edges
        lines.append(f"{edges['precision']:.3f} of {edges['judged']:.0f} verified edges are true within 30 degrees.")
    return lines
