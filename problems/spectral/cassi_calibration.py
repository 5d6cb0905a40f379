"""Where a camera's mask lies and how far it disperses, found from one snapshot of an unknown scene.

A bilinear mask is sharpest on whole pixels, so the misfit has a ridge at no shift, and a gradient
may leave it on the wrong side. Short fits of a smooth scene therefore start from half a pixel in
each direction. The fit that best predicts detector pixels it never saw is where the fit of image
and camera together begins. `mask_placement` finds a mask before anything is reconstructed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from inverse_inr import Problem, Solution, priors, solve
from inverse_inr.operators import CassiOnGrid
from inverse_inr.ranges import Count, Finite, Positive, WholeNumber, checked
from inverse_inr.stopping import HeldOut

STARTS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))
"""Mask shifts (px) from which the short fits start: half a pixel in each diagonal direction."""


@checked
def calibrated(
    problem: Problem,
    *,
    starts: Sequence[tuple[Finite, Finite]] = STARTS,
    steps: Count = 200,
    lr: Positive = 1e-2,
    seed: WholeNumber = 0,
) -> Problem:
    """Return the problem with its camera's parameters from the best of several short fits.

    The fits use the problem's own prior with a third of its bandwidth in space.

    Args:
        problem: One CASSI snapshot, whose mask shift is an `nn.Parameter`.
        starts: Mask shifts in pixels, along both image axes.
        steps: Steps of each short fit.
        lr: Learning rate of the camera's parameters.
        seed: Of the priors and the held-out rows.

    Raises:
        TypeError: If the problem is not one CASSI snapshot whose mask shift is learnt.
    """
    operator = problem.terms[0].operator
    if not isinstance(operator, CassiOnGrid) or not isinstance(
        operator.camera.mask_shift, nn.Parameter
    ):
        raise TypeError(
            "calibrated: wants a CASSI snapshot whose mask's shift is learnt, "
            "Alignment(calibration='learnt')."
        )
    options = _smooth(problem.suggested.options)
    stopping = HeldOut()
    stopping = replace(stopping, rows=stopping.split(problem.terms, seed)[1])
    best: Solution | None = None
    for start in starts:
        prior = priors.create(
            problem.suggested.prior,
            problem.box,
            problem.channels,
            seed=seed,
            bandwidth=priors.bandwidth_of(problem.grid),
            **options,
        )
        found = solve(
            _started_at(problem, operator, start),
            prior,
            steps=steps,
            operator_lr=lr,
            stopping=stopping,
            regularizers=[],
            seed=seed,
            callbacks=[],
        )
        if best is None or _misfit(found) < _misfit(best):
            best = found
    assert best is not None
    return replace(problem, terms=best.problem.terms)


def _misfit(solution: Solution) -> float:
    """The misfit of held-out rows; infinite where it is not known."""
    misfit = solution.held_out()
    return math.inf if misfit is None else misfit


def _smooth(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a separable prior with a third of the bandwidth in space, and half the rank."""
    omega = options["omega0"]
    rank = options["rank"]
    smooth = options | {
        "omega0": [max(2.0, w / 3) for w in omega[:2]] + list(omega[2:]),
        "rank": [max(4, r // 2) for r in rank[:2]] + list(rank[2:]),
    }
    if "depth" in options:
        # a stiff spectrum: one that may turn fast makes up for a dispersion that is wrong
        smooth |= {"depth": 2, "omega0": [*smooth["omega0"][:2], 2.0]}
    return smooth


def _started_at(problem: Problem, operator: CassiOnGrid, shift: tuple[float, float]) -> Problem:
    """The problem with a copy of its camera, whose mask is shifted by `shift` (px)."""
    moved = copy.deepcopy(operator)
    assert moved.camera.mask_shift is not None
    with torch.no_grad():
        moved.camera.mask_shift.copy_(torch.tensor(shift))
    return replace(problem, terms=[replace(problem.terms[0], operator=moved)])
