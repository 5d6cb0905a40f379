"""The slant-range projection in closed forms: layover, shadow, energy, brightness, direction."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Field, Grid, as_linear_map, predict
from inverse_inr.operators import SarImage
from inverse_inr.phantoms import GaussianBlobs
from inverse_inr.testing import OperatorTests

F64 = torch.float64
BOX = Box((-6.0, -6.0, -1.0), (6.0, 6.0, 4.0), ("m", "m", "m"))
CUBE = Box((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), ("m", "m", "m"))


def one_view(
    degrees: float = 50.0,
    azimuth: float = 0.0,
    box: Box = BOX,
    shape: tuple[int, int] = (80, 80),
    pitch: float = 0.2,
    **options,
) -> SarImage:
    angles = (torch.tensor([math.radians(v)], dtype=F64) for v in (degrees, azimuth))
    return SarImage(box, *angles, shape, pitch, **options)


def small(**options) -> SarImage:
    incidence = torch.tensor([0.7, 1.1], dtype=F64)
    azimuth = torch.tensor([0.3, 2.0], dtype=F64)
    return SarImage(CUBE, incidence, azimuth, (7, 9), 0.3, **options)


class TestSarImage(OperatorTests):
    linear = False
    channels = 2

    def make(self):
        return small(samples=2, lines=2)


class TestDirectional(OperatorTests):
    linear = False
    channels = 5

    def make(self):
        return small(degree=1, law="log")


class TestTransparent(OperatorTests):
    channels = 4

    def make(self):
        return small(degree=1, attenuation=False)


def opaque(inside, sigma: float = 1.0, density: float = 400.0) -> Field:
    """A body of backscatter sigma where `inside(x, y, z)` is true, and nothing elsewhere."""

    def field(points: Tensor) -> Tensor:
        x, y, z = points[..., :3].unbind(-1)
        return torch.stack([density * inside(x, y, z).to(points), torch.full_like(x, sigma)], -1)

    return field


@pytest.mark.parametrize("degrees", [30.0, 50.0, 70.0])
def test_a_point_at_height_lies_over_towards_the_radar(degrees: float):
    """It is displaced by h cos(incidence) in slant range, h / tan(incidence) on the ground."""
    theta = math.radians(degrees)
    height = 1.4
    a = one_view(degrees, attenuation=False)
    middle = torch.tensor(BOX.center, dtype=F64)
    top = middle + torch.tensor([0.0, 0.0, height], dtype=F64)
    # the radar is at +axis 0
    ground = middle + torch.tensor([height / math.tan(theta), 0.0, 0.0], dtype=F64)
    width = torch.full((1,), 0.18, dtype=F64)
    one = torch.ones(1, dtype=F64)
    ranges = []
    for place in (middle, top, ground):
        blob = GaussianBlobs(place[None], width, one)
        image = a.unflatten(predict(a, blob))[0]
        ranges.append(float((image.sum(0) * torch.arange(80)).sum() / image.sum()))
        assert ranges[-1] == pytest.approx(float(a.locate(place, 0)[1]), abs=0.01)
    assert (ranges[0] - ranges[1]) * a.pitch == pytest.approx(height * math.cos(theta), abs=2e-3)
    assert ranges[2] == pytest.approx(ranges[1], abs=0.01)


def test_energy_is_conserved_without_attenuation():
    """Whatever the view, Σ I · pixel = ∫ p sigma."""
    blobs = GaussianBlobs(
        torch.tensor([[0.4, -1.0, 1.5], [-1.3, 0.6, 1.2]]),
        torch.tensor([0.3, 0.25]),
        torch.tensor([1.0, 2.0]),
    )
    exact = float((blobs.values * (2 * math.pi * blobs.widths**2) ** 1.5).sum())
    for degrees, azimuth in ((35.0, 10.0), (60.0, 200.0)):
        a = one_view(degrees, azimuth, attenuation=False)
        assert float(predict(a, blobs).sum()) * a.pitch**2 == pytest.approx(exact, rel=1e-6)


def test_an_absorbing_ball_returns_its_closed_form():
    """The integral ∫∫ 1 - exp(-p chord) over the disc of a ball has a closed form.

    It is pi R² - pi (1 - (1 + 2 p R) exp(-2 p R)) / (2 p²).
    """
    density, radius = 0.9, 1.5
    ball = opaque(lambda x, y, z: x**2 + y**2 + (z - 1.5) ** 2 < radius**2, density=density)
    a = one_view(samples=3, lines=3, shape=(16, 80))
    q = 2 * density * radius
    exact = math.pi * (radius**2 - (1 - (1 + q) * math.exp(-q)) / (2 * density**2))
    assert float(predict(a, ball).sum()) * a.pitch**2 == pytest.approx(exact, rel=5e-3)


@pytest.mark.parametrize("degrees", [35.0, 55.0])
def test_opaque_ground_has_brightness_sigma_cot_incidence(degrees: float):
    a = one_view(degrees, samples=8, shape=(1, 80))
    line = a.unflatten(predict(a, opaque(lambda x, y, z: z < 0.0, sigma=0.3)))[0, 0]
    middle = round(float(a.locate(torch.zeros(3, dtype=F64), 0)[1]))
    expected = 0.3 / math.tan(math.radians(degrees))
    # the mean over 20 pixels: the lattice beats
    assert float(line[middle - 10 : middle + 10].mean()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("degrees", "azimuth", "axis"), [(40.0, 0.0, 0), (55.0, 90.0, 1), (60.0, 180.0, 0)]
)
def test_a_wall_casts_a_shadow(degrees: float, azimuth: float, axis: int):
    """A wall of height h hides h tan(incidence) of the ground.

    From the return of its top to the end of the shadow it is h / cos(incidence) in slant range.
    """
    theta = math.radians(degrees)
    height, half = 1.6, 0.1
    scene = opaque(lambda x, y, z: (z < 0) | (((x, y)[axis].abs() < half) & (z < height)))
    a = one_view(degrees, azimuth, samples=6, shape=(1, 80))
    line = a.unflatten(predict(a, scene))[0, 0]
    foot = float(a.locate(torch.zeros(3, dtype=F64), 0)[1]) + 0.5  # pixel k covers [k, k + 1]
    front, back = (foot + sign * half * math.sin(theta) / a.pitch for sign in (-1, 1))
    top = front - height * math.cos(theta) / a.pitch
    end = back + height * math.tan(theta) * math.sin(theta) / a.pitch
    assert (end - back) - (top - front) == pytest.approx(height / math.cos(theta) / a.pitch)
    ground = 1 / math.tan(theta)
    seen = torch.tensor(range(80)) + 0.5
    assert (line[(seen > front + 1) & (seen < end - 1)] < 0.1 * ground).all()
    assert (line[(seen > end + 1) & (seen < end + 8)] > 0.5 * ground).all()
    before = line[(seen > top - 8) & (seen < top - 1)]
    over = line[(seen > top + 1) & (seen < front - 1)]
    wall = math.tan(theta)  # de / dr of a vertical surface, seen over the ground in front of it
    assert float(before.mean()) == pytest.approx(ground, rel=0.1)
    assert float(over.mean()) == pytest.approx(ground + wall, rel=0.1)


def test_layover_adds_and_what_is_hidden_does_not():
    """Only the first of two opaque sheets across the line of sight is seen."""
    u = one_view(50.0).frame(torch.tensor([0]))[0][0]

    def sheets(points: Tensor) -> Tensor:
        offset = points - points.new_tensor(BOX.center)
        depth = -offset @ u.to(points)
        sheet = ((depth.abs() - 0.6).abs() < 0.1) & (offset.norm(dim=-1) < 1.5)
        return torch.stack([500.0 * sheet.to(points), torch.ones_like(depth)], -1)

    a = one_view(50.0, samples=4, shape=(20, 80))
    profile = a.unflatten(predict(a, sheets))[0].sum(0)
    assert profile[36:38].sum() > 100 * profile[42:44].sum()


def test_backscatter_depends_on_the_direction():
    """Coefficients of degree 1 are a vector: sigma = c_0 + c·u, with Y_1 = sqrt(3) (y, z, x).

    The law "log" is its exponential.
    """
    c0 = 0.8
    c = torch.tensor([0.2, -0.1, 0.3], dtype=F64)
    incidence = torch.tensor([0.6, 0.9, 1.2], dtype=F64)
    azimuth = torch.tensor([0.0, 2.0, -1.0], dtype=F64)
    sigmas = {}
    for law in ("linear", "log"):
        a = SarImage(CUBE, incidence, azimuth, (12, 12), 0.3, degree=1, law=law)
        isotropic = SarImage(CUBE, incidence, azimuth, (12, 12), 0.3)
        harmonics = torch.stack([torch.tensor(c0, dtype=F64), *(c[[1, 2, 0]] / math.sqrt(3))])

        def field(points: Tensor, channels: Tensor, law: str = "linear") -> Tensor:
            density = points.norm(dim=-1, keepdim=True)
            if law == "log":
                density = density.log()
            return torch.cat([density, channels.expand(*points.shape[:-1], -1)], -1)

        image = a.unflatten(predict(a, partial(field, channels=harmonics, law=law)))
        one = torch.ones(1, dtype=F64)
        plain = isotropic.unflatten(predict(isotropic, partial(field, channels=one)))
        sigmas[law] = image.sum((1, 2)) / plain.sum((1, 2))
        assert a.channels == 5
    u = isotropic.frame(torch.arange(3))[0]
    torch.testing.assert_close(sigmas["linear"], c0 + u @ c)
    torch.testing.assert_close(sigmas["log"], (c0 + u @ c).exp())


def test_a_field_of_direction_is_asked_for_the_direction_to_the_radar():
    box = Box((*CUBE.lower, -4.0, 0.0), (*CUBE.upper, 4.0, 1.6), ("m", "m", "m", "rad", "rad"))
    incidence = torch.tensor([0.6, 0.9], dtype=F64)
    azimuth = torch.tensor([0.5, 2.0], dtype=F64)
    a = SarImage(box, incidence, azimuth, (12, 12), 0.3)
    plain = SarImage(CUBE, incidence, azimuth, (12, 12), 0.3)

    def directional(p: Tensor) -> Tensor:
        return torch.stack([p[..., 0].exp(), p[..., 3] + 10 * p[..., 4]], -1)

    def isotropic(p: Tensor) -> Tensor:
        return torch.stack([p[..., 0].exp(), torch.ones_like(p[..., 0])], -1)

    image = a.unflatten(predict(a, directional))
    one = plain.unflatten(predict(plain, isotropic))
    torch.testing.assert_close(image, one * (azimuth + 10 * incidence)[:, None, None])


def test_what_is_in_front_of_the_image_still_hides():
    """The pixels of an image that shows the far half of the scene are those of the whole image."""

    def house(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return (z < 0) | ((x.abs() < 1.5) & (y.abs() < 1.0) & (z < 2.0))

    scene = opaque(house, 0.4, 8.0)
    whole = one_view(60.0, shape=(20, 80))
    crop = one_view(60.0, shape=(20, 10))
    expected = whole.unflatten(predict(whole, scene))[..., 35:45]
    torch.testing.assert_close(crop.unflatten(predict(crop, scene)), expected)


def test_training_jitters_without_bias():
    a = one_view(shape=(6, 6), box=CUBE, pitch=0.4)
    blob = GaussianBlobs(torch.zeros(1, 3), torch.full((1,), 0.4), torch.ones(1))

    def field(points: Tensor) -> Tensor:
        return torch.cat([blob(points), torch.ones_like(points[..., :1])], -1)

    fine = one_view(shape=(6, 6), box=CUBE, pitch=0.4, samples=16, lines=16)
    exact = predict(fine, field)
    a.train()
    torch.manual_seed(0)
    draws = torch.stack([predict(a, field) for _ in range(600)])
    assert draws.std(0).max() > 1e-3
    assert float((draws.mean(0) - exact).abs().max()) < 0.02 * float(exact.max())


def test_as_a_linear_map_for_classical_methods():
    a = small(attenuation=False)
    grid = Grid(CUBE, (9, 10, 11))
    m = as_linear_map(a, grid, dtype=F64)
    x = torch.randn(9, 10, 11, 1, dtype=F64, generator=torch.Generator().manual_seed(0))
    y = torch.randn(m(x).shape, dtype=F64, generator=torch.Generator().manual_seed(1))
    assert float((m(x) * y).sum()) == pytest.approx(float((x * m.adjoint(y)).sum()), rel=1e-10)


ANGLES = (torch.tensor([0.8]), torch.tensor([0.1]))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Box((0, 0), (1, 1)), *ANGLES, (4, 4), 0.1), {}, "2 axes"),
        (
            (CUBE, torch.tensor([0.8, 0.9]), ANGLES[1], (4, 4), 0.1),
            {},
            r"incidence \(2,\) and azimuth \(1,\)",
        ),
        ((CUBE, torch.tensor([45.0]), ANGLES[1], (4, 4), 0.1), {}, "Degrees"),
        ((CUBE, ANGLES[0], torch.tensor([math.nan]), (4, 4), 0.1), {}, "azimuth=.* finite"),
        ((CUBE, *ANGLES, (4, 0), 0.1), {}, "Number 1 is 0"),
        ((CUBE, *ANGLES, (4, 4), -0.1), {}, "pitch=-0.1 must be"),
        ((CUBE, *ANGLES, (4, 4), 0.1), {"law": "cubic"}, "'linear' or 'log'"),
    ],
)
def test_views_that_do_not_fit_are_refused(arguments, options, message: str):
    with pytest.raises(ValueError, match=message):
        SarImage(*arguments, **options)


def test_a_field_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="5 channels, got 2"):
        predict(small(degree=1), lambda p: p[..., :2])


@pytest.mark.gpu
def test_cuda_gives_the_same_images():
    a = small(degree=1, law="log")
    b = small(degree=1, law="log").cuda()
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, dtype=F64, generator=generator)
    image = predict(b, lambda p: p @ weight.to(p).mT)
    assert image.is_cuda
    torch.testing.assert_close(image.cpu(), predict(a, lambda p: p @ weight.to(p).mT))
