"""Bootstrap intervals for scores that are ratios of sums over images: means, and pooled ones such as data-set IoU."""

import numpy as np
from jaxtyping import Float, Int

# Weights drawn at a time: 4e6 float64 values are 32 MB.
CHUNK = 4_000_000


def resampled_ratios(
    numerators: Float[np.ndarray, "images scores"],
    denominators: Float[np.ndarray, "images scores"],
    resamples: int = 1000,
    seed: int = 0,
    groups: Int[np.ndarray, " images"] | None = None,
) -> Float[np.ndarray, "resamples scores"]:
    """Each score, `sum(numerators) / sum(denominators)`, on data sets resampled with replacement (Efron 1979).

    Args:
        numerators: Of each image and score. For a mean this is the value itself.
        denominators: Of each image and score. For a mean this is 1.
        resamples: How many data sets to draw.
        seed: The same seed gives the same intervals.
        groups: Images that share a number are drawn together (a cluster bootstrap): pictures of one object are not
            independent, and drawing them apart makes intervals too narrow.
    """
    tops, bottoms = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if groups is not None:
        tops, bottoms = _grouped(tops, groups), _grouped(bottoms, groups)
    count = len(tops)
    rng = np.random.default_rng(seed)
    per_chunk = max(1, CHUNK // count)
    results = []
    for start in range(0, resamples, per_chunk):
        rows = min(per_chunk, resamples - start)
        # How often each item is drawn: a row of a multinomial is a resampled data set.
        weights = rng.multinomial(count, np.full(count, 1 / count), size=rows).astype(np.float64)
        bottom = weights @ bottoms
        results.append(np.divide(weights @ tops, bottom, out=np.ones_like(bottom), where=bottom != 0))
    return np.concatenate(results)


def interval(values: Float[np.ndarray, " resamples"], confidence: float = 0.95) -> tuple[float, float]:
    """The central `confidence` share of the resampled values (the percentile interval)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _grouped(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums over the images of each group."""
    _, number = np.unique(groups, return_inverse=True)
    sums = np.zeros((number.max() + 1, values.shape[1]))
    np.add.at(sums, number, values)
    return sums
