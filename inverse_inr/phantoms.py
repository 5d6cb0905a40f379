"""Analytic truths: fields whose line integrals and Fourier transforms are known in closed form, in 2-D and 3-D.

They simulate CT and MRI data without a grid, hence without an inverse crime. Lengths are in the box's unit and
frequencies in cycles per unit; results follow the dtype and device of the arguments.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.domain import Box


class _Sum(ABC):
    """A field that is a sum of n shapes; subclasses yield one term a shape.

    Shapes are visited one by one: memory is that of the points, not points times n.
    """

    centers: Tensor
    values: Tensor

    @property
    def ndim(self) -> int:
        return self.centers.shape[-1]

    def __call__(self, points: Tensor) -> Tensor:
        """The field's values: (*s, d) -> (*s, 1)."""
        self._check(points)
        return sum(self._point_terms(points), points.new_zeros(points.shape[:-1]))[..., None]

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """The integral over the whole line origin + t direction, t in length units: (*s, d), (*s, d) -> (*s,).

        `direction` is a unit vector (any other is normalised). Differentiable in both.
        """
        self._check(origin)
        self._check(direction)
        dtype = torch.promote_types(origin.dtype, direction.dtype)
        origin, direction = torch.broadcast_tensors(origin.to(dtype), direction.to(dtype))
        unit = direction / direction.norm(dim=-1, keepdim=True)
        return sum(self._line_terms(origin, unit), origin.new_zeros(origin.shape[:-1]))

    def fourier(self, frequency: Tensor) -> Tensor:
        """∫ f(x) exp(-2πi k·x) dx at k in cycles per unit: (*s, d) -> complex (*s,)."""
        self._check(frequency)
        total = torch.zeros(
            frequency.shape[:-1], dtype=frequency.dtype.to_complex(), device=frequency.device
        )
        for center, amplitude in zip(
            self.centers.to(frequency), self._amplitudes(frequency), strict=True
        ):
            phase = -2 * math.pi * (frequency @ center)
            total = total + torch.complex(amplitude * phase.cos(), amplitude * phase.sin())
        return total

    @abstractmethod
    def _point_terms(self, points: Tensor) -> Iterator[Tensor]: ...

    @abstractmethod
    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]: ...

    @abstractmethod
    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        """Transforms of the shapes moved to the origin: real, for each is symmetric."""

    def _check(self, points: Tensor) -> None:
        if points.shape[-1:] != (self.ndim,) or not points.is_floating_point():
            raise ValueError(
                f"{type(self).__name__} in {self.ndim}-D takes real floating (*s, {self.ndim}), "
                f"got {points.dtype} of shape {tuple(points.shape)}."
            )

    def _store(
        self, name: str, expected: tuple[int, ...] | None = None, positive: bool = False
    ) -> Tensor:
        """Check a parameter and keep it in float64 on the CPU; without `expected` it is (n, 2) or (n, 3)."""
        value = torch.as_tensor(getattr(self, name), dtype=torch.float64, device="cpu").detach()
        fits = (
            value.shape == expected
            if expected is not None
            else value.ndim == 2 and value.shape[1] in (2, 3)
        )
        if not fits:
            wanted = "(n, 2) or (n, 3)" if expected is None else f"{expected} as centers require"
            raise ValueError(
                f"{type(self).__name__}: {name} has shape {tuple(value.shape)}; it must be {wanted}."
            )
        if not value.isfinite().all():
            raise ValueError(f"{type(self).__name__}: {name} must be finite.")
        if positive and (value <= 0).any():
            raise ValueError(
                f"{type(self).__name__}: {name} must be positive, got {value.min().item():.4g}."
            )
        object.__setattr__(self, name, value)
        return value


@dataclass(frozen=True, eq=False)
class Ellipsoids(_Sum):
    """A sum of n uniform ellipses (d = 2) or ellipsoids (d = 3); a point exactly on a boundary counts as inside.

    centers (n, d), semi_axes (n, d), rotations (n, d, d) whose columns are the local axes, values (n,); float64.
    `fourier` is differentiable once in 2-D.
    Raises ValueError for shapes that disagree, non-finite parameters, semi_axes <= 0, rotations not orthogonal.
    """

    centers: Tensor
    semi_axes: Tensor
    rotations: Tensor
    values: Tensor

    def __post_init__(self) -> None:
        n, d = self._store("centers").shape
        self._store("semi_axes", (n, d), positive=True)
        self._store("values", (n,))
        axes = self._store("rotations", (n, d, d))
        if not torch.allclose(axes.mT @ axes, torch.eye(d, dtype=axes.dtype), rtol=0, atol=1e-6):
            raise ValueError(
                "Ellipsoids: the columns of each of the rotations must be orthonormal axes."
            )

    def _in_unit_frames(self, points: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
        """For each ellipsoid: points where it is the unit ball, the map (d, d) of directions to there, its value."""
        maps = (self.rotations / self.semi_axes[:, None, :]).to(points)
        for center, to_unit, value in zip(
            self.centers.to(points), maps, self.values.tolist(), strict=True
        ):
            yield (points - center) @ to_unit, to_unit, value

    def _point_terms(self, points: Tensor) -> Iterator[Tensor]:
        for local, _, value in self._in_unit_frames(points):
            yield value * (local.square().sum(-1) <= 1).to(points.dtype)

    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]:
        """A chord of the unit ball, 2 sqrt(1 - distance^2), over the stretch of lengths along it."""
        for local, to_unit, value in self._in_unit_frames(origin):
            along = unit @ to_unit
            stretch = along.norm(dim=-1)
            gap = 1 - off_line(local, along / stretch[..., None]).square().sum(-1)
            # sqrt has no slope at 0: lines that miss take it at 1, so that their gradient is 0 and not NaN
            chord = 2 * torch.where(gap > 0, gap, 1).sqrt() / stretch
            yield value * torch.where(gap > 0, chord, 0)

    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        """The unit ball's transform, by the change of variables that makes it the ellipsoid."""
        maps = (self.rotations * self.semi_axes[:, None, :]).to(frequency)
        volume, ball = (math.pi, _disc) if self.ndim == 2 else (4 / 3 * math.pi, _ball)
        masses = volume * self.semi_axes.prod(-1) * self.values
        for mass, to_unit in zip(masses.tolist(), maps, strict=True):
            yield mass * ball(2 * math.pi * (frequency @ to_unit).norm(dim=-1))


@dataclass(frozen=True, eq=False)
class GaussianBlobs(_Sum):
    """A sum of n Gaussians value exp(-|x - center|^2 / (2 width^2)): smooth, and differentiable throughout.

    centers (n, d) with d = 2 or 3, widths (n,) the standard deviations, values (n,); float64.
    Raises ValueError for shapes that disagree, non-finite parameters, widths <= 0.
    """

    centers: Tensor
    widths: Tensor
    values: Tensor

    def __post_init__(self) -> None:
        n, _ = self._store("centers").shape
        self._store("widths", (n,), positive=True)
        self._store("values", (n,))

    def _blobs(self, like: Tensor) -> Iterator[tuple[Tensor, float, float]]:
        return zip(self.centers.to(like), self.widths.tolist(), self.values.tolist(), strict=True)

    def _point_terms(self, points: Tensor) -> Iterator[Tensor]:
        for center, width, value in self._blobs(points):
            yield value * torch.exp(((points - center) / width).square().sum(-1) / -2)

    def _line_terms(self, origin: Tensor, unit: Tensor) -> Iterator[Tensor]:
        for center, width, value in self._blobs(origin):
            distance2 = (off_line(origin - center, unit) / width).square().sum(-1)
            yield value * width * math.sqrt(2 * math.pi) * torch.exp(distance2 / -2)

    def _amplitudes(self, frequency: Tensor) -> Iterator[Tensor]:
        for _, width, value in self._blobs(frequency):
            mass = value * (2 * math.pi * width**2) ** (self.ndim / 2)
            yield mass * torch.exp(-2 * (math.pi * width * frequency).square().sum(-1))


# The table's x points right and y up. Rows: semi-axes, centre, rotation about z in degrees counter-clockwise.
_SHEPP_LOGAN = (
    ((0.69, 0.92), (0.0, 0.0), 0),
    ((0.6624, 0.874), (0.0, -0.0184), 0),
    ((0.11, 0.31), (0.22, 0.0), -18),
    ((0.16, 0.41), (-0.22, 0.0), 18),
    ((0.21, 0.25), (0.0, 0.35), 0),
    ((0.046, 0.046), (0.0, 0.1), 0),
    ((0.046, 0.046), (0.0, -0.1), 0),
    ((0.046, 0.023), (-0.08, -0.605), 0),
    ((0.023, 0.023), (0.0, -0.605), 0),
    ((0.023, 0.046), (0.06, -0.605), 0),
)
_KAK_SLANEY = (
    ((0.69, 0.92, 0.9), (0.0, 0.0, 0.0), 0),
    ((0.6624, 0.874, 0.88), (0.0, 0.0, 0.0), 0),
    ((0.41, 0.16, 0.21), (-0.22, 0.0, -0.25), 108),
    ((0.31, 0.11, 0.22), (0.22, 0.0, -0.25), 72),
    ((0.21, 0.25, 0.5), (0.0, 0.35, -0.25), 0),
    ((0.046, 0.046, 0.046), (0.0, 0.1, -0.25), 0),
    ((0.046, 0.023, 0.02), (-0.08, -0.65, -0.25), 0),
    ((0.046, 0.023, 0.02), (0.06, -0.65, -0.25), 90),
    ((0.056, 0.04, 0.1), (0.06, -0.105, 0.625), 90),
    ((0.056, 0.056, 0.1), (0.0, 0.1, 0.625), 0),
)


def shepp_logan(box: Box, *, modified: bool = True) -> Ellipsoids:
    """The head phantom of Shepp & Logan (IEEE TNS 21, 1974), with Toft's contrast (PhD thesis 1996) if `modified`.

    The table's square [-1, 1]^2 fits the box's shortest side, centred; axis 0 points down the usual picture.
    Values lie in [0, 1] (original: [0, 2]), up to rounding. Raises ValueError unless the box is 2-D.
    """
    values = (
        (1, -0.8, -0.2, -0.2) + (0.1,) * 6 if modified else (2, -0.98, -0.02, -0.02) + (0.01,) * 6
    )
    return _head("shepp_logan", box, _SHEPP_LOGAN, values)


def shepp_logan_3d(box: Box, *, modified: bool = True) -> Ellipsoids:
    """The 3-D head of Kak & Slaney (1988, table 3.2 with its errata), contrast of Yu, Ye & Wang (2004) if `modified`.

    Coordinates are (-y, x, z) of the table, whose cube [-1, 1]^3 fits the box's shortest side, centred.
    Values lie in [0, 1] (original: [0, 2]), up to rounding. Raises ValueError unless the box is 3-D.
    """
    strong = (1, -0.8, -0.2, -0.2, 0.2, 0.2, 0.1, 0.1, 0.2, -0.2)
    weak = (2, -0.98, -0.02, -0.02, 0.02, 0.02, 0.01, 0.01, 0.02, -0.02)
    return _head("shepp_logan_3d", box, _KAK_SLANEY, strong if modified else weak)


def _head(name: str, box: Box, table: tuple, values: tuple[float, ...]) -> Ellipsoids:
    """The table's ellipsoids in the box: scaled, centred and turned from (x, y[, z]) to (-y, x[, z])."""
    axes, centers, degrees = (
        torch.tensor(column, dtype=torch.float64) for column in zip(*table, strict=True)
    )
    d = axes.shape[-1]
    if box.ndim != d:
        raise ValueError(
            f"{name} is {d}-D but the box is {box.ndim}-D; shepp_logan is 2-D and shepp_logan_3d 3-D."
        )
    scale, center = min(box.lengths) / 2, torch.tensor(box.center, dtype=torch.float64)
    quarter = _rotations(torch.tensor([90.0], dtype=torch.float64), d)
    return Ellipsoids(
        centers=center + scale * centers @ quarter[0].mT,
        semi_axes=scale * axes,
        rotations=quarter @ _rotations(degrees, d),
        values=torch.tensor(values, dtype=torch.float64),
    )


def _rotations(degrees: Tensor, d: int) -> Tensor:
    """Counter-clockwise turns of the first two axes: (n,) -> (n, d, d)."""
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    turns = torch.eye(d, dtype=torch.float64).repeat(len(degrees), 1, 1)
    turns[:, 0, 0], turns[:, 0, 1], turns[:, 1, 0], turns[:, 1, 1] = cos, -sin, sin, cos
    return turns


def gaussian_blobs(
    box: Box, *, count: int = 40, width: float | None = None, seed: int = 0
) -> GaussianBlobs:
    """`count` random positive blobs of standard deviation in [width / 2, width] (box units; default: side / 32).

    Centres keep so far from the faces that f is below 1e-8 of its maximum there: neither a finite detector nor a
    periodic FFT sees an edge. Raises ValueError for count < 1 or a width that is not positive or leaves no room.
    """
    side = min(box.lengths)
    width = side / 32 if width is None else width
    if count < 1 or not (math.isfinite(width) and width > 0):
        raise ValueError(f"gaussian_blobs: count={count} and width={width} must be positive.")
    # all blobs at this distance add up to 1e-8 of the least maximum, 1/2
    margin = width * math.sqrt(2 * math.log(2e8 * count))
    if 2 * margin >= side:
        raise ValueError(
            f"gaussian_blobs: width={width} needs {margin:.4g} to every face; the box's shortest side is {side:.4g}."
        )
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(count, box.ndim + 2, dtype=torch.float64, generator=generator)
    room = u.new_tensor(box.lengths) - 2 * margin
    centers = u.new_tensor(box.lower) + margin + room * u[:, :-2]
    return GaussianBlobs(centers, width * (1 + u[:, -2]) / 2, (1 + u[:, -1]) / 2)


def _disc(u: Tensor) -> Tensor:
    """2 J1(u) / u: the transform of a disc over its area, u = 2π radius |k| >= 0. Torch has no gradient of J1."""
    small = u < 1e-4
    v = torch.where(small, 1, u).detach()
    jinc = 2 * torch.special.bessel_j1(v) / v
    value = torch.where(small, 1 - u.detach().square() / 8, jinc)
    slope = torch.where(small, -u.detach() / 4, 2 * (torch.special.bessel_j0(v) - jinc) / v)
    return value + slope * (u - u.detach())


def _ball(u: Tensor) -> Tensor:
    """3 (sin u - u cos u) / u^3: the transform of a ball over its volume; its series below 1, where terms cancel."""
    small, square = u < 1, u.clamp(max=1).square()
    series = torch.zeros_like(u)
    for n in reversed(range(9)):
        series = series * -square + 6 * (n + 1) / math.factorial(2 * n + 3)
    safe = torch.where(small, 1, u)
    return torch.where(small, series, 3 * (safe.sin() - safe * safe.cos()) / safe**3)


def off_line(offset: Tensor, unit: Tensor) -> Tensor:
    """The part of `offset` across the line along `unit`: taken first, it loses no digits to a far origin."""
    return offset - (offset * unit).sum(-1, keepdim=True) * unit
