"""Stacks of moving slices from a volume, by a documented recipe (in the manner of SVoRT's, Xu et al. 2022)."""

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
from inverse_inr.problems.slices.stacks import Stack

PLANES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
"""World axes along the rows, the columns and across the slices."""


@dataclass(frozen=True)
class Slicing:
    """The cutting of a subject into slices.

    pixel       size of the square pixels in mm
    thickness   of the slices in mm
    spacing     distance in mm from slice to slice: the thickness where it is None, more leaves gaps
    interleave  k: slices are acquired in the order 0, k, 2k, ..., 1, k + 1, ...
    Raises ValueError for a length that is not positive, or an interleave below 1.
    """

    pixel: float = 2.0
    thickness: float = 6.0
    spacing: float | None = None
    interleave: int = 2

    def __post_init__(self) -> None:
        for name in ("pixel", "thickness"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Slicing: {name}={getattr(self, name)} must be positive (mm).")
        if self.spacing is not None and not self.spacing > 0:
            raise ValueError(
                f"Slicing: spacing={self.spacing} must be positive (mm), or None for the thickness."
            )
        if self.interleave < 1:
            raise ValueError(f"Slicing: interleave={self.interleave} must be 1 (in order) or more.")


@dataclass(frozen=True)
class Motion:
    """The motion of the subject: a smooth random walk of rotation vector and translation.

    It turns about the middle of each slice, runs over all slices in the order of their
    acquisition, and its mean is taken off.
    degrees      largest angle
    distance     largest shift in mm
    correlation  standard deviation in slices of the Gaussian that smooths the walk
    Raises ValueError for a negative size, or a correlation that is not positive.
    """

    degrees: float = 5.0
    distance: float = 5.0
    correlation: float = 4.0

    def __post_init__(self) -> None:
        for name, unit in (("degrees", "degrees"), ("distance", "mm")):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"Motion: {name}={getattr(self, name)} is the largest motion in {unit}, 0 or more."
                )
        if not self.correlation > 0:
            raise ValueError(f"Motion: correlation={self.correlation} must be positive (slices).")


@dataclass(frozen=True)
class Artefacts:
    """Noise, gains and defects of the pixels.

    gain         standard deviation of the log of each slice's factor
    noise_level  Rician: deviation of both channels as a fraction of the 98th percentile of the
                 noise-free signal
    bias         standard deviation of the log of a smooth field for each stack, a random polynomial
                 of degree 3 fixed in the scanner; what the stacks share, part of the image, is
                 taken off
    voids        fraction of slices with a signal void: a Gaussian ellipse that takes 50 to 100 %
    outliers     fraction of slices that are useless: half lose 70 to 100 % of their signal, half
                 were hit by a sudden motion of 15 to 30 degrees and 10 to 20 mm
    Raises ValueError for a fraction outside [0, 1], or a negative deviation.
    """

    gain: float = 0.03
    noise_level: float = 0.01
    bias: float = 0.0
    voids: float = 0.0
    outliers: float = 0.0

    def __post_init__(self) -> None:
        for name in ("voids", "outliers"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"Artefacts: {name}={getattr(self, name)} is a fraction of the slices, from 0 to 1."
                )
        for name in ("gain", "noise_level", "bias"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"Artefacts: {name}={getattr(self, name)} is a standard deviation, 0 or more."
                )


def simulate_stacks(
    volume: Field,
    box: Box,
    orientations: Sequence[str | Tensor] = ("axial", "coronal", "sagittal"),
    *,
    slicing: Slicing = Slicing(),
    motion: Motion = Motion(),
    artefacts: Artefacts = Artefacts(),
    psf: str | PSF = "gaussian",
    nodes: int = 256,
    seed: int = 0,
) -> list[Stack]:
    """Stacks that cover `box`, with the true pose of every slice.

    orientations  "axial", "coronal", "sagittal", or rotation vectors (3,) of an axial stack
                  (oblique)
    slicing, motion, artefacts  how the subject is cut, how it moves, and what is wrong with the
                                pixels
    psf           the profile that a pixel looks through, as of `SliceAcquisition`
    nodes         of the profile's quadrature: more than any reconstruction uses

    Masks are where the noise-free signal is above 2 % of its maximum, grown by one pixel.
    Raises ValueError for an unknown orientation.
    """
    generator = torch.Generator().manual_seed(seed)
    empty = [_empty_stack(box, o, slicing) for o in orientations]
    nominal = Slices.join([stack.slices()[0] for stack in empty])
    numbers = [order_of_acquisition(stack.values.shape[2], slicing.interleave) for stack in empty]
    order = torch.cat([n + first for n, first in zip(numbers, _starts(empty), strict=True)])
    walk = _walk(order, motion, generator)
    bad = _choose(len(order), artefacts.outliers, generator)
    jumped = bad & (torch.rand(len(order), generator=generator) < 0.5)
    walk = torch.where(jumped[:, None], walk + _jumps(len(order), generator), walk)
    turn = rotation_matrix(walk[:, :3])
    poses = join(turn @ nominal.poses[:, :3, :3], nominal.poses[:, :3, 3] + walk[:, 3:])
    true = Slices(poses, nominal.sizes, nominal.index, nominal.positions, nominal.stack)
    clean = _measured(volume, box, true, psf, nodes)
    factor = torch.exp(artefacts.gain * torch.randn(len(order), generator=generator))
    factor = factor * torch.where(
        bad & ~jumped, 0.3 * torch.rand(len(order), generator=generator), 1.0
    )
    signal = clean * factor[true.index] * _bias(box, nominal, artefacts.bias, generator)
    signal = signal * _voids(true, _choose(len(order), artefacts.voids, generator), generator)
    level = artefacts.noise_level
    sigma = level * float(clean[clean > 0].quantile(0.98)) if level else 0.0
    parts = [sigma * torch.randn(signal.shape, generator=generator) for _ in range(2)]
    seen = torch.hypot(signal + parts[0], parts[1])
    return _filled(empty, seen, clean > 0.02 * clean.max(), poses, bad, slicing.interleave)


def _starts(stacks: Sequence[Stack]) -> list[int]:
    return np.cumsum([0, *(s.values.shape[2] for s in stacks[:-1])]).tolist()


def _empty_stack(box: Box, orientation: str | Tensor, slicing: Slicing) -> Stack:
    """Pixels that cover the box, centred on it."""
    if isinstance(orientation, str):
        if orientation not in PLANES:
            raise ValueError(
                f"simulate_stacks: unknown orientation {orientation!r}; known: {', '.join(PLANES)}."
            )
        axes, name = torch.eye(3, dtype=torch.float64)[:, list(PLANES[orientation])], orientation
    else:
        axes, name = rotation_matrix(torch.as_tensor(orientation, dtype=torch.float64)), "oblique"
    sizes = [slicing.pixel, slicing.pixel, slicing.spacing or slicing.thickness]
    sizes = torch.tensor(sizes, dtype=torch.float64)
    lengths = axes.abs().mT @ torch.tensor(
        box.lengths, dtype=torch.float64
    )  # of the box's shadow on each axis
    shape = [max(1, math.ceil(float(n) - 1e-9)) for n in lengths / sizes]
    middle = torch.tensor([0.5 * (n - 1) for n in shape], dtype=torch.float64)
    center = torch.tensor(box.center, dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3], affine[:3, 3] = axes * sizes, center - (axes * sizes) @ middle
    return Stack(
        torch.zeros(shape), affine, torch.ones(shape, dtype=torch.bool), slicing.thickness, name
    )


def _walk(order: Tensor, motion: Motion, generator: torch.Generator) -> Tensor:
    """Rotation vector (radians) and translation of each slice: (n, 6)."""
    from scipy.ndimage import gaussian_filter1d

    steps = torch.randn(len(order), 6, generator=generator, dtype=torch.float64)
    smooth = gaussian_filter1d(steps.cumsum(0).numpy(), motion.correlation, axis=0, mode="nearest")
    walk = torch.from_numpy(smooth)
    walk = walk - walk.mean(0)
    largest = [
        torch.linalg.vector_norm(walk[:, k], dim=-1).max().clamp(min=1e-12)
        for k in (slice(3), slice(3, 6))
    ]
    scaled = [
        math.radians(motion.degrees) * walk[:, :3] / largest[0],
        motion.distance * walk[:, 3:] / largest[1],
    ]
    return torch.empty_like(walk).index_copy_(0, order, torch.cat(scaled, -1))


def _jumps(count: int, generator: torch.Generator) -> Tensor:
    def directions() -> Tensor:
        return torch.nn.functional.normalize(
            torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1
        )

    size = torch.rand(2, count, 1, generator=generator, dtype=torch.float64)
    return torch.cat(
        [torch.deg2rad(15 + 15 * size[0]) * directions(), (10 + 10 * size[1]) * directions()], -1
    )


def _choose(count: int, fraction: float, generator: torch.Generator) -> Tensor:
    chosen = torch.zeros(count, dtype=torch.bool)
    chosen[torch.randperm(count, generator=generator)[: round(fraction * count)]] = True
    return chosen


@torch.no_grad()
def _measured(volume: Field, box: Box, slices: Slices, psf: str | PSF, nodes: int) -> Tensor:
    """Noise-free pixels; those of which 8 nodes see nothing are zero."""
    rough, fine = (SliceAcquisition(box, slices, psf, nodes=n) for n in (8, nodes))
    pixels = torch.arange(len(slices.index))
    seen = torch.cat([predict(rough, volume, rows) for rows in pixels.split(2**14)]).float()
    some = seen.abs() > 1e-6 * seen.abs().max()
    some = pixels[some]
    parts = [predict(fine, volume, rows).float() for rows in some.split(max(1, 2**20 // nodes))]
    return torch.zeros_like(seen).index_copy_(0, some, torch.cat(parts))


def _bias(box: Box, slices: Slices, size: float, generator: torch.Generator) -> Tensor:
    """A factor for each pixel: exp of a random cubic with deviation `size`, whose mean over stacks is zero."""
    stacks = int(slices.stack.max()) + 1
    if not size:
        return torch.ones(len(slices.index))
    probe = SliceAcquisition(box, slices, nodes=8, bias=3)
    coefficients = torch.randn(
        stacks, probe.basis.shape[1], generator=generator, dtype=torch.float64
    )
    field = (probe.basis * (coefficients - coefficients.mean(0))[slices.stack[slices.index]]).sum(
        -1
    )
    return torch.exp(size * field / field.std()).float()


def _voids(slices: Slices, which: Tensor, generator: torch.Generator) -> Tensor:
    """A factor for each pixel: 1 - a exp(-½ |ellipse|²) in the chosen slices."""
    n = len(slices.poses)
    reach = float(slices.positions.abs().max())
    middle = 0.5 * reach * (2 * torch.rand(n, 2, generator=generator) - 1)
    width = reach * (0.1 + 0.2 * torch.rand(n, 2, generator=generator))
    depth = 0.5 + 0.5 * torch.rand(n, generator=generator)
    scaled = (slices.positions - middle[slices.index]) / width[slices.index]
    return 1 - (depth * which)[slices.index] * torch.exp(-0.5 * scaled.square().sum(-1)).float()


def _filled(
    empty: Sequence[Stack],
    seen: Tensor,
    bright: Tensor,
    poses: Tensor,
    bad: Tensor,
    interleave: int,
) -> list[Stack]:
    from scipy.ndimage import binary_dilation

    stacks, at = [], 0
    for stack, first in zip(empty, _starts(empty), strict=True):
        count, which = stack.values.numel(), slice(first, first + stack.values.shape[2])
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
