"""How often an answer is right, by how it came about: learned without a label.

A view graph judges its own photos as if they were new, each without itself, and looks how often the answer is the view
that its interventions confirm. On held-out cars the shares that this promises are those that come true.
"""

import torch
from jaxtyping import Float
from torch import Tensor

SIMILAR = 20
"""Neighbours whose mean similarity counts: those of photos unlike all known ones are far."""
LEAST = 1e-3
SHRINKAGE = 1e-3
NONSENSE = 0.02


def evidence(
    mass: Float[Tensor, " images"], similarity: Float[Tensor, "images k"] | None = None
) -> Float[Tensor, "images evidence"]:
    """What a confidence is made from.

    Args:
        mass: Probability round the answer.
        similarity: Of the nearest known photos, the most similar first.
    """
    parts = [torch.logit(mass.clamp(LEAST, 1 - LEAST))]
    if similarity is not None:
        parts.append(similarity[:, :SIMILAR].mean(1))
    return torch.stack(parts, 1)


def learn_confidence(
    evidence: Float[Tensor, "images evidence"],
    right: Float[Tensor, " images"],
    nonsense: Float[Tensor, "others evidence"],
    steps: int = 30,
) -> Float[Tensor, " weights"]:
    """Logistic regression by Newton's method.

    Args:
        evidence: Of each image.
        right: How likely each answer is right, in [0, 1].
        nonsense: Of pictures without a right answer, which count as `NONSENSE` of all: where all answers of a set are
            right, nothing else would tell what an unlikely one looks like.
        steps: Of Newton's method.

    Returns:
        The factor of each piece of evidence, and at last a constant; see `confidence`.
    """
    x = torch.cat([evidence, nonsense]).double()
    true = torch.cat([right, right.new_zeros(len(nonsense))]).double()
    share = NONSENSE if len(nonsense) else 0.0
    each = [torch.full((n,), part / max(n, 1)) for n, part in ((len(right), 1 - share), (len(nonsense), share))]
    weight = torch.cat(each).to(x)
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-6)
    x = torch.cat([(x - mean) / spread, torch.ones_like(x[:, :1])], 1)
    weights, ridge = x.new_zeros(x.shape[1]), SHRINKAGE * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    for _ in range(steps):
        found = (x @ weights).sigmoid()
        slope = x.mT @ (weight * (found - true)) + ridge @ weights
        curve = (x.mT * (weight * found * (1 - found))) @ x + ridge
        weights = weights - torch.linalg.solve(curve, slope)
    factors = weights[:-1] / spread
    return torch.cat([factors, weights[-1:] - (factors * mean).sum()]).float()


def confidence(
    evidence: Float[Tensor, "images evidence"], weights: Float[Tensor, " weights"]
) -> Float[Tensor, " images"]:
    """How likely each answer is right, in [0, 1]."""
    return (evidence @ weights[:-1] + weights[-1]).sigmoid()
