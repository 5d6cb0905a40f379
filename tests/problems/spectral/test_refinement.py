"""A fit of a snapshot refined in its own spectra: better without noise, and still a field."""

import pytest
import torch

import inverse_inr as ii
from inverse_inr.problems.ct import ct
from inverse_inr.problems.spectral import Detector, cassi
from inverse_inr.problems.spectral.refinement import refined


@pytest.fixture(scope="module")
def fit() -> ii.Solution:
    return ii.solve(
        cassi(size=32, bands=8, detector=Detector(noise_level=0.0)), steps=300, callbacks=[]
    )


def test_what_the_fit_left_unexplained_is_explained_and_the_cube_is_better(fit):
    better = refined(fit)
    assert better.metrics()["PSNR"] > fit.metrics()["PSNR"] + 1
    assert better.held_out() < 0.5 * fit.held_out()  # pixels that neither saw
    assert better.method == "separable + GAP"
    assert better.sample().min() >= 0


def test_it_changes_nothing_beyond_the_spectra_it_is_given(fit):
    """With one spectrum every pixel's change is a multiple of it."""
    better = refined(fit, spectra=1, iterations=10)
    change = better.field.correction[..., 0].flatten(0, 1)
    main = torch.linalg.svd(fit.sample()[..., 0].flatten(0, 1)).Vh[0]
    torch.testing.assert_close(
        change, (change @ main)[:, None] * main, rtol=0, atol=1e-4 * float(change.abs().max())
    )


def test_it_is_a_field_at_points_and_between_the_bands(fit):
    better, grid = refined(fit, iterations=5), fit.problem.grid
    cube = better.sample()
    torch.testing.assert_close(better.field(grid.points(torch.float32)), cube, rtol=1e-3, atol=1e-4)
    between = ii.BandGrid.of(grid.box, grid.shape[:2], grid.axes(torch.float64)[-1][:-1] + 3.0)
    torch.testing.assert_close(
        better.sample(between), better.field(between.points(torch.float32)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.slow
def test_with_noise_the_held_out_pixels_speak_against_it():
    noisy = ii.solve(
        cassi(size=32, bands=8, detector=Detector(noise_level=0.02)), steps=600, callbacks=[]
    )
    assert refined(noisy) is noisy


def test_it_wants_one_snapshot_of_a_cube():
    problem = ct(size=16, views=4)
    with pytest.raises(
        TypeError,
        match="refined solves one CASSI snapshot of a cube; this problem has ParallelBeam",
    ):
        refined(ii.solve(problem, steps=1, callbacks=[]))
