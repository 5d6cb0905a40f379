"""Which of several solutions of one problem predicts best what none of them saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.derivatives import SmoothnessError
from inverse_inr.kernels.conjugate_gradients import conjugate_gradients
from inverse_inr.least_squares import LeastSquares
from inverse_inr.problem import Problem
from inverse_inr.ranges import Count, checked
from inverse_inr.sampled import SampledField
from inverse_inr.solver.ended import Ended
from inverse_inr.solver.solution import Solution
from inverse_inr.stopping import in_groups, least, one_standard_error
from inverse_inr.stopping.choosing import as_good

GROUPS = 256
"""Most groups of held-out rows by which differences between methods are judged. The standard error
that n groups tell is itself uncertain by one part in √2n: by 13 % with 32, by 4 % with 256."""
APART = 0.1
"""Difference of two answers, as a fraction of the image's own variation, that is worth a word."""
PRODUCTS = 20
"""Products with the operators by which the part of an image that measurements see is found."""


@dataclass(frozen=True)
class Verdict:
    """The solution that predicts held-out rows best.

    Args:
        place: Its place among those that were compared; their number for the null image.
        text: A sentence that says by how much it is better than the next.
        misfits: The mean held-out misfit of each by its method, the null image last.
        equals: The places of all that predict the rows as well as the best, to one standard error.
    """

    place: int
    text: str
    misfits: dict[str, float]
    equals: tuple[int, ...] = ()


@checked
def compare_held_out(
    problem: Problem,
    solutions: Sequence[Solution],
    watch: Sequence[Tensor],
    groups: Count = GROUPS,
) -> Verdict:
    """Compare solutions by rows that all of them kept out, with the null image beside them.

    Among those that predict the rows as well as the best, to one standard error of the
    differences, the first is taken, and the null image last of all.

    Args:
        problem: The problem, for its null image.
        solutions: The solutions, the preferred first.
        watch: (b,) indices of the rows, one tensor per term.
        groups: Number of groups of rows by which differences are judged.

    Returns:
        The verdict; misfits that are not finite lose, and so does a field that is not smooth enough
        for measured derivatives.
    """
    parts = in_groups(watch, groups)
    null = null_image(problem, watch)
    scores = [_misfits(each, parts) for each in (*solutions, null)]
    place = one_standard_error(scores)
    methods = [each.method for each in (*solutions, null)]
    means = {name: float(score.mean()) for name, score in zip(methods, scores, strict=True)}
    best = scores[least(scores)]
    equals = tuple(k for k, score in enumerate(scores) if as_good(score, best))
    return Verdict(place, _why(methods, scores, place), means, equals)


@checked
def compare_risks(methods: Sequence[str], risks: Sequence[Tensor]) -> Verdict:
    """Compare methods by unbiased estimates of their mean squared error; the least is taken.

    Args:
        methods: Their names.
        risks: (groups,) estimates of each, by the same groups of rows for all.

    Returns:
        The verdict; estimates that are not finite lose.
    """
    scores = [each.nan_to_num(nan=math.inf) for each in risks]
    place = least(scores)
    means = {name: float(score.mean()) for name, score in zip(methods, scores, strict=True)}
    words = ("has the least estimated risk", "mean squared error")
    return Verdict(place, _why(methods, scores, place, words), means)


def undecided(
    chosen: Solution, others: Sequence[Solution], unseen_by: Problem | None = None
) -> str:
    """Say how far apart answers are between which no measurement decides.

    Args:
        chosen: The answer.
        others: Those that predict the measurements as well.
        unseen_by: A problem, to count only the part of the difference that none of its measurements
            sees; None to count all of it.

    Returns:
        A sentence about the farthest of them; empty where it is nearer than `APART`.
    """
    image = chosen.image()
    variation = float((image - image.mean()).abs().square().mean().sqrt())
    apart = {}
    for other in others:
        difference = other.image().to(image) - image
        if unseen_by is not None:
            difference = unseen_part(unseen_by, difference)
        apart[other.method] = float(difference.abs().square().mean().sqrt())
    farthest = max(apart, key=lambda name: apart[name], default="")
    if not apart or apart[farthest] < APART * variation:
        return ""
    share = f"{apart[farthest] / max(variation, 1e-30):.0%} of the image's own variation"
    if unseen_by is None:
        return (
            f"{farthest} predicts the held-out measurements as well, and its image differs from "
            f"this one by {share} (RMS): nothing measured tells which is nearer the truth."
        )
    return (
        f"In directions that no measurement sees, the image of {farthest} differs from this one by "
        f"{share} (RMS): nothing measured tells which is nearer the truth."
    )


@torch.no_grad()
def unseen_part(problem: Problem, image: Tensor) -> Tensor:
    """Compute the part of an image that no measurement sees, by conjugate gradients.

    What they see is the least image z with A z = A x; a direction that is hardly seen counts as
    unseen after few products with A.

    Args:
        problem: The problem, with linear operators that have maps of sampled images.
        image: (*grid.shape, channels) image on the problem's grid.

    Returns:
        (*grid.shape, channels), the image without what is seen of it.
    """
    system = LeastSquares.of(problem, [term.trusted for term in problem.terms])
    zero = system.whitened(torch.zeros_like(image))

    def forward(x: Tensor) -> list[Tensor]:
        return [a - b for a, b in zip(system.whitened(x), zero, strict=True)]

    found = conjugate_gradients(
        lambda x: [system.adjoint(forward(x[0]))],
        [system.adjoint(forward(image))],
        iterations=PRODUCTS,
        tolerance=1e-4,
    )
    return image - found.x[0]


def _misfits(solution: Solution, parts: Sequence[Sequence[Tensor]]) -> Tensor:
    """The misfit of each group, (groups,); infinite where there is no number.

    An image of pixels has no second derivatives: it cannot be judged by those that were measured.
    """
    try:
        return solution.misfits(parts).nan_to_num(nan=math.inf)
    except SmoothnessError:
        return torch.full((len(parts),), math.inf, dtype=torch.float64)


def kept_out(solution: Solution, watch: Sequence[Tensor]) -> bool:
    """Whether a method kept out exactly these rows.

    Args:
        solution: What the method gave.
        watch: (b,) sorted indices of rows, one tensor per term.
    """
    if len(solution.watched) != len(watch):
        return False
    pairs = zip(solution.watched, watch, strict=True)
    return all(torch.equal(a.sort().values, b) for a, b in pairs)


def null_image(problem: Problem, watch: Sequence[Tensor]) -> Solution:
    """The image that is zero everywhere, which every method has to beat.

    Args:
        problem: The problem.
        watch: (b,) indices of the rows that count as kept out, one tensor per term.
    """
    dtype = problem.terms[0].y.dtype.to_real()
    if problem.is_complex:
        dtype = dtype.to_complex()
    shape = (*problem.grid.shape, problem.channels)
    zeros = torch.zeros(shape, dtype=dtype, device=problem.device)
    field = SampledField(zeros, problem.grid)
    ended = Ended("direct", "zero everywhere")
    return Solution(field, problem, "nothing", stopped=ended, watched=list(watch))


def _why(
    methods: Sequence[str],
    scores: Sequence[Tensor],
    chosen: int,
    words: tuple[str, str] = ("predicts the held-out measurements best", "misfit"),
) -> str:
    """A sentence that says what was chosen, and how well the best or the next other predicts."""
    others = [k for k in range(len(methods)) if k != chosen]
    if not others:
        return f"{methods[chosen]} was left: there is no other."
    other = min(others, key=lambda k: float(scores[k].mean()))
    difference = scores[other] - scores[chosen]
    error = float(difference.std()) / len(difference) ** 0.5
    best, measure = words
    misfits = (
        f"{measure} {float(scores[chosen].mean()):.4g} "
        f"beside {float(scores[other].mean()):.4g} of {methods[other]}"
    )
    if float(difference.mean()) < 0:
        return (
            f"{methods[chosen]} predicts the held-out measurements as well as any, to one standard "
            f"error: {misfits}."
        )
    sentence = f"{methods[chosen]} {best}: {misfits}"
    if float(difference.mean()) < error:
        return f"{sentence}, a difference below its standard error."
    return f"{sentence}."
