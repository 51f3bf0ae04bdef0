"""The settings of a training, with their units."""

from typing import Any, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from genstruct.configuration import plain
from genstruct.errors import ConfigError
from genstruct.settings import Share, settings


@settings
class TrainConfig:
    """How long, how fast and how safely to train. Schedules count images, so they mean the same at any batch size."""

    images: PositiveInt = 400_000
    """Images to see in the whole training, over all ranks."""
    batch: PositiveInt = 64
    """Images of one step, over all ranks."""
    seed: int = 0
    """Seed of every random draw of the training."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU if there is one."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Number format of the forward passes; weights stay float32. auto: bf16 where the hardware computes it natively
    (on a CPU without such instructions bf16 is 10 to 20 times slower than float32), else float32."""
    channels_last: bool = True
    """Keep images and convolutions in NHWC memory order."""
    compile: tuple[str, ...] = ()
    """Networks whose forward pass torch.compile speeds up (needs a C++ compiler). Leave out those that a gradient
    penalty differentiates twice: torch.compile cannot."""
    ema_half_life_images: NonNegativeFloat = 10_000.0
    """Images after which a weight's share in the moving average has halved; 0 = the average is the latest weights."""
    ema_ramp: Share = 0.05
    """Early on the half-life is at most this fraction of the images seen so far; 0 = no ramp."""
    save_every_images: PositiveInt = 50_000
    """Images between checkpoints."""
    preview_every_images: NonNegativeInt = 25_000
    """Images between previews; 0 = none."""
    preview_images: PositiveInt = 16
    """Pictures in a preview grid, for methods that go by the size of the batch."""
    log_every_images: PositiveInt = 2_000
    """Images between two lines in the log; logs are averaged over this span."""
    tensorboard: bool = True
    """Also write curves for TensorBoard."""
    keep_checkpoints: PositiveInt = 2
    """Latest checkpoints to keep, beside the last one known to be healthy."""
    health_every_images: PositiveInt = 10_000
    """Images between two checks for collapse, judged by logs averaged over this span."""
    max_rollbacks: NonNegativeInt = 3
    """Roll-backs in a row, without a healthy checkpoint in between, after which training gives up."""
    threads: NonNegativeInt = 0
    """CPU threads of torch; 0 = leave as it is. Exact repetition holds for an equal number of threads."""

    def __post_init__(self) -> None:
        if self.health_every_images < self.log_every_images:
            raise ConfigError(
                f"health_every_images ({self.health_every_images}) must not be below log_every_images "
                f"({self.log_every_images}): health is judged by logged values"
            )

    def plain(self) -> dict[str, Any]:
        """As a dictionary of numbers, strings and lists, for files."""
        return plain(self)
