"""The readouts that are held out of k-space, and what `solve` makes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.kspace_files import scanned
from torch import Tensor

import inverse_inr as ii
from inverse_inr.operators import (
    CartesianKSpace,
    NonCartesianKSpace,
    centred_box,
    line_mask,
    radial_trajectory,
    variable_density_mask,
)
from inverse_inr.problems.kspace import kspace, kspace_scan
from inverse_inr.problems.kspace.held_out import held_out_readouts
from inverse_inr.stopping import hold_out

GRID = ii.Grid(centred_box((48, 64), (1.0, 1.0)), (48, 64))


def held(operator: CartesianKSpace, fraction: float) -> Tensor:
    rule = held_out_readouts(operator, fraction, 5)
    assert rule.rows is not None
    mask = torch.zeros_like(operator.mask)
    mask[operator.mask.nonzero()[rule.rows[0]].unbind(-1)] = True
    return mask


def test_whole_lines_outside_the_calibration_lines_are_held_out():
    operator = CartesianKSpace(GRID, line_mask(GRID.shape, 3.0, 16))
    out = held(operator, 0.1)
    assert torch.equal(out.any(0), out.all(0))
    assert int(out.any(0).sum()) == round(0.1 * int(operator.mask.any(0).sum()))
    assert not bool(out[:, 24:40].any())


def test_held_out_points_stand_for_all_of_k_space_outside_the_calibration_block():
    """Their mean radius is that of the places outside, and not that of the samples."""
    operator = CartesianKSpace(GRID, variable_density_mask(GRID.shape, 4.0, 12))
    out = held(operator, 0.15)
    axes = [(torch.arange(n) - n // 2) / (n / 2) for n in GRID.shape]
    radius = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).norm(dim=-1)
    outside = torch.ones_like(operator.mask)
    outside[18:30, 26:38] = False
    assert not bool((out & ~outside).any())
    everywhere = float(radius[outside].mean())
    measured = float(radius[operator.mask & outside].mean())
    assert float(radius[out].mean()) > (everywhere + measured) / 2


def test_samples_are_grouped_by_readout():
    lines = CartesianKSpace(GRID, line_mask(GRID.shape, 3.0, 16))
    column = lines.mask.nonzero()[:, 1]
    assert torch.equal(lines.groups, column.unique(return_inverse=True)[1])
    points = CartesianKSpace(GRID, variable_density_mask(GRID.shape, 4.0, 12))
    assert len(points.groups.unique()) == len(points)
    square = ii.Grid(centred_box((32, 32), (1.0, 1.0)), (32, 32))
    trajectory = radial_trajectory(square, 7).float()
    spokes = NonCartesianKSpace(square, trajectory)
    assert torch.equal(spokes.groups, torch.arange(7).repeat_interleave(trajectory.shape[1]))


def test_held_out_spokes_are_whole():
    square = ii.Grid(centred_box((32, 32), (1.0, 1.0)), (32, 32))
    operator = NonCartesianKSpace(square, radial_trajectory(square, 20).float())
    y = torch.ones(len(operator), dtype=torch.complex64)
    term = ii.Term(operator, y, ii.noise.ComplexGaussian(1.0))
    (rows,) = hold_out(held_out_readouts(operator, 0.1, 5), [term]).watch
    assert len(rows) == 2 * len(operator) // 20
    assert operator.groups[rows].unique().tolist() == [5, 15]


def test_spokes_that_are_rows_are_held_out_as_rows():
    problem = kspace(size=16, sampling="radial", spokes=20, coils=2, rays=True, phase="coils")
    (rows,) = hold_out(problem.suggested.stopping, problem.terms).watch
    assert len(rows) == 2
    assert int(rows.max()) < 20


@pytest.mark.slow
def test_what_solve_chooses_is_made_again_from_all_samples(tmp_path: Path):
    np.save(tmp_path / "a.npy", scanned().numpy())
    problem = kspace_scan(str(tmp_path / "a.npy"), acceleration=2, calibration=14)
    answer = ii.solve(problem)
    assert len(answer.details["held-out by method"]) > 3
    (watch,) = hold_out(problem.suggested.stopping, problem.terms).watch
    assert problem.suggested.candidates is not None
    judged = {each.solution.method: each.solution for each in problem.suggested.candidates(problem)}
    assert answer.misfit([watch]) < judged[answer.method].misfit([watch])
