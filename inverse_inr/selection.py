"""Choosing: a bandwidth or a prior by spectra before training, a fit by held-out rows after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from inverse_inr.analysis.choosing import choose_bandwidth as choose_bandwidth
from inverse_inr.analysis.choosing import choose_prior as choose_prior
from inverse_inr.ranges import Count, NonNegative, Seed, checked
from inverse_inr.registry import nearest
from inverse_inr.solver import Solution
from inverse_inr.stopping import in_groups, one_standard_error

if TYPE_CHECKING:
    from inverse_inr.problem import Problem


@checked
def choose_weight(
    weights: Sequence[NonNegative], fit: Callable[[float], Solution], *, groups: Count = 64
) -> Solution:
    """Fit with each weight, and keep one by `one_standard_error` on the rows that were held out.

    Args:
        weights: Weights of the regularizer; the largest counts as the simplest.
        fit: Function from a weight to a Solution, whose `watched` rows are the same for all.
        groups: Number of groups of held-out rows, each of which gives one score.

    Returns:
        The chosen Solution; its `details` hold the weight and the mean score of each.

    Raises:
        ValueError: A fit holds nothing out, or there are no weights.
    """
    if not len(weights):
        raise ValueError("choose_weight: weights is empty; there is none to choose.")
    tried = sorted(weights, reverse=True)
    solutions = [fit(w) for w in tried]
    scores = [_scores(s, groups) for s in solutions]
    best = one_standard_error(scores)
    means = {f"{w:.4g}": float(s.mean()) for w, s in zip(tried, scores, strict=True)}
    solutions[best].details |= {"weight": tried[best], "held-out by weight": means}
    return solutions[best]


@checked
def choose(solutions: Sequence[Solution], *, groups: Count = 64) -> Solution:
    """Keep one of several fits by `one_standard_error` on the rows that all of them held out.

    Args:
        solutions: The fits, the simplest first.
        groups: Number of groups of held-out rows, each of which gives one score.

    Returns:
        The chosen Solution.

    Raises:
        ValueError: A fit held nothing out, or there are no fits.
    """
    if not len(solutions):
        raise ValueError("choose: solutions is empty; there is none to choose.")
    return solutions[one_standard_error([_scores(s, groups) for s in solutions])]


def _scores(solution: Solution, groups: int) -> Tensor:
    """The misfit of each group of held-out rows, (groups,)."""
    if not solution.watched or not all(len(rows) for rows in solution.watched):
        raise ValueError(
            "choose_weight: the fit held no rows out. Solve with stopping=HeldOut(...)."
        )
    return solution.misfits(in_groups(solution.watched, groups))


@checked
def choose_activations(
    problem: Problem,
    atoms: Sequence[str] | None = None,
    *,
    depth: Count = 3,
    seed: Seed = 0,
    native: dict[str, Any] | None = None,
    **solving: Any,
) -> Solution:
    """Choose an activation for each layer of the `mixed` prior, greedily, layer by layer.

    For layer l every atom is tried above the layers already chosen, the network of l layers is
    fitted, and the atom with the least held-out misfit stays. The paper scores by the error against
    the signal; here no fit sees the rows that score it.

    Args:
        problem: The problem to fit.
        atoms: Names of activations in `priors.mixed.ATOMS`; the paper's seven if None.
        depth: Number of layers.
        seed: Seed of the priors and fits.
        native: Options of the `mixed` prior (width, bandwidth ...).
        **solving: Keywords of `solve`.

    Returns:
        The Solution of the last layer's winner. `details["activations"]` names the sequence, and
        `details["held-out by sequence"]` has every score.

    Raises:
        ValueError: An atom is unknown, there are no atoms, `depth` is below 1, or the stopping
            rule holds nothing out.

    Source:
        MIRE, Jayasundara et al. 2025.
    """
    from inverse_inr.priors.mixed import ATOMS, MIRE_ATOMS
    from inverse_inr.solver import make_prior, solve

    if atoms is None:
        atoms = MIRE_ATOMS
    atoms = tuple(atoms)
    for name in atoms:
        if name not in ATOMS:
            raise ValueError(
                f"choose_activations: unknown activation {name!r}. {nearest(name, ATOMS)}"
            )
    if not atoms:
        raise ValueError("choose_activations: atoms is empty: there is nothing to choose from.")
    chosen: tuple[str, ...] = ()
    scores: dict[str, float] = {}
    best: Solution | None = None
    for _ in range(depth):
        layer: dict[str, Solution] = {}
        for name in atoms:
            sequence = (*chosen, name)
            prior = make_prior(problem, "mixed", seed, activations=sequence, **(native or {}))
            layer[name] = solve(problem, prior, seed=seed, **{"callbacks": [], **solving})
            scores[" > ".join(sequence)] = _misfit(layer[name])
        winner = min(layer, key=lambda name: _misfit(layer[name]))
        chosen = (*chosen, winner)
        best = layer[winner]
    assert best is not None
    best.details |= {"activations": list(chosen), "held-out by sequence": scores}
    return best


def _misfit(solution: Solution) -> float:
    value = solution.held_out()
    if value is None:
        raise ValueError(
            "choose_activations: the fit held no rows out. Solve with stopping=HeldOut(...)."
        )
    return value
