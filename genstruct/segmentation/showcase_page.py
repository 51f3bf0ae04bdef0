"""The pictures of the demo: rows of photo, background, foreground, mask, composite and cut-out; a sheet and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from genstruct.data.read import read_picture
from genstruct.data.sources import open_source
from genstruct.errors import ImageError
from genstruct.export.fill import fill_behind
from genstruct.export.images import contact_sheet, cut_out, write_png
from genstruct.export.page import Section, Table, write_page
from genstruct.metrics.evaluation import MaskReport
from genstruct.pixels import to_unit
from genstruct.render.layers import Layer, composite, shift
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.predict import mask_names
from genstruct.segmentation.samples import load_generator
from genstruct.train.randomness import Draws

SIDE = 192
"""Longest side of a photo on the page, pixels."""
ON_SHEET, ON_PAGE, GENERATED = 3, 8, 3
MOVED = 0.125
"""How far the composite moves the object, share of the picture's width."""
Row = dict[str, Tensor]


@dataclass(frozen=True)
class Shown:
    """Masks of one model.

    Args:
        name: Short, for labels.
        title: What it is.
        masks: Their folder.
        scores: Where truth is known.
        card: Of the weights.
        on_sheet: Whether to show it on the contact sheet, too.
    """

    name: str
    title: str
    masks: Path
    scores: MaskReport | None
    card: Mapping[str, Any]
    on_sheet: bool = True


def write_looks(
    page: Path,
    sheet: Path,
    photos: Path,
    intro: str,
    models: Sequence[Shown],
    run: Path,
) -> None:
    """Write the contact sheet and the page.

    Args:
        page: The .html file.
        sheet: The .png file.
        photos: The photos that have masks.
        intro: First paragraph of the page.
        models: What made masks.
        run: Folder of the training.
    """
    rows = {model.title: photo_rows(photos, model.masks, ON_PAGE) for model in models}
    made = load_generator(run)
    generated = generated_rows(made.network, made.size, GENERATED)
    labeled = [(model.name, row) for model in models if model.on_sheet for row in rows[model.title][:ON_SHEET]]
    labeled += [("generated", row) for row in generated]
    write_png(sheet, contact_sheet([row for _, row in labeled], [label for label, _ in labeled], SIDE))
    sections = [_section(model, rows[model.title]) for model in models]
    if any(model.scores for model in models):
        sections.insert(0, Section("Scores", table=score_table(models)))
    sections.append(Section("What the generator makes", GENERATED_TEXT, rows=generated))
    write_page(page, "genstruct: masks from unlabelled photos", sections, intro)


GENERATED_TEXT = (
    "It has never seen a mask. It draws a background and an object with a mask, and the object is moved before the "
    "picture is judged; the picture only stays plausible if the mask holds the whole object and nothing else."
)


def photo_rows(photos: Path, masks: Path, count: int) -> list[Row]:
    """Rows of up to `count` photos that have a mask, evenly spaced."""
    rows = []
    with open_source(photos) as source:
        names = mask_names(source.names)
        there = [number for number in range(len(source)) if (masks / names[number]).is_file()]
        for number in there[:: max(1, len(there) // count)][:count]:
            try:
                pixels = read_picture(source.read(number), source.names[number], source.max_pixels, SIDE).pixels
                truth = source.mask(number)
            except ImageError:
                continue
            photo = small(pixels)
            row = layers_of(photo, small(np.asarray(Image.open(masks / names[number])), photo.shape[-2:]))
            rows.append(row if truth is None else {**row, "true mask": small(truth, photo.shape[-2:])})
    return rows


def layers_of(photo: Float[Tensor, "3 height width"], mask: Float[Tensor, "1 height width"]) -> Row:
    """A photo taken apart and put together again, the object moved aside: what the method believes, to look at."""
    image, alpha = photo[None], mask[None]
    background, foreground = fill_behind(image, alpha), fill_behind(image, 1 - alpha, margin=0.0)
    return _row(image, background, foreground, alpha)


def generated_rows(generator: LayeredGenerator, size: int, count: int, seed: int = 0) -> list[Row]:
    """Rows of scenes that a generator makes."""
    z = Draws(seed, 0, 0, count, count).normal("showcase", generator.latent_size)
    with torch.no_grad():
        scene = generator(z, size)
    layers = (scene.picture, scene.background, scene.foreground, scene.mask)
    return [_row(*(layer[i : i + 1] for layer in layers)) for i in range(count)]


def score_table(models: Sequence[Shown]) -> Table:
    """Scores of the models that have some."""
    shown = {"median_iou": "median", "dice": "Dice", "boundary_f": "boundary F"}
    rows = []
    for model in models:
        if model.scores is not None and model.scores.images:
            scores = model.scores.scores
            iou = scores["iou"]
            interval = "" if iou.low is None else f" ({iou.low:.2f} - {iou.high:.2f})"
            cells = [f"{scores[name].value:.3f}" for name in shown]
            rows.append([model.title, str(len(model.scores.images)), f"{iou.value:.3f}{interval}", *cells])
    best = sorted(range(len(rows)), key=lambda number: rows[number][2])[-1:]
    return Table(["masks", "photos", "IoU (95 %)", *shown.values()], rows, strong=best)


def small(pixels: np.ndarray, size: Sequence[int] | None = None) -> Float[Tensor, "channels height width"]:
    """Bytes [h, w] or [h, w, 3] as values in [0, 1], of `size` (height, width), or with no side above `SIDE`."""
    image = Image.fromarray(pixels)
    if size is None:
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    else:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return to_unit(np.atleast_3d(np.array(image))).contiguous()


def _row(photo: Tensor, background: Tensor, foreground: Tensor, mask: Tensor) -> Row:
    offset = torch.tensor([[MOVED * photo.shape[-1], 0.0]])
    moved = shift(torch.cat([foreground, mask], 1), offset.round())
    row = {
        "photo": photo,
        "background": background,
        "foreground": foreground,
        "mask": mask,
        "composite": composite(background, [Layer(moved[:, :3], moved[:, 3:])]),
    }
    return {name: picture[0] for name, picture in row.items()} | {"cut-out": cut_out(photo[0], mask[0])}


def _section(model: Shown, rows: Sequence[Row]) -> Section:
    text = "The background is filled from around the object; the composite shows the object moved by an eighth."
    data = model.card.get("data")
    if model.title.startswith("shipped") and data:
        text = f"These weights have learned from {data}; on pictures of other things they guess. {text}"
    return Section(f"Masks: {model.title}", text, rows=rows)
