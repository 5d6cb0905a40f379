"""Where a camera's mask really is and how far it disperses, found from one snapshot of an unknown scene.

A bilinear mask is sharpest on whole pixels, so the misfit has a ridge at no shift and a gradient may leave it on the
wrong side. Short fits of a smooth scene start from half a pixel in each direction; the one that predicts detector
pixels it never saw best is where the fit of image and camera together begins.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from inverse_inr import Problem, Solution, priors, solve
from inverse_inr.operators import CassiOnGrid
from inverse_inr.stopping import HeldOut

STARTS = ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5))


def calibrated(
    problem: Problem,
    *,
    starts: Sequence[tuple[float, float]] = STARTS,
    steps: int = 200,
    lr: float = 1e-2,
    seed: int = 0,
) -> Problem:
    """The problem with its camera's parameters where the best of several short fits left them.

    starts  mask shifts in pixels; lr: of the camera. The prior is the problem's, its bandwidth in space a third.
    Raises TypeError for a problem that is not one CASSI snapshot whose mask shift is an `nn.Parameter`.
    """
    operator = problem.terms[0].operator
    if not isinstance(operator, CassiOnGrid) or not isinstance(
        operator.camera.mask_shift, nn.Parameter
    ):
        raise TypeError(
            "calibrated: wants a CASSI snapshot whose mask's shift is learnt, Alignment(calibration='learnt')."
        )
    options = dict(problem.suggested.options)
    omega, rank = options["omega0"], options["rank"]
    options |= {
        "omega0": [max(2.0, w / 3) for w in omega[:2]] + list(omega[2:]),
        "rank": [max(4, r // 2) for r in rank[:2]] + list(rank[2:]),
    }
    if (
        "depth" in options
    ):  # a stiff spectrum: one that may turn fast makes up for a dispersion that is wrong
        options |= {"depth": 2, "omega0": [*options["omega0"][:2], 2.0]}
    stopping = HeldOut()
    stopping = replace(stopping, rows=stopping.split(problem.terms, seed)[1])
    best: Solution | None = None
    for start in starts:
        moved = copy.deepcopy(operator)
        assert moved.camera.mask_shift is not None
        with torch.no_grad():
            moved.camera.mask_shift.copy_(torch.tensor(start))
        part = replace(problem, terms=[replace(problem.terms[0], operator=moved)])
        prior = priors.create(
            problem.suggested.prior,
            problem.box,
            problem.channels,
            seed=seed,
            bandwidth=priors.bandwidth_of(problem.grid),
            **options,
        )
        found = solve(
            part,
            prior,
            steps=steps,
            operator_lr=lr,
            stopping=stopping,
            regularizers=[],
            seed=seed,
            callbacks=[],
        )
        if best is None or (found.held_out() or 0.0) < (best.held_out() or 0.0):
            best = found
    assert best is not None
    return replace(problem, terms=best.problem.terms)
