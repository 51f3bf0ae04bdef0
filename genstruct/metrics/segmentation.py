"""Scores of masks against truth, one value per image, with a rule for every edge case.

Polarity is fixed: 1 is the object in prediction and truth alike. What an oracle that may swap the two would reach is
`Confusion.flipped`, to be reported apart.

Empty masks: a ratio whose denominator is zero is 1 where the two masks agree (both empty) and 0 where they do not. So
an empty prediction of a non-empty truth has precision, recall, IoU, Dice and F of 0; so has an object invented on an
empty truth.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genstruct.errors import ShapeError

LEVELS = 255
"""Thresholds of the F-beta curve: an 8-bit mask has 255 non-trivial binarisations, value >= k for k = 1..255."""
BETA_SQUARED = 0.3
"""Weight of recall in F-beta, as in the salient-object literature (Achanta et al. 2009)."""
BOUNDARY_TOLERANCE = 0.008
"""Reach of a boundary match, as a share of the image diagonal (Perazzi et al. 2016): 1.45 px at 128 x 128."""
PIECE = 1 << 18
"""Pixels worked on at a time: what is wider than a bool stays in the cache, however large the masks."""


@dataclass(frozen=True)
class Confusion:
    """Pixel counts of a batch of binary masks, one value per image (float64: sums over a data set stay exact)."""

    true_positive: Float[Tensor, " batch"]
    false_positive: Float[Tensor, " batch"]
    false_negative: Float[Tensor, " batch"]
    true_negative: Float[Tensor, " batch"]

    def iou(self) -> Float[Tensor, " batch"]:
        """Intersection over union of the object (Jaccard index)."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    def background_iou(self) -> Float[Tensor, " batch"]:
        """Intersection over union of what is not object."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive + self.false_negative)

    def mean_iou(self) -> Float[Tensor, " batch"]:
        """Mean of the IoU of object and background (mIoU)."""
        return (self.iou() + self.background_iou()) / 2

    def dice(self) -> Float[Tensor, " batch"]:
        """Twice the intersection over the sum of areas: 2 IoU / (1 + IoU)."""
        return self.f_beta(1.0)

    def accuracy(self) -> Float[Tensor, " batch"]:
        """Share of pixels, of either class, that are right."""
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative)

    def precision(self) -> Float[Tensor, " batch"]:
        """Share of the prediction that is object."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive, self.false_negative == 0)

    def recall(self) -> Float[Tensor, " batch"]:
        """Share of the object that is predicted."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative, self.false_positive == 0)

    def f_beta(self, beta_squared: float = BETA_SQUARED) -> Float[Tensor, " batch"]:
        """`(1 + b2) P R / (b2 P + R)`, written in counts so that it is defined whenever a mask is not empty."""
        hits = (1 + beta_squared) * self.true_positive
        return _ratio(hits, hits + beta_squared * self.false_negative + self.false_positive)

    def flipped(self) -> "Confusion":
        """The counts if every prediction were inverted."""
        return Confusion(self.false_negative, self.true_negative, self.true_positive, self.false_positive)

    def pooled(self) -> "Confusion":
        """The counts of all images together, a batch of one: its `iou` is the data-set IoU."""
        counts = (self.true_positive, self.false_positive, self.false_negative, self.true_negative)
        return Confusion(*(count.sum()[None] for count in counts))


def confusion(
    prediction: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    threshold: float = 0.5,
) -> Confusion:
    """Count pixels of each kind.

    Args:
        prediction: Soft masks in [0, 1]; a pixel is object where it is greater than `threshold`.
        truth: Masks in [0, 1]; a pixel is object where it is greater than 0.5 (8-bit values above 127).
        threshold: In [0, 1).

    Raises:
        ShapeError: The two differ in shape.
    """
    check_pair(prediction, truth)
    predicted, actual = (prediction > threshold).flatten(1), (truth > 0.5).flatten(1)
    both, claimed, wanted = _count(predicted & actual), _count(predicted), _count(actual)
    return Confusion(both, claimed - both, wanted - both, actual.shape[1] - claimed - wanted + both)


def f_beta_curve(
    prediction: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    beta_squared: float = BETA_SQUARED,
) -> Float[Tensor, "batch 255"]:
    """F-beta of each image at the 255 thresholds of an 8-bit mask: entry k - 1 calls object what is >= k / 255.

    The usual "max F-beta" is `curve.mean(0).max()`: the maximum is taken *after* averaging over images, one
    threshold for all. `curve.amax(1).mean()` gives each image its own best threshold, which is more lenient.
    """
    check_pair(prediction, truth)
    outside, inside = _histograms(prediction.flatten(1), truth.flatten(1) > 0.5).unbind(1)
    # Counts of values >= k, for k = 1..255.
    hits, alarms = (counts.flip(1).cumsum(1).flip(1)[:, 1:] for counts in (inside, outside))
    misses = inside.sum(1, keepdim=True) - hits
    scaled = (1 + beta_squared) * hits
    return _ratio(scaled, scaled + beta_squared * misses + alarms)


def boundary_f(
    prediction: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    threshold: float = 0.5,
    tolerance: float = BOUNDARY_TOLERANCE,
) -> Float[Tensor, " batch"]:
    """Harmonic mean of boundary precision and recall (the F of Perazzi et al. 2016, DAVIS).

    The boundary is the set of pixel corners whose four pixels are not all of one class, which is the same for a mask
    and its inverse; the image's own border is none. A point is matched if the other boundary comes within
    `max(1, tolerance x diagonal)` pixels (Euclidean; DAVIS rounds the radius up and matches pixels, not corners).
    If neither mask has a boundary the score is 1 where they are equal and 0 where not.
    """
    check_pair(prediction, truth)
    radius = max(1.0, tolerance * math.hypot(*truth.shape[2:]))
    same = ((prediction > threshold) == (truth > 0.5)).flatten(1).all(1)
    edges, wanted = _corners(prediction[:, 0] > threshold), _corners(truth[:, 0] > 0.5)
    precision = _share(edges & _within(wanted, radius), edges)
    recall = _share(wanted & _within(edges, radius), wanted)
    neither = ~(edges.flatten(1).any(1) | wanted.flatten(1).any(1))
    return torch.where(neither, same.double(), _ratio(2 * precision * recall, precision + recall, neither))


def check_pair(prediction: Tensor, truth: Tensor) -> None:
    """Refuse masks that cannot be compared pixel by pixel."""
    if prediction.shape != truth.shape:
        raise ShapeError(
            f"prediction is {list(prediction.shape)} and truth {list(truth.shape)}; masks are scored at the "
            "truth's size, resize the prediction first"
        )


def _ratio(part: Tensor, whole: Tensor, otherwise: Tensor | None = None) -> Tensor:
    """`part / whole`; where `whole` is zero, 1 (or 0 where `otherwise` is given and false)."""
    empty = whole == 0
    value = part / whole.masked_fill(empty, 1)
    return torch.where(empty, torch.ones_like(value) if otherwise is None else otherwise.to(value.dtype), value)


def _share(some: Bool[Tensor, "batch h w"], all_: Bool[Tensor, "batch h w"]) -> Float[Tensor, " batch"]:
    """How many of `all_` are in `some`; 0 where there are none."""
    return _count(some.flatten(1)) / _count(all_.flatten(1)).clamp(min=1)


def _count(chosen: Bool[Tensor, "batch pixels"]) -> Float[Tensor, " batch"]:
    """How many pixels are chosen; in pieces, as a sum in float64 first makes a copy of eight times the size."""
    parts = [part.sum(1, dtype=torch.float64) for part in chosen.split(_share_of_piece(len(chosen)), 1)]
    return torch.stack(parts).sum(0)


def _histograms(
    prediction: Float[Tensor, "batch pixels"], actual: Bool[Tensor, "batch pixels"]
) -> Float[Tensor, "batch 2 256"]:
    """How often each of the 256 levels occurs outside the object and inside it."""
    batch, levels = len(prediction), LEVELS + 1
    counts = torch.zeros(batch, 2 * levels, dtype=torch.float64, device=prediction.device)
    one = counts.new_ones(()).expand_as(prediction)
    step = _share_of_piece(batch)
    for values, inside, ones in zip(*(x.split(step, 1) for x in (prediction, actual, one)), strict=True):
        level = (values * LEVELS).round().clamp(0, LEVELS).long()
        counts.scatter_add_(1, level + levels * inside, ones)
    return counts.unflatten(1, (2, levels))


def _share_of_piece(others: int) -> int:
    """How many entries of one axis make a piece, for so many entries of the others."""
    return max(1, PIECE // max(1, others))


def _corners(mask: Bool[Tensor, "batch h w"]) -> Bool[Tensor, "batch h-1 w-1"]:
    """Pixel corners at which the mask changes."""
    a, b, c, d = mask[:, :-1, :-1], mask[:, :-1, 1:], mask[:, 1:, :-1], mask[:, 1:, 1:]
    return (a | b | c | d) & ~(a & b & c & d)


def _within(points: Bool[Tensor, "batch h w"], radius: float) -> Bool[Tensor, "batch h w"]:
    """Places no farther than `radius` from a point, exactly; the cost does not depend on the radius.

    How far the nearest point of its own row is tells for each place how far up and down the disc of that point reaches
    in this column. The places within are the union of these stretches.
    """
    batch, height, width = points.shape
    reach = _reaches(min(radius, math.hypot(height, width)), points.device)
    stretches, near = torch.empty_like(points, dtype=reach.dtype), torch.empty_like(points)
    rows, columns = _share_of_piece(batch * width), _share_of_piece(batch * height)
    for stretch, part in zip(stretches.split(rows, 1), points.split(rows, 1), strict=True):
        distance = _distance_in_row(part, len(reach) - 1)
        stretch.copy_(reach.index_select(0, distance.flatten()).view_as(distance))
    for found, part in zip(near.split(columns, 2), stretches.split(columns, 2), strict=True):
        stretch = part.mT.contiguous()  # a running maximum along rows is the fast one
        found.copy_((_covered(stretch) | _covered(stretch.flip(2)).flip(2)).mT)
    return near


def _reaches(radius: float, device: torch.device) -> Int[Tensor, " distances"]:
    """Half the height of a disc at whole distances from its centre, up to the first at which there is none: -1."""
    distances = torch.arange(int(radius) + 1, dtype=torch.float64, device=device)
    half = (radius * radius - distances.square()).sqrt().to(torch.int16 if radius < 1 << 15 else torch.int32)
    return torch.cat([half, half.new_tensor([-1])])


def _distance_in_row(points: Bool[Tensor, "batch h w"], most: int) -> Int[Tensor, "batch h w"]:
    """Distance to the nearest point of the same row, at most `most`."""
    places = torch.arange(points.shape[2], dtype=torch.int32, device=points.device)

    def since(chosen: Tensor) -> Tensor:
        return (places - torch.where(chosen, places, -most).cummax(2).values).clamp(max=most)

    return torch.minimum(since(points), since(points.flip(2)).flip(2))


def _covered(stretch: Int[Tensor, "batch w h"]) -> Bool[Tensor, "batch w h"]:
    """Places that a stretch from an earlier place, or their own, reaches; one of length -1 reaches none."""
    places = torch.arange(stretch.shape[2], dtype=torch.int32, device=stretch.device)
    return (stretch + places).cummax(2).values >= places
