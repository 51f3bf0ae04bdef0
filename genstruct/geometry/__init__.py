"""Cameras, rotations, meshes, surface templates and planes: value types and pure functions on tensors."""
