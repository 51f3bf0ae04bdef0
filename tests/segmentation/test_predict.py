"""Masks for sets of images, with a stand-in for the network whose mask is the picture's red channel."""

import errno
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genstruct.data.sources import open_source
from genstruct.errors import OutputError
from genstruct.export.images import write_png
from genstruct.files import writing
from genstruct.run import predict
from genstruct.run.predict import StreamOptions
from genstruct.segmentation.predict import RECORDS, MaskOptions, extract_masks, mask_names, measure


class Redness:
    """The red channel is the mask."""

    def __init__(self, fingerprint="red"):
        self.fingerprint, self.batches, self.seen = fingerprint, [], []

    def predict(self, images, refine=False):
        self.batches.append(len(images))
        self.seen += [tuple(image.shape[1:]) for image in images]
        return [image[:1] for image in images]


def red_box(size=(40, 30), box=(8, 5, 20, 25)):
    """A black picture with a red rectangle x0, y0, x1, y1."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2], 0] = 255
    return Image.fromarray(pixels)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    red_box().save(folder / "a.png")
    red_box((64, 64), (0, 0, 32, 64)).save(folder / "b.bmp")
    red_box((20, 50), (0, 0, 20, 50)).save(folder / "trip" / "a.png")
    return folder


def extract(photos, out, predictor=None, batch=16, overwrite=False, **options):
    stream = StreamOptions(batch, overwrite, workers=2)
    with open_source(photos) as source:
        return extract_masks(predictor or Redness(), source, out, MaskOptions(**options), stream)


def lines(out):
    return {line["file_name"]: line for line in map(json.loads, (out / RECORDS).read_text().splitlines())}


def mask(path):
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_each_image_gets_a_mask_of_its_own_size_and_a_line_that_says_what_it_shows(photos, tmp_path):
    report = extract(photos, tmp_path / "out")
    assert (report.made, report.there, report.failed) == (3, 0, 0)
    for name in ("a.png", "b.bmp", "trip/a.png"):
        record = lines(tmp_path / "out")[name]
        with Image.open(photos / name) as photo:
            found = mask(tmp_path / "out" / record["mask_file_name"])
            np.testing.assert_array_equal(found, np.asarray(photo)[..., 0])
            assert (record["width"], record["height"]) == photo.size
    first = lines(tmp_path / "out")["a.png"]
    assert first["box"] == [8, 5, 20, 25]
    assert first["area"] == pytest.approx(12 * 20 / (40 * 30), abs=1e-6)
    assert first["confidence"] == 1.0
    assert list(lines(tmp_path / "out")) == ["a.png", "b.bmp", "trip/a.png"]


def test_confidence_is_the_overlap_of_the_soft_mask_with_its_hard_version():
    soft = np.array([[204, 204, 51, 0]], np.uint8)  # 0.8 0.8 0.2 0: minima 1.6, maxima 2 + 0.2
    area, box, confidence = measure(soft)
    assert (area, box) == (0.5, (0, 0, 2, 1))
    assert confidence == pytest.approx(1.6 / 2.2)
    assert measure(np.full((3, 3), 100, np.uint8)) == (0.0, None, 0.0)


def test_images_that_cannot_be_read_get_a_line_and_the_others_a_mask(photos, tmp_path):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:60])
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "text.jpg").write_text("no picture")
    report = extract(photos, tmp_path / "out")
    assert (report.made, report.failed) == (3, 3)
    records = lines(tmp_path / "out")
    assert records["empty.jpg"]["error"].startswith("an empty file")
    assert records["text.jpg"]["error"].startswith("not an image")
    assert all("mask_file_name" not in records[name] for name in ("broken.png", "empty.jpg", "text.jpg"))


def test_images_that_differ_by_suffix_only_keep_it():
    assert mask_names(["a.jpg", "a.png", "b.jpg", "x/a.jpg"]) == ["a.jpg.png", "a.png.png", "b.png", "x/a.png"]

    names = mask_names(["a.jpg", "a.png", "a.jpg.webp"])  # the stem of the third is the name of the first's mask
    assert sorted(names) == ["a.jpg.png", "a.jpg.webp.png", "a.png.png"]


def test_names_are_unique_where_case_does_not_count():
    names = mask_names(["A.jpg", "a.png"])
    assert len({name.casefold() for name in names}) == 2


def test_a_second_run_does_nothing_and_one_after_a_loss_does_what_is_missing(photos, tmp_path):
    out = tmp_path / "out"
    extract(photos, out)
    before = (out / RECORDS).read_bytes()
    again = Redness()
    assert extract(photos, out, again).there == 3
    assert again.batches == []
    assert (out / RECORDS).read_bytes() == before
    (out / "trip" / "a.png").unlink()
    red_box().save(photos / "new.png")
    report = extract(photos, out)
    assert (report.made, report.there) == (2, 2)
    assert (out / "trip" / "a.png").exists()


def test_a_stopped_run_goes_on_where_it_was(photos, tmp_path):
    class Tired(Redness):
        def predict(self, images, refine=False):
            if self.batches:
                raise KeyboardInterrupt
            return super().predict(images, refine)

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        extract(photos, out, Tired(), batch=1)
    with (out / RECORDS).open("a") as file:
        file.write('{"file_name": "cut o')
    report = extract(photos, out)
    assert report.made + report.there == 3
    assert list(lines(out)) == ["a.png", "b.bmp", "trip/a.png"]


def test_images_that_failed_are_tried_again(photos, tmp_path):
    out = tmp_path / "out"
    (photos / "late.png").write_bytes(b"")
    assert extract(photos, out).failed == 1
    red_box().save(photos / "late.png")
    report = extract(photos, out)
    assert (report.made, report.there, report.failed) == (1, 3, 0)
    assert "error" not in lines(out)["late.png"]


@pytest.mark.parametrize("change", [{"predictor": Redness("other")}, {"refine": True}, {"threshold": 0.9}], ids=str)
def test_masks_of_something_else_are_not_replaced_unless_told_to(photos, tmp_path, change):
    out = tmp_path / "out"
    extract(photos, out)
    red_box(box=(0, 0, 3, 3)).save(photos / "b.bmp")
    before = (out / "b.png").read_bytes()
    with pytest.raises(OutputError, match=r"holds masks by other weights or settings \(3 of 3, such as a\.png\)"):
        extract(photos, out, **change)
    assert (out / "b.png").read_bytes() == before
    assert extract(photos, out, overwrite=True, **change).made == 3


def test_photos_that_were_replaced_are_done_again_alone(photos, tmp_path):
    out, again = tmp_path / "out", Redness()
    extract(photos, out)
    red_box((64, 64), (0, 0, 3, 3)).save(photos / "b.bmp")  # of the same size in bytes
    report = extract(photos, out, again)
    assert (report.made, report.there, report.replaced, again.batches) == (1, 2, ("b.bmp",), [1])
    assert lines(out)["b.bmp"]["box"] == [0, 0, 3, 3]
    assert list(lines(out)) == ["a.png", "b.bmp", "trip/a.png"]
    (photos / "a.png").write_bytes(b"broken")
    report = extract(photos, out)
    assert (report.made, report.there, report.failed) == (0, 2, 1)
    assert "error" in lines(out)["a.png"] and not (out / "a.png").exists()  # nothing is left of the photo before


def test_a_copy_of_the_images_with_other_dates_counts_as_the_same_images(photos, tmp_path):
    extract(photos, tmp_path / "out")
    shutil.copytree(photos, tmp_path / "copy", copy_function=shutil.copyfile)
    assert extract(tmp_path / "copy", tmp_path / "out").there == 3


def test_a_folder_with_other_files_is_refused(photos, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match=r"holds other files \(thesis\.txt"):
        extract(photos, tmp_path / "full")
    with pytest.raises(OutputError, match="holds other files"):
        extract(photos, photos)
    with pytest.raises(OutputError, match="is a file"):
        extract(photos, photos / "a.png")
    (tmp_path / "full" / RECORDS).write_text('{"some": "thing"}\n')
    with pytest.raises(OutputError, match="line 1 is not one of ours"):
        extract(photos, tmp_path / "full")


def test_too_little_space_is_said_before_anything_is_made(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    predictor = Redness()
    with pytest.raises(OutputError, match="MiB left"):
        extract(photos, tmp_path / "out", predictor)
    assert predictor.batches == []


def test_overlays_and_cutouts_lie_in_their_own_folders(photos, tmp_path):
    out = tmp_path / "out"
    extract(photos, out)
    report = extract(photos, out, overlay=True, cutout=True)  # they are missing, so the images are done again
    assert report.made == 3
    with Image.open(out / "cutout" / "trip" / "a.png") as image:
        assert (image.mode, image.size) == ("RGBA", (20, 50))
    with Image.open(out / "cutout" / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[..., 3], mask(out / "a.png"))
    with Image.open(out / "overlay" / "a.png") as image:
        assert (image.mode, image.size) == ("RGB", (40, 30))


def test_a_folder_of_images_called_overlay_is_not_written_over(photos, tmp_path):
    (photos / "overlay").mkdir()
    red_box().save(photos / "overlay" / "a.png")
    with pytest.raises(OutputError, match="has a folder called overlay"):
        extract(photos, tmp_path / "out", overlay=True)
    assert extract(photos, tmp_path / "out").made == 4


def test_large_photos_are_shrunk_for_the_network_and_their_masks_enlarged(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    red_box((1600, 1200), (400, 300, 1200, 900)).save(photos / "large.jpg", quality=95)
    red_box((3000, 10), (0, 0, 1500, 10)).save(photos / "long.png")
    monkeypatch.setattr(predict, "LARGE", 1000)  # so that both take the way of one at a time
    predictor = Redness()
    assert extract(photos, tmp_path / "out", predictor, overlay=True).made == 2
    assert all(height * width <= 1.01 * predict.INPUT_PIXELS for height, width in predictor.seen)
    assert (10, 3000) in predictor.seen
    found = mask(tmp_path / "out" / "large.png")
    assert found.shape == (1200, 1600)
    box = lines(tmp_path / "out")["large.jpg"]["box"]
    assert box == pytest.approx([400, 300, 1200, 900], abs=4)


def test_no_more_images_are_in_memory_than_batch_and_threads_ask_for(tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(60):
        red_box().save(photos / f"{number:02}.png")
    lock, alive, most = threading.Lock(), [0], [0]
    load, write = predict._Stream.load, predict._Stream.write

    def counted_load(*args):
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        return load(*args)

    def counted_write(*args):
        record = write(*args)
        with lock:
            alive[0] -= 1
        return record

    monkeypatch.setattr(predict._Stream, "load", counted_load)
    monkeypatch.setattr(predict._Stream, "write", counted_write)
    predictor = Redness()
    assert extract(photos, tmp_path / "out", predictor, batch=4).made == 60
    assert predictor.batches == [4] * 15
    assert most[0] <= 4 + 5 * 2 + 3 * 2 + 4  # a batch, loads ahead, writes behind, those between


def test_a_batch_that_does_not_fit_the_gpu_is_halved(photos, tmp_path):
    class Small(Redness):
        def predict(self, images, refine=False):
            if len(images) > 1:
                raise torch.OutOfMemoryError
            return super().predict(images, refine)

    predictor = Small()
    assert extract(photos, tmp_path / "out", predictor).made == 3
    assert predictor.batches == [1, 1, 1]


def test_an_image_that_vanishes_in_between_is_reported(photos, tmp_path):
    class Thief(Redness):
        def predict(self, images, refine=False):
            Path(photos / "b.bmp").unlink()
            return super().predict(images, refine)

    report = extract(photos, tmp_path / "out", Thief(), cutout=True)
    assert (report.made, report.failed) == (2, 1)
    assert "b.png" not in {path.name for path in (tmp_path / "out").rglob("*.png")}


def test_a_photo_that_the_model_cannot_take_is_told_and_the_others_are_done(photos, tmp_path):
    class Picky(Redness):
        def predict(self, images, refine=False):
            if any(image.shape[-1] == 64 for image in images):
                raise RuntimeError("64 is\ntoo much")
            return super().predict(images, refine)

    report = extract(photos, tmp_path / "out", Picky())
    assert (report.made, report.failed) == (2, 1)
    assert lines(tmp_path / "out")["b.bmp"]["error"] == "failed (RuntimeError: 64 is too much)"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_more_ends_the_set_with_the_name_of_the_file(photos, tmp_path, monkeypatch, number):
    monkeypatch.setattr("genstruct.segmentation.predict.write_png", _refused(number, "trip"))
    with pytest.raises(OutputError, match=r"trip/a\.png cannot be written"):
        extract(photos, tmp_path / "out")
    monkeypatch.undo()
    report = extract(photos, tmp_path / "out")
    assert (report.made, report.there, report.failed) == (1, 2, 0)


def _refused(number, folder):
    """`write_png`, but for a folder."""

    def write(path, pixels):
        with writing(path):
            if path.parent.name == folder:
                raise OSError(number, os.strerror(number))
        write_png(path, pixels)

    return write
