"""Speed, growth and memory of the mesh renderer, beside other renderers, in turn in one process."""

import contextlib
import ctypes
import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import peers
from genstruct.geometry.camera import Camera
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import icosphere, octahedral_sphere, sheet
from genstruct.render.antialias import antialias_silhouettes
from genstruct.render.backends import Backend
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.render.texture import sample_texture
from genstruct.render.topology import topology

TEXTURE = 128
"""Side of the textures; every image has its own."""


@dataclass(frozen=True)
class Task:
    """Meshes before cameras, as every renderer gets them.

    Args:
        v: Vertices [B, V, 3] on the screen.
        textures: [B, 3, h, w].
        mesh: Faces and texture coordinates.
        size: Side of the pictures, pixels.
    """

    v: Tensor
    textures: Tensor
    mesh: Mesh
    size: int

    @property
    def uv(self) -> Tensor:
        """Texture coordinates, which every mesh of a task has."""
        assert self.mesh.uv is not None
        return self.mesh.uv


def make_task(name: str, size: int, batch: int, device: str = "cpu") -> Task:
    """A scene by its name: "s1280", "s5120", ... are spheres of so many triangles, all of a size; "o1000", ... spheres
    of about any number of triangles, folded from a square; "grid" is a bumpy sheet of 7938."""
    rng = torch.Generator().manual_seed(0)
    if name == "grid":
        mesh = _bumpy_sheet()
    elif name[0] == "o":
        mesh = octahedral_sphere(2 * round(math.sqrt(int(name[1:]) / 8)))
    else:
        mesh = icosphere(round(math.log(int(name[1:]) / 20, 4)))
    reach = 1.0 if name == "grid" else math.pi
    azimuth = (torch.rand(batch, generator=rng) * 2 - 1) * reach
    elevation = (torch.rand(batch, generator=rng) * 2 - 1) * 0.5
    camera = Camera.orbit(azimuth, elevation, 4.0, size * 0.45 * 4, (size, size))
    textures = torch.rand(batch, 3, TEXTURE, TEXTURE, generator=rng)
    return Task(project(mesh.vertices, camera).to(device), textures.to(device), mesh.to(device), size)


def _bumpy_sheet() -> Mesh:
    mesh = sheet(63, 63, 1.6, 1.6)
    x, y = mesh.vertices[..., 0], mesh.vertices[..., 1]
    depth = 0.3 * torch.cos(2 * x) * torch.cos(2 * y) + 0.05 * torch.sin(9 * x + 7 * y)
    return Mesh(torch.stack([x, y, depth], -1), mesh.faces, mesh.uv, mesh.uv_faces)


def ours(task: Task, backend: Backend = "auto", cull: Literal["none", "back"] = "none") -> peers.Draw:
    """Our picture with silhouettes, over black."""
    mesh = task.mesh
    edges = topology(mesh.faces)
    uv_faces = mesh.faces if mesh.uv_faces is None else mesh.uv_faces

    def draw(v: Tensor, textures: Tensor) -> Tensor:
        fragments = rasterize(v, mesh.faces, (task.size, task.size), cull, backend=backend)
        uv = interpolate(v, task.uv[None], mesh.faces, fragments, uv_faces, backend)
        color = sample_texture(textures, uv, fragments, backend=backend)
        return antialias_silhouettes(color, v, mesh.faces, edges, fragments, backend)

    return draw


def rivals(task: Task, names: Sequence[str], soft: bool = False) -> dict[str, peers.Draw]:
    """The peers of `names`, which must be installed; deodr has no CUDA and is left out there."""
    uv_faces = task.mesh.faces if task.mesh.uv_faces is None else task.mesh.uv_faces
    given = task.mesh.faces, task.uv, uv_faces, task.size
    make = {"pytorch3d": peers.pytorch3d_hard, "drtk": peers.drtk, "deodr": peers.deodr}
    found = {name: make[name](*given) for name in names if not (name == "deodr" and task.v.is_cuda)}
    if soft and "pytorch3d" in names:
        found["pytorch3d soft"] = peers.pytorch3d_soft(*given, layers=10)
    return found


def laid_out(task: Task, name: str) -> Task:
    """The task's numbers as this renderer keeps them."""
    layout = peers.LAYOUTS.get(name, peers.Layout())
    textures = task.textures.to(layout.dtype, memory_format=layout.memory)
    return replace(task, v=task.v.to(layout.dtype), textures=textures)


def seconds(draw: peers.Draw, task: Task) -> tuple[float, float]:
    """Of one forward pass, and of one forward and backward pass. Processor time on a CPU, events on CUDA."""
    clock = _cuda_seconds if task.v.is_cuda else _processor_seconds
    v, textures = task.v.clone().requires_grad_(), task.textures.clone().requires_grad_()
    weights = torch.ones(len(v), 3, task.size, task.size, device=v.device, dtype=v.dtype)

    def both() -> None:
        torch.autograd.grad(draw(v, textures), (v, textures), weights)

    with torch.no_grad():
        forward = clock(lambda: draw(v, textures))
    return forward, clock(both)


def _processor_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _cuda_seconds(work: Callable[[], object]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1000


def compare(
    task: Task, others: Mapping[str, peers.Draw], rounds: int, slow_rounds: int, backends: Sequence[Backend]
) -> dict[str, dict[str, float]]:
    """Median seconds of each renderer, in turn; slow ones (over 50 times ours) take part in fewer rounds."""
    draws = {"ours" if name == "auto" else f"ours, {name}": ours(task, name) for name in backends}
    draws |= {"ours, backs culled": ours(task, cull="back")} if "deodr" in others else {}
    for draw in draws.values():  # compile and warm up
        seconds(draw, task)
    draws |= others
    tasks = {name: laid_out(task, name) for name in draws}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in draws}
    for number in range(rounds):
        for name, draw in draws.items():
            slow = bool(times[name]) and times[name][0][0] > 50 * times["ours"][0][0]
            if not slow or number < slow_rounds:
                times[name].append(seconds(draw, tasks[name]))
    return {name: _medians(pairs) for name, pairs in times.items()}


def agreement(task: Task, others: Mapping[str, peers.Draw], images: int = 2) -> dict[str, dict[str, float]]:
    """How alike the first pictures of others are to ours, so that all are timed at the same work.

    Returns:
        By name: "difference", mean absolute, of all pixels; "inside", of those that both cover wholly; "coverage", of
        the summed coverage over ours; cosines of gradients by "vertices" (on the screen) and "textures", of the
        pictures weighted by smooth random fields.
    """
    part = replace(task, v=task.v[:images], textures=task.textures[:images])
    mine = _answer(ours(part), part)
    found = {name: _answer(draw, laid_out(part, name)) for name, draw in others.items()}
    return {name: _alike(answer, mine) for name, answer in found.items()}


def _answer(draw: peers.Draw, task: Task) -> tuple[Tensor, ...]:
    """Picture, coverage, gradients by vertices on the screen and by textures."""
    v, textures = task.v.clone().requires_grad_(), task.textures.clone().requires_grad_()
    rough = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(1)).to(v)
    field = F.interpolate(rough, size=(task.size, task.size), mode="bilinear")
    picture = draw(v, textures)
    by_v, by_textures = torch.autograd.grad((picture * field).sum(), (v, textures))
    with torch.no_grad():
        coverage = draw(task.v, torch.ones_like(task.textures))[:, :1]
    return tuple(each.detach().float() for each in (picture, coverage, by_v[..., :2], by_textures))


def _alike(other: tuple[Tensor, ...], mine: tuple[Tensor, ...]) -> dict[str, float]:
    whole = (torch.minimum(other[1], mine[1]) > 0.999).expand_as(mine[0])
    return {
        "difference": float((other[0] - mine[0]).abs().mean()),
        "inside": float((other[0] - mine[0]).abs()[whole].mean()),
        "coverage": float(other[1].sum() / mine[1].sum()),
        "vertices": float(F.cosine_similarity(other[2].flatten(), mine[2].flatten(), 0)),
        "textures": float(F.cosine_similarity(other[3].flatten(), mine[3].flatten(), 0)),
    }


def _medians(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    forward, both = zip(*pairs, strict=True)
    return {"forward": statistics.median(forward), "forward_backward": statistics.median(both)}


def ratios(results: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """How many times our time each other renderer takes."""
    mine = results["ours"]
    return {
        name: {kind: times[kind] / mine[kind] for kind in mine} for name, times in results.items() if name != "ours"
    }


def growth(faces: Sequence[int], sizes: Sequence[int], batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """Our seconds for spheres of more and more triangles at 128 px, and of 5000 at more and more pixels.

    Returns:
        By "faces" and "sizes": seconds by number, and "exponent", the slope over the logarithms (of the side, for
        sizes: 2 is in proportion to pixels). By "together": "seconds" for most triangles at most pixels, and
        "times_sum", those over what they would be if both costs were added: about 1, or many if they multiplied.
    """

    def measured(number: int, size: int) -> float:
        task = make_task(f"o{number}", size, batch)
        draw = ours(task)
        return statistics.median(seconds(draw, task)[1] for _ in range(rounds))

    by_faces = {number: measured(number, 128) for number in faces}
    by_size = {size: measured(5000, size) for size in sizes}
    both, small = measured(faces[-1], sizes[-1]), measured(5000, 128)
    added = by_faces[faces[-1]] + by_size[sizes[-1]] - small
    return {
        "faces": {**{str(number): value for number, value in by_faces.items()}, "exponent": _slope(by_faces)},
        "sizes": {**{str(size): value for size, value in by_size.items()}, "exponent": _slope(by_size)},
        "together": {"seconds": both, "times_sum": both / added},
    }


def _slope(times: Mapping[int, float]) -> float:
    """Of the straight line through the logarithms."""
    logs = torch.tensor([[math.log(number), math.log(value)] for number, value in times.items()])
    spread = logs - logs.mean(0)
    return float((spread[:, 0] * spread[:, 1]).sum() / spread[:, 0].square().sum())


def bytes_per_pixel(size: int = 64, batch: int = 256) -> float | None:
    """Peak extra memory of a forward and backward pass of a mask (no texture), per pixel and image.

    Of the process, as Linux counts it (None elsewhere); meshes and their gradients are counted too.
    """
    task = make_task("s1280", size, batch)
    edges, status, reset = topology(task.mesh.faces), Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None

    def both(v: Tensor) -> None:
        fragments = rasterize(v, task.mesh.faces, (size, size))
        mask = antialias_silhouettes(fragments.mask.float(), v, task.mesh.faces, edges, fragments)
        torch.autograd.grad(mask.sum(), v)

    both(task.v[:1].clone().requires_grad_())
    v = task.v.clone().requires_grad_()
    _return_free_memory()
    reset.write_text("5")  # the peak starts again from what is held now
    before = _kilobytes(status, "VmRSS")
    both(v)
    return (_kilobytes(status, "VmHWM") - before) * 1024 / (batch * size * size)


def _return_free_memory() -> None:
    """What was used before and is kept for later would otherwise be used without being counted."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # of the GNU C library
        ctypes.CDLL(None).malloc_trim(0)


def _kilobytes(status: Path, key: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])
