"""Photos of a body whose views are known, for tests of whole graphs."""

import math

import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.render.render import render
from genstruct.viewpoint.template import boxed_camera


def wedge():
    """A symmetric body that is lower and narrower in front, with paint on it: front and back differ."""
    sphere = octahedral_sphere(24)
    places = sphere.vertices * torch.tensor([0.22, 0.16, 0.5])
    front = (places[..., 2:] + 0.5).clamp(0, 1)
    places = places * torch.cat([1 - 0.25 * front, 1 - 0.6 * front, torch.ones_like(front)], -1)
    texture = torch.full((1, 3, 32, 32), 0.75)
    texture[..., 12:20, 12:22], texture[..., 4:9, :] = 0.15, 0.3
    texture[..., 22:26, 14:18], texture[:, :2, 26:30, :] = 0.95, 0.2
    texture = (texture + texture.flip(-1)) / 2
    return Mesh(places, sphere.faces, sphere.uv, sphere.uv_faces, texture)


def random_views(count, seed=0):
    """Azimuths of the whole circle and elevations from 2 to 30 degrees, radians."""
    rng = torch.Generator().manual_seed(seed)
    azimuth = torch.rand(count, generator=rng) * math.tau
    return azimuth, torch.rand(count, generator=rng) * math.radians(28) + math.radians(2)


def photographed(mesh, azimuth, elevation, size=64):
    """Pictures, masks, and world to camera of a mesh in boxes like those of crops."""
    seen = render(mesh, boxed_camera(mesh, azimuth, elevation, 2.6, size), (size, size), samples=2)
    return seen.color, seen.alpha, Camera.orbit(azimuth, elevation, 2.6, float(size), (size, size)).rotation


def write_photos(folder, images, masks):
    """`folder/photos` and `folder/masks`, named like each other; the object on a grey ground."""
    from genstruct.export.images import to_uint8, write_png

    for place in ("photos", "masks"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        write_png(folder / "photos" / f"{number:03}.png", to_uint8(image + 0.4 * (1 - mask)))
        write_png(folder / "masks" / f"{number:03}.png", to_uint8(mask))
    return folder / "photos", folder / "masks"
