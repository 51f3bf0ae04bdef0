"""What test_triton.py runs in a process of its own: `python triton_script.py interpret` or `... compile`.

Triton decides when it is imported whether it interprets, so that this cannot be done among other tests.
"""

import sys
from importlib import import_module

import torch
from gradients import assert_agree, values_and_gradients
from scenes import ball, join, random, rectangle, soup, views

from genstruct.render.fragments import Fragments
from genstruct.render.project import project
from genstruct.render.topology import topology

SIZE = (7, 6)


def scenes(dtype):
    """Name, v, faces [1 or B, F, 3], size, orthographic, cull: each kind of triangle and edge, few pixels."""
    vertices, round_faces = ball(1, dtype=dtype)
    v, faces = soup(12, SIZE, batch=1, dtype=dtype)
    yield "soup", v, faces[None], SIZE, False, "none"
    v = project(vertices, views(1, SIZE, orthographic=True, dtype=dtype))
    yield "ball", v, round_faces[None], SIZE, True, "back"
    v, faces = soup(8, SIZE, dtype=dtype)
    yield "lists", v, torch.stack([faces, faces.flip(0).roll(1, 1)]), SIZE, False, "none"
    sides = [[[-1, 0], [-1, 8], [7.4, 8], [-0.5, 0]], [[-1, 0], [-1, 8], [8.0, 8], [-0.1, 0]]]  # one hides the other
    flat = torch.tensor(sides, dtype=dtype).flatten(0, 1)
    v = torch.cat([flat, torch.tensor([2.0, 2.1], dtype=dtype).repeat_interleave(4)[:, None]], 1)[None]
    yield "nested", v, torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])[None], SIZE, False, "none"
    if dtype == torch.float32:
        v, faces = join(rectangle(1.3, 2.2, 34.6, 38.1, 3.0), rectangle(0, 0, 5, 40.0, 2.0))
        yield "large", v, faces[None], (40, 36), False, "none"


def differentiate(backend, v, faces, fragments, textures=True):
    """Values and gradients of all that has gradients."""
    batch, size = len(v), fragments.size
    found = {}

    def keep(name, function, *inputs):
        found.update({f"{name}, {n}": tensor for n, tensor in enumerate(values_and_gradients(function, *inputs))})

    for name, sets in {"shared attributes": 1, "attributes": batch}.items() if batch > 1 else [("attributes", 1)]:
        attributes = random(sets, v.shape[1], 3, dtype=v.dtype)
        keep(name, lambda p, a: backend.interpolate(p, a, faces, faces, fragments), v, attributes)
    texture, uv = random(1, 3, 4, 5, dtype=v.dtype), 3 * random(batch, 2, *size, dtype=v.dtype) - 1
    for name, repeat in (("clamped texture", False), ("repeated texture", True)) if textures else ():
        keep(name, lambda t, at, repeat=repeat: backend.sample_texture(t, at, fragments, repeat), texture, uv)
    edges, image = topology(faces if len(faces) > 1 else faces[0]), random(batch, 3, *size, dtype=v.dtype)
    keep("silhouettes", lambda i, p: backend.antialias_silhouettes(i, p, faces, edges, fragments), image, v)
    return found


def interpret():
    """Compare with the torch backend: visibility bit for bit, values and gradients closely."""
    ours, reference = (import_module(f"genstruct.render.backends.{name}") for name in ("triton", "torch"))
    for dtype in (torch.float32, torch.float64):
        for name, v, faces, size, orthographic, cull in scenes(dtype):
            index, inverse_depth = reference.rasterize(v, faces, size, cull, 1e-3, orthographic)
            found = ours.rasterize(v, faces, size, cull, 1e-3, orthographic)
            assert (index >= 0).any(), name
            assert torch.equal(found[0], index) and torch.equal(found[1], inverse_depth), f"visibility of {name}"
            if dtype == torch.float32:
                continue
            fragments = Fragments(index, inverse_depth, orthographic, cull)
            sys.stderr.write(f"{name}\n")  # where it was, if this fails
            assert_agree(*(differentiate(each, v, faces, fragments, name == "soup") for each in (ours, reference)))
    nothing = torch.zeros(1, 0, 3), torch.zeros(1, 0, 3, dtype=torch.long)
    assert (ours.rasterize(*nothing, (3, 4), "none", 1e-3, False)[0] == -1).all()


def compile_all():
    """Compile each kernel that a step needs for a GPU that is not there."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from genstruct.render.backends.triton_kernels import launch

    types = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64", torch.int32: "*i32"}
    types[torch.uint8] = "*u8"
    done = set()

    def compiled(function, grid, device, *arguments, **constants):
        given = dict(zip(function.arg_names, arguments, strict=False)) | constants
        signature = {
            name: "constexpr" if name in constants else types[value.dtype] if torch.is_tensor(value) else "i32"
            for name, value in given.items()
        }
        source = ASTSource(function, signature, constants)
        binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False})
        assert len(binary.asm["cubin"]) > 0
        assert "fma." not in binary.asm["ptx"], f"{function.__name__} fuses products and sums"
        done.add(function.__name__)

    launch.launch = compiled
    ours = import_module("genstruct.render.backends.triton")
    for dtype in (torch.float32, torch.float64):
        v, faces = soup(4, (40, 36), dtype=dtype)
        ours.rasterize(v, faces[None], (40, 36), "none", 1e-3, False)
        index, depth = torch.zeros(2, 40, 36, dtype=torch.int32), v.new_ones(2, 40, 36)
        differentiate(ours, v, faces[None], Fragments(index, depth))
    assert len(done) == 12, done  # two are called pull_back


if __name__ == "__main__":
    {"interpret": interpret, "compile": compile_all}[sys.argv[1]]()
