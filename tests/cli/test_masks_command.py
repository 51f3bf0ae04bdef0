import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from genstruct.cli.main import main
from genstruct.files import locked
from genstruct.nn.unet import UNet
from genstruct.segmentation.segmenter import Segmenter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("run") / "segmenter.safetensors"
    path.write_bytes(Segmenter(UNet(3, 1, (8, 8)), 16, {"data": "noise"}).encode())
    return path


def noise(path, width=24, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    noise(folder / "a.jpg")
    noise(folder / "a.png", 30, 31)
    noise(folder / "trip" / "a.jpg", 1, 1)
    return folder


def masks(photos, model, out, *options):
    return main(["masks", "--model", str(model), str(photos), "--out", str(out), "--device", "cpu", *options])


def lines(out):
    return {line["file_name"]: line for line in map(json.loads, (out / "masks.jsonl").read_text().splitlines())}


def test_a_folder_becomes_a_folder_of_masks(photos, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert masks(photos, model, out, "--overlay", "--cutout") == 0
    assert capsys.readouterr().out == f"3 masks written to {out}\n"
    names = {name: line["mask_file_name"] for name, line in lines(out).items()}
    assert names == {"a.jpg": "a.jpg.png", "a.png": "a.png.png", "trip/a.jpg": "trip/a.png"}
    with Image.open(out / "a.png.png") as image:
        assert (image.mode, image.size) == ("L", (30, 31))
    assert (out / "overlay" / "trip" / "a.png").exists()
    assert (out / "cutout" / "a.jpg.png").exists()


def test_the_folder_of_a_run_is_as_good_as_its_file(photos, model, tmp_path):
    assert masks(photos, model.parent, tmp_path / "out") == 0


def test_a_zip_gives_the_same_masks_as_the_folder(photos, model, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in photos.rglob("*.*"):
            archive.write(path, path.relative_to(photos))
    assert masks(photos, model, tmp_path / "a") == masks(tmp_path / "photos.zip", model, tmp_path / "b") == 0
    for path in (tmp_path / "a").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_bad_images_are_one_line_each_and_status_1_or_2_if_there_is_nothing_else(photos, model, tmp_path, capsys):
    whole = (photos / "a.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "bomb.png").write_bytes(bomb())
    (photos / "readme.txt").write_text("hello")
    assert masks(photos, model, tmp_path / "out") == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 3
    assert "note: files that are not images by their name are left out: 1 .txt" in told.err
    assert "cut.jpg: cannot be decoded" in told.err
    assert "bomb.png: 60000 x 60000 pixels, over the limit" in told.err
    assert "3 masks written to" in told.out
    assert "2 images have none" in told.out
    assert set(lines(tmp_path / "out")) == {"a.jpg", "a.png", "trip/a.jpg", "cut.jpg", "bomb.png"}
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "cut.jpg").write_bytes(whole[:50])
    assert masks(bad, model, tmp_path / "none") == 2


def test_members_that_leave_an_archive_are_told_and_give_status_1(photos, model, tmp_path, capsys):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(photos / "a.jpg", "a.jpg")
        archive.writestr("../a.jpg", (photos / "a.jpg").read_bytes())
    for made in ("1 masks written", "0 masks written"):  # the set is no better the second time
        assert masks(path, model, tmp_path / "out") == 1
        told = capsys.readouterr()
        assert told.err.startswith("left out: '../a.jpg': a path that leaves the archive")
        assert made in told.out and "1 problems of the set itself" in told.out


def test_an_image_with_an_escape_sequence_in_its_name_is_one_plain_line(photos, model, tmp_path, capsys):
    (photos / "x\x1b[31m\ny.jpg").write_bytes(b"no")
    assert masks(photos, model, tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("x\\x1b[31m\\ny.jpg: not an image")


def test_several_files_are_one_set_and_places_may_be_at_home(photos, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["--model", str(model), "--out", "~/out", "--device", "cpu"]
    assert main(["masks", *map(str, sorted(photos.glob("a.*"))), "~/photos/trip", *words]) == 0
    assert "3 masks written" in capsys.readouterr().out
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_photos_are_looked_at_before_the_model_is_read(tmp_path, capsys):
    words = ["--model", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(["masks", str(tmp_path / "nowhere"), *words]) == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_photos_that_were_replaced_are_told_and_done_again(photos, model, tmp_path, capsys):
    masks(photos, model, tmp_path / "out")
    noise(photos / "a.png", 31, 30)
    assert masks(photos, model, tmp_path / "out") == 0
    told = capsys.readouterr()
    assert "note: 1 photos that have changed since the last run were done again: a.png" in told.err
    assert "1 masks written" in told.out and "2 were there" in told.out


def test_a_second_process_in_the_same_folder_is_told_so(photos, model, tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert masks(photos, model, tmp_path / "out") == 2
    line = f"genstruct: error: another process is writing to {tmp_path / 'out'}; wait until it has ended, or give"
    assert capsys.readouterr().err.startswith(line)
    assert masks(photos, model, tmp_path / "out") == 0  # the lock is not in the way


def test_a_name_that_the_file_system_cannot_hold_concerns_its_photo_alone(photos, model, tmp_path, capsys):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(photos / "a.jpg", "a.jpg")
        archive.write(photos / "a.jpg", "x" * 300 + ".jpg")
    assert masks(path, model, tmp_path / "out") == 1
    told = capsys.readouterr()
    assert told.err == f"{'x' * 300}.jpg: its result cannot be written (File name too long)\n"
    assert "1 masks written" in told.out
    assert masks(path, model, tmp_path / "out") == 1  # tried again, alone


def test_a_second_run_is_told_to_have_nothing_to_do(photos, model, tmp_path, capsys):
    masks(photos, model, tmp_path / "out")
    capsys.readouterr()
    assert masks(photos, model, tmp_path / "out") == 0
    assert capsys.readouterr().out == f"0 masks written to {tmp_path / 'out'}; 3 were there\n"
    assert masks(photos, model, tmp_path / "out", "--refine") == 2
    assert "or --overwrite" in capsys.readouterr().err
    assert masks(photos, model, tmp_path / "out", "--refine", "--overwrite") == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": "nowhere"}, "nowhere: no such file or folder"),
        ({"photos": "empty"}, "empty holds no images"),
        ({"model": "nowhere"}, "nowhere: no such file"),
        ({"model": "empty"}, "segmenter.safetensors: no such file; is its training finished?"),
        ({"model": "cut"}, "cut: not a readable safetensors file"),
        ({"out": "photos/masks"}, "photos, so what is written would be read; give a folder outside"),
        ({"out": "full"}, "full holds other files (note.txt"),
        ({"out": "cut"}, "cut"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line_and_status_2(photos, model, tmp_path, capsys, change, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    (tmp_path / "cut").write_bytes(model.read_bytes()[:1000])
    places = {"photos": photos, "model": model, "out": tmp_path / "out"}
    places |= {name: tmp_path / place for name, place in change.items()}
    assert masks(places["photos"], places["model"], places["out"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("genstruct: error: ")
    assert line.count("\n") == 1
    assert message in line


def bomb():
    """A PNG whose header promises 60000 x 60000 pixels."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
