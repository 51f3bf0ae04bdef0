"""Films, animated pictures, sheets, folders: what is in them, what an interruption leaves, what is refused."""

import gc
import math
import re
import stat
import subprocess
import sys
import warnings
import weakref

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from genstruct.errors import ConfigError, MissingDependency, OutputError, ShapeError
from genstruct.export.video import check_place, format_of, write_frames

COLORS = [(255, 255, 255), (0, 0, 0), (230, 40, 20), (30, 200, 60), (20, 60, 220), (120, 120, 120), (250, 220, 10)]
PLACES = ["turn.mp4", "turn.gif", "turn.png", "turn"]


def flat(count, height=16, width=32, channels=3):
    """Frames of one colour each."""
    for number in range(count):
        color = (*COLORS[number % len(COLORS)], 128)[:channels]
        yield np.full((height, width, channels), color, np.uint8)


def film(path):
    """Size (width, height), frames a second, and frames of an mp4, as another program decodes them."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    about = re.search(rb"Video: .* (\d+)x(\d+),.* ([\d.]+) fps", done.stderr)
    width, height = int(about[1]), int(about[2])
    return (width, height), float(about[3]), np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def listed(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_film_has_the_frames_the_rate_and_the_colors(tmp_path):
    write_frames(tmp_path / "deep" / "turn.mp4", flat(7), 7, fps=12.5)
    size, fps, frames = film(tmp_path / "deep" / "turn.mp4")
    assert (size, fps, len(frames)) == ((32, 16), 12.5, 7)
    for frame, color in zip(frames, COLORS, strict=True):
        # Bytes of limited-range YUV are 1.2 apart, and compression adds to that; a wrong matrix is off by 20 and more.
        assert np.abs(frame.astype(int) - color).max() <= 4
    assert stat.S_IMODE((tmp_path / "deep" / "turn.mp4").stat().st_mode) == 0o644


@pytest.mark.parametrize(("height", "width"), [(15, 31), (1, 1)])
def test_films_of_odd_sizes_repeat_their_last_row_and_column(tmp_path, height, width):
    write_frames(tmp_path / "turn.mp4", flat(2, height, width), 2)
    size, _, frames = film(tmp_path / "turn.mp4")
    assert size == (width + 1, height + 1)
    assert frames[0].min() > 250


@pytest.mark.parametrize("fps", [7, 12, 24, 50])
def test_a_gif_has_the_frames_the_duration_and_the_colors_and_repeats(tmp_path, fps):
    write_frames(tmp_path / "turn.gif", flat(7), 7, fps)
    with Image.open(tmp_path / "turn.gif") as image:
        assert (image.format, image.size, image.n_frames, image.info["loop"]) == ("GIF", (32, 16), 7, 0)
        durations = []
        for number, color in enumerate(COLORS):
            image.seek(number)
            durations.append(image.info["duration"])
            assert (np.asarray(image.convert("RGB")) == color).all()
    assert sum(durations) == round(7 * 100 / fps) * 10
    assert max(durations) - min(durations) <= 10


def test_a_gif_keeps_pictures_of_many_colors_and_an_even_background(tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (40, 40, 1), np.uint8).repeat(3, 2)
    frame[:, :20] = (250, 251, 252)
    write_frames(tmp_path / "turn.gif", [frame, 255 - frame], 2)
    with Image.open(tmp_path / "turn.gif") as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
        assert (shown[:, :20] == (250, 251, 252)).all()
        assert np.abs(shown - frame).max() <= 8
        image.seek(1)
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - (255 - frame)).max() <= 8


@pytest.mark.parametrize("channels", [3, 4])
def test_a_sheet_has_the_frames_in_rows_as_they_are(tmp_path, channels):
    write_frames(tmp_path / "turn.png", flat(5, channels=channels), 5)
    sheet = np.asarray(Image.open(tmp_path / "turn.png"))
    assert sheet.shape == (2 * 16, 3 * 32, channels)
    for number, frame in enumerate(flat(5, channels=channels)):
        row, column = divmod(number, 3)
        np.testing.assert_array_equal(sheet[16 * row : 16 * row + 16, 32 * column : 32 * column + 32], frame)
    assert (sheet[16:, 64:] == (255 if channels == 3 else 0)).all()


def test_a_folder_has_a_picture_for_each_frame(tmp_path):
    write_frames(tmp_path / "views", flat(2, channels=4), 2)
    assert listed(tmp_path) == ["views", "views/view_000.png", "views/view_001.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "views/view_001.png")), [*flat(2, channels=4)][1])
    assert stat.S_IMODE((tmp_path / "views").stat().st_mode) & 0o055 == 0o055


@pytest.mark.parametrize("name", ["turn.mp4", "turn"])
def test_frames_are_not_kept(tmp_path, name):
    alive, most = [], 0

    def frames():
        nonlocal most
        for frame in flat(30):
            alive.append(weakref.ref(frame))
            yield frame
            most = max(most, sum(reference() is not None for reference in alive))

    write_frames(tmp_path / name, frames(), 30)
    assert most <= 3


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png", ""])
def test_names_may_be_as_long_as_the_file_system_allows(tmp_path, ending):
    name = "v" * (255 - len(ending)) + ending
    write_frames(tmp_path / name, flat(2), 2)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("name", PLACES)
def test_an_interruption_leaves_nothing_new_and_what_was_there(tmp_path, name, stop):
    def interrupted():
        yield from flat(2)
        raise stop

    with pytest.raises(stop):
        write_frames(tmp_path / name, interrupted(), 9)
    assert listed(tmp_path) == []
    write_frames(tmp_path / name, flat(3), 3)
    there = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(stop):
        write_frames(tmp_path / name, interrupted(), 9, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == there


@pytest.mark.parametrize("name", PLACES)
def test_what_is_there_is_replaced_only_on_request(tmp_path, name):
    write_frames(tmp_path / name, flat(5), 5)
    with pytest.raises(OutputError, match="or --overwrite"):
        write_frames(tmp_path / name, flat(2), 2)
    write_frames(tmp_path / name, flat(2), 2, overwrite=True)
    write_frames(tmp_path / "fresh" / name, flat(2), 2)
    assert listed(tmp_path / name) == listed(tmp_path / "fresh" / name)  # of a folder: no frame of before
    if name != "turn":
        assert (tmp_path / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_a_folder_with_other_files_is_never_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds other files \(mine.txt"):
            write_frames(tmp_path, flat(2), 2, overwrite=overwrite)
    assert listed(tmp_path) == ["mine.txt"]


def test_names_choose_the_format(tmp_path):
    (tmp_path / "run.2").mkdir()
    (tmp_path / "dir.gif").mkdir()
    assert [format_of(tmp_path / name) for name in ("a.MP4", "a.gif", "a.png", "a", "run.2")] == [
        *(".mp4", ".gif", ".png", "", "")
    ]
    for name in ("turn.avi", "turn.obj", "run.3"):
        with pytest.raises(OutputError, match=r"must end in \.mp4, \.gif, \.png, or have no ending"):
            format_of(tmp_path / name)
    with pytest.raises(OutputError, match="is a folder"):
        check_place(tmp_path / "dir.gif", 2, (8, 8))


@pytest.mark.parametrize(
    ("name", "count", "size", "fps", "transparent", "error", "message"),
    [
        ("a.gif", 2, (8, 8), 60, False, ConfigError, "0.1 to 50 frames a second, got 60"),
        ("a.mp4", 2, (8, 8), 0, False, ConfigError, "got 0"),
        ("a.mp4", 2, (8, 8), math.nan, False, ConfigError, "got nan"),
        ("a.gif", 2, (8, 8), 12, True, ConfigError, "cannot be transparent"),
        ("a.mp4", 2, (8, 8), 12, True, ConfigError, "cannot be transparent"),
        ("a.gif", 700, (8, 8), 1, False, ConfigError, "can last 655 s, got 700 frames at 1 a second"),
        ("a.png", 1000, (512, 512), 12, False, OutputError, "268 megapixels, at most 64"),
        ("a.gif", 1000, (512, 512), 12, False, OutputError, "262 megapixels, at most 256"),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path, name, count, size, fps, transparent, error, message):
    with pytest.raises(error, match=message):
        check_place(tmp_path / name, count, size, fps, False, transparent)
    check_place(tmp_path / "folder", count, size, 12, False, transparent)


@pytest.mark.parametrize("name", PLACES)
def test_frames_that_do_not_fit_are_refused(tmp_path, name):
    mixed = [*flat(1), *flat(1, height=8)]
    for frames, count in ((flat(2), 3), (flat(3), 2), (flat(0), 0), (mixed, 2), (flat(2, channels=1), 2)):
        with pytest.raises(ShapeError, match=f"{name} takes"):
            write_frames(tmp_path / name, frames, count)
    assert listed(tmp_path) == []


@pytest.mark.parametrize("missing", ["package", "program"])
def test_without_ffmpeg_only_films_are_refused_with_the_line_that_installs_it(tmp_path, monkeypatch, missing):
    def nothing():
        raise RuntimeError("no program")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", nothing)
    if missing == "package":
        monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingDependency, match=r"pip install 'genstruct\[video\]'"):
        check_place(tmp_path / "turn.mp4", 2, (8, 8))
    for name in ("turn.gif", "turn.png", "turn"):
        write_frames(tmp_path / name, flat(2), 2)


def complaint(path):
    """Why an mp4 cannot be written."""
    try:
        write_frames(path, (np.zeros((512, 512, 3), np.uint8) for _ in range(4)), 4)
    except OutputError as error:
        return str(error)


@pytest.mark.parametrize("script", ["", "exec 0<&-", "cat > /dev/null"], ids=["at once", "deaf", "at the end"])
def test_an_ffmpeg_that_fails_leaves_nothing_and_says_why(tmp_path, monkeypatch, capfd, script):
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\necho no room >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with warnings.catch_warnings():  # imageio-ffmpeg leaves the pipe of a program that has gone to be collected
        warnings.simplefilter("ignore", ResourceWarning)
        said = complaint(tmp_path / "turn.mp4")
        gc.collect()
    assert said.startswith(f"{tmp_path / 'turn.mp4'} cannot be encoded (ffmpeg gives its reason above")
    assert "no room" in capfd.readouterr().err
    assert listed(tmp_path) == ["program"]


def test_frames_of_a_gif_that_are_alike_are_one_that_stays_longer(tmp_path):
    write_frames(tmp_path / "turn.gif", [frame for frame in flat(2) for _ in range(30)], 60, fps=10)
    with Image.open(tmp_path / "turn.gif") as image:
        assert (image.n_frames, image.info["duration"]) == (2, 3000)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path, name):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot be written"):
        write_frames(tmp_path / "file" / name, flat(2), 2)
    assert listed(tmp_path) == ["file"]
