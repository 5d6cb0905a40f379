"""Time-division MIMO: a moving target's echoes, and the phase between transmitters put right."""

import math

import pytest
import torch
from cases.radar import C128, F64, NEAR, SLOW, bistatic, error, point

from inverse_inr.operators import FMCW, RadarGeometry
from inverse_inr.operators.radar.tdm import in_moving_frame, simultaneous

STARTS, PERIOD, LOOPS = (7e-6, 54e-6, 101e-6), 141e-6, 32


def slow_time(doppler: float) -> torch.Tensor:
    """Samples (1 frame, loops, chirps, 1) of a target that turns by `doppler` Hz."""
    times = PERIOD * torch.arange(LOOPS, dtype=F64)[:, None] + torch.tensor(STARTS, dtype=F64)
    turns = 2 * math.pi * doppler * times
    return torch.polar(torch.ones_like(turns), turns)[None, ..., None]


@pytest.mark.parametrize("cycles", [0, 3, -5, 12])
def test_chirps_of_a_moving_target_are_alike_once_simultaneous(cycles):
    samples = slow_time(cycles / (LOOPS * PERIOD))
    together = simultaneous(samples, STARTS, PERIOD)
    assert error(together, samples[:, :, :1].expand_as(samples)) < 1e-12


def test_velocities_between_doppler_bins_are_right_inside_the_frame():
    samples = slow_time(2.3 / (LOOPS * PERIOD))
    together = simultaneous(samples, STARTS, PERIOD)
    inside = slice(LOOPS // 4, 3 * LOOPS // 4)
    turn = (together[0, inside, 2, 0] / samples[0, inside, 0, 0]).angle()
    before = (samples[0, inside, 2, 0] / samples[0, inside, 0, 0]).angle()
    assert float(turn.abs().max()) < 0.1
    assert float(before.abs().min()) > 0.29


def test_a_moving_scene_is_a_still_one_in_its_own_frame():
    """A scatterer that has moved by v t at each pulse gives the echoes of one that stands still."""
    geometry = bistatic(6)
    velocity = (3.0, -2.0, 0.5)
    times = 1e-3 * torch.arange(6, dtype=F64)
    still = FMCW(NEAR, geometry, SLOW, spreading="none", points=point(0, 0, 0))
    moving = FMCW(
        NEAR,
        in_moving_frame(geometry, velocity, times),
        SLOW,
        bins=still.bins,
        spreading="none",
        points=point(0, 0, 0),
    )
    place = torch.tensor([0.05, -0.02, 0.03], dtype=F64)
    unit = torch.ones(1, dtype=F64)
    rows = torch.arange(6)
    moved = place + times[:, None] * torch.tensor(velocity, dtype=F64)
    parts = [still.respond(moved[k : k + 1], unit, rows[k : k + 1]) for k in range(6)]
    expected = torch.cat(parts)
    assert error(moving.respond(place[None], unit, rows), expected) < 1e-9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: simultaneous(slow_time(0.0), STARTS[:2], PERIOD), "2 chirps"),
        (lambda: simultaneous(slow_time(0.0).real, STARTS, PERIOD), "must be complex"),
        (lambda: simultaneous(slow_time(0.0), STARTS, 1e-6), "not all within a loop"),
        (lambda: simultaneous(slow_time(0.0), STARTS, -1.0), "loop_period=-1.0"),
        (lambda: simultaneous(torch.full((1, 2, 3), math.nan, dtype=C128), STARTS, 1.0), "finite"),
        (lambda: in_moving_frame(bistatic(3), (1.0, 2.0), torch.zeros(3)), "three components"),
        (lambda: in_moving_frame(bistatic(3), (1.0, 2.0, 0.0), torch.zeros(2)), "each of 3 pulses"),
    ],
)
def test_times_and_velocities_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_virtual_antennas_come_in_the_order_of_the_samples():
    transmitters, receivers = torch.eye(3, dtype=F64), 10 + torch.eye(3, dtype=F64)
    order = [2, 0, 1]
    geometry = RadarGeometry.mimo(transmitters[order], receivers)
    assert torch.equal(geometry.transmitters.reshape(3, 3, 3)[1, 2], transmitters[0])
    assert torch.equal(geometry.receivers.reshape(3, 3, 3)[1, 2], receivers[2])
