"""Files of viewpoints and of graphs as what is scored: lines found for true cameras, edges for true azimuths."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.data.metadata import FILE_NAME, Metadata, Record, parse_metadata
from genstruct.data.source import Failure
from genstruct.data.sources import open_source
from genstruct.errors import DataError
from genstruct.geometry.camera import Camera
from genstruct.metrics.matching import Truth, match

RIGHT = 30.0
"""Error up to which a view or an edge counts as right, degrees."""
RECORDS = "viewpoints.jsonl"
VERSION = 1
"""Of graph.json, as far as its edges go."""


@dataclass(frozen=True)
class KnownViews:
    """Of the photos that have both a true view and a line: rotations, confidences, and whether theirs is determined."""

    names: list[str]
    found: Float[Tensor, "photos 3 3"]
    true: Float[Tensor, "photos 3 3"]
    confidence: Float[np.ndarray, " photos"]
    determined: Bool[np.ndarray, " photos"]


def view_file(place: Path) -> Path:
    """The file of viewpoints that a place means. Raises DataError where there is none."""
    file = place / RECORDS if place.is_dir() else place
    if not file.is_file():
        raise DataError(f"predictions: {file} is not there; genstruct graph and genstruct viewpoints write {RECORDS}")
    return file


def read_lines(file: Path, what: str) -> Metadata:
    """Lines of a file, and what is wrong with it. Raises DataError where it cannot be read."""
    try:
        return parse_metadata(file.read_bytes(), file.name)
    except OSError as error:
        raise DataError(f"{what}: {file} cannot be read ({error.strerror or error})") from error


def true_records(place: Path) -> dict[str, Record]:
    """What is known of the photos of a set, or told by a file of metadata, by name. Raises DataError."""
    if place.is_file() and place.suffix == Path(FILE_NAME).suffix:
        return {record.file_name: record for record in read_lines(place, "truth").records}
    try:
        with open_source(place) as source:
            return dict(source.records)
    except DataError as error:
        raise DataError(f"truth: {error}") from error


def rotation_of(record: Record) -> Tensor | None:
    """World to camera, float64; None where it is not told, or is no rotation."""
    if record.world_to_camera is not None:
        rotation = torch.tensor(record.world_to_camera, dtype=torch.float64)[:, :3]
        off = (rotation @ rotation.mT - torch.eye(3, dtype=torch.float64)).abs().max()
        return rotation if off < 1e-2 and torch.det(rotation) > 0 else None
    if record.azimuth is None or record.elevation is None:
        return None
    return _orbit(record.azimuth, record.elevation)


def _orbit(azimuth: float, elevation: float) -> Tensor:
    angles = [torch.tensor([math.radians(angle)], dtype=torch.float64) for angle in (azimuth, elevation)]
    return Camera.orbit(angles[0], angles[1], 1.0, 1.0, (1, 1)).rotation[0]


def matched_views(lines: Metadata, true: dict[str, Tensor], failed: list[Failure]) -> KnownViews:
    """Lines with the true views of their photos; what has none is added to `failed`."""
    records = {record.file_name: record for record in lines.records}
    found = match([Truth(name, name, (str(Path(name).with_suffix("")), name)) for name in true], records)
    failed += [Failure(failure.name, "has no line") for failure in found.failures]
    names, views, confidences, determined = [], [], [], []
    for item, name in found.pairs:
        record = records[name]
        view = rotation_of(record)
        guess = _guess(record) if view is None else view
        if "error" in record.extra or guess is None:
            failed.append(Failure(item.name, str(record.extra.get("error", "its line has no usable view"))))
            continue
        names.append(item.name)
        views.append(guess)
        confidences.append(_confidence(record))
        determined.append(view is not None)
    nothing = torch.zeros(0, 3, 3, dtype=torch.float64)
    return KnownViews(
        names,
        torch.stack(views) if views else nothing,
        torch.stack([true[name] for name in names]) if names else nothing,
        np.array(confidences, float),
        np.array(determined, bool),
    )


def _guess(record: Record) -> Tensor | None:
    """The likeliest candidate of a line that says that its view is undetermined."""
    try:
        first = record.extra["candidates"][0]
        azimuth, elevation = float(first["azimuth"]), float(first["elevation"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return _orbit(azimuth, elevation) if math.isfinite(azimuth) and math.isfinite(elevation) else None


def _confidence(record: Record) -> float:
    value = record.extra.get("confidence")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def edge_precision(file: Path, true: dict[str, Record], mirrored: bool) -> dict[str, float | int] | None:
    """Of the verified edges of a graph's file: how many, of how many both ends are known, and which share is true.

    Args:
        file: graph.json; None comes back where it is not there.
        true: Records of the photos.
        mirrored: Whether the graph came out as its mirror image.

    Raises:
        DataError: Not such a file.
    """
    if not file.is_file():
        return None
    try:
        graph: dict[str, Any] = json.loads(file.read_bytes())
        if graph.get("version") != VERSION:
            raise ValueError(f"version {graph.get('version')}")
        names = [photo["file_name"] for photo in graph["photos"]]
        columns: Sequence[str] = graph["edges"]["columns"]
        rows = [dict(zip(columns, row, strict=True)) for row in graph["edges"]["rows"]]
        verified = [row for row in rows if row["verified"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not a graph that this version reads ({error}); write it again") from error
    azimuth = [record.azimuth if (record := true.get(name)) is not None else None for name in names]
    off = [gap for row in verified if (gap := _gap(row, azimuth, mirrored)) is not None]
    if not off:
        return None
    return {"verified": len(verified), "judged": len(off), "precision": float((np.array(off) <= RIGHT).mean())}


def _gap(row: dict[str, Any], azimuth: Sequence[float | None], mirrored: bool) -> float | None:
    """How far the turn that an edge claims is from the true one, degrees."""
    start, end = azimuth[row["start"]], azimuth[row["end"]]
    if start is None or end is None:
        return None
    turned = (-end if row["mirrored"] else end) - start
    gap = turned - (-row["turn"] if mirrored else row["turn"])
    return abs((gap + 180) % 360 - 180)
