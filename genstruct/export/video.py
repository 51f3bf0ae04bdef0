"""Frames as a file: film (mp4), animated picture (gif), sheet (png) or folder; streamed, whole or not at all."""

import contextlib
import io
import math
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from genstruct.errors import ConfigError, MissingDependency, OutputError, ShapeError
from genstruct.export.images import Pixels, write_png

FORMATS = (".mp4", ".gif", ".png")
"""Endings; a name without any is that of a folder."""
SHEET_PIXELS = 64_000_000
"""Most pixels of a sheet, which is put together in memory: a thousand frames of 256 px."""
FASTEST = {".mp4": 120.0, ".gif": 50.0}
"""Most frames a second: viewers show a gif's frames of less than 2/100 s slowly."""
QUALITY = 17
"""x264's constant rate factor: hardly to be told from the original."""
_FRAME = re.compile(r"view_\d+\.png")


def write_frames(
    path: Path, frames: Iterable[Pixels], count: int, fps: float | int = 12, overwrite: bool = False
) -> None:
    """Write frames, taken one after the other; the name's ending chooses the format. Folders are made.

    - .mp4: H.264, which everything plays; needs ffmpeg. Colours are marked as sRGB. Odd sizes get one more row or
      column, a copy of the last.
    - .gif: repeats for ever, 256 colours a frame.
    - .png: all frames side by side, in rows, as near to a square as can be.
    - no ending, or a folder that exists: view_000.png, view_001.png, ...

    Nothing is at `path` before the last frame is done, also not after an interruption.

    Args:
        path: Where to.
        frames: Bytes [height, width, 3], for .png and folders also 4 (RGBA), all of one size.
        count: How many come.
        fps: Frames a second of .mp4 and .gif. A gif counts in 1/100 s: its delays differ so that the sum is right.
        overwrite: Replace what is there; of a folder, only one that holds nothing but frames.

    Raises:
        OutputError: Another ending, something there already, a place that cannot be written, a sheet too large.
        ConfigError: A rate that the format does not have, or alpha where the format has none.
        MissingDependency: No ffmpeg; the message tells how to get it.
        ShapeError: Frames of several sizes, or another number of them.
    """
    path, writer = Path(path), _WRITERS[format_of(path)]
    _check_free(path, overwrite)
    _check_rate(path, fps)
    try:
        writer(path, _checked(path, frames, count), count, fps)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another place or make room") from error


def check_place(
    path: Path,
    count: int,
    size: tuple[int, int],
    fps: float | int = 12,
    overwrite: bool = False,
    transparent: bool = False,
) -> None:
    """Whether `write_frames` will take frames of `size` (height, width), before any of them is made.

    Raises:
        OutputError, ConfigError, MissingDependency: As `write_frames`.
    """
    kind = format_of(Path(path))
    _check_free(Path(path), overwrite)
    _check_rate(Path(path), fps)
    if transparent and kind in (".mp4", ".gif"):
        raise ConfigError(f"{path} cannot be transparent; give a background, or write a .png or a folder")
    if kind == ".mp4":
        find_ffmpeg()
    elif kind == ".png":
        _check_sheet(Path(path), count, size)


def format_of(path: Path) -> str:
    """One of `FORMATS`, or "" for a folder.

    Raises:
        OutputError: Another ending.
    """
    suffix = path.suffix.lower()
    if suffix in FORMATS:
        return suffix
    if suffix and not path.is_dir():
        raise OutputError(f"{path} must end in {', '.join(FORMATS)}, or have no ending, as the name of a folder")
    return ""


def find_ffmpeg() -> str:
    """The program that encodes films: that of imageio-ffmpeg, else the system's.

    Raises:
        MissingDependency: There is none.
    """
    try:
        import imageio_ffmpeg

        program: str = imageio_ffmpeg.get_ffmpeg_exe()
        return program
    except (ImportError, RuntimeError) as error:
        if found := shutil.which("ffmpeg"):
            return found
        raise MissingDependency(
            "writing .mp4 needs ffmpeg: pip install 'genstruct[video]'; .gif, .png and folders do not need it"
        ) from error


def _check_free(path: Path, overwrite: bool) -> None:
    if path.is_dir() and format_of(path):
        raise OutputError(f"{path} is a folder; give another name")
    if path.is_dir():
        others = sorted(entry.name for entry in path.iterdir() if not (overwrite and _FRAME.fullmatch(entry.name)))
        if others:
            advice = "give a new or empty folder" + (", or --overwrite" if _only_frames(others) else "")
            raise OutputError(f"{path} holds other files ({', '.join(others[:3])}, ...); {advice}")
    elif path.exists() and not overwrite:
        raise OutputError(f"{path} is there already; give another name, or --overwrite")


def _only_frames(names: list[str]) -> bool:
    return all(_FRAME.fullmatch(name) for name in names)


def _check_rate(path: Path, fps: float | int) -> None:
    most = FASTEST.get(format_of(path), math.inf)
    if not 0 < fps <= most or fps < 0.1:
        raise ConfigError(f"{path} can have 0.1 to {most:g} frames a second, got {fps:g}")


def _check_sheet(path: Path, count: int, size: tuple[int, int]) -> None:
    rows, columns = _layout(count)
    pixels = rows * size[0] * columns * size[1]
    if pixels > SHEET_PIXELS:
        raise OutputError(
            f"{path} would have {pixels / 1e6:.0f} megapixels, at most {SHEET_PIXELS / 1e6:.0f} are written; "
            "take fewer or smaller frames, or a folder"
        )


def _checked(path: Path, frames: Iterable[Pixels], count: int) -> Iterator[Pixels]:
    """The frames, which must be as many as were promised, of one size, and RGB or, where the format has alpha, RGBA."""
    shape, number = None, 0
    channels = (3,) if format_of(path) in FASTEST else (3, 4)
    for number, frame in enumerate(frames, 1):
        if frame.ndim != 3 or frame.shape[2] not in channels or (shape or frame.shape) != frame.shape or number > count:
            wanted = f"{count} frames {list(shape) if shape else f'[height, width, {channels}]'}"
            raise ShapeError(f"{path} takes {wanted}, got {list(frame.shape)} as number {number}")
        shape = frame.shape
        yield frame
    if number != count or not count:
        raise ShapeError(f"{path} takes {max(count, 1)} frames, got {number}")


def _layout(count: int) -> tuple[int, int]:
    """Rows and columns of a sheet."""
    columns = math.ceil(math.sqrt(max(count, 1)))
    return math.ceil(count / columns), columns


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` at the end, and goes away after an error or an interruption.

    It lies in a folder of its own: an encoder that was interrupted while it started has then no place to write to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".partial", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        yield partial
        partial.chmod(0o644)
        partial.replace(path)


def _write_sheet(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    rows, columns = _layout(count)
    sheet = np.zeros((0, 0, 3), np.uint8)
    for number, frame in enumerate(frames):
        height, width, channels = frame.shape
        if not number:
            _check_sheet(path, count, (height, width))
            empty = 255 if channels == 3 else 0  # cells without a frame: white or transparent
            sheet = np.full((rows * height, columns * width, channels), empty, np.uint8)
        top, left = number // columns * height, number % columns * width
        sheet[top : top + height, left : left + width] = frame
    write_png(path, sheet)


def _write_folder(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    """Into a folder inside the folder, out of which they move at the end."""
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=path))
    try:
        digits = max(3, len(str(count - 1)))
        for number, frame in enumerate(frames):
            write_png(partial / f"view_{number:0{digits}}.png", frame)
        for old in path.glob("view_*.png"):  # `_check_free` has seen that there are no others
            old.unlink()
        for new in sorted(partial.iterdir()):
            new.replace(path / new.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):  # it holds the frames
                path.rmdir()


def _write_gif(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    """The container is written here, frame after frame; Pillow, which compresses them, would keep all in memory."""
    with _partial(path) as partial, partial.open("wb") as file:
        for number, frame in enumerate(frames):
            if not number:
                height, width = frame.shape[:2]
                file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0, 0))  # repeat for ever
            delay = round((number + 1) * 100 / fps) - round(number * 100 / fps)
            file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 0x04, delay, 0, 0))
            file.write(_gif_picture(frame))
        file.write(b"\x3b")


def _gif_picture(frame: Pixels) -> bytes:
    """One frame as the part of a GIF that holds a picture with its own colours."""
    buffer = io.BytesIO()
    # Of Pillow's ways to choose colours the one whose worst pixel is least wrong; an even background stays exact.
    few = Image.fromarray(frame).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(buffer, "GIF", interlace=0)
    whole = buffer.getvalue()
    bits = whole[10] & 7  # of the table of colours, after 13 bytes of header: 2^(bits + 1) entries
    end = 13 + 3 * 2 ** (bits + 1)
    start = end
    while whole[start] == 0x21:  # extensions: chains of blocks, each after its length
        start += 2
        while whole[start]:
            start += 1 + whole[start]
        start += 1
    place = whole[start : start + 9]
    return place + bytes([0x80 | bits]) + whole[13:end] + whole[start + 10 : -1]


def _write_mp4(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    program = find_ffmpeg()
    first = _even(next(frames))
    with (
        _partial(path) as partial,
        _encoder(path, [program, *_encoding(first.shape, fps, partial)]) as film,
    ):
        film.write(first.tobytes())
        for frame in frames:
            film.write(_even(frame).tobytes())


def _even(frame: Pixels) -> Pixels:
    """H.264 stores colours at half the size."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _encoding(shape: tuple[int, ...], fps: float | int, path: Path) -> list[str]:
    """What to tell ffmpeg. Without marks, players guess the colour matrix by the size of the picture."""
    matrix = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p"
    marks = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1:range=tv"
    return [
        *("-nostdin", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{shape[1]}x{shape[0]}", "-framerate", f"{fps:g}", "-i", "pipe:0"),
        *("-vf", f"{matrix},{marks}", "-c:v", "libx264", "-crf", str(QUALITY), "-movflags", "+faststart"),
        *("-f", "mp4", str(path)),
    ]


@contextlib.contextmanager
def _encoder(path: Path, command: list[str]) -> Iterator[IO[bytes]]:
    """A running ffmpeg that takes frames; ended at the end, killed after an error. What it complains about is told."""
    with tempfile.TemporaryFile() as complaints:
        # In a session of its own, so that Ctrl-C reaches only us.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints, start_new_session=True)
        assert process.stdin is not None
        stopped = True
        try:
            with contextlib.suppress(BrokenPipeError):
                yield process.stdin
                process.stdin.close()
                stopped = False
            process.wait()
        finally:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()
        if process.returncode or stopped:
            complaints.seek(0)
            said = complaints.read(2000).decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise OutputError(f"{path} cannot be encoded (ffmpeg: {said[-1]}); make room, or write .gif or a folder")


_WRITERS: dict[str, Callable[[Path, Iterator[Pixels], int, float | int], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".png": _write_sheet,
    "": _write_folder,
}
