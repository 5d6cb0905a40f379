"""Fits on a lattice finer than the grid, between which `solve` decides."""

from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.candidates import MeanOfFits, grid_field, lattice_fits, total_variation_fit
from inverse_inr.problems.ct import ct
from inverse_inr.stopping import HeldOut
from inverse_inr.testing import FakeCuda


@pytest.mark.parametrize("shape", [(8, 8), (6, 12), (3, 4, 6)])
def test_an_image_becomes_the_prior_grid_with_the_same_values(shape) -> None:
    grid = ii.Grid(ii.Box((0.0,) * len(shape), tuple(map(float, shape))), shape)
    image = torch.randn(*shape, 2, generator=torch.Generator().manual_seed(0))
    field = grid_field(ii.SampledField(image, grid))
    assert field is not None
    torch.testing.assert_close(ii.sample(field, grid), image)
    points = grid.box.random_points(50, generator=torch.Generator().manual_seed(1))
    inner = ii.SampledField(image, grid)(points)
    torch.testing.assert_close(field(points), inner, atol=1e-5, rtol=1e-5)


def test_a_complex_image_stays_an_image() -> None:
    grid = ii.Grid(ii.Box((0.0, 0.0), (1.0, 1.0)), (4, 4))
    assert grid_field(ii.SampledField(torch.ones(4, 4, 1) * 1j, grid)) is None


def test_the_candidates_hold_out_the_same_rows_and_the_last_has_the_weight_of_the_first() -> None:
    problem = ct("gaussian_blobs", size=20, views=12, noise_level=0.02)
    first, second = (each.solution for each in lattice_fits(problem, steps=40))
    watched = baselines.tv(problem).watched
    for each in (first, second):
        assert torch.equal(each.watched[0], watched[0])
        assert each.details["weight of TV"] == first.details["weight"]
    assert first.method == "grid, TV"
    assert second.method == "hash, TV"


def test_the_fit_that_is_made_again_sees_all_rows() -> None:
    problem = ct("gaussian_blobs", size=20, views=12, noise_level=0.02)
    first, second = lattice_fits(problem, steps=40)
    assert first.again is not None
    again = first.again()
    assert not again.watched
    assert again.psnr() > first.solution.psnr() - 0.5
    assert second.again is None


def test_the_mean_of_two_fits_predicts_the_mean_of_what_they_predict() -> None:
    problem = ct("gaussian_blobs", size=16, views=12, noise_level=0.02)
    parts = [total_variation_fit(problem, finer).solution for finer in (1, 2)]
    mean = MeanOfFits.of(problem, parts, "both")
    rows = torch.arange(40, 60)
    expected = 0.5 * (parts[0].predicted(0, rows) + parts[1].predicted(0, rows))
    torch.testing.assert_close(mean.predicted(0, rows), expected)
    torch.testing.assert_close(mean.image(), 0.5 * (parts[0].image() + parts[1].image()))
    # a squared error is convex
    assert mean.watched is parts[0].watched
    misfits = [each.misfit(mean.watched) for each in (mean, *parts)]
    assert misfits[0] <= 0.5 * sum(misfits[1:])


def test_a_mean_goes_to_a_device_with_its_parts() -> None:
    problem = ct("gaussian_blobs", size=8, views=4)
    part = total_variation_fit(problem, 1).solution
    mean = MeanOfFits.of(problem, [part, part], "twice")
    assert mean.to("cpu") is mean
    rows = torch.arange(5)
    with FakeCuda():
        there = mean.to("cuda")
        assert there.predicted(0, rows.to("cuda")).device.type == "cuda"
        assert there.held_out() == pytest.approx(mean.held_out(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phantom", "noise_level"), [("shepp_logan", 0.002), ("gaussian_blobs", 0.02)]
)
def test_the_answer_is_better_than_total_variation_chosen_by_the_truth(
    phantom, noise_level
) -> None:
    problem = ct(phantom, size=48, views=30, noise_level=noise_level)
    oracle = baselines.tv(problem, "oracle")
    assert ii.solve(problem).psnr() > oracle.psnr() + 0.3


def test_an_answer_on_the_lattice_can_be_saved_and_read(tmp_path) -> None:
    problem = ct("shepp_logan", size=24, views=20)
    first, *_ = lattice_fits(problem, steps=1)
    first.solution.save(tmp_path)
    field = ii.load_field(tmp_path / "field.safetensors")
    torch.testing.assert_close(
        ii.sample(field, problem.grid, average=2), first.solution.image(), atol=1e-5, rtol=1e-5
    )


def test_the_stopping_rule_of_the_problem_is_kept() -> None:
    problem = ct("shepp_logan", size=16, views=8)
    rows = [torch.arange(16)]
    ruled = replace(problem, suggested=replace(problem.suggested, stopping=HeldOut(rows=rows)))
    for each in lattice_fits(ruled, steps=5):
        assert torch.equal(each.solution.watched[0], rows[0])
