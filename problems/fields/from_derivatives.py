"""Fields from their derivatives: boundary-value problems with known solutions, and images from gradients.

    minimise over θ:  |pde(f_θ) - s|² inside  +  weight |f_θ - g|² on the boundary

Derivatives are the prior's own, exact, at any point; no mesh is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Grid,
    OnGrid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    fidelity,
)
from inverse_inr.operators import (
    Gradient,
    Jet,
    Mask,
    NormalDerivative,
    PointSamples,
    Residual,
    box_boundary,
)
from inverse_inr.problems.fields.differences import (
    Equation,
    finite_differences,
    poisson_solve,
    spline_gradient,
)
from inverse_inr.problems.images import load_image, load_mask, row_of, write_picture
from inverse_inr.registry import nearest
from inverse_inr.stopping import Never

EquationName = Literal["poisson", "helmholtz", "heat", "wave"]


def boundary_value(
    equation: EquationName = "poisson",
    *,
    waves: float = 1.5,
    source: str | None = None,
    size: int = 64,
    inside: int = 2048,
    around: int = 512,
    weight: float | None = None,
    seed: int = 0,
) -> Problem:
    """A boundary-value problem on the unit square, by default with a known solution.

    equation  "poisson" -Δu = s; "helmholtz" Δu + (2π waves)² u = s, both with values all around; "heat"
              ∂u/∂t - ∂²u/∂x² / 10 = s and "wave" ∂²u/∂t² - ∂²u/∂x² = s with x axis 0 and t axis 1, with values at both
              ends and at t = 0, and of "wave" the velocity there
    source    for "poisson": an image file (or an example's name) as s on the square, u = 0 all around
    inside, around  points that carry the equation (a Sobol set) and the boundary values (random)
    weight    of the boundary, relative to the equation's mean squared right-hand side; default 100, of Helmholtz 3:
              its solutions do not decay away from the boundary, and a heavy one hides the equation
    Raises ValueError for an unknown equation, or a source for another than "poisson".
    """
    box = Box((0.0, 0.0), (1.0, 1.0))
    helmholtz = equation == "helmholtz"
    weight = (3.0 if helmholtz else 100.0) if weight is None else weight
    case = _case(equation, waves) if source is None else _of_image(equation, source, box)
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
        Term(Residual(case.pde, points), right.float(), fidelity.L2(), weight=unit),
        Term(PointSamples(rim), case.known(rim)[:, 0].float(), fidelity.L2(), weight=weight),
    ]
    if case.marches == 2:
        start, normals = box_boundary(box, around, faces=[(1, 0)], seed=seed + 1)
        velocity = -Jet(case.known, start).d(1).detach()[:, 0]
        terms.append(
            Term(
                NormalDerivative(start, normals),
                velocity.float(),
                fidelity.L2(),
                weight=weight / 40,
            )
        )
    suggested = Suggestion(
        prior="siren",
        options={"omega0": 4.0 + 8 / 3 * waves * helmholtz, "width": 48, "depth": 3},
        steps=100,
        optimizer="lbfgs",
        stopping=Never(every=50),
        baselines={"finite differences": lambda p: finite_differences(case, p)},
    )
    return Problem(
        terms,
        box,
        Grid(box, (size, size)),
        reference=case.known if source is None else None,
        suggested=suggested,
        average=1,
    )


def _case(equation: str, waves: float) -> Equation:
    """The four equations, each with a field that solves it and separates in no coordinates of the box."""
    pi = math.pi

    def mixed(p: Tensor) -> Tensor:
        x, y = p[..., :1], p[..., 1:]
        return torch.exp(-x) * torch.sin(3 * y + 1) + x * y**2

    def plane_waves(p: Tensor) -> Tensor:
        k = 2 * pi * waves
        along = [p @ p.new_tensor([math.cos(a), math.sin(a)]) for a in (0.4, 1.9)]
        return (torch.sin(k * along[0]) + 0.5 * torch.cos(k * along[1]))[..., None]

    def cooling(p: Tensor) -> Tensor:
        x, t = p[..., :1], p[..., 1:]
        return torch.exp(-0.1 * pi**2 * t) * torch.sin(pi * x) + 0.5 * torch.exp(
            -0.9 * pi**2 * t
        ) * torch.sin(3 * pi * x)

    def string(p: Tensor) -> Tensor:
        x, t = p[..., :1], p[..., 1:]
        return torch.sin(pi * x) * torch.cos(pi * t) + 0.5 * torch.sin(2 * pi * x) * torch.sin(
            2 * pi * t
        )

    ends = [(0, 0), (0, 1), (1, 0)]
    cases = {
        "poisson": Equation((-1.0, -1.0, 0.0, 0.0), mixed),
        "helmholtz": Equation((1.0, 1.0, 0.0, (2 * pi * waves) ** 2), plane_waves),
        "heat": Equation((-0.1, 0.0, 1.0, 0.0), cooling, faces=ends, marches=1),
        "wave": Equation((-1.0, 1.0, 0.0, 0.0), string, faces=ends, marches=2),
    }
    if equation not in cases:
        raise ValueError(
            f"boundary_value: unknown equation {equation!r}. {nearest(equation, cases)}"
        )
    return cases[equation]


def _of_image(equation: str, source: str, box: Box) -> Equation:
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


# --- images from gradients ------------------------------------------------------------------------------------------


def poisson_edit(
    image: str = "coffee",
    *,
    source: str | None = "cat",
    mask: str | None = None,
    radius: float = 0.3,
    mixed: bool = True,
    slice: int | None = None,
    bin: int = 1,
    crop: int | None = None,
    source_bin: int | None = None,
) -> Problem:
    """Poisson image editing (Perez, Gangnet & Blake 2003): `source`'s gradients inside a region of `image`.

    source      an image as large as `image` after bin and crop; None: `image` itself, recovered from its gradient alone
    mask        an image file, white where the source goes; default an ellipse of `radius` times the sides
    mixed       inside, keep the image's own gradient where it is the steeper of the two
    source_bin  bin of the source, where its resolution differs (default: `bin`)

    Solved by L-BFGS: Adam is slow to find the shading.
    Gradients are those of the cubic spline through the pixels, at pixel centres. Without a source nothing fixes the
    constant but the mean of a coarse lattice of points.
    Raises ValueError for sizes or channels that differ, a region that is empty or everything.
    """
    values, grid = load_image(image, slice=slice, bin=bin, crop=crop)
    own = spline_gradient(values, grid)
    if source is None:
        return _from_gradient(values, own, grid)
    pasted = load_image(source, slice=slice, bin=source_bin or bin, crop=crop)[0]
    if pasted.shape != values.shape:
        raise ValueError(
            f"poisson_edit: {image} has shape {tuple(values.shape)} and {source} {tuple(pasted.shape)}; "
            "bring both to one size with bin, source_bin and crop."
        )
    region = _region(mask, radius, grid, bin, crop)
    wanted = spline_gradient(pasted, grid)
    if mixed:
        steeper = own.square().sum((-2, -1)) > wanted.square().sum((-2, -1))
        wanted = torch.where(steeper[..., None, None], own, wanted)
    inside, kept = Gradient(grid.points(torch.float64)[region]), Mask(~region, grid)
    terms = [
        _gradient_term(inside, wanted[region]),
        Term(kept, _channels(values[~region]), fidelity.L2()),
    ]
    naive = torch.where(region[..., None], pasted, values)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, wanted, values), naive),
    )


def _from_gradient(values: Tensor, own: Tensor, grid: Grid) -> Problem:
    everywhere = Gradient(grid.points(torch.float64).reshape(-1, 2))
    coarse = Grid(grid.box, tuple(min(16, n) for n in grid.shape))
    truth = SampledField(values, grid)
    anchor = OnGrid(lambda v: v.reshape(coarse.numel, -1).mean(0)[None], coarse, (1,))
    mean = truth(coarse.points()).reshape(coarse.numel, -1).mean(0)
    terms = [_gradient_term(everywhere, own.flatten(0, 1)), Term(anchor, mean[None], fidelity.L2())]
    region = torch.ones(grid.shape, dtype=torch.bool)
    return Problem(
        terms,
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        suggested=_editing(lambda p: poisson_solve(p, region, own, values), None),
    )


def _gradient_term(operator: Gradient, wanted: Tensor) -> Term:
    """Slopes in units of a pixel weigh as values do: (n, c, 2), or (n, 2) of one channel."""
    return Term(operator, wanted[:, 0] if wanted.shape[1] == 1 else wanted, fidelity.L2())


def _channels(values: Tensor) -> Tensor:
    return values[:, 0] if values.shape[-1] == 1 else values


def _region(mask: str | None, radius: float, grid: Grid, bin: int, crop: int | None) -> Tensor:
    if mask is None:
        u = (grid.points() - torch.tensor(grid.box.center)) / torch.tensor(grid.box.lengths)
        region = torch.linalg.vector_norm(u, dim=-1) <= radius
    else:
        region = load_mask(mask, grid, bin, crop)
    if not region.any() or region.all():
        raise ValueError(
            f"poisson_edit: the region holds {int(region.sum())} of {region.numel()} pixels."
        )
    return region


def _editing(baseline: Any, naive: Tensor | None) -> Suggestion:
    def figure(problem: Problem, solutions: Sequence[Solution]) -> Any:
        pictures = [] if naive is None else [("pasted", naive)]
        if problem.reference is not None:
            assert isinstance(problem.reference, SampledField)
            pictures.append(("truth", problem.reference.values))
        return row_of(pictures + [(s.method, s.sample()) for s in solutions])

    return Suggestion(
        prior="grid",
        options={"order": 3},
        steps=60,
        optimizer="lbfgs",
        stopping=Never(every=50),
        figure=figure,
        baselines={"sparse Poisson solver": baseline},
        write=write_picture,
    )
