"""Settings of the view graph. What is prior knowledge of a category, and not found in its photos, says so."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from genstruct.errors import ConfigError
from genstruct.settings import Share, settings

Degrees = Annotated[float, Field(ge=-90, le=90)]
HalfAxes = tuple[PositiveFloat, PositiveFloat, PositiveFloat]
Temperature = Annotated[float, Field(gt=0, le=10)]


@settings
class PriorConfig:
    """What is assumed of the category."""

    lowest: Degrees = -10.0
    """Lowest elevation of the cameras that is thought of, degrees."""
    highest: Degrees = 45.0
    """Highest elevation of the cameras that is thought of, degrees."""
    narrow: bool = True
    """A first start finds out which of these elevations photos show; the others are left out."""
    whole_circle: bool = True
    """Photos show the object from all around, about equally often: azimuths are balanced."""
    widest: Annotated[float, Field(gt=0, le=180)] = 180.0
    """Photos show the object from at most this far left or right of its front, degrees; 180 = from anywhere."""
    distance: PositiveFloat = 2.6
    """Of the cameras, in lengths of the object: how strong perspective is."""
    half_axes: tuple[HalfAxes, ...] = ((0.2, 0.15, 0.5), (0.3, 0.2, 0.45))
    """Left-right, up-down and front-back of the boxes that starts begin with, in turn; only their ratios count."""

    def __post_init__(self) -> None:
        if not self.half_axes:
            raise ConfigError("half_axes must hold at least one box, got none")
        if self.lowest >= self.highest:
            raise ConfigError(f"lowest must be below highest, got {self.lowest} and {self.highest}")
        if self.whole_circle and self.widest < 180:
            raise ConfigError(f"widest is {self.widest}, so azimuths do not go round; set whole_circle to false")


@settings
class FitConfig:
    """How views and shape are found from one start."""

    iterations: PositiveInt = 14
    """Rounds of expectation and maximization."""
    hot: Temperature = 0.06
    """Temperature at the first round, in units of the energy."""
    cold: Temperature = 0.045
    """Temperature at the last round. Colder, wrong fronts and backs freeze."""
    lightness: NonNegativeFloat = 1.0
    """Weight of the map of lightness beside the silhouette."""
    distinction: NonNegativeFloat = 1.0
    """Weight of the map of distances to the object's main colour."""
    contrast: NonNegativeFloat = 0.5
    """Weight of the map of contrasts."""
    fade_in: PositiveInt = 6
    """Rounds over which the maps gain their weight."""
    neighbors: NonNegativeFloat = 3.0
    """Strength of the neighbours' word; 0 lets each image judge for itself."""
    strengthen: PositiveInt = 5
    """Rounds over which the neighbours gain their strength."""
    last_neighbors: PositiveInt = 20
    """The nearest, who alone speak for the last posteriors: many are needed to find the shape, few know a view best."""
    last_strength: NonNegativeFloat = 1.5
    """Strength of their word."""
    bends: PositiveInt = 8
    """Steps of Adam in each round."""
    shape_lr: PositiveFloat = 4e-3
    """Rate of the vertices, object lengths."""
    texture_lr: PositiveFloat = 1e-2
    """Rate of the texture."""
    roughness: NonNegativeFloat = 100.0
    """Weight of the mean squared Laplacian of the bending."""
    variation: NonNegativeFloat = 0.02
    """Weight of the texture's total variation."""


@settings
class GrowConfig:
    """How one shape becomes several where one does not fit all objects of a category."""

    shapes: PositiveInt = 5
    """Shapes; 1 leaves it at one."""
    tries: PositiveInt = 2
    """Times that it is done, with other random changes; the lowest energy counts."""
    rounds: PositiveInt = 8
    """Rounds of expectation and maximization, from slightly changed copies of the one shape."""
    hot: Temperature = 0.08
    """Temperature at the first of them; the last one's is that of the fit."""
    bends: PositiveInt = 16
    """Steps of Adam in each round."""


@settings
class GridConfig:
    """The views that are told apart."""

    azimuths: Annotated[int, Field(ge=8, le=720, multiple_of=4)] = 36
    """Round the circle."""
    step: Annotated[float, Field(ge=1, le=45)] = 9.0
    """Between elevations, about, degrees."""
    finer: PositiveInt = 2
    """Multiple of the azimuths once the shape is known."""
    last_steps: NonNegativeInt = 25
    """Steps of the last mean field."""


@settings
class InterventionConfig:
    """How images are turned to find out which others look like that."""

    degrees: tuple[Annotated[float, Field(gt=0, le=45)], ...] = (10.0, 20.0)
    """Turns to both sides."""
    claims: PositiveInt = 10
    """Edges that each image claims for each turn, and without a turn."""
    kept: PositiveInt = 10
    """Verified edges for each image that the graph keeps, on average."""


@settings
class PaperConfig:
    """The published system: a graph from interventions with planes only. Not published, our guesses: all numbers."""

    degrees: Annotated[float, Field(gt=0, le=45)] = 15.0
    """Turn to both sides."""
    yaws: tuple[Annotated[float, Field(gt=-80, lt=80)], ...] = (-60.0, -30.0, 0.0, 30.0, 60.0)
    """Of the planes' normals, degrees to the right of the viewer."""
    pitches: tuple[Annotated[float, Field(gt=-80, lt=80)], ...] = (-30.0, 0.0, 30.0)
    """Of the planes' normals, degrees above the viewer."""
    cells: PositiveInt = 1
    """Along each side of a crop; each cell has a plane of its own."""
    top: PositiveInt = 5
    """Crops of the set that a turned one must be like to be real."""
    claims: PositiveInt = 6
    """Edges that each image claims for each turn, and without a turn."""


@settings
class DistillConfig:
    """How a small network learns what the graph knows."""

    widths: tuple[Annotated[int, Field(ge=8, multiple_of=8)], ...] = (16, 32, 64, 128)
    """Channels of the network from 48 pixels downwards; each step halves the resolution."""
    lr: PositiveFloat = 3e-3
    """Learning rate of AdamW."""
    weight_decay: NonNegativeFloat = 0.02
    """Of AdamW."""
    softness: PositiveFloat = 6.0
    """Standard deviation by which labels are spread round the circle, degrees."""
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Largest move of a crop, half sides."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Largest change of its size, as a share."""
    rotation: NonNegativeFloat = 5.0
    """Largest turn in the picture plane, degrees."""
    held_out: Annotated[float, Field(gt=0, lt=0.9)] = 0.1
    """Share of the photos that it does not learn from, and by which its confidence is judged."""
    swap: Share = 0.2
    """Share of objects that are laid before another picture."""
    mask_noise: NonNegativeFloat = 0.1
    """Strength by which outlines of masks are bent, as a share of their range."""
    color: NonNegativeFloat = 0.5
    """Strength of the changes of colour, see `genstruct.nn.augmentation.change_color`."""


@settings
class CriticConfig:
    """A critic of realism."""

    widths: tuple[tuple[int, int], ...] = ((4, 64), (8, 48), (16, 32), (32, 16))
    """Resolution and channels of each level."""
    bending: PositiveFloat = 0.12
    """Standard deviation of the distortions that it learns to tell, in half sides of a crop: about 15 degrees."""
    lr: PositiveFloat = 4e-3
    """Rate of AdamW."""
