"""Experiments by name, read from YAML files; the command line and a notebook read them alike.

```python
experiment = load_experiment("configs/segmentation/cars64.yaml", ["data.root=photos", "train.images=2e6"])
experiment.run(Path("runs/cars"), ProgressLine)  # from genstruct.train.progress
```
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from genstruct.configuration import build, plain
from genstruct.errors import ConfigError, nearest
from genstruct.strict_yaml import read_yaml

if TYPE_CHECKING:
    from genstruct.run.settings import PhotosConfig
    from genstruct.run.stages import Reporter
    from genstruct.train.config import TrainConfig

NAME = "experiment"
EXPERIMENTS = {
    "segmentation": "genstruct.segmentation.experiment:SegmentationExperiment",
    "viewpoint": "genstruct.viewpoint.experiment:ViewpointExperiment",
}
"""What a configuration may hold, by the word after `experiment:`. Reading the table imports none of them."""


@runtime_checkable
class Experiment(Protocol):
    """A frozen dataclass of settings that knows how to run itself.

    It may also have `networks() -> Mapping[str, nn.Module]`: what will be trained, by name, to tell sizes beforehand.
    """

    @property
    def data(self) -> "PhotosConfig":
        """The photos."""
        ...

    @property
    def train(self) -> "TrainConfig":
        """The settings of its trainer, for the device."""
        ...

    def run(self, out: Path, reporter: "Reporter") -> bool:
        """Train into the folder `out`; False if a signal stopped it, with everything saved."""
        ...


def load_experiment(path: Path | str, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Args:
        path: YAML. Its key `experiment` names the kind, the others are the fields of the class in `EXPERIMENTS`.
        overrides: `key.sub=value`, with or without leading dashes.

    Raises:
        ConfigError: Unreadable, of an unknown kind, or with an unknown key or a wrong value; the message names the
            file, the key and what was expected.
    """
    values = read_yaml(Path(path))
    try:
        cls = experiment_class(values.pop(NAME, None))
        if not overrides or not _readable(cls, values):
            return build(cls, values, overrides)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return build(cls, values, overrides)  # the file is fine, so an error is about the overrides


def experiment_class(name: object) -> type:
    """The class of a kind of experiment. Raises ConfigError."""
    if name not in EXPERIMENTS:
        near = nearest(str(name), list(EXPERIMENTS))
        what = f"unknown {NAME} {name!r}" if name is not None else f"needs a line '{NAME}: KIND'"
        raise ConfigError(what + (f"; did you mean {near!r}?" if near else f"; kinds are {', '.join(EXPERIMENTS)}"))
    module, _, attribute = EXPERIMENTS[str(name)].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _readable(cls: type, values: Mapping[str, Any]) -> bool:
    try:
        build(cls, values)
    except ConfigError:
        return False
    return True


def resolved(experiment: Experiment) -> Mapping[str, Any]:
    """Every setting, defaults included, as `load_experiment` would read it from a file."""
    address = f"{type(experiment).__module__}:{type(experiment).__qualname__}"
    names = {place: name for name, place in EXPERIMENTS.items()}
    return {NAME: names[address], **plain(experiment)}
