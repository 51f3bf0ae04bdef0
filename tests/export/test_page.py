"""The page is one valid file that asks nobody else for anything."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from genstruct.errors import OutputError
from genstruct.export.images import write_png
from genstruct.export.page import Picture, Section, Table, write_page

VOID = {"meta", "link", "img"}


class Reader(HTMLParser):
    """Collects elements and fails on ones that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.found, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(path):
    reader = Reader()
    reader.feed(path.read_text())
    assert not reader.open
    return reader


@pytest.fixture
def page(tmp_path):
    write_png(tmp_path / "page/beside me.png", np.zeros((4, 4), np.uint8))
    write_png(tmp_path / "elsewhere.png", np.zeros((4, 4), np.uint8))
    sections = [
        Section(
            "Scores <&>",
            "Text & more",
            Table(("method", "IoU"), [("ours", "0.9"), ("other", "0.5")], strong=(0,)),
            commands=("genstruct masks",),
        ),
        Section(
            "Pictures",
            pictures=[
                Picture(torch.rand(3, 8, 8), "made 'here'"),
                Picture(tmp_path / "page/beside me.png", "linked"),
                Picture(tmp_path / "elsewhere.png", "embedded", width=300),
            ],
            rows=[{"photo": torch.rand(3, 8, 8), "mask": torch.rand(1, 8, 8)}, {"photo": torch.rand(3, 8, 8)}],
        ),
    ]
    write_page(tmp_path / "page/index.html", "Results", sections, intro="What it is")
    return tmp_path / "page/index.html"


def test_the_page_is_well_formed_and_shows_what_it_was_given(page):
    text = read(page).text
    for part in ("Results", "What it is", "Scores <&>", "Text & more", "ours", "0.9", "genstruct masks", "linked"):
        assert part in text


def test_nothing_that_a_page_is_given_becomes_an_element(tmp_path):
    evil = "'\"><script>alert(1)</script>{{ 1 + 1 }}"
    image = torch.rand(3, 8, 8)
    write_png(tmp_path / f"{evil.replace('/', '')}.png", np.zeros((4, 4), np.uint8))
    beside = tmp_path / f"{evil.replace('/', '')}.png"
    section = Section(
        evil, evil, Table([evil], [[evil]]), [Picture(image, evil), Picture(beside, evil)], [{evil: image}], [evil]
    )
    write_page(tmp_path / "index.html", evil, [section, section], evil)
    reader = read(tmp_path / "index.html")
    assert [tag for tag, _ in reader.found].count("script") == 1
    assert reader.text.count(evil) == 3 + 2 * 9  # title twice and intro; a section names it twice in links and heading
    assert {attributes["alt"] for tag, attributes in reader.found if tag == "img" and "src" in attributes} == {evil}


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in read(page).found:
        for name in ("src", "href"):
            address = attributes.get(name) or "data:"
            assert address.startswith(("data:", "#")) or (page.parent / address.replace("%20", " ")).is_file(), tag
    assert not re.search(r"https?:|@import|url\(", page.read_text())


def test_pictures_load_late_have_alternative_text_and_embedded_ones_decode(page):
    images = [attributes for tag, attributes in read(page).found if tag == "img" and "src" in attributes]
    assert len(images) == 6
    assert all(image["loading"] == "lazy" and image["alt"] for image in images)
    embedded = [image["src"] for image in images if image["src"].startswith("data:image/png;base64,")]
    assert len(embedded) == 5
    assert all(base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG") for source in embedded)


def test_small_pictures_keep_hard_pixels(page):
    images = [attributes for tag, attributes in read(page).found if tag == "img"]
    assert sum(image.get("class") == "crisp" for image in images) == 4


def test_a_file_that_cannot_be_shown_is_refused_and_no_page_is_written(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for path, message in ((tmp_path / "notes.txt", "cannot be shown"), (tmp_path / "gone.png", "cannot be read")):
        with pytest.raises(OutputError, match=message):
            write_page(tmp_path / "page/index.html", "x", [Section("y", pictures=[Picture(path)])])
    assert not (tmp_path / "page/index.html").exists()
