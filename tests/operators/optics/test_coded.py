"""Single-pixel patterns and coded video against closed forms."""

import math
from typing import Any

import pytest
import torch
from cases.mask import BOX, Sized, plane, sizes, some
from scipy.linalg import hadamard
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, as_linear_map, predict, sample
from inverse_inr.operators import CodedVideo, FourierPatterns, HadamardPatterns, SinglePixel
from inverse_inr.operators.optics.walsh import walsh_hadamard, walsh_order


class TestSinglePixel(Sized):
    @pytest.fixture(autouse=True, params=["given", "complex", "hadamard", "fourier"])
    def kinds(self, request: Any):
        self.kind = request.param

    def make(self):
        g = self.grid
        if self.kind == "hadamard":
            return SinglePixel(HadamardPatterns(g, 21), g)
        if self.kind == "fourier":
            return SinglePixel(FourierPatterns(g, 17), g)
        patterns = some((9, *g.shape))
        if self.kind == "complex":
            patterns = patterns + 0.5j * some((9, *g.shape), 1)
        return SinglePixel(patterns, g)


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


# --- single pixel -------------------------------------------------------------------------------


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


def test_hadamard_patterns_are_orthogonal_and_ordered_by_sign_changes():
    images = HadamardPatterns(Grid(BOX, (8, 8))).images(torch.arange(64))
    flat = images.flatten(1)
    assert torch.equal(flat @ flat.T, 64 * torch.eye(64, dtype=torch.float64))
    down, across = ((images.diff(dim=k) != 0).sum((1, 2)).double() / 8 for k in (1, 2))
    radius = torch.hypot(down / BOX.lengths[0], across / BOX.lengths[1])
    assert (radius.diff() > -1e-9).all()


@sizes
def test_all_hadamard_measurements_give_the_image_back(shape: tuple[int, int]):
    grid = Grid(BOX, shape)
    operator = SinglePixel(HadamardPatterns(grid), grid)
    image = some((*shape, 1))
    linear = as_linear_map(operator, grid, dtype=torch.float64)
    # rows of the padded transform are a tight frame of the crop
    size = math.prod(operator.patterns.padded)
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
    means = (patterns * plane(grid.points(torch.float64))[..., 0]).mean((1, 2))
    assert torch.allclose(y.double(), means, atol=1e-6)


# --- video --------------------------------------------------------------------------------------


def test_a_snapshot_is_the_sum_of_coded_frame_means():
    grid = Grid(Box((0, 0, 0), (1, 2, 3), ("mm", "mm", "s")), (4, 5, 6))
    codes = some(grid.shape)

    def rising(points: Tensor) -> Tensor:  # cubic in time: two Gauss nodes are exact
        return points[..., :1] + points[..., 2:] ** 3

    x = grid.points(torch.float64)[..., 0]
    edges = torch.arange(7, dtype=torch.float64) * 0.5
    truth = (codes * (x + (edges[1:] ** 4 - edges[:-1] ** 4) / (4 * 0.5))).sum(-1)
    operator = CodedVideo(codes, grid, instants=2)
    assert torch.allclose(operator.unflatten(predict(operator, rising)), truth)
    video = sample(rising, grid).double()
    seen = predict(operator.on(grid), SampledField(video, grid))
    assert torch.allclose(seen, (codes * video[..., 0]).sum(-1).flatten())


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: SinglePixel(torch.ones(2, 9, 6), g), r"patterns have shape \(2, 9, 6\)"),
        (lambda g: SinglePixel(torch.full((2, 6, 9), math.inf), g), "patterns hold NaN"),
        (
            lambda g: SinglePixel(HadamardPatterns(Grid(BOX, (8, 8))), g),
            r"grid of shape \(8, 8\), not \(6, 9\)",
        ),
        (lambda g: HadamardPatterns(g, 129), "count must lie between 1 and 128, got 129"),
        (
            lambda g: SinglePixel(torch.ones(2, 6, 9), g).on(Grid(BOX, (8, 8))),
            "patterns belong to a grid",
        ),
        (lambda g: CodedVideo(torch.ones(6, 8), g), "codes have shape"),
        (lambda g: CodedVideo(torch.zeros(6, 9), g), "must not be all zero"),
        (lambda g: CodedVideo(torch.ones(6, 9), g, instants=0), "instants=0 must be"),
        (lambda g: CodedVideo(torch.ones(6, 9), g).on(Grid(BOX, (8, 8))), "codes belong to a grid"),
        (lambda g: walsh_hadamard(torch.ones(6), 0), "no power of two"),
    ],
)
def test_wrong_patterns_and_codes_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make(Grid(BOX, (6, 9)))
