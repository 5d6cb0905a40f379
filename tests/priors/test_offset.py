"""`offset`: a mean from any field or from a baseline, and a correction that starts at zero."""

from dataclasses import replace

import pytest
import torch

from inverse_inr import (
    Box,
    Grid,
    Problem,
    SampledField,
    Suggestion,
    Term,
    baselines,
    noise,
    phantoms,
    priors,
    sample,
    solve,
)
from inverse_inr.operators import Blur, psf
from inverse_inr.regularizers import PriorPenalty

BOX = Box((0.0, 0.0, 400.0), (8.0, 6.0, 700.0), ("px", "px", "nm"))
GRID = Grid(BOX, (8, 6, 5))


def cube(seed: int = 0) -> SampledField:
    """A positive field of two vectors of the last axis."""
    generator = torch.Generator().manual_seed(seed)
    mix = 0.2 + torch.rand(8, 6, 2, generator=generator)
    return SampledField((mix @ torch.rand(2, 5, generator=generator))[..., None], GRID)


@pytest.mark.parametrize("head", ["linear", "exp"])
@pytest.mark.parametrize("rank", [1, 8])
def test_before_a_fit_it_is_its_mean(head, rank):
    """However few vectors the correction has, the mean keeps all of its own."""
    prior = priors.create("offset", BOX, cells=8.0, rank=rank, head=head)
    prior.set_mean(cube(), GRID)
    torch.testing.assert_close(prior.sample(GRID), cube().values, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(prior(GRID.points()), prior.sample(GRID))


def test_the_correction_is_learnt_and_the_mean_is_not():
    prior = priors.create("offset", BOX, cells=8.0)
    prior.set_mean(cube(), GRID)
    known = prior.coefficients.mean.table.clone()
    assert [tuple(p.shape) for p in prior.parameters()] == [(48, 2)]
    with torch.no_grad():
        next(prior.parameters()).add_(1.0)
    assert not torch.allclose(prior.sample(GRID), cube().values, atol=1e-2)
    assert torch.equal(prior.coefficients.mean.table, known)


def test_the_vectors_are_the_means_own():
    """A correction moves spectra within the span of the mean's."""
    prior = priors.create("offset", BOX, cells=8.0)
    prior.set_mean(cube(), GRID)
    with torch.no_grad():
        next(prior.parameters()).normal_(generator=torch.Generator().manual_seed(3))
    basis = cube().values.reshape(-1, 5)
    moved = prior.sample(GRID).detach().reshape(-1, 5) - basis.mean(0)
    inside = moved @ torch.linalg.pinv(basis - basis.mean(0)) @ (basis - basis.mean(0))
    torch.testing.assert_close(inside, moved, atol=1e-4, rtol=0)


def test_a_saved_state_brings_its_mean():
    prior = priors.create("offset", BOX, cells=8.0)
    prior.set_mean(cube(), GRID)
    again = priors.create("offset", BOX, cells=8.0)
    again.load_state_dict(prior.state_dict())
    assert torch.equal(again.sample(GRID), prior.sample(GRID))


def test_its_penalty_is_least_near_what_the_guide_says():
    prior = priors.create("offset", BOX, cells=8.0, patch=3)
    prior.set_mean(cube(), GRID)
    near = prior.coefficients.penalty().detach()
    with torch.no_grad():
        next(prior.parameters()).normal_(generator=torch.Generator().manual_seed(3))
    far = prior.coefficients.penalty().detach()
    assert far > 2 * near
    prior.coefficients.look_again()
    assert prior.coefficients.penalty().detach() < far


def test_a_guide_is_renewed_as_often_as_there_are_rounds():
    prior = priors.create("offset", BOX, cells=8.0, patch=3, rounds=2)
    seen = []
    prior.coefficients.look_again = lambda: seen.append(step)
    for step in range(9):
        prior.before_step(step, step / 9)
    assert seen == [3, 6]


def blurred() -> Problem:
    """An image of a phantom, blurred: a problem that knows nothing of spectra."""
    box = Box((0.0, 0.0), (16.0, 16.0))
    grid = Grid(box, (16, 16))
    truth = phantoms.gaussian_blobs(box)
    operator = Blur(psf.Gaussian(1.0), grid).on(grid)
    y = operator.flatten(operator.map(sample(truth, grid)[..., 0]))
    model = noise.Gaussian(0.02)
    y = model.sample(y, torch.Generator().manual_seed(0))
    found = {"CGLS": baselines.cgls}
    suggested = Suggestion(prior="offset", options={"mean": "CGLS"}, baselines=found, steps=3)
    return Problem([Term(operator, y, model)], box, grid, reference=truth, suggested=suggested)


def test_a_fit_begins_at_the_problems_baseline_on_the_rows_that_it_may_see():
    problem = blurred()
    asked = []

    def method(limited: Problem):
        asked.append(len(limited.terms[0].trusted))
        return baselines.cgls(limited, 5)

    problem = replace(problem, suggested=replace(problem.suggested, baselines={"CGLS": method}))
    found = solve(problem, regularizers=[0.0 * PriorPenalty()], lr=1e-9, steps=1, callbacks=[])
    assert asked == [256 - 13]
    torch.testing.assert_close(
        found.sample(), baselines.cgls(problem, 5).sample(), atol=0.2, rtol=0
    )


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (
            lambda: solve(blurred(), priors.create("offset", blurred().box, mean="CGSL")),
            "mean='CGSL' is no baseline of this problem. Did you mean 'CGLS'?",
        ),
        (lambda: priors.create("offset", BOX, patch=4), "patch=4 must be an odd number"),
        (
            lambda: priors.create("offset", BOX).set_mean(cube(), Grid(blurred().box, (4, 4))),
            "the grid has 2 axes, the box 3",
        ),
        (
            lambda: priors.create("offset", BOX, 2).set_mean(cube(), GRID),
            "2 real channels are needed",
        ),
    ],
)
def test_slips_are_named(slip, message):
    with pytest.raises(ValueError, match=message):
        slip()
