"""Channel responses: a spectrum seen by detectors of finite bandwidth (RGB cameras, pan bands).

    y_c(x) = ∫ R_c(λ) f(x, λ) dλ ≈ Σ_q w_qc f(x, λ_q)

The field's last coordinate is the wavelength. Each R_c, linear between its table's points, is a
weight function with its own Gauss rule. Its n nodes are exact for spectra that are polynomials of
degree 2n - 1 over the whole band, where a plain sum needs one node per line of the table. Negative
lobes (CIE RGB) have a rule of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, interpolation_matrix
from inverse_inr.operators.quadrature import GaussNodes
from inverse_inr.operators.rows import (
    ArrayFunction,
    PlacedOperator,
    beside_operator,
    without_lone_channel,
)
from inverse_inr.operators.spectral.quadrature import band_weights, gauss_rule
from inverse_inr.ranges import checked

LEAST_COVERED = 0.5
"""The least part of a channel's response that a cube's wavelengths must cover."""


class SpectralResponse(PlacedOperator):
    """Channels ∫ R_c f dλ at places of space: a row is a place.

    Measurements are (b, channels), or (b,) for one channel.

    Args:
        wavelengths: (n,), rising, in the unit of the field's last axis (nm).
        response: (n, channels) or (n,), linear between the wavelengths and zero outside.
        where: Pixel centres of a grid, or points (*shape, d), of space.
        nodes: Nodes of the Gauss rule per channel and sign, at least 1.
        normalized: Divide by ∫ R_c dλ, which gives a weighted mean in the field's unit.

    Raises:
        ValueError: If wavelengths do not rise, the response has another length, holds NaN or Inf,
            or is zero everywhere (with `normalized`: has no net area).
    """

    nodes: Tensor
    weights: Tensor

    @checked
    def __init__(
        self,
        wavelengths: Tensor,
        response: Tensor,
        where: Grid | Tensor,
        *,
        nodes: GaussNodes = 8,
        normalized: bool = False,
    ) -> None:
        knots, table = _table(wavelengths, response)
        super().__init__(where)
        self.scale = nn.Buffer(torch.from_numpy(_scale(knots, table, normalized)))
        rules = [gauss_rule(knots, column, nodes) for column in table.T]
        places = np.concatenate([place for place, _ in rules])
        weights = np.zeros((len(places), len(rules)))
        start = 0
        for c, (place, weight) in enumerate(rules):
            weights[start : start + len(place), c] = weight
            start += len(place)
        self.nodes = nn.Buffer(torch.from_numpy(places))
        self.weights = nn.Buffer(torch.from_numpy(weights))
        self._knots = knots
        self._response = table

    def forward(self, rows: Tensor) -> Query:
        x = self.positions(rows)[:, None].expand(-1, len(self.nodes), -1)
        points = torch.cat([x, self.nodes.to(x)[None, :, None].expand(len(x), -1, 1)], -1)
        weights = self.weights * self.scale

        def measure(values: Tensor) -> Tensor:
            seen = torch.einsum("bqk,qc->bck", values, weights.to(values.device, values.dtype))
            seen = without_lone_channel(seen)
            if seen.shape[1] == 1:
                return seen[:, 0]
            return seen

        return Query(points, measure)

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """Return the same responses to a sampled cube.

        Exact for spectra that are linear between band centres and constant beyond the last,
        whatever the bands' width.

        Args:
            grid: (*space, bands), the wavelength last.

        Raises:
            ValueError: If the grid has not one axis more than the measured places, or a channel
                answers mostly to wavelengths beyond the grid's box.
        """
        d = self.ndim
        if grid.ndim != d + 1:
            raise ValueError(
                f"SpectralResponse.on: the grid has {grid.ndim} axes; space has {d} and wavelength "
                "is one."
            )
        _check_covered(self._knots, self._response, grid.box.lower[-1], grid.box.upper[-1])
        bands = grid.axes(torch.float64)[-1]
        mix = torch.from_numpy(band_weights(bands.numpy(), self._knots, self._response))
        mix = mix * self.scale.cpu()
        lone = mix.shape[1] == 1
        box = grid.box
        space = Grid(Box(box.lower[:-1], box.upper[:-1], box.units[:-1]), grid.shape[:-1])
        parts: list[nn.Module | Tensor] = [mix]
        if space != self.where:
            parts.append(interpolation_matrix(space, self.positions().cpu()))
        shape = self.shape

        def seen(spectra: Tensor, mix: Tensor, *look: nn.Module) -> Tensor:
            """(*space[, c], bands) -> (*shape[, c], channels)."""
            channels = spectra @ mix.to(spectra.dtype)
            for matrix in look:
                flat = matrix(channels.reshape(space.numel, -1))
                channels = flat.reshape(*shape, *channels.shape[d:])
            return channels

        def measure(cube: Tensor, *parts: Any) -> Tensor:
            """(*space, bands[, c]) -> (*shape, channels[, c])."""
            if cube.ndim == grid.ndim:
                channels = seen(cube, *parts)
            else:
                channels = seen(cube.movedim(-1, -2), *parts).movedim(-1, -2)
            if lone:
                return channels.squeeze(len(self.shape))
            return channels

        if lone:
            return OnGrid(ArrayFunction(measure, *parts), grid, self.shape)
        return OnGrid(ArrayFunction(measure, *parts), grid, (*self.shape, mix.shape[1]), trailing=1)


def _check_covered(knots: np.ndarray, table: np.ndarray, lower: float, upper: float) -> None:
    """Raise ValueError where a cube lacks most of the light to which a channel answers."""
    fine = np.unique(np.concatenate([knots, np.clip([lower, upper], knots[0], knots[-1])]))
    size = np.abs(np.stack([np.interp(fine, knots, column) for column in table.T], -1))
    inside = (fine[:-1] >= lower) & (fine[1:] <= upper)
    areas = 0.5 * (size[1:] + size[:-1]) * np.diff(fine)[:, None]
    shares = areas[inside].sum(0) / areas.sum(0)
    worst = int(shares.argmin())
    if shares[worst] < LEAST_COVERED:
        raise ValueError(
            f"SpectralResponse.on: the cube covers {lower:g} to {upper:g}, where channel {worst} "
            f"has {100 * shares[worst]:.0f} % of its response (table {knots[0]:g} to "
            f"{knots[-1]:g}). Micrometres with nanometres, or another camera's bands?"
        )


def _scale(knots: np.ndarray, table: np.ndarray, normalized: bool) -> np.ndarray:
    """The factor of each channel, (channels,)."""
    area = np.trapezoid(table, knots, axis=0)
    if not normalized:
        return np.ones_like(area)
    if not (np.abs(area) > 1e-12 * np.abs(table).max()).all():
        raise ValueError(
            f"SpectralResponse: normalized, but the areas under the response are {area}."
        )
    return 1 / area


def _table(wavelengths: Tensor, response: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths (n,) and response (n, channels), checked."""
    knots = wavelengths.detach().cpu().double().numpy()
    table = response.detach().cpu().double().numpy()
    if table.ndim == 1:
        table = table[:, None]
    if knots.ndim != 1 or len(knots) < 2 or table.ndim != 2 or len(table) != len(knots):
        raise ValueError(
            f"SpectralResponse: wavelengths {knots.shape} and response {tuple(response.shape)} "
            "must be (n,) and (n, channels), n >= 2. Transposed?"
        )
    if not table.shape[1]:
        raise ValueError("SpectralResponse: the response has no channels.")
    if not (np.isfinite(knots).all() and np.isfinite(table).all()):
        raise ValueError("SpectralResponse: wavelengths or response hold NaN or Inf.")
    if not (np.diff(knots) > 0).all():
        raise ValueError(
            "SpectralResponse: wavelengths must rise. Given as frequencies or wavenumbers?"
        )
    if not np.abs(table).any(0).all():
        raise ValueError("SpectralResponse: a channel's response is zero everywhere.")
    return knots, table
