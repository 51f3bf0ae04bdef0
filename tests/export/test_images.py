"""Bytes, files, grids."""

import stat

import numpy as np
import pytest
import torch
from PIL import Image

from genstruct.errors import OutputError, ShapeError
from genstruct.export.images import contact_sheet, cut_out, on_checkers, overlay, picture_grid, to_uint8, write_png


def test_bytes_are_rounded_and_clipped():
    values = torch.tensor([[-1.0, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 2.0]])
    assert to_uint8(values).tolist() == [[0, 0, 0, 1, 255, 255]]
    assert to_uint8(torch.zeros(1, 4, 5)).shape == (4, 5)
    assert to_uint8(torch.zeros(3, 4, 5)).shape == (4, 5, 3)
    with pytest.raises(ShapeError, match=r"\[2, 4, 5\]"):
        to_uint8(torch.zeros(2, 4, 5))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_files_come_back_as_they_were_and_are_readable_by_others(tmp_path, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    write_png(tmp_path / "deep/er/a.png", pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "deep/er/a.png")), pixels)
    assert stat.S_IMODE((tmp_path / "deep/er/a.png").stat().st_mode) == 0o644
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["a.png"]


def test_a_place_that_cannot_be_written_is_one_clear_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot be written"):
        write_png(tmp_path / "file" / "a.png", np.zeros((2, 2), np.uint8))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_png(tmp_path / "folder.png", np.zeros((2, 2), np.uint8))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_an_overlay_leaves_what_is_far_from_the_object_alone():
    image, mask = torch.full((3, 20, 20), 0.5), torch.zeros(1, 20, 20)
    mask[..., 5:10, 5:10] = 1
    shown = overlay(image, mask)
    changed = (shown != image).any(0)
    assert changed[4:11, 4:11].all()  # the object and an outline of one pixel around it
    assert changed.sum() == 49
    assert torch.equal(overlay(image, torch.zeros_like(mask)), image)


def test_a_cut_out_keeps_colors_and_takes_the_mask_as_alpha():
    image, mask = torch.rand(3, 4, 4), torch.rand(1, 4, 4)
    result = cut_out(image, mask)
    assert torch.equal(result[:3], image)
    assert torch.equal(result[3:], mask)
    opaque = to_uint8(cut_out(image, torch.ones(1, 4, 4)))
    np.testing.assert_array_equal(on_checkers(opaque), opaque[..., :3])


def test_a_grid_shows_each_picture_in_its_place():
    red, blue = torch.zeros(3, 8, 8), np.zeros((16, 16, 3), np.uint8)
    red[0] = 1
    blue[..., 2] = 255
    sheet = picture_grid([[red, None], [torch.ones(1, 8, 8), blue]], cell=16, gap=4)
    assert sheet.shape == (4 + 2 * 20, 4 + 2 * 20, 3)
    assert (sheet[4:20, 4:20] == (255, 0, 0)).all()
    assert (sheet[24:40, 24:40] == (0, 0, 255)).all()
    assert (sheet[24:40, 4:20] == 255).all()


def test_a_contact_sheet_puts_names_over_columns_and_copes_with_gaps():
    rows = [{"photo": torch.rand(3, 10, 30), "mask": torch.rand(1, 10, 30)}, {"photo": torch.rand(3, 300, 200)}]
    plain = contact_sheet(rows, cell=64)
    labeled = contact_sheet(rows, labels=("first", "second"), cell=64)
    assert plain.shape[1] == 6 + 2 * 70
    assert labeled.shape[1] > plain.shape[1]
    assert plain[:20].min() < 100  # captions
