"""Radar operators against closed forms: delays, spectra, resolution, precision (reference tests 1-16, 19-22, 24)."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, adjoint, predict
from inverse_inr.operators import FMCW, Chirp, Occluded, PhaseHistory, RadarGeometry
from inverse_inr.operators.delay import DFTBins, Tones
from inverse_inr.operators.harmonics import real_harmonics
from inverse_inr.operators.radar_geometry import SPEED_OF_LIGHT
from inverse_inr.testing import OperatorTests

TI = Chirp(77e9, 70e12, 5e6, 256, 6e-6)
F64, C128 = torch.float64, torch.complex128
NEAR = Box((-0.2, -0.2, -0.2), (0.2, 0.2, 0.2), ("m",) * 3)


def box_at(distance: float, half: float = 0.05) -> Box:
    return Box((distance - half, -half, -half), (distance + half, half, half), ("m",) * 3)


def origin(sign: int = +1) -> RadarGeometry:
    return RadarGeometry(torch.zeros(1, 3, dtype=F64), sign=sign)


def point(*place: float) -> Tensor:
    return torch.tensor([place], dtype=F64)


def echo(operator: Any, points: Tensor, amplitudes: Tensor | None = None) -> Tensor:
    """The response of scatterers at points, every pulse: (P, K)."""
    amplitudes = torch.ones(len(points), dtype=F64) if amplitudes is None else amplitudes
    return operator.respond(points, amplitudes, torch.arange(len(operator)))


def samples(distance: float, chirp: Chirp = TI) -> Tensor:
    """The beat signal, written out: (N,)."""
    tau = 2 * distance / SPEED_OF_LIGHT
    t = chirp.start_time + torch.arange(chirp.samples, dtype=F64) / chirp.sample_rate
    turns = chirp.start_frequency * tau + chirp.slope * tau * t - 0.5 * chirp.slope * tau**2
    return torch.polar(torch.ones_like(t), 2 * math.pi * (turns - turns.round()))


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def turns_apart(angle: Tensor | float) -> float:
    return float(torch.as_tensor(angle, dtype=F64).remainder(2 * math.pi).sub(math.pi).abs().sub(math.pi).abs().max())


# --- spectra --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0.3, 1.0, 5.0, 9.7])
@pytest.mark.parametrize(("window", "size"), [("rect", 256), ("hann", 256), ("blackman", 256), ("hamming", 1024)])
def test_bins_are_the_dft_of_the_samples(distance, window, size):
    """Test 1."""
    operator = FMCW(box_at(distance), origin(), TI, bins=torch.arange(size), window=window, size=size, spreading="none")
    n = torch.arange(256, dtype=F64) / 256
    a = {"rect": (1.0, 0, 0), "hann": (0.5, 0.5, 0), "hamming": (0.54, 0.46, 0), "blackman": (0.42, 0.5, 0.08)}[window]
    w = a[0] - a[1] * (2 * math.pi * n).cos() + a[2] * (4 * math.pi * n).cos()
    expected = torch.fft.fft(samples(distance) * w, size) / w.sum()
    assert error(echo(operator, point(distance, 0, 0))[0], expected) < 1e-10
    single = echo(operator, point(distance, 0, 0), torch.ones(1))
    assert single.dtype == torch.complex64
    assert error(single[0].to(C128), expected) < 1e-5
    by_time = FMCW(box_at(distance), origin(), TI, readout="samples", spreading="none")
    assert error(echo(by_time, point(distance, 0, 0))[0], samples(distance)) < 1e-10


def test_ranges_that_fold_over_match_the_dft_too():
    """Reference test 1 at 17.1 m: beyond the unambiguous range the closed form still is the DFT, but is refused."""
    with pytest.raises(ValueError, match=r"17\.\d+ m, beyond the chirp's unambiguous 10\.71 m"):
        FMCW(box_at(17.1), origin(), TI)
    operator = FMCW(box_at(5.0), origin(), TI, bins=torch.arange(256), spreading="none")
    assert error(echo(operator, point(17.1, 0, 0))[0], torch.fft.fft(samples(17.1)) / 256) < 1e-10


@pytest.mark.parametrize(("distance", "expected"), [(0.3, 7), (1.0, 24), (5.0, 120)])
def test_peak_bin_and_its_phase(distance, expected):
    """Tests 2 and 3: the bin of 2 B R / c, and the phase 2π fc tau - π S tau² there."""
    operator = FMCW(box_at(distance), origin(), TI, bins=torch.arange(256), spreading="none")
    y = echo(operator, point(distance, 0, 0))[0]
    assert int(y.abs().argmax()) == expected == round(2 * TI.bandwidth * distance / SPEED_OF_LIGHT)
    tau = 2 * distance / SPEED_OF_LIGHT
    phase = y[expected].angle() + math.pi * expected * 255 / 256
    assert turns_apart(phase - 2 * math.pi * TI.center_frequency * tau + math.pi * TI.slope * tau**2) < 1e-9


def peak(operator: Any, distances: Tensor) -> Tensor:
    """One bin's response over distance (in m)."""
    points = torch.stack([distances, *[torch.zeros_like(distances)] * 2], -1)
    unit = torch.eye(len(points), dtype=F64)
    return operator.respond(points, unit, torch.zeros(len(points), dtype=torch.long))[:, 0].abs()


@pytest.mark.parametrize(
    ("window", "width", "null", "sidelobe", "scalloping", "noise_bandwidth"),
    [("rect", 0.8845, 1.0, -13.26, 3.922, 1.0), ("hann", 1.4382, 2.0, -31.47, 1.424, 1.5)],
)
def test_range_resolution(window, width, null, sidelobe, scalloping, noise_bandwidth):
    """Tests 4 and 5: in units of a bin, c / 2B = 41.824 mm."""
    assert TI.range_resolution == pytest.approx(41.824e-3, rel=1e-4)
    center, bin = 24 * TI.range_resolution, TI.range_resolution
    operator = FMCW(box_at(1.0), origin(), TI, bins=torch.tensor([24]), window=window, spreading="none")
    u = torch.linspace(-6, 6, 24001, dtype=F64)
    response = torch.cat([peak(operator, center + part * bin) for part in u.split(500)])
    level = 20 * response.clamp(min=1e-12).log10()
    main = u[(level > -10 * math.log10(2)) & (u.abs() < 2)]
    assert float(main.max() - main.min()) == pytest.approx(width, abs=2e-3)
    assert float(response[(u - null).abs().argmin()]) < 1e-6
    assert float(level[u.abs() > null].max()) == pytest.approx(sidelobe, abs=0.01)
    assert -float(level[(u - 0.5).abs().argmin()]) == pytest.approx(scalloping, abs=1e-3)
    assert float(response.max()) == pytest.approx(1.0, abs=1e-9)
    every = FMCW(box_at(1.0), origin(), TI, bins=torch.arange(256), window=window, spreading="none")
    energy = (echo(every, point(center, 0, 0)).abs() ** 2).sum()  # of a unit point on a bin: ENBW (Parseval)
    assert float(energy) == pytest.approx(noise_bandwidth, abs=1e-3)


@pytest.mark.parametrize(
    ("phase", "separation", "expected"),
    [(0.0, 1.5, -2.44), (0.5, 1.0, -0.91), (0.5, 1.2, -3.04), (0.5, 1.5, -7.64), (1.0, 1.3, None)],
)
def test_two_points(phase, separation, expected):
    """Test 6: the dip half-way between two points, relative to the peaks, by their relative phase (in π)."""
    low, half = 24 * TI.range_resolution, 0.5 * separation * TI.range_resolution
    operator = FMCW(box_at(1.0), origin(), TI, bins=torch.arange(24 * 64), size=256 * 64, spreading="none")
    pair = torch.stack([point(low - half, 0, 0)[0], point(low + half, 0, 0)[0]])
    alone = [echo(operator, p[None])[0] for p in pair]
    # the carriers are taken off: what is asked for is the phase between the two envelopes
    turn = [
        torch.polar(torch.tensor(1.0, dtype=F64), 2 * math.pi * TI.center_frequency * 2 * r / SPEED_OF_LIGHT
                    - math.pi * TI.slope * (2 * r / SPEED_OF_LIGHT) ** 2) for r in pair[:, 0]
    ]  # fmt: skip
    total = alone[0] / turn[0] + alone[1] / turn[1] * torch.polar(
        torch.tensor(1.0, dtype=F64), torch.tensor(math.pi * phase, dtype=F64)
    )
    middle, reach = 24 * 64, 2 * 64
    profile = total.abs()[middle - reach :]
    if expected is None:
        envelope = FMCW(box_at(1.0), origin(), TI, bins=torch.tensor([24]), spreading="none")
        a, b = (echo(envelope, p[None])[0] / t for p, t in zip(pair, turn, strict=True))
        assert float((a - b).abs()) < 1e-9
        return
    wide = FMCW(box_at(1.0), origin(), TI, bins=torch.arange(middle + reach), size=256 * 64, spreading="none")
    a, b = (echo(wide, p[None])[0] / t for p, t in zip(pair, turn, strict=True))
    profile = (a + b * torch.polar(torch.tensor(1.0, dtype=F64), torch.tensor(math.pi * phase, dtype=F64))).abs()
    dip = 20 * math.log10(float(profile[middle] / profile[middle - reach :].max()))
    assert dip == pytest.approx(expected, abs=0.05)


def first_null(operator: Any, middle: Tensor, reach: float, focus: Tensor) -> float:
    """First zero, along z, of the matched filter's response to a point at `middle`."""
    y = echo(operator, middle[None])
    offsets = torch.linspace(0, reach, 1001, dtype=F64)
    places = middle + offsets[:, None] * focus
    back = adjoint(operator.at(places), None, y)[:, 0].abs()
    rises = (back[1:] > back[:-1]).nonzero()[0, 0]
    return float(offsets[rises])


@pytest.mark.parametrize(("length", "exact"), [(0.1, 18.93e-3), (0.2, 9.46e-3), (0.4, 4.73e-3)])
def test_cross_range_resolution_monostatic(length, exact):
    """Test 7: null at λ R / (2 L), a single frequency."""
    z = torch.linspace(-0.5, 0.5, 101, dtype=F64) * length
    geometry = RadarGeometry.planar(torch.zeros(1), z, 1.0)
    operator = PhaseHistory(NEAR, geometry, torch.tensor([TI.center_frequency], dtype=F64))
    assert TI.wavelength / (2 * length) == pytest.approx(exact, rel=1e-3)
    null = first_null(operator, point(0, 0, 0)[0], 1.5 * exact, torch.tensor([0.0, 0.0, 1.0], dtype=F64))
    assert null == pytest.approx(exact, rel=1e-2)


def test_cross_range_resolution_of_a_fixed_transmitter():
    """Test 8: null at λ R / L."""
    z = torch.linspace(-0.1, 0.1, 101, dtype=F64)
    receivers = torch.stack([torch.full_like(z, -1.0), torch.zeros_like(z), z], -1)
    transmitters = point(-1.0, 0, 0).expand(101, 3)
    operator = PhaseHistory(NEAR, RadarGeometry(transmitters, receivers), torch.tensor([TI.center_frequency]).double())
    null = first_null(operator, point(0, 0, 0)[0], 0.03, torch.tensor([0.0, 0.0, 1.0], dtype=F64))
    assert null == pytest.approx(18.93e-3, rel=1e-2)


# --- amplitudes, symmetries -----------------------------------------------------------------------------------------


def bistatic(pulses: int = 5, sign: int = +1, seed: int = 0, reference: float = 0.0) -> RadarGeometry:
    """Antennas 1 to 2 m off a small scene at the origin, each pair apart."""
    generator = torch.Generator().manual_seed(seed)
    t, r = (nn.functional.normalize(torch.randn(pulses, 3, dtype=F64, generator=generator), dim=-1) for _ in "tr")
    return RadarGeometry(t * 1.5, r * 1.2, sign, reference)


def scatterers(count: int = 6, half: float = 0.15) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return half * (2 * torch.rand(count, 3, dtype=F64, generator=generator) - 1)


SLOW = Chirp(8e9, 4e9 / 64 * 5e6, 5e6, 64)  # 8-12 GHz
READOUTS = {
    "bins": lambda g, **k: FMCW(NEAR, g, SLOW, **k),
    "hann bins": lambda g, **k: FMCW(NEAR, g, SLOW, window="hann", **k),
    "samples": lambda g, **k: FMCW(NEAR, g, SLOW, readout="samples", **k),
    "phase history": lambda g, **k: PhaseHistory(NEAR, g, torch.linspace(9e9, 10e9, 21, dtype=F64), **k),
    "uneven tones": lambda g, **k: PhaseHistory(NEAR, g, 9e9 + 1e9 * torch.linspace(0, 1, 15, dtype=F64) ** 1.5, **k),
}
readouts = pytest.mark.parametrize("make", READOUTS.values(), ids=READOUTS.keys())


@readouts
def test_reciprocity(make):
    """Test 11."""
    g = bistatic()
    swapped = RadarGeometry(g.receivers, g.transmitters)
    assert error(echo(make(g), scatterers()), echo(make(swapped), scatterers())) < 1e-12


@readouts
def test_translation(make):
    """Test 12: antennas and scatterers moved together."""
    g, shift = bistatic(), torch.tensor([0.01, -0.02, 0.015], dtype=F64)
    moved = RadarGeometry(g.transmitters + shift, g.receivers + shift)
    bins = {"bins": FMCW(NEAR, g, SLOW).bins} if "bins" in str(make(g).transform).lower() else {}
    a, b = make(g, **bins), make(moved, **bins)
    assert error(echo(a, scatterers(half=0.1)), echo(b, scatterers(half=0.1) + shift)) < 1e-9


@readouts
def test_opposite_sign_conjugates(make):
    """Test 13, for real reflectivity; with complex amplitudes the amplitudes are conjugated as well."""
    plus, minus = make(bistatic(sign=+1)), make(bistatic(sign=-1))
    assert error(echo(minus, scatterers()), echo(plus, scatterers()).conj()) < 1e-12
    s = torch.randn(6, dtype=C128, generator=torch.Generator().manual_seed(2))
    assert error(echo(minus, scatterers(), s), echo(plus, scatterers(), s.conj()).conj()) < 1e-12


def test_reference_path_turns_the_phase():
    """Test 14: exp(+j 2π f d / c) for a two-way path d more subtracted, under sign -1."""
    f = torch.linspace(9e9, 10e9, 11, dtype=F64)
    y = [echo(PhaseHistory(NEAR, bistatic(sign=-1, reference=r), f), scatterers()) for r in (2.7, 2.9)]
    turn = torch.polar(torch.ones_like(f), 2 * math.pi * f * 0.2 / SPEED_OF_LIGHT)
    assert error(y[1], y[0] * turn) < 1e-9


def test_spreading():
    """Test 15: 1 / (R_T R_R), twice the range is -12.04 dB of power; the reference path has no part in it."""
    tone = torch.tensor([9e9], dtype=F64)
    y = [
        echo(PhaseHistory(box_at(r), RadarGeometry(point(0, 0, 0), sign=-1, reference_path=1.0), tone,
                          spreading="product"), point(r, 0, 0)).abs() for r in (1.0, 2.0)
    ]  # fmt: skip
    assert float(20 * (y[1] / y[0]).log10()) == pytest.approx(-12.0412, abs=1e-4)
    both = RadarGeometry(point(-1, 0, 0), point(0, -2, 0))
    assert float(echo(FMCW(NEAR, both, SLOW, readout="samples"), point(0, 0, 0)).abs().max()) == pytest.approx(0.5)
    own = PhaseHistory(NEAR, both, tone, spreading=lambda to, back: 1 / (to + back))
    assert float(echo(own, point(0, 0, 0)).abs()) == pytest.approx(1 / 3)


def test_residual_video_phase():
    """Test 16: π S tau² = 0.24468 rad at 5 m."""
    tau = 2 * 5.0 / SPEED_OF_LIGHT
    with_it = FMCW(box_at(5.0), origin(), TI, readout="samples", spreading="none")
    without = PhaseHistory(box_at(5.0), origin(), TI.frequencies)
    turn = (echo(without, point(5.0, 0, 0)) / echo(with_it, point(5.0, 0, 0))).angle()
    assert float(turn.max()) == pytest.approx(0.24468, abs=1e-5)
    assert turns_apart(turn - math.pi * TI.slope * tau**2) < 1e-9


@pytest.mark.parametrize(("cells", "expected"), [(4, 0.6366), (8, 0.9003)])
def test_cells(cells, expected):
    """Test 20: a uniform cell of λ/4 (λ/8) along the line of sight."""
    f = 10e9
    h = SPEED_OF_LIGHT / f / cells
    box = Box((-h / 2,) * 3, (h / 2,) * 3)
    geometry = RadarGeometry(point(-1000.0, 0, 0))
    ones = lambda p: torch.ones_like(p[..., :1])  # noqa: E731
    y = [
        predict(PhaseHistory(box, geometry, torch.tensor([f]).double(), points=Grid(box, (1, 1, 1)), basis=b), ones)
        for b in ("point", "cell")
    ]
    assert float((y[1] / y[0]).real) == pytest.approx(expected, abs=1e-4)
    fine = PhaseHistory(box, geometry, torch.tensor([f]).double(), points=Grid(box, (400, 1, 1)))
    assert float((predict(fine, ones) / 400 / y[0]).real) == pytest.approx(expected, abs=1e-4)


def test_patterns_weigh_directions():
    def half_space(rows: Tensor, direction: Tensor) -> Tensor:
        return (direction[..., 1] > 0).to(direction.dtype) * (1 + rows[:, None])

    g = RadarGeometry(torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]], dtype=F64))
    operator, plain = (PhaseHistory(NEAR, g, torch.tensor([9e9]).double(), pattern=p) for p in (half_space, None))
    up, down = point(0, 0.1, 0), point(0, -0.1, 0)
    assert torch.equal(echo(operator, down), torch.zeros(2, 1, dtype=C128))
    expected = echo(plain, up) * torch.tensor([[1.0], [2.0]], dtype=F64)
    assert torch.allclose(echo(operator, up), expected, rtol=1e-12)


def test_directional_reflectivity():
    """Degree 0 in harmonics is isotropic; a degree-1 lobe is seen from its side with the other side's sign."""
    g = RadarGeometry(torch.tensor([[2.0, 0, 0], [-2.0, 0, 0], [0, 2.0, 0]], dtype=F64))
    tone, grid = torch.tensor([9e9], dtype=F64), Grid(NEAR, (1, 1, 1))
    operator = PhaseHistory(NEAR, g, tone, points=grid, degree=1)
    lobe = torch.zeros(1, 1, 1, 4, dtype=F64)
    lobe[..., 3] = 1.0  # along x
    y = operator(torch.arange(3))[1](lobe)[:, 0]
    plain = predict(PhaseHistory(NEAR, g, tone, points=grid), lambda p: torch.ones_like(p[..., :1]))[:, 0]
    expected = plain * math.sqrt(3 / (4 * math.pi)) * torch.tensor([1.0, -1.0, 0.0], dtype=F64)
    assert torch.allclose(y, expected, atol=1e-12)
    with pytest.raises(ValueError, match="of 4 channels"):
        operator(torch.arange(3))[1](lobe[..., :1])


def test_harmonics_are_orthonormal():
    cos, weight = (torch.from_numpy(v) for v in __import__("numpy").polynomial.legendre.leggauss(12))
    phi = torch.arange(24, dtype=F64) * 2 * math.pi / 24
    c, p = torch.meshgrid(cos, phi, indexing="ij")
    s = (1 - c * c).sqrt()
    y = real_harmonics(torch.stack([s * p.cos(), s * p.sin(), c], -1), 5)
    gram = torch.einsum("i,ijk,ijl->kl", weight, y, y) * 2 * math.pi / 24
    assert torch.allclose(gram, torch.eye(36, dtype=F64), atol=1e-12)


# --- numbers --------------------------------------------------------------------------------------------------------


@readouts
def test_phase_policy(make):
    """Test 21: float32 values see phases right to 1e-6 rad, and geometry survives .float() and .half()."""
    operator = make(bistatic()).float().half()
    for name, buffer in operator.named_buffers():
        assert buffer.dtype in (F64, C128, torch.int64), name
    places = scatterers()
    for one in places:
        single, double = (echo(operator, one[None], torch.ones(1, dtype=d)) for d in (torch.float32, F64))
        strong = double.abs() > 0.1 * double.abs().max()
        assert float((single.to(C128) / double)[strong].angle().abs().max()) < 3e-6


def test_phase_policy_at_ten_kilometres():
    """Bar 2: at most 1e-6 rad at 10 km and 9.6 GHz, against exact rational arithmetic."""
    from fractions import Fraction

    a = torch.tensor([[10_158.0, 0.0, 0.0]], dtype=F64)
    box = Box((-50.0,) * 3, (50.0,) * 3)
    operator = PhaseHistory(box, RadarGeometry(a, sign=-1), torch.tensor([9.6e9], dtype=F64)).float()
    x = torch.linspace(-49.0, 49.0, 99, dtype=F64) + 1 / 3
    unit = torch.eye(99)
    places = torch.stack([x, torch.zeros_like(x), torch.zeros_like(x)], -1)
    y = operator.respond(places, unit, torch.zeros(99, dtype=torch.long))[:, 0]
    for value, place in zip(y, x.tolist(), strict=True):
        turns = Fraction(9_600_000_000) * 2 * (10_158 - Fraction(place)) / 299_792_458
        expected = -2 * math.pi * float(turns - round(turns))
        assert abs(turns_apart(value.angle().double() - expected)) < 1e-6


@readouts
def test_no_nan_in_value_or_gradient(make):
    """Test 22: at an exact bin centre, with a zero field, at a zero of the kernel."""
    operator = make(origin_at(-1.0))
    rows = torch.arange(1)
    for distance in (24 * SLOW.range_resolution, 27 * SLOW.range_resolution, 1.0):
        place = point(distance - 1.0, 0, 0).requires_grad_()
        amplitude = torch.zeros(1, dtype=F64, requires_grad=True)
        y = operator.respond(place, amplitude, rows)
        (y.abs().square().sum() + (operator.respond(place, amplitude + 1, rows) * (1 + 1j)).real.sum()).backward()
        assert torch.isfinite(y).all()
        for leaf in (place, amplitude):
            assert leaf.grad is not None
            assert torch.isfinite(leaf.grad).all()


def origin_at(x: float) -> RadarGeometry:
    return RadarGeometry(point(x, 0, 0))


@readouts
def test_point_target_backprojects_to_the_number_of_samples(make):
    """Test 19: at the point itself, where spreading is 1."""
    operator = make(bistatic(), spreading="none")
    if isinstance(operator, FMCW) and operator.bins is not None:
        bins = torch.arange(64)
        operator = FMCW(NEAR, bistatic(), SLOW, bins=bins, window=operator.window, spreading="none")
    place = scatterers()[:1]
    y = echo(operator, place)
    image = adjoint(operator.at(torch.cat([place, place + 0.01])), None, y, dtype=C128)[:, 0]
    assert error(image[:1], (y.abs() ** 2).sum()[None].to(C128)) < 1e-10
    assert image[1].abs() < image[0].abs()
    if not isinstance(operator, FMCW) or operator.bins is None:
        assert float((y.abs() ** 2).sum()) == pytest.approx(5 * operator.transform.count, rel=1e-10)


@readouts
@pytest.mark.parametrize("dtype", [F64, C128, torch.float32, torch.complex64])
@pytest.mark.parametrize("stored", [False, True])
def test_adjoint(make, dtype, stored):
    """Test 9: <A x, y> = <x, A' y>, real and complex fields, recomputed and stored kernels."""
    operator = make(bistatic(), points=Grid(NEAR, (4, 5, 3)))
    operator = operator.stored(dtype.to_real()) if stored else operator
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([3, 0, 4])
    x = torch.randn(4, 5, 3, 1, dtype=dtype, generator=generator)
    y = torch.randn(3, operator.transform.count, dtype=dtype.to_complex(), generator=generator)
    ax = operator(rows)[1](x)
    back = adjoint(operator, rows, y, dtype=dtype)
    left, right = (ax.conj() * y).sum(), (x.conj() * back).sum()
    gap = (left - right).abs() if dtype.is_complex else (left - right).real.abs()
    size = torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
    assert float(gap / size) < (1e-10 if dtype.to_real() == F64 else 1e-5)


@readouts
def test_gradients_of_positions(make):
    """Test 10: reflectivity, scatterers, transmitters and receivers."""
    g = bistatic(2)

    def y(places: Tensor, amplitudes: Tensor, t: Tensor, r: Tensor) -> Tensor:
        operator.geometry.transmitters.data, operator.geometry.receivers.data = t.data, r.data
        moved = operator.at(places.detach())
        moved.geometry = Stub(t, r, operator.geometry)  # pyright: ignore[reportAttributeAccessIssue]
        return torch.view_as_real(moved.respond(places, amplitudes, torch.arange(2)))[:, ::7]

    operator = make(g)
    t, r = (v.clone().requires_grad_() for v in (g.transmitters, g.receivers))
    places = scatterers(2).requires_grad_()
    amplitudes = torch.tensor([1.0, -0.7], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(y, (places, amplitudes, t, r), eps=1e-7, atol=2e-3, rtol=1e-4)


class Stub(RadarGeometry):
    """A geometry whose positions are given tensors, for gradcheck."""

    def __init__(self, t: Tensor, r: Tensor, like: RadarGeometry) -> None:
        super().__init__(t, r, like.sign, like.reference_path)
        del self.transmitters, self.receivers
        self.__dict__["transmitters"], self.__dict__["receivers"] = t, r


@readouts
def test_tiles_change_nothing(make, monkeypatch):
    """Test 24: points, pulses and bins in any tiles; rows one by one."""
    from inverse_inr.operators import radar

    operator = make(bistatic(), points=Grid(NEAR, (9, 11, 12)))
    x = torch.randn(9, 11, 12, 1, dtype=C128, generator=torch.Generator().manual_seed(0))
    whole = operator(torch.arange(5))[1](x)
    back = adjoint(operator, None, whole, dtype=C128)
    monkeypatch.setattr(radar, "TILE", 1 << 13)
    assert len(operator._tiles(torch.arange(5))) > 4
    assert error(operator(torch.arange(5))[1](x), whole) < 1e-10
    assert error(adjoint(operator, None, whole, dtype=C128), back) < 1e-10
    parts = torch.cat([operator(r[None])[1](x) for r in torch.arange(5)])
    assert error(parts, whole) < 1e-10
    assert error(operator.stored(F64)(torch.arange(5))[1](x), whole) < 1e-10
    assert error(operator.respond(operator.points, x.flatten(), torch.arange(5)), whole) < 1e-10


@readouts
def test_half_of_the_pulses(make):
    operator = make(bistatic())
    some = operator.pulses(torch.tensor([4, 1]))
    assert len(some) == 2
    assert torch.equal(
        echo(some, scatterers()), operator.respond(scatterers(), torch.ones(6, dtype=F64), torch.tensor([4, 1]))
    )


@pytest.mark.parametrize("count", [8, 9, 37, 128])
def test_fast_tones_are_the_exact_ones(count):
    tones = Tones(torch.linspace(9e9, 9e9 + 1e6 * (count - 1), count, dtype=F64), slope=7e12)
    ramp = Chirp(9e9, 1e12, 1e6, count)
    bins = DFTBins(torch.tensor([0, 1, 5, count - 1]), count, count + 3, 1e6, ramp.center_frequency, 1e12, "blackman")
    delay = 1e-6 * torch.rand(3, 600, dtype=F64, generator=torch.Generator().manual_seed(0))
    for transform, quick in ((tones, tones.quick), (bins, bins.quick)):
        assert transform.is_quick(delay)
        for dtype, tolerance in ((C128, 1e-12), (torch.complex64, 2e-6)):
            w = torch.randn(3, 600, dtype=dtype, generator=torch.Generator().manual_seed(1))
            y = torch.randn(3, transform.count, dtype=dtype, generator=torch.Generator().manual_seed(2))
            direct = transform._sum(w.to(C128), transform.response(delay, C128))
            assert error(quick(delay, w).to(C128), direct) < tolerance
            spread = transform._spread(y.to(C128), transform.response(delay, C128))
            assert error(transform.quick_adjoint(delay, y).to(C128), spread) < tolerance


def test_apertures():
    t, r = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]), torch.tensor([[0.0, 0, 0], [0, 1.0, 0], [0, 2.0, 0]])
    pairs = RadarGeometry.mimo(t, r)
    assert pairs.transmitters.tolist() == [[0, 0, 0]] * 3 + [[1, 0, 0]] * 3
    assert pairs.receivers.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0]] * 2
    quarter = torch.tensor([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])  # x -> y, then a shift
    turned = RadarGeometry.mimo(t, r, torch.stack([torch.eye(4), quarter]))
    assert len(turned) == 12
    assert turned.transmitters[9].tolist() == [5, 7, 7]
    assert turned.receivers[7].tolist() == [4, 6, 7]
    around = RadarGeometry.spotlight(10.0, torch.zeros(1), torch.tensor([math.pi / 6]), center=(1.0, 2.0, 3.0))
    assert torch.allclose(around.transmitters[0], torch.tensor([1 + 10 * math.cos(math.pi / 6), 2, 8.0], dtype=F64))
    path = around.path(torch.tensor([[1.0, 2.0, 3.0]], dtype=F64), torch.tensor([0]))
    assert abs(float(path)) < 1e-12
    assert torch.allclose(around.look((1.0, 2.0, 3.0))[0].norm(), torch.ones((), dtype=F64))


@pytest.mark.gpu
@readouts
def test_cuda_gives_the_same_numbers(make):
    operator = make(bistatic(), points=Grid(NEAR, (9, 10, 11)))
    x = torch.randn(9, 10, 11, 1, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([3, 1])
    y = operator(rows)[1](x)
    back = adjoint(operator, rows, y, dtype=torch.float32)
    there = operator.to("cuda")
    measured = there(rows)[1](x.cuda())
    assert error(measured.cpu(), y) < 1e-5
    assert error(adjoint(there, rows, y.cuda(), dtype=torch.float32).cpu(), back) < 1e-5


class TestOccluded(OperatorTests):
    linear, channels = False, 2

    def make(self) -> Occluded:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return Occluded(PhaseHistory(NEAR, bistatic(9), f, points=Grid(NEAR, (3, 4, 5))))


def test_a_slab_dims_what_is_behind_it():
    """exp(-rho d) of amplitude behind a slab of thickness d, nothing in front of it, half inside its middle."""
    geometry = RadarGeometry(point(50.0, 0, 0))
    grid = Grid(NEAR, (40, 8, 8))
    plain = PhaseHistory(NEAR, geometry, torch.tensor([1e9], dtype=F64), points=grid)
    operator = Occluded(plain, step=0.25)
    x = grid.axes(F64)[0]
    rho = torch.where((x > 0.0) & (x < 0.1), 12.0, 0.0).to(F64)
    for place, depth in ((5, 0.1), (35, 0.0), (24, 0.055)):  # behind, before, inside (to the slab's face)
        values = torch.zeros(40, 8, 8, 2, dtype=F64)
        values[place, 4, 4, 0], values[..., 1] = 1.0, rho[:, None, None]
        dimmed = operator(torch.tensor([0]))[1](values) / plain(torch.tensor([0]))[1](values[..., :1])
        assert float(dimmed.abs()) == pytest.approx(math.exp(-12.0 * depth), rel=0.02)
    with pytest.raises(ValueError, match="needs 2 channels"):
        operator(torch.tensor([0]))[1](values[..., :1])
    with pytest.raises(ValueError, match="needs a radar operator of isotropic voxels"):
        Occluded(plain.at(scatterers()))


class TestFMCW(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(9), SLOW, points=Grid(NEAR, (3, 4, 5)), window="hann")


class TestSamples(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(9), SLOW, points=scatterers(), readout="samples")


class TestPhaseHistory(OperatorTests):
    def make(self) -> PhaseHistory:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return PhaseHistory(NEAR, bistatic(9, sign=-1), f, points=Grid(NEAR, (3, 4, 5)), basis="cell")


class TestDirectional(OperatorTests):
    channels = 9

    def make(self) -> PhaseHistory:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return PhaseHistory(NEAR, bistatic(9), f, points=Grid(NEAR, (3, 4, 5)), degree=2)


class TestLearnsItsAntennas(OperatorTests):
    def make(self) -> FMCW:
        g = bistatic(4)
        moved = RadarGeometry(nn.Parameter(g.transmitters), nn.Parameter(g.receivers))
        return FMCW(NEAR, moved, SLOW, points=Grid(NEAR, (2, 3, 2)))


# --- bad input ------------------------------------------------------------------------------------------------------


def test_antenna_inside_the_box():
    with pytest.raises(ValueError, match=r"transmitter of pulse 1 .* lies inside the box"):
        FMCW(NEAR, RadarGeometry(torch.tensor([[1.0, 0, 0], [0.1, 0, 0]])), SLOW)


def test_swath():
    f = torch.linspace(9e9, 10e9, 11, dtype=F64)  # 100 MHz: 1.499 m
    far = RadarGeometry(point(10, 0, 0), sign=-1, reference_path=20.0)
    with pytest.raises(ValueError, match=r"spans ranges of 2 m, beyond the unambiguous swath .* = 1\.499 m"):
        PhaseHistory(Box((-1, -0.01, -0.01), (1, 0.01, 0.01)), far, f)
    PhaseHistory(Box((-0.7, -0.01, -0.01), (0.7, 0.01, 0.01)), far, f, points=point(0, 0, 0))


def test_frequencies_must_ascend():
    with pytest.raises(ValueError, match=r"must ascend: f\[1\] = 1e\+10 Hz"):
        PhaseHistory(NEAR, bistatic(), torch.tensor([9e9, 10e9, 9.5e9], dtype=F64))


def test_pulse_counts():
    with pytest.raises(ValueError, match="5 transmitters but 4 receivers"):
        RadarGeometry(torch.ones(5, 3), torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"reference_path has shape \(4,\); there are 5 pulses"):
        RadarGeometry(torch.ones(5, 3), reference_path=torch.ones(4))


def test_float32_geometry_from_orbit():
    place = torch.tensor([[700e3, 0.0, 0.0]])
    f = torch.linspace(9.6e9, 9.61e9, 3, dtype=F64)
    with pytest.raises(ValueError, match=r"given in float32, whose steps .* wavelengths.*Pass float64"):
        PhaseHistory(NEAR, RadarGeometry(place), f)
    PhaseHistory(NEAR, RadarGeometry(place.double()), f)
    PhaseHistory(NEAR, RadarGeometry(torch.tensor([[50.0, 0, 0]])), f)


def test_wrong_units_and_dimensions():
    with pytest.raises(ValueError, match=r"in metres; the box has units \('mm'"):
        FMCW(Box((-1,) * 3, (1,) * 3, ("mm",) * 3), bistatic(), SLOW)
    with pytest.raises(ValueError, match="3-D; the box has 2 axes"):
        FMCW(Box((-1, -1), (1, 1)), bistatic(), SLOW)
    with pytest.raises(ValueError, match="sign must be"):
        RadarGeometry(torch.ones(2, 3), sign=0)
    with pytest.raises(ValueError, match="slope must be positive"):
        Chirp(77e9, -1e12, 5e6, 64)
    with pytest.raises(ValueError, match=r"bins must lie in 0 \.\. 63"):
        FMCW(NEAR, bistatic(), SLOW, bins=torch.tensor([70]))
    with pytest.raises(MemoryError, match="over the limit"):
        FMCW(NEAR, bistatic(), SLOW).stored(limit=1000)
