"""Registration: warped images, correlation fidelities, regularizers of known deformations."""

import math
from typing import Any

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from inverse_inr import Box, Grid, Problem, SampledField, Term, predict, priors, solve
from inverse_inr.fidelity import NCC, LocalNCC
from inverse_inr.operators import (
    BendingEnergy,
    HyperElastic,
    JacobianDeterminant,
    WarpedImage,
    deform_jacobian,
    folded_fraction,
)
from inverse_inr.phantoms import gaussian_blobs
from inverse_inr.stopping import Never
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0, 2.0), (0.5, 4.0), ("mm", "mm"))
CUBE = Box((0.0, 0.0, 0.0), (4.0, 5.0, 6.0), ("mm", "mm", "mm"))
POINTS = CUBE.random_points(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def picture(p: Tensor) -> Tensor:
    return torch.sin(2 * p[..., :1]) * torch.cos(3 * p[..., 1:2])


class TestWarpedImage(OperatorTests):
    linear = False
    channels = 2

    @pytest.fixture(autouse=True, params=[(8, 8), (7, 7), (6, 9)], ids=str)
    def size(self, request: Any):
        self.grid = Grid(BOX, request.param)

    def make(self):
        image = SampledField(picture(self.grid.points(torch.float64)), self.grid)
        return WarpedImage(image, self.grid)


class TestWarpedField(TestWarpedImage):
    def make(self):
        return WarpedImage(picture, self.grid.points(torch.float64))


def test_a_shift_and_its_gradient():
    grid = Grid(BOX, (9, 11))
    points = grid.points(torch.float64).reshape(-1, 2)
    shift = torch.tensor([0.1, -0.2], dtype=torch.float64)
    seen = predict(WarpedImage(picture, grid), lambda p: shift.expand_as(p))
    assert torch.equal(seen, picture(points + shift)[:, 0])
    u = torch.zeros_like(points).requires_grad_()
    slopes = torch.tensor([[2.0], [-3.0]], dtype=torch.float64)
    ramp = SampledField(grid.points(torch.float64) @ slopes, grid)
    moved = WarpedImage(ramp, grid)(torch.arange(99)).measure(u)
    slope = torch.autograd.grad(moved.sum(), u)[0].reshape(9, 11, 2)
    assert torch.allclose(slope[1:-1, 1:-1], torch.tensor([2.0, -3.0]).double().expand(7, 9, 2))


def test_a_displacement_that_is_not_finite_sees_nothing():
    grid = Grid(BOX, (9, 11))
    image = SampledField(torch.ones(9, 11, 1), grid)
    u = torch.zeros(99, 2)
    u[0, 0] = torch.nan
    u[1, 1] = torch.inf
    seen = WarpedImage(image, grid)(torch.arange(99)).measure(u.requires_grad_())
    assert seen.isnan().nonzero()[:, 0].tolist() == [0, 1]
    assert torch.equal(seen[2:], torch.ones(97))


def test_affines_carry_one_image_to_the_other():
    """Voxels of 1 x 1 x 1 and of 2 x 1 x 1 mm, shifted and flipped, meet in world coordinates."""
    fixed = Grid(CUBE, (4, 5, 6)).with_affine(torch.eye(4).tolist())
    affine = torch.diag(torch.tensor([-2.0, 1.0, 1.0, 1.0]))
    affine[0, 3] = 6.0
    moving = Grid(CUBE, (4, 5, 6)).with_affine(affine.tolist())
    world = 6 - 2 * torch.arange(4.0, dtype=torch.float64)
    image = SampledField(world[:, None, None, None].expand(4, 5, 6, 1).clone(), moving)
    seen = predict(WarpedImage(image, fixed), lambda p: 0 * p).reshape(4, 5, 6)
    # the world coordinate of the fixed image is its index
    assert torch.allclose(seen, torch.arange(4.0).double()[:, None, None].expand(4, 5, 6))
    with pytest.raises(ValueError, match="only one of the two images has an affine"):
        WarpedImage(image, Grid(CUBE, (4, 5, 6)))


def test_global_correlation_does_not_know_gain_and_offset():
    y = torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float(NCC()(3 * y - 7, y)) == pytest.approx(0, abs=1e-12)
    assert float(NCC()(-y, y)) == pytest.approx(2)
    x = y + torch.randn(50, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert float(NCC()(x, y)) == pytest.approx(1 - float(torch.corrcoef(torch.stack([x, y]))[0, 1]))
    flat = torch.ones(50, dtype=torch.float64).requires_grad_()
    NCC()(flat, y).backward()
    assert flat.grad is not None
    assert bool(torch.isfinite(flat.grad).all())


@pytest.mark.parametrize("shape", [(30,), (8, 11), (5, 6, 7)])
def test_local_correlation_against_windows_one_by_one(shape: tuple[int, ...]):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, dtype=torch.float64, generator=generator) for _ in range(2))
    ones = ndimage.uniform_filter(torch.ones(shape).double().numpy(), 3, mode="constant")

    def mean(v: Tensor) -> Tensor:
        return torch.from_numpy(ndimage.uniform_filter(v.numpy(), 3, mode="constant") / ones)

    cov = mean(a * b) - mean(a) * mean(b)
    variances = (mean(a * a) - mean(a) ** 2 + 1e-5) * (mean(b * b) - mean(b) ** 2 + 1e-5)
    truth = 1 - (cov**2 / variances).mean()
    loss = LocalNCC(shape, window=3)
    assert float(loss(a.flatten(), b.flatten())) == pytest.approx(float(truth))
    gain = torch.linspace(1, 4, shape[0], dtype=torch.float64).reshape(-1, *(1,) * (len(shape) - 1))
    inverted = LocalNCC(shape, 3, 1e-12)((5 - 2 * a).flatten(), a.flatten())
    assert float(inverted) == pytest.approx(0, abs=1e-6)
    unlike = float(loss(b.flatten(), a.flatten()))
    assert float(loss((gain * a).flatten(), a.flatten())) < 0.2 * unlike


# --- regularizers -------------------------------------------------------------------------------


def linear(matrix: Tensor) -> Any:
    return lambda p: p @ (matrix - torch.eye(3, dtype=torch.float64)).mT.to(p)


def test_penalties_of_affine_deformations_have_closed_forms():
    """Determinant, lengths, areas and volumes of a known matrix, which bends nothing.

    A rotation changes neither areas nor volumes.
    """
    stretch = torch.diag(torch.tensor([2.0, 1.0, 0.8])).double()
    assert torch.allclose(deform_jacobian(linear(stretch), POINTS), stretch.expand(200, 3, 3))
    assert float(JacobianDeterminant()(linear(stretch), POINTS)) == pytest.approx(0.6)
    assert float(BendingEnergy()(linear(stretch), POINTS)) == pytest.approx(0, abs=1e-20)
    c, s = math.cos(0.7), math.sin(0.7)
    rotation = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)
    assert float(HyperElastic(length=0)(linear(rotation), POINTS)) == pytest.approx(0, abs=1e-20)
    # cofactors of diag(2, 1, 0.8): (0.8, 1.6, 2)
    area = (1.6**2 - 1) ** 2 + (2.0**2 - 1) ** 2
    truth = {"length": 0.5 * (1 + 0.04), "area": area, "volume": 0.6**4 / 1.6**2}
    for name, value in truth.items():
        weights = {"length": 0.0, "area": 0.0, "volume": 0.0, name: 2.0}
        assert float(HyperElastic(**weights)(linear(stretch), POINTS)) == pytest.approx(2 * value)
    assert folded_fraction(linear(stretch), Grid(CUBE, (3, 3, 3))) == 0


@pytest.mark.parametrize(("i", "j", "energy"), [(0, 0, 1.0), (1, 2, 0.5), (0, 1, 0.5)])
def test_bending_counts_mixed_derivatives_twice_and_points_once(i: int, j: int, energy: float):
    """The field u = (0, x_i x_j / 2, 0) has ∂_ij u = 1/2 twice, or 1 once.

    Its energy is 1/2 or 1, for any number of points.
    """

    def bent(p: Tensor) -> Tensor:
        zero = torch.zeros_like(p[..., 0])
        return torch.stack([zero, 0.5 * p[..., i] * p[..., j], zero], -1)

    for count in (7, 200):
        assert float(BendingEnergy()(bent, POINTS[:count])) == pytest.approx(energy)


def test_a_fold_has_a_finite_penalty_that_unfolds():
    def squeezed(t: Tensor) -> Any:
        return lambda p: torch.cat([(t - 1) * p[..., :1], 0 * p[..., 1:]], -1)

    points = POINTS[:, :2]
    assert folded_fraction(squeezed(torch.tensor(-0.5).double()), Grid(BOX, (4, 4))) == 1
    energies = []
    for value in (-0.5, 0.05, 0.0999, 0.1001, 0.5):
        t = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        energy = HyperElastic(length=0)(squeezed(t), points)
        assert float(torch.autograd.grad(energy, t)[0]) < 0
        energies.append(float(energy.detach()))
    assert energies == sorted(energies, reverse=True)
    assert energies[2] == pytest.approx(energies[3], rel=1e-2)  # continuous at the floor


def test_registration_recovers_a_known_deformation():
    """Blobs moved by a smooth field are found to half a pixel on average, without a fold.

    The correlation is blind to a gain of the moving image.
    """
    box = Box((0.0, 0.0), (1.0, 1.0))
    grid = Grid(box, (32, 32))
    fine = Grid(box, (96, 96))
    blobs = gaussian_blobs(box, count=30, width=0.06, seed=1)
    moving = SampledField(blobs(fine.points()), fine)

    def true(p: Tensor) -> Tensor:
        bump = torch.exp(-((p - 0.5) ** 2).sum(-1, keepdim=True) / 0.08)
        return torch.cat([0.05 * bump, -0.04 * bump], -1)

    operator = WarpedImage(moving, grid)
    y = 2 * predict(operator, true).float() + 1
    problem = Problem([Term(operator, y, NCC())], box, grid, channels=2)
    prior = priors.create("grid", box, channels=2, cells=8, order=3)
    solution = solve(
        problem,
        prior,
        steps=70,
        lr=1e-2,
        batch=len(operator),
        points=128,
        regularizers=[1e-4 * HyperElastic()],
        stopping=Never(),
    )
    points = grid.points().reshape(-1, 2)
    seen = moving(points)[:, 0] > 0.3  # where there is something to see
    with torch.no_grad():
        error = (solution.field(points) - true(points)).norm(dim=-1)[seen].mean() * 32
    before = true(points).norm(dim=-1)[seen].mean() * 32
    assert float(error) < 0.5 < float(before)
    assert folded_fraction(solution.field, grid) == 0


VOXELS = SampledField(torch.ones(3, 3, 3, 1), Grid(CUBE, (3, 3, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WarpedImage(VOXELS, Grid(BOX, (3, 3))), "3 axes"),
        (lambda: predict(WarpedImage(picture, Grid(BOX, (3, 3))), picture), "the field has 1"),
        (lambda: JacobianDeterminant()(picture, POINTS[:, :2]), "one channel an axis"),
        (lambda: HyperElastic(floor=0.0), "floor=0.0 must be"),
        (lambda: LocalNCC((8, 8), window=4), "must be odd"),
        (lambda: LocalNCC((8, 20)), "does not fit"),
        (lambda: LocalNCC((9, 9))(torch.ones(9), torch.ones(9)), "needs all 81 rows"),
    ],
)
def test_wrong_images_and_deformations_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()
