"""A trained segmenter as the feature network of a comparison of image sets (`genstruct.metrics`)."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.metrics.features import FeatureNetwork
from genstruct.nn.unet import UNet
from genstruct.segmentation.segmenter import Segmenter


class EncoderFeatures(nn.Module):
    """Mean and deviation of every map of a segmenter's contracting half."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch features"]:
        """Features of images in [0, 1]."""
        maps = self.network.contracted(images)
        return torch.cat([part for x in maps for part in (x.mean((2, 3)), x.std((2, 3), correction=0))], 1)


def segmenter_features(place: Path) -> FeatureNetwork:
    """The encoder of a run's segmenter or of a weights file; features are whitened by the real set.

    It has learned what tells the objects of one category from their surroundings, so it tells a set without them better
    than random filters do. Scores are comparable between equal weights only: their fingerprint is in the name. Samples
    of the run that the segmenter comes from taught it, which may favour them.

    Raises:
        CheckpointError: No segmenter there.
    """
    segmenter = Segmenter.load(place, "cpu")
    name = f"segmenter@{segmenter.fingerprint[:12]}"
    return FeatureNetwork(name, EncoderFeatures(segmenter.network).eval(), segmenter.size, whiten=True)
