"""SAR images of a scene seen from many directions: layover, shadow, direction-dependent echoes.

The projection is orthographic in slant range. With u the unit vector from scene to radar, a
(horizontal) along the track and e = u x a, a point x has slant range r = -u·(x - x0) and azimuth
a·(x - x0), and

    I(azimuth, r) = ∫ de  p(x) sigma(x, u) T(x)
    T(x) = exp( -∫_0^∞ p(x + s u) ds ),    x = x0 + az a - r u + e e

p is the density (1/m) and sigma the backscatter of what it is made of. Several e in one pixel are
layover, T ≈ 0 is shadow. For an opaque surface ∫ p T dr = 1: sigma is its radar cross-section per
area across the line of sight (gamma nought), and I the radar brightness (beta nought),
sigma cot(incidence) on flat ground.

Source: the field of SAR-INR (Cheng et al., IEEE TAES 61(3), 2025), in the image plane; the
equation is derived here.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Box, Query, RowOperator, memory
from inverse_inr.devices import unravel
from inverse_inr.operators.radar.geometry_checks import require_lattice
from inverse_inr.operators.radar.kinds import Degree
from inverse_inr.operators.spherical_harmonics import real_harmonics
from inverse_inr.ranges import Count, FiniteTensor, Positive, WholeNumber, checked


class SarImage(RowOperator):
    """Slant-range intensity images: rows are lines of constant azimuth.

    Row (view, line) has `ranges` values. The middle of each image is the middle of the box.

    The field has channels (p, sigma's harmonics) on a box of 3 axes, the last one up; or of 5,
    (x, y, z, azimuth, incidence), and then it is asked for p and sigma in the direction to the
    radar itself.

    Args:
        box: The scene's box, of 3 or 5 axes.
        incidence: (views,) in radians: the angle of the direction to the radar from the vertical.
        azimuth: (views,) in radians: its angle from axis 0 to axis 1.
        shape: Azimuths and ranges of each image.
        pitch: Side of a pixel in the box's unit, both ways.
        samples: Samples per pixel along range and along elevation; their places are random in
            training.
        lines: Lines of sight per pixel along azimuth; their places are random in training.
        degree: Degree of the real spherical harmonics of u in which sigma is given, with
            (degree + 1)² channels and Y_00 = 1.
        law: "linear" if the channels give p and sigma; "log" if they give their natural
            logarithms, so that both are positive.
        attenuation: False if nothing hides anything: the field is then the product p sigma alone,
            and the operator is linear.

    Raises:
        ValueError: If the box has other axes, angles disagree in number or see from below, or
            sizes are not positive.
    """

    @checked
    def __init__(
        self,
        box: Box,
        incidence: FiniteTensor,
        azimuth: FiniteTensor,
        shape: tuple[Count, Count],
        pitch: Positive,
        *,
        samples: Count = 1,
        lines: Count = 1,
        degree: Degree = 0,
        law: Literal["linear", "log"] = "linear",
        attenuation: bool = True,
    ) -> None:
        if box.ndim not in (3, 5):
            raise ValueError(
                f"SarImage: the box has {box.ndim} axes; it needs 3, or 5 with azimuth and "
                "incidence."
            )
        _check_angles(incidence, azimuth)
        if pitch > max(box.lengths[:3]):
            raise ValueError(
                f"SarImage: pitch={pitch:.6g} is longer than the box {box.lengths[:3]}: all is in "
                "one pixel. Another unit?"
            )
        require_lattice(box, shape[1], pitch, samples, lines)
        if box.ndim == 5 and degree:
            raise ValueError(f"SarImage: degree={degree} needs a box of 3 axes.")
        super().__init__((len(azimuth), int(shape[0])))
        self.box = box
        self.ranges = int(shape[1])
        self.pitch = float(pitch)
        self.samples = samples
        self.lines = lines
        self.degree = degree
        self.attenuation = attenuation
        self.law: Literal["linear", "log"] = law
        self.incidence = nn.Buffer(incidence.detach().clone())
        self.azimuth = nn.Buffer(azimuth.detach().clone())

    @property
    def channels(self) -> int:
        """Number of channels of the field."""
        return (self.degree + 1) ** 2 + int(self.attenuation)

    @checked
    def frame(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Axes of some views.

        Args:
            views: (b,) numbers of views.

        Returns:
            Unit vectors u to the radar, a along the track, and e = u x a, each (b, 3).
        """
        theta = self.incidence[views]
        phi = self.azimuth[views]
        zero = torch.zeros_like(phi)
        u = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], -1)
        a = torch.stack([-phi.sin(), phi.cos(), zero], -1)
        return u, a, torch.linalg.cross(u, a)

    @checked
    def locate(self, points: Tensor, view: WholeNumber) -> Tensor:
        """Find points in the image of one view.

        Args:
            points: (*s, 3) in the box's unit.
            view: Number of the view.

        Returns:
            (*s, 2) fractional (azimuth, range) indices.
        """
        axes = self.frame(torch.tensor([view], device=self.azimuth.device))
        u, a, _ = (v[0].to(points) for v in axes)
        x = points - points.new_tensor(self.box.center[:3])
        middle = points.new_tensor([self.shape[1] - 1, self.ranges - 1]) / 2
        return torch.stack([x @ a, -(x @ u)], -1) / self.pitch + middle

    def forward(self, rows: Tensor) -> Query:
        """Ask for the lattice of lines of sight inside the box, and answer with lines of images.

        Args:
            rows: (b,) numbers of lines, over views and azimuths.

        Returns:
            A query of (n, channels) values whose answer is (b, ranges) intensities.
        """
        view, line = unravel(rows.to(self.azimuth.device), self.shape)
        axes = self.frame(view)
        before, heights = self._extent()
        points = self._lattice(line, axes, before, heights)
        inside = self._inside(points)
        row = inside.nonzero()[:, 0]
        points = points[inside]
        if self.box.ndim == 5:
            points = torch.cat(
                [points, self.azimuth[view][row, None], self.incidence[view][row, None]], -1
            )

        def measure(values: Tensor) -> Tensor:
            return self._image(self._echoes(values, axes[0], row, inside), before)

        return Query(points, measure)

    def _lattice(
        self, line: Tensor, axes: tuple[Tensor, Tensor, Tensor], before: int, heights: int
    ) -> Tensor:
        """Points of the lattice of each row: (b, lines, R, E, 3)."""
        u, a, e = axes
        lattice = (
            len(line),
            self.lines,
            (before + self.ranges) * self.samples,
            heights * self.samples,
        )
        memory.require(
            f"SarImage: the lattice {lattice} of lines, samples and heights",
            3 * 3 * u.element_size() * math.prod(lattice),
            "Fewer rows at once, samples or lines, or larger pixels.",
            u.device,
        )
        az, r, s = self._coordinates(line, lattice, before)
        middle = u.new_tensor(self.box.center[:3])
        across = (middle + az[..., None] * a[:, None])[:, :, None, None]  # (b, lines, 1, 1, 3)
        up = s[:, None, :, None] * e[:, None, None]
        along = up - r[:, :, None, None] * u[:, None, None]  # (b, R, E, 3)
        return across + along[:, None]

    def _image(self, seen: Tensor, before: int) -> Tensor:
        """Intensities (b, ranges) of what each cell of the lattice sends back."""
        image = (
            seen[:, :, before * self.samples :]
            .sum(-1)
            .unflatten(2, (self.ranges, self.samples))
            .sum(-1)
        )
        mean = image.mean(1) / self.samples
        if self.attenuation:
            return mean
        return mean * (self.pitch / self.samples)

    def _echoes(self, values: Tensor, u: Tensor, row: Tensor, inside: Tensor) -> Tensor:
        """Intensities that each cell of the lattice sends back: (b, lines, R, E)."""
        if values.shape[-1] != self.channels:
            raise ValueError(
                f"SarImage needs a field of {self.channels} channels, got {values.shape[-1]}."
            )
        sigma = self._backscatter(values[..., int(self.attenuation) :], u, row)
        if not self.attenuation:
            return _onto(sigma, inside)
        depth = _onto(self._lawful(values[..., 0]), inside) * (self.pitch / self.samples)
        ahead = depth.cumsum(2) - depth  # optical depth between the cell and the radar
        return -torch.expm1(-depth) * torch.exp(-ahead) * _onto(sigma, inside)

    def _backscatter(self, coefficients: Tensor, u: Tensor, row: Tensor) -> Tensor:
        """Sigma (n,) in the direction to the radar of each point's row."""
        if self.degree:
            basis = math.sqrt(4 * math.pi) * real_harmonics(u, self.degree).to(coefficients.dtype)
            return self._lawful((coefficients * basis[row]).sum(-1))
        return self._lawful(coefficients[..., 0])

    def _lawful(self, value: Tensor) -> Tensor:
        """A density or backscatter from its channel."""
        if self.law == "log":
            return value.exp()
        return value

    def _extent(self) -> tuple[int, int]:
        """Pixels that cover the box: nearer to the radar than the image, and along elevation."""
        u, _, e = self.frame(torch.arange(len(self.azimuth), device=self.azimuth.device))
        half = u.new_tensor(self.box.lengths[:3]) / 2
        reach, height = (float((v.abs() @ half).max()) / self.pitch for v in (u, e))
        return max(0, math.ceil(reach - self.ranges / 2)), 2 * math.ceil(height + 0.5)

    def _coordinates(
        self, line: Tensor, lattice: tuple[int, ...], before: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Azimuth (b, lines), range (b, R) and elevation (b, E) from the middle, in box units."""
        b, lines, ranges, heights = lattice
        one = self.azimuth.new_ones(())
        step = self.pitch / self.samples

        def phase(*size: int) -> Tensor:
            if self.training:
                return torch.rand(size).to(one)
            return one.new_full(size, 0.5)

        def centred(count: int) -> Tensor:
            return (torch.arange(count, device=one.device) + phase(b, 1)) * step

        az = (torch.arange(lines, device=one.device) + phase(b, lines)) / lines
        az = (line[:, None] - self.shape[1] / 2 + az) * self.pitch
        r = centred(ranges) - (before + self.ranges / 2) * self.pitch
        return az, r, centred(heights) - heights * step / 2

    def _inside(self, points: Tensor) -> Tensor:
        lower = points.new_tensor(self.box.lower[:3])
        upper = points.new_tensor(self.box.upper[:3])
        return ((points >= lower) & (points <= upper)).all(-1)


def _check_angles(incidence: Tensor, azimuth: Tensor) -> None:
    """Raise ValueError unless angles are (views,), finite, and look from above."""
    if incidence.ndim != 1 or incidence.shape != azimuth.shape or not len(azimuth):
        raise ValueError(
            f"SarImage: incidence {tuple(incidence.shape)} and azimuth {tuple(azimuth.shape)} must "
            "be (views,)."
        )
    from_above = ((incidence > 0) & (incidence < math.pi / 2)).all()
    if not (torch.isfinite(azimuth).all() and from_above):
        raise ValueError(
            "SarImage: incidence is from the vertical, in (0, pi/2) radians. Degrees? A depression?"
        )


def _onto(values: Tensor, inside: Tensor) -> Tensor:
    """(n,) values inside the box on the whole lattice, zero outside."""
    return values.new_zeros(inside.shape).masked_scatter(inside.to(values.device), values)
