"""Our operators beside those of ASTRA, scikit-image, finufft and scipy, and beside bare loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from bare_networks import networks
from timing import Call
from torch import Tensor

import inverse_inr as ii
from inverse_inr import operators
from inverse_inr.denoisers.total_variation import proximal_tv
from inverse_inr.operators.ct.backprojection import fbp
from inverse_inr.operators.kspace.finufft import Finufft
from inverse_inr.operators.kspace.trajectories import GOLDEN_ANGLE

Pair = tuple[str, str, Call, Call]
"""What is compared, with what, our call and theirs."""

SQUARE = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))


def tomography(n: int = 256, views: int = 180) -> Iterator[Pair]:
    """Projectors and filtered backprojection."""
    import astra
    from skimage.transform import iradon

    angles = torch.arange(views) * torch.pi / views
    grid = ii.Grid(SQUARE, (n, n))
    beam = operators.ParallelBeam(SQUARE, angles, n)
    fan = operators.FanBeam(SQUARE, 2 * angles, n, 3.0, 2.0)
    volume = astra.create_vol_geom(n, n)
    lines = astra.create_proj_geom("parallel", 1.0, n, angles.numpy())
    spread = astra.create_proj_geom("fanflat", 5 / 3, n, 2 * angles.numpy(), 1.5 * n, 1.0 * n)
    for words, operator, geometry, kind in (
        ("parallel beam", beam, lines, "linear"),
        ("fan beam", fan, spread, "line_fanflat"),
    ):
        peer = astra.OpTomo(astra.create_projector(kind, geometry, volume))
        ours = ii.as_linear_map(operator, grid)
        x = torch.rand(n, n, 1)
        y = torch.rand(views * n)
        size = f"{words} {n}², {views} views"
        yield f"{size}: A", f"ASTRA {kind}", _of(ours, x), _of(peer.FP, x[..., 0].numpy())
        sinogram = y.reshape(views, n).numpy()
        yield f"{size}: Aᵀ", f"ASTRA {kind}", _of(ours.adjoint, y), _of(peer.BP, sinogram)
    smooth = ii.predict(beam, ii.phantoms.shepp_logan(SQUARE))
    columns = smooth.reshape(views, n).T.numpy()
    theta = torch.rad2deg(angles).numpy()
    yield (
        f"fbp {n}², {views} views",
        "scikit-image iradon",
        lambda: fbp(beam, smooth, grid),
        lambda: iradon(columns, theta),
    )


def frequencies(n: int = 256) -> Iterator[Pair]:
    """The NUFFT, of one and of eight coils."""
    angle = np.arange(64)[:, None] * GOLDEN_ANGLE
    radius = ((np.arange(2 * n) - n) / (2 * n))[None]
    k = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1, 2)
    ours = ii.Gridding((n, n), k, oversampling=1.375, width=7)
    peer = Finufft((n, n), k)
    for coils in (1, 8):
        x = torch.randn(coils, n, n, dtype=torch.complex64)
        words = f"NUFFT {n}², {len(k)} samples, {coils} coils"
        yield f"{words}: A", "finufft, cached plans", _of(ours, x), _of(peer, x)
        y = ours(x).detach()
        yield f"{words}: Aᴴ", "finufft, cached plans", _adjoint(ours, x, y), _adjoint(peer, x, y)


def images(n: int = 256) -> Iterator[Pair]:
    """Blur, denoising by total variation, and a spectral camera."""
    from scipy.signal import fftconvolve
    from skimage.restoration import denoise_tv_chambolle

    x = torch.rand(n, n)
    kernel = torch.rand(31, 31)
    blur = operators.Convolution(kernel, x.shape, boundary="zero")
    array, taps = x.numpy(), kernel.numpy()
    yield (
        f"blur {n}², 31² taps",
        "scipy fftconvolve",
        _of(blur, x),
        lambda: fftconvolve(array, taps, mode="same"),
    )
    yield (
        f"TV denoising {n}², 50 iterations",
        "scikit-image",
        lambda: proximal_tv(x[..., None], 0.1, iterations=50, tolerance=0.0),
        lambda: denoise_tv_chambolle(array, 0.1, eps=0.0, max_num_iter=50),
    )
    bands = 28
    wavelengths = torch.linspace(450, 650, bands, dtype=torch.float64)
    box = ii.Box((0.0, 0.0, 440.0), (float(n), float(n), 660.0), ("px", "px", "nm"))
    mask = (torch.rand(n, n) > 0.5).float()
    shifts = operators.dispersion.Table(wavelengths, 2 * torch.arange(28.0))
    camera = operators.CASSI(box, mask, wavelengths, shifts)
    seen = camera.on(ii.Grid(box, (n, n, bands)))
    cube = torch.rand(bands, n, n)

    def bare() -> Tensor:
        y = torch.zeros(n, n + 2 * (bands - 1))
        for band in range(bands):
            y[:, 2 * band : 2 * band + n] += mask * cube[band]
        return y

    yield f"CASSI {n}² x {bands}", "bare loop", _of(seen.snapshot, cube.movedim(0, -1)), bare


def radar(pulses: int = 8) -> Iterator[Pair]:
    """A SAR phase history beside exponentials written out."""
    box = ii.Box((-0.2,) * 3, (0.2,) * 3, ("m",) * 3)
    grid = ii.Grid(box, (12, 12, 12))
    geometry = operators.RadarGeometry.cylinder(2.0, torch.arange(pulses) * 0.1, torch.zeros(1))
    f = torch.linspace(9e9, 9.6e9, 128, dtype=torch.float64)
    operator = operators.PhaseHistory(box, geometry, f, points=grid)
    rows = torch.arange(pulses)
    x = torch.rand(*grid.shape, 1)
    points = grid.points(torch.float64).reshape(-1, 3)
    flat = x.flatten().to(torch.complex128)

    def direct() -> None:
        for row in range(pulses):
            path = geometry.path(points, torch.tensor([row]))[0]
            wave = torch.exp(2j * math.pi / 299792458.0 * f[:, None] * path)
            torch.mv(wave, flat)

    yield (
        "SAR, 1728 voxels x 8 pulses x 128 tones",
        "bare exponentials",
        lambda: operator(rows)[1](x),
        direct,
    )


def _of(function: Callable[[Any], Any], value: Any) -> Call:
    def call() -> Any:
        with torch.no_grad():
            return function(value)

    return call


def _adjoint(module: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Call:
    start = torch.zeros_like(x, requires_grad=True)
    made = module(start)
    return lambda: torch.autograd.grad(made, start, y, retain_graph=True)


FAMILIES = (tomography, frequencies, images, networks, radar)
"""Every comparison; each says ImportError where its peer is not installed."""
