"""A cone beam along any path: a source position and a panel for each view."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.operators.ct.flat_panel import FlatPanel, PanelFrame, panel_counts
from inverse_inr.operators.ct.ray_transform import geometry_parameter
from inverse_inr.ranges import Count, FiniteTensor, checked

PARTS = ("source", "middle", "across", "along")


class ConeVectors(FlatPanel):
    """A cone-beam scan of free positions in 3-D, of shape (views, rows, columns).

    Helices, lines, arcs and calibrated scanners are all of this kind, and so is ASTRA's `cone_vec`
    (see `from_astra`). Positions are in the coordinates of the box, and any of the four may be
    learnt. `fdk` needs a circle, `ConeBeam`; iterative methods and priors do not.

    Args:
        box: The 3-D box of the field.
        source: (views, 3) positions of the source.
        middle: (views, 3) positions of the panel's middle.
        across: (views, 3) steps from one column of pixels to the next, as long as the pitch.
        along: (views, 3) steps from one row of pixels to the next.
        detectors: Numbers of detector rows and columns.
        samples: Points per ray; by default one per pixel on the magnified box's diagonal.
        subrays: Rays per axis of a detector pixel, `subrays`² in all, which are averaged.

    Raises:
        ValueError: Shapes disagree, values are not finite, a source lies inside the box or in the
            plane of its panel, or the two steps of a panel are parallel or zero.
    """

    source: Tensor
    middle: Tensor
    across: Tensor
    along: Tensor
    ndim = 3

    @checked
    def __init__(
        self,
        box: Box,
        source: FiniteTensor,
        middle: FiniteTensor,
        across: FiniteTensor,
        along: FiniteTensor,
        detectors: tuple[Count, Count],
        samples: Count | None = None,
        subrays: Count = 1,
    ) -> None:
        rows, columns = panel_counts(detectors, "ConeVectors")
        if box.ndim != 3:
            raise ValueError(f"ConeVectors is 3-dimensional; the box has {box.ndim} axes.")
        parts = _checked(dict(zip(PARTS, (source, middle, across, along), strict=True)))
        pitch, magnification = _scale(box, *(part.detach().double() for part in parts.values()))
        super().__init__(box, pitch, samples, subrays, magnification)
        for name, part in parts.items():
            setattr(self, name, part)
        self.shape = (len(self.source), rows, columns)

    def frame(self, view: Tensor | int) -> PanelFrame:
        """Place the source and the panel.

        Args:
            view: (*b,) numbers of views.

        Returns:
            The frame, (*b, 3) each.
        """
        return PanelFrame(self.source[view], self.middle[view], self.across[view], self.along[view])

    def _geometry(self) -> Tensor:
        return self.source


def _checked(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """The four parts as a module's state, of one shape and one dtype."""
    shape = tuple(parts["source"].shape)
    if len(shape) != 2 or shape[1] != 3 or not shape[0]:
        raise ValueError(f"ConeVectors: source must be (views, 3), got {shape}.")
    for name, part in parts.items():
        if tuple(part.shape) != shape:
            raise ValueError(
                f"ConeVectors: {name} has shape {tuple(part.shape)}; source has {shape}."
            )
    dtype = geometry_parameter(parts["source"], "ConeVectors: source").dtype
    return {
        name: geometry_parameter(part, f"ConeVectors: {name}", dtype)
        for name, part in parts.items()
    }


def _scale(
    box: Box, source: Tensor, middle: Tensor, across: Tensor, along: Tensor
) -> tuple[float, float]:
    """The mean pitch and the magnification of the box's middle, once the geometry makes sense."""
    normal = torch.linalg.cross(across, along)
    area = normal.norm(dim=-1)
    if bool((area <= 1e-6 * across.norm(dim=-1) * along.norm(dim=-1)).any()):
        view = int((area / (across.norm(dim=-1) * along.norm(dim=-1))).nan_to_num(0).argmin())
        raise ValueError(
            f"ConeVectors: across and along of view {view} are zero or parallel; "
            "they are the steps from pixel to pixel."
        )
    lower, upper = source.new_tensor(box.lower), source.new_tensor(box.upper)
    inside = ((source > lower) & (source < upper)).all(-1)
    if bool(inside.any()):
        view = int(inside.nonzero()[0, 0])
        raise ValueError(
            f"ConeVectors: the source of view {view} lies inside the box, at "
            f"{tuple(round(x, 6) for x in source[view].tolist())}. "
            "Are source and middle swapped, or in other units than the box?"
        )
    unit = normal / area[:, None]
    panel = ((middle - source) * unit).sum(-1).abs()
    if bool((panel <= 1e-9 * (middle - source).norm(dim=-1)).any()):
        raise ValueError(
            f"ConeVectors: the source of view {int(panel.argmin())} lies in the plane of its panel."
        )
    depth = ((source.new_tensor(box.center) - source) * unit).sum(-1).abs()
    pitch = float(across.norm(dim=-1).mean())
    magnification = float((panel / depth.clamp(min=1e-9 * math.fsum(box.lengths))).median())
    return pitch, magnification
