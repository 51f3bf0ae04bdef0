"""A finished graph as files:

```text
OUT/index.html        the sphere of viewpoints to turn by hand, in one file (`page`)
OUT/viewpoints.jsonl  a line for each photo (`genstruct.viewpoint.records`)
OUT/graph.json        all of the graph; OUT/graph.graphml for other programs (`graph_files`)
OUT/template.glb      the commonest shape; template-1.glb and so on the others (`shape`)
OUT/templates.png     views of all shapes; OUT/template.gif a turn round the commonest
OUT/turned.png        photos turned to each other's views (`figure`); OUT/sphere.png (`globe`)
```

Of an undetermined graph there is no turned.png and no sphere.png: they would show views that are none.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import genstruct
from genstruct.data.source import Source
from genstruct.files import write_json, write_text, writing
from genstruct.viewpoint.graph import Category, Graph
from genstruct.viewpoint.records import RECORDS, view_lines, view_text
from genstruct.viewpoint.show.digests import result_digest
from genstruct.viewpoint.show.figure import chosen, write_figure
from genstruct.viewpoint.show.globe import write_globe
from genstruct.viewpoint.show.graph_files import graph_record, write_graph_json, write_graphml
from genstruct.viewpoint.show.page import write_sphere_page
from genstruct.viewpoint.show.pictures import CropPictures, PhotoPictures
from genstruct.viewpoint.show.shape import FRAMES, write_film, write_shape, write_strip

PAGE = "index.html"
FORMAT = 3
"""Raised where files of the same graph come to look otherwise."""
WRITTEN = ".written.json"
"""What each file was made of, so that one that is there and current is not made again."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _File:
    """One to write.

    Args:
        name: Below the folder.
        work: About how long it takes, in frames of the film.
        made_from: Digest of all that it shows.
        write: To a path, telling of frames done.
    """

    name: str
    work: int
    made_from: str
    write: Callable[[Path, Progress], object]


def write_graph(
    graph: Graph,
    out: Path,
    source: Source | None = None,
    title: str = "View graph",
    on_progress: Progress = lambda done, total: None,
) -> tuple[Path, ...]:
    """Write all files, each whole or not at all; those that are there and current stay as they are.

    Files of an earlier graph that this one does not have are taken away.

    Args:
        graph: Finished.
        out: A folder, made where it is not there.
        source: The photos, for sharper pictures and the order of lines; without it both come from the graph.
        title: Of the page.
        on_progress: Told of work done and of all.

    Returns:
        All files, whether written now or before.

    Raises:
        OutputError: The folder cannot be written.
    """
    files, known = list(_files(graph, source, title)), _written(out)
    _take_away(out, known.keys() - {file.name for file in files})
    total, done = sum(file.work for file in files), 0
    current = {file.name: file.made_from for file in files if _is_current(file, out, known)}
    for file in files:
        on_progress(done, total)
        if file.name not in current:
            _write(file, out / file.name, lambda frame, _, before=done: on_progress(before + frame, total))
            current[file.name] = file.made_from
            write_json(out / WRITTEN, current)
        done += file.work
    on_progress(total, total)
    return tuple(out / file.name for file in files)


def _files(graph: Graph, source: Source | None, title: str) -> Iterator[_File]:
    key = _digest(graph, title, list(source.names) if source else None)
    yield from _lists(graph, source, key)
    yield from _shapes(graph.category)
    pictures = CropPictures(graph.photos.crops) if source is None else PhotoPictures(graph.photos, source)
    if not graph.undetermined:
        if len(chosen(graph.views)) > 1:
            yield _File("turned.png", 16, key, lambda path, _: write_figure(path, graph, pictures))
        if len(graph.nodes.center):
            yield _File("sphere.png", 6, key, lambda path, _: write_globe(path, graph, pictures))
    # The page comes last: that it is there means that all is.
    yield _File(PAGE, 36, key, lambda path, _: write_sphere_page(path, graph, pictures, title))


def _lists(graph: Graph, source: Source | None, key: str) -> Iterator[_File]:
    order, shapes = source.names if source else (), _shape_names(graph.category)
    yield _File(RECORDS, 3, key, lambda path, _: write_text(path, view_text(view_lines(graph, order))))
    yield _File("graph.json", 3, key, lambda path, _: write_graph_json(path, graph_record(graph, shapes)))
    yield _File("graph.graphml", 10, key, lambda path, _: write_graphml(path, graph))


def _shapes(category: Category) -> Iterator[_File]:
    templates, elevation = category.templates, (category.grid.lowest + category.grid.highest) / 2
    for name, template in zip(_shape_names(category), templates, strict=True):
        yield _File(name, 1, _digest(template), lambda path, _, template=template: write_shape(path, template))
    key = _digest(templates, elevation)
    yield _File("templates.png", 6 * len(templates), key, lambda path, _: write_strip(path, templates, elevation))
    yield _File("template.gif", FRAMES, key, lambda path, tell: write_film(path, templates[0], elevation, tell))


def _shape_names(category: Category) -> list[str]:
    return ["template.glb", *(f"template-{number}.glb" for number in range(1, len(category.templates)))]


def _digest(*shown: object) -> str:
    return result_digest(FORMAT, genstruct.__version__, *shown)


def _is_current(file: _File, out: Path, known: Mapping[str, str]) -> bool:
    return known.get(file.name) == file.made_from and (out / file.name).exists()


def _write(file: _File, path: Path, tell: Progress) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file.write(path, tell)


def _written(out: Path) -> dict[str, str]:
    """Files of ours by name; none where the list is not there or damaged."""
    try:
        known = json.loads((out / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, Mapping):
        return {}
    return {name: key for name, key in known.items() if isinstance(key, str) and Path(name).name == name}


def _take_away(out: Path, names: set[str]) -> None:
    with writing(out):
        for name in names:
            (out / name).unlink(missing_ok=True)
