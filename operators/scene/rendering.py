"""Volume rendering: what a camera sees of a field that emits and absorbs."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Query, RowOperator, evaluate, placed
from inverse_inr.memory import require
from inverse_inr.operators.spherical_harmonics import Degree, real_harmonics
from inverse_inr.ranges import Count, Finite, FiniteTensor, WholeNumber, checked


@runtime_checkable
class HasRays(Protocol):
    """A thing that says along which rays pixels look: `Cameras`, and every beam of tomography."""

    shape: tuple[int, ...]

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """Origins and unit directions of the rays of some pixels, (b, rays, 3) each."""
        ...


class Rendered(NamedTuple):
    """Colour, opacity and depth that some pixels see."""

    colour: Tensor
    """(b, 3)."""
    opacity: Tensor
    """(b,) the part of the light from behind that is absorbed, 0 to 1."""
    depth: Tensor
    """(b,) mean distance from the ray's origin to what is seen, in the unit of the box; NaN where
    nothing is."""


class VolumeRendering(RowOperator):
    """Emission and absorption along rays: C = ∫ T σ c ds + T_end b, T(s) = exp(−∫ σ).

    The field has the density σ, per unit of the box, in channel 0 and the colour in the others:
    red, green, blue for each real spherical harmonic Y of the ray's direction up to `degree`, which
    are added times √(4π) Y, so that the first has the factor 1. σ must not be negative: give the
    prior the heads `["softplus", "sigmoid", "sigmoid", "sigmoid"]`.

    Absorption alone is tomography: −log(1 − opacity) is the line integral of σ at the same
    points that `ConeBeam` takes.

    Each ray is cut into `samples` equal pieces inside the box, seen at their middles; in training a
    random phase moves the cuts. With `fine`, the operator looks again where it found something: as
    many further cuts are drawn from the distribution of what the first pieces contribute (NeRF's
    hierarchical sampling, with one field for both).

    With `times` the scene moves: the last axis of the box is time, and each view sees the field at
    its own.

    Args:
        box: The box of the field, outside which there is nothing.
        cameras: Where the pixels look: `Cameras`, or a beam such as `ConeBeam`.
        samples: Points of each ray.
        fine: Further points of each ray, where the light comes from; 0 for none.
        background: (3,) colour behind everything, or one number for grey.
        degree: Highest degree of the spherical harmonics; 0 for colours that are the same from all
            sides.
        times: (views,) when each view is taken, in the unit of the box's last axis; None for a
            scene at rest.

    Attributes:
        channels: The number of channels of the field, 1 + 3 (degree + 1)².

    Raises:
        ValueError: The box is not 3-D (4-D with times), no ray meets it, the background is no
            colour, or times are not one a view within the box.

    Source:
        Max, Optical models for direct volume rendering, 1995, eq. 6; Mildenhall et al., NeRF, 2020,
        eq. 3 and 5.
    """

    background: Tensor
    times: Tensor | None

    @checked
    def __init__(
        self,
        box: Box,
        cameras: HasRays,
        samples: Count = 64,
        *,
        fine: WholeNumber = 0,
        background: Finite | tuple[Finite, Finite, Finite] = 0.0,
        degree: Degree = 0,
        times: FiniteTensor | None = None,
    ) -> None:
        super().__init__(tuple(cameras.shape))
        if times is None and box.ndim != 3:
            raise ValueError(
                f"VolumeRendering: a scene has 3 axes; the box has {box.ndim}. One that moves has "
                "4, time last, and times of its views."
            )
        if times is not None:
            _require_times(times, box, self.shape[0])
            times = times.double()
        self.register_buffer("times", times)
        self.box = box
        self._space = Box(box.lower[:3], box.upper[:3], box.units[:3])
        self.cameras = cameras
        self._half_lines = getattr(cameras, "begins_at_origin", False)
        self.samples = samples
        self.fine = fine
        self.degree = degree
        self.channels = 1 + 3 * (degree + 1) ** 2
        require(
            f"VolumeRendering: a pixel of samples={samples} and fine={fine} points",
            8.0 * (6 + self.channels) * (samples + fine),
            "Fewer samples.",
        )
        colour = torch.as_tensor(background, dtype=torch.float64).expand(3)
        self.background = nn.Buffer(colour.clone())
        self._require_a_look()
        if fine:
            self.predict = self.look_again

    def _require_a_look(self) -> None:
        """Refuse cameras that all look past the box."""
        views = self.shape[0]
        if len(self.blind_views) < views:
            return
        raise ValueError(
            f"VolumeRendering: none of the {views} cameras sees the box {self._space.lower} to "
            f"{self._space.upper}. Poses from world to camera, another unit, or the y and z axes "
            "of OpenCV?"
        )

    @property
    def blind_views(self) -> list[int]:
        """Numbers of the views that see nothing of the box, as far as a hundred pixels tell."""
        views = self.shape[0]
        per_view = len(self) // views
        some = torch.linspace(0, per_view - 1, min(per_view, 101)).long()
        blind = []
        for view in range(views):
            near, far = self._space.chord(*self.cameras.rays(view * per_view + some))
            seen = far > near
            if self._half_lines:
                seen &= far > 0
            if not bool(seen.any()):
                blind.append(view)
        return blind

    @property
    def groups(self) -> Tensor:
        """(rows,) the number of the view that each row belongs to."""
        return torch.arange(self.shape[0]).repeat_interleave(math.prod(self.shape[1:]))

    def forward(self, rows: Tensor) -> Query:
        """Look along the rays of `rows` (b,); each measures (3,) colours."""
        origin, direction, edges = self._pieces(rows)
        t = _middles(edges)
        points = origin[:, None] + t[..., None] * direction[:, None]

        def measure(values: Tensor) -> Tensor:
            return self._composed(values, t, edges.diff(dim=1), direction).colour

        return Query(points, measure)

    def look_again(self, field: Field, rows: Tensor) -> Tensor:
        """Predict with `fine` further points where the first ones found something.

        Args:
            field: The field.
            rows: (b,) numbers of the pixels.

        Returns:
            (b, 3) colours.
        """
        return self.rendered(field, rows).colour

    def rendered(self, field: Field, rows: Tensor) -> Rendered:
        """Render some pixels: colour, opacity and depth.

        Args:
            field: The field.
            rows: (b,) numbers of the pixels.

        Returns:
            What they see.
        """
        origin, direction, edges = self._pieces(rows)
        if self.fine:
            with torch.no_grad():
                edges = self._refined(field, origin, direction, edges)
        t = _middles(edges)
        points = origin[:, None] + t[..., None] * direction[:, None]
        values = evaluate(field, placed(points, field))
        return self._composed(values, t, edges.diff(dim=1), direction)

    def _pieces(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Origin and direction of one ray a pixel, and the ends of the pieces it is cut into.

        The pieces are equal; in training a random phase moves the ends between them. A ray that
        misses the box has pieces of no length.
        """
        origin, direction = (v[:, 0] for v in self.cameras.rays(rows, 1))
        near, far = self._space.chord(origin, direction)
        if self._half_lines:
            near = near.clamp(min=0)
        near, far = near[:, None], torch.maximum(near, far)[:, None]
        number = torch.arange(self.samples + 1, dtype=near.dtype, device=near.device)
        number = number.expand(len(near), -1)
        if self.training:
            moved = number[:, 1:-1] + torch.rand_like(near) - 0.5
            number = torch.cat([number[:, :1], moved, number[:, -1:]], 1)
        if self.times is not None:
            # a ray in space and time, along which the time stands
            view = rows.to(origin.device) // math.prod(self.shape[1:])
            origin = torch.cat([origin, self.times[view, None].to(origin)], 1)
            direction = torch.nn.functional.pad(direction, (0, 1))
        return origin, direction, near + (far - near) / self.samples * number

    def _refined(self, field: Field, origin: Tensor, direction: Tensor, edges: Tensor) -> Tensor:
        """Ends of more pieces: `fine` of them lie where the contributions of the pieces are.

        Source:
            Mildenhall et al., NeRF, 2020, section 5.2; Barron et al., Mip-NeRF, 2021, eq. 16.
        """
        points = origin[:, None] + _middles(edges)[..., None] * direction[:, None]
        density = evaluate(field, placed(points, field))[..., 0].to(edges)
        part, _ = _contributions(density, edges.diff(dim=1))
        # an edge inside a piece is seen from its neighbour: weights spread by one piece (mip-NeRF)
        wide = torch.nn.functional.pad(part, (1, 1))
        higher = torch.maximum(wide[:, 1:], wide[:, :-1])
        share = 0.5 * (higher[:, 1:] + higher[:, :-1])
        share = share + 1e-3 * share.sum(1, keepdim=True) / self.samples + 1e-12
        total = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(1)], 1)
        total = total / total[:, -1:]
        number = torch.arange(self.fine, dtype=edges.dtype, device=edges.device)
        phase = torch.rand_like(edges[:, :1]) if self.training else 0.5
        quantile = ((number + phase) / self.fine).expand(len(edges), -1).contiguous()
        after = torch.searchsorted(total, quantile, right=True).clamp(1, self.samples)
        low, high = (total.gather(1, k) for k in (after - 1, after))
        left, right = (edges.gather(1, k) for k in (after - 1, after))
        further = left + (quantile - low) / (high - low) * (right - left)
        return torch.cat([edges, further], 1).sort(dim=1).values

    def _composed(self, values: Tensor, t: Tensor, step: Tensor, direction: Tensor) -> Rendered:
        """Light from each piece, dimmed by what lies before it.

        Args:
            values: (b, n, channels).
            t: (b, n) middles of the pieces.
            step: (b, n) their lengths.
            direction: (b, 3), or (b, 4) with time.
        """
        if values.shape[-1] != self.channels:
            raise ValueError(
                f"VolumeRendering(degree={self.degree}): the field must have {self.channels} "
                f"channels, density and colours; it has {values.shape[-1]}."
            )
        part, through = _contributions(values[..., 0], step.to(values.dtype))
        # (b, h), of which the first is 1
        basis = math.sqrt(4 * math.pi) * real_harmonics(
            direction[:, :3].to(values.dtype), self.degree
        )
        coefficients = values[..., 1:].unflatten(-1, (-1, 3))  # (b, n, h, 3)
        colour = torch.einsum("bn,bh,bnhc->bc", part, basis, coefficients)
        colour = colour + through[:, None] * self.background.to(values.dtype)
        opacity = part.sum(1)
        depth = (part * t.to(values.dtype)).sum(1) / opacity
        return Rendered(colour, 1 - through, torch.where(opacity > 0, depth, math.nan))


def _require_times(times: Tensor, box: Box, views: int) -> None:
    if box.ndim != 4 or tuple(times.shape) != (views,):
        raise ValueError(
            f"VolumeRendering: times {tuple(times.shape)} must be one for each of {views} views, "
            f"and the box have 4 axes, time last; it has {box.ndim}."
        )
    first, last = float(times.min()), float(times.max())
    if first < box.lower[3] or last > box.upper[3]:
        raise ValueError(
            f"VolumeRendering: times run from {first:g} to {last:g}, the box from "
            f"{box.lower[3]:g} to {box.upper[3]:g}. Another unit, or numbers of frames?"
        )


def _contributions(density: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """The share T (1 − exp(−σ δ)) of each piece in the light, and what passes all of them."""
    optical = density * step
    before = optical.cumsum(1) - optical
    part = torch.exp(-before) * -torch.expm1(-optical)
    return part, torch.exp(-optical.sum(1))


def _middles(edges: Tensor) -> Tensor:
    """(b, n) middles of the pieces between (b, n + 1) ends."""
    return 0.5 * (edges[:, 1:] + edges[:, :-1])
