"""A picture of a fit while it goes on, drawn within a small share of the time of its steps."""

from __future__ import annotations

import importlib
import json
import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid, pixel_grid
from inverse_inr.evaluation import sample
from inverse_inr.hooks import Running
from inverse_inr.io import write_image
from inverse_inr.io.files import atomic_write
from inverse_inr.metrics import modulus
from inverse_inr.precision import placement
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Positive, checked

SHARE = 0.015
"""Part of a fit's time that pictures may take; what an estimate misses keeps the sum below 2 %."""

FINEST, COARSEST = 128**2, 32**2
"""Most and fewest points of a picture."""

PROBE = 8**2
"""Points that are evaluated first, to learn what a point costs."""

MORE = 8
"""How many times as many points must be affordable before that is learnt anew."""

Record = dict[str, Any]


class Watch:
    """Renew a picture of the field every so many seconds: a callback of the solver.

    The picture is the plane in the middle of the box, on a lattice that is as coarse as its share
    of the time wants; where even the coarsest would take too long, it waits. The fit is the same
    to the last bit. Each file is written whole or not at all.

    Args:
        picture: The PNG file. An image along one axis has none.
        record: The JSON file that holds method, step and history.
        seconds: The time between two pictures, in seconds.
    """

    @checked
    def __init__(self, picture: Path, record: Path, seconds: Positive) -> None:
        importlib.import_module("PIL.Image")  # now, and not in the time of a step
        self.picture = picture
        self.record = record
        self.seconds = seconds
        self.spent = 0.0
        self._began: tuple[float, float] | None = None  # on the clock, and of the processor
        self._last = 0.0
        self._fixed = 0.02  # seconds of a picture besides its points, until one was drawn
        self._point: float | None = None
        self._probed = 0  # points from which that is known

    def __call__(self, solver: Running, record: Record) -> None:
        """Do nothing at checks: pictures are drawn between steps, whenever they are due."""

    def between_steps(self, solver: Running) -> None:
        """Draw if the last picture is old enough, and the time that it takes is there.

        Args:
            solver: The solver.
        """
        now, used = time.monotonic(), time.process_time()
        if self._began is None:
            self._began = (now, used)
            self._last = now
        # on a busy machine the steps wait, and what a picture computes delays them by more
        elapsed = min(now - self._began[0], used - self._began[1])
        budget = SHARE * elapsed - self.spent
        needed = self._fixed + MORE * PROBE * (self._point or 0.0)
        if now - self._last < self.seconds or budget < needed:
            return
        self._last = now
        field = solver.field
        _settle(field)
        start = time.monotonic()
        try:
            with torch.no_grad(), evaluating(field):
                self._draw(solver, field, budget)
        except OSError as error:
            self.seconds = max(10 * self.seconds, 60.0)
            warnings.warn(f"{self.picture}: {error}; tried again later.", stacklevel=2)
        self.spent += time.monotonic() - start

    def _draw(self, solver: Running, field: Any, budget: float) -> None:
        """Evaluate as many points as the budget pays, and write both files."""
        grid = solver.problem.grid
        axes = plane_of(grid)
        image = None
        if axes is not None:
            if self._point is None:
                self._timed(field, lattice_of(grid, axes, PROBE), axes)
            assert self._point is not None
            count = int((budget - self._fixed) / self._point)
            if count < min(COARSEST, grid.shape[axes[0]] * grid.shape[axes[1]]):
                # too slow for now; or is it only the call that takes time?
                if count >= MORE * self._probed:
                    self._timed(field, lattice_of(grid, axes, count // 2), axes)
                return
            image = self._timed(field, lattice_of(grid, axes, min(FINEST, count)), axes)
        begun = time.monotonic()
        self._write(solver, image)
        self._fixed = time.monotonic() - begun

    def _timed(self, field: Any, lattice: Grid, axes: tuple[int, int]) -> Tensor:
        """The field on a lattice of one plane as (h, w, 1 or 3); what a point takes is kept.

        The fewer points there are, the more of that is the time of the call itself.
        """
        begun = time.monotonic()
        values = modulus(sample(field, lattice)).cpu()
        image = values.reshape(lattice.shape[axes[0]], lattice.shape[axes[1]], -1)
        if image.shape[-1] != 3:
            image = image.mean(-1, keepdim=True)
        self._point = max((time.monotonic() - begun) / lattice.numel, 1e-12)
        self._probed = lattice.numel
        return image.float().nan_to_num(0.0, 0.0, 0.0)

    def _write(self, solver: Running, image: Tensor | None) -> None:
        if image is not None:
            ends = torch.tensor([0.001, 0.999])
            low, high = image.flatten().quantile(ends).tolist()
            if not low < high:
                high = low + 1.0
            unit = ((image - low) / (high - low)).clamp(0, 1)
            write_image(self.picture, unit, pixel_grid((image.shape[0], image.shape[1])))
        content = {
            "method": solver.label,
            "steps": solver.steps,
            "seconds": solver.seconds,
            "history": solver.history,
        }
        with atomic_write(self.record) as part:
            part.write_text(json.dumps(content, default=float), encoding="utf-8")


def plane_of(grid: Grid) -> tuple[int, int] | None:
    """Choose the two axes that a picture shows: of one unit where there are such, then the longest.

    Args:
        grid: The grid.

    Returns:
        The axes in their order; None where there are not two of several pixels.
    """
    axes = [axis for axis, count in enumerate(grid.shape) if count > 1]
    pairs = [(a, b) for a in axes for b in axes if a < b]
    units, lengths = grid.box.units, grid.box.lengths

    def worth(pair: tuple[int, int]) -> tuple[bool, float]:
        a, b = pair
        return units[a] == units[b], lengths[a] * lengths[b]

    return max(pairs, key=worth, default=None)


def lattice_of(grid: Grid, axes: Sequence[int], count: int) -> Grid:
    """Make a lattice in the middle plane of a grid, no finer than the grid.

    Args:
        grid: The grid.
        axes: The axes of the plane.
        count: About the number of points.

    Returns:
        A grid of as many axes, of one point along all others.
    """
    share = min(1.0, math.sqrt(count / math.prod(grid.shape[axis] for axis in axes)))
    shape = [1] * grid.ndim
    lower, upper = list(grid.box.lower), list(grid.box.upper)
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        if axis in axes:
            shape[axis] = max(1, int(n * share))
            continue
        lower[axis] += (n // 2) * h
        upper[axis] = lower[axis] + h
    return Grid(Box(tuple(lower), tuple(upper), grid.box.units), tuple(shape))


def _settle(field: object) -> None:
    """Wait for what a GPU still has to do, so that its time is not taken for that of a picture."""
    device = placement(field)[1]
    if device.type == "cuda":
        torch.cuda.synchronize(device)
