"""Simulated cone beams: what problems hold, FDK on them, and a fit of the lattice beside it."""

import math
from typing import Any

import pytest
import torch

from inverse_inr import SampledField, Solver, noise, predict, regularizers
from inverse_inr.io import write_nifti
from inverse_inr.operators import ConeBeam
from inverse_inr.problems.ct import cone, feldkamp

SMALL: dict[str, Any] = {"size": 12, "views": 12}


@pytest.mark.parametrize("phantom", ["shepp_logan", "gaussian_blobs"])
def test_a_scan_has_its_shape_and_noise(phantom: str):
    problem = cone(phantom, noise_level=0.01, **SMALL)
    term = problem.terms[0]
    clean = cone(phantom, noise_level=1e-9, **SMALL).terms[0].y
    assert isinstance(term.operator, ConeBeam)
    assert term.operator.shape == (12, 12, 12)
    assert problem.grid.shape == (12,) * 3
    assert isinstance(term.fidelity, noise.Gaussian)
    sigma = 0.01 * float(clean.max())
    assert float(torch.as_tensor(term.fidelity.sigma)) == pytest.approx(sigma, rel=1e-3)
    assert float((term.y - clean).std()) == pytest.approx(sigma, rel=0.1)


def test_the_whole_phantom_is_seen_in_every_view():
    """The integral over a panel counts mass by magnification; its edges must be dark."""
    views = cone(noise_level=1e-9, size=24, views=8).terms[0]
    seen = views.operator.unflatten(views.y)  # type: ignore[attr-defined]
    edges = [seen[:, 0], seen[:, -1], seen[:, :, 0], seen[:, :, -1]]
    assert max(float(edge.max()) for edge in edges) < 0.05 * float(seen.max())


def test_data_are_no_inverse_crime():
    problem = cone(noise_level=1e-9, **SMALL)
    term, truth = problem.terms[0], problem.reference
    assert truth is not None
    with torch.no_grad():
        seen = predict(term.operator, truth)
    mismatch = float((seen - term.y).norm() / term.y.norm())
    assert 1e-5 < mismatch < 0.3


@pytest.mark.slow
def test_fdk_and_total_variation_of_the_lattice():
    problem = cone(size=20, views=20)
    direct = feldkamp(problem)
    assert direct.metrics()["PSNR"] > 17
    assert direct.held_out() is not None
    penalty = 3.0 * regularizers.TotalVariation(grid=problem.grid)
    fit = Solver(problem.on_lattice(1), "grid", regularizers=[penalty], steps=60, lr=0.05).run()
    assert fit.metrics()["PSNR"] > direct.metrics()["PSNR"] + 1


def test_a_helix_is_fitted_but_not_by_fdk():
    problem = cone(rise=0.5, **SMALL)
    heights: Any = problem.terms[0].operator.height  # type: ignore[attr-defined]
    assert float(heights.max() - heights.min()) == pytest.approx(0.5 * 2 * 11 / 12, rel=1e-5)
    assert "FDK" not in problem.suggested.baselines
    assert {"CGLS", "TV"} <= set(problem.suggested.baselines)


def test_coverage_and_seed():
    first, again, other = (cone(seed=s, **SMALL).terms[0].y for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    short: Any = cone(coverage=240, **SMALL).terms[0].operator
    assert float(short.angles.max()) == pytest.approx(math.radians(240 * 11 / 12), rel=1e-5)


@pytest.mark.slow
def test_a_volume_of_a_file_keeps_its_unit(tmp_path: Any):
    problem = cone("gaussian_blobs", size=10, views=4)
    assert problem.reference is not None
    values = problem.reference(problem.grid.points())
    write_nifti(tmp_path / "v.nii", values, problem.grid)
    read = cone(str(tmp_path / "v.nii"), size=10, views=4)
    assert read.box.units == ("mm",) * 3
    assert isinstance(read.reference, SampledField)
    assert float(read.terms[0].y.max()) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phantom": "shep_logan"}, "Did you mean 'shepp_logan'"),
        ({"magnification": 0.9}, "below 1"),
        ({"size": 10**5}, "needs"),
        ({"views": 10**8}, "needs"),
    ],
    ids=["phantom", "magnification", "size", "views"],
)
def test_what_cannot_be_simulated_is_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        cone(**{**SMALL, **change})
