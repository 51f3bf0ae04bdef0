"""The colours of a photo as a palette: a mixture of Gaussians that object and background share."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor

# Hue and saturation tell objects from backgrounds better than lightness, which shading changes.
CHROMA = 1.5
# Weight of the logarithm of texture beside colour, and the contrast (lightness of white = 1) that counts as none.
TEXTURE, SMOOTH = 0.1, 0.01


def perceptual(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """CIE L*a*b* (D65) over 100, with a* and b* times `CHROMA`, from sRGB in [0, 1]: distances as the eye sees them."""
    scale = images.new_tensor([1, CHROMA, CHROMA]) / 100
    return rgb_to_lab(images) * scale[:, None, None]


def texture(colors: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """How busy the surroundings are: logarithm of the standard deviation of lightness in 3 x 3 pixels, weighted."""
    lightness = F.pad(colors[:, :1], (1, 1, 1, 1), mode="replicate")
    variance = F.avg_pool2d(lightness.square(), 3, 1) - F.avg_pool2d(lightness, 3, 1).square()
    return TEXTURE * (variance.clamp(min=0).sqrt() + SMOOTH).log()


class Palette:
    """A mixture of Gaussians with full covariances for each photo, fitted by EM to all its pixels.

    Calling it with features [batch, pixel, d] gives how far each pixel belongs to each entry, [batch, pixel, entry],
    summing to 1. Log-densities are one matrix product: of 1, x and the products of x with coefficients.

    Args:
        features: Of all pixels; colours in units of `perceptual`.
        entries: Gaussians of each photo.
        fits: Iterations of EM.
    """

    # Standard deviation that every entry has: noise, compression, shading.
    NOISE = 0.015
    # Pixels of variance (2 NOISE)^2 added to every entry, so that tiny ones stay round.
    PSEUDO_PIXELS = 5.0

    def __init__(self, features: Float[Tensor, "batch pixel d"], entries: int, fits: int) -> None:
        products = _products(features)
        self._fit(products, _first_memberships(features, entries))
        for _ in range(fits):
            self._fit(products, self._memberships(products))

    def __call__(self, features: Float[Tensor, "batch pixel d"]) -> Float[Tensor, "batch pixel entry"]:
        return self._memberships(_products(features))

    def _memberships(self, products: Float[Tensor, "batch pixel terms"]) -> Float[Tensor, "batch pixel entry"]:
        return torch.softmax(products @ self.coefficients.mT, -1)

    def _fit(
        self, products: Float[Tensor, "batch pixel terms"], memberships: Float[Tensor, "batch pixel entry"]
    ) -> None:
        """The M step: shares, means and covariances, kept as the coefficients of log(share N(x))."""
        sums = memberships.mT @ products
        count = sums[..., :1]
        mean, covariance = _moments(sums / (count + 1e-6))
        rows, columns = _pairs(mean.shape[-1], sums.device)
        noise = self.NOISE**2 * torch.eye(mean.shape[-1], device=sums.device)
        weight, extra = count[..., None], self.PSEUDO_PIXELS
        covariance = (weight * covariance + extra * 4 * noise) / (weight + extra) + noise
        factor = torch.linalg.cholesky_ex(covariance).L
        precision = torch.cholesky_inverse(factor)
        linear = (precision @ mean[..., None])[..., 0]
        log_root_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1, keepdim=True)
        log_share = (count / count.sum(-2, keepdim=True) + 1e-6).log()
        constant = log_share - (mean * linear).sum(-1, keepdim=True) / 2 - log_root_det
        quadratic = -precision[..., rows, columns] * torch.where(rows == columns, 0.5, 1.0)
        self.coefficients = torch.cat([constant, linear, quadratic], -1)


def _pairs(size: int, device: torch.device) -> Tensor:
    return torch.triu_indices(size, size, device=device)


def _products(x: Float[Tensor, "batch pixel d"]) -> Float[Tensor, "batch pixel terms"]:
    """1, x and all products of two of its channels."""
    rows, columns = _pairs(x.shape[-1], x.device)
    return torch.cat([torch.ones_like(x[..., :1]), x, x[..., rows] * x[..., columns]], -1)


def _moments(
    means: Float[Tensor, "batch entry terms"],
) -> tuple[Float[Tensor, "batch entry d"], Float[Tensor, "batch entry d d"]]:
    """Mean and covariance of each entry from the means of `_products`."""
    size = next(d for d in range(1, 16) if 1 + d + d * (d + 1) // 2 == means.shape[-1])
    rows, columns = _pairs(size, means.device)
    mean = means[..., 1 : 1 + size]
    second = means.new_zeros(*mean.shape, size)
    second[..., rows, columns] = means[..., 1 + size :]
    second[..., columns, rows] = means[..., 1 + size :]
    return mean, second - mean[..., None] * mean[..., None, :]


def _first_memberships(x: Float[Tensor, "batch pixel d"], entries: int) -> Float[Tensor, "batch pixel entry"]:
    """K-means from the farthest points (Gonzalez 1985): nothing random, and rare colours get an entry of their own."""
    distance = (x - x.mean(1, keepdim=True)).square().sum(-1)
    centers = []
    for number in range(entries):
        chosen = x[torch.arange(len(x), device=x.device), distance.argmax(1)]
        centers.append(chosen)
        squares = (x - chosen[:, None]).square().sum(-1)
        distance = squares if number == 0 else torch.minimum(distance, squares)
    center = torch.stack(centers, 1)
    hard = _nearest(x, center)
    for _ in range(2):
        center = (hard.mT @ x + 1e-6 * center) / (hard.sum(1)[..., None] + 1e-6)
        hard = _nearest(x, center)
    return hard


def _nearest(
    x: Float[Tensor, "batch pixel d"], center: Float[Tensor, "batch entry d"]
) -> Float[Tensor, "batch pixel entry"]:
    """1 for the entry whose centre is nearest, else 0."""
    distance = center.square().sum(-1)[:, None] - 2 * x @ center.mT
    return F.one_hot(distance.argmin(-1), center.shape[1]).to(x.dtype)
