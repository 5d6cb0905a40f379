"""Samples, masks, single-pixel patterns and coded video against closed forms."""

import math
from typing import Any

import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, as_linear_map, predict, sample
from inverse_inr.operators import (
    CodedVideo,
    FourierPatterns,
    HadamardPatterns,
    Mask,
    PointSamples,
    RandomSamples,
    SinglePixel,
    bayer_mask,
    random_mask,
    striped_mask,
)
from inverse_inr.operators.single_pixel import walsh_hadamard, walsh_order
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
SIZES = [(8, 8), (7, 7), (6, 9)]
sizes = pytest.mark.parametrize("shape", SIZES, ids=lambda s: "x".join(map(str, s)))


def plane(points: Tensor) -> Tensor:
    return (points * points.new_tensor([2.0, -1.0])).sum(-1, keepdim=True) + 0.3


def colour(points: Tensor) -> Tensor:
    return torch.cat([points, points.square().sum(-1, keepdim=True)], -1)


def some(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Tight(OperatorTests):
    """Sampling is exact: the dot test holds to 1e-12."""

    tolerance = 1e-12


class Sized(Tight):
    @pytest.fixture(autouse=True, params=SIZES, ids=lambda s: "x".join(map(str, s)))
    def choose(self, request: Any):
        self.grid = Grid(BOX, request.param)


class TestPoints(Tight):
    @pytest.fixture(autouse=True, params=["fixed", "learnt", "random"])
    def choose(self, request: Any):
        self.kind = request.param

    def make(self):
        points = BOX.random_points(15, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).reshape(3, 5, 2)
        if self.kind == "random":
            return RandomSamples(BOX, 11, method="sobol")
        return PointSamples(nn.Parameter(points) if self.kind == "learnt" else points)


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


class TestSinglePixel(Sized):
    @pytest.fixture(autouse=True, params=["given", "complex", "hadamard", "fourier"])
    def kinds(self, request: Any):
        self.kind = request.param

    def make(self):
        g = self.grid
        patterns: Any = some((9, *g.shape))
        patterns = patterns + 0.5j * some((9, *g.shape), 1) if self.kind == "complex" else patterns
        patterns = HadamardPatterns(g, 21) if self.kind == "hadamard" else patterns
        return SinglePixel(FourierPatterns(g, 17) if self.kind == "fourier" else patterns, g)


class TestSinglePixelChannels(TestSinglePixel):
    channels = 2


class TestVideo(Sized):
    channels = 2

    @property
    def video(self) -> Grid:
        return Grid(Box((-1, 2, 0), (0.5, 4, 3), ("mm", "mm", "s")), (*self.grid.shape, 5))

    def make(self):
        codes = torch.rand(self.video.shape, generator=torch.Generator().manual_seed(0)) > 0.5
        return CodedVideo(codes, self.video, instants=2)


class TestVideoOnGrid(TestVideo):
    def make(self):
        return CodedVideo(some(self.video.shape), self.video).on(self.video)


# --- points and masks -------------------------------------------------------------------------------------------


def test_points_measure_the_field_itself():
    points = BOX.random_points(6, dtype=torch.float64).reshape(2, 3, 2)
    operator = PointSamples(points, BOX)
    assert operator.shape == (2, 3)
    assert torch.equal(operator.unflatten(predict(operator, plane)), plane(points)[..., 0])
    assert predict(operator, colour).shape == (6, 3)
    beyond = points + 10  # a continuous field is asked where it is asked
    assert torch.equal(predict(PointSamples(beyond), plane), plane(beyond)[..., 0].flatten())


@pytest.mark.parametrize("method", ["uniform", "sobol"])
def test_random_samples_fill_the_box_and_follow_the_seed(method: str):
    a, b, c = (RandomSamples(BOX, 512, method=method, seed=s) for s in (0, 0, 1))
    assert torch.equal(a.points, b.points)
    assert not torch.equal(a.points, c.points)
    middle = a.points.mean(0) - torch.tensor(BOX.center, dtype=torch.float64)
    assert middle.abs().max() < (0.1 if method == "uniform" else 0.005)
    assert (BOX.normalize(a.points).abs() <= 1).all()


@sizes
def test_a_mask_keeps_its_pixels_in_array_order(shape: tuple[int, int]):
    grid = Grid(BOX, shape)
    keep = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.3
    mask, image = Mask(keep, grid), plane(grid.points(torch.float64))[..., 0]
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
    counts = [int((random_mask(grid, 0.1, seed=s, density=density).pixels % 40 < 20).sum()) for s in range(40)]
    # without replacement 10 % of the weighted pixels: 3 : 1, less a little for pixels used up
    assert sum(counts) / (40 * 120) == pytest.approx(0.74, abs=0.02)


def test_stripes_and_bayer():
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


# --- single pixel -----------------------------------------------------------------------------------------------


def test_walsh_hadamard_is_the_matrix_and_walsh_order_counts_sign_changes():
    x = some((16, 3))
    matrix = torch.tensor(hadamard(16), dtype=torch.float64)
    assert torch.allclose(walsh_hadamard(x, 0), matrix @ x)
    assert torch.equal((matrix[walsh_order(16)].diff(dim=1) != 0).sum(1), torch.arange(16))
    assert walsh_order(1).tolist() == [0]


@sizes
def test_hadamard_patterns_are_plus_minus_one_and_coarse_first(shape: tuple[int, int]):
    patterns = HadamardPatterns(Grid(BOX, shape))
    images = patterns.images(torch.arange(patterns.count))
    assert patterns.count == math.prod(patterns.padded)
    assert torch.equal(images.abs(), torch.ones_like(images))
    assert torch.equal(images[0], torch.ones(shape, dtype=torch.float64))
    if shape == (8, 8):
        flat = images.flatten(1)
        assert torch.equal(flat @ flat.T, 64 * torch.eye(64, dtype=torch.float64))
        changes = [(images.diff(dim=k) != 0).sum((1, 2)).double() / 8 / BOX.lengths[k - 1] for k in (1, 2)]
        radius = torch.hypot(*changes)
        assert (radius.diff() > -1e-9).all()


@sizes
def test_all_hadamard_measurements_give_the_image_back(shape: tuple[int, int]):
    grid = Grid(BOX, shape)
    operator, image = SinglePixel(HadamardPatterns(grid), grid), some((*shape, 1))
    linear = as_linear_map(operator, grid, dtype=torch.float64)
    size = math.prod(operator.patterns.padded)  # rows of the padded transform are a tight frame of the crop
    assert torch.allclose(linear.adjoint(linear(image)) * grid.numel**2 / size, image)


@sizes
def test_fourier_patterns_measure_coefficients(shape: tuple[int, int]):
    grid = Grid(BOX, shape)
    patterns = FourierPatterns(grid)
    k = patterns.wavenumbers().double()
    u = (grid.points(torch.float64) - torch.tensor(BOX.lower)) / torch.tensor(BOX.lengths)
    truth = torch.exp(-2j * math.pi * torch.einsum("hwd,kd->khw", u, k))
    assert torch.allclose(patterns.images(torch.arange(patterns.count)), truth, atol=1e-12)
    assert len({tuple(v) for v in k.abs().tolist()}) >= patterns.count / 2
    assert FourierPatterns(grid, both=True).count == grid.numel
    y = predict(SinglePixel(patterns, grid), lambda p: 2 + 0 * p[..., :1])
    assert y[0] == pytest.approx(2)
    assert y[1:].abs().max() < 1e-6


def test_given_patterns_measure_means():
    grid = Grid(BOX, (6, 9))
    patterns = some((4, 6, 9))
    y = predict(SinglePixel(patterns, grid), plane)
    assert torch.allclose(y.double(), (patterns * plane(grid.points(torch.float64))[..., 0]).mean((1, 2)), atol=1e-6)


# --- video ------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_sum_of_coded_frame_means():
    grid = Grid(Box((0, 0, 0), (1, 2, 3), ("mm", "mm", "s")), (4, 5, 6))
    codes = some(grid.shape)

    def rising(points: Tensor) -> Tensor:  # cubic in time: two Gauss nodes are exact
        return points[..., :1] + points[..., 2:] ** 3

    x, edges = grid.points(torch.float64)[..., 0], torch.arange(7, dtype=torch.float64) * 0.5
    truth = (codes * (x + (edges[1:] ** 4 - edges[:-1] ** 4) / (4 * 0.5))).sum(-1)
    operator = CodedVideo(codes, grid, instants=2)
    assert torch.allclose(operator.unflatten(predict(operator, rising)), truth)
    video = sample(rising, grid).double()
    assert torch.allclose(
        predict(operator.on(grid), SampledField(video, grid)), (codes * video[..., 0]).sum(-1).flatten()
    )


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: Mask(torch.zeros(6, 9), g), "keeps no pixel"),
        (lambda g: Mask(torch.ones(9, 6), g), r"shape \(9, 6\), the grid \(6, 9\). Transposed\?"),
        (lambda g: Mask(torch.full((6, 9), 0.5), g), "values must be 0 or 1"),
        (lambda g: random_mask(g, 0.0), r"fraction must lie in \(0, 1\]"),
        (lambda g: random_mask(g, 0.5, density=-torch.ones(6, 9)), "density must be"),
        (lambda g: striped_mask(g, 2, width=3), "width=3 must lie between 1 and period=2"),
        (lambda g: bayer_mask(g, "RGXB"), "pattern='RGXB' must be four of 'RGB'"),
        (lambda g: PointSamples(torch.zeros(0, 2)), "not empty"),
        (lambda g: PointSamples(torch.tensor([[0.0, math.nan]])), "points hold NaN"),
        (lambda g: PointSamples(torch.zeros(3, 2), BOX), "3 of 3 points lie outside"),
        (lambda g: PointSamples(torch.zeros(3, 3), BOX), "points have 3 coordinates and the box 2 axes"),
        (lambda g: RandomSamples(BOX, 0), "count must be at least 1"),
        (lambda g: RandomSamples(BOX, 3, method="halton"), "method must be 'uniform' or 'sobol'"),
        (lambda g: SinglePixel(torch.ones(2, 9, 6), g), r"patterns have shape \(2, 9, 6\)"),
        (lambda g: SinglePixel(torch.full((2, 6, 9), math.inf), g), "patterns hold NaN"),
        (lambda g: SinglePixel(HadamardPatterns(Grid(BOX, (8, 8))), g), r"grid of shape \(8, 8\), not \(6, 9\)"),
        (lambda g: HadamardPatterns(g, 129), "count must lie between 1 and 128, got 129"),
        (lambda g: SinglePixel(torch.ones(2, 6, 9), g).on(Grid(BOX, (8, 8))), "patterns belong to a grid"),
        (lambda g: CodedVideo(torch.ones(6, 8), g), "codes have shape"),
        (lambda g: CodedVideo(torch.zeros(6, 9), g), "not all zero"),
        (lambda g: CodedVideo(torch.ones(6, 9), g, instants=0), "instants must be at least 1"),
        (lambda g: CodedVideo(torch.ones(6, 9), g).on(Grid(BOX, (8, 8))), "codes belong to a grid"),
        (lambda g: walsh_hadamard(torch.ones(6), 0), "no power of two"),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make(Grid(BOX, (6, 9)))


def test_a_field_of_other_channels_is_refused_by_a_colour_filter():
    with pytest.raises(ValueError, match="Mask of 3 channels: the field has 1"):
        predict(bayer_mask(Grid(BOX, (6, 9))), plane)
