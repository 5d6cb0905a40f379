"""Signal equations against closed forms, and tissue maps through them."""

import math

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import (
    CartesianKSpace,
    GradientEchoes,
    InversionRecovery,
    PointSamples,
    SpinEcho,
    ThroughSequence,
)
from inverse_inr.operators.kspace.sequences import FAT_AMPLITUDES, Sequence
from inverse_inr.testing import OperatorTests

F64 = torch.float64
GRID = ii.Grid(ii.Box((-1.0, -1.0), (1.0, 1.0)), (6, 5))
TIMES = torch.tensor([0.01, 0.03, 0.08], dtype=F64)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 2, generator=torch.Generator().manual_seed(3), dtype=F64)


class TestEchoesOfMaps(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> ThroughSequence:
        masks = torch.ones(3, 6, 5, dtype=torch.bool)
        masks[:, ::2, 1] = False
        coils = torch.view_as_complex(random(2, 6, 5))
        inner = CartesianKSpace(GRID, masks, coils, basis=torch.eye(3, dtype=F64))
        return ThroughSequence(inner, SpinEcho(TIMES))


class TestGradientEchoesOfMaps(OperatorTests):
    linear = False
    channels = 4

    def make(self) -> ThroughSequence:
        return ThroughSequence(PointSamples(GRID.points(F64)), GradientEchoes(TIMES))


def test_a_spin_echo_halves_after_ln_2_of_t2():
    t2 = 0.08
    signal = SpinEcho(t2 * math.log(2) * torch.tensor([0.0, 1.0, 2.0], dtype=F64))
    maps = torch.tensor([[3.0, 1 / t2]], dtype=F64)
    torch.testing.assert_close(signal(maps), torch.tensor([[3.0, 1.5, 0.75]], dtype=F64))


def test_inversion_recovery_is_what_the_bloch_equation_makes_of_it():
    """M' = (1 - M) / T1 by small steps: from 0, where it was read, to TR - TI; inverted; to TI."""
    t1, repetition, times = 0.9, 2.0, torch.tensor([0.1, 0.7, 1.5], dtype=F64)
    step = 1e-3
    seen = []
    for inversion in times.tolist():
        m = 0.0
        for _ in range(round((repetition - inversion) / step)):
            m += step * (1 - m) / t1
        m = -m
        for _ in range(round(inversion / step)):
            m += step * (1 - m) / t1
        seen.append(m)
    maps = torch.tensor([1.0, 1 / t1], dtype=F64)
    found = InversionRecovery(times, repetition)(maps)
    torch.testing.assert_close(found, torch.tensor(seen, dtype=F64), rtol=0, atol=2e-3)


def test_inversion_recovery_crosses_zero_at_ln_2_of_t1():
    signal = InversionRecovery(torch.tensor([0.0, 0.7 * math.log(2)], dtype=F64))
    found = signal(torch.tensor([2.0, 1 / 0.7], dtype=F64))
    torch.testing.assert_close(found, torch.tensor([-2.0, 0.0], dtype=F64))


def test_water_decays_and_turns_and_fat_beats_against_it():
    """Water is a plain exponential; fat begins in phase and at 3 T opposes water after 1.15 ms."""
    assert sum(FAT_AMPLITUDES) == pytest.approx(1, abs=2e-3)
    echoes = GradientEchoes(torch.tensor([0.0, 1.15e-3], dtype=F64), 3.0)
    water = echoes(torch.tensor([2.0, 0.0, 25.0, 80.0], dtype=F64))
    exact = 2 * torch.exp(1.15e-3 * torch.tensor(-25 + 2j * math.pi * 80))
    torch.testing.assert_close(water[1], exact.to(water), rtol=1e-6, atol=0)
    fat = echoes(torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=F64))
    assert float(fat[0].real) == pytest.approx(sum(FAT_AMPLITUDES))
    assert float(fat[1].real) < -0.6


@pytest.mark.parametrize(
    ("sequence", "maps"),
    [
        (SpinEcho(TIMES), [0.8, 12.0]),
        (InversionRecovery(TIMES, 0.5), [0.8, 1.2]),
        (GradientEchoes(TIMES), [0.6, 0.3, 20.0, 35.0]),
    ],
)
def test_derivatives_are_those_of_finite_differences(sequence: Sequence, maps: list[float]):
    """The Jacobian that pixel-wise fits use, against central differences."""
    point = torch.tensor(maps, dtype=F64)

    def signal(x: torch.Tensor) -> torch.Tensor:
        s = sequence(x)
        return torch.view_as_real(s).flatten() if s.is_complex() else s

    step = 1e-5 * torch.tensor([1.0, -0.5, 0.7, 0.3], dtype=F64)[: len(maps)]
    difference = (signal(point + step) - signal(point - step)) / 2
    slopes = torch.func.jacrev(signal)(point)
    assert isinstance(slopes, torch.Tensor)
    torch.testing.assert_close(slopes @ step, difference, rtol=1e-6, atol=1e-10)


def test_wrong_times_and_maps_are_refused():
    with pytest.raises(ValueError, match="Milliseconds"):
        SpinEcho(torch.tensor([10.0, 160.0]))
    with pytest.raises(ValueError, match="not longer"):
        InversionRecovery(torch.tensor([0.1, 2.0]), 1.0)
    with pytest.raises(ValueError, match="magnetisation, R2"):
        SpinEcho(TIMES)(torch.ones(3))
