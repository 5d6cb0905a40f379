"""Fits on a lattice finer than the grid, between which `solve` decides."""

import itertools
from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr import baselines, noise
from inverse_inr.candidates import (
    MeanOfFits,
    by_network,
    grid_field,
    lattice_fits,
    total_variation_fit,
)
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


def test_the_candidates_hold_out_the_same_rows_and_the_last_has_the_weight_of_the_lattice() -> None:
    problem = ct("gaussian_blobs", size=20, views=12, noise_level=0.02)
    fits = [each.solution for each in lattice_fits(problem, steps=40)]
    assert [each.method for each in fits] == ["grid, network", "grid, TV", "hash, TV"]
    watched = baselines.tv(problem).watched
    for each in fits:
        assert torch.equal(each.watched[0], watched[0])
    for each in fits[1:]:
        assert each.details["weight of TV"] == fits[1].details["weight"]


def test_the_fit_that_is_made_again_sees_all_rows() -> None:
    problem = ct("gaussian_blobs", size=20, views=12, noise_level=0.02)
    *on_lattice, with_prior = lattice_fits(problem, steps=40)
    for each in on_lattice:
        assert each.again is not None
        again = each.again()
        assert not again.watched
        assert again.method == each.solution.method
        assert again.psnr() > each.solution.psnr() - 0.5
    assert with_prior.again is None


def test_the_fit_by_the_network_knows_no_unit() -> None:
    """Attenuation per metre is a hundred times that per centimetre, and so is its image."""
    problem = ct("gaussian_blobs", size=16, views=12, noise_level=0.02)
    (term,) = problem.terms
    factor = 100.0
    larger = replace(term, y=factor * term.y, fidelity=noise.Gaussian(factor * term.fidelity.sigma))
    start = baselines.tv(problem, finer=2).sample(problem.grid.refined(2))
    images = [
        by_network(each, image).image()
        for each, image in (
            (problem, start),
            (replace(problem, terms=[larger]), factor * start),
        )
    ]
    torch.testing.assert_close(images[1], factor * images[0], rtol=1e-3, atol=1e-3 * factor)


@pytest.mark.slow
def test_the_network_is_better_than_total_variation_at_any_noise() -> None:
    """On a phantom of ellipses; with steps for the data that end early it would lose at 0.1 %."""
    for level in (0.02, 0.001):
        problem = ct("shepp_logan", size=48, views=40, noise_level=level, seed=3)
        network, variation = itertools.islice(lattice_fits(problem), 2)
        assert network.solution.psnr() > variation.solution.psnr() + 0.5


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
