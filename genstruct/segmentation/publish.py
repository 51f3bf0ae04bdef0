"""Weights for others to use: half precision, small, with a card that says what they are and how they score.

```python
publish(Path("runs/cars"), "cars", Path("assets"), {"val": Path("val.json")})  # assets/cars.safetensors, assets/cars.md
```
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.files import write_bytes, write_text
from genstruct.segmentation.segmenter import Segmenter
from genstruct.segmentation.weights import fingerprint_of
from genstruct.train.run_folder import CONFIG, ENVIRONMENT

LIMIT = 16 << 20
"""Largest weights file, bytes: it lies in the repository."""
SCORES = {
    "iou": "IoU, mean over images",
    "median_iou": "IoU, median over images",
    "dataset_iou": "IoU, all pixels pooled",
    "mean_iou": "mIoU, mean over images",
    "max_f_beta": "max F-beta",
    "boundary_f": "boundary F",
}


@dataclass(frozen=True)
class Published:
    """What was written.

    Args:
        weights: The safetensors file.
        card_file: The card as text (Markdown).
        card: The card as it lies in the weights file.
        size: Of the weights file, bytes.
    """

    weights: Path
    card_file: Path
    card: dict[str, Any]
    size: int


def publish(
    run: Path,
    name: str,
    out: Path,
    scores: Mapping[str, Path],
    about: str = "",
    refine: bool = False,
    overwrite: bool = False,
) -> Published:
    """Write `out/NAME.safetensors` and `out/NAME.md` from a finished run.

    Args:
        run: The `--out` of `genstruct train`.
        name: Of the files, without suffix.
        out: Folder.
        scores: Results of `genstruct evaluate masks --json FILE` by what they were measured on.
        about: A sentence for the card: what the data are, and under which licence.
        refine: Whether `genstruct masks` refines with these weights unless told otherwise.
        overwrite: Replace files that are there.

    Raises:
        CheckpointError: The run is not finished, or its weights do not fit half precision.
        ConfigError: A score file that is not one.
        OutputError: Files are there already, the weights are larger than `LIMIT`, or `out` cannot be written.
    """
    weights, card_file = out / f"{name}.safetensors", out / f"{name}.md"
    there = [str(file) for file in (weights, card_file) if file.exists()]
    if there and not overwrite:
        raise OutputError(f"{', '.join(there)} there already; choose another name, or --overwrite")
    segmenter = Segmenter.load(run, "cpu")
    card = {**segmenter.card, **history(run), "refine": refine}  # the run's card also calibrates predictions
    card["scores"] = {name: read_scores(file) for name, file in scores.items()}
    if about:
        card["about"] = about
    rounded = in_half_precision(segmenter, card)
    contents = rounded.encode(half=True)
    if len(contents) > LIMIT:
        raise OutputError(
            f"{weights} would have {len(contents) / 2**20:.1f} MiB, more than {LIMIT >> 20}; train narrower"
        )
    write_bytes(weights, contents)
    write_text(card_file, card_text(name, rounded, len(contents)))
    return Published(weights, card_file, rounded.card, len(contents))


def history(run: Path) -> dict[str, Any]:
    """What a run's folder tells of how its weights came to be: data, commands, images seen, seeds, versions."""
    try:
        config = yaml.safe_load((run / CONFIG).read_text(encoding="utf-8"))
        sessions = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(
            f"{run} is not the folder of a run ({CONFIG} or {ENVIRONMENT} is missing or broken)"
        ) from error
    last = sessions[-1]
    return {
        "data": portable(config["data"]["root"]),
        "commands": list(dict.fromkeys(command_line(session["command"]) for session in sessions)),
        "images": images_seen(config),
        "seeds": seeds(config),
        "commit": (last.get("git") or {}).get("commit", ""),
        "torch": last["packages"]["torch"],
        "device": ", ".join(last["gpus"]) or f"{last['cpus']} CPU cores",
    }


def images_seen(config: Mapping[str, Any]) -> dict[str, Any]:
    """Images of each stage, starts that were given up included."""
    count, images = config["starts"]["count"], config["starts"]["images"]
    return {
        "generator": config["train"]["images"] + max(count - 1, 0) * images,
        "distil": config["distil"]["images"],
        "rounds": [stage["images"] for stage in config["rounds"]],
    }


def seeds(config: Mapping[str, Any]) -> list[int]:
    """The seeds of all starts, or the one of the training."""
    return [config["train"]["seed"] + number for number in range(max(config["starts"]["count"], 1))]


def command_line(words: Sequence[str]) -> str:
    """A command as another person would type it: without the places of this machine."""
    program, *arguments = words
    known = Path(program)
    start = f"python tools/{known.name}" if known.suffix == ".py" and known.parent.name == "tools" else known.name
    return " ".join([start, *map(portable, arguments)])


def portable(word: str) -> str:
    """A word of a command line, its absolute path cut down to its last two parts."""
    key, equals, value = word.rpartition("=")
    path = Path(value)
    return key + equals + (str(Path(*path.parts[-2:])) if path.is_absolute() else value)


def read_scores(file: Path) -> dict[str, Any]:
    """The scores of a result of `genstruct evaluate masks --json` that belong on a card.

    Raises:
        ConfigError: Another kind of file.
    """
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["kind"] != "masks":
            raise KeyError("kind")
        kept = {name: result["scores"][name] for name in SCORES}
        about = {"images": result["scored"], "failed": result["failed"], "threshold": result["protocol"]["threshold"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: not a result of 'genstruct evaluate masks --json FILE' ({error!r})") from error
    return {**about, "scores": kept}


def in_half_precision(segmenter: Segmenter, card: Mapping[str, Any]) -> Segmenter:
    """A segmenter whose weights are those that float16 can hold, with the fingerprint of these.

    The card gets `rounding`: the largest change of a mask by this, over a few pictures of noise.

    Raises:
        CheckpointError: A weight beyond the range of float16.
    """
    network = copy.deepcopy(segmenter.network)
    for name, tensor in network.state_dict().items():
        half = tensor.half()
        if not half.isfinite().all():
            raise CheckpointError(f"weight {name} does not fit float16 (largest value {tensor.abs().max():.3g})")
        tensor.copy_(half)
    rounded = Segmenter(network, segmenter.size, card, fingerprint_of(network))
    change = (probe(rounded) - probe(segmenter)).abs().max().item()
    return Segmenter(network, segmenter.size, {**card, "rounding": round(change, 5)}, rounded.fingerprint)


def probe(segmenter: Segmenter) -> Float[Tensor, "4 1 size size"]:
    """Masks of four pictures of noise from coarse to fine."""
    draws = torch.Generator().manual_seed(0)
    sizes = [max(1, segmenter.size // step) for step in (16, 8, 4, 1)]
    noise = [torch.rand(1, 3, size, size, generator=draws) for size in sizes]
    full = [torch.nn.functional.interpolate(image, (segmenter.size,) * 2, mode="nearest") for image in noise]
    return torch.stack(segmenter.predict(torch.cat(full)))


def card_text(name: str, segmenter: Segmenter, size: int) -> str:
    """The card in Markdown."""
    card = segmenter.card
    images = card["images"]
    stages = [f"generator {images['generator']:,}", f"generated pairs {images['distil']:,}"]
    stages += [f"round {number} {count:,}" for number, count in enumerate(images["rounds"], 1)]
    facts = {
        "Kind": f"segmenter, {segmenter.size} px, widths {'-'.join(map(str, segmenter.network.widths))}",
        "File": f"float16, {size / 2**20:.2f} MiB; rounding changed masks of noise by at most {card['rounding']:g}",
        "Weights": segmenter.fingerprint,
        "Data": ". ".join(part.rstrip(".") for part in (card["data"], card.get("about", "")) if part),
        "Images seen": ", ".join(stages),
        "Seeds": ", ".join(map(str, card["seeds"])),
        "Refines by default": "yes" if card["refine"] else "no",
        "Made with": f"torch {card['torch']} on {card['device']}, commit {card['commit'][:12] or 'unknown'}",
    }
    lines = [f"# {name}", "", "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items()), ""]
    lines += ["Made by", "", "```sh", *card["commands"], "```", "", *score_lines(card["scores"])]
    return "\n".join(lines).rstrip() + "\n"


def score_lines(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of scores, a column for each set they were measured on."""
    if not scores:
        return ["No scores were given."]
    heads = [f"{name}, {result['images']} images" for name, result in scores.items()]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for key, label in SCORES.items():
        cells = [shown(result["scores"][key]) for result in scores.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return [*lines, "", "Intervals are 95 % by bootstrap; object and background are never exchanged."]


def shown(score: Mapping[str, float | None]) -> str:
    """A score with its interval."""
    interval = "" if score["low"] is None else f" ({score['low']:.3f} - {score['high']:.3f})"
    return f"{score['value']:.3f}{interval}"
