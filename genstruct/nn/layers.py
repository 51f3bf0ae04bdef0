"""Layers with an equalised learning rate (Karras et al. 2018, section 4.1): weights start at unit variance and are
scaled when used, so that one learning rate suits every layer."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LEAK = 0.2
GAIN = math.sqrt(2 / (1 + LEAK**2))  # keeps the variance through a leaky ReLU (He et al. 2015)


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU scaled to keep the variance of its input."""
    return F.leaky_relu(x, LEAK) * GAIN


def normalize_features(x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
    """Scale each row to unit mean square ("pixel norm", Karras et al. 2018, section 4.2)."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Linear(nn.Module):
    """Fully connected layer with an equalised learning rate.

    Args:
        inputs, outputs: Numbers of features.
        bias: Initial value of the bias.
        lr: Multiplier of the learning rate (0.01 in StyleGAN's mapping network).
    """

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, lr: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr))
        self.scale, self.lr = lr / math.sqrt(inputs), lr

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr)


class Conv(nn.Module):
    """Convolution of odd size with "same" padding and an equalised learning rate.

    Args:
        inputs, outputs: Numbers of channels.
        size: Of the kernel, odd.
        zero: Start as the zero function, for branches that grow in.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, zero: bool = False) -> None:
        super().__init__()
        weight = torch.zeros if zero else torch.randn
        self.weight = nn.Parameter(weight(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale, self.padding = 1 / math.sqrt(inputs * size * size), size // 2

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h w"]:
        return F.conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style (Karras et al. 2020, Eq. 1-3).

    Scaling the input and then the output is the same as scaling the weights of each sample, and one ordinary
    convolution serves the whole batch.

    Args:
        inputs, outputs: Numbers of channels.
        style: Features of the style vector.
        size: Of the kernel, odd.
        demodulate: Bring the output back to unit variance (not for layers that make colours).
        zero: Start as the zero function.
    """

    def __init__(
        self, inputs: int, outputs: int, style: int, size: int = 3, demodulate: bool = True, zero: bool = False
    ) -> None:
        super().__init__()
        self.convolution = Conv(inputs, outputs, size, zero=zero)
        self.style = Linear(style, inputs, bias=1.0)
        self.demodulate = demodulate

    def forward(
        self, x: Float[Tensor, "batch inputs h w"], style: Float[Tensor, "batch style"]
    ) -> Float[Tensor, "batch outputs h w"]:
        scale = self.style(style)
        weight = self.convolution.weight * self.convolution.scale
        y = F.conv2d(x * scale.to(x.dtype)[:, :, None, None], weight, padding=self.convolution.padding)
        if self.demodulate:
            power = scale.float().square() @ weight.float().square().sum((2, 3)).mT  # [batch, outputs]
            y = y * torch.rsqrt(power + 1e-8).to(y.dtype)[:, :, None, None]
        return y + self.convolution.bias.to(y.dtype)[:, None, None]


def upsample(x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h2 w2"]:
    """Twice the size, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def downsample(x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h2 w2"]:
    """Half the size, by averaging 2x2 pixels."""
    return F.avg_pool2d(x, 2)
