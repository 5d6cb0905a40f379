"""A simulated pass over a car, with an antenna that did not fly where it should."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from inverse_inr import Box, Grid, Problem, noise
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators import PhaseHistory
from inverse_inr.operators.radar.kinds import Aperture, Decibels, Elevation, Hertz
from inverse_inr.problems.radar.autofocus.focusing import Start, autofocused
from inverse_inr.problems.radar.autofocus.phases import Errors, phase_errors
from inverse_inr.problems.radar.fmcw import echoes, require_echoes
from inverse_inr.problems.radar.sar import check_band, complex_problem, passes, voxels
from inverse_inr.problems.radar.scenes import car
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked

SIDES = (6.4, 4.8)
"""Sides of the imaged plane in metres."""
HEIGHT = 3.0
"""Height in metres of the box that the car's scatterers are in."""


@checked
def sar_autofocus(
    errors: Errors = "walk",
    *,
    size: NonNegative = 3.0,
    start: Start = "decided",
    learn: bool = False,
    pulses: Count = 160,
    aperture: Aperture = 4.0,
    elevation: Elevation = 43.7,
    frequencies: Count = 40,
    start_frequency: Hertz = 9.288e9,
    stop_frequency: Hertz = 9.910e9,
    distance: Positive = 10_158.0,
    snr: Decibels = 20.0,
    pitch: Positive = 0.15,
    weight: NonNegative = 60.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Focus a car that one pass saw with a phase error in every pulse.

    The scene is the car of `sar`, whose scatterers lie on no lattice, on a horizontal plane.

    Args:
        errors: "walk" from pulse to pulse, "smooth" along the pass, or "white".
        size: Root mean square of the errors in rad, without a constant and a linear part.
        start: Who tells the phases, as in `autofocused`.
        learn: Learn the phases with the scene from there on.
        pulses: Number of pulses.
        aperture: Azimuths that they span, in degrees.
        elevation: In degrees.
        frequencies: Number of frequencies.
        start_frequency: Lowest frequency in Hz.
        stop_frequency: Highest frequency in Hz.
        distance: Distance to the scene's centre in metres.
        snr: Mean |y|² over mean |n|² in dB, of circular complex noise.
        pitch: Side of a pixel in metres.
        weight: Weight of the L1 norm, in units of the noise.
        seed: Seed of the errors and of the noise.

    Returns:
        The problem; `notes["true phases"]` are the errors in rad.

    Raises:
        ValueError: The frequencies do not ascend, or are too few to tell the scene's ranges apart.
    """
    check_band("sar_autofocus", start_frequency, stop_frequency, frequencies)
    require_echoes("sar_autofocus", pulses, frequencies)
    half = [0.5 * side for side in SIDES]
    plane = Box((-half[0], -half[1], -0.5 * pitch), (half[0], half[1], 0.5 * pitch), ("m",) * 3)
    grid = Grid(plane, (*voxels(SIDES, pitch), 1))
    geometry = passes([elevation], pulses, aperture, distance)
    f = torch.linspace(start_frequency, stop_frequency, frequencies, dtype=torch.float64)
    swath = SPEED_OF_LIGHT * (frequencies - 1) / (2 * max(stop_frequency - start_frequency, 1.0))
    if swath <= math.hypot(*SIDES, HEIGHT):
        raise ValueError(
            f"sar_autofocus: frequencies={frequencies} over this band tell apart {swath:.3g} m of "
            f"range; the scene is {math.hypot(*SIDES, HEIGHT):.3g} m across. More of them?"
        )
    around = Box((-half[0], -half[1], -HEIGHT / 2), (half[0], half[1], HEIGHT / 2), ("m",) * 3)
    clean = echoes(PhaseHistory(around, geometry, f, points=grid), car())
    true = phase_errors(pulses, errors, size, seed=seed)
    turned = clean * torch.polar(torch.ones_like(true), true)[:, None]
    sigma = 10 ** (-snr / 20) * float(clean.abs().square().mean().sqrt())
    y = noise.ComplexGaussian(sigma).sample(turned, torch.Generator().manual_seed(seed))
    radar = PhaseHistory(plane, geometry, f, points=grid)
    problem = complex_problem(radar, grid, y.to(torch.complex64), sigma, weight=weight)
    focused = autofocused(problem, start, learn=learn)
    return replace(focused, notes=focused.notes | {"true phases": true})
