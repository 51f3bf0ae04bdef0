"""What a trained generator makes: found in the folder of a run, and written as pictures.

```text
OUT/images/000000.png ...                             composites
OUT/masks  OUT/backgrounds  OUT/foregrounds           on request: what they are made of
OUT/metadata.jsonl                                    then too: which mask belongs to which picture
```
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.configuration import build
from genstruct.data.metadata import FILE_NAME
from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.export.images import to_uint8, write_png
from genstruct.files import is_occupied, whole_folder
from genstruct.renamed import brought_forward
from genstruct.run.folder import CONFIG, read_settings, run_of
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig
from genstruct.segmentation.layered import LayeredGenerator, Scene, fading_prior
from genstruct.segmentation.settings import RENAMED
from genstruct.train import checkpoint
from genstruct.train.distributed import pick_device
from genstruct.train.randomness import Draws

BATCH = 100
"""Codes drawn at a time. Part of the address of each code, so that more samples of a seed begin with the same ones."""
IMAGES, MASKS, BACKGROUNDS, FOREGROUNDS = "images", "masks", "backgrounds", "foregrounds"


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator as a run left it.

    Args:
        network: Averaged weights, for use only.
        size: Resolution that it has grown to, pixels.
        images: That it has seen.
        prior: The centre prior that it was trained with at that moment; 0 in the later part of a training.
    """

    network: LayeredGenerator
    size: int
    images: int
    prior: Float[Tensor, "1 1 size size"] | float = 0.0

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device

    @torch.inference_mode()
    def scenes(self, count: int, seed: int = 0) -> Iterator[Scene]:
        """So many scenes in batches; each is a function of the seed and its number."""
        for first in range(0, count, BATCH):
            rows = min(BATCH, count - first)
            draws = Draws(seed, first, 0, rows, BATCH, self.device)
            z = draws.normal("samples", self.network.latent_size)
            yield self.network(z, self.size, self.prior, self.network.draw_noise(draws, self.size))


def load_generator(place: Path, device: str = "auto") -> TrainedGenerator:
    """The generator of a run, or of one of its checkpoints.

    Args:
        place: The `--out` of `genstruct train`, whose newest checkpoint is taken, or a checkpoint (.pt) inside it.
        device: "auto" takes a GPU if there is one.

    Raises:
        CheckpointError: Not a run of segmentation, without a checkpoint yet, or damaged.
    """
    file = checkpoint.latest(place / "generator") if place.is_dir() else place
    if file is None:
        raise CheckpointError(f"{place}: no checkpoint of a generator in it (generator/checkpoints); is it a run?")
    contents = checkpoint.load(file)
    config, objective, total = settings_of(file)
    network = LayeredGenerator(config)
    try:
        network.load_state_dict({**contents["networks"], **contents["averaged"]}["generator"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{file} does not hold the generator that {CONFIG} of its run describes") from error
    network = network.to(pick_device(device)).eval().requires_grad_(False)
    images = contents["state"]["images"]
    size = config.size_at(images)
    prior = fading_prior(objective, images / total, size, pick_device(device))
    return TrainedGenerator(network, size, images, prior)


def settings_of(file: Path) -> tuple[GeneratorConfig, ObjectiveConfig, int]:
    """Generator, objective and images of the whole training, from the run that a checkpoint lies in.

    Raises:
        CheckpointError: It does not lie in the folder of a run of segmentation.
    """
    folder = run_of(file)
    try:
        settings = brought_forward(read_settings(folder), RENAMED)
        parts = build(GeneratorConfig, settings["generator"]), build(ObjectiveConfig, settings["objective"])
        return *parts, int(settings["train"]["images"])
    except (KeyError, TypeError, ConfigError, CheckpointError) as error:
        raise CheckpointError(f"{folder / CONFIG} does not describe a run of segmentation") from error


def write_samples(
    generator: TrainedGenerator,
    out: Path,
    count: int,
    seed: int = 0,
    layers: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write samples as PNG; the folder appears whole or not at all, see the module for what is in it.

    Args:
        generator: Makes them.
        out: New or empty folder.
        count: Samples.
        seed: Of their codes; samples with a smaller `count` are the first of these.
        layers: Also write masks, backgrounds and foregrounds.
        on_progress: Called with samples done and samples in all.

    Raises:
        OutputError: The folder holds files, or cannot be written.
    """
    if is_occupied(out):  # told now, not after the work
        raise OutputError(f"{out} holds other files; choose a new folder")
    with whole_folder(out) as folder:
        lines, done = [], 0
        for scene in generator.scenes(count, seed):
            for row in range(len(scene.logits)):
                lines.append(_write_sample(folder, f"{done:06d}.png", scene, row, layers))
                done += 1
            if on_progress is not None:
                on_progress(done, count)
        if layers:
            (folder / FILE_NAME).write_text("".join(lines), encoding="utf-8")


def _write_sample(folder: Path, name: str, scene: Scene, row: int, layers: bool) -> str:
    """One sample's files; its line of the metadata."""
    parts = {IMAGES: scene.picture}
    if layers:
        parts |= {MASKS: scene.mask, BACKGROUNDS: scene.background, FOREGROUNDS: scene.foreground}
    for place, pictures in parts.items():
        write_png(folder / place / name, to_uint8(pictures[row]))
    return json.dumps({"file_name": f"{IMAGES}/{name}", "mask_file_name": f"{MASKS}/{name}"}) + "\n"
