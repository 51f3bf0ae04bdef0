"""Settings that every capability shares; nothing heavy is imported."""

from typing import Annotated

from pydantic import Field, PositiveInt

from genstruct.data.crop import Policy
from genstruct.settings import settings


@settings
class PhotosConfig:
    """The photos, at their own sizes."""

    root: str | tuple[str, ...] = ""
    """Folder, .zip, .tar, LSUN LMDB or torchvision:NAME with images of one category; or a list of these."""


@settings
class DataConfig(PhotosConfig):
    """The photos, packed as squares."""

    size: Annotated[int, Field(ge=4, le=4096)] = 128
    """Photos are packed once as squares of this many pixels."""
    crop: Policy = "center"
    """Which square of a photo: centre, random, box (from metadata), fit (squeezed) or pad."""


@settings
class StartConfig:
    """Several short trainings, of which the healthiest goes on."""

    count: PositiveInt = 1
    """How many; 1 = just train."""
    images: PositiveInt = 40_000
    """Images each sees."""
