"""Between what `solve` decides: a classical mean alone, and the fit that learns what it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inverse_inr import Problem
from inverse_inr.ranges import checked
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import hold_out


@checked
def mean_and_fit(problem: Problem) -> Iterator[Candidate]:
    """Judge the mean of the suggested prior, and its fit, by measurements that neither saw.

    The one that is chosen is made again from all measurements: a pixel that is held out loses its
    own details, which no other pixel tells.

    Args:
        problem: Its suggested prior is `offset`, whose mean is one of the problem's baselines.

    Yields:
        The two candidates, the mean first.
    """
    suggested = problem.suggested
    split = hold_out(suggested.stopping, problem.terms)
    terms = [replace(term, rows=rows) for term, rows in zip(problem.terms, split.fit, strict=True)]
    limited = replace(problem, terms=terms)
    name = suggested.options["mean"]
    method = suggested.baselines[name]
    mean = method(limited)
    seen = {"problem": problem, "watched": split.watch}
    yield Candidate(replace(mean, **seen), lambda: method(problem))
    known = {**suggested.baselines, name: lambda _: mean}
    fit = Solver(replace(limited, suggested=replace(suggested, baselines=known))).run()
    yield Candidate(replace(fit, **seen), lambda: Solver(problem).run())
