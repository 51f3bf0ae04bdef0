"""A mesh and a camera make a picture: closed forms, invariances, and what users get wrong."""

import math
import subprocess
import sys
from dataclasses import replace

import jaxtyping
import pytest
import torch
from scenes import BACKENDS, ball, random, views

from genstruct.errors import ConfigError, MissingDependency, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import icosphere, plane
from genstruct.render.backends import choose
from genstruct.render.render import GRAY, Look, render
from genstruct.render.shading import DirectionalLight

SIZE = (16, 16)
FRONT = Camera.orbit(0.0, 0.0, 2.0, 16.0, SIZE)  # a unit at the origin is 8 pixels


def picture(height=2, width=2, seed=0):
    return random(1, 3, height, width, seed=seed)


def square(texture=None, side=1.0):
    sheet = plane(side)
    return Mesh(sheet.vertices, sheet.faces, sheet.uv, sheet.uv_faces, texture)


def test_a_square_covers_the_pixels_it_should():
    out = render(square(), FRONT, SIZE)
    assert out.alpha.sum().item() == pytest.approx(64.0)
    assert torch.equal(out.index[0] >= 0, out.alpha[0, 0] > 0)
    torch.testing.assert_close(out.depth[0, 0, 8, 8], torch.tensor(2.0))
    torch.testing.assert_close(out.normal[0, :, 8, 8], torch.tensor([0.0, 0.0, 1.0]))
    assert out.color[0, :, 8, 8].tolist() == pytest.approx([GRAY] * 3)
    assert (out.color[0, :, 0, 0] == 0).all()


def test_the_texture_is_seen_upright_and_not_mirrored():
    texture = torch.zeros(1, 3, 2, 2)
    texture[0, 0, 0, 0] = texture[0, 1, 0, 1] = texture[0, 2, 1, 0] = 1  # red upper left, green right of it, blue below
    out = render(square(texture), FRONT, SIZE).color[0]
    assert out[:, 5, 5].tolist() == [1, 0, 0] and out[:, 5, 10].tolist() == [0, 1, 0]
    assert out[:, 10, 5].tolist() == [0, 0, 1]


def test_the_back_of_a_sheet_shows_its_own_side():
    behind = Camera.orbit(math.pi, 0.0, 2.0, 16.0, SIZE)
    out = render(square(), behind, SIZE)
    torch.testing.assert_close(out.normal[0, :, 8, 8], torch.tensor([0.0, 0.0, -1.0]), atol=1e-6, rtol=0)
    assert render(square(), behind, SIZE, look=Look(cull="back")).alpha.sum() == 0


@pytest.mark.parametrize("silhouette", ["edges", "margin", "none"])
def test_moving_camera_and_mesh_together_changes_nothing(silhouette):
    vertices, faces = ball(2)
    uv = vertices[0, :, :2] * 0.4 + 0.5
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]], dtype=torch.float64)
    camera = views(2, SIZE, dtype=torch.float64)
    rotated = Camera(torch.cat([camera.rotation @ turn.T, camera.translation[..., None]], -1), camera.intrinsics)
    first, second = (
        render(Mesh(v, faces, uv, None, picture().double()).to(dtype=torch.float64), c, SIZE, silhouette=silhouette)
        for v, c in ((vertices.double(), camera), (vertices.double() @ turn.T, rotated))
    )
    torch.testing.assert_close(first.color, second.color)
    torch.testing.assert_close(first.normal, (second.normal.movedim(1, -1) @ turn).movedim(-1, 1))


def test_a_batch_of_one_is_shared_by_cameras_textures_and_backgrounds():
    mesh = icosphere(1)
    textures = random(2, 3, 4, 4)
    shared = Mesh(mesh.vertices, mesh.faces, mesh.uv, mesh.uv_faces, textures)
    out = render(shared, FRONT, SIZE, picture(16, 16, seed=3))
    for n in range(2):
        one = Mesh(mesh.vertices, mesh.faces, mesh.uv, mesh.uv_faces, textures[n : n + 1])
        torch.testing.assert_close(out.color[n : n + 1], render(one, FRONT, SIZE, picture(16, 16, seed=3)).color)


def test_where_nothing_is_seen_the_background_is():
    away = Camera.look_at(torch.tensor([[0.0, 0, 2]]), torch.tensor([[0.0, 0, 9]]), 16.0, SIZE)
    below = picture(16, 16)
    out = render(square(), away, SIZE, below)
    assert torch.equal(out.color, below) and out.alpha.sum() == 0 and (out.index == -1).all()


def test_a_larger_background_is_cropped_by_viewpoint():
    below = picture(16, 48)
    assert torch.equal(render(square(side=0.01), FRONT, SIZE, below, silhouette="none").color[..., 0], below[..., 16])


def test_light_falls_from_its_direction():
    ones = torch.ones(1, 3)
    light = DirectionalLight(0 * ones, ones, torch.tensor([[1.0, 0.0, 0.0]]))
    vertices, faces = ball(3)
    out = render(Mesh(vertices, faces), FRONT, SIZE, look=Look(light=light)).color[0, 0]
    assert out[8, 12] > 0.3 and out[8, 3] == 0  # +x is right, seen from the front


def test_more_samples_find_parts_thinner_than_a_pixel():
    wire = square(side=1.0)
    thin = Mesh(wire.vertices * torch.tensor([0.02, 1.0, 1.0]) + torch.tensor([0.01, 0, 0]), wire.faces)
    exact = 8 * 8 * 0.02
    assert render(thin, FRONT, SIZE).alpha.sum() == 0  # no pixel centre sees it
    assert render(thin, FRONT, SIZE, samples=8).alpha.sum().item() == pytest.approx(exact, rel=0.02)


def test_the_pyramid_keeps_fine_textures_from_aliasing():
    stripes = (torch.arange(256) % 2).float().expand(1, 3, 256, 256).contiguous()
    inner = (slice(None), slice(None), slice(5, 11), slice(5, 11))
    smooth = render(square(stripes), FRONT, SIZE, look=Look(mipmap=True)).color[inner]
    torch.testing.assert_close(smooth, torch.full_like(smooth, 0.5))


def test_margins_use_the_pyramid_too():
    stripes = (torch.arange(256) % 2).float().expand(1, 3, 256, 256).contiguous()
    out = render(square(stripes), FRONT, SIZE, look=Look(mipmap=True), silhouette="margin")
    outside = (out.index < 0) & (out.alpha[:, 0] > 0.1)
    assert outside.sum() >= 32
    shown = (out.color / out.alpha.clamp(min=0.1))[outside[:, None].expand_as(out.color)]
    torch.testing.assert_close(shown, torch.full_like(shown, 0.5), atol=0.02, rtol=0)


@pytest.mark.parametrize("silhouette", ["edges", "margin"])
def test_gradients_reach_everything_and_are_finite(silhouette):
    mesh = icosphere(1)
    inputs = [mesh.vertices.clone(), random(1, 3, 4, 4), picture(16, 16), torch.full((1, 3), 0.3), torch.tensor([0.4])]
    vertices, texture, below, ambient, azimuth = (tensor.requires_grad_() for tensor in inputs)
    light = DirectionalLight(ambient, torch.full((1, 3), 0.5), torch.tensor([[1.0, 1.0, 1.0]]))
    camera = Camera.orbit(azimuth, 0.2, 3.0, 18.0, SIZE)
    scene = Mesh(vertices, mesh.faces, mesh.uv, mesh.uv_faces, texture)
    out = render(scene, camera, SIZE, below, Look(light=light), silhouette)
    (out.color.square().sum() + out.alpha.square().sum()).backward()
    for tensor in (vertices, texture, below, ambient, azimuth):
        assert tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0


def test_autocast_does_not_change_the_picture():
    vertices, faces = ball(1)
    with torch.autocast("cpu", torch.bfloat16):
        cast = render(Mesh(vertices, faces), views(1, SIZE), SIZE)
    plain = render(Mesh(vertices, faces), views(1, SIZE), SIZE)
    assert cast.color.dtype == torch.float32
    assert torch.equal(cast.index, plain.index)
    torch.testing.assert_close(cast.color, plain.color)


BAD = {
    "batch": (lambda: render(square(), views(3, SIZE)[:2], SIZE, torch.zeros(3, 3, 16, 16)), ShapeError, "background"),
    "background": (lambda: render(square(), FRONT, SIZE, torch.zeros(1, 3, 8, 16)), ShapeError, "at least"),
    "bytes": (
        lambda: render(square(), FRONT, SIZE, torch.zeros(1, 3, 16, 16).byte()),
        ShapeError,
        r"background .*uint8 .*use .float\(\) / 255",
    ),
    "kind": (
        lambda: render(square(), FRONT, SIZE, torch.zeros(1, 3, 16, 16).double()),
        ShapeError,
        "background is torch.float64",
    ),
    "device": (
        lambda: render(square(), FRONT, SIZE, torch.zeros(1, 3, 16, 16, device="meta")),
        ShapeError,
        "background on meta",
    ),
    "mesh": (lambda: render(None, FRONT, SIZE), ShapeError, "got NoneType and Camera"),
    "whole size": (lambda: render(square(), FRONT, 16), ShapeError, "size must be .* got 16"),
    "margin": (
        lambda: render(square(), FRONT, SIZE, silhouette="margin", margin=math.inf),
        ConfigError,
        "not endless, got inf",
    ),
    "light": (lambda: render(square(), FRONT, SIZE, look=Look("sun")), ConfigError, "light must be .* got str"),
    "channels": (
        lambda: render(square(), FRONT, SIZE, torch.zeros(1, 1, 16, 16)),
        ShapeError,
        r"\[batch, 3, .* got \[1, 1, 16, 16\]",
    ),
    "silhouette": (lambda: render(square(), FRONT, SIZE, silhouette="soft"), ConfigError, "edges, margin or none"),
    "samples": (lambda: render(square(), FRONT, SIZE, samples=0), ConfigError, "at least 1"),
    "size": (lambda: render(square(), FRONT, (0, 16)), ShapeError, "size must be"),
    "backend": (lambda: render(square(), FRONT, SIZE, backend="opengl"), ConfigError, "backend must be one of"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    act, error, words = BAD[name]
    with pytest.raises(error, match=words):
        act()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["mesh.vertices", "mesh.uv", "camera.world_to_camera", "camera.intrinsics"])
def test_values_that_are_no_numbers_are_found_where_they_are(name, bad):
    mesh, camera = square(picture()), FRONT
    spoilt = getattr(mesh if name.startswith("mesh") else camera, name.split(".")[1]).clone()
    spoilt[..., 0, 1] = bad
    if name.startswith("mesh"):
        mesh = replace(mesh, **{name.split(".")[1]: spoilt})
    else:
        camera = replace(camera, **{name.split(".")[1]: spoilt})
    with pytest.raises(ShapeError, match=rf"{name} \[.*\] must be finite, but 1 values"):
        render(mesh, camera, SIZE)


def test_light_that_is_no_number_is_found():
    ones = torch.ones(1, 3)
    with pytest.raises(ShapeError, match=r"light.color \[1, 3\] must be finite"):
        render(square(), FRONT, SIZE, look=Look(DirectionalLight(ones, ones * math.nan, ones)))


@pytest.mark.parametrize("scale", [1e-3, 1e3, 1e12])
def test_the_unit_does_not_matter_within_reason(scale):
    vertices, faces = ball(2)
    camera = views(1, SIZE)
    far = Camera(torch.cat([camera.rotation, camera.translation[..., None] * scale], -1), camera.intrinsics)
    near, usual = Look(near=1e-3 * scale), Look()
    first, second = (
        render(Mesh(v.requires_grad_(), faces), c, SIZE, look=look)
        for v, c, look in ((vertices * scale, far, near), (vertices.clone(), camera, usual))
    )
    torch.testing.assert_close(first.normal, second.normal, atol=1e-4, rtol=0)
    torch.testing.assert_close(first.alpha, second.alpha, atol=1e-3, rtol=0)
    assert torch.autograd.grad(first.alpha.sum(), first.alpha)[0].isfinite().all()


def test_vertices_out_of_all_proportion_are_refused():
    with pytest.raises(
        ShapeError, match=r"mesh.vertices \[1, 4, 3\] must lie within 1e\+15 of 0, got -5e\+19 to 5e\+19"
    ):
        render(square(side=1e20), FRONT, SIZE)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch_gives_empty_pictures(backend):
    for mesh, camera in ((square(picture())[:0], FRONT[:0]), (square()[:0], FRONT), (square(picture()), FRONT[:0])):
        for silhouette in ("edges", "margin"):
            out = render(mesh, camera, SIZE, silhouette=silhouette, backend=backend)
            assert out.color.shape == (0, 3, 16, 16) and out.index.shape == (0, 16, 16)


def test_a_mesh_without_triangles_is_background_with_everything_wanted():
    ones, below = torch.ones(1, 3), picture(16, 16)
    empty = replace(square(picture()), faces=torch.zeros(0, 3, dtype=torch.long), uv_faces=None)
    out = render(empty, FRONT, SIZE, below, Look(DirectionalLight(ones, ones, ones), mipmap=True))
    assert torch.equal(out.color, below) and out.alpha.sum() == 0


def test_an_absent_backend_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "genstruct.render.backends.numba", raising=False)
    for name in [name for name in sys.modules if name.startswith("genstruct.render.backends.numba_kernels")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependency, match="pip install numba"):
        choose("numba", torch.device("cpu"))


def test_importing_the_renderer_loads_no_compiler():
    script = (
        "import sys, genstruct.render.render; sys.exit(any(n in sys.modules for n in ('numba', 'triton.compiler')))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", script]).returncode == 0
