"""A push-broom spectrometer with smile, keystone and stray light, each smooth on its detector.

    d(t, i, j) = ∫ S(λ - λ_j - s_ij) E(λ) f(y_t, x_i + k_ij, λ) dλ
    y = (1 - β) d + β K d

Line t is one frame of samples i and bands j. Smile s moves the centre of a band along a line (nm),
keystone k the place of a sample from band to band (px), both by a few Legendre polynomials over the
detector. S is a Gaussian response of unit area, E the light, whose narrow lines tell the smile; f
is then a reflectance. Stray light is a share β of each frame that a broad Gaussian K lays all over
it. A keystone that is equal in all bands is a place, so it has no such part.

Where f is linear in λ across a band, the integral is E̅(λ_c) f(λ_eff), with the E̅ = ∫ S E of the
band at λ_c and the mean wavelength λ_eff of its light: one look for each measurement.

Source:
    Mouroulis, Green & Chrien (2000), Design of pushbroom imaging spectrometers for optimum recovery
    of spectroscopic and spatial information: smile and keystone. Zong et al. (2006), Simple
    spectral stray light correction method for array spectroradiometers: y = d + D d.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Query, RowOperator
from inverse_inr.devices import unravel
from inverse_inr.operators.rows import without_lone_channel
from inverse_inr.ranges import Count, FiniteTensor, Positive, Range, checked

TABLE_STEPS = 64
"""Steps of the table of the bands' light per full width at half maximum."""
LEAST_WIDTH = 1e-2
"""The least width of a band, as a fraction of the distance of bands."""
REACH = 1.5
"""Half the width of a response that is integrated, in full widths at half maximum."""

Share = Annotated[float, Range(least=0, below=1)]
"""A part of the light."""
Nodes = Annotated[int, Range(least=1, most=4096)]
"""A number of looks at a response."""


class LegendreSurface(nn.Module):
    """A smooth function of the detector: Σ_pq a_pq P_p(u) P_q(v), with u and v from -1 to 1.

    Args:
        coefficients: (p, q) numbers in the unit of the function, p along the samples and q along
            the bands. An `nn.Parameter` is learnt.
        without_mean: Leave out q = 0, of which no band differs from another.
    """

    coefficients: Tensor

    @checked
    def __init__(self, coefficients: FiniteTensor, *, without_mean: bool = False) -> None:
        super().__init__()
        if coefficients.ndim != 2 or not coefficients.numel():
            raise ValueError(
                f"LegendreSurface: coefficients must be (p, q), got {tuple(coefficients.shape)}."
            )
        if not isinstance(coefficients, nn.Parameter):
            coefficients = nn.Buffer(coefficients.detach().clone())
        self.coefficients = coefficients
        self.without_mean = without_mean

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Evaluate the surface.

        Args:
            u: (*s,) places along the samples, from -1 to 1.
            v: (*s,) places along the bands.
        """
        a = self.coefficients.double()
        first = int(self.without_mean)
        along = legendre(u, a.shape[0])
        across = legendre(v, a.shape[1] + first)[..., first:]
        return torch.einsum("...p,pq,...q->...", along, a, across)


def legendre(x: Tensor, count: int) -> Tensor:
    """Evaluate the first Legendre polynomials: (*s,) -> (*s, count)."""
    found = [torch.ones_like(x), x]
    for n in range(1, count - 1):
        found.append(((2 * n + 1) * x * found[n] - n * found[n - 1]) / (n + 1))
    return torch.stack(found[:count], -1)


class PushBroom(RowOperator):
    """Frames of a push-broom spectrometer: row (t, i, j) is a detector pixel of line t.

    Args:
        grid: Lines, samples and bands of the measured cube; the last axis is a wavelength, in nm.
        fwhm: Full width at half maximum of the bands, in nm.
        smile: Shift of a band's centre, in distances of bands; none by default.
        keystone: Shift of a sample, in samples; none by default.
        light: (n, 2) wavelengths (rising, in nm) and the light there, linear between them; 1
            everywhere by default.
        stray: Share of the light that is laid over its frame; an `nn.Parameter` is learnt.
        spread: Standard deviations of that share along samples and bands, as parts of the frame.
        stride: Every how many samples and bands a frame is looked at for its stray light.
        nodes: Looks at each response; 1 for the mean wavelength of its light.

    Raises:
        ValueError: The grid has no three axes, bands are narrower than a hundredth of their
            distance, or the light does not rise or ends before the bands do.
    """

    light: Tensor | None
    table: Tensor | None
    stray: Tensor | None

    @checked
    def __init__(
        self,
        grid: Grid,
        *,
        fwhm: Positive,
        smile: LegendreSurface | None = None,
        keystone: LegendreSurface | None = None,
        light: FiniteTensor | None = None,
        stray: Share | nn.Parameter = 0.0,
        spread: tuple[Positive, Positive] = (0.3, 0.3),
        stride: tuple[Count, Count] = (4, 2),
        nodes: Nodes = 1,
    ) -> None:
        if grid.ndim != 3:
            raise ValueError(
                f"PushBroom: a cube has lines, samples and bands; the grid's shape is {grid.shape}."
            )
        if fwhm < LEAST_WIDTH * grid.spacing[2]:
            raise ValueError(
                f"PushBroom: fwhm={fwhm:g} of bands that lie {grid.spacing[2]:g} apart. In µm?"
            )
        super().__init__(grid.shape)
        self.grid = grid
        self.smile = smile
        self.keystone = keystone
        self.fwhm = fwhm
        self.spread = spread
        lines, samples, bands = grid.axes(torch.float64)
        self.lines = nn.Buffer(lines)
        self.samples = nn.Buffer(samples)
        self.bands = nn.Buffer(bands)
        offsets, weights = _response(fwhm, nodes)
        self.offsets = nn.Buffer(offsets)
        self.weights = nn.Buffer(weights)
        known: Tensor | None = None
        table: Tensor | None = None
        if light is not None:
            known = nn.Buffer(self._checked(light.double()))
            if nodes == 1:
                table = nn.Buffer(band_light(known, fwhm))
        self.light = known
        self.table = table
        share: Tensor | None = None
        if isinstance(stray, nn.Parameter):
            share = stray
        elif stray:
            share = nn.Buffer(torch.tensor(float(stray), dtype=torch.float64))
        self.stray = share
        sizes = zip(stride, grid.shape[1:], strict=True)
        self.seen = nn.Buffer(torch.cartesian_prod(*[torch.arange(k // 2, n, k) for k, n in sizes]))

    def _checked(self, light: Tensor) -> Tensor:
        nm = light[:, 0] if light.ndim == 2 and light.shape[1] == 2 else light.new_zeros(2)
        reach = REACH * self.fwhm
        low, high = float(self.bands[0]) - reach, float(self.bands[-1]) + reach
        if len(nm) < 2 or not bool((nm.diff() > 0).all()) or nm[0] > low or nm[-1] < high:
            raise ValueError(
                f"PushBroom: light must be (n, 2), its wavelengths rising from below {low:g} to "
                f"above {high:g} nm, got {tuple(light.shape)}. In µm, or not sorted?"
            )
        return light

    @property
    def surfaces(self) -> tuple[Tensor, Tensor]:
        """Smile in nm and keystone in px of every sample and band, (samples, bands) each."""
        i, j = torch.meshgrid(
            torch.arange(self.shape[1]), torch.arange(self.shape[2]), indexing="ij"
        )
        return self._moved(i.to(self.seen.device), j.to(self.seen.device))

    def _moved(self, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
        u = 2 * (i + 0.5) / self.shape[1] - 1
        v = 2 * (j + 0.5) / self.shape[2] - 1
        u, v = u.double(), v.double()
        zero = torch.zeros_like(u)
        smile = zero if self.smile is None else self.smile(u, v) * self.grid.spacing[2]
        keystone = zero if self.keystone is None else self.keystone(u, v)
        return smile, keystone

    def forward(self, rows: Tensor) -> Query:
        t, i, j = unravel(rows, self.shape)
        points, weights = self._looks(t, i, j)
        if self.stray is None:
            return Query(points, lambda values: _weighted(values, weights))
        lines, which = t.unique(return_inverse=True)
        si, sj = self.seen.unbind(-1)
        frames = lines.repeat_interleave(len(si))
        far, far_weights = self._looks(frames, si.repeat(len(lines)), sj.repeat(len(lines)))
        rows_i, rows_j = self._kernels()
        share = self.stray
        count = len(rows)

        def measure(values: Tensor) -> Tensor:
            own = _weighted(values[:count], weights)
            frame = _weighted(values[count:], far_weights)
            frame = frame.unflatten(0, (len(lines), rows_i.shape[1], rows_j.shape[1]))
            laid = torch.einsum("im,jn,tmn...->tij...", rows_i.to(own), rows_j.to(own), frame)
            part = share.to(own.dtype)
            return (1 - part) * own + part * laid[which, i, j]

        return Query(torch.cat([points, far]), measure)

    def _looks(self, t: Tensor, i: Tensor, j: Tensor) -> tuple[Tensor, Tensor]:
        """Where detector pixels look, (b, nodes, 3), and what each look counts, (b, nodes)."""
        smile, keystone = self._moved(i, j)
        center = self.bands[j] + smile
        place = self.samples[i] + self.grid.spacing[1] * keystone
        if self.table is not None:
            mean, nm = interpolated(self.table, center)
            looked, weights = nm[:, None], mean[:, None]
        else:
            looked = center[:, None] + self.offsets
            weights = self.weights.expand_as(looked)
            if self.light is not None:
                weights = weights * interpolated(self.light, looked)[0]
        y = self.lines[t][:, None].expand_as(looked)
        points = torch.stack([y, place[:, None].expand_as(looked), looked], -1)
        low, high = self.grid.box.lower[1:], self.grid.box.upper[1:]
        inside = [points[..., k + 1].clamp(low[k], high[k]) for k in range(2)]
        return torch.stack([points[..., 0], *inside], -1), weights

    def _kernels(self) -> list[Tensor]:
        """What the seen samples, and the seen bands, lay on all of them: (n, seen) of sum 1."""
        found = []
        for axis, width in enumerate(self.spread):
            n = self.shape[axis + 1]
            seen = self.seen[:, axis].unique()
            far = torch.arange(n, device=seen.device)[:, None] - seen
            kernel = torch.exp(-0.5 * (far.double() / (width * n)).square())
            found.append(kernel / kernel.sum(1, keepdim=True))
        return found


def _weighted(values: Tensor, weights: Tensor) -> Tensor:
    return without_lone_channel((weights.to(values.dtype)[..., None] * values).sum(1))


def _response(fwhm: float, nodes: int) -> tuple[Tensor, Tensor]:
    """Offsets in nm and weights of sum 1 of a Gaussian response."""
    if nodes == 1:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    offsets = torch.linspace(-REACH * fwhm, REACH * fwhm, nodes, dtype=torch.float64)
    weights = torch.exp(-4 * math.log(2) * (offsets / fwhm).square())
    return offsets, weights / weights.sum()


def band_light(light: Tensor, fwhm: float) -> Tensor:
    """Tabulate the light of bands by their centres, and the mean wavelength of that light.

    Args:
        light: (n, 2) wavelengths in nm and the light there, linear between them.
        fwhm: Full width at half maximum of the bands, in nm.

    Returns:
        (m, 3): centres in nm, ∫ S E dλ, and ∫ λ S E dλ / ∫ S E dλ in nm.
    """
    low, high = float(light[0, 0]) + REACH * fwhm, float(light[-1, 0]) - REACH * fwhm
    count = max(2, math.ceil((high - low) * TABLE_STEPS / fwhm) + 1)
    centers = torch.linspace(low, high, count, dtype=torch.float64, device=light.device)
    offsets, weights = _response(fwhm, 4 * TABLE_STEPS + 1)
    at = centers[:, None] + offsets.to(light.device)
    seen = weights.to(light.device) * interpolated(light, at)[0]
    mean = seen.sum(1)
    nm = (seen * at).sum(1) / mean.clamp(min=1e-12 * float(mean.abs().max()))
    return torch.stack([centers, mean, nm], -1)


def interpolated(table: Tensor, at: Tensor) -> tuple[Tensor, ...]:
    """The columns of a table, linear between its rising first column, constant beyond."""
    table = table.to(at.dtype)
    nm = table[:, 0].contiguous()
    at = at.clamp(float(nm[0]), float(nm[-1]))
    k = torch.searchsorted(nm, at.detach().contiguous(), right=True).clamp(1, len(nm) - 1)
    part = (at - nm[k - 1]) / (nm[k] - nm[k - 1])
    return tuple(torch.lerp(c[k - 1], c[k], part) for c in table.unbind(1)[1:])
