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
    again, window = from_astra(
        *to_astra(operator, grid)
    )  # its box must hold the window about the same axis
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
def test_astra_adjoint(astra: Any, make: Any, projector: str, dtype: torch.dtype):
    for box, shape in SCANS:
        assert (
            dot_mismatch(on_astra(make(box), Grid(box, shape), projector=projector), dtype) < 1e-5
        )


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
        error(
            predict(on_astra(parallel(UNIT), grid, projector="strip"), field),
            predict(parallel(UNIT), field),
        )
        < 0.01
    )
    with pytest.raises(TypeError, match="real images"):
        on_astra(parallel(UNIT), square).map(torch.ones(32, 32, dtype=torch.complex64))


def test_missing_packages(monkeypatch: pytest.MonkeyPatch):
    operator, grid = parallel(UNIT), Grid(UNIT, (8, 8))
    monkeypatch.setitem(sys.modules, "astra", None)
    with pytest.raises(ImportError, match=r'GPLv3.*pip install "inverse-inr\[ct\]"'):
        on_astra(operator, grid)
    monkeypatch.setitem(
        sys.modules, "astra", SimpleNamespace(projector=SimpleNamespace(), __version__="2.1")
    )
    with pytest.raises(ImportError, match=r"2\.5 or newer.*This is 2\.1"):
        on_astra(operator, grid)
    monkeypatch.setitem(sys.modules, "torch_radon", None)
    with pytest.raises(ImportError, match=r"GPLv3.*setup\.py install"):
        on_torch_radon(operator, grid)

    def broken(*_: object, **__: object) -> None:
        raise NameError("name 'RaysCfg' is not defined")

    monkeypatch.setitem(
        sys.modules, "torch_radon", SimpleNamespace(Radon=broken, RadonFanbeam=broken)
    )
    for make in (parallel, fan):
        with pytest.raises(ImportError, match="CUDA extension"):
            on_torch_radon(make(UNIT), grid)


# ---------------------------------------------------------------- torch-radon


class StandIn:
    """torch-radon's rays on the CPU: bilinear samples along them, angles negated, x along columns, y along rows."""

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


def stand_in_parallel(
    resolution: int,
    angles: Tensor,
    det_count: int = -1,
    det_spacing: float = 1.0,
    clip_to_circle: bool = False,
) -> StandIn:
    assert not clip_to_circle
    return StandIn(
        resolution, angles, det_count, det_spacing, 0.71 * resolution, 0.71 * resolution, True
    )


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
