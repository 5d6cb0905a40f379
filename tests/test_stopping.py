"""Stopping rules: an open protocol, what is kept where a rule has no measure, and rows that stand in for others."""

import math

import pytest
import torch

from inverse_inr import baselines
from inverse_inr.solver import Ended, Solution
from inverse_inr.stopping import Discrepancy, HeldOut, Never, Stopping, hold_out


class ByHand:
    """A user's rule, which inherits nothing: the values are given, the run may end at the last of them."""

    every = 5
    label = "by hand"

    def __init__(self, values):
        self.values, self.asked = list(values), 0

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
    run = solver(problem, stopping=ByHand([3.0, 1.0, 2.0]))
    solution = run.run()
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
    assert solution.stopped == Ended(kind, text)
    assert str(solution.stopped) == text
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
    from dataclasses import replace

    without = replace(problem, suggested=replace(problem.suggested, stopping=Never()))
    solution: Solution = baselines.cgls(without)
    assert "the problem's rule, Never, keeps none out" in solution.details["held out"]
    assert "Never" in solution.report()
    assert "held out" not in baselines.cgls(problem).details
    assert "held out" not in baselines.cgls(without, 5).details  # a given number chooses nothing
