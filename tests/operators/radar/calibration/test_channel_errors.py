"""Gains, phases and delays of channels, against the geometry and the closed form they stand for."""

import math

import pytest
import torch
from cases.radar import NEAR, SLOW, bistatic

import inverse_inr as ii
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.operators import FMCW, ChannelErrors, PhaseHistory, VirtualArray
from inverse_inr.testing import OperatorTests

F64 = torch.float64
GRID = ii.Grid(NEAR, (3, 4, 2))
PAIRS = VirtualArray(2, 3)
ANTENNAS = VirtualArray(2, 3, separable=True)


def drawn(count: int, size: float = 1.0, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(count, dtype=F64, generator=generator)


def radar(pulses: int = 6, shift: torch.Tensor | float = 0.0, sign: int = +1) -> FMCW:
    geometry = bistatic(pulses, sign).referenced(shift)
    return FMCW(NEAR, geometry, SLOW, points=GRID, readout="samples")


def wrong(array: VirtualArray, around=None, gauge="mean", seed: int = 0) -> ChannelErrors:
    """Errors of up to 3 dB, any phase, a tenth of a range bin."""
    n = array.elements
    return ChannelErrors(
        radar(array.channels) if around is None else around,
        array,
        (0.2 * drawn(n, seed=seed)).exp(),
        drawn(n, 2.0, seed + 1),
        drawn(n, 0.1 / SLOW.bandwidth, seed + 2),
        gauge=gauge,
    )


@torch.no_grad()
def echoes(operator) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    scene = torch.randn(*GRID.shape, 1, dtype=torch.complex128, generator=generator)
    return operator(torch.arange(len(operator)))[1](scene)


class TestChannels(OperatorTests):
    def make(self) -> ChannelErrors:
        return wrong(PAIRS)


class TestAntennasAtTwoPoses(OperatorTests):
    def make(self) -> ChannelErrors:
        return wrong(ANTENNAS, radar(12))


class TestPhasesOfBins(OperatorTests):
    def make(self) -> ChannelErrors:
        bins = FMCW(NEAR, bistatic(6), SLOW, points=GRID)
        return ChannelErrors(bins, phases=drawn(6), gauge="first")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_delay_and_its_carrier_phase_are_a_longer_path(sign):
    """But for the residual video phase of the delay, 2π S tau d: below 3e-4 rad here."""
    away = drawn(6, 0.002)
    away = away - away.mean()
    delays = away / SPEED_OF_LIGHT
    plain = radar(sign=sign)
    middle = float(SLOW.frequencies.mean())
    errors = ChannelErrors(plain, phases=sign * 2 * math.pi * middle * delays, delays=delays)
    wanted = echoes(radar(shift=-away, sign=sign))
    distance = (echoes(errors) - wanted).abs().max() / wanted.abs().max()
    assert float(distance) < 5e-4


def test_a_gain_and_a_phase_multiply_all_values_of_a_channel_at_every_pose():
    gains = torch.tensor([1.0, 2.0, 0.5], dtype=F64)
    phases = torch.tensor([0.5, -2.0, 1.5], dtype=F64)
    errors = ChannelErrors(radar(6), VirtualArray(1, 3), gains, phases)
    factor = torch.polar(gains, phases).repeat(2)[:, None]
    torch.testing.assert_close(echoes(errors), echoes(radar(6)) * factor, rtol=1e-12, atol=1e-12)


def test_factors_of_antennas_are_products_of_transmitter_and_receiver():
    errors = ChannelErrors(radar(6), ANTENNAS, phases=torch.tensor([1.0, -1, 2, 0, -2]).double())
    angles = errors.factors(torch.arange(6)).angle()[:, 0].detach()
    wanted = torch.tensor([[3.0, 1, -1], [1, -1, -3]], dtype=F64).reshape(-1)
    torch.testing.assert_close(angles, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("array", [PAIRS, ANTENNAS])
@pytest.mark.parametrize("gauge", ["mean", "first"])
def test_what_all_channels_share_is_no_part_of_the_numbers(array, gauge):
    errors = wrong(array, gauge=gauge)
    with torch.no_grad():
        before = errors.factors(torch.arange(6))
        for values in (errors.log_gains, errors.angles, errors.edges):
            values += 0.7
    torch.testing.assert_close(errors.factors(torch.arange(6)), before, rtol=1e-12, atol=0)
    for values in (errors.gains.log(), errors.phases, errors.delays * SLOW.bandwidth):
        values = values.detach()
        zero = values[:2].mean() if array.separable else values.mean()
        if gauge == "first":
            zero = values[0]
        assert abs(float(zero)) < 1e-12


@pytest.mark.parametrize("array", [PAIRS, ANTENNAS])
def test_a_known_scene_tells_gains_phases_and_delays_in_closed_form(array):
    true = wrong(array)
    found = ChannelErrors(true.radar, array, delays=torch.zeros(array.elements))
    found.fit(echoes(true.radar), echoes(true))
    rows = torch.arange(6)
    ratio = found.factors(rows) / true.factors(rows)
    torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.gains, true.gains, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.delays, true.delays, rtol=0, atol=1e-6 / SLOW.bandwidth)
    plain = found.corrected(echoes(true)) * ratio[0, 0]
    torch.testing.assert_close(plain, echoes(true.radar), rtol=1e-5, atol=1e-5)


def test_noise_is_averaged_over_the_array_where_it_is_separable():
    """T + R - 1 numbers instead of T · R: the error falls by the square root of their ratio."""
    array = VirtualArray(6, 8, separable=True)
    n = array.elements
    true = ChannelErrors(radar(48), array, (0.2 * drawn(n)).exp(), drawn(n, 2.0, 1))
    rows = torch.arange(48)
    y = echoes(true)
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(y.shape, dtype=torch.complex128, generator=generator)
    y = y + 2.0 * y.abs().square().mean().sqrt() * noise
    errors = []
    for model in (VirtualArray(6, 8), array):
        found = ChannelErrors(true.radar, model)
        found.fit(echoes(true.radar), y)
        ratio = (found.factors(rows) / true.factors(rows))[:, 0].detach()
        errors.append(float((ratio / ratio.mean()).angle().square().mean().sqrt()))
    assert errors[1] < 0.8 * errors[0]  # sqrt(13 / 48) = 0.52


def test_the_best_fit_to_one_point_is_the_closed_form():
    """Learnt by gradients with the point's reflectivity and range, they end where `fit` does."""
    true = wrong(PAIRS)
    place = torch.tensor([[0.05, -0.03, 0.02]], dtype=F64)
    known = true.radar.at(place)
    rows = torch.arange(6)
    one = torch.ones(1, 1, dtype=F64)
    noise = torch.randn(6, 64, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    predicted = known(rows)[1](one)
    y = true.factors(rows).detach() * predicted + 0.1 * predicted.abs().mean() * noise
    closed = ChannelErrors(known, PAIRS, delays=torch.zeros(6))
    closed.fit(predicted, y)
    learnt = ChannelErrors(known, PAIRS, true.gains, closed.phases + 0.3 * drawn(6), torch.zeros(6))
    sigma = torch.tensor([0.8, 0.4, 0.0], dtype=F64, requires_grad=True)
    assert learnt.offsets is not None
    band = learnt.offsets / learnt.offsets.max()
    optimizer = torch.optim.LBFGS(
        [*learnt.parameters(), sigma],
        max_iter=200,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.complex(sigma[0], sigma[1]).reshape(1, 1)
        moved = learnt(rows)[1](value) * torch.exp(1j * sigma[2] * band)
        misfit = (moved - y).abs().square().mean()
        misfit.backward()
        return misfit

    optimizer.step(loss)
    turn = (learnt.phases - closed.phases).detach()
    assert float((turn - turn.mean()).abs().max()) < 1e-4
    torch.testing.assert_close(learnt.gains, closed.gains, rtol=1e-4, atol=0)
    torch.testing.assert_close(learnt.delays, closed.delays, rtol=0, atol=1e-4 / SLOW.bandwidth)


def test_numbers_stay_float64_and_follow_the_echoes():
    errors = wrong(PAIRS).float()
    assert errors.angles.dtype == F64
    scene = torch.ones(*GRID.shape, 1)
    assert errors(torch.arange(2))[1](scene).dtype == torch.complex64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"array": VirtualArray(2, 4)}, "6 pulses, no multiple of the 8 channels"),
        ({"array": ANTENNAS, "phases": torch.zeros(6)}, r"shape \(6,\).* has 5 T \+ R antennas"),
        ({"gains": torch.tensor([1.0, 0, 1, 1, 1, 1])}, "must be positive, got 0"),
        ({"delays": torch.full((6,), math.nan)}, "delays"),
    ],
)
def test_numbers_that_do_not_fit_the_array_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ChannelErrors(radar(), **arguments)


def test_bins_have_no_delays():
    bins = FMCW(NEAR, bistatic(6), SLOW, points=GRID)
    with pytest.raises(TypeError, match=r"needs the frequencies of FMCW\(readout='samples'\)"):
        ChannelErrors(bins, delays=torch.zeros(6))
    tones = torch.linspace(9e9, 10e9, 9, dtype=F64)
    ChannelErrors(PhaseHistory(NEAR, bistatic(6), tones, points=GRID), delays=torch.zeros(6))


def test_a_channel_without_an_echo_is_named():
    errors = ChannelErrors(radar())
    y = echoes(radar())
    with pytest.raises(ValueError, match="nothing is told of 1 of 6 channels, the first is 5"):
        errors.fit(y[:5], y[:5], torch.arange(5))
