"""Channels of an array learnt with the scene, and the classical ways to the same numbers.

minimise over θ, g, φ, d:  Σ_p ‖ y_p - c_v(p) (A f_θ)_p ‖² / 2σ²  +  λ R(f_θ)
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import torch

from inverse_inr import Problem, Solution
from inverse_inr.noise import ComplexGaussian
from inverse_inr.operators import ChannelErrors, VirtualArray
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.calibration.classical import (
    channels_of,
    coherent,
    kept,
    scene_and_channels,
    sparse_calibration,
    uncalibrated,
)
from inverse_inr.problems.radar.calibration.coherence import coherence
from inverse_inr.problems.radar.calibration.figures import channel_figure
from inverse_inr.problems.radar.sar import complex_gain
from inverse_inr.ranges import Positive, checked
from inverse_inr.solver import Solver, going_on_from
from inverse_inr.stopping import Never

Start = Literal["coherence", "sparse calibration", "zero"]
"""The blind estimate from which learning begins; "sparse calibration" goes on from coherence."""

CHANNEL_RATE = 0.01
"""Learning rate of the channels: rad (of phase, and of the band's edge) and nepers per step."""
FIRST_STEPS = 200
"""Steps in which the field is fitted before the channels are learnt with it."""


@checked
def calibrated(
    problem: Problem,
    array: VirtualArray | None = None,
    start: Start | ChannelErrors = "sparse calibration",
    *,
    delays: bool = True,
    lr: Positive = CHANNEL_RATE,
) -> Problem:
    """The same problem with the gain, phase and delay of each channel to be learnt with the scene.

    The suggested prior is fitted first while the channels stay as they began: a field that is still
    blurred makes the ends of the array look strong, and gains that are a smooth taper over the
    array and a blurred scene explain the same echoes.

    All pulses are fitted: nothing is learnt of a channel that is held out. y is scaled anew, so
    that the image of the start has gain 1.

    Args:
        problem: A radar problem of one term, complex reflectivity and complex Gaussian noise.
        array: Transmitters and receivers; None for a channel per pulse.
        start: Where the channels begin: a blind estimate, or channels as they are known, e.g. from
            `reflector_calibration`, whose array and delays it then has.
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
        if array not in (None, start.array):
            raise ValueError(f"calibrated: start is of {start.array}, not of array={array}.")
        numbers = (start.gains, start.phases, start.delays)
        errors = ChannelErrors(radar, start.array, *numbers, gauge=start.gauge)
    else:
        zero = torch.zeros(len(radar) if array is None else array.elements) if delays else None
        errors = ChannelErrors(radar, array, delays=zero)
        if start != "zero":
            coherence(errors, term.y)
        if start == "sparse calibration":
            wrapped = replace(problem, terms=[replace(term, operator=errors)])
            errors.load_state_dict(scene_and_channels(wrapped, errors)[1].state_dict())
    gain = complex_gain(radar, errors.corrected(term.y))
    scaled = ComplexGaussian(term.fidelity.sigma / gain)
    term = replace(term, operator=errors, y=term.y / gain, fidelity=scaled)
    plain = replace(problem.suggested, stopping=Never(every=100), start=None)
    held = replace(problem, terms=[replace(term, operator=kept(errors))], suggested=plain)
    suggested = replace(
        problem.suggested,
        start=going_on_from(partial(_first_fit, held)),
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
    return replace(problem, terms=[term], suggested=suggested, notes=notes)


def with_channels_kept(problem: Problem) -> Problem:
    """The same problem with its channels as they began, so that the scene alone is fitted.

    Args:
        problem: A problem of `calibrated`.
    """
    term = problem.terms[0]
    errors = kept(channels_of(problem, "with_channels_kept"))
    suggested = replace(problem.suggested, start=None)
    notes = problem.notes | {"channels": str(problem.notes["channels"]).replace("learnt", "kept")}
    return replace(
        problem, terms=[replace(term, operator=errors)], suggested=suggested, notes=notes
    )


def _first_fit(problem: Problem) -> Solution:
    """A fit of the suggested prior while the channels stay as they began."""
    return Solver(problem, steps=FIRST_STEPS).run()
