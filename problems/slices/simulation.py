"""Stacks of moving slices simulated from a volume, by a documented recipe.

The recipe is in the manner of SVoRT's (Xu et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Field, predict
from inverse_inr.operators.optics.psf import PSF
from inverse_inr.operators.rigid import join, rotation_matrix
from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.operators.slices.geometry import Slices, order_of_acquisition
from inverse_inr.problems.slices.disturbances import bias, choose, jumps, voids, walk
from inverse_inr.problems.slices.stacks import Stack
from inverse_inr.ranges import (
    Count,
    Fraction,
    NoiseLevelOrNone,
    NonNegative,
    Positive,
    WholeNumber,
    checked,
)

PLANES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
"""World axes along the rows, along the columns and across the slices, for each orientation."""


@checked
@dataclass(frozen=True)
class Slicing:
    """The cutting of a subject into slices.

    Args:
        pixel: Side of the square pixels in mm.
        thickness: Thickness of the slices in mm.
        spacing: Distance from slice to slice in mm; None for the thickness, more leaves gaps.
        interleave: k: slices are acquired in the order 0, k, 2k, ..., 1, k + 1, ...

    Raises:
        ValueError: A length is not positive, or the interleave is below 1.
    """

    pixel: Positive = 2.0
    thickness: Positive = 6.0
    spacing: Positive | None = None
    interleave: Count = 2


@checked
@dataclass(frozen=True)
class Motion:
    """The motion of the subject: a smooth random walk of rotation vector and translation.

    It turns about the middle of each slice, runs over all slices in the order of their
    acquisition, and its mean is taken off.

    Args:
        degrees: Largest angle in degrees.
        distance: Largest shift in mm.
        correlation: Standard deviation of the Gaussian that smooths the walk, in slices.

    Raises:
        ValueError: A size is negative, or the correlation is not positive.
    """

    degrees: NonNegative = 5.0
    distance: NonNegative = 5.0
    correlation: Positive = 4.0


@checked
@dataclass(frozen=True)
class Artefacts:
    """Noise, gains and defects of the pixels.

    Args:
        gain: Standard deviation of the log of each slice's factor.
        noise_level: Standard deviation of both channels of Rician noise, as a fraction of the 98th
            percentile of the noise-free signal.
        bias: Standard deviation of the log of a smooth field for each stack, a random polynomial of
            degree 3 that is fixed in the scanner. The part that all stacks share, which would be
            part of the image, is taken off.
        voids: Fraction of slices with a signal void: a Gaussian ellipse that takes 50 to 100 %.
        outliers: Fraction of slices that are useless: half lose 70 to 100 % of their signal, half
            were hit by a sudden motion of 15 to 30 degrees and 10 to 20 mm.

    Raises:
        ValueError: A fraction lies outside [0, 1], or a standard deviation is negative.
    """

    gain: NonNegative = 0.03
    noise_level: NoiseLevelOrNone = 0.01
    bias: NonNegative = 0.0
    voids: Fraction = 0.0
    outliers: Fraction = 0.0


@checked
def simulate_stacks(
    volume: Field,
    box: Box,
    orientations: Sequence[str | Tensor] = ("axial", "coronal", "sagittal"),
    *,
    slicing: Slicing = Slicing(),
    motion: Motion = Motion(),
    artefacts: Artefacts = Artefacts(),
    psf: str | PSF = "gaussian",
    nodes: Count = 256,
    seed: WholeNumber = 0,
) -> list[Stack]:
    """Simulate stacks that cover a box, with the true pose of every slice.

    Masks are where the noise-free signal is above 2 % of its maximum, grown by one pixel.

    Args:
        volume: The subject, a field in world coordinates (mm).
        box: The box in mm that every stack covers.
        orientations: "axial", "coronal", "sagittal", or the rotation vector (3,) in radians that
            turns an axial stack into an oblique one.
        slicing: How the subject is cut.
        motion: How the subject moves.
        artefacts: How the pixels are disturbed.
        psf: The profile that a pixel looks through, as in `SliceAcquisition`.
        nodes: Points of the profile's quadrature, more than any reconstruction uses.
        seed: Seed of motion, noise and defects.

    Returns:
        One stack per orientation.

    Raises:
        ValueError: An orientation is unknown.
    """
    generator = torch.Generator().manual_seed(seed)
    empty = [_empty_stack(box, o, slicing) for o in orientations]
    nominal = Slices.join([stack.slices()[0] for stack in empty])
    numbers = [order_of_acquisition(stack.values.shape[2], slicing.interleave) for stack in empty]
    order = torch.cat([n + first for n, first in zip(numbers, _starts(empty), strict=True)])
    moved = walk(order, motion.degrees, motion.distance, motion.correlation, generator)
    bad = choose(len(order), artefacts.outliers, generator)
    jumped = bad & (torch.rand(len(order), generator=generator) < 0.5)
    moved = torch.where(jumped[:, None], moved + jumps(len(order), generator), moved)
    turn = rotation_matrix(moved[:, :3])
    poses = join(turn @ nominal.poses[:, :3, :3], nominal.poses[:, :3, 3] + moved[:, 3:])
    true = Slices(poses, nominal.sizes, nominal.index, nominal.positions, nominal.stack)
    clean = _measured(volume, box, true, psf, nodes)
    factor = torch.exp(artefacts.gain * torch.randn(len(order), generator=generator))
    factor = factor * torch.where(
        bad & ~jumped, 0.3 * torch.rand(len(order), generator=generator), 1.0
    )
    signal = clean * factor[true.index] * bias(box, nominal, artefacts.bias, generator)
    signal = signal * voids(true, choose(len(order), artefacts.voids, generator), generator)
    sigma = artefacts.noise_level
    if sigma:
        sigma = sigma * float(clean[clean > 0].quantile(0.98))
    parts = [sigma * torch.randn(signal.shape, generator=generator) for _ in range(2)]
    seen = torch.hypot(signal + parts[0], parts[1])
    return _filled(empty, seen, clean > 0.02 * clean.max(), poses, bad, slicing.interleave)


def _starts(stacks: Sequence[Stack]) -> list[int]:
    """The number, among all slices, of each stack's first."""
    return np.cumsum([0, *(s.values.shape[2] for s in stacks[:-1])]).tolist()


def _empty_stack(box: Box, orientation: str | Tensor, slicing: Slicing) -> Stack:
    """Pixels that cover the box, centred on it."""
    if isinstance(orientation, str):
        if orientation not in PLANES:
            raise ValueError(
                f"simulate_stacks: unknown orientation {orientation!r}; known: {', '.join(PLANES)}."
            )
        axes = torch.eye(3, dtype=torch.float64)[:, list(PLANES[orientation])]
        name = orientation
    else:
        axes = rotation_matrix(torch.as_tensor(orientation, dtype=torch.float64))
        name = "oblique"
    sizes = [slicing.pixel, slicing.pixel, slicing.spacing or slicing.thickness]
    sizes = torch.tensor(sizes, dtype=torch.float64)
    # lengths of the box's shadow on each axis
    lengths = axes.abs().mT @ torch.tensor(box.lengths, dtype=torch.float64)
    shape = [max(1, math.ceil(float(n) - 1e-9)) for n in lengths / sizes]
    middle = torch.tensor([0.5 * (n - 1) for n in shape], dtype=torch.float64)
    center = torch.tensor(box.center, dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3] = axes * sizes
    affine[:3, 3] = center - (axes * sizes) @ middle
    return Stack(
        torch.zeros(shape), affine, torch.ones(shape, dtype=torch.bool), slicing.thickness, name
    )


@torch.no_grad()
def _measured(volume: Field, box: Box, slices: Slices, psf: str | PSF, nodes: int) -> Tensor:
    """Noise-free pixels (pixels,); those of which 8 nodes see nothing are zero."""
    rough, fine = (SliceAcquisition(box, slices, psf, nodes=n) for n in (8, nodes))
    pixels = torch.arange(len(slices.index))
    seen = torch.cat([predict(rough, volume, rows) for rows in pixels.split(2**14)]).float()
    some = pixels[seen.abs() > 1e-6 * seen.abs().max()]
    parts = [predict(fine, volume, rows).float() for rows in some.split(max(1, 2**18 // nodes))]
    return torch.zeros_like(seen).index_copy_(0, some, torch.cat(parts))


def _filled(
    empty: Sequence[Stack],
    seen: Tensor,
    bright: Tensor,
    poses: Tensor,
    bad: Tensor,
    interleave: int,
) -> list[Stack]:
    """The empty stacks with their pixels, masks, true poses and outliers."""
    from scipy.ndimage import binary_dilation

    stacks = []
    at = 0
    for stack, first in zip(empty, _starts(empty), strict=True):
        which = slice(first, first + stack.values.shape[2])
        count = stack.values.numel()
        pixels = slice(at, at + count)
        mask = binary_dilation(stack.volume(bright[pixels]).numpy(), np.ones((3, 3, 1), dtype=bool))
        stacks.append(
            Stack(
                stack.volume(seen[pixels]),
                stack.affine,
                torch.from_numpy(mask),
                stack.thickness,
                stack.name,
                poses[which],
                bad[which],
                interleave,
            )
        )
        at += count
    return stacks
