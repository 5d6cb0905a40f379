"""Classical ways to the channels of an array: a corner reflector, coherence, sparse scenes."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators import ChannelErrors
from inverse_inr.problems.radar.calibration.coherence import coherence
from inverse_inr.ranges import Count, FiniteTensor, ProperFraction, checked
from inverse_inr.solver import Ended

SPARSITY = 0.02
"""Weight of the L1 norm, as a fraction of the largest useful one."""
ROUNDS = 20
"""Turns of `sparse_calibration`."""
ITERATIONS = 30
"""Iterations of FISTA in a turn."""
FIRST = 5
"""Iterations of the first turn, in those of the others: a scene that is still blurred makes
channels at the ends of the array look strong."""


@checked
@torch.no_grad()
def reflector_calibration(
    errors: ChannelErrors, y: FiniteTensor, place: FiniteTensor
) -> ChannelErrors:
    """Calibrate channels in closed form by a corner reflector at a known place, alone in the scene.

    Args:
        errors: The radar with its channels; it is left as it is.
        y: (P, K) complex echoes of the reflector.
        place: (3,) in metres.

    Returns:
        The radar with the channels that were found, which are not learnt.

    Raises:
        ValueError: The place is not (3,), or a channel saw nothing.
    """
    if place.shape != (3,):
        raise ValueError(
            f"reflector_calibration: place must be (3,) in metres, got {tuple(place.shape)}."
        )
    radar = errors.radar.at(place[None])
    rows = torch.arange(len(errors))
    predicted = radar(rows)[1](torch.ones(1, 1, dtype=torch.float64, device=y.device))
    found = kept(errors)
    found.fit(predicted, y)
    return found


@checked
def imaged(
    problem: Problem,
    errors: ChannelErrors,
    method: str,
    weight: ProperFraction = SPARSITY,
    *,
    iterations: Count = 200,
) -> Solution:
    """A sparse scene (L1 by FISTA) seen through channels as they are.

    Args:
        problem: A problem measured through `ChannelErrors`.
        errors: The channels.
        method: What the solution is called.
        weight: Weight of the L1 norm, as a fraction of the largest useful one.
        iterations: Iterations of FISTA.

    Returns:
        The scene, with a problem whose operator has these channels.
    """
    began = time.perf_counter()
    found = scene_and_channels(problem, errors, weight, 1, max(1, iterations // FIRST))
    return _solution(problem, *found, method, weight, began)


@checked
def uncalibrated(problem: Problem) -> Solution:
    """A sparse scene from the echoes as they were measured.

    Args:
        problem: A problem measured through `ChannelErrors`.

    Returns:
        The scene, whose problem has channels of no error.

    Raises:
        TypeError: The operator is no `ChannelErrors`.
    """
    errors = channels_of(problem, "uncalibrated")
    return imaged(problem, ChannelErrors(errors.radar, errors.array), "as measured")


@checked
def coherent(problem: Problem) -> Solution:
    """A sparse scene through the channels of `coherence`.

    Args:
        problem: A problem measured through `ChannelErrors`.

    Returns:
        The scene, with a problem whose operator has the channels that were found.

    Raises:
        TypeError: The operator is no `ChannelErrors`.
    """
    errors = kept(channels_of(problem, "coherent"))
    coherence(errors, problem.terms[0].y)
    return imaged(problem, errors, "coherence")


@checked
def sparse_calibration(
    problem: Problem,
    weight: ProperFraction = SPARSITY,
    *,
    rounds: Count = ROUNDS,
    iterations: Count = ITERATIONS,
) -> Solution:
    """A sparse scene and the channels, in turn: L1 by FISTA, channels in closed form.

    Args:
        problem: A problem measured through `ChannelErrors`, whose channels are the start.
        weight: Weight of the L1 norm, as a fraction of the largest useful one.
        rounds: Number of turns.
        iterations: Iterations of FISTA in each turn, from the last scene.

    Returns:
        The scene, with a problem whose operator has the channels that were found.

    Raises:
        TypeError: The operator is no `ChannelErrors`.

    Source:
        Zhou et al., Sparse auto-calibration for radar coincidence imaging with gain-phase errors,
        2015, with L1 in place of matching pursuit.
    """
    began = time.perf_counter()
    errors = channels_of(problem, "sparse_calibration")
    found = scene_and_channels(problem, errors, weight, rounds, iterations)
    return _solution(problem, *found, "sparse calibration", weight, began)


def scene_and_channels(
    problem: Problem,
    errors: ChannelErrors,
    weight: float = SPARSITY,
    rounds: int = ROUNDS,
    iterations: int = ITERATIONS,
) -> tuple[Tensor, ChannelErrors]:
    """A sparse scene through channels, which are fitted between the rounds.

    Args:
        problem: A problem measured through `ChannelErrors`.
        errors: Where the channels begin; they are left as they are.
        weight: Weight of the L1 norm, as a fraction of the largest useful one.
        rounds: Number of turns; in one the channels stay.
        iterations: Iterations of FISTA in each turn, `FIRST` times as many in the first.

    Returns:
        The image (*grid.shape, 1), and the channels, which are not learnt.
    """
    found = kept(errors)
    term = replace(problem.terms[0], operator=found, rows=None)
    seen = replace(problem, terms=[term])
    rows = torch.arange(len(found), device=term.y.device)
    bare = replace(problem, terms=[replace(term, operator=found.radar)])
    norm = LeastSquares.of(bare, [rows]).norm(20)
    image = None
    for number in range(rounds):
        system = LeastSquares.of(seen, [rows])
        step = 0.97 / (norm * float(found.factors(rows).abs().max())) ** 2
        largest = float(system.adjoint(system.data()).abs().max())
        if image is None:
            image = fista(
                system, weight * largest, system.maps[0].zeros(), FIRST * iterations, step, shrink
            )
        else:
            image = fista(system, weight * largest, image, iterations, step, shrink)
        if number < rounds - 1:
            with torch.no_grad():
                predicted = found.radar(rows)[1](image)
            found.fit(predicted, term.y)
    assert image is not None
    return image, found


def _solution(
    problem: Problem, image: Tensor, found: ChannelErrors, method: str, weight: float, began: float
) -> Solution:
    return Solution(
        SampledField(image, problem.grid),
        replace(problem, terms=[replace(problem.terms[0], operator=found, rows=None)]),
        method,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"weight {weight:.4g} of the largest"),
        details={"weight": weight},
    )


def kept(errors: ChannelErrors) -> ChannelErrors:
    """The same channels, not learnt.

    Args:
        errors: The channels.
    """
    numbers = (errors.gains, errors.phases, errors.delays)
    return ChannelErrors(errors.radar, errors.array, *numbers, gauge=errors.gauge, learnt=False)


def channels_of(problem: Problem, asking: str = "channels_of") -> ChannelErrors:
    """The channels of a problem, or of that which a solution holds.

    Args:
        problem: A problem measured through `ChannelErrors`.
        asking: Who asks, for the message.

    Raises:
        TypeError: The operator is no `ChannelErrors`.
    """
    operator = problem.terms[0].operator
    if not isinstance(operator, ChannelErrors):
        raise TypeError(
            f"{asking} needs a ChannelErrors operator, not {type(operator).__name__}: pass the "
            "problem through `calibrated` first."
        )
    return operator
