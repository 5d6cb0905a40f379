"""Channels of an array learnt with the scene, and the classical ways to the same numbers.

minimise over θ, g, φ, d:  Σ_p ‖ y_p - c_v(p) (A f_θ)_p ‖² / 2σ²  +  λ R(f_θ)
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal

import torch

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.baselines.fista import fista, shrink
from inverse_inr.least_squares import LeastSquares
from inverse_inr.noise import ComplexGaussian
from inverse_inr.operators import ChannelErrors, VirtualArray
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.calibration.coherence import coherence
from inverse_inr.problems.radar.calibration.figures import channel_figure
from inverse_inr.problems.radar.sar import complex_gain
from inverse_inr.ranges import Count, FiniteTensor, Positive, ProperFraction, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import Never

Start = Literal["coherence", "sparse calibration", "zero"]
"""The blind estimate from which learning begins; "sparse calibration" goes on from coherence."""

CHANNEL_RATE = 0.01
"""Learning rate of the channels: rad (of phase, and of the band's edge) and nepers per step."""


@checked
def calibrated(
    problem: Problem,
    array: VirtualArray | None = None,
    start: Start | ChannelErrors = "coherence",
    *,
    delays: bool = True,
    lr: Positive = CHANNEL_RATE,
) -> Problem:
    """The same problem with the gain, phase and delay of each channel to be learnt with the scene.

    All pulses are fitted: nothing is learnt of a channel that is held out. y is scaled anew, so
    that the image of the start has gain 1.

    Args:
        problem: A radar problem of one term, complex reflectivity and complex Gaussian noise.
        array: Transmitters and receivers; None for a channel per pulse.
        start: Where the channels begin: a blind estimate, or channels as they are known, e.g. from
            `reflector_calibration`.
        delays: Whether channels have delays; they need `FMCW(readout="samples")`.
        lr: Learning rate of the channels.

    Returns:
        The problem with a `ChannelErrors` around its radar.

    Raises:
        TypeError: The operator is no radar of complex echoes, or the noise is of another kind.
        ValueError: The array does not fit the pulses.
    """
    term = problem.terms[0]
    radar = term.operator
    if len(problem.terms) != 1 or not isinstance(radar, RadarOperator) or radar.degree:
        raise TypeError(
            f"calibrated: the problem has {len(problem.terms)} terms, the first of "
            f"{type(radar).__name__}; one of a radar whose reflectivity is the same in all "
            "directions is needed."
        )
    if not isinstance(term.fidelity, ComplexGaussian) or term.fidelity.covariance is not None:
        raise TypeError(
            f"calibrated: the noise is {type(term.fidelity).__name__}; uncorrelated "
            "ComplexGaussian noise is needed."
        )
    begun = repr(start)
    if isinstance(start, ChannelErrors):
        begun = "given numbers"
        numbers = (start.gains, start.phases, start.delays)
        errors = ChannelErrors(radar, start.array, *numbers, gauge=start.gauge)
    else:
        zero = torch.zeros(len(radar) if array is None else array.elements) if delays else None
        errors = ChannelErrors(radar, array, delays=zero)
        if start != "zero":
            coherence(errors, term.y)
    gain = complex_gain(radar, errors.corrected(term.y))
    scaled = ComplexGaussian(term.fidelity.sigma / gain)
    term = replace(term, operator=errors, y=term.y / gain, fidelity=scaled)
    suggested = replace(
        problem.suggested,
        operator_lr=lr,
        stopping=Never(every=100),
        candidates=None,
        figure=channel_figure,
        baselines={
            "as measured": uncalibrated,
            "coherence": coherent,
            "sparse calibration": sparse_calibration,
        },
    )
    notes = problem.notes | {
        "gain of y": gain * problem.notes.get("gain of y", 1.0),
        "channels": f"learnt from those of {begun}",
        "gauge of channels": f"{errors.gauge}: what all channels share cannot be told",
    }
    made = replace(problem, terms=[term], suggested=suggested, notes=notes)
    if start == "sparse calibration":
        found = sparse_calibration(made).problem.terms[0].operator
        errors.load_state_dict(found.state_dict())
    return made


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
    weight: ProperFraction = 0.02,
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
    return _in_turns(problem, kept(errors), method, weight, rounds=1, iterations=iterations)


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
    problem: Problem, weight: ProperFraction = 0.02, *, rounds: Count = 20, iterations: Count = 30
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
    errors = kept(channels_of(problem, "sparse_calibration"))
    return _in_turns(problem, errors, "sparse calibration", weight, rounds, iterations)


def _in_turns(
    problem: Problem,
    errors: ChannelErrors,
    method: str,
    weight: float,
    rounds: int,
    iterations: int,
) -> Solution:
    """A sparse scene through the channels, which are fitted between rounds."""
    began = time.perf_counter()
    term = replace(problem.terms[0], operator=errors, rows=None)
    seen = replace(problem, terms=[term])
    rows = [torch.arange(len(errors), device=term.y.device)]
    bare = replace(problem, terms=[replace(term, operator=errors.radar)])
    norm = LeastSquares.of(bare, rows).norm(20)
    image = None
    for number in range(rounds):
        system = LeastSquares.of(seen, rows)
        step = 0.97 / (norm * float(errors.factors(rows[0]).abs().max())) ** 2
        largest = float(system.adjoint(system.data()).abs().max())
        start = system.maps[0].zeros() if image is None else image
        image = fista(system, weight * largest, start, iterations, step, shrink)
        if number < rounds - 1:
            with torch.no_grad():
                predicted = errors.radar(rows[0])[1](image)
            errors.fit(predicted, term.y)
    assert image is not None
    return Solution(
        SampledField(image, problem.grid),
        seen,
        method,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{rounds} turns, weight {weight:.4g} of the largest"),
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
