"""Spectrograms compare what sounds when, in any unit, and not its phase."""

import math

import pytest
import torch

from inverse_inr.fidelity import MultiResolutionSTFT

N = 400
TIME = torch.arange(N, dtype=torch.float64) / N
NOISE = torch.randn(N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LOSS = MultiResolutionSTFT(N, (16, 64))


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_costs_its_distance_from_one_and_its_logarithm(gain: float) -> None:
    """Of noise, which is loud everywhere: |1 - g| of the norms, |log g| of the logarithms."""
    expected = abs(1 - gain) + abs(math.log(gain))
    assert float(LOSS(gain * NOISE, NOISE)) == pytest.approx(expected, rel=1e-3)
    half = MultiResolutionSTFT(N, (16, 64), 0.5)
    expected = abs(1 - gain) + 0.5 * abs(math.log(gain))
    assert float(half(gain * NOISE, NOISE)) == pytest.approx(expected, rel=1e-3)


def test_it_has_no_unit_and_hears_no_sign() -> None:
    other = NOISE.roll(7)
    torch.testing.assert_close(LOSS(1e3 * other, 1e3 * NOISE), LOSS(other, NOISE))
    assert float(LOSS(-NOISE, NOISE)) == pytest.approx(0.0, abs=1e-9)


def test_a_phase_costs_less_than_a_frequency() -> None:
    tone, turned, higher = (
        torch.sin(2 * math.pi * f * TIME + phase) for f, phase in ((50, 0), (50, 1.3), (58, 0))
    )
    assert float(LOSS(turned, tone)) < 0.1 * float(LOSS(higher, tone))


def test_channels_are_heard_one_by_one() -> None:
    two = torch.stack([NOISE, NOISE], -1)
    torch.testing.assert_close(LOSS(0.5 * two, two), LOSS(0.5 * NOISE, NOISE))


def test_the_gradient_is_finite_at_silence_and_a_finite_difference_elsewhere() -> None:
    silence = torch.zeros(N, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LOSS(silence, NOISE), silence)
    assert bool(slope.isfinite().all())
    small = MultiResolutionSTFT(12, (4, 8))
    p, y = NOISE[:12].clone().requires_grad_(), NOISE[20:32]
    torch.autograd.gradcheck(lambda q: small(q, y), (p,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MultiResolutionSTFT(0), "MultiResolutionSTFT: samples=0"),
        (lambda: MultiResolutionSTFT(100, ()), r"windows=\(\) must be of 4 samples"),
        (lambda: MultiResolutionSTFT(100, (2, 8)), r"windows=\(2, 8\) must be of 4 samples"),
        (lambda: MultiResolutionSTFT(100, (8, 128)), "none longer than the signal of samples=100"),
        (lambda: MultiResolutionSTFT(100, (8,), -1.0), "MultiResolutionSTFT: logarithms=-1"),
        (lambda: LOSS(NOISE[:9], NOISE[:9]), "needs all rows in order"),
    ],
)
def test_what_is_no_spectrogram_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
