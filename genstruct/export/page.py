"""One web page to look at results: everything in one file, or with pictures beside it; nothing from elsewhere.

HTML, style and script lie in `templates/`.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from torch import Tensor

from genstruct.errors import OutputError
from genstruct.export.images import Pixels, as_pixels, png_bytes
from genstruct.files import write_text

Shown = Pixels | Tensor | Path
"""A picture: bytes, a tensor in [0, 1], or a file (linked where it lies below the page's folder, else embedded)."""
CRISP = 96
"""Pictures with no longer side, pixels, are shown with hard pixels."""
TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}


@dataclass(frozen=True)
class Picture:
    """A picture with a caption. `width` is its widest size on the page in pixels; None leaves it to the grid."""

    image: Shown
    caption: str = ""
    width: int | None = None


@dataclass(frozen=True)
class Table:
    """Scores. Cells are shown as they are given; rows in `strong` (numbers from 0) are set off."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: Sequence[int] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is left out.

    Args:
        title: Heading.
        text: A paragraph below it.
        table: Scores.
        pictures: A grid.
        rows: Rows of pictures with common columns, such as photo, background, foreground, mask, composite, cut-out.
        commands: Shell lines to repeat it.
    """

    title: str
    text: str = ""
    table: Table | None = None
    pictures: Sequence[Picture] = ()
    rows: Sequence[Mapping[str, Shown]] = ()
    commands: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """Names of all pictures in `rows`, in the order in which they first occur."""
        return list(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True)
class _File:
    """A picture as the page names it: its address, its (height, width) where known, and whether pixels stay hard."""

    source: str
    size: tuple[int, int] | None = None
    crisp: bool = False


def write_page(out: Path, title: str, sections: Sequence[Section], intro: str = "") -> None:
    """Write `out` (an .html file), self-contained but for pictures linked below its folder.

    Light and dark follow the reader's system; pictures load when scrolled to and enlarge on click (arrow keys: next).

    Raises:
        OutputError: `out` cannot be written, or a picture file cannot be read.
    """
    shown = partial(_shown, folder=out.parent.resolve())
    page = templates().get_template("page.html")
    write_text(out, page.render(title=title, intro=intro, sections=sections, shown=shown))


def templates(package: str = "genstruct.export") -> Environment:
    """Those of a package, and the ones here beside them (`base.css` has the colours of all pages, light and dark).

    Whatever a page is given is text: all of it is escaped.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys([package, "genstruct.export"])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return made


def _shown(image: Shown, folder: Path) -> _File:
    """Bytes and tensors inside the page; a file below the page's folder by its relative address, else inside too."""
    if not isinstance(image, Path):
        pixels = as_pixels(image)
        height, width = pixels.shape[:2]
        return _File(_inside("image/png", png_bytes(pixels)), (height, width), max(height, width) <= CRISP)
    place = image.resolve()
    if place.is_relative_to(folder):
        return _File(quote(place.relative_to(folder).as_posix()))
    if image.suffix.lower() not in TYPES:
        raise OutputError(f"{image} cannot be shown on a page; use one of {', '.join(TYPES)}")
    try:
        return _File(_inside(TYPES[image.suffix.lower()], place.read_bytes()))
    except OSError as error:
        raise OutputError(f"{image} cannot be read for the page ({error.strerror})") from error


def _inside(kind: str, contents: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(contents).decode()}"
