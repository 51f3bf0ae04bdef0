"""Learning from made masks, and pseudo-labels."""

from dataclasses import replace

import pytest
import torch
from tiny_perturbed import photos, step_at

from genstruct.data.sample import Sample
from genstruct.errors import ShapeError
from genstruct.losses.segmentation import cross_entropy, soft_jaccard
from genstruct.nn.unet import UNet
from genstruct.pixels import to_unit
from genstruct.segmentation.labels import (
    CONFIDENCE,
    LABELS,
    Labels,
    calibrate,
    label,
    load_labels,
    save_labels,
)
from genstruct.segmentation.learning_config import MaskLearningConfig
from genstruct.segmentation.segmenter import Segmenter
from genstruct.segmentation.supervise import (
    MaskLearning,
    enlarged,
    neighbors,
    paste,
    turned,
    with_surroundings,
)

PLAIN = MaskLearningConfig(zoom=1.0, shrink=1.0, paste=0.0, texture=0.0, color=0.0)


def network():
    torch.manual_seed(0)
    return UNet(3, 1, (8, 8))


def batch(count=8, size=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, size, size, generator=rng)
    return Sample(images, torch.arange(count), (torch.rand(count, 1, size, size, generator=rng) > 0.7).float())


def loss_of(method, sample, number=0):
    return method.compute(method.phases[0], sample, step_at(0, number, batch=len(sample.images))).loss


def test_images_of_weight_zero_are_ignored():
    weights = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 1])
    method, sample = MaskLearning(network(), 16, MaskLearningConfig(blur=0.5), weights), batch()
    assert sample.masks is not None
    unused = (weights == 0)[:, None, None, None]
    other = replace(
        sample, images=sample.images.where(~unused, 0.3), masks=torch.where(unused, 1 - sample.masks, sample.masks)
    )
    first, second = loss_of(method, sample), loss_of(method, other)
    torch.testing.assert_close(first, second)
    assert not torch.isclose(first, loss_of(MaskLearning(network(), 16, MaskLearningConfig(blur=0.5)), other))


def test_weights_belong_to_images_by_their_index():
    weights = torch.zeros(100)
    weights[42] = 1
    method, sample = MaskLearning(network(), 16, PLAIN, weights), batch(2)
    alone = loss_of(method, replace(sample, index=torch.tensor([42, 7])))
    assert alone > 0 and loss_of(method, replace(sample, index=torch.tensor([3, 7]))) == 0
    both = loss_of(MaskLearning(network(), 16, PLAIN, torch.ones(100)), replace(sample, index=torch.tensor([42, 7])))
    assert alone < both


def test_masks_move_with_their_images():
    images = torch.rand(8, 1, 32, 32).round().expand(-1, 3, -1, -1)
    sample = Sample(images, torch.arange(8), images[:, :1])
    seen = []
    for number in range(6):
        method = MaskLearning(network(), 16, replace(PLAIN, zoom=1.5))
        view, masks, _ = method._view(sample, step_at(0, number))
        torch.testing.assert_close(view[:, :1], masks, atol=1e-5, rtol=0)
        seen.append(masks)
    assert not any(torch.equal(seen[0], other) for other in seen[1:])


def test_blur_leaves_masks_and_some_images_as_they_are():
    method, sample = MaskLearning(network(), 16, replace(PLAIN, blur=0.5)), batch(32)
    step = step_at(0, batch=32)
    images, masks, _ = method._view(sample, step)
    sharp, same, _ = MaskLearning(network(), 16, PLAIN)._view(sample, step)
    assert torch.equal(masks, same)
    kept = (images == sharp).flatten(1).all(1).float().mean()
    assert 0.2 < kept < 0.8


def test_a_segmenter_learns_what_it_is_shown():
    method, sample = MaskLearning(network(), 16, PLAIN), batch()
    bright = replace(sample, masks=(sample.images.mean(1, keepdim=True) > 0.5).float())
    adam = torch.optim.Adam(method.networks.parameters(), 0.02)
    losses = []
    for number in range(30):
        adam.zero_grad()
        loss = loss_of(method, bright, number)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_an_archive_without_masks_is_refused():
    with pytest.raises(ShapeError, match="needs an archive with masks"):
        loss_of(MaskLearning(network(), 16, PLAIN), replace(batch(), masks=None))


def test_previews_show_images_their_masks_and_those_found():
    method, sample = MaskLearning(network(), 16, PLAIN), batch(4)
    shown = method.preview(method.networks, sample, step_at(0, batch=4))["masks"]
    assert shown.shape == (12, 3, 16, 16)
    assert torch.equal(shown[:4], sample.images) and torch.equal(shown[4:8, 1:2], sample.masks)
    assert torch.equal(shown[8:, :1], method.networks["segmenter"](sample.images).sigmoid())


def test_empty_and_full_masks_are_a_collapse():
    method = MaskLearning(network(), 16, PLAIN)
    assert method.collapse_reason({"mask_area": 0.2}, step_at(0)) is None
    assert "0.000" in method.collapse_reason({"mask_area": 0.0001}, step_at(0))
    assert "0.990" in method.collapse_reason({"mask_area": 0.99}, step_at(0))


def test_the_rate_warms_up_and_ends_at_zero():
    method = MaskLearning(network(), 16, PLAIN)
    rates = [method.lr_multiplier("segmenter", step_at(images)) for images in (0, 8, 40, 80)]
    assert rates[0] == pytest.approx(0.05) and rates[1] > 0.9
    assert rates[2] == pytest.approx(0.5) and rates[3] == pytest.approx(0)


# Pseudo-labels


@pytest.fixture(scope="module")
def labels():
    seen = []
    made = label(Segmenter(network(), 16), photos(20, 24), batch=8, on_progress=lambda *at: seen.append(at))
    assert seen == [(8, 20), (16, 20), (20, 20)]
    return made


def test_every_photo_gets_a_label_of_its_own_size_and_a_confidence(labels):
    assert labels.archive.masks.shape == (20, 24, 24)
    assert labels.confidence.shape == (20,)
    assert (labels.confidence >= 0).all() and (labels.confidence <= 1 + 1e-5).all()
    assert (labels.archive.images == photos(20, 24).images).all()


def test_labels_do_not_depend_on_how_photos_are_batched(labels):
    again = label(Segmenter(network(), 16), photos(20, 24), batch=20)
    difference = abs(again.archive.masks.astype(int) - labels.archive.masks.astype(int))
    assert difference.max() <= 1  # rounding to bytes
    torch.testing.assert_close(again.confidence, labels.confidence, atol=1e-3, rtol=0)


def test_labels_come_back_from_their_folder(labels, tmp_path):
    assert load_labels(tmp_path / "round-1", photos(20, 24)) is None
    save_labels(tmp_path / "round-1", labels)
    read = load_labels(tmp_path / "round-1", photos(20, 24))
    assert (read.archive.masks == labels.archive.masks).all()
    assert torch.equal(read.confidence, labels.confidence)
    assert sorted(p.name for p in (tmp_path / "round-1").iterdir()) == ["confidence.npy", "labels.npy"]
    assert load_labels(tmp_path / "round-1", photos(19, 24)) is None  # of other photos
    whole = (tmp_path / "round-1" / LABELS).read_bytes()
    for cut in (whole[:50], whole[:500]):
        (tmp_path / "round-1" / LABELS).write_bytes(cut)
        assert load_labels(tmp_path / "round-1", photos(20, 24)) is None  # damaged labels are made again
    (tmp_path / "round-1" / CONFIDENCE).unlink()  # as if stopped between the two
    assert load_labels(tmp_path / "round-1", photos(20, 24)) is None


@pytest.mark.parametrize("keep", [0.25, 0.5, 0.9, 1.0])
def test_weights_keep_the_share_with_the_surest_labels(keep):
    confidence = torch.rand(40, generator=torch.Generator().manual_seed(0))
    weights = Labels(photos(20, 24), confidence).weights(keep)
    assert weights.sum().item() == pytest.approx(40 * keep, abs=1)
    assert set(weights.tolist()) <= {0.0, 1.0}
    if keep < 1:
        assert confidence[weights == 1].min() > confidence[weights == 0].max()


def test_surroundings_leave_the_picture_itself_in_the_middle():
    frame = torch.rand(2, 4, 20, 32)
    wide = with_surroundings(frame, 1.5)
    assert wide.shape[-2:] == (30, 48)
    assert torch.equal(wide[..., 5:-5, 8:-8], frame)
    assert torch.equal(wide[..., 4, 8:-8], frame[..., 1, :])  # mirrored about the edge
    assert with_surroundings(frame, 1.0) is frame


def test_an_object_on_another_photo_keeps_its_mask_and_the_other_object_does_not_count():
    view, other = torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 16, 16)
    view[0, :, 12:] = 1.0  # an object at the bottom; the other photo has one in its upper quarter and at the bottom
    other[0, :3], other[0, 3, :4], other[0, 3, 13:] = 0.5, 1.0, 1.0
    mixed, counted = paste(view, other)
    assert (mixed[0, :3, :12] == 0.5).all() and (mixed[0, :3, 12:] == 1).all()
    assert torch.equal(mixed[:, 3:], view[:, 3:])
    assert counted[0, 0].mean(1).tolist() == [0.0] * 6 + [1.0] * 5 + [0.0] + [1.0] * 4  # 2 rows of doubt about each


@pytest.mark.parametrize("share", [dict(paste=1.0), dict(texture=1.0)])
def test_objects_move_to_other_places_with_all_their_pixels(share):
    method, sample, step = MaskLearning(network(), 16, replace(PLAIN, **share)), batch(), step_at(0)
    there, same, counted = method._view(sample, step)
    here, masks, everywhere = MaskLearning(network(), 16, PLAIN)._view(sample, step)
    assert torch.equal(same, masks) and everywhere.min() == 1
    changed = (there - here).abs().amax(1, keepdim=True) > 1e-3
    assert not changed[masks == 1].any() and changed[masks == 0].float().mean() > 0.9
    assert counted[masks == 1].min() == 1
    assert (counted.min() == 0) == ("paste" in share)


def test_pixels_that_do_not_count_change_nothing():
    logits, target = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    counted = torch.ones(2, 1, 8, 8)
    counted[..., :3] = 0
    wrong = torch.where(counted > 0, target, 1 - target)
    for loss in (cross_entropy, soft_jaccard):
        torch.testing.assert_close(loss(logits, target, counted), loss(logits, wrong, counted))
        torch.testing.assert_close(loss(logits, target, torch.ones_like(target)), loss(logits, target))
        torch.testing.assert_close(loss(logits, target, counted), loss(logits[..., 3:], target[..., 3:]))


def test_neighbors_are_pairs_that_ranks_of_even_counts_do_not_part():
    assert neighbors(5, torch.device("cpu")).tolist() == [1, 0, 3, 2, 4]
    assert (neighbors(8, torch.device("cpu"))[4:] - 4).tolist() == neighbors(4, torch.device("cpu")).tolist()


def test_turned_and_enlarged_pictures_keep_their_middle():
    view = torch.rand(4, 4, 16, 16)
    turns = turned(view, torch.tensor([0, 1, 2, 3]))
    assert all(torch.equal(turns[k], torch.rot90(view[k], k, (1, 2))) for k in range(4))
    ramp = torch.arange(16.0).expand(1, 4, 16, 16) - 7.5  # zero in the middle
    torch.testing.assert_close(enlarged(ramp, 2.0), ramp / 2)
    assert torch.equal(enlarged(view, 1.0), view)


def test_masks_alone_have_the_area_that_refined_masks_have():
    segmenter, archive = Segmenter(network(), 16), photos(20, 24)
    segmenter.card = calibrate(segmenter, archive)
    images = to_unit(archive.images, segmenter.device)
    areas = [torch.stack(segmenter.predict(images, refine)).gt(0.5).float().mean() for refine in (False, True)]
    assert 0.02 < segmenter.card["threshold"] < 0.98
    torch.testing.assert_close(*areas, atol=0.005, rtol=0)
