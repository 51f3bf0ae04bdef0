"""`genstruct graph`: the viewpoints of a category's photos, and its shape, found without labels."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstruct.cli import prediction
from genstruct.cli.arguments import place
from genstruct.cli.objects import segmenter_file
from genstruct.cli.train import look_at_photos, shown
from genstruct.errors import ConfigError, DataError

if TYPE_CHECKING:
    from genstruct.run.ledger import Line
    from genstruct.train.report import OnProgress
    from genstruct.viewpoint.experiment import ViewpointExperiment

MASKS = "masks"
"""Folder of the masks that a model made, in the folder of the graph."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Find the viewpoint of each photo and the category's shape, turn photos by that shape, keep what other photos "
        "confirm, and write OUT/viewpoints.jsonl, graph.json, graph.graphml, the shape and a page to look at. The same "
        "command again does what is missing; what depends on changed photos or settings is made anew. "
    ) + prediction.STATUS
    parser.add_argument("images", nargs="+", help="photos of one category, as other commands take them")
    parser.add_argument(
        "--masks",
        metavar="MODEL_OR_PLACE",
        help="a segmenter (a run, or .safetensors), masks named like the photos, or none (costs nearly all)",
    )
    parser.add_argument("--out", type=place, required=True, metavar="DIR", help="folder: new, empty or to be continued")
    parser.add_argument(
        "--config", type=place, metavar="FILE", help="settings (configs/viewpoint); --key.sub=value wins"
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="of masks and networks; fits are on the CPU (auto)",
    )
    parser.set_defaults(overrides=[])


def run(args: argparse.Namespace) -> int:
    """Make the graph. Status 0: all is well; 1: photos were left out, or views are undetermined; 2: nothing is done."""
    from genstruct.train.signals import Stopped
    from genstruct.viewpoint.stages import shortfalls

    prediction.check_apart(args.images, args.out)
    experiment = _experiment(args)
    model = segmenter_file(args.masks) if args.masks else None
    look_at_photos(experiment)
    make_masks = partial(_make_masks, args, model) if model else None
    if not experiment.run(args.out, shown, make_masks):
        raise Stopped
    reason, left_out = shortfalls(args.out)
    prediction.print_remarks("left out", left_out)
    prediction.print_remarks("undetermined", [reason] if reason else [])
    print(f"done: {args.out}, open {args.out / 'index.html'}")
    return int(bool(reason or left_out))


def _experiment(args: argparse.Namespace) -> "ViewpointExperiment":
    from genstruct.configuration import build
    from genstruct.experiments import NAME, experiment_class
    from genstruct.strict_yaml import read_yaml

    values: dict[str, Any] = read_yaml(args.config) if args.config else {}
    kind = values.pop(NAME, "viewpoint")
    if kind != "viewpoint":
        raise ConfigError(f"{args.config}: is about {kind}, but this needs an experiment: viewpoint")
    root = args.images[0] if len(args.images) == 1 else list(args.images)
    ours = {"data": {"root": root}, "train": {"device": args.device}, "objects": _objects(args)}
    for key, value in ours.items():
        values[key] = {**(values.get(key) or {}), **value}
    return build(experiment_class("viewpoint"), values, args.overrides)


def _objects(args: argparse.Namespace) -> dict[str, str]:
    if args.masks is None:
        return {}
    if segmenter_file(args.masks) is None:
        return {"masks": args.masks}
    return {"masks": str(args.out / MASKS), "segmenter": args.masks}


def _make_masks(args: argparse.Namespace, model: Path, progress: "OnProgress") -> None:
    """Masks of all photos by a segmenter; those that are there stay."""
    from genstruct.data.sources import open_source
    from genstruct.run.predict import predict_set
    from genstruct.segmentation.predict import MaskOptions, MaskTask
    from genstruct.segmentation.segmenter import Segmenter
    from genstruct.train.report import Progress

    def told(line: "Line", done: int, total: int) -> None:
        event = f"{line['file_name']}: {line['error']}" if "error" in line else ""
        progress(Progress(done, total, event=event))

    segmenter = Segmenter.load(model, args.device)
    task = MaskTask(segmenter, MaskOptions(refine=bool(segmenter.card.get("refine", False))))
    with open_source(prediction.all_of(args.images)) as source:
        report = predict_set(task, source, args.out / MASKS, on_line=told)
    if not report.made + report.there:
        raise DataError(
            f"none of the photos has a mask, see {args.out / MASKS}; look at the photos or give other masks"
        )
