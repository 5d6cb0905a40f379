"""Ramps up and down, notched frequencies, and methods that count on even steps."""

import math

import pytest
import torch
from cases.radar import C128, F64, NEAR, SLOW, bistatic, box_at, echo, error, origin, point, samples
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators import FMCW, Chirp, PhaseHistory, RadarGeometry, backproject
from inverse_inr.operators.radar.frequency_steps import ambiguity_step, is_even
from inverse_inr.operators.radar.matched_filter import range_profiles
from inverse_inr.operators.radar.polar_format import polar_format
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.sar import passes
from inverse_inr.testing import OperatorTests

DOWN = Chirp(12e9, -SLOW.slope, 5e6, 64)  # 12-8 GHz


# --- a ramp that runs down ------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0.3, 1.0])
def test_samples_of_a_ramp_down_are_the_written_out_beat_signal(distance):
    a = FMCW(box_at(distance), origin(), DOWN, readout="samples", spreading="none")
    assert error(echo(a, point(distance, 0, 0))[0], samples(distance, DOWN)) < 1e-9


@pytest.mark.parametrize("window", ["rect", "hann"])
@pytest.mark.parametrize("size", [64, 100])
def test_bins_of_a_ramp_down_are_those_of_its_samples(window, size):
    bins = torch.arange(size)
    a = FMCW(box_at(0.5), origin(), DOWN, bins=bins, window=window, size=size, spreading="none")
    taper = torch.ones(64, dtype=F64)
    if window == "hann":
        taper = torch.hann_window(64, periodic=True, dtype=F64)
    expected = torch.fft.fft(samples(0.5, DOWN) * taper, size) / taper.sum()
    assert error(echo(a, point(0.5, 0, 0))[0], expected) < 1e-9


def test_samples_of_a_ramp_down_reversed_are_those_of_a_ramp_up_but_for_the_residual_phase():
    up = Chirp(float(DOWN.frequencies[-1]), -DOWN.slope, 5e6, 64)
    tau = 2 * 0.5 / 299_792_458.0
    angle = 2 * math.pi * DOWN.slope * tau**2
    turn = complex(math.cos(angle), -math.sin(angle))
    assert error(samples(0.5, DOWN).flip(0), samples(0.5, up) * turn) < 1e-9


def test_a_ramp_down_and_a_ramp_up_resolve_alike():
    assert pytest.approx(SLOW.bandwidth) == DOWN.bandwidth
    assert DOWN.range_max == SLOW.range_max
    assert float(DOWN.frequencies.max()) == 12e9


@pytest.mark.parametrize("readout", ["bins", "samples"])
def test_a_ramp_down_is_imaged_in_its_place(readout):
    geometry = RadarGeometry.cylinder(0.6, torch.arange(16) * 2 * math.pi / 16, torch.tensor([0.2]))
    box = Box((-0.1, -0.1, -0.001), (0.1, 0.1, 0.001), ("m",) * 3)
    a = FMCW(box, geometry, DOWN, readout=readout, spreading="none", points=point(0, 0, 0))
    place = point(0.03, -0.05, 0)
    y = echo(a, place)
    peak = backproject(a, y, place, interpolate=False).abs()
    quick = backproject(a, y, torch.cat([place, point(0, 0, 0)])).abs()
    unit = float(y.abs().square().sum())
    assert float(peak) == pytest.approx(unit, rel=1e-9)
    assert float(quick[0]) == pytest.approx(unit, rel=0.02)
    assert float(quick[1]) < 0.5 * unit


def test_range_profiles_of_a_ramp_down_are_exact_in_their_table():
    a = FMCW(NEAR, bistatic(), DOWN, readout="samples", spreading="none")
    y = echo(a, point(0.05, 0.02, -0.1))
    paths, quick = range_profiles(a, y)
    delays = (paths / 299_792_458.0)[None].expand(len(y), -1)
    exact = a.transform.adjoint(delays, y)
    assert error(quick, exact) < 1e-9


class TestRampDownSamples(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(4), DOWN, readout="samples", points=Grid(NEAR, (3, 4, 5)))


class TestRampDownBins(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(4, -1), DOWN, window="hann", points=Grid(NEAR, (3, 4, 5)))


@pytest.mark.parametrize(
    ("start", "slope", "message"),
    [
        (1e9, -SLOW.slope, "A|a ramp down from 1e\\+09 Hz .* start_frequency is that at"),
        (12e9, math.inf, "slope=inf must be"),
        (12e9, -math.nan, "slope=nan must be"),
    ],
)
def test_ramps_that_are_none_are_refused(start, slope, message):
    with pytest.raises(ValueError, match=message):
        Chirp(start, slope, 5e6, 64)


# --- notched frequencies --------------------------------------------------------------------------

EVEN = torch.linspace(9.3e9, 9.9e9, 121, dtype=F64)  # 5 MHz: 30 m


def notched(*gone: slice) -> Tensor:
    keep = torch.ones(len(EVEN), dtype=torch.bool)
    for part in gone:
        keep[part] = False
    return EVEN[keep]


@pytest.mark.parametrize(
    ("frequencies", "step"),
    [
        (EVEN, 5e6),
        (EVEN[::2], 10e6),
        (notched(slice(30, 34)), 5e6),
        (notched(slice(1, 60, 2)), 5e6),
        (EVEN[[0, 2, 5, 9, 12]], 5e6),
        (EVEN[[0, 40]], 200e6),
        (EVEN[torch.randperm(121, generator=torch.Generator().manual_seed(0))[:40].sort()[0]], 5e6),
    ],
    ids=["even", "every second", "notch", "thinned", "lattice", "two", "random"],
)
def test_the_ambiguity_is_that_of_the_common_lattice(frequencies, step):
    assert ambiguity_step(frequencies) == pytest.approx(step, rel=1e-6)
    rounded = frequencies.float().double()
    assert ambiguity_step(rounded) == pytest.approx(step, rel=1e-3)


def test_frequencies_on_no_lattice_have_their_median_step():
    f = 9e9 + 1e9 * torch.linspace(0, 1, 50, dtype=F64) ** 1.5
    assert ambiguity_step(f) == pytest.approx(float(f.diff().median()))
    assert not is_even(f)


def test_notches_neither_shrink_nor_widen_the_swath():
    far = RadarGeometry(point(1000, 0, 0), sign=-1, reference_path=2000.0)
    f = notched(slice(30, 34), slice(90, 93))
    PhaseHistory(Box((-14, -0.1, -0.1), (14, 0.1, 0.1)), far, f, points=point(0, 0, 0))
    with pytest.raises(ValueError, match=r"c / 2 df = 29\.98 m"):
        PhaseHistory(Box((-16, -0.1, -0.1), (16, 0.1, 0.1)), far, f, points=point(0, 0, 0))


class TestNotchedPhaseHistory(OperatorTests):
    def make(self) -> PhaseHistory:
        tones = notched(slice(30, 34))[::4]
        return PhaseHistory(NEAR, bistatic(4, -1), tones, points=Grid(NEAR, (3, 4, 5)))


# --- methods that count on even steps -------------------------------------------------------------


def one_pass(frequencies: Tensor = EVEN, rows: Tensor | None = None) -> PhaseHistory:
    geometry = passes((40.0,), 81, 6.0, 20_000.0)
    if rows is not None:
        geometry = geometry.subset(rows)
    box = Box((-4.0, -4.0, -0.1), (4.0, 4.0, 0.1))
    return PhaseHistory(box, geometry, frequencies, points=torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("frequencies", "rows", "message"),
    [
        (notched(slice(30, 34)), None, "even frequencies; these have steps of 5e"),
        (EVEN, torch.tensor([0, 1, 2, 4, 5, 6]), "after pulse 2 azimuth steps by 2 times"),
        (EVEN, torch.arange(81).roll(3), "pulse 3 is not further along"),
        (EVEN, torch.arange(81).repeat(2), "not further along"),
        (EVEN, torch.tensor([4]), "1 pulses of 121 frequencies make no image"),
        (EVEN[:1], None, "81 pulses of 1 frequencies make no image"),
    ],
    ids=["notch", "missing pulse", "out of order", "two passes", "one pulse", "one frequency"],
)
def test_polar_format_refuses_steps_that_are_uneven(frequencies, rows, message):
    operator = one_pass(frequencies, rows)
    with pytest.raises(ValueError, match=message):
        polar_format(operator, echoes(operator, torch.zeros(1, 3, dtype=F64)), (20, 20), 0.15)


def test_polar_format_refuses_pulses_off_a_smooth_pass():
    number = torch.arange(81, dtype=F64)
    azimuths = ((number + (0.3 * number).sin()) * 6 / 80 - 3).deg2rad()
    geometry = RadarGeometry.spotlight(2e4, azimuths, torch.tensor([0.7], dtype=F64))
    box = Box((-4.0, -4.0, -0.1), (4.0, 4.0, 0.1))
    operator = PhaseHistory(box, geometry, EVEN, points=torch.zeros(1, 3))
    y = echoes(operator, torch.zeros(1, 3, dtype=F64))
    with pytest.raises(ValueError, match="off a smooth pass"):
        polar_format(operator, y, (80, 80), 0.15)


def test_polar_format_takes_a_pass_in_either_direction():
    forth, back = one_pass(), one_pass(rows=torch.arange(81).flip(0))
    place = torch.tensor([[1.2, -0.9, 0.0]], dtype=F64)
    image, _ = polar_format(forth, echoes(forth, place), (24, 24), 0.15)
    other, _ = polar_format(back, echoes(back, place), (24, 24), 0.15)
    assert error(other.abs(), image.abs()) < 1e-6


@pytest.mark.parametrize("image", [backproject, range_profiles, polar_format])
def test_a_dead_pulse_is_named_before_it_spoils_an_image(image):
    operator = one_pass()
    y = torch.ones(81, 121, dtype=C128)
    y[7, 3] = math.nan
    more = ((20, 20), 0.15) if image is polar_format else ()
    with pytest.raises(ValueError, match="NaN or Inf in 1 of 81 pulses, the first is pulse 7"):
        image(operator, y, *more)
    with pytest.raises(ValueError, match="complex echoes"):
        image(operator, y.real, *more)
