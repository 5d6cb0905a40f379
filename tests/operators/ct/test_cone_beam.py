"""Cone beams as flat panels stand: closed forms, `locate` against `rays`, FDK."""

import math
from typing import Any

import pytest
import torch
from cases.cone import ANGLES, CUBE, F64, VIEWS, cone, free, moves, wave
from torch import Tensor, nn

from inverse_inr import Box, Grid, metrics, predict, sample
from inverse_inr.operators import ConeBeam, FanBeam, fdk
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.testing import OperatorTests


def ball(radius: float = 0.5, shift: float = 0.1) -> Ellipsoids:
    center = torch.tensor([CUBE.center], dtype=F64) + shift
    axes = radius * torch.tensor([[1.0, 0.8, 0.9]], dtype=F64)
    return Ellipsoids(center, axes, torch.eye(3, dtype=F64)[None], torch.ones(1))


class TestFreeConformance(OperatorTests):
    def make(self):
        beam = free(cone((2, 3), roll=0.2, height=wave(0.1)), subrays=2)
        beam.source = nn.Parameter(beam.source.clone())
        return beam


class TestMovedConformance(OperatorTests):
    def make(self):
        return cone((2, 3), tilt=nn.Parameter(torch.tensor(0.1, dtype=F64)), roll=wave(0.1))


@moves
@pytest.mark.parametrize("make", [lambda b: b, free], ids=["turning", "free"])
def test_points_on_a_ray_are_located_at_its_pixel(move: dict[str, Any], make: Any):
    beam = make(cone(**move))
    rows = torch.arange(len(beam))
    origin, direction = beam.rays(rows)
    view, row, column = torch.unravel_index(rows, beam.shape)
    for t in (-0.7, 0.0, 1.1):
        points = (origin + t * direction)[:, 0]
        for v in range(VIEWS):
            index, _ = beam.locate(points[view == v], v)
            expected = torch.stack([row, column], -1)[view == v].to(F64)
            torch.testing.assert_close(index, expected, atol=1e-9, rtol=0)


@moves
def test_rays_start_at_the_source(move: dict[str, Any]):
    beam = cone(**move)
    rows = torch.arange(len(beam))
    origin, direction = (part[:, 0] for part in beam.rays(rows))
    view = rows // (9 * 14)
    source = beam.frame(view).source
    away = torch.linalg.cross(source - origin, direction).norm(dim=-1)
    assert float(away.max()) < 1e-12
    torch.testing.assert_close(source[:, 2], CUBE.center[2] + beam.height.expand(VIEWS)[view])


@moves
def test_projections_of_an_ellipsoid_are_its_closed_form(move: dict[str, Any]):
    beam = cone(samples=600, **move)
    rows = torch.arange(0, len(beam), 3)
    origin, direction = (part[:, 0] for part in beam.rays(rows))
    exact = ball().line_integral(origin, direction)
    assert float((predict(beam, ball(), rows) - exact).abs().max()) < 0.02


def test_the_moves_of_a_panel_are_those_of_the_formulas():
    """One view at angle 0: e = (1, 0, 0), n = (0, 1, 0)."""
    middle = torch.tensor(CUBE.center, dtype=F64)

    def frame(**options: Any) -> list[Tensor]:
        beam = ConeBeam(CUBE, torch.zeros(1, dtype=F64), (3, 3), 4.0, 2.0, (0.2, 0.1), **options)
        parts = beam.frame(0)
        return [parts.source - middle, parts.middle - middle, parts.across / 0.1, parts.along / 0.2]

    def close(value: Tensor, *expected: float) -> None:
        torch.testing.assert_close(value, torch.tensor(expected, dtype=F64), atol=1e-12, rtol=0)

    source, panel, u, v = frame(height=0.3, center=0.5, vertical=0.25)
    close(source, 0, -4, 0.3)
    close(panel, -0.5, 2, 0.3 - 0.25)
    close(u, 1, 0, 0)
    close(v, 0, 0, 1)
    c, s = math.cos(0.2), math.sin(0.2)
    close(frame(yaw=0.2)[2], c, s, 0)
    close(frame(tilt=0.2)[3], 0, s, c)
    close(frame(roll=0.2)[2], c, 0, s)
    close(frame(roll=0.2)[3], -s, 0, c)
    close(frame(roll=0.2, center=0.5)[1], -0.5 * c, 2, -0.5 * s)


def test_the_row_of_the_source_is_a_fan_also_on_a_shifted_panel():
    beam = cone((5, 21), vertical=0.1, pitch=(0.1, 0.12), center=0.05)
    fan = FanBeam(
        Box(CUBE.lower[:2], CUBE.upper[:2]), ANGLES, 21, 4.0, 2.0, pitch=0.12, center=0.05
    )
    rows = torch.arange(len(beam)).reshape(beam.shape)[:, 3].flatten()  # v = 0.1
    origin, direction = beam.rays(rows)
    flat, along = fan.rays(torch.arange(len(fan)))
    torch.testing.assert_close(origin[..., :2], flat)
    torch.testing.assert_close(direction[..., :2], along)
    assert float(direction[..., 2].abs().max()) < 1e-12


@pytest.mark.parametrize("name", ["center", "vertical", "height", "tilt", "roll", "yaw"])
@pytest.mark.parametrize("each", [False, True], ids=["one", "each view"])
def test_every_part_of_a_cone_beam_can_be_learnt(name: str, each: bool):
    true = torch.tensor(0.05, dtype=F64)
    if each:
        true = wave(0.05)
    rows = torch.arange(0, 7 * 126, 2)

    def seen(beam: ConeBeam) -> Tensor:
        origin, direction = beam.rays(rows)
        return torch.exp(-4 * torch.linalg.cross(origin - 0.3, direction).square().sum(-1))

    given: dict[str, Any] = {name: true}
    wanted = seen(cone(**given))
    start = given[name] = nn.Parameter(torch.zeros_like(true))
    beam = cone(**given)
    assert getattr(beam, name) is start
    optimizer = torch.optim.LBFGS([start], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (seen(beam) - wanted).square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(start.detach(), true, atol=2e-3, rtol=0)


FULL = torch.arange(120, dtype=F64) * (2 * math.pi / 120)
ROUND = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
SLAB = Grid(Box((-1, -1, -0.0625), (1, 1, 0.0625)), (48, 48, 3))


def reconstructed(angles: Tensor, counts: tuple[int, int] = (48, 64), **options: Any) -> float:
    """PSNR of FDK of a ball off the middle, in a slab about the middle plane."""
    field = Ellipsoids(
        torch.tensor([[0.1, -0.15, 0.0]]),
        torch.full((1, 3), 0.55),
        torch.eye(3)[None],
        torch.ones(1),
    )
    pitch = options.pop("pitch", 3.2 / 64)
    beam = ConeBeam(ROUND, angles, counts, 4.0, 2.0, pitch, **options)
    parts = torch.arange(len(beam)).split(65536)
    y = torch.cat([field.line_integral(*beam.rays(rows, 2)).mean(1) for rows in parts])
    image = fdk(beam, y, SLAB)
    return float(metrics.psnr(image, sample(field, SLAB, average=4), data_range=1.0))


@pytest.mark.parametrize(
    ("angles", "options"),
    [
        (FULL, {}),
        (FULL, {"center": 0.1, "vertical": 0.2}),
        (FULL, {"pitch": (0.08, 0.05)}),
        (FULL, {"tilt": 0.15, "counts": (64, 72)}),
        (FULL, {"roll": 0.3, "counts": (64, 72)}),
        (FULL, {"yaw": -0.2, "counts": (64, 72)}),
        (FULL, {"height": 0.1}),
        (FULL, {"center": 0.6, "counts": (48, 44)}),
        (FULL[:78], {}),
        (FULL.flip(0), {}),
    ],
    ids=[
        "plain",
        "offset",
        "rectangular",
        "tilt",
        "roll",
        "yaw",
        "height",
        "half acquisition",
        "short scan",
        "descending",
    ],
)
def test_fdk_is_right_on_panels_as_they_stand(angles: Tensor, options: dict[str, Any]):
    assert reconstructed(angles, **options) > 25


@pytest.mark.parametrize(
    ("options", "message"),
    [({"height": torch.linspace(0, 1, 120)}, "circle"), ({"center": 5.0}, "outside the detector")],
    ids=["helix", "axis off the panel"],
)
def test_fdk_refuses_what_it_cannot_weigh(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        reconstructed(FULL, **options)


def test_fdk_refuses_free_positions():
    beam = free(cone())
    with pytest.raises(TypeError, match="not ConeVectors"):
        fdk(beam, torch.zeros(len(beam)), Grid(CUBE, (4, 4, 4)))  # type: ignore[arg-type]
