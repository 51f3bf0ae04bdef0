"""Expectation-maximization over views and the category's shape, with the neighbour graph inside the E-step.

E: which view does each image show, given the shapes, and what its neighbours show? M: bend and paint the shapes so that
each view looks like the mean of the images that show it. The loss is quadratic in the images, so the M-step needs
nothing of them but that mean (mirror images pooled), and its cost does not grow with their number.

The graph takes part from the first round. Without it, or from a later round on, front and back freeze the wrong way
round in whole regions of views: of three starts none, one and one came out right, with it all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.viewpoint.appearance import Appearance
from genstruct.viewpoint.config import FitConfig
from genstruct.viewpoint.neighbors import Neighbors
from genstruct.viewpoint.posterior import balanced_logits, mean_field
from genstruct.viewpoint.template import Template, whole_circle
from genstruct.viewpoint.views import Orbit, ViewGrid

OnRound = Callable[[int, int, float], None]
"""Called with rounds done, rounds in all, and the mean energy."""
TURNS = 3
"""Views are drawn in turns, every third in each step of the M-step: the same fits in two thirds of the time."""
OUTSIDE_STEPS = 6
"""Steps of the mean field in all rounds but the last."""


@dataclass(frozen=True)
class Fit:
    """Shapes with what they say of the images.

    Args:
        templates: One, or several that share one frame.
        shares: How far each image belongs to each template, summing to 1.
        q: Posteriors of the views.
        energy: Mean over images of sum_k q E: lower is better, comparable between starts of equal settings only.
        orbit: Where the cameras stand; `q` is over the views of its grid.
        findings: What was chosen without labels, and the figures that decided; plain values.
    """

    templates: tuple[Template, ...]
    shares: Float[Tensor, "images templates"]
    q: Float[Tensor, "images views"]
    energy: float
    orbit: Orbit
    findings: Mapping[str, Any] = field(default_factory=dict)


class Images:
    """Images as the rows of one matrix, so that all energies are one product.

    Args:
        seen: Their maps.
        area: Of a mean mask, pixels: what energies are relative to. Of these images if left out.
    """

    def __init__(self, seen: Appearance, area: Tensor | None = None) -> None:
        self.mask = seen.mask.flatten(1)
        self.maps = seen.maps.flatten(2)
        self.area = self.mask.sum(1).mean() if area is None else area
        self.squares = self.mask.square().sum(1)

    def __len__(self) -> int:
        return len(self.mask)

    def energy(self, views: Appearance, weights: Tensor) -> Float[Tensor, "images views"]:
        """|M_n - M_k|^2 / mean area - half the weighted sum of the correlations of the maps."""
        mask = views.mask.flatten(1)
        apart = self.squares[:, None] + mask.square().sum(1) - 2 * self.mask @ mask.T
        maps = (views.maps.flatten(2) * weights[:, None]).flatten(1)
        return apart / self.area - 0.5 * self.maps.flatten(1) @ maps.T

    def means(self, q: Float[Tensor, "images views"], grid: ViewGrid) -> tuple[Tensor, Appearance]:
        """Weight of each view of `grid.half`, and the mean image of each, mirror images pooled."""
        size = math.isqrt(self.mask.shape[1])
        both = torch.cat([self.mask[:, None], self.maps], 1)
        sums = (q.T @ both.flatten(1)).view(len(grid), -1, size, size)
        weight, half = q.sum(0), grid.half
        mirror = grid.mirror[half]
        total = weight[half] + weight[mirror]
        mean = (sums[half] + sums[mirror].flip(-1)) / total.clamp(min=1e-9)[:, None, None, None]
        return total, Appearance(mean[:, :1], mean[:, 1:])


@dataclass(frozen=True)
class Problem:
    """What a fit is given.

    Args:
        images: Their maps.
        neighbors: Of each image among all, mirror images included.
        orbit: Where the cameras stand.
        config: How to fit.
        findings: What was found before, and the figures that decided; plain values.
    """

    images: Images
    neighbors: Neighbors
    orbit: Orbit
    config: FitConfig
    findings: Mapping[str, Any] = field(default_factory=dict)

    def weights(self, faded: float = 1.0) -> Tensor:
        """Of the maps, `faded` in."""
        config = self.config
        return faded * self.images.maps.new_tensor([config.lightness, config.distinction, config.contrast])


def fit_start(problem: Problem, template: Template, on_round: OnRound | None = None) -> Fit:
    """Find views and one shape together; `template` is bent in place."""
    config, rounds = problem.config, problem.config.iterations
    adam = _adam(template, config)
    for number in range(rounds):
        weights = problem.weights(min(1.0, number / config.fade_in))
        temperature = config.hot + (config.cold - config.hot) * number / max(rounds - 1, 1)
        strength = config.neighbors * min(1.0, (number + 1) / config.strengthen)
        fit = expect(problem, (template,), temperature, weights, strength, OUTSIDE_STEPS)
        if on_round:
            on_round(number + 1, rounds, fit.energy)
        bend(problem, template, adam, fit.q, weights)
    return expect(problem, (template,), config.cold)


@torch.no_grad()
def expect(
    problem: Problem,
    templates: Sequence[Template],
    temperature: float,
    weights: Tensor | None = None,
    strength: float | None = None,
    steps: int = 25,
) -> Fit:
    """The E-step: posteriors of views by several shapes at once, and which shape each image has."""
    weights = problem.weights() if weights is None else weights
    strength = problem.config.neighbors if strength is None else strength
    energy = torch.stack([_energy(problem, template, weights) for template in templates], -1)
    best = -temperature * ((-energy / temperature).logsumexp(-1) - math.log(len(templates)))
    unary = balanced_logits(best, problem.orbit.grid, temperature, 8 if problem.orbit.whole_circle else 0)
    q = mean_field(unary, problem.neighbors, problem.orbit.grid, strength, steps, balance=problem.orbit.whole_circle)
    shares = _shares((q[..., None] * energy).sum(1), problem.neighbors, temperature)
    return Fit(tuple(templates), shares, q, (q * best).sum(1).mean().item(), problem.orbit)


def bend(
    problem: Problem,
    template: Template,
    adam: torch.optim.Optimizer,
    q: Float[Tensor, "images views"],
    weights: Tensor,
) -> None:
    """The M-step: towards the mean image of each view, weighted by how many images show it."""
    config = problem.config
    total, mean = problem.images.means(q, problem.orbit.grid)
    share = total / total.sum().clamp(min=1e-9)
    half = problem.orbit.grid.half
    for step in range(config.bends):
        part = slice(step % TURNS, None, TURNS)
        seen = template.draw(problem.orbit.grid, problem.orbit.distance, half[part])
        apart = (seen.mask - mean.mask[part]).square().sum((1, 2, 3)) / problem.images.area
        alike = ((seen.maps * mean.maps[part]).sum((2, 3)) * weights).sum(1)
        loss = TURNS * (share[part] * (apart - 0.5 * alike)).sum()
        loss = loss + config.roughness * template.roughness() + config.variation * template.variation()
        adam.zero_grad()
        loss.backward()
        if all(
            bool(part.grad.isfinite().all()) for part in (template.offset, template.texture) if part.grad is not None
        ):
            adam.step()  # a step without a gradient is left out: it would end the fit


def refit(
    problem: Problem,
    templates: Sequence[Template],
    rounds: int,
    bends: int,
    hot: float | None = None,
    on_round: OnRound | None = None,
) -> Fit:
    """Rounds in which each shape is bent, in place, by `bends` steps to the images that it fits best; from temperature
    `hot` down to the last one, or at that alone."""
    problem = replace(problem, config=replace(problem.config, bends=bends))
    cold = problem.config.cold
    hot = cold if hot is None else hot
    adams = [_adam(template, problem.config) for template in templates]
    for number in range(rounds):
        temperature = hot + (cold - hot) * number / max(rounds - 1, 1)
        fit = expect(problem, templates, temperature, steps=OUTSIDE_STEPS)
        if on_round:
            on_round(number + 1, rounds, fit.energy)
        for place, template in enumerate(templates):
            bend(problem, template, adams[place], fit.q * fit.shares[:, place, None], problem.weights())
    return expect(problem, templates, cold)


def follow(problem: Problem, template: Template, q: Float[Tensor, "images views"], rounds: int) -> None:
    """Bend and paint a shape to given views; `template` is bent in place."""
    adam, weights = _adam(template, problem.config), problem.weights()
    for _ in range(rounds):
        bend(problem, template, adam, q, weights)


def _energy(problem: Problem, template: Template, weights: Tensor) -> Float[Tensor, "images views"]:
    half = template.draw(problem.orbit.grid, problem.orbit.distance)
    grid = problem.orbit.grid
    return grid.limited(problem.images.energy(whole_circle(half, grid), weights))


def _shares(energy: Float[Tensor, "images templates"], neighbors: Neighbors, temperature: float) -> Tensor:
    """Which shape each image has: by its own energies, less what a shape costs on average, and by its neighbours."""
    if energy.shape[1] == 1:
        return torch.ones_like(energy)
    alone = (energy.mean(0) - energy) * (2 / temperature)
    shares = alone.softmax(1)
    for _ in range(3):
        said = (shares[neighbors.index] * neighbors.weights[..., None]).sum(1)
        shares = (alone + said.clamp(min=1e-3).log()).softmax(1)
    return shares


def _adam(template: Template, config: FitConfig) -> torch.optim.Optimizer:
    shape = {"params": [template.offset], "lr": config.shape_lr}
    return torch.optim.Adam([shape, {"params": [template.texture], "lr": config.texture_lr}])
