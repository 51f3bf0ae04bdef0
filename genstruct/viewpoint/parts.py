"""The weights of a view graph for use, made from the graph of a set."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genstruct.geometry.camera import Camera
from genstruct.geometry.rotation import geodesic_distance
from genstruct.train.randomness import generator_for
from genstruct.viewpoint.bank import MOST, Bank
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.network import ViewNetwork
from genstruct.viewpoint.template import Template
from genstruct.viewpoint.viewpoints import Viewpoints
from genstruct.viewpoint.views import ViewGrid

RIGHT = math.radians(30)
"""How far off an answer may be that counts as right."""


class ViewParts(nn.Module):
    """All weights of a view graph.

    Args:
        templates: The category's shapes.
        bank: Known photos.
        network: Distilled, or None.
    """

    area: Float[Tensor, ""]
    cost: Float[Tensor, " templates"]
    trust: Float[Tensor, "3"]
    network_trust: Float[Tensor, "2"]

    def __init__(self, templates: Sequence[Template], bank: Bank, network: ViewNetwork | None = None) -> None:
        super().__init__()
        self.templates, self.bank, self.network = nn.ModuleList(templates), bank, network
        self.register_buffer("area", torch.ones(()))  # mean of the masks, pixels of the maps
        self.register_buffer("cost", torch.zeros(len(templates)))  # mean energy by each shape
        self.register_buffer("trust", torch.zeros(3))  # of `confidence.confidence`
        self.register_buffer("network_trust", torch.zeros(2))

    @property
    def shapes(self) -> tuple[Template, ...]:
        """The category's templates."""
        return tuple(template for template in self.templates if isinstance(template, Template))

    @staticmethod
    def of(graph: Graph, rows: Int[Tensor, " known"]) -> "ViewParts":
        """Shapes of a graph and those of its photos that are to be known."""
        crops, views = graph.photos.crops[rows], graph.views[rows]
        bank = Bank.of(*describe_both(crops.images, crops.masks), views.candidates.float(), views.shape)
        return ViewParts([copy.deepcopy(template) for template in graph.category.templates], bank)

    @staticmethod
    def like(weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> "ViewParts":
        """Parts that hold these weights. Raises KeyError, RuntimeError or ValueError where they do not fit."""
        templates = [Template.of(_under(weights, f"templates.{number}.")) for number in range(len(weights["cost"]))]
        features, dimensions = weights["bank.directions"].shape
        images, candidates, _ = weights["bank.views"].shape
        bank = Bank(features, dimensions, images, candidates)
        network = None
        if about.get("widths"):
            network = ViewNetwork(len(weights["network.out.bias"]), tuple(about["widths"]))
        parts = ViewParts(templates, bank, network)
        parts.load_state_dict(dict(weights))
        return parts


def known_rows(graph: Graph) -> Int[Tensor, " known"]:
    """All photos of a graph; of a large one, `MOST` drawn at random."""
    return torch.randperm(len(graph.photos), generator=generator_for("bank"))[:MOST].sort().values


def agreement(found: Viewpoints, known: Viewpoints) -> Float[Tensor, " photos"]:
    """How likely each answer is right, by views that a graph knows with its confidence."""
    return (apart(found, known) <= RIGHT) * known.confidence


def apart(found: Viewpoints, others: Viewpoints) -> Float[Tensor, " photos"]:
    """Angles between views, radians."""
    first, second = (
        Camera.orbit(views.azimuth, views.elevation, 1.0, 1.0, (1, 1)).rotation for views in (found, others)
    )
    return geodesic_distance(first, second)


def mass(
    q: Float[Tensor, "images views"], azimuth: Float[Tensor, " images"], grid: ViewGrid
) -> Float[Tensor, " images"]:
    """Probability of the views that are as good as right if this azimuth is."""
    off = grid.azimuth.to(q) - azimuth[:, None]
    return (q * (torch.atan2(off.sin(), off.cos()).abs() <= RIGHT)).sum(1)


def _under(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
