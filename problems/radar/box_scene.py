"""A box on a ground plane as radar sees it, in closed form: exact images and shadows, no sampled volume."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.operators import SarImage


@dataclass(frozen=True)
class BoxOnGround:
    """An opaque box of `size` (length, width, height), turned by `heading` radians, on the plane z = 0.

    The plane ends where the radar's box ends. Backscatter an area across the line of sight (gamma nought): `ground` is
    rough; a face of the box has `rough` + `glint` (n·u)^`order` with n its normal and u the direction to the radar.
    """

    size: tuple[float, float, float] = (4.6, 2.2, 1.8)
    center: tuple[float, float] = (0.3, -0.2)
    heading: float = math.radians(20.0)
    ground: float = 0.15
    rough: float = 0.1
    glint: float = 0.5
    order: float = 4.0

    def images(self, radar: SarImage, lines: int = 8, heights: int = 32) -> Tensor:
        """Noise-free intensities (views, azimuths, ranges): surfaces hit by `lines` x `heights` rays a pixel.

        Each ray's footprint along range is spread exactly over the pixels that it covers; neither a density nor a
        lattice of voxels is involved.
        """
        return torch.stack(
            [self._image(radar, view, lines, heights) for view in range(radar.shape[0])]
        )

    def _image(self, radar: SarImage, view: int, lines: int, heights: int) -> Tensor:
        u, a, e = (v[0].double() for v in radar.frame(torch.tensor([view])))
        middle, pitch, step = u.new_tensor(radar.box.center[:3]), radar.pitch, radar.pitch / heights
        reach = (
            math.ceil(float(e.abs() @ u.new_tensor(radar.box.lengths[:3])) / (2 * pitch)) * heights
        )
        azimuths, ranges = radar.shape[1], radar.ranges
        az = ((torch.arange(azimuths * lines) + 0.5) / lines - azimuths / 2) * pitch
        s = (torch.arange(-reach, reach) + 0.5) * step
        origin = middle + az[:, None, None] * a + s[:, None] * e
        r, slope, sigma = self._hit(origin, u, e, radar)
        lower = (
            r - 0.5 * step * slope
        ) / pitch + ranges / 2  # slope = |dr / de|: a ray's footprint along range
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
        """Range of the first surface on rays origin - r u, its |dr / de| and its backscatter (0 where none is)."""
        turn = self._axes(u)
        half = u.new_tensor(self.size) / 2
        base = origin - u.new_tensor([*self.center, self.size[2] / 2])
        toward, start = turn @ u, base @ turn.T  # in the box's axes
        slow = torch.where(toward.abs() < 1e-12, 1e-12, toward)
        ends = torch.stack([(start - half) / slow, (start + half) / slow])
        near, far = ends.amin(0), ends.amax(0).amin(-1)
        r_box, face = near.max(-1)
        r_ground = origin[..., 2] / u[2]
        on_box = (r_box < far) & (r_box < r_ground)
        x = (origin - r_ground[..., None] * u)[..., :2]
        lower, upper = x.new_tensor(radar.box.lower[:2]), x.new_tensor(radar.box.upper[:2])
        on_ground = ~on_box & ((x >= lower) & (x <= upper)).all(-1)
        normals = (
            turn * torch.where(toward >= 0, 1.0, -1.0)[:, None]
        )  # of the faces towards the radar
        facing = (normals @ u).clamp(min=1e-12)
        slopes, sigmas = (normals @ e).abs() / facing, self.rough + self.glint * facing**self.order
        slope = torch.where(on_box, slopes[face], (e[2] / u[2]).abs())
        sigma = torch.where(on_box, sigmas[face], self.ground * on_ground)
        return torch.where(on_box, r_box, r_ground), slope, sigma

    def _axes(self, like: Tensor) -> Tensor:
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return like.new_tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def shadows(self, radar: SarImage, view: int) -> Tensor:
        """Where the shadow of each azimuth line begins and ends, in range pixels (pixel k covers [k, k + 1]): (A, 2).

        NaN where the line, its pixel's edges included, misses the box. For a chord [s1, s2] of the footprint along the
        ground, from the radar: max(r(s1, 0), r(s2, h)) to r(s2 + h tan(incidence), 0), r = s sin - z cos.
        """
        u, a, _ = (v[0].double() for v in radar.frame(torch.tensor([view])))
        sin, cos = float(u[:2].norm()), float(u[2])
        chords = [self._chords(radar, u, a, offset) for offset in (-0.5, 0.0, 0.5)]
        s1, s2 = chords[1]
        z0, height = radar.box.center[2], self.size[2]
        begin = torch.maximum(s1 * sin + z0 * cos, s2 * sin - (height - z0) * cos)
        end = (s2 + height * sin / cos) * sin + z0 * cos
        hit = torch.stack([near < far for near, far in chords]).all(0)
        interval = torch.stack([begin, end], -1) / radar.pitch + radar.ranges / 2
        return torch.where(hit[:, None], interval, math.nan)

    def _chords(
        self, radar: SarImage, u: Tensor, a: Tensor, offset: float
    ) -> tuple[Tensor, Tensor]:
        """Ground distances from the middle, away from the radar, at which lines enter and leave the footprint."""
        turn = self._axes(u)[:2, :2]
        half = u.new_tensor(self.size[:2]) / 2
        azimuths = radar.shape[1]
        az = (
            torch.arange(azimuths, dtype=torch.float64) + 0.5 + offset - azimuths / 2
        ) * radar.pitch
        away = turn @ (-u[:2] / u[:2].norm())
        away = torch.where(away.abs() < 1e-12, 1e-12, away)
        middle = u.new_tensor(radar.box.center[:2]) - u.new_tensor(self.center)
        start = (middle + az[:, None] * a[:2]) @ turn.T
        ends = torch.stack([(-half - start) / away, (half - start) / away])
        return ends.amin(0).amax(-1), ends.amax(0).amin(-1)


def dark_runs(image: Tensor, threshold: float, intervals: Tensor) -> Tensor:
    """Length in pixels of the dark run of each line, (A, R) and (A, 2) -> (A,): NaN where the interval is.

    From the middle of the interval outwards to where the image, linear between pixel centres, crosses the threshold.
    A run that is not dark in the middle has length 0.
    """
    import numpy as np

    lengths = torch.full((len(image),), math.nan, dtype=torch.float64)
    for k in (~intervals[:, 0].isnan()).nonzero()[:, 0].tolist():
        line, center = image[k].double().numpy(), int(intervals[k].mean())
        length = 0.0
        if line[center] < threshold:
            for step in (-1, 1):
                beyond = line[center::step]
                bright = np.flatnonzero(beyond >= threshold)
                if len(bright):
                    j = int(bright[0])
                    length += j - 1 + (threshold - beyond[j - 1]) / (beyond[j] - beyond[j - 1])
                else:
                    length += len(beyond) - 0.5
        lengths[k] = length
    return lengths
