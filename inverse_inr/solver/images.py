"""An image as measurements: what a prior is fitted to before a fit, or between looks at data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.fidelity import L2
from inverse_inr.on_cpu import anywhere
from inverse_inr.optimizers import Optimizer
from inverse_inr.precision import placement
from inverse_inr.problem import Problem, Suggestion
from inverse_inr.protocol import Query
from inverse_inr.ranges import Count, Seed, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver.loop import Solver
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import Never
from inverse_inr.term import Term

AT_ONCE = 2**16
"""Pixels up to which every step sees the whole image."""


class Pixels:
    """An operator whose rows are the pixels of a grid, with all channels.

    Args:
        grid: The lattice of the image.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._points = grid.points().reshape(-1, grid.ndim)

    @property
    def device(self) -> torch.device:
        """The device of the points, to which a fit takes them."""
        return self._points.device

    def __len__(self) -> int:
        return self.grid.numel

    def __call__(self, rows: Tensor) -> Query:
        if len(rows) == len(self):
            # the whole lattice, by the prior's own fast path
            return Query(self.grid, lambda values: values.flatten(0, -2)[rows])
        return Query(self._points[rows], lambda values: values)


def image_problem(image: Tensor, grid: Grid, weight: float = 1.0) -> Problem:
    """Make the problem whose solution is an image itself.

    Args:
        image: (*grid.shape, c) values at pixel centres.
        grid: The lattice of the image.
        weight: Factor of ½ mean |f - image|².

    Returns:
        The problem, one row per pixel; it suggests no regularizers.
    """
    term = Term(Pixels(grid), image.reshape(grid.numel, -1), L2(), weight=weight)
    batch = None
    if grid.numel > AT_ONCE:
        batch = AT_ONCE // 4
    return Problem(
        [term],
        grid.box,
        grid,
        channels=image.shape[-1],
        is_complex=image.is_complex(),
        suggested=Suggestion(batch=batch, stopping=Never(every=10**9)),
    )


@checked
def fitted_to(
    source: Field | Solution | Callable[[], Solution],
    grid: Grid | None = None,
    *,
    steps: Count = 200,
    optimizer: str | Optimizer = "adam",
    seed: Seed = 0,
) -> Callable[[nn.Module], None]:
    """Start from an image: a prior is fitted to a sampled field first, which asks no operator.

    The result is a value for `Suggestion.start`; a prior of one's own is passed to it before
    `solve`: `fitted_to(baselines.cgls(problem))(prior)`.

    Args:
        source: A solution, e.g. CGLS's; any field, e.g. a `SampledField`; or a function without
            arguments that gives the solution when a prior is to be prepared.
        grid: The lattice on which the prior sees it; that of the solution or image if None.
        steps: Steps of the optimizer.
        optimizer: The optimizer of these steps.
        seed: Seed of the mini-batches of images above 65 536 pixels.

    Returns:
        A function that fits the prior it is given, in place.

    Raises:
        ValueError: The source is a field without a grid, and none is given.
    """
    if grid is None and not isinstance(source, Solution | SampledField) and _takes_points(source):
        raise ValueError("fitted_to: a field has no lattice of its own; pass grid=problem.grid.")

    @anywhere
    def start(prior: nn.Module) -> None:
        field, lattice = _sampled(source, grid)
        dtype, device = placement(prior)
        with torch.no_grad():
            image = sample(field, lattice).to(device)
            corner = torch.tensor([lattice.box.lower], dtype=dtype, device=device)
            complex_prior = prior(corner).is_complex()
        if complex_prior and not image.is_complex():
            image = torch.complex(image, torch.zeros_like(image))
        Solver(
            image_problem(image, lattice), prior, steps=steps, optimizer=optimizer, seed=seed
        ).run()

    return start


def _takes_points(source: object) -> bool:
    """Whether a callable is a field, not a function without arguments that gives a solution."""
    import inspect

    if isinstance(source, nn.Module):
        return True
    try:
        return len(inspect.signature(source).parameters) > 0  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return True


def _sampled(
    source: Field | Solution | Callable[[], Solution], grid: Grid | None
) -> tuple[Field, Grid]:
    """The field and the lattice on which it is seen."""
    found: Any = source
    if not isinstance(source, Solution | SampledField) and not _takes_points(source):
        found = found()
    if isinstance(found, Solution):
        lattice = grid
        if lattice is None:
            lattice = found.problem.grid
        return found.field, lattice
    if isinstance(found, SampledField) and grid is None:
        return found, found.grid
    if grid is None or not callable(found):
        raise TypeError(
            f"fitted_to: source gave {type(found).__name__}; a Solution or a SampledField is "
            "needed, or a field together with grid=."
        )
    return cast("Field", found), grid
