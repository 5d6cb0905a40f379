"""k-space operators against Fourier transforms of phantoms, coils as series, and exact sums."""

import copy
import math

import pytest
import torch
from cases.kspace import BOX, F64, GRIDS, blobs, error, grids, learned, random, some, spokes
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, adjoint, phantoms, predict
from inverse_inr.operators import (
    CartesianKSpace,
    Dephasing,
    GivenCoils,
    NonCartesianKSpace,
    RadialSpokes,
    ToeplitzNormal,
    birdcage_maps,
    radial_angles,
    radial_frequency,
    radial_trajectory,
)
from inverse_inr.testing import OperatorTests


def frames(grid: Grid) -> CartesianKSpace:
    masks = torch.stack([some(grid, seed) for seed in range(4)])
    return CartesianKSpace(grid, masks, random(2, *grid.shape), basis=random(4, 2, seed=3))


def dephased(grid: Grid) -> NonCartesianKSpace:
    times = torch.linspace(0, 5e-3, 10).double().expand(4, 10)
    dephasing = Dephasing(grid, times, 100 * random(*grid.shape, dtype=F64), segments=3)
    trajectory = radial_trajectory(grid, 4, 10)
    return NonCartesianKSpace(grid, trajectory, random(2, *grid.shape), dephasing=dephasing)


def by_rays(grid: Grid) -> RadialSpokes:
    return RadialSpokes(BOX, radial_angles(5), radial_frequency(grid, 9), birdcage_maps(BOX, 3))


MAKERS = {
    "cartesian": lambda g: CartesianKSpace(g, some(g)),
    "coils": lambda g: CartesianKSpace(g, some(g), random(3, *g.shape)),
    "learnt": lambda g: CartesianKSpace(g, some(g), learned(g)),
    "frames": frames,
    "radial": lambda g: NonCartesianKSpace(g, radial_trajectory(g, 4, 10)),
    "dephasing": dephased,
    "spokes": by_rays,
    "lines": lambda g: by_rays(g).on(g),
    "sense": lambda g: NonCartesianKSpace(g, radial_trajectory(g, 4, 10), random(3, *g.shape)),
}


class TestContract(OperatorTests):
    @pytest.fixture(autouse=True, params=MAKERS)
    def choose(self, request: pytest.FixtureRequest):
        self.kind = request.param
        self.channels = 1
        if self.kind == "frames":
            self.channels = 2

    def make(self):
        return MAKERS[self.kind](Grid(BOX, (8, 7)))


class Complex:
    """A closed form with coils: their Fourier series shifts the phantom's transform."""

    def __init__(self, grid: Grid) -> None:
        self.coils = birdcage_maps(grid.box, 4)
        self.field = blobs(grid)

    def at(self, k: Tensor) -> Tensor:
        return self.coils.fourier(self.field.fourier, k)


@grids
def test_cartesian_is_the_fourier_transform(grid: Grid):
    operator = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 4))
    exact = Complex(grid)
    assert error(predict(operator, exact.field), exact.at(operator.frequencies)) < 1e-4


@grids
@pytest.mark.parametrize("backend", ["torch", "finufft"])
def test_noncartesian_is_the_fourier_transform(grid: Grid, backend: str):
    if backend == "finufft":
        pytest.importorskip("finufft")
    exact = Complex(grid)
    operator = NonCartesianKSpace(grid, spokes(grid), birdcage_maps(grid.box, 4), backend=backend)
    y = predict(operator, exact.field)
    assert operator.unflatten(y).shape == (9, 40, 4)
    assert error(y, exact.at(operator.frequencies)) < 1e-4


@grids
def test_spokes_by_rays_are_the_fourier_transform(grid: Grid):
    exact = Complex(grid)
    frequency = radial_frequency(grid, 40)
    operator = RadialSpokes(grid.box, radial_angles(9), frequency, exact.coils, samples=160)
    k = radial_trajectory(grid, 9, 40)
    y = predict(operator, exact.field)
    assert y.shape == (9, 40, 4)
    assert error(y.reshape(-1, 4), exact.at(k.reshape(-1, 2))) < 1e-4


@grids
def test_the_same_samples_of_finer_pixels(grid: Grid):
    """Rows stay in their order, and a smooth image has the same spectrum.

    Coarser pixels give the first mask again.
    """
    coarse = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 3))
    fine = coarse.resampled(grid.refined(2))
    torch.testing.assert_close(fine.frequencies, coarse.frequencies)
    exact = Complex(grid)
    assert error(predict(fine, exact.field), predict(coarse, exact.field)) < 1e-4
    assert torch.equal(fine.resampled(grid).mask, coarse.mask)


@grids
def test_frames_keep_their_masks_on_finer_pixels(grid: Grid):
    masks = torch.stack([some(grid), some(grid, 1)])
    coarse = CartesianKSpace(grid, masks, birdcage_maps(grid.box, 3), basis=torch.eye(2))
    fine = coarse.resampled(grid.refined(2))
    exact = Complex(grid).field

    def two(points: Tensor) -> Tensor:
        return torch.cat([exact(points), 2 * exact(points)], -1)

    assert error(predict(fine, two), predict(coarse, two)) < 1e-4


@grids
@pytest.mark.parametrize("kind", ["matrix", "trajectory"])
def test_its_map_of_other_pixels_has_the_same_rows(grid: Grid, kind: str):
    exact = Complex(grid)
    operator: CartesianKSpace | NonCartesianKSpace = NonCartesianKSpace(
        grid, spokes(grid), birdcage_maps(grid.box, 4)
    )
    if kind == "matrix":
        operator = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 4))
    assert operator.on(grid) is operator
    fine = operator.on(grid.refined(2))
    assert fine.grid == grid.refined(2)
    assert error(predict(fine, exact.field), exact.at(operator.frequencies)) < 1e-4


@grids
def test_pixels_too_coarse_for_the_samples_are_refused(grid: Grid):
    operator = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 3))
    with pytest.raises(ValueError, match="does not hold samples"):
        operator.resampled(Grid(grid.box, tuple(n // 2 for n in grid.shape)))


@grids
def test_pixels_of_another_box_are_refused(grid: Grid):
    operator = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 3))
    other = Grid(Box((0.0, 0.0), (1.0, 1.0)), (8, 7))
    assert other.box != grid.box
    with pytest.raises(ValueError, match="of one box"):
        operator.resampled(other)


@grids
@pytest.mark.parametrize("coils", [None, 3])
def test_spokes_of_a_sampled_image(grid: Grid, coils: int | None):
    """The matrix of all rays equals the rays one by one, and so with coils that do not vary."""
    image = random(*grid.shape)
    maps = None
    if coils is not None:
        maps = GivenCoils(random(coils)[:, None, None].expand(-1, *grid.shape), grid)
    operator = RadialSpokes(grid.box, radial_angles(5), radial_frequency(grid, 20), maps).double()
    seen = operator.on(grid)
    assert seen.shape == (5,)
    field = SampledField(image[..., None], grid)
    assert error(predict(seen, field), predict(operator, field)) < 1e-12


def test_training_shifts_rays_without_bias():
    grid = Grid(BOX, (24, 20))
    operator = RadialSpokes(BOX, radial_angles(3), radial_frequency(grid, 20))
    radii = torch.full((1, 2), 0.5)
    disc = phantoms.Ellipsoids(torch.zeros(1, 2), radii, torch.eye(2)[None], torch.ones(1))
    truth = disc.fourier(radial_trajectory(grid, 3, 20)).reshape(3, 20)
    operator.train()
    torch.manual_seed(0)
    draws = torch.stack([predict(operator, disc) for _ in range(400)])
    spread = draws.std(0) / 20
    assert draws.std(0).max() > 1e-3
    assert ((draws.mean(0) - truth).abs() <= 5 * spread + 1e-9).all()


@grids
@pytest.mark.parametrize(
    ("kind", "bound"),
    [("torch", 1e-12), ("finufft", 1e-10), ("cartesian", 1e-12)],
    ids=["torch", "finufft", "cartesian"],
)
def test_the_adjoint_is_exact(grid: Grid, kind: str, bound: float):
    if kind == "finufft":
        pytest.importorskip("finufft")
    maps = random(3, *grid.shape)
    if kind == "cartesian":
        operator = CartesianKSpace(grid, some(grid), maps)
    else:
        operator = NonCartesianKSpace(grid, spokes(grid), maps, backend=kind)
    x = random(*grid.shape, 1, seed=2)
    ax = operator(torch.arange(len(operator))).measure(x)
    y = random(*ax.shape, seed=3)
    left = torch.vdot(ax.flatten(), y.flatten())
    right = torch.vdot(x.flatten(), adjoint(operator, None, y).flatten())
    size = float(torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y))
    assert abs(left - right) < bound * size


def test_a_copy_in_another_precision_is_the_same():
    grid = GRIDS[0]
    operator = NonCartesianKSpace(grid, spokes(grid), random(2, *grid.shape))
    y = predict(operator, blobs(grid))
    single = predict(copy.deepcopy(operator).float(), lambda p: blobs(grid)(p).float())
    assert error(single, y) < 1e-4


@grids
@pytest.mark.parametrize("coils", [False, True])
def test_toeplitz_is_the_normal_operator(grid: Grid, coils: bool):
    maps = None
    if coils:
        maps = random(3, *grid.shape)
    operator = NonCartesianKSpace(grid, spokes(grid), maps).double()
    w = torch.rand(len(operator), generator=torch.Generator().manual_seed(0), dtype=F64)
    x = random(*grid.shape)
    y = operator.map(x)
    weights = w.reshape(-1, *[1] * (y.ndim - 1))
    truth = adjoint(operator, None, weights * y)[..., 0]
    assert error(ToeplitzNormal(operator, w).double()(x), truth) < 5e-5


def test_dynamic_is_a_sum_of_basis_images():
    grid = GRIDS[1]
    frames = 5
    rank = 2
    basis = random(frames, rank)
    fields = random(*grid.shape, rank, seed=1)
    masks = torch.stack([some(grid, s) for s in range(frames)])
    y = CartesianKSpace(grid, masks, basis=basis).map(fields)
    truth = [CartesianKSpace(grid, m).map(fields @ b) for m, b in zip(masks, basis, strict=True)]
    assert error(y, torch.cat(truth)) < 1e-12
    k = spokes(grid, frames)
    y = NonCartesianKSpace(grid, k, basis=basis).map(fields).reshape(frames, -1)
    pairs = zip(k, basis, strict=True)
    truth = [NonCartesianKSpace(grid, line[None]).map(fields @ b) for line, b in pairs]
    assert error(y, torch.stack(truth)) < 1e-6


@pytest.mark.parametrize(
    ("off_resonance", "relaxation"),
    [(True, False), (False, True), (True, True)],
    ids=["off resonance", "relaxation", "both"],
)
def test_dephasing_is_the_integral(off_resonance: bool, relaxation: bool):
    grid = Grid(BOX, (12, 11))
    k = spokes(grid, 3)
    times = torch.linspace(1e-3, 9e-3, 40, dtype=F64).expand(3, 40)
    turn = decay = None
    z = torch.zeros(grid.numel, dtype=torch.complex128)
    if relaxation:
        decay = 80 * grid.points(F64).square().sum(-1)
        z = z + decay.flatten()
    if off_resonance:
        turn = 150 * torch.sin(3 * grid.points(F64)[..., 0])
        z = z + 2j * math.pi * turn.flatten()
    dephasing = Dephasing(grid, times, turn, decay)
    operator = NonCartesianKSpace(grid, k, dephasing=dephasing, width=8, oversampling=2.0)
    x = random(*grid.shape)
    points = grid.points(F64).reshape(-1, 2)
    wave = torch.exp(-2j * math.pi * (k.reshape(-1, 2) @ points.T) - times.reshape(-1, 1) * z)
    assert error(operator.map(x), math.prod(grid.spacing) * wave @ x.flatten()) < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["cartesian", "radial", "spokes"])
def test_a_gpu_gives_the_same_samples(kind: str):
    grid = Grid(BOX, (16, 14))
    maps = learned(grid).float()
    if kind == "cartesian":
        operator = CartesianKSpace(grid, some(grid), maps)
    elif kind == "radial":
        operator = NonCartesianKSpace(grid, spokes(grid).float(), maps)
    else:
        frequency = radial_frequency(grid, 9).float()
        operator = RadialSpokes(BOX, radial_angles(5).float(), frequency, maps)
    network = nn.Linear(2, 1)
    here = predict(operator, network)
    there = predict(copy.deepcopy(operator).cuda(), network.cuda())
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-4)
