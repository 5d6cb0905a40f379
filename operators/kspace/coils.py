"""Receive coils: sensitivities as complex fields, (*s, d) -> (*s, coils), given, estimated, or learnt with the image.

k-space fixes only the products s_c f, so that s_c g, f / g fit as well for any g(x). The gauge here is
Σ_c |s_c|² = 1, which makes |f| the root sum of squares of the coil images, and Σ_c r_c* s_c >= 0 beside reference maps
r (those that learning starts from), which keeps their phase.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, sample
from inverse_inr.operators.quadrature import legendre


class GivenCoils(nn.Module):
    """Maps (coils, *grid.shape), known: multilinear between the pixels of `grid`, zero outside its box."""

    def __init__(self, maps: Tensor, grid: Grid) -> None:
        super().__init__()
        if tuple(maps.shape[1:]) != grid.shape:
            raise ValueError(
                f"Coil maps have shape {tuple(maps.shape)}, the grid {grid.shape}; expected (coils, {_listed(grid)}). "
                "Is the coil axis in another place?"
            )
        if not torch.isfinite(torch.view_as_real(maps + 0j)).all():
            raise ValueError("Coil maps hold NaN or Inf.")
        self.grid, self.count = grid, len(maps)
        pairs = torch.view_as_real((maps + 0j).movedim(0, -1).contiguous())
        self.pairs = nn.Buffer(pairs)  # real pairs: .to(float32) drops imaginaries

    @property
    def maps(self) -> Tensor:
        """(*grid.shape, coils), complex."""
        return torch.view_as_complex(self.pairs)

    def forward(self, points: Tensor) -> Tensor:
        return SampledField(self.maps, self.grid)(points)

    def sample(self, grid: Grid) -> Tensor:
        return (
            self.maps
            if grid == self.grid
            else self(grid.points(self.pairs.dtype, self.pairs.device))
        )


class LearnedCoils(nn.Module):
    """Maps learnt with the image: start + correction, in the gauge above.

    correction  any learnable complex field of `coils` channels: `PolynomialMaps`, a coarse cubic grid
                (`priors.grid(box, coils, cells=12, order=3, head="complex")`), or any network of the catalogue
    start       maps to start from and to take the phase of: those of the calibration region; None starts from nothing
    """

    def __init__(self, correction: nn.Module, start: GivenCoils | None = None) -> None:
        super().__init__()
        self.correction, self.start = correction, start
        if start is not None:
            start.requires_grad_(False)

    def forward(self, points: Tensor) -> Tensor:
        return self._fixed(
            self.correction(points), None if self.start is None else self.start(points)
        )

    def sample(self, grid: Grid) -> Tensor:
        return self._fixed(
            sample(self.correction, grid), None if self.start is None else self.start.sample(grid)
        )

    def _fixed(self, maps: Tensor, start: Tensor | None) -> Tensor:
        """The same coils in the gauge: unit length, and phase of `start`."""
        if start is None:
            return _unit(maps)
        start = start.to(maps.dtype)
        maps = maps + start
        overlap = (start.conj() * maps).sum(-1, keepdim=True)
        size = torch.linalg.vector_norm(maps, dim=-1, keepdim=True) * overlap.abs()
        return maps * overlap.conj() / size.clamp(min=_tiny(maps))


class PolynomialMaps(nn.Module):
    """Σ c_ij.. P_i(x_0) P_j(x_1) .. over total degree <= `degree`: Legendre polynomials on `box`, complex coefficients.

    Coil sensitivities are smooth, and a low-order polynomial is their usual model (Ying & Sheng, MRM 57, 2007, JSENSE).
    Coefficients start from zero, or from `constant` in the constant ones.
    """

    def __init__(self, box: Box, coils: int, degree: int = 8, *, constant: float = 0.0) -> None:
        super().__init__()
        if coils < 1 or degree < 0:
            raise ValueError(
                f"PolynomialMaps: coils={coils} must be at least 1, degree={degree} at least 0."
            )
        self.box, self.degree = box, degree
        powers = [p for p in product(range(degree + 1), repeat=box.ndim) if sum(p) <= degree]
        self.powers = nn.Buffer(torch.tensor(powers), persistent=False)
        start = torch.zeros(coils, len(powers), 2)
        start[:, 0, 0] = constant
        self.coefficients = nn.Parameter(start)

    def forward(self, points: Tensor) -> Tensor:
        lower, length = points.new_tensor(self.box.lower), points.new_tensor(self.box.lengths)
        factors = legendre(2 * (points - lower) / length - 1, self.degree)  # (*s, d, degree + 1)
        basis = torch.ones(1, dtype=points.dtype, device=points.device)
        for axis in range(self.box.ndim):
            basis = basis * factors[..., axis, :][..., self.powers[:, axis]]
        return basis.to(self._complex().dtype) @ self._complex().T

    def sample(self, grid: Grid) -> Tensor:
        """On a lattice, axis by axis: the coefficients as a (coils, degree + 1, ...) array times 1-D polynomials."""
        values = self._complex()
        dense = values.new_zeros(len(values), *(self.degree + 1,) * grid.ndim)
        coil = torch.arange(len(values), device=values.device)[:, None]
        dense = dense.index_put((coil, *(p[None] for p in self.powers.T)), values)
        for axis, a in enumerate(grid.axes(self.coefficients.dtype, self.coefficients.device)):
            lower, length = self.box.lower[axis], self.box.lengths[axis]
            basis = legendre(2 * (a - lower) / length - 1, self.degree).to(values.dtype)
            dense = torch.einsum(
                "cp...,np->c...n", dense, basis
            )  # eats the next axis, leaves it last
        return dense.movedim(0, -1)

    def _complex(self) -> Tensor:
        return torch.view_as_complex(self.coefficients)


def _unit(maps: Tensor) -> Tensor:
    return maps / torch.linalg.vector_norm(maps, dim=-1, keepdim=True).clamp(min=_tiny(maps))


def _tiny(maps: Tensor) -> float:
    return torch.finfo(maps.dtype).eps ** 2


def _listed(grid: Grid) -> str:
    return ", ".join(map(str, grid.shape))


# --- maps to simulate with ------------------------------------------------------------------------------------------


class FourierMaps(nn.Module):
    """Σ_q a_cq exp(2πi q·x / period): coils whose product with a phantom has k-space in closed form.

    F[s_c f](k) = Σ_q a_cq F[f](k - q / period): multi-coil data of an analytic phantom without any grid.
    """

    def __init__(self, modes: Tensor, coefficients: Tensor) -> None:
        super().__init__()
        self.modes = nn.Buffer(modes.double())  # (q, d) cycles per unit
        self.pairs = nn.Buffer(
            torch.view_as_real(coefficients.to(torch.complex128))
        )  # (coils, q, 2)

    def forward(self, points: Tensor) -> Tensor:
        angle = 2 * math.pi * (points @ self.modes.to(points.dtype).T)
        return (
            torch.polar(torch.ones_like(angle), angle)
            @ torch.view_as_complex(self.pairs.to(points.dtype)).T
        )

    def fourier(self, transform: Callable[[Tensor], Tensor], frequency: Tensor) -> Tensor:
        """k-space of all coils, (n, coils), of a field with the Fourier transform `transform`: (n, d) -> (n,)."""
        a = torch.view_as_complex(self.pairs.to(frequency.dtype))
        shifted = torch.stack(
            [transform(frequency - q) for q in self.modes.to(frequency.dtype)], -1
        )
        return shifted.to(a.dtype) @ a.T


def birdcage_maps(box: Box, coils: int = 8, *, radius: float = 1.5, modes: int = 2) -> FourierMaps:
    """Loops around the box, the first two axes: phase of the direction over the distance, as a short Fourier series.

    Loops sit `radius` half sides from the centre; the series has 2 modes + 1 terms an axis with a period of twice the
    box, fitted to the loops' field over the box, and then is the truth. Unit root sum of squares at the centre.
    """
    if coils < 1 or box.ndim != 2:
        raise ValueError(
            f"birdcage_maps: coils={coils} must be at least 1, the box 2-D ({box.ndim}-D)."
        )
    points = Grid(box, (24, 24)).points(torch.float64).reshape(-1, 2)
    centre, half = points.new_tensor(box.center), 0.5 * max(box.lengths)
    angle = 2 * math.pi * torch.arange(coils, dtype=torch.float64) / coils
    place = radius * torch.stack([angle.cos(), angle.sin()], -1)
    offset = (points[:, None] - centre) / half - place
    loops = torch.polar(
        1 / offset.norm(dim=-1), torch.atan2(offset[..., 0], -offset[..., 1]) - angle
    )
    index = torch.cartesian_prod(*[torch.arange(-modes, modes + 1)] * 2).double()
    q = index / (2 * points.new_tensor(box.lengths))
    phase = 2 * math.pi * (points @ q.T)
    coefficients = torch.linalg.lstsq(torch.polar(torch.ones_like(phase), phase), loops).solution.T
    maps = FourierMaps(q, coefficients)
    return FourierMaps(q, coefficients / torch.linalg.vector_norm(maps(centre[None])))


# --- maps from the calibration region -------------------------------------------------------------------------------


def low_resolution_maps(calibration: Tensor, grid: Grid) -> Tensor:
    """(coils, *n) central k-space, DC at n // 2 -> maps (coils, *grid.shape): smooth images over their root sum of
    squares (McKenzie et al., MRM 47, 2002), with a Hann window against ringing. Their phase includes the image's.
    """
    images = centred_inverse(
        _padded(calibration * _hann(calibration.shape[1:], calibration), grid.shape), grid.ndim
    )
    return images / images.abs().square().sum(0).sqrt().clamp(min=_tiny(images))


def espirit_maps(
    calibration: Tensor, grid: Grid, *, kernel: int = 6, threshold: float = 0.02
) -> Tensor:
    """Maps (coils, *grid.shape) by ESPIRiT (Uecker et al., MRM 71, 2014): one set, unit length at every pixel.

    calibration: (coils, *n) fully sampled central k-space, DC at n // 2. Patches of `kernel`^d samples span the row
    space of a calibration matrix; singular values below `threshold` of the largest are noise. The reconstruction
    operator that they define is a coils x coils matrix at each pixel, and its eigenvector of eigenvalue 1 holds the
    sensitivities; outside the object it is arbitrary. Phase is relative to the coils' first principal component.
    Raises ValueError for a region smaller than the kernel.
    """
    coils, d = len(calibration), calibration.ndim - 1
    if min(calibration.shape[1:]) <= kernel:
        raise ValueError(
            f"ESPIRiT: a calibration region of {tuple(calibration.shape[1:])} is too small for a kernel of {kernel}. "
            "Fewer calibration lines than promised?"
        )
    patches = calibration
    for axis in range(1, d + 1):
        patches = patches.unfold(axis, kernel, 1)
    matrix = patches.movedim(0, d).reshape(-1, coils * kernel**d)
    gram, vectors = torch.linalg.eigh(matrix.mH @ matrix)
    kept = vectors[:, gram.clamp(min=0).sqrt() > threshold * gram[-1].sqrt()]
    filters = kept.T.reshape(-1, coils, *(kernel,) * d)
    # the matrix is a trigonometric polynomial of position: 2 kernel - 1 coefficients an axis say it everywhere
    axes = tuple(range(-d, 0))
    wide = torch.fft.fftn(filters, s=(2 * kernel - 1,) * d, dim=axes)
    lags = torch.fft.fftshift(
        torch.fft.ifftn(torch.einsum("kc...,ke...->ce...", wide.conj(), wide), dim=axes), axes
    )
    lags = torch.fft.ifftshift(_padded(lags, grid.shape), axes)
    at = torch.fft.fftshift(torch.fft.fftn(lags, dim=axes), axes).flatten(2).movedim(-1, 0)
    maps = torch.linalg.eigh(0.5 * (at + at.mH))[1][..., -1]
    flat = calibration.flatten(1)
    main = torch.linalg.eigh(flat @ flat.mH)[1][:, -1]
    maps = maps * torch.exp(-1j * (maps * main.conj()).sum(-1, keepdim=True).angle())
    return maps.T.reshape(coils, *grid.shape)


def _hann(shape: Sequence[int], like: Tensor) -> Tensor:
    window = torch.ones((), dtype=like.dtype.to_real(), device=like.device)
    for n in shape:
        t = (torch.arange(n, dtype=window.dtype, device=like.device) - n // 2) / (n + 2)
        window = window[..., None] * (0.5 + 0.5 * torch.cos(2 * math.pi * t))
    return window


def _padded(kspace: Tensor, shape: Sequence[int]) -> Tensor:
    """Central k-space (*b, *n) in zeros (*b, *shape), DC at shape // 2."""
    d = len(shape)
    wide = kspace.new_zeros(*kspace.shape[: kspace.ndim - d], *shape)
    where = [
        slice(m // 2 - n // 2, m // 2 - n // 2 + n)
        for n, m in zip(kspace.shape[-d:], shape, strict=True)
    ]
    wide[(..., *where)] = kspace
    return wide


def centred_inverse(kspace: Tensor, d: int = 2) -> Tensor:
    """Unitary inverse FFT over the last `d` axes, zero frequency and origin at n // 2: how files store k-space."""
    axes = tuple(range(-d, 0))
    return torch.fft.fftshift(
        torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho"), axes
    )


def centred_fft(image: Tensor, d: int = 2) -> Tensor:
    """The inverse of `centred_inverse`."""
    axes = tuple(range(-d, 0))
    return torch.fft.fftshift(
        torch.fft.fftn(torch.fft.ifftshift(image, axes), dim=axes, norm="ortho"), axes
    )
