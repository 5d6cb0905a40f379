"""Boundary values that a field has by construction, whatever its parameters are.

    f(x) = g(x) + φ(x) N(x),     φ = 0 on the boundary, g = the values there

Nothing weighs the boundary against the rest, and no step is spent on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.evaluation import Field
from inverse_inr.priors.prior import Prior
from inverse_inr.problem import Problem
from inverse_inr.ranges import checked


class HardBoundary(nn.Module):
    """A prior with exact boundary values: f = g + φ N, N the prior that is learnt.

    Args:
        prior: N, with all channels of the field.
        zero: φ, a smooth function of points (*s, d) that gives (*s,): zero on the boundary with a
            slope there, positive inside.
        values: g, a smooth field (*s, d) -> (*s, c) that has the boundary values; None for zeros.
        channels: Which channels have boundary values, in the order of those of `values`; the others
            are the prior's own. All by default.

    Raises:
        IndexError: The prior has no such channel.

    Source:
        Lagaris, Likas & Fotiadis 1998; φ and g of several rims: Sukumar & Srivastava 2022.
    """

    @checked
    def __init__(
        self,
        prior: Prior,
        zero: Callable[[Tensor], Tensor],
        values: Field | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if channels is None:
            channels = range(prior.channels)
        if not channels or not all(0 <= c < prior.channels for c in channels):
            raise IndexError(
                f"HardBoundary: channels={list(channels)} must name some of the prior's "
                f"{prior.channels}, counted from 0."
            )
        self.prior = prior
        self.zero = zero
        self.values = values
        self.held = list(channels)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the field at points (*s, d): (*s, channels)."""
        learnt = list(self.prior(points).unbind(-1))
        zero = self.zero(points)
        known = [torch.zeros_like(zero) for _ in self.held]
        if self.values is not None:
            known = list(self.values(points).to(zero.dtype).unbind(-1))
        for c, g in zip(self.held, known, strict=True):
            learnt[c] = g + zero * learnt[c]
        return torch.stack(learnt, -1)

    @property
    def name(self) -> str:
        """The name of the prior inside, for tables."""
        return f"{self.prior.name}, exact boundary"

    @property
    def box(self) -> Box:
        """The box of the prior inside."""
        return self.prior.box

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.prior.channels

    @property
    def smoothness(self) -> float:
        """Continuous derivatives of the prior inside; φ and g are taken to be smooth."""
        return self.prior.smoothness

    def param_groups(self) -> list[dict[str, Any]]:
        """List the parameters of the prior inside, as it groups them."""
        return self.prior.param_groups()

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        """Pass the beginning of a fit on to the prior inside.

        Args:
            problem: The problem that is solved.
            rows: For each term, the indices of the measurements that the fit may see.
        """
        self.prior.begin(problem, rows)

    def before_step(self, step: int, progress: float) -> None:
        """Pass the run's progress on to the prior inside.

        Args:
            step: The number of the step, from 0.
            progress: The fraction of the run that is done, from 0 to below 1.
        """
        self.prior.before_step(step, progress)


Faces = Mapping[int, tuple[bool, bool]]
"""By axis, whether there are values on the lower and on the upper face."""


def held_faces(box: Box, faces: Sequence[tuple[int, int]] | None) -> Faces:
    """Collect faces by their axis.

    Args:
        box: The box.
        faces: Pairs (axis, 0 for the lower or 1 for the upper face); None for all.

    Returns:
        For each axis that has a face among them, which of its two.

    Raises:
        ValueError: There is no such face, or none is named.
    """
    known = [(k, side) for k in range(box.ndim) for side in (0, 1)]
    if faces is None:
        faces = known
    if not faces or any(tuple(face) not in known for face in faces):
        raise ValueError(
            f"faces={list(faces)} must be pairs (axis, 0 or 1) of a box with {box.ndim} axes."
        )
    axes = sorted({k for k, _ in faces})
    return {k: ((k, 0) in faces, (k, 1) in faces) for k in axes}


@checked
def zero_on_faces(
    box: Box, faces: Sequence[tuple[int, int]] | None = None
) -> Callable[[Tensor], Tensor]:
    """Make a polynomial that is zero on faces of a box and positive inside: the φ of a box.

    Args:
        box: The box.
        faces: Pairs (axis, 0 for the lower or 1 for the upper face); None for all.

    Returns:
        A function of points (*s, d) that gives (*s,), at most 1.
    """
    held = held_faces(box, faces)

    def zero(points: Tensor) -> Tensor:
        product = torch.ones_like(points[..., 0])
        for k, (lower, upper) in held.items():
            u = (points[..., k] - box.lower[k]) / box.lengths[k]
            if lower:
                product = product * u
            if upper:
                product = product * (1 - u)
            if lower and upper:
                product = 4 * product
        return product

    return zero


@checked
def between_faces(box: Box, values: Field, faces: Sequence[tuple[int, int]] | None = None) -> Field:
    """Carry values on faces of a box into it, by transfinite interpolation: the g of a box.

    Between two opposite faces it is linear; from a face alone, constant.

    Args:
        box: The box.
        values: The field of the values, which is asked on the faces only.
        faces: Pairs (axis, 0 for the lower or 1 for the upper face); None for all.

    Returns:
        A field that has these values on these faces, if they agree where faces meet.

    Source:
        Gordon & Hall 1973.
    """
    held = held_faces(box, faces)

    def inside(points: Tensor) -> Tensor:
        parts = []
        for count in range(1, len(held) + 1):
            # what two axes both carry is counted once
            sign = (-1) ** (count + 1)
            several = itertools.combinations(held, count)
            parts += [sign * _blended(box, values, held, axes, points) for axes in several]
        return torch.stack(parts).sum(0)

    return inside


def _blended(box: Box, values: Field, held: Faces, axes: Sequence[int], points: Tensor) -> Tensor:
    """The values on faces, blended along each of some axes at once."""
    if not axes:
        return values(points)
    k = axes[0]
    u = ((points[..., k] - box.lower[k]) / box.lengths[k])[..., None]
    lower, upper = held[k]
    ends = []
    for has, at in ((lower, box.lower[k]), (upper, box.upper[k])):
        if has:
            columns = list(points.unbind(-1))
            columns[k] = torch.full_like(columns[k], at)
            ends.append(_blended(box, values, held, axes[1:], torch.stack(columns, -1)))
    if len(ends) == 1:
        return ends[0]
    return (1 - u) * ends[0] + u * ends[1]
