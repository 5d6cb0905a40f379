"""`solve` decides by held-out rows between candidates, classical methods and the null image."""

from dataclasses import replace

import pytest
import torch
from cases.linear import GRID, blocks, dense, random

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.noise import Gaussian
from inverse_inr.operators import Laplacian
from inverse_inr.solver import Candidate, Ended, decide
from inverse_inr.stopping import HeldOut, Never, hold_out

MATRIX = random(90, GRID.numel, seed=1, dtype=torch.float32)
BLOCKS = blocks().float()


def problem_with(truth=None, sigma=0.05, **suggested) -> ii.Problem:
    if truth is None:
        truth = BLOCKS
    y = MATRIX @ truth.reshape(-1) + sigma * random(90, seed=2, dtype=torch.float32)
    options = {"prior": "grid", "steps": 30, "stopping": HeldOut(0.2, every=10), **suggested}
    term = ii.Term(dense(MATRIX), y, Gaussian(sigma))
    return ii.Problem([term], GRID.box, GRID, suggested=ii.Suggestion(**options))


def image_method(value: torch.Tensor, name: str):
    """A method that knows its answer."""

    def method(problem: ii.Problem) -> ii.Solution:
        watched = hold_out(problem.suggested.stopping, problem.terms).watch
        field = ii.SampledField(value, GRID)
        return ii.Solution(field, problem, name, stopped=Ended("direct", ""), watched=watched)

    return method


def test_the_method_that_predicts_best_is_returned() -> None:
    good, bad = BLOCKS + 0.01, BLOCKS + 0.3
    problem = problem_with(
        baselines={"bad": image_method(bad, "bad")},
        candidates=lambda p: iter([Candidate(image_method(good, "good")(p))]),
    )
    answer = ii.solve(problem)
    assert answer.method == "good"
    assert "good predicts the held-out measurements best" in answer.details["chosen"]
    misfits = answer.details["held-out by method"]
    assert set(misfits) == {"nothing", "bad", "good"}
    assert misfits["good"] < misfits["bad"] < misfits["nothing"]
    assert list(answer.details["seconds by method"]) == ["good", "bad", "made again"]


def test_a_classical_method_that_predicts_better_is_returned_with_a_warning() -> None:
    problem = problem_with(
        baselines={"classic": image_method(BLOCKS, "classic")},
        candidates=lambda p: iter([Candidate(image_method(BLOCKS + 0.3, "prior")(p))]),
    )
    with pytest.warns(UserWarning, match="classic predicts .* No prior's fit"):
        answer = ii.solve(problem)
    assert answer.method == "classic"


def test_nothing_is_the_answer_to_pure_noise() -> None:
    problem = problem_with(torch.zeros_like(BLOCKS), sigma=1.0)
    with pytest.warns(UserWarning, match="nothing predicts"):
        answer = ii.solve(problem)
    assert answer.method == "nothing"
    assert not answer.sample().any()


def test_the_chosen_fit_is_made_again_from_all_rows() -> None:
    again = image_method(BLOCKS, "again")
    problem = problem_with(
        candidates=lambda p: iter([Candidate(image_method(BLOCKS, "first")(p), lambda: again(p))])
    )
    answer = ii.solve(problem)
    assert answer.method == "again"
    assert set(answer.details["held-out by method"]) == {"nothing", "first"}


@pytest.mark.filterwarnings("ignore:solve")
def test_without_candidates_the_suggested_fit_is_tried() -> None:
    answer = ii.solve(problem_with(baselines={"CGLS": baselines.cgls}, steps=200))
    assert set(answer.details["held-out by method"]) == {"nothing", "CGLS", "grid"}


def test_anything_that_is_said_makes_it_one_fit() -> None:
    def never(problem: ii.Problem) -> ii.Solution:
        raise AssertionError("a classical method was asked")

    problem = problem_with(baselines={"never": never})
    for said in ({"prior": "grid"}, {"steps": 10}, {"stopping": Never()}, {"lr": 0.1}):
        assert "chosen" not in ii.solve(problem, **said).details


def test_methods_that_held_out_other_rows_are_not_compared() -> None:
    other = problem_with(stopping=HeldOut(0.1))
    problem = problem_with(
        baselines={"other": lambda p: image_method(BLOCKS, "other")(other)},
        candidates=lambda p: iter([Candidate(image_method(BLOCKS, "own")(p))]),
    )
    assert "other" not in decide(problem).details["held-out by method"]


def test_complex_fields_have_a_null_image_too() -> None:
    truth = torch.complex(BLOCKS, BLOCKS)
    matrix = MATRIX.to(torch.complex64)
    y = matrix @ truth.reshape(-1)
    term = ii.Term(dense(matrix), y, ii.noise.ComplexGaussian(0.1))
    problem = replace(problem_with(), terms=[term], is_complex=True)
    assert "nothing" in ii.solve(problem).details["held-out by method"]


@pytest.mark.filterwarnings("ignore:solve")
def test_a_rule_that_holds_nothing_out_is_followed_when_the_fit_is_chosen() -> None:
    problem = problem_with(stopping=Never(every=10), steps=200, baselines={})
    answer = ii.solve(problem)
    assert answer.method == "grid"
    assert set(answer.details["held-out by method"]) == {"nothing", "grid"}
    assert not len(answer.watched[0])
    assert answer.problem is problem


@pytest.mark.filterwarnings("ignore:solve")
def test_another_seed_holds_out_other_rows_of_all_methods() -> None:
    problem = problem_with(baselines={"CGLS": baselines.cgls}, steps=100)
    for seed in (0, 1):
        details = ii.solve(problem, seed=seed).details
        assert set(details["held-out by method"]) == {"nothing", "CGLS", "grid"}


def test_candidates_with_their_own_judge_are_compared_by_it_alone() -> None:
    def never(problem: ii.Problem) -> ii.Solution:
        raise AssertionError("a classical method was asked, which saw the noise that judges")

    problem = problem_with(baselines={"never": never})
    [term] = problem.terms
    judge = replace(problem, terms=[replace(term, y=MATRIX @ (BLOCKS + 0.3).reshape(-1))])
    near = image_method(BLOCKS + 0.3, "near the judge")
    own = image_method(BLOCKS, "near the problem")
    tried = [Candidate(m(problem), lambda m=m: m(problem), judge) for m in (own, near)]
    problem = replace(problem, suggested=replace(problem.suggested, candidates=lambda p: tried))
    answer = decide(problem)
    assert answer.method == "near the judge"
    assert answer.problem.terms[0].y is term.y
    assert answer.details["held-out by method"]["near the judge"] == pytest.approx(0, abs=1e-6)


def test_a_candidate_with_its_own_judge_must_be_fitted_again() -> None:
    problem = problem_with()
    with pytest.raises(ValueError, match="and again=None"):
        Candidate(image_method(BLOCKS, "near")(problem), judged_by=problem)


def test_what_no_measurement_sees_is_not_asked_of_operators_that_look_at_the_field() -> None:
    y = random(200, seed=3, dtype=torch.float32)
    terms = [ii.Term(Laplacian(GRID.box.random_points(200)), y, Gaussian(1.0))]
    problem = ii.Problem(terms, GRID.box, GRID)
    judge = replace(problem, terms=[replace(terms[0], y=-y)])

    def candidates(ruled: ii.Problem):
        for seed in range(2):
            prior = ii.priors.create("siren", GRID.box, width=8, seed=seed)
            solution = ii.Solution(prior, ruled, f"siren {seed}", stopped=Ended("direct", ""))
            yield Candidate(solution, lambda solution=solution: solution, judge)

    suggested = ii.Suggestion(prior="siren", stopping=Never(), candidates=candidates)
    answer = ii.solve(replace(problem, suggested=suggested))
    assert "warnings" not in answer.details


def test_the_report_of_a_fit_without_steps_says_nothing_of_steps() -> None:
    problem = problem_with()
    field = ii.priors.create("grid", problem.box)
    report = ii.Solution(
        field, problem, "direct fit", stopped=Ended("direct", "one solve")
    ).report()
    assert "step" not in report
    assert report.startswith("direct fit: 0.0 s; one solve")
