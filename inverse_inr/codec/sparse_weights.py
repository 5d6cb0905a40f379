"""The search for the best sparse code of a network's weights of so many bytes at most."""

from __future__ import annotations

import math

import numpy as np
import torch

from inverse_inr.codec.container import Coded, to_bytes
from inverse_inr.codec.quantizing import Numbers, sensitivities, step_size
from inverse_inr.codec.searching import first_below
from inverse_inr.codec.sparse import allotted, joined, pursued
from inverse_inr.domain import Grid
from inverse_inr.priors import Prior

COARSEST = 160
"""Code of the coarsest common step size."""
LENGTH = 18
"""Bits of the largest coefficient at the finest step size."""


def encode_sparse_weights(field: Prior, grid: Grid, codes: dict[str, int], most: int) -> bytes:
    """Encode a network's weights as few columns of a random matrix.

    Weights in units of their tensors' step sizes are cut into blocks, and each block is written by
    a few columns. Errors count as much as the field feels them, weight by weight. How many columns
    a block gets is chosen by its error and its bits; the step size is the finest that keeps the
    size.

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
    own = sensitivities(field)
    scaled, felt = [], []
    for name, code in codes.items():
        size = step_size(code)
        value = field.get_parameter(name).detach().double().cpu().numpy().reshape(-1)
        scaled.append(value / size)
        felt.append(own[name].cpu().numpy().reshape(-1) * size**2)
    weights = np.concatenate(scaled)
    # a weight that nothing feels at the places that were asked may still be felt elsewhere
    feelings = np.concatenate(felt)
    feelings = np.maximum(feelings, 1e-3 * feelings.mean())
    pursuits = pursued(weights, feelings)

    def made(coarser: int) -> bytes:
        step = step_size(coarser)
        numbers = allotted(weights, feelings, pursuits, step)
        split = _split(joined(numbers, len(weights)), field, codes)
        return to_bytes(Coded(field, grid, split, codes, coarser, numbers))

    largest = max(float(np.abs(pursuits).max()), 1e-30)
    finest = math.ceil(8 * (math.log2(largest) - LENGTH))
    data = made(first_below(lambda code: len(made(code)), most, finest, COARSEST))
    if len(data) > most:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes; the sparsest code of this network takes "
            f"{len(data)}."
        )
    return data


def _split(whole: np.ndarray, field: Prior, codes: dict[str, int]) -> Numbers:
    """Whole numbers for each parameter."""
    found = {}
    at = 0
    for name in codes:
        shape = field.get_parameter(name).shape
        found[name] = torch.from_numpy(whole[at : at + shape.numel()]).reshape(shape)
        at += shape.numel()
    return found
