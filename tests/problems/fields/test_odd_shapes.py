"""Boundary values on curved regions: second order in closed form, exact values, decisions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import predict, priors, solve
from inverse_inr.priors.means import HardBoundary
from inverse_inr.problems.fields import Curve, Region, odd_shape
from inverse_inr.problems.fields.differences import Equation
from inverse_inr.problems.fields.extensions import between_rims, zero_on_rims
from inverse_inr.problems.fields.known_solutions import mixed
from inverse_inr.problems.fields.local_polynomials import slope_weights, value_weights
from inverse_inr.problems.fields.regions import FLOWER
from inverse_inr.problems.fields.shortley_weller import shortley_weller
from inverse_inr.solver import Solver

PROBLEM = odd_shape(size=16, inside=64, around=32)
POISSON = (-1.0, -1.0, 0.0, 0.0)
FEW = odd_shape(size=16, inside=256, around=128, boundary="exact")


def error_of(case: Equation, region: Region, neumann: list[int], cells: int) -> float:
    solution = shortley_weller(case, region, neumann, PROBLEM, cells)
    points = region.inside(500, seed=7)
    truth = case.known(points)
    return float((solution.field(points) - truth).norm() / truth.norm())


def parabola(p: Tensor) -> Tensor:
    x, y = p[..., :1], p[..., 1:]
    return 1 + x - 2 * y + x * x + 0.5 * y * y + x * y


@pytest.mark.parametrize("neumann", [[], [1, 2, 3]])
def test_differences_are_exact_for_a_parabola(neumann):
    """Shortley and Weller's stencils, and parabolas at the rims, make no error of second degree."""
    assert error_of(Equation(POISSON, parabola), FLOWER, neumann, 24) < 1e-10


@pytest.mark.parametrize("neumann", [[], [1]])
def test_differences_are_of_second_order_up_to_a_curved_rim(neumann):
    ring = Region(Curve((0.0, 0.0), 1.0, {3: (0.1, 0.0)}), (Curve((0.2, 0.1), 0.35),))
    coarse, fine = (error_of(Equation(POISSON, mixed), ring, neumann, n) for n in (24, 48))
    assert coarse < 5e-3
    assert fine < coarse / 3


@pytest.mark.parametrize("degree", [2, 3])
def test_local_polynomials_reproduce_their_degree(degree):
    generator = torch.Generator().manual_seed(0)
    nodes = torch.rand(200, 2, generator=generator, dtype=torch.float64)
    places = torch.rand(20, 2, generator=generator, dtype=torch.float64)
    x, y = nodes.unbind(-1)
    heights = (x**degree - 2 * x * y ** (degree - 1) + y).numpy()
    px, py = places.unbind(-1)
    near, weights = value_weights(nodes.numpy(), places.numpy(), degree)
    expected = px**degree - 2 * px * py ** (degree - 1) + py
    assert torch.allclose(torch.from_numpy((heights[near] * weights).sum(-1)), expected, atol=1e-9)


def test_slopes_of_a_parabola_through_a_place_on_the_rim():
    generator = torch.Generator().manual_seed(0)
    nodes = torch.rand(200, 2, generator=generator, dtype=torch.float64)
    places = torch.tensor([[0.0, 0.5], [0.4, 0.0]], dtype=torch.float64)
    directions = torch.tensor([[0.6, 0.8], [1.0, 0.0]], dtype=torch.float64)
    near, weights = slope_weights(nodes.numpy(), places.numpy(), directions.numpy())
    values, at = parabola(nodes)[:, 0].numpy(), parabola(places)[:, 0].numpy()
    slopes = (weights * (values[near] - at[:, None])).sum(-1)
    x, y = places.unbind(-1)
    gradient = torch.stack([1 + 2 * x + y, -2 + y + x], -1)
    assert torch.allclose(torch.from_numpy(slopes), (gradient * directions).sum(-1), atol=1e-9)


@pytest.mark.parametrize("curves", [[0], [0, 1, 2, 3], [1, 3]])
def test_a_field_has_the_values_on_the_rims(curves):
    prior = priors.create("siren", FLOWER.box, width=16, depth=2).double()
    zero, values = zero_on_rims(FLOWER, curves), between_rims(FLOWER, mixed, curves)
    rim, _ = FLOWER.rim(100, curves)
    assert torch.allclose(HardBoundary(prior, zero, values)(rim), mixed(rim), atol=1e-12)
    inside = FLOWER.inside(500)
    assert bool((zero(inside) > 0).all())
    # the middle of the outer curve, where its rays meet, is as smooth as second derivatives need
    assert float(values(torch.zeros(1, 2, dtype=torch.float64)).detach().abs()) < 10


def test_errors_count_inside_only_and_the_figure_leaves_the_outside_white():
    solution = PROBLEM.suggested.baselines["finite differences"](PROBLEM)
    assert solution.metrics()["relative error"] < 1e-3
    assert PROBLEM.suggested.figure is not None
    figure = PROBLEM.suggested.figure(PROBLEM, [solution])
    assert figure is not None
    shown: list[Any] = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    outside = ~FLOWER.contains(PROBLEM.grid.points())
    for image in shown:
        masked = np.ma.getmaskarray(np.ma.masked_invalid(image))
        assert bool((masked == outside.numpy()).all())


@pytest.mark.slow
def test_a_fit_on_a_flower_has_exact_values_and_solves_the_equation():
    fit = Solver(FEW, steps=6).run()
    term = FEW.terms[1]
    assert torch.allclose(predict(term.operator, fit.field).double(), term.y, atol=1e-5)
    assert fit.metrics()["relative error"] < 0.1


@pytest.mark.slow
def test_what_differences_solve_better_is_answered_by_differences():
    """A fit of one step is worse, and the answer says who judged."""
    short = replace(FEW, suggested=replace(FEW.suggested, steps=1))
    answer = solve(short)
    assert answer.method == "finite differences"
    assert "twice as fine" in answer.details["judged by"]
    assert answer.metrics()["relative error"] < 1e-3


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="unknown shape"):
        odd_shape("flowr")


@pytest.mark.parametrize("curves", [[0], [2]])
def test_zero_on_a_rim_has_slope_one_there(curves):
    rim, normals = FLOWER.rim(60, curves)
    step = 1e-5
    slopes = zero_on_rims(FLOWER, curves)(rim - step * normals) / step
    assert torch.allclose(slopes, torch.ones_like(slopes), atol=1e-3)
