"""Probabilities of views: from energies alone, and with the neighbours' word (mean field)."""

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.viewpoint.neighbors import Neighbors
from genstruct.viewpoint.views import ViewGrid

FLOOR = 1e-4
"""Probability that no neighbour can go below: one wrong neighbour must not rule a view out."""


def balanced_logits(
    energy: Float[Tensor, "images views"], grid: ViewGrid, temperature: float, steps: int = 8
) -> Float[Tensor, "images views"]:
    """Log-probabilities softmax(-E / T + b), with an offset b for each azimuth that makes all equally frequent.

    Sinkhorn's iteration on one marginal; 0 `steps` leave azimuths as they are.
    """
    logits = -energy / temperature
    for _ in range(steps):
        share = logits.softmax(1).unflatten(1, (grid.azimuths, grid.elevations)).sum(2).mean(0)
        share = (share + share[-torch.arange(grid.azimuths) % grid.azimuths]) / 2  # a set and its mirror image
        logits = logits - (share * grid.azimuths).clamp(min=1e-6).log().repeat_interleave(grid.elevations)
    return logits.log_softmax(1)


def mean_field(
    unary: Float[Tensor, "images views"],
    neighbors: Neighbors,
    grid: ViewGrid,
    strength: float,
    steps: int,
    damping: float = 0.5,
    start: Float[Tensor, "images views"] | None = None,
    balance: bool = False,
) -> Float[Tensor, "images views"]:
    """Posteriors in which each image also believes its neighbours.

    log q_n = unary_n + strength * sum_j w_nj log(smooth(q_j)), where a mirrored neighbour speaks through the mirror.

    Args:
        unary: Log-probabilities of each image alone.
        neighbors: Of each image, with weights.
        grid: The views.
        strength: Of the neighbours' word.
        steps: Iterations, each `damping` towards the new answer.
        damping: In (0, 1].
        start: Where to begin, by default at the unary.
    """
    pull = neighbor_matrix(neighbors, len(unary)).to(unary.device)
    q = unary.exp() if start is None else start
    for _ in range(steps):
        logits = unary + strength * message(q, pull, grid)
        if balance:
            logits = balanced_logits(-logits, grid, 1.0, 2)
        q = torch.lerp(q, logits.softmax(1), damping)
    return q


def message(q: Float[Tensor, "images views"], pull: Tensor, grid: ViewGrid) -> Float[Tensor, "queries views"]:
    """Mean log-probabilities of the neighbours by the matrix of `neighbor_matrix`."""
    said = (grid.smooth(q) + FLOOR).log()
    return torch.sparse.mm(pull, torch.cat([said, said[:, grid.mirror.to(q.device)]]))


def neighbor_matrix(neighbors: Neighbors, images: int) -> Tensor:
    """Sparse [queries, 2 * images]: weights of the neighbours, mirror images in the second half."""
    queries, count = neighbors.index.shape
    column, order = (neighbors.index + neighbors.mirrored * images).sort(1)  # as a coalesced matrix has them
    row = torch.arange(queries, device=column.device).repeat_interleave(count)
    place = torch.stack([row, column.flatten()])
    shape = (queries, 2 * images)
    with torch.sparse.check_sparse_tensor_invariants():
        return torch.sparse_coo_tensor(place, neighbors.weights.gather(1, order).flatten(), shape, is_coalesced=True)
