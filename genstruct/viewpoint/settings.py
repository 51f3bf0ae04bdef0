"""Everything that can be set of a view graph."""

from dataclasses import field
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from genstruct.run.settings import PhotosConfig
from genstruct.settings import settings
from genstruct.train.config import TrainConfig
from genstruct.viewpoint.config import (
    DistillConfig,
    FitConfig,
    GridConfig,
    GrowConfig,
    InterventionConfig,
    PriorConfig,
)

WITHOUT = "none"


@settings
class ObjectConfig:
    """Where the object is in each photo."""

    masks: str = ""
    """Masks named like the photos: a folder, .zip or .tar; "none" takes an ellipse in the middle of each photo, which
    costs a graph nearly all of its worth."""
    segmenter: str = ""
    """Name or file of the model that made the masks, kept on the card: new photos get theirs from it."""
    size: Annotated[int, Field(ge=32, le=256, multiple_of=8)] = 64
    """Pixels of the crops."""


@settings
class ViewpointSettings:
    """The view graph of a category, by hypothesis, intervention and realism."""

    data: PhotosConfig = field(default_factory=PhotosConfig)
    objects: ObjectConfig = field(default_factory=ObjectConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    grow: GrowConfig = field(default_factory=GrowConfig)
    turns: InterventionConfig = field(default_factory=InterventionConfig)
    starts: PositiveInt = 4
    """Fits from different random shapes, of which the one with the lowest energy goes on."""
    neighbors: NonNegativeInt = 0
    """Neighbours of each photo; 0 = a fiftieth of the photos, at least 10."""
    network: bool = False
    """Also distil a small network for new photos (`genstruct viewpoints --method network`). Shapes and known photos are
    at least as fast and as good; it is for programs that want one network."""
    distill: DistillConfig = field(default_factory=DistillConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(images=60_000, batch=64, tensorboard=False))
    """Of that network; device, seed and threads hold for all stages."""
