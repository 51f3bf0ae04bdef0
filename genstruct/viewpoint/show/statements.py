"""What a graph says of itself in words: how much of it there is, what its frame means, and what it cannot know."""

import math
from dataclasses import dataclass

import torch

from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.graph import Category, Graph


@dataclass(frozen=True)
class Counts:
    """How many there are.

    Args:
        photos: That could be cut out.
        determined: Of these, with a view that is sure enough.
        failed: Photos that could not be used.
        copies: Photos that are copies of others.
        nodes: Groups of photos with one view.
        components: Of photos that verified edges join, those with more than one photo.
        largest: Photos in the largest of them.
        edges: Claims of interventions that views verify, as many as the graph keeps.
        denied: Claims that views do not verify.
    """

    photos: int
    determined: int
    failed: int
    copies: int
    nodes: int
    components: int
    largest: int
    edges: int
    denied: int


def counts(graph: Graph) -> Counts:
    """Of a graph."""
    sizes = torch.bincount(graph.nodes.component)
    return Counts(
        photos=len(graph.photos),
        determined=0 if graph.undetermined else int(graph.views.determined.sum()),
        failed=len(graph.photos.failed),
        copies=len(graph.photos.twins),
        nodes=len(graph.nodes.center),
        components=int((sizes > 1).sum()),
        largest=int(sizes.max()) if len(sizes) else 0,
        edges=len(graph.edges),
        denied=len(graph.shown_edges) - len(graph.edges),
    )


def verdict(graph: Graph) -> str:
    """Whether to rely on the graph, in a sentence or two."""
    if graph.undetermined:
        return f"Undetermined: {graph.undetermined}. No view below may be relied on."
    found = counts(graph)
    views = f"{found.determined:,} of {found.photos:,} photos have a view ({_share(found.determined, found.photos)})"
    joined = f"{_share(found.largest, found.photos)} of the photos hang together by {found.edges:,} verified edges"
    denied = f"; {found.denied:,} more claims are denied by the views" if found.denied else ""
    return f"{views}, in {found.nodes:,} groups of one view; {joined}{denied}."


def gauge(category: Category) -> dict[str, str]:
    """What is convention in a frame that was found without a label: turn, front, mirror, size."""
    low, high = math.degrees(category.grid.lowest), math.degrees(category.grid.highest)
    return {
        "turn": "Azimuth grows as the camera moves counter-clockwise round the object seen from above; the object then "
        "turns clockwise. An edge '+' leads to a greater azimuth, '-' to a smaller one.",
        "front": "Azimuth 0 looks along the shape's plane of symmetry at one of its two ends. Which end is the "
        "object's front, no picture without a label can say: all azimuths may be off by half a turn together.",
        "mirror": _mirror(low, high),
        "scale": "The photos show the object from all around: turns add up to the whole circle, so degrees are degrees."
        if category.whole_circle
        else "The photos do not show the object from all around: how many degrees a turn has rests on the shape that "
        "was found (see the findings), not on a circle that closes.",
        "size": f"The longest side of the shape is 1, cameras are {category.distance:g} of it away from its middle; "
        "how large the object really is remains open.",
    }


def kinds(edges: Edges) -> list[str]:
    """ "same", "+" or "-" of each edge: whether the azimuth stays, grows or shrinks from start to end."""
    return [("same", "+", "-")[sign] for sign in edges.turn.sign().int().tolist()]


def _mirror(low: float, high: float) -> str:
    seen = f"Elevations were searched from {low:g} to {high:g} degrees"
    if low >= 0 or high <= 0:
        side = "below" if low >= 0 else "above"
        return f"{seen}: that no camera stands {side} the horizon tells the shape from its mirror image."
    return (
        f"{seen}: seen from below instead of from above, the shape turned inside out explains outlines as well; "
        "perspective and shading alone tell them apart."
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
