"""The search for the best sparse code of a network's weights of so many bytes at most."""

from __future__ import annotations

import math

import numpy as np
import torch

from inverse_inr.codec.container import Coded, to_bytes
from inverse_inr.codec.quantizing import Numbers, step_size
from inverse_inr.codec.searching import first_below
from inverse_inr.codec.sparse import Floats, joined, pursued
from inverse_inr.domain import Grid
from inverse_inr.priors import Prior

COARSEST = 160
"""Code of the coarsest common step size."""
LENGTH = 18
"""Bits of the largest coefficient at the finest step size."""


def encode_sparse_weights(field: Prior, grid: Grid, codes: dict[str, int], most: int) -> bytes:
    """Encode a network's weights as few columns of a random matrix.

    Weights in units of their tensors' step sizes are cut into blocks, and each block is written by
    a few columns. Of several numbers of columns, each with the finest step size that keeps the
    size, the one with the least error is taken.

    Args:
        field: The prior.
        grid: The grid of the samples.
        codes: The code of each tensor's step size.
        most: Most bytes.

    Returns:
        The bytes.

    Raises:
        ValueError: So few bytes hold no code.
    """
    state = dict(field.named_parameters())
    scaled = [
        state[name].detach().double().cpu().numpy().reshape(-1) / step_size(code)
        for name, code in codes.items()
    ]
    weights = np.concatenate(scaled)
    best, least, shortest = b"", math.inf, math.inf
    for coefficients in pursued(weights).values():

        def made(coarser: int, coefficients: Floats = coefficients) -> tuple[bytes, float]:
            numbers = np.round(coefficients / step_size(coarser)).astype(np.int64)
            whole = joined(numbers, len(weights))
            error = float(((whole * step_size(coarser) - weights) ** 2).sum())
            split = _split(whole, field, codes)
            return to_bytes(Coded(field, grid, split, codes, coarser, numbers)), error

        largest = max(float(np.abs(coefficients).max()), 1e-30)
        finest = math.ceil(8 * (math.log2(largest) - LENGTH))
        coarser = first_below(lambda code: len(made(code)[0]), most, finest, COARSEST)
        data, error = made(coarser)
        shortest = min(shortest, len(data))
        if len(data) <= most and error < least:
            best, least = data, error
    if not best:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes; the sparsest code of this network takes "
            f"{shortest}."
        )
    return best


def _split(whole: np.ndarray, field: Prior, codes: dict[str, int]) -> Numbers:
    """Whole numbers for each parameter."""
    found = {}
    at = 0
    for name in codes:
        shape = field.get_parameter(name).shape
        found[name] = torch.from_numpy(whole[at : at + shape.numel()]).reshape(shape)
        at += shape.numel()
    return found
