"""Pictures out of tensors: files, grids with captions, overlays, cut-outs."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.files import write_bytes
from genstruct.pixels import to_bytes

Pixels = UInt8[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _ _"]
"""Bytes [height, width] or [height, width, channels]. Axes are unnamed: pictures of one call may differ in size."""

TINT = (255, 64, 96)
INK, PAPER, FAINT = (32, 33, 36), (255, 255, 255), (236, 238, 241)


def to_uint8(image: Float[Tensor, "height width"] | Float[Tensor, "channels height width"]) -> Pixels:
    """Values in [0, 1] as bytes, channels last; one channel becomes [height, width]. Values outside are clipped.

    Raises:
        ShapeError: Neither [h, w] nor [1, 3 or 4, h, w] of it.
    """
    if image.ndim == 3 and image.shape[0] == 1:
        image = image[0]
    if image.ndim == 3 and image.shape[0] not in (3, 4):
        raise ShapeError(f"a picture has 1, 3 or 4 channels first, got {list(image.shape)}")
    return to_bytes(image[None])[..., 0] if image.ndim == 2 else to_bytes(image)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write [h, w], [h, w, 3] or [h, w, 4] bytes as PNG; folders are made.

    Raises:
        OutputError: The place cannot be written.
    """
    write_bytes(path, png_bytes(pixels))


def png_bytes(pixels: Pixels) -> bytes:
    """The PNG file of `pixels`."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def overlay(
    image: Float[Tensor, "3 height width"],
    mask: Float[Tensor, "1 height width"],
    tint: tuple[int, int, int] = TINT,
    strength: float = 0.45,
) -> Float[Tensor, "3 height width"]:
    """The image with the object tinted and its outline (at 0.5) drawn.

    Args:
        image: sRGB in [0, 1].
        mask: In [0, 1], of the image's size.
        tint: Colour, 0 to 255.
        strength: Share of the tint where the mask is 1.
    """
    color = torch.tensor(tint, dtype=image.dtype, device=image.device)[:, None, None] / 255
    tinted = image + strength * mask * (color - image)
    # An outline on both sides of the edge, 1 px per 256 px of picture on each side.
    reach = max(1, round(max(image.shape[1:]) / 256))
    inside = (mask > 0.5).to(image.dtype)[None]
    padded = F.pad(inside, (reach,) * 4, mode="replicate")
    outline = F.max_pool2d(padded, 2 * reach + 1, 1) - inside
    return torch.where(outline[0] > 0, color, tinted)


def cut_out(image: Float[Tensor, "3 height width"], mask: Float[Tensor, "1 height width"]) -> Float[Tensor, "4 h w"]:
    """The object alone: RGBA, not premultiplied, the mask as alpha."""
    return torch.cat([image, mask.to(image.dtype)])


def on_checkers(pixels: UInt8[np.ndarray, "height width 4"], square: int = 8) -> UInt8[np.ndarray, "height width 3"]:
    """RGBA bytes over the usual grey checkerboard, for places that show no transparency."""
    rows, columns = np.indices(pixels.shape[:2]) // square
    board = np.where((rows + columns) % 2, 200, 240)[..., None]
    alpha = pixels[..., 3:] / 255
    return (alpha * pixels[..., :3] + (1 - alpha) * board).round().astype(np.uint8)


def picture_grid(
    rows: Sequence[Sequence[Pixels | Tensor | None]],
    columns: Sequence[str] = (),
    labels: Sequence[str] = (),
    cell: int = 128,
    gap: int = 6,
) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures in rows, with captions above the columns and at the left of the rows.

    Args:
        rows: Bytes or tensors in [0, 1]; RGBA is shown on checkers, None leaves a gap.
        columns: Captions of columns.
        labels: Captions of rows.
        cell: Pictures are fitted into squares of so many pixels (enlarged by whole factors, so that pixels stay crisp).
        gap: Pixels between pictures.
    """
    height = max(11, cell // 9)
    font = _font(height)
    left = gap + max((round(font.getlength(label)) + gap for label in labels), default=0)
    top = gap + (height + 2 * gap if columns else 0)
    width = left + max((len(row) for row in rows), default=0) * (cell + gap)
    sheet = Image.new("RGB", (width, top + len(rows) * (cell + gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, caption in enumerate(columns):
        draw.text((left + number * (cell + gap) + cell / 2, top - gap), caption, INK, font, anchor="ms")
    for y, row in enumerate(rows):
        corner = top + y * (cell + gap)
        if y < len(labels):
            draw.text((left - gap, corner + cell / 2), labels[y], INK, font, anchor="rm")
        for x, picture in enumerate(row):
            place = (left + x * (cell + gap), corner)
            draw.rectangle((*place, place[0] + cell - 1, place[1] + cell - 1), FAINT)
            if picture is not None:
                fitted = _fit(as_pixels(picture), cell)
                sheet.paste(fitted, (place[0] + (cell - fitted.width) // 2, place[1] + (cell - fitted.height) // 2))
    return np.asarray(sheet)


def contact_sheet(
    rows: Sequence[Mapping[str, Pixels | Tensor]], labels: Sequence[str] = (), cell: int = 128
) -> UInt8[np.ndarray, "height width 3"]:
    """One row of pictures per item, columns by name in the order in which names first occur.

    Usual columns: photo, background, foreground, mask, composite, cut-out. A row may lack some.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return picture_grid([[row.get(name) for name in columns] for row in rows], columns, labels, cell)


def as_pixels(picture: Pixels | Tensor) -> Pixels:
    """Bytes as they are, tensors by `to_uint8`."""
    return to_uint8(picture) if isinstance(picture, Tensor) else picture


def _fit(pixels: Pixels, cell: int) -> Image.Image:
    """The picture in a square of `cell` pixels: whole factors with hard pixels up, Lanczos down."""
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = on_checkers(pixels, max(2, max(pixels.shape[:2]) // 16))
    image = Image.fromarray(pixels).convert("RGB")
    longest = max(image.size)
    if longest <= cell:
        factor = cell // longest
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * cell / longest)), max(1, round(image.height * cell / longest)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that sheets look the same everywhere."""
    return ImageFont.load_default(size)
