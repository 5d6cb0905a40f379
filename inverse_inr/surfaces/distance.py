"""Surfaces as fields: a signed distance by a network, alone or together with what scatters on it.

f_θ(x) is the signed distance in the box's unit, negative inside, with |∇f| = 1 (eikonal).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import priors
from inverse_inr.derivatives import require_smooth
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field, Memo, sample
from inverse_inr.problem import Problem
from inverse_inr.ranges import Positive, checked


class SignedDistance(nn.Module):
    """The distance to a sphere plus a learnt correction: a fit starts from a closed surface.

    Args:
        box: 3-D, in one unit.
        correction: A prior of one channel on the box; a name of the catalogue is made with
            `options`.
        radius: The radius of the sphere about the box's centre, in the box's unit; default: a third
            of the shortest side.
        strength: The factor of the correction, in the box's unit; default: a tenth of the radius.
        options: Options of a correction that is given by name.

    Raises:
        ValueError: The box is not 3-D or mixes units.
        TypeError: The prior has no derivatives, which normals and eikonal terms are made of; or
            options are given to a prior that is made already.
    """

    @checked
    def __init__(
        self,
        box: Box,
        correction: str | priors.Prior = "siren",
        *,
        radius: Positive | None = None,
        strength: Positive | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if box.ndim != 3 or len(set(box.units)) != 1:
            raise ValueError(
                f"SignedDistance: the box must be 3-D in one unit, got units {box.units}."
            )
        if isinstance(correction, str):
            correction = _by_name(correction, box, options)
        elif options:
            raise TypeError(
                f"SignedDistance: {sorted(options)} belong to a prior given by name, "
                "not to a made one."
            )
        require_smooth(correction)
        self.box = box
        self.correction = correction
        if radius is None:
            radius = min(box.lengths) / 3
        if strength is None:
            strength = 0.1 * radius
        self.radius = nn.Buffer(torch.tensor(float(radius)))
        self.strength = nn.Buffer(torch.tensor(float(strength)))
        self.center = nn.Buffer(torch.tensor(box.center), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """The signed distance, (*s, 1) in the box's unit, at points (*s, 3)."""
        away = (points - self.center).square().sum(-1, keepdim=True)
        # a small term under the root makes the sphere's distance smooth at its centre
        sphere = (away + (0.1 * self.radius) ** 2).sqrt() - 1.005 * self.radius
        return sphere + self.strength * self.correction(points)

    def param_groups(self) -> list[dict[str, Any]]:
        """The correction's parameter groups."""
        return self.correction.param_groups()


class UnsignedDistance(nn.Module):
    """A prior in the unit of its box, for a distance that has no sign.

    Args:
        box: 3-D, in one unit.
        prior: A prior of one channel on the box, with derivatives.

    Raises:
        ValueError: The box is not 3-D or mixes units.
        TypeError: The prior has no derivatives, by which the surface is found.
    """

    @checked
    def __init__(self, box: Box, prior: priors.Prior) -> None:
        super().__init__()
        if box.ndim != 3 or len(set(box.units)) != 1:
            raise ValueError(
                f"UnsignedDistance: the box must be 3-D in one unit, got units {box.units}."
            )
        require_smooth(prior, 1)
        self.box = box
        self.prior = prior
        self.strength = nn.Buffer(torch.tensor(0.25 * max(box.lengths)))

    def forward(self, points: Tensor) -> Tensor:
        """The distance, (*s, 1) in the box's unit, at points (*s, 3)."""
        return self.strength * self.prior(points)

    def param_groups(self) -> list[dict[str, Any]]:
        """The prior's parameter groups."""
        return self.prior.param_groups()


class Occupancy(nn.Module):
    """The logit of being inside: that of a sphere with a soft edge, plus a prior.

    Far from the sphere its logit is large, so that a fit leaves nothing behind where it was told
    little.

    Args:
        box: 3-D, in one unit.
        prior: A prior of one channel on the box.
        radius: The radius of the sphere about the box's centre, in the box's unit.
        strength: The factor of the prior, as a length in the box's unit.
        softness: The length in which a logit changes by one, in the box's unit.

    Raises:
        ValueError: The box is not 3-D or mixes units.
    """

    @checked
    def __init__(
        self,
        box: Box,
        prior: priors.Prior,
        *,
        radius: Positive,
        strength: Positive,
        softness: Positive,
    ) -> None:
        super().__init__()
        if box.ndim != 3 or len(set(box.units)) != 1:
            raise ValueError(f"Occupancy: the box must be 3-D in one unit, got units {box.units}.")
        self.box = box
        self.prior = prior
        self.radius = nn.Buffer(torch.tensor(float(radius)))
        self.strength = nn.Buffer(torch.tensor(float(strength)))
        self.softness = nn.Buffer(torch.tensor(float(softness)))
        self.center = nn.Buffer(torch.tensor(box.center), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """The logit, (*s, 1), at points (*s, 3)."""
        away = torch.linalg.vector_norm(points - self.center, dim=-1, keepdim=True)
        return (self.radius - away + self.strength * self.prior(points)) / self.softness

    def param_groups(self) -> list[dict[str, Any]]:
        """The prior's parameter groups."""
        return self.prior.param_groups()


def _by_name(name: str, box: Box, options: dict[str, Any]) -> priors.Prior:
    defaults: dict[str, Any] = {}
    if name == "siren":
        defaults = {"width": 64, "depth": 2, "bandwidth": 2.5 * box.scale[0]}
    return priors.create(name, box, **(defaults | options))


class Surface(nn.Module):
    """A reflectivity together with a signed distance.

    As a field it is the amplitude; `NearSurface` couples the two, which share nothing but that
    penalty: echoes place the amplitude, the amplitude places the surface, and the surface says
    where amplitude is cheap.

    Args:
        distance: The signed distance.
        amplitude: The reflectivity, a prior on the same box.
    """

    def __init__(self, distance: SignedDistance, amplitude: priors.Prior) -> None:
        super().__init__()
        self.distance = distance
        self.amplitude = amplitude

    def forward(self, points: Tensor) -> Tensor:
        """The amplitude, (*s, c), at points (*s, 3)."""
        return self.amplitude(points)

    def sample(self, grid: Grid) -> Tensor:
        """The amplitude on a grid, (*shape, c)."""
        return sample(self.amplitude, grid)

    def begin(self, problem: Problem, rows: Sequence[Tensor]) -> None:
        """Let the amplitude prepare itself, as in `hooks.Begins`."""
        self.amplitude.begin(problem, rows)

    def before_step(self, step: int, progress: float) -> None:
        """Tell the amplitude of the step, as in `hooks.BeforeStep`."""
        self.amplitude.before_step(step, progress)

    def param_groups(self) -> list[dict[str, Any]]:
        """The parameter groups of the distance, then of the amplitude."""
        return [*self.distance.param_groups(), *self.amplitude.param_groups()]


def distance_of(field: Field) -> Field:
    """The signed distance that a `Surface` carries; any other field is one itself."""
    module = field
    if isinstance(field, Memo):
        module = field.field
    if isinstance(module, Surface):
        return module.distance
    return module
