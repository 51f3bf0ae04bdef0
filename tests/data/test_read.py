import io
import struct
import zlib

import numpy as np
import pytest
from pictures import ASYMMETRIC, encoded, photo
from PIL import Image

from genstruct.data.masks import decode_mask
from genstruct.data.read import EMPTY_ALPHA, TOO_DARK, WHOLLY_TRANSPARENT, decode_image, read_picture
from genstruct.errors import ImageError


def _png(width: int, height: int, rows: bytes, depth: int = 8, color: int = 0) -> bytes:
    """A PNG written by hand, so that nothing of the decoder under test made it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_an_rgb_file_gives_its_pixels():
    assert np.array_equal(decode_image(encoded(ASYMMETRIC)), ASYMMETRIC)


def test_a_path_reads_as_its_bytes_do(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(ASYMMETRIC))
    assert np.array_equal(decode_image(path), ASYMMETRIC)


# EXIF orientation: how the stored picture must be turned to stand upright (EXIF 2.32, tag 0x0112).
_STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", _STORED)
@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_every_exif_orientation_comes_out_upright(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    stored = np.ascontiguousarray(_STORED[orientation](ASYMMETRIC))
    picture = read_picture(encoded(stored, kind, exif=exif, **options))
    assert np.array_equal(picture.pixels, ASYMMETRIC)
    assert picture.size == (3, 2)


@pytest.mark.parametrize(("orientation", "size"), [(1, (39, 40)), (6, (40, 39)), (3, (39, 40))])
def test_the_size_of_a_nearly_square_photo_survives_decoding_it_smaller(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(encoded(photo(0, 39, 40), "jpeg", exif=exif), at_least=19)
    assert picture.pixels.shape == (20, 20, 3)
    assert picture.size == size


def test_a_mask_is_turned_like_its_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.array([[0, 0, 255], [255, 255, 251]], np.uint8)
    stored = np.ascontiguousarray(np.rot90(upright))
    assert np.array_equal(decode_mask(encoded(stored, exif=exif)), upright)


def test_sixteen_bits_are_scaled_and_rounded_not_cut():
    values = np.array([[0, 128, 129, 257, 32767], [32896, 33024, 65278, 65407, 65535]], ">u2")
    rows = b"".join(b"\x00" + row.tobytes() for row in values)
    expected = np.rint(values.astype(float) / 257).astype(np.uint8)
    assert expected.tolist() == [[0, 0, 1, 1, 127], [128, 128, 254, 255, 255]]
    data = _png(5, 2, rows, depth=16)
    assert np.array_equal(decode_mask(data), expected)
    assert np.array_equal(decode_image(data), expected[..., None].repeat(3, -1))


def test_sixteen_bit_color_keeps_its_channels_apart():
    pixel = np.array([[[65535, 0, 32896]]], ">u2")
    assert decode_image(_png(1, 1, b"\x00" + pixel.tobytes(), depth=16, color=2)).tolist() == [[[255, 0, 128]]]


@pytest.mark.parametrize(
    ("values", "expected"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 100.0, 255.0], [0, 100, 255])]
)
def test_float_tiff_of_either_range_is_read(values, expected):
    assert decode_mask(encoded(np.array([values], np.float32), "tiff")).tolist() == [expected]


def test_values_of_unknown_range_are_refused():
    with pytest.raises(ImageError, match="-5 to 70000 have no known range"):
        decode_image(encoded(np.array([[-5.0, 70000.0]], np.float32), "tiff"), "odd.tif")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes_of_png_agree_on_black_and_white(mode):
    pixels = np.array([[0, 255, 255], [255, 0, 0]], np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, "png")
    picture = read_picture(data.getvalue())
    assert np.array_equal(picture.pixels, pixels[..., None].repeat(3, -1))
    assert picture.mode == mode


def test_cmyk_jpeg_comes_out_in_its_colors():
    pixels = np.full((16, 16, 3), (200, 40, 60), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(data, "jpeg", quality=98)
    assert np.abs(decode_image(data.getvalue()).astype(int) - pixels).max() <= 4  # JPEG's own rounding


def test_transparency_is_laid_over_white():
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    assert decode_image(encoded(rgba)).tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]


def _bmp(pixels: np.ndarray) -> bytes:
    """A BMP of 32 bits that declares its fourth byte as alpha."""
    height, width = pixels.shape[:2]
    head = struct.pack("<IiiHHIIiiII", 108, width, -height, 1, 32, 3, pixels.nbytes, 2835, 2835, 0, 0)
    head += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + pixels.nbytes, 0, 0, 14 + len(head)) + head + pixels.tobytes()


def test_an_alpha_that_is_left_empty_hides_nothing_and_is_told():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., :3] = (50, 100, 200)  # blue, green, red
    picture = read_picture(_bmp(pixels))
    assert np.unique(picture.pixels.reshape(-1, 3), axis=0).tolist() == [[200, 100, 50]]
    assert picture.remark == EMPTY_ALPHA
    pixels[0, 0, 3] = 255  # now it is an alpha channel
    picture = read_picture(_bmp(pixels))
    assert (picture.pixels == 255).all(-1).sum() == 15
    assert picture.remark is None


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_wholly_transparent_picture_is_white_and_told(mode):
    image = Image.fromarray(ASYMMETRIC).convert(mode)
    image.putalpha(0)
    data = io.BytesIO()
    image.save(data, "png")
    picture = read_picture(data.getvalue())
    assert (picture.pixels == 255).all()
    assert picture.remark == WHOLLY_TRANSPARENT
    assert read_picture(data.getvalue(), transparent="ignored").remark is None


@pytest.mark.parametrize(("top", "remark"), [(4095, TOO_DARK), (4096, None), (0, None)])
def test_twelve_bits_in_sixteen_are_dark_as_the_file_says_and_told(top, remark):
    picture = read_picture(encoded(np.array([[0, top]], np.uint16)))
    assert picture.pixels[0, 1, 0] == round(top / 257)
    assert picture.remark == remark


def _with_clear_value(depth: int, color: int, rows: bytes, clear: bytes, width: int) -> bytes:
    data = _png(width, 1, rows, depth, color)
    chunk = struct.pack(">I", len(clear)) + b"tRNS" + clear + struct.pack(">I", zlib.crc32(b"tRNS" + clear))
    place = data.index(b"IDAT") - 4
    return data[:place] + chunk + data[place:]


def test_a_value_that_is_transparent_is_so_at_any_depth():
    gray = b"\0" + np.array([0, 25700, 51400], ">u2").tobytes()
    data = _with_clear_value(16, 0, gray, struct.pack(">H", 25700), 3)
    assert decode_image(data)[0, :, 0].tolist() == [0, 255, 200]
    color = b"\0" + np.array([[0, 0, 0], [25700, 12850, 5140]], ">u2").tobytes()
    data = _with_clear_value(16, 2, color, struct.pack(">HHH", 0, 0, 0), 2)
    assert decode_image(data)[0].tolist() == [[255, 255, 255], [100, 50, 20]]


def test_large_and_long_pictures_are_read_without_a_warning(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns beyond it, and refuses beyond twice as many
    for width, height in ((20000, 300), (3, 3000), (1, 1)):
        data = encoded(np.full((height, width, 3), 90, np.uint8))
        assert decode_image(data).shape == (height, width, 3)


def test_a_transparent_palette_color_is_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    data = io.BytesIO()
    image.save(data, "png", transparency=1)
    assert decode_image(data.getvalue()).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_the_mask_of_a_cut_out_is_its_opacity():
    rgba = np.array([[[9, 9, 9, 255], [255, 255, 255, 0], [0, 0, 0, 128]]], np.uint8)
    assert decode_mask(encoded(rgba)).tolist() == [[255, 0, 128]]


def test_an_animation_gives_its_first_frame_and_says_how_many_there_were():
    first, second = Image.new("RGB", (4, 3), "red"), Image.new("RGB", (4, 3), "blue")
    data = io.BytesIO()
    first.save(data, "gif", save_all=True, append_images=[second])
    picture = read_picture(data.getvalue())
    assert picture.frames == 2
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]


def test_a_photograph_may_be_decoded_smaller_but_not_below_what_is_asked():
    data = encoded(photo(1, 640, 480), "jpeg", quality=95)
    picture = read_picture(data, at_least=100)
    assert picture.size == (640, 480)
    assert picture.pixels.shape == (120, 160, 3)
    whole = np.asarray(Image.fromarray(decode_image(data)).reduce(4)).astype(float)
    assert np.abs(picture.pixels - whole).mean() < 1.5  # block averages, but for rounding inside JPEG


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"<html>not found</html>", "not an image"),
        (encoded(photo(0))[:200], "cannot be decoded"),
        (encoded(photo(0), "jpeg")[:-40], "cannot be decoded"),
        (_png(0, 3, b""), "cannot be"),
        (_png(4, 4, b"\x00garbage"), "cannot be decoded"),
    ],
    ids=["empty", "a web page", "truncated png", "truncated jpeg", "no width", "too few rows"],
)
def test_what_cannot_be_read_is_one_line_with_the_file_and_what_to_do(data, reason):
    for decode in (decode_image, decode_mask):
        with pytest.raises(ImageError, match=reason) as caught:
            decode(data, "holiday/7.png")
        message = str(caught.value)
        assert message.startswith("holiday/7.png: ")
        assert "remove it or replace it" in message
        assert "\n" not in message


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n"])
def test_pictures_that_are_programs_are_not_run(data, monkeypatch):
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("it was run"))
    with pytest.raises(ImageError, match=r"a.jpg: EPS is a program .* save it as JPEG or PNG"):
        decode_image(data, "a.jpg")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        decode_image(tmp_path / "gone.png")


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = _png(30000, 30000, b"\x00" * 100)  # 900 million pixels in a file of 100 bytes; its rows are not even there
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match=r"bomb\.png: 30000 x 30000 pixels, over the limit of 200000000"):
        decode_image(bomb, "bomb.png")
    assert limit == Image.MAX_IMAGE_PIXELS


def test_the_pixel_limit_can_be_chosen():
    data = encoded(photo(0, 24, 20))
    assert decode_image(data, max_pixels=480).shape == (20, 24, 3)
    with pytest.raises(ImageError, match="limit of 479"):
        decode_image(data, max_pixels=479)


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "webp", "gif", "bmp", "ppm", "jpeg2000"])
@pytest.mark.filterwarnings("ignore")  # Pillow's remarks on broken headers
def test_a_damaged_file_of_any_format_is_read_or_refused_in_one_line(kind):
    good, random = encoded(photo(1), kind), np.random.default_rng(0)
    for trial in range(30):
        data = bytearray(good[: random.integers(1, len(good))] if trial % 3 == 0 else good)
        for place in random.integers(min(len(data), 200), size=trial % 3 * 4):
            data[place] = random.integers(256)
        try:
            assert decode_image(bytes(data), "x.img", max_pixels=10_000_000).ndim == 3
        except ImageError as error:
            assert str(error).startswith("x.img: ")
            assert "\n" not in str(error)


def test_a_picture_that_does_not_fit_the_memory_is_an_error_of_that_picture(monkeypatch):
    def load(image):
        raise MemoryError

    data = encoded(ASYMMETRIC)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(ImageError, match=r"a\.png: too large for the memory there is"):
        decode_image(data, "a.png")
