"""The segmenter: files, and masks for images of any size."""

import json

import jaxtyping
import numpy as np
import pytest
import torch
from safetensors.torch import save

from genstruct.errors import CheckpointError, ShapeError
from genstruct.nn.unet import UNet
from genstruct.run.weights import FORMAT, encode_weights, fingerprint_of, read_weights
from genstruct.segmentation.segmenter import KIND, LONGEST, RUN_FILE, Segmenter, limited, working_size

SIZES = [(16, 16), (9, 23), (40, 12), (1, 1), (1, 30), (200, 3), (5, 7)]


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    network = UNet(3, 1, (8, 8))
    with torch.no_grad():
        network.head.weight *= 5  # masks that are not grey all over
    return Segmenter(network, 16, {"data": "noise", "scores": {"iou": 0.5}})


def images(*sizes, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [torch.rand(3, *size, generator=rng) for size in sizes]


def described(weight=0.0, **changes):
    """A small file of one weight that says of itself what a segmenter's says, with changes."""
    about = {
        "kind": "genstruct segmenter",
        "format": FORMAT,
        "widths": [8, 8],
        "size": 16,
        "card": {},
        "fingerprint": "f",
    }
    return save({"head.bias": torch.tensor([weight])}, {"genstruct": json.dumps(about | changes)})


# Files


def test_a_file_gives_back_the_same_segmenter(segmenter, tmp_path):
    (tmp_path / "cars.safetensors").write_bytes(segmenter.encode())
    loaded = Segmenter.load(tmp_path / "cars.safetensors", "cpu")
    assert (loaded.size, loaded.card, loaded.fingerprint) == (16, segmenter.card, segmenter.fingerprint)
    for a, b in zip(loaded.network.state_dict().values(), segmenter.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert loaded.encode() == segmenter.encode()


def test_half_precision_halves_the_file_and_hardly_changes_masks(segmenter, tmp_path):
    half = segmenter.encode(half=True)
    assert len(half) < 0.75 * len(segmenter.encode())  # the description stays
    (tmp_path / RUN_FILE).write_bytes(half)
    loaded = Segmenter.load(tmp_path, "cpu")  # the folder of a run means its file
    for a, b in zip(loaded.predict(images(*SIZES)), segmenter.predict(images(*SIZES)), strict=True):
        torch.testing.assert_close(a, b, atol=0.01, rtol=0)


def test_the_fingerprint_is_that_of_the_weights(segmenter):
    other = UNet(3, 1, (8, 8))
    other.load_state_dict(segmenter.network.state_dict())
    assert fingerprint_of(other) == segmenter.fingerprint
    with torch.no_grad():
        other.head.bias += 1e-3
    assert fingerprint_of(other) != segmenter.fingerprint


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (described()[:-3], "not a readable safetensors file"),
        (b"", "not a readable safetensors file"),
        (b"\x89PNG" + bytes(100), "not a readable safetensors file"),
        (described(kind="genstruct inverter"), "holds a genstruct inverter, but this needs a genstruct segmenter"),
        (save({"w": torch.zeros(1)}), "holds weights of another program"),
        (save({"w": torch.zeros(1)}, {"genstruct": "[1]"}), "holds weights of another program"),
        (described(format=FORMAT + 1), f"format {FORMAT + 1}, this version reads up to {FORMAT}; update genstruct"),
        (described(), "do not fit its description"),
        (save({"w": torch.zeros(1)}, {"genstruct": '{"kind": "genstruct segmenter", "format": 1}'}), "do not fit"),
        (described(format="1"), "its format is not known"),
        (described(weight=float("nan")), "weights are not finite"),
    ],
)
def test_files_that_are_no_segmenter_say_what_is_wrong(contents, message, tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(contents)
    with pytest.raises(CheckpointError, match=message) as error:
        Segmenter.load(file, "cpu")
    assert str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": "large"}, "it is damaged"),
        ({"size": 0}, "has size 0"),
        ({"widths": "abc"}, "do not fit its description"),
        ({"card": [1]}, "do not fit its description"),
        (
            {"card": {"refine_threshold": 7.0}},
            r"holds wrong settings \(threshold: expected float above 0 and below 1, got 7.0\)",
        ),
        ({"card": {"threshold": 1.0}}, "thresholds"),
        ({"card": {"label_threshold": "high"}}, r"holds wrong settings \(threshold"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused_when_the_file_is_read(segmenter, wrong, message, tmp_path):
    about = {"kind": KIND, "widths": [8, 8], "size": 16, "card": {}, "fingerprint": "0"}
    (tmp_path / "m").write_bytes(encode_weights(segmenter.network, {**about, **wrong}))
    with pytest.raises(CheckpointError, match=message):
        Segmenter.load(tmp_path / "m", "cpu")


def test_a_missing_file_and_an_unfinished_run_say_so(tmp_path):
    with pytest.raises(CheckpointError, match=r"no such file$"):
        Segmenter.load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match=r"segmenter\.safetensors: no such file; is its training finished\?"):
        Segmenter.load(tmp_path)


def test_tensors_can_be_read_without_building_the_network(segmenter, tmp_path):
    (tmp_path / "m").write_bytes(segmenter.encode())
    weights, about = read_weights(tmp_path / "m", KIND)
    assert weights.keys() == segmenter.network.state_dict().keys() and about["size"] == 16


# Prediction


@pytest.mark.parametrize("refine", [False, True])
def test_masks_have_the_sizes_of_their_images_and_lie_in_range(segmenter, refine):
    masks = segmenter.predict(images(*SIZES), refine=refine)
    assert [tuple(mask.shape) for mask in masks] == [(1, *size) for size in SIZES]
    assert all(torch.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1 for mask in masks)
    assert not any(mask.requires_grad for mask in masks)


@pytest.mark.parametrize("refine", [False, True])
def test_one_call_on_a_list_equals_calls_one_by_one(segmenter, refine):
    mixed = images(*SIZES, *SIZES[:3], seed=1)  # some sizes twice, in another place of the list
    together = segmenter.predict(mixed, refine=refine)
    for image, mask in zip(mixed, together, strict=True):
        torch.testing.assert_close(segmenter.predict([image], refine=refine)[0], mask, atol=1e-4, rtol=0)


def test_a_batch_and_an_empty_list_are_lists_too(segmenter):
    batch = torch.stack(images((8, 8), (8, 8)))
    for a, b in zip(segmenter.predict(batch), segmenter.predict(list(batch)), strict=True):
        assert torch.equal(a, b)
    assert segmenter.predict([]) == []


def test_a_mirrored_image_gets_the_mirrored_mask(segmenter):
    (image,) = images((16, 20))
    one, other = segmenter.predict([image, image.flip(-1)])
    torch.testing.assert_close(one.flip(-1), other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8, 3), (3, 8), (3, 0, 8)])
def test_what_is_no_image_is_refused(segmenter, shape, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=r"an image must be \[3, height, width\]"):
        segmenter.predict([torch.zeros(3, 8, 8), torch.zeros(shape)])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(3, 8, 8), r"one image alone is a batch of one: image\[None\]"),
        ([torch.zeros(3, 8, 8, dtype=torch.uint8)], r"got torch\.uint8; bytes need \.float\(\) / 255"),
        (torch.full((1, 3, 8, 8), 255.0), r"values in \[0, 1\], got 255 to 255"),
        ([torch.full((3, 8, 8), -1.0)], r"values in \[0, 1\], got -1 to -1"),
        ([torch.full((3, 8, 8), torch.nan)], r"values in \[0, 1\], got nan to nan"),
        ([np.zeros((3, 8, 8), np.float32)], r"must be a tensor \[3, height, width\], got ndarray"),
    ],
)
def test_bytes_other_ranges_and_arrays_are_refused_rather_than_masked_wrongly(segmenter, wrong, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match=message):
        segmenter.predict(wrong)


def test_any_float_type_gives_the_same_masks(segmenter):
    batch = images((9, 12), (9, 12))
    wanted = segmenter.predict(batch)
    for given in (torch.stack(batch).double(), [batch[0].double(), batch[1]]):
        for mask, other in zip(segmenter.predict(given), wanted, strict=True):
            torch.testing.assert_close(mask, other)


def test_the_shorter_side_is_brought_to_the_working_size_and_the_longer_is_limited():
    assert working_size((100, 100), 32) == (32, 32)
    assert working_size((100, 200), 32) == (32, 64)
    assert working_size((10, 5), 32) == (64, 32)
    assert working_size((1000, 1), 32) == (LONGEST * 32, 32)
    assert limited((100, 400), 200) == (50, 200)
    assert limited((3, 4000), 200) == (1, 200)
    assert limited((30, 40), 200) == (30, 40)
