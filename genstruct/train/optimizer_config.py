"""Settings of optimisers, one class for each kind; `genstruct.train.optimizers` makes them.

A configuration chooses by name: `optimizer: Annotated[Any, Choice(OPTIMIZERS)]` reads `{name: sgd, lr: 0.1}`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from genstruct.errors import ConfigError
from genstruct.settings import settings

Decay = Annotated[float, Field(ge=0, lt=1)]
"""Share of a running mean that remains from one step to the next."""


@settings
class AdamSettings:
    """Adam (Kingma & Ba 2015)."""

    name: Literal["adam"] = "adam"
    lr: PositiveFloat = 1e-3
    """Learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decays of the running means of gradients and of their squares."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the mean square."""


@settings
class AdamWSettings:
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    """Learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decays of the running means of gradients and of their squares."""
    eps: PositiveFloat = 1e-8
    """Added to the root of the mean square."""
    weight_decay: NonNegativeFloat = 0.01
    """Weights shrink by this times the learning rate in each step."""
    exclude_bias_and_norm: bool = False
    """Leave biases and the parameters of normalisation layers out of the weight decay."""


@settings
class SGDSettings:
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.1
    """Learning rate."""
    momentum: Decay = 0.9
    """Decay of the running sum of gradients; 0 = none is kept."""
    nesterov: bool = False
    """Look ahead by the momentum (Sutskever et al. 2013); not with a momentum of 0."""
    weight_decay: NonNegativeFloat = 0.0
    """Added to the gradient, times the weights."""
    exclude_bias_and_norm: bool = False
    """Leave biases and the parameters of normalisation layers out of the weight decay."""

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov needs a momentum above 0, got momentum 0")


@settings
class LARSSettings:
    """SGD whose rate is scaled for each parameter, for large batches (You et al. 2017)."""

    name: Literal["lars"] = "lars"
    lr: PositiveFloat = 0.2
    """Learning rate, before it is scaled."""
    momentum: Decay = 0.9
    """Decay of the running sum of scaled gradients."""
    weight_decay: NonNegativeFloat = 1e-6
    """Added to the gradient, times the weights."""
    trust: PositiveFloat = 1e-3
    """Length of a step at a learning rate of 1, as a share of the length of the parameter (eta)."""
    exclude_bias_and_norm: bool = True
    """Leave biases and the parameters of normalisation layers out of weight decay and scaling."""


OptimizerSettings = AdamSettings | AdamWSettings | SGDSettings | LARSSettings

OPTIMIZERS: Mapping[str, str] = {
    kind.name: f"{kind.__module__}:{kind.__name__}" for kind in (AdamSettings, AdamWSettings, SGDSettings, LARSSettings)
}
"""For `genstruct.settings.Choice`."""
