"""Analytic truths: fields whose line integrals and Fourier transforms are known in closed form, in 2-D and 3-D.

They simulate CT and MRI data without a grid, hence without an inverse crime. Lengths are in the box's unit and
frequencies in cycles per unit; results follow the dtype and device of the arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.domain import Box


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """A sum of n uniform ellipses (d = 2) or ellipsoids (d = 3); a point exactly on a boundary counts as inside.

    centers (n, d), semi_axes (n, d), rotations (n, d, d) whose columns are the local axes, values (n,); kept in
    float64. Shapes are visited one by one: memory is that of the points, not points times n.
    Raises ValueError for shapes that disagree, non-finite parameters, semi_axes <= 0, rotations not orthogonal.
    """

    centers: Tensor
    semi_axes: Tensor
    rotations: Tensor
    values: Tensor

    def __post_init__(self) -> None:
        n, d = _store(self, "centers", self.centers, None).shape
        axes = _store(self, "semi_axes", self.semi_axes, (n, d))
        frames = _store(self, "rotations", self.rotations, (n, d, d))
        _store(self, "values", self.values, (n,))
        _require_positive(self, "semi_axes", axes)
        if not torch.allclose(frames.mT @ frames, torch.eye(d, dtype=frames.dtype), rtol=0, atol=1e-6):
            raise ValueError(
                "Ellipsoids: the columns of each of rotations must be orthonormal axes. Degrees as radians?"
            )

    @property
    def ndim(self) -> int:
        return self.centers.shape[-1]

    def __call__(self, points: Tensor) -> Tensor:
        """(*s, d) -> (*s, 1)."""
        _check(self, points)
        to_unit = (self.rotations / self.semi_axes[:, None, :]).to(points)
        total = points.new_zeros(points.shape[:-1])
        for center, frame, value in zip(self.centers.to(points), to_unit, self.values.tolist(), strict=True):
            inside = ((points - center) @ frame).square().sum(-1) <= 1
            total = total + value * inside.to(points.dtype)
        return total[..., None]

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """The integral over the whole line origin + t direction, t in length units: (*s, d), (*s, d) -> (*s,).

        `direction` is a unit vector (any other is normalised). Differentiable in both. In the frame where the
        ellipsoid is the unit ball, the chord is 2 sqrt(1 - distance^2) / |direction there|.
        """
        origin, direction = _lines(self, origin, direction)
        to_unit = (self.rotations / self.semi_axes[:, None, :]).to(origin)
        total = origin.new_zeros(origin.shape[:-1])
        for center, frame, value in zip(self.centers.to(origin), to_unit, self.values.tolist(), strict=True):
            along = direction @ frame
            speed = along.norm(dim=-1)
            gap = 1 - _off_line((origin - center) @ frame, along / speed[..., None]).square().sum(-1)
            # sqrt has no slope at 0: lines that miss take it at 1, so that their gradient is 0 and not NaN
            hit = gap > 0
            total = total + torch.where(hit, 2 * value * torch.where(hit, gap, 1).sqrt() / speed, 0)
        return total

    def fourier(self, frequency: Tensor) -> Tensor:
        """∫ f(x) exp(-2πi k·x) dx at k in cycles per unit: (*s, d) -> complex (*s,).

        A ball's transform in the frame where the ellipsoid is one. No gradient: torch has none for J1.
        """
        _check(self, frequency)
        frequency = frequency.detach()
        to_unit = (self.rotations * self.semi_axes[:, None, :]).to(frequency)
        ball, volume = (_disc, math.pi) if self.ndim == 2 else (_ball, 4 / 3 * math.pi)
        masses = (volume * self.semi_axes.prod(-1) * self.values).tolist()
        total = _complex_zeros(frequency)
        for center, frame, mass in zip(self.centers.to(frequency), to_unit, masses, strict=True):
            u = 2 * math.pi * (frequency @ frame).norm(dim=-1)
            total = total + _shifted(mass * ball(u), frequency, center)
        return total


@dataclass(frozen=True, eq=False)
class GaussianBlobs:
    """A sum of n Gaussians value exp(-|x - center|^2 / (2 width^2)): smooth, and differentiable throughout.

    centers (n, d) with d = 2 or 3, widths (n,) the standard deviations, values (n,); kept in float64.
    Raises ValueError for shapes that disagree, non-finite parameters, widths <= 0.
    """

    centers: Tensor
    widths: Tensor
    values: Tensor

    def __post_init__(self) -> None:
        n, _ = _store(self, "centers", self.centers, None).shape
        widths = _store(self, "widths", self.widths, (n,))
        _store(self, "values", self.values, (n,))
        _require_positive(self, "widths", widths)

    @property
    def ndim(self) -> int:
        return self.centers.shape[-1]

    def __call__(self, points: Tensor) -> Tensor:
        """(*s, d) -> (*s, 1)."""
        _check(self, points)
        total = points.new_zeros(points.shape[:-1])
        for center, width, value in self._blobs(points):
            total = total + value * torch.exp(((points - center) / width).square().sum(-1) / -2)
        return total[..., None]

    def line_integral(self, origin: Tensor, direction: Tensor) -> Tensor:
        """The integral over the whole line origin + t direction, t in length units: (*s, d), (*s, d) -> (*s,).

        `direction` is a unit vector (any other is normalised).
        """
        origin, direction = _lines(self, origin, direction)
        total = origin.new_zeros(origin.shape[:-1])
        for center, width, value in self._blobs(origin):
            distance2 = (_off_line(origin - center, direction) / width).square().sum(-1)
            total = total + value * width * math.sqrt(2 * math.pi) * torch.exp(distance2 / -2)
        return total

    def fourier(self, frequency: Tensor) -> Tensor:
        """∫ f(x) exp(-2πi k·x) dx at k in cycles per unit: (*s, d) -> complex (*s,)."""
        _check(self, frequency)
        total = _complex_zeros(frequency)
        for center, width, value in self._blobs(frequency):
            mass = value * (2 * math.pi * width**2) ** (self.ndim / 2)
            decay = torch.exp(-2 * (math.pi * width * frequency).square().sum(-1))
            total = total + _shifted(mass * decay, frequency, center)
        return total

    def _blobs(self, like: Tensor) -> list[tuple[Tensor, float, float]]:
        return list(zip(self.centers.to(like), self.widths.tolist(), self.values.tolist(), strict=True))


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
    values = (1, -0.8, -0.2, -0.2) + (0.1,) * 6 if modified else (2, -0.98, -0.02, -0.02) + (0.01,) * 6
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
    axes, centers, degrees = (torch.tensor(column, dtype=torch.float64) for column in zip(*table, strict=True))
    d = axes.shape[-1]
    if box.ndim != d:
        raise ValueError(f"{name} is {d}-D but the box is {box.ndim}-D; shepp_logan is 2-D and shepp_logan_3d 3-D.")
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


def gaussian_blobs(box: Box, *, count: int = 40, width: float | None = None, seed: int = 0) -> GaussianBlobs:
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
            f"gaussian_blobs: width={width} needs {margin:.4g} to every face, but the box's shortest side is {side:.4g}."
        )
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(count, box.ndim + 2, dtype=torch.float64, generator=generator)
    room = u.new_tensor(box.lengths) - 2 * margin
    centers = u.new_tensor(box.lower) + margin + room * u[:, :-2]
    return GaussianBlobs(centers, width * (1 + u[:, -2]) / 2, (1 + u[:, -1]) / 2)


def _disc(u: Tensor) -> Tensor:
    """2 J1(u) / u: the transform of a disc over its area, u = 2π radius |k| >= 0."""
    small = u < 1e-4
    return torch.where(small, 1 - u.square() / 8, 2 * torch.special.bessel_j1(u) / torch.where(small, 1, u))


def _ball(u: Tensor) -> Tensor:
    """3 (sin u - u cos u) / u^3: the transform of a ball over its volume; its series below 1, where terms cancel."""
    small, square = u < 1, u.clamp(max=1).square()
    series = torch.zeros_like(u)
    for n in reversed(range(9)):
        series = series * -square + 6 * (n + 1) / math.factorial(2 * n + 3)
    safe = torch.where(small, 1, u)
    return torch.where(small, series, 3 * (safe.sin() - safe * safe.cos()) / safe**3)


def _shifted(amplitude: Tensor, frequency: Tensor, center: Tensor) -> Tensor:
    """amplitude exp(-2πi k·center)."""
    phase = -2 * math.pi * (frequency @ center)
    return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())


def _complex_zeros(frequency: Tensor) -> Tensor:
    return torch.zeros(frequency.shape[:-1], dtype=frequency.dtype.to_complex(), device=frequency.device)


def _off_line(offset: Tensor, unit: Tensor) -> Tensor:
    """The part of `offset` across the line along `unit`: taken first, it loses no digits to a far origin."""
    return offset - (offset * unit).sum(-1, keepdim=True) * unit


def _lines(shape: Ellipsoids | GaussianBlobs, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Origins and unit directions of one shape and dtype."""
    _check(shape, origin)
    _check(shape, direction)
    dtype = torch.promote_types(origin.dtype, direction.dtype)
    origin, direction = torch.broadcast_tensors(origin.to(dtype), direction.to(dtype))
    return origin, direction / direction.norm(dim=-1, keepdim=True)


def _check(shape: Ellipsoids | GaussianBlobs, points: Tensor) -> None:
    if points.shape[-1:] != (shape.ndim,) or not points.is_floating_point():
        raise ValueError(
            f"{type(shape).__name__} in {shape.ndim}-D takes real floating (*s, {shape.ndim}), "
            f"got {points.dtype} of shape {tuple(points.shape)}."
        )


def _store(shape: Ellipsoids | GaussianBlobs, name: str, value: Tensor, expected: tuple[int, ...] | None) -> Tensor:
    """The parameter in float64 on the CPU, written back to the frozen `shape`; expected=None means (n, 2 or 3)."""
    value = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach()
    fits = value.shape == expected if expected is not None else value.ndim == 2 and value.shape[1] in (2, 3)
    if not fits:
        wanted = "(n, 2) or (n, 3)" if expected is None else f"{expected} as centers require"
        raise ValueError(f"{type(shape).__name__}: {name} has shape {tuple(value.shape)}; it must be {wanted}.")
    if not value.isfinite().all():
        raise ValueError(f"{type(shape).__name__}: {name} must be finite.")
    object.__setattr__(shape, name, value)
    return value


def _require_positive(shape: Ellipsoids | GaussianBlobs, name: str, value: Tensor) -> None:
    if (value <= 0).any():
        raise ValueError(f"{type(shape).__name__}: {name} must be positive, got {value.min().item():.4g}.")
