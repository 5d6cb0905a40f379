"""Physics of deepinv, in both directions, and a fit that serves as one of its models.

deepinv's images are (batch, channels, height, width); ours are (height, width, channels).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import noise as noises
from inverse_inr.compose import OnGrid, as_linear_map
from inverse_inr.domain import Box, Grid
from inverse_inr.interoperation.arrays import natural_shape
from inverse_inr.problem import Problem
from inverse_inr.protocol import Operator
from inverse_inr.ranges import Count, checked
from inverse_inr.solver import solve
from inverse_inr.term import Term


class _Physics(nn.Module):
    """The map A of a deepinv physics on one image, with the channels last.

    Derivatives are those that autograd takes of A: they are right also where `A_adjoint` is not.
    """

    def __init__(self, physics: Any, channels: int) -> None:
        super().__init__()
        self.physics = physics
        self.channels = channels

    def forward(self, image: Tensor) -> Tensor:
        if self.channels == 1:
            image = image[..., None]
        return self.physics.A(image.movedim(-1, 0)[None])[0]


@checked
def from_deepinv(physics: Any, grid: Grid, *, channels: Count = 1) -> OnGrid:
    """Make an operator of a deepinv physics, linear or not.

    Args:
        physics: A `deepinv.physics.Physics`; its parameters are as they stand.
        grid: The lattice of the image, (height, width) or (depth, height, width).
        channels: Number of channels of the image.

    Returns:
        The operator, whose natural shape is that of the measurements of one image. Noise is not
        part of it.

    Raises:
        TypeError: `physics` has no map A, or it measures a list of tensors.
        ValueError: It does not take images of this shape.
    """
    name = type(physics).__name__
    if not callable(getattr(physics, "A", None)):
        raise TypeError(f"from_deepinv: {name} is no deepinv physics: it has no A.")
    grid.require_memory("an image", 4 * grid.numel * channels)
    empty = torch.zeros(*grid.shape, channels)
    try:
        with torch.no_grad():
            y = physics.A(empty.movedim(-1, 0)[None])
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        raise ValueError(
            f"from_deepinv: {name} does not take an image of shape (1, {channels}, "
            f"{', '.join(map(str, grid.shape))}): {error}"
        ) from error
    if not isinstance(y, Tensor):
        raise TypeError(
            f"from_deepinv: {name} measures a {type(y).__name__}; make one Term of each of its "
            "parts, from_deepinv(physics[k], grid)."
        )
    return OnGrid(_Physics(physics, channels), grid, tuple(y.shape[1:]))


@checked
def to_deepinv(operator: Operator, grid: Grid, *, channels: Count = 1) -> Any:
    """Hand an operator to deepinv, as it sees an image sampled on a grid.

    Of an affine operator this is the linear part.

    Args:
        operator: A linear or affine operator.
        grid: The lattice of the image.
        channels: Number of channels of the image.

    Returns:
        A `deepinv.physics.LinearPhysics` of images (batch, channels, *grid.shape); measurements
        are (batch, *shape of the operator, *m).
    """
    seen = as_linear_map(operator, grid, channels=channels)
    flat = tuple(seen.offset.shape)
    shape = natural_shape(operator, seen.offset)

    def ahead(x: Tensor, **_: Any) -> Tensor:
        images = x.movedim(1, -1)
        return torch.stack([seen(image.to(seen.zeros())).reshape(shape) for image in images])

    def back(y: Tensor, **_: Any) -> Tensor:
        images = [seen.adjoint(one.reshape(flat)) for one in y]
        return torch.stack(images).movedim(-1, 1)

    return import_module("deepinv.physics").LinearPhysics(
        A=ahead, A_adjoint=back, img_size=(channels, *grid.shape)
    )


def reconstructor(
    prior: str | None = None,
    *,
    box: Box | None = None,
    channels: int = 1,
    noise: noises.Noise | None = None,
    **solving: Any,
) -> Any:
    """Make a `deepinv.models.Reconstructor` that fits an implicit neural representation.

    Called as `model(y, physics)`, it solves one problem for each image of the batch.

    Args:
        prior: Name of the prior; None lets `solve` decide by held-out measurements.
        box: Where the image lies, in physical units; default: one unit a pixel.
        channels: Number of channels of the image.
        noise: The noise of the measurements; default: the physics' own `GaussianNoise`, whose
            `sigma` must be above 0.
        **solving: Further keywords of `solve`: `steps`, `regularizers`, `weight`, `seed`, ...

    Returns:
        The module. `model.solutions` holds the solutions of its last call.
    """
    models = import_module("deepinv.models")

    class INRReconstructor(models.Reconstructor):
        """Fit a field to the measurements of each image."""

        def __init__(self) -> None:
            super().__init__()
            self.solutions: list[Any] = []

        def forward(self, y: Tensor, physics: Any, **_: Any) -> Tensor:
            found = [_fit(one, physics, prior, box, channels, noise, solving) for one in y]
            self.solutions = found
            return torch.stack([solution.image().movedim(-1, 0) for solution in found])

    return INRReconstructor()


def _fit(
    y: Tensor,
    physics: Any,
    prior: str | None,
    box: Box | None,
    channels: int,
    noise: noises.Noise | None,
    solving: dict[str, Any],
) -> Any:
    """Solve for one image, (*m) measurements."""
    shape = _image_shape(physics, y)
    grid = Grid(box or Box((0.0,) * len(shape), tuple(float(n) for n in shape)), shape)
    operator = from_deepinv(physics, grid, channels=channels)
    if math.prod(y.shape) != len(operator):
        raise ValueError(
            f"reconstructor: y has {math.prod(y.shape)} measurements of one image, "
            f"{type(physics).__name__} makes {len(operator)} of an image of {shape} pixels and "
            f"{channels} channels."
        )
    term = Term(operator, y.flatten(), noise or _noise_of(physics))
    problem = Problem([term], grid.box, grid, channels=channels)
    return solve(problem, prior, **solving)


def _image_shape(physics: Any, y: Tensor) -> tuple[int, ...]:
    """Height and width: what the physics says, else what its adjoint makes of the measurements."""
    said = getattr(physics, "img_size", None)
    if said is not None:
        return tuple(int(n) for n in said[1:])
    return tuple(physics.A_adjoint(y[None]).shape[2:])


def _noise_of(physics: Any) -> noises.Noise:
    """The Gaussian noise that a physics says of itself."""
    model = getattr(physics, "noise_model", None)
    sigma = getattr(model, "sigma", None)
    if type(model).__name__ != "GaussianNoise" or sigma is None or not float(sigma) > 0:
        raise ValueError(
            f"reconstructor: {type(physics).__name__} says {type(model).__name__} of its noise; "
            "only GaussianNoise with sigma > 0 is understood. Pass noise=noise.Gaussian(0.01)."
        )
    return noises.Gaussian(float(sigma))
