"""Steps of this library beside the way they were made before, kept here as small functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from timing import Call
from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines, operators, priors
from inverse_inr.operators.ct.joseph import joseph_matrix
from inverse_inr.operators.kspace.coils import GivenCoils, LearnedCoils
from inverse_inr.priors.blocks import tree
from inverse_inr.priors.functions import prolate, sinc
from inverse_inr.priors.networks import pieces
from inverse_inr.problems.ct import ct

Pair = tuple[str, str, Call, Call]
"""What changed, how it was before, the call now and the call before."""

Family = Callable[[], Iterator[Pair]]
"""Makes pairs that belong together."""

SQUARE = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
CUBE = ii.Box((-1.0,) * 3, (1.0,) * 3, ("cm",) * 3)


def stored_echoes(pulses: int = 24) -> Iterator[Pair]:
    """Echoes of complex amplitudes by a stored response matrix."""
    box = ii.Box((-0.2,) * 3, (0.2,) * 3, ("m",) * 3)
    grid = ii.Grid(box, (24, 24, 24))
    geometry = operators.RadarGeometry.cylinder(2.0, torch.arange(pulses) * 0.1, torch.zeros(1))
    f = torch.linspace(9e9, 9.6e9, 64, dtype=torch.float64)
    kernel = operators.PhaseHistory(box, geometry, f, points=grid).stored()
    rows = torch.arange(pulses)
    amplitudes = torch.randn(grid.numel, dtype=torch.complex64)
    now = kernel._stored(rows)
    matrix = kernel._matrix

    def before() -> Tensor:
        columns = torch.view_as_real(amplitudes)
        parts = torch.stack([matrix[r] @ columns for r in rows.tolist()])
        re, im = parts.split(64, 1)
        return torch.complex(re[..., 0] - im[..., 1], im[..., 0] + re[..., 1])

    yield "SAR, stored kernel: A", "columns of two numbers", lambda: now(amplitudes), before


def coil_gauge(n: int = 128, coils: int = 8) -> Iterator[Pair]:
    """Coil maps of unit length with the phase of a reference, forward and backward."""
    grid = ii.Grid(SQUARE, (n, n))
    start = torch.randn(n, n, coils, dtype=torch.complex64)
    maps = torch.randn(n, n, coils, dtype=torch.complex64, requires_grad=True)
    learned = LearnedCoils(torch.nn.Identity(), GivenCoils(start.movedim(-1, 0), grid))

    def before(correction: Tensor, start: Tensor) -> Tensor:
        maps = correction + start
        overlap = (start.conj() * maps).sum(-1, keepdim=True)
        size = torch.linalg.vector_norm(maps, dim=-1, keepdim=True) * overlap.abs()
        return maps * overlap.conj() / size.clamp(min=1e-14)

    def step(function: Callable[[Tensor, Tensor], Tensor]) -> Call:
        return lambda: torch.autograd.grad(function(maps, start).real.sum(), maps)

    words = f"gauge of {coils} coil maps of {n}², forward and backward"
    yield words, "complex norm and division", step(learned._fixed), step(before)


def pieces_of_networks() -> Iterator[Pair]:
    """A step and an evaluation of a SIREN, in pieces and as a whole."""
    siren = priors.create("siren", SQUARE)
    x = SQUARE.random_points(65536)
    step = stepping(siren, x)
    yield "siren, 65536 points, step", "whole", step, _with(pieces, "PIECE", 2**40, step)

    def evaluated() -> Tensor:
        with torch.no_grad():
            return siren(x)

    whole = _with(pieces, "PIECE", 2**40, evaluated)
    yield "siren, 65536 points, values", "whole", evaluated, whole


def slow_priors() -> Iterator[Pair]:
    """Priors that were many times as slow as a SIREN."""
    step = stepping(priors.create("acorn", CUBE), CUBE.random_points(4096))
    yield "acorn in 3-D, 4096 points, step", "all nodes", step, _with(tree, "SMALL", 2**60, step)
    step = stepping(priors.create("pin", SQUARE), SQUARE.random_points(16384))
    before = _with(prolate, "_from_table", _cosines_summed, step)
    yield "pin, 16384 points, step", "a sum of cosines", step, before
    for name in ("sinc", "raised_cosine", "cosmo"):
        step = stepping(priors.create(name, SQUARE), SQUARE.random_points(16384))
        apart = _with(sinc, "fused", _formula_alone, step)
        yield f"{name}, 16384 points, step", "value and slope apart", step, apart


def _cosines_summed(x: Tensor, terms: tuple[tuple[float, float], ...]) -> tuple[Tensor, Tensor]:
    return prolate._summed(x, terms, 0), prolate._summed(x, terms, 1)


def _formula_alone(formula: Any, _: Any, x: Tensor, *constants: Tensor) -> Tensor:
    return formula(x, *constants)


def fan_matrix() -> Iterator[Pair]:
    """The matrix of a fan beam."""
    words = "fan matrix 160², 160 views"
    yield words, "all entries at once", fan_call(joseph_matrix), fan_call(all_at_once)


def tv_weights() -> Iterator[Pair]:
    """Total variation whose weight held-out rows choose."""
    problem = ct("shepp_logan", size=32, views=16)
    words = "TV, weight by held-out rows, 32², 16 views"
    now, before = (partial(baselines.tv, problem, search=count) for count in (120, 400))
    yield words, "every weight to the end", now, before


def all_at_once(beam: operators.FanBeam, grid: ii.Grid) -> ii.SparseMatrix:
    """Joseph's matrix from one list of all its entries."""
    origin, direction = (v.double().numpy() for v in beam.rays(torch.arange(len(beam)), 2))
    origin, direction = origin.reshape(-1, 2), direction.reshape(-1, 2)
    rows = np.repeat(np.arange(len(beam)), 2)
    h = np.array(grid.spacing)
    slope = direction / h
    first = np.abs(slope[:, 0]) >= np.abs(slope[:, 1])
    pieces = []
    for axis, main in ((0, first), (1, ~first)):
        o = ((origin - np.array(grid.box.lower)) / h - 0.5)[main]
        d = slope[main]
        i = np.arange(grid.shape[axis])
        t = (i - o[:, axis, None]) / d[:, axis, None]
        across = o[:, 1 - axis, None] + t * d[:, 1 - axis, None]
        low = np.floor(across).astype(np.int64)
        for j, weight in ((low, 1 - across + low), (low + 1, across - low)):
            ok = (j >= 0) & (j < grid.shape[1 - axis]) & (weight > 0)
            strides = (grid.shape[1], 1)
            column = i * strides[axis] + j * strides[1 - axis]
            row = np.broadcast_to(rows[main][:, None], j.shape)
            length = weight / np.abs(d[:, axis, None])
            pieces.append((row[ok], column[ok], length[ok]))
    r, c, v = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return ii.SparseMatrix(r, c, v / 2, (len(beam), grid.numel))


def fan_call(build: Callable[[operators.FanBeam, ii.Grid], object]) -> Call:
    beam = operators.FanBeam(SQUARE, torch.arange(160) * torch.pi / 80, 160, 3.0, 2.0)
    return lambda: build(beam, ii.Grid(SQUARE, (160, 160)))


def spectral_layout(n: int = 256, bands: int = 28) -> Iterator[Pair]:
    """A snapshot of a cube whose bands lie in one piece each, as priors give them, or do not."""
    wavelengths = torch.linspace(450, 650, bands, dtype=torch.float64)
    box = ii.Box((0.0, 0.0, 440.0), (float(n), float(n), 660.0), ("px", "px", "nm"))
    shifts = operators.dispersion.Table(wavelengths, 2 * torch.arange(float(bands)))
    camera = operators.CASSI(box, (torch.rand(n, n) > 0.5).float(), wavelengths, shifts)
    seen = camera.on(ii.Grid(box, (n, n, bands)))
    cube = torch.rand(n, n, bands)
    first = cube.movedim(-1, 0).contiguous().movedim(0, -1)
    words = f"CASSI {n}² x {bands}: A, bands in one piece"
    yield words, "bands last", lambda: seen.snapshot(first), lambda: seen.snapshot(cube)


def stepping(prior: torch.nn.Module, x: Tensor) -> Call:
    """Make a call that evaluates a prior and its gradient."""

    def step() -> None:
        prior.zero_grad()
        prior(x).square().sum().backward()

    return step


@contextmanager
def _set(module: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


def _with(module: Any, name: str, value: Any, call: Call) -> Call:
    """The call while a module's constant has another value."""

    def other() -> object:
        with _set(module, name, value):
            return call()

    return other


FAMILIES: tuple[Family, ...] = (
    stored_echoes,
    coil_gauge,
    pieces_of_networks,
    slow_priors,
    fan_matrix,
    spectral_layout,
    tv_weights,
)
"""Every change of which the way before is still at hand; `two_checkouts.py` measures the others."""
