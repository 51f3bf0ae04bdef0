"""One web page to look at results: everything in one file, or with pictures beside it; nothing from elsewhere."""

import base64
import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from genstruct.errors import OutputError
from genstruct.export.images import Pixels, as_pixels, png_bytes
from genstruct.files import write_text

Shown = Pixels | Tensor | Path
"""A picture: bytes, a tensor in [0, 1], or a file (linked where it lies below the page's folder, else embedded)."""
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


def write_page(out: Path, title: str, sections: Sequence[Section], intro: str = "") -> None:
    """Write `out` (an .html file), self-contained but for pictures linked below its folder.

    Light and dark follow the reader's system; pictures load when scrolled to and enlarge on click (arrow keys: next).

    Raises:
        OutputError: `out` cannot be written, or a picture file cannot be read.
    """
    folder = out.parent.resolve()
    links = "".join(f'<a href="#s{number}">{_text(part.title)}</a>' for number, part in enumerate(sections))
    body = "".join(_section(number, part, folder) for number, part in enumerate(sections))
    lead = f"<p>{_text(intro)}</p>" if intro else ""
    nav = f"<nav>{links}</nav>" if len(sections) > 1 else ""
    write_text(
        out,
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><style>{STYLE}</style></head>\n'
        f"<body><header><h1>{_text(title)}</h1>{lead}{nav}</header>\n<main>{body}</main>\n"
        f'<dialog><img alt=""><p></p></dialog><script>{SCRIPT}</script></body></html>\n',
    )


def _section(number: int, section: Section, folder: Path) -> str:
    parts = [f'<section id="s{number}"><h2>{_text(section.title)}</h2>']
    if section.text:
        parts.append(f"<p>{_text(section.text)}</p>")
    if section.table is not None:
        parts.append(_table(section.table))
    if section.rows:
        parts.append(_rows(section.rows, folder))
    if section.pictures:
        parts.append('<div class="grid">' + "".join(_figure(item, folder) for item in section.pictures) + "</div>")
    if section.commands:
        parts.append(f"<pre>{_text(chr(10).join(section.commands))}</pre>")
    return "".join(parts) + "</section>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.headers)
    rows = []
    for number, row in enumerate(table.rows):
        first = f'<th scope="row">{_text(row[0])}</th>' if row else ""
        rest = "".join(f"<td>{_text(cell)}</td>" for cell in row[1:])
        mark = ' class="strong"' if number in table.strong else ""
        rows.append(f"<tr{mark}>{first}{rest}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _rows(rows: Sequence[Mapping[str, Shown]], folder: Path) -> str:
    """Pictures under common column heads."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [f'<div class="head">{_text(name)}</div>' for name in columns]
    for row in rows:
        cells += [_image(row[name], name, folder) if name in row else "<span></span>" for name in columns]
    return f'<div class="wide"><div class="rows" style="--n:{len(columns)}">{"".join(cells)}</div></div>'


def _figure(picture: Picture, folder: Path) -> str:
    caption = f"<figcaption>{_text(picture.caption)}</figcaption>" if picture.caption else ""
    style = f' style="width:{picture.width}px"' if picture.width is not None else ""
    return f"<figure{style}>{_image(picture.image, picture.caption, folder)}{caption}</figure>"


def _image(image: Shown, caption: str, folder: Path) -> str:
    """An image element inside a button, so that a keyboard reaches it."""
    crisp = ""
    if isinstance(image, Path):
        source = _source(image, folder)
    else:
        pixels = as_pixels(image)
        source = f"data:image/png;base64,{base64.b64encode(png_bytes(pixels)).decode()}"
        # Generated pictures of 64 px are looked at pixel by pixel; a browser would blur them.
        crisp = (
            f' class="crisp" width="{pixels.shape[1]}" height="{pixels.shape[0]}"' if max(pixels.shape) <= 96 else ""
        )
    label = _text(caption or "picture")
    return f'<button type="button"><img{crisp} loading="lazy" decoding="async" alt="{label}" src="{source}"></button>'


def _source(path: Path, folder: Path) -> str:
    """A relative address for a file below the page, else its contents."""
    place = path.resolve()
    if place.is_relative_to(folder):
        return html.escape("/".join(map(_quoted, Path(os.path.relpath(place, folder)).parts)))
    if path.suffix.lower() not in TYPES:
        raise OutputError(f"{path} cannot be shown on a page; use one of {', '.join(TYPES)}")
    try:
        contents = place.read_bytes()
    except OSError as error:
        raise OutputError(f"{path} cannot be read for the page ({error.strerror})") from error
    return f"data:{TYPES[path.suffix.lower()]};base64,{base64.b64encode(contents).decode()}"


def _quoted(part: str) -> str:
    from urllib.parse import quote

    return quote(part)


def _text(value: str) -> str:
    return html.escape(value)


STYLE = """
:root{--paper:#fbfbfa;--card:#fff;--ink:#1d2125;--soft:#5c6670;--line:#e2e5e8;--mark:#c2255c;--wash:#fdf0f4}
@media (prefers-color-scheme:dark){:root{--paper:#15181b;--card:#1d2125;--ink:#e8eaed;--soft:#9aa4ae;--line:#30363c;
--mark:#ff7aa2;--wash:#2b1d24}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main{max-width:1120px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.02em;margin:0 0 8px}
h2{font-size:20px;letter-spacing:-.01em;margin:0 0 6px}
p{margin:0 0 16px;color:var(--soft);max-width:72ch}
nav{display:flex;flex-wrap:wrap;gap:6px 18px;padding:10px 0;border-bottom:1px solid var(--line);font-size:14px}
nav a{color:var(--mark);text-decoration:none}nav a:hover{text-decoration:underline}
section{padding:32px 0 8px}
.wide{overflow-x:auto;margin:0 0 20px}
table{border-collapse:collapse;font-size:14.5px;background:var(--card);border:1px solid var(--line);border-radius:8px}
th,td{padding:7px 14px;text-align:right;font-variant-numeric:tabular-nums;
border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child{text-align:left;font-weight:500}
thead th{color:var(--soft);font-weight:500;font-size:13px}
tbody tr:last-child>*{border-bottom:0}
.strong>*{background:var(--wash);font-weight:600!important}
.strong>th{color:var(--mark)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:14px;margin:0 0 20px;align-items:start}
.grid:has(figure[style]){display:flex;flex-wrap:wrap}
figure{margin:0;max-width:100%}
figcaption{font-size:13px;color:var(--soft);padding-top:4px;overflow-wrap:anywhere}
.rows{display:grid;grid-template-columns:repeat(var(--n),minmax(92px,160px));gap:8px;width:max-content;max-width:100%}
.head{font-size:13px;color:var(--soft);text-align:center}
button{all:unset;display:block;width:100%;cursor:zoom-in;line-height:0;border-radius:6px;overflow:hidden;
border:1px solid var(--line);
background:repeating-conic-gradient(#ececec 0 25%,#fff 0 50%) 0/16px 16px}
button:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
button img{width:100%;height:auto}
.crisp{image-rendering:pixelated}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px;
overflow-x:auto;font-size:13.5px}
dialog{border:0;padding:0;margin:auto;background:none;max-width:96vw;max-height:96vh;text-align:center;cursor:zoom-out}
dialog::backdrop{background:rgba(10,12,14,.86)}
dialog img{max-width:94vw;max-height:86vh;min-width:min(512px,90vw);object-fit:contain;border-radius:4px;
background:repeating-conic-gradient(#ececec 0 25%,#fff 0 50%) 0/16px 16px}
dialog p{color:#dfe3e7;margin:8px auto 0}
"""

SCRIPT = """
const box=document.querySelector('dialog'),big=box.querySelector('img'),note=box.querySelector('p');
const all=[...document.querySelectorAll('button img')];let at=0;
function show(i){at=(i+all.length)%all.length;const m=all[at];big.src=m.src;big.className=m.className;
note.textContent=m.alt;if(!box.open)box.showModal()}
all.forEach((m,i)=>m.parentElement.addEventListener('click',()=>show(i)));
box.addEventListener('click',()=>box.close());
box.addEventListener('keydown',e=>{if(e.key==='ArrowRight')show(at+1);if(e.key==='ArrowLeft')show(at-1)});
"""
