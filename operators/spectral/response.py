"""Channel responses: a spectrum seen by detectors of finite bandwidth (RGB cameras, panchromatic bands).

    y_c(x) = ∫ R_c(λ) f(x, λ) dλ ≈ Σ_q w_qc f(x, λ_q)

The field's last coordinate is the wavelength. Each R_c, linear between its table's points, is a weight function with
its own Gauss rule: n nodes are exact for spectra that are polynomials of degree 2n - 1 over the whole band, instead of
one node for each line of the table. Negative lobes (CIE RGB) have a rule of their own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, interpolation_matrix
from inverse_inr.operators.rows import ArrayFunction, PlacedOperator, without_lone_channel


class SpectralResponse(PlacedOperator):
    """∫ R_c f dλ at pixel centres of a grid, or points (*shape, d), of space; measurements (b, channels), one: (b,).

    wavelengths (n,), rising, in the unit of the field's last axis (nm); response (n, channels) or (n,), linear between
    them and zero outside. `normalized` divides by ∫ R_c dλ: a weighted mean in the field's unit.
    Raises ValueError for wavelengths that do not rise, a response of another length, NaN or Inf, or all zero (with
    `normalized`: of no net area), nodes < 1.
    """

    nodes: Tensor
    weights: Tensor

    def __init__(
        self,
        wavelengths: Tensor,
        response: Tensor,
        where: Grid | Tensor,
        *,
        nodes: int = 8,
        normalized: bool = False,
    ) -> None:
        knots, table = _table(wavelengths, response)
        if nodes < 1:
            raise ValueError(f"SpectralResponse: nodes must be at least 1, got {nodes}.")
        super().__init__(where)
        area = np.trapezoid(table, knots, axis=0)
        if normalized and not (np.abs(area) > 1e-12 * np.abs(table).max()).all():
            raise ValueError(
                f"SpectralResponse: normalized, but the areas under the response are {area}."
            )
        self.scale = nn.Buffer(torch.from_numpy(1 / area if normalized else np.ones_like(area)))
        rules = [gauss_rule(knots, column, nodes) for column in table.T]
        places = np.concatenate([place for place, _ in rules])
        weights = np.zeros((len(places), len(rules)))
        start = 0
        for c, (place, weight) in enumerate(rules):
            weights[start : start + len(place), c] = weight
            start += len(place)
        self.nodes, self.weights = (
            nn.Buffer(torch.from_numpy(places)),
            nn.Buffer(torch.from_numpy(weights)),
        )
        self._knots, self._response = knots, table

    def forward(self, rows: Tensor) -> Query:
        x = self.positions(rows)[:, None].expand(-1, len(self.nodes), -1)
        points = torch.cat([x, self.nodes.to(x)[None, :, None].expand(len(x), -1, 1)], -1)
        weights = self.weights * self.scale

        def measure(values: Tensor) -> Tensor:
            seen = torch.einsum("bqk,qc->bck", values, weights.to(values.device, values.dtype))
            seen = without_lone_channel(seen)
            return seen[:, 0] if seen.shape[1] == 1 else seen

        return Query(points, measure)

    def on(self, grid: Grid) -> OnGrid:
        """The same of a sampled cube (*space, bands): spectra linear between band centres, constant beyond the last.

        Exact for such spectra, whatever the bands' width. Raises ValueError for a grid without a wavelength axis more
        than the measured places.
        """
        d = self.ndim
        if grid.ndim != d + 1:
            raise ValueError(
                f"SpectralResponse.on: the grid has {grid.ndim} axes; space has {d} and wavelength is one."
            )
        bands = grid.axes(torch.float64)[-1]
        mix = (
            torch.from_numpy(band_weights(bands.numpy(), self._knots, self._response))
            * self.scale.cpu()
        )
        space = Grid(
            Box(grid.box.lower[:-1], grid.box.upper[:-1], grid.box.units[:-1]), grid.shape[:-1]
        )
        look = None
        if space != self.where:
            look = interpolation_matrix(space, self.positions().cpu()).to(self.nodes.device)

        def measure(cube: Tensor) -> Tensor:
            single = cube.ndim == grid.ndim
            spectra = (cube if single else cube.movedim(-1, -2)) @ mix.to(
                cube.device, cube.dtype.to_real()
            ).to(cube.dtype)
            if look is not None:
                flat = look(spectra.reshape(space.numel, -1))
                spectra = flat.reshape(*self.shape, *spectra.shape[d:])
            spectra = spectra if single else spectra.movedim(-1, -2)  # (*shape, channels[, c])
            return spectra.squeeze(len(self.shape)) if mix.shape[1] == 1 else spectra

        if mix.shape[1] == 1:
            return OnGrid(ArrayFunction(measure, look), grid, self.shape)
        return OnGrid(ArrayFunction(measure, look), grid, (*self.shape, mix.shape[1]), trailing=1)


def gauss_rule(
    knots: np.ndarray, response: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss rule for the weight function that is linear between (knots, response).

    Discretised Lanczos, then the eigenvalues of the Jacobi matrix (Gautschi, Orthogonal Polynomials, 2.2.3; Golub &
    Welsch 1969). Positive and negative parts have `count` nodes each.
    """
    t, w = np.polynomial.legendre.leggauss(
        count + 1
    )  # exact for the linear response times degree 2 count - 1
    places, masses = [], []
    crossings = _with_zeros(knots, response)
    half = np.diff(crossings)[:, None] / 2
    x = (crossings[:-1, None] + half * (t + 1)).ravel()
    mass = (half * w).ravel() * np.interp(x, knots, response)
    for sign in (1.0, -1.0):
        part = np.clip(sign * mass, 0, None)
        if part.any():
            place, weight = _gauss(x[part > 0], part[part > 0], count)
            places.append(place)
            masses.append(sign * weight)
    return np.concatenate(places), np.concatenate(masses)


def _with_zeros(knots: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The knots, and where the response crosses zero between them."""
    a, b = response[:-1], response[1:]
    cross = a * b < 0
    at = knots[:-1][cross] + np.diff(knots)[cross] * (a / np.where(cross, a - b, 1))[cross]
    return np.sort(np.concatenate([knots, at]))


def _gauss(x: np.ndarray, mass: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count`-point Gauss rule of a discrete positive measure, by Lanczos with full reorthogonalisation."""
    count = min(count, len(x))
    middle, width = 0.5 * (x.min() + x.max()), max(0.5 * np.ptp(x), 1e-300)
    u = (x - middle) / width
    q = np.sqrt(mass / mass.sum())
    basis, diagonal, beside = [q], [], []
    for k in range(count):
        v = u * basis[k]
        diagonal.append(float(v @ basis[k]))
        for _ in range(2):
            v -= np.stack(basis).T @ (np.stack(basis) @ v)
        size = float(np.linalg.norm(v))
        if k + 1 == count or size < 1e-14:
            break
        beside.append(size)
        basis.append(v / size)
    jacobi = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    value, vector = np.linalg.eigh(jacobi)
    return middle + width * value, mass.sum() * vector[0] ** 2


def band_weights(bands: np.ndarray, knots: np.ndarray, response: np.ndarray) -> np.ndarray:
    """∫ R_c φ_b dλ with φ_b linear between band centres and constant beyond the outer two: (bands, channels).

    Exact: both are linear on the pieces between all their knots, where Simpson's rule is.
    """
    inner = bands[(bands > knots[0]) & (bands < knots[-1])]
    edges = np.unique(np.concatenate([knots, inner]))
    middle = 0.5 * (edges[:-1] + edges[1:])
    h = np.diff(edges)[:, None, None] / 6

    def product(at: np.ndarray) -> np.ndarray:
        hats = np.stack([np.interp(at, bands, row) for row in np.eye(len(bands))], -1)
        table = np.stack([np.interp(at, knots, column) for column in response.T], -1)
        return hats[:, :, None] * table[:, None]

    return (h * (product(edges[:-1]) + 4 * product(middle) + product(edges[1:]))).sum(0)


def cie_xyz(wavelengths: Tensor) -> Tensor:
    """CIE 1931 colour matching functions at wavelengths in nm: (n,) -> (n, 3), within 1 % of their peak.

    Sums of lobes with two widths each (Wyman, Sloan & Shirley 2013, JCGT 2(2), section 2.2).
    """

    def lobe(height: float, peak: float, left: float, right: float) -> Tensor:
        t = wavelengths - peak
        return height * torch.exp(-0.5 * (t / torch.where(t < 0, left, right)).square())

    x = (
        lobe(1.056, 599.8, 37.9, 31.0)
        + lobe(0.362, 442.0, 16.0, 26.7)
        + lobe(-0.065, 501.1, 20.4, 26.2)
    )
    y = lobe(0.821, 568.8, 46.9, 40.5) + lobe(0.286, 530.9, 16.3, 31.1)
    z = lobe(1.217, 437.0, 11.8, 36.0) + lobe(0.681, 459.0, 26.0, 13.8)
    return torch.stack([x, y, z], -1)


def linear_srgb(wavelengths: Tensor) -> Tensor:
    """Responses whose integrals are linear sRGB (IEC 61966-2-1), negative lobes included: (n,) -> (n, 3)."""
    matrix = wavelengths.new_tensor(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    return cie_xyz(wavelengths) @ matrix.mT


def _table(wavelengths: Tensor, response: Tensor) -> tuple[np.ndarray, np.ndarray]:
    knots, table = (
        wavelengths.detach().cpu().double().numpy(),
        response.detach().cpu().double().numpy(),
    )
    table = table[:, None] if table.ndim == 1 else table
    if knots.ndim != 1 or len(knots) < 2 or table.ndim != 2 or len(table) != len(knots):
        raise ValueError(
            f"SpectralResponse: wavelengths {knots.shape} and response {tuple(response.shape)} must be (n,) and "
            "(n, channels), n >= 2. Transposed?"
        )
    if not (np.isfinite(knots).all() and np.isfinite(table).all()):
        raise ValueError("SpectralResponse: wavelengths or response hold NaN or Inf.")
    if not (np.diff(knots) > 0).all():
        raise ValueError(
            "SpectralResponse: wavelengths must rise. Given as frequencies or wavenumbers?"
        )
    if not np.abs(table).any(0).all():
        raise ValueError("SpectralResponse: a channel's response is zero everywhere.")
    return knots, table
