"""Far field, matched filters, signs, radar files, sparse baselines, and the radar problems (tests 17, 18, 25)."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Term, as_linear_map, noise, predict, priors, sample, solve
from inverse_inr.baselines import LeastSquares
from inverse_inr.compose import OnGrid
from inverse_inr.config import Run
from inverse_inr.fidelity import LogMagnitude, Magnitude, MagnitudeAndComplex, WarmUp
from inverse_inr.fista import fista, l1, shrink
from inverse_inr.io import FileFormatError, PhaseData, read_cv_domes, read_gotcha, read_radar, write_radar
from inverse_inr.operators import FMCW, FarField, PhaseHistory, RadarGeometry, backproject
from inverse_inr.operators.matched_filter import check_sign, focus, image_entropy, range_profiles
from inverse_inr.operators.polar_format import polar_format
from inverse_inr.operators.radar_geometry import SPEED_OF_LIGHT, PlaneWaves
from inverse_inr.point_metrics import best, occupied, shape_errors, volume_errors
from inverse_inr.problems.fmcw import cylinder, echoes, fmcw
from inverse_inr.problems.radar_imaging import backprojection, decibels, radar_figure
from inverse_inr.problems.radar_scenes import aeroplane, car
from inverse_inr.problems.sar import gated, gotcha, passes, phase_history, radar_of, sar
from inverse_inr.regularizers import Smoothness
from inverse_inr.stopping import Never

F64, C128 = torch.float64, torch.complex128
SMALL = {"azimuths": 6, "heights": 3, "pitch": 0.02}


def setup_module():
    torch.set_num_threads(1)


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


# --- far field ------------------------------------------------------------------------------------------------------


def test_plane_waves_are_wrong_by_the_curvature():
    """Test 17: at most 2π f h² / (c R), 0.495 rad for GOTCHA and h = 5 m, and falling as 1 / R."""
    f, errors = 9.6e9, []
    for distance in (10_158.0, 20_316.0):
        geometry = RadarGeometry.spotlight(distance, torch.zeros(1), torch.zeros(1))
        box = Box((-5.0,) * 3, (5.0,) * 3)
        far = FarField(box, geometry, torch.tensor([f], dtype=F64))
        exact = PhaseHistory(box, geometry, torch.tensor([f], dtype=F64))
        across = torch.tensor([[0.0, 5.0, 0.0], [0.0, 0.0, -5.0], [0.0, 3.0, 0.0]], dtype=F64)
        unit = torch.eye(3, dtype=F64)
        rows = torch.zeros(3, dtype=torch.long)
        turn = (far.respond(across, unit, rows) / exact.respond(across, unit, rows))[:, 0].angle().abs()
        assert isinstance(far.geometry, PlaneWaves)
        assert float(turn.max()) <= far.geometry.curvature(5.0, f) * (1 + 1e-6)
        errors.append(float(turn[0]))
    assert errors[0] == pytest.approx(0.495, abs=2e-3)
    assert errors[1] == pytest.approx(errors[0] / 2, rel=1e-3)
    with pytest.raises(ValueError, match=r"wrong by up to .* rad over this box"):
        FarField(Box((-25.0,) * 3, (25.0,) * 3), RadarGeometry.spotlight(1e4, torch.zeros(1), torch.zeros(1)),
                 torch.tensor([9.6e9], dtype=F64))  # fmt: skip


@pytest.mark.parametrize("sign", [-1, 1])
def test_projection_slice(sign):
    """Test 18: a Gaussian blob's echoes are its Fourier transform at the wavenumbers of each pulse."""
    box, width, place = Box((-0.5,) * 3, (0.5,) * 3), 0.08, torch.tensor([0.05, -0.1, 0.02], dtype=F64)
    angles = torch.linspace(0, 1, 5, dtype=F64)
    geometry = RadarGeometry.spotlight(1e5, angles, torch.tensor([0.3, 0.6], dtype=F64), sign=sign)
    operator = FarField(box, geometry, torch.linspace(2e8, 7e8, 9, dtype=F64), points=Grid(box, (48,) * 3))
    blob = lambda x: torch.exp(-(x - place).square().sum(-1, keepdim=True) / (2 * width**2))  # noqa: E731
    volume = (2 * math.pi) ** 1.5 * width**3 * 48**3
    y = predict(operator, blob) / volume
    k = operator.wavenumbers()
    phase = -(k @ place)
    expected = torch.polar(torch.exp(-0.5 * k.square().sum(-1) * width**2), phase)
    assert error(y, expected) < 1e-6


# --- matched filters ------------------------------------------------------------------------------------------------


def pass_over(box: Box, shape: tuple[int, ...], sign: int = -1, distance: float = 30.0) -> PhaseHistory:
    geometry = passes((40.0, 43.0), 12, 20.0, distance)
    geometry = geometry if sign < 0 else geometry.reversed()
    return PhaseHistory(box, geometry, torch.linspace(9e9, 9.6e9, 41, dtype=F64), points=Grid(box, shape))


SCENE = Box((-2.0, -1.5, -0.1), (2.0, 1.5, 0.1))


@pytest.mark.parametrize("sign", [-1, 1])
def test_interpolated_backprojection(sign):
    operator = pass_over(SCENE, (21, 16, 1), sign)
    points = torch.tensor([[0.4, -0.3, 0.0], [-1.0, 0.9, 0.05]], dtype=F64)
    y = echoes(operator, points)
    exact, fast = (backproject(operator, y, points, interpolate=i) for i in (False, True))
    assert torch.allclose(exact.abs(), torch.full((2,), 24 * 41.0, dtype=F64), rtol=0.05)  # number of samples
    assert error(fast, exact) < 0.01
    fine = backproject(operator, y, interpolate=True, oversampling=256)
    assert error(fine, backproject(operator, y, interpolate=False)) < 1e-4
    weights = torch.hann_window(41, dtype=F64)
    tapered = [backproject(operator, y, points, weights=weights, interpolate=i) for i in (False, True)]
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
    assert float((paths[profiles.abs().argmax(1)] - truth).abs().max()) <= float(paths[1] - paths[0])


def test_wrong_sign_is_out_of_focus():
    operator = pass_over(SCENE, (81, 61, 1), distance=8.0)
    points = torch.tensor([[0.9, -0.8, 0.0], [-1.1, 0.9, 0.0], [0.3, 1.0, 0.0]], dtype=F64)
    y = echoes(operator, points)
    check_sign(operator, y)
    assert focus(operator, y) > 1.2
    with pytest.raises(ValueError, match=r"out of focus with sign=-1: with \+1 the image is .* times as sharp"):
        check_sign(operator, y.conj().resolve_conj())


@pytest.mark.parametrize("sign", [-1, 1])
def test_polar_format_agrees_with_backprojection(sign):
    geometry = passes((40.0,), 81, 6.0, 20_000.0)
    geometry = geometry if sign < 0 else geometry.reversed()
    box = Box((-4.0, -4.0, -0.1), (4.0, 4.0, 0.1))
    f = torch.linspace(9.3e9, 9.9e9, 96, dtype=F64)
    operator = PhaseHistory(box, geometry, f, points=torch.zeros(1, 3))
    points = torch.tensor([[0.0, 0.0, 0.0], [2.1, -1.3, 0.0], [-1.4, 2.2, 0.0]], dtype=F64)
    y = echoes(operator, points)
    image, places = polar_format(operator, y, (40, 48), 0.15)
    exact = backproject(operator, y, places.reshape(-1, 3), interpolate=False).reshape(40, 48)
    overlap = (image.conj() * exact).sum().abs() / (image.norm() * exact.norm())
    assert float(overlap) > 0.97  # the apertures differ by the corners that a rectangle cuts off the ribbon
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


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("files", "expected"), [(2, 8.092), (4, 8.074)])
def test_gotcha_image_entropy(data, files, expected):
    """Test 25: 256 x 256 pixels, 100 m, Hamming in frequency; 8.074 is the reference's number for four degrees."""
    phases = read_gotcha([data.file(f"gotcha_pass1_HH_az00{k}.mat") for k in range(1, files + 1)])
    assert phases.y.shape[1] == 424
    line = torch.linspace(-50, 50, 256, dtype=F64)
    x, y = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    box = Box((-50.0, -50.0, -0.1), (50.0, 50.0, 0.1))
    operator = radar_of(phases, box, Grid(box, (64, 64, 1)))
    taper = torch.hamming_window(424, periodic=False)
    image = backproject(operator, phases.y, points, weights=taper)
    assert image_entropy(image) == pytest.approx(expected, abs=0.02)
    some = points[::997]
    exact = backproject(operator, phases.y, some, weights=taper, interpolate=False)
    quick = backproject(operator, phases.y, some, weights=taper)
    assert float((quick - exact).norm() / exact.norm()) < 0.012


def test_gotcha_frequencies_are_uniform_again(data):
    phases = read_gotcha(data.file("gotcha_pass1_HH_az001.mat"))
    step = phases.frequencies.diff()
    assert float(step.max() - step.min()) < 1e-4
    assert phases.sign == -1
    assert phases.y.shape == (117, 424)


def mat(path: Path, **fields: object) -> Path:
    from scipy.io import savemat

    savemat(path, {"data": fields})
    return path


def good_gotcha() -> dict[str, object]:
    f = np.linspace(9e9, 9.6e9, 8).astype(np.float32)
    place = {k: np.ones(5, np.float32) * v for k, v in (("x", 7e3), ("y", 0.0), ("z", 7e3), ("r0", 9899.5))}
    return {"fp": np.ones((8, 5), np.complex64), "freq": f, **place}


def test_gotcha_files_that_are_wrong(tmp_path):
    path = mat(tmp_path / "good.mat", **good_gotcha())
    assert read_gotcha(path).y.shape == (5, 8)
    (tmp_path / "cut.mat").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileFormatError, match=r"cut\.mat"):
        read_gotcha(tmp_path / "cut.mat")
    with pytest.raises(FileFormatError, match="one position a pulse"):
        read_gotcha(mat(tmp_path / "short.mat", **(good_gotcha() | {"x": np.ones(4, np.float32)})))
    missing = {k: v for k, v in good_gotcha().items() if k != "r0"}
    with pytest.raises(FileFormatError, match=r"has no \['r0'\]"):
        read_gotcha(mat(tmp_path / "missing.mat", **missing))
    other = mat(tmp_path / "other.mat", **(good_gotcha() | {"freq": np.linspace(8e9, 9e9, 8).astype(np.float32)}))
    with pytest.raises(FileFormatError, match="Another collection"):
        read_gotcha([path, other])
    with pytest.raises(FileFormatError, match="no autofocus"):
        read_gotcha(path, autofocus=True)


def test_cv_domes(tmp_path):
    """A far-field point at x0: exp(+j k·x0) with sign -1's k = -(4π f / c) u."""
    f, azimuth, place = np.linspace(8, 9, 61), np.array([0.0, 10.0, 350.0]), np.array([0.5, -0.3, 0.2])
    a, e = np.deg2rad(azimuth), np.deg2rad(30.0)
    u = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.full(3, np.sin(e))], 1)
    hh = np.exp(4j * np.pi * f[:, None] * 1e9 / SPEED_OF_LIGHT * (u @ place))
    path = mat(tmp_path / "car.mat", hh=hh, FGHz=f, azim=azimuth, elev=30.0)
    phases = read_cv_domes(path, azimuths=(0.0, 90.0))
    assert phases.y.shape == (2, 61)
    box = Box((-1.0,) * 3, (1.0,) * 3)
    operator = radar_of(phases, box, Grid(box, (1, 1, 1)))
    y = echoes(operator, torch.from_numpy(place[None]))
    assert float((y - phases.y).abs().max()) < 0.02  # the curvature at 10 km
    with pytest.raises(ValueError, match="no polarisation 'vv'"):
        read_cv_domes(path, "vv")
    with pytest.raises(ValueError, match=r"no pulse has an azimuth in \(20"):
        read_cv_domes(path, azimuths=(20.0, 30.0))


def some_data(pulses: int = 4) -> PhaseData:
    t = torch.randn(pulses, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) + 5.0
    y = torch.randn(pulses, 6, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    return PhaseData(y, torch.linspace(9e9, 9.5e9, 6, dtype=F64), t, t + 0.1, torch.ones(pulses, dtype=F64), -1)


def test_hdf5_round_trip(tmp_path):
    write_radar(tmp_path / "a.h5", some_data())
    again = read_radar(tmp_path / "a.h5")
    for a, b in zip(again, some_data(), strict=True):
        assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))
    write_radar(tmp_path / "b.h5", some_data()._replace(reference_path=torch.ones(3, dtype=F64)))
    with pytest.raises(FileFormatError, match=r"\(4, 4, 4, 3\) pulses"):
        read_radar(tmp_path / "b.h5")
    write_radar(tmp_path / "c.h5", some_data()._replace(sign=0))
    with pytest.raises(FileFormatError, match="sign must be"):
        read_radar(tmp_path / "c.h5")


# --- sparse baselines, fidelities, regularizers ---------------------------------------------------------------------


def denoising(y: Tensor, sigma: float = 1.0) -> Problem:
    box = Box((0.0,), (float(len(y)),))
    grid = Grid(box, (len(y),))
    model = noise.ComplexGaussian(sigma) if y.is_complex() else noise.Gaussian(sigma)
    return Problem([Term(OnGrid(lambda x: x, grid, (len(y),)), y, model)], box, grid, is_complex=y.is_complex())


def test_l1_of_the_identity_is_soft_thresholding():
    y = torch.tensor([3.0, -2.0, 0.5, 0.0, -0.1, 4.0])
    for nonnegative, pull in ((False, y.abs()), (True, y.clamp(min=0))):
        solution = l1(denoising(y), 0.25, nonnegative=nonnegative, iterations=50)
        assert torch.allclose(solution.sample()[:, 0], shrink(y, 0.25 * float(pull.max()), nonnegative), atol=1e-4)
    z = torch.tensor([3.0 + 4.0j, 0.1j, -2.0, 1.0 - 1.0j])
    found = l1(denoising(z), 0.2, iterations=50).sample()[:, 0]
    assert torch.allclose(found, shrink(z, 0.2 * 5.0), atol=1e-4)
    assert float(found[1].abs()) == 0.0


def test_l1_satisfies_its_optimality_conditions():
    """|A*(A x - y)| <= λ, with equality and opposite phase where x is not zero."""
    problem = fmcw(**SMALL)
    rows = [torch.arange(len(problem.terms[0].y))]
    system = LeastSquares.of(problem, rows)
    x = system.maps[0].zeros()
    pull = system.adjoint(system.data())
    weight = 0.05 * float(pull.max())
    x = fista(system, weight, x, 400, True, 0.97 / system.norm(20) ** 2)
    slope = system.adjoint([a - b for a, b in zip(system.whitened(x), system.data(), strict=True)])
    assert float((slope + weight).min()) > -0.02 * weight
    assert float((slope + weight)[x > 0].abs().max()) < 0.02 * weight
    assert 0 < int((x > 0).sum()) < x.numel()


def test_l1_rules():
    problem = fmcw(**SMALL)
    solution = l1(problem, "residual", nonnegative=True, weights=(0.3, 0.1, 0.03, 0.01), iterations=40)
    assert "(residual)" in solution.stopped
    chosen = l1(problem, nonnegative=True, weights=(0.3, 0.1, 0.03), iterations=20)
    assert chosen.held_out() is not None
    assert chosen.details["weight"] in (0.3, 0.1, 0.03)
    with pytest.raises(ValueError, match=r"in \(0, 1\)"):
        l1(problem, 1.5)


def test_l1_residual_stops_at_the_noise():
    """With nothing but noise of the stated size, the largest weight suffices; with less claimed, more is fitted."""
    z = 2.0 * torch.randn(400, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    z[7] = 100.0
    weights = (0.9, 0.5, 0.1, 0.02, 0.005)
    fits = [l1(denoising(z, s), "residual", weights=weights, iterations=30).details["weight"] for s in (6.0, 2.2, 0.5)]
    assert fits[0] > fits[1] > fits[2]


def test_fidelities():
    p, y = torch.tensor([2.0 + 0j, 1j, -3.0]), torch.tensor([1j * 2, 1.0 + 0j, 1.0])
    assert float(Magnitude(2.0)(p, y)) == pytest.approx(4 / 3 / 4)
    complex_part = (8 + 2 + 16) / 3
    assert float(MagnitudeAndComplex()(p, y)) == pytest.approx(4 / 3 + 0.5 * complex_part)
    assert float(LogMagnitude(1e-6)(p, y)) == pytest.approx(2 * math.log(3) / 3, rel=1e-4)
    assert float(Magnitude()(p * 1j, y)) == pytest.approx(float(Magnitude()(p, y)))


def test_warm_up_follows_the_run():
    warm = WarmUp(Magnitude(), noise.ComplexGaussian(1.0), 0.5)
    p, y = torch.ones(3, dtype=torch.complex64) * 1j, torch.ones(3, dtype=torch.complex64)
    for progress, expected in ((0.0, 0.0), (0.49, 0.0), (0.5, 2.0), (1.0, 2.0)):
        warm.anneal(progress)
        assert float(warm(p, y)) == pytest.approx(expected)
    warm.anneal(0.0)
    with torch.no_grad():
        assert float(warm(p, y)) == pytest.approx(2.0)  # held-out checks compare
    with pytest.raises(ValueError, match="fraction"):
        WarmUp(Magnitude(), Magnitude(), 1.5)
    problem = fmcw(**SMALL)
    term = problem.terms[0]
    seen: list[float] = []

    class Spy(WarmUp):
        def anneal(self, progress: float) -> None:
            seen.append(progress)
            super().anneal(progress)

    spied = Problem([Term(term.operator, term.y, Spy(Magnitude(), term.fidelity))], problem.box, problem.grid)
    solve(spied, priors.create("grid", problem.box, cells=6.0), steps=4, stopping=Never(), callbacks=[])
    assert seen == [0.0, 0.25, 0.5, 0.75]


def test_smoothness_of_a_slope():
    """E |δ g·d| = δ |g| / 2 for directions uniform on the sphere."""
    points = torch.zeros(200_000, 3)
    torch.manual_seed(0)
    value = Smoothness(0.1)(lambda x: 3.0 * x[..., :1] - 4.0 * x[..., 2:], points)
    assert float(value) == pytest.approx(0.1 * 5.0 / 2, rel=0.01)


def test_shape_errors():
    a = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    found = shape_errors(a, torch.tensor([[0.0, 0.5], [3.0, 0.0]]), reach=1.0)
    assert found.chamfer == pytest.approx(0.5 * ((0.5 + math.hypot(1, 0.5)) / 2 + (0.5 + 2.0) / 2))
    assert found.f1 == pytest.approx(2 * 0.5 * 0.5 / 1.0)
    assert shape_errors(a[:0], a, 1.0).f1 == 0.0
    grid = Grid(Box((0.0, 0.0), (2.0, 1.0)), (2, 1))
    volume = torch.tensor([[[1.0]], [[0.1]]])
    assert occupied(volume, grid, 0.5).tolist() == [[0.5, 0.5]]
    errors = volume_errors(volume, grid, torch.tensor([[0.5, 0.5]]), 0.1, (0.05, 0.5))
    assert best(errors).chamfer == 0.0


# --- the phased prior -----------------------------------------------------------------------------------------------


def test_free_phase_is_a_voxel_s_own():
    box = Box((0.0, 0.0, 0.0), (0.6, 0.3, 0.2), ("m",) * 3)
    grid = Grid(box, (12, 6, 4))
    prior = priors.create("phased", box, cells=12.0, coarsest=4, finest=12.0)
    image = torch.randn(12, 6, 4, 1, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    prior.condition(image)
    values = sample(prior, grid)
    assert values.is_complex()
    assert torch.allclose(values / values.abs(), image / image.abs(), atol=1e-5)
    assert torch.allclose(values, prior(grid.points()), atol=1e-5)
    plane = Grid(Box((0.0, 0.0, -0.1), (2.0, 1.0, 0.1)), (10, 5, 1))
    flat = priors.create("phased", plane.box, cells=10.0, coarsest=4, finest=10.0)
    flat.condition(image[:10, :5, :1])
    values = sample(flat, plane)
    assert torch.allclose(values / values.abs(), image[:10, :5, :1] / image[:10, :5, :1].abs(), atol=1e-5)


def test_speckle_penalty():
    from inverse_inr.regularizers import PriorPenalty

    box = Box((0.0,) * 3, (1.0,) * 3)
    prior = priors.create("phased", box, cells=4.0, coarsest=2, finest=4.0, speckle=True)
    assert float(PriorPenalty()(prior, torch.zeros(1, 3)).detach()) == pytest.approx(1.0)


# --- problems -------------------------------------------------------------------------------------------------------


def test_scenes():
    plane = aeroplane(3000)
    assert plane.shape == (3000, 3)
    size = plane.amax(0) - plane.amin(0)
    assert 0.14 < float(size[0]) < 0.17
    assert 0.13 < float(size[1]) < 0.16
    assert torch.equal(plane, aeroplane(3000))
    assert car().shape == (1200, 3)
    assert torch.allclose(car().amax(0), torch.tensor([2.2, 0.9, 0.75], dtype=F64), atol=0.02)


def test_fmcw_problem():
    problem = fmcw(**SMALL)
    operator, y = problem.terms[0].operator, problem.terms[0].y
    assert isinstance(operator, FMCW)
    clean = echoes(operator, aeroplane()) / problem.notes["gain of y"]
    snr = 10 * math.log10(float(clean.abs().square().mean() / (y - clean).abs().square().mean()))
    assert snr == pytest.approx(20.0, abs=0.7)
    solution = solve(problem, steps=30, batch=9, callbacks=[])
    assert float(solution.sample().min()) >= 0.0
    image = backprojection(problem)
    figure = problem.suggested.figure(problem, [image, solution])  # pyright: ignore[reportOptionalCall]
    assert figure is not None
    assert float(decibels(image.sample()).max()) == 0.0
    with pytest.raises(ValueError, match="Unknown scene 'plane'"):
        fmcw("plane")


def test_sar_problem():
    problem = sar(azimuths=5, frequencies=32, pitch=0.45)
    assert problem.is_complex
    solution = solve(problem, priors.create("phased", problem.box, cells=12.0, finest=12.0), steps=20, callbacks=[])
    assert solution.sample().is_complex()
    assert solution.held_out() is not None


def test_gate_keeps_the_region_and_drops_the_rest():
    box = Box((2.0, 3.0, -0.1), (6.0, 7.0, 0.1))
    geometry = passes((45.0,), 9, 2.0, 10_000.0)
    f = torch.linspace(9.3e9, 9.9e9, 424, dtype=F64)
    whole = PhaseHistory(Box((-10, -10, -0.1), (10, 10, 0.1)), geometry, f, points=torch.zeros(1, 3))
    inside, outside = (torch.tensor([p], dtype=F64) for p in ([4.5, 4.0, 0.0], [-8.0, -8.0, 0.0]))
    data = PhaseData(torch.zeros(9, 424), f, geometry.transmitters, geometry.transmitters, geometry.reference_path, -1)
    kept, local = gated(data._replace(y=echoes(whole, inside)), box)
    dropped, _ = gated(data._replace(y=echoes(whole, outside)), box)
    operator = radar_of(local, box, Grid(box, (4, 4, 1)))
    expected = echoes(operator, inside)
    assert len(local.frequencies) < 424
    middle = slice(expected.shape[1] // 8, -expected.shape[1] // 8)
    assert error(kept[:, middle], expected[:, middle]) < 0.05
    assert float(dropped[:, middle].abs().max()) < 0.05


def test_gotcha_problem(data):
    paths = [str(data.file(f"gotcha_pass1_HH_az00{k}.mat")) for k in (1, 2)]
    problem = gotcha(paths, center=(-15.0, 20.0), size=(8.0, 6.0), pitch=0.5, every=4)
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    assert len(operator) == 59
    assert problem.grid.shape == (16, 12, 1)
    solution = solve(problem, priors.create("phased", problem.box, cells=16.0, finest=16.0), steps=5, callbacks=[])
    assert solution.held_out() is not None
    assert as_linear_map(operator, problem.grid, dtype=torch.complex64)(problem_image(problem)).shape == (
        59,
        operator.transform.count,
    )


def problem_image(problem: Problem) -> Tensor:
    return torch.ones(*problem.grid.shape, 1, dtype=torch.complex64)


def test_phase_history_file(tmp_path):
    box = Box((-1.0, -1.0, -0.25), (1.0, 1.0, 0.25))
    geometry = passes((40.0,), 20, 10.0, 30.0)
    operator = PhaseHistory(box, geometry, torch.linspace(9e9, 9.6e9, 32, dtype=F64), points=torch.zeros(1, 3))
    y = echoes(operator, torch.tensor([[0.3, 0.2, 0.0]], dtype=F64)).to(torch.complex64)
    data = PhaseData(y, operator.frequencies, geometry.transmitters, geometry.transmitters, geometry.reference_path, -1)
    write_radar(tmp_path / "scan.h5", data)
    problem = phase_history(str(tmp_path / "scan.h5"), size=(1.0, 1.0), pitch=0.25)
    assert problem.grid.shape == (4, 4, 1)
    figure = radar_figure(problem, [backprojection(problem)])  # a plane: one projection
    assert len(figure.axes) == 4


@pytest.mark.parametrize("name", ["fmcw", "sar", "gotcha"])
def test_presets_are_valid(name):
    Run.read(Path(__file__).parents[1] / "problems" / f"{name}.toml")


def test_cylinder_offsets_lie_between():
    a, b = cylinder(4, 1, 0.5, 0.0), cylinder(4, 1, 0.5, 0.0, offset=0.5)
    assert not torch.isclose(a.transmitters[:, None], b.transmitters[None]).all(-1).any()
