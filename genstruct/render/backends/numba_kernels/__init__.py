"""Loops over pixels, triangles and edges, compiled by numba when first called."""
