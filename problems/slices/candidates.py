"""Between what `solve` decides for slices: the network, and least squares at the poses it found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inverse_inr import Problem
from inverse_inr.problems.slices.baselines import super_resolution
from inverse_inr.ranges import checked
from inverse_inr.solver import Candidate, Solver

AT_FOUND_POSES = "super-resolution CG, poses found"
"""The name of least squares at the poses, gains and noise that a network's fit has found."""


@checked
def volume_and_least_squares(problem: Problem) -> Iterator[Candidate]:
    """Fit a network with poses, gains and noise, then voxels by least squares at those.

    Both keep out the pixels by which they are judged.

    Args:
        problem: A problem of slices.

    Yields:
        The two candidates, the voxels first.
    """
    network = Solver(problem).run()
    voxels = super_resolution(network.problem)
    yield Candidate(
        replace(
            voxels,
            method=AT_FOUND_POSES,
            history=network.history,
            steps=network.steps,
            seconds=network.seconds + voxels.seconds,
            learnt=network.learnt,
        )
    )
    yield Candidate(network)
