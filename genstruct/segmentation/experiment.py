"""A run of segmentation: the settings, and what they do. Nothing heavy is imported before it is used."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.segmentation.settings import SegmentationSettings
from genstruct.settings import settings

if TYPE_CHECKING:
    from torch import nn

    from genstruct.run.stages import Reporter


@settings
class SegmentationExperiment(SegmentationSettings):
    """Perturbed generative segmentation, distilled to a segmenter and refined on the photos."""

    def run(self, out: Path, reporter: "Reporter") -> bool:
        """Do all stages that are not done yet, see `genstruct.run.experiment.run_experiment`.

        Args:
            out: Folder of the run.
            reporter: Shows progress.

        Returns:
            Whether everything is done; False after SIGINT or SIGTERM in any stage, with all work saved.
        """
        from genstruct.run.experiment import run_experiment
        from genstruct.segmentation.stages import DISTILLED, run_stages

        may_differ = ("invert.*",)  # may be asked for later
        fixed = ("train.images",) if (out / DISTILLED).exists() else ()  # a longer training would teach nobody
        stages = partial(run_stages, self)
        return run_experiment("segmentation", self, out, reporter, stages, may_differ, fixed)

    def networks(self) -> "dict[str, nn.Module]":
        """What will be trained, to tell its size beforehand."""
        from genstruct.nn.unet import UNet
        from genstruct.segmentation.perturbed import PerturbedSegmentation

        adversarial = PerturbedSegmentation(self.perturbed, self.train.seed).networks
        return {**dict(adversarial.items()), "segmenter": UNet(3, 1, self.widths)}
