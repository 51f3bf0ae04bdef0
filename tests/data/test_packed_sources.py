import io
import json
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import lmdb
import numpy as np
import pytest
from pictures import encoded, mask, photo

from genstruct.data.shards import expand_shards
from genstruct.data.sources import open_source
from genstruct.errors import DataError, ImageError

FILES = {
    f"{folder}/{number}.png": encoded(photo(10 * len(folder) + number)) for folder in ("a", "bb") for number in (0, 1)
}


def _tar(path, members, kind="w"):
    with tarfile.open(path, kind) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def _zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.fixture(params=["tar", "zip"])
def make(request, tmp_path):
    """Packs (name, bytes) pairs into an archive of either kind."""
    write = {"tar": _tar, "zip": _zip}[request.param]
    return lambda members, name="set": write(tmp_path / f"{name}.{request.param}", list(members))


def test_an_archive_holds_what_its_folder_held(make):
    with open_source(make(FILES.items())) as source:
        assert source.names == tuple(sorted(FILES))
        assert [source.read(number) for number in range(4)] == [FILES[name] for name in sorted(FILES)]


def test_an_archive_is_read_by_many_threads_at_once(make):
    with (
        open_source(make((f"{n:03d}.png", encoded(photo(n))) for n in range(40))) as source,
        ThreadPoolExecutor(8) as pool,
    ):
        for number, pixels in enumerate(pool.map(source.image, list(range(40)) * 3)):
            assert np.array_equal(pixels, photo(number % 40))


def test_members_whose_path_leaves_the_archive_are_left_out_and_named(make, tmp_path):
    hostile = ["../evil.png", "/tmp/evil.png", "x/../../evil.png", "C:\\evil.png", "..\\evil.png"]
    before = sorted(tmp_path.rglob("*"))
    path = make([*((name, encoded(photo(9))) for name in hostile), *FILES.items()])
    with open_source(path) as source:
        assert source.names == tuple(sorted(FILES))
        assert sum("leaves the archive; it is left out" in note for note in source.problems) == len(hostile)
        assert all(not name.startswith("..") for name in source.names)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])  # nothing was extracted


def test_an_archive_of_nothing_but_hostile_members_says_so(make):
    with pytest.raises(DataError, match=r"holds no images; .*leaves the archive"):
        open_source(make([("../evil.png", encoded(photo(0)))]))


def test_links_in_a_tar_are_left_out(tmp_path):
    path = _tar(tmp_path / "links.tar", FILES.items())
    with tarfile.open(path, "a") as archive:
        for kind, name in (
            (tarfile.SYMTYPE, "soft.png"),
            (tarfile.LNKTYPE, "a/0.png"),
            (tarfile.CHRTYPE, "device.png"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    source = open_source(path)
    assert source.names == tuple(sorted(FILES))
    assert sum("not a plain file" in note for note in source.problems) == 3
    assert source.read(0) == FILES["a/0.png"]  # the hard link of the same name did not take its place


def test_links_in_a_zip_are_left_out(tmp_path):
    path = _zip(tmp_path / "links.zip", FILES.items())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("soft.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with open_source(path) as source:
        assert source.names == tuple(sorted(FILES))
        assert source.problems == ("'soft.png': a link; it is left out",)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's own, while the test writes such a file
def test_of_two_members_with_one_path_the_last_counts(make):
    with open_source(make([("a.png", encoded(photo(1))), ("a.png", encoded(photo(2)))])) as source:
        assert source.names == ("a.png",)
        assert np.array_equal(source.image(0), photo(2))
        assert "twice in the archive; the last one counts" in source.notes[0]
        assert source.problems == ()


def test_metadata_inside_an_archive_keeps_masks_from_being_images(make):
    line = json.dumps({"file_name": "images/0.png", "mask_file_name": "masks/0.png", "box": [1, 2, 9, 9]}).encode()
    members = [
        ("images/0.png", encoded(photo(0))),
        ("masks/0.png", encoded(mask())),
        ("metadata.jsonl", line),
    ]
    with open_source(make(members)) as source:
        assert source.names == ("images/0.png",)
        assert source.records["images/0.png"].box == (1, 2, 9, 9)
        assert np.array_equal(source.mask(0), mask())


def test_one_damaged_member_of_a_zip_leaves_the_others_readable(tmp_path):
    path = _zip(tmp_path / "set.zip", FILES.items())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("a/1.png").header_offset
    data[offset + 60 : offset + 90] = bytes(30)
    path.write_bytes(data)
    with open_source(path) as source:
        with pytest.raises(ImageError, match=r"a/1\.png: damaged in the archive"):
            source.read(1)
        assert source.read(0) == FILES["a/0.png"]


def test_a_truncated_tar_gives_the_members_that_are_whole(tmp_path):
    path = _tar(tmp_path / "set.tar", FILES.items())
    with tarfile.open(path) as archive:
        offsets = {member.name: member.offset_data for member in archive}
    path.write_bytes(path.read_bytes()[: offsets["bb/1.png"] + 50])
    source = open_source(path)
    assert "set.tar: ends early" in source.problems[0]
    assert [source.read(number) for number in range(3)] == [FILES[name] for name in sorted(FILES)[:3]]
    with pytest.raises(ImageError, match=r"bb/1\.png: the archive ends after 50 of its"):
        source.read(3)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_compressed_tar_says_what_to_do(tmp_path, kind):
    path = _tar(tmp_path / f"set.tar.{kind}", FILES.items(), f"w:{kind}")
    with pytest.raises(DataError, match="compressed tar cannot be read at random places; uncompress it"):
        open_source(path)


@pytest.mark.parametrize("name", ["set.tar", "set.zip"])
@pytest.mark.parametrize("content", [b"", b"hello, this is not an archive" * 50])
def test_what_is_no_archive_is_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        open_source(tmp_path / name)


def test_a_password_is_said_to_be_in_the_way(tmp_path):
    path = _zip(tmp_path / "set.zip", [("a.png", FILES["a/0.png"])])
    data = bytearray(path.read_bytes())
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + offset] |= 1  # the flag that says "encrypted"
    path.write_bytes(data)
    with open_source(path) as source, pytest.raises(ImageError, match=r"a\.png: encrypted"):
        source.read(0)


def test_a_member_that_claims_gigabytes_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("genstruct.data.zipped.MAX_FILE_BYTES", 100)
    with open_source(_zip(tmp_path / "set.zip", FILES.items())) as source, pytest.raises(ImageError, match="claims"):
        source.read(0)


def test_samples_of_a_web_data_set_keep_image_mask_and_fields_together(tmp_path):
    fields = {"category": "car", "box": [1, 2, 9, 9], "azimuth": "north", "mask_file_name": "../elsewhere.png", "n": 3}
    members = [
        ("000.jpg", encoded(photo(0), "jpeg")),
        ("000.mask.png", encoded(mask())),
        ("000.json", json.dumps(fields).encode()),
        ("001.jpg", encoded(photo(1), "jpeg")),
        ("001.json", b"{broken"),
        ("001.cls", b"7"),
        ("002.seg.png", encoded(mask(left=6))),
        ("002.png", encoded(photo(2))),
        ("holiday.2021.01.jpg", encoded(photo(3), "jpeg")),
        ("holiday.2021.02.jpg", encoded(photo(4), "jpeg")),
        ("sunset.mask.jpg", encoded(photo(5), "jpeg")),
    ]
    source = open_source(_tar(tmp_path / "set.tar", members))
    photographs = ("holiday.2021.01.jpg", "holiday.2021.02.jpg", "sunset.mask.jpg")
    assert source.names == ("000.jpg", "001.jpg", "002.png", *photographs)
    record = source.records["000.jpg"]
    assert (record.category, record.box, record.azimuth, record.extra) == ("car", (1, 2, 9, 9), None, {"n": 3})
    assert np.array_equal(source.mask(0), mask())
    assert source.mask(1) is None
    assert np.array_equal(source.mask(2), mask(left=6))
    assert source.problems[0].startswith('000.json: azimuth must be a number, got "north"')
    assert source.problems[1].startswith("001.json: not a JSON object")


def test_shards_of_a_range_are_read_in_order_and_equal_names_stay_apart(tmp_path):
    for number in range(3):
        _tar(tmp_path / f"s-{number:02d}.tar", [("0.png", encoded(photo(number)))])
    for pattern in ("s-{00..02}.tar", "s-*.tar", "s-0[0-2].tar", "s-{00,01,02}.tar"):
        source = open_source(str(tmp_path / pattern))
        assert source.names == ("s-00/0.png", "s-01/0.png", "s-02/0.png")
        assert all(np.array_equal(source.image(number), photo(number)) for number in range(3))


def test_shards_of_one_name_in_two_folders_stay_apart(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        _tar(tmp_path / folder / "s.tar", [("0.png", encoded(photo(len(folder))))])
    names = open_source(str(tmp_path / "{x,y}/s.tar")).names
    assert len(set(names)) == 2
    assert all(name.endswith(("x/s/0.png", "y/s/0.png")) for name in names)


def test_a_missing_shard_of_a_range_is_named(tmp_path):
    _tar(tmp_path / "s-0.tar", FILES.items())
    with pytest.raises(DataError, match=r"s-1\.tar: no such file"):
        expand_shards(str(tmp_path / "s-{0..1}.tar"))


def _lmdb(path, items):
    with lmdb.open(str(path), map_size=1 << 20) as environment, environment.begin(write=True) as transaction:
        for key, value in items:
            transaction.put(key, value)
    return path


def test_an_lsun_folder_is_read_by_key(tmp_path):
    items = [(b"0001", encoded(photo(1), "webp", lossless=True)), (b"0000", encoded(photo(0), "webp", lossless=True))]
    with open_source(_lmdb(tmp_path / "cars_lmdb", items)) as source, ThreadPoolExecutor(4) as pool:
        assert source.names == ("0000", "0001")
        for number, pixels in enumerate(pool.map(source.image, [0, 1] * 20)):
            assert np.array_equal(pixels, photo(number % 2))


def test_keys_that_are_no_safe_names_become_hexadecimal(tmp_path):
    with open_source(_lmdb(tmp_path / "odd", [(b"../x", b"1"), (b"\xff\x00", b"2")])) as source:
        assert source.names == ("2e2e2f78", "ff00")
        assert source.read(1) == b"2"


def test_a_damaged_lmdb_is_one_clear_line(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"not an LMDB at all" * 1000)
    with pytest.raises(DataError, match="is not an LMDB that can be read"):
        open_source(tmp_path)


def test_a_torchvision_set_is_opened_by_name():
    source = open_source("torchvision:FakeData,size=3,random_offset=5")
    assert source.names == ("00000.png", "00001.png", "00002.png")
    assert source.image(0).shape == (224, 224, 3)
    assert source.read(1) != source.read(2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CIFAR11", "knows no image data set 'CIFAR11'; did you mean 'CIFAR10'?"),
        ("photos", "knows no image data set 'photos'; names are spelt as"),
        ("FakeData,colour=red", "knows no 'colour'; it takes size"),
        ("FakeData,sise=3", "knows no 'sise'; did you mean 'size'?"),
        ("FakeData,size", "must be key=value"),
        ("CIFAR10,root={}", "cannot be opened .*check its options or allow its download"),
    ],
)
def test_a_torchvision_set_that_cannot_be_opened_says_why(text, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        open_source("torchvision:" + text.format(tmp_path))
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded
