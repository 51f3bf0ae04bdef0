"""A segmenter for others to use, see `genstruct.run.publish`.

```python
publish(Path("runs/cars"), "cars", Path("assets"), {"val": Path("val.json")})  # assets/cars.safetensors, assets/cars.md
```
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.run import publish as publishing
from genstruct.run.folder import read_settings
from genstruct.run.publish import Published, check_free, half_precision, history, read_scores, score_lines
from genstruct.run.weights import fingerprint_of
from genstruct.segmentation.segmenter import Segmenter

SCORES = {
    "iou": "IoU, mean over images",
    "median_iou": "IoU, median over images",
    "dataset_iou": "IoU, all pixels pooled",
    "mean_iou": "mIoU, mean over images",
    "max_f_beta": "max F-beta",
    "boundary_f": "boundary F",
}


def publish(
    run: Path,
    name: str,
    out: Path,
    scores: Mapping[str, Path],
    about: str = "",
    refine: bool = False,
    overwrite: bool = False,
) -> Published:
    """Write `out/NAME.safetensors` and `out/NAME.md` from a finished run.

    Args:
        run: The `--out` of `genstruct train`.
        name: Of the files, without suffix.
        out: Folder.
        scores: Results of `genstruct evaluate masks --json FILE` by what they were measured on.
        about: A sentence for the card: what the data are, and under which licence.
        refine: Whether `genstruct masks` refines with these weights unless told otherwise.
        overwrite: Replace files that are there.

    Raises:
        CheckpointError: The run is not finished, or its weights do not fit half precision.
        ConfigError: A score file that is not one.
        OutputError: Files are there already, the weights are larger than `LIMIT`, or `out` cannot be written.
    """
    check_free(out, name, overwrite)
    segmenter = Segmenter.load(run, "cpu")
    images = images_seen(read_settings(run))
    card = {**segmenter.card, **history(run), "images": images, "refine": refine}  # it also calibrates predictions
    card["scores"] = {name: read_scores(file, "masks", SCORES) for name, file in scores.items()}
    if about:
        card["about"] = about
    rounded = in_half_precision(segmenter, card)
    stages = [f"generator {images['generator']:,}", f"generated pairs {images['distil']:,}"]
    stages += [f"round {number} {count:,}" for number, count in enumerate(images["rounds"], 1)]
    facts = {
        "Kind": f"segmenter, {segmenter.size} px, widths {'-'.join(map(str, segmenter.network.widths))}",
        "Images seen": ", ".join(stages),
        "Refines by default": "yes" if refine else "no",
    }
    return publishing.publish(rounded, name, out, facts, score_lines(card["scores"], SCORES), overwrite)


def images_seen(config: Mapping[str, Any]) -> dict[str, Any]:
    """Images of each stage, starts that were given up included."""
    count, images = config["starts"]["count"], config["starts"]["images"]
    return {
        "generator": config["train"]["images"] + max(count - 1, 0) * images,
        "distil": config["distil"]["images"],
        "rounds": [stage["images"] for stage in config["rounds"]],
    }


def in_half_precision(segmenter: Segmenter, card: Mapping[str, Any]) -> Segmenter:
    """A segmenter whose weights are those that float16 can hold, with the fingerprint of these.

    The card gets `rounding`: the largest change of a mask by this, over a few pictures of noise.

    Raises:
        CheckpointError: A weight beyond the range of float16.
    """
    network = half_precision(segmenter.network)
    rounded = Segmenter(network, segmenter.size, card, fingerprint_of(network))
    change = (probe(rounded) - probe(segmenter)).abs().max().item()
    return Segmenter(network, segmenter.size, {**card, "rounding": round(change, 5)}, rounded.fingerprint)


def probe(segmenter: Segmenter) -> Float[Tensor, "4 1 size size"]:
    """Masks of four pictures of noise from coarse to fine."""
    draws = torch.Generator().manual_seed(0)
    sizes = [max(1, segmenter.size // step) for step in (16, 8, 4, 1)]
    noise = [torch.rand(1, 3, size, size, generator=draws) for size in sizes]
    full = [torch.nn.functional.interpolate(image, (segmenter.size,) * 2, mode="nearest") for image in noise]
    return torch.stack(segmenter.predict(torch.cat(full)))
