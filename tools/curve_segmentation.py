"""The curve of IoU against images seen, of finished runs on a labelled set: curve.json, curve.png and table.md.

    python tools/curve_segmentation.py runs/cars-0 runs/cars-1 --truth ../shared/data/cars/val --out out/curve

Points of a run: its healthiest start, each checkpoint of its generator, the distilled segmenter, each round. A start or
a checkpoint is scored by what it teaches: pairs and a distillation as in the run's own settings, kept in OUT. Images
seen are those of the generator, of starts that were given up, and of all segmenters until then. Runs are read only, may
be unfinished, and give a mean, a lowest and a highest value for each stage (several seeds of one configuration).
`genstruct train ... train.keep_checkpoints=10` keeps checkpoints to score; without it only the last two are left.
Truth is read for scoring only. The same command again continues.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study_segmentation import quiet, scored, spread

from genstruct.cli.ending import CONTINUES, ending
from genstruct.errors import ConfigError, GenstructError
from genstruct.export.chart import CurvePoint, LineChart, check_charts, write_charts

if TYPE_CHECKING:
    from genstruct.segmentation.experiment import SegmentationExperiment

WEIGHTS = "segmenter.safetensors"
SCORES = {"alone": "segmenter alone", "refined": "refined"}


@dataclass(frozen=True)
class Moment:
    """A point of a run that can be scored.

    Args:
        stage: What has ended.
        images: Seen until then, by all networks.
        file: Weights of a segmenter, or a checkpoint of a generator.
    """

    stage: str
    images: int
    file: Path


@dataclass(frozen=True)
class Point:
    """Mean IoU of one run at one moment; 0 where a generator gave no usable masks."""

    run: str
    stage: str
    images: int
    alone: float
    refined: float


def moments(run: Path, experiment: "SegmentationExperiment", with_generator: bool) -> list[Moment]:
    """What a run holds, in order."""
    found = list(generators(run, experiment)) if with_generator else []
    seen = experiment.train.images + given_up(experiment)
    names = ["distil", *(f"round-{number}" for number in range(1, len(experiment.rounds) + 1))]
    for name, stage in zip(names, (experiment.distil, *experiment.rounds), strict=True):
        seen += stage.images
        if (run / name / WEIGHTS).is_file():
            found.append(Moment(name, seen, run / name / WEIGHTS))
    if not found:
        raise ConfigError(f"{run} holds nothing to score yet: no DIR/{WEIGHTS} of a stage")
    return found


def generators(run: Path, experiment: "SegmentationExperiment") -> Iterator[Moment]:
    """The best start, and checkpoints before the last, whose distillation is a stage of the run itself."""
    from genstruct.train import checkpoint

    rest = given_up(experiment) + experiment.distil.images
    starts = [path for folder in sorted(run.glob("starts/seed-*")) if (path := checkpoint.latest(folder))]
    if starts:
        yield Moment("start", experiment.starts.images + rest, healthiest(starts, experiment))
    for path in checkpoint.all_in(run / "generator"):
        images = int(path.stem.removeprefix("images-"))
        if experiment.starts.images * bool(starts) < images < experiment.train.images:
            yield Moment(f"generator-{images}", images + rest, path)


def healthiest(starts: list[Path], experiment: "SegmentationExperiment") -> Path:
    """The one that went on: runs do not note which."""
    from genstruct.segmentation.samples import load_generator
    from genstruct.segmentation.starts import health_score

    def health(path: Path) -> float:
        made = load_generator(path, experiment.train.device)
        return health_score(made.network, made.size, experiment.objective, made.images / experiment.train.images)

    return max(starts, key=health)


def given_up(experiment: "SegmentationExperiment") -> int:
    """Images of the starts that did not go on."""
    return max(experiment.starts.count - 1, 0) * experiment.starts.images


def curve(args: argparse.Namespace) -> list[Point]:
    """Score all moments of all runs; `results.jsonl` keeps what is done."""
    journal = args.out / "results.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    points = [Point(**json.loads(line)) for line in journal.read_text().splitlines()] if journal.exists() else []
    done = {(point.run, point.stage) for point in points}
    for name, run, experiment, moment in chosen(args):
        if (name, moment.stage) in done:
            continue
        print(f"{name}, {moment.stage}", file=sys.stderr)
        points.append(measured(name, run, moment, experiment, args))
        with journal.open("a") as file:
            file.write(json.dumps(vars(points[-1])) + "\n")
    return points


def chosen(args: argparse.Namespace) -> list[tuple[str, Path, "SegmentationExperiment", Moment]]:
    """All moments to score, with their runs. Raises ConfigError for a stage that no run has, before any work."""
    found = []
    for name, run in named(args.runs).items():
        experiment = experiment_of(run)
        found += [(name, run, experiment, moment) for moment in moments(run, experiment, args.generator)]
    there = list(dict.fromkeys(moment.stage for *_, moment in found))
    if unknown := [stage for stage in args.stages or () if stage not in there]:
        raise ConfigError(f"no stage of these runs is called {', '.join(unknown)}; they have {', '.join(there)}")
    return [item for item in found if not args.stages or item[3].stage in args.stages]


def named(runs: list[Path]) -> dict[str, Path]:
    """Runs by the names of their folders."""
    names = {run.resolve().name: run for run in runs}
    if len(names) < len(runs):
        raise ConfigError(f"runs need folders of different names, got {[str(run) for run in runs]}")
    return names


def experiment_of(run: Path) -> "SegmentationExperiment":
    """The settings that a run was made with. Raises ConfigError where there are none."""
    from genstruct.experiments import load_experiment
    from genstruct.segmentation.experiment import SegmentationExperiment

    file = run / "config.yaml"
    if not file.is_file():
        raise ConfigError(f"{run} is not the folder of a run (no config.yaml); give the --out of genstruct train")
    experiment = load_experiment(file)
    if not isinstance(experiment, SegmentationExperiment):
        raise ConfigError(f"{file} is not a run of segmentation")
    return experiment


def measured(
    name: str, run: Path, moment: Moment, experiment: "SegmentationExperiment", args: argparse.Namespace
) -> Point:
    """The scores of one moment; a generator first teaches a segmenter."""
    out, weights = args.out / name, moment.file
    if weights.suffix == ".pt":
        try:
            weights = taught(run, moment, experiment, out / moment.stage)
        except GenstructError as error:  # early on there may be no usable mask: that is a result too
            print(f"    {error}", file=sys.stderr)
            return Point(name, moment.stage, moment.images, 0.0, 0.0)
    result = scored(name, experiment.train.seed, moment.stage, weights, out, args.truth)
    return Point(name, moment.stage, moment.images, result.alone, result.refined)


def taught(run: Path, moment: Moment, experiment: "SegmentationExperiment", cache: Path) -> Path:
    """The segmenter that a checkpoint of the generator teaches, as the run itself would have distilled it."""
    from genstruct.data.archive import Archive
    from genstruct.run.stages import StageRunner, given
    from genstruct.segmentation.layered import fading_prior
    from genstruct.segmentation.samples import load_generator
    from genstruct.segmentation.stages import Stages

    made = load_generator(moment.file, experiment.train.device)
    fraction = made.images / experiment.train.images
    prior = fading_prior(experiment.objective, fraction, experiment.generator.size, made.device)
    runner = StageRunner(experiment.train, cache, quiet)
    generator, photos = given("generator", made.network), given("photos", Archive.open(run / "photos"))
    runner.result(Stages(experiment, runner).distil(generator, photos, prior))
    return cache / "distil" / WEIGHTS


def summary(points: list[Point]) -> list[dict[str, object]]:
    """A row for each stage, by images seen: how many runs, and each score's mean, lowest and highest value."""
    rows = []
    for stage, images in sorted({(p.stage, p.images) for p in points}, key=lambda key: key[1]):
        here = [point for point in points if (point.stage, point.images) == (stage, images)]
        row: dict[str, object] = {"stage": stage, "images": images, "runs": len(here)}
        for score in SCORES:
            values = [getattr(point, score) for point in here]
            row[score] = {"mean": statistics.mean(values), "low": min(values), "high": max(values), "values": values}
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each stage (Markdown)."""
    lines = ["| after | images seen | runs | alone | refined |", "|---" * 5 + "|"]
    for row in rows:
        cells = " | ".join(spread(row[score]["values"]) for score in SCORES)
        lines.append(f"| {row['stage']} | {row['images']} | {row['runs']} | {cells} |")
    return "\n".join(lines) + "\n"


def write(rows: list[dict[str, Any]], out: Path, about: str) -> None:
    """curve.json, table.md and curve.png."""
    from genstruct.files import write_json, write_text

    write_json(out / "curve.json", {"kind": "curve", "truth": about, "points": rows})
    write_text(out / "table.md", table(rows))
    series = {
        title: [CurvePoint(row["images"], row[score]["mean"], row[score]["low"], row[score]["high"]) for row in rows]
        for score, title in SCORES.items()
    }
    marks = {row["images"]: row["stage"] for row in rows if not row["stage"].startswith("generator-")}
    runs = max(row["runs"] for row in rows)
    title = "mean IoU against images seen" + (f" (bars: lowest and highest of {runs} runs)" if runs > 1 else "")
    write_charts(out / "curve.png", LineChart(title, series, "images seen by generator and segmenters", marks))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders written by genstruct train")
    parser.add_argument("--truth", type=Path, required=True, help="labelled set that is scored")
    parser.add_argument("--out", type=Path, required=True, help="folder of the curve: new, or to be continued")
    parser.add_argument("--stages", type=lambda text: text.split(","), help="score only these, comma-separated (all)")
    parser.add_argument(
        "--generator", action=argparse.BooleanOptionalAction, default=True, help="also score its checkpoints (yes)"
    )
    return parser.parse_args()


@ending("curve_segmentation", CONTINUES)
def main() -> int:
    """Score, print, write."""
    args = arguments()
    check_charts()
    rows = summary(curve(args))
    write(rows, args.out, str(args.truth))
    print(table(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
