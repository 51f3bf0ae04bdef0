"""Rows to compare masks with: constants, GrabCut, a U-Net that has seen true masks. Each gives a mask for a picture."""

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from genstruct.data.source import Source, labeled
from genstruct.data.sources import open_source
from genstruct.errors import DataError, MissingDependency
from genstruct.export.images import to_uint8, write_png
from genstruct.pixels import resized, to_unit

# Fixed before any image was looked at: an object a good two thirds of the frame wide, of an aspect of 5 to 3.
ELLIPSE = (0.2, 0.34)  # half axes (y, x) in sides
MARGIN = 0.05
BOX_GROWTH = 0.1
SIZE = 64
"""Side of the pictures that the mean mask and the U-Net are made from, pixels."""


@dataclass(frozen=True)
class Item:
    """A labelled picture of a set."""

    source: Source
    number: int

    @property
    def name(self) -> str:
        """Of the picture."""
        return self.source.names[self.number]

    def picture(self) -> np.ndarray:
        """uint8 [height, width, 3]."""
        return self.source.image(self.number)

    def mask(self) -> torch.Tensor:
        """[1, 1, height, width] in [0, 1]."""
        mask = self.source.mask(self.number)
        assert mask is not None  # `usable` leaves out pictures without
        return to_unit(mask[None, :, :, None])

    def write(self, mask: np.ndarray, folder: Path) -> None:
        """A mask in [0, 1] as a file in `folder`, where scoring finds it."""
        write_png((folder / self.name).with_suffix(".png"), to_uint8(torch.from_numpy(mask)))


Predictor = Callable[[Item], np.ndarray]
"""A mask in [0, 1], float32 [height, width] of the picture's own size."""


def ellipse(item: Item) -> np.ndarray:
    """A centred ellipse, whatever the picture."""
    height, width = item.picture().shape[:2]
    y, x = ((np.arange(size) + 0.5) / size - 0.5 for size in (height, width))
    return ((y[:, None] / ELLIPSE[0]) ** 2 + (x[None] / ELLIPSE[1]) ** 2 <= 1).astype(np.float32)


def mean_mask(masks: torch.Tensor) -> Predictor:
    """The mean of `masks` [n, 1, 64, 64], resized."""
    mean = masks.mean(0, keepdim=True)

    def predict(item: Item) -> np.ndarray:
        height, width = item.picture().shape[:2]
        return F.interpolate(mean, (height, width), mode="bilinear")[0, 0].numpy()

    return predict


def grabcut(box_of: Callable[[Item, int, int], tuple[int, int, int, int]]) -> Predictor:
    """GrabCut (Rother et al. 2004), 5 rounds, from a rectangle outside of which all is background."""
    try:
        import cv2
    except ImportError as error:
        raise MissingDependency("the GrabCut rows need OpenCV: pip install 'genstruct[bench]'") from error

    def predict(item: Item) -> np.ndarray:
        image = np.ascontiguousarray(item.picture()[..., ::-1])
        height, width = image.shape[:2]
        x0, y0, x1, y1 = box_of(item, height, width)
        labels, models = np.zeros((height, width), np.uint8), [np.zeros((1, 65)) for _ in range(2)]
        cv2.setRNGSeed(0)
        cv2.grabCut(image, labels, (x0, y0, x1 - x0, y1 - y0), models[0], models[1], 5, cv2.GC_INIT_WITH_RECT)
        return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)

    return predict


def frame_box(item: Item, height: int, width: int) -> tuple[int, int, int, int]:
    """The frame less a margin."""
    dy, dx = max(1, round(MARGIN * height)), max(1, round(MARGIN * width))
    return dx, dy, width - dx, height - dy


def true_box(item: Item, height: int, width: int) -> tuple[int, int, int, int]:
    """The box of the true mask, grown on each side, at least one pixel inside the frame."""
    rows, columns = np.nonzero(item.mask()[0, 0].numpy() > 0.5)
    if not len(rows):
        return frame_box(item, height, width)
    dy, dx = BOX_GROWTH * np.ptp(rows), BOX_GROWTH * np.ptp(columns)
    x0, y0 = max(1, round(columns.min() - dx)), max(1, round(rows.min() - dy))
    return x0, y0, min(width - 1, round(columns.max() + 1 + dx)), min(height - 1, round(rows.max() + 1 + dy))


def small(picture: np.ndarray) -> torch.Tensor:
    """The whole picture at 64 x 64, [3, 64, 64] in [0, 1]."""
    return to_unit(np.asarray(Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC)))


def load_training_set(items: list[Item], with_images: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (if wanted) and true masks at 64 px."""
    masks = [resized(item.mask(), (SIZE, SIZE))[0] for item in items]
    images = [small(item.picture()) for item in items] if with_images else [torch.zeros(3, 1, 1)]
    return torch.stack(images), torch.stack(masks)


def augmented(images: torch.Tensor, masks: torch.Tensor, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror, scale 0.7 to 1.2 and shift up to 0.15 sides; brightness and contrast."""
    count = len(images)

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=stream)

    scale, mirror = draw(0.7, 1.2), (draw(0, 1) < 0.5) * 2.0 - 1
    turn = torch.zeros(count, 2, 3)
    turn[:, 0, 0], turn[:, 1, 1], turn[:, :, 2] = scale * mirror, scale, draw(-0.3, 0.3, 2)
    grid = F.affine_grid(turn, [count, 1, SIZE, SIZE], align_corners=False)
    both = F.grid_sample(torch.cat([images, masks], 1), grid, padding_mode="reflection", align_corners=False)
    colors = (both[:, :3] - 0.5) * draw(0.7, 1.3, 1, 1, 1) + 0.5 + draw(-0.15, 0.15, 1, 1, 1)
    return colors.clamp(0, 1), both[:, 3:]


def train_unet(images: torch.Tensor, masks: torch.Tensor, minutes: float, seed: int, batch: int = 16) -> Predictor:
    """A U-Net of widths 24-48-96-96 by cross-entropy and Dice on true masks, for `minutes` of wall clock."""
    from genstruct.nn.unet import UNet

    stream = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    network = UNet(3, 1, (24, 48, 96, 96))
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    start, seen, loss = time.perf_counter(), 0, torch.zeros(())
    for step in itertools.count():
        done = (time.perf_counter() - start) / (60 * minutes)
        if done >= 1 and step:
            break
        optimizer.param_groups[0]["lr"] = 2e-3 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))
        rows = torch.randint(len(images), (batch,), generator=stream)
        inputs, targets = augmented(images[rows], masks[rows], stream)
        logits = network(inputs)
        # Dice counts the object as much as the background, of which there is seven times more.
        overlap, total = (logits.sigmoid() * targets).sum((1, 2, 3)), (logits.sigmoid() + targets).sum((1, 2, 3))
        loss = F.binary_cross_entropy_with_logits(logits, targets) + 0.5 * (1 - (2 * overlap + 1) / (total + 1)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        seen += batch
    network.eval().requires_grad_(False)
    print(f"unet: {seen} images in {minutes:g} minutes, last loss {loss.item():.4f}", file=sys.stderr)

    def predict(item: Item) -> np.ndarray:
        picture = item.picture()
        logits = network(small(picture)[None])
        return F.interpolate(logits, picture.shape[:2], mode="bilinear").sigmoid()[0, 0].numpy()

    return predict


def predictors(rows: list[str], train: Path, minutes: float, seed: int) -> Iterator[tuple[str, Predictor]]:
    """What predicts each row; the training set is read only if a row needs it."""
    images = masks = torch.zeros(0)
    if {"mean", "unet"} & set(rows):
        images, masks = load_training_set(usable(train), "unet" in rows)
    for row in rows:
        if row == "ellipse":
            yield row, ellipse
        elif row == "mean":
            yield row, mean_mask(masks)
        elif row == "unet":
            yield row, train_unet(images, masks, minutes, seed)
        else:
            yield row, grabcut(true_box if row == "grabcut-box" else frame_box)


def usable(place: Path) -> list[Item]:
    """The items of a set with metadata; a reference is computed on all of a set or not at all."""
    source = open_source(place)
    numbers, failures = labeled(source)
    if failures:
        raise DataError(f"{place}: {failures[0].name}: {failures[0].why}")
    return [Item(source, number) for number in numbers]
