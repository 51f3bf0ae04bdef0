"""From photos and masks to a view graph, in stages whose results are found again.

```text
[masks] ─► crops ─► neighbors ─► scout ─► start 1..n ─► shapes ─► views ─► edges ─► graph ─► files, page, model
```

`OUT/stages` holds a file for each of crops, scout, starts, shapes, views and edges, called by the digest of
all that it was made from; neighbours and the graph itself are made anew in seconds.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from genstruct.configuration import plain
from genstruct.data.source import Source
from genstruct.data.sources import open_masks, open_source
from genstruct.run.stages import Stage, StageRunner, counted
from genstruct.train.report import OnProgress, Progress
from genstruct.train.threads import cpu_threads
from genstruct.viewpoint.assemble import assemble
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Fit, OnRound, Problem
from genstruct.viewpoint.evidence import look
from genstruct.viewpoint.fitting import best, category, finish, grow, narrowed, prepare, start
from genstruct.viewpoint.graph import Graph, Photos
from genstruct.viewpoint.hypotheses import shape_hypothesis
from genstruct.viewpoint.interventions import intervene
from genstruct.viewpoint.model import ViewGraph
from genstruct.viewpoint.model_stage import model_stage
from genstruct.viewpoint.photos import cut_photos, photos_key
from genstruct.viewpoint.records import RECORDS
from genstruct.viewpoint.scale import best_convex, convex, with_known_depth
from genstruct.viewpoint.settings import WITHOUT, ViewpointSettings
from genstruct.viewpoint.show.write import write_graph
from genstruct.viewpoint.store import EdgesCodec, FitCodec, Kept, PhotosCodec

T = TypeVar("T")
FOLDER = "stages"
MakeMasks = Callable[[OnProgress], None]


def run_stages(settings: ViewpointSettings, make_masks: MakeMasks | None, runner: StageRunner) -> None:
    """Do all stages that are not done yet. Raises `Stopped` when a signal ended one."""
    if make_masks is not None:
        runner.result(Stage("masks", lambda progress: make_masks(progress) or True))
    stages = Stages(settings, runner)
    with cpu_threads(settings.train.threads):
        runner.result(stages.files)
        runner.result(stages.model)


def shortfalls(out: Path) -> tuple[str, list[str]]:
    """Of a finished graph: why none of its views may be relied on (empty where they may), and the photos left out."""
    lines = [json.loads(line) for line in (out / RECORDS).read_text(encoding="utf-8").splitlines()]
    without = [line for line in lines if "error" in line]
    unsure = [line["undetermined"] for line in lines if "undetermined" in line]
    reason = unsure[0] if len(unsure) + len(without) == len(lines) else ""
    return reason, [f"{line['file_name']}: {line['error']}" for line in without]


@dataclass(frozen=True, eq=False)
class KeptStage(Stage[T]):
    """A stage whose result lies in a file called by `key`, the digest of all that it is made from."""

    key: str = ""


def kept_stage(name: str, make: Callable[..., T], needs: tuple[Stage[Any], ...], kept: Kept[T]) -> KeptStage[T]:
    """A stage that is done when its file is there."""
    return KeptStage(name, kept.made(make), needs, kept.find, key=kept.key)


class Stages:
    """The stages of one graph; each property is one, which is done when it is asked for its result.

    Args:
        settings: Of the graph.
        runner: Does the stages.
    """

    def __init__(self, settings: ViewpointSettings, runner: StageRunner) -> None:
        self.settings, self.runner, self.folder = settings, runner, runner.out / FOLDER

    @cached_property
    def photos(self) -> KeptStage[Photos]:
        """Objects cut out of the photos."""
        size = self.settings.objects.size
        kept = Kept(self.folder, "crops", self._photos_key, PhotosCodec())

        def cut(progress: OnProgress) -> Photos:
            with ExitStack() as opened:
                photos = cut_photos(*self._sources(opened), size, on_progress=counted(progress))
            for failure in photos.failed:
                progress(Progress(len(photos), len(photos), event=f"{failure.name}: {failure.why}"))
            return photos

        return kept_stage("crops", cut, (), kept)

    @cached_property
    def described(self) -> Stage[Problem]:
        """Maps and neighbours of the crops, in memory, with all views that are thought of."""
        settings = self.settings

        def describe(progress: OnProgress, photos: Photos) -> Problem:
            return prepare(photos.crops, settings.prior, settings.grid, settings.fit, settings.neighbors)

        return Stage("neighbors", describe, (self.photos,))

    @cached_property
    def scout(self) -> KeptStage[Fit]:
        """A first start, which sees what elevations there are."""
        settings = self.settings

        def fit(progress: OnProgress, problem: Problem) -> Fit:
            return start(problem, settings.prior, settings.train.seed, _rounds(progress, len(problem.images)))

        kept = Kept(self.folder, "scout", self._start_key(settings.train.seed), FitCodec())
        return kept_stage("scout", fit, (self.described,), kept)

    @cached_property
    def problem(self) -> Stage[Problem]:
        """What fits are made from, in memory."""
        if not self.settings.prior.narrow:
            return self.described

        def narrow(progress: OnProgress, problem: Problem, scout: Fit) -> Problem:
            return narrowed(problem, scout, self.settings.grid)

        return Stage("elevations", narrow, (self.described, self.scout))

    @cached_property
    def starts(self) -> tuple[KeptStage[Fit], ...]:
        """Fits from different shapes."""
        settings = self.settings

        def fit(number: int, progress: OnProgress, problem: Problem, photos: Photos) -> Fit:
            found = start(problem, settings.prior, number, _rounds(progress, len(problem.images)))
            if settings.prior.whole_circle:
                return found
            return convex(problem, settings.prior, found, photos.crops, number)

        def stage(number: int) -> KeptStage[Fit]:
            kept = Kept(self.folder, f"start-{number}", self._start_key(number), FitCodec())
            return kept_stage(f"start {number + 1}", partial(fit, number), (self.problem, self.photos), kept)

        return tuple(stage(settings.train.seed + number) for number in range(settings.starts))

    @cached_property
    def shapes(self) -> KeptStage[Fit]:
        """The best start, grown to several shapes."""
        settings = self.settings

        def more(progress: OnProgress, problem: Problem, *starts: Fit) -> Fit:
            chosen = self._chosen(starts)
            progress(Progress(0, 1, event=f"start {chosen + 1} of {len(starts)} goes on: {_energies(starts)}"))
            rounds = _rounds(progress, len(problem.images))
            return grow(problem, starts[chosen], settings.grow, settings.train.seed, rounds)

        made_from = [*(stage.key for stage in self.starts), plain(settings.grow)]
        kept = Kept(self.folder, "shapes", made_from, FitCodec())
        return kept_stage("shapes", more, (self.problem, *self.starts), kept)

    @cached_property
    def views(self) -> KeptStage[Fit]:
        """Posteriors over finer views."""
        grid = self.settings.grid

        def last(progress: OnProgress, problem: Problem, shapes: Fit, photos: Photos) -> Fit:
            found = finish(problem, shapes, grid)
            return found if found.orbit.whole_circle else with_known_depth(problem, found, photos.crops)

        kept = Kept(self.folder, "views", [self.shapes.key, plain(grid)], FitCodec())
        return kept_stage("views", last, (self.problem, self.shapes, self.photos), kept)

    @cached_property
    def edges(self) -> KeptStage[Edges]:
        """What photos claim when they are turned."""
        turns = self.settings.turns

        def intervened(progress: OnProgress, photos: Photos, fit: Fit) -> Edges:
            azimuth, elevation = fit.orbit.grid.mean_view(fit.q)
            hypothesis = shape_hypothesis(category(fit), azimuth, elevation, fit.shares.argmax(1))
            return intervene(photos.crops, hypothesis, azimuth, turns, on_turn=counted(progress))

        kept = Kept(self.folder, "edges", [self.views.key, plain(turns)], EdgesCodec())
        return kept_stage("edges", intervened, (self.photos, self.views), kept)

    @cached_property
    def graph(self) -> Stage[Graph]:
        """All of it together, in memory."""

        def join(
            progress: OnProgress, photos: Photos, problem: Problem, views: Fit, edges: Edges, *starts: Fit
        ) -> Graph:
            evidence = look(starts, self._chosen(starts), problem.neighbors, photos.crops)
            return assemble(photos, views, edges, evidence, self.settings.turns.kept)

        return Stage("graph", join, (self.photos, self.problem, self.views, self.edges, *self.starts))

    @cached_property
    def files(self) -> Stage[tuple[Path, ...]]:
        """All that is written for people and other programs; what is there and current stays."""

        def write(progress: OnProgress, graph: Graph) -> tuple[Path, ...]:
            with ExitStack() as opened:
                photos, _ = self._sources(opened)
                title = _title(self.settings.data.root)
                return write_graph(graph, self.runner.out, photos, title, counted(progress))

        return Stage("files", write, (self.graph,))

    @cached_property
    def model(self) -> Stage[ViewGraph]:
        """What new photos are given to."""
        return model_stage(self.settings, self.runner, self.graph, self.edges.key)

    @cached_property
    def _photos_key(self) -> str:
        """A digest of what decides the crops."""
        with ExitStack() as opened:
            return photos_key(*self._sources(opened), self.settings.objects.size)

    def _start_key(self, number: int) -> list[Any]:
        """All that decides a start."""
        settings = self.settings
        parts = map(plain, (settings.prior, settings.grid, settings.fit))
        return [self.photos.key, *parts, *([settings.neighbors] if settings.neighbors else []), number]

    def _chosen(self, starts: Sequence[Fit]) -> int:
        return best(starts) if self.settings.prior.whole_circle else best_convex(starts)

    def _sources(self, opened: ExitStack) -> tuple[Source, Source | None]:
        """Photos and masks, open."""
        photos = opened.enter_context(open_source(self.settings.data.root))
        masks = self.settings.objects.masks
        return photos, None if masks == WITHOUT else opened.enter_context(open_masks(masks, predicted=True))


def _title(root: str | tuple[str, ...]) -> str:
    """Of the page: names of what the photos lie in."""
    names = [Path(place).name for place in ([root] if isinstance(root, str) else root)]
    return "View graph of " + ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _rounds(progress: OnProgress, photos: int) -> OnRound:
    """Rounds as photos that were looked at."""
    report = counted(progress)
    return lambda done, total, energy: report(done * photos, total * photos)


def _energies(starts: Sequence[Fit]) -> str:
    return "energies " + ", ".join(f"{start.energy:.4f}" for start in starts)
