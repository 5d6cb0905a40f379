"""Phases of pulses found by a sparse scene in turns with them, or learnt with the scene.

minimise over θ, φ:  Σ_p ‖ y_p - exp(j φ_p) (A f_θ)_p ‖² / 2σ²  +  λ R(f_θ)
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution, Term, noise
from inverse_inr.baselines import l1
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.operators.radar.pulse_errors import PulseErrors
from inverse_inr.problems.radar.autofocus.figures import focus_figure
from inverse_inr.problems.radar.autofocus.phase_gradient import phase_gradient
from inverse_inr.problems.radar.autofocus.sharpness import minimum_entropy
from inverse_inr.problems.radar.imaging import backprojection
from inverse_inr.ranges import Count, Positive, ProperFraction, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import Never

Classical = Literal["phase gradient", "minimum entropy", "zero"]
"""Estimates of the phases from a backprojected image."""
Start = Literal["decided", "sparse autofocus", "phase gradient", "minimum entropy", "zero"]
"""Who tells the phases. "sparse autofocus" goes on from those of least entropy; "decided" takes it
where its scene explains the echoes, and those of least entropy elsewhere."""

ENOUGH = 0.5
"""The part of the echoes' energy, without their noise, that a sparse scene must explain.

Clutter beside the scene is no part of it, and its phases then follow the clutter. Half lies between
.99 of simulated cars and .31 of GOTCHA's, found on seed 5 of the cars and seeds 7 and 8 of errors
that were added to GOTCHA."""

PHASE_RATE = 0.02
"""Learning rate of the phases: rad per step of Adam."""


@checked
def autofocused(
    problem: Problem,
    start: Start = "decided",
    *,
    learn: bool = False,
    lr: Positive = PHASE_RATE,
) -> Problem:
    """The same problem with a phase per pulse, which is found before the scene or learnt with it.

    All pulses are fitted: a phase cannot be told from a pulse that is held out.

    Args:
        problem: A radar problem of one term and a complex reflectivity, e.g. `gotcha`.
        start: Who tells the phases; "minimum entropy" begins at the phase gradient's, "sparse
            autofocus" at those of least entropy; "decided" is the one or the other, and
            `problem.notes` say which.
        learn: Learn the phases with the scene from there on. On simulated cars the phases of
            `sparse_autofocus` are nearer to the truth.
        lr: Learning rate of the phases in rad, where they are learnt.

    Returns:
        The problem with a `PulseErrors` around its radar.

    Raises:
        TypeError: The operator is no radar of complex echoes.
    """
    radar = problem.terms[0].operator
    if len(problem.terms) != 1 or not isinstance(radar, RadarOperator) or radar.degree:
        raise TypeError(
            f"autofocused: the problem has {len(problem.terms)} terms, the first of "
            f"{type(radar).__name__}; one of a radar whose reflectivity is the same in all "
            "directions is needed."
        )
    phases, teller = _begun(problem, radar, start)
    suggested = replace(
        problem.suggested,
        operator_lr=lr,
        stopping=Never(every=100),
        candidates=None,
        figure=focus_figure,
        baselines={
            "as measured": unfocused,
            "backprojection": backprojection,
            "L1": l1,
            "sparse autofocus": sparse_autofocus,
        },
    )
    term = replace(problem.terms[0], operator=PulseErrors(radar, phases, learnt=learn))
    how = "learnt from" if learn else "kept as"
    notes = problem.notes | {"phases of pulses": f"{how} those of {teller}"}
    return replace(problem, terms=[term], suggested=suggested, notes=notes)


def _begun(problem: Problem, radar: RadarOperator, start: Start) -> tuple[Tensor, str]:
    """The phases (P,) in rad that a start tells, and who told them."""
    term = problem.terms[0]
    if start not in ("sparse autofocus", "decided"):
        return estimate(radar, term.y, start), repr(start)
    sharpest = estimate(radar, term.y, "minimum entropy")
    begun = PulseErrors(radar, sharpest, learnt=False)
    found = sparse_autofocus(replace(problem, terms=[replace(term, operator=begun)]))
    part = found.details["explained"]
    said = f"a sparse scene explains {part:.0%} of the echoes' energy"
    if start == "decided" and part < ENOUGH:
        return sharpest, f"'minimum entropy': {said}"
    return learnt_phases(found), f"'sparse autofocus': {said}"


def estimate(radar: RadarOperator, y: Tensor, start: Classical) -> Tensor:
    """The phases of pulses by a classical method.

    Args:
        radar: The radar with P pulses of K values.
        y: (P, K) complex echoes.
        start: The method.

    Returns:
        (P,) in rad.
    """
    zero = torch.zeros(len(radar), device=y.device)
    if start == "zero":
        return zero
    found = phase_gradient(radar, y)
    if start == "phase gradient":
        return found
    return minimum_entropy(radar, y, found)


@checked
def sparse_autofocus(
    problem: Problem, weight: ProperFraction = 0.02, *, rounds: Count = 20, iterations: Count = 30
) -> Solution:
    """A sparse scene and the phases of pulses, in turn: L1 by FISTA, phases in closed form.

    Args:
        problem: A problem measured through `PulseErrors`, whose phases are the start.
        weight: Weight of the L1 norm, as a fraction of the largest useful one.
        rounds: Number of turns.
        iterations: Iterations of FISTA in each turn, from the last scene.

    Returns:
        The scene, with a problem whose operator has the phases that were found. Its details hold
        the part of the echoes' energy, without their noise, that it explains.

    Raises:
        TypeError: The operator is no `PulseErrors`.

    Source:
        Önhon & Çetin, A sparsity-driven approach for joint SAR imaging and phase error correction,
        2012.
    """
    began = time.perf_counter()
    old = _errors_of(problem, "sparse_autofocus")
    term = problem.terms[0]
    found = PulseErrors(old.radar, old.phases, old.ranges, learnt=False)
    system = _focused(problem, found)
    image = system.maps[0].zeros()
    step = 0.97 / system.norm(20) ** 2
    largest = float(system.adjoint(system.data()).abs().max())
    for _ in range(rounds):
        image = fista(system, weight * largest, image, iterations, step, shrink)
        with torch.no_grad():
            predicted = system.maps[0](image)
        found.fit(predicted, term.y, torch.arange(len(found), device=term.y.device))
        system = _focused(problem, found)
    learnt = replace(problem, terms=[replace(term, operator=found)])
    return Solution(
        SampledField(image, problem.grid),
        learnt,
        "sparse autofocus",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{rounds} turns, weight {weight:.4g} of the largest"),
        details={"weight": weight, "explained": _explained(term, found, system.maps[0](image))},
    )


@torch.no_grad()
def _explained(term: Term, errors: PulseErrors, predicted: Tensor) -> float:
    """The part of the energy of echoes, without that of their noise, that a scene explains."""
    seen = errors.corrected(term.y)
    energy = float(seen.abs().square().sum())
    left = float((seen - predicted.reshape(seen.shape)).abs().square().sum())
    noisy = 0.0
    if isinstance(term.fidelity, noise.ComplexGaussian) and term.fidelity.covariance is None:
        variance = torch.as_tensor(term.fidelity.sigma).square().to(seen.device)
        noisy = float(variance.expand_as(seen.abs()).sum())
    return min(1.0, (energy - left) / max(energy - noisy, 1e-3 * energy))


def _focused(problem: Problem, errors: PulseErrors) -> LeastSquares:
    """The problem of the radar alone, to whose echoes the phases are taken off."""
    term = problem.terms[0]
    plain = replace(term, operator=errors.radar, y=errors.corrected(term.y), rows=None)
    rows = torch.arange(len(errors), device=term.y.device)
    return LeastSquares.of(replace(problem, terms=[plain]), [rows])


@checked
def unfocused(problem: Problem) -> Solution:
    """The backprojected image of the echoes as they were measured, no phase taken off.

    Args:
        problem: A problem measured through `PulseErrors`.

    Returns:
        The image as a solution.

    Raises:
        TypeError: The operator is no `PulseErrors`.
    """
    radar = _errors_of(problem, "unfocused").radar
    plain = replace(problem, terms=[replace(problem.terms[0], operator=radar)])
    return replace(backprojection(plain), problem=problem, method="as measured")


def learnt_phases(solution: Solution) -> Tensor:
    """The phases of pulses that a solution ended with, learnt or kept.

    Args:
        solution: A solution of a problem of `autofocused`.

    Returns:
        (P,) in rad.

    Raises:
        TypeError: The operator is no `PulseErrors`.
    """
    return _errors_of(solution.problem, "learnt_phases").phases.detach()


def _errors_of(problem: Problem, asking: str) -> PulseErrors:
    operator = problem.terms[0].operator
    if not isinstance(operator, PulseErrors):
        raise TypeError(
            f"{asking} needs a PulseErrors operator, not {type(operator).__name__}: pass the "
            "problem through `autofocused` first."
        )
    return operator
