"""Other toolboxes' projectors against ours: ASTRA, torch-radon (a stand-in on the CPU)."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cases.beam import SCANS, UNIT, blobs, centers, error, fan, parallel, scans
from torch import Tensor
from torch.nn.functional import grid_sample

from inverse_inr import Box, Grid, OnGrid, adjoint, as_linear_map, predict, sample
from inverse_inr.operators.ct.backends import on_astra, on_torch_radon
from inverse_inr.operators.ct.geometry_exchange import from_astra, to_astra
from inverse_inr.operators.ct.radon import ParallelBeam


@pytest.fixture
def astra() -> Any:
    return pytest.importorskip("astra", reason='ASTRA is optional: pip install "inverse-inr[ct]"')


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
    [
        (parallel, None),
        (parallel, "line"),
        (parallel, "strip"),
        (fan, None),
        (fan, "strip_fanflat"),
    ],
)
def test_astra_agrees_with_our_maps_and_rays(
    astra: Any, box: Box, shape: Any, center: float, make: Any, projector: Any
):
    operator = make(box, center)
    grid = Grid(box, shape)
    field = blobs(box)
    if projector == "strip_fanflat" and center:  # this projector knows a centred detector alone
        with pytest.raises(ValueError, match="centred detector"):
            on_astra(operator, grid, projector=projector)
        return
    y = predict(on_astra(operator, grid, projector=projector), field)
    assert error(y, predict(operator, field)) < 0.01
    assert error(y, predict(operator.on(grid), field)) < 0.01


@pytest.mark.parametrize("make", [parallel, fan])
def test_astra_on_a_grid_off_the_axis(astra: Any, make: Any):
    grid = Grid(Box((-0.5, -0.8), (0.9, 0.6), UNIT.units), (96, 96))
    operator = make(UNIT)
    field = blobs(grid.box)
    y = predict(on_astra(operator, grid), field)
    assert error(y, predict(operator, field)) < 0.01
    # its box must hold the window about the same axis
    again: Any
    again, window = from_astra(*to_astra(operator, grid))
    assert error(predict(again.on(window), field), predict(operator.on(grid), field)) < 1e-5


@pytest.mark.parametrize(
    ("make", "projector"),
    [
        (parallel, "linear"),
        (parallel, "line"),
        (parallel, "strip"),
        (fan, "line_fanflat"),
        (fan, "strip_fanflat"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_astra_has_exact_adjoints(astra: Any, make: Any, projector: str, dtype: torch.dtype):
    for box, shape in SCANS:
        operator = on_astra(make(box), Grid(box, shape), projector=projector)
        assert dot_mismatch(operator, dtype) < 1e-5


def test_astra_serves_gradients_channels_adjoints_and_linear_maps(astra: Any):
    """Clearing ASTRA's memory in between does no harm."""
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


@pytest.mark.parametrize("make", [parallel, fan])
@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((64, 80), {}, "square pixels"),
        ((32, 32), {"projector": "cuda"}, "has projectors"),
    ],
    ids=["oblong pixels", "projector"],
)
def test_astra_refuses_oblong_pixels_and_unknown_projectors(
    astra: Any, make: Any, shape: tuple[int, int], options: dict, message: str
):
    with pytest.raises(ValueError, match=message):
        on_astra(make(UNIT), Grid(UNIT, shape), **options)


def test_strips_are_right_on_oblong_pixels(astra: Any):
    grid = Grid(UNIT, (64, 80))
    field = blobs(UNIT)
    y = predict(on_astra(parallel(UNIT), grid, projector="strip"), field)
    assert error(y, predict(parallel(UNIT), field)) < 0.01


def test_astra_refuses_complex_images(astra: Any):
    operator = on_astra(parallel(UNIT), Grid(UNIT, (32, 32)))
    with pytest.raises(TypeError, match="real images"):
        operator.map(torch.ones(32, 32, dtype=torch.complex64))


OLD_ASTRA = SimpleNamespace(projector=SimpleNamespace(), __version__="2.1")


@pytest.mark.parametrize(
    ("name", "module", "adapt", "message"),
    [
        ("astra", None, on_astra, r'GPLv3.*pip install "inverse-inr\[ct\]"'),
        ("astra", OLD_ASTRA, on_astra, r"2\.5 or newer.*This is 2\.1"),
        ("torch_radon", None, on_torch_radon, r"GPLv3.*setup\.py install"),
    ],
    ids=["no ASTRA", "old ASTRA", "no torch-radon"],
)
def test_a_missing_package_is_named_with_its_licence(
    monkeypatch: pytest.MonkeyPatch, name: str, module: Any, adapt: Any, message: str
):
    monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(ImportError, match=message):
        adapt(parallel(UNIT), Grid(UNIT, (8, 8)))


@pytest.mark.parametrize("make", [parallel, fan])
def test_torch_radon_without_its_cuda_extension_is_named(
    monkeypatch: pytest.MonkeyPatch, make: Any
):
    def broken(*_: object, **__: object) -> None:
        raise NameError("name 'RaysCfg' is not defined")

    module = SimpleNamespace(Radon=broken, RadonFanbeam=broken)
    monkeypatch.setitem(sys.modules, "torch_radon", module)
    with pytest.raises(ImportError, match="CUDA extension"):
        on_torch_radon(make(UNIT), Grid(UNIT, (8, 8)))


# ---------------------------------------------------------------- torch-radon


class StandIn:
    """The rays of torch-radon on the CPU: bilinear samples along them.

    Angles are negated; x runs along columns and y along rows.
    """

    def __init__(
        self,
        resolution: int,
        angles: Tensor,
        det_count: int,
        det_spacing: float,
        start: float,
        end: float,
        parallel: bool,
    ) -> None:
        assert angles.dtype == torch.float32
        t = (torch.arange(det_count) - det_count / 2 + 0.5) * det_spacing
        across = 0 * t
        if parallel:
            across = t
        first = torch.stack([across, torch.full_like(t, start)], -1)
        last = torch.stack([t, torch.full_like(t, -end)], -1)
        cos, sin = (-angles).cos(), (-angles).sin()
        turn = torch.stack([cos, -sin, sin, cos], -1).reshape(-1, 1, 2, 2)
        first, last = ((turn @ p[None, :, :, None])[..., 0] for p in (first, last))
        length = (last - first).norm(dim=-1)
        steps = 2 * int(length.max())
        s = (torch.arange(steps) + 0.5) / steps
        points = first[:, :, None] + s[:, None] * (last - first)[:, :, None]
        self.points = points / (resolution / 2)
        self.step = length / steps
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


def stand_in_parallel(
    resolution: int,
    angles: Tensor,
    det_count: int = -1,
    det_spacing: float = 1.0,
    clip_to_circle: bool = False,
) -> StandIn:
    assert not clip_to_circle
    reach = 0.71 * resolution
    return StandIn(resolution, angles, det_count, det_spacing, reach, reach, True)


def stand_in_fan(
    resolution: int,
    angles: Tensor,
    source_distance: float,
    det_distance: float = -1,
    det_count: int = -1,
    det_spacing: float = -1,
    clip_to_circle: bool = False,
) -> StandIn:
    return StandIn(resolution, angles, det_count, det_spacing, source_distance, det_distance, False)


@pytest.fixture
def torch_radon(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(Radon=stand_in_parallel, RadonFanbeam=stand_in_fan)
    monkeypatch.setitem(sys.modules, "torch_radon", module)


@pytest.mark.usefixtures("torch_radon")
@pytest.mark.parametrize("make", [parallel, fan])
@pytest.mark.parametrize("n", [48, 47])
def test_torch_radon_agrees_with_our_maps(make: Any, n: int):
    box = Box((3.0, -1.0), (5.0, 1.0), ("cm", "cm"))
    operator = make(box)
    grid = Grid(box, (n, n))
    field = blobs(box)
    adapted = on_torch_radon(operator, grid)
    y = predict(adapted, field)
    assert error(y, predict(operator.on(grid), field)) < 0.01
    assert dot_mismatch(adapted, torch.float64) < 1e-5
    two = adapted.map(torch.stack([sample(field, grid)[..., 0]] * 2, -1).float())
    assert two.shape == (*operator.shape, 2)
    assert error(two[..., 1].reshape(-1), y) < 1e-6


@pytest.mark.usefixtures("torch_radon")
@pytest.mark.parametrize(
    ("operator", "grid", "message"),
    [
        (parallel(UNIT), Grid(UNIT, (8, 9)), "must be square"),
        (parallel(UNIT), Grid(Box((-1.0, -0.9), (1.0, 1.1)), (8, 8)), "axis of rotation"),
        (parallel(UNIT, 0.1), Grid(UNIT, (8, 8)), "center is 0.1"),
        (ParallelBeam(UNIT, torch.zeros(5000), 4), Grid(UNIT, (8, 8)), "4096"),
    ],
    ids=["oblong", "off the axis", "centre", "many views"],
)
def test_torch_radon_refuses_what_it_cannot_hold(operator: Any, grid: Grid, message: str):
    with pytest.raises(ValueError, match=message):
        on_torch_radon(operator, grid)
