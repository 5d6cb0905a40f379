"""Similar patches against a direct search, the regularizer against its sum, and what a guide brings to lost pixels."""

import itertools

import pytest
import torch

from inverse_inr.domain import Box, Grid, sample
from inverse_inr.fidelity import L2
from inverse_inr.kernels.interpolate import SampledField
from inverse_inr.noise import Gaussian
from inverse_inr.operators import Mask
from inverse_inr.problem import Problem, Suggestion, Term
from inverse_inr.similarity import LocalGaussians, NonLocal, refined, self_guided, similar_patches
from inverse_inr.solver import Solver, solve
from inverse_inr.stopping import Never

F64 = torch.float64


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def distance_by_hand(image: torch.Tensor, a: tuple[int, ...], b: tuple[int, ...], patch: int) -> float:
    """Σ over the patch of Gaussian weights times |u(a + s) - u(b + s)|², where both lie inside."""
    taps = torch.exp(-0.5 * ((torch.arange(patch, dtype=F64) - patch // 2) * 3 / patch) ** 2)
    taps, total = taps / taps.sum(), 0.0
    for s in itertools.product(range(patch), repeat=image.ndim - 1):
        p, q = ([v + k - patch // 2 for v, k in zip(c, s, strict=True)] for c in (a, b))
        if all(0 <= v < n for c in (p, q) for v, n in zip(c, image.shape, strict=False)):
            weight = torch.stack([taps[k] for k in s]).prod()
            total += float(weight * (image[tuple(p)] - image[tuple(q)]).square().sum())
    return total


@pytest.mark.parametrize(("shape", "channels", "search"), [((7, 6), 2, 2), ((19,), 1, 4), ((4, 5, 3), 1, 1)])
def test_finds_what_a_direct_search_finds(shape: tuple[int, ...], channels: int, search: int) -> None:
    image = random(*shape, channels)
    neighbours, weights = similar_patches(image, patch=3, search=search, neighbours=3)
    places = list(itertools.product(*map(range, shape)))
    for i, a in enumerate(places):
        near = [b for b in places if b != a and all(abs(u - v) <= search for u, v in zip(a, b, strict=True))]
        distances = sorted((distance_by_hand(image, a, b, 3), places.index(b)) for b in near)[:3]
        assert neighbours[i].tolist() == [j for _, j in distances]
        expected = torch.tensor([-d / distances[1][0] for d, _ in distances], dtype=F64).exp()
        torch.testing.assert_close(weights[i], expected, rtol=1e-9, atol=1e-12)


def test_repeats_of_a_texture_find_each_other() -> None:
    tile = random(1, 6, 1)
    image = tile.repeat(12, 5, 1)
    neighbours, weights = similar_patches(image, patch=5, search=7, neighbours=4)
    rows, columns = torch.arange(12 * 30).reshape(-1, 1) % 30, neighbours % 30
    inner = slice(3 * 30, 9 * 30)
    assert bool(((rows - columns) % 6 == 0)[inner].all())
    assert float(weights[inner].min()) > 0


def test_nonlocal_is_its_sum() -> None:
    grid = Grid(Box((0.0, 0.0), (5.0, 4.0)), (5, 4))
    guide, values = random(5, 4, 1), random(5, 4, 2, seed=1)
    penalty = NonLocal(SampledField(guide, grid), grid, patch=3, search=2, neighbours=3)
    neighbours, weights = similar_patches(guide, patch=3, search=2, neighbours=3)
    flat, total = values.reshape(20, 2), 0.0
    for i in range(20):
        for j, w in zip(neighbours[i].tolist(), weights[i].tolist(), strict=True):
            total += w * float((flat[i] - flat[j]).square().sum()) / 20
    assert float(penalty(SampledField(values, grid), torch.zeros(0, 2))) == pytest.approx(total)


def test_few_neighbours_in_a_tiny_image() -> None:
    neighbours, weights = similar_patches(random(2, 2, 1), patch=1, search=3, neighbours=8)
    assert neighbours.shape == (4, 8)
    assert bool((weights[:, :3] > 0).all())
    assert bool((weights[:, 3:] == 0).all())


@pytest.mark.parametrize(
    ("options", "message"), [({"patch": 4}, "odd"), ({"search": 0}, "search=0"), ({"neighbours": 0}, "neighbours=0")]
)
def test_refuses(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        similar_patches(random(5, 5, 1), **options)


def test_refuses_a_guide_with_nan() -> None:
    with pytest.raises(ValueError, match="guide holds NaN"):
        similar_patches(torch.full((4, 4, 1), torch.nan))


def test_a_repeating_texture_is_inpainted_from_itself() -> None:
    """Half of a pattern's pixels are lost; its repeats know them, its immediate surroundings do not."""
    grid = Grid(Box((0.0, 0.0), (24.0, 24.0)), (24, 24))
    texture = random(6, 6, 1).float().repeat(4, 4, 1)
    kept = torch.rand(24, 24, generator=torch.Generator().manual_seed(2)) < 0.6
    y = texture[..., 0][kept]
    problem = Problem([Term(Mask(kept, grid), y, L2())], grid.box, grid, average=1)
    blurred = SampledField(torch.where(kept[..., None], texture, y.mean()), grid)
    fits = {}
    for name, guide in (("truth", SampledField(texture, grid)), ("fill", blurred)):
        penalty = 1e-2 * NonLocal(guide, grid, patch=5, search=8)
        start = problem_solution(problem, [penalty])
        fits[name] = float((start.sample(grid) - texture).square().mean().sqrt())
    assert fits["truth"] < 0.1
    assert fits["truth"] < fits["fill"] < 0.8


def problem_solution(problem: Problem, penalties: list):
    from inverse_inr import priors, solve

    prior = priors.grid(problem.box, cells=24.0, order=3)
    return solve(problem, prior, regularizers=penalties, steps=15, optimizer="lbfgs", stopping=Never(), callbacks=[])


def test_self_guided_goes_on_from_its_last_solution() -> None:
    grid = Grid(Box((0.0, 0.0), (12.0, 12.0)), (12, 12))
    texture = random(3, 3, 1).float().repeat(4, 4, 1)
    kept = torch.rand(12, 12, generator=torch.Generator().manual_seed(2)) < 0.7
    problem = Problem([Term(Mask(kept, grid), texture[..., 0][kept], L2())], grid.box, grid, average=1)
    start = problem_solution(problem, [])
    options = {"prior": "grid", "steps": 5, "optimizer": "lbfgs", "stopping": Never()}
    once = self_guided(problem, weight=1e-2, start=start, rounds=1, **options)
    twice = self_guided(problem, weight=1e-2, start=start, rounds=2, **options)
    again = self_guided(problem, weight=1e-2, start=once, rounds=1, **options)
    assert torch.equal(twice.sample(grid), again.sample(grid))
    assert not torch.equal(twice.sample(grid), once.sample(grid))
    assert twice.seconds > start.seconds
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        self_guided(problem, weight=1e-2, rounds=0)


# --- Gaussians of similar patches -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "channels", "stride"), [((7, 6), 2, 2), ((17,), 1, 3), ((4, 5, 3), 1, 1)])
def test_local_gaussians_are_their_definition(shape: tuple[int, ...], channels: int, stride: int) -> None:
    """Means and covariances of the nearest patches, moved inside where they stick out, one patch at a time."""
    guide, values = random(*shape, channels), random(*shape, channels, seed=1)
    grid = Grid(Box((0.0,) * len(shape), tuple(map(float, shape))), shape)
    options = {"patch": 3, "search": 2, "neighbours": 4}
    penalty = LocalGaussians(SampledField(guide, grid), grid, stride=stride, floor=0.1, **options)
    neighbours, _ = similar_patches(guide, **options)
    places, inner = list(itertools.product(*map(range, shape))), [n - 2 for n in shape]

    def patch(image: torch.Tensor, corner: tuple[int, ...]) -> torch.Tensor:
        cut = image[tuple(slice(c, c + 3) for c in corner)]
        return cut.movedim(-1, 0).flatten()

    terms = []
    for corner in itertools.product(*({*range(0, n, stride), n - 1} for n in inner)):
        i = places.index(tuple(c + 1 for c in corner))
        corners = [tuple(min(max(v - 1, 0), n - 1) for v, n in zip(places[j], inner, strict=True))
                   for j in [i, *neighbours[i].tolist()]]  # fmt: skip
        group = torch.stack([patch(guide, c) for c in corners])
        off = patch(values, corner) - group.mean(0)
        covariance = torch.cov(group.T, correction=0) + 0.01 * torch.eye(len(off), dtype=F64)
        terms.append(off @ torch.linalg.solve(covariance, off) / len(off))
    expected = float(torch.stack(terms).mean())
    assert float(penalty(SampledField(values, grid), torch.zeros(0, len(shape)))) == pytest.approx(expected)


def test_local_gaussians_see_both_parts_of_a_complex_field() -> None:
    grid = Grid(Box((0.0, 0.0), (8.0, 8.0)), (8, 8))
    guide, values = random(8, 8, 2), random(8, 8, 2, seed=1)
    options = {"patch": 3, "search": 2, "neighbours": 4}
    real = LocalGaussians(SampledField(guide, grid), grid, **options)
    both = LocalGaussians(SampledField(torch.view_as_complex(guide)[..., None], grid), grid, **options)
    none = torch.zeros(0, 2)
    expected = float(real(SampledField(values, grid), none))
    field = SampledField(torch.view_as_complex(values)[..., None], grid)
    assert float(both(field, none)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"patch": 7}, "do not fit"), ({"stride": 0}, "stride=0"), ({"floor": 0.0}, "floor=0.0")],
)
def test_local_gaussians_refuse(options: dict, message: str) -> None:
    grid = Grid(Box((0.0, 0.0), (5.0, 9.0)), (5, 9))
    with pytest.raises(ValueError, match=message):
        LocalGaussians(SampledField(random(5, 9, 1), grid), grid, **options)


def test_refined_rounds_go_on_from_the_fit_before_and_lose_noise() -> None:
    """A noisy texture of crossed waves: each round is less noisy, and no steps at all would be the fit before."""
    grid = Grid(Box((0.0, 0.0), (24.0, 24.0)), (24, 24))
    x, y = grid.points().unbind(-1)
    truth = 0.5 + 0.2 * torch.sin(0.8 * x + 0.3 * y) * torch.cos(0.5 * y)
    noisy = truth + 0.1 * random(24, 24).float()
    operator = Mask(torch.ones(24, 24, dtype=torch.bool), grid)
    problem = Problem([Term(operator, noisy.flatten(), Gaussian(0.1))], grid.box, grid, average=1)
    problem.suggested = Suggestion(prior="grid", options={"cells": 24.0, "order": 3}, steps=4, optimizer="lbfgs",
                                   stopping=Never())  # fmt: skip
    errors = []
    for rounds in (0, 1, 2):
        asked = refined(problem, rounds, 0.5, steps=4, search=6, neighbours=40) if rounds else problem
        errors.append(float((solve(asked, callbacks=[]).sample()[..., 0] - truth).square().mean().sqrt()))
    assert errors[1] < 0.75 * errors[0]
    assert errors[2] < 0.9 * errors[1]
    prior = Solver(refined(problem, 1, 0.5), callbacks=[]).prior
    assert torch.equal(grid_values(prior, grid), solve(problem, callbacks=[]).sample())
    afresh = refined(problem, 1, 0.5, then={"options": {"cells": 20.0, "order": 3}})
    assert afresh.suggested.start is None
    assert refined(afresh, 1, 0.5).suggested.start is not None
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        refined(problem, 0, 0.5)


def grid_values(prior: torch.nn.Module, grid: Grid) -> torch.Tensor:
    with torch.no_grad():
        return sample(prior.eval(), grid)
