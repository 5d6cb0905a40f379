"""Ray transforms against closed forms, and maps on grids."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, as_linear_map, phantoms, predict, sample
from inverse_inr.operators import ConeBeam, FanBeam, ParallelBeam
from inverse_inr.operators.ct import joseph
from inverse_inr.phantoms import Ellipsoids, GaussianBlobs
from inverse_inr.testing import OperatorTests

UNIT = Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
OBLONG = Box((2.0, -1.0), (3.74, 1.42), ("mm", "mm"))  # off the origin
CUBE = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
GRIDS = [Grid(UNIT, (64, 64)), Grid(UNIT, (65, 65)), Grid(OBLONG, (87, 121)), Grid(UNIT, (60, 90))]
grids = pytest.mark.parametrize("grid", GRIDS, ids=lambda g: "x".join(map(str, g.shape)))


def turn(views: int, full: float = math.pi) -> Tensor:
    return torch.arange(views, dtype=torch.float64) * (full / views)


def parallel(
    box: Box = UNIT, views: int = 60, detectors: int = 101, **options: Any
) -> ParallelBeam:
    pitch = 1.02 * box.diagonal / detectors
    return ParallelBeam(box, turn(views), detectors, pitch=pitch, **options)


def fan(box: Box = UNIT, views: int = 60, detectors: int = 101, **options: Any) -> FanBeam:
    """A fan whose half angle of 32 degrees is filled by the circle around the box."""
    source, detector = 0.945 * box.diagonal, 0.5 * box.diagonal
    pitch = 1.92 * box.diagonal / detectors
    return FanBeam(box, turn(views, 2 * math.pi), detectors, source, detector, pitch, **options)


def cone(views: int = 6, rows: int = 7, columns: int = 21, **options: Any) -> ConeBeam:
    return ConeBeam(CUBE, turn(views, 2 * math.pi), (rows, columns), 3.0, 1.5, **options)


def blobs(grid: Grid, pixels: float = 3.0) -> GaussianBlobs:
    side = min(grid.box.lengths)
    middle = torch.tensor(grid.box.center, dtype=torch.float64)
    place = middle.new_tensor([[-0.13, 0.1, 0.07], [0.15, 0.05, -0.11], [0.02, -0.16, 0.03]])
    centers = middle + side * place[:, : grid.ndim]
    widths = torch.full((3,), pixels * max(grid.spacing), dtype=torch.float64)
    return GaussianBlobs(centers, widths, torch.tensor([1.0, 0.7, -0.4]))


def exact(field: Any, beam: Any, subrays: int = 1) -> Tensor:
    """Closed-form line integrals, averaged over detector bins."""
    parts = torch.arange(len(beam)).split(8192)
    return torch.cat([field.line_integral(*beam.rays(rows, subrays)).mean(1) for rows in parts])


def error(result: Tensor, truth: Tensor) -> float:
    return float((result.detach().double() - truth).norm() / truth.norm())


def disc(radius: float, box: Box = UNIT) -> Ellipsoids:
    d = box.ndim
    axes = torch.full((1, d), radius, dtype=torch.float64)
    return Ellipsoids(torch.zeros(1, d), axes, torch.eye(d)[None], torch.ones(1))


class TestRays(OperatorTests):
    @pytest.fixture(autouse=True, params=[parallel, fan, cone])
    def choose(self, request: Any):
        self.beam = request.param

    def make(self):
        center = nn.Parameter(torch.tensor(0.07, dtype=torch.float64))
        beam = self.beam(views=5, subrays=2, center=center)
        del beam.angles
        beam.angles = nn.Parameter(turn(5) + 0.1)
        return beam


class TestOnGrids(OperatorTests):
    @pytest.fixture(
        autouse=True,
        params=[(b, s) for b in (parallel, fan) for s in ((16, 16), (17, 17), (12, 19))],
    )
    def choose(self, request: Any):
        self.beam, self.shape = request.param

    def make(self):
        return self.beam(views=9, detectors=13).on(Grid(UNIT, self.shape))


@grids
@pytest.mark.filterwarnings("ignore:Casting complex")  # the values tell
def test_a_map_moved_to_another_precision_is_the_same_map(grid: Grid):
    beam = parallel(grid.box, 9, 31)
    image = blobs(grid)(grid.points(torch.float64))[..., 0]
    truth = beam.on(grid).map(image)
    assert error(beam.on(grid).to(torch.float32).map(image.float()), truth) < 1e-5


@grids
@pytest.mark.parametrize("make", [parallel, fan])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_dot_on_a_grid(grid: Grid, make: Any, dtype: torch.dtype, bound: float):
    beam = make(grid.box, 20, 41).to(dtype)
    a = as_linear_map(beam.on(grid), grid, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*grid.shape, 1, dtype=dtype, generator=generator)
    ax = a(x)
    y = torch.randn(ax.shape, dtype=dtype, generator=generator)
    assert ax.dtype == dtype
    left = (ax.double() * y.double()).sum()
    right = (x.double() * a.adjoint(y).double()).sum()
    assert abs(left - right) < bound * float(ax.double().norm() * y.double().norm())


def test_disc_has_half_ellipse_projections():
    beam = ParallelBeam(UNIT, turn(3), 40, samples=4000)
    s = (torch.arange(40, dtype=torch.float64) - 19.5) * beam.pitch
    truth = 2 * (0.36 - s.square()).clamp(min=0).sqrt()
    seen = beam.unflatten(predict(beam, disc(0.6)))
    assert (seen - truth).abs().max() < 1.5e-3  # one step along a ray on either side


def test_numbers_keep_the_precision_of_the_angles():
    assert float(parallel(center=0.1).center) == 0.1
    assert float(FanBeam(UNIT, turn(4), 9, 3.1, 1.0).source_distance) == 3.1


@pytest.mark.parametrize("make", [parallel, fan, cone])
@pytest.mark.parametrize("center", [0.0, 0.06])
def test_rays_are_accurate_at_one_sample_a_pixel(make: Any, center: float):
    beam = make(center=center)
    field = blobs(Grid(beam.box, (40,) * beam.box.ndim))
    assert error(predict(beam, field), exact(field, beam)) < 1e-4


PAPER = [ParallelBeam(UNIT, turn(180), n) for n in (256, 255)]
SMALL = [
    (make(g.box), g, bound) for make, bound in ((parallel, 0.035), (fan, 0.047)) for g in GRIDS
]


@pytest.mark.parametrize(
    ("beam", "grid", "bound"), SMALL + [(b, Grid(UNIT, (b.shape[1],) * 2), 6e-3) for b in PAPER]
)
def test_shepp_logan_on_grids(beam: Any, grid: Grid, bound: float):
    field = phantoms.shepp_logan(grid.box)
    image = sample(field, grid, average=8)[..., 0].double()
    assert error(beam.on(grid).map(image).flatten(), exact(field, beam, 32)) < bound


@grids
@pytest.mark.parametrize(("make", "bound"), [(parallel, 2e-5), (fan, 1e-2)])
@pytest.mark.parametrize("center", [0.0, 0.04])
def test_line_integrals_of_blobs_on_grids_are_exact(
    grid: Grid, make: Any, bound: float, center: float
):
    beam = make(grid.box, center=center)
    field = blobs(grid)
    image = field(grid.points(torch.float64))[..., 0]
    assert error(beam.on(grid).map(image).flatten(), exact(field, beam, 32)) < bound


def test_distant_fan_is_parallel_and_central_cone_row_is_fan():
    field = blobs(Grid(UNIT, (32, 32)), 2)
    angles = turn(9, 2 * math.pi)
    far = FanBeam(UNIT, angles, 33, 1e5, 0.0)
    straight = ParallelBeam(UNIT, angles, 33)
    assert error(predict(far, field), predict(straight, field)) < 1e-4
    solid = blobs(Grid(CUBE, (16, 16, 16)), 2)
    beam = cone(9, 5, 33, samples=80)
    flat = FanBeam(UNIT, angles, 33, 3.0, 1.5, pitch=beam.pitch, samples=80)
    row = beam.unflatten(predict(beam, solid))[:, 2].flatten()
    assert error(row, predict(flat, lambda p: solid(nn.functional.pad(p, (0, 1))))) < 1e-9


def test_training_jitters_without_bias():
    beam = parallel(views=4, detectors=12, samples=7)
    field = disc(0.6)
    assert torch.equal(predict(beam, field), predict(beam, field))
    beam.train()
    torch.manual_seed(0)
    draws = torch.stack([predict(beam, field) for _ in range(2000)])
    assert draws.std(0).max() > 0.01
    assert ((draws.mean(0) - exact(field, beam)).abs() <= 5 * draws.std(0) / 2000**0.5 + 1e-9).all()


def test_a_matrix_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(joseph, "MEMORY_LIMIT", 1e3)
    with pytest.raises(MemoryError, match="sparse matrix would take"):
        fan().on(Grid(UNIT, (8, 8)))


def test_a_matrix_made_in_many_blocks_is_that_of_one(monkeypatch: pytest.MonkeyPatch):
    grid = Grid(UNIT, (17, 23))
    image = torch.rand(17, 23, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    field = SampledField(image, grid)
    whole = predict(fan().on(grid), field)
    monkeypatch.setattr(joseph, "ENTRIES_AT_ONCE", 1000)
    torch.testing.assert_close(predict(fan().on(grid), field), whole)


@pytest.mark.parametrize("make", [parallel, fan])
def test_a_centre_for_each_view_is_that_of_each_view(make: Any):
    wobble = 0.08 * torch.sin(turn(12) * 5)
    beam = make(views=12, center=wobble)
    field = blobs(Grid(UNIT, (40, 40)))
    y = exact(field, beam).reshape(beam.shape)
    for view in range(12):
        one = make(views=12, center=float(wobble[view]))
        alone = exact(field, one).reshape(one.shape)[view]
        torch.testing.assert_close(y[view], alone)
        points = torch.tensor([[0.3, -0.2], [-0.5, 0.1]], dtype=torch.float64)
        for ours, theirs in zip(beam.locate(points, view), one.locate(points, view), strict=True):
            torch.testing.assert_close(ours, theirs)
    grid = Grid(UNIT, (64, 64))
    image = blobs(grid)(grid.points(torch.float64))[..., 0]
    seen = beam.on(grid).map(image).flatten()
    assert error(seen, exact(blobs(grid), beam, 32)) < 1e-2


@pytest.mark.parametrize("make", [parallel, fan, cone])
def test_a_centre_for_each_view_can_be_learnt(make: Any):
    center = nn.Parameter(torch.zeros(6, dtype=torch.float64))
    beam = make(views=6, center=center)
    origin, _ = beam.rays(torch.arange(len(beam)))
    origin.square().sum().backward()
    assert center.grad is not None
    assert center.grad.shape == (6,)


@pytest.mark.parametrize("make", [parallel, fan, cone])
@pytest.mark.parametrize("count", [1, 5, 13])
def test_centres_of_another_number_than_the_views_are_refused(make: Any, count: int):
    with pytest.raises(ValueError, match=rf"center has shape \({count},\) for 12 views"):
        make(views=12, center=torch.zeros(count))


@pytest.mark.parametrize("make", [parallel, fan, cone])
def test_some_views_of_a_scanner_keep_what_is_theirs(make: Any):
    beam = make(views=6, center=nn.Parameter(torch.linspace(-0.1, 0.1, 6)))
    some = beam.of_views(torch.tensor([True, False, True, False, False, True]))
    assert some.shape == (3, *beam.shape[1:])
    assert not list(some.parameters())
    rows = torch.arange(len(beam)).reshape(beam.shape)[[0, 2, 5]].flatten()
    for kept, whole in zip(some.rays(torch.arange(len(some))), beam.rays(rows), strict=True):
        torch.testing.assert_close(kept, whole.detach())
