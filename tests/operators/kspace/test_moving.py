"""Readouts of moving images: conformance, ellipses at their own times, films, learnt times."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr.operators import MovingKSpace, birdcage_maps, radial_trajectory
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.testing import OperatorTests

F64 = torch.float64
PLANE = ii.Box((-1.0, -1.0), (1.0, 1.0))
IMAGE = ii.Grid(PLANE, (9, 8))
SPACE_TIME = ii.Box((-1.0, -1.0, 0.0), (1.0, 1.0, 1.0))
TIMES = torch.tensor([0.05, 0.3, 0.55, 0.8, 0.97], dtype=F64)


def spokes(times: Tensor = TIMES, **options: Any) -> MovingKSpace:
    trajectory = radial_trajectory(ii.Grid(PLANE, (5, 5)), len(times), 6)
    return MovingKSpace(IMAGE, trajectory, times, birdcage_maps(PLANE, 3), **options)


class TestMoving(OperatorTests):
    def make(self) -> MovingKSpace:
        return spokes(period=1.0)


class TestLearntTimes(OperatorTests):
    def make(self) -> MovingKSpace:
        return spokes(nn.Parameter(TIMES.clone()), stiffness=0.1)


class TestFilm(OperatorTests):
    def make(self) -> ii.OnGrid:
        return spokes(period=1.0).on(ii.Grid(SPACE_TIME, (9, 8, 4)))


class TestFilmOfLearntTimes(OperatorTests):
    def make(self) -> ii.OnGrid:
        return spokes(nn.Parameter(TIMES.clone())).on(ii.Grid(SPACE_TIME, (9, 8, 3)))


def test_a_disc_that_moves_and_grows_has_its_closed_form():
    """Each spoke sees the disc where and as large as it is at the spoke's own time."""
    grid = ii.Grid(PLANE, (96, 96))
    times = torch.linspace(0, 0.9, 4, dtype=F64)
    trajectory = radial_trajectory(ii.Grid(PLANE, (16, 16)), 4, 12)

    def disc(t: float) -> Ellipsoids:
        turn = torch.eye(2, dtype=F64)[None]
        return Ellipsoids(
            torch.tensor([[0.3 * t, -0.2 * t]]),
            torch.full((1, 2), 0.3 + 0.2 * t),
            turn,
            torch.ones(1),
        )

    def field(points: Tensor) -> Tensor:
        reach = 0.3 + 0.2 * points[..., 2]
        x, y = points[..., 0] - 0.3 * points[..., 2], points[..., 1] + 0.2 * points[..., 2]
        edge = (reach - (x.square() + y.square()).sqrt()) / grid.spacing[0]
        return (edge + 0.5).clamp(0, 1)[..., None]  # the share of the pixel within the disc

    maps = birdcage_maps(PLANE, 2)
    found = ii.predict(MovingKSpace(grid, trajectory, times, maps), field)
    pairs = zip(times.tolist(), trajectory, strict=True)
    exact = torch.stack([maps.double().fourier(disc(t).fourier, k) for t, k in pairs])
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-3


def wave(points: Tensor) -> Tensor:
    """A field of period one in time."""
    turn = 2 * math.pi * points[..., 2:]
    return torch.sin(3 * points[..., :1] + turn) * torch.cos(2 * points[..., 1:2])


def test_a_film_is_linear_in_time_between_frames():
    """It converges like the square of the frame to what each readout sees at its own time."""
    operator = spokes(period=1.0)
    exact = ii.predict(operator, wave)
    errors = []
    for frames in (16, 32):
        film = operator.on(ii.Grid(SPACE_TIME, (9, 8, frames)))
        errors.append(float((ii.predict(film, wave) - exact).abs().max() / exact.abs().max()))
    assert errors[1] < 0.01
    assert errors[1] < 0.5 * errors[0]


def test_both_ways_have_the_same_slope_in_time():
    """Learnt times get the gradient of a film that is linear in time, where it is exact."""

    def rising(points: Tensor) -> Tensor:
        return (1 + points[..., :1]) * points[..., 2:]

    slopes = []
    for film in (False, True):
        operator = spokes(nn.Parameter(torch.tensor([0.2, 0.45, 0.6], dtype=F64)))
        seen: ii.Operator = operator
        if film:
            seen = operator.on(ii.Grid(SPACE_TIME, (9, 8, 4)))
        ii.predict(seen, rising).abs().square().sum().backward()
        assert operator.times.grad is not None
        slopes.append(operator.times.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=0)


def test_smooth_times_are_likely():
    """A steady rise costs nothing, and a jump something."""
    steady = spokes(torch.linspace(0.1, 0.9, 5, dtype=F64), stiffness=0.1).negative_log_prior()
    jumping = spokes(stiffness=0.01).negative_log_prior()
    assert steady is not None
    assert float(steady) < 1e-12
    assert jumping is not None
    assert float(jumping) > 1
    assert spokes().negative_log_prior() is None


@pytest.mark.parametrize(
    ("times", "film", "slip"),
    [
        (TIMES[:4], None, "one time for each"),
        (TIMES, ii.Grid(ii.Box((-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)), (9, 8, 4)), "period"),
        (TIMES, ii.Grid(PLANE, (9, 8)), "a time axis"),
    ],
)
def test_what_does_not_fit_is_refused(times: Tensor, film: ii.Grid | None, slip: str):
    """The two facts that disagree are named."""
    trajectory = radial_trajectory(IMAGE, 5, 6)

    def made() -> ii.Operator:
        operator = MovingKSpace(IMAGE, trajectory, times, period=1.0)
        return operator if film is None else operator.on(film)

    with pytest.raises(ValueError, match=slip):
        made()
