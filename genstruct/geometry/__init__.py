"""Cameras, rotations, meshes, polygons, surface templates and planes: value types and pure functions."""
