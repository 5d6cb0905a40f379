"""Far field, matched filters and signs of radar."""

import math

import pytest
import torch
from cases.radar import C128, F64, error
from torch import Tensor

from inverse_inr import Box, Grid, predict
from inverse_inr.operators import FMCW, FarField, PhaseHistory, RadarGeometry, backproject
from inverse_inr.operators.radar.matched_filter import range_profiles
from inverse_inr.operators.radar.plane_waves import PlaneWaves
from inverse_inr.operators.radar.polar_format import polar_format
from inverse_inr.problems.radar import fmcw
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.sar import passes

SMALL = {"azimuths": 6, "heights": 3, "pitch": 0.02}


def test_plane_waves_are_wrong_by_the_curvature():
    """The error is at most 2π f h² / (c R) and falls as 1 / R: 0.495 rad for GOTCHA and h = 5 m."""
    f = 9.6e9
    errors = []
    for distance in (10_158.0, 20_316.0):
        geometry = RadarGeometry.spotlight(distance, torch.zeros(1), torch.zeros(1))
        box = Box((-5.0,) * 3, (5.0,) * 3)
        far = FarField(box, geometry, torch.tensor([f], dtype=F64))
        exact = PhaseHistory(box, geometry, torch.tensor([f], dtype=F64))
        across = torch.tensor([[0.0, 5.0, 0.0], [0.0, 0.0, -5.0], [0.0, 3.0, 0.0]], dtype=F64)
        unit = torch.eye(3, dtype=F64)
        rows = torch.zeros(3, dtype=torch.long)
        ratio = far.respond(across, unit, rows) / exact.respond(across, unit, rows)
        turn = ratio[:, 0].angle().abs()
        assert isinstance(far.geometry, PlaneWaves)
        assert float(turn.max()) <= far.geometry.curvature(5.0, f) * (1 + 1e-6)
        errors.append(float(turn[0]))
    assert errors[0] == pytest.approx(0.495, abs=2e-3)
    assert errors[1] == pytest.approx(errors[0] / 2, rel=1e-3)


def test_plane_waves_over_a_large_box_are_refused():
    box = Box((-25.0,) * 3, (25.0,) * 3)
    geometry = RadarGeometry.spotlight(1e4, torch.zeros(1), torch.zeros(1))
    with pytest.raises(ValueError, match=r"wrong by up to .* rad over this box"):
        FarField(box, geometry, torch.tensor([9.6e9], dtype=F64))


@pytest.mark.parametrize("sign", [-1, 1])
def test_far_echoes_of_a_blob_are_its_fourier_transform(sign):
    """The transform is that of a Gaussian, at the wavenumbers of each pulse."""
    box = Box((-0.5,) * 3, (0.5,) * 3)
    width = 0.08
    place = torch.tensor([0.05, -0.1, 0.02], dtype=F64)
    angles = torch.linspace(0, 1, 5, dtype=F64)
    geometry = RadarGeometry.spotlight(1e5, angles, torch.tensor([0.3, 0.6], dtype=F64), sign=sign)
    tones = torch.linspace(2e8, 7e8, 9, dtype=F64)
    operator = FarField(box, geometry, tones, points=Grid(box, (48,) * 3))

    def blob(x: Tensor) -> Tensor:
        return torch.exp(-(x - place).square().sum(-1, keepdim=True) / (2 * width**2))

    volume = (2 * math.pi) ** 1.5 * width**3 * 48**3
    y = predict(operator, blob) / volume
    k = operator.wavenumbers()
    phase = -(k @ place)
    expected = torch.polar(torch.exp(-0.5 * k.square().sum(-1) * width**2), phase)
    assert error(y, expected) < 1e-6


# --- matched filters ----------------------------------------------------------------------------


def signed(geometry: RadarGeometry, sign: int) -> RadarGeometry:
    """The geometry, which has sign -1, or the same with the given sign."""
    if sign < 0:
        return geometry
    return geometry.reversed()


def pass_over(
    box: Box, shape: tuple[int, ...], sign: int = -1, distance: float = 30.0
) -> PhaseHistory:
    geometry = signed(passes((40.0, 43.0), 12, 20.0, distance), sign)
    tones = torch.linspace(9e9, 9.6e9, 41, dtype=F64)
    return PhaseHistory(box, geometry, tones, points=Grid(box, shape))


SCENE = Box((-2.0, -1.5, -0.1), (2.0, 1.5, 0.1))


@pytest.mark.parametrize("sign", [-1, 1])
def test_interpolated_backprojection_is_close_to_the_exact_one(sign):
    operator = pass_over(SCENE, (21, 16, 1), sign)
    points = torch.tensor([[0.4, -0.3, 0.0], [-1.0, 0.9, 0.05]], dtype=F64)
    y = echoes(operator, points)
    exact, fast = (backproject(operator, y, points, interpolate=i) for i in (False, True))
    count = torch.full((2,), 24 * 41.0, dtype=F64)  # the number of samples
    assert torch.allclose(exact.abs(), count, rtol=0.05)
    assert error(fast, exact) < 0.01
    fine = backproject(operator, y, interpolate=True, oversampling=256)
    assert error(fine, backproject(operator, y, interpolate=False)) < 1e-4
    weights = torch.hann_window(41, dtype=F64)
    tapered = [
        backproject(operator, y, points, weights=weights, interpolate=i) for i in (False, True)
    ]
    assert error(tapered[1], tapered[0]) < 0.01
    assert float(tapered[0].abs()[0]) == pytest.approx(24 * float(weights.sum()), rel=0.05)


def test_interpolated_backprojection_of_bins():
    problem = fmcw(**SMALL)
    operator = problem.terms[0].operator
    assert isinstance(operator, FMCW)
    y = problem.terms[0].y.to(C128)
    assert error(backproject(operator, y), backproject(operator, y, interpolate=False)) < 0.02


def test_range_profile_peaks_at_the_range():
    operator = pass_over(SCENE, (5, 5, 1))
    place = torch.tensor([[0.7, 0.2, 0.0]], dtype=F64)
    paths, profiles = range_profiles(operator, echoes(operator, place), oversampling=8)
    truth = operator.geometry.path(place, torch.arange(24))[:, 0]
    off = (paths[profiles.abs().argmax(1)] - truth).abs().max()
    assert float(off) <= float(paths[1] - paths[0])


@pytest.mark.parametrize("sign", [-1, 1])
def test_polar_format_agrees_with_backprojection(sign):
    geometry = signed(passes((40.0,), 81, 6.0, 20_000.0), sign)
    box = Box((-4.0, -4.0, -0.1), (4.0, 4.0, 0.1))
    f = torch.linspace(9.3e9, 9.9e9, 96, dtype=F64)
    operator = PhaseHistory(box, geometry, f, points=torch.zeros(1, 3))
    points = torch.tensor([[0.0, 0.0, 0.0], [2.1, -1.3, 0.0], [-1.4, 2.2, 0.0]], dtype=F64)
    y = echoes(operator, points)
    image, places = polar_format(operator, y, (40, 48), 0.15)
    exact = backproject(operator, y, places.reshape(-1, 3), interpolate=False).reshape(40, 48)
    overlap = (image.conj() * exact).sum().abs() / (image.norm() * exact.norm())
    # the apertures differ by the corners that a rectangle cuts off the ribbon
    assert float(overlap) > 0.97
    assert int(image.abs().argmax()) == int(exact.abs().argmax())
    for place in points:
        near = (places - place).norm(dim=-1) < 0.6
        assert float((places[near][image.abs()[near].argmax()] - place).norm()) < 0.12
    with pytest.raises(ValueError, match="more than tolerance"):
        polar_format(operator, y, (4000, 40), 0.15)


def test_backprojection_needs_all_pulses():
    operator = pass_over(SCENE, (5, 5, 1))
    with pytest.raises(ValueError, match=r"pulses x samples \(24, 41\)"):
        backproject(operator, torch.zeros(23, 41, dtype=C128))
