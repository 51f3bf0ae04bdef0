"""Small meshes and helpers that the tests of the mesh renderer share."""

import math

import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.surfaces import icosphere

BACKENDS = ("torch", "numba")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=stream(seed), dtype=dtype)


def rectangle(left, top, right, bottom, depth=2.0, dtype=torch.float32):
    """Projected vertices [1, 4, 3] and faces of an upright rectangle on the screen, seen from the front."""
    corners = [[left, top], [left, bottom], [right, bottom], [right, top]]
    v = torch.tensor([[*corner, depth] for corner in corners], dtype=dtype)[None]
    return v, torch.tensor([[0, 1, 2], [0, 2, 3]])


def join(*parts):
    """One mesh of several (v, faces)."""
    starts = [sum(part[0].shape[1] for part in parts[:n]) for n in range(len(parts))]
    faces = [part[1] + start for part, start in zip(parts, starts, strict=True)]
    return torch.cat([part[0] for part in parts], 1), torch.cat(faces)


def soup(triangles=60, size=(24, 20), batch=2, seed=0, dtype=torch.float32):
    """Random triangles that overlap, some partly off the screen; no two share a vertex."""
    center = random(batch, triangles, 1, 3, seed=seed, dtype=torch.float64)
    corners = center + 0.4 * (random(batch, triangles, 3, 3, seed=seed + 1, dtype=torch.float64) - 0.5)
    scale = torch.tensor([size[1], size[0], 2.0], dtype=torch.float64)
    v = (corners * scale + torch.tensor([0, 0, 1.0], dtype=torch.float64)).flatten(1, 2)
    return v.to(dtype), torch.arange(3 * triangles).view(-1, 3)


def views(count, size, distance=3.0, orthographic=False, dtype=torch.float32):
    """Cameras around a unit ball that fills most of the picture."""
    azimuth = 0.3 + torch.arange(count, dtype=dtype) * 2 * math.pi / count
    focal = 0.42 * min(size) * (1 if orthographic else distance)
    return Camera.orbit(azimuth, 0.3, distance, focal, size, orthographic)


def ball(subdivisions=2, radius=0.9, dtype=torch.float32):
    """Vertices [1, V, 3] and faces of a sphere."""
    mesh = icosphere(subdivisions)
    return mesh.vertices.to(dtype) * radius, mesh.faces
