"""Symmetries, amplitudes, antenna patterns and directional reflectivity of radar echoes."""

import math

import numpy as np
import pytest
import torch
from cases.radar import (
    C128,
    F64,
    NEAR,
    SLOW,
    TI,
    bistatic,
    box_at,
    echo,
    error,
    origin,
    point,
    readouts,
    scatterers,
    turns_apart,
)
from torch import Tensor

from inverse_inr import Box, Grid, predict
from inverse_inr.operators import FMCW, PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.spherical_harmonics import real_harmonics


@readouts
def test_transmitters_and_receivers_may_be_exchanged(make):
    g = bistatic()
    swapped = RadarGeometry(g.receivers, g.transmitters)
    assert error(echo(make(g), scatterers()), echo(make(swapped), scatterers())) < 1e-12


@readouts
def test_antennas_and_scatterers_moved_together_give_the_same_echo(make):
    g = bistatic()
    shift = torch.tensor([0.01, -0.02, 0.015], dtype=F64)
    moved = RadarGeometry(g.transmitters + shift, g.receivers + shift)
    bins = {}
    if "bins" in str(make(g).transform).lower():
        bins = {"bins": FMCW(NEAR, g, SLOW).bins}
    a, b = make(g, **bins), make(moved, **bins)
    assert error(echo(a, scatterers(half=0.1)), echo(b, scatterers(half=0.1) + shift)) < 1e-9


@readouts
def test_the_opposite_sign_conjugates_the_echo(make):
    """With complex reflectivity the amplitudes are conjugated as well."""
    plus = make(bistatic(sign=+1))
    minus = make(bistatic(sign=-1))
    assert error(echo(minus, scatterers()), echo(plus, scatterers()).conj()) < 1e-12
    s = torch.randn(6, dtype=C128, generator=torch.Generator().manual_seed(2))
    assert error(echo(minus, scatterers(), s), echo(plus, scatterers(), s.conj()).conj()) < 1e-12


def test_reference_path_turns_the_phase():
    """Under sign -1, a two-way path longer by d turns the phase by exp(+j 2π f d / c)."""
    f = torch.linspace(9e9, 10e9, 11, dtype=F64)
    operators = [PhaseHistory(NEAR, bistatic(sign=-1, reference=r), f) for r in (2.7, 2.9)]
    y = [echo(operator, scatterers()) for operator in operators]
    turn = torch.polar(torch.ones_like(f), 2 * math.pi * f * 0.2 / SPEED_OF_LIGHT)
    assert error(y[1], y[0] * turn) < 1e-9


def test_amplitudes_spread_with_both_ranges():
    """The amplitude is 1 / (R_T R_R): twice the range is -12.04 dB of power.

    The reference path has no part in it.
    """
    tone = torch.tensor([9e9], dtype=F64)
    geometry = RadarGeometry(point(0, 0, 0), sign=-1, reference_path=1.0)
    near, far = (
        echo(PhaseHistory(box_at(r), geometry, tone, spreading="product"), point(r, 0, 0)).abs()
        for r in (1.0, 2.0)
    )
    assert float(20 * (far / near).log10()) == pytest.approx(-12.0412, abs=1e-4)
    both = RadarGeometry(point(-1, 0, 0), point(0, -2, 0))
    y = echo(FMCW(NEAR, both, SLOW, readout="samples"), point(0, 0, 0))
    assert float(y.abs().max()) == pytest.approx(0.5)
    own = PhaseHistory(NEAR, both, tone, spreading=lambda to, back: 1 / (to + back))
    assert float(echo(own, point(0, 0, 0)).abs()) == pytest.approx(1 / 3)


def test_the_residual_video_phase_is_that_of_the_chirp():
    """The phase is π S tau², which is 0.24468 rad at 5 m."""
    tau = 2 * 5.0 / SPEED_OF_LIGHT
    with_it = FMCW(box_at(5.0), origin(), TI, readout="samples", spreading="none")
    without = PhaseHistory(box_at(5.0), origin(), TI.frequencies)
    turn = (echo(without, point(5.0, 0, 0)) / echo(with_it, point(5.0, 0, 0))).angle()
    assert float(turn.max()) == pytest.approx(0.24468, abs=1e-5)
    assert turns_apart(turn - math.pi * TI.slope * tau**2) < 1e-9


@pytest.mark.parametrize(("cells", "expected"), [(4, 0.6366), (8, 0.9003)])
def test_a_cell_is_weaker_than_a_point_by_its_depth(cells, expected):
    """The cell is uniform and λ/4 (or λ/8) deep along the line of sight."""
    f = 10e9
    h = SPEED_OF_LIGHT / f / cells
    box = Box((-h / 2,) * 3, (h / 2,) * 3)
    geometry = RadarGeometry(point(-1000.0, 0, 0))
    tone = torch.tensor([f]).double()
    ones = lambda p: torch.ones_like(p[..., :1])  # noqa: E731
    at_point, of_cell = (
        predict(PhaseHistory(box, geometry, tone, points=Grid(box, (1, 1, 1)), basis=b), ones)
        for b in ("point", "cell")
    )
    assert float((of_cell / at_point).real) == pytest.approx(expected, abs=1e-4)
    fine = PhaseHistory(box, geometry, tone, points=Grid(box, (400, 1, 1)))
    assert float((predict(fine, ones) / 400 / at_point).real) == pytest.approx(expected, abs=1e-4)


def test_patterns_weigh_directions():
    def half_space(rows: Tensor, direction: Tensor) -> Tensor:
        return (direction[..., 1] > 0).to(direction.dtype) * (1 + rows[:, None])

    g = RadarGeometry(torch.tensor([[-1.0, 0, 0], [-1.0, 0, 0]], dtype=F64))
    tone = torch.tensor([9e9]).double()
    operator = PhaseHistory(NEAR, g, tone, pattern=half_space)
    plain = PhaseHistory(NEAR, g, tone, pattern=None)
    up, down = point(0, 0.1, 0), point(0, -0.1, 0)
    assert torch.equal(echo(operator, down), torch.zeros(2, 1, dtype=C128))
    expected = echo(plain, up) * torch.tensor([[1.0], [2.0]], dtype=F64)
    assert torch.allclose(echo(operator, up), expected, rtol=1e-12)


def test_reflectivity_depends_on_the_direction_as_its_harmonics():
    """Harmonics of degree 0 are isotropic; a lobe of degree 1 has opposite signs on two sides."""
    g = RadarGeometry(torch.tensor([[2.0, 0, 0], [-2.0, 0, 0], [0, 2.0, 0]], dtype=F64))
    tone = torch.tensor([9e9], dtype=F64)
    grid = Grid(NEAR, (1, 1, 1))
    operator = PhaseHistory(NEAR, g, tone, points=grid, degree=1)
    lobe = torch.zeros(1, 1, 1, 4, dtype=F64)
    lobe[..., 3] = 1.0  # along x
    y = operator(torch.arange(3))[1](lobe)[:, 0]
    isotropic = PhaseHistory(NEAR, g, tone, points=grid)
    plain = predict(isotropic, lambda p: torch.ones_like(p[..., :1]))[:, 0]
    expected = plain * math.sqrt(3 / (4 * math.pi)) * torch.tensor([1.0, -1.0, 0.0], dtype=F64)
    assert torch.allclose(y, expected, atol=1e-12)
    with pytest.raises(ValueError, match="of 4 channels"):
        operator(torch.arange(3))[1](lobe[..., :1])


def test_harmonics_are_orthonormal():
    cos, weight = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(12))
    phi = torch.arange(24, dtype=F64) * 2 * math.pi / 24
    c, p = torch.meshgrid(cos, phi, indexing="ij")
    s = (1 - c * c).sqrt()
    y = real_harmonics(torch.stack([s * p.cos(), s * p.sin(), c], -1), 5)
    gram = torch.einsum("i,ijk,ijl->kl", weight, y, y) * 2 * math.pi / 24
    assert torch.allclose(gram, torch.eye(36, dtype=F64), atol=1e-12)
