"""The perturbed objective: gradients of the one-pass trick, what moves and what does not, schedules."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from gradients import assert_agree
from tiny_perturbed import GENERATOR, perturbing, photos, published, settings, step_at, stirred

from genstruct.data.batches import Batches
from genstruct.losses.adversarial import Objective
from genstruct.losses.mask import information_leak, total_variation
from genstruct.render.layers import shift_whole
from genstruct.segmentation import perturbed
from genstruct.segmentation.layered import Scene, center_prior
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.train.method import Phase

GROWN = 40  # images seen: at 16 px, the centre prior has decayed


def batch(number=0):
    with Batches(photos(), 8, 0, prefetch=False) as batches:
        return batches.at(number)


def gradients(method, phase, trains, step):
    """Gradients of a phase by parameter; networks that it does not train are frozen, as the trainer does."""
    for name, network in method.networks.items():
        network.requires_grad_(name in trains)
    method.networks.zero_grad()
    method.compute(Phase(phase, trains), batch(), step).loss.backward()
    return {name: p.grad.clone() for name, p in method.networks.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("objective", get_args(Objective))
@pytest.mark.parametrize("images", [0, GROWN])
def test_one_pass_gives_both_networks_the_gradients_of_two(objective, images):
    method = stirred(PerturbedSegmentation(settings(adversarial=objective, drift=0.01)))
    step = step_at(images, number=5)
    joint = gradients(method, "joint", ("generator", "discriminator"), step)
    generator = gradients(method, "generator", ("generator",), step)
    discriminator = gradients(method, "discriminator", ("discriminator",), step)
    assert_agree(joint, generator | discriminator, rtol=1e-3, share=1e-5)
    assert max(g.abs().max() for g in generator.values()) > 1e-3


@pytest.mark.parametrize("images", [0, GROWN])
def test_gradients_of_two_ranks_average_to_those_of_one_with_the_published_parts_too(images):
    method, whole = stirred(PerturbedSegmentation(published())), batch()
    for phase in method.phases:
        halves = []
        for first, count in ((0, 8), (0, 4), (4, 4)):
            kept = slice(first, first + count)
            rows = replace(whole, images=whole.images[kept], index=whole.index[kept])
            method.networks.zero_grad()
            method.compute(phase, rows, step_at(images, 5, first=first, count=count)).loss.backward()
            named = method.networks.named_parameters()
            halves.append({name: p.grad.clone() for name, p in named if p.grad is not None})
        average = {name: (halves[1][name] + halves[2][name]) / 2 for name in halves[0]}
        assert_agree(average, halves[0], rtol=1e-3, share=1e-4)


def test_joint_and_alternating_updates_have_the_phases_they_promise():
    phases = {kind: PerturbedSegmentation(settings(updates=kind)).phases for kind in ("joint", "alternating")}
    assert [(p.name, p.trains, p.every) for p in phases["joint"]] == [
        ("joint", ("generator", "discriminator"), 1),
        ("penalty", ("discriminator",), 3),
    ]
    assert [p.name for p in phases["alternating"]] == ["discriminator", "penalty", "generator"]


def test_equal_seeds_make_equal_networks_and_leave_the_global_stream_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, two, other = (PerturbedSegmentation(settings(), seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [method.networks["generator"].foreground.constant for method in (one, two, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


# Penalties


@pytest.mark.parametrize("r2", [True, False])
def test_the_penalty_is_half_gamma_of_each_squared_gradient_times_its_period(r2):
    method = stirred(PerturbedSegmentation(settings(penalty=0.2, penalty_end=0.2, penalty_every=4, r2=r2)))
    update = method.compute(Phase("penalty", ("discriminator",)), batch(), step_at(0))
    kinds = 2 if r2 else 1  # real images, and fake ones
    assert update.loss.item() == pytest.approx(4 * 0.2 / 2 * kinds * update.logs["squared_gradient"].item(), rel=1e-5)


def test_the_penalty_falls_from_its_first_weight_to_its_last_along_a_cosine():
    method = PerturbedSegmentation(settings(penalty=0.4, penalty_end=0.1))
    weights = [method._penalty_weight(step_at(images)) for images in (0, 20, 40, 80)]
    assert weights == pytest.approx([0.4, 0.1 + 0.3 * (1 + 0.5**0.5) / 2, 0.25, 0.1])


def test_the_published_penalty_is_that_of_wgan_gp():
    method = stirred(PerturbedSegmentation(settings(adversarial="wasserstein", penalty=10.0, penalty_every=1)))
    update = method.compute(Phase("penalty", ("discriminator",)), batch(), step_at(0))
    assert update.loss.item() == pytest.approx(10 * update.logs["gradient_penalty"].item(), rel=1e-5)


# Schedules


def test_the_center_prior_decays_to_nothing():
    method = PerturbedSegmentation(settings(center=3.0, center_until=0.5))
    torch.testing.assert_close(method._prior(step_at(0)), center_prior(8, 3.0, 0.25, "cpu"))
    torch.testing.assert_close(method._prior(step_at(20)), center_prior(8, 1.5, 0.25, "cpu"))
    assert method._prior(step_at(40)) == 0.0
    assert PerturbedSegmentation(settings(center=0.0))._prior(step_at(0)) == 0.0
    assert PerturbedSegmentation(settings(center_until=0.0))._prior(step_at(0)) == 0.0


def test_the_center_prior_favours_the_middle_and_is_about_even_in_all():
    prior = center_prior(32, 2.0, 0.25, "cpu")[0, 0]
    assert prior[16, 16].item() == pytest.approx(2, abs=0.05)
    assert prior[0, 0].item() == pytest.approx(-1, abs=0.1)
    assert prior.mean().abs() < 0.1
    torch.testing.assert_close(prior, prior.flip(0).mT)


def test_binarization_rises_between_its_two_ends():
    config = settings(binarize=2.0, binarize_from=0.25, binarize_until=0.75, saturation=0.0, leak=0.0)
    config = replace(config, objective=replace(config.objective, area_weight=0.0, border=0.0))
    method = PerturbedSegmentation(config)
    scene = method._scene(step_at(0))
    gray = torch.minimum(scene.mask, 1 - scene.mask).mean().item()
    values = [method._structure(scene, step_at(images))[0].item() for images in (0, 20, 40, 60, 80)]
    assert values == pytest.approx([0, 0, gray, 2 * gray, 2 * gray])


def test_the_information_leak_term_has_a_share_of_its_weight_early_on():
    method = PerturbedSegmentation(settings(leak=3.0, leak_early=0.2, leak_early_until=0.5))
    without = PerturbedSegmentation(settings(leak=0.0))
    torch.manual_seed(0)
    scene = Scene(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.randn(2, 1, 8, 8), torch.zeros(2))
    early, late = (
        (method._structure(scene, step_at(n))[0] - without._structure(scene, step_at(n))[0]).item() for n in (32, 40)
    )
    assert late == pytest.approx(3 * information_leak(scene.background, scene.foreground, scene.mask).mean().item())
    assert early == pytest.approx(0.2 * late)


def test_total_variation_can_be_asked_for():
    smooth, plain = (PerturbedSegmentation(settings(total_variation=weight)) for weight in (2.0, 0.0))
    scene = Scene(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), torch.randn(2, 1, 8, 8), torch.zeros(2))
    difference = smooth._structure(scene, step_at(0))[0] - plain._structure(scene, step_at(0))[0]
    torch.testing.assert_close(difference, 2 * total_variation(scene.mask).mean())


def test_structure_terms_are_weighted_sums():
    config = settings(minimum_area=0.5, area_weight=3.0, border=5.0, border_width=0.25, binarize=0.0, leak=0.0)
    method = PerturbedSegmentation(replace(config, objective=replace(config.objective, saturation=7.0)))
    mask = torch.zeros(8, 1, 8, 8)
    mask[..., 2:4] = 1  # a stripe from top to bottom: 1/4 of the picture, 8 of the 48 pixels of a frame of 2
    scene = replace(method._scene(step_at(0)), logits=(mask * 2 - 1) * 40, saturation=torch.full((8,), 0.5))
    loss, _ = method._structure(scene, step_at(0))
    assert loss.item() == pytest.approx(3 * 0.25 + 5 * 8 / 48 + 7 * 0.5, rel=1e-5)


def test_area_and_binarization_look_at_the_shifted_mask_where_asked():
    asked = settings(minimum_area=0.5, area_weight=3.0, binarize=1.0, border=5.0, leak=0.0, saturation=0.0)
    asked = replace(asked, objective=replace(asked.objective, binarize_until=0.0))
    before, after = (
        PerturbedSegmentation(replace(asked, objective=replace(asked.objective, shifted_mask=shifted)))
        for shifted in (False, True)
    )
    step = step_at(GROWN)
    mask = torch.zeros(8, 1, 16, 16)
    mask[..., 4:12, :2] = 0.75  # at the left side, so that shifts to the left push it out of the picture
    scene = replace(before._scene(step), logits=mask.logit(eps=1e-7))
    moved = shift_whole(scene.mask, step.draws.uniform("shift", 2, low=-2.0, high=2.0).round())
    assert moved.mean() < 0.9 * scene.mask.mean()
    (plain, logs), (loss, same) = (method._structure(scene, step) for method in (before, after))
    terms = [3 * (0.5 - m.mean()) + torch.minimum(m, 1 - m).mean() for m in (scene.mask, moved)]
    torch.testing.assert_close(loss - plain, terms[1] - terms[0])
    assert logs.keys() == same.keys() and all(torch.equal(logs[name], same[name]) for name in logs)


def test_training_mixes_styles_where_asked():
    plain, mixed, none = (
        stirred(PerturbedSegmentation(replace(settings(), generator=replace(GENERATOR, style_mixing=share))))
        for share in (0.0, 1.0, 1e-9)
    )
    scenes = [method._scene(step_at(GROWN)) for method in (plain, mixed, none)]
    assert ((scenes[0].background - scenes[1].background).abs().amax((1, 2, 3)) > 0).all()
    torch.testing.assert_close(scenes[0].background, scenes[2].background)


# Perturbation


def assert_same_where(chosen, picture, wanted):
    torch.testing.assert_close(picture.where(chosen, 0), wanted.where(chosen, 0), atol=1e-6, rtol=0)


def marked_scene(method, step):
    """Scenes with a crisp 4 x 4 object in the middle, pixels of every layer all different."""
    size, count = 16, 8
    mask = torch.zeros(count, 1, size, size)
    mask[..., 6:10, 6:10] = 1
    pixels = torch.arange(3 * size * size).view(1, 3, size, size) / (3 * size * size) / 2
    return replace(
        method._scene(step),
        background=pixels.expand(count, -1, -1, -1),
        foreground=0.5 + pixels.flip(1).expand(count, -1, -1, -1),  # above 0.5: object and background cannot be taken
        logits=(mask * 2 - 1) * 100,  # for each other
    )


def test_without_shift_and_contrast_the_picture_is_the_plain_composite():
    method = PerturbedSegmentation(perturbing(settings(), shift=0.0, background_contrast=0.0))
    for number in range(5):
        step = step_at(GROWN, number)
        scene = method._scene(step)
        assert torch.equal(method._perturbed(scene, step), scene.picture)


def test_shift_zero_never_moves_the_object():
    method = PerturbedSegmentation(perturbing(settings(), shift=0.0))
    scene = marked_scene(method, step_at(GROWN))
    for number in range(5):
        picture = method._perturbed(scene, step_at(GROWN, number))
        inside = scene.mask > 0.5
        assert_same_where(inside, picture, scene.foreground)


def test_a_shift_moves_object_and_mask_together_and_never_the_background():
    method = PerturbedSegmentation(perturbing(settings(), shift=0.25, background_contrast=0.0))
    seen = set()
    for number in range(4):
        step = step_at(GROWN, number)
        scene = marked_scene(method, step)
        picture = method._perturbed(scene, step)
        inside = picture.amin(1, keepdim=True) >= 0.5  # where the object is now
        assert (inside.sum((1, 2, 3)) == 16).all()
        assert_same_where(~inside, picture, scene.background)
        corner = torch.stack([inside.any(2)[:, 0].int().argmax(1), inside.any(3)[:, 0].int().argmax(1)], 1)
        offset = corner - 6
        assert offset.abs().max() <= 4
        moved = shift_whole(scene.foreground, offset)
        assert_same_where(inside, picture, moved)
        seen |= {tuple(pair) for pair in offset.tolist()}
    assert len(seen) > 10 and any(x for x, _ in seen) and any(y for _, y in seen)  # each image by its own offset


def test_contrast_changes_the_background_alone():
    method = PerturbedSegmentation(perturbing(settings(), shift=0.0, background_contrast=0.5))
    step = step_at(GROWN)
    scene = marked_scene(method, step)
    picture, inside = method._perturbed(scene, step), scene.mask > 0.5
    assert_same_where(inside, picture, scene.foreground)
    outside = (picture - scene.background).where(~inside, 0)
    assert (outside.abs().amax((1, 2, 3)) > 1e-3).all()


def test_real_images_show_a_window_of_a_larger_frame():
    config = perturbing(settings(), real_frame=1.5, flip=False)
    method, images = PerturbedSegmentation(config), batch()
    real = method._real(images, step_at(GROWN))  # 24 px photos: a frame of 24, windows of 16
    windows = images.images.unfold(2, 16, 1).unfold(3, 16, 1)  # [batch, 3, 9, 9, 16, 16]
    found = (windows == real[:, :, None, None]).all((1, 4, 5)).flatten(1)
    assert found.any(1).all() and len({tuple(row.nonzero().flatten().tolist()) for row in found}) > 2


def test_real_and_made_images_get_the_very_same_color_change():
    method = PerturbedSegmentation(perturbing(settings(), color=1.0, color_chance=1.0))
    step, images = step_at(GROWN), batch().images
    assert torch.equal(method._seen(images, step), method._seen(images.clone(), step))
    assert not torch.equal(method._seen(images, step), images)
    plain = PerturbedSegmentation(perturbing(settings(), color=0.0))
    assert plain._seen(images, step) is images


def test_real_and_made_images_are_moved_and_mirrored_alike_and_only_where_asked():
    step, images = step_at(GROWN), batch().images
    for asked in ({"translation": 0.25, "translation_chance": 1.0}, {"mirror": 0.5}):
        method = PerturbedSegmentation(perturbing(settings(), color=0.0, **asked))
        seen = method._seen(images, step)
        assert torch.equal(seen, method._seen(images.clone(), step))
        assert (seen != images).any() and set(seen.flatten().tolist()) <= set(images.flatten().tolist())
    assert (seen != images).any(3).any(2).any(1).sum() < len(images)  # some are mirrored, some not
    rest = PerturbedSegmentation(perturbing(settings(), color=0.0, **asked))._seen(
        images[4:], step_at(GROWN, first=4, count=4)
    )
    assert torch.equal(rest, seen[4:])  # a rank with the second half of the batch


def test_every_phase_sees_moved_images(monkeypatch):
    method = PerturbedSegmentation(perturbing(settings(updates="alternating"), translation=0.25))
    calls = []
    monkeypatch.setattr(perturbed, "change_place", lambda images, *rest, **named: calls.append(len(images)) or images)
    for phase in method.phases:
        method.compute(phase, batch(), step_at(0))
    assert calls == [8, 8] * 3  # real and fake, for the discriminator, the penalty and the generator


def test_previews_show_layers_and_fit_any_number_of_pictures():
    method = PerturbedSegmentation(settings())
    with Batches(photos(), 8, 0, prefetch=False) as batches:
        real = batches.evenly(4)
    pictures = method.preview(method.networks, real, step_at(GROWN, batch=4))
    assert pictures["layers"].shape == (16, 3, 16, 16)
    assert pictures["shifted"].shape == pictures["real"].shape == (4, 3, 16, 16)
    again = method.preview(method.networks, real, step_at(GROWN, batch=4))
    assert torch.equal(pictures["layers"], again["layers"])
    assert all(p.min() >= 0 and p.max() <= 1 for p in pictures.values())


def test_a_batch_of_one_image_logs_finite_numbers():
    method = PerturbedSegmentation(settings())
    with Batches(photos(), 1, 0, prefetch=False) as batches:
        one = batches.at(0)
    for phase in method.phases:
        update = method.compute(phase, one, step_at(0, batch=1))
        assert all(torch.isfinite(value) for value in update.logs.values()), update.logs
