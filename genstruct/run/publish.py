"""Weights for others to use: half precision, small, with a card that says what they are and how they score.

What is a capability's own (which scores, what was learned from how much) it hands in; see `publish`.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.files import write_bytes, write_text
from genstruct.run.folder import CONFIG, ENVIRONMENT, read_sessions, read_settings
from genstruct.run.weights import Model

N = TypeVar("N", bound=nn.Module)
LIMIT = 16 << 20
"""Largest weights file, bytes: it lies in the repository."""


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


def check_free(out: Path, name: str, overwrite: bool = False) -> None:
    """Raise OutputError where files of this name are there already and must stay."""
    there = [str(file) for file in (out / f"{name}.safetensors", out / f"{name}.md") if file.exists()]
    if there and not overwrite:
        raise OutputError(f"{', '.join(there)} there already; choose another name, or --overwrite")


def publish(
    model: Model,
    name: str,
    out: Path,
    about: Mapping[str, str],
    scores: Sequence[str] = (),
    overwrite: bool = False,
) -> Published:
    """Write `out/NAME.safetensors` and `out/NAME.md`.

    Args:
        model: In half precision (`half_precision`), with a card that has what `history` gives.
        name: Of the files, without suffix.
        out: Folder.
        about: Lines of the card that are the capability's own, by title; the first says what kind of model it is.
        scores: The end of the card, see `score_lines`.
        overwrite: Replace files that are there.

    Raises:
        OutputError: Files are there already, the weights are larger than `LIMIT`, or `out` cannot be written.
    """
    check_free(out, name, overwrite)
    weights, card_file = out / f"{name}.safetensors", out / f"{name}.md"
    contents = model.encode(half=True)
    if len(contents) > LIMIT:
        raise OutputError(
            f"{weights} would have {len(contents) / 2**20:.1f} MiB, more than {LIMIT >> 20}; train narrower"
        )
    write_bytes(weights, contents)
    write_text(card_file, card_text(name, model, len(contents), about, scores))
    return Published(weights, card_file, dict(model.card), len(contents))


def history(run: Path) -> dict[str, Any]:
    """What a run's folder tells of how its weights came to be: data, commands, seeds, versions.

    Raises:
        CheckpointError: Not the folder of a run.
    """
    settings, sessions = read_settings(run), read_sessions(run)
    try:
        last = sessions[-1]
        return {
            "data": places(settings["data"]["root"]),
            "commands": list(dict.fromkeys(command_line(session["command"]) for session in sessions)),
            "seeds": seeds(settings),
            "commit": (last.get("git") or {}).get("commit", ""),
            "torch": last["packages"]["torch"],
            "device": ", ".join(last["gpus"]) or f"{last['cpus']} CPU cores",
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{run} is not the folder of a run ({CONFIG} or {ENVIRONMENT} is broken)") from error


def seeds(settings: Mapping[str, Any]) -> list[int]:
    """The seeds of all starts, or the one of the training."""
    starts = settings.get("starts", 1)
    count = starts if isinstance(starts, int) else starts.get("count", 1)
    return [settings["train"]["seed"] + number for number in range(max(count, 1))]


def places(root: str | Sequence[str]) -> str:
    """Where photos lie, as another person would name it."""
    return portable(root) if isinstance(root, str) else ", ".join(map(portable, root))


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


def half_precision(network: N) -> N:
    """A copy whose weights are those that float16 can hold. Raises CheckpointError for one beyond its range."""
    network = copy.deepcopy(network)
    for name, tensor in network.state_dict().items():
        half = tensor.half()
        if not half.isfinite().all():
            raise CheckpointError(f"weight {name} does not fit float16 (largest value {tensor.abs().max():.3g})")
        tensor.copy_(half)
    return network


def card_text(name: str, model: Model, size: int, about: Mapping[str, str], scores: Sequence[str]) -> str:
    """The card in Markdown."""
    card = model.card
    change = f"; rounding changed results for noise by at most {card['rounding']:g}" if "rounding" in card else ""
    facts = {
        **about,
        "File": f"float16, {size / 2**20:.2f} MiB{change}",
        "Weights": model.fingerprint,
        "Data": ". ".join(part.rstrip(".") for part in (card["data"], card.get("about", "")) if part),
        "Seeds": ", ".join(map(str, card["seeds"])),
        "Made with": f"torch {card['torch']} on {card['device']}, commit {card['commit'][:12] or 'unknown'}",
    }
    lines = [f"# {name}", "", "| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items()), ""]
    lines += ["Made by", "", "```sh", *card["commands"], "```", "", *scores]
    return "\n".join(lines).rstrip() + "\n"


def read_scores(file: Path, kind: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The scores of a result of `genstruct evaluate KIND --json` that belong on a card.

    Args:
        file: The result.
        kind: What was evaluated.
        labels: For people, by the names of the scores to keep.

    Raises:
        ConfigError: Another kind of file.
    """
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["kind"] != kind:
            raise KeyError("kind")
        kept = {name: result["scores"][name] for name in labels}
        about = {
            "images": result["scored"],
            "failed": result["failed"],
            "threshold": result["protocol"].get("threshold"),
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: not a result of 'genstruct evaluate {kind} --json FILE' ({error!r})") from error
    return {**about, "scores": kept}


def score_lines(scores: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    """A table of scores (Markdown), a column for each set they were measured on.

    Args:
        scores: What `read_scores` gives, by the name of the set.
        labels: For people, by the names of the scores.
    """
    if not scores:
        return ["No scores were given."]
    heads = [f"{name}, {result['images']} images" for name, result in scores.items()]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for key, label in labels.items():
        cells = [shown(result["scores"][key]) for result in scores.values()]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return [*lines, "", "Intervals are 95 % by bootstrap."]


def shown(score: Mapping[str, float | None]) -> str:
    """A score with its interval."""
    interval = "" if score["low"] is None else f" ({score['low']:.3f} - {score['high']:.3f})"
    return f"{score['value']:.3f}{interval}"
