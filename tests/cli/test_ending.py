"""How programs end: every command that writes, stopped by a real signal in the middle of its work."""

import json
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from genstruct.cli.ending import ending
from genstruct.cli.main import main
from genstruct.errors import DataError
from genstruct.export import offset
from genstruct.nn.unet import UNet
from genstruct.segmentation import samples
from genstruct.segmentation.config import GeneratorConfig
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.segmenter import Segmenter
from genstruct.train.signals import Stopped, stop_on_signals

ENDS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
ends = pytest.mark.parametrize(("number", "status", "word"), ENDS)


@pytest.fixture
def photos(tmp_path):
    """Five photos with masks."""
    lines = []
    for number in range(5):
        names = {"file_name": f"images/{number}.png", "mask_file_name": f"masks/{number}.png"}
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        mask = np.zeros((24, 24), np.uint8)
        mask[9:15, 9:15] = 255
        for name, picture in zip(names.values(), (pixels, mask), strict=True):
            (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(tmp_path / "photos" / name)
        lines.append(json.dumps(names) + "\n")
    (tmp_path / "photos" / "metadata.jsonl").write_text("".join(lines))
    return tmp_path / "photos"


@pytest.fixture
def progress(monkeypatch):
    """Let the progress of commands send a signal once two items are done (of packing: not of reading)."""

    def sends(number):
        @contextmanager
        def told(title, *_):
            yield lambda *counts: title != "reading" and counts[-2] == 2 and signal.raise_signal(number)

        for place in ("data.progress_bar", "samples.progress_bar", "prediction.progress_bar"):
            monkeypatch.setattr(f"genstruct.cli.{place}", told)

    return sends


@pytest.fixture
def out(tmp_path):
    """A folder to write into, looked at by `left`."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there" / "out"


def left(out):
    return sorted(str(path.relative_to(out.parent)) for path in out.parent.rglob("*") if path.is_file())


@ends
def test_an_archive_is_packed_whole_or_not_at_all(photos, out, progress, capsys, number, status, word):
    progress(number)
    before = signal.getsignal(number)
    assert main(["data", str(photos), "--pack", str(out), "--size", "8"]) == status
    assert capsys.readouterr().err == f"genstruct: {word}\n"
    assert list(out.parent.iterdir()) == []
    assert signal.getsignal(number) is before


@ends
def test_samples_are_written_whole_or_not_at_all(out, progress, monkeypatch, capsys, number, status, word):
    config = GeneratorConfig(size=8, start_size=8, stage_images=(), shared_latent=4, layer_latent=4, widths=(8, 8))
    generator = samples.TrainedGenerator(LayeredGenerator(config), 8, 0)
    monkeypatch.setattr(samples, "load_generator", lambda model, device: generator)
    monkeypatch.setattr(samples, "BATCH", 2)
    progress(number)
    assert main(["samples", "--model", "run", "--out", str(out), "--count", "5", "--layers"]) == status
    assert capsys.readouterr().err == f"genstruct: {word}\n"
    assert list(out.parent.iterdir()) == []


@ends
def test_an_offset_set_is_written_whole_or_not_at_all(photos, out, monkeypatch, capsys, number, status, word):
    write_png = offset.write_png

    def second(path, pixels):
        write_png(path, pixels)
        if "1" in path.name:
            signal.raise_signal(number)

    monkeypatch.setattr(offset, "write_png", second)
    assert main(["evaluate", "offset-set", "--truth", str(photos), "--out", str(out)]) == status
    assert capsys.readouterr().err == f"genstruct: {word}\n"
    assert list(out.parent.iterdir()) == []


@ends
def test_masks_that_are_there_are_whole_and_the_same_command_makes_the_others(
    photos, out, progress, monkeypatch, capsys, number, status, word
):
    torch.manual_seed(0)
    model = photos.parent / "segmenter.safetensors"
    model.write_bytes(Segmenter(UNet(3, 1, (8, 8)), 16, {"data": "noise"}).encode())
    command = ["masks", str(photos / "images"), "--model", str(model), "--device", "cpu", "--batch", "1"]
    assert main([*command, "--out", str(photos.parent / "whole" / "out")]) == 0
    capsys.readouterr()
    progress(number)
    assert main([*command, "--out", str(out)]) == status
    assert capsys.readouterr().err == f"genstruct: {word}\n"
    assert 2 <= len((out / "masks.jsonl").read_text().splitlines()) < 5
    assert not [name for name in left(out) if not name.endswith((".png", ".jsonl", ".lock"))]
    monkeypatch.undo()
    assert main([*command, "--out", str(out)]) == 0
    assert "were there" in capsys.readouterr().out
    whole = photos.parent / "whole" / "out"
    assert {name: (out.parent / name).read_bytes() for name in left(out)} == {
        name: (whole.parent / name).read_bytes() for name in left(whole)
    }


@ends
def test_whoever_handled_the_signal_its_number_is_the_status_and_what_was_told_is_not_told_again(
    capsys, number, status, word
):
    def trained():
        with stop_on_signals() as flag:
            signal.raise_signal(number)
            assert flag.wanted
        raise Stopped

    assert ending("toy")(trained)() == status
    assert capsys.readouterr().err == ""


def test_a_line_may_say_what_to_do(capsys):
    assert ending("toy", "the same command continues")(lambda: signal.raise_signal(signal.SIGTERM) or 0)() == 143
    assert capsys.readouterr().err == "toy: terminated; the same command continues\n"


@ends
def test_a_signal_that_is_ignored_stays_so(number, status, word):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert ending("toy")(lambda: signal.raise_signal(number) or 0)() == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_outside_the_main_thread_programs_end_the_same_but_get_no_signals(capsys):
    statuses = []

    def fail():
        raise DataError("nothing there")

    thread = threading.Thread(target=lambda: statuses.extend([ending("toy")(lambda: 3)(), ending("toy")(fail)()]))
    thread.start()
    thread.join()
    assert statuses == [3, 2]
    assert capsys.readouterr().err == "toy: error: nothing there\n"
