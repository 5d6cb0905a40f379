"""Sampling patterns on a Cartesian lattice: by lines, of variable density, and Poisson disc.

Masks are bool, (*shape), with zero frequency at n // 2. Everything random is a pure function of its
seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked

POISSON_ROUNDS = 12
"""Bisections that look for the distance of a Poisson disc mask."""

POISSON_SLACK = 0.02
"""Relative error allowed in the number of samples of a Poisson disc mask."""


@checked
def line_mask(
    shape: Sequence[Count],
    acceleration: Positive,
    calibration: WholeNumber = 24,
    *,
    axis: int = -1,
    pattern: str = "random",
    seed: WholeNumber = 0,
) -> Tensor:
    """Whole lines along the other axes: all central ones, and one in `acceleration` of the rest.

    As in the literature of parallel imaging, `acceleration` is the nominal one, outside the
    calibration lines.

    Args:
        shape: Shape of the lattice.
        acceleration: Lines per sampled line, outside the centre.
        calibration: Number of central lines, all of which are sampled.
        axis: The axis along which lines are counted.
        pattern: "random" makes each line outside the centre equally likely; or "equispaced".
        seed: Seed of the choice, or of the offset of equispaced lines.

    Returns:
        (*shape) bool.

    Raises:
        ValueError: For an acceleration below 1, more calibration lines than lines, an axis that
            the lattice has not, or an unknown pattern.
    """
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"line_mask: axis={axis} of a lattice of shape {tuple(shape)}.")
    n = shape[axis]
    if not 1 <= acceleration <= n or not 0 <= calibration <= n:
        raise ValueError(
            f"line_mask: acceleration={acceleration:g} and calibration={calibration} of {n} lines?"
        )
    kept = _block(n, calibration)
    generator = torch.Generator().manual_seed(seed)
    others = (~kept).nonzero()[:, 0]
    count = round(len(others) / acceleration)
    if pattern == "random":
        kept[others[torch.randperm(len(others), generator=generator)[:count]]] = True
    elif pattern == "equispaced":
        offset = int(torch.randint(math.ceil(acceleration), (), generator=generator))
        kept[(torch.arange(offset, n, acceleration, dtype=torch.float64)).long()] = True
    else:
        raise ValueError(f"line_mask: pattern must be 'random' or 'equispaced', got {pattern!r}.")
    view = [1] * len(shape)
    view[axis] = n
    return kept.reshape(view).expand(*shape).clone()


@checked
def variable_density_mask(
    shape: Sequence[Count],
    acceleration: Positive,
    calibration: WholeNumber = 24,
    *,
    power: NonNegative = 2.0,
    seed: WholeNumber = 0,
) -> Tensor:
    """Independent points, denser towards the centre, and a fully sampled central block.

    The density is (1 - r)^power, where r is 0 at the centre and 1 at the corners.

    Args:
        shape: Shape of the lattice.
        acceleration: Entries per sample.
        calibration: Width of the central block.
        power: How fast the density falls.
        seed: The mask is a pure function of it.

    Returns:
        (*shape) bool.

    Raises:
        ValueError: For an acceleration below 1, or a block of more samples than are wanted.
    """
    if not len(shape):
        raise ValueError("variable_density_mask: shape is empty; the lattice needs an axis.")
    total = math.prod(shape)
    wanted = _wanted(total, acceleration)
    mask = _central(shape, calibration)
    _require_room(mask, wanted)
    chance = (1 - _radius(shape) / math.sqrt(len(shape))).clamp(min=1e-3) ** power
    generator = torch.Generator().manual_seed(seed)
    # an exponential race: a weighted draw without replacement
    order = torch.rand(total, generator=generator, dtype=torch.float64).log() / chance.flatten()
    order[mask.flatten()] = torch.inf
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[order.topk(wanted).indices] = True
    return chosen.reshape(tuple(shape))


@checked
def poisson_disc_mask(
    shape: Sequence[Count],
    acceleration: Positive,
    calibration: WholeNumber = 24,
    *,
    slope: NonNegative = 1.5,
    seed: WholeNumber = 0,
) -> Tensor:
    """Poisson disc sampling of 2-D phase encoding: no two points are near each other.

    Points keep a distance of d (1 + slope r), so that they are denser at the centre, r = 0. The
    distance d is found so that the number of samples is the one wanted within 2 %. The corners
    beyond the ellipse are left out, as scanners do.

    Args:
        shape: Shape of the lattice, 2-D.
        acceleration: Entries per sample.
        calibration: Width of the fully sampled central block.
        slope: How fast the distance grows; r is 1 at the ends of the axes.
        seed: The mask is a pure function of it.

    Returns:
        (*shape) bool.

    Raises:
        ValueError: For another number of axes, an acceleration below 1, or a block of more samples
            than are wanted.

    Source:
        Lustig & Pauly, MRM 64, 2010.
    """
    if len(shape) != 2:
        raise ValueError(f"poisson_disc_mask is 2-D; shape {tuple(shape)} has {len(shape)} axes.")
    wanted = _wanted(math.prod(shape), acceleration)
    centre = _central(shape, calibration)
    _require_room(centre, wanted)
    low = 0.0
    high = 4.0 * math.sqrt(acceleration)
    mask = centre
    for _ in range(POISSON_ROUNDS):
        middle = 0.5 * (low + high)
        mask = _throw_darts(shape, middle, slope, centre, seed)
        count = int(mask.sum())
        if abs(count - wanted) <= POISSON_SLACK * wanted:
            break
        if count > wanted:
            low = middle
        else:
            high = middle
    return mask


def _throw_darts(
    shape: Sequence[int], distance: float, slope: float, centre: Tensor, seed: int
) -> Tensor:
    """Pixels in random order, each kept if no earlier one lies within its distance."""
    import numpy as np

    radius = _radius(shape).numpy()
    reach = distance * (1 + slope * radius)
    blocked = (radius > 1) | centre.numpy()
    kept = centre.numpy().copy()
    rows, columns = shape
    for pixel in np.random.default_rng(seed).permutation(rows * columns):
        i, j = divmod(int(pixel), columns)
        if blocked[i, j]:
            continue
        kept[i, j] = True
        r = int(reach[i, j])
        top, bottom = max(i - r, 0), min(i + r + 1, rows)
        left, right = max(j - r, 0), min(j + r + 1, columns)
        y, x = np.ogrid[top - i : bottom - i, left - j : right - j]
        blocked[top:bottom, left:right] |= y * y + x * x <= reach[i, j] ** 2
    return torch.from_numpy(kept)


def _wanted(n: int, acceleration: float) -> int:
    if not 1 <= acceleration < n:
        raise ValueError(
            f"acceleration must be at least 1 and below the {n} samples, got {acceleration}."
        )
    return round(n / acceleration)


def _require_room(centre: Tensor, wanted: int) -> None:
    if int(centre.sum()) > wanted:
        raise ValueError(
            f"The calibration block of {int(centre.sum())} samples exceeds the {wanted} wanted."
        )


def _block(n: int, width: int) -> Tensor:
    """The `width` central entries of n, around n // 2."""
    index = torch.arange(n) - n // 2
    return (index >= -(width // 2)) & (index < width - width // 2)


def _central(shape: Sequence[int], width: int) -> Tensor:
    mask = torch.ones((), dtype=torch.bool)
    for n in shape:
        mask = mask[..., None] & _block(n, min(width, n))
    return mask


def _radius(shape: Sequence[int]) -> Tensor:
    """Distance from the centre, 1 at the ends of the axes: (*shape), float64."""
    squared = torch.zeros((), dtype=torch.float64)
    for n in shape:
        along = (torch.arange(n, dtype=torch.float64) - n // 2) / (n / 2)
        squared = squared[..., None] + along.square()
    return squared.sqrt()


def readout_axis(mask: Tensor) -> int | None:
    """The axis along which a mask is sampled in whole lines, which were acquired together.

    Args:
        mask: (*shape) bool.

    Returns:
        The last such axis, where every line along it is measured to the same extent or not at all;
        None where points are sampled one by one.
    """
    axes = range(mask.ndim)
    for axis in reversed(axes):
        lines = mask.any(axis, keepdim=True)
        extent = mask
        for other in axes:
            if other != axis:
                extent = extent.any(other, keepdim=True)
        if not bool(lines.all()) and bool((mask == (lines & extent)).all()):
            return axis
    return None
