"""`genstruct train`: learn from unlabelled images what an experiment file describes."""

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from genstruct.cli.arguments import place
from genstruct.cli.prediction import print_remarks
from genstruct.cli.printable import printable
from genstruct.errors import ConfigError, OutputError
from genstruct.train.signals import Stopped

if TYPE_CHECKING:
    from genstruct.experiments import Experiment
    from genstruct.train.report import OnProgress


FEW = 100
"""Photos below which a training is told to be a risk."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.usage = "genstruct train CONFIG [KEY=VALUE ...] --out RUN [--resume]"
    parser.epilog = (
        "example: genstruct train configs/segmentation/cars64.yaml data.root=photos train.images=2e6 --out runs/cars. "
        "The same command again continues a run that was stopped. Several GPUs: torchrun --nproc-per-node N "
        "tools/train.py CONFIG ..."
    )
    parser.add_argument("config", nargs="?", type=place, metavar="CONFIG", help="experiment file (YAML)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings that win over the file's")
    parser.add_argument("--out", type=place, metavar="RUN", help="folder of the run: new, empty, or one to continue")
    parser.add_argument(
        "--resume", action="store_true", help="only continue: refuse a RUN that holds no run (also without: continue)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the settings and what would be trained, then stop"
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this; after CONFIG, also each of its keys")
    parser.set_defaults(usage=parser.format_help)


def run(args: argparse.Namespace) -> int:
    """Train. Status 0: done. Raises Stopped after SIGINT or SIGTERM, with everything saved."""
    if args.help:
        print(args.usage())
        if args.config is not None:
            print(key_table(_load(args)))
        return 0
    experiment = _load(args)
    _check_out(args)
    from genstruct.run.ranks import made_once
    from genstruct.run.stages import silent
    from genstruct.train import distributed

    with distributed.joined() as ranks:
        made_once(lambda: look_at_photos(experiment))
        if ranks.main:
            print_plan(experiment)
        if args.dry_run:
            return 0
        done = experiment.run(args.out, shown if ranks.main else silent)
        if ranks.main and done:
            print(f"done: {args.out}")
    if not done:
        raise Stopped
    return 0


def look_at_photos(experiment: "Experiment") -> None:
    """Print how many photos there are, and what is left out. Raises DataError where there are none, before any work."""
    from genstruct.data.sources import open_source

    root = experiment.data.root
    if not root:
        print("photos: data.root is not set")
        return
    with open_source(root) as source:
        print(printable(f"photos: {len(source)} in {source.description}"))
        print_remarks("left out", source.problems)
        print_remarks("note", source.notes)
        if len(source) < FEW:
            told = f"{len(source)} photos are few: with less than {FEW}, training tends to learn them by heart"
            print_remarks("note", [f"{told}; more photos of the same category help most"])
    sys.stdout.flush()


def print_plan(experiment: "Experiment") -> None:
    """Print every setting, the device, and the number of parameters of each network."""
    import yaml

    from genstruct.experiments import resolved

    text = yaml.safe_dump(
        dict(resolved(experiment)), sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    print(f"{text}\n{device_line(experiment.train.device)}")
    for name, network in getattr(experiment, "networks", dict)().items():
        count = sum(parameter.numel() for parameter in network.parameters())
        print(f"network: {name}, {count:,} parameters")
    sys.stdout.flush()


def device_line(wanted: str) -> str:
    """The device that will be used, with its name or its threads."""
    import torch

    from genstruct.train.distributed import pick_device

    device = pick_device(wanted)
    if device.type == "cuda":
        return f"device: {device} ({torch.cuda.get_device_name(device)})"
    return f"device: {device} ({torch.get_num_threads()} threads, {os.cpu_count()} processors)"


def key_table(experiment: "Experiment") -> str:
    """Every key of an experiment with its value, type and documentation."""
    from genstruct.configuration import leaves

    width = max(60, min(shutil.get_terminal_size((110, 24)).columns, 120) - 2)
    lines = ["keys, with their values in this configuration:"]
    for setting in leaves(experiment):
        lines.append(f"  {setting.key}={_yaml_text(setting.value)}")
        default = "" if setting.value == setting.default else f"; default {_yaml_text(setting.default)}"
        about = f"{setting.help} ({setting.kind}{default})".strip()
        lines += textwrap.wrap(about, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _check_out(args: argparse.Namespace) -> None:
    from genstruct.run.folder import CONFIG

    if args.out is None:
        if args.resume or not args.dry_run:
            raise ConfigError("--out RUN is missing: give the folder that the run is written to")
    elif args.resume and not (args.out / CONFIG).is_file():
        raise OutputError(f"{args.out} holds no {CONFIG}, so there is no run to continue; begin one without --resume")


def _load(args: argparse.Namespace) -> "Experiment":
    from genstruct.experiments import load_experiment

    if args.config is None:
        raise ConfigError("give an experiment file, for example configs/segmentation/cars64.yaml")
    return load_experiment(args.config, args.overrides)


@contextmanager
def shown(stage: str) -> "Iterator[OnProgress]":
    from genstruct.train.progress import ProgressLine

    with ProgressLine(stage) as line:
        yield line


def _yaml_text(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
