"""Line integrals of a continuous field along rays, which all X-ray transforms have in common.

One convention holds for all beams. The object is fixed, the scanner turns by `angle` (radians)
about the box's centre:

    e = (cos, sin)   along the detector         n = (-sin, cos)   from source to detector

A parallel ray with detector coordinate s is { x : (x - centre)·e = s }, so s = x0 cos + x1 sin. Fan
and cone beams with a distant source tend to it. In 3-D the axis of rotation is the last coordinate,
so every slice [..., k] of the volume is a fan-beam image; detector rows run along it. `center`
shifts the axis along the detector, in length units: one for the scan, or one for each view (a stage
that wobbles).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, flatten, unflatten
from inverse_inr.devices import constant, unravel
from inverse_inr.hooks import Lines
from inverse_inr.memory import require
from inverse_inr.operators.ct.joseph_planes import JosephPlanes
from inverse_inr.operators.ct.rays_on_grid import RaysOnGrid
from inverse_inr.operators.rows import beside_operator


class RayTransform(nn.Module, ABC):
    """Line integrals of a field over rays clipped to the box.

    Row r is the r-th entry of the flattened `shape`. In training the sample points of a ray share
    one random phase: this is unbiased, and spectrally accurate on smooth fields, where jitter of
    each sample alone is not. In evaluation they sit at midpoints. Geometry that is passed as
    `nn.Parameter` is learnt by the solver.

    Args:
        box: The box of the field; rays are clipped to it.
        pitch: Width of a detector bin, in the box's unit.
        samples: Equispaced points per ray; by default one per detector bin on the box's diagonal.
        subrays: Rays that are averaged over each detector bin.
        magnification: Size of the axis of rotation's plane on the detector.

    Attributes:
        shape: The natural shape of the measurements, (views, *detector).
        ndim: The number of dimensions of the field.

    Raises:
        ValueError: The box has another dimension, or a length or number is not positive.
        OutOfMemoryError: The points of one measurement do not fit the memory at hand.
    """

    shape: tuple[int, ...]
    ndim = 2

    def __init__(
        self,
        box: Box,
        pitch: float,
        samples: int | None,
        subrays: int,
        magnification: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if box.ndim != self.ndim:
            raise ValueError(f"{name} is {self.ndim}-dimensional; the box has {box.ndim} axes.")
        self.box = box
        self.pitch = positive_length(pitch, f"{name}: pitch")
        self.subrays = positive_count(subrays, f"{name}: subrays")
        if samples is None:
            samples = math.ceil(box.diagonal * magnification / self.pitch)
        self.samples = positive_count(samples, f"{name}: samples")
        rays = self.subrays ** (self.ndim - 1)
        require(
            f"{name}: a measurement of samples={self.samples} points on subrays={self.subrays}",
            # the points in double precision, and what they are made of
            16.0 * self.ndim * self.samples * rays,
            "Fewer samples or subrays, or a wider pitch.",
        )
        self.eval()  # deterministic until a solver turns training on

    @property
    def groups(self) -> Tensor:
        """(rows,) the number of the view that each row belongs to."""
        return torch.arange(self.shape[0]).repeat_interleave(math.prod(self.shape[1:]))

    def __len__(self) -> int:
        return math.prod(self.shape)

    @abstractmethod
    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """The rays, or sub-rays, of some measurements.

        Args:
            rows: (b,) numbers of the measurements.
            subrays: Rays per bin (per axis of the bin in 3-D); the operator's own by default.

        Returns:
            Origins and unit directions, (b, subrays, d) each; in 3-D with subrays² for subrays.
        """

    @abstractmethod
    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        """Project points onto the detector.

        Args:
            points: (*s, d) places.
            view: The number of the view.

        Returns:
            Fractional detector indices (*s, d - 1), and the depth (*s,) relative to the centre's.
        """

    def forward(self, rows: Tensor) -> Query:
        """Look along the rays of `rows` (b,); each is measured as one integral."""
        return self.through(*self.rays(rows))

    def through(self, origin: Tensor, direction: Tensor) -> Query:
        """Integrate along given rays.

        Args:
            origin: (b, subrays, d) points on the rays.
            direction: (b, subrays, d) unit directions.

        Returns:
            A query whose measurements are (b,), or (b, c) for several channels.
        """
        near, step, phase = self._spaced(origin, direction)
        number = torch.arange(self.samples, dtype=step.dtype, device=step.device)
        t = near + (number + phase) * step
        points = origin[..., None, :] + t[..., None] * direction[..., None, :]  # (b, q, samples, d)

        def measure(values: Tensor) -> Tensor:
            total = (values.sum(-2) * step.to(values.dtype)).mean(1)
            return total.squeeze(-1)

        return Query(points, measure)

    def along_lines(self, rows: Tensor) -> Lines | None:
        """Say along which lines some rows sum the field, as `forward` does point by point.

        Args:
            rows: (b,) numbers of the measurements.

        Returns:
            The lines of all sub-rays; None where the geometry is learnt.
        """
        origin, direction = self.rays(rows)
        if origin.requires_grad or direction.requires_grad:
            return None
        near, step, phase = self._spaced(origin, direction)
        first = origin + (near + phase * step) * direction

        def measure(sums: Tensor) -> Tensor:
            return sums.unflatten(0, origin.shape[:2]).mean(1).squeeze(-1)

        ways = (step * direction).flatten(0, 1)
        return Lines(first.flatten(0, 1), ways, self.samples, measure)

    def _spaced(self, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where rays enter the box, their steps and the phase of their samples, (b, q, 1) each."""
        near, far = self.box.chord(origin, direction)
        step = ((far - near) / self.samples)[..., None]
        if self.training:
            phase = torch.rand_like(step)
        else:
            phase = torch.full_like(step, 0.5)
        return near[..., None], step, phase

    @beside_operator
    def on(self, grid: Grid) -> OnGrid:
        """The same transform of a sampled image, by Joseph's method without a stored matrix.

        The operator's own rays are taken, `subrays` an axis of each detector pixel; geometry that
        is learnt is taken as it stands now.

        Args:
            grid: The grid of the image.

        Raises:
            ValueError: The grid has another number of axes.
            OutOfMemoryError: The rays do not fit the memory at hand.
        """
        return RaysOnGrid(JosephPlanes(self, grid))

    def flatten(self, y: Tensor) -> Tensor:
        """Bring measurements from their natural shape (views, *detector) to (rows,)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Bring measurements from (rows,) to their natural shape (views, *detector)."""
        return unflatten(self, y)

    def _split(self, rows: Tensor) -> tuple[Tensor, ...]:
        return unravel(rows.to(self._geometry().device), self.shape)

    def _bins(self, index: Tensor, count: int, subrays: int | None) -> Tensor:
        """Places (b, subrays) of sub-rays on the detector, in bins from the middle."""
        q = subrays or self.subrays
        dtype = self._geometry().dtype
        offset = (torch.arange(q, dtype=dtype, device=index.device) + 0.5) / q - 0.5
        return (index - 0.5 * (count - 1))[:, None] + offset

    @abstractmethod
    def _geometry(self) -> Tensor:
        """A part of the geometry, whose dtype and device the rays have."""

    def _middle(self) -> Tensor:
        like = self._geometry()
        return constant(self.box.center, like.dtype, like.device)


def geometry_parameter(
    value: float | Tensor, name: str, dtype: torch.dtype | None = None
) -> Tensor:
    """Make a part of a module's state of a geometric quantity.

    Args:
        value: An `nn.Parameter`, which is learnt, or a number or tensor, which becomes a buffer.
        name: What the quantity is called in the message.
        dtype: The precision of the buffer; by default that of `value`.

    Returns:
        The parameter itself, or a buffer in floating point.

    Raises:
        TypeError: The value is complex.
        ValueError: The value is not finite.
    """
    tensor = value
    if not isinstance(tensor, Tensor):
        tensor = torch.as_tensor(value, dtype=dtype)
    if tensor.is_complex():
        raise TypeError(f"{name} must be real, got {tensor.dtype}.")
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or Inf.")
    if isinstance(value, nn.Parameter):
        return value
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    return nn.Buffer(tensor.detach().clone().to(dtype or tensor.dtype))


def positive_count(value: int, name: str) -> int:
    """Check a number of things, such as detector bins.

    Args:
        value: The number.
        name: What it is called in the message.

    Returns:
        The number as an int.

    Raises:
        ValueError: It is no whole number, or less than 1.
    """
    if not math.isfinite(value) or int(value) != value or value < 1:
        raise ValueError(f"{name} must be a positive whole number, got {value}.")
    return int(value)


def positive_length(value: float, name: str) -> float:
    """Check a length, such as the pitch of a detector.

    Args:
        value: The length.
        name: What it is called in the message.

    Returns:
        The length as a float.

    Raises:
        ValueError: It is not finite, or not positive.
    """
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive length, got {value}.")
    return float(value)
