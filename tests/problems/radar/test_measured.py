"""Measured phase history with dead pulses, notches and slips; and arguments out of range."""

import math
from pathlib import Path

import pytest
import torch
from cases.radar import F64

from inverse_inr import Problem, memory
from inverse_inr.io import PhaseData, write_radar
from inverse_inr.operators import PhaseHistory, RadarGeometry, backproject
from inverse_inr.problems.radar import fmcw, phase_history, sar, sar_views, surfaces
from inverse_inr.problems.radar.phase_data import gated, spotlighted
from inverse_inr.problems.radar.sar import voxels

# narrow apertures cannot show the sign: tests/operators/radar/test_phase_sign.py
pytestmark = pytest.mark.filterwarnings("ignore:The phase sign -1 was not checked")

TARGET = torch.tensor([0.5, -0.4, 0.0], dtype=F64)
TONES = torch.linspace(9.3e9, 9.9e9, 48, dtype=F64)


def one_point() -> PhaseData:
    """The echoes of one point at TARGET, of 24 pulses over six degrees."""
    azimuths = torch.linspace(-3, 3, 24, dtype=F64).deg2rad()
    g = RadarGeometry.spotlight(1e4, azimuths, torch.tensor([0.7], dtype=F64))
    path = 2 * torch.linalg.vector_norm(g.transmitters - TARGET, dim=1) - g.reference_path
    turns = path[:, None] * TONES / 299_792_458.0
    y = torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)
    return PhaseData(y, TONES, g.transmitters, g.transmitters, g.reference_path, -1)


def problem_of(data: PhaseData, folder: Path) -> Problem:
    write_radar(folder / "a.h5", data)
    return phase_history(str(folder / "a.h5"), size=(3.0, 3.0), pitch=0.1)


def distance_to_target(problem: Problem) -> float:
    """Distance in metres of the backprojected image's peak from the point."""
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    image = backproject(operator, problem.terms[0].y).abs().flatten()
    return float((operator.points[int(image.argmax())] - TARGET)[:2].norm())


@pytest.mark.parametrize("value", [math.nan, math.inf, 0])
def test_dead_pulses_are_left_out_and_counted(tmp_path, value):
    data = one_point()
    data.y[[5, 11]] = value
    problem = problem_of(data, tmp_path)
    assert problem.notes["pulses left out"].startswith("2 of 24")
    assert len(problem.terms[0].y) == 22
    assert bool(torch.isfinite(problem.terms[0].y).all())
    assert distance_to_target(problem) < 0.1


@pytest.mark.parametrize("value", [math.nan, 0])
def test_notches_are_left_out_and_the_point_stays_in_its_place(tmp_path, value):
    data = one_point()
    data.y[:, 20:24] = value
    problem = problem_of(data, tmp_path)
    assert problem.notes["frequencies left out"].startswith("4 of 48")
    assert problem.notes["range gate"].startswith("none: frequencies are uneven")
    assert distance_to_target(problem) < 0.1


def test_good_data_have_no_such_notes(tmp_path):
    assert set(problem_of(one_point(), tmp_path).notes) == {"gain of y", "phase sign"}


def test_nothing_but_dead_pulses_is_refused(tmp_path):
    data = one_point()
    data.y[:] = math.nan
    with pytest.raises(ValueError, match="all 24 pulses are NaN or zero"):
        problem_of(data, tmp_path)


def test_the_gate_refuses_dead_pulses_by_number(tmp_path):
    data = one_point()
    data.y[7, 0] = math.nan
    box = problem_of(one_point(), tmp_path).box
    with pytest.raises(ValueError, match="the first is pulse 7"):
        gated(data, box)
    with pytest.raises(ValueError, match="1 frequency"):
        gated(data._replace(y=data.y[:, :1].nan_to_num(), frequencies=TONES[:1]), box)


def test_the_filter_across_pulses_refuses_a_gap(tmp_path):
    data = one_point()
    keep = torch.arange(24) != 9
    short = data._replace(
        y=data.y[keep],
        transmitters=data.transmitters[keep],
        receivers=data.receivers[keep],
        reference_path=data.reference_path[keep],
    )
    box = problem_of(data, tmp_path).box
    block = torch.zeros(23, dtype=torch.long)
    with pytest.raises(ValueError, match=r"after pulse 8, .* A pulse is missing or dead"):
        spotlighted(short.y, short, box, block)
    block[9:] = 1  # the gap lies between two blocks
    assert spotlighted(short.y, short, box, block).shape == short.y.shape


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (sar, {"aperture": -3.0}, "aperture=-3.0 must be"),
        (sar, {"azimuths": 0}, "azimuths=0 must be"),
        (sar, {"frequencies": -1}, "frequencies=-1 must be"),
        (sar, {"start_frequency": math.nan}, "start_frequency=nan must be"),
        (sar, {"start_frequency": 9.9e9, "stop_frequency": 9.3e9}, "must lie above"),
        (sar, {"start_frequency": 9.3, "stop_frequency": 9.9}, "GHz"),
        (sar, {"elevations": [100.0]}, "Number 0 is 100"),
        (sar, {"elevations": []}, "transmitters must be"),
        (sar, {"distance": 0.0}, "distance=0.0 must be"),
        (sar, {"snr": 1e9}, "snr=1000000000.0 must be"),
        (sar, {"pitch": 20.0}, "longer than the box"),
        (fmcw, {"scene": "aeroplan"}, "aeroplane"),
        (fmcw, {"samples": 0}, "samples=0 must be"),
        (fmcw, {"bandwidth": -4e9}, "bandwidth=-4000000000.0 must be"),
        (fmcw, {"radius": math.inf}, "radius=inf must be"),
        (fmcw, {"window": "hanning"}, "window='hanning'"),
        (fmcw, {"seed": -1}, "seed=-1 must be"),
        (fmcw, {"heights": "8"}, "Leave out the quotes"),
        (surfaces, {"tones": 0}, "tones=0 must be"),
        (surfaces, {"radius": 1e30}, "float64"),
        (sar_views, {"incidences": []}, "incidences is empty"),
        (sar_views, {"pitch": 100.0}, "longer than the scene"),
        (sar_views, {"looks": 0.0}, "looks=0.0 must be"),
        (phase_history, {"path": "a.h5", "every": 0}, "every=0 must be"),
        (phase_history, {"path": "a.h5", "size": (3.0, -3.0)}, "Number 1 is -3"),
        (phase_history, {"path": 3}, "path=3 must be"),
        (voxels, {"lengths": (1.0, 0.0), "pitch": 0.1}, "Number 1 is 0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(make, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**options)


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (sar, {"azimuths": 10**10}),
        (sar, {"frequencies": 10**11}),
        (fmcw, {"samples": 10**11}),
        (fmcw, {"heights": 10**10}),
        (surfaces, {"scatterers": 10**12}),
        (surfaces, {"tones": 10**11}),
        (sar_views, {"pixels": 10**6}),
        (sar_views, {"views": 10**9}),
    ],
)
def test_sizes_beyond_any_memory_are_refused_before_they_are_allocated(make, options):
    with pytest.raises(memory.OutOfMemoryError, match="of memory"):
        make(**options)
