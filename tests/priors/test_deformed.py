"""A field displaced over time: closed forms of translations, and what is refused."""

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, Solver, Term, noise, priors
from inverse_inr.operators import Values
from inverse_inr.priors.moving import DeformedPrior

BOX = Box((-1.0, -1.0, 10.0), (1.0, 1.0, 14.0), ("mm", "mm", "s"))
VELOCITY = torch.tensor([0.15, -0.1])  # mm / s, about the middle of the time axis
SMALL = {"at_rest": "siren", "options": {"width": 24, "depth": 2}, "width": 16, "depth": 2}


def waves(points: Tensor) -> Tensor:
    """Waves in two directions that move with `VELOCITY`."""
    x, y = (points[..., :2] - VELOCITY.to(points) * (points[..., 2:] - 12)).unbind(-1)
    return (torch.sin(4 * x) + torch.sin(4 * y - x))[..., None]


def made(**options) -> DeformedPrior:
    prior = priors.create("deformed", BOX, bandwidth=1.0, **{**SMALL, **options})
    assert isinstance(prior, DeformedPrior)
    return prior


def points(count: int) -> Tensor:
    return BOX.random_points(count, generator=torch.Generator().manual_seed(0))


def test_nothing_moves_at_the_start():
    prior = made()
    x = points(20)
    assert bool((prior.displacement(x) == 0).all())
    later = x + torch.tensor([0.0, 0.0, 0.5])
    torch.testing.assert_close(prior(later), prior(x))


@pytest.mark.parametrize("still", [0.0, 0.5, 1.0])
def test_a_constant_velocity_translates_the_field_at_rest(still):
    """With v constant, f(x, t) = f(x + u, t0) and u = v (t - t0), in physical units."""
    prior = made(still=still).double()
    motion = prior.displaced.motion
    assert motion is not None
    with torch.no_grad():
        motion.head.bias.copy_(torch.tensor([0.06, 0.02]))
    x = points(20).double()
    elapsed = x[:, 2:] - (10 + 4 * still)
    # normalised lengths are of 1 mm, normalised times of 2 s
    moved = elapsed / 2 * torch.tensor([0.06, 0.02]).double()
    torch.testing.assert_close(prior.displacement(x), moved, atol=1e-6, rtol=0)
    there = torch.cat([x[:, :2] + moved, torch.full_like(elapsed, 10 + 4 * still)], 1)
    torch.testing.assert_close(prior(x), prior(there), atol=1e-6, rtol=0)


def test_a_translation_is_recovered_from_what_is_seen():
    x = points(1200)
    term = Term(Values(x), waves(x)[:, 0], noise.Gaussian(0.01))
    problem = Problem([term], BOX, Grid(BOX, (16, 16, 8)))
    solver = Solver(problem, made(motion=0.3), steps=400, batch=400, lr=5e-3, stopping=None)
    field = solver.run().field
    assert isinstance(field, DeformedPrior)
    inner = points(500) * torch.tensor([0.6, 0.6, 1.0])
    moved = VELOCITY * (inner[:, 2:] - 12)
    error = (field.displacement(inner) + moved).abs()
    # seeds 0, 1, 2 have 0.002 in the mean and up to 0.012 mm; what moves goes 0.3 mm either way
    assert float(error.mean()) < 0.01
    assert float(error.max()) < 0.06


def test_displacement_and_field_at_rest_have_rates_of_their_own():
    prior = priors.create("deformed", BOX)
    rates = {group["role"]: group["lr"] for group in prior.param_groups()}
    assert rates["table"] == pytest.approx(1e-2)
    motion = {id(p) for p in prior.displaced.motion.parameters()}
    for group in prior.param_groups():
        moving = {id(p) in motion for p in group["params"]}
        assert len(moving) == 1
        assert not moving.pop() or group["lr"] == pytest.approx(1e-3)
    total = sum(len(group["params"]) for group in prior.param_groups())
    assert total == len(list(prior.parameters()))


def test_a_line_of_time_alone_does_not_move():
    prior = priors.create("deformed", Box((0.0,), (1.0,)), at_rest="siren")
    assert bool((prior.displacement(torch.rand(5, 1)) == 0).all())
    assert isinstance(prior.network, nn.Module)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_rest": "hsah"}, "deformed: unknown at_rest='hsah'. Did you mean 'hash'"),
        ({"options": {"widht": 3}}, "deformed: at_rest='siren'.*width"),
        ({"still": 1.5}, "deformed: still"),
        ({"motion": 0.0}, "deformed: motion"),
    ],
)
def test_what_is_no_deformation_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)
