"""Held-out samples say whether an image has a phase of its own."""

import math

import pytest
import torch

from inverse_inr import noise
from inverse_inr.problems.kspace import kspace
from inverse_inr.problems.kspace.coil_maps import start_maps
from inverse_inr.problems.kspace.phase import found_phase, smooth_phase


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_a_phase_that_maps_cannot_hold_is_the_image_s(own: bool):
    """The image's left half is turned by a right angle: no calibration block resolves the edge."""
    problem = kspace(size=48, calibration=14, coils=4, acceleration=2, phase="both")
    term = problem.terms[0]
    operator = term.operator
    grid = problem.grid
    y = term.y
    if own:
        points = grid.points()
        assert problem.reference is not None
        image = problem.reference(points) * torch.polar(
            torch.ones(*grid.shape, 1), 1.5 * torch.sign(torch.sin(20 * points[..., :1]))
        )
        y = operator(torch.arange(len(y))).measure(image).detach()
        y = y + 1e-3 * float(y.abs().max()) * torch.randn(
            y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0)
        )
    model = term.fidelity
    assert isinstance(model, noise.ComplexGaussian)
    maps = start_maps(operator, y, phase="both")
    found = found_phase(operator, y, model, maps)
    assert found.is_complex == own
    assert "held-out misfit" in found.note
    if not own:
        assert found.maps is maps


@pytest.mark.slow
def test_nothing_is_drawn_to_find_the_phase():
    problem = kspace(size=16, calibration=8, coils=2, acceleration=2, phase="both")
    (term,) = problem.terms
    model = term.fidelity
    assert isinstance(model, noise.ComplexGaussian)
    maps = start_maps(term.operator, term.y, phase="both")
    notes = []
    for seed in (0, 7):
        torch.manual_seed(seed)
        notes.append(found_phase(term.operator, term.y, model, maps).note)
    assert notes[0] == notes[1]


def test_a_smooth_phase_is_kept_and_its_fine_structure_is_not():
    axis = torch.linspace(-1, 1, 65)[:-1]
    slow = 0.8 * axis[:, None] + 0.3 * axis[None]
    fast = 0.5 * torch.sin(2 * math.pi * 24 * axis[None] / 2)
    image = torch.polar(torch.exp(-4 * (axis[:, None] ** 2 + axis[None] ** 2)), slow + fast)
    found = smooth_phase(image, 8.0)
    inner = slice(16, 48)
    assert float((found - slow)[inner, inner].abs().max()) < 0.05
