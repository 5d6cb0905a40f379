"""The kernels of waves over paths against the radar operator's eager tiles."""

import pytest
import torch
from cases.radar import NEAR, bistatic, box_at

from inverse_inr import phases
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.kernels.triton.phases import Waves, adjoint, summed
from inverse_inr.operators import FarField, PhaseHistory, RadarGeometry

F64 = torch.float64


def waves(n: int, b: int, count: int, *, slope=0.0, sign=1, weighted=False, away=5.0) -> Waves:
    """Points of a cube of 0.5 m, antennas `away` metres from it, 77 GHz."""
    generator = torch.Generator().manual_seed(n + 10 * b)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=F64)

    transmitters = random(b, 3) + torch.tensor([away, 0.0, 0.0], dtype=F64)
    return Waves(
        random(n, 3) * 0.5,
        transmitters,
        transmitters + 0.1 * random(b, 3),
        2 * away + random(b),
        77e9 + 4e9 * torch.linspace(0, 1, count, dtype=F64),
        slope,
        sign,
        random(b, n).float() if weighted else None,
    )


def definition(w: Waves) -> torch.Tensor:
    """(b, K, n) complex128."""
    path = sum(
        torch.linalg.vector_norm(w.points - antenna[:, None], dim=-1)
        for antenna in (w.transmitters, w.receivers)
    )
    reference = w.reference[:, None]
    delay = (path - reference) / SPEED_OF_LIGHT
    turns = w.frequencies[:, None] * delay[:, None]
    turns = turns - 0.5 * w.slope * (delay * (delay + 2 * reference / SPEED_OF_LIGHT))[:, None]
    matrix = torch.exp(2j * torch.pi * w.sign * turns)
    if w.amplitude is not None:
        matrix = matrix * w.amplitude[:, None]
    return matrix


CASES = {
    "one point": waves(1, 1, 1),
    "odd sizes": waves(67, 3, 17),
    "the other sign": waves(40, 2, 16, sign=-1),
    "residual phase and amplitudes": waves(70, 2, 5, slope=1e14, weighted=True),
    "10 km away": waves(33, 2, 4, away=1e4),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("each", [False, True])
def test_both_directions_are_those_of_the_matrix(name, each):
    w = CASES[name]
    matrix = definition(w)
    b, count, n = matrix.shape
    generator = torch.Generator().manual_seed(1)
    shape = (b, n) if each else (n,)
    s = torch.randn(*shape, dtype=torch.complex64, generator=generator)
    y = torch.randn(b, count, dtype=torch.complex64, generator=generator)
    wide = s.to(torch.complex128).expand(b, n)
    forward = torch.einsum("bkn,bn->bk", matrix, wide)
    back = torch.einsum("bkn,bk->bn", matrix.conj(), y.to(torch.complex128))
    if not each:
        back = back.sum(0)
    for found, expected in ((summed(w, s), forward), (adjoint(w, y, each), back)):
        error = (found - expected).abs().max() / expected.abs().max()
        assert float(error) < 2e-6, float(error)


def test_no_points_and_no_pulses_give_zeros():
    w = waves(0, 2, 3)
    assert not summed(w, torch.zeros(0)).any()
    assert adjoint(w, torch.ones(2, 3, dtype=torch.complex64), False).shape == (0,)
    w = waves(4, 0, 3)
    assert summed(w, torch.ones(4)).shape == (0, 3)
    assert not adjoint(w, torch.zeros(0, 3, dtype=torch.complex64), False).any()


@pytest.mark.parametrize("spreading", ["none", "product"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_the_operator_is_that_of_its_tiles(monkeypatch, spreading, sign, dtype):
    frequencies = 10e9 + 1e8 * torch.arange(7, dtype=F64) ** 1.1
    places = torch.randn(30, 3, dtype=F64, generator=torch.Generator().manual_seed(0)) * 0.1
    geometry = bistatic(sign=sign)
    operator = PhaseHistory(NEAR, geometry, frequencies, points=places, spreading=spreading)
    generator = torch.Generator().manual_seed(2)
    sigma = torch.randn(30, dtype=dtype, generator=generator).requires_grad_()
    rows = torch.tensor([3, 0, 4])
    y = torch.randn(3, 7, dtype=torch.complex64, generator=generator)
    found = []
    for usable in (False, True):
        monkeypatch.setattr(phases, "usable", lambda tensor, usable=usable: usable)
        echoes = operator.echoes(sigma, rows)
        found.append((echoes.detach(), torch.autograd.grad(echoes, sigma, y)[0]))
    for tiles, kernel in zip(*found, strict=True):
        torch.testing.assert_close(kernel, tiles, rtol=1e-5, atol=1e-5 * float(tiles.abs().max()))


def test_plane_waves_keep_their_own_paths(monkeypatch):
    monkeypatch.setattr(phases, "usable", lambda tensor: True)
    frequencies = 10e9 + 1e8 * torch.arange(3, dtype=F64)
    sigma = torch.ones(4)
    for kind, served in ((PhaseHistory, True), (FarField, False)):
        operator = kind(box_at(0.0, 0.01), far(), frequencies, points=torch.zeros(4, 3, dtype=F64))
        assert (operator._waves(torch.arange(2), sigma) is not None) == served


def far() -> RadarGeometry:
    return RadarGeometry(torch.tensor([[1e3, 0.0, 0.0], [1e3, 1.0, 0.0]], dtype=F64))
