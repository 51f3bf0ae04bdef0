"""The same picture by pytorch3d, for comparison. Import only where it is installed."""

import warnings

import torch


def pytorch3d_index(vertices, faces, camera, size):
    """Triangle of each pixel, -1 where there is none; square images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes

    from genstruct.render.project import project

    v = project(vertices, camera)
    # pytorch3d: x to the left, y up, in [-1, 1] over the shorter side.
    center = torch.tensor([size[1], size[0]]) / 2
    flat = -(v[..., :2] - center) * 2 / min(size)
    meshes = Meshes(torch.cat([flat, v[..., 2:]], -1), faces.expand(len(v), -1, -1))
    index, *_ = rasterize_meshes(meshes, size, faces_per_pixel=1, perspective_correct=True)
    index = index[..., 0]
    first = torch.arange(len(v))[:, None, None] * len(faces)
    return torch.where(index >= 0, index - first, index).int()
