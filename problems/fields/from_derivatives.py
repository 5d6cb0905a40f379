"""Fields from their derivatives: boundary-value problems, by default with known solutions.

    minimise over θ:  |pde(f_θ) - s|² inside  +  weight |f_θ - g|² on the boundary

Derivatives are the prior's own, exact, at any point; no mesh is made.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch

from inverse_inr import Box, Grid, Problem, SampledField, Suggestion, Term, fidelity, memory
from inverse_inr.operators import Jet, NormalDerivative, PointSamples, Residual, box_boundary
from inverse_inr.priors.means import HardBoundary, between_faces, zero_on_faces
from inverse_inr.problems.fields.differences import CELLS, Equation, finite_differences
from inverse_inr.problems.fields.figures import fields_with_errors
from inverse_inr.problems.fields.judging import fit_or_differences
from inverse_inr.problems.fields.known_solutions import cooling, mixed, plane_waves, string_modes
from inverse_inr.problems.images import load_image
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.registry import nearest
from inverse_inr.stopping import Never

EquationName = Literal["poisson", "helmholtz", "heat", "wave"]

BOUNDARY_WEIGHT = {"helmholtz": 3.0}
"""Default weight of the boundary where it is not 100, by equation."""


@checked
def boundary_value(
    equation: EquationName = "poisson",
    *,
    boundary: Literal["exact", "fitted"] = "exact",
    waves: Positive = 1.5,
    source: str | None = None,
    size: Count = 64,
    inside: Count = 2048,
    around: Count = 512,
    weight: Positive | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Solve a boundary-value problem on the unit square, by default one with a known solution.

    The equations are

        "poisson"     -Δu = s                     with values all around
        "helmholtz"   Δu + (2π waves)² u = s      with values all around
        "heat"        ∂u/∂t - ∂²u/∂x² / 10 = s    with values at both ends and at t = 0
        "wave"        ∂²u/∂t² - ∂²u/∂x² = s       with these values and the velocity at t = 0

    where x is axis 0 and t is axis 1.

    Args:
        equation: The equation, by name.
        boundary: "exact" for a field that has the boundary values by construction
            (`HardBoundary`), "fitted" for values that weigh against the equation. The velocity of
            a wave is always fitted.
        waves: Wavelengths per side of the square, for "helmholtz".
        source: For "poisson" only: an image file, or an example by name, as s on the square; then
            u = 0 all around.
        size: Pixels along each side of the grid on which the solution is judged.
        inside: Points that carry the equation, a Sobol set.
        around: Points that carry the boundary values, at random.
        weight: Weight of the boundary, relative to the equation's mean squared right-hand side.
            Default: 100, but 3 for "helmholtz", whose solutions do not decay away from the
            boundary, so that a heavy boundary hides the equation.
        seed: Seed of the points.

    Returns:
        The problem, with the known solution as its reference unless there is a `source`.

    Raises:
        ValueError: The equation is unknown, or a source is given for another than "poisson".
    """
    memory.require(f"boundary_value: inside={inside}, around={around}", 64.0 * (inside + around))
    box = Box((0.0, 0.0), (1.0, 1.0))
    if weight is None:
        weight = BOUNDARY_WEIGHT.get(equation, 100.0)
    figure = None
    if source is None:
        case = equation_named(equation, waves)
        reference = case.known
        figure = fields_with_errors()
    else:
        case = _of_image(equation, source, box)
        reference = None
    terms = _terms(case, box, inside, around, weight, seed)
    start = None
    if boundary == "exact":
        start = partial(
            HardBoundary,
            zero=zero_on_faces(box, case.faces),
            values=between_faces(box, case.known, case.faces),
        )
    differences = partial(finite_differences, case)
    places = box.random_points(
        1000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    suggested = Suggestion(
        prior="siren",
        options={"omega0": frequency(equation, waves, 1.0), "width": 48, "depth": 3},
        steps=60,
        optimizer="lbfgs",
        stopping=Never(every=20),
        start=start,
        baselines={"finite differences": differences},
        candidates=fit_or_differences(differences, partial(differences, cells=2 * CELLS), places),
        figure=figure,
    )
    return Problem(
        terms,
        box,
        Grid(box, (size, size)),
        reference=reference,
        suggested=suggested,
        average=1,
    )


def _terms(
    case: Equation, box: Box, inside: int, around: int, weight: float, seed: int
) -> list[Term]:
    """The equation inside, the values on the boundary, and of a wave the velocity at the start."""
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(
        inside, dtype=torch.float64
    )
    rim, _ = box_boundary(box, around, faces=case.faces, seed=seed)
    right = case.source(points)
    # both terms in units of their own data, so that weights are comparable
    unit = 1 / max(
        float(right.square().mean()),
        case.stiffness**2 * float(case.known(rim).square().mean()),
        1e-12,
    )
    terms = [
        Term(Residual(case.pde, points), right, fidelity.L2(), weight=unit),
        Term(PointSamples(rim), case.known(rim)[:, 0], fidelity.L2(), weight=weight),
    ]
    if case.marches == 2:
        start, normals = box_boundary(box, around, faces=[(1, 0)], seed=seed + 1)
        velocity = -Jet(case.known, start).d(1).detach()[:, 0]
        terms.append(
            Term(
                NormalDerivative(start, normals),
                velocity,
                fidelity.L2(),
                weight=weight / 40,
            )
        )
    return terms


def frequency(equation: str, waves: float, side: float) -> float:
    """Give the omega0 of a SIREN that suits an equation's known solution.

    Args:
        equation: The name.
        waves: Wavelengths per unit of length, for "helmholtz".
        side: The longest side of the box.
    """
    if equation == "helmholtz":
        return 4.0 + 8 / 3 * waves * side
    return 4.0


def equation_named(equation: str, waves: float) -> Equation:
    """Give an equation with a solution that does not separate in the box's coordinates.

    Args:
        equation: The name.
        waves: Wavelengths per unit of length, for "helmholtz".

    Raises:
        ValueError: The name is unknown.
    """
    ends = [(0, 0), (0, 1), (1, 0)]
    stiffness = (2 * math.pi * waves) ** 2
    cases = {
        "poisson": Equation((-1.0, -1.0, 0.0, 0.0), mixed),
        "helmholtz": Equation((1.0, 1.0, 0.0, stiffness), plane_waves(waves)),
        "heat": Equation((-0.1, 0.0, 1.0, 0.0), cooling, faces=ends, marches=1),
        "wave": Equation((-1.0, 1.0, 0.0, 0.0), string_modes, faces=ends, marches=2),
    }
    if equation not in cases:
        raise ValueError(
            f"boundary_value: unknown equation {equation!r}. {nearest(equation, cases)}"
        )
    return cases[equation]


def _of_image(equation: str, source: str, box: Box) -> Equation:
    """Poisson's equation with an image as its source, zero all around."""
    if equation != "poisson":
        raise ValueError(
            f"boundary_value: a source image belongs to 'poisson', not to {equation!r}."
        )
    values, grid = load_image(source)
    image = SampledField(values.mean(-1, keepdim=True).double(), Grid(box, grid.shape))
    return Equation(
        (-1.0, -1.0, 0.0, 0.0),
        lambda p: torch.zeros_like(p[..., :1]),
        given=lambda p: image(p)[..., 0],
    )
