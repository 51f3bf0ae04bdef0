"""Kernels for CUDA, compiled by Triton when first launched. They also run in Triton's interpreter on a CPU."""
