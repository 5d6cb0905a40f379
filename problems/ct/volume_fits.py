"""Fits of a volume to cone-beam views: total variation on a lattice finer than what is shown.

    min_x D(A x, y) + λ mean |∇x|        x the nodes of the lattice

Edges run through voxels. On the grid that is shown a fit takes them for measurements that
contradict each other, and held-out views ask for a λ that lets noise through; on a lattice twice as
fine they do not (docs/scale.md). λ should be chosen by whole views: between its neighbours a lone
ray tells how well noise is followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from inverse_inr import Problem
from inverse_inr.baselines import cgls_iterates
from inverse_inr.baselines.linear import brightness
from inverse_inr.candidates import total_variation_fit
from inverse_inr.least_squares import LeastSquares
from inverse_inr.priors import Prior
from inverse_inr.priors.linear import linear_parameters
from inverse_inr.ranges import checked
from inverse_inr.solver import Candidate
from inverse_inr.stopping import hold_out

CGLS_STEPS = 8
"""Iterations of CGLS before the first step: later ones begin to follow the noise."""
STEP_LENGTH = 0.02
"""Adam's learning rate, as a fraction of the brightness of the image of CGLS."""
LARGEST_LATTICE = 2**22
"""Nodes of a finer lattice at most: an iteration on 160^3 of them takes half a second of a core."""


@checked
def volume_fits(problem: Problem) -> Iterator[Candidate]:
    """Fit a lattice with total variation, twice as fine as the grid where that is soon done.

    Args:
        problem: The problem, whose operators are linear and have maps of sampled volumes.

    Yields:
        The candidate, the prior `grid`; it is made again from all rows with the weight it found.
    """
    finer = 2
    if problem.grid.refined(2).numel > LARGEST_LATTICE:
        finer = 1
    yield total_variation_fit(problem, finer)


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
