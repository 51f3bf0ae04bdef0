"""No image in an archive, wherever it stands and however it is called, is lost without a word."""

import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from pictures import encoded, mask, photo

from genstruct.data.sources import open_masks, open_source
from genstruct.errors import DataError, ImageError

PHOTO = [encoded(photo(number), "jpeg", quality=95) for number in range(4)]
MASK = encoded(mask())


def tar(path, members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def packed(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, data)
    return path


@pytest.fixture(params=["tar", "zip"])
def make(request, tmp_path):
    write = {"tar": tar, "zip": packed}[request.param]
    return lambda members: write(tmp_path / f"set.{request.param}", members)


@pytest.mark.parametrize("name", ["./photos/0.jpg", "././photos/0.jpg", "photos//0.jpg", "./photos/./0.jpg"])
def test_paths_are_as_folders_have_them(make, name):
    with open_source(make([(name, PHOTO[0])])) as source:
        assert source.names == ("photos/0.jpg",)
        assert source.read(0) == PHOTO[0]


def test_backslashes_in_a_zip_part_folders(tmp_path):
    with open_source(
        packed(tmp_path / "set.zip", [("photos\\0.jpg", PHOTO[0]), ("photos\\sub\\1.jpg", PHOTO[1])])
    ) as source:
        assert source.names == ("photos/0.jpg", "photos/sub/1.jpg")
        assert source.read(1) == PHOTO[1]


def test_names_hold_any_letters(make):
    names = ["line\nbreak.jpg", "\x1b[2J.jpg", "größe.jpg", "車 \U0001f697.jpg", "UPPER.JPG", "a.b.c.jpeg"]
    with open_source(make((name, PHOTO[0]) for name in names)) as source:
        assert sorted(source.names) == sorted(names)
        assert source.problems == ()


def test_bytes_that_are_no_text_are_names_too(tmp_path):
    name = os.fsdecode(b"gr\xf6\xdfe.jpg")
    tar(tmp_path / "set.tar", [(name, PHOTO[0])], format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape")
    assert open_source(tmp_path / "set.tar").names == (name,)


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_of_a_tar_are_whole(tmp_path, kind):
    name = "/".join(["folder" * 10] * 4) + "/" + "车" * 60 + ".jpg"
    assert open_source(tar(tmp_path / "set.tar", [(name, PHOTO[0])], format=kind)).names == (name,)


def test_an_archive_before_a_zip_is_told_and_other_things_before_it_are_not(tmp_path):
    first, second = (packed(tmp_path / f"{n}.zip", [(f"{n}.jpg", PHOTO[n])]).read_bytes() for n in (0, 1))
    for before, said in ((first, 1), (b"MZ a program that unpacks", 0), (b"", 0)):
        (tmp_path / "set.zip").write_bytes(before + second)
        with open_source(tmp_path / "set.zip") as source:
            assert source.names == ("1.jpg",) and source.read(0) == PHOTO[1]
            assert ["another archive stands before this one" in line for line in source.problems] == [True] * said


def test_a_zip_that_is_called_tar_is_told(tmp_path):
    packed(tmp_path / "a.zip", [("0.jpg", PHOTO[0])]).rename(tmp_path / "set.tar")
    with pytest.raises(DataError, match=r"call it \.zip"):
        open_source(tmp_path / "set.tar")


def test_a_folder_entry_of_any_name_is_nothing(tmp_path):
    with open_source(packed(tmp_path / "set.zip", [("/", b""), ("../", b""), ("0.jpg", PHOTO[0])])) as source:
        assert source.names == ("0.jpg",) and not source.problems


def test_archives_put_together_by_cat_are_read_to_the_last(tmp_path):
    parts = [tar(tmp_path / f"{number}.tar", [(f"{number}.jpg", PHOTO[number])]).read_bytes() for number in range(3)]
    (tmp_path / "all.tar").write_bytes(parts[0] + parts[1] + bytes(512 * 7) + parts[2])
    source = open_source(tmp_path / "all.tar")
    assert source.names == ("0.jpg", "1.jpg", "2.jpg")
    assert [source.read(number) for number in range(3)] == PHOTO[:3]
    assert source.problems == ()
    (tmp_path / "all.tar").write_bytes(parts[0] + b"and then something else" * 100)
    assert "ends early" in open_source(tmp_path / "all.tar").problems[0]


def sparse(data):
    """A tar of one file of GNU's old sparse format: a hole of 1024 bytes, then `data`."""
    info = tarfile.TarInfo("hole.bin")
    info.size, info.type = len(data), tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[386:410] = b"%011o\0%011o\0" % (1024, len(data))
    head[483:495] = b"%011o\0" % (1024 + len(data))
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data + bytes(-len(data) % 512)


def test_holes_of_a_sparse_member_are_zeros(tmp_path):
    rest = tar(tmp_path / "rest.tar", [("0.jpg", PHOTO[0])]).read_bytes()
    (tmp_path / "set.tar").write_bytes(sparse(b"the end") + rest)
    source = open_source(tmp_path / "set.tar")
    assert source.names == ("0.jpg",)
    assert source.read_path("hole.bin") == bytes(1024) + b"the end"


def test_a_hard_link_is_what_it_leads_to(tmp_path):
    tar(tmp_path / "set.tar", [("0.jpg", PHOTO[0])])
    with tarfile.open(tmp_path / "set.tar", "a") as archive:
        info = tarfile.TarInfo("again.jpg")
        info.type, info.linkname = tarfile.LNKTYPE, "./0.jpg"
        archive.addfile(info)
    source = open_source(tmp_path / "set.tar")
    assert source.names == ("0.jpg", "again.jpg")
    assert source.read(1) == PHOTO[0]


def test_images_without_an_extension_are_known_by_their_first_bytes(make):
    members = [("photo", PHOTO[0]), ("b.jpg_large", PHOTO[1]), ("c.1", encoded(photo(2))), ("d.jpg.bak", PHOTO[3])]
    with open_source(make([*members, ("readme", b"hello"), ("Thumbs.db", b"x")])) as source:
        assert source.names == ("b.jpg_large", "c.1", "photo")
        assert source.notes == ("files that are not images by their name are left out: 1 .bak, 1 .db, 1 no extension",)


def test_hidden_images_are_told_but_for_the_shadows_of_macos(make):
    members = [("a.jpg", PHOTO[0]), (".cache/b.jpg", PHOTO[1]), ("__MACOSX/._a.jpg", b"x"), ("._a.jpg", b"x")]
    with open_source(make(members)) as source:
        assert source.names == ("a.jpg",)
        assert source.notes == (
            "1 hidden image files are left out, the first .cache/b.jpg; rename them if they are meant",
        )


def test_archives_and_pictures_that_are_not_read_are_told(make):
    members = [("a.jpg", PHOTO[0]), ("more.zip", b"PK"), ("b.heic", b"x"), ("c.DNG", b"x")]
    with open_source(make(members)) as source:
        assert source.notes[0] == "it holds 1 archives such as more.zip: give those instead, or unpack them"
        assert source.notes[1].startswith("2 pictures of kinds that are not read, such as b.heic")


@pytest.mark.parametrize(("method", "reason"), [(99, "encrypted"), (9, r"\(method 9\); pack the archive again")])
def test_members_that_cannot_be_unpacked_say_why(tmp_path, method, reason):
    path = packed(tmp_path / "set.zip", [("a.jpg", PHOTO[0])])
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(start) + offset] = method
    path.write_bytes(data)
    with open_source(path) as source, pytest.raises(ImageError, match=reason):
        source.read(0)


SAMPLES = {
    "keys with dots": [("clip.00.jpg", "clip.00.mask.png"), ("clip.01.jpg", "clip.01.mask.png")],
    "a version in the name": [("photo.v2.jpg", "photo.v2.mask.png"), ("photo.jpg", None)],
    "several images of one key": [("0.left.jpg", "0.mask.png"), ("0.right.jpg", "0.mask.png")],
    "the very key before a shared one": [("0.left.jpg", "0.left.mask.png"), ("0.right.jpg", "0.mask.png")],
    "after the whole file name": [("0.jpg", "0.jpg.mask.png"), ("1.jpg", "1.jpg.seg.png")],
    "folders": [("a.b/0.jpg", "a.b/0.mask.png"), ("a.c/0.jpg", "a.c/0.mask.png")],
    "upper case": [("0.JPG", "0.MASK.PNG"), ("1.JPG", "1.Seg.png")],
}


@pytest.mark.parametrize("pairs", SAMPLES.values(), ids=SAMPLES)
def test_masks_of_a_shard_are_found_by_the_key_of_their_image(tmp_path, pairs):
    names = dict.fromkeys(name for pair in pairs for name in pair if name)
    path = tar(tmp_path / "set.tar", [(name, MASK if name.lower().endswith("png") else PHOTO[0]) for name in names])
    source = open_source(path)
    assert source.names == tuple(sorted(image for image, _ in pairs))
    found = {name: record.mask_file_name for name, record in source.records.items()}
    assert found == {image: label for image, label in pairs if label}
    assert open_masks(path).names == tuple(dict.fromkeys(found[name] for name in sorted(found)))


def test_fields_of_a_shard_belong_to_the_images_of_their_key(tmp_path):
    sidecars = {"0.json": {"n": 0}, "clip.01.json": {"n": 1}}
    members = [(f"{name}.jpg", PHOTO[0]) for name in ("0.left", "0.right", "clip.01", "clip.02")]
    source = open_source(
        tar(tmp_path / "s.tar", [*members, *((k, json.dumps(v).encode()) for k, v in sidecars.items())])
    )
    assert {name: record.extra["n"] for name, record in source.records.items()} == {
        "0.left.jpg": 0, "0.right.jpg": 0, "clip.01.jpg": 1,
    }  # fmt: skip


def test_labels_of_a_shard_that_belong_to_no_image_are_told(tmp_path):
    members = [("0.jpg", PHOTO[0]), ("0.other.mask.png", MASK), ("7.mask.png", MASK), ("0.label.png", MASK)]
    source = open_source(tar(tmp_path / "s.tar", members))
    assert source.names == ("0.jpg",)
    assert source.mask(0) is None
    told = " ".join(source.notes)
    assert "0.label.png" in told
    assert "2 files that look like masks or labels are left out of the photos, such as 0.other.mask.png" in told


def test_a_shard_of_masks_alone_can_be_scored(make):
    with open_masks(make([(f"{number}.mask.png", MASK) for number in range(3)]), predicted=True) as source:
        assert source.names == ("0.mask.png", "1.mask.png", "2.mask.png")
        assert np.array_equal(source.masks["1.mask.png"], mask())
