"""Frames as a file: film (mp4), animated picture (gif), sheet (png) or folder; whole or not at all."""

import contextlib
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image

from genstruct.errors import ConfigError, MissingDependency, OutputError, ShapeError
from genstruct.export.images import Pixels, png_bytes, write_png
from genstruct.files import scratch_folder, whole_file, whole_folder, write_bytes, writing

FORMATS = (".mp4", ".gif", ".png")
"""Endings; a name without any is that of a folder."""
MOST_PIXELS = {".gif": 256_000_000, ".png": 64_000_000}
"""Of all frames of what is put together in memory: some 970 of 512 px in a gif (2.3 GB), 970 of 256 px in a sheet."""
FASTEST = {".mp4": 120.0, ".gif": 50.0}
"""Most frames a second: viewers show a gif's frames of less than 2/100 s slowly."""
LONGEST = {".gif": 655.0}
"""Seconds: frames that are alike become one, and the format counts to 65535 / 100 s."""
QUALITY = 17
"""x264's constant rate factor: hardly to be told from the original."""
_FRAME = re.compile(r"view_\d+\.png")
# Without marks, players guess the colour matrix by the size of the picture.
_MATRIX = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p"
_MARKS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1:range=tv"


def write_frames(
    path: Path, frames: Iterable[Pixels], count: int, fps: float | int = 12, overwrite: bool = False
) -> None:
    """Write frames, taken one after the other; the name's ending chooses the format. Folders are made.

    - .mp4: H.264, which everything plays; needs imageio-ffmpeg. Colours are marked as sRGB. Odd sizes get one more row
      or column, a copy of the last.
    - .gif: repeats for ever, 256 colours a frame. Frames that are alike are stored as one that stays longer.
    - .png: all frames side by side, in rows, as near to a square as can be.
    - no ending, or a folder that exists: view_000.png, view_001.png, ...

    Nothing is at `path` before the last frame is done, also not after an interruption. Frames of films and folders are
    not kept; gifs and sheets are put together in memory, up to `MOST_PIXELS`.

    Args:
        path: Where to.
        frames: Bytes [height, width, 3], for .png and folders also 4 (RGBA), all of one size.
        count: How many come.
        fps: Frames a second of .mp4 and .gif. A gif counts in 1/100 s: its delays differ so that the sum is right.
        overwrite: Replace what is there; of a folder, only one that holds nothing but frames.

    Raises:
        OutputError: Another ending, something there already, a place that cannot be written, too many pixels, or a film
            that cannot be encoded: the reason is on the error stream, where ffmpeg writes it.
        ConfigError: A rate or length that the format does not have, or alpha where the format has none.
        MissingDependency: No imageio-ffmpeg; the message tells how to get it.
        ShapeError: Frames of several sizes, or another number of them.
    """
    path, writer = Path(path), _WRITERS[format_of(path)]
    _check_free(path, overwrite)
    _check_time(path, count, fps)
    with writing(path):
        writer(path, _checked(path, frames, count), count, fps)


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
    path = Path(path)
    _check_free(path, overwrite)
    _check_time(path, count, fps)
    if transparent and format_of(path) in FASTEST:
        raise ConfigError(f"{path} cannot be transparent; give a background, or write a .png or a folder")
    if format_of(path) == ".mp4":
        _check_ffmpeg()
    _check_pixels(path, count, size)


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


def _check_ffmpeg() -> None:
    """Whether imageio has a program that encodes films: its own, or the system's if it came without one."""
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
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


def _check_time(path: Path, count: int, fps: float | int) -> None:
    most, longest = FASTEST.get(format_of(path), math.inf), LONGEST.get(format_of(path), math.inf)
    if not 0 < fps <= most or fps < 0.1:
        raise ConfigError(f"{path} can have 0.1 to {most:g} frames a second, got {fps:g}")
    if count / fps > longest:
        raise ConfigError(f"{path} can last {longest:g} s, got {count} frames at {fps:g} a second")


def _check_pixels(path: Path, count: int, size: tuple[int, int]) -> None:
    kind = format_of(path)
    cells = math.prod(_layout(count)) if kind == ".png" else count
    pixels, most = cells * size[0] * size[1], MOST_PIXELS.get(kind, math.inf)
    if pixels > most:
        raise OutputError(
            f"{path} would have {pixels / 1e6:.0f} megapixels, at most {most / 1e6:.0f} are written; "
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


def _write_sheet(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    rows, columns = _layout(count)
    sheet = np.zeros((0, 0, 3), np.uint8)
    for number, frame in enumerate(frames):
        height, width, channels = frame.shape
        if not number:
            _check_pixels(path, count, (height, width))
            empty = 255 if channels == 3 else 0  # cells without a frame: white or transparent
            sheet = np.full((rows * height, columns * width, channels), empty, np.uint8)
        top, left = number // columns * height, number % columns * width
        sheet[top : top + height, left : left + width] = frame
    write_png(path, sheet)


def _write_folder(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    """A folder that is there already stays the same folder: frames move into it at the end."""
    if not path.exists():
        with whole_folder(path) as folder:
            _write_views(folder, frames, count)
        return
    with scratch_folder(path) as folder:
        _write_views(folder, frames, count)
        for old in path.glob("view_*.png"):  # `_check_free` has seen that there are no others
            old.unlink()
        for new in sorted(folder.iterdir()):
            new.rename(path / new.name)


def _write_views(folder: Path, frames: Iterator[Pixels], count: int) -> None:
    digits = max(3, len(str(count - 1)))
    for number, frame in enumerate(frames):
        (folder / f"view_{number:0{digits}}.png").write_bytes(png_bytes(frame))


def _write_gif(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    first = next(frames)
    _check_pixels(path, count, first.shape[:2])
    few = np.stack([_few_colors(frame) for frame in itertools.chain([first], frames)])
    delays = [10 * (round((n + 1) * 100 / fps) - round(n * 100 / fps)) for n in range(count)]  # ms
    # By way of memory: given a place that turns out to be full, imageio tries again, loudly, when it is collected.
    write_bytes(path, iio.imwrite("<bytes>", few, extension=".gif", is_batch=True, duration=delays, loop=0))


def _few_colors(frame: Pixels) -> Pixels:
    """At most 256 colours, which imageio then stores as they are.

    Of Pillow's ways to choose them, this is the one whose worst pixel is least wrong; an even background stays exact.
    """
    few = Image.fromarray(frame).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return np.asarray(few.convert("RGB"))


def _write_mp4(path: Path, frames: Iterator[Pixels], count: int, fps: float | int) -> None:
    _check_ffmpeg()
    with whole_file(path) as partial, scratch_folder(path.parent) as folder:
        made = folder / "film.mp4"  # ffmpeg goes by the ending
        try:
            with _encoder(made, fps) as film:
                for frame in frames:
                    film.append_data(_even(frame))
            if not _is_whole(made):
                raise OSError("ffmpeg has failed")
            made.replace(partial)
        except OSError as error:
            if error.errno is not None:  # imageio gives none when ffmpeg has ended before its time
                raise
            advice = "ffmpeg gives its reason above; make room, or write .gif or a folder"
            raise OutputError(f"{path} cannot be encoded ({advice})") from error


@contextlib.contextmanager
def _encoder(path: Path, fps: float | int) -> Iterator[Any]:
    """imageio's writer, which is closed after errors too: else ffmpeg would go on when its place is taken away."""
    # imageio's annotations name only some of its plugins.
    opened: Any = iio.imopen(path, "w", plugin="FFMPEG")  # pyright: ignore[reportCallIssue, reportArgumentType]
    with opened as film:
        writer = film.legacy_get_writer(
            fps=fps,
            codec="libx264",
            macro_block_size=1,
            ffmpeg_log_level="error",
            output_params=["-crf", f"{QUALITY}", "-vf", f"{_MATRIX},{_MARKS}", "-movflags", "+faststart"],
        )
        with contextlib.closing(writer):
            yield writer


def _is_whole(film: Path) -> bool:
    """Whether ffmpeg came to its last act, which imageio does not ask: `+faststart` moves the index to the front."""
    if not film.exists():
        return False
    with film.open("rb") as file:
        return b"moov" in file.read(64)


def _even(frame: Pixels) -> Pixels:
    """H.264 stores colours at half the size."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


_WRITERS: dict[str, Callable[[Path, Iterator[Pixels], int, float | int], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".png": _write_sheet,
    "": _write_folder,
}
