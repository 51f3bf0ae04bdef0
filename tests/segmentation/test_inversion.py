"""Inversion: codes of pictures that the generator made are found again, and a photo's code improves on itself."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save
from tiny_perturbed import GENERATOR, TRAIN, photos, step_at

from genstruct.data.batches import Batches
from genstruct.errors import CheckpointError, ConfigError
from genstruct.nn.discriminator import Discriminator
from genstruct.pixels import resized
from genstruct.run.weights import FORMAT, read_weights
from genstruct.segmentation.inversion import (
    Inversion,
    reconstruction,
    refine_codes,
    style_encoder,
    styles_of,
)
from genstruct.segmentation.invert import KIND, RUN_FILE, Inverter
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.learning_config import InvertConfig
from genstruct.train.trainer import Trainer

CONFIG = InvertConfig(images=80, batch=8, widths=(16, 12, 8), steps=20)
SIZES = [(16, 16), (9, 23), (1, 1), (200, 3)]


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return LayeredGenerator(GENERATOR).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def inverter(generator):
    torch.manual_seed(1)
    encoder = style_encoder(16, CONFIG.widths, generator)
    encoder.measure(generator)
    return Inverter(encoder, generator, GENERATOR, CONFIG, {"data": "noise"})


def fakes(encoder, generator, count=6):
    """Pictures of the generator and their codes."""
    codes = encoder.code(styles_of(generator, torch.randn(count, generator.latent_size)))
    return encoder.decode(codes, generator).picture, codes


def trainer(out, generator, config=CONFIG, size=16):
    train = replace(TRAIN, images=config.images)
    batches = Batches(photos(), train.batch, train.seed, prefetch=False)
    return Trainer(Inversion(generator, size, config), batches, train, out)


# Codes


def test_codes_are_styles_in_units_of_their_spread(inverter, generator):
    encoder = inverter.encoder
    _, codes = fakes(encoder, generator, 2000)
    torch.testing.assert_close(codes.mean(0), torch.zeros(16), atol=0.15, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.ones(16), atol=0.15, rtol=0)


def test_a_code_makes_the_picture_that_its_latent_makes(inverter, generator):
    z = torch.randn(3, generator.latent_size)
    scene = inverter.encoder.decode(inverter.encoder.code(styles_of(generator, z)), generator)
    torch.testing.assert_close(scene.picture, generator(z, 16).picture, atol=1e-5, rtol=0)
    torch.testing.assert_close(scene.mask, generator(z, 16).mask, atol=1e-5, rtol=0)


def test_reconstruction_is_the_mean_of_fine_and_coarse_differences():
    flat, checkers = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.5)
    checkers[..., ::2] += 0.2
    checkers[..., 1::2] -= 0.2
    assert reconstruction(flat, flat).item() == 0
    torch.testing.assert_close(reconstruction(flat + 0.2, flat), torch.tensor([0.2]))
    torch.testing.assert_close(reconstruction(checkers, flat), torch.tensor([0.1]))  # nothing is wrong coarsely


# Refinement


def test_refinement_brings_pictures_nearer_and_each_on_its_own(inverter, generator):
    encoder = inverter.encoder
    pictures, codes = fakes(encoder, generator)
    start = codes + 0.7 * torch.randn_like(codes)
    found = refine_codes(encoder, generator, pictures, start, steps=25)
    before, after = (reconstruction(encoder.decode(c, generator).picture, pictures) for c in (start, found))
    assert (after < 0.6 * before).all()
    alone = refine_codes(encoder, generator, pictures[2:3], start[2:3], steps=25)
    torch.testing.assert_close(alone, found[2:3], atol=1e-3, rtol=0)
    assert torch.equal(refine_codes(encoder, generator, pictures, start, steps=0), start)


def test_refinement_works_where_gradients_are_off(inverter, generator):
    pictures, codes = fakes(inverter.encoder, generator, 2)
    with torch.no_grad():
        found = refine_codes(inverter.encoder, generator, pictures, codes + 1, steps=2)
    assert not found.requires_grad and not torch.equal(found, codes + 1)


# Training


def test_the_encoder_learns_codes_and_reconstructions(tmp_path, generator):
    run = trainer(tmp_path, generator, replace(CONFIG, images=480, lr=5e-3, prior=0.0), size=8)
    method, (images, known) = run.method, fakes(run.method.networks["encoder"], generator, 64)

    def errors():
        with torch.no_grad():
            codes = method.networks["encoder"](images)
            rebuilt = method.networks["encoder"].decode(codes, generator).picture
        return (codes - known).square().mean().item(), reconstruction(rebuilt, images).mean().item()

    before = errors()
    run.run()
    after = errors()
    assert after[0] < 0.9 * before[0] and after[1] < 0.9 * before[1]


def test_only_the_encoder_learns(generator):
    torch.manual_seed(0)
    discriminator = Discriminator({4: 8, 8: 8, 16: 8})
    method = Inversion(generator, 16, replace(CONFIG, features=0.5), discriminator)
    with Batches(photos(), 8, 0, prefetch=False) as batches:
        update = method.compute(method.phases[0], batches.at(0), step_at(0))
        plain = Inversion(generator, 16, CONFIG).compute(method.phases[0], batches.at(0), step_at(0))
    update.loss.backward()
    assert update.loss > plain.loss  # the features have their say
    assert all(p.grad is not None for p in method.networks.parameters())
    assert all(p.grad is None for net in (generator, discriminator) for p in net.parameters())
    assert set(update.logs) == {"reconstruction", "code", "code_size", "mask_area"}


def test_features_need_a_discriminator_and_every_resolution_its_width(generator):
    with pytest.raises(ConfigError, match=r"invert\.features needs the discriminator"):
        Inversion(generator, 16, replace(CONFIG, features=0.5))
    with pytest.raises(ConfigError, match=r"invert\.widths needs 3 entries \(4 to 16 px\), got 2"):
        Inversion(generator, 16, replace(CONFIG, widths=(8, 8)))


def test_previews_show_pictures_and_photos_what_they_are_taken_for_and_masks(generator):
    method = Inversion(generator, 16, CONFIG)
    with Batches(photos(), 4, 0, prefetch=False) as batches:
        shown = method.preview(method.networks, batches.evenly(4), step_at(0, batch=4))
    assert {name: tuple(rows.shape) for name, rows in shown.items()} == dict.fromkeys(
        ("inverted", "inverted_photos"), (12, 3, 16, 16)
    )
    assert torch.equal(shown["inverted_photos"][0], resized(batches.evenly(4).images, (16, 16))[0])


# Files and prediction


def test_a_file_gives_back_the_same_inverter(inverter, tmp_path):
    (tmp_path / RUN_FILE).write_bytes(inverter.encode())
    loaded = Inverter.load(tmp_path, "cpu")
    assert (loaded.card, loaded.fingerprint, loaded.config, loaded.settings) == (
        inverter.card,
        inverter.fingerprint,
        CONFIG,
        GENERATOR,
    )
    assert loaded.encode() == inverter.encode()
    images = [torch.rand(3, *size) for size in SIZES]
    for a, b in zip(loaded.predict(images), inverter.predict(images), strict=True):
        assert torch.equal(a, b)


def test_half_precision_hardly_changes_masks(inverter, tmp_path):
    (tmp_path / "half").write_bytes(inverter.encode(half=True))
    images = torch.rand(2, 3, 16, 16)
    for a, b in zip(Inverter.load(tmp_path / "half", "cpu").predict(images), inverter.predict(images), strict=True):
        torch.testing.assert_close(a, b, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "genstruct segmenter"}, "needs a genstruct inverter"),
        ({"format": FORMAT + 1}, "update genstruct"),
        ({"config": {"new_setting": 1}}, "holds wrong settings"),
        ({"generator": {"size": 64}}, "holds wrong settings"),
        ({"card": None, "config": {}}, "do not fit its description"),  # an encoder of other widths
    ],
)
def test_files_that_are_no_inverter_say_what_is_wrong(inverter, change, message, tmp_path):
    contents = inverter.encode()
    (file := tmp_path / "model.safetensors").write_bytes(contents)
    _, about = read_weights(file, KIND)
    file.write_bytes(save(load(contents), {"genstruct": json.dumps(about | change)}))
    with pytest.raises(CheckpointError, match=message):
        Inverter.load(file, "cpu")


def test_a_run_without_this_stage_says_so(tmp_path):
    with pytest.raises(CheckpointError, match=r"inverter\.safetensors: no such file; .* was invert\.images above 0\?"):
        Inverter.load(tmp_path)


@pytest.mark.parametrize("refine", [False, True])
def test_masks_have_the_sizes_of_their_images_and_do_not_depend_on_each_other(inverter, refine):
    images = [torch.rand(3, *size) for size in SIZES]
    masks = inverter.predict(images, refine=refine)
    assert [tuple(mask.shape) for mask in masks] == [(1, *size) for size in SIZES]
    assert all(mask.min() >= 0 and mask.max() <= 1 and not mask.requires_grad for mask in masks)
    alone = inverter.predict(images[1:2], refine=refine)[0]
    torch.testing.assert_close(alone, masks[1], atol=1e-3, rtol=0)
    assert inverter.predict([]) == []


def test_refined_masks_of_made_pictures_are_nearer_to_the_truth(inverter, generator):
    z = torch.randn(8, generator.latent_size)
    scene = generator(z, 16)
    before, after = (torch.stack(inverter.predict(scene.picture, refine=r)) for r in (False, True))
    assert (after - scene.mask).abs().mean() < (before - scene.mask).abs().mean()
