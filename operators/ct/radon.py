"""The Radon transform: a parallel beam in 2-D, on rays and on a grid.

The convention of angles and axes is that of `ray_transform`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Box, Grid, OnGrid
from inverse_inr.operators.ct.fourier_slice import FourierSlice
from inverse_inr.operators.ct.ray_transform import positive_count
from inverse_inr.operators.ct.turning_scanner import TurningScanner, at_views
from inverse_inr.operators.rows import beside_operator
from inverse_inr.ranges import Count, Finite, FiniteTensor, Positive, checked


class ParallelBeam(TurningScanner):
    """A parallel beam in 2-D, of shape (views, detectors).

    Args:
        box: The 2-D box of the field.
        angles: (views,) in radians.
        detectors: Number of detector bins.
        pitch: Width of a bin, in the box's unit; by default the box's longest side / `detectors`.
        center: Shift of the axis of rotation along the detector, in the box's unit: one number, or
            (views,), one for each view.
        samples: Points per ray; by default one per bin on the box's diagonal.
        subrays: Rays that are averaged over each detector bin.

    Raises:
        ValueError: The box is not 2-D, the angles are not finite or in degrees, the pitch is not
            positive, or there are not as many centres as views.
    """

    @checked
    def __init__(
        self,
        box: Box,
        angles: FiniteTensor,
        detectors: Count,
        pitch: Positive | None = None,
        center: Finite | FiniteTensor = 0.0,
        samples: Count | None = None,
        subrays: Count = 1,
    ) -> None:
        detectors = positive_count(detectors, "ParallelBeam: detectors")
        if pitch is None:
            pitch = max(box.lengths) / detectors
        super().__init__(box, angles, center, pitch, samples, subrays)
        self.shape = (len(self.angles), detectors)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, column = self._split(rows)
        s = self.pitch * self._bins(column, self.shape[1], subrays)
        s = s - at_views(self.center, view)[..., None]
        e, n = self._frame(view)
        origin = self._middle() + s[..., None] * e[:, None]
        return origin, n[:, None].expand_as(origin)

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, _ = self._frame(view)
        s = (points - self._middle()) @ e
        index = (s + at_views(self.center, view)) / self.pitch + 0.5 * (self.shape[1] - 1)
        return index[..., None], torch.ones_like(s)

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same transform of a sampled image, by Fourier slices: exact for band-limited images.

        Detector bins are averaged (a factor sinc in the frequency domain).

        Args:
            grid: The grid of the image, whose values are samples at pixel centres.
        """
        return OnGrid(FourierSlice(self, grid), grid, self.shape)
