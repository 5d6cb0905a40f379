"""Precision, adjoints, gradients and tiles of the radar kernels."""

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
def test_phases_are_those_of_float64_whatever_the_values_are(make):
    """Values in float32 see right phases, and the geometry survives .float() and .half()."""
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


def test_phases_at_ten_kilometres_are_right_to_a_millionth():
    """The phase errs by at most 1e-6 rad at 9.6 GHz, against exact rational arithmetic."""
    from fractions import Fraction

    a = torch.tensor([[10_158.0, 0.0, 0.0]], dtype=F64)
    box = Box((-50.0,) * 3, (50.0,) * 3)
    tone = torch.tensor([9.6e9], dtype=F64)
    operator = PhaseHistory(box, RadarGeometry(a, sign=-1), tone).float()
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
    """Neither at an exact bin centre, nor with a zero field, nor at a zero of the kernel."""
    operator = make(origin_at(-1.0))
    rows = torch.arange(1)
    for distance in (24 * SLOW.range_resolution, 27 * SLOW.range_resolution, 1.0):
        place = point(distance - 1.0, 0, 0).requires_grad_()
        amplitude = torch.zeros(1, dtype=F64, requires_grad=True)
        y = operator.respond(place, amplitude, rows)
        brighter = operator.respond(place, amplitude + 1, rows)
        (y.abs().square().sum() + (brighter * (1 + 1j)).real.sum()).backward()
        assert torch.isfinite(y).all()
        for leaf in (place, amplitude):
            assert leaf.grad is not None
            assert torch.isfinite(leaf.grad).all()


def origin_at(x: float) -> RadarGeometry:
    return RadarGeometry(point(x, 0, 0))


@readouts
def test_point_target_backprojects_to_the_number_of_samples(make):
    """The number is reached at the point itself, where spreading is 1."""
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
@pytest.mark.parametrize(
    ("dtype", "bound"),
    [(F64, 1e-10), (C128, 1e-10), (torch.float32, 1e-5), (torch.complex64, 1e-5)],
    ids=["float64", "complex128", "float32", "complex64"],
)
@pytest.mark.parametrize("stored", [False, True])
def test_the_adjoint_is_exact(make, dtype, bound, stored):
    """<A x, y> = <x, A' y> for real and complex fields, recomputed and stored kernels."""
    operator = make(bistatic(), points=Grid(NEAR, (4, 5, 3)))
    if stored:
        operator = operator.stored(dtype.to_real())
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([3, 0, 4])
    x = torch.randn(4, 5, 3, 1, dtype=dtype, generator=generator)
    y = torch.randn(3, operator.transform.count, dtype=dtype.to_complex(), generator=generator)
    ax = operator(rows)[1](x)
    back = adjoint(operator, rows, y, dtype=dtype)
    gap = (ax.conj() * y).sum() - (x.conj() * back).sum()
    if not dtype.is_complex:
        gap = gap.real
    size = torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
    assert float(gap.abs() / size) < bound


@readouts
def test_gradients_of_positions_and_amplitudes_are_exact(make):
    """Reflectivity, scatterers, transmitters and receivers have gradients."""
    g = bistatic(2)

    def y(places: Tensor, amplitudes: Tensor, t: Tensor, r: Tensor) -> Tensor:
        operator.geometry.transmitters.data = t.data
        operator.geometry.receivers.data = r.data
        moved = operator.at(places.detach())
        moved.geometry = Stub(t, r, operator.geometry)  # pyright: ignore
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
        self.__dict__["transmitters"] = t
        self.__dict__["receivers"] = r


@readouts
def test_tiles_change_nothing(make, monkeypatch):
    """Points, pulses and bins may come in any tiles, and rows one by one."""
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
    expected = operator.respond(scatterers(), torch.ones(6, dtype=F64), torch.tensor([4, 1]))
    assert torch.equal(echo(some, scatterers()), expected)


@pytest.mark.parametrize("count", [8, 9, 37, 128])
def test_fast_tones_are_the_exact_ones(count):
    tones = Tones(torch.linspace(9e9, 9e9 + 1e6 * (count - 1), count, dtype=F64), slope=7e12)
    middle = Chirp(9e9, 1e12, 1e6, count).center_frequency
    some = torch.tensor([0, 1, 5, count - 1])
    bins = DFTBins(some, count, count + 3, 1e6, middle, 1e12, "blackman")
    delay = 1e-6 * torch.rand(3, 600, dtype=F64, generator=torch.Generator().manual_seed(0))
    for transform, quick in ((tones, tones.quick), (bins, bins.quick)):
        assert transform.is_quick(delay)
        for dtype, tolerance in ((C128, 1e-12), (torch.complex64, 2e-6)):
            w = torch.randn(3, 600, dtype=dtype, generator=torch.Generator().manual_seed(1))
            generator = torch.Generator().manual_seed(2)
            y = torch.randn(3, transform.count, dtype=dtype, generator=generator)
            direct = transform._sum(w.to(C128), transform.response(delay, C128))
            assert error(quick(delay, w).to(C128), direct) < tolerance
            spread = transform._spread(y.to(C128), transform.response(delay, C128))
            assert error(transform.quick_adjoint(delay, y).to(C128), spread) < tolerance


def test_apertures_of_pairs_turns_and_circles():
    t = torch.tensor([[0.0, 0, 0], [1.0, 0, 0]])
    r = torch.tensor([[0.0, 0, 0], [0, 1.0, 0], [0, 2.0, 0]])
    pairs = RadarGeometry.mimo(t, r)
    assert pairs.transmitters.tolist() == [[0, 0, 0]] * 3 + [[1, 0, 0]] * 3
    assert pairs.receivers.tolist() == [[0, 0, 0], [0, 1, 0], [0, 2, 0]] * 2
    # x -> y, then a shift
    quarter = torch.tensor([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    turned = RadarGeometry.mimo(t, r, torch.stack([torch.eye(4), quarter]))
    assert len(turned) == 12
    assert turned.transmitters[9].tolist() == [5, 7, 7]
    assert turned.receivers[7].tolist() == [4, 6, 7]
    center = (1.0, 2.0, 3.0)
    elevation = torch.tensor([math.pi / 6])
    around = RadarGeometry.spotlight(10.0, torch.zeros(1), elevation, center=center)
    expected = torch.tensor([1 + 10 * math.cos(math.pi / 6), 2, 8.0], dtype=F64)
    assert torch.allclose(around.transmitters[0], expected)
    path = around.path(torch.tensor([center], dtype=F64), torch.tensor([0]))
    assert abs(float(path)) < 1e-12
    assert torch.allclose(around.look(center)[0].norm(), torch.ones((), dtype=F64))


@pytest.mark.parametrize("count", [7, 9, 37, 128])
def test_a_table_of_delays_is_the_adjoint_at_each(count):
    """One FFT makes it where tones are uniform and the step suits, the definition elsewhere."""
    tones = Tones(torch.linspace(9e9, 9.6e9, count, dtype=F64))
    bins = DFTBins(torch.arange(5, 20), 64, 64, 5e6, 10e9, 4e9 / 64 * 5e6, "hann")
    for transform in (tones, bins):
        y = torch.randn(3, transform.count, dtype=C128, generator=torch.Generator().manual_seed(0))
        for step in (transform.table_step(16), 0.9 * transform.table_step(16)):
            delays = -1.3e-9 + step * torch.arange(300, dtype=F64)
            expected = transform._spread(y, transform.response(delays.expand(3, -1), C128))
            assert error(transform.table(-1.3e-9, step, 300, y), expected) < 1e-12


@readouts
@pytest.mark.parametrize("dtype", [F64, C128], ids=["real", "complex"])
def test_a_stored_kernel_sees_all_pulses_in_any_order_as_one_by_one(make, dtype):
    """All pulses at once are one product where amplitudes are real."""
    operator = make(bistatic(), points=Grid(NEAR, (4, 5, 3))).stored(F64)
    x = torch.randn(4, 5, 3, 1, dtype=dtype, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([3, 0, 4, 1, 2])
    together = operator(rows)[1](x)
    assert error(together, torch.cat([operator(r[None])[1](x) for r in rows])) < 1e-10
    back = adjoint(operator, rows, together, dtype=dtype)
    pairs = zip(rows, together, strict=True)
    parts = [adjoint(operator, r[None], y[None], dtype=dtype) for r, y in pairs]
    assert error(back, torch.stack(parts).sum(0)) < 1e-10
