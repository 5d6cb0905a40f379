"""Phases of pulses: found from one point exactly, and with a scene to a tenth of a radian."""

from dataclasses import replace
from typing import Any

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import PhaseHistory, PulseErrors
from inverse_inr.problems.radar import sar, sar_autofocus
from inverse_inr.problems.radar.autofocus import (
    autofocused,
    minimum_entropy,
    phase_gradient,
    sparse_autofocus,
)
from inverse_inr.problems.radar.autofocus.focusing import learnt_phases, unfocused
from inverse_inr.problems.radar.autofocus.phases import contributions, phase_errors, phases_apart
from inverse_inr.problems.radar.sar import passes
from inverse_inr.solver import Solver

F64 = torch.float64
PULSES = 48
PLANE = ii.Box((-2.0, -2.0, -0.1), (2.0, 2.0, 0.1), ("m",) * 3)
GRID = ii.Grid(PLANE, (20, 20, 1))


def rms(found: torch.Tensor, true: torch.Tensor) -> float:
    return float(phases_apart(found, true).square().mean().sqrt())


def errors_of(problem: ii.Problem) -> PulseErrors:
    operator = problem.terms[0].operator
    assert isinstance(operator, PulseErrors)
    return operator


def radar() -> PhaseHistory:
    tones = torch.linspace(9.3e9, 9.9e9, 20, dtype=F64)
    return PhaseHistory(PLANE, passes([30.0], PULSES, 4.0, 1e4), tones, points=GRID)


def points_seen(*places: tuple[int, int]) -> torch.Tensor:
    """Echoes of unit points at pixels."""
    scene = torch.zeros(*GRID.shape, 1, dtype=torch.complex64)
    for x, y in places:
        scene[x, y] = 1.0
    return radar()(torch.arange(PULSES))[1](scene)


def wrong(y: torch.Tensor, errors: torch.Tensor) -> torch.Tensor:
    return y * torch.polar(torch.ones_like(errors), errors)[:, None].to(y)


@pytest.mark.parametrize("kind", ["walk", "smooth", "white"])
def test_drawn_errors_have_their_size_and_neither_a_constant_nor_a_slope(kind):
    errors = phase_errors(200, kind, 2.5, seed=4)
    t = torch.linspace(-1, 1, 200, dtype=F64)
    assert float(errors.square().mean().sqrt()) == pytest.approx(2.5)
    assert abs(float(errors.mean())) < 1e-9
    assert abs(float((errors * t).mean())) < 1e-9


def test_a_constant_and_a_slope_of_many_turns_are_no_difference():
    true = phase_errors(100, "walk", 3.0, seed=2)
    moved = true + 1.7 + 0.9 * torch.arange(100)
    assert float(phases_apart(moved, true).abs().max()) < 1e-5
    assert rms(moved + phase_errors(100, "white", 0.2, seed=3), true) == pytest.approx(
        0.2, rel=0.02
    )


def test_parts_of_the_pulses_add_up_to_the_backprojected_image():
    y = points_seen((5, 7), (14, 3))
    image = ii.as_linear_map(radar(), GRID, dtype=torch.complex64).adjoint(y)
    parts = contributions(radar(), y).sum(0)
    torch.testing.assert_close(parts, image.reshape(-1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["walk", "smooth", "white"])
def test_the_phase_gradient_of_a_single_point_is_right(kind):
    errors = phase_errors(PULSES, kind, 2.0, seed=1)
    found = phase_gradient(radar(), wrong(points_seen((11, 8)), errors))
    assert rms(found, errors) < 0.08


def test_least_entropy_corrects_what_is_left_of_phases():
    y = points_seen((5, 7), (14, 3), (9, 15), (16, 16))
    errors = phase_errors(PULSES, "smooth", 0.7, seed=1)
    found = minimum_entropy(radar(), wrong(y, errors))
    assert rms(found, errors) < 0.1


def test_a_sparse_scene_and_its_phases_are_found_together():
    y = points_seen((5, 7), (14, 3), (9, 15), (16, 16))
    errors = phase_errors(PULSES, "walk", 3.0, seed=5)
    plain = sar(azimuths=4, pitch=1.0)
    term = ii.Term(radar(), wrong(y, errors), ii.noise.ComplexGaussian(0.1))
    problem = replace(plain, terms=[term], box=PLANE, grid=GRID)
    focused = autofocused(problem, "phase gradient", learn=True)
    answer = sparse_autofocus(focused, rounds=10)
    assert rms(learnt_phases(answer), errors) < 0.02
    assert errors_of(focused).phases.requires_grad
    assert problem.terms[0].operator is term.operator  # the user's own is as it was


@pytest.mark.slow
@pytest.mark.parametrize(("level", "teller"), [(0.1, "sparse"), (10.0, "minimum entropy")])
def test_a_sparse_scene_tells_the_phases_where_it_explains_the_echoes(level, teller):
    """Clutter that no scene within the box explains comes beside noise that the model knows."""
    y = points_seen((5, 7), (14, 3), (9, 15), (16, 16))
    clutter = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    y = y + level * clutter
    plain = sar(azimuths=4, pitch=1.0)
    term = ii.Term(radar(), y, ii.noise.ComplexGaussian(0.1))
    problem = autofocused(replace(plain, terms=[term], box=PLANE, grid=GRID))
    assert teller in problem.notes["phases of pulses"]
    assert "of the echoes' energy" in problem.notes["phases of pulses"]


def test_phases_are_learnt_only_where_that_is_asked_for():
    small: dict[str, Any] = {"pulses": 12, "frequencies": 40, "pitch": 0.8}
    for learn in (False, True):
        problem = sar_autofocus(start="phase gradient", learn=learn, **small)
        assert errors_of(problem).phases.requires_grad is learn
        assert ("learnt" in problem.notes["phases of pulses"]) is learn
    still = sar_autofocus(start="phase gradient", **small)
    before = errors_of(still).phases.detach().clone()
    assert before.any()
    assert torch.equal(learnt_phases(Solver(still, steps=2).run()), before)


@pytest.mark.slow
def test_without_a_knob_phases_are_those_of_sparse_scenes_in_turns():
    problem = sar_autofocus(seed=3)
    assert rms(errors_of(problem).phases.detach(), problem.notes["true phases"]) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["walk", "smooth"])
def test_phases_are_learnt_with_the_scene_to_a_tenth_of_a_radian(kind):
    problem = sar_autofocus(kind, size=3.0, start="phase gradient", learn=True, seed=3)
    true = problem.notes["true phases"]
    assert rms(errors_of(problem).phases.detach(), true) > 0.15
    answer = Solver(problem, steps=200).run()
    assert rms(learnt_phases(answer), true) < 0.1


def test_as_measured_takes_no_phase_off():
    problem = sar_autofocus(pulses=12, frequencies=40, pitch=0.8)
    radar = errors_of(problem).radar
    image = ii.as_linear_map(radar, problem.grid, dtype=torch.complex64).adjoint(problem.terms[0].y)
    ours = unfocused(problem).image()
    ratio = (ours.conj() * image).sum().abs() / (
        torch.linalg.vector_norm(ours) * torch.linalg.vector_norm(image)
    )
    assert float(ratio) > 0.9  # single pulses are held out of a classical method


@pytest.mark.parametrize("asked", [autofocused, sparse_autofocus, unfocused])
def test_problems_of_another_operator_are_refused(asked):
    problem = sar(azimuths=4, pitch=1.0)
    if asked is autofocused:
        plain = problem.terms[0].operator
        assert isinstance(plain, PhaseHistory)
        errors = PulseErrors(plain)
        problem = replace(problem, terms=[replace(problem.terms[0], operator=errors)])
    with pytest.raises(TypeError, match="PulseErrors"):
        asked(problem)


def test_bands_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match=r"stop_frequency=.* must lie above start_frequency"):
        sar_autofocus(start_frequency=9e9, stop_frequency=8e9)
