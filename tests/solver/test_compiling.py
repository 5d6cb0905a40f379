"""`compile=True`: one graph, the values of an uncompiled fit, and what is refused."""

import pytest
import torch
from cases.solver import history, through_disk

from inverse_inr import Problem, Solver, optimizers, priors, regularizers, solve
from inverse_inr.command.config import Run
from inverse_inr.kernels.compiling import require_compilable
from inverse_inr.stopping import HeldOut

# torch's compiler uses what torch itself calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

OPTIONS = {"steps": 8, "batch": 16, "points": 32, "stopping": HeldOut(every=4)}
PENALTY = 1e-3 * regularizers.TotalVariation()
SMALL = {
    "grid": {"cells": 8.0},
    "hash": {"levels": 3, "coarsest": 4, "finest": 12, "log2_table": 8, "width": 8, "depth": 1},
    "planes": {"levels": 2, "width": 8, "depth": 1, "features": 2},
    "siren": {"width": 16, "depth": 2, "omega0": 5.0},
}


def made(problem: Problem, name: str, **keywords) -> Solver:
    prior = priors.create(name, problem.box, seed=0, **SMALL[name])
    return Solver(problem, prior, **{**OPTIONS, **keywords})


def breaks(solver: Solver) -> int:
    """Graph breaks of a training step's objective."""
    torch._dynamo.reset()
    solver.objective.train()
    rows = [schedule.at(0) for schedule in solver.schedules]
    return torch._dynamo.explain(solver.objective)(rows, solver._random_points()).graph_break_count


def test_an_objective_has_no_graph_break(problem: Problem) -> None:
    assert breaks(made(problem, "grid", regularizers=[])) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("lattice", [None, 1])
def test_objectives_have_no_graph_break(problem: Problem, name: str, lattice: int | None) -> None:
    assert breaks(made(problem, name, regularizers=[PENALTY], lattice=lattice)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "hash"])  # the compiler takes a minute for each
def test_a_compiled_fit_is_the_uncompiled_one_up_to_rounding(problem: Problem, name: str) -> None:
    fits = [made(problem, name, regularizers=[PENALTY], compile=c) for c in (False, True)]
    for fit in fits:
        fit.run()
    for plain, compiled in zip(*(history(fit) for fit in fits), strict=True):
        assert compiled == pytest.approx(plain, rel=1e-4)
    rows = [schedule.at(0) for schedule in fits[0].schedules]
    points = fits[0]._random_points()
    for fit in fits:  # the same parameters: one step's loss and gradient
        fit.objective.load_state_dict(fits[0].objective.state_dict())
        fit.objective.train()
        fit.optimizer.zero_grad()
        torch.manual_seed(0)
        fit._held.evaluate(rows, points).sum().backward()
    for a, b in zip(*(fit.objective.parameters() for fit in fits), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-5, atol=1e-5 * float(a.grad.abs().max()))


@pytest.mark.slow
def test_a_compiled_run_resumes_where_it_was(problem: Problem) -> None:
    whole = made(problem, "grid", regularizers=[PENALTY], compile=True)
    whole.run()
    first = made(problem, "grid", regularizers=[PENALTY], compile=True)
    first.run(4)
    second = made(problem, "grid", regularizers=[PENALTY], compile=True)
    second.load_state_dict(through_disk(first))
    second.run()
    for one, other in zip(history(whole), history(second), strict=True):
        assert other == pytest.approx(one, rel=1e-5)


def test_a_step_that_is_no_graph_is_refused_and_nothing_runs(problem: Problem) -> None:
    def printing(field, points):
        print(float(field(points).detach().mean()))  # reads a number: a break
        return field(points).square().mean()

    solver = made(problem, "grid", regularizers=[printing], compile=True)
    before = {k: v.clone() for k, v in solver.objective.state_dict().items()}
    with pytest.raises(ValueError, match=r"compile=True: the step of the prior 'grid'"):
        solver.run()
    assert solver.step_number == 0
    for key, value in solver.objective.state_dict().items():
        assert torch.equal(value, before[key])


def test_an_optimizer_that_linearises_is_refused(problem: Problem) -> None:
    with pytest.raises(ValueError, match="GaussNewton linearises the step"):
        made(problem, "grid", optimizer="gauss-newton", compile=True)


def test_a_config_hands_the_word_to_the_solver(problem: Problem) -> None:
    config = Run.on(problem, prior={"name": "grid"}, solver={"compile": True, "steps": 4})
    solver = config.solver(config.problem(), [])
    assert solver._held.evaluate is not solver.objective


def test_solve_alone_decides_only_where_compile_is_not_said(problem: Problem) -> None:
    solution = solve(problem, "grid", steps=1, compile=False, callbacks=())
    assert solution.steps == 1


def test_a_fit_of_several_processes_is_refused() -> None:
    with pytest.raises(ValueError, match="2 processes share the fit"):
        require_compilable(True, optimizers.Adam(), by_gradient=True, world=2)
