"""Volume rendering: closed forms of a ball, tomography as its transparent limit, harmonics."""

import pytest
import torch

from inverse_inr import Box, Grid, Problem, Term, noise, predict, priors
from inverse_inr.operators import Cameras, ConeBeam, VolumeRendering, looking_at
from inverse_inr.testing import OperatorTests

BOX = Box((-1.0,) * 3, (1.0,) * 3)
SIDES = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 1.0]])
COLOUR = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)


def cameras(size: int = 5) -> Cameras:
    return Cameras(looking_at(SIDES, torch.zeros(3)), (size, size), 2.0 * size)


def ball(points: torch.Tensor, density: float = 1.7, radius: float = 0.8) -> torch.Tensor:
    """A uniform ball: density, and one colour everywhere."""
    inside = (points.norm(dim=-1, keepdim=True) <= radius).to(points)
    return torch.cat([density * inside, COLOUR.to(points).expand(*points.shape[:-1], 3)], -1)


def chords(operator: VolumeRendering, radius: float = 0.8) -> torch.Tensor:
    origin, direction = (v[:, 0] for v in operator.cameras.rays(torch.arange(len(operator))))
    along = (origin * direction).sum(-1)
    gap = radius**2 - origin.square().sum(-1) + along.square()
    return 2 * gap.clamp(min=0).sqrt()


def test_a_uniform_ball_dims_what_is_behind_it_and_shines_itself():
    operator = VolumeRendering(BOX, cameras(), 4000, background=(0.2, 0.3, 0.4))
    through = torch.exp(-1.7 * chords(operator))[:, None]
    expected = (1 - through) * COLOUR + through * operator.background
    seen = predict(operator, ball)
    torch.testing.assert_close(seen, expected, atol=2e-3, rtol=0)
    assert float((through < 0.5).sum()) > 5


def smooth(points: torch.Tensor) -> torch.Tensor:
    density = torch.exp(-4 * points.square().sum(-1, keepdim=True))
    return torch.cat([density, density, density * 0.5, 1 - density], -1)


def test_fine_points_find_a_small_ball_that_equal_ones_see_badly():
    def error(samples: int, fine: int) -> float:
        eyes = Cameras(looking_at(SIDES, torch.zeros(3)), (9, 9), 90.0)
        operator = VolumeRendering(BOX, eyes, samples, fine=fine)
        through = torch.exp(-3 * chords(operator, 0.2))[:, None]
        seen = predict(operator, lambda x: ball(x, 3.0, 0.2))
        return float((seen - (1 - through) * COLOUR).abs().mean())

    assert error(32, 64) < 0.5 * error(96, 0)


def test_absorption_alone_is_tomography():
    """−log(1 − opacity) is the line integral at the points of a cone beam."""
    beam = ConeBeam(BOX, torch.tensor([0.3, 1.1]), (4, 5), 4.0, 2.0, samples=48)
    beam = beam.double()
    operator = VolumeRendering(BOX, beam, 48)
    rows = torch.arange(len(operator))
    seen = operator.rendered(smooth, rows)
    integrals = predict(beam, lambda points: smooth(points)[..., :1])
    torch.testing.assert_close(-torch.log1p(-seen.opacity), integrals, atol=1e-6, rtol=0)


def test_thin_matter_emits_its_line_integral():
    beam = ConeBeam(BOX, torch.tensor([0.3, 1.1]), (4, 5), 4.0, 2.0, samples=48)
    beam = beam.double()
    operator = VolumeRendering(BOX, beam, 48)

    def thin(points: torch.Tensor) -> torch.Tensor:
        values = smooth(points)
        return torch.cat([1e-7 * values[..., :1], values[..., 1:]], -1)

    seen = predict(operator, thin)
    integrals = predict(beam, lambda points: smooth(points)[..., :1] * smooth(points)[..., 1:])
    torch.testing.assert_close(1e7 * seen, integrals, atol=1e-6, rtol=0)


def test_depth_is_where_an_opaque_ball_begins():
    operator = VolumeRendering(BOX, cameras(), 400, fine=400)
    rows = torch.arange(len(operator))
    seen = operator.rendered(lambda x: ball(x, 400.0), rows)
    half = 0.5 * chords(operator)
    origin, direction = (v[:, 0] for v in operator.cameras.rays(rows))
    first = -(origin * direction).sum(-1) - half
    hit = half > 0.3
    torch.testing.assert_close(seen.depth[hit], first[hit], atol=1e-2, rtol=0)
    missed = operator.rendered(lambda x: ball(x, 0.0), rows)
    assert bool(torch.isnan(missed.depth).all())


def test_a_colour_depends_on_the_direction_by_its_harmonics():
    operator = VolumeRendering(BOX, cameras(), 64, degree=1)
    assert operator.channels == 13

    def field(points: torch.Tensor) -> torch.Tensor:
        values = torch.zeros(*points.shape[:-1], 13).to(points)
        values[..., 0] = 50.0
        values[..., 4 + 6] = 0.1  # red times the third harmonic of degree 1, √(4π) Y = √3 x
        return values

    seen = predict(operator, field)
    direction = operator.cameras.rays(torch.arange(len(operator)))[1][:, 0]
    torch.testing.assert_close(seen[:, 0], 0.1 * 3**0.5 * direction[:, 0], atol=1e-6, rtol=0)
    assert bool((seen[:, 1:] == 0).all())


class TestVolumeRendering(OperatorTests):
    linear = False
    channels = 4

    def make(self):
        return VolumeRendering(BOX, cameras(3), 8)


class TestFine(OperatorTests):
    linear = False
    channels = 4

    def make(self):
        return VolumeRendering(BOX, cameras(3), 8, fine=8)


MOVING = Box((*BOX.lower, 2.0), (*BOX.upper, 6.0))
TIMES = torch.tensor([3.0, 5.5])


class TestMoving(OperatorTests):
    linear = False
    channels = 4

    def make(self):
        return VolumeRendering(MOVING, cameras(3), 8, fine=4, degree=0, times=TIMES)


@pytest.mark.parametrize("fine", [0, 16])
def test_each_view_sees_the_field_at_its_own_time(fine):
    """A ball whose radius is the time over 10: each view is that of a ball at rest."""

    def growing(points: torch.Tensor) -> torch.Tensor:
        radius = 0.1 * points[..., 3:]
        inside = (points[..., :3].norm(dim=-1, keepdim=True) <= radius).to(points)
        return torch.cat([inside, inside, inside, inside], -1)

    moving = VolumeRendering(MOVING, cameras(), 60, fine=fine, times=TIMES)
    seen = predict(moving, growing).reshape(2, 25, 3)
    still = VolumeRendering(BOX, cameras(), 60, fine=fine)
    for view, time in enumerate(TIMES.tolist()):

        def at_rest(points: torch.Tensor, time: float = time) -> torch.Tensor:
            return growing(torch.cat([points, torch.full_like(points[..., :1], time)], -1))

        assert torch.equal(seen[view], predict(still, at_rest).reshape(2, 25, 3)[view])


@pytest.mark.parametrize(
    ("box", "times", "message"),
    [
        (MOVING, TIMES[:1], r"times \(1,\) must be one for each of 2 views"),
        (BOX, TIMES, "it has 3"),
        (MOVING, TIMES + 3, "run from 6 to 8.5, the box from 2 to 6"),
        (MOVING, TIMES * torch.nan, "finite"),
        (MOVING, None, "the box has 4. One that moves"),
    ],
    ids=["few", "no axis", "outside", "nan", "none"],
)
def test_times_that_do_not_fit_are_refused(box, times, message):
    with pytest.raises(ValueError, match=message):
        VolumeRendering(box, cameras(), times=times)


def test_pixels_that_miss_the_box_see_the_background():
    wide = Cameras(looking_at(SIDES, torch.zeros(3)), (5, 5), 1.0)
    operator = VolumeRendering(BOX, wide, 16, background=0.25)
    seen = predict(operator, ball)
    assert bool((seen[0] == 0.25).all())
    assert bool(torch.isfinite(seen).all())


def test_gradients_reach_density_and_colour():
    field = priors.siren(BOX, 4, width=16, depth=1, head=("softplus", *["sigmoid"] * 3)).double()
    operator = VolumeRendering(BOX, cameras(3), 8, fine=4).train()
    torch.manual_seed(0)
    predict(operator, field).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in field.parameters())


def test_cameras_that_see_nothing_are_refused():
    away = looking_at(SIDES, 2 * SIDES[0])
    with pytest.raises(ValueError, match="none of the 1 cameras sees the box"):
        VolumeRendering(BOX, Cameras(away[1:], (4, 4), 40.0))
    with pytest.raises(ValueError, match="degree"):
        VolumeRendering(BOX, cameras(), degree=-1)
    with pytest.raises(ValueError, match="the box has 2"):
        VolumeRendering(Box((0.0, 0.0), (1.0, 1.0)), cameras())


def test_a_field_without_colours_is_refused_by_name():
    operator = VolumeRendering(BOX, cameras(), 4)
    y = torch.zeros(len(operator), 3)
    with pytest.raises(ValueError, match="4 channels, density and colours; it has 1"):
        Problem([Term(operator, y, noise.Gaussian(0.1))], BOX, Grid(BOX, (4, 4, 4)))
