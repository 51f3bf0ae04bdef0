"""What a training tells the world: averaged logs, `log.jsonl`, TensorBoard curves, preview pictures, progress.

Logged scalars are summed on the device and cross to the host once per log line.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from genstruct.files import whole_file, writing
from genstruct.pixels import to_bytes
from genstruct.train.distributed import mean_over_ranks

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"


class LogSums:
    """Sums of logged scalars since the last log line, kept on the device.

    Keys logged together share one tensor, so that a phase costs two small operations however much it logs.
    """

    def __init__(self) -> None:
        self.groups: dict[tuple[str, ...], tuple[Tensor, int]] = {}

    def add(self, logs: Mapping[str, Tensor]) -> None:
        """Add scalars (0-dimensional tensors of any float type)."""
        values = torch.stack([value.detach().float().reshape(()) for value in logs.values()])
        key = tuple(logs)
        sums, count = self.groups.get(key, (None, 0))
        self.groups[key] = (values if sums is None else sums + values, count + 1)

    def take(self) -> dict[str, float]:
        """Means since the last call, over ranks too; a key that several phases log is averaged over all of them."""
        if not self.groups:
            return {}
        names = [(name, count) for key, (_, count) in self.groups.items() for name in key]
        values = mean_over_ranks(torch.cat([sums for sums, _ in self.groups.values()])).tolist()
        self.groups = {}
        totals: dict[str, tuple[float, int]] = {}
        for (name, count), value in zip(names, values, strict=True):
            total, n = totals.get(name, (0.0, 0))
            totals[name] = (total + value, n + count)
        return {name: total / n for name, (total, n) in totals.items()}

    def state(self) -> list[dict[str, Any]]:
        """Contents for a checkpoint, averaged over ranks (all of them must call this)."""
        means = {names: (mean_over_ranks(sums), count) for names, (sums, count) in self.groups.items()}
        return [{"names": list(k), "sums": sums.cpu(), "count": count} for k, (sums, count) in means.items()]

    def restore(self, state: list[dict[str, Any]], device: torch.device) -> None:
        """Set contents from a checkpoint."""
        self.groups = {tuple(g["names"]): (g["sums"].to(device), g["count"]) for g in state}


@dataclass(frozen=True)
class Progress:
    """How far a training is, handed to `on_progress` at each log line and event.

    Args:
        images: Images seen.
        total: Images the training will see.
        images_per_second: Over the last span.
        seconds_left: Estimated.
        logs: Averaged over the last span.
        event: A sentence about something unusual (resumed, rolled back, interrupted), else empty.
    """

    images: int
    total: int
    images_per_second: float = 0.0
    seconds_left: float = math.inf
    logs: Mapping[str, float] = field(default_factory=dict)
    event: str = ""


OnProgress = Callable[[Progress], None]


class Report:
    """Writes what happens into the folder of a run. On ranks other than 0, hand it `out=None`: it writes nothing."""

    def __init__(self, out: Path | None, tensorboard: bool, images: int = 0) -> None:
        self.out, self.file, self.curves = out, None, None
        if out is None:
            return
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
            self.file = (out / LOG).open("a", encoding="utf-8")
            self.curves = _summary_writer(out, images) if tensorboard else None

    def line(self, images: int, values: Mapping[str, Any]) -> None:
        """Append a line to `log.jsonl`; values that are not finite become null, which JSON can hold."""
        if self.file is None:
            return
        record = {"images": images, **values}
        with writing(self.file.name):
            self.file.write(json.dumps({name: _plain(value) for name, value in record.items()}) + "\n")
            self.file.flush()
            self._curve_points(images, values)

    def pictures(self, images: int, previews: Mapping[str, Float[Tensor, "n 3 h w"]]) -> None:
        """Write each stack of pictures as a grid, `previews/<name>-<images>.png`."""
        if self.out is None:
            return
        folder = self.out / "previews"
        with writing(folder):
            folder.mkdir(exist_ok=True)
            for name, pictures in previews.items():
                save_grid(folder / f"{name}-{images:012d}.png", pictures)

    def size(self) -> int:
        """Bytes of the log so far, noted in checkpoints."""
        return self.file.tell() if self.file else 0

    def rewind(self, size: int) -> None:
        """Drop log lines after byte `size`: what a resumed training will write again, equal up to times."""
        if self.file and self.file.tell() > size:
            self.file.truncate(size)
            self.file.seek(size)

    def close(self) -> None:
        """Close the files."""
        if self.file:
            self.file.close()
        if self.curves is not None:
            self.curves.close()

    def _curve_points(self, images: int, values: Mapping[str, Any]) -> None:
        if self.curves is None:
            return
        for name, value in values.items():
            if isinstance(value, float) and math.isfinite(value):
                self.curves.add_scalar(name, value, images)


def grid(pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "3 rows columns"]:
    """Pictures side by side on a near-square grid, row by row; unused cells are white."""
    n, _, h, w = pictures.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = pictures.new_ones(rows * columns, 3, h, w)
    cells[:n] = pictures
    return cells.reshape(rows, columns, 3, h, w).permute(2, 0, 3, 1, 4).reshape(3, rows * h, columns * w)


def save_grid(path: Path, pictures: Float[Tensor, "n 3 h w"]) -> None:
    """Write pictures in [0, 1] as one 8-bit PNG; the file appears whole or not at all."""
    pixels = to_bytes(grid(pictures.detach().float().cpu().nan_to_num()))
    with whole_file(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _summary_writer(out: Path, images: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter  # takes a second to import

    return SummaryWriter(str(out / "tensorboard"), purge_step=images)  # hides points that a resumed run repeats
