"""Masks for a whole set of images; `genstruct.run.predict` goes through it.

```text
OUT/photo.png  OUT/trip/photo.png   8-bit soft masks of the photos' own sizes, named like them
OUT/masks.jsonl                     one line an image
OUT/overlay/  OUT/cutout/           on request
```

The keys of a line beside those of every list (`genstruct.run.ledger`):

- `mask_file_name`: relative to the folder.
- `width`, `height`: of image and mask, pixels.
- `area`: share of the picture above the threshold, in [0, 1].
- `box`: x0, y0, x1, y1 around the pixels above the threshold, pixels; left out when there are none.
- `confidence`: how decided the mask is, in [0, 1]: IoU of the soft mask with itself thresholded.
- `model`: fingerprint of the weights. `refined`: whether the photo's own colours refined the mask. `threshold`: of area
  and box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from genstruct.data.source import Source
from genstruct.export.images import overlay, to_uint8, write_png
from genstruct.pixels import to_unit
from genstruct.run.ledger import stems
from genstruct.run.predict import OnLine, Photo, SetReport, StreamOptions, predict_set, shrunk

NAME = "masks"
RECORDS = f"{NAME}.jsonl"
MASK, OVERLAY, CUTOUT = "mask", "overlay", "cutout"
OVERLAY_PIXELS = 2048 * 1536
"""Most pixels of an overlay; it is for looking at."""


@runtime_checkable
class Predictor(Protocol):
    """What makes masks, for example a `genstruct.segmentation.segmenter.Segmenter`."""

    fingerprint: str

    def predict(self, images: Sequence[Float[Tensor, "3 _ _"]], refine: bool = False) -> list[Float[Tensor, "1 _ _"]]:
        """Soft masks in [0, 1] of the images' sizes."""
        ...


@dataclass(frozen=True)
class MaskOptions:
    """How to make masks.

    Args:
        refine: Sharpen each mask with its photo's own colours.
        overlay: Also write the photo with the object tinted, at most `OVERLAY_PIXELS` pixels.
        cutout: Also write the object alone (RGBA), at the photo's own size.
        threshold: Pixels above it count as object in area and box; the mask itself stays soft.
    """

    refine: bool = False
    overlay: bool = False
    cutout: bool = False
    threshold: float = 0.5


class MaskTask:
    """Masks as a `genstruct.run.predict.Task`.

    Args:
        predictor: Makes them.
        options: How.
    """

    name = NAME

    def __init__(self, predictor: Predictor, options: MaskOptions) -> None:
        self.predictor, self.options = predictor, options
        extras = (OVERLAY,) * options.overlay + (CUTOUT,) * options.cutout
        self.files = {MASK: "{}.png", **{extra: extra + "/{}.png" for extra in extras}}
        self.made_by = {"model": predictor.fingerprint, "refined": options.refine, "threshold": options.threshold}

    def predict(self, photos: Sequence[Photo]) -> list[Float[Tensor, "1 _ _"]]:
        """Masks on the CPU."""
        images = [photo.image for photo in photos]
        return [mask.cpu() for mask in self.predictor.predict(images, refine=self.options.refine)]

    def write(self, photo: Photo, result: Float[Tensor, "1 _ _"]) -> Mapping[str, Any]:
        """Write the files of an image, the mask last, and say what it shows."""
        mask = np.asarray(Image.fromarray(to_uint8(result)).resize(photo.size, Image.Resampling.BILINEAR))
        if len(self.files) > 1:
            _write_extras(photo, mask)
        write_png(photo.files[MASK], mask)
        area, box, confidence = measure(mask, self.options.threshold)
        width, height = photo.size
        found = {"mask_file_name": photo.names[MASK], "width": width, "height": height}
        return {**found, "area": round(area, 6), "box": box, "confidence": round(confidence, 4)}

    def bytes_for(self, size: int) -> int:
        """Soft masks take half a JPEG's bytes at most, colour PNGs some six times as many."""
        return size // 2 + 6 * size * (len(self.files) - 1)


def extract_masks(
    predictor: Predictor,
    source: Source,
    out: Path,
    options: MaskOptions | None = None,
    stream: StreamOptions | None = None,
    on_line: OnLine | None = None,
) -> SetReport:
    """Write a mask for each image of a source, see `genstruct.run.predict.predict_set`."""
    return predict_set(MaskTask(predictor, options or MaskOptions()), source, out, stream, on_line)


def mask_names(images: Sequence[str]) -> list[str]:
    """The file name of each image's mask, relative to the folder of masks."""
    return [f"{stem}.png" for stem in stems(images)]


def measure(
    mask: UInt8[np.ndarray, "height width"], threshold: float = 0.5
) -> tuple[float, tuple[int, int, int, int] | None, float]:
    """Area, box and confidence of a mask, as in a line of the list."""
    inside = mask > 255 * threshold
    area = float(inside.mean())
    if not area:
        return 0.0, None, 0.0
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    shared = float(mask[inside].sum(dtype=np.int64))  # IoU = sum of minima / sum of maxima
    either = 255.0 * int(inside.sum()) + float(mask[~inside].sum(dtype=np.int64))
    return area, box, shared / either


def _write_extras(photo: Photo, mask: UInt8[np.ndarray, "height width"]) -> None:
    pixels = photo.whole()
    if CUTOUT in photo.files:
        write_png(photo.files[CUTOUT], np.dstack([pixels, mask]))
    if OVERLAY in photo.files:
        image = to_unit(shrunk(pixels, OVERLAY_PIXELS))
        small = to_unit(shrunk(mask, OVERLAY_PIXELS)[..., None])
        write_png(photo.files[OVERLAY], to_uint8(overlay(image, small)))
