"""How far apart two sets of images are, given their features: the kernel inception distance (Binkowski et al. 2018).

The features decide what the number means: report the network's name beside it (see `genstruct.metrics.features`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from genstruct.errors import ShapeError


@dataclass(frozen=True)
class KernelDistance:
    """A squared maximum mean discrepancy. Values are comparable between equal features and preprocessing only.

    Args:
        value: Mean over subsets of the unbiased estimate; about 0 for equal distributions, and then sometimes below 0.
        standard_error: Of `value` as an estimate from these two samples (see `kernel_distance`).
        subset_size: Images of each side in a subset.
        subsets: How many subsets were drawn.
    """

    value: float
    standard_error: float
    subset_size: int
    subsets: int


def polynomial_kernel(
    left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"], degree: int = 3
) -> Float[np.ndarray, "n m"]:
    """`(x . y / d + 1) ** degree`, the kernel of KID (Binkowski et al. 2018, Eq. 3)."""
    return (left @ right.T / left.shape[1] + 1) ** degree


def unbiased_mmd(left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"]) -> float:
    """The unbiased estimate of the squared MMD under the polynomial kernel (Gretton et al. 2012, Eq. 3)."""
    n, m = len(left), len(right)
    own, other = polynomial_kernel(left, left), polynomial_kernel(right, right)
    within = (own.sum() - own.trace()) / (n * (n - 1)) + (other.sum() - other.trace()) / (m * (m - 1))
    return float(within - 2 * polynomial_kernel(left, right).mean())


def kernel_distance(
    samples: Float[np.ndarray, "n d"],
    real: Float[np.ndarray, "m _"],
    subset_size: int = 1000,
    subsets: int = 100,
    seed: int = 0,
) -> KernelDistance:
    """KID between two sets of features: the mean of `unbiased_mmd` over random subsets without replacement.

    Subsets are never larger than half of the smaller set. Their spread then tells how much the estimate from *all*
    images varies: standard error = sqrt(b / (n - b) * variance over subsets of b out of n), the delete-d jackknife
    (Shao & Wu 1989). The customary spread / sqrt(subsets) only tells how well the subsets were averaged: it shrinks to
    nothing with more subsets, whatever the number of images.

    Raises:
        ShapeError: Fewer than four images on a side, or features of different length.
    """
    if samples.shape[1] != real.shape[1]:
        raise ShapeError(f"features differ in length: {samples.shape[1]} and {real.shape[1]}; use one network for both")
    smaller = min(len(samples), len(real))
    if smaller < 4:
        raise ShapeError(f"KID needs at least 4 images on each side, got {len(samples)} and {len(real)}")
    left, right = samples.astype(np.float64), real.astype(np.float64)
    size = min(subset_size, smaller // 2)
    rng = np.random.default_rng(seed)
    estimates = [
        unbiased_mmd(left[rng.choice(len(left), size, False)], right[rng.choice(len(right), size, False)])
        for _ in range(subsets)
    ]
    spread = float(np.var(estimates, ddof=1)) if subsets > 1 else math.nan
    return KernelDistance(float(np.mean(estimates)), math.sqrt(size / (smaller - size) * spread), size, subsets)
