"""Between what `solve` decides for slices: the network, and voxels at the poses it found."""

from dataclasses import replace

import pytest
import torch
from cases.stack import at_rest, head, simulated

import inverse_inr as ii
from inverse_inr.problems.slices.baselines import super_resolution
from inverse_inr.problems.slices.candidates import AT_FOUND_POSES, volume_and_least_squares
from inverse_inr.problems.slices.stacks import SliceProblem, as_slices
from inverse_inr.problems.slices.volumes import problem_of


def short(problem: SliceProblem, steps: int) -> SliceProblem:
    """The problem whose network is small and soon fitted."""
    options = {**problem.suggested.options, "log2_table": 12, "levels": 4}
    return replace(
        problem, suggested=replace(problem.suggested, options=options, steps=steps, batch=512)
    )


def test_voxels_are_fitted_at_the_poses_that_the_network_found():
    problem = short(problem_of(at_rest(), resolution=6.0, reference=head), 5)
    voxels, network = (each.solution for each in volume_and_least_squares(problem))
    assert voxels.method == AT_FOUND_POSES
    nominal, found, used = (
        as_slices(each)[1].moved().detach() for each in (problem, network.problem, voxels.problem)
    )
    assert float((found - nominal).abs().max()) > 1e-4
    torch.testing.assert_close(used, found)
    assert torch.equal(voxels.watched[0], network.watched[0])
    assert voxels.seconds > network.seconds


@pytest.mark.slow
def test_solve_is_ahead_of_least_squares_at_nominal_poses():
    problem = problem_of(simulated(), resolution=2.0, reference=head)
    answer = ii.solve(short(problem, 600))
    held = answer.details["held-out by method"]
    assert AT_FOUND_POSES in held
    assert answer.method in (AT_FOUND_POSES, problem.suggested.prior)
    assert answer.psnr() > super_resolution(problem).psnr() + 2
