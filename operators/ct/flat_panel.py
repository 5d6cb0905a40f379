"""Rays between a point source and the pixels of a flat panel that stands anywhere in 3-D."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inverse_inr.operators.ct.ray_transform import RayTransform, positive_count


class PanelFrame(NamedTuple):
    """The places of the source and the panel at some views, (*b, 3) each.

    Attributes:
        source: The point source.
        middle: The middle of the panel.
        across: The step from one column of pixels to the next.
        along: The step from one row of pixels to the next.
    """

    source: Tensor
    middle: Tensor
    across: Tensor
    along: Tensor


def pixel_rays(
    frame: PanelFrame, across: Tensor, along: Tensor, near: Tensor
) -> tuple[Tensor, Tensor]:
    """Rays from the source through places on the panel.

    Args:
        frame: The panel at b views.
        across: (b, q) places in columns from the middle.
        along: (b, q) places in rows from the middle.
        near: (3,) a point; the rays' origins lie where they pass it closest, which keeps digits.

    Returns:
        Origins and unit directions, (b, q, 3) each.
    """
    place = frame.middle[:, None] + across[..., None] * frame.across[:, None]
    place = place + along[..., None] * frame.along[:, None]
    source = frame.source[:, None]
    direction = nn.functional.normalize(place - source, dim=-1)
    length = ((near - source) * direction).sum(-1, keepdim=True)
    return source + length * direction, direction


def projected(
    frame: PanelFrame, points: Tensor, counts: tuple[int, int], near: Tensor
) -> tuple[Tensor, Tensor]:
    """Project points onto the panel, along rays from the source.

    Args:
        frame: The panel at one view.
        points: (*s, 3) places.
        counts: Numbers of rows and columns of pixels.
        near: (3,) the point whose depth is 1.

    Returns:
        Fractional indices (row, column) of pixels (*s, 2), and depths (*s,): distances from the
        source at right angles to the panel, relative to that of `near`.
    """
    normal = torch.linalg.cross(frame.across, frame.along)
    offset = points - frame.source
    height = offset @ normal
    panel = (frame.middle - frame.source) @ normal
    hit = frame.source + (panel / height)[..., None] * offset - frame.middle
    # the two steps need not be at right angles
    steps = torch.stack([frame.along, frame.across])  # (2, 3)
    place = hit @ torch.linalg.solve(steps @ steps.T, steps).T
    middle = place.new_tensor([0.5 * (n - 1) for n in counts])
    return place + middle, height / ((near - frame.source) @ normal)


def projected_lattice(
    frame: PanelFrame, axes: Sequence[Tensor], counts: tuple[int, int], near: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Project a lattice onto the panel: a homography, whose parts are sums over the axes.

    Args:
        frame: The panel at one view.
        axes: Places of the lattice's points along each of the three axes.
        counts: Numbers of rows and columns of pixels.
        near: (3,) the point whose depth is 1.

    Returns:
        Fractional indices of rows and of columns, and depths as of `projected`, of the lattice's
        shape each.
    """
    normal = torch.linalg.cross(frame.across, frame.along)
    steps = torch.stack([frame.along, frame.across])
    dual = torch.linalg.solve(steps @ steps.T, steps)  # (2, 3)
    to_near = near - frame.source
    panel = (frame.middle - frame.source) @ normal
    shift = dual @ (frame.source - frame.middle)
    shift = shift + shift.new_tensor([0.5 * (n - 1) for n in counts])
    depth = _summed(normal / (to_near @ normal), axes, near, near.new_ones(()))
    scale = panel / (to_near @ normal)
    along, across = (
        _summed(scale * d, axes, near, scale * (d @ to_near)).div_(depth).add_(s)
        for d, s in zip(dual, shift, strict=True)
    )
    return along, across, depth


def _summed(factors: Tensor, axes: Sequence[Tensor], near: Tensor, constant: Tensor) -> Tensor:
    """The sums factors · (x - near) + constant of all points x of a lattice."""
    parts = [f * (axis - c) for f, axis, c in zip(factors, axes, near, strict=True)]
    first = parts[0] + constant
    return first[:, None, None] + parts[1][:, None] + parts[2]


def panel_counts(detectors: tuple[int, int], name: str) -> tuple[int, int]:
    """Check the numbers of rows and columns of a panel.

    Args:
        detectors: The two numbers.
        name: The operator, for the message.

    Returns:
        Rows and columns.

    Raises:
        ValueError: They are not two positive whole numbers.
    """
    if not isinstance(detectors, tuple | list) or len(detectors) != 2:
        raise ValueError(f"{name}: detectors must be (rows, columns), got {detectors!r}.")
    rows, columns = (positive_count(n, f"{name}: detectors") for n in detectors)
    return rows, columns


def panel_places(along: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs of sub-rays of a pixel's two axes.

    Args:
        along: (b, q) places along the columns of the panel.
        across: (b, q) places along its rows.

    Returns:
        Places across and along, (b, q²) each.
    """
    u = across[:, None, :].expand(-1, along.shape[1], -1).flatten(1)
    v = along[:, :, None].expand(-1, -1, across.shape[1]).flatten(1)
    return u, v


class FlatPanel(RayTransform, ABC):
    """A ray transform whose rays run from a point source to the pixels of a flat panel.

    Its `shape` is (views, rows, columns).
    """

    @abstractmethod
    def frame(self, view: Tensor | int) -> PanelFrame:
        """Place the source and the panel.

        Args:
            view: (*b,) numbers of views.

        Returns:
            The frame, (*b, 3) each.
        """

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        view, row, column = self._split(rows)
        places = panel_places(
            self._bins(row, self.shape[1], subrays), self._bins(column, self.shape[2], subrays)
        )
        return pixel_rays(self.frame(view), *places, self._middle())

    def locate(self, points: Tensor, view: int) -> tuple[Tensor, Tensor]:
        counts = (self.shape[1], self.shape[2])
        return projected(self.frame(view), points, counts, self._middle())
