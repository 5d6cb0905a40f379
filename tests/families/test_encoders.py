"""What encoders see: densities on any grid, or parameters of the problem alone."""

from dataclasses import replace

import pytest
import torch
from cases.families.bumps import BOX, GRID, SMALL, bump_problem, bump_problems, same

from inverse_inr import Box, Grid, OnGrid, Problem, Term, sample
from inverse_inr.families import (
    Conditioned,
    Convolutions,
    Generated,
    Parameters,
    load,
    save,
    train,
)
from inverse_inr.families.tasks import Task
from inverse_inr.fidelity import L1, L2, MultiResolutionSTFT

ENCODER = Convolutions(features=4, depth=2)


@pytest.fixture(scope="module")
def known():
    """Each kind that has an encoder, after a step."""
    made = {
        "generated": Generated(ENCODER, "siren", SMALL),
        "conditioned": Conditioned(ENCODER, "siren", SMALL),
        "generated, seeing": Generated(ENCODER, "siren", SMALL, sees_image=True),
    }
    problems = bump_problems(4)
    return {name: train(kind, problems, steps=1, callbacks=[]) for name, kind in made.items()}


@pytest.mark.parametrize("name", ["generated", "conditioned", "generated, seeing"])
def test_one_pass_solves_a_grid_of_other_pixels(known, name) -> None:
    """The encoder sees a density, which does not depend on the number of pixels."""
    fine = Grid(BOX, (20, 20))
    problem = bump_problem(7)
    assert problem.reference is not None
    y = sample(problem.reference, fine).reshape(-1)
    finer = Problem([Term(OnGrid(same, fine, fine.shape), y, L2())], BOX, fine)
    here, there = known[name].images(known[name].tasks([problem, finer]))
    there = there.unflatten(1, (10, 2)).unflatten(3, (10, 2)).mean((2, 4))
    torch.testing.assert_close(there, here, rtol=0.1, atol=0.1)
    assert known[name].solve(finer).sample().isfinite().all()


def at_place(number: int) -> Problem:
    """A bump whose notes say where it is."""
    problem = bump_problem(number)
    assert problem.reference is not None
    places = GRID.points().reshape(-1, 2)
    peak = places[problem.reference(places)[:, 0].argmax()]
    return replace(problem, notes={"x": float(peak[0]), "y": float(peak[1])})


@pytest.mark.parametrize("kind", [Generated, Conditioned])
def test_a_field_is_made_of_parameters_alone(kind, tmp_path) -> None:
    """Other measurements at the same parameters are the same field; a file keeps the names."""
    encoder = Parameters(("x", "y"), features=8, depth=1)
    problems = [at_place(k) for k in range(4)]
    family = train(kind(encoder, "siren", SMALL), problems, steps=3, callbacks=[])
    problem = at_place(9)
    (term,) = problem.terms
    other = replace(problem, terms=[replace(term, y=0 * term.y)])
    field = family.solve(problem).sample()
    assert torch.equal(family.solve(other).sample(), field)
    elsewhere = replace(problem, notes={"x": 0.9, "y": -0.9})
    assert not torch.allclose(family.solve(elsewhere).sample(), field)
    save(family, tmp_path / "family.safetensors")
    assert torch.equal(load(tmp_path / "family.safetensors").solve(problem).sample(), field)
    with pytest.raises(ValueError, match=r"problem\.notes\['x'\] is None, no finite number"):
        family.solve(bump_problem(3))


def test_parameters_are_no_image() -> None:
    with pytest.raises(ValueError, match="an encoder of Parameters has none"):
        Generated(Parameters(("x",)), "siren", SMALL, sees_image=True)
    with pytest.raises(ValueError, match="Parameters: names is empty"):
        Parameters(())


def test_tasks_of_one_step_have_grids_of_one_shape(known) -> None:
    family = known["conditioned"]
    fine = Grid(BOX, (20, 20))
    finer = Problem([Term(OnGrid(same, fine, fine.shape), torch.zeros(400), L2())], BOX, fine)
    tasks = family.tasks([bump_problem(7), finer])
    with pytest.raises(ValueError, match="Grids of one shape, or tasks=1"):
        family.states(tasks, learning=False)


def test_an_encoder_hears_loudness_whatever_the_fidelity() -> None:
    """At the empty image the slope of L1 would be the signs alone, that of spectrograms nothing."""
    box = Box((0.0,), (1.0,))
    grid = Grid(box, (64,))
    y = torch.sin(40 * grid.points()[:, 0]) * torch.linspace(1, 0.01, 64)
    whole = OnGrid(same, grid, grid.shape)
    for fidelity in (L1(), MultiResolutionSTFT(64, (16,))):
        image = Task(Problem([Term(whole, y, fidelity)], box, grid), 1.0).image()[0]
        torch.testing.assert_close(image / image.norm(), y / y.norm())
