"""k-space operators against closed forms: Fourier transforms of phantoms, coils as Fourier series, exact sums."""

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
    espirit_maps,
    radial_angles,
    radial_frequency,
    radial_trajectory,
)
from inverse_inr.operators.kspace.coil_estimation import central_block
from inverse_inr.testing import OperatorTests


class TestContract(OperatorTests):
    @pytest.fixture(
        autouse=True,
        params=[
            "cartesian",
            "coils",
            "learnt",
            "frames",
            "radial",
            "dephasing",
            "spokes",
            "lines",
            "sense",
        ],
    )
    def choose(self, request: pytest.FixtureRequest):
        self.kind, self.channels = request.param, 2 if request.param == "frames" else 1

    def make(self):
        grid = Grid(BOX, (8, 7))
        basis = random(4, 2, seed=3)
        if self.kind == "cartesian":
            return CartesianKSpace(grid, some(grid))
        if self.kind == "coils":
            return CartesianKSpace(grid, some(grid), random(3, *grid.shape))
        if self.kind == "learnt":
            return CartesianKSpace(grid, some(grid), learned(grid))
        if self.kind == "frames":
            return CartesianKSpace(
                grid,
                torch.stack([some(grid, s) for s in range(4)]),
                random(2, *grid.shape),
                basis=basis,
            )
        trajectory = radial_trajectory(grid, 4, 10)
        if self.kind == "dephasing":
            times = torch.linspace(0, 5e-3, 10).double().expand(4, 10)
            dephasing = Dephasing(grid, times, 100 * random(*grid.shape, dtype=F64), segments=3)
            return NonCartesianKSpace(grid, trajectory, random(2, *grid.shape), dephasing=dephasing)
        if self.kind in ("spokes", "lines"):
            made = RadialSpokes(
                BOX, radial_angles(5), radial_frequency(grid, 9), birdcage_maps(BOX, 3)
            )
            return made if self.kind == "spokes" else made.on(grid)
        return NonCartesianKSpace(
            grid, trajectory, None if self.kind == "radial" else random(3, *grid.shape)
        )


class Complex:
    """A closed form with coils: their Fourier series shifts the phantom's transform."""

    def __init__(self, grid: Grid) -> None:
        self.coils, self.field = birdcage_maps(grid.box, 4), blobs(grid)

    def at(self, k: Tensor) -> Tensor:
        return self.coils.fourier(self.field.fourier, k)


@grids
def test_cartesian_is_the_fourier_transform(grid: Grid):
    operator, exact = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 4)), Complex(grid)
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
    exact, frequency = Complex(grid), radial_frequency(grid, 40)
    operator = RadialSpokes(grid.box, radial_angles(9), frequency, exact.coils, samples=160)
    k = radial_trajectory(grid, 9, 40)
    y = predict(operator, exact.field)
    assert y.shape == (9, 40, 4)
    assert error(y.reshape(-1, 4), exact.at(k.reshape(-1, 2))) < 1e-4


@grids
def test_the_same_samples_of_finer_pixels(grid: Grid):
    """Rows stay in their order, a smooth image has the same spectrum, and coarser pixels again give what was."""
    coarse = CartesianKSpace(grid, some(grid), birdcage_maps(grid.box, 3))
    fine = coarse.resampled(grid.refined(2))
    torch.testing.assert_close(fine.frequencies, coarse.frequencies)
    exact = Complex(grid)
    assert error(predict(fine, exact.field), predict(coarse, exact.field)) < 1e-4
    assert torch.equal(fine.resampled(grid).mask, coarse.mask)
    with pytest.raises(ValueError, match="does not hold samples"):
        coarse.resampled(Grid(grid.box, tuple(n // 2 for n in grid.shape)))
    with pytest.raises(ValueError, match="of one box"):
        coarse.resampled(
            Grid(BOX, (8, 7)) if grid.box != BOX else Grid(Box((0.0, 0.0), (1.0, 1.0)), (8, 7))
        )


@grids
@pytest.mark.parametrize("coils", [None, 3])
def test_spokes_of_a_sampled_image(grid: Grid, coils: int | None):
    """The matrix of all rays is the rays one by one; coils that do not vary are no reason to differ."""
    image = random(*grid.shape)
    maps = (
        None
        if coils is None
        else GivenCoils(random(coils)[:, None, None].expand(-1, *grid.shape), grid)
    )
    operator = RadialSpokes(grid.box, radial_angles(5), radial_frequency(grid, 20), maps).double()
    seen = operator.on(grid)
    assert seen.shape == (5,)
    field = SampledField(image[..., None], grid)
    assert error(predict(seen, field), predict(operator, field)) < 1e-12


def test_training_shifts_rays_without_bias():
    grid = Grid(BOX, (24, 20))
    operator = RadialSpokes(BOX, radial_angles(3), radial_frequency(grid, 20))
    disc = phantoms.Ellipsoids(
        torch.zeros(1, 2), torch.full((1, 2), 0.5), torch.eye(2)[None], torch.ones(1)
    )
    truth = disc.fourier(radial_trajectory(grid, 3, 20)).reshape(3, 20)
    operator.train()
    torch.manual_seed(0)
    draws = torch.stack([predict(operator, disc) for _ in range(400)])
    spread = draws.std(0) / 20
    assert draws.std(0).max() > 1e-3
    assert ((draws.mean(0) - truth).abs() <= 5 * spread + 1e-9).all()


@grids
@pytest.mark.parametrize("kind", ["torch", "finufft", "cartesian"])
def test_dot(grid: Grid, kind: str):
    if kind == "finufft":
        pytest.importorskip("finufft")
    maps = random(3, *grid.shape)
    operator = (
        CartesianKSpace(grid, some(grid), maps)
        if kind == "cartesian"
        else NonCartesianKSpace(grid, spokes(grid), maps, backend=kind)
    )
    x = random(*grid.shape, 1, seed=2)
    ax = operator(torch.arange(len(operator))).measure(x)
    y = random(*ax.shape, seed=3)
    left, right = (
        torch.vdot(ax.flatten(), y.flatten()),
        torch.vdot(x.flatten(), adjoint(operator, None, y).flatten()),
    )
    bound = 1e-10 if kind == "finufft" else 1e-12
    assert abs(left - right) < bound * float(
        torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
    )


def test_a_copy_in_another_precision_is_the_same():
    grid = GRIDS[0]
    operator = NonCartesianKSpace(grid, spokes(grid), random(2, *grid.shape))
    y = predict(operator, blobs(grid))
    assert (
        error(predict(copy.deepcopy(operator).float(), lambda p: blobs(grid)(p).float()), y) < 1e-4
    )


@grids
@pytest.mark.parametrize("coils", [False, True])
def test_toeplitz_is_the_normal_operator(grid: Grid, coils: bool):
    operator = NonCartesianKSpace(
        grid, spokes(grid), random(3, *grid.shape) if coils else None
    ).double()
    w = torch.rand(len(operator), generator=torch.Generator().manual_seed(0), dtype=F64)
    x = random(*grid.shape)
    y = operator.map(x)
    truth = adjoint(operator, None, (w[:, None] if coils else w) * y)[..., 0]
    assert error(ToeplitzNormal(operator, w).double()(x), truth) < 5e-5


def test_dynamic_is_a_sum_of_basis_images():
    grid, frames, rank = GRIDS[1], 5, 2
    basis, fields = random(frames, rank), random(*grid.shape, rank, seed=1)
    masks = torch.stack([some(grid, s) for s in range(frames)])
    y = CartesianKSpace(grid, masks, basis=basis).map(fields)
    truth = [CartesianKSpace(grid, m).map(fields @ b) for m, b in zip(masks, basis, strict=True)]
    assert error(y, torch.cat(truth)) < 1e-12
    k = spokes(grid, frames)
    y = NonCartesianKSpace(grid, k, basis=basis).map(fields).reshape(frames, -1)
    truth = [
        NonCartesianKSpace(grid, line[None]).map(fields @ b)
        for line, b in zip(k, basis, strict=True)
    ]
    assert error(y, torch.stack(truth)) < 1e-6


@pytest.mark.parametrize("what", ["off resonance", "relaxation", "both"])
def test_dephasing_is_the_integral(what: str):
    grid = Grid(BOX, (12, 11))
    k = spokes(grid, 3)
    times = torch.linspace(1e-3, 9e-3, 40, dtype=F64).expand(3, 40)
    turn = 150 * torch.sin(3 * grid.points(F64)[..., 0]) if what != "relaxation" else None
    decay = 80 * grid.points(F64).square().sum(-1) if what != "off resonance" else None
    operator = NonCartesianKSpace(
        grid, k, dephasing=Dephasing(grid, times, turn, decay), width=8, oversampling=2.0
    )
    x, points = random(*grid.shape), grid.points(F64).reshape(-1, 2)
    z = (0 if decay is None else decay.flatten()) + 2j * math.pi * (
        0 if turn is None else turn.flatten()
    )
    wave = torch.exp(-2j * math.pi * (k.reshape(-1, 2) @ points.T) - times.reshape(-1, 1) * z)
    assert error(operator.map(x), math.prod(grid.spacing) * wave @ x.flatten()) < 1e-4


# --- refusals -------------------------------------------------------------------------------------------------------


def test_refusals():
    grid, mask = GRIDS[0], torch.ones(48, 40, dtype=torch.bool)
    with pytest.raises(ValueError, match="Transposed"):
        CartesianKSpace(grid, mask.T)
    with pytest.raises(ValueError, match="keeps nothing"):
        CartesianKSpace(grid, ~mask)
    with pytest.raises(ValueError, match="coil axis in another place"):
        CartesianKSpace(grid, mask, random(48, 40, 4))
    with pytest.raises(ValueError, match="NaN"):
        CartesianKSpace(grid, mask, random(2, 48, 40) * math.nan)
    with pytest.raises(ValueError, match="frames"):
        CartesianKSpace(grid, mask[None].expand(3, -1, -1))
    with pytest.raises(ValueError, match="cycles per field of view"):
        NonCartesianKSpace(grid, 40 * spokes(grid))
    with pytest.raises(ValueError, match="expected"):
        NonCartesianKSpace(grid, torch.zeros(5, 3))
    with pytest.raises(ValueError, match="backend"):
        NonCartesianKSpace(grid, spokes(grid), backend="fftw")
    with pytest.raises(ValueError, match="channels"):
        CartesianKSpace(grid, mask).map(random(48, 40, 3))
    with pytest.raises(ValueError, match="centre of k-space is not sampled"):
        central_block(~mask)
    with pytest.raises(ValueError, match="too small for a kernel"):
        espirit_maps(random(2, 5, 20), grid)
    with pytest.raises(ValueError, match="rays"):
        RadialSpokes(BOX, radial_angles(3), radial_frequency(grid), rays=10)
    with pytest.raises(ValueError, match="relaxation rates"):
        Dephasing(grid, torch.zeros(4), relaxation=-torch.ones(grid.shape))
    with pytest.raises(ValueError, match="64 segments"):
        Dephasing(grid, torch.linspace(0, 1e3, 99), 1e4 * random(*grid.shape, dtype=F64))
    with pytest.raises(ValueError, match="not one convolution"):
        ToeplitzNormal(NonCartesianKSpace(grid, spokes(grid), basis=random(9, 1)))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["cartesian", "radial", "spokes"])
def test_on_a_gpu(kind: str):
    grid = Grid(BOX, (16, 14))
    maps = learned(grid).float()
    operator = {
        "cartesian": lambda: CartesianKSpace(grid, some(grid), maps),
        "radial": lambda: NonCartesianKSpace(grid, spokes(grid).float(), maps),
        "spokes": lambda: RadialSpokes(
            BOX, radial_angles(5).float(), radial_frequency(grid, 9).float(), maps
        ),
    }[kind]()
    network = nn.Linear(2, 1)
    here = predict(operator, network)
    there = predict(copy.deepcopy(operator).cuda(), network.cuda())
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-4)
