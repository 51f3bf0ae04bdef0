"""Where the object is in each photo: what `--masks` names, for commands of capabilities that do not know segmenters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.arguments import place
from genstruct.errors import ConfigError

if TYPE_CHECKING:
    from genstruct.errors import ImageError
    from genstruct.export.images import Pixels
    from genstruct.run.predict import Photo
    from genstruct.segmentation.segmenter import Segmenter

NONE = "none"
"""No masks: the object is taken to fill an ellipse in the middle of each photo."""
SUFFIX = ".safetensors"


def segmenter_file(masks: str) -> Path | None:
    """The file of the model that `masks` names (a file, a run, the name of published weights); None for all else."""
    from genstruct.run.weights import published, weights_file
    from genstruct.segmentation.segmenter import RUN_FILE

    path = place(masks)
    if path.suffix == SUFFIX or (path / RUN_FILE).is_file():
        return weights_file(path, RUN_FILE)
    return None if path.exists() else published(masks)


def segmenter_beside(model: Path, name: str) -> Path:
    """The segmenter that a card names: beside the model, else where the name leads.

    Raises:
        ConfigError: It is not there.
    """
    if not name:
        raise ConfigError(f"{model} does not say which segmenter its masks came from; give --masks (a model, or masks)")
    beside = model.parent / f"{Path(name).name.removesuffix(SUFFIX)}{SUFFIX}"
    file = beside if beside.is_file() else segmenter_file(name)
    if file is None:
        raise ConfigError(f"{model} needs masks by {name}, which is neither {beside} nor known; give --masks")
    return file


class SegmentedMasks:
    """Masks of photos by a segmenter, as `genstruct masks` would write them.

    Args:
        segmenter: Makes them.
    """

    def __init__(self, segmenter: "Segmenter") -> None:
        self.segmenter, self.refine = segmenter, bool(segmenter.card.get("refine", False))

    def __call__(self, photos: "Sequence[Photo]") -> "list[Pixels | ImageError]":
        """Masks of the photos as the model sees them."""
        from genstruct.export.images import to_uint8

        found = self.segmenter.predict([photo.image for photo in photos], refine=self.refine)
        return [to_uint8(mask.cpu()) for mask in found]
