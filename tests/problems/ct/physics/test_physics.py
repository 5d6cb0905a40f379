"""Simulated scans with the physics of real ones: closed forms, classical remedies, short fits."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import noise
from inverse_inr.operators.ct.beam.materials import WATER, attenuation
from inverse_inr.operators.ct.motion.shifts import without_gauge
from inverse_inr.problems.ct import ct, ct_hardening, ct_motion, ct_phase
from inverse_inr.problems.ct.physics.artefact_reduction import (
    Sinogram,
    bone_correction,
    cupping,
    linear_interpolation,
    normalised_interpolation,
    uncorrected,
    water_correction,
)
from inverse_inr.problems.ct.physics.hardening import corrected_fit
from inverse_inr.problems.ct.physics.levels import Levels
from inverse_inr.problems.ct.physics.materials_phantom import material_phantom
from inverse_inr.problems.ct.physics.moving import (
    by_mass,
    by_neighbours,
    learnt_shifts,
    motion_fit,
    motion_path,
    shifts_by_reprojection,
)
from inverse_inr.problems.ct.physics.phase_contrast import (
    paganin_filtered,
    phase_fit,
    transfer_inverted,
)
from inverse_inr.problems.ct.physics.scatter_levels import begun_at, without_scatter

SMALL: dict[str, Any] = {"size": 48, "views": 60}


def image_of(solution: ii.Solution) -> Tensor:
    return solution.sample()[..., 0]


def error(solution: ii.Solution, where: Tensor | None = None) -> float:
    problem = solution.problem
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid, average=4)[..., 0].float()
    gap = image_of(solution) - truth
    if where is not None:
        gap = gap[where]
    return float(gap.square().mean().sqrt())


def shorter(problem: ii.Problem, steps: int) -> ii.Problem:
    return replace(problem, suggested=replace(problem.suggested, steps=steps))


def test_a_water_cylinder_cups_and_water_correction_makes_it_flat():
    problem = ct_hardening("water", photons=1e9, **SMALL)
    everywhere = torch.ones(problem.grid.shape, dtype=torch.bool)
    cups = {
        f.__name__: cupping(image_of(f(problem)), problem.grid, everywhere, 8.5)
        for f in (uncorrected, water_correction)
    }
    assert cups["uncorrected"] > 0.03
    assert abs(cups["water_correction"]) < 0.005
    middle = image_of(water_correction(problem))[24, 24]
    mu = float(attenuation(WATER, torch.tensor([70.0])))
    assert float(middle) == pytest.approx(mu, rel=0.01)


def test_water_correction_is_the_inverse_of_what_water_measures():
    """The largest line integral of the cylinder becomes its diameter times the attenuation."""
    problem = ct_hardening("water", photons=1e12, detectors=49, **SMALL)
    line = Sinogram(problem).water_corrected()[0, 24]
    mu = float(attenuation(WATER, torch.tensor([70.0])))
    assert float(line) == pytest.approx(17 * mu, rel=2e-3)


def test_classical_remedies_help_in_their_order():
    problem = ct_hardening("metal", **SMALL)
    metal = ii.sample(material_phantom("metal", 0).amounts[2], problem.grid, average=4)[..., 0]
    grown = torch.nn.functional.max_pool2d((metal > 0).float()[None], 3, 1, 1)[0] > 0
    methods = (uncorrected, water_correction, linear_interpolation, normalised_interpolation)
    raw, _, _, nmar = (error(f(problem), ~grown) for f in methods)
    assert nmar < 0.95 * raw
    bones = ct_hardening("bone", voltage=80.0, **SMALL)
    assert error(bone_correction(bones)) < error(water_correction(bones))


def test_remedies_want_a_polychromatic_beam():
    with pytest.raises(TypeError, match="no Polychromatic"):
        water_correction(ct(size=16, views=6))


@pytest.mark.slow
def test_metal_is_fitted_better_than_it_is_interpolated():
    problem = shorter(ct_hardening("metal", seed=101, **SMALL), 40)
    metal = ii.sample(material_phantom("metal", 101).amounts[2], problem.grid, average=4)[..., 0]
    grown = torch.nn.functional.max_pool2d((metal > 0).float()[None], 3, 1, 1)[0] > 0
    fit = error(corrected_fit(problem), ~grown)
    # a third of it here
    assert fit < 0.5 * error(normalised_interpolation(problem), ~grown)


@pytest.mark.slow
def test_scatter_is_learnt_with_the_image():
    problem = shorter(ct_hardening("bone", seed=101, scatter=0.02, **SMALL), 40)
    fit = corrected_fit(problem)
    assert error(fit) < 0.5 * error(water_correction(problem))  # 0.3 of it here
    operator: Any = fit.problem.terms[0].operator
    s = operator.log_scatter(torch.arange(len(operator))).exp().detach()
    # the background that was simulated: level (1 + 0.2 cos) exp(-(s - 0.1)²)
    assert float(s.mean()) == pytest.approx(0.02 * 0.746, rel=0.25)


@pytest.mark.parametrize("motion", ["smooth", "jumps", "none"])
def test_paths_have_their_amplitude(motion: Any):
    path = motion_path(motion, 90, 3)
    assert float(path.abs().max()) == pytest.approx(float(motion != "none"))
    assert torch.equal(path, motion_path(motion, 90, 3))
    if motion == "jumps":
        assert int((path.diff() != 0).sum()) <= 6


def test_motion_is_found_from_the_scan_alone():
    problem = ct_motion("jumps", amplitude=2.0, noise_level=0.002, seed=101, **SMALL)
    angles = torch.arange(60) * math.pi / 60
    truth = without_gauge(problem.notes["motion"], angles)
    pitch = 20.0 / 48

    def off(shift: Tensor) -> float:
        return float((shift - truth).square().mean().sqrt()) / pitch

    assert off(by_mass(problem).details["shift"]) < 0.05
    assert off(shifts_by_reprojection(problem)) < 0.2
    assert 0.1 < off(by_neighbours(problem).details["shift"]) < 3


@pytest.mark.slow
def test_motion_is_learnt_with_the_image():
    options: dict[str, Any] = {"amplitude": 2.0, "noise_level": 0.02, "seed": 101, **SMALL}
    problem = shorter(ct_motion("smooth", **options), 15)
    fit = motion_fit(problem)
    angles = torch.arange(60) * math.pi / 60
    truth = without_gauge(problem.notes["motion"], angles)
    found = float((learnt_shifts(fit) - truth).square().mean().sqrt())
    assert found < 0.1 * 20.0 / 48
    assert found < float((by_mass(problem).details["shift"] - truth).square().mean().sqrt())


def test_a_phase_scan_is_counted_and_paganin_filters_it():
    problem = ct_phase(**SMALL)
    assert isinstance(problem.terms[0].fidelity, noise.Poisson)
    assert problem.channels == 2
    assert len(problem.terms[0].y) == 60 * 3 * 48
    assert paganin_filtered(problem).sample().shape == (48, 48, 2)
    assert transfer_inverted(problem).sample().shape == (48, 48, 2)
    assert ct_phase(joined=True, **SMALL).channels == 1


def test_both_channels_are_equal_where_the_ratio_holds():
    problem = ct_phase(**SMALL)
    assert problem.reference is not None
    center = problem.reference(torch.zeros(1, 2, dtype=torch.float64))[0]
    ratio = problem.notes["ratio"]
    mu = 0.1 * float(attenuation(WATER, torch.tensor([12.0])))
    assert float(center[0]) == pytest.approx(mu, rel=1e-6)
    # 0.0984 rad/µm: δ of water is 1.6e-6 at 12 keV
    assert float(center[1]) * ratio / 2 == pytest.approx(97.4, rel=0.02)


@pytest.mark.slow
def test_attenuation_and_phase_are_fitted():
    problem = shorter(ct_phase(seed=101, size=64, views=60), 40)
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid, average=4).float()

    def off(solution: ii.Solution) -> Tensor:
        return (solution.sample() - truth).square().mean((0, 1)).sqrt()

    # 0.60 and 0.79 of it here, with pixels too wide for the fringes
    assert bool((off(phase_fit(problem)) < 0.9 * off(paganin_filtered(problem))).all())


def test_levels_are_one_field_on_points_and_on_a_lattice():
    box = ii.Box((-1.0, -1.0), (1.0, 1.0))
    levels = Levels(box, 16, 2)
    with torch.no_grad():
        for k, table in enumerate(levels.parameters()):
            table.normal_(generator=torch.Generator().manual_seed(k))
    grid = ii.Grid(box, (16, 16))
    torch.testing.assert_close(levels.sample(grid), levels(grid.points().float()))


def test_a_constant_taken_off_the_counts_is_a_constant_of_scatter():
    """What `Scatter` adds at its first level is what `without_scatter` takes off."""
    problem = ct_hardening("bone", scatter=0.02, **SMALL)
    (term,) = problem.terms
    photons = float(term.fidelity.photons)  # pyright: ignore[reportAttributeAccessIssue]
    lower = without_scatter(problem, 0.01).terms[0].y
    torch.testing.assert_close(lower, (term.y - 0.01 * photons).clamp(min=1.0))
    begun: Any = begun_at(problem, 0.01).terms[0].operator
    assert begun.operator is term.operator.operator  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.allclose(begun.log_scatter(torch.arange(5)).exp(), torch.tensor(0.01))
    assert begun.coefficients.shape == term.operator.coefficients.shape


def test_scatter_is_taken_off_counts_and_begun_in_scatter_only():
    problem = ct(size=16, views=6)
    with pytest.raises(TypeError, match="taken off Poisson counts"):
        without_scatter(problem, 0.01)
    with pytest.raises(TypeError, match="no Scatter"):
        begun_at(problem, 0.01)
