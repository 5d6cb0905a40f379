"""CASSI against an independent loop: modes, axes, every parity; points and cubes; gradients."""

import pytest
import torch
from cases.spectral import bands, box, camera, loop, rand
from torch import Tensor, nn

from inverse_inr import BandGrid, Grid, SampledField, adjoint, as_linear_map, predict
from inverse_inr.operators import CASSI, BandResponse
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS, Polynomial, steps
from inverse_inr.testing import OperatorTests, smooth_field

SIZES = [(6, 6), (7, 7), (6, 9), (9, 6), (5, 8)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("mode", ["single", "dual", "spatial-spectral"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("step", [1, 2, -1, -2])
def test_equals_an_independent_loop(size, mode, axis, step):
    a = camera(*size, pixels=step, mode=mode, axis=axis)
    grid = Grid(box(*size), (*size, 5))
    seen, cube = a.on(grid), rand(*size, 5, seed=1)
    shifts = [step * k for k in range(5)]
    expected = loop(a.mask, cube, [d - min(shifts) for d in shifts], mode, axis)
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
    assert torch.allclose(
        predict(a, lambda x: torch.ones_like(x[..., :1])), torch.tensor(5.0, dtype=torch.float64)
    )


@pytest.mark.parametrize("mode", ["single", "dual"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("pixels", [2.0, -1.0])
def test_points_and_grid_agree_for_whole_pixels(mode, axis, pixels):
    a = camera(pixels=pixels, mode=mode, axis=axis)
    field, seen = smooth_field(), a.on(a.bands)
    gridded = seen.flatten(seen.snapshot(field(a.bands.points(torch.float64))[..., 0]))
    assert (predict(a, field) - gridded).abs().max() < 1e-10 * gridded.abs().max()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("pixels", [-0.7, 2.1])
def test_the_adjoint_of_fractional_shifts_either_way_is_exact(axis, pixels):
    a = camera(pixels=pixels, axis=axis)
    seen, cube = a.on(a.bands), rand(6, 9, 5, seed=1)
    y = rand(len(a), seed=2)
    back = adjoint(seen, None, y)[..., 0]
    dots = float((seen.flatten(seen.snapshot(cube)) * y).sum()), float((cube * back).sum())
    assert dots[0] == pytest.approx(dots[1], rel=1e-13)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_spectrum_to_the_left_is_the_mirror_of_one_to_the_right(axis):
    cube, mask = rand(6, 9, 5, seed=1), rand(6, 9)
    left = camera(pixels=-2.0, mask=mask, axis=axis)
    right = camera(pixels=2.0, mask=mask.flip(axis), axis=axis)
    mirrored = right.on(right.bands).snapshot(cube.flip(axis)).flip(axis)
    assert torch.allclose(left.on(left.bands).snapshot(cube), mirrored, atol=1e-14)


def test_a_fractional_shift_asks_the_field_where_it_is():
    """Behind an open mask, y of a field linear along the dispersion is the sum at u - d_l."""
    a = camera(width=12, pixels=0.3, mask=torch.ones(6, 12, dtype=torch.float64))
    y = a.unflatten(predict(a, lambda x: x[..., 1:2]))
    u = torch.arange(12, dtype=torch.float64) + 0.5
    expected = sum(u - 0.3 * k for k in range(5))
    assert torch.allclose(y[:, 2:12], expected[2:].expand(6, -1), atol=1e-12)


def test_colours_and_shots():
    cube, colours = rand(6, 9, 5, seed=1), rand(2, 6, 9, 5)
    a = camera(mask=colours)
    y = a.on(a.bands).snapshot(cube)
    assert y.shape == a.shape == (2, 6, 13)
    for shot in range(2):
        lone = camera(mask=colours[shot])
        assert torch.allclose(y[shot], lone.on(lone.bands).snapshot(cube), atol=1e-14)
        alone = [
            loop(colours[shot, :, :, b], cube[..., b : b + 1], [b], "single", 1) for b in range(5)
        ]
        expected = sum(nn.functional.pad(y_b, (0, 4 - b)) for b, y_b in enumerate(alone))
        assert torch.allclose(y[shot], expected, atol=1e-14)


def test_gains_and_quadrature():
    wavelengths = torch.tensor([460.0, 470.0, 500.0, 540.0])
    mask, cube = rand(6, 9), rand(6, 9, 4, seed=1)
    plain = CASSI(box(6, 9), mask, wavelengths, steps(wavelengths, 1.0))
    response = BandResponse(wavelengths / 500, quadrature=True)
    weighted = CASSI(box(6, 9), mask, wavelengths, steps(wavelengths, 1.0), response=response)
    widths = torch.tensor([10.0, 20.0, 35.0, 40.0], dtype=torch.float64)
    gains = widths / widths.mean() * wavelengths / 500
    assert torch.allclose(weighted.gains(), gains)
    assert torch.allclose(
        weighted.on(plain.bands).snapshot(cube), plain.on(plain.bands).snapshot(cube * gains)
    )


@pytest.mark.parametrize(("mode", "shape"), [("single", (4, 5)), ("dual", (4, 8))])
@pytest.mark.parametrize("on_grid", [True, False])
def test_gradients_of_mask_and_dispersion(mode, shape, on_grid):
    wavelengths = bands(3)
    cube = rand(4, 5, 3, seed=1)
    field = smooth_field()

    def measured(mask: Tensor, coefficients: Tensor) -> Tensor:
        law = Polynomial(torch.zeros(2))
        del law.coefficients
        law.coefficients = coefficients
        a = CASSI(box(4, 5), rand(*shape), wavelengths, law, mode)
        del a.mask
        a.mask = mask
        if on_grid:
            return a.on(a.bands).snapshot(cube).flatten()
        return predict(a, field)

    mask = rand(*shape).requires_grad_()
    coefficients = torch.tensor([0.13, 0.81], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(measured, (mask, coefficients), atol=1e-6)


class TestSingleOnPoints(OperatorTests):
    def make(self):
        return camera(pixels=0.7)


class TestDualAlongAxis0(OperatorTests):
    def make(self):
        return camera(5, 8, pixels=1.3, mode="dual", axis=0)


class TestOnACube(OperatorTests):
    def make(self):
        a = camera(pixels=0.7)
        return a.on(a.bands)


def test_light_is_conserved_by_fractional_dispersion():
    a = camera(pixels=0.37, mask=torch.ones(6, 9, dtype=torch.float64))
    cube = rand(6, 9, 5, seed=1)
    assert torch.allclose(a.on(a.bands).snapshot(cube).sum(), cube.sum())


def test_follows_dtype():
    a = camera(mask=rand(6, 9).float())
    assert (
        predict(a.on(a.bands), SampledField(torch.rand(6, 9, 5, 1), a.bands)).dtype == torch.float32
    )
    assert a.on(a.bands).snapshot(rand(6, 9, 5)).dtype == torch.float64
    assert as_linear_map(a, a.bands)(torch.rand(6, 9, 5, 1)).dtype == torch.float32


@pytest.mark.gpu
def test_on_cuda():
    a = camera(pixels=0.7).cuda()
    cube = rand(6, 9, 5, seed=1)
    here = camera(pixels=0.7)
    assert torch.allclose(
        a.on(a.bands).snapshot(cube.cuda()).cpu(), here.on(here.bands).snapshot(cube), atol=1e-12
    )
    field = smooth_field()
    assert torch.allclose(predict(a, field).cpu(), predict(here, field), atol=1e-12)


def test_detector_pixels_are_grouped_in_square_blocks():
    a = camera(8, 9, 5)
    height, width = a.shape
    groups = a.groups.reshape(height, width)
    assert groups.dtype == torch.int64
    for block in groups.unique().tolist():
        i, j = (groups == block).nonzero().unbind(1)
        assert len(i) == (int(i.max() - i.min()) + 1) * (int(j.max() - j.min()) + 1)
        assert int(i.max() - i.min()) < 6
        assert int(j.max() - j.min()) < 6
    torch.testing.assert_close(a.on(a.bands).groups, a.groups)


def test_blocks_of_several_shots_are_apart():
    a = camera(7, 8, 3, mask=rand(2, 7, 8, 1))
    first, second = a.groups.reshape(2, -1)
    assert not torch.isin(first, second).any()
