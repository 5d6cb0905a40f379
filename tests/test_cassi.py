"""CASSI against an independent loop: three modes, both axes, every parity; Gram matrix, gradients, errors."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import BandGrid, Box, Grid, SampledField, adjoint, as_linear_map, predict, sample
from inverse_inr.operators import CASSI
from inverse_inr.operators.dispersion import (
    TSA_WAVELENGTHS,
    Cauchy,
    Polynomial,
    Scaled,
    Table,
    ThinPrism,
    refractive_index,
    steps,
)
from inverse_inr.testing import OperatorTests, smooth_field

SIZES = [(6, 6), (7, 7), (6, 9), (9, 6), (5, 8)]


def box(height: int, width: int) -> Box:
    return Box((0.0, 0.0, 450.0), (height, width, 650.0), units=("px", "px", "nm"))


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def bands(count: int) -> Tensor:
    return Grid(box(1, 1), (1, 1, count)).axes(torch.float64)[-1]


def camera(height=6, width=9, count=5, pixels=1.0, mode="single", axis=1, **keywords) -> CASSI:
    room = math.ceil((count - 1) * pixels) if mode != "single" else 0
    shape = (height, width + room) if axis == 1 else (height + room, width)
    mask = keywords.pop("mask", rand(*shape))
    wavelengths = bands(count)
    return CASSI(box(height, width), mask, wavelengths, steps(wavelengths, pixels), mode, axis, **keywords)


def loop(mask: Tensor, cube: Tensor, shifts: list[int], mode: str, axis: int) -> Tensor:
    """The definition, one scalar product at a time."""
    if axis == 0:
        return loop(mask.T, cube.transpose(0, 1), shifts, mode, 1).T
    height, width, _ = cube.shape
    y = torch.zeros(height, width + (max(shifts) if mode == "single" else 0), dtype=cube.dtype)
    for i, j, (band, d) in itertools.product(range(height), range(width), enumerate(shifts)):
        if mode == "single":
            y[i, j + d] += mask[i, j] * cube[i, j, band]
        else:
            y[i, j] += mask[i, j + d] * cube[i, j, band]
    return y


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("mode", ["single", "dual", "spatial-spectral"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [1, 2])
def test_equals_an_independent_loop(size, mode, axis, step):
    a = camera(*size, pixels=step, mode=mode, axis=axis)
    grid = Grid(box(*size), (*size, 5))
    seen, cube = a.on(grid), rand(*size, 5, seed=1)
    expected = loop(a.mask, cube, [step * k for k in range(5)], mode, axis)
    assert seen.grid == grid
    assert seen.shape == expected.shape == a.shape
    assert (seen.snapshot(cube) - expected).abs().max() < 1e-12
    y = rand(len(a), seed=2)
    back = adjoint(seen, None, y)[..., 0]
    assert abs(float((seen.flatten(expected) * y).sum() - (cube * back).sum())) < 1e-12 * len(a)


def test_the_size_of_the_published_benchmark():
    wavelengths = torch.tensor(TSA_WAVELENGTHS)
    a = CASSI(box(256, 256), torch.ones(256, 256), wavelengths, steps(wavelengths, 2.0))
    assert a.shape == (256, 310)
    assert isinstance(a.bands, BandGrid)
    assert a.on(Grid(box(256, 256), (256, 256, 28))).grid == a.bands


def test_one_band_is_the_mask():
    a = camera(count=1)
    cube = rand(6, 9, 1, seed=1)
    assert torch.equal(a.on(a.bands).snapshot(cube), a.mask * cube[..., 0])


def test_it_sums_and_does_not_average():
    a = camera(mask=torch.ones(6, 9, dtype=torch.float64), pixels=0.0)
    assert torch.allclose(predict(a, lambda x: torch.ones_like(x[..., :1])), torch.tensor(5.0, dtype=torch.float64))


@pytest.mark.parametrize("mode", ["single", "dual"])
@pytest.mark.parametrize("axis", [0, 1])
def test_points_and_grid_agree_for_whole_pixels(mode, axis):
    a = camera(pixels=2.0, mode=mode, axis=axis)
    field, seen = smooth_field(), a.on(a.bands)
    gridded = seen.flatten(seen.snapshot(field(a.bands.points(torch.float64))[..., 0]))
    assert (predict(a, field) - gridded).abs().max() < 1e-10 * gridded.abs().max()


def test_points_and_grid_agree_behind_a_blur():
    a = camera(pixels=2.0, psf=lambda w: 0.3 + 0.004 * (w - 450))
    field, seen = smooth_field(), a.on(a.bands)
    gridded = seen.flatten(seen.snapshot(field(a.bands.points(torch.float64))[..., 0]))
    assert (predict(a, field) - gridded).abs().max() < 1e-10 * gridded.abs().max()


def test_a_fractional_shift_asks_the_field_where_it_is():
    """A field linear along the dispersion, behind an open mask: y is the sum of its values at u - d_l, exactly."""
    a = camera(width=12, pixels=0.3, mask=torch.ones(6, 12, dtype=torch.float64))
    y = a.unflatten(predict(a, lambda x: x[..., 1:2]))
    u = torch.arange(12, dtype=torch.float64) + 0.5
    expected = sum(u - 0.3 * k for k in range(5))
    assert torch.allclose(y[:, 2:12], expected[2:].expand(6, -1), atol=1e-12)


@pytest.mark.parametrize("pixels", [1.0, 0.4, 1.7])
@pytest.mark.parametrize("mode", ["single", "dual"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("eta", [0.0, 0.3])
def test_gram_solve_is_exact(pixels, mode, axis, eta):
    a = camera(pixels=pixels, mode=mode, axis=axis)
    seen = a.on(a.bands)
    z = seen.gram_solve(rand(*a.shape, seed=3), eta)
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + eta * z
    assert torch.allclose(again, rand(*a.shape, seed=3), atol=1e-11)


def test_gram_solve_of_rows_that_were_seen():
    a = camera(pixels=0.6)
    seen = a.on(a.bands)
    rows = rand(*a.shape, seed=4) < 0.7
    z = seen.gram(0.1, rows)(rand(*a.shape, seed=3))
    assert not z[~rows].any()
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + 0.1 * z
    assert torch.allclose(again[rows], rand(*a.shape, seed=3)[rows], atol=1e-11)


@pytest.mark.parametrize("keywords", [{"psf": 0.6}, {"mask": rand(2, 6, 9, 1) + 0.1}, {"mask": rand(2, 6, 9, 5) + 0.1}])
def test_gram_solve_of_blur_and_of_several_shots(keywords):
    a = camera(pixels=0.6, **keywords)
    seen = a.on(a.bands)
    y = rand(*a.shape, seed=3)
    z = seen.gram_solve(y, 0.2)
    again = seen.snapshot(adjoint(seen, None, seen.flatten(z))[..., 0]) + 0.2 * z
    assert torch.allclose(again, y, atol=1e-7)


def test_colours_and_shots():
    cube, colours = rand(6, 9, 5, seed=1), rand(2, 6, 9, 5)
    a = camera(mask=colours)
    y = a.on(a.bands).snapshot(cube)
    assert y.shape == a.shape == (2, 6, 13)
    for shot in range(2):
        lone = camera(mask=colours[shot])
        assert torch.allclose(y[shot], lone.on(lone.bands).snapshot(cube), atol=1e-14)
        expected = sum(
            loop(colours[shot, :, :, b], cube[..., b : b + 1], [b], "single", 1)[:, :13]
            if b == 4
            else nn.functional.pad(loop(colours[shot, :, :, b], cube[..., b : b + 1], [b], "single", 1), (0, 4 - b))
            for b in range(5)
        )
        assert torch.allclose(y[shot], expected, atol=1e-14)


def test_gains_and_quadrature():
    wavelengths = torch.tensor([460.0, 470.0, 500.0, 540.0])
    mask, cube = rand(6, 9), rand(6, 9, 4, seed=1)
    plain = CASSI(box(6, 9), mask, wavelengths, steps(wavelengths, 1.0))
    weighted = CASSI(box(6, 9), mask, wavelengths, steps(wavelengths, 1.0), quadrature=True, response=wavelengths / 500)
    widths = torch.tensor([10.0, 20.0, 35.0, 40.0], dtype=torch.float64)
    gains = widths / widths.mean() * wavelengths / 500
    assert torch.allclose(weighted.gains(), gains)
    assert torch.allclose(weighted.on(plain.bands).snapshot(cube), plain.on(plain.bands).snapshot(cube * gains))


def test_a_blur_keeps_the_light():
    a, sharp = camera(12, 12, psf=0.8), camera(12, 12)
    cube = torch.zeros(12, 12, 5, dtype=torch.float64)
    cube[6, 6, 2] = 1.0
    seen, before = a.on(a.bands).snapshot(cube), sharp.on(sharp.bands).snapshot(cube)
    assert torch.allclose(seen.sum(), before.sum(), atol=1e-4)
    offset = torch.arange(16, dtype=torch.float64) - 8
    spread = (seen.sum(0) * offset.square()).sum() / seen.sum()
    assert abs(float(spread) - 0.64 - 1 / 12) < 1e-2  # a pixel's own width on top


@pytest.mark.parametrize("mode", ["single", "dual"])
def test_gradients_of_mask_and_dispersion(mode):
    wavelengths, cube, field = bands(3), rand(4, 5, 3, seed=1), smooth_field()
    shape = (4, 5) if mode == "single" else (4, 8)

    def measured(mask: Tensor, coefficients: Tensor, on_grid: bool) -> Tensor:
        law = Polynomial(torch.zeros(2))
        del law.coefficients
        law.coefficients = coefficients
        a = CASSI(box(4, 5), rand(*shape), wavelengths, law, mode)
        del a.mask
        a.mask = mask
        return a.on(a.bands).snapshot(cube).flatten() if on_grid else predict(a, field)

    mask, coefficients = rand(*shape).requires_grad_(), torch.tensor([0.13, 0.81], dtype=torch.float64)
    for on_grid in (True, False):
        assert torch.autograd.gradcheck(
            lambda m, c, on_grid=on_grid: measured(m, c, on_grid), (mask, coefficients.requires_grad_()), atol=1e-6
        )


class TestSingleOnPoints(OperatorTests):
    def make(self):
        return camera(pixels=0.7)


class TestDualAlongAxis0(OperatorTests):
    def make(self):
        return camera(5, 8, pixels=1.3, mode="dual", axis=0)


class TestShotsBehindABlur(OperatorTests):
    def make(self):
        return camera(mask=rand(2, 6, 9, 5), psf=0.5, pixels=0.7)


class TestOnACube(OperatorTests):
    def make(self):
        a = camera(pixels=0.7)
        return a.on(a.bands)


class TestLearnsHowItBlurs(OperatorTests):
    def make(self):
        return camera(psf=nn.Parameter(torch.tensor(0.6, dtype=torch.float64)), pixels=0.7)


class TestLearnsWhereItIs(OperatorTests):
    def make(self):
        wavelengths = bands(3)
        law = Scaled(steps(wavelengths, 0.7), nn.Parameter(torch.tensor(1.03)), nn.Parameter(torch.tensor(0.05)))
        return CASSI(box(5, 6), rand(5, 6), wavelengths, law, response=nn.Parameter(torch.tensor([1.0, 0.9, 1.1])),
                     mask_shift=nn.Parameter(torch.tensor([0.31, -0.23])),
                     mask_rotation=nn.Parameter(torch.tensor(0.02)),
                     mask_stretch=nn.Parameter(torch.tensor([[0.13, 0.07], [-0.04, 0.21]])))  # fmt: skip


def test_a_shifted_mask_is_where_it_is_said_to_be():
    a = camera(mask_shift=torch.tensor([1.0, -2.0]))
    moved = torch.zeros(6, 9, dtype=torch.float64)
    moved[1:, :-2] = a.mask[:-1, 2:]
    assert torch.allclose(a.codes()[0, 0], moved, atol=1e-12)
    # from axis 0 to axis 1: what was down is to the right
    mask = torch.zeros(7, 7, dtype=torch.float64)
    mask[5, 3] = 1.0
    turned = camera(7, 7, mask=mask, mask_rotation=math.pi / 2).codes()[0, 0]
    assert torch.allclose(turned[3, 5], torch.tensor(1.0, dtype=torch.float64), atol=1e-6)


def test_a_stretched_mask_has_its_edges_where_they_are_said_to_be():
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    for axis, ramp, half in ((0, rows - 3.5, 4.0), (1, columns - 2.5, 3.0)):
        stretch = torch.zeros(2, 2)
        stretch[axis, axis] = 0.5  # edges half a pixel further out
        a = camera(8, 6, mask=(ramp + 10).double(), mask_stretch=stretch)
        inner = a.codes()[0, 0][2:-2, 2:-2]
        assert torch.allclose(inner, (ramp / (1 + 0.5 / half) + 10).double()[2:-2, 2:-2], atol=1e-6)
    # the edge across axis 1 goes down by half a pixel: a shear
    shear = torch.tensor([[0.0, 0.5], [0.0, 0.0]])
    inner = camera(8, 6, mask=(rows + 10).double(), mask_stretch=shear).codes()[0, 0][2:-2, 2:-2]
    assert torch.allclose(inner, (rows - 0.5 * (columns - 2.5) / 3 + 10).double()[2:-2, 2:-2], atol=1e-6)


def test_one_blur_for_all_wavelengths_is_the_same_blur_for_each():
    for pixels, axis in ((2.0, 1), (0.7, 0)):
        once, each = (camera(pixels=pixels, axis=axis, psf=psf) for psf in (0.6, lambda w: torch.full_like(w, 0.6)))
        cube = rand(*once.bands.shape, seed=1)
        assert torch.allclose(once.on(once.bands).snapshot(cube), each.on(each.bands).snapshot(cube), atol=1e-13)


def test_light_is_conserved_by_fractional_dispersion():
    a = camera(pixels=0.37, mask=torch.ones(6, 9, dtype=torch.float64))
    cube = rand(6, 9, 5, seed=1)
    assert torch.allclose(a.on(a.bands).snapshot(cube).sum(), cube.sum())


def test_follows_dtype():
    a = camera(mask=rand(6, 9).float())
    assert predict(a.on(a.bands), SampledField(torch.rand(6, 9, 5, 1), a.bands)).dtype == torch.float32
    assert a.on(a.bands).snapshot(rand(6, 9, 5)).dtype == torch.float64
    assert as_linear_map(a, a.bands)(torch.rand(6, 9, 5, 1)).dtype == torch.float32


@pytest.mark.gpu
def test_on_cuda():
    a = camera(pixels=0.7).cuda()
    cube = rand(6, 9, 5, seed=1)
    here = camera(pixels=0.7)
    assert torch.allclose(a.on(a.bands).snapshot(cube.cuda()).cpu(), here.on(here.bands).snapshot(cube), atol=1e-12)
    field = smooth_field()
    assert torch.allclose(predict(a, field).cpu(), predict(here, field), atol=1e-12)


# --- laws of dispersion ------------------------------------------------------------------------------------------


def test_laws():
    wavelengths = torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    table = steps(wavelengths, 2.0)
    assert torch.allclose(table(wavelengths), 2 * torch.arange(28, dtype=torch.float64))
    assert torch.allclose(table(torch.tensor([455.5])), torch.tensor([1.0]))  # half-way between the first two
    grating = Polynomial(torch.tensor([1.0, 10.0]), reference=500.0)
    assert torch.allclose(grating(torch.tensor([500.0, 550.0])), torch.tensor([1.0, 6.0]))
    line = torch.stack([torch.ones_like(wavelengths), wavelengths], -1)
    straight = line @ torch.linalg.lstsq(line, table(wavelengths)[:, None]).solution[:, 0]
    assert (straight - table(wavelengths)).abs().max() > 3.0  # what a constant step in nm would get wrong
    assert (Cauchy.fit(wavelengths, table(wavelengths))(wavelengths) - table(wavelengths)).abs().max() < 0.31
    exact = Cauchy(torch.tensor([80.0, -70.0, 5.0]))
    found = Cauchy.fit(wavelengths, exact(wavelengths))
    assert torch.allclose(found.coefficients, exact.coefficients, atol=1e-8)
    assert torch.allclose(Scaled(table, 1.02, 0.5)(wavelengths), 1.02 * table(wavelengths) + 0.5)


def test_thin_prism_of_bk7():
    # data sheet: n_F = 1.52238, n_d = 1.51680, n_C = 1.51432
    index = refractive_index(torch.tensor([486.13, 587.56, 656.27], dtype=torch.float64))
    assert torch.allclose(index, torch.tensor([1.52238, 1.51680, 1.51432], dtype=torch.float64), atol=1e-5)
    shift = ThinPrism(0.1, focal=50.0, pitch=0.01, reference=486.13)(torch.tensor([486.13, 656.27]).double())
    assert torch.allclose(shift, torch.tensor([0.0, 500 * (1.52238 - 1.51432)]).double(), atol=1e-2)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_refuses_what_does_not_fit():
    wavelengths, mask = bands(5), torch.rand(6, 9)
    law = steps(wavelengths, 1.0)
    with pytest.raises(ValueError, match="smaller than the scene"):
        CASSI(box(6, 9), torch.rand(6, 8), wavelengths, law)
    with pytest.raises(ValueError, match="Transposed"):
        CASSI(box(6, 9), torch.rand(9, 6), wavelengths, law)
    with pytest.raises(ValueError, match="larger than the scene"):
        CASSI(box(6, 9), torch.rand(6, 10), wavelengths, law)
    with pytest.raises(ValueError, match="colours for 5 bands"):
        CASSI(box(6, 9), torch.rand(6, 9, 4), wavelengths, law)
    with pytest.raises(ValueError, match="no light"):
        CASSI(box(6, 9), torch.zeros(6, 9), wavelengths, law)
    with pytest.raises(ValueError, match="must rise"):
        CASSI(box(6, 9), mask, wavelengths.flip(0), law)
    with pytest.raises(ValueError, match="micrometres"):
        CASSI(box(6, 9), mask, wavelengths / 1000, law)
    with pytest.raises(ValueError, match="leaves the detector of 12 px"):
        CASSI(box(6, 9), mask, wavelengths, law, width=12)
    with pytest.raises(ValueError, match="off the detector's edge"):
        CASSI(box(6, 9), mask, wavelengths, Scaled(law, offset=-1.0))
    with pytest.raises(ValueError, match="whole pixels"):
        CASSI(Box((0, 0, 450), (6.5, 9, 650)), mask, wavelengths, law)
    with pytest.raises(ValueError, match="two of space"):
        CASSI(Box((0, 0), (6, 9)), mask, wavelengths, law)
    with pytest.raises(ValueError, match="mode must be"):
        CASSI(box(6, 9), mask, wavelengths, law, mode="sd")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="axis=2"):
        CASSI(box(6, 9), mask, wavelengths, law, axis=2)
    with pytest.raises(ValueError, match="4 wavelengths and 5 shifts"):
        Table(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.rand(5))


def test_refuses_cubes_of_another_count_or_order():
    a = camera()
    with pytest.raises(ValueError, match=r"5 bands; the grid has shape \(6, 9, 4\)"):
        a.on(Grid(box(6, 9), (6, 9, 4)))
    with pytest.raises(ValueError, match=r"movedim\(0, -1\)"):
        a.on(Grid(Box((0, 0, 0), (5, 6, 9)), (5, 6, 9)))


# --- grids of bands -------------------------------------------------------------------------------------------------


def test_band_grid():
    centers = (460.0, 470.0, 500.0, 600.0)
    grid = BandGrid(box(2, 3), (2, 3, 4), centers=centers)
    assert torch.equal(grid.axes()[-1], torch.tensor(centers))
    assert grid.edges == [450.0, 465.0, 485.0, 550.0, 650.0]
    field = lambda x: x[..., 2:3] + 1000 * x[..., :1]  # noqa: E731
    cube = SampledField(sample(field, grid), grid)
    assert torch.allclose(cube(torch.tensor([[1.0, 1.0, 550.0]])), torch.tensor([[1550.0]]))
    assert torch.allclose(sample(cube, grid, chunk=4), cube.values)  # in slabs
    means = sample(field, grid, average=4)[0, 0, :, 0] - 500
    assert torch.allclose(means, torch.tensor([457.5, 475.0, 517.5, 600.0]))
    assert grid.crop((0, 1, 1), (2, 2, 2)).axes()[-1].tolist() == [470.0, 500.0]
    assert BandGrid.of(box(2, 3), (2, 3), Grid(box(2, 3), (2, 3, 5)).axes()[-1]) == Grid(box(2, 3), (2, 3, 5))
    assert BandGrid.of(box(2, 3), (2, 3), centers) == grid
    with pytest.raises(ValueError, match="must rise"):
        BandGrid(box(2, 3), (2, 3, 2), centers=(500.0, 480.0))
    with pytest.raises(ValueError, match="3 centres for 4 bands"):
        BandGrid(box(2, 3), (2, 3, 4), centers=centers[:3])
    with pytest.raises(ValueError, match="the box from 450"):
        BandGrid(box(2, 3), (2, 3, 2), centers=(380.0, 480.0))
