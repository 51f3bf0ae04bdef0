"""Network parts against plain references."""

import pytest
import torch
import torch.nn.functional as F
from gradients import assert_agree, checkable
from torch import nn

from genstruct.nn.encoder import Encoder
from genstruct.nn.layers import GAIN, Conv, Linear, ModulatedConv, downsample, leaky, normalize_features, upsample
from genstruct.nn.named import named
from genstruct.nn.unet import UNet, pad_to_multiple


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def one_convolution_per_sample(layer, x, style):
    """Karras et al. 2020, Eq. 1-3 as written: the weights of each sample are scaled and normalised, then convolved."""
    scale = layer.style(style)
    weight = layer.convolution.weight * layer.convolution.scale * scale[:, None, :, None, None]
    if layer.demodulate:
        weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    batch, _, height, width = x.shape
    y = F.conv2d(x.reshape(1, -1, height, width), weight.flatten(0, 1), padding=layer.convolution.padding, groups=batch)
    return y.view(batch, -1, height, width) + layer.convolution.bias[:, None, None]


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("size", [1, 3])
def test_modulated_convolution_is_a_grouped_convolution_of_each_samples_weights(demodulate, size):
    layer = ModulatedConv(5, 4, style=6, size=size, demodulate=demodulate)
    with torch.no_grad():
        layer.convolution.bias.normal_()
    x, style = checkable(torch.randn(3, 5, 6, 7), torch.randn(3, 6))
    pictures = layer(x, style), one_convolution_per_sample(layer, x, style)
    towards, inputs = torch.randn_like(pictures[0]), (x, style, layer.convolution.weight, layer.style.weight)
    assert_agree(*([y, *torch.autograd.grad((y * towards).sum(), inputs)] for y in pictures), rtol=1e-4, share=1e-5)


def test_a_demodulated_output_does_not_depend_on_the_size_of_the_style():
    layer = ModulatedConv(8, 4, style=3)
    with torch.no_grad():
        layer.style.bias.zero_()
    x, style = torch.randn(2, 8, 5, 5), torch.randn(2, 3)
    torch.testing.assert_close(layer(x, style), layer(x, 7 * style), atol=1e-5, rtol=1e-5)


def test_layers_keep_unit_variance_at_the_start():
    x = torch.randn(4, 64, 16, 16)
    style = torch.randn(4, 32)
    assert Conv(64, 64)(x)[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.05)
    assert ModulatedConv(64, 64, 32)(x, style)[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.05)
    assert Linear(64, 256)(torch.randn(64, 64)).std().item() == pytest.approx(1, abs=0.05)
    assert leaky(torch.randn(10_000)).square().mean().item() == pytest.approx(1, abs=0.05)


def test_a_slower_layer_computes_the_same_and_moves_less():
    slow = Linear(6, 5, bias=0.5, lr=0.1)
    x = torch.randn(4, 6)
    torch.testing.assert_close(slow(x), F.linear(x, slow.weight * 0.1 / 6**0.5, torch.full((5,), 0.5)))
    before = slow(x)
    with torch.no_grad():  # an optimiser step of 1 on the bias, as Adam makes whatever the gradient
        slow.bias += 1
    torch.testing.assert_close(slow(x) - before, torch.full((4, 5), 0.1), atol=1e-5, rtol=0)


def test_leaky_is_homogeneous():
    x = torch.randn(100)
    torch.testing.assert_close(leaky(3 * x), 3 * leaky(x))
    assert leaky(torch.tensor(-1.0)).item() == pytest.approx(-0.2 * GAIN)


def test_normalized_features_keep_only_their_direction():
    z = torch.randn(5, 16)
    unit = normalize_features(z)
    torch.testing.assert_close(unit.square().mean(1), torch.ones(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalize_features(9 * z), unit)


def test_halving_undoes_the_mean_of_doubling():
    x = torch.rand(2, 3, 8, 8)
    flat = torch.full((1, 1, 4, 4), 0.3)
    assert upsample(x).shape == (2, 3, 16, 16) and downsample(x).shape == (2, 3, 4, 4)
    torch.testing.assert_close(downsample(upsample(flat)), flat)
    torch.testing.assert_close(downsample(x).mean(), x.mean())


# U-Net


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (16, 8)])
def test_a_unet_answers_at_the_size_of_any_image(size):
    assert UNet(3, 2, (8, 8, 16))(torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_rows_of_a_batch_do_not_influence_each_other():
    network, images = UNet(3, 1, (8, 8)), torch.rand(3, 3, 12, 10)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(network(images), alone, atol=1e-5, rtol=1e-4)


def test_every_weight_of_a_unet_learns():
    network = UNet(3, 1, (8, 8, 16))
    network(torch.rand(2, 3, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_padding_repeats_the_last_row_and_column():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(x, 4)[0, 0]
    assert padded.tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert torch.equal(pad_to_multiple(x, 1), x)


# Encoder


def test_an_encoder_gives_features_of_about_unit_variance_to_pictures_of_its_size():
    features = Encoder({4: 32, 8: 24, 16: 16}, outputs=64)(0.5 + 0.5 * torch.randn(16, 3, 16, 16))
    assert features.shape == (16, 64)
    assert 0.3 < features.square().mean().sqrt() < 3


def test_a_network_by_name_is_of_the_class_that_it_is_asked_as():
    networks = nn.ModuleDict({"encoder": Conv(3, 4)})
    assert named(networks, "encoder", Conv) is networks["encoder"]
    with pytest.raises(TypeError, match="encoder is a Conv, not a UNet"):
        named(networks, "encoder", UNet)
