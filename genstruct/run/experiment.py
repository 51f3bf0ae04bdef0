"""Running an experiment: its folder, held for this process, and its stages. What every experiment's `run` calls."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from genstruct.configuration import build, plain
from genstruct.data.pack import holds
from genstruct.errors import ConfigError
from genstruct.renamed import brought_forward
from genstruct.run.folder import MAY_DIFFER, open_run
from genstruct.run.settings import DataConfig, PhotosConfig
from genstruct.run.stages import PHOTOS, Reporter, StageRunner
from genstruct.train.config import TrainConfig

KIND = "experiment"
"""Key of a stored configuration that names the kind of experiment, so that RUN/config.yaml can be trained again."""


@runtime_checkable
class Settings(Protocol):
    """What an experiment sets at least; a class made by `genstruct.settings.settings`."""

    @property
    def data(self) -> PhotosConfig:
        """The photos."""
        ...

    @property
    def train(self) -> TrainConfig:
        """The trainer."""
        ...


def run_experiment(
    kind: str,
    experiment: Settings,
    out: Path,
    reporter: Reporter,
    stages: Callable[[StageRunner], object],
    may_differ: Sequence[str] = (),
    fixed: Sequence[str] = (),
) -> bool:
    """Do all stages of an experiment that are not done yet.

    Args:
        kind: Its name in the table of experiments.
        experiment: The settings.
        out: Folder of the run.
        reporter: Shows progress.
        stages: Asks the runner for the results of the stages.
        may_differ: Patterns of settings that may have changed since, beside `MAY_DIFFER`.
        fixed: Settings that must not, although they are among these: what they decide has been used already.

    Returns:
        Whether everything is done; False after SIGINT or SIGTERM in any stage, with all work saved.

    Raises:
        ConfigError: No photos are given, or the folder holds a run of other settings.
        OutputError: The folder cannot be written, holds something else, or another process works there.
    """
    data = experiment.data
    if not data.root:
        raise ConfigError("data.root is not set: give the folder of photos, for example data.root=photos")

    def there(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        known = completed(type(experiment), stored)
        return at_our_place(known, data, out / PHOTOS) if isinstance(data, DataConfig) else known

    allowed = [p for p in (*MAY_DIFFER, *may_differ) if not any(fnmatch(setting, p) for setting in fixed)]
    with open_run(out, {KIND: kind, **plain(experiment)}, allowed, there):
        runner = StageRunner(experiment.train, out, reporter)
        return runner.run(lambda: stages(runner))


def completed(cls: type, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of an earlier version's run under today's names, with the defaults of those that came since: they leave
    a run as it was."""
    stored = brought_forward(stored, getattr(cls, "renamed", {}))
    known = {key: value for key, value in stored.items() if key != KIND}
    try:
        return {**stored, **plain(build(cls, known))}
    except ConfigError:
        return stored  # they do not belong to this version: what differs will be told


def at_our_place(stored: Mapping[str, Any], data: DataConfig, archive: Path) -> Mapping[str, Any]:
    """Settings of the run that is there, with our place of the photos where they are the ones that it packed."""
    before, root = stored.get("data"), plain(data)["root"]
    if not isinstance(before, dict) or before.get("root") == root:
        return stored
    if not holds(archive, data.root, data.size, data.crop):
        return stored
    return {**stored, "data": {**before, "root": root}}
