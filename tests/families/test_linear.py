"""The linear estimate is the closed form, and a family goes on from it."""

from dataclasses import replace

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem, bump_problems, same

from inverse_inr import Grid, OnGrid, Problem, Term, noise
from inverse_inr.families import (
    Conditioned,
    Convolutions,
    LinearEstimate,
    Parameters,
    load,
    save,
    train,
)

ENCODER = Convolutions(features=4, depth=2)
SIGMA = noise.Gaussian(0.02)


def halved(image: torch.Tensor) -> torch.Tensor:
    """Half of every other column."""
    return 0.5 * image[:, ::2]


def measured(seed: int) -> Problem:
    """A bump of which half is seen, in noise."""
    problem = bump_problem(seed)
    y = problem.terms[0].y.reshape(GRID.shape)[:, ::2].reshape(-1) * 0.5
    y = SIGMA.sample(y, torch.Generator().manual_seed(seed))
    return replace(problem, terms=[Term(OnGrid(halved, GRID, (10, 5)), y, SIGMA)])


@pytest.fixture(scope="module")
def problems():
    return [measured(k) for k in range(12)]


@pytest.fixture(scope="module")
def base(problems):
    return LinearEstimate.of(problems)


def closed(images: torch.Tensor, y: torch.Tensor, white: float, level: float) -> torch.Tensor:
    """μ + C A' (A C A' + level² σ²)⁻¹ (y - A μ), by dense matrices."""
    x = images.double().flatten(1)
    mean, spread = x.mean(0), (x - x.mean(0)) / (len(x) - 1) ** 0.5
    own = white * spread.square().sum() / x.shape[1]
    C = spread.T @ spread + own * torch.eye(x.shape[1])
    pixels = torch.eye(100).double().reshape(100, 10, 10)
    A = torch.stack([halved(p).reshape(-1) for p in pixels], 1)
    S = A @ C @ A.T + (level * 0.02) ** 2 * torch.eye(len(A))
    return mean + C @ A.T @ torch.linalg.solve(S, y.double() - A @ mean)


def test_the_estimate_is_the_closed_form() -> None:
    images = torch.stack([bump_problem(k).terms[0].y.reshape(10, 10, 1) for k in range(12)])
    fresh = measured(40)
    found = LinearEstimate(images, white=0.05, level=2.0).estimate(fresh)
    expected = closed(images, fresh.terms[0].y, 0.05, 2.0).reshape(10, 10, 1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3)


def test_known_problems_are_estimated_without_their_own_images(problems, base) -> None:
    left = [k for k in range(12) if k % 5 != 2]
    other = LinearEstimate(base.images[left], float(base.white), float(base.level))
    torch.testing.assert_close(
        base.estimate(problems[2]), other.estimate(problems[2]), rtol=0, atol=1e-3
    )
    # interleaved columns of bumps elsewhere say something of what was not seen
    errors = torch.stack([base.estimate(p) for p in problems]) - base.images
    assert errors.square().mean() < 0.3 * base.images.var(0).mean()


def test_a_family_goes_on_from_its_base(problems, base, tmp_path) -> None:
    family = Conditioned(ENCODER, "siren", SMALL, base=base)
    family = train(family, problems, steps=2, callbacks=[])
    fresh = measured(40)
    family.known.network.get_buffer("size").zero_()  # nothing is added
    found = family.solve(fresh).sample()
    torch.testing.assert_close(found, base.estimate(fresh), rtol=0, atol=1e-5)
    save(family, tmp_path / "family.safetensors")
    assert torch.equal(load(tmp_path / "family.safetensors").solve(fresh).sample(), found)


def test_what_has_no_linear_estimate_is_refused(problems, base) -> None:
    fine = Grid(BOX, (20, 20))
    finer = Problem([Term(OnGrid(same, fine, fine.shape), torch.zeros(400), SIGMA)], BOX, fine)
    with pytest.raises(ValueError, match=r"the problem's of \(20, 20, 1\)"):
        base.estimate(finer)
    with pytest.raises(ValueError, match="n of 10 or more"):
        LinearEstimate(base.images[:4])
    with pytest.raises(ValueError, match="must be real and finite"):
        LinearEstimate(base.images * float("nan"))
    with pytest.raises(ValueError, match=r"12 problems need \(12, 10, 10, 1\)"):
        LinearEstimate.of(problems, base.images[:10])
    with pytest.raises(ValueError, match=r"grids of \(10, 10\) and \(20, 20\) pixels"):
        LinearEstimate.of([*problems, finer])
    with pytest.raises(ValueError, match="has no reference"):
        LinearEstimate.of([replace(p, reference=None) for p in bump_problems(10)])
    with pytest.raises(ValueError, match="but Parameters sees none"):
        Conditioned(Parameters(("x",)), "siren", SMALL, base=base)
    positive = Conditioned(ENCODER, "siren", {**SMALL, "head": "softplus"}, base=base)
    with pytest.raises(ValueError, match="values of head='linear'"):
        positive.for_problems(problems)
