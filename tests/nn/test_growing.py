"""Growing a level: what changes at that moment, and what does not."""

import pytest
import torch

from genstruct.nn.discriminator import Discriminator
from genstruct.nn.generator import Mapping, Synthesis
from genstruct.nn.layers import downsample, upsample

WIDTHS = {4: 12, 8: 10, 16: 8}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def trained_below(size, network):
    """Move all weights as training at half of `size` would: those of the level that grows in at `size` stay."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if f".{size}." not in f".{name}.":
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("size", [8, 16])
def test_a_level_that_grows_into_the_generator_changes_nothing_at_first(size):
    generator = trained_below(size, Synthesis(WIDTHS, 4, style=6))
    style = torch.randn(3, 6)
    assert torch.equal(generator(style, size), upsample(generator(style, size // 2)))


def test_a_level_that_grew_into_the_generator_learns_at_once():
    generator, style = Synthesis(WIDTHS, 4, style=6), torch.randn(3, 6)
    generator(style, 16).sum().backward()
    assert generator.levels["16"].added.convolution.weight.grad.abs().sum() > 0
    generator.zero_grad()
    generator(style, 8).sum().backward()
    assert all(p.grad is None for p in generator.levels["16"].parameters())  # so the optimiser leaves it alone


@pytest.mark.parametrize("size", [8, 16])
def test_a_level_that_grows_into_the_discriminator_changes_nothing_at_first(size):
    discriminator = trained_below(size, Discriminator(WIDTHS, start=4))
    images = torch.rand(3, 3, size, size)
    torch.testing.assert_close(discriminator(images), discriminator(downsample(images)), atol=1e-5, rtol=1e-5)


def test_a_level_that_grew_into_the_discriminator_opens_at_once():
    discriminator = trained_below(16, Discriminator(WIDTHS, start=4))
    discriminator(torch.rand(3, 3, 16, 16)).sum().backward()
    assert discriminator.levels["16"].gate.grad.abs().sum() > 0
    discriminator.zero_grad()
    discriminator(torch.rand(3, 3, 8, 8)).sum().backward()
    untouched = [*discriminator.levels["16"].parameters(), *discriminator.read["16"].parameters()]
    assert all(p.grad is None for p in untouched)


def test_a_discriminator_judges_each_picture_by_itself():
    discriminator, images = trained_below(0, Discriminator(WIDTHS, start=4)), torch.rand(4, 3, 16, 16)
    alone = torch.cat([discriminator(image[None]) for image in images])
    torch.testing.assert_close(discriminator(images), alone, atol=1e-5, rtol=1e-5)


def test_features_of_a_discriminator_lie_at_every_resolution():
    shapes = [tuple(f.shape) for f in Discriminator(WIDTHS, start=4).features(torch.rand(2, 3, 16, 16))]
    assert shapes == [(2, 8, 16, 16), (2, 10, 8, 8), (2, 12, 4, 4)]


def test_noise_comes_in_by_learned_strengths_that_start_at_zero():
    torch.manual_seed(0)
    plain = Synthesis(WIDTHS, 4, style=6)
    torch.manual_seed(0)
    noisy = Synthesis(WIDTHS, 4, style=6, noise=0)
    for network in (plain, noisy):
        trained_below(0, network)
    style, sides = torch.randn(3, 6), noisy.noise_sizes(16)
    assert sides == [4, 4, 8, 8, 16] and noisy.noise_sizes(8) == sides[:3]
    noise = [torch.randn(3, 1, side, side) for side in sides]
    with torch.no_grad():
        strengths = [p for name, p in noisy.named_parameters() if "strength" in name]
        for strength in strengths:
            strength.zero_()
        other = dict(noisy.named_parameters())
        for name, parameter in plain.named_parameters():
            other[name].copy_(parameter)
        assert torch.equal(noisy(style, 16, noise), plain(style, 16))  # nothing at first
        assert len(strengths) == len(sides)
        for number, strength in enumerate(strengths):
            strength.fill_(0.5)
            assert (noisy(style, 16, noise) != plain(style, 16)).any(), number
            strength.zero_()


def test_noise_that_is_not_given_is_fixed_and_is_not_stored():
    networks = [Synthesis(WIDTHS, 4, style=6, noise=seed) for seed in (0, 0, 1)]
    for network in networks:
        network.load_state_dict(networks[0].state_dict())
        for name, parameter in network.named_parameters():
            if "strength" in name:
                parameter.data.fill_(0.5)
    style = torch.randn(1, 6)
    first, same, other = (network(style, 16) for network in networks)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert not any("noise" in name for name in networks[0].state_dict())


def test_styles_depend_on_the_direction_of_a_code_alone():
    mapping, z = Mapping(5, 7), torch.randn(3, 5)
    torch.testing.assert_close(mapping(z), mapping(4 * z), atol=1e-5, rtol=1e-5)
    assert mapping(z).shape == (3, 7)
