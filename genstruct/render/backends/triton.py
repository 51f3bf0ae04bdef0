"""CUDA backend: kernels compiled by Triton when first used, gradients written by hand. Needs no build and no sync.

Pictures and visibility are the same each time, gradients are sums in any order: their last digits vary. After
`torch.use_deterministic_algorithms(True)`, "auto" therefore takes the torch backend. Second derivatives are not
available: use the torch backend for those.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor
from torch.autograd.function import once_differentiable

from genstruct.render.backends.torch_silhouettes import BEHIND, TOUCHING
from genstruct.render.backends.triton_kernels import best, launch
from genstruct.render.backends.triton_kernels import blend as blend_kernels
from genstruct.render.backends.triton_kernels import interpolate as interpolate_kernels
from genstruct.render.backends.triton_kernels import rasterize as rasterize_kernels
from genstruct.render.backends.triton_kernels import silhouettes as silhouette_kernels
from genstruct.render.backends.triton_kernels import texture as texture_kernels
from genstruct.render.backends.triton_kernels.launch import LANES, blocks, stride
from genstruct.render.fragments import Cull, Fragments
from genstruct.render.topology import Topology

FEW = 32  # triangles of a program: lanes wait for the largest
LARGE = 1024  # pixels of a triangle's box from which it is drawn by tiles
SIDE = 16  # of tiles, pixels
PROGRAMS = 512  # that share the tiles of large triangles; their number is known on the device only


def rasterize(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    size: tuple[int, int],
    cull: Cull,
    near: float,
    orthographic: bool,
) -> tuple[Int32[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Nearest triangle and inverse depth of each pixel centre."""
    v, faces = v.contiguous(), faces.contiguous()
    batch, triangles = len(v), faces.shape[1]
    keys, numbers = best.empty((batch, *size), v)
    large = faces.new_empty(batch * triangles)
    count = faces.new_zeros(1, dtype=torch.int32)
    given = v, faces, keys, numbers, large, count, v.shape[1], triangles, stride(faces), size[1], size[0]
    settings = {"CULL": cull == "back", "NEAR": near, "PARALLEL": orthographic}
    few, programs = (LANES, 2) if launch.interpreted() else (FEW, PROGRAMS)
    for number in best.passes(v.dtype):
        grid = (blocks(triangles, few), batch)
        launch.launch(rasterize_kernels.draw, grid, v.device, *given, **settings, PASS=number, LARGE=LARGE, LANES=few)
        if triangles and size[0] * size[1] > LARGE:
            launch.launch(
                rasterize_kernels.draw_large, (programs,), v.device, *given, **settings, PASS=number, SIDE=SIDE
            )
    index, inverse_depth = v.new_empty((batch, *size), dtype=torch.int32), v.new_empty((batch, *size))
    grid = (blocks(index.numel()),)
    launch.launch(
        rasterize_kernels.unpack, grid, v.device, keys, numbers, index, inverse_depth, index.numel(),
        PASS=best.passes(v.dtype)[-1], LANES=LANES,
    )  # fmt: skip
    return index, inverse_depth


def _pixels(fragments: Fragments) -> tuple[int, tuple[int, int]]:
    """Pixels of an image, and the grid with a lane for each."""
    pixels = fragments.size[0] * fragments.size[1]
    return pixels, (blocks(pixels), len(fragments.index))


# By its annotation `once_differentiable` takes parameters their names, which the base class asks for; autograd passes
# them by place.
Gradients = tuple[Tensor | None, ...]


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, attributes: Tensor, faces: Tensor, attribute_faces: Tensor, fragments: Fragments):
        tensors = [tensor.contiguous() for tensor in (v, attributes, faces, attribute_faces, fragments.index)]
        ctx.save_for_backward(*tensors)
        ctx.fragments = fragments
        out = v.new_empty((len(v), attributes.shape[2], *fragments.size))
        pixels, grid = _pixels(fragments)
        ctx.shape = (
            v.shape[1], *(stride(tensor) for tensor in (attributes, faces, attribute_faces)),
            attributes.shape[2], pixels, fragments.size[1],
        )  # fmt: skip
        launch.launch(
            interpolate_kernels.interpolate, grid, v.device, *tensors, out, *ctx.shape,
            PARALLEL=fragments.orthographic, LANES=LANES,
        )  # fmt: skip
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        v, attributes, *_ = ctx.saved_tensors
        wants = ctx.needs_input_grad[:2]
        to_v, to_attributes = torch.zeros_like(v), torch.zeros_like(attributes)
        launch.launch(
            interpolate_kernels.pull_back, _pixels(ctx.fragments)[1], v.device, *ctx.saved_tensors,
            gradient.contiguous(), to_v, to_attributes, *ctx.shape, WANTS_V=wants[0], WANTS_ATTRIBUTES=wants[1],
            PARALLEL=ctx.fragments.orthographic, LANES=LANES,
        )  # fmt: skip
        return to_v if wants[0] else None, to_attributes if wants[1] else None, None, None, None


class _SampleTexture(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, texture: Tensor, uv: Tensor, fragments: Fragments, repeat: bool):
        tensors = [tensor.contiguous() for tensor in (texture, uv, fragments.index)]
        ctx.save_for_backward(*tensors)
        pixels, ctx.grid = _pixels(fragments)
        ctx.repeat, ctx.shape = repeat, (stride(texture), *texture.shape[1:], pixels)
        out = uv.new_empty((len(uv), texture.shape[1], *fragments.size))
        launch.launch(
            texture_kernels.sample, ctx.grid, uv.device, *tensors, out, *ctx.shape, REPEAT=repeat, LANES=LANES
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        texture, uv, _ = ctx.saved_tensors
        wants = ctx.needs_input_grad[:2]
        to_texture, to_uv = torch.zeros_like(texture), torch.zeros_like(uv)
        launch.launch(
            texture_kernels.pull_back, ctx.grid, uv.device, *ctx.saved_tensors, gradient.contiguous(), to_texture,
            to_uv, *ctx.shape, WANTS_TEXTURE=wants[0], WANTS_UV=wants[1], REPEAT=ctx.repeat, LANES=LANES,
        )  # fmt: skip
        return to_texture if wants[0] else None, to_uv if wants[1] else None, None, None


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, v: Tensor, faces: Tensor, topology: Topology, fragments: Fragments):
        image, v, faces = image.contiguous(), v.contiguous(), faces.contiguous()
        codes, overhangs = find_crossings(v, faces, topology, fragments)
        out, load = torch.empty_like(image), v.new_empty(fragments.index.shape)
        ctx.shape = image.shape[1], fragments.size[1], fragments.size[0]
        launch.launch(
            blend_kernels.blend, _pixels(fragments)[1], v.device, image, codes, overhangs, load, out, *ctx.shape,
            LANES=LANES,
        )  # fmt: skip
        ctx.save_for_backward(image, v, faces, codes, overhangs, load, out)
        ctx.topology, ctx.fragments = topology, fragments
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        image, v, faces, codes, overhangs, load, out = ctx.saved_tensors
        topology, fragments, gradient = ctx.topology, ctx.fragments, gradient.contiguous()
        pixels, grid = _pixels(fragments)
        to_image, to_v = None, None
        if ctx.needs_input_grad[0]:
            to_image = torch.empty_like(image)
            launch.launch(
                blend_kernels.pull_picture, grid, v.device, codes, overhangs, load, gradient, to_image, *ctx.shape,
                LANES=LANES,
            )  # fmt: skip
        if ctx.needs_input_grad[1]:
            to_v = torch.zeros_like(v)
            launch.launch(
                blend_kernels.pull_vertices, (blocks(2 * pixels), len(v)), v.device, v, faces, topology.edges,
                topology.component, fragments.index.contiguous(), codes, overhangs, image, out, gradient, load, to_v,
                v.shape[1], stride(faces), stride(topology.edges), stride(topology.component), *ctx.shape,
                PARTS=topology.parts, PARALLEL=fragments.orthographic, LANES=LANES,
            )  # fmt: skip
        return to_image, to_v, None, None, None


interpolate = _Interpolate.apply
sample_texture = _SampleTexture.apply
antialias_silhouettes = _Antialias.apply
"""Signatures and meaning: those of the torch backend."""


def find_crossings(
    v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"], topology: Topology, fragments: Fragments
) -> tuple[Int32[Tensor, "batch 2 pixels"], Float[Tensor, "batch 2 pixels"]]:
    """Codes of pairs of pixels, as `triton_kernels.silhouettes` describes them, and by how much edges hang over."""
    (height, width), batch = fragments.size, len(v)
    edges, start, halves, forward = topology.edges, topology.start, topology.face, topology.forward.view(torch.uint8)
    index, inverse_depth = fragments.index.contiguous(), fragments.inverse_depth.contiguous()
    keys, numbers = best.empty((batch, 4, height * width), v)
    farthest = torch.full(
        keys.shape, -1, dtype=torch.int32 if v.dtype == torch.float32 else torch.int64, device=v.device
    )
    for number, across in [*((number, False) for number in best.passes(v.dtype)), (0, True)]:
        launch.launch(
            silhouette_kernels.mark, (blocks(edges.shape[1], FEW), batch), v.device, v, faces, edges, start, halves,
            forward, index, inverse_depth, keys, numbers, farthest, v.shape[1], stride(faces), stride(edges),
            stride(halves), stride(start), edges.shape[1], width, height, BEHIND=BEHIND, TOUCHING=TOUCHING,
            CULL=fragments.cull == "back", NEAR=fragments.near, PARALLEL=fragments.orthographic, ACROSS=across,
            PASS=number, LANES=FEW,
        )  # fmt: skip
    settled, codes = (v.new_empty((batch, 2, height * width), dtype=torch.int32) for _ in range(2))
    overhangs = v.new_empty(codes.shape)
    launch.launch(
        silhouette_kernels.settle, (blocks(2 * height * width), batch), v.device, v, faces, edges,
        topology.component, index, keys, numbers, settled, overhangs, v.shape[1], stride(faces), stride(edges),
        stride(topology.component), width, height, PARTS=topology.parts, PARALLEL=fragments.orthographic,
        PASS=best.passes(v.dtype)[-1], LANES=LANES,
    )  # fmt: skip
    launch.launch(
        silhouette_kernels.leave_out, (blocks(2 * height * width), batch), v.device, keys, numbers, farthest, settled,
        codes, width, height, PASS=best.passes(v.dtype)[-1], LANES=LANES,
    )  # fmt: skip
    return codes, overhangs
