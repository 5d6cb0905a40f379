"""Other toolboxes' projectors and geometries against ours: ASTRA, torch-radon (a stand-in), scikit-image."""

import math
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import radon as skimage_radon
from torch import Tensor
from torch.nn.functional import grid_sample

from inverse_inr import Box, Grid, OnGrid, adjoint, as_linear_map, predict, sample
from inverse_inr.operators.backends import on_astra, on_torch_radon
from inverse_inr.operators.geometry_exchange import from_astra, from_scikit_image, to_astra
from inverse_inr.operators.radon import ConeBeam, FanBeam, ParallelBeam
from inverse_inr.phantoms import GaussianBlobs

ANGLES = torch.arange(24) * (2 * math.pi / 24) - 0.3
UNIT = Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
OBLONG = Box((2.0, -1.0), (2 + 0.02 * 87, -1 + 0.02 * 121), ("mm", "mm"))
SCANS = [(UNIT, (96, 96)), (UNIT, (95, 95)), (OBLONG, (87, 121))]
scans = pytest.mark.parametrize(("box", "shape"), SCANS, ids=["even", "odd", "oblong"])
centers = pytest.mark.parametrize("center", [0.0, 0.13])


@pytest.fixture
def astra() -> Any:
    return pytest.importorskip("astra", reason='ASTRA is optional: pip install "inverse-inr[ct]"')


def parallel(box: Box, center: float = 0.0) -> ParallelBeam:
    return ParallelBeam(box, ANGLES, 131, pitch=1.1 * box.diagonal / 131, center=center)


def fan(box: Box, center: float = 0.0) -> FanBeam:
    return FanBeam(box, ANGLES, 131, 3.0, 1.5, pitch=2.0 * box.diagonal / 131, center=center)


def blobs(box: Box) -> GaussianBlobs:
    """Off centre, and 6 pixels (standard deviation) wide on the grids above."""
    side, place = min(box.lengths), torch.tensor([[-0.15, 0.1], [0.18, 0.05], [0.02, -0.19]], dtype=torch.float64)
    centers = torch.tensor(box.center, dtype=torch.float64) + side * place
    return GaussianBlobs(centers, torch.full((3,), side / 16), torch.tensor([1.0, 0.7, -0.4]))


def error(result: Tensor, truth: Tensor) -> float:
    return float(torch.linalg.vector_norm(result.double() - truth.double()) / torch.linalg.vector_norm(truth.double()))


def dot_mismatch(operator: OnGrid, dtype: torch.dtype = torch.float32) -> float:
    torch.manual_seed(0)
    x = torch.randn(*operator.grid.shape, dtype=dtype, requires_grad=True)
    y = operator.map(x)
    r = torch.randn_like(y)
    (back,) = torch.autograd.grad(y, x, r)
    assert back.dtype == y.dtype == dtype
    x, y, r, back = (v.detach().double() for v in (x, y, r, back))
    return float(((y * r).sum() - (x * back).sum()).abs() / (y.norm() * r.norm()))


# ---------------------------------------------------------------- ASTRA's projectors


@scans
@centers
@pytest.mark.parametrize(
    ("make", "projector"),
    [(parallel, None), (parallel, "line"), (parallel, "strip"), (fan, None), (fan, "strip_fanflat")],
)
def test_astra_agrees_with_our_maps_and_rays(
    astra: Any, box: Box, shape: Any, center: float, make: Any, projector: Any
):
    operator, grid, field = make(box, center), Grid(box, shape), blobs(box)
    if projector == "strip_fanflat" and center:
        with pytest.raises(ValueError, match="centred detector"):
            on_astra(operator, grid, projector=projector)
        return
    y = predict(on_astra(operator, grid, projector=projector), field)
    assert error(y, predict(operator, field)) < 0.01
    assert error(y, predict(operator.on(grid), field)) < 0.01


@pytest.mark.parametrize("make", [parallel, fan])
def test_astra_on_a_grid_off_the_axis(astra: Any, make: Any):
    grid = Grid(Box((-0.5, -0.8), (0.9, 0.6), UNIT.units), (96, 96))
    operator, field = make(UNIT), blobs(grid.box)
    y = predict(on_astra(operator, grid), field)
    assert error(y, predict(operator, field)) < 0.01
    again, window = from_astra(*to_astra(operator, grid))  # its box must hold the window about the same axis
    assert error(predict(again.on(window), field), predict(operator.on(grid), field)) < 1e-5


@pytest.mark.parametrize(
    ("make", "projector"),
    [(parallel, "linear"), (parallel, "line"), (parallel, "strip"), (fan, "line_fanflat"), (fan, "strip_fanflat")],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_astra_adjoint(astra: Any, make: Any, projector: str, dtype: torch.dtype):
    for box, shape in SCANS:
        assert dot_mismatch(on_astra(make(box), Grid(box, shape), projector=projector), dtype) < 1e-5


def test_astra_in_the_library(astra: Any):
    """Gradients of a field, channels one by one, `adjoint`, the linear map of CG; `astra.clear()` does no harm."""
    grid = Grid(UNIT, (24, 24))
    operator = on_astra(parallel(UNIT), grid)
    scale = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def field(x: Tensor) -> Tensor:
        return scale * torch.exp(-8 * x.square().sum(-1, keepdim=True))

    rows = torch.tensor([5, 700, 40])
    y = predict(operator, field, rows)
    assert y.shape == (3, 2)
    torch.testing.assert_close(2 * y[:, 0], y[:, 1])
    y.sum().backward()
    assert scale.grad is not None
    torch.testing.assert_close(scale.grad, (y / scale).sum(0).detach())
    astra.clear()
    linear = as_linear_map(operator, grid)
    r = torch.rand(len(operator))
    torch.testing.assert_close(adjoint(operator, None, r), linear.adjoint(r))
    x = torch.rand(24, 24, 1)
    assert 0.5 * linear.norm() < float(linear(x).norm() / x.norm()) <= linear.norm()


def test_astra_refusals(astra: Any):
    grid, square = Grid(UNIT, (64, 80)), Grid(UNIT, (32, 32))
    for make in (parallel, fan):
        with pytest.raises(ValueError, match="square pixels"):
            on_astra(make(UNIT), grid)
        with pytest.raises(ValueError, match="has projectors"):
            on_astra(make(UNIT), square, projector="cuda")
    field = blobs(UNIT)  # the one projector that is right on oblong pixels
    assert (
        error(predict(on_astra(parallel(UNIT), grid, projector="strip"), field), predict(parallel(UNIT), field)) < 0.01
    )
    with pytest.raises(TypeError, match="real images"):
        on_astra(parallel(UNIT), square).map(torch.ones(32, 32, dtype=torch.complex64))


def test_missing_packages(monkeypatch: pytest.MonkeyPatch):
    operator, grid = parallel(UNIT), Grid(UNIT, (8, 8))
    monkeypatch.setitem(sys.modules, "astra", None)
    with pytest.raises(ImportError, match=r'GPLv3.*pip install "inverse-inr\[ct\]"'):
        on_astra(operator, grid)
    monkeypatch.setitem(sys.modules, "astra", SimpleNamespace(projector=SimpleNamespace(), __version__="2.1"))
    with pytest.raises(ImportError, match=r"2\.5 or newer.*This is 2\.1"):
        on_astra(operator, grid)
    monkeypatch.setitem(sys.modules, "torch_radon", None)
    with pytest.raises(ImportError, match=r"GPLv3.*setup\.py install"):
        on_torch_radon(operator, grid)

    def broken(*_: object, **__: object) -> None:
        raise NameError("name 'RaysCfg' is not defined")

    monkeypatch.setitem(sys.modules, "torch_radon", SimpleNamespace(Radon=broken, RadonFanbeam=broken))
    for make in (parallel, fan):
        with pytest.raises(ImportError, match="CUDA extension"):
            on_torch_radon(make(UNIT), grid)


# ---------------------------------------------------------------- geometries


@scans
@centers
@pytest.mark.parametrize("make", [parallel, fan])
def test_astra_dictionaries_round_trip(box: Box, shape: Any, center: float, make: Any):
    operator, grid = make(box, center), Grid(box, shape)
    dictionaries = to_astra(operator, grid)
    plain = "parallel" if make is parallel else "fanflat"
    assert dictionaries[0]["type"] == (f"{plain}_vec" if center else plain)
    again, same = from_astra(*dictionaries, units=("mm", "mm"))
    assert type(again) is type(operator)
    assert again.shape == operator.shape
    assert same.shape == shape
    assert np.allclose(same.spacing, grid.spacing)
    torch.testing.assert_close(again.angles.cos(), ANGLES.cos(), atol=1e-5, rtol=0)
    torch.testing.assert_close(again.angles.sin(), ANGLES.sin(), atol=1e-5, rtol=0)
    (origin, along), (before, direction) = (beam.rays(torch.arange(50, 300)) for beam in (again, operator))
    torch.testing.assert_close(origin, before - torch.tensor(box.center), atol=1e-4, rtol=0)
    torch.testing.assert_close(along, direction, atol=1e-4, rtol=0)


@scans
def test_astra_dictionaries_are_astras_own(astra: Any, box: Box, shape: Any):
    half = [n / 2 for n in box.lengths]
    volume = astra.create_vol_geom(*shape, -half[1], half[1], -half[0], half[0])
    theta = ANGLES.double().numpy() - math.pi / 2
    plain = {
        parallel: astra.create_proj_geom("parallel", parallel(box).pitch, 131, theta),
        fan: astra.create_proj_geom("fanflat", fan(box).pitch, 131, theta, 3.0, 1.5),
    }
    for make, expected in plain.items():
        projection, ours = to_astra(make(box), Grid(box, shape))
        assert_same(projection, expected)
        assert_same(ours, volume)
        moved = astra.geom_postalignment(expected, -0.13 / make(box).pitch)
        assert_same(to_astra(make(box, 0.13), Grid(box, shape))[0], moved)


def assert_same(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same(ours[key], value)
        elif isinstance(value, str):
            assert ours[key] == value
        else:
            np.testing.assert_allclose(ours[key], value, atol=1e-12)


@pytest.mark.parametrize("make", [parallel, fan])
def test_astra_vectors_about_another_axis(make: Any):
    """A scanner that turns about (X, Y) = (0.1, -0.2): its operator's box is centred there."""
    projection, volume = to_astra(make(UNIT, 0.13), Grid(UNIT, (40, 40)))
    axis = np.array([0.1, -0.2])
    projection["Vectors"][:, 2:4] += axis
    if make is fan:
        projection["Vectors"][:, :2] += axis
    operator, grid = from_astra(projection, volume)
    np.testing.assert_allclose(operator.box.center, (0.2, 0.1), atol=1e-6)
    np.testing.assert_allclose((grid.box.lower, grid.box.upper), (UNIT.lower, UNIT.upper))
    assert float(operator.center) == pytest.approx(0.13, abs=1e-6)
    expected = make(Box((-0.8, -0.9), (1.2, 1.1)), 0.13)
    field = blobs(Box((-0.4, -0.6), (0.8, 0.8)))
    assert error(predict(operator, field), predict(expected, field)) < 1e-3


def test_geometries_that_are_refused():
    volume = to_astra(parallel(UNIT), Grid(UNIT, (8, 8)))[1]
    scan = to_astra(parallel(UNIT, 0.1), Grid(UNIT, (8, 8)))[0]
    fan_scan = to_astra(fan(UNIT, 0.1), Grid(UNIT, (8, 8)))[0]

    def changed(geometry: dict, view: Any, column: Any, factor: float) -> dict:
        vectors = geometry["Vectors"].copy()
        vectors[view, column] *= factor
        return {**geometry, "Vectors": vectors}

    everything, step = slice(None), slice(4, 6)
    for geometry, message in [
        ({"type": "cone"}, "CUDA"),
        (changed(scan, 3, step, 1.1), "not one pitch"),
        (changed(scan, 3, 0, 1.1), "not perpendicular"),
        (changed(scan, 3, slice(2, 4), 4.0), "not turns of one scanner"),
        (changed(fan_scan, 3, slice(0, 2), 1.1), "not turns of one scanner"),
        (changed(fan_scan, everything, step, -1.0), "Reverse"),
        ({**scan, "Vectors": np.ones((3, 4))}, r"\(views, 6\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_astra(geometry, volume)
    with pytest.raises(ValueError, match="3-D"):
        from_astra(scan, {**volume, "GridSliceCount": 4})
    cone = ConeBeam(Box((-1,) * 3, (1,) * 3), ANGLES, (4, 4), 3.0, 1.0)
    with pytest.raises(ValueError, match="got ConeBeam"):
        to_astra(cone, Grid(UNIT, (8, 8)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="3 axes"):
        to_astra(parallel(UNIT), Grid(cone.box, (4, 4, 4)))


# ---------------------------------------------------------------- scikit-image


def off_centre(shape: tuple[int, int]) -> GaussianBlobs:
    middle = torch.tensor(shape, dtype=torch.float64) / 2
    offsets = torch.tensor([[-5.0, 4.0], [6.0, 1.0], [0.0, -7.0]], dtype=torch.float64)
    width = torch.tensor([3.0, 4.0, 3.5], dtype=torch.float64)
    return GaussianBlobs(middle + offsets, width, torch.tensor([1.0, 0.7, -0.4]))


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (64, 81), (70, 61), (61, 64)], ids=str)
def test_scikit_image_convention(shape: tuple[int, int], circle: bool):
    theta = np.linspace(0, 360, 19)[:-1]
    field, grid = off_centre(shape), Grid(Box((0, 0), shape), shape)
    image = sample(field, grid)[..., 0].double().numpy()
    place = np.indices(shape) - np.array(shape)[:, None, None] // 2
    image[np.hypot(*place) > min(shape) // 2] = 0  # or scikit-image warns of tails of 1e-6
    sinogram = torch.from_numpy(skimage_radon(image, theta, circle=circle))
    operator = from_scikit_image(theta, shape, circle=circle)
    assert operator.shape == tuple(sinogram.T.shape)
    ours = error(operator.unflatten(predict(operator, field)), sinogram.T)
    assert ours < 0.01
    assert error(operator.unflatten(predict(operator.on(grid), field)), sinogram.T) < 0.01
    if circle and shape == (64, 64):
        naive = ParallelBeam(grid.box, torch.deg2rad(torch.as_tensor(theta) + 90), 64, pitch=1.0)
        assert error(naive.unflatten(predict(naive, field)), sinogram.T) > 5 * ours


def test_scikit_image_refuses_a_shape():
    with pytest.raises(ValueError, match="two positive sizes"):
        from_scikit_image([0.0], (4, 4, 4))  # type: ignore[arg-type]


# ---------------------------------------------------------------- torch-radon


class StandIn:
    """torch-radon's rays on the CPU: bilinear samples along them, angles negated, x along columns, y along rows."""

    def __init__(self, resolution: int, angles: Tensor, det_count: int, det_spacing: float, start: float, end: float,
                 parallel: bool) -> None:  # fmt: skip
        assert angles.dtype == torch.float32
        t = (torch.arange(det_count) - det_count / 2 + 0.5) * det_spacing
        first = torch.stack([t if parallel else 0 * t, torch.full_like(t, start)], -1)
        last = torch.stack([t, torch.full_like(t, -end)], -1)
        cos, sin = (-angles).cos(), (-angles).sin()
        turn = torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 1, 2, 2)
        first, last = ((turn @ p[None, :, :, None])[..., 0] for p in (first, last))
        length = (last - first).norm(dim=-1)
        steps = 2 * int(length.max())
        s = (torch.arange(steps) + 0.5) / steps
        points = first[:, :, None] + s[:, None] * (last - first)[:, :, None]
        self.points, self.step = points / (resolution / 2), length / steps
        self.resolution = resolution

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        assert x.is_contiguous()
        image = x.reshape(1, -1, self.resolution, self.resolution)
        views = [grid_sample(image, p[None], align_corners=False).sum(-1)[0] for p in self.points]
        return (torch.stack(views, 1) * self.step).reshape(*x.shape[:-2], *self.step.shape)

    def backprojection(self, y: Tensor) -> Tensor:
        assert y.is_contiguous()
        with torch.enable_grad():
            x = torch.zeros(*y.shape[:-2], self.resolution, self.resolution, requires_grad=True)
            return torch.autograd.grad(self.forward(x), x, y)[0]


def stand_in_parallel(resolution: int, angles: Tensor, det_count: int = -1, det_spacing: float = 1.0,
                      clip_to_circle: bool = False) -> StandIn:  # fmt: skip
    assert not clip_to_circle
    return StandIn(resolution, angles, det_count, det_spacing, 0.71 * resolution, 0.71 * resolution, True)


def stand_in_fan(resolution: int, angles: Tensor, source_distance: float, det_distance: float = -1,
                 det_count: int = -1, det_spacing: float = -1, clip_to_circle: bool = False) -> StandIn:  # fmt: skip
    return StandIn(resolution, angles, det_count, det_spacing, source_distance, det_distance, False)


@pytest.fixture
def torch_radon(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(Radon=stand_in_parallel, RadonFanbeam=stand_in_fan)
    monkeypatch.setitem(sys.modules, "torch_radon", module)


@pytest.mark.usefixtures("torch_radon")
@pytest.mark.parametrize("make", [parallel, fan])
@pytest.mark.parametrize("n", [48, 47])
def test_torch_radon_adapter(make: Any, n: int):
    box = Box((3.0, -1.0), (5.0, 1.0), ("cm", "cm"))
    operator, grid, field = make(box), Grid(box, (n, n)), blobs(box)
    adapted = on_torch_radon(operator, grid)
    y = predict(adapted, field)
    assert error(y, predict(operator.on(grid), field)) < 0.01
    assert dot_mismatch(adapted, torch.float64) < 1e-5
    two = adapted.map(torch.stack([sample(field, grid)[..., 0]] * 2, -1).float())
    assert two.shape == (*operator.shape, 2)
    assert error(two[..., 1].reshape(-1), y) < 1e-6


@pytest.mark.usefixtures("torch_radon")
def test_torch_radon_refusals():
    moved = Grid(Box((-1.0, -0.9), (1.0, 1.1)), (8, 8))
    many = ParallelBeam(UNIT, torch.zeros(5000), 4)
    for operator, grid, message in [
        (parallel(UNIT), Grid(UNIT, (8, 9)), "must be square"),
        (parallel(UNIT), moved, "axis of rotation"),
        (parallel(UNIT, 0.1), Grid(UNIT, (8, 8)), "center is 0.1"),
        (many, Grid(UNIT, (8, 8)), "4096"),
    ]:
        with pytest.raises(ValueError, match=message):
            on_torch_radon(operator, grid)
