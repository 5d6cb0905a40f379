"""Gauss-Newton and variable projection: falling losses, states, refusals, what they may not see."""

import pytest
import torch
from cases.linear import F64, GRID, blocks, problem_of, random
from cases.solver import assert_same_run, through_disk

from inverse_inr import Problem, SampledField, Solver, Term, noise, optimizers, priors, solve
from inverse_inr.operators import ParallelBeam
from inverse_inr.regularizers import L1, Sobolev, TotalVariation
from inverse_inr.solver import fitted_to, split
from inverse_inr.stopping import HeldOut, Never

SECOND_ORDER = [
    optimizers.GaussNewton(),
    optimizers.VariableProjection(),
    optimizers.VariableProjection(optimizers.Adam(lr=1e-3)),
    optimizers.VariableProjection(optimizers.LBFGS(iterations=2)),
]


def solver(problem, optimizer, steps=6, regularizers=(), prior=None, stopping=None):
    if prior is None:
        prior = priors.siren(problem.box, width=16, depth=2, bandwidth=2.0).double()
    return Solver(
        problem,
        prior,
        optimizer=optimizer,
        steps=steps,
        regularizers=regularizers,
        stopping=stopping or Never(every=1),
    )


def loss_of(run):
    generator = torch.Generator().manual_seed(0)
    points = run.problem.box.random_points(64, dtype=F64, generator=generator)
    rows = [run.problem.terms[0].trusted]
    return float(run.objective(rows, points).detach().sum())


MODELS = [(noise.Gaussian(0.05), 0.1), (noise.StudentT(0.05), 0.8), (noise.Poisson(1000.0), 0.1)]
FALLING = [
    (optimizer, model, fraction)
    for optimizer in SECOND_ORDER
    for model, fraction in MODELS
    # Adam's steps do not ask whether the loss falls, and this one has many minima
    if not (isinstance(model, noise.StudentT) and "Adam" in str(optimizer))
]


@pytest.mark.parametrize(("optimizer", "model", "fraction"), FALLING, ids=str)
def test_the_loss_falls_with_every_noise_model(optimizer, model, fraction):
    problem = problem_of()
    clean = random(60, GRID.numel) @ blocks().reshape(-1)
    y = clean + 0.05 * random(60, seed=1)
    if isinstance(model, noise.Poisson):
        y = model.sample(0.1 * clean, torch.Generator().manual_seed(0))
    task = Problem([Term(problem.terms[0].operator, y, model)], GRID.box, GRID)
    run = solver(task, optimizer)
    before = loss_of(run)
    run.run()
    assert loss_of(run) < fraction * before


def of_the_user(field, points):
    return field(points).square().mean()


@pytest.mark.parametrize(
    "regularizer",
    [
        0.1 * Sobolev(),
        0.1 * TotalVariation(grid=GRID),
        0.1 * L1(),
        of_the_user,
    ],
    ids=["Sobolev", "TV", "L1", "of the user"],
)
def test_gauss_newton_never_raises_the_loss_of_a_regularized_fit(regularizer):
    problem = problem_of()
    run = solver(problem, "gauss-newton", steps=10, regularizers=[regularizer])
    before = loss_of(run)
    run.run()
    assert loss_of(run) < before


def test_a_quadratic_penalty_is_minimised_exactly():
    """Grid, least squares and a Sobolev penalty on the grid: the normal equations."""
    from cases.linear import dense

    from inverse_inr.derivatives import grid_gradient
    from inverse_inr.domain import Box, Grid

    grid = Grid(Box((0, 0), (2.5, 3)), (5, 6))
    matrix = random(60, grid.numel)
    y = matrix @ blocks(grid).reshape(-1) + 0.05 * random(60, seed=1)
    problem = Problem([Term(dense(matrix, grid), y, noise.Gaussian(0.05))], grid.box, grid)
    weight = 3.0
    prior = priors.grid(grid.box, cells=6).double()
    run = solver(
        problem,
        optimizers.VariableProjection(iterations=200, tolerance=1e-10),
        steps=1,
        regularizers=[weight * Sobolev(grid=grid)],
        prior=prior,
    )
    found = run.run().sample().reshape(-1)
    units = torch.eye(grid.numel, dtype=F64).reshape(grid.numel, *grid.shape, 1)
    slopes = torch.stack([grid_gradient(u, grid.spacing).flatten() for u in units], 1)
    left = matrix.T @ matrix / 0.05**2 / 60 + 2 * weight / grid.numel * slopes.T @ slopes
    expected = torch.linalg.solve(left, matrix.T @ y / 0.05**2 / 60)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", SECOND_ORDER, ids=str)
def test_runs_resume_exactly(optimizer):
    problem = problem_of()
    whole, half, rest = (solver(problem, optimizer, stopping=HeldOut(every=2)) for _ in range(3))
    whole.run()
    half.run(3)
    rest.load_state_dict(through_disk(half))
    rest.run()
    assert_same_run(whole, rest)


def test_what_an_operator_learns_is_learnt_too(problem):
    """The centre of rotation, whose curvature is another one than the image's."""
    beam = problem.terms[0].operator
    shifted = ParallelBeam(
        problem.box, beam.angles, beam.shape[1], center=torch.nn.Parameter(torch.tensor(0.0))
    )
    term = Term(shifted, problem.terms[0].y, problem.terms[0].fidelity)
    task = Problem([term], problem.box, problem.grid)
    prior = priors.grid(problem.box, cells=8)
    run = solver(task, "gauss-newton", steps=2, prior=prior)
    run.run()
    assert run.objective.operators[0].center.item() != 0.0


def test_a_plain_loss_cannot_be_linearised():
    prior = priors.siren(GRID.box, width=4, depth=1)
    groups = optimizers.parameter_groups(prior, [], 1e-3, split_linear=True)
    for optimizer in (optimizers.GaussNewton(), optimizers.VariableProjection()):
        with pytest.raises(TypeError, match="needs an evaluation that can be linearised"):
            optimizer.build(groups).step(lambda: torch.zeros(()), 0.0)


def test_a_head_that_is_not_linear_is_refused_by_variable_projection():
    prior = priors.grid(GRID.box, cells=6, head="softplus").double()
    with pytest.raises(ValueError, match="no parameter of this prior is known to enter linearly"):
        solver(problem_of(), "variable-projection", prior=prior)


@pytest.mark.parametrize("name", ["gauss-newton", "variable-projection"])
def test_a_learning_rate_is_refused_where_there_is_none(name):
    with pytest.raises(ValueError, match="has no learning rate"):
        solve(problem_of(), "grid", optimizer=name, lr=0.1, callbacks=())


# --- starts and splits ---------------------------------------------------------------------------


def distance(a, b):
    return float(torch.linalg.vector_norm(a - b) / torch.linalg.vector_norm(b))


@pytest.mark.parametrize("of", ["solution", "function", "image", "field"])
def test_a_prior_starts_from_an_image(of):
    image = SampledField(blocks(), GRID)
    done = solve(
        problem_of(),
        priors.grid(GRID.box, cells=6).double(),
        optimizer="gauss-newton",
        steps=5,
        regularizers=[],
        callbacks=(),
    )
    sources = {"solution": done, "function": lambda: done, "image": image, "field": image}
    grid = GRID if of == "field" else None
    prior = priors.siren(GRID.box, width=64, depth=2, bandwidth=3.0)
    fitted_to(sources[of], grid, steps=300)(prior)
    wanted = done.sample() if of in ("solution", "function") else blocks()
    assert distance(prior.sample(GRID).detach().double(), wanted) < 0.1


def test_a_complex_prior_starts_from_a_real_image():
    prior = priors.grid(GRID.box, cells=6, head="complex")
    fitted_to(SampledField(blocks(), GRID), optimizer="variable-projection", steps=1)(prior)
    seen = prior.sample(GRID).detach()
    assert seen.is_complex()
    assert float(seen.imag.abs().max()) < 1e-4


def test_a_field_without_a_lattice_is_refused_as_a_start():
    with pytest.raises(ValueError, match=r"pass grid=problem\.grid"):
        fitted_to(lambda points: points[..., :1])


def test_a_split_of_a_network_is_judged_by_held_out_rows():
    problem = problem_of(rows=120)
    prior = priors.siren(GRID.box, width=64, depth=2, bandwidth=3.0).double()
    solution = split(problem, prior, rounds=30, steps=20, regularizers=[], stopping=HeldOut())
    assert len(solution.history) == 30
    assert solution.method == "siren (split)"
    assert solution.held_out() == pytest.approx(
        min(r["held-out"] for r in solution.history), rel=1e-3
    )
    assert distance(solution.sample().double(), blocks()) < 0.2


def test_a_split_refuses_operators_that_learn(problem):
    beam = problem.terms[0].operator
    learning = ParallelBeam(
        problem.box, beam.angles, beam.shape[1], center=torch.nn.Parameter(torch.tensor(0.0))
    )
    term = Term(learning, problem.terms[0].y, problem.terms[0].fidelity)
    with pytest.raises(ValueError, match="learns, which needs solve"):
        split(Problem([term], problem.box, problem.grid), "grid")
