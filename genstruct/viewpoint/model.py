"""Viewpoints of new photos: load a view graph, predict on images with their masks.

A view graph for use is the category's shapes, a bank of known photos whose views were found, and, where one was
distilled, a small network. It answers in one of two ways. `graph` compares a photo with the shapes seen from everywhere
and asks the known photos that are most like it; `network` asks the network alone.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.configuration import build, plain
from genstruct.errors import ConfigError, ShapeError
from genstruct.export.images import Pixels, to_uint8
from genstruct.pixels import resized
from genstruct.run.weights import encode_weights, fingerprint_of, fitting, read_weights, weights_file
from genstruct.train.distributed import pick_device
from genstruct.viewpoint.appearance import SIZE, Appearance
from genstruct.viewpoint.confidence import confidence, evidence, learn_confidence
from genstruct.viewpoint.config import FitConfig
from genstruct.viewpoint.crops import ObjectCrops, crop_object
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.em import Images
from genstruct.viewpoint.fitting import maps
from genstruct.viewpoint.graph import Category, Graph
from genstruct.viewpoint.modes import viewpoints
from genstruct.viewpoint.neighbors import Neighbors
from genstruct.viewpoint.network import ViewNetwork, network_posterior
from genstruct.viewpoint.parts import ViewParts, agreement, known_rows, mass
from genstruct.viewpoint.photos import ellipse, mask_fault
from genstruct.viewpoint.template import whole_circle
from genstruct.viewpoint.viewpoints import CANDIDATES, Viewpoints
from genstruct.viewpoint.views import ViewGrid

KIND = "genstruct view graph"
RUN_FILE = "viewgraph.safetensors"
CHUNK = 500
"""Photos whose energies are in memory at once."""

Way = Literal["graph", "network"]
WAYS: tuple[Way, ...] = ("graph", "network")
Image = Float[Tensor, "3 _ _"]
Mask = Float[Tensor, "1 _ _"]
Answer = tuple[Viewpoints, Tensor]
"""Views whose confidence is yet to be made from the evidence beside them."""


class ViewGraph:
    """What tells the views of new photos.

    Args:
        parts: Weights.
        category: The frame that views are in; its templates are those of the parts.
        size: Of the crops, pixels.
        fit: How shapes and photos are compared.
        undetermined: Why no view in this frame must be relied on; empty where it may.
        card: What a person should know of the weights. Plain JSON values.
        fingerprint: Of the weights; made from them if left out.
    """

    def __init__(
        self,
        parts: ViewParts,
        category: Category,
        size: int,
        fit: FitConfig,
        undetermined: str = "",
        card: Mapping[str, Any] | None = None,
        fingerprint: str = "",
    ) -> None:
        self.parts, self.category = parts.eval().requires_grad_(False), category
        self.size, self.fit, self.undetermined = size, fit, undetermined
        self.card, self.fingerprint = dict(card or {}), fingerprint or fingerprint_of(parts)

    @staticmethod
    def of(graph: Graph, fit: FitConfig, card: Mapping[str, Any] | None = None) -> "ViewGraph":
        """For use, from the graph of a set; how sure it is was learned from the graph's own photos."""
        rows, size = known_rows(graph), graph.photos.crops.images.shape[-1]
        model = ViewGraph(ViewParts.of(graph, rows), graph.category, size, fit, graph.undetermined)
        return model.changed(model._settled(graph, rows), card)

    def with_network(self, network: ViewNetwork, graph: Graph, held_out: Tensor) -> "ViewGraph":
        """With a distilled network, whose confidence is learned from photos that it has not seen.

        Args:
            network: Crops to views of the category's grid.
            graph: That it was distilled from.
            held_out: Numbers of the photos that it has not seen.
        """
        parts = copy.deepcopy(self.parts)
        parts.network = network
        model = self.changed(parts, self.card)
        crops = graph.photos.crops[held_out]
        (views, found), (_, nonsense) = model._by_network(crops), model._by_network(upside_down(crops))
        parts.network_trust.copy_(learn_confidence(found, agreement(views, graph.views[held_out]), nonsense))
        return model.changed(parts, self.card)

    def changed(self, parts: ViewParts, card: Mapping[str, Any] | None) -> "ViewGraph":
        """The same with other weights and another card."""
        return ViewGraph(parts, self.category, self.size, self.fit, self.undetermined, card)

    @staticmethod
    def load(path: str | Path, device: str = "auto") -> "ViewGraph":
        """Load weights from a file, or from the folder of a graph.

        Args:
            path: A .safetensors file, or the `--out` of `genstruct graph`.
            device: "auto" takes a GPU if there is one.

        Raises:
            CheckpointError: No such file, truncated, of another kind, or of a newer format.
        """
        file = weights_file(Path(path), RUN_FILE)
        weights, about = read_weights(file, KIND)
        with fitting(file):
            parts = ViewParts.like(weights, about).to(pick_device(device))
            frame = about["category"]
            category = Category(
                parts.shapes,
                ViewGrid(**frame["grid"]),
                frame["distance"],
                frame["whole_circle"],
                frame["findings"],
            )
            fit = build(FitConfig, about["fit"])
            return ViewGraph(
                parts, category, about["size"], fit, about["undetermined"], about["card"], about["fingerprint"]
            )

    def encode(self, half: bool = False) -> bytes:
        """The contents of a weights file; float16 for publication if `half`."""
        category, network = self.category, self.parts.network
        about = {
            "kind": KIND,
            "category": {
                "grid": asdict(category.grid),
                "distance": category.distance,
                "whole_circle": category.whole_circle,
                "findings": dict(category.findings),
            },
            "size": self.size,
            "fit": plain(self.fit),
            "undetermined": self.undetermined,
            "widths": list(network.widths) if network is not None else [],
            "card": self.card,
            "fingerprint": self.fingerprint,
        }
        return encode_weights(self.parts, about, half)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.parts.area.device

    def predict(self, images: Sequence[Image], masks: Sequence[Mask] | None = None, way: Way = "graph") -> Viewpoints:
        """Views of photos of any sizes.

        Args:
            images: sRGB in [0, 1].
            masks: Of each image and of its size, in [0, 1], 1 = object. Without them the object is taken to fill an
                ellipse in the middle of each photo, which costs nearly all.
            way: "graph" or "network".

        Returns:
            On the CPU. A photo whose mask cannot be used (see `photos.mask_fault`) has confidence 0 and no candidates.

        Raises:
            ShapeError: Not as many masks as images, or one of another size than its image.
            ConfigError: There is no network.
        """
        check_pairs(images, masks)
        if not len(images):
            none = torch.zeros(0)
            return Viewpoints(none, none, none, none.long(), torch.zeros(0, CANDIDATES, 3))
        pictures = [to_uint8(image) for image in images]
        if masks is None:
            cuts = [ellipse((image.shape[1], image.shape[0])) for image in pictures]
        else:
            cuts = [to_uint8(mask) for mask in masks]
        usable = torch.tensor([not mask_fault(cut) for cut in cuts], dtype=torch.bool)
        return determined(self.views_of(self.cut(pictures, cuts), way), usable)

    def cut(self, images: Sequence[Pixels], masks: Sequence[Pixels]) -> ObjectCrops:
        """The objects of photos by their masks, both in bytes."""
        crops = [crop_object(image, mask, self.size) for image, mask in zip(images, masks, strict=True)]
        return ObjectCrops(*(torch.stack(part) for part in zip(*crops, strict=True)))

    def check_way(self, way: Way) -> None:
        """Raise ConfigError where the model cannot predict in this way."""
        if way == "network" and self.parts.network is None:
            raise ConfigError("this view graph has no distilled network; let it predict by the graph")

    @torch.inference_mode()
    def views_of(self, crops: ObjectCrops, way: Way = "graph") -> Viewpoints:
        """Views of objects that are cut out. Raises ConfigError where there is no network."""
        self.check_way(way)
        trust = self.parts.trust if way == "graph" else self.parts.network_trust
        answer = self._by_graph if way == "graph" else self._by_network
        parts = [answer(crops[rows]) for rows in torch.arange(len(crops)).split(CHUNK)]
        return Viewpoints.cat([replace(views, confidence=confidence(found, trust)) for views, found in parts]).to("cpu")

    def _settled(self, graph: Graph, rows: Tensor) -> ViewParts:
        """Weights with what is measured on the graph's own photos, each without itself."""
        parts, crops, known = copy.deepcopy(self.parts), graph.photos.crops[rows], graph.views[rows]
        parts.area.copy_(crops_area(crops))
        model = self.changed(parts, None)
        chunks = torch.arange(len(crops)).split(CHUNK)
        compared = [model._compare(crops[chunk], int(chunk[0])) for chunk in chunks]
        parts.cost.copy_(torch.cat([each.costs for each in compared]).mean(0))
        answers = [model._answer(each) for each in compared]
        right = agreement(Viewpoints.cat([views for views, _ in answers]), known)
        _, nonsense = model._by_graph(upside_down(crops))
        parts.trust.copy_(learn_confidence(torch.cat([found for _, found in answers]), right, nonsense))
        return parts

    def _by_graph(self, crops: ObjectCrops) -> Answer:
        return self._answer(self._compare(crops))

    @torch.inference_mode()
    def _compare(self, crops: ObjectCrops, first: int | None = None) -> "Comparison":
        """With the shapes and the known photos; `first` is the number of the first crop where they are known ones."""
        crops, grid, temperature = crops.to(self.device), self.category.grid, self.fit.cold
        near = self.parts.bank.neighbors(*describe_both(crops.images, crops.masks), first)
        near = near.nearest(self.fit.last_neighbors)  # as the last posteriors of the graph
        images = Images(maps(crops), self.parts.area)
        weights = images.maps.new_tensor([self.fit.lightness, self.fit.distinction, self.fit.contrast])
        energy = torch.stack([grid.limited(images.energy(look, weights)) for look in self._looks], -1)
        alone = (-energy / temperature).logsumexp(-1).log_softmax(1)
        q = (alone + self.fit.last_strength * self.parts.bank.said(near, grid)).softmax(1)
        return Comparison(q, (q[..., None] * energy).sum(1), near)

    def _answer(self, compared: "Comparison") -> Answer:
        q, grid, near = compared.q, self.category.grid, compared.near
        alone = (self.parts.cost - compared.costs) * (2 / self.fit.cold)
        said = self.parts.bank.shapes(near, len(self.parts.templates)).clamp(min=1e-3).log()
        views = viewpoints(q, grid, (alone + said).softmax(1), q.new_zeros(len(q)))
        return views, evidence(mass(q, views.azimuth, grid), near.similarity)

    def _by_network(self, crops: ObjectCrops) -> Answer:
        grid, network = self.category.grid, self.parts.network
        assert network is not None  # see check_way
        q = network_posterior(network, crops.to(self.device), grid)
        views = viewpoints(q, grid, q.new_ones(len(q), 1), q.new_zeros(len(q)))
        return views, evidence(mass(q, views.azimuth, grid))

    @cached_property
    def _looks(self) -> list[Appearance]:
        """Each shape from everywhere."""
        grid = self.category.grid
        with torch.no_grad():
            drawn = [template.draw(grid, self.category.distance) for template in self.parts.shapes]
            return [whole_circle(half, grid) for half in drawn]


@dataclass(frozen=True)
class Comparison:
    """Of photos with the shapes and the known photos.

    Args:
        q: Posteriors of the views.
        costs: Energy by each shape.
        near: Known photos that are alike.
    """

    q: Float[Tensor, "photos views"]
    costs: Float[Tensor, "photos templates"]
    near: Neighbors


def check_pairs(images: Sequence[Image], masks: Sequence[Mask] | None) -> None:
    """Raise ShapeError where masks do not belong to images."""
    if masks is None:
        return
    if len(masks) != len(images):
        raise ShapeError(f"{len(images)} images need as many masks, got {len(masks)}")
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        if mask.ndim != 3 or mask.shape[0] != 1 or mask.shape[1:] != image.shape[1:]:
            raise ShapeError(
                f"mask {number} must be [1, {image.shape[1]}, {image.shape[2]}] like its image, got {list(mask.shape)}"
            )


def crops_area(crops: ObjectCrops) -> Float[Tensor, ""]:
    """Mean area of the masks of crops, pixels of the maps."""
    return resized(crops.masks, (SIZE, SIZE)).sum((1, 2, 3)).mean()


def upside_down(crops: ObjectCrops, most: int = 200) -> ObjectCrops:
    """Pictures like those of the category that show none of its views."""
    rows = torch.arange(0, len(crops), max(1, len(crops) // most))
    return ObjectCrops(crops.images[rows].flip(2), crops.masks[rows].flip(2), crops.squares[rows])


def determined(views: Viewpoints, usable: Bool[Tensor, " photos"]) -> Viewpoints:
    """The views without those of photos that show nothing usable: their confidence is 0, their candidates are none."""
    here = usable.float()
    return replace(views, confidence=views.confidence * here, candidates=views.candidates * here[:, None, None])
