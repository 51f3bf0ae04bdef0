"""The layered generator, its health, and generated pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_perturbed import GENERATOR

from genstruct.errors import GenstructError
from genstruct.segmentation.config import ObjectiveConfig
from genstruct.segmentation.layered import LOGIT_RANGE, LayeredGenerator, Mixing, center_prior, to_color
from genstruct.segmentation.learning_config import PairConfig
from genstruct.segmentation.pairs import make_pairs, to_bytes, usable
from genstruct.segmentation.starts import health_score
from genstruct.train.randomness import Draws

ANYTHING = PairConfig(count=23, minimum_area=0.0, maximum_area=1.0, gray=10.0, border=1.0)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return LayeredGenerator(GENERATOR).eval().requires_grad_(False)


def scenes(generator, count=4):
    return generator(torch.randn(count, generator.latent_size), 16)


def test_scenes_are_in_range_and_logits_are_bounded(generator):
    with torch.no_grad():
        generator.foreground.picture.convolution.weight *= 100
    scene = scenes(generator)
    for picture in (scene.background, scene.foreground, scene.mask, scene.picture):
        assert picture.min() >= 0 and picture.max() <= 1
    assert 5 < scene.logits.abs().max() <= LOGIT_RANGE
    assert (scene.saturation > 0).all()


def test_a_picture_is_its_object_over_its_background(generator):
    scene = scenes(generator)
    torch.testing.assert_close(scene.picture, scene.mask * scene.foreground + (1 - scene.mask) * scene.background)


def test_each_layer_sees_the_shared_code_and_its_own(generator):
    z = torch.randn(1, generator.latent_size).repeat(4, 1)
    z[1, 0] += 3  # shared
    z[2, 3] += 3  # background alone
    z[3, -1] += 3  # foreground alone
    scene = generator(z, 16)
    background, foreground = (
        (layer[1:] - layer[0]).abs().amax((1, 2, 3)) > 0 for layer in (scene.background, scene.foreground)
    )
    assert background.tolist() == [True, True, False]
    assert foreground.tolist() == [True, False, True]


@pytest.mark.parametrize(("shared", "own"), [(0, 5), (6, 0)])
def test_either_part_of_the_code_may_be_left_out(shared, own):
    generator = LayeredGenerator(replace(GENERATOR, shared_latent=shared, layer_latent=own))
    assert generator.latent_size == shared + 2 * own
    assert scenes(generator).picture.shape == (4, 3, 16, 16)


def test_codes_become_styles_in_so_many_layers_at_their_own_rate():
    torch.manual_seed(0)
    deep = LayeredGenerator(replace(GENERATOR, style=64, mapping_layers=8, mapping_rate=0.01))
    plain = LayeredGenerator(GENERATOR)
    for network, depth, rate in ((deep, 8, 0.01), (plain, 2, 0.1)):
        for mapping in (network.map_background, network.map_foreground):
            assert [layer.lr for layer in mapping.layers] == [rate] * depth
    style = deep.map_background(torch.randn(500, 8))
    assert 0.3 < style.square().mean() < 3  # the variance lives through eight layers
    assert scenes(deep).picture.std(0).mean() > 1e-3


def test_mixed_styles_change_the_resolutions_from_where_they_start(generator):
    z, second = torch.randn(2, 1, generator.latent_size).expand(-1, 4, -1)
    start = torch.tensor([0, 1, 2, 3])  # 4, 8, 16 px, never
    styles = [[], []]
    for seen, layer in zip(styles, (generator.background, generator.foreground), strict=True):
        for convolution in (
            layer.first,
            layer.picture,
            *(part for level in layer.levels.values() for part in (level.before, level.after, level.added)),
        ):
            convolution.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[1]))
    mixed = generator(z, 16, mixing=Mixing(second, start))
    codes = ([z[:, :8], second[:, :8]], [torch.cat([c[:, :3], c[:, 8:]], 1) for c in (z, second)])
    for seen, mapping, (one, two) in zip(
        styles, (generator.map_background, generator.map_foreground), codes, strict=True
    ):
        one, two = mapping(one), mapping(two)
        levels = [0, 0, 1, 1, 1, 2, 2, 2]  # both first, and three of each level
        assert len(seen) == len(levels)
        for style, level in zip(seen, levels, strict=True):
            torch.testing.assert_close(style, torch.where((start <= level)[:, None], two, one))
    torch.testing.assert_close(mixed.picture[0], generator(second, 16).picture[0])
    torch.testing.assert_close(mixed.picture[3], generator(z, 16).picture[3])


def test_the_wanted_share_of_rows_is_mixed_from_any_resolution_but_the_first():
    draws = Draws(0, 0, 0, 600, 600)
    mixing = Mixing.draw(draws, 5, levels=4, share=0.6)
    shares = mixing.start.bincount(minlength=5) / 600
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.2, 0.2, 0.2, 0.4]), atol=0.06, rtol=0)
    assert mixing.z.shape == (600, 5) and not torch.equal(mixing.z, draws.normal("latents", 5))
    half = Mixing.draw(Draws(0, 0, 300, 300, 600), 5, levels=4, share=0.6)  # another rank
    assert torch.equal(half.start, mixing.start[300:]) and torch.equal(half.z, mixing.z[300:])
    assert (Mixing.draw(draws, 5, levels=4, share=0.0).start == 4).all()


def test_both_layers_have_their_own_noise_and_pairs_draw_theirs():
    torch.manual_seed(0)
    noisy = LayeredGenerator(replace(GENERATOR, noise=True)).eval().requires_grad_(False)
    for name, parameter in noisy.named_parameters():
        if "strength" in name:
            parameter.fill_(0.5)
    whole = Draws(0, 0, 0, 6, 6)
    background, foreground = noisy.draw_noise(whole, 16)
    assert [n.shape[-1] for n in background] == noisy.background.noise_sizes(16)
    assert not any(torch.equal(a, b) for a, b in zip(background, foreground, strict=True))
    assert torch.equal(noisy.draw_noise(Draws(0, 0, 4, 2, 6), 16)[0][-1], background[-1][4:])  # another rank's rows
    z = torch.randn(1, noisy.latent_size).expand(6, -1)
    scene = noisy(z, 16, noise=(background, foreground))
    assert (scene.background[1:] != scene.background[:1]).any() and (scene.logits[1:] != scene.logits[:1]).any()
    assert torch.equal(noisy(z, 16).logits[0], noisy(z, 16).logits[5])  # fixed
    pairs, _ = make_pairs(noisy, 16, ANYTHING, seed=3, batch=10)
    again, _ = make_pairs(noisy, 16, ANYTHING, seed=3, batch=10)
    assert (pairs.images == again.images).all()


def test_a_prior_is_added_to_the_logits_alone(generator):
    z = torch.randn(2, generator.latent_size)
    plain, pushed = generator(z, 8), generator(z, 8, prior=2.0)
    assert (pushed.logits > plain.logits).all()
    assert torch.equal(pushed.background, plain.background) and torch.equal(pushed.foreground, plain.foreground)


def test_colors_are_half_for_nothing_and_end_at_black_and_white():
    values = torch.tensor([-50.0, 0.0, 50.0]).view(1, 3, 1, 1)
    assert to_color(values).flatten().tolist() == [0.0, 0.5, 1.0]


# Scenes with known masks


def with_masks(generator, masks, different=True):
    scene = scenes(generator, len(masks))
    background = scene.background.round()
    foreground = 1 - background if different else background
    return replace(scene, logits=masks.logit(eps=1e-6), background=background, foreground=foreground)


def boxes(*corners, value=1.0, size=16):
    masks = torch.zeros(len(corners), 1, size, size)
    for mask, (x0, y0, x1, y1) in zip(masks, corners, strict=True):
        mask[:, y0:y1, x0:x1] = value
    return masks


def test_the_filter_drops_small_large_gray_and_framed_masks(generator):
    config = PairConfig(count=1, minimum_area=0.1, maximum_area=0.6, gray=0.3, border=0.2)
    masks = torch.cat(
        [
            boxes((4, 4, 12, 12)),  # a quarter of the picture
            boxes((7, 7, 9, 9)),  # too small
            boxes((1, 1, 15, 15)),  # too large
            boxes((4, 4, 12, 12), value=0.6),  # grey
            boxes((0, 4, 16, 10)),  # from side to side: a fifth of the frame
        ]
    )
    assert usable(with_masks(generator, masks), config).tolist() == [True, False, False, False, False]


def test_pairs_are_pictures_with_their_masks(generator):
    pairs, passed = make_pairs(generator, 16, ANYTHING, seed=3, batch=10)
    assert pairs.images.shape == (23, 16, 16, 3) and pairs.masks.shape == (23, 16, 16)
    assert pairs.images.dtype == pairs.masks.dtype == np.uint8
    assert passed == 1.0
    again, _ = make_pairs(generator, 16, ANYTHING, seed=3, batch=10)
    other, _ = make_pairs(generator, 16, ANYTHING, seed=4, batch=10)
    assert (pairs.images == again.images).all() and (pairs.masks == again.masks).all()
    assert (pairs.images != other.images).any()
    assert len({image.tobytes() for image in pairs.images}) == 23  # no batch repeats another


def test_only_pairs_that_pass_are_kept(generator):
    pairs, _ = make_pairs(generator, 16, ANYTHING, seed=0, batch=50)
    middle = float(np.median((pairs.masks / 255).mean((1, 2))))
    config = replace(ANYTHING, maximum_area=middle)
    kept, passed = make_pairs(generator, 16, config, seed=0, batch=50)
    assert ((kept.masks / 255).mean((1, 2)) < middle + 0.005).all()
    assert 0.2 < passed < 0.8


def test_a_generator_without_usable_masks_is_told_after_a_few_thousand_samples(generator):
    with pytest.raises(GenstructError, match=r"only 0 of 200 generated masks are usable .* train it longer"):
        make_pairs(generator, 16, replace(ANYTHING, minimum_area=0.99), seed=0, batch=10)


def test_pairs_of_a_generator_in_training_are_made_with_the_prior_it_is_used_to(generator):
    without, _ = make_pairs(generator, 16, ANYTHING, seed=0, batch=50)
    prior, _ = make_pairs(generator, 16, ANYTHING, seed=0, batch=50, prior=center_prior(16, 8.0, 0.25, "cpu"))
    middle = (slice(None), slice(7, 9), slice(7, 9))
    assert prior.masks[middle].mean() > without.masks[middle].mean() + 60
    assert prior.masks[:, 0, 0].mean() < without.masks[:, 0, 0].mean() - 60


def test_bytes_round_and_do_not_wrap():
    values = torch.tensor([-0.1, 0.0, 0.5, 1.0, 1.2]).view(5, 1, 1, 1)
    assert to_bytes(values).flatten().tolist() == [0, 0, 128, 255, 255]


# Health


class Fixed(LayeredGenerator):
    """Makes the same scenes of every code."""

    def __init__(self, scene):
        torch.nn.Module.__init__(self)
        self.scene, self.latent_sizes, self.weight = scene, (0, 2), torch.nn.Parameter(torch.zeros(()))

    def forward(self, z, size, prior=0.0):
        return replace(self.scene, logits=self.scene.logits + prior)


def score(scene, fraction=1.0, **objective):
    return health_score(Fixed(scene), 16, ObjectiveConfig(**objective), fraction, samples=4)


def test_separated_varied_layers_are_healthy_and_each_degenerate_answer_is_not(generator):
    varied = boxes((2, 2, 9, 9), (7, 7, 14, 14), (2, 7, 9, 14), (7, 2, 14, 9))
    healthy = score(with_masks(generator, varied))
    assert healthy > 0.9
    assert score(with_masks(generator, boxes(*[(5, 5, 11, 11)] * 4))) == 0  # one template for all
    assert score(with_masks(generator, varied, different=False)) == 0  # twice the same picture
    assert score(with_masks(generator, boxes(*[(0, 0, 0, 0)] * 4))) == 0  # empty
    assert score(with_masks(generator, 1 - varied)) == 0  # inverted
    assert score(with_masks(generator, varied * 0.5)) < 0.5 * healthy  # grey


def test_an_early_start_is_judged_with_the_center_prior_it_was_trained_with(generator):
    masks = boxes((2, 2, 9, 9), (7, 7, 14, 14), (2, 7, 9, 14), (7, 2, 14, 9))
    scene = with_masks(generator, 0.03 + 0.94 * masks)
    early = replace(scene, logits=scene.logits - center_prior(16, 4.0, 0.25, "cpu"))  # what it learns is the rest
    prior = {"center": 8.0, "center_until": 0.2}
    assert score(early, 0.1, **prior) == pytest.approx(score(scene), rel=1e-5)
    assert score(early, 0.2, **prior) < 0.9 * score(scene)
    assert score(early, 0.1, center=0.0) == score(early)
