"""A box on a ground plane as radar sees it, in closed form: exact images and shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inverse_inr.operators import SarImage
from inverse_inr.ranges import Count, Finite, WholeNumber, checked

PARALLEL = 1e-12
"""Least component of a direction along an axis, by which distances are divided."""


@dataclass(frozen=True)
class BoxOnGround:
    """An opaque box on the plane z = 0; no sampled volume is involved.

    The plane ends where the radar's box ends. Lengths are in the unit of the radar's box.
    Backscatter is per area across the line of sight (gamma nought). The ground is rough; a face of
    the box has rough + glint · (n·u)^order, with n its normal and u the direction to the radar.

    Args:
        size: Length, width and height.
        center: (x, y) of the middle of its footprint.
        heading: Angle in radians by which it is turned about z.
        ground: Backscatter of the ground.
        rough: Backscatter of each face from any direction.
        glint: Further backscatter of a face from its normal's direction.
        order: Exponent of the glint; larger is narrower.
    """

    size: tuple[float, float, float] = (4.6, 2.2, 1.8)
    center: tuple[float, float] = (0.3, -0.2)
    heading: float = math.radians(20.0)
    ground: float = 0.15
    rough: float = 0.1
    glint: float = 0.5
    order: float = 4.0

    @checked
    def images(self, radar: SarImage, lines: Count = 8, heights: Count = 32) -> Tensor:
        """Noise-free intensities, from surfaces that rays hit.

        Each ray's footprint along range is spread exactly over the pixels that it covers; neither a
        density nor a lattice of voxels is involved.

        Args:
            radar: The radar with the views to compute.
            lines: Rays per pixel along azimuth.
            heights: Rays per pixel along elevation.

        Returns:
            (views, azimuths, ranges), float64.
        """
        return torch.stack(
            [self._image(radar, view, lines, heights) for view in range(radar.shape[0])]
        )

    def _image(self, radar: SarImage, view: int, lines: int, heights: int) -> Tensor:
        """The image of one view, (azimuths, ranges)."""
        u, a, e = (v[0].double() for v in radar.frame(torch.tensor([view])))
        middle = u.new_tensor(radar.box.center[:3])
        pitch = radar.pitch
        step = pitch / heights
        reach = (
            math.ceil(float(e.abs() @ u.new_tensor(radar.box.lengths[:3])) / (2 * pitch)) * heights
        )
        azimuths = radar.shape[1]
        ranges = radar.ranges
        az = ((torch.arange(azimuths * lines) + 0.5) / lines - azimuths / 2) * pitch
        s = (torch.arange(-reach, reach) + 0.5) * step
        origin = middle + az[:, None, None] * a + s[:, None] * e
        r, slope, sigma = self._hit(origin, u, e, radar)
        # slope = |dr / de|: a ray's footprint along range
        lower = (r - 0.5 * step * slope) / pitch + ranges / 2
        upper = lower + step * slope / pitch
        first = lower.floor()
        share = ((first + 1 - lower) / (upper - lower).clamp(min=1e-12)).clamp(0, 1)
        image = torch.zeros(azimuths, ranges + 2, dtype=torch.float64)
        line = (torch.arange(azimuths * lines) // lines)[:, None].expand_as(first)
        for k, part in ((0, share), (1, 1 - share)):
            at = (first + k + 1).nan_to_num(-1).clamp(0, ranges + 1).long()
            image.index_put_((line, at), sigma * part / (lines * heights), accumulate=True)
        return image[:, 1:-1]

    def _hit(
        self, origin: Tensor, u: Tensor, e: Tensor, radar: SarImage
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Range r of the first surface on rays origin - r u, its |dr / de|, and its backscatter.

        The backscatter is 0 where there is no surface.
        """
        turn = self._axes(u)
        half = u.new_tensor(self.size) / 2
        base = origin - u.new_tensor([*self.center, self.size[2] / 2])
        # in the box's axes
        toward = turn @ u
        start = base @ turn.T
        slow = torch.where(toward.abs() < PARALLEL, PARALLEL, toward)
        ends = torch.stack([(start - half) / slow, (start + half) / slow])
        near = ends.amin(0)
        far = ends.amax(0).amin(-1)
        r_box, face = near.max(-1)
        r_ground = origin[..., 2] / u[2]
        on_box = (r_box < far) & (r_box < r_ground)
        x = (origin - r_ground[..., None] * u)[..., :2]
        lower, upper = x.new_tensor(radar.box.lower[:2]), x.new_tensor(radar.box.upper[:2])
        on_ground = ~on_box & ((x >= lower) & (x <= upper)).all(-1)
        # normals of the faces towards the radar
        normals = turn * torch.where(toward >= 0, 1.0, -1.0)[:, None]
        facing = (normals @ u).clamp(min=1e-12)
        slopes = (normals @ e).abs() / facing
        sigmas = self.rough + self.glint * facing**self.order
        slope = torch.where(on_box, slopes[face], (e[2] / u[2]).abs())
        sigma = torch.where(on_box, sigmas[face], self.ground * on_ground)
        return torch.where(on_box, r_box, r_ground), slope, sigma

    def _axes(self, like: Tensor) -> Tensor:
        """The box's axes as rows, (3, 3)."""
        cos = math.cos(self.heading)
        sin = math.sin(self.heading)
        return like.new_tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    @checked
    def shadows(self, radar: SarImage, view: WholeNumber) -> Tensor:
        """Begin and end of the shadow of each azimuth line, in range pixels.

        Pixel k covers [k, k + 1]. For a chord [s1, s2] of the footprint along the ground, away from
        the radar, the shadow reaches from max(r(s1, 0), r(s2, h)) to r(s2 + h tan(incidence), 0),
        with r(s, z) = s sin(incidence) - z cos(incidence).

        Args:
            radar: The radar with the view.
            view: Number of the view.

        Returns:
            (azimuths, 2); NaN where the line, its pixel's edges included, misses the box.
        """
        u, a, _ = (v[0].double() for v in radar.frame(torch.tensor([view])))
        sin = float(u[:2].norm())
        cos = float(u[2])
        chords = [self._chords(radar, u, a, offset) for offset in (-0.5, 0.0, 0.5)]
        s1, s2 = chords[1]
        z0 = radar.box.center[2]
        height = self.size[2]
        begin = torch.maximum(s1 * sin + z0 * cos, s2 * sin - (height - z0) * cos)
        end = (s2 + height * sin / cos) * sin + z0 * cos
        hit = torch.stack([near < far for near, far in chords]).all(0)
        interval = torch.stack([begin, end], -1) / radar.pitch + radar.ranges / 2
        return torch.where(hit[:, None], interval, math.nan)

    def _chords(
        self, radar: SarImage, u: Tensor, a: Tensor, offset: float
    ) -> tuple[Tensor, Tensor]:
        """Ground distances at which azimuth lines enter and leave the footprint.

        They are measured from the middle of the radar's box, away from the radar; `offset` shifts
        the lines, in pixels.
        """
        turn = self._axes(u)[:2, :2]
        half = u.new_tensor(self.size[:2]) / 2
        azimuths = radar.shape[1]
        az = (
            torch.arange(azimuths, dtype=torch.float64) + 0.5 + offset - azimuths / 2
        ) * radar.pitch
        away = turn @ (-u[:2] / u[:2].norm())
        away = torch.where(away.abs() < PARALLEL, PARALLEL, away)
        middle = u.new_tensor(radar.box.center[:2]) - u.new_tensor(self.center)
        start = (middle + az[:, None] * a[:2]) @ turn.T
        ends = torch.stack([(-half - start) / away, (half - start) / away])
        return ends.amin(0).amax(-1), ends.amax(0).amin(-1)


@checked
def dark_runs(image: Tensor, threshold: Finite, intervals: Tensor) -> Tensor:
    """Length of the dark run of each line.

    A run reaches from the middle of the interval outwards to where the image, linear between pixel
    centres, crosses the threshold. A run that is not dark in the middle has length 0.

    Args:
        image: (azimuths, ranges) intensities.
        threshold: Below which the image is dark.
        intervals: (azimuths, 2) in range pixels, as `BoxOnGround.shadows` gives them.

    Returns:
        (azimuths,) in pixels, float64; NaN where the interval is.
    """
    lengths = torch.full((len(image),), math.nan, dtype=torch.float64)
    for k in (~intervals[:, 0].isnan()).nonzero()[:, 0].tolist():
        line = image[k].double().numpy()
        center = int(intervals[k].mean())
        lengths[k] = 0.0
        if line[center] < threshold:
            lengths[k] = _dark(line[center::-1], threshold) + _dark(line[center:], threshold)
    return lengths


def _dark(beyond: np.ndarray, threshold: float) -> float:
    """Pixels from the first sample's centre to the first crossing, or to the end of the line."""
    bright = np.flatnonzero(beyond >= threshold)
    if not len(bright):
        return len(beyond) - 0.5
    j = int(bright[0])
    return j - 1 + (threshold - beyond[j - 1]) / (beyond[j] - beyond[j - 1])
