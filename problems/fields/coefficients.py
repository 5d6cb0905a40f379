"""A coefficient of an equation, found together with its solution from noisy values of the solution.

    minimise over θ:  Σ_i (u(x_i) - y_i)² / σ²  +  equation |∇·(k ∇u) + s|² / s²  +  λ ∫ |∇ log k|²

u and k are two channels of one field. k is positive and u zero on the rim by construction.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Detector,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    fidelity,
    memory,
    noise,
)
from inverse_inr.operators import Jet, PointSamples, Residual
from inverse_inr.priors.means import HardBoundary, zero_on_faces
from inverse_inr.problems.fields.coefficient_inversion import Sensors, invert
from inverse_inr.problems.fields.diffusion import Diffusion
from inverse_inr.problems.fields.figures import fields_with_errors
from inverse_inr.problems.fields.judging import fit_or_inversions
from inverse_inr.ranges import Count, NonNegative, Positive, WholeNumber, checked
from inverse_inr.stopping import Never

Coefficient = Literal["bumps", "inclusions"]

SOURCE = 10.0
"""The source s, the same everywhere."""

FINE = 192
"""Cells along each axis of the mesh on which the truth is solved."""

CELLS = 48
"""Cells along each axis of the mesh of the classical inversion."""


def diffusion_residual(jet: Jet) -> Tensor:
    """-∇·(k ∇u) of a field whose channels are u and k.

    Args:
        jet: The field with its derivatives at b places.

    Returns:
        (b,).
    """
    slopes = jet.gradient
    bent = jet.d(0, 0)[:, 0] + jet.d(1, 1)[:, 0]
    return -(jet.value[:, 1] * bent + (slopes[:, 0] * slopes[:, 1]).sum(-1))


def log_slopes(jet: Jet) -> Tensor:
    """∇ log k of a field whose channels are u and k, (b, 2)."""
    return jet.gradient[:, 1] / jet.value[:, 1:]


@checked
def inverse_coefficient(
    coefficient: Coefficient = "bumps",
    *,
    sensors: Count = 200,
    noise_level: NonNegative = 0.01,
    size: Count = 64,
    inside: Count = 1024,
    equation: Positive = 1e4,
    smoothness: Positive = 1.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Find the coefficient k of -∇·(k ∇u) = s from noisy values of u at scattered points.

    On the unit square u is 0 on the rim and s is 10. Beside the fit stands the classical remedy:
    finite volumes with a sparse solver inside, Gauss-Newton over log k at all nodes around them,
    and a penalty of slopes, squared or not, whose weight is chosen by points that are kept out.

    Args:
        coefficient: The true k: "bumps", a smooth hill and a dip, or "inclusions", two discs.
        sensors: Points at which u is measured, at random.
        noise_level: Standard deviation of the noise, as a fraction of the largest u.
        size: Pixels along each side of the grid on which u and k are judged.
        inside: Points that carry the equation, a Sobol set.
        equation: Weight of the equation's mean squared residual, relative to s², beside the
            sensors' misfit in units of their noise.
        smoothness: λ of the mean of |∇ log k|², beside the sum over all sensors.
        seed: Seed of points and noise.

    Returns:
        The problem, with u and k as channels 0 and 1.
    """
    memory.require(
        f"inverse_coefficient: inside={inside}, sensors={sensors}", 64.0 * (inside + sensors)
    )
    box = Box((0.0, 0.0), (1.0, 1.0))
    known = partial(_coefficient, coefficient)
    truth = _truth(coefficient)
    generator = torch.Generator().manual_seed(seed)
    places = box.random_points(sensors, dtype=torch.float64, generator=generator)
    exact = truth(places)[:, 0]
    largest = float(truth.values.max())
    deviation = max(noise_level, 1e-6) * largest
    values = exact
    if noise_level:
        values = noise.Gaussian(deviation).sample(exact, generator=generator)
    measured = Sensors(places, values, deviation)
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(
        inside, dtype=torch.float64
    )
    right = torch.full((inside,), SOURCE, dtype=torch.float64)
    flat = torch.zeros(inside, 2, dtype=torch.float64)
    terms = [
        Term(
            Residual(diffusion_residual, points),
            right,
            fidelity.L2(),
            weight=equation / SOURCE**2,
        ),
        _seen(measured),
        Term(Residual(log_slopes, points), flat, fidelity.L2(), weight=2 * smoothness / sensors),
    ]
    model = Diffusion(CELLS, np.full((CELLS + 1) ** 2, SOURCE))
    methods = {name: partial(_inverted, name, model, measured) for name in ("H1", "TV")}
    suggested = Suggestion(
        prior="siren",
        options={"omega0": 6.0, "width": 48, "depth": 3, "head": ("linear", "exp")},
        steps=100,
        optimizer="lbfgs",
        stopping=Never(every=25),
        start=partial(HardBoundary, zero=zero_on_faces(box), channels=(0,)),
        baselines={f"Gauss-Newton, {k}": partial(method, None) for k, method in methods.items()},
        candidates=fit_or_inversions(1, list(methods.values())),
        figure=fields_with_errors(("u", "k")),
    )

    def reference(p: Tensor) -> Tensor:
        return torch.cat([truth(p), known(p.double()).to(p)], -1)

    return Problem(
        terms, box, Grid(box, (size, size)), 2, reference=reference, suggested=suggested, average=1
    )


def _seen(measured: Sensors) -> Term:
    """The sensors as a term: misfits in units of their noise."""
    operator = Detector(_first) @ PointSamples(measured.points)
    return Term(operator, measured.values, fidelity.L2(), weight=1 / measured.noise**2)


def _first(values: Tensor) -> Tensor:
    return values[:, 0]


def _inverted(
    name: Literal["H1", "TV"],
    model: Diffusion,
    measured: Sensors,
    rows: Tensor | None,
    problem: Problem,
) -> Solution:
    if rows is not None:
        measured = measured.some(rows)
    return invert(model, measured, problem, name)


@cache
def _truth(name: str) -> SampledField:
    """The true u, on a fine mesh."""
    model = Diffusion(FINE, np.full((FINE + 1) ** 2, SOURCE))
    m = _coefficient(name, model.nodes.points(torch.float64)).log().reshape(-1).numpy()
    u = torch.from_numpy(model.solve(m)[0]).reshape(*model.nodes.shape, 1)
    return SampledField(u, model.nodes)


def _coefficient(name: str, p: Tensor) -> Tensor:
    """The true k at points (*s, 2)."""

    def distance(x: float, y: float) -> Tensor:
        return (p - p.new_tensor([x, y])).square().sum(-1, keepdim=True).sqrt()

    if name == "bumps":
        hill = torch.exp(-0.5 * (distance(0.3, 0.35) / 0.13) ** 2)
        dip = torch.exp(-0.5 * (distance(0.68, 0.62) / 0.16) ** 2)
        return torch.exp(1.1 * hill - 0.9 * dip)
    disc = torch.sigmoid((0.15 - distance(0.32, 0.38)) / 0.006)
    other = torch.sigmoid((0.13 - distance(0.68, 0.64)) / 0.006)
    return 1 + 2 * disc - 0.6 * other
