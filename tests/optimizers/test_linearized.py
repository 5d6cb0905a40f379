"""The linearised objective: its products, its curvatures, and the quadratics of regularizers."""

import pytest
import torch
from cases.calls.components import SMALL
from cases.linear import F64, GRID, problem_of, random

from inverse_inr import Box, fidelity, noise, optimizers, priors, regularizers
from inverse_inr.kernels.conjugate_gradients import conjugate_gradients, inner
from inverse_inr.solver.linearization import linearized
from inverse_inr.solver.objective import Objective

BOX = Box((-1.0, -1.0), (1.0, 1.0))
POINTS = BOX.random_points(40, generator=torch.Generator().manual_seed(0)).double()


def test_conjugate_gradients_solve_a_system_in_parts():
    root = random(12, 12, dtype=torch.complex128)
    matrix = root.mH @ root + torch.eye(12)
    right = random(12, seed=1, dtype=torch.complex128)

    def product(v):
        return list((matrix @ torch.cat(v)).split(5))

    found = conjugate_gradients(product, list(right.split(5)), iterations=40)
    expected = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(torch.cat(found.x), expected, rtol=1e-6, atol=1e-8)
    again = conjugate_gradients(
        product, list(right.split(5)), iterations=40, tolerance=1e-6, start=found.x
    )
    assert again.iterations == 0


def test_conjugate_gradients_end_where_there_is_no_curvature():
    found = conjugate_gradients(lambda v: [0 * v[0]], [torch.ones(3)], iterations=5)
    assert found.iterations == 1
    assert inner(found.x, found.x) == 0


@pytest.mark.parametrize("name", ["siren", "hash", "gaussian_mixture", "separable"])
@pytest.mark.parametrize("chunk", [None, 13])
def test_products_are_those_of_the_dense_derivative(name, chunk):
    """With chunks, which are computed again in the backward pass, as without."""
    small = {"hash": {"levels": 2, "log2_table": 4}, "gaussian_mixture": {"count": 5, "width": 0.5}}
    options = small.get(name, {"width": 4})
    if name == "separable":
        options = {"rank": 3, "width": 4}
    prior = priors.create(name, BOX, 1, bandwidth=4.0, **options).double()
    parameters = list(prior.parameters())
    from inverse_inr import evaluate

    out = evaluate(prior, POINTS, chunk)
    weight = torch.linspace(1, 2, len(out), dtype=F64)[:, None]
    found = optimizers.Linearized(out.square().sum(), [out], [weight])
    curvature = optimizers.Curvature(found, parameters)
    plain = prior(POINTS)
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(v, parameters, retain_graph=True)])
        for v in plain[:, 0]
    ]
    jacobian = torch.stack(rows)
    direction = [random(*p.shape, seed=k) for k, p in enumerate(parameters)]
    flat = torch.cat([d.flatten() for d in direction])
    pushed = curvature.push(direction)[0][:, 0]
    torch.testing.assert_close(pushed, jacobian @ flat)
    product = torch.cat([v.flatten() for v in curvature(direction)])
    torch.testing.assert_close(product, jacobian.T @ (weight[:, 0] * (jacobian @ flat)))
    diagonal = curvature.diagonal(60, torch.Generator().manual_seed(0))
    expected = (weight * jacobian.square()).sum(0)
    close = torch.cat([d.flatten() for d in diagonal]).sum() / expected.sum()
    assert float(close) == pytest.approx(1, abs=0.25)


Y = torch.tensor([0.5, 2.0, -1.0, 3.0], dtype=F64)
P = torch.tensor([0.7, 1.0, 0.5, 3.2], dtype=F64)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (fidelity.L2(), torch.ones(4)),
        (noise.Gaussian(torch.tensor([1.0, 2.0, 4.0, 0.5])), torch.tensor([1, 0.25, 1 / 16, 4.0])),
        (fidelity.L1(), 1 / (P - Y).abs()),
        (fidelity.Huber(0.3), torch.tensor([1, 0.3, 0.2, 1.0])),
        (noise.StudentT(2.0, 3.0), 1.0 / (1 + ((P - Y) / 2).square() / 3) / 3),
    ],
    ids=lambda v: type(v).__name__,
)
def test_curvatures_are_those_of_the_quadratic_that_touches(model, expected):
    found = 4 * fidelity.curvature(model, P, Y)
    torch.testing.assert_close(found, expected.to(F64), rtol=0.02, atol=1e-6)


def test_curvatures_of_counts_lie_between_rate_and_count():
    model = noise.Poisson(100.0)
    p = torch.tensor([0.5, 1.0, 2.0, 2.0], dtype=F64)
    y = torch.tensor([70.0, 20.0, 13.0, 0.0], dtype=F64)
    rate = model.rate(p)
    found = 4 * fidelity.curvature(model, p, y)
    low, high = torch.minimum(rate, y), torch.maximum(rate, y)
    assert bool((found[:3] >= low[:3]).all())
    assert bool((found <= high + 1).all())
    assert bool((found > 0).all())


@pytest.mark.parametrize("dtype", [F64, torch.complex128])
@pytest.mark.parametrize(
    "regularizer",
    [
        regularizers.Sobolev(grid=GRID),
        regularizers.Sobolev(grid=GRID, order=2),
        regularizers.Sobolev(grid=GRID, joint=True),
        regularizers.TotalVariation(grid=GRID, epsilon=0.3),
        regularizers.TotalVariation(grid=GRID, joint=True, epsilon=0.3),
        regularizers.EdgePreserving(grid=GRID, delta=0.5),
        regularizers.L1(grid=GRID),
    ],
    ids=str,
)
def test_the_quadratic_of_a_regularizer_has_its_slope(regularizer, dtype):
    from inverse_inr import SampledField

    image = random(*GRID.shape, 2, dtype=dtype).requires_grad_()
    field = SampledField(image, GRID)
    points = GRID.points(F64).reshape(-1, 2)
    slope = torch.autograd.grad(regularizer(field, points), image)[0]
    pairs = regularizer.residuals(field, points)
    quadratic = sum((0.5 * w * v.abs().square()).sum() for v, w in pairs)
    found = torch.autograd.grad(quadratic, image)[0]
    far = torch.linalg.vector_norm(found - slope) / torch.linalg.vector_norm(slope)
    assert float(far) < 0.05  # smallest slopes are rounded
    assert all(bool((w > 0).all()) and w.shape == v.shape for v, w in pairs)


def test_parts_of_the_loss_are_those_of_the_objective():
    problem = problem_of(fidelity=noise.Gaussian(0.05))
    prior = priors.siren(problem.box, width=4, depth=1).double()
    both = 0.1 * regularizers.Sobolev() + 0.01 * regularizers.WeightDecay()
    objective = Objective(prior, problem.terms, [both])
    rows, points = [problem.terms[0].trusted], problem.box.random_points(9, dtype=F64)
    parts, found = linearized(objective, rows, points)
    torch.testing.assert_close(parts, objective(rows, points))
    assert len(found.outputs) == 2 + len(list(prior.parameters()))
    assert float(found.loss.detach()) == pytest.approx(float(parts.detach().sum()))


def test_correlated_noise_is_whitened():
    y = random(20, 3)
    root = random(3, 3, seed=2)
    covariance = root @ root.T + torch.eye(3)
    from cases.linear import dense

    from inverse_inr import Problem, Term

    matrix = random(60, GRID.numel)
    operator = dense(matrix)
    operator.map = lambda v, inner=operator.map: inner(v).reshape(20, 3)
    operator.shape, operator.trailing = (20,), 1
    term = Term(operator, y, noise.Gaussian(0.5, covariance))
    problem = Problem([term], GRID.box, GRID)
    prior = priors.grid(GRID.box, cells=6).double()
    objective = Objective(prior, problem.terms, [])
    with torch.no_grad():
        prior.encoding.table.copy_(random(*prior.encoding.table.shape, seed=7))
    _, found = linearized(objective, [term.trusted], torch.zeros(0))
    # with a linear prior the loss is its quadratic: the slope along δ grows by δ·B δ
    table = [prior.encoding.table]
    slope = torch.autograd.grad(found.loss, table, retain_graph=True)
    bent = optimizers.Curvature(found, table)
    step = [random(*table[0].shape, seed=8)]
    expected = bent(step)[0]
    with torch.no_grad():
        table[0] += step[0]
    _, after = linearized(objective, [term.trusted], torch.zeros(0))
    torch.testing.assert_close(torch.autograd.grad(after.loss, table)[0] - slope[0], expected)


WITHOUT = {
    *("acorn", "bacon", "cosmo", "fourier_net", "gabor_net"),
    *("incode", "miner", "offset", "phased", "sl2a", "tensor"),
    *("nerv", "hnerv", "hinerv", "deformed"),
}
"""Priors that name no parameters in which they are linear."""


@pytest.mark.parametrize("name", priors.names())
def test_linear_parameters_are_linear(name):
    prior = priors.create(name, BOX, 2, bandwidth=4.0, **SMALL.get(name, {}))
    linear = priors.linear_parameters(prior.eval())
    assert bool(linear) == (name not in WITHOUT)
    if not linear:
        return
    points = POINTS.to(linear[0].dtype.to_real())
    start = [p.detach().clone() for p in linear]
    step = [0.1 * torch.randn_like(p) for p in linear]
    seen = []
    with torch.no_grad():
        for length in (0.0, 1.0, 2.0):
            for p, s, d in zip(linear, start, step, strict=True):
                p.copy_(s + length * d)
            seen.append(prior(points))
    moved = (seen[1] - seen[0]).abs().max()
    assert float(moved) > 0
    torch.testing.assert_close(seen[2] - seen[1], seen[1] - seen[0], rtol=1e-3, atol=1e-3 * moved)


@pytest.mark.parametrize("name", ["grid", "siren", "hash", "separable"])
def test_the_usual_priors_have_linear_parameters(name):
    assert priors.linear_parameters(priors.create(name, BOX, 1, bandwidth=4.0))
    positive = priors.create(name, BOX, 1, bandwidth=4.0, head="softplus")
    assert priors.linear_parameters(positive) == []
