"""`solve_many`: the batched step makes each problem's own fit, and says where it cannot."""

import pytest
import torch
from cases.command.ranks import AsksItself, Means, Shifted
from cases.command.ranks import problem as measured

import inverse_inr as ii
from inverse_inr import operators, optimizers, priors
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import HeldOut, Never

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0))
GRID = ii.Grid(BOX, (12, 12))
BEAM = operators.ParallelBeam(BOX, torch.arange(6) * torch.pi / 6, 12)
SHORT = {
    "steps": 12,
    "batch": 16,
    "points": 20,
    "stopping": HeldOut(every=3, fraction=0.2, patience=1),
    "regularizers": [1e-2 * TotalVariation()],
    "dtype": "float64",
}


def several(operator, count: int = 3) -> list[ii.Problem]:
    """Problems of one operator, whose measurements differ."""
    first = measured(operator)
    (term,) = first.terms
    problems = []
    for k in range(count):
        y = term.y * (1 + k) + 0.1 * k
        problems.append(ii.Problem([ii.Term(operator, y, term.fidelity)], BOX, GRID))
    return problems


def siren(seed: int) -> priors.Prior:
    return priors.siren(BOX, width=8, depth=1, omega0=6.0, seed=seed)


def alone(problem: ii.Problem, seed: int, **changes) -> ii.Solution:
    return ii.Solver(problem, siren(seed).double(), seed=seed, **{**SHORT, **changes}).run()


def assert_same(mine: ii.Solution, other: ii.Solution) -> None:
    assert mine.steps == other.steps
    assert mine.best_step == other.best_step
    assert mine.stopped == other.stopped
    assert len(mine.history) == len(other.history)
    for one, two in zip(mine.history, other.history, strict=True):
        for key in set(one) - {"seconds"}:
            assert one[key] == pytest.approx(two[key], rel=1e-8)
    torch.testing.assert_close(mine.sample(), other.sample(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("operator", [BEAM, BEAM.on(GRID), Means(40)], ids=["rays", "grid", "own"])
@pytest.mark.parametrize("seeds", [[4, 4, 4], [4, 5, 6]], ids=["one seed", "seeds"])
def test_each_fit_is_the_problems_own(operator, seeds):
    problems = several(operator)
    starts = [siren(seed).double() for seed in seeds]
    together = ii.solve_many(problems, starts, seed=seeds, **SHORT)
    for problem, seed, solution in zip(problems, seeds, together, strict=True):
        assert "one by one" not in solution.details
        assert_same(solution, alone(problem, seed))


@pytest.mark.parametrize("prior", ["grid", "hash"])
def test_tables_on_whole_grids_go_together(prior):
    problems = several(BEAM.on(GRID), 2)
    changes = {**SHORT, "steps": 6}
    together = ii.solve_many(problems, prior, seed=[1, 2], **changes)
    for problem, seed, solution in zip(problems, (1, 2), together, strict=True):
        assert "one by one" not in solution.details
        assert_same(solution, ii.Solver(problem, prior, seed=seed, **changes).run())


def test_each_ends_by_its_own_rule():
    problems = several(Means(40), count=6)
    seeds = list(range(6))
    changes = {"steps": 40, "optimizer": optimizers.Adam(lr=5e-2)}
    changes["stopping"] = HeldOut(every=1, fraction=0.2, patience=1)
    together = ii.solve_many(
        problems, [siren(s).double() for s in seeds], seed=seeds, **{**SHORT, **changes}
    )
    assert len({solution.steps for solution in together}) > 1
    for problem, seed, solution in zip(problems, seeds, together, strict=True):
        assert_same(solution, alone(problem, seed, **changes))


def test_one_prior_starts_all_and_stays_as_it_is():
    start = siren(1)
    before = [p.detach().clone() for p in start.parameters()]
    found = ii.solve_many(several(BEAM), start, **SHORT)
    assert all(torch.equal(a, b) for a, b in zip(before, start.parameters(), strict=True))
    assert not torch.equal(found[0].sample(), found[1].sample())


def test_priors_by_name_with_random_buffers():
    problems = several(BEAM, 2)
    together = ii.solve_many(problems, "fourier", seed=[1, 2], **{**SHORT, "steps": 2})
    for problem, seed, solution in zip(problems, (1, 2), together, strict=True):
        assert "one by one" not in solution.details
        single = ii.Solver(problem, "fourier", seed=seed, **{**SHORT, "steps": 2}).run()
        assert_same(solution, single)


@pytest.mark.parametrize(
    ("problems", "changes", "reason"),
    [
        (several(BEAM, 1), {}, "one problem only"),
        (several(AsksItself()), {}, "ask the field themselves"),
        (several(Shifted(40)), {}, "learn something"),
        (several(BEAM), {"optimizer": "lbfgs", "steps": 2}, "only Adam"),
        ([*several(BEAM, 1), *several(Means(40), 1)], {"batch": 5}, "look at other places"),
    ],
    ids=["single", "asks", "learns", "optimizer", "places"],
)
def test_what_cannot_go_together_goes_one_by_one_and_says_why(problems, changes, reason):
    found = ii.solve_many(problems, siren(0), **{**SHORT, **changes})
    for problem, solution in zip(problems, found, strict=True):
        assert reason in solution.details["one by one"]
        assert_same(solution, alone(problem, 0, **changes))


def test_long_steps_go_one_by_one_and_say_why():
    wide = priors.siren(BOX, width=96, depth=4, omega0=6.0)
    changes = {**SHORT, "steps": 1, "regularizers": []}
    few = ii.solve_many(several(Means(1000), 2), wide, **{**changes, "batch": 8})
    many = ii.solve_many(several(Means(1000), 2), wide, **{**changes, "batch": 800})
    assert all("one by one" not in solution.details for solution in few)
    for solution in many:
        assert "at 1600 points" in solution.details["one by one"]


def test_nothing_to_solve_is_refused():
    with pytest.raises(ValueError, match="the list of problems is empty"):
        ii.solve_many([], "siren")


def test_another_number_of_seeds_is_refused():
    with pytest.raises(ValueError, match="2 seeds for 3 problems"):
        ii.solve_many(several(BEAM), "siren", seed=[0, 1])


def test_adam_with_options_of_its_own():
    problems = several(BEAM, 2)
    changes = {"optimizer": optimizers.Adam(lr=2e-2, betas=(0.8, 0.9), schedule="exponential")}
    changes["stopping"] = Never(every=4)
    together = ii.solve_many(problems, siren(0), **{**SHORT, **changes})
    for problem, solution in zip(problems, together, strict=True):
        assert_same(solution, alone(problem, 0, **changes))
