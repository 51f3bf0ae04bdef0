"""A view graph as an experiment: the settings, and what they do. Nothing heavy is imported before it is used."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.errors import ConfigError
from genstruct.settings import settings
from genstruct.viewpoint.settings import WITHOUT, ViewpointSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from genstruct.run.stages import Reporter
    from genstruct.train.report import OnProgress

ANY = (
    *("data.*", "objects.*", "prior.*", "grid.*", "fit.*", "grow.*", "turns.*", "starts", "neighbors"),
    *("network", "distill.*", "train.*"),
)
"""All settings may differ when a folder is used again: each stage's file is called by what it was made from, so exactly
what depends on a changed setting or photo is made again."""


@settings
class ViewpointExperiment(ViewpointSettings):
    """The view graph of a category, by hypothesis, intervention and realism."""

    def run(self, out: Path, reporter: "Reporter", make_masks: "Callable[[OnProgress], None] | None" = None) -> bool:
        """Do all stages that are not done yet, see `genstruct.run.experiment.run_experiment`.

        Args:
            out: Folder of the graph.
            reporter: Shows progress.
            make_masks: Makes the masks that `objects.masks` names, where they are not there yet; whoever calls brings
                the segmenter.

        Returns:
            Whether everything is done; False after SIGINT or SIGTERM in any stage, with all work saved.

        Raises:
            ConfigError: No masks are named, or there are several processes.
            DataError: Photos or masks cannot be read, or too few photos can be used.
        """
        from genstruct.run.experiment import run_experiment
        from genstruct.train import distributed
        from genstruct.viewpoint.stages import run_stages

        if not self.objects.masks:
            raise ConfigError(
                "objects.masks is not set: give masks named like the photos (genstruct masks writes them), for example "
                f"objects.masks=masks; {WITHOUT} does without, which costs a graph nearly all of its worth"
            )
        if (world := distributed.current().world) > 1:
            raise ConfigError(f"a view graph is made by one process, got {world}; start it without torchrun")
        return run_experiment("viewpoint", self, out, reporter, partial(run_stages, self, make_masks), ANY)
