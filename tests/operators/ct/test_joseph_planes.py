"""Line integrals of sampled volumes: closed forms, the matrix in 2-D, the exact transpose."""

import math
from typing import Any

import pytest
import torch
from cases.cone import CUBE, F64, cone, free, moves, wave
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, as_linear_map, predict, sample
from inverse_inr.operators import ConeBeam, ConeVectors, FanBeam, ParallelBeam
from inverse_inr.operators.ct import joseph_planes
from inverse_inr.operators.ct.joseph_planes import JosephPlanes
from inverse_inr.operators.ct.ray_transform import RayTransform
from inverse_inr.phantoms import Ellipsoids, GaussianBlobs
from inverse_inr.testing import OperatorTests

ODD = Grid(CUBE, (7, 5, 6))


def blobs(width: float) -> GaussianBlobs:
    centers = torch.tensor([[0.3, -0.3, 0.1], [0.0, 0.1, -0.2], [0.4, 0.2, 0.15]], dtype=F64)
    return GaussianBlobs(centers, torch.full((3,), width), torch.tensor([1.0, 0.7, -0.5]))


def error(beam: RayTransform, field: Any, grid: Grid, average: int = 1) -> float:
    """The relative error of a sampled field's line integrals."""
    image = sample(field, grid, average=average).double()
    seen = predict(beam.on(grid), SampledField(image, grid))
    origin, direction = beam.rays(torch.arange(len(beam)))
    exact = field.line_integral(origin, direction).mean(1)
    return float((seen - exact).norm() / exact.norm())


class TestConformance(OperatorTests):
    def make(self):
        return cone((3, 4)).on(ODD)


class TestFreeConformance(OperatorTests):
    def make(self):
        return free(cone((3, 4), roll=0.2, height=wave(0.1)), subrays=2).on(ODD)


@moves
@pytest.mark.parametrize("make", [lambda b: b, free], ids=["turning", "free"])
def test_smooth_fields_converge_to_their_closed_form(move: dict[str, Any], make: Any):
    beam = make(cone(**move))
    coarse = error(beam, blobs(0.18), Grid(CUBE, (24, 22, 18)))
    fine = error(beam, blobs(0.18), Grid(CUBE, (48, 44, 36)))
    assert coarse < 0.05
    assert fine < 0.3 * coarse  # the error of linear interpolation is of second order


def test_a_ball_is_as_exact_as_its_voxels():
    field = Ellipsoids(
        torch.tensor([[0.1, -0.15, 0.0]]),
        torch.full((1, 3), 0.55),
        torch.eye(3)[None],
        torch.ones(1),
    )
    errors = [error(cone((12, 17)), field, Grid(CUBE, (n, n, n)), 4) for n in (16, 32)]
    assert errors[0] < 0.12
    assert errors[1] < 0.6 * errors[0]


def test_the_integral_of_a_layered_volume_is_exact():
    """A field of the first axis alone: each layer gives its value times the ray's length in it."""
    beam = ConeBeam(
        Box((-1.0,) * 3, (1.0,) * 3), torch.tensor([math.pi / 2], dtype=F64), (3, 4), 5.0, 1.0, 0.1
    )
    grid = Grid(beam.box, (9, 5, 8))
    layers = torch.linspace(-1, 2, 9, dtype=F64)
    image = layers[:, None, None].expand(grid.shape)[..., None]
    seen = predict(beam.on(grid), SampledField(image, grid))
    _, direction = beam.rays(torch.arange(12))
    torch.testing.assert_close(seen, layers.sum() * 2 / 9 / direction[:, 0, 0].abs())


@pytest.mark.parametrize("shape", [(21, 34), (1, 5), (6, 1)])
def test_in_two_dimensions_it_is_the_stored_matrix(shape: tuple[int, int]):
    box = Box((-1.0, -1.2), (1.0, 0.9))
    grid = Grid(box, shape)
    fan = FanBeam(box, torch.arange(9, dtype=F64) * 0.7, 13, 4.0, 2.0, subrays=2)
    image = SampledField(torch.rand(*shape, 1, dtype=F64), grid)
    planes = predict(RayTransform.on(fan, grid), image)
    torch.testing.assert_close(planes, predict(fan.on(grid), image), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", [(7, 5, 6), (1, 9, 2), (4, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("trailing", [(), (3,)], ids=["one channel", "three"])
def test_the_adjoint_is_the_transpose(
    shape: tuple[int, ...], trailing: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
):
    # several blocks of planes and of rays
    monkeypatch.setitem(joseph_planes.SAMPLES_AT_ONCE, "cpu", 100)
    monkeypatch.setattr(joseph_planes, "LEAST_RAYS_AT_ONCE", 37)
    planes = JosephPlanes(free(cone((3, 5), roll=0.3, tilt=0.2), subrays=2), Grid(CUBE, shape))
    assert len(planes.axes) > 1
    x = torch.randn(*shape, *trailing, dtype=F64, requires_grad=True)
    y = torch.randn(7, 3, 5, *trailing, dtype=F64)
    seen = planes(x)
    (back,) = torch.autograd.grad(seen, x, y)
    seen, x = seen.detach(), x.detach()
    left, right = float((seen * y).sum()), float((x * back).sum())
    assert abs(left - right) <= 1e-12 * float(seen.norm() * y.norm())


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    linear = as_linear_map(cone(), ODD, dtype=F64)
    x, y = torch.rand(linear.zeros().shape, dtype=F64), torch.rand(7 * 126, dtype=F64)
    seen, back = linear(x), linear.adjoint(y)
    monkeypatch.setitem(joseph_planes.SAMPLES_AT_ONCE, "cpu", 50)
    monkeypatch.setattr(joseph_planes, "LEAST_RAYS_AT_ONCE", 11)
    torch.testing.assert_close(linear(x), seen)
    torch.testing.assert_close(linear.adjoint(y), back)


def test_gradients_of_gradients_are_those_of_a_linear_map():
    grid = Grid(CUBE, (3, 2, 4))
    planes = JosephPlanes(cone((1, 2)), grid)
    x = torch.randn(grid.shape, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(planes, (x,))
    assert torch.autograd.gradgradcheck(lambda v: planes(v).square(), (x,))


def test_complex_volumes_are_two_real_ones():
    planes = JosephPlanes(cone((2, 3)), ODD)
    x = torch.randn(*ODD.shape, 2, dtype=torch.complex128)
    expected = torch.complex(planes(x.real), planes(x.imag))
    torch.testing.assert_close(planes(x), expected)


@pytest.mark.parametrize("rows", [[5], [40, 3, 3, 17], list(range(42))], ids=["one", "some", "all"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_part_of_the_rows_is_measured_as_in_the_whole(rows: list[int], channels: int):
    operator = free(cone((2, 3), roll=0.3), subrays=2).on(ODD)
    image = torch.randn(*ODD.shape, channels, dtype=F64, requires_grad=True)
    field = SampledField(image, ODD)
    chosen = torch.tensor(rows)
    part, whole = predict(operator, field, chosen), predict(operator, field)[chosen]
    torch.testing.assert_close(part, whole)
    y = torch.randn(whole.shape, dtype=F64)
    back = [torch.autograd.grad(seen, image, y)[0] for seen in (part, whole)]
    torch.testing.assert_close(*back)


def test_rays_that_miss_the_grid_measure_zero():
    corner = Grid(Box((-1.0, -1.2, -0.9), (-0.8, -1.0, -0.7)), (2, 3, 4))
    seen = predict(cone().on(corner), SampledField(torch.ones(2, 3, 4, 1, dtype=F64), corner))
    assert bool((seen == 0).any())
    assert bool((seen > 0).any())


def test_rays_across_the_box_that_meet_it_behind_the_source_count_too():
    """As they do for the operator itself: a ray is a whole line."""
    source = torch.tensor([[0.2, -3.0, 0.1]], dtype=F64)
    steps = torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.0, 0.1]], dtype=F64)
    middle = source - torch.tensor([0.05, 1.0, 0.0], dtype=F64)
    beam = ConeVectors(CUBE, source, middle, steps[:1], steps[1:], (5, 7))
    grid = Grid(CUBE, (40, 40, 40))
    assert error(beam, blobs(0.18), grid) < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_precision_follows_the_image_and_digits_the_geometry(dtype: torch.dtype):
    planes = JosephPlanes(cone(), ODD)
    image = torch.rand(ODD.shape, dtype=F64)
    seen = planes(image.to(dtype))
    assert seen.dtype == dtype
    torch.testing.assert_close(seen.double(), planes(image), rtol=1e-5, atol=1e-5)


def test_everything_moves_with_the_map():
    moved = cone().on(ODD).to("meta")
    assert {str(b.device) for b in moved.buffers()} == {"meta"}
    assert not moved.state_dict()  # the geometry can always be made again


def test_dimensions_must_agree():
    flat = Grid(Box((-1.0, -1.0), (1.0, 1.0)), (4, 4))
    with pytest.raises(ValueError, match="ConeBeam is 3-dimensional; the grid has 2 axes"):
        cone().on(flat)


def test_a_learnt_geometry_is_taken_as_it_stands():
    angles = torch.nn.Parameter(torch.tensor([0.3], dtype=F64))
    box = Box((-1.0, -1.0), (1.0, 1.0))
    beam = ParallelBeam(box, angles, 5)
    grid = Grid(box, (4, 4))
    seen: Tensor = predict(RayTransform.on(beam, grid), SampledField(torch.ones(4, 4, 1), grid))
    assert not seen.requires_grad
