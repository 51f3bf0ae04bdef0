"""A first look at the whole path in a few minutes: photos, a short training, masks, scores, and a page with pictures.

```text
OUT/photos/train, photos/test   synthetic scenes, or a sample of the photos that were given
OUT/pace.json                   how much of the training fits the minutes, see `genstruct.segmentation.showcase_pace`
OUT/run                         the training (see `genstruct.segmentation.experiment`)
OUT/masks/NAME                  masks of the test photos by each model
OUT/index.html, contact_sheet.png, scores.json
```

A second call does what is missing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from genstruct.data.sources import open_source
from genstruct.errors import CheckpointError
from genstruct.files import write_json
from genstruct.metrics.evaluation import MaskReport, score_mask_folder
from genstruct.run.demo import DemoConfig, Photos, claim, prepare_photos, trained
from genstruct.run.pace import Pace, Say, paced
from genstruct.run.predict import StreamOptions
from genstruct.run.stages import Reporter, silent
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.segmentation.predict import MaskOptions, extract_masks
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter
from genstruct.segmentation.showcase_pace import find_pace, shortened
from genstruct.segmentation.showcase_page import Shown, write_looks

PACE, FRESH = "pace.json", "fresh"


@dataclass(frozen=True)
class Model:
    """Something that makes masks.

    Args:
        name: For folders and labels.
        title: For people.
        path: A run or a file.
        refine: Whether to refine its masks; what its card says if left out.
        on_sheet: Whether to show it on the contact sheet, too.
    """

    name: str
    title: str
    path: Path
    refine: bool | None = None
    on_sheet: bool = True


@dataclass
class DemoReport:
    """What a demo did.

    Args:
        photos: On which photos.
        page: The page to look at.
        sheet: The contact sheet, PNG.
        scores: By title of the model, where truth is known.
        notes: What did not go as it should, one sentence each.
        finished: False if a signal stopped the training; then there is nothing to look at yet.
        length: Of the training, as a share of what its configuration says.
    """

    photos: Photos
    page: Path
    sheet: Path
    scores: dict[str, MaskReport] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    finished: bool = True
    length: float = 1.0


def run_demo(
    experiment: SegmentationExperiment,
    out: Path,
    config: DemoConfig,
    weights: Sequence[Path] = (),
    reporter: Reporter | None = None,
    say: Say = lambda _: None,
    began: float | None = None,
) -> DemoReport:
    """Go the whole path; see the module.

    Args:
        experiment: The short training; its `data.root` is replaced.
        out: Folder for everything; new, empty, or that of an earlier demo of the same photos.
        config: Which photos.
        weights: Files with trained weights to compare with; those that do not exist or cannot be read are noted.
        reporter: Shows the progress of the training.
        say: Told what happens, a line at a time.
        began: When `config.minutes` began to count, by `time.perf_counter`; now if left out.

    Raises:
        GenstructError: Photos that cannot be read, or a place that cannot be written.
    """
    began = time.perf_counter() if began is None else began
    claim(out, config)
    photos = prepare_photos(out / "photos", config)
    say(f"photos: {photos.about}")
    report = DemoReport(photos, out / "index.html", out / "contact_sheet.png")
    experiment = replace(experiment, data=replace(experiment.data, root=str(photos.train)))
    reporter = reporter or silent
    if config.minutes is not None:
        left, models = 60 * config.minutes - (time.perf_counter() - began), 2 + len(weights)
        plan = partial(_plan, experiment, photos, models, left)
        report.length, reporter = paced(out / PACE, plan, left, reporter, say)
        experiment = shortened(experiment, report.length)
    report.finished = trained(lambda: experiment.run(out / "run", reporter), report.notes)
    if not report.finished:
        return report
    shown = [_apply(model, photos, out / "masks", report, say) for model in _models(out / "run", weights, report.notes)]
    write_looks(report.page, report.sheet, photos.test, _intro(report), [s for s in shown if s], out / "run")
    write_json(out / "scores.json", {title: masks.to_json() for title, masks in report.scores.items()})
    return report


def _plan(experiment: SegmentationExperiment, photos: Photos, models: int, seconds: float) -> Pace:
    with open_source(photos.train) as train, open_source(photos.test) as test:
        return find_pace(experiment, len(train), models * len(test), seconds)


def _models(run: Path, weights: Sequence[Path], notes: list[str]) -> list[Model]:
    models = []
    if (run / RUN_FILE).exists():
        models += [Model(f"{FRESH}-refined", "trained just now, refined by each photo's colours", run, refine=True)]
        models += [Model(FRESH, "trained just now", run, refine=False, on_sheet=False)]
    for file in weights:
        if file.is_file():
            models.append(Model(file.stem, f"shipped weights {file.name}", file))
        else:
            notes.append(f"{file} is not there, so nothing is compared with shipped weights.")
    return models


def _apply(model: Model, photos: Photos, masks: Path, report: DemoReport, say: Say) -> Shown | None:
    """Make masks of the test photos and score them."""
    out = masks / model.name
    try:
        segmenter = Segmenter.load(model.path)
    except CheckpointError as error:
        report.notes.append(f"{error}.")
        return None
    refine = bool(segmenter.card.get("refine", False)) if model.refine is None else model.refine
    with open_source(photos.test) as source:
        made = extract_masks(segmenter, source, out, MaskOptions(refine=refine), StreamOptions(overwrite=True))
    say(f"masks by {model.title}: {made.made} in {out}" + (f", {made.failed} failed" if made.failed else ""))
    if photos.truth:
        report.scores[model.title] = score_mask_folder(out, photos.test)
    return Shown(model.name, model.title, out, report.scores.get(model.title), segmenter.card, model.on_sheet)


def _intro(report: DemoReport) -> str:
    scored = (
        "IoU is scored against true masks, which the training never saw."
        if report.photos.truth
        else "No true masks are known for these photos, so nothing is scored: look."
    )
    length = f"The training was {report.length:.0%} of the configured length." if report.length != 1 else ""
    return " ".join(filter(None, [f"{report.photos.about}.".capitalize(), length, scored, *report.notes]))
