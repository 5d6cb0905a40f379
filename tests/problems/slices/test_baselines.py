"""Classical super-resolution finds the gains of slices, and may be finer than what is shown."""

from dataclasses import replace

import pytest
import torch
from cases.stack import at_rest, head

from inverse_inr import Solution
from inverse_inr.problems.slices.baselines import super_resolution
from inverse_inr.problems.slices.stacks import as_slices
from inverse_inr.problems.slices.volumes import problem_of


@pytest.fixture(scope="module")
def uneven() -> tuple[list, torch.Tensor]:
    """Stacks at rest whose slices have other gains, and those of all their slices."""
    generator = torch.Generator().manual_seed(0)
    stacks = at_rest()
    gains = [torch.exp(0.1 * torch.randn(s.values.shape[2], generator=generator)) for s in stacks]
    changed = [replace(s, values=s.values * g) for s, g in zip(stacks, gains, strict=True)]
    return changed, torch.cat(gains)


@pytest.fixture(scope="module")
def found(uneven: tuple[list, torch.Tensor]) -> Solution:
    problem = problem_of(uneven[0], resolution=3.0, motion=False, reference=head)
    return super_resolution(problem, weights=(1e-1, 1e-2), iterations=15)


def test_gains_are_found(uneven: tuple[list, torch.Tensor], found: Solution) -> None:
    problem, operator = as_slices(found.problem)
    starts = torch.tensor([0, *(s.values.shape[2] for s in uneven[0])]).cumsum(0)
    true = uneven[1][starts[problem.where[:, 0]] + problem.where[:, 1]]
    counts = torch.bincount(operator.index)
    many = counts > 100
    ratio = (operator.gains() / true).detach()[many]
    assert float((ratio / ratio.mean() - 1).abs().max()) < 0.04


def test_the_image_is_finer_and_better_with_gains(
    uneven: tuple[list, torch.Tensor], found: Solution
) -> None:
    assert found.details["values per voxel side"] == 3
    blind = super_resolution(
        problem_of(uneven[0], resolution=3.0, motion=False, gain=False, reference=head),
        weights=(1e-1, 1e-2),
        iterations=15,
    )
    assert found.psnr() > blind.psnr() + 2


def test_the_solution_judges_itself_with_its_gains(found: Solution) -> None:
    """Its own held-out misfit is better than through the operator that knows no gains."""
    _, operator = as_slices(found.problem)
    own = found.held_out()
    with torch.no_grad():
        kept = operator.log_gain.clone()
        operator.log_gain.zero_()
        without = found.held_out()
        operator.log_gain.copy_(kept)
    assert own is not None
    assert without is not None
    assert own < without
