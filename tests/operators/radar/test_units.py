"""Slips of unit that physics contradicts are refused; unusual radars are not."""

import math

import pytest
import torch
from cases.radar import F64, NEAR, SLOW, bistatic, origin, point

from inverse_inr import Box
from inverse_inr.operators import FMCW, Chirp, FarField, PhaseHistory, RadarGeometry

FAR = RadarGeometry.spotlight(1e4, torch.linspace(0, 0.05, 4, dtype=F64), torch.tensor([0.7]))
CAR = Box((-2.0,) * 3, (2.0,) * 3, ("m",) * 3)
X_BAND = torch.linspace(9.3e9, 9.9e9, 40, dtype=F64)


def history(frequencies=X_BAND, geometry=FAR, box=CAR) -> PhaseHistory:
    return PhaseHistory(box, geometry, frequencies, points=point(0, 0, 0))


def scaled(geometry: RadarGeometry, factor: float) -> RadarGeometry:
    """The same pulses with antennas at another scale and the same reference."""
    return RadarGeometry(
        geometry.transmitters * factor, None, geometry.sign, geometry.reference_path
    )


SLIPS = [
    (lambda: Chirp(77.0, 70e12, 5e6, 256), "start_frequency is 77 Hz.*Given in GHz"),
    (lambda: Chirp(77e3, 70e12, 5e6, 256), "start_frequency is 77000 Hz.*MHz or kHz"),
    (lambda: FMCW(NEAR, bistatic(), Chirp(77e9, 70.0, 5e6, 256)), "slope in MHz/µs"),
    (lambda: FMCW(NEAR, bistatic(), Chirp(77e9, 70e6, 5e6, 256)), "slope in MHz/µs"),
    (lambda: FMCW(NEAR, bistatic(), Chirp(77e9, -70.0, 5e6, 256)), "slope in MHz/µs"),
    (lambda: Chirp(77e9, 70e12, 5.0, 256), "no radar or lidar sends above"),
    (lambda: FMCW(NEAR, bistatic(), Chirp(77e9, 70e12, 5e3, 256)), "beyond the chirp's"),
    (lambda: Chirp(77e9, 70e12, 5e6, 256, 6.0), "A start_time in µs"),
    (lambda: history(X_BAND / 1e9), "highest frequency is 9.9 Hz.*GHz"),
    (lambda: history(X_BAND / 1e6), "highest frequency is 9900 Hz.*MHz"),
    (lambda: history(X_BAND * 1e9), "no radar or lidar"),
    (lambda: history(torch.zeros(1, dtype=F64)), "0 Hz"),
    (lambda: history(torch.tensor([1e6, 2e6]), bistatic(), NEAR), "longer than ten times"),
    (lambda: FarField(CAR, FAR, X_BAND / 1e9), "GHz"),
    (lambda: history(geometry=scaled(FAR, 1e3)), "One of the two in km"),
    (lambda: history(geometry=scaled(FAR, 1e-3)), "One of the two in km"),
]


@pytest.mark.parametrize(("make", "message"), SLIPS, ids=range(len(SLIPS)))
def test_slips_of_unit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: history(torch.linspace(20e6, 90e6, 8, dtype=F64)),
        lambda: history(torch.linspace(0.1e6, 5.5e6, 8, dtype=F64)),
        lambda: FMCW(NEAR, bistatic(), Chirp(0.0, SLOW.slope, 5e6, 64), points=point(0, 0, 0)),
        lambda: FMCW(NEAR, bistatic(), Chirp(24e9, 250e6 / 1e-3, 1e6, 256), points=point(0, 0, 0)),
        lambda: FMCW(NEAR, bistatic(), Chirp(193e12, 1e15, 1e9, 1024), points=point(0, 0, 0)),
        lambda: history(torch.tensor([9.6e9], dtype=F64)),
        lambda: FMCW(NEAR, bistatic(reference=0.05), SLOW, points=point(0, 0, 0)),
        lambda: history(torch.linspace(2e9, 8e9, 40, dtype=F64), bistatic(4, -1), NEAR),
    ],
    ids=[
        "low VHF SAR",
        "ionosphere sounder",
        "baseband",
        "slow ramp",
        "lidar",
        "one tone",
        "cable",
        "microwave tomography",
    ],
)
def test_unusual_radars_are_no_slips(make):
    assert len(make()) > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chirp(math.nan, 1e12, 5e6, 64), "start_frequency=nan must be"),
        (lambda: Chirp(77e9, 1e12, 0.0, 64), "sample_rate=0.0 must be"),
        (lambda: Chirp(77e9, 1e12, 5e6, 0), "samples=0 must be"),
        (lambda: Chirp(77e9, 1e12, 5e6, 64, -1e-6), "start_time=-1e-06 must be"),
        (lambda: RadarGeometry.cylinder(-1.0, torch.zeros(2), torch.zeros(1)), "radius=-1.0"),
        (lambda: RadarGeometry.spotlight(math.inf, torch.zeros(2), torch.zeros(1)), "distance=inf"),
        (lambda: RadarGeometry.cylinder(1.0, torch.tensor([math.nan]), torch.zeros(1)), "azimuths"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, size=0), "size=0 must be"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, degree=-1), "degree=-1 must be"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, window="hanning"), "window='hanning'"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, readout="bin"), "readout='bin'"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, basis="cells"), "basis='cells'"),
        (lambda: FMCW(NEAR, bistatic(), SLOW, spreading="square"), "spreading='square'"),
        (lambda: FMCW(NEAR, origin(), bistatic()), "chirp=.* must be a Chirp"),
        (lambda: PhaseHistory(FAR, CAR, X_BAND), "box=.* must be a Box"),
        (lambda: SLOW.bins_for(NEAR, bistatic(), margin=-1), "margin=-1 must be"),
        (lambda: history().stored(limit=-1), "limit=-1 must be"),
        (lambda: history().pulses(torch.tensor([9])), "pulses 9 to 9 are asked for"),
        (lambda: history().pulses(torch.tensor([0.5])), "integer"),
        (lambda: history().at("here"), "points='here' must be"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(make, message):
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        make()


@pytest.mark.parametrize(
    ("transmitters", "reference", "message"),
    [
        (torch.tensor([[1.0, 0, 0], [math.nan, 0, 0]]), 0.0, "transmitters .* pulse 1"),
        (torch.ones(2, 3), torch.tensor([math.inf, 0.0]), "reference_path .* pulse 0"),
    ],
)
def test_antennas_without_a_place_are_named_by_pulse(transmitters, reference, message):
    with pytest.raises(ValueError, match=message):
        RadarGeometry(transmitters, reference_path=reference)


@pytest.mark.parametrize(
    ("azimuths", "elevations", "message"),
    [
        ([0.0, 0.05], [40.0], "elevations up to 40 are no radians .* In degrees"),
        ([40.0, 43.0], [0.7], "azimuths up to 43 are no radians .* In degrees"),
    ],
)
def test_angles_in_degrees_are_refused(azimuths, elevations, message):
    with pytest.raises(ValueError, match=message):
        RadarGeometry.spotlight(1e4, torch.tensor(azimuths), torch.tensor(elevations))
