"""Kernels in Triton for CUDA devices, each with an eager function as its definition.

Nothing here is imported before tensors are on a CUDA device: `available.usable` decides.
"""
