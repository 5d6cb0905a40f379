"""Losses of many tasks at once are those of each, through any operator."""

import math
from dataclasses import replace

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem, small
from torch import nn

from inverse_inr import Problem, Term, noise, phantoms, predict, priors
from inverse_inr.families import MetaLearned, train
from inverse_inr.families.fields import Fields, stacked
from inverse_inr.families.tasks import Task, as_tasks, losses, power_of
from inverse_inr.operators import CartesianKSpace, DetectorDrift, ParallelBeam

CPU = (torch.float32, torch.device("cpu"))


def rays(seed: int, views: int = 5, sigma: float = 0.1) -> Problem:
    """A bump seen by a parallel beam."""
    angles = torch.arange(views) * math.pi / views
    beam = ParallelBeam(BOX, angles, 9)
    truth = bump_problem(seed).reference
    assert truth is not None
    y = predict(beam, truth)
    return Problem([Term(beam, y, noise.Gaussian(sigma))], BOX, GRID)


class Looks:
    """An operator that asks the field by itself."""

    def __len__(self) -> int:
        return 4

    def __call__(self, rows):
        raise AssertionError("predict is asked instead")

    def predict(self, field, rows):
        return field(torch.linspace(-0.5, 0.5, 4)[rows, None].expand(-1, 2))[:, 0]


def looks() -> Problem:
    made = object.__new__(Problem)
    y = torch.arange(4.0)
    problem = bump_problem(0)
    for name, value in vars(problem).items():
        object.__setattr__(made, name, value)
    object.__setattr__(made, "terms", [Term(Looks(), y, noise.Gaussian(1.0))])
    return made


def kspace() -> Problem:
    operator = CartesianKSpace(GRID, torch.ones(10, 10, dtype=torch.bool))
    truth = phantoms.gaussian_blobs(BOX, count=3)
    y = truth.fourier(operator.frequencies).to(torch.complex64)
    return Problem([Term(operator, y, noise.ComplexGaussian(0.01))], BOX, GRID)


def two_terms() -> Problem:
    first, second = rays(3), bump_problem(3)
    return replace(second, terms=[*second.terms, *first.terms])


MIXTURES = {
    "rays of one operator": lambda: [rays(1)] * 3,
    "rays of three operators": lambda: [rays(k) for k in range(3)],
    "rays of other numbers": lambda: [rays(1), rays(2, views=3), rays(3)],
    "a raster": lambda: [bump_problem(k) for k in range(3)],
    "a field that is asked": lambda: [looks()] * 3,
    "three instruments": lambda: [rays(1), kspace(), looks()],
    "one term and two": lambda: [two_terms(), bump_problem(3), rays(1)],
}


@pytest.mark.parametrize("name", MIXTURES)
def test_losses_together_are_those_one_by_one(name) -> None:
    problems = MIXTURES[name]()
    template = priors.siren(BOX, **SMALL)
    own = {n: p + 0.05 * torch.randn_like(p) for n, p in stacked(template, 3).items()}
    fields = Fields(template, own, [BOX] * 3)
    tasks = as_tasks(problems, 1.0, None, 0, CPU)
    found = losses(tasks, fields)
    for k, (problem, task) in enumerate(zip(problems, tasks, strict=True)):
        loss = sum(t.weight * t.loss(fields.one(k), t.trusted) for t in problem.terms)
        torch.testing.assert_close(found[k], loss / task.unit)


def test_rows_of_a_step_are_a_part_of_all_and_shared_by_tasks_of_one_operator() -> None:
    problem = rays(1)
    tasks = as_tasks([problem, problem], 1.0, 16, 0, CPU)
    assert tasks[0].schedules is tasks[1].schedules
    assert len(tasks[0].rows(0)[0]) == 16
    assert not torch.equal(tasks[0].rows(0)[0], tasks[0].rows(1)[0])


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_the_loss_has_no_unit(factor) -> None:
    """An empty field has a loss of 1, whatever the unit of y and the level of the noise."""
    problem = rays(1)
    (term,) = problem.terms
    scaled = replace(term, y=factor * term.y, fidelity=noise.Gaussian(0.3 * factor))
    problem = replace(problem, terms=[scaled])
    task = Task(problem, power_of([problem]))
    empty = term.weight * task.terms[0].distance(torch.zeros_like(term.y), term.trusted)
    assert float(empty) / task.unit == pytest.approx(1.0, rel=1e-4)


def test_noisier_tasks_weigh_as_much_as_others() -> None:
    quiet, loud = rays(1, sigma=0.01), rays(1, sigma=1.0)
    template = priors.siren(BOX, **SMALL)
    fields = Fields(template, stacked(template, 2), [BOX] * 2)
    power = power_of([quiet, loud])
    found = losses(as_tasks([quiet, loud], power, None, 0, CPU), fields)
    torch.testing.assert_close(found[0], found[1])


def test_a_family_leaves_what_an_operator_learns_alone() -> None:
    problem = rays(1)
    (term,) = problem.terms
    drift = DetectorDrift(term.operator)
    problem = replace(problem, terms=[replace(term, operator=drift)])
    learnt = [p for p in drift.parameters() if p.requires_grad]
    assert learnt
    before = [p.detach().clone() for p in learnt]
    family = train(small(MetaLearned, inner_steps=1), [problem] * 2, steps=1, callbacks=[])
    family.solve(problem)
    assert all(p.grad is None and p.requires_grad for p in learnt)
    assert all(torch.equal(p, b) for p, b in zip(learnt, before, strict=True))
    assert isinstance(drift, nn.Module)


def test_a_complex_field_is_learnt() -> None:
    problem = replace(kspace(), is_complex=True)
    family = train(small(MetaLearned), [problem] * 2, steps=2, callbacks=[])
    assert family.solve(problem).sample().is_complex()
    with pytest.raises(ValueError, match="1 complex channel; this problem is of one with"):
        family.solve(bump_problem(0))
