"""Silhouettes of the reference backend: find the crossings of silhouette edges, then blend pixels with autograd.

`numba_kernels/silhouettes.py` tells what a crossing is, `numba_kernels/blend.py` what it does. Here crossings are the
columns of named tuples, one row for each.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from genstruct.render.backends import triangle
from genstruct.render.fragments import Fragments
from genstruct.render.topology import Topology

BEHIND = 0.2  # the inner pixel may lie this share of the edge's nearness behind it: surfaces seen at a slant
TOUCHING = 1e-2  # the outer pixel may be this much before it: surfaces that meet at the edge


class Crossings(NamedTuple):
    """Kind 0: an edge (vertices first, second) crosses a row of pixel centres; 1: a column; 2: the planes of two
    triangles (first at the inner, second at the outer pixel) meet between two pixels."""

    image: Int[Tensor, " n"]
    kind: Int[Tensor, " n"]
    inner: Int[Tensor, " n"]  # pixels are row * width + column
    outer: Int[Tensor, " n"]
    first: Int[Tensor, " n"]
    second: Int[Tensor, " n"]


class _Visits(NamedTuple):
    """Lines of pixel centres that silhouette edges cross."""

    image: Int[Tensor, " n"]
    edge: Int[Tensor, " n"]
    steep: Bool[Tensor, " n"]  # crosses rows, not columns
    pixel: Int[Tensor, " n"]  # the first of the pair
    backward: Bool[Tensor, " n"]  # the inner pixel is the second of the pair
    step: Float[Tensor, " n"]  # from the first pixel centre
    near: Float[Tensor, " n"]  # nearness of the edge there
    x: Float[Tensor, " n"]
    y: Float[Tensor, " n"]


def antialias_silhouettes(
    image: Float[Tensor, "batch channels height width"],
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    topology: Topology,
    fragments: Fragments,
) -> Float[Tensor, "batch channels height width"]:
    """Blend neighbours where silhouettes pass between them."""
    crossings = find_crossings(v.detach(), faces, topology, fragments)
    height, width = fragments.size
    w = overhang(v, faces, crossings, width, fragments.orthographic)
    picture = image.movedim(1, -1).reshape(-1, image.shape[1])  # [batch * height * width, channels]
    offset = crossings.image * height * width
    target = offset + torch.where(w > 0, crossings.outer, crossings.inner)
    other = offset + torch.where(w > 0, crossings.inner, crossings.outer)
    share = torch.where(w > 0, w, -w)  # `abs` has no gradient at 0: edges amid two centres
    load = w.new_zeros(len(picture)).index_add(0, target, share)[target, None]
    load = torch.where(load > 1, load, 1)
    change = share[:, None] / load * (picture[other] - picture[target])
    bend = _bend(picture.detach(), w.detach(), crossings, topology, fragments)
    out = picture.index_add(0, target, change + (w - w.detach())[:, None] / load.detach() * bend)
    return out.view(len(image), height, width, -1).movedim(-1, 1).contiguous()


def _bend(
    picture: Float[Tensor, "pixels channels"],
    w: Float[Tensor, " n"],
    crossings: Crossings,
    topology: Topology,
    fragments: Fragments,
) -> Float[Tensor, "n channels"]:
    """What colours continued to the edge add to the difference across it; `numba_kernels/blend.py` tells why."""
    offset = crossings.image * fragments.size[0] * fragments.size[1]
    inner, outer = picture[offset + crossings.inner], picture[offset + crossings.outer]
    share, bound = (w + 0.5)[:, None], (inner - outer).abs() / 2
    deeper, same_inside = _beyond(crossings.inner, crossings.inner - crossings.outer, crossings, topology, fragments)
    farther, same_outside = _beyond(crossings.outer, crossings.outer - crossings.inner, crossings, topology, fragments)
    bend = share * (inner - picture[offset + deeper]) * same_inside[:, None]
    bend = bend - (1 - share) * (outer - picture[offset + farther]) * same_outside[:, None]
    return torch.minimum(torch.maximum(bend, -bound), bound)


def _beyond(
    pixel: Int[Tensor, " n"], step: Int[Tensor, " n"], crossings: Crossings, topology: Topology, fragments: Fragments
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """The next pixel in the direction of `step`, and whether it exists and shows the same part (or background)."""
    height, width = fragments.size
    found = pixel + step
    sideways = (crossings.kind == 0) | ((crossings.kind == 2) & (step.abs() == 1) & (width > 1))
    inside = (found >= 0) & (found < height * width) & (~sideways | (found // width == pixel // width))
    found = torch.where(inside, found, pixel)
    index = fragments.index.flatten(1).long()
    here, there = index[crossings.image, pixel], index[crossings.image, found]
    lists = triangle.shared(topology.component, crossings.image)
    here, there = (torch.where(face < 0, -1, topology.component[lists, face]) for face in (here, there))
    return found, inside & (here == there)


def overhang(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    crossings: Crossings,
    width: int,
    orthographic: bool,
) -> Float[Tensor, " n"]:
    """w = t - 1/2, with t the share of the way from the inner to the outer pixel centre; differentiable."""
    image, kind, inner, outer, first, second = crossings
    x, y = triangle.center(inner % width, v), triangle.center(inner // width, v)
    x2, y2 = triangle.center(outer % width, v), triangle.center(outer // width, v)
    w = v.new_zeros(len(image))
    edge = kind < 2
    a, b = v[image[edge], first[edge]], v[image[edge], second[edge]]
    steep = (kind == 0)[edge, None]
    a, b = (torch.where(steep, end[:, :2], end[:, [1, 0]]) for end in (a, b))  # (across, along)
    line, start = torch.where(steep[:, 0], y[edge], x[edge]), torch.where(steep[:, 0], x[edge], y[edge])
    position = a[:, 0] + (line - a[:, 1]) * ((b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1]))
    direction = (outer - inner)[edge].sign().to(v.dtype)
    w = w.index_put((edge.nonzero()[:, 0],), (position - start) * direction - 0.5)
    if bool(edge.all()):
        return w
    plane = ~edge
    here, there = _gaps(
        v, faces, image[plane], first[plane], second[plane], x[plane], y[plane], x2[plane], y2[plane], orthographic
    )
    return w.index_put((plane.nonzero()[:, 0],), here / (here + there) - 0.5)


def _gaps(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    image: Int[Tensor, " n"],
    first: Int[Tensor, " n"],
    second: Int[Tensor, " n"],
    x: Float[Tensor, " n"],
    y: Float[Tensor, " n"],
    x2: Float[Tensor, " n"],
    y2: Float[Tensor, " n"],
    orthographic: bool,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """How much nearer the first plane is at (x, y), and the second at (x2, y2)."""
    one = v[image[:, None], triangle.pick(faces, image, first)]
    two = v[image[:, None], triangle.pick(faces, image, second)]
    here = triangle.nearness_at(one, x, y, orthographic) - triangle.nearness_at(two, x, y, orthographic)
    there = triangle.nearness_at(two, x2, y2, orthographic) - triangle.nearness_at(one, x2, y2, orthographic)
    return here, there


def find_crossings(
    v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"], topology: Topology, fragments: Fragments
) -> Crossings:
    """Crossings of the whole batch, ordered by image, kind and pixel (kind 2 last in each image)."""
    edges = _silhouette_edges(v, faces, topology, fragments)
    visits, others = (_visit(v, topology, *edges, fragments, across) for across in (False, True))
    visits, others = (_select(each, _visible(v, faces, each, fragments)) for each in (visits, others))
    visits = _settle(visits, fragments.size)
    ends = topology.edges[triangle.shared(topology.edges, visits.image), visits.edge]
    found = Crossings(visits.image, (~visits.steep).long(), *_pair(visits, fragments.size[1]), ends[:, 0], ends[:, 1])
    counted = ~_hidden(visits, others, fragments.index)
    kept = Crossings(*(column[counted] for column in found))
    if not topology.parts:
        return kept
    met = _meetings(v, faces, topology, fragments, found)
    return Crossings(*(torch.cat(columns) for columns in zip(kept, met, strict=True)))


def _silhouette_edges(
    v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"], topology: Topology, fragments: Fragments
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Image, edge and side of the edges whose drawn triangles all lie on one side."""
    turn = triangle.drawn_orientation(triangle.corners(v, faces), fragments.cull, fragments.near).sign().long()
    edges = topology.edges.shape[1]
    halves = torch.arange(topology.face.shape[1], device=v.device)
    lists = torch.arange(len(v), device=v.device).clamp(max=len(topology.face) - 1)
    edge = torch.searchsorted(topology.start, halves.expand(len(topology.face), -1).contiguous(), right=True)[lists] - 1
    real = edge < edges
    turn = turn.gather(1, topology.face[lists])
    side = torch.where(topology.forward[lists], turn, -turn) * real
    edge = edge.clamp(max=max(edges - 1, 0))
    zero = torch.zeros(len(v), edges, dtype=torch.long, device=v.device)
    low = zero.scatter_reduce(1, edge, side, "amin")
    high = zero.scatter_reduce(1, edge, side, "amax")
    side = low + high  # both signs cancel, one remains
    image, edge = side.nonzero(as_tuple=True)
    return image, edge, side[image, edge]


def _visit(
    v: Float[Tensor, "batch vertices 3"],
    topology: Topology,
    image: Int[Tensor, " n"],
    edge: Int[Tensor, " n"],
    side: Int[Tensor, " n"],
    fragments: Fragments,
    across: bool,
) -> _Visits:
    """All crossings of edges with the lines of pixel centres in which they count (`across`: the other lines) whose two
    pixels lie in the image."""
    height, width = fragments.size
    ends = topology.edges[triangle.shared(topology.edges, image), edge]
    a, b = v[image, ends[:, 0]], v[image, ends[:, 1]]
    steep = ((b - a)[:, 1].abs() >= (b - a)[:, 0].abs()) != across
    near_a, near_b = (triangle.nearness(end[:, 2], fragments.orthographic) for end in (a, b))
    a, b = (torch.where(steep[:, None], end[:, :2], end[:, [1, 0]]) for end in (a, b))  # (across, along)
    lines, others = torch.where(steep, height, width), torch.where(steep, width, height)
    low, high = torch.minimum(a[:, 1], b[:, 1]) - 0.5, torch.maximum(a[:, 1], b[:, 1]) - 0.5
    begin = torch.minimum(low.clamp(min=0), lines).ceil().long()
    count = (torch.minimum(high.clamp(min=0), lines).ceil().long() - begin).clamp(min=0)
    first = ((side > 0) == ((b - a)[:, 1] > 0)) == steep  # a column's sense is the opposite of a row's
    one = torch.repeat_interleave(torch.arange(len(count), device=v.device), count)
    line = begin[one] + torch.arange(len(one), device=v.device) - (count.cumsum(0) - count)[one]
    a, b, steep, others = a[one], b[one], steep[one], others[one]
    way, length = line.to(v.dtype) + 0.5 - a[:, 1], b[:, 1] - a[:, 1]
    position = a[:, 0] + way * ((b[:, 0] - a[:, 0]) / length) - 0.5
    near = near_a[one] + way / length * (near_b[one] - near_a[one])
    lower = position.clamp(0, max(height, width)).floor().long()
    pixel = torch.where(steep, line * width + lower, lower * width + line)
    x, y = position + 0.5, line.to(v.dtype) + 0.5
    x, y = torch.where(steep, x, y), torch.where(steep, y, x)
    visits = _Visits(image[one], edge[one], steep, pixel, ~first[one], position - lower, near, x, y)
    return _select(visits, (position >= 0) & (position < others - 1))


def _visible(
    v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"], visits: _Visits, fragments: Fragments
) -> Bool[Tensor, " n"]:
    """Whether the inner pixel shows the edge's surface (or one before it) and the outer pixel one behind it."""
    inner, outer = _pair(visits, fragments.size[1])
    index, inverse = fragments.index.flatten(1), fragments.inverse_depth.flatten(1)
    here = triangle.nearness_of(inverse[visits.image, inner], fragments.orthographic)
    there = triangle.nearness_of(inverse[visits.image, outer], fragments.orthographic)
    face = index[visits.image, outer].long()
    corners = v[visits.image[:, None], triangle.pick(faces, visits.image, face.clamp(min=0))]
    plane = triangle.nearness_at(corners, visits.x, visits.y, fragments.orthographic)
    matches = (index[visits.image, inner] >= 0) & (here >= visits.near - BEHIND * visits.near.abs())
    limit = visits.near + TOUCHING * visits.near.abs()
    return matches & ((face < 0) | (there <= limit) | (plane <= limit))


def _settle(visits: _Visits, size: tuple[int, int]) -> _Visits:
    """One crossing for each pair of pixels: of edges with the same inner pixel the outermost, of edges that look at
    each other the nearer one."""
    pixels = size[0] * size[1]
    pair = (visits.image * 2 + (~visits.steep).long()) * pixels + visits.pixel
    keep = _best(pair * 2 + visits.backward.long(), _share(visits), visits.edge)
    visits, pair = _select(visits, keep), pair[keep]
    visits = _select(visits, _best(pair, visits.near, visits.backward.long()))
    order = torch.argsort((visits.image * 2 + (~visits.steep).long()) * pixels + visits.pixel)
    return _select(visits, order)


def _hidden(visits: _Visits, others: _Visits, index: Int32[Tensor, "batch height width"]) -> Bool[Tensor, " n"]:
    """Whether another outline lies farther out and is counted already, in lines across, at both pixels of the pair:
    nested parts and their joints would count twice. `others` are the crossings in the lines where edges do not count.
    """
    pixels, width = index[0].numel(), index.shape[2]
    line = visits.image * 2 + (~visits.steep).long()
    slot = (line * 2 + visits.backward.long()) * pixels + visits.pixel
    slot_of_other = ((others.image * 2 + (~others.steep).long()) * 2 + others.backward.long()) * pixels + others.pixel
    farthest = visits.near.new_full((len(index) * 4 * pixels,), -1)
    farthest = farthest.scatter_reduce(0, slot_of_other, _share(others), "amax")
    hidden = farthest[slot] > _share(visits)
    for pixel in _pair(visits, width):
        counted = torch.zeros(len(index) * 2 * pixels, dtype=torch.bool, device=index.device)
        counted[line * pixels + pixel] = True
        hidden &= counted[(line ^ 1) * pixels + pixel]
    return hidden


def _pair(visits: _Visits, width: int) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Inner and outer pixels."""
    second = visits.pixel + torch.where(visits.steep, 1, width)
    return torch.where(visits.backward, second, visits.pixel), torch.where(visits.backward, visits.pixel, second)


def _share(visits: _Visits) -> Float[Tensor, " n"]:
    """Of the way from the inner to the outer pixel centre."""
    return torch.where(visits.backward, 1 - visits.step, visits.step)


def _best(group: Int[Tensor, " n"], value: Float[Tensor, " n"], tie: Int[Tensor, " n"]) -> Int[Tensor, " kept"]:
    """Rows with the highest value of their group, of equals that with the lowest `tie`."""
    _, group = torch.unique(group, return_inverse=True)
    groups = int(group.max()) + 1 if len(group) else 0
    best = value.new_full((groups,), -torch.inf).scatter_reduce(0, group, value, "amax")
    top = (value == best[group]).nonzero()[:, 0]
    first = torch.full((groups,), 1 << 62, device=tie.device).scatter_reduce(0, group[top], tie[top], "amin")
    return top[tie[top] == first[group[top]]]


def _meetings(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    topology: Topology,
    fragments: Fragments,
    found: Crossings,
) -> Crossings:
    """Pairs of pixels between which two parts pass through each other, where no edge was found."""
    height, width = fragments.size
    numbers = torch.arange(height * width, device=v.device).view(height, width)
    taken = torch.zeros(len(v), 2, height * width, dtype=torch.bool, device=v.device)
    taken[found.image, found.kind, torch.minimum(found.inner, found.outer)] = True
    rows = []
    for kind, (down, right) in enumerate(((0, 1), (1, 0))):
        here, there = numbers[: height - down, : width - right], numbers[down:, right:]
        index = fragments.index.flatten(1).long()
        first, second = index[:, here.flatten()], index[:, there.flatten()]
        parts = topology.component.expand(len(v), -1)
        differ = parts.gather(1, first.clamp(min=0)) != parts.gather(1, second.clamp(min=0))
        image, pair = (differ & (first >= 0) & (second >= 0)).nonzero(as_tuple=True)
        inner, outer = here.flatten()[pair], there.flatten()[pair]
        free = ~taken[image, kind, inner]
        rows.append(
            torch.stack([image, torch.full_like(image, 2), inner, outer, first[image, pair], second[image, pair]])[
                :, free
            ]
        )
    image, kind, inner, outer, first, second = torch.cat(rows, 1)
    x, y, x2, y2 = (triangle.center(c, v) for c in (inner % width, inner // width, outer % width, outer // width))
    before, after = _gaps(v, faces, image, first, second, x, y, x2, y2, fragments.orthographic)
    # Every stretch of a line is counted in rows or in columns, whichever it crosses more steeply, as for edges.
    sideways = y == y2
    _, beside = _gaps(v, faces, image, first, second, x, y, x + ~sideways, y + sideways, fragments.orthographic)
    along, across = before + after, (before + beside).abs()
    keep = (before > 0) & (after > 0) & torch.where(sideways, along >= across, along > across)
    return Crossings(*(column[keep] for column in (image, kind, inner, outer, first, second)))


def _select(rows: _Visits, which: Tensor) -> _Visits:
    """Some of the rows."""
    return _Visits(*(column[which] for column in rows))
