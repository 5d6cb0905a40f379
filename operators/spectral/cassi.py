"""Coded aperture snapshot spectral imaging: a whole spectrum a pixel from one monochrome exposure.

    single             y(i, u) = Σ_l w_l M(i, u - d_l) f(i, u - d_l, λ_l)     mask, disperse (Wagadarikar et al. 2008)
    dual               y(i, j) = Σ_l w_l M(i, j + d_l) f(i, j, λ_l)           disperse, mask, undo it (Gehm et al. 2007)
    spatial-spectral   y(i, j) = Σ_l w_l M(i, j + τ d_l) f(i, j, λ_l)         mask between image and spectrum (Lin 2014)

Sums over bands, never means. The box is (H, W) pixels and wavelengths in nm; d_l = dispersion(λ_l) pixels along `axis`.
On points the field is asked at its exact fractional place and the mask is averaged over the pixel; on a grid what the
mask lets through is laid on the detector (`shear`). Both are the same where shifts are whole pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Grid, Query
from inverse_inr.operators.rows import without_lone_channel
from inverse_inr.operators.spectral.camera import Camera
from inverse_inr.operators.spectral.cassi_on_grid import CassiOnGrid
from inverse_inr.operators.spectral.coded_aperture import along_row


class CASSI(Camera):
    """A coded-aperture camera: shape (H, W + ceil(largest shift)) for "single", (H, W) for the others.

    mask           (H, W); (H, W, L) colour-coded; (K, H, W, 1 or L) for K shots, a leading axis of `shape`. For "dual"
                   and "spatial-spectral" the dispersed axis may be longer: beyond its end the mask is opaque
    wavelengths    (L,) rising, nm: the bands that are summed
    dispersion     wavelengths -> shifts in pixels, not negative (`dispersion.Cauchy`, `Table`, `ThinPrism`, ...)
    axis           0 or 1: the image axis that is dispersed
    psf            standard deviation in pixels of a Gaussian blur behind the mask: a number or a function of wavelength
    response       what the detector counts of each band (`BandResponse`)
    placement      where the mask really is (`Placement`)
    width          pixels of the detector along the dispersion ("single"); default: just enough

    What is an `nn.Parameter` (mask, gains, parts of the placement, coefficients of the dispersion) is learnt; in
    `state_dict` they are mask, response, mask_shift, mask_rotation and mask_stretch.
    Raises ValueError for a box that is not whole pixels, a mask smaller than the scene, wavelengths that do not rise or
    lie outside the box, shifts that are negative or leave a detector of given `width`.
    """

    # --- on points ----------------------------------------------------------------------------------------------------

    def forward(self, rows: Tensor) -> Query:
        device = self.mask.device
        index = torch.unravel_index(rows.to(device), self.shape)
        shot = index[0] if len(self.shape) == 3 else torch.zeros_like(index[0])
        across, along = index[-2:] if self.axis == 1 else (index[-1], index[-2])
        shifts, (height, length, _) = self.shifts(), self.sizes
        offset, weight = self._nodes()  # (q, 2), (L, q)
        image = shifts if self.mode == "single" else torch.zeros_like(shifts)
        v = (
            along[:, None, None] - image[:, None] - offset[:, 1]
        )  # (b, L, q), pixel centres at whole numbers
        i = (across[:, None, None] - offset[:, 0].long()).expand_as(v)
        inside = (i >= 0) & (i < height)
        if self.mode != "single":
            inside &= (v >= 0) & (v < length)
        i = i.clamp(0, height - 1)
        band = torch.arange(len(shifts), device=device)[:, None]
        code = along_row(
            self.codes(), shot[:, None, None], band, i, v + self.mask_shifts(shifts)[:, None]
        )
        weights = code * inside * weight * self.gains()[:, None]
        place = [i + 0.5, (v + 0.5).clamp(0, length)]
        lower = v.new_tensor(self.box.lower)
        points = (
            torch.stack([*(place if self.axis == 1 else place[::-1]), torch.zeros_like(v)], -1)
            + lower
        )
        points = torch.cat(
            [points[..., :2], self.wavelengths.to(v)[:, None, None].expand(*v.shape, 1)], -1
        )

        def measure(values: Tensor) -> Tensor:
            return without_lone_channel(
                torch.einsum("blqc,blq->bc", values, weights.to(values.device, values.dtype))
            )

        return Query(points, measure)

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Pixels of the blur that a detector pixel gathers: offsets (q, 2) and weights (L, q)."""
        kernels = self.blur()
        if kernels is None:
            zero = torch.zeros(1, 2, dtype=torch.float64, device=self.mask.device)
            return zero, torch.ones(
                len(self.wavelengths), 1, dtype=torch.float64, device=self.mask.device
            )
        radius = kernels.shape[1] // 2
        k = torch.arange(-radius, radius + 1, dtype=torch.float64, device=kernels.device)
        return torch.cartesian_prod(k, k), (kernels[:, :, None] * kernels[:, None]).flatten(1)

    # --- on a cube ----------------------------------------------------------------------------------------------------

    def on(self, grid: Grid) -> CassiOnGrid:
        """The same of a sampled cube (H, W, L), band l at wavelengths[l]: slice and add.

        The field is sampled at the camera's own wavelengths, whatever the grid's uniform ones are.
        Raises ValueError for another size or number of bands; (L, H, W) is told from (H, W, L).
        """
        expected = (*self.scene, len(self.wavelengths))
        if grid.shape != expected:
            slip = (
                " Bands come last: pass cube.movedim(0, -1)."
                if grid.shape == (expected[2], *expected[:2])
                else ""
            )
            raise ValueError(
                f"CASSI.on: the camera sees {expected[0]} x {expected[1]} pixels in {expected[2]} bands; the grid has "
                f"shape {grid.shape}.{slip}"
            )
        return CassiOnGrid(self)
