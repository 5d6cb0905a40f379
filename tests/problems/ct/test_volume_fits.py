"""Fits of volumes to cone beams, on a finer lattice, and voxels that begin as an image of CGLS."""

from typing import Any

import pytest
import torch

from inverse_inr import Box, Grid, Problem, Solver, Term, noise, priors, sample
from inverse_inr.baselines import cgls_iterates
from inverse_inr.candidates import MeanOfFits
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators import ConeBeam
from inverse_inr.problems.ct import cone, feldkamp
from inverse_inr.problems.ct import volume_fits as module
from inverse_inr.problems.ct.volume_fits import CGLS_STEPS, volume_fits
from inverse_inr.solver import Candidate
from inverse_inr.solver.schedule import automatic_batch
from inverse_inr.stopping import hold_out


def of_cgls(problem: Problem) -> torch.Tensor:
    fit, _, _ = hold_out(problem.suggested.stopping, problem.terms)
    return list(cgls_iterates(LeastSquares.of(problem, fit), CGLS_STEPS))[-1]


def test_voxels_begin_as_the_image_of_cgls_without_the_views_held_out():
    problem = cone("gaussian_blobs", size=12, views=12)
    image = of_cgls(problem)
    with torch.no_grad():
        begun = sample(Solver(problem.on_lattice(1), "grid", steps=1).prior, problem.grid)
    torch.testing.assert_close(begun, image, atol=1e-4 * float(image.max()), rtol=0)
    rule: Any = problem.suggested.stopping
    assert sorted(set((rule.rows[0] // 144).tolist())) == [6]


def test_a_prior_of_other_nodes_begins_as_it_would():
    problem = cone("gaussian_blobs", size=12, views=4)
    coarse = Solver(problem, "grid", steps=1).prior
    problem.suggested.starts["grid"](fresh := priors.create("grid", problem.box, cells=5))
    assert isinstance(coarse, priors.Prior)
    assert all(not bool(p.any()) for p in fresh.parameters())


def test_a_step_sees_a_tenth_of_a_large_scan():
    box = Box((-1.0,) * 3, (1.0,) * 3)
    beam = ConeBeam(box, torch.arange(164) * 0.04, (32, 32), 5.0, 2.5)
    term = Term(beam.on(Grid(box, (4,) * 3)), torch.zeros(len(beam)), noise.Gaussian(1.0))
    assert automatic_batch(term) == 164 * 1024 // 10


@pytest.mark.slow
def test_the_fits_are_better_than_fdk_and_cgls():
    problem = cone(size=16, views=20)
    network, voxels, mean, finer = volume_fits(problem)
    assert [nodes(each) for each in (network, voxels, mean, finer)] == [16**3] * 3 + [32**3]
    assert isinstance(mean.solution, MeanOfFits)
    assert [part.problem.finer for part in mean.solution.parts] == [1, 2]
    best = max(feldkamp(problem).metrics()["PSNR"], _psnr_of_cgls(problem))
    for each in (network, voxels, mean, finer):
        again = each.made_again()
        assert again.method == each.solution.method
        assert again.metrics()["PSNR"] > best + 0.5
    assert len({each.solution.method for each in (network, voxels, mean, finer)}) == 4


def test_what_is_hardly_better_is_no_candidate(monkeypatch: pytest.MonkeyPatch):
    problem = cone("gaussian_blobs", size=8, views=12)
    monkeypatch.setattr(module, "ALONE", 1.0)
    assert [each.solution.method for each in volume_fits(problem)] == [
        "grid, network",
        "grid, TV",
        "two grids, network",
    ]
    monkeypatch.setattr(module, "WORTH", 1.0)
    assert len(list(volume_fits(problem))) == 2


def nodes(candidate: Candidate) -> int:
    lattice = candidate.solution.field
    assert isinstance(lattice, priors.Prior)
    return sum(p.numel() for p in lattice.parameters())


@pytest.mark.slow
def test_few_steps_on_the_voxels_are_better_than_fdk_and_cgls(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LARGEST_LATTICE", 48**3 - 1)
    problem = cone(size=24, views=24)
    (voxels,) = volume_fits(problem, steps=60)
    best = max(feldkamp(problem).metrics()["PSNR"], _psnr_of_cgls(problem))
    assert voxels.made_again().metrics()["PSNR"] > best + 1
    assert voxels.solution.metrics()["PSNR"] > best + 0.5
    assert voxels.solution.details["weight of TV"] > 0


def test_a_finer_lattice_that_is_too_large_is_not_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LARGEST_LATTICE", 16**3 - 1)
    problem = cone("gaussian_blobs", size=8, views=12)
    (voxels,) = volume_fits(problem, steps=2, search=1)
    assert nodes(voxels) == 8**3


def _psnr_of_cgls(problem: Problem) -> float:
    return problem.suggested.baselines["CGLS"](problem).metrics()["PSNR"]
