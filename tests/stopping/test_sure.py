"""Stein's estimate: against its closed form for linear methods, and as a stopping rule of fits."""

from dataclasses import replace

import pytest
import torch
from cases.linear import F64, GRID, blocks, dense, random
from cases.solver import assert_same_run, through_disk

from inverse_inr import Problem, SampledField, Solver, Term, noise, predict, priors
from inverse_inr.fidelity import L2
from inverse_inr.stopping import SURE, sure

ROWS = 50
SIGMA = 0.3


def tikhonov(matrix, weight):
    """The estimator (A'A + weight)⁻¹ A'y and its matrix of influence A (A'A + weight)⁻¹ A'."""
    inverse = torch.linalg.inv(matrix.mH @ matrix + weight * torch.eye(GRID.numel, dtype=F64))
    solve = inverse.to(matrix.dtype) @ matrix.mH

    def estimate(terms):
        x = solve @ terms[0].y.to(solve.dtype)
        return SampledField(x.reshape(*GRID.shape, 1), GRID)

    return estimate, matrix @ solve


@pytest.mark.parametrize("kind", [F64, torch.complex128])
def test_the_estimate_of_a_linear_method_is_the_closed_form(kind):
    matrix = random(ROWS, GRID.numel, dtype=kind)
    clean = matrix @ blocks().reshape(-1).to(kind)
    y = clean + SIGMA * random(ROWS, seed=1, dtype=kind)
    model = noise.ComplexGaussian(SIGMA) if kind.is_complex else noise.Gaussian(SIGMA)
    term = Term(dense(matrix), y, model)
    estimate, influence = tikhonov(matrix, 5.0)
    found = sure([term], estimate, probes=400, epsilon=0.1)
    residual = (y - influence @ y).abs().square().mean() / SIGMA**2
    closed = residual - 1 + 2 * influence.diagonal().real.sum() / ROWS
    assert found == pytest.approx(float(closed), abs=0.03)


def test_one_probe_is_exact_where_the_probe_is_known():
    """For a linear method the difference quotient is b'Hb, whatever the size of the step."""
    matrix = random(ROWS, GRID.numel)
    y = matrix @ blocks().reshape(-1) + SIGMA * random(ROWS, seed=1)
    term = Term(dense(matrix), y, noise.Gaussian(SIGMA))
    estimate, _ = tikhonov(matrix, 5.0)
    small, large = (sure([term], estimate, epsilon=e) for e in (1e-3, 1.0))
    assert small == pytest.approx(large, rel=1e-8)


def test_the_weight_of_least_estimate_has_nearly_the_least_risk():
    matrix = random(ROWS, GRID.numel)
    clean = matrix @ blocks().reshape(-1)
    y = clean + 3.0 * random(ROWS, seed=1)
    term = Term(dense(matrix), y, noise.Gaussian(3.0))
    weights = [10.0**k for k in (-1, 0, 0.5, 1, 1.5, 2, 2.5, 3)]
    estimates = [tikhonov(matrix, w)[0] for w in weights]
    found = [sure([term], e, probes=8) for e in estimates]
    risks = [
        float((predict(term.operator, e([term])) - clean).square().mean()) / 9 for e in estimates
    ]
    chosen = found.index(min(found))
    assert risks[chosen] < min(risks) + 0.1
    assert risks[0] > min(risks) + 0.2  # it matters


def denoising() -> Problem:
    from inverse_inr import Box, Grid, OnGrid

    grid = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (24, 24))
    x, z = grid.points().unbind(-1)
    image = torch.exp(-4 * (x.square() + z.square())).reshape(-1)
    y = image + 0.2 * random(grid.numel, seed=3, dtype=torch.float32)
    term = Term(OnGrid(lambda v: v, grid, grid.shape), y, noise.Gaussian(0.2))
    reference = SampledField(image.reshape(*grid.shape, 1), grid)
    return Problem([term], grid.box, grid, reference=reference)


def solver(problem, stopping, steps=150):
    return Solver(
        problem,
        priors.siren(problem.box, width=32, depth=2, bandwidth=24.0),
        steps=steps,
        regularizers=[],
        stopping=stopping,
    )


def test_a_fit_stopped_by_it_is_near_its_best_iterate():
    problem = denoising()
    run = solver(problem, SURE(every=10))
    truth = problem.reference.values.reshape(-1)
    risks, found = [], []
    for _ in range(15):
        run.run(10)
        seen = run.prior.sample(problem.grid).detach().reshape(-1)
        risks.append(float((seen - truth).square().mean()) / 0.2**2)
        found.append(run.history[-1]["SURE"])
    chosen = found.index(min(found))
    assert risks[chosen] < min(risks) + 0.05
    assert risks[-1] > min(risks) + 0.1  # the fit goes on to follow the noise
    assert run.best["step"] == 10 * (chosen + 1)
    error = torch.tensor(risks) - torch.tensor(found)
    assert error.abs().max() < 0.2


def test_a_run_with_a_twin_resumes(tmp_path):
    problem = denoising()
    whole, half = (solver(problem, SURE(every=5), steps=20) for _ in range(2))
    whole.run()
    half.run(10)
    resumed = solver(problem, SURE(every=5), steps=20)
    resumed.load_state_dict(through_disk(half))
    resumed.run()
    assert_same_run(whole, resumed)


def test_noise_that_is_not_gaussian_is_refused():
    problem = denoising()
    term = replace(problem.terms[0], fidelity=L2())
    with pytest.raises(ValueError, match="SURE needs Gaussian noise of known level"):
        SURE().split([term], 0)
    with pytest.raises(ValueError, match="not L2"):
        sure([term], lambda terms: problem.reference)
