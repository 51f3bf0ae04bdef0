"""The graph from its parts: views with confidence, nodes, the tree, and whether the whole may be relied on."""

from dataclasses import replace

from genstruct.viewpoint.edges import Edges, agreement
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.evidence import Evidence, reason_against
from genstruct.viewpoint.fitting import category
from genstruct.viewpoint.graph import Graph, Photos
from genstruct.viewpoint.modes import viewpoints
from genstruct.viewpoint.nodes import group, spanning_tree
from genstruct.viewpoint.viewpoints import SURE


def assemble(photos: Photos, fit: Fit, edges: Edges, evidence: Evidence) -> Graph:
    """The view graph.

    Args:
        photos: Its images.
        fit: The last one, on the finer grid.
        edges: Claims of interventions, verified or not.
        evidence: What the starts say of each other.
    """
    confidence = agreement(edges, len(photos)) * evidence.repeated
    views = viewpoints(fit.q, fit.orbit.grid, fit.shares, confidence)
    nodes = group(edges, views.azimuth, views.elevation, confidence, SURE)
    verified = edges.agrees.nonzero()[:, 0]
    tree = verified[spanning_tree(edges[verified], len(photos))]
    found = category(fit)
    found = replace(found, findings={**found.findings, "starts": _told(evidence)})
    graph = Graph(photos, found, views, edges, nodes, tree)
    return replace(graph, undetermined=reason_against(graph, evidence))


def _told(evidence: Evidence) -> list[dict[str, float]]:
    rows = zip(evidence.energy, evidence.agreement, strict=True)
    return [{"energy": round(energy, 4), "agreement": round(share, 3)} for energy, share in rows]
