"""Sharpen a weak soft mask by the photo's own colours, without labels.

A photo's colours are summarised by a palette (a mixture of Gaussians over the whole photo), and each entry of the
palette is given a share of object and of the background around it from the mask itself. The log-odds of the two are the
evidence of colour; it is added to the evidence of the network, smoothed to regions whose borders follow contrast, and
the shares are read again from the result, a few times (the alternation of GrabCut: Rother, Kolmogorov & Blake 2004).
Sharing one palette keeps the colour evidence modest where object and background share colours: there both hold a part
of the same entry, its log-odds are near zero, and the network decides.

How different the two distributions end up is a judgement without labels: it tells good masks from bad ones among images
(`refine_and_judge`), and the right threshold for a network's probabilities among thresholds (`judge_thresholds`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.segmentation.contrast import contrast_weights, smooth_regions
from genstruct.segmentation.palette import Palette, perceptual, texture
from genstruct.settings import Share, settings

# Log-odds given to pixels that cannot be object: stronger than all evidence together.
IMPOSSIBLE = -20.0
# A refined mask smaller than this share of the network's has dissolved: nothing in the picture has contrast.
DISSOLVED = 0.25


@settings
class RefineSettings:
    """How masks are refined. Lengths in pixels are those of a 128 x 128 picture and scale with the picture."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability of the network that counts as undecided; see `judge_thresholds`."""
    reach: NonNegativeInt = 20
    """Pixels beyond the network's object where background is certain."""
    far: Share = 0.1
    """Weight of that background in the colours of background: what surrounds the object matters most."""
    colors: PositiveInt = 20
    """Entries of the palette."""
    fits: NonNegativeInt = 8
    """Iterations of fitting the palette."""
    rounds: PositiveInt = 4
    """Times the colours are read again from the mask."""
    color_limit: NonNegativeFloat = 8.0
    """Bound of the colour evidence, nats."""
    network: NonNegativeFloat = 0.5
    """Weight of the network's log-odds."""
    network_limit: NonNegativeFloat = 3.0
    """Bound of these log-odds before they are weighted, nats."""
    border: NonNegativeFloat = 7.0
    """Cost of a pixel of border without contrast, nats."""
    softness: PositiveFloat = 1.0
    """Evidence, nats, below which a pixel stays between object and background."""
    prior: NonNegativeFloat = 20.0
    """Pixels of even evidence added to every palette's shares."""
    coarse: PositiveInt = 64
    """Side of the picture on which colours are learned, pixels."""
    coarse_iterations: NonNegativeInt = 40
    fine_iterations: NonNegativeInt = 60


def refine(
    images: Float[Tensor, "batch 3 height width"],
    soft: Float[Tensor, "masks 1 h w"],
    settings: RefineSettings | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """A mask like `soft` whose outline and holes follow the colours of its photo.

    Args:
        images: sRGB in [0, 1].
        soft: Probabilities of a network, in [0, 1], of the same size.
        settings: Above all the threshold.

    Returns:
        Soft mask in [0, 1]: 1/2 is the border, values between mark doubt.

    Raises:
        ShapeError: The two are not pictures of the same size.
    """
    return refine_and_judge(images, soft, settings)[0]


@torch.no_grad()
def refine_and_judge(
    images: Float[Tensor, "batch 3 height width"],
    soft: Float[Tensor, "masks 1 h w"],
    settings: RefineSettings | None = None,
) -> tuple[Float[Tensor, "batch 1 height width"], Float[Tensor, " batch"]]:
    """What `refine` returns, and a confidence in each mask, in [0, 1], that needs no label.

    The confidence is the total variation distance between the shares of object and surroundings in the palette (weight
    5/6) and how sharp the mask is (1/6). Its correlation with the masks' IoU is 0.7 to 0.8.
    """
    settings = settings or RefineSettings()
    photo = _Photo(images, soft, settings)
    mask, shares = photo.learn(settings)
    confidence = _confidence(mask, shares)
    for level in range(1, len(photo.sizes)):
        mask = photo.smooth_level(level, mask, shares, settings)
    return photo.restore_lost(mask, settings), confidence


CANDIDATES = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.83, 0.9)
SLACK = 0.005


@torch.no_grad()
def judge_thresholds(
    images: Float[Tensor, "batch 3 height width"],
    soft: Float[Tensor, "masks 1 h w"],
    candidates: Sequence[float] = CANDIDATES,
    settings: RefineSettings | None = None,
    batch: int = 20,
) -> dict[float, float]:
    """Mean confidence in masks that are refined from a network's, cut at each of some probabilities.

    Too low, and masks hold background; too high, and the rest of the object counts as background. Either way colours
    separate less. Networks differ: distilled ones are often best at 0.8, and at 0.5 their refined masks are a quarter
    too large.

    Args:
        images: A sample of the photos to refine, sRGB in [0, 1]; about a hundred are enough.
        soft: Probabilities of the network.
        candidates: To judge.
        settings: Of the refinement (its threshold does not matter).
        batch: Images at a time.
    """
    settings = settings or RefineSettings()
    totals = dict.fromkeys(candidates, 0.0)
    for some_images, some_soft in zip(images.split(batch), soft.split(batch), strict=True):
        photo = _Photo(some_images, some_soft, replace(settings, fine_iterations=0))
        for candidate in candidates:
            totals[candidate] += float(_confidence(*photo.learn(replace(settings, threshold=candidate))).sum())
    return {candidate: total / len(images) for candidate, total in totals.items()}


def best_threshold(confidences: Mapping[float, float]) -> float:
    """The most confident: for photos that the network has learned from."""
    return max(confidences, key=lambda candidate: confidences[candidate])


def strict_threshold(confidences: Mapping[float, float]) -> float:
    """The highest that is as confident as the best, but for `SLACK`: for photos that the network has not seen.

    On its own photos a trained network is so sure that all thresholds do about as well. On others it is as sure of
    things that are none of the object, and its masks are too large.
    """
    most = max(confidences.values())
    return max(candidate for candidate, confidence in confidences.items() if confidence >= most - SLACK)


Shares = tuple[Float[Tensor, "batch entry"], Float[Tensor, "batch entry"]]


class _Photo:
    """A batch of photos at all levels of a pyramid, with their palettes and the network's log-odds (of 1/2)."""

    def __init__(self, images: Tensor, soft: Tensor, settings: RefineSettings) -> None:
        if soft.shape != (len(images), 1, *images.shape[-2:]):
            raise ShapeError(f"Masks of shape {tuple(soft.shape)} do not belong to images of {tuple(images.shape)}.")
        self.logits = soft.float().clamp(1e-4, 1 - 1e-4).logit()
        colors = perceptual(images.float())
        self.colors = colors - colors.mean((2, 3), keepdim=True)
        self.sizes = _pyramid(images.shape[-2:], settings.coarse)
        small = _to_size(self.colors, self.sizes[0])
        self.texture = texture(small)
        self.palette = Palette(self._features(small), settings.colors, settings.fits)
        self.memberships = self.palette(self._features(small))
        self.weights = self._weights(small, settings)

    def learn(self, s: RefineSettings) -> tuple[Float[Tensor, "batch 1 h w"], Shares]:
        """At the coarsest level, alternate between the mask and the shares of object and background in the palette."""
        logits = self._logits(self.sizes[0], s)
        near = _near(logits, s.reach)
        mask = torch.sigmoid(2 * logits)
        for _ in range(s.rounds):
            evidence = _color_evidence(self.memberships, self._shares(mask, near, s))
            evidence = _blend(evidence, logits, near, s)
            mask = _smooth(evidence, self.weights, mask, s.coarse_iterations, s.softness)
        return mask, self._shares(mask, near, s)

    def smooth_level(self, level: int, mask: Tensor, shares: Shares, s: RefineSettings) -> Float[Tensor, "batch 1 h w"]:
        """The mask of the level above, enlarged and drawn to this level's colours."""
        size = self.sizes[level]
        colors, logits = _to_size(self.colors, size), self._logits(size, s)
        evidence = _color_evidence(self.palette(self._features(colors)), shares)
        evidence = _blend(evidence, logits, _near(logits, s.reach), s)
        start = F.interpolate(mask, size, mode="bilinear", align_corners=False)
        return _smooth(evidence, self._weights(colors, s), start, s.fine_iterations, s.softness)

    def restore_lost(self, mask: Float[Tensor, "batch 1 h w"], s: RefineSettings) -> Float[Tensor, "batch 1 h w"]:
        """Give masks that colours dissolved (1 in 150 of weak masks) back to the network."""
        logits = self._logits(self.sizes[-1], s)
        found, kept = ((x > middle).float().mean((1, 2, 3), keepdim=True) for x, middle in ((logits, 0), (mask, 0.5)))
        trust = kept / (DISSOLVED * found).clamp(min=1e-6)
        return torch.lerp(logits.sigmoid(), mask, trust.clamp(0, 1))

    def _features(self, colors: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch pixel 4"]:
        """Colours of a level and the texture of the coarsest: statistics of texture differ between levels."""
        enlarged = F.interpolate(self.texture, colors.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([colors, enlarged], 1).flatten(2).mT

    def _logits(self, size: tuple[int, int], s: RefineSettings) -> Float[Tensor, "batch 1 h w"]:
        return _to_size(self.logits, size) - math.log(s.threshold / (1 - s.threshold))

    def _weights(self, colors: Float[Tensor, "batch 3 h w"], s: RefineSettings) -> Float[Tensor, "4 batch pixel"]:
        """A border's cost follows the picture's side, so that all levels mean the same length."""
        return contrast_weights(colors, s.border * math.sqrt(colors.shape[-2] * colors.shape[-1]) / 128)

    def _shares(
        self, mask: Float[Tensor, "batch 1 h w"], near: Float[Tensor, "batch pixel"], s: RefineSettings
    ) -> Shares:
        """Distribution of the object's pixels and of its surroundings over the palette."""
        inside = mask.flatten(1)
        outside = (1 - inside) * (near + s.far * (1 - near))
        counts = torch.stack([inside, outside], 1) @ self.memberships
        counts = counts + s.prior * self.memberships.mean(1, keepdim=True)
        shares = counts / counts.sum(-1, keepdim=True)
        return shares[:, 0], shares[:, 1]


def _confidence(mask: Float[Tensor, "batch 1 h w"], shares: Shares) -> Float[Tensor, " batch"]:
    """See `refine_and_judge`. Sharpness keeps thresholds from rising where separation is flat."""
    separation = (shares[0] - shares[1]).abs().sum(-1) / 2
    gray = 4 * (mask * (1 - mask)).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) + 1)
    return (5 * separation + 1 - gray.clamp(max=1)) / 6


def _color_evidence(memberships: Float[Tensor, "batch pixel entry"], shares: Shares) -> Float[Tensor, "batch pixel"]:
    """Log-odds of each pixel's colour under the two distributions."""
    both = memberships @ torch.stack(shares, -1)
    return both[..., 0].log() - both[..., 1].log()


def _blend(
    color: Float[Tensor, "batch pixel"],
    logits: Float[Tensor, "batch 1 h w"],
    near: Float[Tensor, "batch pixel"],
    s: RefineSettings,
) -> Float[Tensor, "batch pixel"]:
    """Evidence of colour and network together, and certain background far from the network's object."""
    network = logits.flatten(1).clamp(-s.network_limit, s.network_limit)
    together = color.clamp(-s.color_limit, s.color_limit) + s.network * network
    return torch.where(near > 0, together, IMPOSSIBLE)


def _smooth(
    evidence: Float[Tensor, "batch pixel"],
    weights: Float[Tensor, "4 batch pixel"],
    start: Float[Tensor, "batch 1 h w"],
    iterations: int,
    softness: float,
) -> Float[Tensor, "batch 1 h w"]:
    regions = smooth_regions(evidence, weights, start.shape[-1], start.flatten(1), iterations, softness)
    return regions.view(start.shape)


def _near(logits: Float[Tensor, "batch 1 h w"], reach: int) -> Float[Tensor, "batch pixel"]:
    """1 within `reach`, scaled to the picture, of a pixel the network calls object (a square, not a disc)."""
    radius = max(1, round(reach * math.sqrt(logits.shape[-2] * logits.shape[-1]) / 128))
    rows = F.max_pool2d((logits > 0).float(), (2 * radius + 1, 1), 1, (radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius)).flatten(1)


def _pyramid(size: torch.Size, coarse: int) -> list[tuple[int, int]]:
    """Sizes from about `coarse` (geometric mean of the sides) up to `size`, doubling."""
    height, width = size
    halvings = max(0, round(math.log2(math.sqrt(height * width) / coarse)))
    return [(max(1, round(height / 2**n)), max(1, round(width / 2**n))) for n in range(halvings, -1, -1)]


def _to_size(x: Float[Tensor, "batch channel height width"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Mean of the pixels that fall together."""
    return x if x.shape[-2:] == size else F.interpolate(x, size, mode="area")
