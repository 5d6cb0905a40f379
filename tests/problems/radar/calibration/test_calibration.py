"""Channels of an array: exact from one point, near the bound in noise, and with a scene."""

import math
from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import ChannelErrors, PulseErrors, VirtualArray
from inverse_inr.problems.radar import fmcw_calibration, sar
from inverse_inr.problems.radar.calibration import (
    calibrated,
    channel_misfit,
    coherence,
    reflector_bound,
    reflector_calibration,
    sparse_calibration,
)
from inverse_inr.problems.radar.calibration.classical import channels_of, uncalibrated
from inverse_inr.problems.radar.calibration.errors import DECIBEL, channel_errors
from inverse_inr.problems.radar.calibration.simulated import Faults, Line, true_channels
from inverse_inr.problems.radar.calibration.targets import POINTS, targets
from inverse_inr.solver import Solver

F64 = torch.float64
SMALL = Line(2, 6, bandwidth=1.5e9, samples=32)
COARSE = (0.08, 0.05)


def small(scene="points", **options) -> ii.Problem:
    return fmcw_calibration(scene, array=SMALL, pitch=COARSE, **options)


def bare(problem: ii.Problem) -> ChannelErrors:
    """The radar with channels of no error, with delays."""
    errors = channels_of(problem)
    return ChannelErrors(errors.radar, errors.array, delays=torch.zeros(errors.array.elements))


@pytest.fixture(scope="module")
def one_point() -> ii.Problem:
    return small("reflector", start="zero", snr=150.0, seed=4)


def test_drawn_errors_are_as_large_as_they_are_said_to_be(one_point):
    radar = channels_of(one_point).radar
    errors = channel_errors(radar, VirtualArray(2, 6), gain=3.0, phase=2.0, delay=1e-10, seed=1)
    spans = (errors.log_gains * DECIBEL / 3.0, errors.angles / 2.0, errors.delays / 1e-10)
    for values in spans:
        assert 1.0 < float(values.max() - values.min()) <= 2.0
    assert not any(p.requires_grad for p in errors.parameters())


def test_what_no_scene_tells_is_no_misfit(one_point):
    true = true_channels(one_point)
    number = torch.arange(12, dtype=F64)
    moved = ChannelErrors(
        true.radar,
        None,
        1.7 * true.gains,
        true.phases + 0.4 + 1.9 * number,
        true.delays + 1e-11 * (3 - number),
    )
    misfit = channel_misfit(moved, true)
    assert misfit.gain < 1e-9
    assert misfit.phase < 1e-4
    assert misfit.delay < 1e-20
    assert channel_misfit(moved, true, line=False).phase > 1.0
    off = ChannelErrors(true.radar, None, true.gains, true.phases + 0.1 * (-1) ** number)
    assert channel_misfit(off, true).phase == pytest.approx(0.1, rel=0.02)


def test_a_reflector_tells_all_of_the_channels(one_point):
    true = true_channels(one_point)
    echoes, place = (one_point.notes[f"reflector {what}"] for what in ("echoes", "place"))
    found = reflector_calibration(bare(one_point), echoes, place)
    misfit = channel_misfit(found, true, line=False)
    assert misfit.gain < 1e-5
    assert misfit.phase < 1e-6
    assert misfit.delay * SMALL.bandwidth < 1e-6


def test_a_reflector_in_noise_tells_them_to_the_cramer_rao_bound():
    line = Line(8, 16, bandwidth=1.5e9, samples=32)
    problem = fmcw_calibration(
        "reflector",
        array=line,
        faults=Faults(gain=0.0),
        start="zero",
        pitch=(0.4, 0.4),
        snr=10.0,
        seed=2,
    )
    notes = problem.notes
    found = reflector_calibration(
        bare(problem), notes["reflector echoes"], notes["reflector place"]
    )
    misfit = channel_misfit(found, true_channels(problem), line=False)
    bound = reflector_bound(found.radar, 1.0, 10**-0.5)
    for measured, least in zip(misfit, bound, strict=True):
        assert 0.8 < measured / least < 1.25  # rms of 128 channels: 6 %


def test_one_unknown_point_tells_them_but_for_a_line(one_point):
    found = bare(one_point)
    coherence(found, one_point.terms[0].y)
    misfit = channel_misfit(found, true_channels(one_point))
    assert misfit.phase < 0.02  # the point lies between pixels
    assert misfit.delay * SMALL.bandwidth < 0.02


@pytest.mark.parametrize("per", ["channels", "antennas"])
def test_a_sparse_scene_and_its_channels_are_found_together(per):
    faults = Faults(per, phase=0.6, delay=0.1)
    problem = small(faults=faults, start="zero", learn=True, snr=40.0, seed=3)
    assert len(channels_of(problem).angles) == {"channels": 12, "antennas": 8}[per]
    true = true_channels(problem)
    before = channel_misfit(channels_of(problem), true)
    answer = sparse_calibration(problem, rounds=8, iterations=12)
    after = channel_misfit(channels_of(answer.problem), true)
    assert after.phase < 0.3 * before.phase
    assert channels_of(problem).angles.requires_grad
    assert not channels_of(problem).angles.detach().any()  # the problem is as it was


def test_scenes_have_points_apart_and_a_wall_of_their_energy():
    room, points = targets("room", 7), targets("points", 7)
    assert torch.equal(room.places[:POINTS], points.places)
    away = torch.cdist(points.places, points.places) + 10 * torch.eye(POINTS)
    assert float(away.min()) >= 0.2
    wall = room.amplitudes[POINTS:].abs().square().sum()
    assert float(wall / points.amplitudes.abs().square().sum()) == pytest.approx(1.0)


def test_measurements_are_those_of_the_true_channels():
    problem = small("points", snr=190.0, start="zero", seed=1)
    places, amplitudes = targets("points", 1)
    true = true_channels(problem)
    with torch.no_grad():
        echoes = true.radar.at(places)(torch.arange(12))[1](amplitudes[:, None])
        echoes = echoes * true.factors(torch.arange(12))
    y = problem.terms[0].y.to(echoes)
    along = (echoes.conj() * y).sum() / echoes.abs().square().sum()
    assert float((y - along * echoes).abs().max() / y.abs().max()) < 1e-5
    assert problem.notes["true phases"].abs().max() < math.pi + 1.5


def test_channels_begin_where_they_are_told_to():
    reflector = small("points", start="reflector", snr=30.0, seed=1)
    assert channel_misfit(channels_of(reflector), true_channels(reflector), line=False).phase < 0.05
    begun = channels_of(reflector)
    beside = reflector.suggested.baselines["reflector"](reflector)
    torch.testing.assert_close(channels_of(beside.problem).phases, begun.phases)
    plain = replace(reflector, terms=[replace(reflector.terms[0], operator=begun.radar)])
    torch.testing.assert_close(channels_of(calibrated(plain, start=begun)).phases, begun.phases)
    with pytest.raises(
        ValueError, match=r"start is of .*receivers=6.*, not of array=.*receivers=4"
    ):
        calibrated(plain, VirtualArray(3, 4), begun)


def test_channels_are_learnt_only_where_that_is_asked_for():
    for learn in (False, True):
        problem = small(start="coherence", learn=learn, seed=1)
        assert channels_of(problem).angles.requires_grad is learn
        assert ("learnt" in problem.notes["channels"]) is learn
    still = small(start="coherence", seed=1)
    before = channels_of(still).phases.detach().clone()
    assert before.any()
    after = channels_of(Solver(still, steps=2).run().problem).phases
    assert torch.equal(after, before)


@pytest.mark.slow
def test_channels_are_learnt_with_the_scene():
    problem = fmcw_calibration(start="coherence", learn=True, seed=6)
    true = true_channels(problem)
    before = channel_misfit(channels_of(problem), true)
    after = channel_misfit(channels_of(Solver(problem, steps=150).run().problem), true)
    assert after.phase < 0.5 * before.phase


@pytest.mark.parametrize("asked", [calibrated, sparse_calibration, uncalibrated])
def test_problems_of_another_operator_are_refused(asked):
    problem = sar(azimuths=4, pitch=1.0)
    if asked is calibrated:
        errors = PulseErrors(problem.terms[0].operator)
        problem = replace(problem, terms=[replace(problem.terms[0], operator=errors)])
    with pytest.raises(TypeError, match=r"PulseErrors|ChannelErrors"):
        asked(problem)


def test_a_place_of_no_three_coordinates_is_refused(one_point):
    with pytest.raises(ValueError, match=r"place must be \(3,\) in metres, got \(2,\)"):
        reflector_calibration(bare(one_point), one_point.terms[0].y, torch.zeros(2))
