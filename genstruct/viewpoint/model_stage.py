"""The stage that makes what new photos are given to: OUT/viewgraph.safetensors, from a finished graph."""

import shutil
from pathlib import Path
from typing import Any

from genstruct.configuration import plain
from genstruct.errors import CheckpointError
from genstruct.run.publish import places
from genstruct.run.stages import Stage, StageRunner
from genstruct.train import distributed
from genstruct.train.report import OnProgress
from genstruct.viewpoint.distill import distill
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.model import RUN_FILE, ViewGraph
from genstruct.viewpoint.settings import ViewpointSettings
from genstruct.viewpoint.store import digest

MADE_FROM = "made_from"
FOLDER = "network"


def model_stage(settings: ViewpointSettings, runner: StageRunner, graph: Stage[Graph], key: str) -> Stage[ViewGraph]:
    """A view graph for use, done when its file is there and made from this graph by these settings.

    Args:
        settings: Of the graph; `network` says whether one is distilled.
        runner: Does the stages.
        graph: Finished.
        key: A digest of what the graph is made from.
    """
    network = [plain(settings.distill), settings.train.images, settings.train.batch] if settings.network else []
    made_from = digest([key, plain(settings.fit), settings.objects.segmenter, settings.train.seed, network])
    file = runner.out / RUN_FILE

    def found() -> ViewGraph | None:
        try:
            model = ViewGraph.load(file, "cpu") if file.is_file() else None
        except CheckpointError:  # of an older version, or damaged: it is made again
            return None
        return model if model is not None and model.card.get(MADE_FROM) == made_from else None

    def make(progress: OnProgress, graph: Graph) -> ViewGraph:
        model = ViewGraph.of(graph, settings.fit, {**card(settings, graph), MADE_FROM: made_from})
        if settings.network:
            folder = runner.out / FOLDER / made_from
            model = distill(runner, progress, graph, model, settings.distill, settings.train, folder)
            _sweep(folder)
        runner.write(RUN_FILE, model.encode())
        return model

    return Stage("model", make, (graph,), found)


def card(settings: ViewpointSettings, graph: Graph) -> dict[str, Any]:
    """What a person should know of the weights, and where masks of new photos come from."""
    return {
        "data": places(settings.data.root),
        "photos": len(graph.photos),
        "segmenter": Path(settings.objects.segmenter).stem if settings.objects.segmenter else "",
    }


def _sweep(folder: Path) -> None:
    """Take away trainings of other graphs and settings."""
    if distributed.current().main:
        for old in folder.parent.iterdir():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
