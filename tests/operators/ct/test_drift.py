"""The drifting detector: conformance, closed forms, and that it is found from data."""

import math

import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines, noise, phantoms
from inverse_inr.operators import DetectorDrift, Mask, ParallelBeam
from inverse_inr.problems.ct.drift_removal import drift_removed
from inverse_inr.testing import OperatorTests

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
F64 = torch.float64


def beam(views: int = 5, detectors: int = 7) -> ParallelBeam:
    return ParallelBeam(BOX, torch.arange(views, dtype=F64) * math.pi / views, detectors, subrays=2)


def filled(operator: DetectorDrift) -> DetectorDrift:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        draws = torch.randn(operator.coefficients.shape, generator=generator)
        operator.coefficients.copy_(draws)
    return operator


class TestUndrifted(OperatorTests):
    """Coefficients of zero leave a linear operator."""

    def make(self) -> DetectorDrift:
        return DetectorDrift(beam(), 2)


class TestDrifted(OperatorTests):
    linear = False

    def make(self) -> DetectorDrift:
        return filled(DetectorDrift(beam(), 2))


class TestDriftedOnGrid(OperatorTests):
    linear = False

    def make(self) -> DetectorDrift:
        return filled(DetectorDrift(beam(), 1)).on(ii.Grid(BOX, (9, 8)))


def zero(points: Tensor) -> Tensor:
    return torch.zeros(*points.shape[:-1], 1, dtype=points.dtype)


def test_offsets_are_legendre_polynomials_of_time() -> None:
    times = torch.tensor([10.0, 11.0, 14.0, 18.0, 20.0], dtype=F64)
    operator = DetectorDrift(beam(), 3, times=times).double()
    with torch.no_grad():
        operator.coefficients[:, 2] = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=F64)
    y = operator.unflatten(ii.predict(operator, zero)).detach()
    t = (times - 15) / 5
    expected = 1 + 10 * t + 50 * (3 * t**2 - 1) + 500 * (5 * t**3 - 3 * t)
    # the basis was held in float32
    torch.testing.assert_close(y[:, 2], expected, rtol=1e-6, atol=1e-4)
    assert not y[:, [0, 1, 3, 4, 5, 6]].any()


def test_fit_is_weighted_least_squares_per_element() -> None:
    source = filled(DetectorDrift(beam(), 1))
    found = DetectorDrift(beam(), 1)
    rows = torch.arange(len(source))[source.basis[:, 1].repeat_interleave(7) != 0]  # not every view
    residual = source.offset(rows).detach()
    spoilt = residual.clone()
    spoilt[7:14] += 5.0  # one view is wrong and has no weight
    precision = torch.ones(len(rows)).index_fill(0, torch.arange(7, 14), 1e-12)
    torch.testing.assert_close(found.fit(spoilt, precision, rows), residual, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.coefficients, source.coefficients, rtol=1e-4, atol=1e-4)


def test_a_baseline_sees_data_without_the_offset() -> None:
    """CGLS of a drifted operator gives the image of the clean one with the offset taken off y."""
    clean = beam(12, 16)
    grid = ii.Grid(BOX, (16, 16))
    drifted = filled(DetectorDrift(clean, 1)).requires_grad_(False)
    y = ii.predict(clean, phantoms.shepp_logan(BOX)).float()

    def image(operator: ii.Operator, measured: Tensor) -> Tensor:
        problem = ii.Problem([ii.Term(operator, measured, noise.Gaussian(0.1))], BOX, grid)
        return baselines.cgls(problem, 5).sample()

    offset = drifted.offset(torch.arange(len(y)))
    torch.testing.assert_close(image(clean, y), image(drifted, y + offset), rtol=1e-3, atol=1e-4)


def test_drift_is_found_jointly_and_in_turn() -> None:
    """A drift that grows in time is found by the solver, and by TV in turn.

    A constant one may hide in the image as a ring.
    """
    a = beam(40, 24)
    grid = ii.Grid(BOX, (24, 24))
    y = phantoms.gaussian_blobs(BOX).line_integral(*a.rays(torch.arange(len(a)), 8)).mean(1).float()
    truth = DetectorDrift(a, 1)
    with torch.no_grad():
        truth.coefficients[1] = 0.05 * torch.randn(24, generator=torch.Generator().manual_seed(0))
    offset = truth.offset(torch.arange(len(y))).detach()
    model = noise.Gaussian(0.01)
    y = model.sample(y + offset, torch.Generator().manual_seed(1))
    operator = DetectorDrift(a.on(grid), 1)
    problem = ii.Problem([ii.Term(operator, y, model)], BOX, grid)

    def solved(p: ii.Problem) -> ii.Solution:
        return baselines.tv(p, 2.0, iterations=100)

    removed = (y - drift_removed(problem, solved, rounds=4).terms[0].y).reshape(40, 24)
    penalty = ii.regularizers.TotalVariation(grid=grid)
    learnt = ii.solve(
        problem,
        ii.priors.create("grid", BOX, cells=24.0),
        steps=200,
        lr=0.05,
        operator_lr=2e-3,
        regularizers=[2.0 * penalty],
        callbacks=[],
    )
    found = learnt.problem.terms[0].operator
    assert isinstance(found, DetectorDrift)
    for slope in (removed[-1] - removed[0], found.coefficients[1].detach()):
        both = torch.stack([slope, truth.coefficients[1].detach()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.8
    assert not operator.coefficients.any()  # the user's operator is as it was


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DetectorDrift(beam(), -1), r"degree=-1 must be a whole number from 0 to 100"),
        (
            lambda: DetectorDrift(beam(), 1, times=torch.arange(4.0)),
            r"5 views need as many finite times, got \(4,\)",
        ),
        (
            lambda: DetectorDrift(lambda rows: rows, 1),  # type: ignore[arg-type]
            r"must be an Operator",
        ),
        (
            lambda: DetectorDrift(Mask(torch.ones(3, 3), ii.Grid(BOX, (3, 3)))),
            r"has shape \(9,\)",
        ),
    ],
    ids=["degree", "times", "function", "no views"],
)
def test_drifts_that_do_not_fit_are_refused(make, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_an_operator_without_drift_is_refused() -> None:
    term = ii.Term(beam(), torch.zeros(35), noise.Gaussian(1.0))
    problem = ii.Problem([term], BOX, ii.Grid(BOX, (4, 4)))
    with pytest.raises(TypeError, match="is no DetectorDrift"):
        drift_removed(problem, baselines.tv)
