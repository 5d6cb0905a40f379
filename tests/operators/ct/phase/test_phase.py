"""Phase contrast: conformance, and waves whose propagation has a closed form."""

import math

import pytest
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.operators import ParallelBeam
from inverse_inr.operators.ct.phase.propagation import (
    PhaseContrast,
    fresnel,
    transported,
    wavelength,
)
from inverse_inr.operators.ct.phase.retrieval import contrast_transfer, paganin
from inverse_inr.testing import OperatorTests

F64 = torch.float64
BOX = ii.Box((-8.0, -8.0), (8.0, 8.0))
DISTANCES = torch.tensor([0.0, 30.0, 100.0], dtype=F64)


def beam(views: int = 3, detectors: int = 8) -> ParallelBeam:
    angles = torch.arange(views, dtype=F64) * math.pi / views
    return ParallelBeam(BOX, angles, detectors, samples=16)


class TestTwoChannels(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> PhaseContrast:
        return PhaseContrast(beam(), DISTANCES, 0.01, 2.0, gather=2)


class TestJoined(OperatorTests):
    linear = False

    def make(self) -> PhaseContrast:
        ratio = torch.nn.Parameter(torch.tensor(3.0, dtype=F64))
        return PhaseContrast(beam(), DISTANCES, 0.01, 2.0, ratio=ratio, joined=True)


class TestTransport(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> PhaseContrast:
        return PhaseContrast(beam(), 0.01 * DISTANCES, 0.01, 2.0, model="transport")


class TestOnGrid(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> PhaseContrast:
        return PhaseContrast(beam(), DISTANCES, 0.01, 2.0).on(ii.Grid(BOX, (9, 8)))


def places(count: int, pitch: float) -> Tensor:
    return pitch * (torch.arange(count, dtype=F64) - 0.5 * (count - 1))


def test_the_wavelength_of_12_4_kev_is_an_angstrom():
    assert wavelength(12.398419843) == pytest.approx(1e-4)


@pytest.mark.parametrize("bend", [0.0, 0.05, -0.05])
def test_a_gaussian_wave_stays_one(bend: float):
    """exp(-c x²) becomes √(c'/c) exp(-c' x²) with 1/c' = 1/c + iλz/π."""
    x = places(400, 0.25)
    wide, length = 0.02, 0.3
    distances = torch.tensor([0.0, 20.0, 60.0], dtype=F64)
    seen = fresnel((2 * wide * x**2)[None], (bend * x**2)[None], distances, length, 0.25)[0]
    for z, found in zip(distances.tolist(), seen, strict=True):
        c = complex(wide, bend)
        later = 1 / (1 / c + 1j * length * z / math.pi)
        expected = abs(later / c) * torch.exp(-2 * later.real * x**2)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_a_weak_wave_has_the_contrast_transfer_of_its_frequency():
    count, length = 64, 0.05
    x = places(count, 1.0)
    f = 4 / 128  # of the continued views, which are twice as long: the edges are far from here
    wave = 1e-4 * torch.cos(2 * math.pi * f * x) * torch.exp(-((x / 12) ** 4))
    z = torch.tensor([0.25 / (math.pi * length * f**2)], dtype=F64)
    for m, phase in ((wave, 0 * wave), (0 * wave, wave)):
        seen = 1 - fresnel(m[None], phase[None], z, length, 1.0)[0, 0]
        padded = torch.nn.functional.pad(m + 2j * phase, (32, 32))
        frequency = torch.fft.fftfreq(128, dtype=F64)
        turn = math.pi * length * z * frequency**2
        spectrum = torch.fft.fft(padded.real) * turn.cos()
        spectrum = spectrum + torch.fft.fft(padded.imag) * turn.sin()
        expected = torch.fft.ifft(spectrum).real[32:96]
        torch.testing.assert_close(seen, expected, rtol=0, atol=1e-7)


def test_transport_is_the_limit_of_short_distances():
    x = places(200, 0.5)
    m, phase = 0.5 * torch.exp(-(x**2) / 50), 2 * torch.exp(-(x**2) / 80)
    errors = []
    for z in (4.0, 2.0, 1.0):
        at = torch.tensor([z], dtype=F64)
        short = transported(m[None], phase[None], at, 0.3, 0.5)
        errors.append(float((short - fresnel(m[None], phase[None], at, 0.3, 0.5)).abs().max()))
    assert errors[0] < 0.02
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.1)
    assert errors[2] == pytest.approx(errors[1] / 4, rel=0.1)


def test_no_light_is_lost():
    x = places(256, 0.5)
    m, phase = 0.5 * torch.exp(-(x**2) / 50), 6 * torch.exp(-(x**2) / 40)
    seen = fresnel(m[None], phase[None], torch.tensor([0.0, 40.0], dtype=F64), 0.2, 0.5)[0]
    assert float(seen[1].sum()) == pytest.approx(float(seen[0].sum()), rel=1e-6)


def test_paganin_is_exact_for_one_material_in_the_limit():
    x = places(200, 0.5)
    m = 0.5 * torch.exp(-(x**2) / 50)
    ratio, z = 40.0, torch.tensor([3.0], dtype=F64)
    light = transported(m[None], 0.5 * ratio * m[None], z, 0.1, 0.5)[:, 0]
    torch.testing.assert_close(paganin(light, 3.0, 0.1, 0.5, ratio)[0], m, rtol=0, atol=1e-9)


def test_two_distances_tell_phase_from_attenuation_of_a_weak_object():
    x = places(128, 1.0)
    m, phase = 1e-4 * torch.exp(-(x**2) / 30), 1e-4 * torch.exp(-(x**2) / 18) * x / 4
    z = torch.tensor([0.0, 30.0, 60.0], dtype=F64)
    light = fresnel(m[None], phase[None], z, 0.3, 1.0)
    found, turned = contrast_transfer(light, z, 0.3, 1.0, weight=1e-9)
    torch.testing.assert_close(found[0], m, rtol=0, atol=1e-7)
    torch.testing.assert_close(turned[0], phase, rtol=0, atol=3e-6)


def test_a_joined_field_is_two_equal_channels():
    one = PhaseContrast(beam(), DISTANCES, 0.01, 2.0, ratio=7.0, joined=True).double()
    two = PhaseContrast(beam(), DISTANCES, 0.01, 2.0, ratio=7.0).double()

    def bump(points: Tensor) -> Tensor:
        return torch.exp(-points.square().sum(-1, keepdim=True) / 9)

    y = ii.predict(two, lambda p: bump(p).expand(*p.shape[:-1], 2))
    torch.testing.assert_close(ii.predict(one, bump), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PhaseContrast(beam(), -DISTANCES, 0.01, 2.0), "at least 0"),
        (lambda: PhaseContrast(beam(), DISTANCES, 0.01, 2.0, gather=3), "gather=3"),
        (
            lambda: PhaseContrast(beam(), DISTANCES, 0.01, 2.0, ratio=torch.ones(2)),
            "one positive number",
        ),
        (lambda: paganin(torch.ones(4), 1.0, 0.1, 1.0, 2.0), r"\(n, \*detector\)"),
        (lambda: contrast_transfer(torch.ones(2, 2, 4), torch.ones(3), 0.1, 1.0), "3 distances"),
    ],
)
def test_what_is_refused(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()
