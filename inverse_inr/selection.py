"""Choosing: a bandwidth or an architecture by spectra before training, a reconstruction by held-out rows after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr.analysis.choosing import choose_bandwidth as choose_bandwidth
from inverse_inr.analysis.choosing import choose_prior as choose_prior
from inverse_inr.registry import nearest
from inverse_inr.solver import Solution
from inverse_inr.stopping import one_standard_error

if TYPE_CHECKING:
    from inverse_inr.problem import Problem


def choose_weight(
    weights: Sequence[float], fit: Callable[[float], Solution], *, groups: int = 64
) -> Solution:
    """Fit with each weight, largest first, and keep one by `one_standard_error` on the rows that the fits held out.

    `fit(weight)` returns a Solution whose `watched` rows are the same for all weights; they are scored in `groups`.
    Raises ValueError where a fit holds nothing out.
    """
    tried = sorted(weights, reverse=True)
    solutions = [fit(w) for w in tried]
    scores = [_scores(s, groups) for s in solutions]
    best = one_standard_error(scores)
    means = {f"{w:.4g}": float(s.mean()) for w, s in zip(tried, scores, strict=True)}
    solutions[best].details |= {"weight": tried[best], "held-out by weight": means}
    return solutions[best]


def choose(solutions: Sequence[Solution], *, groups: int = 64) -> Solution:
    """One of several fits that held the same rows out, the simplest first: `one_standard_error` on those rows."""
    return solutions[one_standard_error([_scores(s, groups) for s in solutions])]


def _scores(solution: Solution, groups: int) -> Tensor:
    if not solution.watched or not all(len(rows) for rows in solution.watched):
        raise ValueError(
            "choose_weight: the fit held no rows out. Solve with stopping=HeldOut(...)."
        )
    count = min(groups, *(len(rows) for rows in solution.watched))
    return torch.tensor(
        [solution.misfit([rows[k::count] for rows in solution.watched]) for k in range(count)]
    )


def choose_activations(
    problem: Problem,
    atoms: Sequence[str] | None = None,
    *,
    depth: int = 3,
    seed: int = 0,
    native: dict[str, Any] | None = None,
    **solving: Any,
) -> Solution:
    """Another activation for each layer, found greedily, layer by layer (MIRE, Jayasundara et al. 2025).

    For layer l every atom is tried above the layers already chosen, the network of l layers is fitted, and the atom of
    the least held-out misfit stays. The paper scores by the error against the signal; here no fit sees the rows that
    score it. `atoms`: names of `priors.mixed.ATOMS` (default: the paper's seven); `native`: options of the `mixed`
    prior (width, bandwidth ...), `solving`: keywords of `solve`. The Solution is that of the last layer's winner;
    `details["activations"]` names the sequence and `details["held-out by sequence"]` has every score.
    Raises ValueError for an unknown atom or a stopping rule that holds nothing out.
    """
    from inverse_inr.priors.mixed import ATOMS, MIRE_ATOMS
    from inverse_inr.solver import make_prior, solve

    atoms = MIRE_ATOMS if atoms is None else tuple(atoms)
    for name in atoms:
        if name not in ATOMS:
            raise ValueError(
                f"choose_activations: unknown activation {name!r}. {nearest(name, ATOMS)}"
            )
    if depth < 1 or not atoms:
        raise ValueError(
            f"choose_activations: depth={depth} layers of {len(atoms)} atoms; both must be at least 1."
        )
    chosen: tuple[str, ...] = ()
    scores: dict[str, float] = {}
    best: Solution | None = None
    for _ in range(depth):
        layer: dict[str, Solution] = {}
        for name in atoms:
            prior = make_prior(
                problem, "mixed", seed, activations=(*chosen, name), **(native or {})
            )
            layer[name] = solve(problem, prior, seed=seed, **{"callbacks": [], **solving})
            scores[" > ".join((*chosen, name))] = _misfit(layer[name])
        winner = min(layer, key=lambda name: _misfit(layer[name]))
        chosen, best = (*chosen, winner), layer[winner]
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
