"""Which sign the phase has: the wrong one blurs the image of an aperture that is wide enough.

The wrong sign turns every path about its reference around. From far away a path is linear in the
place, so that the image is the scene mirrored through the reference point, as sharp as the right
one. The curvature of wavefronts is what tells them apart, seen from a wide aperture.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from inverse_inr import Box, Grid, memory
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.matched_filter import backproject
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.ranges import checked

SHARPER = 1.2
"""Ratio of sharpness at which the opposite phase sign is taken to be the right one."""
TELLING = 3.0
"""Phase error in radians, at the corners, from which the wrong sign blurs the whole image."""
DEAR = 2**26
"""Pixels times pulses above which no image is formed for a check: some seconds."""


@checked
def focus(operator: RadarOperator, y: Tensor, points: Grid | None = None) -> float:
    """How much sharper the image is under the geometry's sign than under the opposite one.

    Below 1, the sign is wrong, but only where `wrong_sign_blur` is some radians: the image of
    a far, narrow aperture is merely mirrored, and which of a region and its mirror is brighter says
    nothing.

    Args:
        operator: The radar.
        y: (P, K) complex echoes, K values for each of P pulses.
        points: The image's grid; None for the operator's own points.

    Returns:
        The ratio of Σ|I|⁴ / (Σ|I|²)² of the two images.
    """
    other = operator.with_geometry(operator.geometry.reversed())
    sharpness = []
    for each in (operator, other):
        power = backproject(each, y, points).abs().double().square()
        sharpness.append(float(power.square().sum() / power.sum().square().clamp(min=1e-300)))
    return sharpness[0] / max(sharpness[1], 1e-300)


@checked
def wrong_sign_blur(operator: RadarOperator, box: Box | None = None) -> float:
    """Phase error that the wrong sign would leave in the image, after the best mirroring.

    Args:
        operator: The radar.
        box: The scene; None for the operator's box.

    Returns:
        Root mean square over pulses and the box's corners, in radians. Below `TELLING`, both
        signs focus.
    """
    corners, axes = _corners(operator.box if box is None else box, operator)
    left = mirrored(operator.geometry, corners, axes)[1] / SPEED_OF_LIGHT
    turns = SPEED_OF_LIGHT / operator.wavelength * left.std(0, correction=0)
    # one phase for all pulses is harmless, one range beyond the swath is not
    shift = operator.bandwidth * left.mean(0) / 12**0.5
    return 2 * math.pi * float((turns.square() + shift.square()).mean().sqrt())


def _corners(box: Box, operator: RadarOperator) -> tuple[Tensor, list[int]]:
    """The corners of a box (8, 3), and the axes along which the operator's grid has pixels."""
    corners = torch.cartesian_prod(*torch.tensor([box.lower, box.upper], dtype=torch.float64).T)
    axes = [0, 1, 2]
    if operator.where is not None:
        axes = [k for k in axes if operator.where.shape[k] > 1] or axes
    return corners.to(operator.geometry.transmitters), axes


@checked
def with_mirror(operator: RadarOperator) -> Grid:
    """Pixels over the operator's box and over what the wrong phase sign would take for it.

    Judged on its own, a region looks wrong wherever the mirrored one is brighter. Pixels are as
    wide as the resolution of the aperture, for wider ones would miss what is in focus.

    Args:
        operator: The radar.

    Returns:
        A grid as thin as the operator's own.

    Raises:
        OutOfMemoryError: It has more pixels than the memory at hand holds.
    """
    box = operator.box if operator.where is None else operator.where.box
    corners, axes = _corners(box, operator)
    places = mirrored(operator.geometry, corners, axes)[0]
    both = torch.cat([corners, places])
    # no mirror: the wrong sign takes the region for a place beyond the antennas
    reach = 0.5 * float(torch.linalg.vector_norm(operator.geometry.transmitters, dim=1).min())
    if not float(torch.linalg.vector_norm(places, dim=1).max()) < reach:
        both = corners
    low = list(box.lower)
    high = list(box.upper)
    shape = [1, 1, 1]
    for k, pitch in zip(axes, _resolution(operator, box, axes), strict=True):
        low[k] = float(both[:, k].min())
        high[k] = float(both[:, k].max())
        shape[k] = math.ceil(min(1e6, max(2.0, (high[k] - low[k]) / pitch)))
    memory.require("check_sign: pixels of a region and its mirror", 64.0 * math.prod(shape))
    return Grid(Box(tuple(low), tuple(high), box.units), tuple(shape))


def _resolution(operator: RadarOperator, box: Box, axes: list[int]) -> list[float]:
    """Half of the inverse of the spatial frequencies that the aperture spans, along axes, in m."""
    middle = torch.tensor([box.center], dtype=torch.float64).to(operator.geometry.transmitters)
    slopes = _slopes(operator.geometry, middle, axes, 1e-3)[:, 0]
    carrier = SPEED_OF_LIGHT / operator.wavelength
    ends = [carrier + part * operator.bandwidth for part in (-0.5, 0.5)]
    waves = torch.cat([slopes * f / SPEED_OF_LIGHT for f in ends])
    return (0.5 / (waves.amax(0) - waves.amin(0)).clamp(min=1e-9)).tolist()


@checked
def check_sign(operator: RadarOperator, y: Tensor, points: Grid | None = None) -> float | None:
    """Check that the geometry's phase sign focuses the image, where the aperture can show it.

    It is judged over the scene and its mirror together (`with_mirror`).

    Args:
        operator: The radar.
        y: (P, K) complex echoes, K values for each of P pulses.
        points: The image's grid; None for the operator's own points and their mirror.

    Returns:
        The ratio of `focus`; None where the aperture is too narrow to tell, which is warned of.

    Raises:
        ValueError: If the opposite sign focuses it clearly better (Σ|I|⁴ by a fifth).
    """
    sign = operator.geometry.sign
    if points is None:
        points = with_mirror(operator)
    blur = wrong_sign_blur(operator, points.box)
    why = ""
    if blur < TELLING:
        why = (
            "so narrow an aperture, from so far, focuses a mirrored scene as sharply with the "
            f"wrong sign (which leaves {blur:.2g} rad of phase error, less than {TELLING:g})"
        )
    elif points.numel * len(operator) > DEAR:
        why = f"{points.numel} pixels of {len(operator)} pulses would take long; take every n-th"
    if why:
        warnings.warn(
            f"The phase sign {sign:+d} was not checked: {why}. +1 is tx · conj(rx), -1 SAR phase "
            "history; with the wrong one the image is mirrored through the scene's centre.",
            stacklevel=2,
        )
        return None
    ratio = focus(operator, y, points)
    if ratio < 1 / SHARPER:
        raise ValueError(
            f"Backprojection is out of focus with sign={sign:+d}: with {-sign:+d} the image is "
            f"{1 / ratio:.2f} times as sharp (Σ|I|⁴). Wrong sign convention? +1 is tx · conj(rx), "
            "-1 SAR phase history; or conjugate the data."
        )
    return ratio


def mirrored(
    geometry: RadarGeometry, points: Tensor, axes: list[int], iterations: int = 8
) -> tuple[Tensor, Tensor]:
    """Find where the wrong phase sign would image points, and how badly it would focus them.

    The wrong sign turns a path L - L0 around. From far away the path is linear in the place, and
    the image is the scene mirrored through its reference point, as sharp as the right one. The
    curvature of wavefronts over a wide aperture is what tells them apart.

    Args:
        geometry: Antennas of P pulses.
        points: (n, 3) in metres, float64.
        axes: Axes along which the image has more than one pixel; it cannot move along others.
        iterations: Gauss-Newton iterations.

    Returns:
        The nearest places (n, 3) under the wrong sign, by least squares over the pulses, and what
        is left of the paths there, (P, n) in metres.
    """
    rows = torch.arange(len(geometry), device=points.device)
    target = -geometry.path(points, rows)
    places = points.clone()
    size = max(1e-3, float(torch.linalg.vector_norm(points - points.mean(0), dim=1).max()))
    for _ in range(iterations):
        left = target - geometry.path(places, rows)
        slopes = _slopes(geometry, places, axes, 1e-3 * size)
        move = torch.linalg.pinv(slopes.transpose(0, 1), rtol=1e-6) @ left.T[..., None]
        places[:, axes] += move[..., 0]
    return places, geometry.path(places, rows) - target


def _slopes(geometry: RadarGeometry, points: Tensor, axes: list[int], step: float) -> Tensor:
    """Derivatives of the paths along some axes, (P, n, axes), by central differences."""
    rows = torch.arange(len(geometry), device=points.device)
    moves = step * torch.eye(3, dtype=points.dtype, device=points.device)[axes]
    ends = [
        geometry.path(points + move, rows) - geometry.path(points - move, rows) for move in moves
    ]
    return torch.stack(ends, -1) / (2 * step)
