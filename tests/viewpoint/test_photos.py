"""Photos and masks become crops, and what cannot be used says why."""

import numpy as np
import pytest
import torch

from genstruct.data.sources import open_masks, open_source
from genstruct.errors import DataError
from genstruct.export.images import write_png
from genstruct.viewpoint.photos import FEWEST, cut_photos, photos_key

COUNT = FEWEST + 8


@pytest.fixture
def folders(tmp_path):
    """Photos of a bright box at another place each, and masks named like them."""
    rng = np.random.default_rng(0)
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir(), masks.mkdir()
    for number in range(COUNT):
        left, top = rng.integers(4, 20, 2)
        mask = np.zeros((48, 64), np.uint8)
        mask[top : top + 16, left : left + 24] = 255
        image = rng.integers(0, 90, (48, 64, 3), np.uint8)
        image[mask > 0] += 150
        write_png(photos / f"{number:02}.png", image)
        write_png(masks / f"{number:02}.png", mask)
    return photos, masks


def cut(folders, size=32):
    with open_source(str(folders[0])) as photos, open_masks(str(folders[1]), predicted=True) as masks:
        return cut_photos(photos, masks, size)


def test_each_object_fills_its_crop(folders):
    photos = cut(folders)
    assert len(photos) == COUNT and not photos.failed
    assert photos.names[3] == "03.png" and photos.sizes[3].tolist() == [64, 48]
    inside = photos.crops.masks > 0.5
    assert (inside.any(-2).sum(-1) - 32 / 1.12).abs().max() <= 1.5
    assert photos.crops.images[inside.expand(-1, 3, -1, -1)].mean() > 0.7
    assert (photos.crops.images * 255 - (photos.crops.images * 255).round()).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda masks: (masks / "05.png").unlink(), "no mask of its name"),
        (lambda masks: write_png(masks / "05.png", np.zeros((48, 64), np.uint8)), "its mask is empty"),
        (lambda masks: write_png(masks / "05.png", np.full((48, 64), 255, np.uint8)), "covers 100.0% of the photo"),
        (lambda masks: write_png(masks / "05.png", np.eye(64, dtype=np.uint8) * 255), "another picture's?"),
        (lambda masks: (masks / "05.png").write_bytes(b"\x89PNG"), "its mask 05.png: not an image"),
    ],
)
def test_a_photo_with_a_bad_mask_is_left_out_and_says_why(folders, change, why):
    change(folders[1])
    photos = cut(folders)
    assert len(photos) == COUNT - 1 and "05.png" not in photos.names
    (failure,) = photos.failed
    assert failure.name == "05.png" and why in failure.why


def test_a_broken_photo_is_left_out(folders):
    (folders[0] / "07.png").write_bytes(b"no picture")
    (failure,) = cut(folders).failed
    assert failure.name == "07.png"


def test_copies_of_a_photo_are_set_apart(folders):
    for place in folders:
        (place / "90.png").write_bytes((place / "05.png").read_bytes())
    photos = cut(folders)
    assert len(photos) == COUNT and photos.twins == {"90.png": "05.png"}


def test_the_same_object_at_another_place_is_no_copy_since_its_camera_is_another(folders):
    for folder in folders:  # a wider photo: the crop is the same, its place is not
        pixels = _read(folder / "05.png")
        wide = np.pad(pixels, [(0, 0), (64, 64), (0, 0)][: pixels.ndim], "edge")
        write_png(folder / "90.png", wide)
    photos = cut(folders)
    assert not photos.twins and len(photos) == COUNT + 1
    assert photos.crops.squares[-1, 0] - photos.crops.squares[5, 0] == pytest.approx(64, abs=0.1)


def test_a_mask_of_another_size_but_the_same_shape_is_resized(folders):
    write_png(folders[1] / "05.png", np.kron(_read(folders[1] / "05.png"), np.ones((2, 2), np.uint8)))
    assert torch.allclose(cut(folders).crops.squares[5, 2], cut(folders).crops.squares[4, 2], atol=0.6)


def _read(path):
    from PIL import Image

    return np.asarray(Image.open(path))


def test_too_few_photos_are_refused_with_the_first_reasons(folders):
    for number in range(FEWEST, COUNT):
        (folders[1] / f"{number:02}.png").unlink()
    (folders[1] / "00.png").unlink()
    with pytest.raises(DataError, match=f"{FEWEST - 1} of {COUNT} photos can be used.*00.png: has no mask"):
        cut(folders)


def test_without_masks_an_ellipse_stands_for_the_object(folders):
    with open_source(str(folders[0])) as photos:
        made = cut_photos(photos, None, 32)
    assert len(made) == COUNT
    assert torch.allclose(made.crops.masks[0], made.crops.masks[1])


def test_the_key_follows_photos_masks_and_size(folders):
    def key(size=32):
        with open_source(str(folders[0])) as photos, open_masks(str(folders[1]), predicted=True) as masks:
            return photos_key(photos, masks, size)

    before = key()
    assert key() == before and key(64) != before
    write_png(folders[1] / "05.png", np.full((48, 64), 255, np.uint8))
    assert key() != before
