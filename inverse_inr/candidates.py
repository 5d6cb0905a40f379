"""Candidates between which `solve` decides: fits on a lattice finer than the grid that is shown.

    min_x D(A x, y) + λ mean |∇x|   over the values x of a lattice (the prior `grid`)
    min_θ D(A f_θ, y) + λ mean |∇f_θ|   over the parameters of another prior, seen on that lattice

The first is convex and soon solved along a path of weights; the λ that it finds suits the second.
A trained network goes on from its image (`plug_and_play_fit`): steps for the data and of the
network in turns, at levels of noise that fall.

Two fits that err differently have a mean that errs less than they do on average (`MeanOfFits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

from inverse_inr import baselines, priors
from inverse_inr.domain import Grid
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, Positive, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Candidate, Ended, Solution, Solver
from inverse_inr.stopping import HeldOut, Never, Stopping

COUPLING = 0.17
"""How far a fit with the trained network trusts it, as `baselines.annealed` takes it.

On a lattice twice as fine as the grid: found on organs, bone, a slice of a brain and the
Shepp-Logan phantom (40 and 80 views, 0.1 to 2 % noise)."""
LARGEST, LEAST = 0.05, 0.002
"""The first and the last noise that the network is told of, by the brightness of the image."""
LEVELS = 24
"""How many levels of noise there are, both among them."""
CHECKS = 20
"""Number of checks of the stopping rule in a fit on the lattice."""
NETWORK = "grid, network"
"""The name of the fit with the trained network."""


@dataclass
class MeanOfFits(Solution):
    """The mean of several solutions of one problem, whose operators are linear or affine.

    What it predicts is the mean of what they predict, each as its own method saw it: on a lattice
    of its own, say.

    Args:
        parts: The solutions.
    """

    parts: tuple[Solution, ...] = ()

    @classmethod
    @torch.no_grad()
    def of(cls, problem: Problem, parts: Sequence[Solution], method: str) -> MeanOfFits:
        """Take the mean of solutions as the prior `grid`, whose nodes are the problem's pixels.

        Args:
            problem: The problem, whose operators have maps of sampled images.
            parts: The solutions, which hold out the same rows.
            method: The name of the mean.

        Returns:
            The mean; its field is an image where the prior's nodes would not be the pixels.
        """
        values = torch.stack([each.image() for each in parts]).mean(0)
        image = SampledField(values, problem.grid)
        return cls(
            grid_field(image) or image,
            problem.on_lattice(1),
            method,
            seconds=sum(each.seconds for each in parts),
            stopped=Ended("direct", f"the mean of {len(parts)} fits"),
            watched=parts[0].watched,
            parts=tuple(parts),
        )

    @torch.no_grad()
    def predicted(self, term: int, rows: Tensor) -> Tensor:
        """Predict measurements, (b, *m), of the term of this number: the mean of the parts'."""
        return torch.stack([each.predicted(term, rows) for each in self.parts]).mean(0)

    def to(self, device: str | torch.device) -> Solution:
        """Copy the mean and its parts to a device, as `Solution.to` does."""
        moved = super().to(device)
        if moved is self:
            return self
        assert isinstance(moved, MeanOfFits)
        return replace(moved, parts=tuple(each.to(device) for each in self.parts))


@checked
def lattice_fits(
    problem: Problem, *, prior: str = "hash", steps: Count = 400, finer: Count = 2
) -> Iterator[Candidate]:
    """Fit the lattice itself with total variation, from there by a trained network, then a prior.

    The lattice is made again from all rows with the weight that was found, which suits the prior,
    too. The prior is kept as it is: which step is best would be found anew.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled images.
        prior: The name of the other prior.
        steps: The steps of its fit.
        finer: Nodes of the lattice per pixel of the problem's grid and axis.

    Yields:
        The candidates: `grid` by the network, where the image has two axes; `grid` with total
        variation; and the prior with total variation. The first is taken where none is better: on
        the inputs on which its settings were found it was never behind the second.
    """
    seen = problem.on_lattice(finer)
    first = total_variation_fit(problem, finer)
    if problem.grid.ndim == 2:
        yield plug_and_play_fit(problem, first, finer)
    yield first
    weight = first.solution.details["weight of TV"]
    rule = problem.suggested.stopping or HeldOut()
    if isinstance(rule, HeldOut):
        rule = replace(rule, every=max(1, steps // CHECKS))
    penalty = weight * TotalVariation(grid=problem.grid.refined(finer))
    solver = Solver(seen, prior, regularizers=[penalty], steps=steps, stopping=rule)
    fit = solver.run()
    fit.details["weight of TV"] = weight
    yield Candidate(replace(fit, method=f"{prior}, TV"))


@checked
def total_variation_fit(problem: Problem, finer: Count = 2) -> Candidate:
    """Fit a lattice with total variation, whose weight held-out rows choose.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled images.
        finer: Nodes of the lattice per pixel of the problem's grid and axis.

    Returns:
        The candidate, the prior `grid`; it is made again from all rows with the weight it found.
    """
    seen = problem.on_lattice(finer)
    image = baselines.tv(problem, finer=finer)
    weight = image.details["weight"]
    start = _values(image)

    def as_grid(found: Solution) -> Solution:
        solution = _as_grid(found, seen)
        solution.details["weight of TV"] = weight
        return solution

    @cache
    def again() -> Solution:
        return as_grid(baselines.tv(problem, weight, finer=finer, start=start))

    return Candidate(as_grid(image), again)


@checked
def by_network(
    problem: Problem,
    start: Tensor,
    finer: Count = 2,
    *,
    coupling: Positive = COUPLING,
    largest: Positive = LARGEST,
    least: Positive = LEAST,
    inner: Count = 30,
) -> Solution:
    """Solve by steps for the data and of a network that was trained on photographs, in turns.

    The image may have any unit: the network is shown multiples of the brightness of the start.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled images.
        start: (*lattice, c), the image that it begins with.
        finer: Nodes of the lattice per pixel of the problem's grid and axis.
        coupling: How far the network is trusted, as `baselines.annealed` takes it.
        largest: The first noise that the network is told of, by the brightness of the start.
        least: The last one.
        inner: Most iterations of conjugate gradients in a step for the data.

    Returns:
        The image on the lattice.
    """
    return baselines.annealed(
        problem,
        start=start,
        largest=largest,
        least=least,
        iterations=LEVELS,
        coupling=coupling,
        white=None,
        finer=finer,
        inner=inner,
    )


@checked
def plug_and_play_fit(
    problem: Problem,
    begun: Candidate,
    finer: Count = 2,
    method: Callable[[Problem, Tensor, int], Solution] = by_network,
    name: str = NETWORK,
) -> Candidate:
    """Fit a lattice by a trained network, from another fit on.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled images.
        begun: The fit that it begins with.
        finer: Nodes of the lattice per pixel of the problem's grid and axis.
        method: `by_network`, with other settings perhaps.
        name: The name of the fit.

    Returns:
        The candidate, the prior `grid`; it is made again from all rows, and from the first fit that
        was made again.
    """
    seen = problem.on_lattice(finer)
    lattice = problem.grid.refined(finer)

    def fitted(rule: Stopping, start: Solution) -> Solution:
        ruled = replace(problem, suggested=replace(problem.suggested, stopping=rule))
        return _as_grid(method(ruled, start.sample(lattice), finer), seen, name)

    @cache
    def again() -> Solution:
        return fitted(Never(), begun.made_again())

    return Candidate(fitted(problem.suggested.stopping or HeldOut(), begun.solution), again)


def _as_grid(solution: Solution, seen: Problem, method: str = "grid, TV") -> Solution:
    """The solution with its image as the prior `grid`, which can be saved as a field."""
    solution = replace(solution, method=method, problem=seen)
    assert isinstance(solution.field, SampledField)
    field = grid_field(solution.field)
    if field is None:
        return solution
    return replace(solution, field=field)


@torch.no_grad()
def grid_field(image: SampledField) -> nn.Module | None:
    """Make the prior `grid` of an image's own lattice, with the image as its values.

    Args:
        image: A real image.

    Returns:
        The prior; None where its lattice would not be the image's own.
    """
    grid: Grid = image.grid
    channels = image.values.shape[-1]
    field = priors.create("grid", grid.box, channels, cells=max(grid.shape)).to(image.device)
    table = next(iter(field.parameters()))
    if table.numel() != image.values.numel() or image.values.is_complex():
        return None
    table.copy_(image.values.reshape(table.shape))
    seen = field(grid.points(device=image.device))
    if not torch.allclose(seen, image.values, atol=1e-5 * _size(image)):
        return None
    return field.requires_grad_(False).eval()


def _values(solution: Solution) -> Tensor:
    """The image of a classical method."""
    assert isinstance(solution.field, SampledField)
    return solution.field.values


def _size(image: SampledField) -> float:
    return max(1e-30, float(image.values.abs().max()))
