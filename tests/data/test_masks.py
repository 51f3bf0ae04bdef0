"""What mask files mean: read rightly, or refused in one line; never scored or trained silently as what they are not."""

import io
import json

import numpy as np
import pytest
from pictures import encoded, mask, photo
from PIL import Image

from genstruct.data.masks import MaskSet, decode_mask, look_at_mask
from genstruct.data.sources import open_masks, open_source
from genstruct.data.summary import summarize
from genstruct.errors import ImageError

TRUE = mask(40, 30)
OBJECT = TRUE > 127


def soft():
    """A blurred mask, as networks make them."""
    small = Image.fromarray(TRUE).resize((10, 8), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((40, 30), Image.Resampling.BICUBIC))


def numbers(inside=15, border=255, outside=0):
    """Class numbers, with a border to be ignored around the object."""
    pixels = np.full((30, 40), outside, np.uint8)
    pixels[4:16, 3:15], pixels[5:15, 4:14] = border, inside
    return pixels


def palette(pixels, colors, **options):
    image = Image.fromarray(pixels).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value for color in colors for value in color])
    data = io.BytesIO()
    image.save(data, "png", **options)
    return data.getvalue()


def voc_palette():
    """The colours of Pascal VOC: bits of the number spread over the channels, from the top."""
    spread = lambda number, first: sum((number >> (3 * bit + first) & 1) << (7 - bit) for bit in range(3))  # noqa: E731
    return [tuple(spread(number, first) for first in range(3)) for number in range(256)]


def with_alpha(color, alpha):
    return encoded(np.dstack([np.broadcast_to(color, (30, 40, 3)), np.broadcast_to(alpha, (30, 40))]).astype(np.uint8))


def as_rgb(pixels):
    return np.repeat(pixels[..., None], 3, -1)


READ = {
    "0 and 255": encoded(TRUE),
    "three equal channels": encoded(as_rgb(TRUE)),
    "16 bits": encoded(TRUE.astype(np.uint16) * 257),
    "one bit": encoded(OBJECT),
    "0 and 254": encoded(np.where(OBJECT, 254, 0).astype(np.uint8)),
    "float, 0 to 1": encoded(OBJECT.astype(np.float32), "tiff"),
    "a grey palette": palette(OBJECT.astype(np.uint8), [(0, 0, 0), (255, 255, 255)]),
    "a palette the other way round": palette((~OBJECT).astype(np.uint8), [(255, 255, 255), (0, 0, 0)]),
    "a gif": encoded(TRUE, "gif"),
    "jpeg": encoded(TRUE, "jpeg", quality=90),
    "jpeg in three channels": encoded(as_rgb(TRUE), "jpeg", quality=90),
    "a cut-out": with_alpha(photo(0, 40, 30), TRUE),
    "white where it is opaque": with_alpha(as_rgb(TRUE), TRUE),
    "black where it is opaque": with_alpha(as_rgb(255 - TRUE), TRUE),
    "opaque everywhere": with_alpha(as_rgb(TRUE), 255),
    "opaque grey": encoded(np.dstack([TRUE, np.full_like(TRUE, 255)])),
    "a colour that would be transparent": palette(
        OBJECT.astype(np.uint8), [(0, 0, 0), (255,) * 3, (9, 9, 9)], transparency=2
    ),
    "0 and 1": encoded(OBJECT.astype(np.uint8)),
    "0 and 1 in 16 bits": encoded(OBJECT.astype(np.uint16)),
    "0 and 255 in 16 bits": encoded(TRUE.astype(np.uint16)),
    "0 and 1 in colours": palette(OBJECT.astype(np.uint8), voc_palette()),
    "opaque, 0 and 1": encoded(np.dstack([OBJECT.astype(np.uint8), np.full_like(TRUE, 255)])),
}
REFUSED = {
    "class numbers": (encoded(numbers(15, 15)), "class numbers"),
    "a border to be ignored": (encoded(numbers()), "class numbers .*0, 15, 255"),
    "one class with its border": (encoded(numbers(1)), "class numbers"),
    "several classes": (encoded(np.maximum(numbers(15, 7), numbers(3, 2)[:, ::-1])), "class numbers"),
    "one class everywhere": (encoded(np.full((30, 40), 7, np.uint8)), "class numbers"),
    "one grey on black": (encoded(np.where(OBJECT, 38, 0).astype(np.uint8)), "class numbers .*0, 38"),
    "class numbers in 16 bits": (encoded(numbers(15, 3).astype(np.uint16)), "class numbers"),
    "object numbers in 16 bits": (encoded(np.where(OBJECT, 26001, 7).astype(np.uint16)), "class numbers"),
    "twelve bits": (encoded(np.where(OBJECT, 4095, 0).astype(np.uint16)), "class numbers"),
    "class numbers in colours": (palette(numbers(), voc_palette()), "class numbers .*0, 15, 255"),
    "a trimap of numbers": (encoded(numbers(1, 3, 2)), "three-valued"),
    "a trimap of greys": (encoded(numbers(255, 128).repeat(4, 0).repeat(4, 1)), "three-valued"),
    "class numbers in three channels": (encoded(as_rgb(numbers(15, 15))), "class numbers"),
    "opaque class numbers": (encoded(np.dstack([numbers(), np.full_like(TRUE, 255)])), "class numbers"),
    "a photo": (encoded(photo(0, 40, 30)), "a coloured picture"),
    "a photo as jpeg": (encoded(photo(0, 40, 30), "jpeg"), "a coloured picture"),
    "a photo with few colours": (
        (lambda data: (Image.fromarray(photo(0, 40, 30)).quantize(64).save(data, "png"), data.getvalue())[1])(
            io.BytesIO()
        ),
        "a coloured picture",
    ),
    "an opaque photo": (with_alpha(photo(0, 40, 30), 255), "a coloured picture"),
    "class colours": (encoded(np.where(OBJECT[..., None], (128, 0, 0), 0).astype(np.uint8)), "a coloured picture"),
    "a grey photo": (encoded(photo(0, 40, 30)[..., 0] // 2 + 64), "a grey picture"),
    "a trimap with a thin border": (encoded(numbers(255, 128)), "three-valued"),
    "a trimap with a border of two": (encoded(numbers(255, 128).repeat(2, 0).repeat(2, 1)), "three-valued"),
    "a mask that fades out at a side": (
        with_alpha(as_rgb(TRUE), np.where(np.arange(40) < 5, 0, 255)),
        "its colours show a mask, and its opacity another one",
    ),
    "half transparent everywhere": (with_alpha(photo(0, 40, 30), 128), "opacity is 128 of 255 everywhere"),
    "wholly transparent over a mask": (with_alpha(as_rgb(TRUE), 0), "opacity is 0 of 255 everywhere"),
}


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_a_mask_is_read_whatever_it_is_written_as(data):
    assert np.array_equal(decode_mask(data) > 127, OBJECT)


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_mask_is_refused_in_one_line_that_says_what_to_do(data, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        decode_mask(data, "a/7.png")
    message = str(caught.value)
    assert message.startswith("a/7.png: ")
    assert message.endswith("save it as a grey picture with 255 where the object is and 0 elsewhere")
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["L", "RGB", "I;16"])
def test_soft_masks_keep_their_values(kind):
    pixels = soft()
    data = {"L": encoded(pixels), "RGB": encoded(as_rgb(pixels)), "I;16": encoded(pixels.astype(np.uint16) * 257)}[kind]
    assert len(np.unique(pixels)) > 32
    assert np.array_equal(decode_mask(data), pixels)


@pytest.mark.parametrize("times", [2, 4, 8])
def test_an_enlarged_antialiased_mask_is_no_class_map(times):
    small = np.zeros((24, 24), np.uint8)
    small[6:18, 6:18], small[5, 6:18], small[18, 6:18], small[6:18, 5] = 255, 64, 128, 191
    assert look_at_mask(encoded(small.repeat(times, 0).repeat(times, 1)), "a.png").kind == "soft"


def test_a_soft_mask_that_hardly_sees_anything_is_no_class_map():
    weak = np.rint(20 * np.sin(np.linspace(0, np.pi, 160))[:, None] * np.sin(np.linspace(0, np.pi, 200))).astype(
        np.uint8
    )
    assert look_at_mask(encoded(weak), "a.png").kind == "soft"


def set_of(*files, **options):
    names = [f"{number}.png" for number in range(len(files))]
    return MaskSet(lambda path: files[names.index(path)], names, **options)


def test_nothing_in_it_is_a_mask_of_any_set():
    empty = encoded(np.zeros((30, 40), np.uint8))
    for other in (encoded(TRUE), encoded(OBJECT.astype(np.uint8)), encoded(numbers())):
        assert not set_of(empty, other, other)["0.png"].any()
    transparent = set_of(encoded(np.zeros((30, 40, 4), np.uint8)))
    assert not transparent["0.png"].any()
    assert "wholly transparent: nothing is object" in transparent.remarks[0]


def test_zero_and_one_are_judged_by_the_set():
    unit = encoded(OBJECT.astype(np.uint8))
    alone = set_of(unit, unit, encoded(np.zeros((30, 40), np.uint8)))
    assert np.array_equal(alone["0.png"], TRUE)
    assert alone.remarks == ("1 masks (such as 0.png) hold the values 0 and 1, which are taken for 0 and 255",)
    among = set_of(unit, encoded(TRUE), encoded(soft()))
    assert among["0.png"].max() == 1
    assert "nearly nothing is object" in among.remarks[0]
    with pytest.raises(ImageError, match="one of a set of class numbers"):
        set_of(unit, encoded(numbers()), encoded(numbers(3)))["0.png"]


def test_a_border_alone_is_no_object_where_the_set_counts_classes():
    void = encoded(numbers(0))
    with pytest.raises(ImageError, match="one of a set of class numbers"):
        set_of(void, encoded(numbers()), encoded(numbers(3)))["0.png"]
    assert set_of(void, encoded(TRUE))["0.png"].max() == 255


def test_one_odd_mask_does_not_spoil_a_set():
    odd = set_of(encoded(numbers()), *[encoded(TRUE)] * 3)
    with pytest.raises(ImageError):
        odd["0.png"]
    assert np.array_equal(odd["1.png"], TRUE)


def test_predictions_may_be_undecided_and_that_is_said():
    gray = photo(0, 40, 30)[..., 0] // 2 + 64
    predicted = set_of(encoded(gray), predicted=True)
    assert np.array_equal(predicted["0.png"], gray)
    assert "grey for the most part" in predicted.remarks[0]
    known = set_of(encoded(np.full((30, 40), 127, np.uint8)), known=True)
    assert (known["0.png"] == 127).all()
    assert known.remarks == ()


def test_a_labeled_set_names_masks_that_are_none(tmp_path):
    files = {
        "0": encoded(TRUE),
        "1": encoded(numbers()),
        "2": with_alpha(as_rgb(TRUE), 255),
        "3": encoded(photo(1, 40, 30)),
    }
    lines = [{"file_name": f"{name}.jpg", "mask_file_name": f"{name}_mask.png"} for name in files]
    for name, data in files.items():
        (tmp_path / f"{name}.jpg").write_bytes(encoded(photo(int(name), 40, 30), "jpeg"))
        (tmp_path / f"{name}_mask.png").write_bytes(data)
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with open_source(tmp_path) as source:
        summary = summarize(source)
        assert summary.masks == 2
        assert [name for name, _ in summary.wrong_masks] == ["1.jpg", "3.jpg"]
        assert [source.mask(number).mean() / 255 for number in (0, 2)] == [OBJECT.mean()] * 2
    with open_masks(tmp_path) as masks:
        assert masks.names == tuple(f"{name}_mask.png" for name in files)
