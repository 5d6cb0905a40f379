"""Boundary values on regions with curved rims and holes: no mesh, but points inside and on rims.

minimise over θ:  |pde(f_θ) - s|² inside  +  weight |f_θ - g|² or |n·∇f_θ - h|² on the rims
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from inverse_inr import Grid, Problem, Suggestion, Term, fidelity, memory
from inverse_inr.operators import Jet, NormalDerivative, PointSamples, Residual
from inverse_inr.priors.means import HardBoundary
from inverse_inr.problems.fields.extensions import between_rims, zero_on_rims
from inverse_inr.problems.fields.figures import fields_with_errors
from inverse_inr.problems.fields.from_derivatives import BOUNDARY_WEIGHT, equation_named, frequency
from inverse_inr.problems.fields.judging import fit_or_differences
from inverse_inr.problems.fields.regions import SHAPES, Region
from inverse_inr.problems.fields.shortley_weller import CELLS, shortley_weller
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.registry import nearest
from inverse_inr.stopping import Never


@checked
def odd_shape(
    shape: str | Region = "flower",
    *,
    equation: Literal["poisson", "helmholtz"] = "poisson",
    holes: Literal["values", "slopes"] = "slopes",
    boundary: Literal["exact", "fitted"] = "fitted",
    waves: Positive = 1.5,
    size: Count = 96,
    inside: Count = 2048,
    around: Count = 512,
    weight: Positive | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Solve Poisson's or Helmholtz's equation with a known solution on a region with holes.

    The equations are those of `boundary_value`. Beside the fit stand finite differences with the
    stencils of Shortley and Weller, of second order up to the curved rims. Errors count inside
    only.

    Args:
        shape: "flower" (five petals, three holes), "annulus" or "kidney", or any `Region`.
        equation: The equation, by name.
        holes: What is known on the rims of holes: the "values" (Dirichlet) or the "slopes" along
            the normal (Neumann). On the outer rim values are known.
        boundary: "exact" for a field that has the values on the rims by construction
            (`HardBoundary`), "fitted" for values that weigh against the equation. Slopes are
            always fitted.
        waves: Wavelengths per unit of length, for "helmholtz"; the regions are about 2 wide.
        size: Pixels along the longer side of the grid on which the solution is judged.
        inside: Points that carry the equation, of a Sobol sequence.
        around: Points on all rims together, evenly spread.
        weight: Weight of the rims, relative to the equation's mean squared right-hand side;
            default as in `boundary_value`.
        seed: Seed of the points.

    Returns:
        The problem, whose reference is NaN outside of the region.

    Raises:
        ValueError: There is no shape of this name.
    """
    memory.require(f"odd_shape: inside={inside}, around={around}", 64.0 * (inside + around))
    region = _region(shape)
    case = equation_named(equation, waves)
    if weight is None:
        weight = BOUNDARY_WEIGHT.get(equation, 100.0)
    neumann: tuple[int, ...] = ()
    if holes == "slopes":
        neumann = tuple(range(1, len(region.curves)))
    dirichlet = [k for k in range(len(region.curves)) if k not in neumann]
    box = region.box
    points = region.inside(inside, seed=seed)
    right = case.source(points)
    share = sum(region.curves[k].length for k in neumann) / sum(c.length for c in region.curves)
    many = max(len(neumann), round(share * around))
    rim, _ = region.rim(max(len(dirichlet), around - many), dirichlet, seed=seed)
    known = case.known(rim)[:, 0]
    unit = 1 / max(
        float(right.square().mean()), case.stiffness**2 * float(known.square().mean()), 1e-12
    )
    terms = [
        Term(Residual(case.pde, points), right, fidelity.L2(), weight=unit),
        Term(PointSamples(rim), known, fidelity.L2(), weight=weight),
    ]
    if neumann:
        wall, normals = region.rim(many, neumann, seed=seed + 1)
        slopes = (Jet(case.known, wall).gradient[:, 0].detach() * normals).sum(-1)
        operator = NormalDerivative(wall, normals)
        terms.append(Term(operator, slopes, fidelity.L2(), weight=weight / 10))
    start = None
    if boundary == "exact":
        start = partial(
            HardBoundary,
            zero=zero_on_rims(region, dirichlet),
            values=between_rims(region, case.known, dirichlet),
        )
    differences = partial(shortley_weller, case, region, neumann)
    places = region.inside(1000, seed=seed + 2)
    longest = max(box.lengths)
    pixels = tuple(max(1, round(size * n / longest)) for n in box.lengths)
    suggested = Suggestion(
        prior="siren",
        options={"omega0": frequency(equation, waves, longest), "width": 48, "depth": 3},
        steps=60,
        optimizer="lbfgs",
        stopping=Never(every=20),
        start=start,
        baselines={"finite differences": differences},
        candidates=fit_or_differences(differences, partial(differences, cells=2 * CELLS), places),
        figure=fields_with_errors(),
    )
    return Problem(
        terms,
        box,
        Grid(box, pixels),
        reference=region.known_inside(case.known),
        suggested=suggested,
        average=1,
    )


def _region(shape: str | Region) -> Region:
    if isinstance(shape, Region):
        return shape
    if shape not in SHAPES:
        raise ValueError(f"odd_shape: unknown shape {shape!r}. {nearest(shape, SHAPES)}")
    return SHAPES[shape]
