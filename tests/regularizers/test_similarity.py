"""Similar patches against a direct search, the regularizer against its sum, lost pixels."""

import itertools

import pytest
import torch

from inverse_inr import Solution, priors, solve
from inverse_inr.domain import Box, Grid
from inverse_inr.fidelity import L2
from inverse_inr.operators import Mask
from inverse_inr.problem import Problem
from inverse_inr.regularizers import NonLocal, similar_patches
from inverse_inr.sampled import SampledField
from inverse_inr.stopping import Never
from inverse_inr.term import Term

F64 = torch.float64


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def distance_by_hand(
    image: torch.Tensor, a: tuple[int, ...], b: tuple[int, ...], patch: int
) -> float:
    """The sum over a patch of Gaussian weights times |u(a + s) - u(b + s)|², both inside."""
    taps = torch.exp(-0.5 * ((torch.arange(patch, dtype=F64) - patch // 2) * 3 / patch) ** 2)
    taps = taps / taps.sum()
    total = 0.0
    for s in itertools.product(range(patch), repeat=image.ndim - 1):
        p, q = ([v + k - patch // 2 for v, k in zip(c, s, strict=True)] for c in (a, b))
        if all(0 <= v < n for c in (p, q) for v, n in zip(c, image.shape, strict=False)):
            weight = torch.stack([taps[k] for k in s]).prod()
            total += float(weight * (image[tuple(p)] - image[tuple(q)]).square().sum())
    return total


@pytest.mark.parametrize(
    ("shape", "channels", "search"), [((7, 6), 2, 2), ((19,), 1, 4), ((4, 5, 3), 1, 1)]
)
def test_finds_what_a_direct_search_finds(
    shape: tuple[int, ...], channels: int, search: int
) -> None:
    image = random(*shape, channels)
    neighbours, weights = similar_patches(image, patch=3, search=search, neighbours=3)
    places = list(itertools.product(*map(range, shape)))

    def apart(a: tuple[int, ...], b: tuple[int, ...]) -> int:
        return max(abs(u - v) for u, v in zip(a, b, strict=True))

    for i, a in enumerate(places):
        near = [b for b in places if 0 < apart(a, b) <= search]
        distances = sorted((distance_by_hand(image, a, b, 3), places.index(b)) for b in near)[:3]
        assert neighbours[i].tolist() == [j for _, j in distances]
        expected = torch.tensor([-d / distances[1][0] for d, _ in distances], dtype=F64).exp()
        torch.testing.assert_close(weights[i], expected, rtol=1e-9, atol=1e-12)


def test_repeats_of_a_texture_find_each_other() -> None:
    tile = random(1, 6, 1)
    image = tile.repeat(12, 5, 1)
    neighbours, weights = similar_patches(image, patch=5, search=7, neighbours=4)
    rows = torch.arange(12 * 30).reshape(-1, 1) % 30
    columns = neighbours % 30
    inner = slice(3 * 30, 9 * 30)
    assert bool(((rows - columns) % 6 == 0)[inner].all())
    assert float(weights[inner].min()) > 0


def test_nonlocal_is_its_sum() -> None:
    grid = Grid(Box((0.0, 0.0), (5.0, 4.0)), (5, 4))
    guide, values = random(5, 4, 1), random(5, 4, 2, seed=1)
    penalty = NonLocal(SampledField(guide, grid), grid, patch=3, search=2, neighbours=3)
    neighbours, weights = similar_patches(guide, patch=3, search=2, neighbours=3)
    flat = values.reshape(20, 2)
    total = 0.0
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
    ("options", "message"),
    [({"patch": 4}, "odd"), ({"search": 0}, "search=0"), ({"neighbours": 0}, "neighbours=0")],
)
def test_wrong_sizes_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        similar_patches(random(5, 5, 1), **options)


def test_a_guide_with_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="guide holds NaN"):
        similar_patches(torch.full((12, 12, 1), torch.nan))


def test_a_repeating_texture_is_inpainted_from_itself() -> None:
    """Half of the pixels of a pattern are lost: its repeats know them, the surroundings do not."""
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


def problem_solution(problem: Problem, penalties: list) -> Solution:
    prior = priors.grid(problem.box, cells=24.0, order=3)
    return solve(
        problem,
        prior,
        regularizers=penalties,
        steps=15,
        optimizer="lbfgs",
        stopping=Never(),
        callbacks=[],
    )
