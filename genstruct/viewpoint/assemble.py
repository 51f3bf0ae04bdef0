"""The graph from its parts: views with confidence, nodes, the tree, and whether the whole may be relied on."""

from dataclasses import replace

from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.evidence import Evidence, reason_against
from genstruct.viewpoint.fitting import category
from genstruct.viewpoint.graph import Graph, Photos
from genstruct.viewpoint.modes import viewpoints
from genstruct.viewpoint.nodes import group, spanning_tree
from genstruct.viewpoint.selection import confidence, strongest
from genstruct.viewpoint.viewpoints import SURE


def assemble(photos: Photos, fit: Fit, claims: Edges, evidence: Evidence, kept: int = 10) -> Graph:
    """The view graph.

    Args:
        photos: Its images.
        fit: The last one, on the finer grid.
        claims: Of interventions, verified or not: what confidence is judged by.
        evidence: What the starts say of each other.
        kept: Verified edges for each image, on average, that are the graph's.
    """
    sure = confidence(claims, len(photos))
    edges = claims[strongest(claims, len(photos), kept)]
    views = viewpoints(fit.q, fit.orbit.grid, fit.shares, sure)
    nodes = group(edges, views.azimuth, views.elevation, sure, SURE)
    tree = spanning_tree(edges, len(photos))
    found = category(fit)
    found = replace(found, findings={**found.findings, **evidence.told()})
    graph = Graph(photos, found, views, edges, nodes, tree, denied=claims[~claims.agrees])
    return replace(graph, undetermined=reason_against(graph, evidence))
