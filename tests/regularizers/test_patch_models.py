"""Gaussian models of similar patches: definition, memory, and rounds of fits that lose noise."""

import itertools

import pytest
import torch

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample
from inverse_inr.fidelity import L2
from inverse_inr.noise import Gaussian
from inverse_inr.operators import Mask, PointSamples
from inverse_inr.problem import Problem, Suggestion
from inverse_inr.regularizers import LocalGaussians, affordable_stride, similar_patches
from inverse_inr.rounds import refined
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solver, solve
from inverse_inr.stopping import Never
from inverse_inr.term import Term

F64 = torch.float64


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize(
    ("shape", "channels", "stride"), [((7, 6), 2, 2), ((17,), 1, 3), ((4, 5, 3), 1, 1)]
)
def test_local_gaussians_are_their_definition(
    shape: tuple[int, ...], channels: int, stride: int
) -> None:
    """Means and covariances of the nearest patches, one patch at a time.

    Patches that stick out are moved inside.
    """
    guide, values = random(*shape, channels), random(*shape, channels, seed=1)
    grid = Grid(Box((0.0,) * len(shape), tuple(map(float, shape))), shape)
    options = {"patch": 3, "search": 2, "neighbours": 4}
    penalty = LocalGaussians(SampledField(guide, grid), grid, stride=stride, floor=0.1, **options)
    neighbours, _ = similar_patches(guide, **options)
    places = list(itertools.product(*map(range, shape)))
    inner = [n - 2 for n in shape]

    def patch(image: torch.Tensor, corner: tuple[int, ...]) -> torch.Tensor:
        cut = image[tuple(slice(c, c + 3) for c in corner)]
        return cut.movedim(-1, 0).flatten()

    terms = []
    for corner in itertools.product(*({*range(0, n, stride), n - 1} for n in inner)):
        i = places.index(tuple(c + 1 for c in corner))
        corners = [
            tuple(min(max(v - 1, 0), n - 1) for v, n in zip(places[j], inner, strict=True))
            for j in [i, *neighbours[i].tolist()]
        ]
        group = torch.stack([patch(guide, c) for c in corners])
        off = patch(values, corner) - group.mean(0)
        covariance = torch.cov(group.T, correction=0) + 0.01 * torch.eye(len(off), dtype=F64)
        terms.append(off @ torch.linalg.solve(covariance, off) / len(off))
    expected = float(torch.stack(terms).mean())
    found = penalty(SampledField(values, grid), torch.zeros(0, len(shape)))
    assert float(found) == pytest.approx(expected)


def test_local_gaussians_see_both_parts_of_a_complex_field() -> None:
    grid = Grid(Box((0.0, 0.0), (8.0, 8.0)), (8, 8))
    guide, values = random(8, 8, 2), random(8, 8, 2, seed=1)
    options = {"patch": 3, "search": 2, "neighbours": 4}
    real = LocalGaussians(SampledField(guide, grid), grid, **options)
    complex_guide = SampledField(torch.view_as_complex(guide)[..., None], grid)
    both = LocalGaussians(complex_guide, grid, **options)
    none = torch.zeros(0, 2)
    expected = float(real(SampledField(values, grid), none))
    field = SampledField(torch.view_as_complex(values)[..., None], grid)
    assert float(both(field, none)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"patch": 7}, "do not fit"), ({"stride": 0}, "stride=0"), ({"floor": 0.0}, "floor=0.0")],
)
def test_local_gaussians_refuse_wrong_sizes(options: dict, message: str) -> None:
    grid = Grid(Box((0.0, 0.0), (5.0, 9.0)), (5, 9))
    with pytest.raises(ValueError, match=message):
        LocalGaussians(SampledField(random(5, 9, 1), grid), grid, **options)


def test_large_images_get_fewer_models_or_a_word_before_any_work() -> None:
    def square(n: int) -> Grid:
        return Grid(Box((0.0, 0.0), (float(n), float(n))), (n, n))

    assert affordable_stride(square(128), 5, 75) == affordable_stride(square(512), 5, 75) == 2
    assert affordable_stride(square(1024), 5, 75) == 4
    large = square(4000)
    operator = PointSamples(torch.ones(3, 2))
    problem = Problem([Term(operator, torch.ones(3, 3), L2())], large.box, large, channels=3)
    with pytest.raises(ValueError, match=r"need 14\.4 GB"):
        refined(problem, 1, 0.5)


def test_refined_rounds_go_on_from_the_fit_before_and_lose_noise() -> None:
    """Each round on a noisy texture of crossed waves is less noisy than the one before.

    Without any step a round would be the fit before.
    """
    problem, truth = crossed_waves()
    grid = problem.grid

    def error(asked: Problem) -> float:
        image = solve(asked, callbacks=[]).sample()[..., 0]
        return float((image - truth).square().mean().sqrt())

    options = {"steps": 4, "search": 6, "neighbours": 40}
    errors = [error(problem), *(error(refined(problem, n, 0.5, **options)) for n in (1, 2))]
    assert errors[1] < 0.75 * errors[0]
    assert errors[2] < 0.9 * errors[1]
    prior = Solver(refined(problem, 1, 0.5), callbacks=[]).prior
    assert torch.equal(grid_values(prior, grid), solve(problem, callbacks=[]).sample())
    afresh = refined(problem, 1, 0.5, then={"options": {"cells": 20.0, "order": 3}})
    assert afresh.suggested.start is None
    assert refined(afresh, 1, 0.5).suggested.start is not None


def test_no_round_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="rounds=0 must be a whole number from 1 to 100"):
        refined(crossed_waves()[0], 0, 0.5)


def crossed_waves() -> tuple[Problem, torch.Tensor]:
    """Denoising of 24 x 24 pixels by a grid, and the picture without its noise of 0.1."""
    grid = Grid(Box((0.0, 0.0), (24.0, 24.0)), (24, 24))
    x, y = grid.points().unbind(-1)
    truth = 0.5 + 0.2 * torch.sin(0.8 * x + 0.3 * y) * torch.cos(0.5 * y)
    noisy = truth + 0.1 * random(24, 24).float()
    operator = Mask(torch.ones(24, 24, dtype=torch.bool), grid)
    suggested = Suggestion(
        "grid", {"cells": 24.0, "order": 3}, steps=4, optimizer="lbfgs", stopping=Never()
    )
    term = Term(operator, noisy.flatten(), Gaussian(0.1))
    problem = Problem([term], grid.box, grid, average=1, suggested=suggested)
    return problem, truth


def grid_values(prior: torch.nn.Module, grid: Grid) -> torch.Tensor:
    with torch.no_grad():
        return sample(prior.eval(), grid)
