"""Radar spectra and resolution against closed forms."""

import math
from typing import Any

import pytest
import torch
from cases.radar import (
    C128,
    F64,
    NEAR,
    TI,
    box_at,
    echo,
    error,
    origin,
    point,
    samples,
    turns_apart,
)
from torch import Tensor

from inverse_inr import adjoint
from inverse_inr.operators import FMCW, PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT

COSINES = {
    "rect": (1.0, 0, 0),
    "hann": (0.5, 0.5, 0),
    "hamming": (0.54, 0.46, 0),
    "blackman": (0.42, 0.5, 0.08),
}


@pytest.mark.parametrize("distance", [0.3, 1.0, 5.0, 9.7])
@pytest.mark.parametrize(
    ("window", "size"), [("rect", 256), ("hann", 256), ("blackman", 256), ("hamming", 1024)]
)
def test_bins_are_the_dft_of_the_samples(distance, window, size):
    options = {"bins": torch.arange(size), "window": window, "size": size, "spreading": "none"}
    operator = FMCW(box_at(distance), origin(), TI, **options)
    n = torch.arange(256, dtype=F64) / 256
    a = COSINES[window]
    w = a[0] - a[1] * (2 * math.pi * n).cos() + a[2] * (4 * math.pi * n).cos()
    expected = torch.fft.fft(samples(distance) * w, size) / w.sum()
    assert error(echo(operator, point(distance, 0, 0))[0], expected) < 1e-10
    single = echo(operator, point(distance, 0, 0), torch.ones(1))
    assert single.dtype == torch.complex64
    assert error(single[0].to(C128), expected) < 1e-5
    by_time = FMCW(box_at(distance), origin(), TI, readout="samples", spreading="none")
    assert error(echo(by_time, point(distance, 0, 0))[0], samples(distance)) < 1e-10


def test_ranges_that_fold_over_match_the_dft_too():
    """Beyond the unambiguous range the closed form still is the DFT; such a box is refused."""
    with pytest.raises(ValueError, match=r"17\.\d+ m, beyond the chirp's unambiguous 10\.71 m"):
        FMCW(box_at(17.1), origin(), TI)
    operator = FMCW(box_at(5.0), origin(), TI, bins=torch.arange(256), spreading="none")
    assert error(echo(operator, point(17.1, 0, 0))[0], torch.fft.fft(samples(17.1)) / 256) < 1e-10


@pytest.mark.parametrize(("distance", "expected"), [(0.3, 7), (1.0, 24), (5.0, 120)])
def test_peak_bin_and_its_phase(distance, expected):
    """The peak is in the bin of 2 B R / c, and its phase is 2π fc tau - π S tau²."""
    operator = FMCW(box_at(distance), origin(), TI, bins=torch.arange(256), spreading="none")
    y = echo(operator, point(distance, 0, 0))[0]
    assert int(y.abs().argmax()) == expected == round(2 * TI.bandwidth * distance / SPEED_OF_LIGHT)
    tau = 2 * distance / SPEED_OF_LIGHT
    phase = y[expected].angle() + math.pi * expected * 255 / 256
    expected_phase = 2 * math.pi * TI.center_frequency * tau - math.pi * TI.slope * tau**2
    assert turns_apart(phase - expected_phase) < 1e-9


def peak(operator: Any, distances: Tensor) -> Tensor:
    """The response of one bin at several distances in m."""
    points = torch.stack([distances, *[torch.zeros_like(distances)] * 2], -1)
    unit = torch.eye(len(points), dtype=F64)
    return operator.respond(points, unit, torch.zeros(len(points), dtype=torch.long))[:, 0].abs()


@pytest.mark.parametrize(
    ("window", "width", "null", "sidelobe", "scalloping", "noise_bandwidth"),
    [("rect", 0.8845, 1.0, -13.26, 3.922, 1.0), ("hann", 1.4382, 2.0, -31.47, 1.424, 1.5)],
)
def test_range_resolution_is_that_of_the_window(
    window, width, null, sidelobe, scalloping, noise_bandwidth
):
    """Widths are in units of one bin, c / 2B = 41.824 mm."""
    assert TI.range_resolution == pytest.approx(41.824e-3, rel=1e-4)
    step = TI.range_resolution
    center = 24 * step
    options = {"window": window, "spreading": "none"}
    operator = FMCW(box_at(1.0), origin(), TI, bins=torch.tensor([24]), **options)
    u = torch.linspace(-6, 6, 24001, dtype=F64)
    response = torch.cat([peak(operator, center + part * step) for part in u.split(500)])
    level = 20 * response.clamp(min=1e-12).log10()
    main = u[(level > -10 * math.log10(2)) & (u.abs() < 2)]
    assert float(main.max() - main.min()) == pytest.approx(width, abs=2e-3)
    assert float(response[(u - null).abs().argmin()]) < 1e-6
    assert float(level[u.abs() > null].max()) == pytest.approx(sidelobe, abs=0.01)
    assert -float(level[(u - 0.5).abs().argmin()]) == pytest.approx(scalloping, abs=1e-3)
    assert float(response.max()) == pytest.approx(1.0, abs=1e-9)
    every = FMCW(box_at(1.0), origin(), TI, bins=torch.arange(256), **options)
    # the energy of a unit point on a bin is the equivalent noise bandwidth (Parseval)
    energy = (echo(every, point(center, 0, 0)).abs() ** 2).sum()
    assert float(energy) == pytest.approx(noise_bandwidth, abs=1e-3)


def dip_between(phase: float, separation: float) -> float:
    """The dip in dB half-way between two points, relative to the peaks.

    `phase` is their relative phase in units of π, `separation` their distance in bins.
    """
    middle = 24 * TI.range_resolution
    half = 0.5 * separation * TI.range_resolution
    fine = 64  # DFT points per bin
    options = {"bins": torch.arange(26 * fine), "size": 256 * fine, "spreading": "none"}
    operator = FMCW(box_at(1.0), origin(), TI, **options)

    def envelope(distance: float) -> Tensor:
        """The spectrum of one point without its carrier: the phase between two is given."""
        tau = 2 * distance / SPEED_OF_LIGHT
        turns = TI.center_frequency * tau - 0.5 * TI.slope * tau**2
        return echo(operator, point(distance, 0, 0))[0] * phasor(-turns)

    total = envelope(middle - half) + envelope(middle + half) * phasor(phase / 2)
    profile = total.abs()[22 * fine :]
    return 20 * math.log10(max(float(profile[2 * fine] / profile.max()), 1e-12))


@pytest.mark.parametrize(
    ("phase", "separation", "expected"),
    [(0.0, 1.5, -2.44), (0.5, 1.0, -0.91), (0.5, 1.2, -3.04), (0.5, 1.5, -7.64)],
)
def test_two_points_are_told_apart_by_the_dip_between_them(phase, separation, expected):
    assert dip_between(phase, separation) == pytest.approx(expected, abs=0.05)


def test_two_points_in_opposite_phase_cancel_between_them():
    assert dip_between(1.0, 1.3) < -150


def phasor(turns: float) -> Tensor:
    return torch.polar(torch.ones((), dtype=F64), torch.tensor(2 * math.pi * turns, dtype=F64))


def first_null(operator: Any, middle: Tensor, reach: float, focus: Tensor) -> float:
    """The first zero, along `focus`, of the matched filter's response to a point at `middle`."""
    y = echo(operator, middle[None])
    offsets = torch.linspace(0, reach, 1001, dtype=F64)
    places = middle + offsets[:, None] * focus
    back = adjoint(operator.at(places), None, y)[:, 0].abs()
    rises = (back[1:] > back[:-1]).nonzero()[0, 0]
    return float(offsets[rises])


@pytest.mark.parametrize(("length", "exact"), [(0.1, 18.93e-3), (0.2, 9.46e-3), (0.4, 4.73e-3)])
def test_cross_range_resolution_monostatic(length, exact):
    """At a single frequency the first null is at λ R / (2 L).

    The 101 antennas, L / 100 apart, act as one of 1.01 L.
    """
    z = torch.linspace(-0.5, 0.5, 101, dtype=F64) * length
    geometry = RadarGeometry.planar(torch.zeros(1), z, 1.0)
    operator = PhaseHistory(NEAR, geometry, torch.tensor([TI.center_frequency], dtype=F64))
    assert TI.wavelength / (2 * length) == pytest.approx(exact, rel=1e-3)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=F64)
    null = first_null(operator, point(0, 0, 0)[0], 1.5 * exact, up)
    # 1 % for the number of antennas, or less where L is no longer small compared with R; the null
    # is looked for in steps of 0.15 %
    assert null == pytest.approx(exact, rel=1.3e-2)


def test_cross_range_resolution_of_a_fixed_transmitter():
    """The first null is at λ R / L."""
    z = torch.linspace(-0.1, 0.1, 101, dtype=F64)
    receivers = torch.stack([torch.full_like(z, -1.0), torch.zeros_like(z), z], -1)
    transmitters = point(-1.0, 0, 0).expand(101, 3)
    tone = torch.tensor([TI.center_frequency]).double()
    operator = PhaseHistory(NEAR, RadarGeometry(transmitters, receivers), tone)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=F64)
    null = first_null(operator, point(0, 0, 0)[0], 0.03, up)
    assert null == pytest.approx(18.93e-3 / 1.01, rel=5e-3)  # 101 receivers, as above
