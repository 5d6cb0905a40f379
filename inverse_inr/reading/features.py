"""Features of fitted fields, as arrays for scikit-learn: weights, codes, heat maps, fusion."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.families import Modulated, activations, aligned, weights_of
from inverse_inr.families.family import InnerSteps
from inverse_inr.families.mixing import require_comparable
from inverse_inr.priors import Prior
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Finite, Seed, checked
from inverse_inr.solver import Solution

if TYPE_CHECKING:
    from numpy.typing import NDArray

AT_ONCE = 64
"""Tasks whose codes or weights are found in one batch."""


def _priors(name: str, fields: Sequence[Prior | Solution]) -> list[Prior]:
    """The networks of fields or solutions, of one architecture."""
    if not fields:
        raise ValueError(f"{name}: the list of fields is empty.")
    found: list[Prior] = []
    for k, field in enumerate(fields):
        own = field
        if isinstance(own, Solution):
            own = own.field
        if not isinstance(own, Prior):
            raise TypeError(
                f"{name}: fields[{k}] is {type(own).__name__}, no network of the catalogue of "
                "priors. A solution of a classical method?"
            )
        if found:
            require_comparable(f"{name}: fields[{k}] and fields[0]", own, found[0])
        found.append(own)
    return found


@checked
def weight_features(
    fields: Sequence[Prior | Solution], start: Prior | None = None, *, align: bool = False
) -> NDArray[np.float32]:
    """Lay the weights of fitted fields in rows.

    They mean something together only where all fits began at one point, as those of
    `families.fit_many`, or where hidden units are renumbered to agree.

    Args:
        fields: Fields, or solutions, of one architecture.
        start: The start, which is subtracted; None for the weights themselves.
        align: Renumber the hidden units of each field first, so that they are near those of the
            start, or of the first field where there is none.

    Returns:
        (fields, weights).

    Raises:
        TypeError: Something else than priors is given.
        ValueError: There are none, or they differ in architecture or box.

    Source:
        Malherbe (weights as features); Ainsworth et al. 2023 (alignment).
    """
    networks = _priors("weight_features", fields)
    other = start or networks[0]
    require_comparable("weight_features: fields[0] and the start", networks[0], other)
    rows = []
    for field in networks:
        own = field
        if align:
            own = aligned(field, other)
        rows.append(weights_of(own))
    found = torch.stack(rows)
    if start is not None:
        found = found - weights_of(start)
    return found.cpu().numpy().astype(np.float32)


@checked
def code_features(
    family: Modulated,
    problems: Sequence[Problem],
    *,
    steps: InnerSteps | None = None,
    seed: Seed = 0,
) -> NDArray[np.float32]:
    """Find the codes of problems in a family with one decoder, in rows.

    Args:
        family: A trained family.
        problems: The problems.
        steps: Steps by which a code is found; None for the family's own number.
        seed: Decides which rows a step sees, where it does not see all.

    Returns:
        (problems, code).

    Raises:
        ValueError: There are no problems, or the family is not trained, or of other fields.

    Source:
        Chen et al. 2023, classification in function space.
    """
    if not problems:
        raise ValueError("code_features: the list of problems is empty.")
    family.require_trained()
    tasks = family.tasks(problems, seed=seed)
    rows = []
    with ExitStack() as stack:
        stack.enter_context(evaluating(*(t.operator for task in tasks for t in task.terms)))
        for first in range(0, len(tasks), AT_ONCE):
            some = tasks[first : first + AT_ONCE]
            rows.append(family.codes(some, learning=False, steps=steps).detach())
    return torch.cat(rows).cpu().numpy().astype(np.float32)


@checked
def heat_maps(
    fields: Sequence[Prior | Solution], grid: Grid, layers: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """Map where the hidden layers of fields are active: the mean |activation| of a layer's units.

    The map of a layer does not change where its units are renumbered or change their signs.

    Args:
        fields: Networks with layers, or solutions, of one architecture.
        grid: The places of the maps.
        layers: Numbers of the layers, from 0; None for all.

    Returns:
        (fields, layers, *grid.shape).

    Raises:
        TypeError: Something else than priors is given, or the network has no layers.
        ValueError: There are no fields, or they differ in architecture or box.
        IndexError: There is no such layer.

    Source:
        INFER (ICLR 2026 submission 14679), layer-wise heat maps.
    """
    points = grid.points()
    rows = []
    for field in _priors("heat_maps", fields):
        found = activations(field, points)
        chosen = list(range(len(found))) if layers is None else list(layers)
        if not chosen or min(chosen) < 0 or max(chosen) >= len(found):
            raise IndexError(
                f"heat_maps: layers={chosen}; the network has the layers 0 to {len(found) - 1}."
            )
        rows.append(torch.stack([found[k].abs().mean(-1) for k in chosen]))
    return torch.stack(rows).cpu().numpy().astype(np.float32)


@checked
def fused(blocks: Sequence[Any], weights: Sequence[Finite] | None = None) -> NDArray[np.float32]:
    """Join features of several kinds, e.g. heat maps and an embedding of the user's own.

    Each row of a block is scaled to norm 1, so that no block outweighs another by its unit or its
    number of columns. Nothing is learnt from the rows together, so that rows to be judged may be
    fused by themselves.

    Args:
        blocks: (n, ...) arrays or tensors, each flattened to rows.
        weights: A factor for each block; None for 1.

    Returns:
        (n, columns of all).

    Raises:
        ValueError: There are no blocks, they have different numbers of rows, hold NaN or Inf, or
            there is not one weight for each.
    """
    if not len(blocks):
        raise ValueError("fused: the list of blocks is empty.")
    if weights is None:
        weights = [1.0] * len(blocks)
    if len(weights) != len(blocks):
        raise ValueError(f"fused: {len(blocks)} blocks and {len(weights)} weights.")
    rows = []
    for k, (block, weight) in enumerate(zip(blocks, weights, strict=True)):
        values = _rows(k, block)
        if rows and len(values) != len(rows[0]):
            raise ValueError(
                f"fused: blocks[{k}] has {len(values)} rows and blocks[0] {len(rows[0])}. "
                "An embedding of other images, or of some of them?"
            )
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        rows.append(weight * values / np.where(norm > 0, norm, 1.0))
    return np.concatenate(rows, 1).astype(np.float32)


def _rows(k: int, block: Any) -> NDArray[np.float64]:
    """A block as rows of finite numbers."""
    own = block
    if isinstance(own, Tensor):
        own = own.detach().cpu().numpy()
    try:
        values = np.asarray(own, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"fused: blocks[{k}] is no array of numbers ({error}).") from error
    if values.ndim < 2 or not values.size:
        raise ValueError(f"fused: blocks[{k}] has shape {values.shape}; rows of features are 2-D.")
    if not np.isfinite(values).all():
        raise ValueError(f"fused: blocks[{k}] holds NaN or Inf.")
    return values.reshape(len(values), -1)
