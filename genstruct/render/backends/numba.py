"""CPU backend: loops compiled by numba, gradients written by hand. Bitwise repeatable, whatever the number of threads.

Each image is worked on by one thread; only `rasterize` splits images, into bands of rows. Second derivatives are not
available: use the torch backend for those.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor
from torch.autograd.function import once_differentiable

from genstruct.render.backends.numba_kernels import blend as blend_kernels
from genstruct.render.backends.numba_kernels import interpolate as interpolate_kernels
from genstruct.render.backends.numba_kernels import rasterize as rasterize_kernels
from genstruct.render.backends.numba_kernels import silhouettes as silhouette_kernels
from genstruct.render.backends.numba_kernels import texture as texture_kernels
from genstruct.render.backends.numba_kernels.compile import spread
from genstruct.render.fragments import Cull, Fragments
from genstruct.render.topology import Topology


def rasterize(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    size: tuple[int, int],
    cull: Cull,
    near: float,
    orthographic: bool,
) -> tuple[Int32[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Nearest triangle and inverse depth of each pixel centre."""
    batch, height = len(v), size[0]
    index, inverse_depth = v.new_empty((batch, *size), dtype=torch.int32), v.new_empty((batch, *size))
    bands = min(math.ceil(torch.get_num_threads() / max(batch, 1)), height)
    bounds = [height * band // bands for band in range(bands + 1)]
    arrays = _arrays(v, faces), _arrays(index, inverse_depth)

    def work(first: int, last: int) -> None:
        for image in range(first // bands, math.ceil(last / bands)):
            top = bounds[max(first - image * bands, 0)]
            bottom = bounds[min(last - image * bands, bands)]
            settings = cull == "back", arrays[0][0].dtype.type(near), orthographic
            rasterize_kernels.fill(*arrays[0], *settings, *arrays[1], image, image + 1, top, bottom)

    spread(work, batch * bands)
    return index, inverse_depth


# By its annotation `once_differentiable` takes parameters their names, which the base class asks for; autograd passes
# them by place.
Gradients = tuple[Tensor | None, ...]


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, attributes: Tensor, faces: Tensor, attribute_faces: Tensor, fragments: Fragments):
        tensors = [tensor.contiguous() for tensor in (v, attributes, faces, attribute_faces)]
        ctx.save_for_backward(*tensors, fragments.index)
        ctx.orthographic = fragments.orthographic
        out = v.new_empty((len(v), attributes.shape[2], *fragments.size))
        ctx.width = width = fragments.size[1]
        arrays = _arrays(*tensors, fragments.index.flatten(1)), _arrays(out.flatten(2))

        def work(first: int, last: int) -> None:
            interpolate_kernels.interpolate(*arrays[0], width, fragments.orthographic, *arrays[1], first, last)

        spread(work, len(v))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        v, attributes, faces, attribute_faces, index = ctx.saved_tensors
        wants = ctx.needs_input_grad[:2]
        to_v = _zeros(v, wants[0], v.shape)
        to_attributes = _zeros(v, wants[1], (len(v), *attributes.shape[1:]))
        given = v, attributes, faces, attribute_faces, index.flatten(1)
        arrays = _arrays(*given), _arrays(gradient.flatten(2), to_v, to_attributes)

        def work(first: int, last: int) -> None:
            interpolate_kernels.pull_back(*arrays[0], ctx.width, ctx.orthographic, *arrays[1], wants, first, last)

        spread(work, len(v))
        return to_v if wants[0] else None, _shared(to_attributes, attributes, wants[1]), None, None, None


class _SampleTexture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texture: Tensor, uv: Tensor, fragments: Fragments, repeat: bool):
        texture, uv = texture.contiguous(), uv.contiguous()
        ctx.save_for_backward(texture, uv, fragments.index)
        ctx.repeat = repeat
        out = uv.new_empty((len(uv), texture.shape[1], *fragments.size))
        arrays = _arrays(texture, uv.flatten(2), fragments.index.flatten(1)), _arrays(out.flatten(2))

        def work(first: int, last: int) -> None:
            texture_kernels.sample(*arrays[0], repeat, *arrays[1], first, last)

        spread(work, len(uv))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        texture, uv, index = ctx.saved_tensors
        wants = ctx.needs_input_grad[:2]
        to_texture = _zeros(uv, wants[0], (len(uv), *texture.shape[1:]))
        to_uv = _zeros(uv, wants[1], (*uv.shape[:2], uv.shape[2] * uv.shape[3]))
        arrays = _arrays(texture, uv.flatten(2), index.flatten(1)), _arrays(gradient.flatten(2), to_texture, to_uv)

        def work(first: int, last: int) -> None:
            texture_kernels.pull_back(*arrays[0], ctx.repeat, *arrays[1], wants, first, last)

        spread(work, len(uv))
        return _shared(to_texture, texture, wants[0]), to_uv.view(uv.shape) if wants[1] else None, None, None


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, v: Tensor, faces: Tensor, topology: Topology, fragments: Fragments):
        v, faces = v.contiguous(), faces.contiguous()
        where, count = find_crossings(v, faces, topology, fragments)
        picture = image.contiguous().flatten(2)
        out, load = picture.clone(), picture.new_zeros(len(picture), picture.shape[2])
        ctx.width, ctx.orthographic = image.shape[3], fragments.orthographic
        arrays = _arrays(v, faces, where, count, picture), _arrays(load, out)

        def work(first: int, last: int) -> None:
            blend_kernels.blend(*arrays[0], ctx.width, ctx.orthographic, *arrays[1], first, last)

        spread(work, len(v))
        ctx.save_for_backward(v, faces, topology.component, where, count, fragments.index, picture, load, out)
        return out.view_as(image)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        *before, load, out = ctx.saved_tensors
        v = before[0]
        wants_v = ctx.needs_input_grad[1]
        gradient = gradient.contiguous().flatten(2)
        to_v, to_picture = _zeros(v, wants_v, v.shape), gradient.clone()
        before, after = _arrays(*before), _arrays(load, out, gradient, to_v, to_picture)

        def work(first: int, last: int) -> None:
            blend_kernels.pull_back(*before, ctx.width, ctx.orthographic, *after, wants_v, first, last)

        spread(work, len(v))
        shape = (*gradient.shape[:2], -1, ctx.width)
        return to_picture.view(shape), to_v if wants_v else None, None, None, None


interpolate = _Interpolate.apply
sample_texture = _SampleTexture.apply
antialias_silhouettes = _Antialias.apply
"""Signatures and meaning: those of the torch backend."""


def find_crossings(
    v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"], topology: Topology, fragments: Fragments
) -> tuple[Int32[Tensor, "batch capacity 5"], Int[Tensor, " batch"]]:
    """Crossings of each image as `numba_kernels.silhouettes` describes them, and how many there are."""
    capacity = 4 * sum(fragments.size)
    tables = topology.edges, topology.start, topology.face, topology.forward, topology.component
    arrays = _arrays(v, faces, *tables), _arrays(fragments.index, fragments.inverse_depth)
    settings = fragments.cull == "back", arrays[0][0].dtype.type(fragments.near), fragments.orthographic
    while True:
        where, count = v.new_empty((len(v), capacity, 5), dtype=torch.int32), v.new_empty(len(v), dtype=torch.int64)
        results = _arrays(where, count)

        def work(first: int, last: int, results: list[np.ndarray] = results) -> None:
            silhouette_kernels.find(*arrays[0], topology.parts, *arrays[1], *settings, *results, first, last)

        spread(work, len(v))
        most = int(count.max()) if len(v) else 0
        if most <= capacity:
            return where, count
        capacity = most


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    """The same memory as contiguous numpy arrays."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _zeros(like: Tensor, wanted: bool, shape: tuple[int, ...]) -> Tensor:
    """Zeros to add to; of one element a side where nothing is wanted."""
    return like.new_zeros(shape if wanted else [1] * len(shape))


def _shared(gradient: Tensor, of: Tensor, wanted: bool) -> Tensor | None:
    """Gradient of a tensor that may be shared by the batch."""
    if not wanted:
        return None
    return gradient.sum(0, keepdim=True) if len(of) < len(gradient) else gradient
