"""Robust averaging of rotations: views that agree best with many claims about pairs, some of them wrong.

Least absolute deviations by reweighted least squares on the tangent space (Chatterjee & Govindu, ICCV 2013), started
from given views: it repairs drift, it does not find a gauge that is lost.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import cg
from torch import Tensor

from genstruct.geometry.rotation import from_axis_angle, to_axis_angle

SMALLEST = 1e-2
"""Radians: residuals below this count alike."""
ANCHOR = 1e-6
"""Weight that holds every view where it is: views without claims stay, and the common rotation is not free."""


def average_rotations(
    start: Float[Tensor, "views 3 3"],
    one: Int[Tensor, " claims"],
    other: Int[Tensor, " claims"],
    relative: Float[Tensor, "claims 3 3"],
    steps: int = 30,
) -> Float[Tensor, "views 3 3"]:
    """Rotations R with R[other] = R[one] @ relative as nearly as the claims allow.

    Args:
        start: Where to begin.
        one, other: View numbers of each claim.
        relative: What each claims.
        steps: Reweightings at most; ends earlier where nothing moves.
    """
    rotation = start.double()
    for _ in range(steps):
        # R[other] = exp(residual) R[one] relative; moves exp(m) R take m[one] - m[other] from the residual.
        off = rotation[other] @ (rotation[one] @ relative.double()).mT
        residual = to_axis_angle(off)
        weight = 1 / residual.norm(dim=1).clamp(min=SMALLEST)
        move = _solved(len(rotation), one, other, residual, weight)
        rotation = from_axis_angle(move) @ rotation
        if move.norm(dim=1).max() < 1e-5:
            break
    return rotation.to(start.dtype)


def _solved(views: int, one: Tensor, other: Tensor, residual: Tensor, weight: Tensor) -> Float[Tensor, "views 3"]:
    """Moves m with m[one] - m[other] nearest to the residuals."""
    a, b, w = one.numpy(), other.numpy(), weight.numpy()
    place = (np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a]))
    laplacian = coo_array((np.concatenate([w, w, -w, -w]), place), (views, views)).tocsr()
    held = csr_array(laplacian + ANCHOR * _identity(views))
    pull = weight[:, None] * residual
    right = torch.zeros(views, 3, dtype=torch.double).index_add(0, one, pull).index_add(0, other, -pull).numpy()
    scale = csr_array(coo_array((1 / held.diagonal(), (np.arange(views),) * 2), (views, views)))
    return torch.from_numpy(np.stack([cg(held, column, rtol=1e-4, maxiter=300, M=scale)[0] for column in right.T], 1))


def _identity(views: int) -> coo_array:
    place = np.arange(views)
    return coo_array((np.ones(views), (place, place)), (views, views))
