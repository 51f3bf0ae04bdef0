import hashlib
import io
import json
import os
import shutil

import numpy as np
import pytest
from pictures import encoded, fill, photo
from PIL import Image

from genstruct.data.archive import Archive
from genstruct.data.pack import pack, truth_masks
from genstruct.data.sources import open_source
from genstruct.errors import ConfigError, DataError, ImageError, OutputError, ShapeError


@pytest.fixture
def photos(tmp_path):
    return fill(tmp_path / "photos", [f"{number}.png" for number in range(9)], width=16, height=16)


def _files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_an_archive_holds_the_pixels_in_the_order_of_the_source(photos, tmp_path):
    source = open_source(photos)
    report = pack(source, tmp_path / "packed", 16, workers=3)
    archive = Archive.open(tmp_path / "packed")
    assert not report.reused
    assert archive.names == source.names
    assert archive.size == 16
    assert archive.masks is None
    assert isinstance(archive.images, np.memmap)
    assert np.array_equal(archive.images, np.stack([photo(number, 16, 16) for number in range(9)]))
    assert archive.source == f"folder {photos}"


def test_an_archive_of_before_the_crop_was_spelt_center_stays_valid(photos, tmp_path):
    source, place = open_source(photos), tmp_path / "packed"
    pack(source, place, 16)
    index = json.loads((place / "index.json").read_text())
    policy = {"size": 16, "crop": "centre", "margin": 0.15, "seed": 0, "smallest": None}
    entries = [(entry.name, entry.size, entry.changed) for entry in source.entries]
    content = json.dumps([index["genstruct_archive"], policy, source.max_pixels, entries, []])
    before = {**index, "policy": policy, "fingerprint": hashlib.sha256(content.encode()).hexdigest()}
    (place / "index.json").write_text(json.dumps(before))
    assert pack(source, place, 16).reused


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_changes_no_byte(photos, tmp_path, workers):
    pack(open_source(photos), tmp_path / "one", 12, "random", workers=1)
    pack(open_source(photos), tmp_path / "many", 12, "random", workers=workers)
    for name in ("images.bin", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_files_that_cannot_be_used_are_named_and_the_rest_is_packed(photos, tmp_path):
    (photos / "broken.png").write_bytes(encoded(photo(0))[:100])
    (photos / "page.jpg").write_text("<html>")
    (photos / "empty.png").write_bytes(b"")
    (photos / "speck.png").write_bytes(encoded(photo(0, 2, 9)))
    report = pack(open_source(photos), tmp_path / "packed", 16)
    assert len(report.archive) == 9
    reasons = dict(report.skipped)
    assert sorted(reasons) == ["broken.png", "empty.png", "page.jpg", "speck.png"]
    assert all(reason.startswith(f"{name}: ") for name, reason in reasons.items())
    assert reasons["speck.png"] == "speck.png: too small, 2 of 4 pixels needed; choose a smaller size or leave it out"
    assert report.archive.skipped == report.skipped


def test_images_smaller_than_the_square_are_enlarged_and_named(photos, tmp_path):
    (photos / "small.png").write_bytes(encoded(photo(0, 9, 8)))
    report = pack(open_source(photos), tmp_path / "packed", 16)
    assert report.enlarged == ("small.png",)
    assert len(report.archive) == 10


def test_of_an_animation_the_first_frame_is_packed_and_said(photos, tmp_path):
    data = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(data, "gif", save_all=True, append_images=frames[1:])
    (photos / "0.gif").write_bytes(data.getvalue())
    report = pack(open_source(photos), tmp_path / "packed", 16)
    assert report.animated == ("0.gif",)
    assert report.archive.images[report.archive.names.index("0.gif"), 0, 0].tolist() == [255, 0, 0]


def test_nothing_usable_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"none of 1 images can be used; the first: a\.png: not an image"):
        pack(open_source(tmp_path / "photos"), tmp_path / "packed", 16)
    assert _files(tmp_path) == ["photos", "photos/a.png"]


def test_a_decompression_bomb_is_left_out_under_the_limit_of_the_source(photos, tmp_path):
    (photos / "large.png").write_bytes(encoded(photo(0, 300, 300)))
    report = pack(open_source(photos, max_pixels=80_000), tmp_path / "packed", 16)
    assert dict(report.skipped)["large.png"].startswith("large.png: 300 x 300 pixels, over the limit of 80000")


def test_packing_the_same_again_does_nothing_and_keeps_masks(photos, tmp_path):
    first = pack(open_source(photos), tmp_path / "packed", 16).archive
    first.write_masks(np.full((9, 16, 16), 7, np.uint8))
    calls = []
    again = pack(open_source(photos), tmp_path / "packed", 16, on_progress=lambda *progress: calls.append(progress))
    assert again.reused
    assert calls == []
    assert again.archive.masks.max() == 7


@pytest.mark.parametrize("change", ["a new file", "another content", "another size", "another crop"])
def test_another_set_or_policy_replaces_an_archive_only_when_told_to(photos, tmp_path, change):
    pack(open_source(photos), tmp_path / "packed", 16)
    if change == "a new file":
        (photos / "new.png").write_bytes(encoded(photo(77)))
    if change == "another content":
        (photos / "0.png").write_bytes(encoded(photo(77)))
    size, crop = (
        (12, "center") if change == "another size" else (16, "random" if change == "another crop" else "center")
    )
    before = (tmp_path / "packed/images.bin").read_bytes()
    said = "files of these names, but of other" if change == "another content" else "another set, size or crop"
    with pytest.raises(OutputError, match=f"holds an archive of {said}"):
        pack(open_source(photos), tmp_path / "packed", size, crop)
    assert (tmp_path / "packed/images.bin").read_bytes() == before
    report = pack(open_source(photos), tmp_path / "packed", size, crop, overwrite=True)
    assert not report.reused
    assert (tmp_path / "packed/images.bin").read_bytes() != before
    assert _files(tmp_path / "packed") == ["images.bin", "index.json"]
    assert not [name for name in _files(tmp_path) if name.startswith(".")]


def test_a_copy_without_its_times_is_told_and_with_them_is_the_same(photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no image")
    pack(open_source(photos), tmp_path / "packed", 16)
    assert pack(open_source(shutil.copytree(photos, tmp_path / "with")), tmp_path / "packed", 16).reused
    without = shutil.copytree(photos, tmp_path / "without")
    os.utime(without / "0.png", (0, 1))
    with pytest.raises(OutputError, match=r"times of change, .* if they were copied, .* \(cp -p\)"):
        pack(open_source(without), tmp_path / "packed", 16)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_other_files_is_never_replaced(photos, tmp_path, overwrite):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").write_text("precious")
    for out in (tmp_path / "thesis", tmp_path / "thesis/chapter1.tex"):
        with pytest.raises(OutputError, match="holds other files; choose a new folder"):
            pack(open_source(photos), out, 16, overwrite=overwrite)
    assert _files(tmp_path / "thesis") == ["chapter1.tex"]
    assert (tmp_path / "thesis/chapter1.tex").read_text() == "precious"


def test_an_empty_folder_is_filled(photos, tmp_path):
    (tmp_path / "packed").mkdir()
    assert len(pack(open_source(photos), tmp_path / "packed", 16).archive) == 9


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device"), SystemExit])
def test_an_interruption_leaves_no_trace(photos, tmp_path, interruption):
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise interruption

    before = _files(tmp_path)
    with pytest.raises(OutputError if isinstance(interruption, OSError) else interruption):
        pack(open_source(photos), tmp_path / "packed", 16, on_progress=stop)
    assert _files(tmp_path) == before


def test_while_packing_nothing_shows_under_the_final_name(photos, tmp_path):
    seen = []
    pack(
        open_source(photos), tmp_path / "packed", 16, on_progress=lambda *_: seen.append((tmp_path / "packed").exists())
    )
    assert seen == [False] * 9


def test_another_process_that_packed_the_same_meanwhile_is_no_error(photos, tmp_path, monkeypatch):
    def race(done: int, total: int) -> None:
        if done == total:
            with pytest.raises(OutputError, match="another process is writing"):
                pack(open_source(photos), tmp_path / "packed", 16)
            pack(open_source(photos), tmp_path / "other", 16)
            shutil.copytree(tmp_path / "other", tmp_path / "packed")

    monkeypatch.setattr("genstruct.files._publish", _fail)
    with pytest.raises(OutputError):
        pack(open_source(photos), tmp_path / "packed", 16)
    monkeypatch.undo()
    report = pack(open_source(photos), tmp_path / "packed", 16, on_progress=race)
    assert len(report.archive) == 9


def _fail(*_: object) -> None:
    raise FileNotFoundError(2, "moved away")


def test_a_full_disk_is_said_before_anything_is_written(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    before = _files(tmp_path)
    with pytest.raises(OutputError, match=r"needs 64\.0 MiB but its disk has 0\.0 MiB left"):
        pack(open_source(photos), tmp_path / "packed", 16)
    assert _files(tmp_path) == before


def test_a_place_that_cannot_be_written_is_said(photos, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        pack(open_source(photos), tmp_path / "file/packed", 16)


def test_a_damaged_archive_says_so_and_is_packed_again(photos, tmp_path):
    archive = pack(open_source(photos), tmp_path / "packed", 16).archive
    (tmp_path / "packed/images.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=f"5 bytes instead of {9 * 16 * 16 * 3}: it is damaged"):
        Archive.open(archive.path)
    assert not pack(open_source(photos), tmp_path / "packed", 16).reused
    assert len(Archive.open(archive.path)) == 9


def test_what_is_no_archive_or_a_newer_one_is_one_clear_line(photos, tmp_path):
    with pytest.raises(DataError, match=r"not a packed archive .*pack one with"):
        Archive.open(photos)
    pack(open_source(photos), tmp_path / "packed", 16)
    index = json.loads((tmp_path / "packed/index.json").read_text())
    (tmp_path / "packed/index.json").write_text(json.dumps(index | {"genstruct_archive": 99}))
    with pytest.raises(DataError, match="archive format 99, this version reads up to 1; update genstruct"):
        Archive.open(tmp_path / "packed")
    (tmp_path / "packed/index.json").write_text(json.dumps(index | {"genstruct_archive": "new"}))
    with pytest.raises(DataError, match="not the index of a packed archive"):
        Archive.open(tmp_path / "packed")
    (tmp_path / "packed/index.json").write_text('{"genstruct_archive": 1, "names": []}')
    with pytest.raises(DataError, match=r"damaged \(KeyError\('size'\)\); pack the archive again"):
        Archive.open(tmp_path / "packed")
    (tmp_path / "packed/index.json").write_text("{broken")
    with pytest.raises(DataError, match="not the index of a packed archive"):
        Archive.open(tmp_path / "packed")


def test_masks_are_stored_whole_or_not_at_all(photos, tmp_path):
    archive = pack(open_source(photos), tmp_path / "packed", 16).archive
    masks = np.random.default_rng(0).integers(0, 256, (9, 16, 16), dtype=np.uint8)
    assert np.array_equal(archive.write_masks(masks).masks, masks)
    for wrong, reason in ((masks[:8], "9 images need as many masks, got 8"), (masks[:, 1:], r"uint8 \[16, 16\], got")):
        with pytest.raises(ShapeError, match=reason):
            archive.write_masks(wrong)
        assert np.array_equal(Archive.open(archive.path).masks, masks)
    assert _files(archive.path) == ["images.bin", "index.json", "masks.bin"]
    assert np.array_equal(archive.write_masks(mask for mask in masks[::-1]).masks, masks[::-1])


def _with_masks(folder, size):
    fill(folder, ["images/0.png"], width=40, height=20)
    (folder / "masks").mkdir()
    mask = np.zeros(size[::-1], np.uint8)
    mask[5:15, 20:30] = 255
    (folder / "masks/0.png").write_bytes(encoded(mask))
    line = {"file_name": "images/0.png", "mask_file_name": "masks/0.png", "box": [20, 5, 30, 15]}
    (folder / "metadata.jsonl").write_text(json.dumps(line))
    return open_source(folder)


def test_true_masks_are_cut_like_their_images(tmp_path):
    source = _with_masks(tmp_path / "set", (40, 20))
    archive = pack(source, tmp_path / "packed", 20, "center").archive
    (mask,) = truth_masks(source, archive)
    assert mask[5:15, 10:20].min() == 255  # the crop begins at x = 10
    assert mask.sum() == 255 * 100


def test_the_box_policy_takes_boxes_from_the_metadata(tmp_path):
    source = _with_masks(tmp_path / "set", (40, 20))
    archive = pack(source, tmp_path / "packed", 10, "box", margin=0).archive
    assert np.array_equal(archive.images[0], source.image(0)[5:15, 20:30])
    assert truth_masks(source, archive).min() == 255


def test_a_mask_of_another_size_is_named_with_its_picture(tmp_path):
    source = _with_masks(tmp_path / "set", (40, 30))
    archive = pack(source, tmp_path / "packed", 20).archive
    with pytest.raises(ImageError, match=r"masks/0\.png: 40 x 30 pixels, but its picture images/0\.png has 40 x 20"):
        truth_masks(source, archive)


def test_a_photograph_is_packed_as_if_decoded_in_full(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(encoded(photo(3, 900, 700), "jpeg", quality=95))
    source = open_source(tmp_path / "photos")
    archive = pack(source, tmp_path / "packed", 32).archive
    whole = Image.fromarray(source.image(0)).resize((32, 32), Image.Resampling.BICUBIC, box=(100, 0, 800, 700))
    assert np.abs(archive.images[0].astype(int) - np.asarray(whole)).max() <= 8  # colour is stored at half size


@pytest.mark.parametrize(
    ("options", "reason"), [({"size": 0}, "at least 1 pixel"), ({"size": 8, "margin": 99}, "margin")]
)
def test_impossible_policies_are_refused(photos, tmp_path, options, reason):
    with pytest.raises(ConfigError, match=reason):
        pack(open_source(photos), tmp_path / "packed", **options)
