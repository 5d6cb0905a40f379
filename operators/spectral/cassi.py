"""Coded aperture snapshot spectral imaging: a spectrum per pixel from one monochrome exposure.

    single             y(i, u) = Σ_l w_l M(i, u - d_l) f(i, u - d_l, λ_l)
    dual               y(i, j) = Σ_l w_l M(i, j + d_l) f(i, j, λ_l)
    spatial-spectral   y(i, j) = Σ_l w_l M(i, j + τ d_l) f(i, j, λ_l)

"single" masks, then disperses (Wagadarikar et al. 2008). "dual" disperses, masks and undoes the
dispersion (Gehm et al. 2007). "spatial-spectral" has the mask between image and spectrum
(Lin 2014).

These are sums over bands, never means. The box is (H, W) pixels and wavelengths in nm, and
d_l = dispersion(λ_l) is in pixels along `axis`. On points, the field is asked at its exact
fractional place and the mask is averaged over the pixel. On a grid, the light that the mask lets
through is laid on the detector (`shear`). Both are the same where shifts are whole pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Grid, Query
from inverse_inr.devices import unravel
from inverse_inr.operators.rows import beside_operator, without_lone_channel
from inverse_inr.operators.spectral.camera import Camera
from inverse_inr.operators.spectral.cassi_on_grid import CassiOnGrid
from inverse_inr.operators.spectral.coded_aperture import along_row


class CASSI(Camera):
    """A coded-aperture camera: a row is one detector pixel of one shot.

    Its shape is (H, W + ceil(largest shift)) for "single" and (H, W) for the other modes. Parts
    that are `nn.Parameter`s (mask, gains, parts of the placement, coefficients of the dispersion)
    are learnt. In `state_dict` they are mask, response, mask_shift, mask_rotation and mask_stretch.

    Args:
        box: (H, W) whole pixels (px) and the range of wavelengths (nm).
        mask: (H, W); (H, W, L) if colour-coded; (K, H, W, 1 or L) for K shots, which become a
            leading axis of `shape`. For "dual" and "spatial-spectral" the dispersed axis may be
            longer. Beyond its end the mask is opaque.
        wavelengths: (L,) nm, rising: the bands that are summed.
        dispersion: Maps wavelengths (nm) to shifts (px) that are not negative
            (`dispersion.Cauchy`, `Table`, `ThinPrism`, ...).
        mode: "single", "dual" or "spatial-spectral"; see the equations above.
        axis: The image axis that is dispersed, 0 or 1.
        psf: Standard deviation in pixels of a Gaussian blur behind the mask: one number, (L,)
            numbers, or a function of wavelength. None for no blur.
        response: What the detector counts of each band.
        placement: The true place of the mask.
        width: Pixels of the detector along the dispersion, for "single"; by default just enough.

    Raises:
        ValueError: If the box is not whole pixels, the mask is smaller than the scene, wavelengths
            do not rise or lie outside the box, or shifts are negative or leave a detector of the
            given `width`.
    """

    # --- on points --------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        device = self.mask.device
        index = unravel(rows.to(device), self.shape)
        shot = torch.zeros_like(index[0])
        if len(self.shape) == 3:
            shot = index[0]
        across, along = index[-2:]
        if self.axis == 0:
            across, along = along, across
        shifts = self.shifts()
        height, length, _ = self.sizes
        offset, weight = self._nodes()  # (q, 2), (L, q)
        image = torch.zeros_like(shifts)
        if self.mode == "single":
            image = shifts
        # (b, L, q), with pixel centres at whole numbers
        v = along[:, None, None] - image[:, None] - offset[:, 1]
        i = (across[:, None, None] - offset[:, 0].long()).expand_as(v)
        inside = (i >= 0) & (i < height)
        if self.mode != "single":
            inside &= (v >= 0) & (v < length)
        i = i.clamp(0, height - 1)
        band = torch.arange(len(shifts), device=device)[:, None]
        at_mask = v + self.mask_shifts(shifts)[:, None]
        code = along_row(self.codes(), shot[:, None, None], band, i, at_mask)
        weights = code * inside * weight * self.gains()[:, None]

        def measure(values: Tensor) -> Tensor:
            gathered = weights.to(values.device, values.dtype)
            return without_lone_channel(torch.einsum("blqc,blq->bc", values, gathered))

        return Query(self._points(i, v), measure)

    def _points(self, i: Tensor, v: Tensor) -> Tensor:
        """Points (b, L, q, 3) of the box at line i and place v along the dispersion, in pixels."""
        place = [i + 0.5, (v + 0.5).clamp(0, self.sizes[1])]
        if self.axis == 0:
            place = place[::-1]
        lower = v.new_tensor(self.box.lower)
        points = torch.stack([*place, torch.zeros_like(v)], -1) + lower
        wavelengths = self.wavelengths.to(v)[:, None, None].expand(*v.shape, 1)
        return torch.cat([points[..., :2], wavelengths], -1)

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Pixels of the blur that a detector pixel gathers: offsets (q, 2) and weights (L, q)."""
        device = self.mask.device
        kernels = self.blur()
        if kernels is None:
            zero = torch.zeros(1, 2, dtype=torch.float64, device=device)
            one = torch.ones(len(self.wavelengths), 1, dtype=torch.float64, device=device)
            return zero, one
        radius = kernels.shape[1] // 2
        k = torch.arange(-radius, radius + 1, dtype=torch.float64, device=kernels.device)
        return torch.cartesian_prod(k, k), (kernels[:, :, None] * kernels[:, None]).flatten(1)

    # --- on a cube --------------------------------------------------------------------------------

    @beside_operator
    def on(self, grid: Grid) -> CassiOnGrid:
        """Return the same camera for sampled cubes: slice and add.

        The field is sampled at the camera's own wavelengths, even if the grid's are uniform.

        Args:
            grid: (H, W, L), with band l at wavelengths[l].

        Raises:
            ValueError: If the grid has another size or number of bands. The message tells
                (L, H, W) from (H, W, L).
        """
        expected = (*self.scene, len(self.wavelengths))
        if grid.shape != expected:
            slip = ""
            if grid.shape == (expected[2], *expected[:2]):
                slip = " Bands come last: pass cube.movedim(0, -1)."
            raise ValueError(
                f"CASSI.on: the camera sees {expected[0]} x {expected[1]} pixels in {expected[2]} "
                f"bands; the grid has shape {grid.shape}.{slip}"
            )
        return CassiOnGrid(self)
