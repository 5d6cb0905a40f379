"""Travel times along straight rays: closed forms, conformance, on a grid, learnt positions."""

import math

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, SampledField, predict
from inverse_inr.operators import TravelTimes, transducer_ring
from inverse_inr.phantoms import GaussianBlobs
from inverse_inr.testing import OperatorTests

BOX = Box((-50.0, -50.0), (50.0, 50.0), ("mm", "mm"))
F64 = torch.float64
CENTER = torch.tensor([6.0, -4.0], dtype=F64)


def ring(box: Box = BOX, samples: int = 256) -> TravelTimes:
    """Five emitters and seven receivers around the box, none of them opposite each other."""
    return TravelTimes(
        box, transducer_ring(5, 80.0), transducer_ring(7, 80.0, start=0.1), samples=samples
    )


def distances(operator: TravelTimes) -> Tensor:
    """How far from CENTER each ray passes, (emitters, receivers)."""
    start = operator.emitters[:, None]
    along = operator.receivers - start
    across = CENTER - start
    area = along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]
    return area.abs() / along.norm(dim=-1)


def test_a_disc_delays_by_its_chord() -> None:
    """A disc of 30 mm and 0.02 µs/mm more than water. Midpoints place each rim to half a step."""
    radius, slowness = 30.0, 0.02
    operator = ring(samples=2000)

    def disc(points: Tensor) -> Tensor:
        return slowness * ((points - CENTER).norm(dim=-1, keepdim=True) < radius).to(points.dtype)

    times = operator.unflatten(predict(operator, disc))
    distance = distances(operator)
    chord = 2 * (radius**2 - distance.square()).clamp(min=0).sqrt()
    assert times.shape == (5, 7)
    assert (chord > 0).any()
    assert (chord == 0).any()
    torch.testing.assert_close(times, slowness * chord, rtol=0, atol=slowness * BOX.diagonal / 2000)


def test_a_gaussian_blob_in_closed_form() -> None:
    """It is s w sqrt(2π) exp(-distance² / 2w²): the box ends 8 widths away."""
    width, slowness = 5.0, 0.03
    blob = GaussianBlobs(CENTER[None], *torch.tensor([[width], [slowness]], dtype=F64))
    operator = ring()
    distance = distances(operator)
    truth = slowness * width * math.sqrt(2 * math.pi) * (-((distance / width) ** 2) / 2).exp()
    times = operator.unflatten(predict(operator, blob))
    torch.testing.assert_close(times, truth, rtol=1e-9, atol=1e-12)


def test_a_ring_inside_the_box_sees_the_path_between_transducers_only() -> None:
    operator = TravelTimes(BOX, transducer_ring(4, 20.0), transducer_ring(4, 20.0))
    times = operator.unflatten(predict(operator, lambda points: torch.ones_like(points[..., :1])))
    distance = torch.cdist(operator.emitters, operator.receivers)
    torch.testing.assert_close(times, distance, rtol=1e-12, atol=1e-12)  # 0 from one to itself


class TestTravelTimes(OperatorTests):
    def make(self) -> TravelTimes:
        return ring(samples=16)


class TestLearntPositions(OperatorTests):
    def make(self) -> TravelTimes:
        emitters = nn.Parameter(transducer_ring(3, 30.0, start=0.05))
        receivers = nn.Parameter(transducer_ring(4, 60.0, start=0.3))  # one end inside the box
        return TravelTimes(BOX, emitters, receivers, samples=16)


class TestInThreeDimensions(OperatorTests):
    def make(self) -> TravelTimes:
        cube = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
        generator = torch.Generator().manual_seed(0)
        ends = [torch.randn(n, 3, dtype=F64, generator=generator) * 2 for n in (3, 4)]
        return TravelTimes(cube, *ends, samples=16)


class TestOnGrid(OperatorTests):
    def make(self) -> nn.Module:
        return ring(samples=16).on(Grid(BOX, (9, 8)))


def test_on_a_grid_it_is_the_same_physics() -> None:
    """The multilinear image, seen by both; the grid's map takes no fewer points than the rays."""
    grid = Grid(BOX, (12, 15))
    image = torch.rand(12, 15, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    operator = ring()
    on_grid = operator.on(grid)
    on_rays = operator.unflatten(predict(operator, SampledField(image, grid)))
    assert on_grid.shape == (5, 7)
    torch.testing.assert_close(on_grid.map(image), on_rays, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(on_grid.map(image[..., 1]), on_rays[..., 1], rtol=1e-10, atol=1e-10)


def test_training_is_unbiased() -> None:
    """A random phase a ray: its mean over many draws is the integral that two points miss."""
    operator = ring(samples=2).train()

    def bump(points: Tensor) -> Tensor:
        return torch.exp(-(((points - CENTER).norm(dim=-1, keepdim=True) / 20) ** 2))

    torch.manual_seed(0)
    drawn = torch.stack([predict(operator, bump) for _ in range(2000)])
    truth = predict(ring(samples=500), bump)
    error = (drawn.mean(0) - truth).abs()
    assert (error <= 5 * drawn.std(0) / 2000**0.5 + 1e-9).all()  # five standard errors


def test_a_receiver_is_found_from_times_in_water() -> None:
    """Uniform slowness, receivers known to 1 mm: ranges from five emitters find each."""
    truth = transducer_ring(7, 30.0, start=0.1)
    emitters = transducer_ring(5, 40.0)
    water = lambda points: 0.675 * torch.ones_like(points[..., :1])  # noqa: E731
    y = predict(TravelTimes(BOX, emitters, truth), water)
    shift = torch.randn(7, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    operator = TravelTimes(BOX, emitters, nn.Parameter(truth + shift), samples=2)
    optimizer = torch.optim.LBFGS(operator.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (predict(operator, water) - y).square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(operator.receivers.detach(), truth, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("emitters", "receivers", "samples", "message"),
    [
        (torch.zeros(3, 3), torch.zeros(3, 2), 8, r"emitters must be \(count, 2\)"),
        (torch.zeros(3, 2), torch.zeros(0, 2), 8, r"receivers must be \(count, 2\)"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 2), 8, "emitters hold NaN"),
        (torch.zeros(3, 2), torch.zeros(3, 2), 0, "samples=0 must be"),
    ],
)
def test_slips_are_named(emitters: Tensor, receivers: Tensor, samples: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TravelTimes(BOX, emitters, receivers, samples=samples)
