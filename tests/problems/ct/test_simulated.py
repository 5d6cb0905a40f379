"""Simulated CT: what problems hold, and how the classical method does on them."""

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, noise, predict
from inverse_inr.io import write_image
from inverse_inr.operators import FanBeam, ParallelBeam
from inverse_inr.problems.ct import ct, filtered_backprojection

DATA = Path(os.environ.get("INVERSE_INR_DATA", Path(__file__).parents[4] / "shared" / "data"))
SMALL: dict[str, Any] = {"size": 48, "views": 24}


def truth_seen(problem: Any) -> Tensor:
    term = problem.terms[0]
    assert problem.reference is not None
    with torch.no_grad():
        return predict(term.operator, problem.reference)


@pytest.mark.parametrize("phantom", ["shepp_logan", "gaussian_blobs"])
@pytest.mark.parametrize(
    ("beam", "kind", "turn"),
    [("parallel", ParallelBeam, math.pi), ("fan", FanBeam, 2 * math.pi)],
    ids=["parallel", "fan"],
)
def test_simulated_scans_reconstruct(phantom: str, beam: Any, kind: type, turn: float):
    problem = ct(phantom, beam=beam, size=64, views=90, detectors=96)
    operator = problem.terms[0].operator
    assert isinstance(operator, ParallelBeam | FanBeam)
    assert isinstance(operator, kind)
    assert operator.shape == (90, 96)
    assert problem.grid.shape == (64, 64)
    assert float(operator.angles[-1]) == pytest.approx(turn * 89 / 90, rel=1e-5)
    solution = filtered_backprojection(problem)
    assert solution.metrics()["PSNR"] > 20
    assert solution.held_out() is not None


def test_noise_has_its_level_and_data_are_no_inverse_crime():
    problem = ct(noise_level=0.01, **SMALL)
    term, clean = problem.terms[0], ct(noise_level=1e-9, **SMALL).terms[0].y
    assert isinstance(term.fidelity, noise.Gaussian)
    sigma = float(torch.as_tensor(term.fidelity.sigma))
    assert sigma == pytest.approx(0.01 * float(clean.max()), rel=1e-3)
    assert float((term.y - clean).std()) == pytest.approx(sigma, rel=0.1)
    mismatch = float((truth_seen(problem) - clean).norm() / clean.norm())
    assert 1e-5 < mismatch < 0.05


def test_fbp_of_learnable_angles():
    problem = ct(**SMALL)
    operator: Any = problem.terms[0].operator
    learnt = ParallelBeam(
        problem.box, torch.nn.Parameter(operator.angles.clone()), operator.shape[1], subrays=2
    )
    same = replace(problem, terms=[replace(problem.terms[0], operator=learnt)])
    assert torch.allclose(
        filtered_backprojection(same).sample(), filtered_backprojection(problem).sample()
    )


def test_seed_and_coverage():
    first, again, other = (ct(seed=s, **SMALL).terms[0].y for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    limited: Any = ct(coverage=120, **SMALL).terms[0].operator
    assert float(limited.angles.max()) == pytest.approx(math.radians(120 * 23 / 24), rel=1e-5)


def test_photons_give_counts():
    problem = ct("gaussian_blobs", photons=1e4, **SMALL)
    term = problem.terms[0]
    assert isinstance(term.fidelity, noise.Poisson)
    assert torch.equal(term.y, term.y.round())
    assert float(term.y.max()) == pytest.approx(1e4, rel=0.06)
    seen = truth_seen(problem)
    assert float(seen.max()) == pytest.approx(4, rel=0.05)
    residual = term.fidelity.standardized(seen.to(term.y), term.y)
    # 0.4549 is the median of chi-square with one degree of freedom
    assert 0.8 < float(residual.square().median()) / 0.4549 < 1.4
    assert filtered_backprojection(problem).metrics()["PSNR"] > 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"phantom": "shepp_logn"}, "Did you mean 'shepp_logan'"),
        ({"beam": "cone"}, "beam='cone' must be"),
    ],
)
def test_unknown_names_and_beams_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ct(**SMALL, **options)


def volume(path: Path) -> tuple[Grid, Tensor]:
    grid = Grid(Box((0, 0, 0), (40, 60, 10), ("mm",) * 3), (20, 30, 5))
    middle = torch.tensor([18.0, 33.0, 4.0])
    values = 5 * torch.exp(-(grid.points() - middle).square().sum(-1, keepdim=True) / 2 / 6**2)
    write_image(path, values, grid)
    return grid, values


def test_a_slice_of_a_volume(tmp_path: Path):
    _, values = volume(tmp_path / "v.nii.gz")
    problem = ct(str(tmp_path / "v.nii.gz"), slice=1, size=45, views=60, detectors=60)
    assert problem.grid.shape == (30, 45)
    assert problem.box.lengths == pytest.approx((40, 60))
    assert problem.box.units == ("mm", "mm")
    assert problem.reference is not None
    reference = problem.reference(Grid(problem.box, (20, 30)).points())
    assert torch.allclose(reference, values[:, :, 1] / values[:, :, 1].max(), atol=1e-4)
    clean = ct(
        str(tmp_path / "v.nii.gz"), slice=1, size=45, views=60, detectors=60, noise_level=1e-9
    )
    seen, y = truth_seen(clean), clean.terms[0].y
    assert 0 < float((seen - y).norm() / y.norm()) < 0.02
    assert filtered_backprojection(problem).metrics()["PSNR"] > 25
    middle, named = (
        ct(str(tmp_path / "v.nii.gz"), slice=k, size=20, views=8).terms[0].y for k in (None, 2)
    )
    assert torch.equal(middle, named)


def test_a_slice_beyond_the_volume_is_refused(tmp_path: Path):
    volume(tmp_path / "v.nii.gz")
    with pytest.raises(ValueError, match="5 slices"):
        ct(str(tmp_path / "v.nii.gz"), slice=5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture(tmp_path: Path, channels: int):
    grid = Grid(Box((0, 0), (32, 24), ("px", "px")), (32, 24))
    blob = torch.exp(
        -(grid.points() - torch.tensor([14.0, 12.0])).square().sum(-1, keepdim=True) / 2 / 4**2
    )
    write_image(tmp_path / "p.png", blob.expand(-1, -1, channels), grid)
    for beam in ("parallel", "fan"):
        problem = ct(str(tmp_path / "p.png"), size=32, views=40, beam=beam)
        assert problem.grid.shape == (32, 24)
        assert filtered_backprojection(problem).metrics()["PSNR"] > 20
