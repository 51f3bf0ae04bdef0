import threading

import numpy as np
import pytest
import torch

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches, order
from genstruct.errors import ConfigError


def _archive(count=11, size=4, masks=False):
    """Image i is filled with i, its mask with 2 i."""
    values = np.arange(count, dtype=np.uint8)[:, None, None]
    images = np.broadcast_to(values[..., None], (count, size, size, 3)).copy()
    return Archive.from_arrays(images, np.broadcast_to(2 * values, (count, size, size)).copy() if masks else None)


def _indices(batches, steps):
    with batches:
        return torch.stack([batches.at(step).index for step in steps])


def test_every_image_comes_once_an_epoch():
    row = _indices(Batches(_archive(11), 4, seed=3), range(33)).flatten()  # 12 epochs of 11
    epochs = row.view(12, 11).sort(1).values
    assert torch.equal(epochs, torch.arange(11).expand(12, 11))


def test_epochs_and_seeds_are_shuffled_differently():
    rows = [tuple(order(50, seed, start, 50)) for seed in (0, 1, -1) for start in (0, 50, 100)]
    assert len(set(rows)) == 9
    assert tuple(range(50)) not in rows


def test_places_are_uniform_over_seeds():
    # Over 1000 seeds each of 5 images is first 200 times, give or take 13 (one standard deviation).
    first = np.bincount([order(5, seed, 0, 1)[0] for seed in range(1000)], minlength=5)
    assert np.abs(first - 200).max() < 50


def test_the_order_is_the_same_for_ever():
    # From this implementation on the day it was written: a change would silently alter every resumed run.
    assert order(10, 0, 0, 10).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]


@pytest.mark.parametrize("world", [1, 2, 3, 4, 6, 12])
def test_the_ranks_together_hold_what_one_rank_would(world):
    whole = _indices(Batches(_archive(), 12, seed=5), range(7))
    parts = [_indices(Batches(_archive(), 12, seed=5, rank=rank, world=world), range(7)) for rank in range(world)]
    assert torch.equal(torch.cat(parts, 1), whole)


def test_any_step_can_be_asked_for_in_any_order():
    whole = _indices(Batches(_archive(), 5, seed=5), range(20))
    steps = [19, 3, 4, 4, 0, 7, 6]
    assert torch.equal(_indices(Batches(_archive(), 5, seed=5), steps), whole[steps])


def test_reading_ahead_changes_nothing():
    with (
        Batches(_archive(masks=True), 5, 2, prefetch=True) as ahead,
        Batches(_archive(masks=True), 5, 2, prefetch=False) as plain,
    ):
        for step in (0, 1, 2, 9, 10, 4):
            one, other = ahead.at(step), plain.at(step)
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.index, other.index)
            assert torch.equal(one.masks, other.masks)


def test_rows_carry_their_own_pixels_and_masks():
    with Batches(_archive(masks=True), 6, seed=1) as batches:
        sample = batches.at(4)
    assert sample.images.shape == (6, 3, 4, 4)
    assert sample.images.dtype == torch.float32
    assert sample.images.is_contiguous(memory_format=torch.channels_last)
    assert sample.masks.shape == (6, 1, 4, 4)
    expected = sample.index.float()[:, None, None, None]
    torch.testing.assert_close(sample.images * 255, expected.expand(6, 3, 4, 4))
    torch.testing.assert_close(sample.masks * 255, 2 * expected.expand(6, 1, 4, 4))


def test_pixels_are_laid_out_as_in_the_file():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    with Batches(Archive.from_arrays(pixels), 3, seed=0) as batches:
        sample = batches.at(0)
    expected = torch.from_numpy(pixels[sample.index.numpy()]).permute(0, 3, 1, 2) / 255
    assert torch.equal(sample.images, expected)
    assert sample.images.max() <= 1


def test_without_masks_there_are_none():
    with Batches(_archive(), 2, seed=0) as batches:
        assert batches.at(0).masks is None


def test_a_batch_may_exceed_the_set():
    row = _indices(Batches(_archive(3), 8, seed=0), range(3)).flatten()
    assert torch.equal(row.view(8, 3).sort(1).values, torch.arange(3).expand(8, 3))
    assert _indices(Batches(_archive(1), 4, seed=0), [0, 9]).tolist() == [[0] * 4] * 2


def test_another_seed_takes_effect_at_once_even_after_reading_ahead():
    whole = _indices(Batches(_archive(), 5, seed=8), range(4))
    with Batches(_archive(), 5, seed=7) as batches:
        batches.at(1)  # step 2 of seed 7 is being read now
        batches.reseed(8)
        assert torch.equal(batches.at(2).index, whole[2])


def test_closing_stops_the_thread():
    batches = Batches(_archive(), 5, seed=0)
    batches.at(0)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    batches.close()
    batches.close()
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


@pytest.mark.parametrize(("batch", "world"), [(0, 1), (-4, 2), (5, 2)])
def test_a_batch_that_ranks_cannot_share_is_refused(batch, world):
    with pytest.raises(ConfigError, match=f"a batch of {batch} cannot be shared by {world} ranks"):
        Batches(_archive(), batch, seed=0, world=world)


def test_an_error_while_reading_ahead_arrives_with_its_step():
    class Failing(np.ndarray):
        def __getitem__(self, key):
            raise OSError("the disk is gone")

    with Batches(_archive(), 2, seed=0) as batches:
        batches.at(0)
        object.__setattr__(batches.archive, "images", batches.archive.images.view(Failing))
        with pytest.raises(OSError, match="the disk is gone"):
            batches.at(5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_receives_the_same_rows():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    with Batches(Archive.from_arrays(pixels), 16, 1, "cuda") as gpu, Batches(Archive.from_arrays(pixels), 16, 1) as cpu:
        for step in range(5):
            torch.testing.assert_close(gpu.at(step).images.cpu(), cpu.at(step).images)


def _fields(count=11):
    return {"labels": np.arange(count) % 3, "pose": np.arange(2 * count, dtype=np.float32).reshape(count, 2)}


@pytest.mark.parametrize("prefetch", [False, True])
def test_labels_and_fields_arrive_with_their_images(tmp_path, prefetch):
    archive = Archive.from_arrays(_archive().images, fields=_fields())
    with Batches(archive, 4, seed=1, prefetch=prefetch) as batches:
        for step in range(4):
            sample = batches.at(step)
            number = sample.index
            assert torch.equal(sample.labels, number % 3)
            assert torch.equal(sample.fields["pose"], torch.stack([2 * number, 2 * number + 1], 1).float())
            assert set(sample.fields) == {"pose"}


def test_without_labels_and_fields_there_are_none():
    sample = Batches(_archive(), 4, seed=1, prefetch=False).at(0)
    assert sample.labels is None and sample.fields == {}


def test_images_for_previews_are_spread_over_the_set_and_always_the_same():
    with Batches(_archive(11, masks=True), 4, seed=1) as batches:
        batches.at(0)
        first = batches.evenly(4)
        assert first.index.tolist() == [0, 2, 5, 8]
        assert torch.equal((first.images[:, 0, 0, 0] * 255).round().long(), first.index)
        assert torch.equal((first.masks[:, 0, 0, 0] * 255).round().long(), 2 * first.index)
        batches.reseed(7)
        assert torch.equal(batches.evenly(4).index, first.index)
        assert batches.evenly(16).index.tolist() == [11 * i // 16 for i in range(16)]
        assert torch.equal(batches.at(1).index, torch.from_numpy(order(11, 7, 4, 4)))
