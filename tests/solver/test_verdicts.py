"""Solutions compared by rows that none of them saw: the best, or the first that is as good."""

import math

import torch
from cases.linear import GRID, blocks, dense, random

import inverse_inr as ii
from inverse_inr.noise import Gaussian
from inverse_inr.operators import Laplacian
from inverse_inr.solver import Ended, compare_held_out
from inverse_inr.solver.verdicts import undecided, unseen_part

ROWS = 400
MATRIX = random(ROWS, GRID.numel, seed=1, dtype=torch.float32)
BLOCKS = blocks().float()
NOISE = 0.5
WATCH = [torch.arange(0, ROWS, 2)]
TERM = ii.Term(
    dense(MATRIX),
    MATRIX @ BLOCKS.reshape(-1) + NOISE * random(ROWS, seed=2, dtype=torch.float32),
    Gaussian(NOISE),
)
PROBLEM = ii.Problem([TERM], GRID.box, GRID)


def off_by(error: float, seed: int) -> ii.Solution:
    """A solution whose pixels are wrong by random numbers of this size."""
    wrong = BLOCKS + error * random(*BLOCKS.shape, seed=seed, dtype=torch.float32)
    ended = Ended("direct", "")
    return ii.Solution(ii.SampledField(wrong, GRID), PROBLEM, f"{error:g}", stopped=ended)


def test_a_clearly_better_one_is_taken_wherever_it_stands() -> None:
    for place in (0, 1, 2):
        solutions = [off_by(0.3, 3), off_by(0.3, 4)]
        solutions.insert(place, off_by(0.001, 5))
        verdict = compare_held_out(PROBLEM, solutions, WATCH)
        assert verdict.place == place
        assert verdict.text.startswith("0.001 predicts the held-out measurements best")


def test_the_first_of_equals_is_taken_though_another_is_a_little_better() -> None:
    near, far = off_by(0.001, 5), off_by(0.002, 6)
    misfits = compare_held_out(PROBLEM, [near, far], WATCH).misfits
    order = sorted([near, far], key=lambda each: -misfits[each.method])
    verdict = compare_held_out(PROBLEM, order, WATCH)
    assert verdict.place == 0
    assert "as well as any, to one standard error" in verdict.text


def test_an_image_that_predicts_as_well_as_nothing_comes_before_it() -> None:
    """Its misfit is a little larger, by less than the noise of the held-out rows can tell."""
    dim = ii.Solution(ii.SampledField(0.0 * BLOCKS, GRID), PROBLEM, "dim")
    assert compare_held_out(PROBLEM, [dim], WATCH).place == 0


def test_nothing_is_taken_where_it_predicts_best() -> None:
    verdict = compare_held_out(PROBLEM, [off_by(9.0, 3)], WATCH)
    assert verdict.place == 1
    assert verdict.text.startswith("nothing predicts")
    assert list(verdict.misfits) == ["9", "nothing"]


def test_a_solution_that_is_no_number_loses() -> None:
    verdict = compare_held_out(PROBLEM, [off_by(math.nan, 3), off_by(0.3, 4)], WATCH)
    assert verdict.place == 1
    assert verdict.misfits["nan"] == math.inf


def test_without_solutions_the_null_image_is_left() -> None:
    assert compare_held_out(PROBLEM, [], WATCH).place == 0


def test_pixels_lose_where_second_derivatives_were_measured() -> None:
    places = GRID.points(torch.float64).reshape(-1, GRID.ndim)
    term = ii.Term(Laplacian(places), torch.ones(len(places)), ii.fidelity.L2())
    problem = ii.Problem([term], GRID.box, GRID)
    ended = Ended("direct", "")
    bowl = ii.Solution(lambda x: x[..., :1] ** 2 / 2, problem, "bowl", stopped=ended)
    pixels = ii.Solution(ii.SampledField(BLOCKS, GRID), problem, "pixels", stopped=ended)
    verdict = compare_held_out(problem, [pixels, bowl], [torch.arange(len(places))])
    assert verdict.place == 1
    assert verdict.misfits["pixels"] == math.inf


def test_what_no_measurement_sees_is_what_the_projection_leaves() -> None:
    matrix = random(8, GRID.numel, seed=3)
    problem = ii.Problem(
        [ii.Term(dense(matrix), torch.zeros(8).double(), Gaussian(1.0))], GRID.box, GRID
    )
    image = random(*GRID.shape, 1, seed=4)
    flat = image.reshape(-1)
    seen = torch.linalg.pinv(matrix) @ (matrix @ flat)
    found = unseen_part(problem, image)
    torch.testing.assert_close(found.reshape(-1), flat - seen, rtol=0, atol=1e-3)


def test_answers_that_no_measurement_tells_apart_are_said_with_their_difference() -> None:
    near, far = off_by(0.01, 1), off_by(1.0, 2)
    assert undecided(near, [off_by(0.012, 3)]) == ""
    text = undecided(near, [far])
    spread = float(near.image().std(correction=0))
    apart = float((near.image() - far.image()).square().mean().sqrt())
    assert f"{far.method} predicts the held-out measurements as well" in text
    assert f"differs from this one by {apart / spread:.0%}" in text
    assert undecided(near, []) == ""


def test_only_what_is_unseen_counts_where_noise_was_held_out() -> None:
    everything = dense(torch.eye(GRID.numel, dtype=torch.float64))
    term = ii.Term(everything, torch.zeros(GRID.numel).double(), Gaussian(1.0))
    sees_all = ii.Problem([term], GRID.box, GRID)
    assert undecided(off_by(0.0, 1), [off_by(1.0, 2)], sees_all) == ""
