"""`FrameNetwork`: a network from times to whole frames, as the network of a prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.derivatives import SmoothnessError
from inverse_inr.domain import Box
from inverse_inr.evaluation import evaluate
from inverse_inr.memory import require
from inverse_inr.priors.frames.lattice import FrameLattice

LARGEST = 2**24
"""Numbers in the widest activation of the frames that are made at once."""


class FrameLayout:
    """The pixels of frames, and the coarse lattice that blocks double to reach them.

    A box of one axis has frames of one pixel.

    Args:
        box: Where the field lives; its last axis is time.
        b: Highest frequency in cycles per normalised unit, for what is not given.
        size: Pixels along each axis of space; None for two in 1 / b.
        blocks: Number of doublings.

    Attributes:
        size: Pixels of a frame.
        start: Nodes of the coarse lattice; doubled, it covers the frame, which is cut out of it.
        halves: Half sides of the frame in normalised units.
        half_time: Half the length in time in normalised units.
        times: Frames that hold the bandwidth, at least two.

    Raises:
        ValueError: `size` has another number of axes than the box has beside time.
    """

    def __init__(self, box: Box, b: float, size: Sequence[int] | None, blocks: int) -> None:
        sides = [0.5 * n * s for n, s in zip(box.lengths, box.scale, strict=True)]
        self.half_time = sides.pop()
        self.times = max(2, round(4 * b * self.half_time))
        own = [max(2, round(4 * b * half)) for half in sides]
        if size is None:
            size = own
        if len(size) != len(own):
            raise ValueError(
                f"size={tuple(size)} has {len(size)} axes; the box has {len(own)} beside time, "
                "which comes last."
            )
        self.size = tuple(size) or (1,)
        self.halves = tuple(sides) or (1.0,)
        self.start = tuple(math.ceil(n / 2**blocks) for n in self.size)

    @property
    def axes(self) -> int:
        """Axes of a frame."""
        return len(self.size)

    def cut(self, frames: Tensor) -> Tensor:
        """Cut (m, c, *size) frames out of the doubled lattice, evenly from both ends."""
        for k, size in enumerate(self.size):
            over = frames.shape[k + 2] - size
            frames = frames.narrow(k + 2, over // 2, size)
        return frames


class FrameNetwork(nn.Module):
    """A network from times to frames, multilinear between the pixels.

    A subclass defines `frames`. At points, one frame is made for each different time among them,
    so that points at random times are dear: prefer lattices, and rows that are whole frames.

    Args:
        layout: Where frames lie.
        widest: Numbers of a frame's widest activation.

    Attributes:
        smoothness: Minus infinity: it has no derivatives by place. Those by parameters it has.
        lattice_chunk: Points of a lattice to evaluate at once: a lattice stays whole, for a part
            of a frame costs as much as the frame.
    """

    smoothness = -math.inf
    lattice_chunk = 2**62

    def __init__(self, layout: FrameLayout, widest: int) -> None:
        super().__init__()
        self.layout = layout
        self.lattice = FrameLattice(layout.size, layout.halves)
        require(f"{self.name}: one frame", 4.0 * widest, "Fewer features, or smaller frames.")
        self.at_once = max(1, LARGEST // widest)

    @property
    def name(self) -> str:
        """The preset's name."""
        return type(self).__name__.lower()

    def frames(self, times: Tensor) -> Tensor:
        """Make frames at times (m, 1), from -1 to 1: (m, outputs, *layout.size)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate at normalised points (*s, d): (*s, outputs)."""
        if x.requires_grad:
            raise SmoothnessError(
                f"The field '{self.name}' makes whole frames and has no derivatives by place, "
                "which are asked for here: by a regularizer of slopes, or an operator that moves "
                "its points as it learns. Give the regularizer a grid, or use 'siren' or 'hash'."
            )
        flat = x.reshape(-1, x.shape[-1])
        times, which = distinct(flat[:, -1])
        places = flat[:, :-1]
        if not places.shape[-1]:
            places = torch.zeros_like(flat)
        seen = self.lattice.at_points(self._at(times), which, places)
        return seen.reshape(*x.shape[:-1], seen.shape[-1])

    def on_axes(self, axes: Sequence[Tensor]) -> Tensor:
        """Evaluate on the lattice of normalised axes: (*shape, outputs)."""
        frames = self._at(axes[-1])
        if len(axes) == 1:
            return frames[..., 0]
        frames = self.lattice.on_axes(frames, axes[:-1])  # (m, c, *space)
        return frames.movedim((0, 1), (-2, -1))

    def _at(self, times: Tensor) -> Tensor:
        return evaluate(self.frames, times[:, None] / self.layout.half_time, self.at_once)


def distinct(times: Tensor) -> tuple[Tensor, Tensor]:
    """The different times among (n,), and which of them each is.

    Under torch.func.vmap, where no size may depend on values, all count as different.
    """
    try:
        different, which = torch.unique(times, return_inverse=True)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return times, torch.arange(len(times), device=times.device)
    return different, which
