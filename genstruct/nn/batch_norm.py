"""Batch normalisation with the statistics of the whole batch, over all ranks, on any device.

torch's own layer sees one rank's rows, so that two ranks learn something else than one with the whole batch, and each
keeps running statistics of its own; its `SyncBatchNorm` needs a GPU.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from genstruct.nn.collective import sum_over_ranks, world_size


class BatchNorm(_BatchNorm):
    """Normalises each channel over rows, places and ranks (Ioffe & Szegedy 2015, Algorithm 1).

    Arguments and state are those of `torch.nn.BatchNorm2d`, so that weights of either fit the other; inputs are
    [batch, channels] or [batch, channels, ...], as many rows on each rank. On one rank it is torch's layer. In
    evaluation mode nothing is exchanged.
    """

    def forward(self, input: Float[Tensor, "batch channels *places"]) -> Float[Tensor, "batch channels *places"]:
        """See the class."""
        if world_size() == 1 or not (self.training or self.running_mean is None):
            return super().forward(input)
        rows = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        places = (0, *range(2, rows.ndim))
        count = world_size() * rows.numel() // rows.shape[1]
        mean = sum_over_ranks(rows.sum(places)) / count
        centered = rows - _across(mean, rows)
        # From the deviations, not from the mean square: that loses all digits where the mean is large.
        variance = sum_over_ranks(centered.square().sum(places)) / count
        if self.training and self.running_mean is not None:
            self._note(mean.detach(), variance.detach() * count / max(count - 1, 1))
        normal = centered * _across(torch.rsqrt(variance + self.eps), rows)
        if self.affine:
            normal = torch.addcmul(_across(self.bias, rows), normal, _across(self.weight, rows))
        return normal.to(input.dtype)

    def _note(self, mean: Tensor, variance: Tensor) -> None:
        """Take the statistics of a batch into the running ones, as torch does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.item()
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of places will do; `forward` declares its shape."""


def with_batch_norm(network: nn.Module) -> nn.Module:
    """`network` with every layer of torch's batch normalisation replaced by ours, weights and statistics kept.

    For backbones from elsewhere (torchvision). Changes `network` in place; returns it, or the new layer where it is one
    itself.
    """
    for name, child in network.named_children():
        setattr(network, name, with_batch_norm(child))
    if not isinstance(network, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return network
    layer = BatchNorm(
        network.num_features, network.eps, network.momentum, network.affine, network.track_running_stats
    ).train(network.training)
    for kept, theirs in (*network.named_parameters(), *network.named_buffers()):
        setattr(layer, kept, theirs)
    return layer


def _across(values: Float[Tensor, " channels"], rows: Float[Tensor, "batch channels *places"]) -> Tensor:
    """One value a channel, to be used with rows of any number of places."""
    return values.view(1, -1, *(1 for _ in range(rows.ndim - 2)))
