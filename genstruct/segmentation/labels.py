"""Pseudo-labels of real images: what a segmenter sees, sharpened by each photo's own colours. No label is used.

Hard self-training shrinks masks round by round; labels here stay soft, their outline comes from the photo, and an image
counts only if its colours tell object from background.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.data.archive import Archive
from genstruct.files import whole_file
from genstruct.pixels import resized, to_bytes, to_unit
from genstruct.segmentation.refine import (
    RefineSettings,
    best_threshold,
    judge_thresholds,
    refine,
    refine_and_judge,
    strict_threshold,
)
from genstruct.segmentation.segmenter import Segmenter

LABELS, CONFIDENCE = "labels.npy", "confidence.npy"


@dataclass(frozen=True)
class Labels:
    """Pseudo-labels of an archive.

    Args:
        archive: The images with their labels.
        confidence: In the label of each image, in [0, 1] (`refine_and_judge`).
    """

    archive: Archive
    confidence: Float[Tensor, " images"]

    def weights(self, keep: float) -> Float[Tensor, " images"]:
        """1 for the share `keep` of images with the surest labels, 0 for the others."""
        return (self.confidence >= self.confidence.quantile(1 - keep)).float()


def label(
    segmenter: Segmenter, archive: Archive, batch: int = 50, on_progress: Callable[[int, int], None] | None = None
) -> Labels:
    """Label every image of an archive; see the module.

    Args:
        segmenter: Of the round before.
        archive: Real images.
        batch: Images at a time.
        on_progress: Called with images done and images in all.
    """
    masks = np.zeros((len(archive), archive.size, archive.size), np.uint8)
    scores = []
    for start in range(0, len(archive), batch):
        images = to_unit(archive.images[start : start + batch], segmenter.device)
        soft = resized(segmenter.logits(images), images.shape[-2:]).sigmoid()
        refined, confidence = refine_and_judge(images, soft, segmenter.labeling)
        masks[start : start + batch] = to_bytes(refined)[..., 0]
        scores.append(confidence.cpu())
        if on_progress is not None:
            on_progress(min(start + batch, len(archive)), len(archive))
    return Labels(replace(archive, masks=masks), torch.cat(scores))


def calibrate(segmenter: Segmenter, archive: Archive, sample: int = 120) -> dict[str, float]:
    """Probabilities at which a segmenter's masks of real images are best cut, found without labels, for its card.

    `label_threshold`: before refinement, where colours then separate best; to label the photos that it learned from.
    `refine_threshold`: as high as they still do, for other photos. `threshold`: without refinement, where its masks
    have the area that those have.

    Args:
        segmenter: Before calibration.
        archive: Real images.
        sample: Images to look at, evenly spread.
    """
    chosen = np.unique(np.linspace(0, len(archive) - 1, min(sample, len(archive))).astype(int))
    images = to_unit(archive.images[chosen], segmenter.device)
    logits = torch.cat([segmenter.logits(part) for part in images.split(20)])
    soft = resized(logits, images.shape[-2:]).sigmoid()
    confidences = judge_thresholds(images, soft)
    strict = strict_threshold(confidences)
    settings = RefineSettings(threshold=strict)
    refined = torch.cat([refine(*part, settings) for part in zip(images.split(20), soft.split(20), strict=True)])
    area = (refined > 0.5).double().mean()
    values = soft.flatten().sort().values
    alone = float(values[min(int(len(values) * (1 - area)), len(values) - 1)])
    cuts = {"label_threshold": best_threshold(confidences), "refine_threshold": strict}
    return {**cuts, "threshold": min(max(alone, 0.02), 0.98)}


def save_labels(folder: Path, labels: Labels) -> None:
    """Write labels beside the round's training; `CONFIDENCE` last: its presence means both are whole."""
    assert labels.archive.masks is not None
    for name, array in ((LABELS, labels.archive.masks), (CONFIDENCE, labels.confidence.numpy())):
        with whole_file(folder / name, array.nbytes) as partial, partial.open("wb") as file:
            np.save(file, array)


def load_labels(folder: Path, archive: Archive) -> Labels | None:
    """The labels that `save_labels` wrote for this archive, or None where there are none that can be used."""
    if not (folder / CONFIDENCE).exists():
        return None
    try:
        masks, confidence = np.load(folder / LABELS, mmap_mode="r"), np.load(folder / CONFIDENCE)
    except (OSError, ValueError, EOFError):  # gone or damaged since
        return None
    if masks.shape != archive.images.shape[:3] or masks.dtype != np.uint8 or confidence.shape != (len(archive),):
        return None
    return Labels(replace(archive, masks=masks), torch.from_numpy(confidence))
