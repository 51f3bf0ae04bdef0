"""Sharpen a weak soft mask by the photo's own colours, without labels.

A photo's colours are summarised by a palette (a mixture of Gaussians over the whole photo), and each colour of the
palette is given a share of object and of background from the mask itself. The log-odds of the two are the evidence of
colour; it is added to the evidence of the network, smoothed to regions whose borders follow contrast, and the shares
are read again from the result, a few times (the alternation of GrabCut: Rother, Kolmogorov & Blake 2004). Sharing one
palette keeps the colour evidence modest where object and background share colours: there both hold a part of the same
entry, its log-odds are near zero, and the network decides.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.segmentation.contrast import contrast_weights, smooth_regions

# Log-odds given to pixels that cannot be object: stronger than all evidence together.
IMPOSSIBLE = -20.0


@dataclass(frozen=True)
class RefineSettings:
    """How masks are refined. Lengths in pixels are those of a 128 x 128 picture and scale with the picture."""

    threshold: float = 0.35
    """Probability of the network that counts as undecided."""
    reach: int = 16
    """Pixels beyond the network's object where background is certain."""
    colours: int = 16
    """Entries of the palette."""
    fits: int = 8
    """Iterations of fitting the palette."""
    rounds: int = 4
    """Times the colours are read again from the mask."""
    colour: float = 1.0
    """Weight of colour evidence; `colour_limit` bounds it, nats."""
    colour_limit: float = 8.0
    network: float = 0.5
    """Weight of the network's log-odds; `network_limit` bounds them before weighting, nats."""
    network_limit: float = 3.0
    border: float = 8.0
    """Cost of a pixel of border without contrast, nats."""
    softness: float = 0.5
    """Evidence, nats, below which a pixel stays between object and background."""
    prior: float = 20.0
    """Pixels of even evidence added to every palette's shares."""
    coarse: int = 64
    """Side of the picture on which colours are learned, pixels."""
    coarse_iterations: int = 40
    fine_iterations: int = 60


@torch.no_grad()
def refine(
    images: Float[Tensor, "batch 3 height width"],
    soft: Float[Tensor, "masks 1 h w"],
    settings: RefineSettings | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """A mask like `soft` whose outline and holes follow the colours of its photo.

    Args:
        images: sRGB in [0, 1].
        soft: Probabilities of a network, in [0, 1].
        settings: Defaults hold for objects of 5 to 50 % of the picture.

    Returns:
        Soft mask in [0, 1]: 1/2 is the border, values between mark doubt. Its area is the object's.

    Raises:
        ShapeError: The two are not pictures of the same size.
    """
    settings = settings or RefineSettings()
    if soft.shape != (len(images), 1, *images.shape[-2:]):
        raise ShapeError(f"Masks of shape {tuple(soft.shape)} do not belong to images of {tuple(images.shape)}.")
    logits = soft.clamp(1e-4, 1 - 1e-4).logit() - math.log(settings.threshold / (1 - settings.threshold))
    colours = perceptual(images)
    colours = colours - colours.mean((2, 3), keepdim=True)
    sizes = _pyramid(images.shape[-2:], settings.coarse)
    small = _to_size(colours, sizes[0])
    palette = Palette(_as_list(small), settings.colours, settings.fits)
    mask, shares = _learn_colours(small, _to_size(logits, sizes[0]), palette, settings)
    for size in sizes[1:]:
        level = _to_size(colours, size)
        colour = _colour_evidence(palette(_as_list(level)), *shares)
        evidence = _blend(colour, _to_size(logits, size), settings)
        start = F.interpolate(mask, size, mode="bilinear", align_corners=False)
        mask = _smooth(level, evidence, start, settings, settings.fine_iterations)
    return mask


def calibrated_threshold(soft: Float[Tensor, "batch 1 height width"], area: Float[Tensor, " batch"] | float) -> float:
    """The threshold at which masks have, all together, a wanted area.

    Hard self-training at 1/2 shrinks masks round by round; at this threshold it does not.

    Args:
        soft: Masks of a network.
        area: Wanted area as a share of the picture, of each mask or their mean. Without labels: that of the masks
            refined from these (`refined.mean((1, 2, 3))`), or the expected area (`soft.mean((1, 2, 3))`).

    Returns:
        A probability. `soft > threshold` has the wanted area over the set, as closely as ties allow.
    """
    share = min(max(float(torch.as_tensor(area, dtype=torch.float32).mean()), 0.0), 1.0)
    values = soft.flatten().sort().values
    return float(values[min(round(len(values) * (1 - share)), len(values) - 1)])


def perceptual(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """CIE L*a*b* (D65) over 100 from sRGB in [0, 1]: equal distances look about equally different."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    to_xyz = images.new_tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = torch.einsum("ij,bjhw->bihw", to_xyz / to_xyz.sum(1, keepdim=True), linear)
    x, y, z = torch.where(xyz > 0.008856, xyz.clamp(min=1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116).unbind(1)
    return torch.stack([1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)], 1)


class Palette:
    """The colours of each photo: a mixture of Gaussians with full covariances, fitted by EM to all its pixels.

    Calling it with colours [batch, pixel, 3] gives how far each belongs to each entry, [batch, pixel, entry], summing
    to 1. Densities are one matrix product: log N = features . coefficients, features being 1, c and products of c.
    """

    # Standard deviation, in units of `perceptual`, that any entry has: noise, compression and shading.
    NOISE = 0.02
    # Pixels that hold this much variance are added to every entry, so that tiny ones stay round.
    PSEUDO_PIXELS = 5.0

    def __init__(self, colours: Float[Tensor, "batch pixel 3"], entries: int, fits: int) -> None:
        features = _quadratic(colours)
        self._fit(features, _first_memberships(colours, entries))
        for _ in range(fits):
            self._fit(features, self._memberships(features))

    def __call__(self, colours: Float[Tensor, "batch pixel 3"]) -> Float[Tensor, "batch pixel entry"]:
        return self._memberships(_quadratic(colours))

    def _memberships(self, features: Float[Tensor, "batch pixel 10"]) -> Float[Tensor, "batch pixel entry"]:
        return torch.softmax(features @ self.coefficients.mT, -1)

    def _fit(self, features: Float[Tensor, "batch pixel 10"], memberships: Float[Tensor, "batch pixel entry"]) -> None:
        sums = memberships.mT @ features
        count = sums[..., :1]
        moments = sums / (count + 1e-6)
        mean = moments[..., 1:4]
        rows, columns = torch.triu_indices(3, 3, device=sums.device)
        covariance = sums.new_zeros(*sums.shape[:2], 3, 3)
        covariance[..., rows, columns] = moments[..., 4:]
        covariance[..., columns, rows] = moments[..., 4:]
        covariance = covariance - mean[..., None] * mean[..., None, :]
        noise = self.NOISE**2 * torch.eye(3, device=sums.device)
        count, extra = count[..., None], self.PSEUDO_PIXELS
        covariance = (count * covariance + extra * 4 * noise) / (count + extra) + noise
        factor = torch.linalg.cholesky_ex(covariance).L
        precision = torch.cholesky_inverse(factor)
        linear = (precision @ mean[..., None])[..., 0]
        log_root_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        share = count[..., 0, 0] / count[..., 0, 0].sum(-1, keepdim=True)
        constant = (share + 1e-6).log() - (mean * linear).sum(-1) / 2 - log_root_det
        quadratic = -precision[..., rows, columns] * torch.where(rows == columns, 0.5, 1.0)
        self.coefficients = torch.cat([constant[..., None], linear, quadratic], -1)


def _learn_colours(
    colours: Float[Tensor, "batch 3 h w"], logits: Float[Tensor, "batch 1 h w"], palette: Palette, s: RefineSettings
) -> tuple[Float[Tensor, "batch 1 h w"], tuple[Float[Tensor, "batch entry"], Float[Tensor, "batch entry"]]]:
    """Alternate between the mask and the shares of object and background in the palette."""
    memberships = palette(_as_list(colours))
    mask = torch.sigmoid(2 * logits)
    for _ in range(s.rounds):
        shares = _shares(memberships, mask, s.prior)
        evidence = _blend(_colour_evidence(memberships, *shares), logits, s)
        mask = _smooth(colours, evidence, mask, s, s.coarse_iterations)
    return mask, _shares(memberships, mask, s.prior)


def _shares(
    memberships: Float[Tensor, "batch pixel entry"], mask: Float[Tensor, "batch 1 h w"], prior: float
) -> tuple[Float[Tensor, "batch entry"], Float[Tensor, "batch entry"]]:
    """Distribution of the object's and of the background's pixels over the palette."""
    inside = mask.flatten(2)
    weights = torch.cat([inside, 1 - inside], 1)
    counts = weights @ memberships + prior * memberships.mean(1, keepdim=True)
    shares = counts / counts.sum(-1, keepdim=True)
    return shares[:, 0], shares[:, 1]


def _colour_evidence(
    memberships: Float[Tensor, "batch pixel entry"],
    inside: Float[Tensor, "batch entry"],
    outside: Float[Tensor, "batch entry"],
) -> Float[Tensor, "batch pixel"]:
    """Log-odds of each pixel's colour under the two distributions."""
    both = memberships @ torch.stack([inside, outside], -1)
    return both[..., 0].log() - both[..., 1].log()


def _blend(
    colour: Float[Tensor, "batch pixel"], logits: Float[Tensor, "batch 1 h w"], s: RefineSettings
) -> Float[Tensor, "batch pixel"]:
    """Evidence of colour and network together, and certain background far from the network's object."""
    side = math.sqrt(logits.shape[-2] * logits.shape[-1])
    near = _grow((logits > 0).float(), max(1, round(s.reach * side / 128))).flatten(1) > 0
    network = logits.flatten(1).clamp(-s.network_limit, s.network_limit)
    return torch.where(near, s.colour * colour.clamp(-s.colour_limit, s.colour_limit) + s.network * network, IMPOSSIBLE)


def _smooth(
    colours: Float[Tensor, "batch 3 h w"],
    evidence: Float[Tensor, "batch pixel"],
    start: Float[Tensor, "batch 1 h w"],
    s: RefineSettings,
    iterations: int,
) -> Float[Tensor, "batch 1 h w"]:
    """Regions of this level. A border's cost follows the picture's side, so that all levels mean the same length."""
    height, width = colours.shape[-2:]
    weights = contrast_weights(colours, s.border * math.sqrt(height * width) / 128)
    return smooth_regions(evidence, weights, width, start.flatten(1), iterations, s.softness).view(-1, 1, height, width)


def _first_memberships(colours: Float[Tensor, "batch pixel 3"], entries: int) -> Float[Tensor, "batch pixel entry"]:
    """K-means from the farthest points (Gonzalez 1985): nothing random, and rare colours get an entry of their own."""
    distance = (colours - colours.mean(1, keepdim=True)).square().sum(-1)
    centres = []
    for number in range(entries):
        chosen = colours[torch.arange(len(colours), device=colours.device), distance.argmax(1)]
        centres.append(chosen)
        squares = (colours - chosen[:, None]).square().sum(-1)
        distance = squares if number == 0 else torch.minimum(distance, squares)
    centre = torch.stack(centres, 1)
    for _ in range(3):
        hard = F.one_hot((centre.square().sum(-1)[:, None] - 2 * colours @ centre.mT).argmin(-1), entries).float()
        centre = (hard.mT @ colours + 1e-6 * centre) / (hard.sum(1)[..., None] + 1e-6)
    return hard


def _quadratic(colours: Float[Tensor, "batch pixel 3"]) -> Float[Tensor, "batch pixel 10"]:
    rows, columns = torch.triu_indices(3, 3, device=colours.device)
    return torch.cat([torch.ones_like(colours[..., :1]), colours, colours[..., rows] * colours[..., columns]], -1)


def _grow(mask: Float[Tensor, "batch 1 h w"], radius: int) -> Float[Tensor, "batch 1 h w"]:
    """Maximum over a square of side `2 radius + 1`."""
    rows = F.max_pool2d(mask, (2 * radius + 1, 1), 1, (radius, 0))
    return F.max_pool2d(rows, (1, 2 * radius + 1), 1, (0, radius))


def _pyramid(size: torch.Size, coarse: int) -> list[tuple[int, int]]:
    """Sizes from about `coarse` (geometric mean of the sides) up to `size`, doubling."""
    height, width = size
    halvings = max(0, round(math.log2(math.sqrt(height * width) / coarse)))
    return [(max(1, round(height / 2**n)), max(1, round(width / 2**n))) for n in range(halvings, -1, -1)]


def _to_size(x: Float[Tensor, "batch channel height width"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Mean of the pixels that fall together."""
    return x if x.shape[-2:] == size else F.interpolate(x, size, mode="area")


def _as_list(x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch pixel channel"]:
    return x.flatten(2).mT
