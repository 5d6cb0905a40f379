"""Fits of a volume to cone-beam views: with total variation, and by a trained network.

    min_x D(A x, y) + λ mean |∇x|        x the nodes of the lattice

A network that was trained on photographs sees the volume plane by plane, across another axis in
each step, between steps for the data (`candidates.plug_and_play_fit`). It begins with voxels of
least total variation.

Edges run through voxels, which a fit takes for measurements that contradict each other; on a
lattice twice as fine they do not, but there is more room for noise. The two err differently, and
their mean is the answer where it predicts held-out rows clearly better than the voxels. The finer
image alone predicts rays better also where its voxels are worse: only much better counts.

Held-out rows choose λ. They should be whole views: between its neighbours a lone ray tells
how well noise is followed.

Where the finer lattice has too many nodes, voxels are fitted by few steps from an image of CGLS,
each of which sees a part of the rays (`RaysOnGrid.batch`): that they end early keeps noise out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import Problem, SampledField, Solution, Solver, priors
from inverse_inr.baselines.linear import brightness, cgls_iterates
from inverse_inr.candidates import MeanOfFits, by_network, plug_and_play_fit, total_variation_fit
from inverse_inr.least_squares import LeastSquares
from inverse_inr.priors import Prior
from inverse_inr.priors.linear import linear_parameters
from inverse_inr.ranges import Count, checked
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Candidate
from inverse_inr.stopping import HeldOut, Never, Stopping, hold_out

LARGEST_LATTICE = 2**22
"""Nodes of a finer lattice at most: twice 80 voxels a side."""
VOXELS = partial(by_network, coupling=0.5, largest=0.1, least=0.01, inner=4)
"""How voxels are made between steps for the data and of the network.

Their own error, which no noise model knows, wants more trust in the network than a finer lattice
does, and noise that ends higher. These numbers and those below were found on a head, pores and a
gear of other seeds than those of the benchmark, and on the Shepp-Logan phantom."""
FINER = partial(by_network, largest=0.1, inner=4)
"""How the finer lattice is made, from the voxels on."""
TWO_LATTICES = "two grids, network"
"""The name of the mean of the fits of both lattices."""
ALONE = 0.1
"""So much less, as a fraction, must the held-out misfit of the finer lattice alone be, beside that
of the mean. Edges as sharp as an ellipsoid's make it half of that, others change it by 2 %."""
WORTH = 0.02
"""So much less, as a fraction, must the held-out misfit of the mean be. Where rays hold little else
than noise, a thousandth less comes with voxels that are 0.9 dB worse."""
CGLS_STEPS = 8
"""Iterations of CGLS before the first step: later ones begin to follow the noise."""
STEPS = 100
"""Steps of a fit, ten epochs: 50 more gained 0.04 dB on ellipsoids of 64^3 voxels."""
LARGEST = 8.0
"""The path of weights begins at this times the weight at which penalty and misfit are equal."""
STRIDE = 10**0.5
"""The factor between two weights of the path; those halfway beside the best are tried last."""
MOST_WEIGHTS = 10
"""Most weights that are tried."""
CHECKS = 10
"""Checks of the stopping rule in the final fit."""
STEP_LENGTH = 0.02
"""Adam's learning rate, as a fraction of the brightness of the image of CGLS."""
ROUNDING = 1e-4
"""Slopes at which total variation begins to be one: this much of the brightness per voxel."""


@checked
def volume_fits(
    problem: Problem, *, steps: Count = STEPS, search: Count = 30
) -> Iterator[Candidate]:
    """Fit voxels with total variation and by a network, which fits a lattice twice as fine, too.

    Held-out rows choose the weights of total variation. A candidate is made again from all rows
    with the weights that were found.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled volumes.
        steps: Steps of a fit of voxels where there is no finer one.
        search: Steps for each weight that is tried there, all from the image of CGLS.

    Yields:
        The prior `grid` by the network, and with total variation; then the mean of the network's
        images on both lattices, if it predicts held-out rows better by `WORTH`, and that of the
        finer one alone, if it does so by `ALONE`. Where the finer lattice has more than
        `LARGEST_LATTICE` nodes, voxels by few steps alone.
    """
    if problem.grid.refined(2).numel > LARGEST_LATTICE:
        yield _voxels(problem, steps, search)
        return
    voxels = total_variation_fit(problem, 1)
    network = plug_and_play_fit(problem, voxels, 1, VOXELS)

    def mean(solutions: list[Solution]) -> Solution:
        return MeanOfFits.of(problem, solutions, TWO_LATTICES)

    yield network
    yield voxels
    finer = plug_and_play_fit(problem, network, 2, FINER, "finer grid, network")
    both = mean([network.solution, finer.solution])
    if _misfit(both) < (1 - WORTH) * min(_misfit(each.solution) for each in (network, voxels)):
        yield Candidate(both, lambda: mean([network.made_again(), finer.made_again()]))
    if _misfit(finer.solution) < (1 - ALONE) * _misfit(both):
        yield finer


def _misfit(solution: Solution) -> float:
    """The misfit of the rows that were held out."""
    return solution.misfit(solution.watched)


def _voxels(problem: Problem, steps: int, search: int) -> Candidate:
    """Fit voxels by few steps, with the weight that held-out rows choose."""
    began = time.perf_counter()
    seen = problem.on_lattice(1)
    fit, watch, _ = hold_out(problem.suggested.stopping, problem.terms)
    image = _smooth_part(LeastSquares.of(problem, fit))
    rule = HeldOut(every=search, rows=watch)
    tried: dict[float, float] = {}

    def attempt(weight: float) -> None:
        misfit = _fitted(seen, image, weight, search, rule).held_out()
        assert misfit is not None
        tried[weight] = misfit

    weight = LARGEST * _balanced(problem, fit, image)
    for _ in range(MOST_WEIGHTS):
        attempt(weight)
        if _risen_twice(list(tried.values())):
            break
        weight /= STRIDE
    best = min(tried, key=lambda each: tried[each])
    for between in (best * STRIDE**0.5, best / STRIDE**0.5):
        attempt(between)
    weight = min(tried, key=lambda each: tried[each])
    rule = replace(rule, every=max(1, steps // CHECKS))
    solution = _fitted(seen, image, weight, steps, rule)
    solution = replace(solution, seconds=time.perf_counter() - began)
    by_weight = {w: tried[w] for w in sorted(tried, reverse=True)}
    found = {
        "weight of TV": weight,
        "held-out by weight": {f"{w:.4g}": misfit for w, misfit in by_weight.items()},
    }
    solution.details |= found
    return Candidate(solution, partial(_from_all_rows, seen, weight, steps, found))


@checked
def voxels_from_cgls(problem: Problem) -> Callable[[nn.Module], None]:
    """Let the prior `grid` begin as the image of CGLS: a value of `Suggestion.starts`.

    The rows that the problem's stopping rule holds out take no part. Adam's learning rate follows
    the image's brightness.

    Args:
        problem: The problem.

    Returns:
        A function that fills a prior; one whose nodes are not the grid's voxels it leaves as it is.
    """

    def start(prior: nn.Module) -> None:
        fit, _, _ = hold_out(problem.suggested.stopping, problem.terms)
        if _nodes(prior, problem) is not None:
            _fill(prior, _smooth_part(LeastSquares.of(problem, fit)), problem)

    return start


def _nodes(prior: nn.Module, problem: Problem) -> Tensor | None:
    """The values of a prior's nodes, where there is one for each voxel."""
    values = linear_parameters(prior)
    if not isinstance(prior, Prior) or len(values) != 1:
        return None
    if values[0].numel() != problem.grid.numel * problem.channels:
        return None
    return values[0]


@torch.no_grad()
def _fill(prior: nn.Module, image: Tensor, problem: Problem) -> None:
    """Let a prior be an image, if its nodes are the voxels."""
    nodes = _nodes(prior, problem)
    assert isinstance(prior, Prior)
    assert nodes is not None
    before = nodes.clone()
    nodes.copy_(image.reshape(nodes.shape))
    # the diagonal meets each layer along each axis
    grid = problem.grid
    some = torch.arange(min(grid.shape), device=nodes.device)
    lower, spacing = (torch.tensor(each).to(nodes) for each in (grid.box.lower, grid.spacing))
    place = lower + (some[:, None] + 0.5) * spacing
    shown = image[(some,) * grid.ndim]
    size = brightness(image)
    if not torch.allclose(prior(place), shown, atol=1e-4 * size):
        nodes.copy_(before)
        return
    prior.learning_rate = STEP_LENGTH * size


def _smooth_part(system: LeastSquares) -> Tensor:
    """The image after a few iterations of CGLS."""
    (image,) = deque(cgls_iterates(system, CGLS_STEPS), maxlen=1)
    return image


def _fitted(seen: Problem, image: Tensor, weight: float, steps: int, rule: Stopping) -> Solution:
    """Fit voxels from an image on, with one weight of total variation."""
    grid = seen.grid
    prior = priors.create("grid", seen.box, seen.channels, cells=max(grid.shape)).to(seen.device)
    prior.learning_rate = STEP_LENGTH * brightness(image)
    if _nodes(prior, seen) is not None:
        _fill(prior, image, seen)
    rounding = ROUNDING * brightness(image) / min(grid.spacing)
    penalty = weight * TotalVariation(grid=grid, epsilon=rounding)
    solver = Solver(seen, prior, regularizers=[penalty], steps=steps, stopping=rule)
    return replace(solver.run(), method="grid, TV")


def _from_all_rows(seen: Problem, weight: float, steps: int, found: dict[str, Any]) -> Solution:
    """The fit again, with no rows held out."""
    fit = [term.trusted for term in seen.terms]
    image = _smooth_part(LeastSquares.of(seen, fit))
    solution = _fitted(seen, image, weight, steps, Never())
    solution.details |= found
    return solution


def _balanced(problem: Problem, fit: list[Tensor], image: Tensor) -> float:
    """The weight at which the penalty of an image is as large as its misfit."""
    field = SampledField(image, problem.grid)
    misfit = LeastSquares.of(problem, fit).value(image)
    roughness = float(TotalVariation(grid=problem.grid)(field, image))
    if misfit > 0 and roughness > 0:
        return misfit / roughness
    return 1.0  # there is nothing to reconstruct, and any weight gives that


def _risen_twice(misfits: list[float]) -> bool:
    last = misfits[-3:]
    return len(last) == 3 and last == sorted(last)
