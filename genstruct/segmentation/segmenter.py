"""Masks for photos: load a model, predict on images of any size."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.nn.unet import UNet
from genstruct.pixels import resized
from genstruct.run.weights import damaged, encode_weights, fingerprint_of, fitting, read_weights, weights_file
from genstruct.segmentation.refine import RefineSettings, refine
from genstruct.train.distributed import pick_device

KIND = "genstruct segmenter"
RUN_FILE = "segmenter.safetensors"
# Longest side the network sees, in units of its working size: a 10:1 panorama must not need 10 times the memory.
LONGEST = 4
# Largest side at which colours refine a mask; beyond, it is enlarged. Colour models need no more pixels than this.
REFINE_SIDE = 256
# How far values may lie outside [0, 1]: a cubic resize overshoots. [-1, 1] and [0, 255] are mistakes.
OVERSHOOT = 0.25

Image = Float[Tensor, "3 _ _"]  # any height and width, another one for each image of a list
Mask = Float[Tensor, "1 _ _"]


class Segmenter:
    """A network that finds the object, with what it needs to work on photos.

    Args:
        network: Image to logits, averaged weights.
        size: Working resolution: the shorter side of a photo is brought to this many pixels.
        card: What a person should know of the weights: data, command, images seen, scores. Plain JSON values.
        fingerprint: Of the weights; made from them if left out.
    """

    def __init__(self, network: UNet, size: int, card: Mapping[str, Any] | None = None, fingerprint: str = "") -> None:
        self.network, self.size, self.card = network.eval().requires_grad_(False), size, dict(card or {})
        self.fingerprint = fingerprint or fingerprint_of(network)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device

    @staticmethod
    def load(path: str | Path, device: str = "auto") -> "Segmenter":
        """Load weights from a file, or from the folder of a run.

        Args:
            path: A .safetensors file, or the `--out` of `genstruct train`.
            device: "auto" takes a GPU if there is one.

        Raises:
            CheckpointError: No such file, truncated, of another kind, or of a newer format.
        """
        file = weights_file(Path(path), RUN_FILE)
        weights, about = read_weights(file, KIND)
        with fitting(file):
            network = UNet(3, 1, tuple(about["widths"]))
            network.load_state_dict(weights)
            segmenter = Segmenter(network, about["size"], about["card"], about["fingerprint"])
            cuts = [segmenter.labeling.threshold, segmenter.refinement.threshold, segmenter.threshold]
            sound = isinstance(segmenter.size, int) and segmenter.size > 0 and all(0 < cut < 1 for cut in cuts)
        if not sound:
            raise damaged(file, f"has size {segmenter.size} and thresholds {cuts}")
        # torch's annotations forget this argument.
        network.to(pick_device(device), memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return segmenter

    def encode(self, half: bool = False) -> bytes:
        """The contents of a weights file (safetensors).

        Args:
            half: Store float16, for publication.
        """
        about = {
            "kind": KIND,
            "widths": list(self.network.widths),
            "size": self.size,
            "card": self.card,
            "fingerprint": self.fingerprint,
        }
        return encode_weights(self.network, about, half)

    def predict(
        self, images: Sequence[Image] | Float[Tensor, "batch 3 height width"], refine: bool = False
    ) -> list[Mask]:
        """Soft masks in [0, 1], each of its image's own size; above 0.5 = object.

        Args:
            images: sRGB in [0, 1], of any sizes; images of one size (after the resize) run as one batch.
            refine: Sharpen with each photo's own colours; see `genstruct.segmentation.refine`.

        Raises:
            ShapeError: An image that is not [3, height, width] with at least one pixel and float values in [0, 1].
        """
        checked = checked_images(images, self.device)
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number, image in enumerate(checked):
            height, width = image.shape[-2:]
            groups[height, width].append(number)
        masks: dict[int, Mask] = {}
        for numbers in groups.values():
            batch = torch.stack([checked[i] for i in numbers])
            masks.update(zip(numbers, self._predict(batch, refine), strict=True))
        return [masks[i] for i in range(len(checked))]

    @torch.inference_mode()
    def logits(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 h w"]:
        """Logits of the bare network at working resolution: the mean of the images and their mirror images."""
        small = resized(images, working_size(images.shape[-2:], self.size))
        small = small.contiguous(memory_format=torch.channels_last)
        both = self.network(small).float() + self.network(small.flip(-1)).float().flip(-1)
        return both / 2

    @property
    def refinement(self) -> RefineSettings:
        """How its masks of new photos are refined; the card's `refine_threshold` counts as undecided."""
        return RefineSettings(threshold=self.card.get("refine_threshold", 0.5))

    @property
    def labeling(self) -> RefineSettings:
        """How it labels the photos that it has learned from: with the card's `label_threshold`."""
        return replace(self.refinement, threshold=self.card.get("label_threshold", self.refinement.threshold))

    @property
    def threshold(self) -> float:
        """The probability at which its masks are cut where they are not refined: the card's `threshold`."""
        return self.card.get("threshold", 0.5)

    @torch.inference_mode()
    def _predict(
        self, images: Float[Tensor, "batch 3 height width"], refined: bool
    ) -> Float[Tensor, "batch 1 height width"]:
        size = images.shape[-2:]
        logits = resized(self.logits(images), limited(size, REFINE_SIDE) if refined else size)
        if refined:
            mask = refine(resized(images, logits.shape[-2:]), logits.sigmoid(), self.refinement)
            return resized(mask, size).clamp(0, 1)
        return (logits - math.log(self.threshold / (1 - self.threshold))).sigmoid()


def working_size(size: Sequence[int], shorter: int) -> tuple[int, int]:
    """Height and width with the shorter side at `shorter` and the longer at most `LONGEST` times that."""
    height, width = size
    scale = shorter / min(height, width)
    longest = LONGEST * shorter
    return min(max(round(height * scale), 1), longest), min(max(round(width * scale), 1), longest)


def limited(size: Sequence[int], longest: int) -> tuple[int, int]:
    """Height and width scaled down until neither exceeds `longest`."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def checked_images(
    images: Sequence[Image] | Float[Tensor, "batch 3 height width"], device: torch.device
) -> list[Image]:
    """Images as float32 on `device`.

    Raises:
        ShapeError: Not a batch or a series of [3, height, width] with at least one pixel and float values in [0, 1].
    """
    if isinstance(images, Tensor) and images.ndim != 4:
        raise ShapeError(
            "images must be a batch [batch, 3, height, width] or a list of [3, height, width], "
            f"got {list(images.shape)}; one image alone is a batch of one: image[None]"
        )
    found = list(images)
    for image in found:
        _check_image(image)
    return [image.to(device, torch.float32) for image in found]


def _check_image(image: object) -> None:
    if not isinstance(image, Tensor):
        raise ShapeError(
            f"an image must be a tensor [3, height, width], got {type(image).__name__}; "
            "genstruct.data.read.decode_image reads files, torch.from_numpy takes arrays"
        )
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ShapeError(
            f"an image must be [3, height, width] with at least one pixel, got {list(image.shape)}; "
            "channels-last images need .permute(2, 0, 1), grey ones .expand(3, -1, -1)"
        )
    if not image.is_floating_point():
        raise ShapeError(f"an image must have float values in [0, 1], got {image.dtype}; bytes need .float() / 255")
    low, high = (value.item() for value in image.detach().aminmax())
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):  # so that NaN is refused
        raise ShapeError(f"an image must have values in [0, 1], got {low:g} to {high:g}; bring them to that range")
