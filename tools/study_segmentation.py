"""Train configurations with several seeds and score every stage on a labelled set: controls, ablations.

    DATA=../shared/data/cars
    python tools/study_segmentation.py configs/segmentation/control_{shift,no_shift}.yaml --photos $DATA/train \\
        --val $DATA/val --seeds 0,1,2 --out out/control
    python tools/study_segmentation.py configs/segmentation/cars64.yaml --photos $DATA/train --val $DATA/val \\
        --set rounds=[] --vary "no prior:objective.center=0" --vary "no hinge:objective.border=0" --out out/ablation

Variants are the files as they are, and the first file with each `--vary NAME:KEY=VALUE,...`. Rows give the mean over
seeds of the mean per-image IoU on the photo's own pixels, for the network alone and refined, the lowest and the highest
seed, and how many seeds collapsed: ended with masks worse than one fixed ellipse. Truth is read for scoring only.
The same command again continues.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genstruct.cli.ending import CONTINUES, ending
from genstruct.errors import ConfigError
from genstruct.experiments import load_experiment
from genstruct.train.signals import Stopped


@dataclass(frozen=True)
class Variant:
    """A configuration file with changes."""

    name: str
    config: Path
    changes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Its name as a file name."""
        return "".join(c if c.isalnum() else "-" for c in self.name)


@dataclass(frozen=True)
class Result:
    """Mean IoU of one stage of one seed; `flipped` is that of the better of mask and complement, image by image."""

    variant: str
    seed: int
    stage: str
    alone: float
    refined: float
    flipped: float
    area: float


def variants(args: argparse.Namespace) -> list[Variant]:
    """What is trained. Raises ConfigError for a variation without a name or without changes."""
    found = [Variant(path.stem, path, tuple(args.set)) for path in args.configs]
    for text in args.vary:
        name, colon, changes = text.partition(":")
        if not colon or not name.strip() or "=" not in changes:
            raise ConfigError(f"--vary takes NAME:KEY=VALUE[,KEY=VALUE], got {text!r}")
        found.append(Variant(name.strip(), args.configs[0], (*args.set, *changes.split(","))))
    if len({variant.folder for variant in found}) < len(found):
        raise ConfigError(f"variants need different names, got {[variant.name for variant in found]}")
    return found


@contextmanager
def quiet(stage: str) -> Iterator[Callable[[object], None]]:
    """A line for each stage and event; a study has too many steps to watch."""
    print(f"  {stage}", file=sys.stderr)

    def show(progress: object) -> None:
        if event := getattr(progress, "event", ""):
            print(f"    {event}", file=sys.stderr)

    yield show


def study(args: argparse.Namespace) -> list[Result]:
    """Train and score all variants with all seeds; `results.jsonl` keeps what is done."""
    journal = args.out / "results.jsonl"
    args.out.mkdir(parents=True, exist_ok=True)
    results = [Result(**json.loads(line)) for line in journal.read_text().splitlines()] if journal.exists() else []
    done = {(result.variant, result.seed) for result in results}
    for seed in args.seeds:
        for variant in variants(args):
            if (variant.name, seed) in done:
                continue
            print(f"{variant.name}, seed {seed}", file=sys.stderr)
            new = trained_and_scored(variant, seed, args)
            results += new
            with journal.open("a") as file:
                file.writelines(json.dumps(vars(result)) + "\n" for result in new)
    return results


def trained_and_scored(variant: Variant, seed: int, args: argparse.Namespace) -> list[Result]:
    """One training, and the scores of each of its stages."""
    from genstruct.train.health import TrainingFailed

    out = args.out / variant.folder / f"seed-{seed}"
    experiment = load_experiment(variant.config, [*variant.changes, f"data.root={args.photos}", f"train.seed={seed}"])
    try:
        finished = experiment.run(out / "run", quiet)
    except TrainingFailed as error:
        print(f"    {error}", file=sys.stderr)
        return [Result(variant.name, seed, "broke off", 0.0, 0.0, 0.0, 0.0)]
    if not finished:
        raise Stopped
    files = sorted((out / "run").glob("*/segmenter.safetensors"))
    return [scored(variant.name, seed, file.parent.name, file, out, args.val) for file in files]


def scored(variant: str, seed: int, stage: str, weights: Path, out: Path, val: Path) -> Result:
    """Masks of one stage, written to `out/masks` and scored."""
    from genstruct.data.sources import open_source
    from genstruct.metrics.evaluation import score_mask_folder
    from genstruct.segmentation.predict import RECORDS, MaskOptions, extract_masks
    from genstruct.segmentation.segmenter import Segmenter

    segmenter, reports = Segmenter.load(weights), {}
    for name, refine in (("alone", False), ("refined", True)):
        folder = out / "masks" / f"{stage}-{name}"
        with open_source(str(val)) as source:
            extract_masks(segmenter, source, folder, MaskOptions(refine=refine))
        reports[name] = score_mask_folder(folder, val)
    records = (out / "masks" / f"{stage}-alone" / RECORDS).read_text().splitlines()
    area = statistics.mean(json.loads(line).get("area", 0.0) for line in records)
    alone, refined = (reports[name].scores["iou"].value for name in ("alone", "refined"))
    flipped = reports["alone"].scores["oracle_flip_iou"].value
    return Result(variant, seed, stage, alone, refined, flipped, area)


def ellipse_iou(val: Path, out: Path) -> float:
    """Of one fixed ellipse for all pictures: masks worse than this know nothing of the photo."""
    from benchmarks.baselines import ellipse, usable

    from genstruct.metrics.evaluation import score_mask_folder

    for item in usable(val):
        item.write(ellipse(item), out)
    return score_mask_folder(out, val).scores["iou"].value


def table(results: list[Result], floor: float) -> str:
    """A line for each variant and stage (Markdown)."""
    lines = [
        "| variant | stage | seeds | alone | refined | alone, flipped at will | area | collapsed |",
        "|---" * 8 + "|",
    ]
    for variant, stage in dict.fromkeys((result.variant, result.stage) for result in results):
        rows = [result for result in results if (result.variant, result.stage) == (variant, stage)]
        alone, refined, flipped = (
            spread([getattr(row, name) for row in rows]) for name in ("alone", "refined", "flipped")
        )
        area = statistics.mean(row.area for row in rows)
        collapsed = sum(row.alone < floor for row in rows)
        lines.append(
            f"| {variant} | {stage} | {len(rows)} | {alone} | {refined} | {flipped} | {area:.2f} "
            f"| {collapsed} of {len(rows)} |"
        )
    return "\n".join([*lines, "", f"Collapsed: alone below {floor:.3f}, the score of one fixed ellipse."]) + "\n"


def spread(values: list[float]) -> str:
    """Mean, with the lowest and highest where there are several."""
    mean = f"{statistics.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f}-{max(values):.3f})"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, help="experiment files")
    parser.add_argument("--photos", required=True, help="unlabelled training photos")
    parser.add_argument("--val", type=Path, required=True, help="labelled set that is scored")
    parser.add_argument("--seeds", default="0", help="comma-separated (0)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change for all variants")
    parser.add_argument("--vary", action="append", default=[], metavar="NAME:KEY=VALUE,...", help="one more variant")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study: new, or to be continued")
    args = parser.parse_args()
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    return args


@ending("study_segmentation", CONTINUES)
def main() -> int:
    """Train, score, print, write."""
    args = arguments()
    from genstruct.files import write_text  # here, so that --help need not wait for torch

    text = table(study(args), ellipse_iou(args.val, args.out / "ellipse"))
    write_text(args.out / "table.md", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
