"""A second camera without mask and disperser, beside a coded-aperture camera: dual-camera CASSI."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, Term
from inverse_inr.operators import SpectralResponse
from inverse_inr.problems.spectral.from_colours import camera_curves
from inverse_inr.problems.spectral.gap_tv import gap_tv
from inverse_inr.problems.spectral.instrument import Detector
from inverse_inr.ranges import WholeNumber, checked

SecondCamera = Literal["panchromatic", "rgb"]
"""Kinds of the second camera: all wavelengths alike, or three colours."""


@checked
def second_camera(
    kind: SecondCamera, bands: Grid, cube: Tensor, detector: Detector, seed: WholeNumber
) -> Term:
    """Simulate a camera behind a beam splitter, which sees the same scene pixel on pixel.

    Args:
        kind: "panchromatic" or "rgb".
        bands: (H, W, L) of the cube.
        cube: (H, W, L), the scene.
        detector: The noise.
        seed: Of the noise.

    Returns:
        The acquisition.
    """
    low = bands.box.lower[2]
    high = bands.box.upper[2]
    knots = torch.arange(low, high + 1, 5.0, dtype=torch.float64)
    curves = torch.ones_like(knots)
    if kind == "rgb":
        curves = camera_curves(knots)
    box = bands.box
    space = Grid(Box(box.lower[:2], box.upper[:2], box.units[:2]), bands.shape[:2])
    camera = SpectralResponse(knots, curves, space, normalized=True).on(bands)
    y, fidelity = detector.measured(camera.flatten(camera.map(cube)), seed + 10**6)
    return Term(camera, y, fidelity)


@checked
def first_alone(problem: Problem) -> Solution:
    """Solve the first term alone by GAP-TV, which knows nothing of a second camera.

    Args:
        problem: A CASSI snapshot, and more terms.
    """
    return gap_tv(replace(problem, terms=problem.terms[:1]))
