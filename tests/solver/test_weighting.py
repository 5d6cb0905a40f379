"""The weight of any regularizer for any prior, by held-out rows; and as many steps as it takes."""

import copy
from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import Mask
from inverse_inr.regularizers import TotalVariation
from inverse_inr.solver import Solver, make_prior, weight_path, weighting
from inverse_inr.stopping import HeldOut, Never

GRID = ii.Grid(ii.Box((0.0, 0.0), (1.0, 1.0)), (16, 16))
PENALTY = TotalVariation(grid=GRID)


def noisy_square(sigma: float = 0.3) -> ii.Problem:
    truth = torch.zeros(16, 16, 1)
    truth[4:12, 5:11] = 1
    y = truth.flatten() + sigma * torch.randn(256, generator=torch.Generator().manual_seed(0))
    operator = Mask(torch.ones(16, 16, dtype=torch.bool), GRID)
    term = ii.Term(operator, y, ii.noise.Gaussian(sigma))
    return ii.Problem(
        [term],
        GRID.box,
        GRID,
        reference=ii.SampledField(truth, GRID),
        average=1,
        suggested=ii.Suggestion(prior="grid", steps=200, stopping=HeldOut(0.2, every=20)),
    )


def psnr(problem: ii.Problem, weight: float) -> float:
    penalty = [weight * PENALTY]
    return ii.solve(problem, regularizers=penalty, stopping=HeldOut(0.2, every=200)).psnr()


@pytest.mark.slow
def test_the_chosen_weight_is_nearly_as_good_as_the_best() -> None:
    problem = noisy_square()
    chosen = weight_path(problem, None, [PENALTY]).chosen
    best = max(psnr(problem, 2.0**k) for k in range(-10, 2))
    assert psnr(problem, chosen) > best - 1.0
    assert psnr(problem, chosen) > psnr(problem, 0.0) + 2.0


def test_the_path_is_kept_in_the_details() -> None:
    answer = ii.solve(noisy_square(), regularizers=[PENALTY], weight="held-out")
    path = answer.details["held-out by weight"]
    weights = [float(w) for w in path]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == 0
    assert path[f"{answer.details['weight']:.4g}"] == min(path.values())


def test_the_weight_follows_the_unit_of_the_measurements() -> None:
    """Brightness times ten: the misfit stays, the slopes grow tenfold, the weight shrinks so."""
    problem = noisy_square()
    term = problem.terms[0]
    brighter = ii.Problem(
        [ii.Term(term.operator, 10 * term.y, ii.noise.Gaussian(3.0))],
        GRID.box,
        GRID,
        suggested=ii.Suggestion(prior="grid", steps=200, stopping=HeldOut(0.2, every=20)),
    )
    one = weight_path(problem, None, [PENALTY], lr=0.02).chosen
    ten = weight_path(brighter, None, [PENALTY], lr=0.2).chosen
    assert one / ten == pytest.approx(10, rel=0.01)


def test_the_prior_of_a_path_stays_as_it_was() -> None:
    problem = noisy_square()
    prior = make_prior(problem, "hash", 0)
    before = copy.deepcopy(prior.state_dict())
    weight_path(problem, prior, [PENALTY], steps=10)
    for name, value in prior.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.fixture
def asked(monkeypatch) -> list[dict]:
    """The keywords of each fit of a path."""
    keywords = []

    class Recording(Solver):
        def __init__(self, *args, **options) -> None:
            keywords.append(options)
            super().__init__(*args, **options)

    monkeypatch.setattr(weighting, "Solver", Recording)
    return keywords


def test_fits_of_a_path_have_the_learning_rate_that_suits_the_suggested_prior(asked) -> None:
    problem = noisy_square()
    problem = replace(problem, suggested=replace(problem.suggested, lr=0.03, steps=20))
    weight_path(problem, None, [PENALTY])
    assert {options["lr"] for options in asked} == {0.03}


def test_a_penalty_of_fixed_weight_stays_as_it_is_along_the_path(asked) -> None:
    fixed = 0.5 * TotalVariation()
    weight_path(noisy_square(), None, [PENALTY], fixed=[fixed], steps=20)
    assert all(options["regularizers"][-1] is fixed for options in asked)
    weights = {options["regularizers"][0].parts[0][0] for options in asked}
    assert len(weights) == len(asked) - 1  # zero twice: before the path and at its end


def test_a_number_is_a_factor_of_all_weights() -> None:
    problem = noisy_square()
    one = ii.solve(problem, regularizers=[0.02 * PENALTY], steps=20)
    other = ii.solve(problem, regularizers=[PENALTY], weight=0.02, steps=20)
    torch.testing.assert_close(one.sample(), other.sample())


def test_a_path_needs_regularizers_and_held_out_rows() -> None:
    problem = noisy_square()
    with pytest.raises(ValueError, match="needs regularizers"):
        ii.solve(problem, regularizers=[], weight="held-out")
    with pytest.raises(ValueError, match="Never holds no rows out"):
        ii.solve(problem, regularizers=[PENALTY], weight="held-out", stopping=Never())


def test_steps_go_on_while_the_fit_gains() -> None:
    problem = noisy_square(0.01)
    short = ii.solve(problem, "hash", steps=40)
    longer = replace(problem, suggested=replace(problem.suggested, steps=40))
    auto = ii.solve(longer, "hash", steps="auto")
    assert auto.steps in (80, 160, 320)
    assert auto.held_out() < short.held_out()


def test_steps_end_where_the_fit_has_ended() -> None:
    assert ii.solve(noisy_square(), steps="auto").steps == 200


def test_a_lattice_is_a_route_of_the_solver_too() -> None:
    from inverse_inr.problems.ct import ct

    problem = ct("gaussian_blobs", size=16, views=8)
    solver = Solver(problem, steps=1, lattice=2)
    assert solver.problem.finer == 2
    assert solver.problem.origin is problem
