"""Samples that move: conformance, closed forms, the gauge, and the classical estimates."""

import math

import pytest
import torch

import inverse_inr as ii
from inverse_inr import phantoms
from inverse_inr.operators import ConeBeam, ParallelBeam
from inverse_inr.operators.ct.motion.moving_object import MovingObject
from inverse_inr.operators.ct.motion.shifts import (
    ShiftedViews,
    relative_shift,
    shifted,
    shifts_from_mass,
    shifts_from_neighbours,
    without_gauge,
)
from inverse_inr.testing import OperatorTests

F64 = torch.float64
BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
CUBE = ii.Box((-1.0,) * 3, (1.0,) * 3)


def draws(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=F64)


def beam(views: int = 5, detectors: int = 9) -> ParallelBeam:
    angles = torch.arange(views, dtype=F64) * math.pi / views
    return ParallelBeam(BOX, angles, detectors, samples=16)


def cone(views: int = 3) -> ConeBeam:
    angles = torch.arange(views, dtype=F64) * 2 * math.pi / views
    return ConeBeam(CUBE, angles, (5, 6), 6.0, 3.0, 0.6, samples=12)


class TestShifted(OperatorTests):
    def make(self) -> ShiftedViews:
        return ShiftedViews(beam(), torch.nn.Parameter(0.2 * draws(5, 1)), 0.3, stiffness=0.1)


class TestShiftedPanels(OperatorTests):
    def make(self) -> ShiftedViews:
        return ShiftedViews(cone(), 0.3 * draws(3, 2), 0.6)


class TestShiftedOnGrid(OperatorTests):
    def make(self) -> ShiftedViews:
        shift = torch.nn.Parameter(0.2 * draws(5, 1))
        return ShiftedViews(beam(), shift, 0.3).on(ii.Grid(BOX, (9, 8)))


class TestMoving(OperatorTests):
    def make(self) -> MovingObject:
        shift, turn = torch.nn.Parameter(0.1 * draws(5, 2)), torch.nn.Parameter(0.1 * draws(5, 1))
        return MovingObject(beam(), shift, turn)


class TestMovingInThreeDimensions(OperatorTests):
    def make(self) -> MovingObject:
        return MovingObject(cone(), 0.1 * draws(3, 3), 0.1 * draws(3, 3))


class TestMovingOnGrid(OperatorTests):
    def make(self) -> ii.OnGrid:
        return MovingObject(beam(), 0.1 * draws(5, 2)).on(ii.Grid(BOX, (9, 8)))


def test_a_moved_ellipse_is_seen_where_it_is():
    """The views of an ellipse that turned and moved are those of the ellipse in its new place."""
    scan = beam(1, 40)
    angle, move = 0.3, torch.tensor([0.15, -0.1], dtype=F64)
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=F64
    )
    center, axes = torch.tensor([[0.2, 0.1]], dtype=F64), torch.tensor([[0.3, 0.15]], dtype=F64)
    one, eye = torch.ones(1, dtype=F64), torch.eye(2, dtype=F64)
    still = phantoms.Ellipsoids(center, axes, eye[None], one)
    moved = phantoms.Ellipsoids(center @ turn.T + move, axes, turn[None], one)
    operator = MovingObject(scan, move[None], torch.tensor([[angle]], dtype=F64))
    rows = torch.arange(40)
    seen = still.line_integral(*operator.rays(rows, 3))
    torch.testing.assert_close(seen, moved.line_integral(*scan.rays(rows, 3)), rtol=0, atol=1e-12)


def test_a_sample_that_sinks_is_a_volume_moved_along_the_axis():
    sunk = torch.tensor([[0.0, 0.0, -0.3]] * 3, dtype=F64)
    blobs = phantoms.GaussianBlobs(
        torch.tensor([[0.1, 0.2, 0.3]], dtype=F64), torch.tensor([0.2]), torch.tensor([1.0])
    )
    lower = phantoms.GaussianBlobs(
        torch.tensor([[0.1, 0.2, 0.0]], dtype=F64), torch.tensor([0.2]), torch.tensor([1.0])
    )
    rows = torch.arange(90)
    seen = blobs.line_integral(*MovingObject(cone(), sunk).rays(rows))
    torch.testing.assert_close(seen, lower.line_integral(*cone().rays(rows)), rtol=0, atol=1e-12)


def test_a_shift_of_the_axis_is_a_shift_of_the_views():
    """`ShiftedViews` and a beam whose centre moves agree on smooth fields."""
    blobs = phantoms.gaussian_blobs(BOX, width=0.1, count=6)
    angles = torch.arange(4, dtype=F64) * math.pi / 4
    shift = torch.tensor([0.0, 0.03, -0.11, 0.2], dtype=F64)
    moved = ParallelBeam(BOX, angles, 64, center=shift)
    still = ParallelBeam(BOX, angles, 64)
    rows = torch.arange(256)
    views = blobs.line_integral(*still.rays(rows, 1))[:, 0].reshape(4, 64)
    found = shifted(views, (shift / still.pitch)[:, None])
    expected = blobs.line_integral(*moved.rays(rows, 1))[:, 0].reshape(4, 64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_gauge_is_a_sinusoid():
    angles = torch.linspace(0, 3, 30, dtype=F64)
    path = torch.sin(5 * angles)
    moved = path + 2 * angles.cos() - 3 * angles.sin()
    torch.testing.assert_close(without_gauge(moved, angles), without_gauge(path, angles))
    assert without_gauge(2 * angles.cos(), angles).abs().max() < 1e-12


def test_relative_shifts_are_found_to_a_hundredth_of_a_bin():
    x = torch.arange(80, dtype=F64) - 40
    truth = torch.tensor([-7.3, -0.25, 0.0, 4.6], dtype=F64)
    views = torch.exp(-((x - truth[:, None]) ** 2) / 30)
    others = torch.exp(-(x**2) / 30).expand(4, -1)
    torch.testing.assert_close(relative_shift(views, others), truth, rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("estimate", "tolerance"), [(shifts_from_mass, 0.01), (shifts_from_neighbours, 0.6)]
)
def test_classical_estimates_find_motion(estimate, tolerance: float):
    """The centre of mass is exact; neighbouring views also differ by the object's turn."""
    blobs = phantoms.gaussian_blobs(BOX, width=0.15, count=5)
    angles = torch.arange(90, dtype=F64) * math.pi / 90
    path = 0.1 * torch.sin(7 * angles)
    scan = ParallelBeam(BOX, angles, 64, pitch=0.05, center=path)
    views = blobs.line_integral(*scan.rays(torch.arange(len(scan)), 1))[:, 0].reshape(90, 64)
    found = estimate(views, angles, 0.05)
    error = (found - without_gauge(path, angles)).square().mean().sqrt() / 0.05
    assert float(error) < tolerance


def test_a_stiff_path_costs_its_bends_and_a_jump_is_forgiven():
    line = 0.1 * torch.arange(6, dtype=F64)[:, None]
    operator = ShiftedViews(beam(6), line, 1.0, stiffness=0.01).double()
    assert float(operator.negative_log_prior()) < 1e-9
    jump = torch.tensor([[0.0], [0], [0], [5], [5], [5]], dtype=F64)
    jumped = ShiftedViews(beam(6), jump, 1.0, stiffness=0.01).double()
    # two bends of 500 deviations: about 500 nats each, where squares would be 125 000
    assert float(jumped.negative_log_prior()) == pytest.approx(998, abs=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ShiftedViews(beam(), torch.zeros(4)), r"\(4,\)"),
        (lambda: MovingObject(beam(), torch.zeros(5, 3)), "need \\(5, 2\\)"),
        (lambda: MovingObject(cone(), turn=torch.zeros(3, 1)), "need \\(3, 3\\)"),
        (lambda: shifts_from_mass(torch.zeros(3, 8), torch.zeros(3)), "sum of one is 0"),
        (lambda: without_gauge(torch.zeros(3), torch.zeros(4)), "both must be"),
    ],
)
def test_what_is_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()
