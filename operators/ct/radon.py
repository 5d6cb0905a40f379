"""X-ray transforms: parallel, fan and cone beams as integrals of a continuous field along rays.

One convention for all of them. The object is fixed, the scanner turns by `angle` (radians) about the box's centre:

    e = (cos, sin)   along the detector         n = (-sin, cos)   from source to detector

A parallel ray with detector coordinate s is { x : (x - centre)·e = s }, so s = x0 cos + x1 sin. Fan and cone beams
with a distant source tend to it. In 3-D the axis of rotation is the last coordinate, so every slice [..., k] of the
volume is a fan-beam image; detector rows run along it. `center` shifts the axis along the detector, in length units.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Query, flatten, unflatten
from inverse_inr.operators.ct.fourier_slice import FourierSlice
from inverse_inr.operators.ct.joseph import joseph_matrix


class RayTransform(nn.Module, ABC):
    """Line integrals of a field over rays clipped to the box; row r is the r-th entry of the flattened `shape`.

    `samples` equispaced points a ray share one random phase in training (unbiased, and spectrally accurate on smooth
    fields, where jitter of each sample alone is not) and sit at midpoints in evaluation. `subrays` rays average over
    each detector bin. Geometry passed as `nn.Parameter` is learnt by the solver.
    """

    angles: Tensor
    center: Tensor
    shape: tuple[int, ...]
    ndim = 2

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        center: float | Tensor,
        pitch: float,
        samples: int | None,
        subrays: int,
        magnification: float = 1.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if box.ndim != self.ndim:
            raise ValueError(f"{name} is {self.ndim}-dimensional; the box has {box.ndim} axes.")
        if not (math.isfinite(pitch) and pitch > 0):
            raise ValueError(f"{name}: pitch must be a positive length, got {pitch}.")
        if subrays < 1 or (samples is not None and samples < 1):
            raise ValueError(f"{name}: samples={samples} and subrays={subrays} must be at least 1.")
        self.box, self.pitch, self.subrays = box, float(pitch), int(subrays)
        self.angles = _geometry(angles, f"{name}: angles")
        self.center = _geometry(center, f"{name}: center", self.angles.dtype)
        if self.angles.ndim != 1 or not len(self.angles):
            raise ValueError(
                f"{name}: angles must be a (views,) tensor with at least one view, got {angles!r}."
            )
        self.samples = samples or math.ceil(box.diagonal * magnification / pitch)
        self.eval()  # deterministic until a solver turns training on

    def __len__(self) -> int:
        return math.prod(self.shape)

    @abstractmethod
    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the (sub-)rays of `rows`: both (b, subrays, d)."""

    @abstractmethod
    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        """Where (*s, d) points project: fractional detector indices (*s, d - 1), and depth relative to the centre's."""

    def forward(self, rows: Tensor) -> Query:
        return self.through(*self.rays(rows))

    def through(self, origin: Tensor, direction: Tensor) -> Query:
        """Integrals along given rays, (b, subrays, d) origins and unit directions: (b,) or (b, c)."""
        near, far = self.box.chord(origin, direction)
        step = ((far - near) / self.samples)[..., None]  # (b, q, 1)
        phase = torch.rand_like(step) if self.training else 0.5
        t = (
            near[..., None]
            + (torch.arange(self.samples, dtype=step.dtype, device=step.device) + phase) * step
        )
        points = origin[..., None, :] + t[..., None] * direction[..., None, :]  # (b, q, samples, d)

        def measure(values: Tensor) -> Tensor:
            total = (values.sum(-2) * step.to(values.dtype)).mean(1)
            return total.squeeze(-1)

        return Query(points, measure)

    def flatten(self, y: Tensor) -> Tensor:
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        return unflatten(self, y)

    def _split(self, rows: Tensor) -> tuple[Tensor, ...]:
        return torch.unravel_index(rows.to(self.angles.device), self.shape)

    def _bins(self, index: Tensor, count: int, subrays: int | None) -> Tensor:
        """Detector coordinates, in length units from the middle, of sub-ray positions in bins: (b, subrays)."""
        q = subrays or self.subrays
        offset = (torch.arange(q, dtype=self.angles.dtype, device=index.device) + 0.5) / q - 0.5
        return ((index - 0.5 * (count - 1))[:, None] + offset) * self.pitch

    def _frame(self, view: Tensor | int) -> tuple[Tensor, Tensor]:
        """(e, n) of some views, padded with zeros along the axis of rotation: both (*b, d)."""
        cos, sin = self.angles[view].cos(), self.angles[view].sin()
        rest = [torch.zeros_like(cos)] * (self.ndim - 2)
        return torch.stack([cos, sin, *rest], -1), torch.stack([-sin, cos, *rest], -1)

    def _middle(self) -> Tensor:
        return self.angles.new_tensor(self.box.center)


class ParallelBeam(RayTransform):
    """Parallel beam in 2-D: shape (views, detectors). angles in radians; pitch and center in the box's unit.

    `pitch` defaults to the longest side of the box divided by `detectors`.
    Raises ValueError for a box that is not 2-D, non-finite angles, pitch <= 0.
    """

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        detectors: int,
        pitch: float | None = None,
        center: float | Tensor = 0.0,
        samples: int | None = None,
        subrays: int = 1,
    ) -> None:
        detectors = _count(detectors, "ParallelBeam: detectors")
        pitch = max(box.lengths) / detectors if pitch is None else pitch
        super().__init__(box, angles, center, pitch, samples, subrays)
        self.shape = (len(self.angles), detectors)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, column = self._split(rows)
        s = self._bins(column, self.shape[1], subrays) - self.center
        e, n = self._frame(view)
        origin = self._middle() + s[..., None] * e[:, None]
        return origin, n[:, None].expand_as(origin)

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, _ = self._frame(view)
        s = (points - self._middle()) @ e
        return ((s + self.center) / self.pitch + 0.5 * (self.shape[1] - 1))[
            ..., None
        ], torch.ones_like(s)

    def on(self, grid: Grid) -> OnGrid:
        """The same transform of an image sampled on `grid`: Fourier slices, exact for band-limited images.

        Detector bins are averaged (a factor sinc in the frequency domain); values are samples at pixel centres.
        """
        return OnGrid(FourierSlice(self, grid), grid, self.shape)


class DivergingBeam(RayTransform, ABC):
    """What fan and cone beams share: a point source opposite a flat detector."""

    source_distance: Tensor
    detector_distance: Tensor

    def _place(self, source_distance: float | Tensor, detector_distance: float | Tensor) -> None:
        name, dtype = type(self).__name__, self.angles.dtype
        self.source_distance = _geometry(source_distance, f"{name}: source_distance", dtype)
        self.detector_distance = _geometry(detector_distance, f"{name}: detector_distance", dtype)

    @property
    def magnification(self) -> Tensor:
        return (self.source_distance + self.detector_distance) / self.source_distance

    def _from_source(self, on_detector: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Rays from the source through points of the detector plane; origins next to the axis, where t is small."""
        middle = self._middle()
        source = middle - self.source_distance * n
        direction = nn.functional.normalize(
            middle + self.detector_distance * n + on_detector - source, dim=-1
        )
        along = ((middle - source) * direction).sum(-1, keepdim=True)
        return source + along * direction, direction


class FanBeam(DivergingBeam):
    """Fan beam with a flat detector: shape (views, detectors). Distances from the axis of rotation, box's unit.

    `pitch` is that of the real detector; it defaults to one that sees the box at the axis of rotation.
    Raises ValueError as ParallelBeam, and where the source lies inside the circle around the box.
    """

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        detectors: int,
        source_distance: float,
        detector_distance: float,
        pitch: float | None = None,
        center: float | Tensor = 0.0,
        samples: int | None = None,
        subrays: int = 1,
    ) -> None:
        detectors = _count(detectors, "FanBeam: detectors")
        magnification = _distances(self, box, source_distance, detector_distance)
        pitch = max(box.lengths) * magnification / detectors if pitch is None else pitch
        super().__init__(box, angles, center, pitch, samples, subrays, magnification)
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), detectors)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, column = self._split(rows)
        u = self._bins(column, self.shape[1], subrays) - self.center
        e, n = self._frame(view)
        return self._from_source(u[..., None] * e[:, None], n[:, None])

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, n = self._frame(view)
        depth = 1 + ((points - self._middle()) @ n) / self.source_distance
        u = ((points - self._middle()) @ e) * self.magnification / depth
        return ((u + self.center) / self.pitch + 0.5 * (self.shape[1] - 1))[..., None], depth

    def on(self, grid: Grid) -> OnGrid:
        """The same transform of an image sampled on `grid`: a sparse matrix (Joseph's method), bins averaged.

        Raises MemoryError, before building it, for a matrix over `joseph.MEMORY_LIMIT`.
        """
        matrix = joseph_matrix(self, grid)

        def project(image: Tensor) -> Tensor:
            columns = image.reshape(grid.numel, -1)  # one column a channel
            return matrix(columns).reshape(*self.shape, *image.shape[grid.ndim :])

        return OnGrid(project, grid, self.shape)


class ConeBeam(DivergingBeam):
    """Circular cone beam with a flat detector (3-D): shape (views, rows, columns). Distances as in FanBeam.

    Raises ValueError as FanBeam.
    """

    ndim = 3

    def __init__(
        self,
        box: Box,
        angles: Tensor,
        detectors: tuple[int, int],
        source_distance: float,
        detector_distance: float,
        pitch: float | None = None,
        center: float | Tensor = 0.0,
        samples: int | None = None,
        subrays: int = 1,
    ) -> None:
        rows, columns = (_count(n, "ConeBeam: detectors") for n in detectors)
        magnification = _distances(self, box, source_distance, detector_distance)
        pitch = max(box.lengths) * magnification / columns if pitch is None else pitch
        super().__init__(box, angles, center, pitch, samples, subrays, magnification)
        self._place(source_distance, detector_distance)
        self.shape = (len(self.angles), rows, columns)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """`subrays`² rays a pixel."""
        view, row, column = self._split(rows)
        u = self._bins(column, self.shape[2], subrays) - self.center
        v = self._bins(row, self.shape[1], subrays)
        u, v = (
            u[:, None, :].expand(-1, v.shape[1], -1).flatten(1),
            v[:, :, None].expand(-1, -1, u.shape[1]).flatten(1),
        )
        e, n = self._frame(view)
        axis = e.new_tensor([0.0, 0.0, 1.0])
        return self._from_source(u[..., None] * e[:, None] + v[..., None] * axis, n[:, None])

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        e, n = self._frame(view)
        x = points - self._middle()
        depth = 1 + (x @ n) / self.source_distance
        u = ((x @ e) * self.magnification / depth + self.center) / self.pitch + 0.5 * (
            self.shape[2] - 1
        )
        v = x[..., 2] * self.magnification / depth / self.pitch + 0.5 * (self.shape[1] - 1)
        return torch.stack([v, u], -1), depth


def _geometry(value: float | Tensor, name: str, dtype: torch.dtype | None = None) -> Tensor:
    """A parameter stays one (it is learnt); anything else becomes a buffer. Raises ValueError where not finite."""
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=dtype)
    if not torch.isfinite(tensor).all():
        raise ValueError(f"{name} holds NaN or Inf.")
    if isinstance(value, nn.Parameter):
        return value
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.get_default_dtype())
    return nn.Buffer(tensor.detach().clone().to(dtype or tensor.dtype))


def _count(value: int, name: str) -> int:
    if int(value) != value or value < 1:
        raise ValueError(f"{name} must be a positive whole number, got {value}.")
    return int(value)


def _distances(beam: nn.Module, box: Box, source: float, detector: float) -> float:
    """Magnification at the axis; the source must be outside the circle that the box's corners describe."""
    name, radius = type(beam).__name__, 0.5 * math.hypot(*box.lengths[:2])
    source, detector = (
        float(v.detach()) if isinstance(v, Tensor) else v for v in (source, detector)
    )
    if not (math.isfinite(source) and source > radius):
        raise ValueError(
            f"{name}: source_distance={source} lies inside the box's circle of radius {radius:.4g}."
        )
    if not (math.isfinite(detector) and detector >= 0):
        raise ValueError(
            f"{name}: detector_distance={detector} must be a length from the axis, not negative."
        )
    return (source + detector) / source
