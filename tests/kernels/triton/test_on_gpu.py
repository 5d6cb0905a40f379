"""The kernels on a real device: parity with their definitions, and a table of times by `make gpu`.

The page is written where INVERSE_INR_TIMINGS says. No GPU has run these tests yet.
"""

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, Gridding, phases, priors, projector, solve
from inverse_inr.kernels import spectrum_interpolation
from inverse_inr.kernels.triton import available, encoding
from inverse_inr.operators import ConeBeam, PhaseHistory, RadarGeometry
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.lattices.ray_sums import defined_sums, fused_parts, ray_sums

pytestmark = pytest.mark.gpu

ROWS: list[str] = []
CUDA = torch.device("cuda", 0)
POINTS = 2**18


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    """Write the times of all tests of this file as a table."""
    yield
    where = os.environ.get("INVERSE_INR_TIMINGS")
    if where and ROWS:
        head = f"| {torch.cuda.get_device_name()} | kernel, ms | definition, ms |\n|---|---|---|\n"
        Path(where).parent.mkdir(parents=True, exist_ok=True)
        Path(where).write_text(head + "\n".join(ROWS) + "\n")


def milliseconds(run: Callable[[], object]) -> float:
    """The median of ten calls, after three."""
    times = []
    for k in range(13):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        if k >= 3:
            times.append(begin.elapsed_time(end))
    return sorted(times)[5]


def compare(name: str, kernel: Callable[[], list[Tensor]], eager: Callable[[], list[Tensor]]):
    """Hold the kernel to its definition, and note the times of both."""
    for found, expected in zip(kernel(), eager(), strict=True):
        size = float(expected.abs().max())
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * size)
    ROWS.append(f"| {name} | {milliseconds(kernel):.3f} | {milliseconds(eager):.3f} |")


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_encoding(d: int, order: int) -> None:
    cells = [16 * 1.5**k for k in range(12)]
    box = Box((-1.0,) * d, (1.0,) * d)
    made = GridEncoding(box, cells, 2, interpolation="smoothstep").to(CUDA)
    torch.nn.init.normal_(made.table)
    x = (2 * torch.rand(POINTS, d, device=CUDA) - 1).requires_grad_()
    lattices = made.on_device()

    def derived(values: Tensor) -> list[Tensor]:
        if order == 0:
            return [values.detach()]
        first = torch.autograd.grad(values.square().sum(), (x, made.table), create_graph=order > 1)
        if order == 1:
            return list(first)
        return list(torch.autograd.grad(first[0].square().sum(), (x, made.table)))

    compare(
        f"encoding, {d}-D, 12 levels, 2^18 points, derivatives of order {order}",
        lambda: derived(encoding.encode(x, made.table, lattices, made.features)),
        lambda: derived(made.features(x, made.table)),
    )


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
def test_the_projector_pair(monkeypatch: pytest.MonkeyPatch, direction: str) -> None:
    box = Box((-1.0,) * 3, (1.0,) * 3)
    angles = torch.arange(60) * (2 * torch.pi / 60)
    made = ConeBeam(box, angles, (96, 96), 4.0, 2.0).on(Grid(box, (96, 96, 96))).map.to(CUDA)
    image = torch.rand(96, 96, 96, device=CUDA, requires_grad=True)
    y = torch.rand(made.shape, device=CUDA)

    def run(usable: bool) -> list[Tensor]:
        monkeypatch.setattr(projector, "usable", lambda tensor: usable)
        if direction == "forward":
            with torch.no_grad():
                return [made(image)]
        return list(torch.autograd.grad(made(image), image, y))

    name = f"projector, {direction}, 96^3 x 60 views"
    compare(name, lambda: run(True), lambda: run(False))


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
def test_waves_over_paths(monkeypatch: pytest.MonkeyPatch, direction: str) -> None:
    box = Box((-0.2,) * 3, (0.2,) * 3, ("m",) * 3)
    away = torch.tensor([[1.0, 0.1 * k, 0.2] for k in range(32)], dtype=torch.float64)
    frequencies = 10e9 + 1e7 * torch.arange(64, dtype=torch.float64) ** 1.1
    grid = Grid(box, (32, 32, 32))
    operator = PhaseHistory(box, RadarGeometry(away), frequencies, points=grid).to(CUDA)
    sigma = torch.rand(grid.numel, device=CUDA, requires_grad=True)
    rows = torch.arange(32, device=CUDA)
    y = torch.randn(32, 64, dtype=torch.complex64, device=CUDA)

    def run(usable: bool) -> list[Tensor]:
        monkeypatch.setattr(phases, "usable", lambda tensor: usable)
        if direction == "forward":
            with torch.no_grad():
                return [operator.echoes(sigma, rows)]
        return list(torch.autograd.grad(operator.echoes(sigma, rows), sigma, y))

    compare(f"waves, {direction}, 32 x 64 x 32^3", lambda: run(True), lambda: run(False))


@pytest.mark.parametrize("direction", ["forward", "adjoint"])
@pytest.mark.parametrize("shape", [(256, 256), (64, 64, 64)])
def test_gridding_without_a_matrix(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], direction: str
) -> None:
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (2**16, len(shape)))
    by_matrix = Gridding(shape, k)
    by_kernels = copy.deepcopy(by_matrix).to(CUDA)
    assert by_kernels.interpolation.matrix is None
    with monkeypatch.context() as patched:
        patched.setattr(spectrum_interpolation, "usable", lambda tensor: False)
        by_matrix = by_matrix.to(CUDA)
    image = torch.randn(*shape, dtype=torch.complex64, device=CUDA, requires_grad=True)
    y = torch.randn(len(k), dtype=torch.complex64, device=CUDA)

    def run(made: Gridding, usable: bool) -> list[Tensor]:
        monkeypatch.setattr(spectrum_interpolation, "usable", lambda tensor: usable)
        if direction == "forward":
            with torch.no_grad():
                found = made(image)
        else:
            (found,) = torch.autograd.grad(made(image), image, y)
        return [torch.view_as_real(found)]

    name = f"gridding, {direction}, {len(shape)}-D, 2^16 places"
    compare(name, lambda: run(by_kernels, True), lambda: run(by_matrix, False))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("direction", ["forward", "gradient"])
def test_the_fused_ray_sums(d: int, direction: str) -> None:
    field = priors.create("hash", Box((-1.0,) * d, (1.0,) * d)).to(CUDA)
    torch.nn.init.normal_(field.encoding.table)
    assert fused_parts(field) is not None
    first, last = (2 * torch.rand(2**12, d, device=CUDA) - 1 for _ in range(2))
    step = (last - first) / 128
    y = torch.randn(len(first), 1, device=CUDA)
    parameters = list(field.parameters())

    def run(sums: Callable[..., Tensor]) -> list[Tensor]:
        if direction == "forward":
            with torch.no_grad():
                return [sums(field, first, step, 128)]
        return list(torch.autograd.grad(sums(field, first, step, 128), parameters, y))

    name = f"ray sums, {direction}, {d}-D, 2^12 rays of 128 points"
    compare(name, lambda: run(ray_sums), lambda: run(defined_sums))


@pytest.mark.parametrize("name", ["hash", "grid", "planes", "siren"])
def test_a_compiled_fit_is_the_uncompiled_one(problem, name: str) -> None:
    options = {"steps": 20, "batch": 64, "device": "cuda", "callbacks": ()}
    prior = priors.create(name, problem.box)
    plain, compiled = (solve(problem, prior, compile=c, **options) for c in (False, True))
    assert compiled.history[-1]["loss"] == pytest.approx(plain.history[-1]["loss"], rel=1e-2)


def test_the_kernels_are_used() -> None:
    pytest.importorskip("triton")
    assert available.usable(torch.zeros(1, device=CUDA))
    assert not available.usable(torch.zeros(1, dtype=torch.float64, device=CUDA))
