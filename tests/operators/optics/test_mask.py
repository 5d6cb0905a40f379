"""Samples at points and masks of pixels against closed forms."""

import math
from typing import Any

import pytest
import torch
from cases.mask import BOX, Sized, Tight, plane, sizes
from torch import Tensor, nn

from inverse_inr import Grid, Problem, SampledField, Term, as_linear_map, predict, solve
from inverse_inr.fidelity import L2
from inverse_inr.operators import (
    Mask,
    PointSamples,
    RandomSamples,
    bayer_mask,
    random_mask,
    striped_mask,
)


def colour(points: Tensor) -> Tensor:
    return torch.cat([points, points.square().sum(-1, keepdim=True)], -1)


class TestPoints(Tight):
    @pytest.fixture(autouse=True, params=["fixed", "learnt", "random"])
    def choose(self, request: Any):
        self.kind = request.param

    def make(self):
        if self.kind == "random":
            return RandomSamples(BOX, 11, method="sobol")
        generator = torch.Generator().manual_seed(1)
        points = BOX.random_points(15, dtype=torch.float64, generator=generator).reshape(3, 5, 2)
        if self.kind == "learnt":
            points = nn.Parameter(points)
        return PointSamples(points)


class TestMask(Sized):
    def make(self):
        return random_mask(self.grid, 0.4)


class TestMaskOnGrid(Sized):
    def make(self):
        return random_mask(self.grid, 0.4).on(self.grid)


class TestBayer(Sized):
    channels = 3

    def make(self):
        return bayer_mask(self.grid, "GBRG")


class TestBayerOnGrid(TestBayer):
    def make(self):
        return bayer_mask(self.grid).on(self.grid)


# --- points and masks ---------------------------------------------------------------------------


def test_points_measure_the_field_itself():
    points = BOX.random_points(6, dtype=torch.float64).reshape(2, 3, 2)
    operator = PointSamples(points, BOX)
    assert operator.shape == (2, 3)
    assert torch.equal(operator.unflatten(predict(operator, plane)), plane(points)[..., 0])
    assert predict(operator, colour).shape == (6, 3)
    beyond = points + 10  # a continuous field is asked where it is asked
    assert torch.equal(predict(PointSamples(beyond), plane), plane(beyond)[..., 0].flatten())


@pytest.mark.parametrize(("method", "bound"), [("uniform", 0.1), ("sobol", 0.005)])
def test_random_samples_fill_the_box_and_follow_the_seed(method: str, bound: float):
    a, b, c = (RandomSamples(BOX, 512, method=method, seed=s) for s in (0, 0, 1))
    assert torch.equal(a.points, b.points)
    assert not torch.equal(a.points, c.points)
    middle = a.points.mean(0) - torch.tensor(BOX.center, dtype=torch.float64)
    assert middle.abs().max() < bound
    assert (BOX.normalize(a.points).abs() <= 1).all()


@sizes
def test_a_mask_keeps_its_pixels_in_array_order(shape: tuple[int, int]):
    grid = Grid(BOX, shape)
    keep = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.3
    mask = Mask(keep, grid)
    image = plane(grid.points(torch.float64))[..., 0]
    y = predict(mask, plane)
    assert torch.allclose(y, image[keep], rtol=0, atol=1e-14)
    assert torch.equal(predict(mask.on(grid), SampledField(image[..., None], grid)), image[keep])
    back = mask.embed(y)
    assert torch.equal(back.isnan(), ~keep)
    assert torch.allclose(back[keep], image[keep], atol=1e-14)
    fine = Grid(BOX, (2 * shape[0], 2 * shape[1]))  # multilinear is exact on a plane
    seen = as_linear_map(mask, fine, dtype=torch.float64)(plane(fine.points(torch.float64)))
    assert torch.allclose(seen, y, atol=1e-12)


def test_random_masks_keep_the_number_asked_for():
    grid = Grid(BOX, (30, 40))
    assert len(random_mask(grid, 0.2)) == 240
    assert torch.equal(random_mask(grid, 0.2, seed=3).pixels, random_mask(grid, 0.2, seed=3).pixels)
    density = torch.where(torch.arange(40) < 20, 3.0, 1.0).expand(30, 40)
    masks = [random_mask(grid, 0.1, seed=s, density=density) for s in range(40)]
    counts = [int((mask.pixels % 40 < 20).sum()) for mask in masks]
    # without replacement 10 % of the weighted pixels: 3 : 1, less a little for pixels used up
    assert sum(counts) / (40 * 120) == pytest.approx(0.74, abs=0.02)


def test_stripes_and_bayer_filters_keep_their_pixels():
    grid = Grid(BOX, (5, 7))
    lines = striped_mask(grid, 3, width=2, axis=1, offset=1).embed(torch.ones(20)).isfinite()
    assert lines[0].tolist() == [False, True, True, False, True, True, False]
    assert (lines == lines[0]).all()
    filters = bayer_mask(grid, "RGGB")
    y = predict(filters, colour).reshape(5, 7)
    truth = colour(grid.points(torch.float64))
    assert torch.allclose(y[::2, ::2], truth[::2, ::2, 0])
    assert torch.allclose(y[1::2, 1::2], truth[1::2, 1::2, 2])
    assert torch.allclose(y[::2, 1::2], truth[::2, 1::2, 1])
    assert torch.allclose(y[1::2, ::2], truth[1::2, ::2, 1])
    assert filters.embed(y.flatten()).isfinite().sum() == 35


def test_places_in_float64_serve_priors_in_float32():
    """The solver hands operators a memo of the prior; points follow its precision through it."""
    grid = Grid(BOX, (8, 8))
    mask = random_mask(grid, 0.5)
    problem = Problem([Term(mask, predict(mask, plane), L2())], BOX, grid)
    for name in ("grid", "siren"):
        assert solve(problem, name, steps=2).sample().dtype == torch.float32


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: Mask(torch.zeros(6, 9), g), "keeps no pixel"),
        (lambda g: Mask(torch.ones(9, 6), g), r"shape \(9, 6\), the grid \(6, 9\). Transposed\?"),
        (lambda g: Mask(torch.full((6, 9), 0.5), g), "values must be 0 or 1"),
        (lambda g: random_mask(g, 0.0), r"fraction=0.0 must be a number above 0 and of at most 1"),
        (lambda g: random_mask(g, 0.5, density=-torch.ones(6, 9)), "density must be"),
        (lambda g: striped_mask(g, 2, width=3), "width=3 must lie between 1 and period=2"),
        (lambda g: bayer_mask(g, "RGXB"), "pattern='RGXB' must be four of 'RGB'"),
        (lambda g: PointSamples(torch.zeros(0, 2)), "not empty"),
        (lambda g: PointSamples(torch.tensor([[0.0, math.nan]])), "points hold NaN"),
        (lambda g: PointSamples(torch.zeros(3, 2), BOX), "3 of 3 points lie outside"),
        (
            lambda g: PointSamples(torch.zeros(3, 3), BOX),
            "points have 3 coordinates and the box 2 axes",
        ),
        (lambda g: RandomSamples(BOX, 0), "count=0 must be"),
        (lambda g: RandomSamples(BOX, 3, method="halton"), "must be 'uniform' or 'sobol'"),
    ],
)
def test_wrong_masks_and_points_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make(Grid(BOX, (6, 9)))


def test_a_field_of_other_channels_is_refused_by_a_colour_filter():
    with pytest.raises(ValueError, match="Mask of 3 channels: the field has 1"):
        predict(bayer_mask(Grid(BOX, (6, 9))), plane)
