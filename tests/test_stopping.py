"""Stopping rules: an open protocol, the state they keep, and rows that stand in for others."""

import math
from dataclasses import replace

import pytest
import torch
from cases.solver import run

import inverse_inr as ii
from inverse_inr import baselines, fidelity, predict, priors
from inverse_inr.solver import AgainstReference, Ended, Solution, Solver
from inverse_inr.stopping import (
    Discrepancy,
    HeldOut,
    Never,
    Stopping,
    hold_out,
    one_standard_error,
)


class ByHand:
    """A user's rule, which inherits nothing: its values are given, and the last ends the run."""

    every = 5
    label = "by hand"

    def __init__(self, values):
        self.values = list(values)
        self.asked = 0

    def split(self, terms, seed):
        return [term.trusted for term in terms], [term.trusted[:0] for term in terms]

    def value(self, terms, fit, watch, f, chunk=None):
        self.asked += 1
        return self.values[self.asked - 1]

    def satisfied(self, value, checks_since_best):
        return self.asked == len(self.values)


def test_rules_are_a_protocol_of_five_members():
    for rule in (HeldOut(), Discrepancy(), Never(), ByHand([1.0])):
        assert isinstance(rule, Stopping)
    assert not isinstance(object(), Stopping)


def test_a_rule_of_the_user_s_own_decides_what_is_kept_and_when_it_ends(problem, solver):
    solution = solver(problem, stopping=ByHand([3.0, 1.0, 2.0])).run()
    assert solution.best_step == 10
    assert solution.stopped == Ended("satisfied", "by hand satisfied at step 15")
    assert [record["by hand"] for record in solution.history] == [3.0, 1.0, 2.0]


def test_the_last_state_is_kept_where_a_rule_has_no_value(problem, solver):
    solution = solver(problem, stopping=ByHand([math.nan] * 6)).run()
    assert solution.best_step == 30
    assert "by hand" not in solution.history[0]


@pytest.mark.parametrize(
    ("steps", "kind", "text"), [(None, "done", "all steps done"), (7, "paused", "paused at step 7")]
)
def test_how_a_run_ended_is_a_value(problem, solver, steps, kind, text):
    solution = solver(problem, stopping=Never(every=10)).run(steps)
    assert solution.stopped == Ended(kind, str(solution.stopped))
    assert str(solution.stopped).startswith(text)
    assert text in solution.report()


def test_a_rule_that_holds_rows_out_is_taken_at_its_word(problem):
    rows = torch.arange(16, 48)
    split = hold_out(HeldOut(rows=[rows]), problem.terms)
    assert torch.equal(split.watch[0], rows)
    assert split.details == {}
    assert hold_out(None, problem.terms).details == {}  # no rule: the default is no substitution


@pytest.mark.parametrize(
    "rule", [Never(), Discrepancy(), ByHand([1.0])], ids=lambda rule: type(rule).__name__
)
def test_a_rule_that_holds_none_out_is_replaced_and_this_is_said(problem, rule):
    split = hold_out(rule, problem.terms)
    assert not torch.isin(split.watch[0], split.fit[0]).any()
    assert len(split.watch[0]) == round(0.05 * len(problem.terms[0].trusted))
    assert type(rule).__name__ in split.details["held out"]


def test_a_classical_method_reports_the_rows_that_stood_in(problem):
    without = replace(problem, suggested=replace(problem.suggested, stopping=Never()))
    solution: Solution = baselines.cgls(without)
    assert "the problem's rule, Never, keeps none out" in solution.details["held out"]
    assert "Never" in solution.report()
    assert "held out" not in baselines.cgls(problem).details
    assert "held out" not in baselines.cgls(without, 5).details  # a given number chooses nothing


# --- runs that the library's own rules watch ----------------------------------------------------


def rows_of(problem):
    return torch.arange(len(problem.terms[0].operator))


def test_held_out_rows_are_never_fitted(problem):
    solver = Solver(problem, "grid", batch=20, stopping=HeldOut(0.1))
    seen = torch.cat([solver.schedules[0].at(k) for k in range(50)]).unique()
    watched = solver.watched_rows[0]
    assert len(watched) == 19
    assert not torch.isin(watched, seen).any()
    assert torch.equal(torch.cat([watched, seen]).sort().values, rows_of(problem))
    assert len(HeldOut(0.5, limit=7).split(problem.terms, 0)[1][0]) == 7


def test_held_out_rows_may_be_named(problem):
    view = torch.arange(32, 48)
    solution = run(problem, stopping=HeldOut(every=10, rows=[view]))
    assert torch.equal(solution.watched[0], view)
    assert solution.held_out() == pytest.approx(min(r["held-out"] for r in solution.history))


@pytest.mark.parametrize(
    "rows", [torch.arange(192), torch.tensor([192 + 5])], ids=["all", "beyond the last"]
)
def test_held_out_rows_that_leave_nothing_to_fit_or_watch_are_refused(problem, rows):
    with pytest.raises(ValueError, match=r"HeldOut leaves .* rows to fit and .* to watch"):
        run(problem, stopping=HeldOut(rows=[rows]))


def test_a_few_rows_hold_out_one(problem):
    few = replace(problem.terms[0], rows=torch.arange(3, 8))
    fit, watch = HeldOut(0.05).split([few], seed=0)
    assert len(watch[0]) == 1
    assert sorted(torch.cat([fit[0], watch[0]]).tolist()) == [3, 4, 5, 6, 7]


def test_patience_stops_and_the_best_state_is_kept(problem):
    # the learning rate is far too large: the fit overshoots
    solution = run(problem, lr=3.0, steps=60, stopping=HeldOut(every=2, patience=3))
    values = {r["step"]: r["held-out"] for r in solution.history}
    assert str(solution.stopped) == f"held-out satisfied at step {solution.steps}"
    assert solution.steps == solution.best_step + 6 < 60
    assert solution.best_step == min(values, key=values.__getitem__)
    assert solution.held_out() == pytest.approx(values[solution.best_step])


def test_discrepancy_stops_at_the_noise(problem):
    solution = run(problem, steps=60, lr=0.1, stopping=Discrepancy(tau=400.0, every=5))
    term = problem.terms[0]
    residuals = term.fidelity.standardized(predict(term.operator, solution.field), term.y)
    chi2 = float(residuals.square().mean())
    assert str(solution.stopped) == f"discrepancy satisfied at step {solution.steps}"
    assert chi2 <= 400
    assert solution.history[-1]["discrepancy"] == pytest.approx(chi2 - 400, abs=0.01)
    assert all(r["discrepancy"] > 0 for r in solution.history[:-1])


def test_the_discrepancy_needs_a_noise_model(problem):
    term = problem.terms[0]
    with pytest.raises(ValueError, match="Discrepancy needs a noise model as fidelity, not L2"):
        run(replace(problem, terms=[replace(term, fidelity=fidelity.L2())]), stopping=Discrepancy())


def test_never_fits_everything_and_keeps_the_last_state(problem):
    solver = Solver(problem, priors.grid(problem.box, cells=8), steps=23, stopping=Never(every=10))
    solution = solver.run()
    assert solution.best_step == 23
    assert str(solution.stopped).startswith("all steps done")
    assert solution.held_out() is None
    assert [r["step"] for r in solution.history] == [10, 20, 23]
    # as `Solution.sample` does: with gradients recorded, sums are taken in another order
    with torch.no_grad():
        assert torch.equal(solution.sample(), ii.sample(solver.prior, problem.grid))


def test_the_truth_never_decides(problem):
    wrong = replace(problem, reference=lambda points: -5 * points[..., :1])
    watched = run(wrong, callbacks=[AgainstReference()])
    assert all("PSNR (reference)" in r for r in watched.history)
    without = run(replace(problem, reference=None), callbacks=[AgainstReference()])
    for other in (run(problem), without):
        assert torch.equal(watched.sample(), other.sample())
        assert (watched.best_step, watched.stopped) == (other.best_step, other.stopped)


def test_whole_groups_are_held_out_together() -> None:
    from inverse_inr.problems.ct import ct

    problem = ct("gaussian_blobs", size=8, views=20)
    fit, watch = HeldOut(0.1, together=True).split(problem.terms, 0)
    assert len(watch[0]) == 2 * 8
    assert len(fit[0]) == 18 * 8
    views = watch[0] // 8
    assert len(views.unique()) == 2
    other = HeldOut(0.1, together=True).split(problem.terms, 1)[1]
    assert not torch.equal(other[0], watch[0])
    lattice = HeldOut(0.1, together=True).split(problem.on_lattice().terms, 0)[1]
    assert torch.equal(lattice[0], watch[0])


def test_candidates_of_the_same_rows_are_compared_row_by_row() -> None:
    """The second is worse on every row by little: the spread between rows does not excuse it."""
    spread = torch.tensor([1.0, 9.0, 2.0, 8.0])
    worse = spread + torch.tensor([0.3, 0.2, 0.3, 0.2])
    assert one_standard_error([worse, spread]) == 1
