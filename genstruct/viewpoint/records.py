"""`viewpoints.jsonl`: what is written about the view of each photo, by a graph and by a prediction alike.

A line has `file_name` and either `error` or:

- `confidence`: in [0, 1].
- `candidates`: up to four views, the likeliest first, each with `azimuth`, `elevation` (degrees) and `probability`.
- `azimuth`, `elevation`: degrees, in the frame of the category's shape (`genstruct.viewpoint.viewpoints`).
- `world_to_camera` 3x4, `intrinsics` 3x3: draw the category's shape over the photo, in pixels of its own size.
- `shape`: number of the template that they draw.
- `node`: group of photos with one view, in a graph.
- `undetermined`: why there is no view; then the line has confidence and candidates and nothing of a view, so that
  nobody takes a guess for one.
- `copy_of`: another photo, which is the very same picture; the view is that photo's.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from genstruct.geometry.camera import Camera
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.viewpoints import SURE, Viewpoints

NAME = "viewpoints"
RECORDS = f"{NAME}.jsonl"


def view_line(
    views: Viewpoints, cameras: Camera, row: int = 0, node: int | None = None, undetermined: str = ""
) -> dict[str, Any]:
    """What a line says of one photo, beside its `file_name`; plain JSON values.

    Args:
        views: Of one photo or of several.
        cameras: See `genstruct.viewpoint.graph.photo_cameras`; as many.
        row: Which of them.
        node: Its group, where it has one.
        undetermined: Why no view of the whole set may be relied on; empty where it may.
    """
    confidence = float(views.confidence[row])
    known: dict[str, Any] = {"confidence": round(confidence, 4), "candidates": _candidates(views.candidates[row])}
    if reason := undetermined or why_undetermined(confidence):
        return known | {"undetermined": reason}
    view = {"azimuth": degrees(views.azimuth[row], round_circle=True), "elevation": degrees(views.elevation[row])}
    drawn = {
        "world_to_camera": _matrix(cameras.world_to_camera[row], 6),
        "intrinsics": _matrix(cameras.intrinsics[row], 4),
        "shape": int(views.shape[row]),
    }
    return view | known | drawn | ({} if node is None else {"node": node})


def why_undetermined(confidence: float) -> str:
    """The reason of a photo's own; empty where its view is sure enough."""
    return "" if confidence >= SURE else f"confidence {confidence:.2f} is below {SURE}"


def view_lines(graph: Graph, order: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Lines of all photos of a graph, also of those that could not be used.

    Args:
        graph: Finished.
        order: Names of the photos as their source has them; those that it does not name come last.
    """
    photos, cameras = graph.photos, graph.cameras()
    of = graph.nodes.of.tolist()
    rows = {name: row for row, name in enumerate(photos.names)}
    failed = {failure.name: failure.why for failure in photos.failed}
    for name in dict.fromkeys([*order, *photos.names, *photos.twins, *failed]):
        if name in failed:
            yield {"file_name": name, "error": failed[name]}
            continue
        copied = photos.twins.get(name)
        if (row := rows.get(copied or name)) is not None:
            line = view_line(graph.views, cameras, row, None if of[row] < 0 else of[row], graph.undetermined)
            yield {"file_name": name, **line} | ({} if copied is None else {"copy_of": copied})


def view_text(lines: Iterator[Mapping[str, Any]]) -> str:
    """The file's content."""
    return "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)


def degrees(radians: Tensor | float, round_circle: bool = False) -> float:
    """Degrees to a hundredth; of azimuths in [0, 360)."""
    value = round(math.degrees(float(radians)), 2)
    return round(value % 360, 2) % 360 if round_circle else value


def _candidates(found: Float[Tensor, "candidates 3"]) -> list[dict[str, float]]:
    return [
        {"azimuth": degrees(azimuth, True), "elevation": degrees(elevation), "probability": round(probability, 4)}
        for azimuth, elevation, probability in found.tolist()
        if probability > 0
    ]


def _matrix(values: Float[Tensor, "rows columns"], digits: int) -> list[list[float]]:
    return [[round(value, digits) for value in row] for row in values.tolist()]
