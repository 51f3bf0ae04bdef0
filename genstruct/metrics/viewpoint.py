"""How far found viewpoints are from true ones, once the one thing that no unlabelled set tells is settled: the frame.

A category found without labels has a frame of its own: which way is its front. One rotation of the object frame is
fitted on half of the images and scored on the other half; whether the set came out mirrored is tried too, and told.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.geometry.rotation import geodesic_distance

CANDIDATES = 400
"""Images whose own rotation is tried as the common one."""


@dataclass(frozen=True)
class ViewScores:
    """Errors of viewpoints.

    Args:
        degrees: Error of each scored image.
        gauge: Rotation of the object frame: found = true @ gauge.
        mirrored: Whether the mirrored gauge fits better.
    """

    degrees: Float[Tensor, " images"]
    gauge: Float[Tensor, "3 3"]
    mirrored: bool

    @property
    def median(self) -> float:
        """Degrees."""
        return self.degrees.median().item()

    @property
    def flips(self) -> float:
        """Share of errors above 120 degrees."""
        return 1 - self.within(120)

    def within(self, degrees: float | int) -> float:
        """Share of images with at most this error."""
        return (self.degrees <= degrees).double().mean().item()


def score_views(
    found: Float[Tensor, "images 3 3"], true: Float[Tensor, "images 3 3"], fit: Bool[Tensor, " images"] | None = None
) -> ViewScores:
    """Errors after the best common rotation of the object frame.

    Args:
        found: World to camera.
        true: World to camera.
        fit: Images that the gauge is fitted on; the others are scored. By default every other image.
    """
    fit = torch.arange(len(found)) % 2 == 0 if fit is None else fit
    flip = torch.diag(found.new_tensor([-1.0, 1, 1]))
    results = []
    for mirrored in (False, True):
        mine = flip @ found @ flip if mirrored else found
        gauge = common_frame(mine[fit], true[fit])
        degrees = geodesic_distance(mine[~fit], true[~fit] @ gauge).rad2deg()
        results.append(ViewScores(degrees, gauge, mirrored))
    return min(results, key=lambda result: result.degrees.mean().item())


def common_frame(found: Tensor, true: Tensor) -> Tensor:
    """The candidate with the least mean of errors, cut at 60 degrees so that flips do not pull."""
    relative = true.mT @ found
    step = max(1, len(relative) // CANDIDATES)
    candidates = relative[::step]
    apart = geodesic_distance(candidates[:, None], relative[None])
    best = candidates[apart.clamp(max=1.0).mean(1).argmin()]
    near = relative[geodesic_distance(best[None], relative) < 0.4]
    u, _, v = torch.linalg.svd(near.mean(0))
    return u @ torch.diag(torch.stack([*u.new_ones(2), torch.det(u @ v)])) @ v
