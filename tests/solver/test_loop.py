"""The loop: seeds, failures, and parameters that operators and fidelities learn."""

from dataclasses import replace

import pytest
import torch
from cases.solver import assert_same_run, through_disk
from torch import Tensor

import inverse_inr as ii
from inverse_inr import solve
from inverse_inr.fidelity import LearntScale
from inverse_inr.operators import ParallelBeam
from inverse_inr.solver.seeds import seeded
from inverse_inr.stopping import HeldOut, Never

EVERY10 = HeldOut(every=10)


def test_steps_one_by_one_are_the_run_and_rays_jitter(problem, solver):
    a, b = solver(problem), solver(problem)
    a.run()
    seen = [float(b.step().sum()) for _ in range(30)]
    pairs = zip(a.prior.parameters(), b.prior.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs)
    assert seen[9] == a.history[0]["loss"]
    operator = a.problem.terms[0].operator.train()
    first = operator(torch.arange(4)).points
    again = operator(torch.arange(4)).points
    assert not torch.equal(first, again)


@pytest.mark.parametrize("name", ["hash", "siren"])
def test_user_random_state_is_untouched(problem, name):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    solve(problem, name, steps=2, batch=32, stopping=Never(every=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_restores_the_generator_and_depends_on_both_numbers():
    def draw(seed: int, step: int) -> float:
        with seeded(seed, step, torch.device("cpu")):
            return float(torch.rand(()))

    before = torch.get_rng_state()
    assert draw(1, 2) == draw(1, 2)
    assert len({draw(s, k) for s in range(20) for k in range(20)}) == 400
    assert torch.equal(torch.get_rng_state(), before)


def test_the_seed_decides_everything(problem):
    def image(seed: int) -> Tensor:
        torch.manual_seed(int(torch.randint(100, ())))  # whatever the user's generator holds
        options = ii.Suggestion("hash", {"levels": 3, "log2_table": 8})
        task = replace(problem, suggested=options)
        return solve(task, steps=20, batch=32, stopping=EVERY10, seed=seed).sample()

    assert torch.equal(image(3), image(3))
    assert not torch.equal(image(3), image(4))


def test_solving_twice_gives_the_same_although_the_operator_learns(problem, solver, learnable):
    task = learnable(problem, 0.1)
    a, b = (solver(task).run() for _ in range(2))
    assert torch.equal(a.sample(), b.sample())


# --- failures -----------------------------------------------------------------------------------


class Failing:
    """A regularizer that returns NaN from step `last` on, or only has a NaN gradient."""

    def __init__(self, last: int, gradient_only: bool = False) -> None:
        self.calls = -1  # the rehearsal is no step
        self.last = last
        self.gradient_only = gradient_only

    def __call__(self, f: ii.Field, points: Tensor) -> Tensor:
        self.calls += 1
        value = f(points).square().mean()
        if self.calls < self.last:
            return value
        if self.gradient_only:
            return (value * 0).sqrt()
        return value * float("nan")


def test_nan_restores_the_best_state_and_names_term_and_step(problem, solver):
    run = solver(problem, regularizers=[Failing(17)])
    message = r"R\(Failing\) became NaN or Inf at step 17; returning .* step 10"
    with pytest.warns(RuntimeWarning, match=message):
        solution = run.run()
    assert str(solution.stopped) == "non-finite: R(Failing) became NaN or Inf at step 17"
    assert solution.best_step == 10
    healthy = solver(problem, regularizers=[Failing(1000)])
    assert torch.equal(solution.sample(), healthy.run(10).sample())
    assert all(torch.equal(v, run.best["state"][k]) for k, v in run.objective.state_dict().items())
    assert run.finished
    assert run.run().steps == 17


def test_nan_before_any_good_state_raises(problem, solver):
    message = r"R\(Failing\) became NaN or Inf at step 4, before any good state"
    with pytest.raises(FloatingPointError, match=message):
        solver(problem, regularizers=[Failing(4)]).run()


@pytest.mark.parametrize("stopping", [EVERY10, Never(every=10)], ids=["held-out", "never"])
@pytest.mark.parametrize("at", [20, 30])  # on a check, and on the very last step
def test_nan_gradient_on_a_check_never_becomes_the_best_state(problem, at, stopping, solver):
    failing = Failing(at, gradient_only=True)
    with pytest.warns(RuntimeWarning, match="NaN"):
        solution = solver(problem, regularizers=[failing], stopping=stopping).run()
    assert torch.isfinite(solution.sample()).all()
    checks = list(range(10, at, 10))  # held-out rows may prefer an earlier one
    if isinstance(stopping, Never):
        checks = checks[-1:]
    assert solution.best_step in checks


# --- parameters that operators and fidelities learn ---------------------------------------------


def test_the_centre_of_rotation_is_learnt(problem, solver, learnable):
    old = problem.terms[0]
    shifted = ParallelBeam(problem.box, old.operator.angles, 16, center=0.2)
    y = ii.predict(shifted, problem.reference)
    task = learnable(replace(problem, terms=[replace(old, y=y)]))
    solution = solver(task, steps=60, operator_lr=2e-2, batch=64, stopping=HeldOut(every=20)).run()
    assert list(solution.learnt) == ["0.center"]
    assert abs(float(solution.learnt["0.center"]) - 0.2) < 0.1
    assert "learnt 0.center = " in solution.report()
    assert solver(problem, steps=2).run().learnt == {}


def test_a_fidelity_learns_its_noise(problem, solver):
    """One view is rubbish: its scale grows, and the user's own model stays as it was.

    The first guess is far too large, so that the others shrink. A resumed run is the same.
    """
    term = problem.terms[0]
    groups = torch.arange(len(term.y)) // 16
    y = term.y.clone()
    y[groups == 3] = torch.randn(16, generator=torch.Generator().manual_seed(1))
    model = LearntScale(groups, 0.3)
    noisy = replace(problem, terms=[replace(term, y=y, fidelity=model)])
    runs = [solver(noisy, steps=200, operator_lr=0.02) for _ in range(3)]
    solution = runs[0].run()
    assert not model.level.any()
    fitted = solution.problem.terms[0].fidelity
    assert isinstance(fitted, LearntScale)
    sigma = fitted.sigma().detach()
    assert float(sigma[3]) > 2 * float(sigma[torch.arange(12) != 3].max())
    assert torch.equal(solution.learnt["fidelities.0.level"], fitted.level)
    runs[1].run(70)
    runs[2].load_state_dict(through_disk(runs[1]))
    runs[2].run()
    assert_same_run(runs[0], runs[2])


class Leashed(torch.nn.Module):
    """An operator whose angle is known to be near 1, and pulls it there."""

    def __init__(self, inner: ParallelBeam) -> None:
        super().__init__()
        self.inner = inner
        self.turn = torch.nn.Parameter(torch.zeros(()))

    def __len__(self) -> int:
        return len(self.inner)

    def forward(self, rows: Tensor) -> ii.Query:
        return self.inner(rows)

    def negative_log_prior(self) -> Tensor:
        return (self.turn - 1).square()


def test_a_fixed_parameter_of_an_operator_is_not_listed_as_learnt(problem, solver):
    term = problem.terms[0]
    operator = Leashed(term.operator)
    operator.fixed = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    known = replace(problem, terms=[replace(term, operator=operator)])
    assert list(solver(known, steps=2).run().learnt) == ["0.turn"]


def test_what_operators_know_of_what_they_learn_is_part_of_the_loss(problem, solver):
    term = problem.terms[0]
    known = replace(problem, terms=[replace(term, operator=Leashed(term.operator), weight=2.0)])
    run = solver(known, steps=100, operator_lr=0.1)
    solution = run.run()
    assert run.objective.names[-1] == "R(Leashed)"
    assert float(solution.learnt["0.turn"]) == pytest.approx(1, abs=0.1)
    with torch.no_grad():
        parts = run.objective([torch.arange(5)], torch.zeros(0, 2))
        (turn,) = run.objective.operators.parameters()
        assert float(parts[-1]) == pytest.approx(2 * (float(turn) - 1) ** 2)
