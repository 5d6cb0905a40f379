"""Precision, adjoints, gradients and tiles of the radar kernels (reference tests 9, 10, 19, 21, 22, 24)."""

import math

import pytest
import torch
from cases.radar import (
    C128,
    F64,
    NEAR,
    SLOW,
    bistatic,
    echo,
    error,
    point,
    readouts,
    scatterers,
    turns_apart,
)
from torch import Tensor

from inverse_inr import Box, Grid, adjoint
from inverse_inr.operators import FMCW, Chirp, PhaseHistory, RadarGeometry
from inverse_inr.operators.radar import kernel as radar_kernel
from inverse_inr.operators.radar.dft_bins import DFTBins
from inverse_inr.operators.radar.tones import Tones


@readouts
def test_phase_policy(make):
    """Test 21: float32 values see phases right to 1e-6 rad, and geometry survives .float() and .half()."""
    operator = make(bistatic()).float().half()
    for name, buffer in operator.named_buffers():
        assert buffer.dtype in (F64, C128, torch.int64), name
    places = scatterers()
    for one in places:
        single, double = (
            echo(operator, one[None], torch.ones(1, dtype=d)) for d in (torch.float32, F64)
        )
        strong = double.abs() > 0.1 * double.abs().max()
        assert float((single.to(C128) / double)[strong].angle().abs().max()) < 3e-6


def test_phase_policy_at_ten_kilometres():
    """Bar 2: at most 1e-6 rad at 10 km and 9.6 GHz, against exact rational arithmetic."""
    from fractions import Fraction

    a = torch.tensor([[10_158.0, 0.0, 0.0]], dtype=F64)
    box = Box((-50.0,) * 3, (50.0,) * 3)
    operator = PhaseHistory(
        box, RadarGeometry(a, sign=-1), torch.tensor([9.6e9], dtype=F64)
    ).float()
    x = torch.linspace(-49.0, 49.0, 99, dtype=F64) + 1 / 3
    unit = torch.eye(99)
    places = torch.stack([x, torch.zeros_like(x), torch.zeros_like(x)], -1)
    y = operator.respond(places, unit, torch.zeros(99, dtype=torch.long))[:, 0]
    for value, place in zip(y, x.tolist(), strict=True):
        turns = Fraction(9_600_000_000) * 2 * (10_158 - Fraction(place)) / 299_792_458
        expected = -2 * math.pi * float(turns - round(turns))
        assert abs(turns_apart(value.angle().double() - expected)) < 1e-6


@readouts
def test_no_nan_in_value_or_gradient(make):
    """Test 22: at an exact bin centre, with a zero field, at a zero of the kernel."""
    operator = make(origin_at(-1.0))
    rows = torch.arange(1)
    for distance in (24 * SLOW.range_resolution, 27 * SLOW.range_resolution, 1.0):
        place = point(distance - 1.0, 0, 0).requires_grad_()
        amplitude = torch.zeros(1, dtype=F64, requires_grad=True)
        y = operator.respond(place, amplitude, rows)
        (
            y.abs().square().sum()
            + (operator.respond(place, amplitude + 1, rows) * (1 + 1j)).real.sum()
        ).backward()
        assert torch.isfinite(y).all()
        for leaf in (place, amplitude):
            assert leaf.grad is not None
            assert torch.isfinite(leaf.grad).all()


def origin_at(x: float) -> RadarGeometry:
    return RadarGeometry(point(x, 0, 0))


@readouts
def test_point_target_backprojects_to_the_number_of_samples(make):
    """Test 19: at the point itself, where spreading is 1."""
    operator = make(bistatic(), spreading="none")
    if isinstance(operator, FMCW) and operator.bins is not None:
        bins = torch.arange(64)
        operator = FMCW(NEAR, bistatic(), SLOW, bins=bins, window=operator.window, spreading="none")
    place = scatterers()[:1]
    y = echo(operator, place)
    image = adjoint(operator.at(torch.cat([place, place + 0.01])), None, y, dtype=C128)[:, 0]
    assert error(image[:1], (y.abs() ** 2).sum()[None].to(C128)) < 1e-10
    assert image[1].abs() < image[0].abs()
    if not isinstance(operator, FMCW) or operator.bins is None:
        assert float((y.abs() ** 2).sum()) == pytest.approx(5 * operator.transform.count, rel=1e-10)


@readouts
@pytest.mark.parametrize("dtype", [F64, C128, torch.float32, torch.complex64])
@pytest.mark.parametrize("stored", [False, True])
def test_adjoint(make, dtype, stored):
    """Test 9: <A x, y> = <x, A' y>, real and complex fields, recomputed and stored kernels."""
    operator = make(bistatic(), points=Grid(NEAR, (4, 5, 3)))
    operator = operator.stored(dtype.to_real()) if stored else operator
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([3, 0, 4])
    x = torch.randn(4, 5, 3, 1, dtype=dtype, generator=generator)
    y = torch.randn(3, operator.transform.count, dtype=dtype.to_complex(), generator=generator)
    ax = operator(rows)[1](x)
    back = adjoint(operator, rows, y, dtype=dtype)
    left, right = (ax.conj() * y).sum(), (x.conj() * back).sum()
    gap = (left - right).abs() if dtype.is_complex else (left - right).real.abs()
    size = torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
    assert float(gap / size) < (1e-10 if dtype.to_real() == F64 else 1e-5)


@readouts
def test_gradients_of_positions(make):
    """Test 10: reflectivity, scatterers, transmitters and receivers."""
    g = bistatic(2)

    def y(places: Tensor, amplitudes: Tensor, t: Tensor, r: Tensor) -> Tensor:
        operator.geometry.transmitters.data, operator.geometry.receivers.data = t.data, r.data
        moved = operator.at(places.detach())
        moved.geometry = Stub(t, r, operator.geometry)  # pyright: ignore[reportAttributeAccessIssue]
        return torch.view_as_real(moved.respond(places, amplitudes, torch.arange(2)))[:, ::7]

    operator = make(g)
    t, r = (v.clone().requires_grad_() for v in (g.transmitters, g.receivers))
    places = scatterers(2).requires_grad_()
    amplitudes = torch.tensor([1.0, -0.7], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(y, (places, amplitudes, t, r), eps=1e-7, atol=2e-3, rtol=1e-4)


class Stub(RadarGeometry):
    """A geometry whose positions are given tensors, for gradcheck."""

    def __init__(self, t: Tensor, r: Tensor, like: RadarGeometry) -> None:
        super().__init__(t, r, like.sign, like.reference_path)
        del self.transmitters, self.receivers
        self.__dict__["transmitters"], self.__dict__["receivers"] = t, r


@readouts
def test_tiles_change_nothing(make, monkeypatch):
    """Test 24: points, pulses and bins in any tiles; rows one by one."""

    operator = make(bistatic(), points=Grid(NEAR, (9, 11, 12)))
    x = torch.randn(9, 11, 12, 1, dtype=C128, generator=torch.Generator().manual_seed(0))
    whole = operator(torch.arange(5))[1](x)
    back = adjoint(operator, None, whole, dtype=C128)
    monkeypatch.setattr(radar_kernel, "TILE", 1 << 13)
    assert len(operator._tiles(torch.arange(5))) > 4
    assert error(operator(torch.arange(5))[1](x), whole) < 1e-10
    assert error(adjoint(operator, None, whole, dtype=C128), back) < 1e-10
    parts = torch.cat([operator(r[None])[1](x) for r in torch.arange(5)])
    assert error(parts, whole) < 1e-10
    assert error(operator.stored(F64)(torch.arange(5))[1](x), whole) < 1e-10
    assert error(operator.respond(operator.points, x.flatten(), torch.arange(5)), whole) < 1e-10


@readouts
def test_half_of_the_pulses(make):
    operator = make(bistatic())
    some = operator.pulses(torch.tensor([4, 1]))
    assert len(some) == 2
    assert torch.equal(
        echo(some, scatterers()),
        operator.respond(scatterers(), torch.ones(6, dtype=F64), torch.tensor([4, 1])),
    )


@pytest.mark.parametrize("count", [8, 9, 37, 128])
def test_fast_tones_are_the_exact_ones(count):
    tones = Tones(torch.linspace(9e9, 9e9 + 1e6 * (count - 1), count, dtype=F64), slope=7e12)
    ramp = Chirp(9e9, 1e12, 1e6, count)
    bins = DFTBins(
        torch.tensor([0, 1, 5, count - 1]),
        count,
        count + 3,
        1e6,
        ramp.center_frequency,
        1e12,
        "blackman",
    )
    delay = 1e-6 * torch.rand(3, 600, dtype=F64, generator=torch.Generator().manual_seed(0))
    for transform, quick in ((tones, tones.quick), (bins, bins.quick)):
        assert transform.is_quick(delay)
        for dtype, tolerance in ((C128, 1e-12), (torch.complex64, 2e-6)):
            w = torch.randn(3, 600, dtype=dtype, generator=torch.Generator().manual_seed(1))
            y = torch.randn(
                3, transform.count, dtype=dtype, generator=torch.Generator().manual_seed(2)
            )
            direct = transform._sum(w.to(C128), transform.response(delay, C128))
            assert error(quick(delay, w).to(C128), direct) < tolerance
            spread = transform._spread(y.to(C128), transform.response(delay, C128))
            assert error(transform.quick_adjoint(delay, y).to(C128), spread) < tolerance


def test_apertures():
    t, r = (
        torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]),
        torch.tensor([[0.0, 0, 0], [0, 1.0, 0], [0, 2.0, 0]]),
    )
    pairs = RadarGeometry.mimo(t, r)
    assert pairs.transmitters.tolist() == [[0, 0, 0]] * 3 + [[1, 0, 0]] * 3
    assert pairs.receivers.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0]] * 2
    quarter = torch.tensor(
        [[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]
    )  # x -> y, then a shift
    turned = RadarGeometry.mimo(t, r, torch.stack([torch.eye(4), quarter]))
    assert len(turned) == 12
    assert turned.transmitters[9].tolist() == [5, 7, 7]
    assert turned.receivers[7].tolist() == [4, 6, 7]
    around = RadarGeometry.spotlight(
        10.0, torch.zeros(1), torch.tensor([math.pi / 6]), center=(1.0, 2.0, 3.0)
    )
    assert torch.allclose(
        around.transmitters[0], torch.tensor([1 + 10 * math.cos(math.pi / 6), 2, 8.0], dtype=F64)
    )
    path = around.path(torch.tensor([[1.0, 2.0, 3.0]], dtype=F64), torch.tensor([0]))
    assert abs(float(path)) < 1e-12
    assert torch.allclose(around.look((1.0, 2.0, 3.0))[0].norm(), torch.ones((), dtype=F64))


@pytest.mark.parametrize("count", [7, 9, 37, 128])
def test_a_table_of_delays_is_the_adjoint_at_each(count):
    """By one FFT where tones are uniform and the step suits, by the definition elsewhere."""
    tones = Tones(torch.linspace(9e9, 9.6e9, count, dtype=F64))
    bins = DFTBins(torch.arange(5, 20), 64, 64, 5e6, 10e9, 4e9 / 64 * 5e6, "hann")
    for transform in (tones, bins):
        y = torch.randn(3, transform.count, dtype=C128, generator=torch.Generator().manual_seed(0))
        for step in (transform.table_step(16), 0.9 * transform.table_step(16)):
            delays = -1.3e-9 + step * torch.arange(300, dtype=F64)
            expected = transform._spread(y, transform.response(delays.expand(3, -1), C128))
            assert error(transform.table(-1.3e-9, step, 300, y), expected) < 1e-12
