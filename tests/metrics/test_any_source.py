"""What trains can be scored: every mode of picture, in every container."""

import io
import tarfile
import zipfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image
from torchvision import datasets
from torchvision.datasets import VisionDataset

from genstruct.data.pack import pack
from genstruct.data.sources import open_source
from genstruct.metrics.evaluation import score_mask_folder, score_sample_folder

COUNT = 4
MODES = [
    "L",
    "LA",
    "P",
    "1",
    "I;16",
    "I",
    "F",
    "RGB",
    "RGBA",
    "CMYK",
    "16-bit RGB",
    "EXIF 6",
    "animated",
    "YCbCr",
    "LAB",
]
CONTAINERS = ["folder", "zip", "tar", "shards", "lmdb", "torchvision"]


def picture(number):
    return np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)


def saved(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def file_of(mode, pixels):
    """A file of that mode."""
    image = Image.fromarray(pixels)
    gray = pixels[..., 0] if pixels.ndim == 3 else pixels
    if mode == "I;16":
        return saved(Image.fromarray(gray.astype(np.uint16) * 257), "png")
    if mode == "I":
        return saved(Image.fromarray(gray.astype(np.int32) * 257), "tiff")
    if mode == "F":
        return saved(Image.fromarray(gray.astype(np.float32) / 255), "tiff")
    if mode == "16-bit RGB":
        import cv2

        color = image.convert("RGB")
        return cv2.imencode(".png", np.asarray(color)[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    if mode == "EXIF 6":
        exif = Image.Exif()
        exif[0x0112] = 6
        return saved(image.transpose(Image.Transpose.ROTATE_90), "png", exif=exif)
    if mode == "animated":
        return saved(image, "gif", save_all=True, append_images=[Image.new(image.mode, image.size)])
    kind = "png" if mode in ("L", "LA", "P", "1", "RGB", "RGBA") else "tiff"
    return saved(image.convert(mode), kind)


class Pictures(VisionDataset):
    """What torchvision would give."""

    def __init__(self, root: str):
        self.files = sorted(Path(root).iterdir())

    def __len__(self):
        return len(self.files)

    def __getitem__(self, number):
        with Image.open(self.files[number]) as image:
            image.load()
            return image, number


def contain(container, folder, files, monkeypatch):
    """Put files into a container below `folder`; what to open."""
    names = [f"{number:05d}.png" for number in range(len(files))]
    folder.mkdir()
    if container in ("folder", "torchvision"):
        for name, data in zip(names, files, strict=True):
            (folder / name).write_bytes(data)
        if container == "folder":
            return folder
        monkeypatch.setattr(datasets, "CIFAR10", Pictures)
        return f"torchvision:CIFAR10,root={folder}"
    if container == "zip":
        with zipfile.ZipFile(folder / "set.zip", "w") as archive:
            for name, data in zip(names, files, strict=True):
                archive.writestr(name, data)
        return folder / "set.zip"
    if container == "lmdb":
        with lmdb.open(str(folder), map_size=1 << 22) as environment, environment.begin(write=True) as transaction:
            for name, data in zip(names, files, strict=True):
                transaction.put(name.encode(), data)
        return folder
    shards = 2 if container == "shards" else 1
    for shard in range(shards):
        with tarfile.open(folder / f"s-{shard}.tar", "w") as archive:
            for name, data in list(zip(names, files, strict=True))[shard::shards]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return str(folder / f"s-{{0..{shards - 1}}}.tar")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("mode", MODES)
def test_what_trains_can_be_scored(mode, container, tmp_path, monkeypatch):
    if container == "torchvision" and mode in ("CMYK", "F", "LAB", "YCbCr", "I"):
        pytest.skip("handed out as PNG, which has no such mode")
    photos = contain(container, tmp_path / "photos", [file_of(mode, picture(n)) for n in range(COUNT)], monkeypatch)
    with open_source(photos) as source:
        assert not pack(source, tmp_path / "packed", 16).skipped
    report = score_sample_folder(photos, photos)
    assert (report.samples, report.real, report.failures) == (COUNT, COUNT, [])


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "I;16", "I", "F", "RGB", "RGBA", "EXIF 6", "animated"])
def test_masks_of_every_mode_are_scored_in_every_container(mode, container, tmp_path, monkeypatch):
    if container == "torchvision" and mode in ("F", "I"):
        pytest.skip("handed out as PNG, which has no such mode")
    block = np.zeros((20, 24), np.uint8)
    block[5:15, 4:14] = 255
    moved = np.roll(block, 5, 1)
    truth = contain(container, tmp_path / "truth", [file_of(mode, block)] * 3, monkeypatch)
    predicted = contain(
        "zip", tmp_path / "predicted", [file_of("L", mask) for mask in (block, moved, block)], monkeypatch
    )
    report = score_mask_folder(predicted, truth)
    assert report.failures == []
    assert sorted(image.values["iou"] for image in report.images) == pytest.approx([1 / 3, 1, 1])


class Segmented(Pictures):
    def __getitem__(self, number):
        image, _ = super().__getitem__(number)
        mask = Image.new("L", image.size)
        mask.paste(255, (2, 3, 9, 11))
        return image, mask


def test_targets_that_are_pictures_are_masks(tmp_path, monkeypatch):
    for number in range(2):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(datasets, "CIFAR10", Segmented)
    place = f"torchvision:CIFAR10,root={tmp_path}"
    with open_source(place) as source:
        assert source.names == ("00000.png", "00001.png")
        assert source.mask(1).sum() == 255 * 7 * 8
    assert score_mask_folder(place, place).scores["iou"].value == 1
    truth = tmp_path / "masks"
    truth.mkdir()
    for number in range(2):
        Image.fromarray(source.mask(number)).save(truth / f"{number:05d}.png")
    assert score_mask_folder(truth, place).scores["iou"].value == 1
