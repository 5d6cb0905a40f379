"""Filtered backprojection against closed forms, whatever the views and the detector are."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, metrics, phantoms, sample
from inverse_inr.operators import ConeBeam, FanBeam, ParallelBeam, fbp, fdk
from inverse_inr.operators.ct.ramp_filters import WINDOWS, ramp_filter
from inverse_inr.operators.ct.ray_weights import ray_weights
from inverse_inr.phantoms import Ellipsoids

F64 = torch.float64
UNIT = Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
PIXELS = Grid(UNIT, (96, 96))
GENERATOR = torch.Generator().manual_seed(4)


def turn(views: int, full: float = math.pi) -> Tensor:
    return torch.arange(views, dtype=F64) * (full / views)


def ellipses() -> Ellipsoids:
    """A large one, and details within; the largest distance from the axis is 0.8."""
    centers = torch.tensor([[0.05, -0.05], [0.3, 0.25], [-0.35, 0.1], [0.1, -0.45]], dtype=F64)
    axes = torch.tensor([[0.7, 0.6], [0.12, 0.2], [0.15, 0.1], [0.1, 0.1]], dtype=F64)
    angle = torch.tensor([0.3, 1.0, -0.5, 0.0], dtype=F64)
    cos, sin = angle.cos(), angle.sin()
    rotations = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return Ellipsoids(centers, axes, rotations, torch.tensor([0.4, 0.6, 0.5, -0.3]))


TRUTH = sample(ellipses(), PIXELS, average=4)


def measured(beam: Any, field: Any = None) -> Tensor:
    field = field or ellipses()
    parts = torch.arange(len(beam)).split(16384)
    y = torch.cat([field.line_integral(*beam.rays(rows, 4)).mean(1) for rows in parts])
    return y.detach().reshape(beam.shape)


def psnr(beam: Any, window: str = "ram-lak") -> float:
    return float(metrics.psnr(fbp(beam, measured(beam), PIXELS, window), TRUTH, data_range=1.0))


def parallel(angles: Tensor, detectors: int = 128, **options: Any) -> ParallelBeam:
    return ParallelBeam(UNIT, angles, detectors, pitch=2 / 120, **options)


def fan(angles: Tensor, detectors: int = 128, **options: Any) -> FanBeam:
    """A fan of 28.5 degrees for 128 detectors, about an axis magnified by 1.5."""
    return FanBeam(UNIT, angles, detectors, 3.0, 1.5, pitch=2.7 / 128 * 1.5 / 1.8, **options)


GOLDEN = torch.arange(233, dtype=F64) * math.pi * (math.sqrt(5) - 1) / 2
RANDOM = 2 * math.pi * torch.rand(500, generator=GENERATOR, dtype=F64)
SHUFFLED = turn(200)[torch.randperm(200, generator=GENERATOR)]
UNEVEN = turn(200) + 0.3 * torch.sin(turn(200)) ** 2

PARALLEL = {
    "half a turn": turn(180),
    "a turn": turn(360, 2 * math.pi),
    "both ends": torch.linspace(0, math.pi, 181, dtype=F64),
    "270 degrees": turn(270, 1.5 * math.pi),
    "three turns": turn(400, 6 * math.pi),
    "descending": turn(180).flip(0),
    "negative": -turn(180),
    "shuffled": SHUFFLED,
    "golden": GOLDEN,
    "random": RANDOM,
    "uneven": UNEVEN,
    "repeated": turn(150).repeat(2),
    "one view nine times": torch.cat([turn(180), turn(1).repeat(8) + math.pi / 2]),
}


@pytest.mark.parametrize("angles", PARALLEL.values(), ids=PARALLEL)
def test_any_views_of_a_parallel_beam_are_weighed(angles: Tensor):
    assert psnr(parallel(angles)) > 35


def test_a_centre_for_each_view_is_followed():
    wobble = 0.05 * torch.sin(11 * turn(180))
    assert psnr(parallel(turn(180), center=wobble)) > 28
    assert psnr(fan(turn(360, 2 * math.pi), center=wobble.repeat(2))) > 27
    assert psnr(parallel(turn(180), center=nn.Parameter(wobble))) > 28


@pytest.mark.parametrize("center", [0.2, -0.35, 0.4])
@pytest.mark.parametrize(
    ("angles", "least"),
    [(turn(360, 2 * math.pi), 40), (-turn(360, 2 * math.pi), 40), (RANDOM, 28)],
    ids=["even", "descending", "random"],
)
def test_half_acquisition_is_as_good_as_a_whole_detector(
    center: float, angles: Tensor, least: float
):
    """The detector reaches to 0.85 on one side, and to 0.85 - 2 |center| on the other."""
    detectors = round(2 * (0.85 - abs(center)) / (2 / 120))
    assert psnr(parallel(angles, detectors, center=center)) > least


def test_half_acquisition_of_a_fan():
    angles = turn(360, 2 * math.pi)
    assert psnr(fan(angles, 90, center=0.35)) > 27
    assert psnr(fan(angles, 90, center=-0.35)) > 27


FAN = {
    "a turn": turn(360, 2 * math.pi),
    "two turns": turn(720, 4 * math.pi),
    "random": RANDOM,
    "short": turn(215, math.radians(215)),
    "short, descending": -turn(215, math.radians(215)) + 1,
    "short, shuffled": turn(230, math.radians(230))[torch.randperm(230, generator=GENERATOR)],
    "short, further turns": turn(215, math.radians(215)) + 7.5 * math.pi,
    "over-scan": turn(260, math.radians(260)),
    "nearly a turn": turn(340, math.radians(340)),
}


@pytest.mark.parametrize("angles", FAN.values(), ids=FAN)
@pytest.mark.filterwarnings("ignore:FanBeam. angles run")
def test_any_views_of_a_fan_that_see_all_are_weighed(angles: Tensor):
    assert psnr(fan(angles)) > 27


@pytest.mark.parametrize("angles", [FAN["short"], FAN["over-scan"], FAN["nearly a turn"]])
def test_the_two_weights_of_a_ray_of_a_short_scan_add_up_to_one(angles: Tensor):
    """A ray at view β, angle γ is that at β + π - 2γ, -γ."""
    beam = fan(angles, 129)
    step = float(angles.diff().abs().median())
    weights = ray_weights(beam, torch.zeros(beam.shape)).double() / step
    s = beam.pitch * (torch.arange(129, dtype=F64) - 64)
    gamma = (s / 4.5).atan()
    twin = angles[:, None] + math.pi - 2 * gamma
    place = twin / step
    low = place.floor().long()
    seen = (low >= 0) & (low + 1 < len(angles))
    flipped = weights.flip(1)
    share = (place - low)[seen]
    column = torch.arange(129).expand_as(low)[seen]
    there = (1 - share) * flipped[low[seen], column] + share * flipped[low[seen] + 1, column]
    total = weights[seen] + there
    assert float((total - 1).abs().max()) < 0.02
    assert int(seen.sum()) > 500


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        (turn(180), "cover 180 degrees.*208"),
        (turn(20), "208"),
        (torch.cat([turn(100, 1.5), turn(100, 1.5) + math.pi]), "gaps of 95, 95"),
    ],
    ids=["half a turn", "few", "two gaps"],
)
def test_a_fan_that_does_not_see_all_is_refused(angles: Tensor, message: str):
    beam = fan(angles)
    with pytest.raises(ValueError, match=message):
        fbp(beam, torch.zeros(beam.shape), PIXELS)


def test_an_offset_detector_that_cuts_off_in_half_a_turn_is_said():
    beam = parallel(turn(180), 70, center=0.25)
    with pytest.warns(UserWarning, match="needs a full turn"):
        fbp(beam, measured(beam), PIXELS)
    # it is off the axis, but all of the object is seen
    small = Ellipsoids(
        torch.zeros(1, 2), torch.full((1, 2), 0.2), torch.eye(2)[None], torch.ones(1)
    )
    fbp(beam, measured(beam, small), PIXELS)


def test_a_missing_wedge_is_said_and_left_empty():
    beam = parallel(turn(130, math.radians(130)))
    with pytest.warns(UserWarning, match="gaps of 51 degrees"):
        image = fbp(beam, measured(beam), PIXELS)
    assert float(metrics.psnr(image, TRUTH, data_range=1.0)) > 15


@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_keeps_the_mean(window: str):
    beam = parallel(turn(180))
    image = fbp(beam, measured(beam), PIXELS, window=window)
    assert float(image.mean()) == pytest.approx(float(TRUTH.mean()), rel=0.01)
    assert float(metrics.psnr(image, TRUTH, data_range=1.0)) > 21


def test_the_ramp_filter_has_its_closed_form():
    """A single bin gives the kernel of Kak & Slaney, eq. 3.61."""
    impulse = torch.zeros(9, dtype=F64)
    impulse[4] = 1
    n = torch.arange(-4, 5, dtype=F64)
    kernel = -(n.remainder(2)) / (math.pi * n * 0.5) ** 2
    kernel[4] = 0.25 / 0.5**2
    torch.testing.assert_close(ramp_filter(impulse, 0.5), 0.5 * kernel.nan_to_num(0))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
    ],
)
def test_the_image_has_the_precision_of_the_measurements(dtype: torch.dtype, expected: torch.dtype):
    beam = parallel(turn(90))
    image = fbp(beam, measured(beam).to(dtype), PIXELS)
    assert image.dtype == expected
    assert float(metrics.psnr(image, TRUTH, data_range=1.0)) > 20


def test_whole_numbers_are_measurements_too():
    beam = parallel(turn(90))
    y = (1000 * measured(beam)).round().to(torch.int32)
    image = fbp(beam, y, PIXELS) / 1000
    assert float(metrics.psnr(image, TRUTH, data_range=1.0)) > 28


@pytest.mark.parametrize(
    "grid",
    [
        Grid(Box((-0.6, -0.9), (0.9, 0.7)), (60, 100)),
        Grid(Box((0.1, 0.05), (0.5, 0.45)), (40, 40)),
        Grid(UNIT, (33, 90)),
    ],
    ids=["off the axis", "a region", "oblong pixels"],
)
def test_any_grid_is_reconstructed(grid: Grid):
    field = phantoms.GaussianBlobs(
        torch.tensor([[0.2, 0.1], [-0.2, -0.3]]), torch.tensor([0.1, 0.15]), torch.ones(2)
    )
    for beam in (parallel(turn(180)), fan(FAN["short"])):
        image = fbp(beam, measured(beam, field), grid)
        truth = field(grid.points(F64))
        assert float((image - truth).norm() / truth.norm()) < 0.025


CUBE = Box((-1.0,) * 3, (1.0,) * 3)
SMALL = Grid(UNIT, (8, 8))


def with_nan(beam: Any, *views: int) -> Tensor:
    y = torch.zeros(beam.shape)
    y[list(views), 1] = math.nan
    return y


BEAM = parallel(turn(5), 9)


@pytest.mark.parametrize(
    ("beam", "y", "grid", "window", "error", "message"),
    [
        (BEAM, torch.zeros(45), SMALL, "hamm", ValueError, "window must be one of"),
        (BEAM, torch.zeros(9, 5), SMALL, "hann", ValueError, "y has shape"),
        (BEAM, with_nan(BEAM, 1, 4), SMALL, "hann", ValueError, "2 of 45 .* in views 1, 4"),
        (BEAM, torch.zeros(5, 9) + 1j, SMALL, "hann", TypeError, "real numbers"),
        (BEAM, torch.zeros(45), Grid(CUBE, (4, 4, 4)), "hann", ValueError, "the grid has 3 axes"),
        (
            parallel(turn(5), 9, center=0.2),
            torch.zeros(45),
            SMALL,
            "hann",
            ValueError,
            "outside the detector",
        ),
        (ConeBeam(CUBE, turn(3), (2, 2), 3.0, 1.0), BEAM, SMALL, "hann", TypeError, "fdk"),
    ],
    ids=["window", "shape", "NaN", "complex", "grid", "axis", "cone"],
)
def test_filtered_backprojection_refuses_what_it_cannot_use(
    beam: Any, y: Any, grid: Grid, window: str, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        fbp(beam, y, grid, window)


def test_fdk_refuses_nan_and_a_plane():
    beam = ConeBeam(CUBE, turn(90, 2 * math.pi), (2, 4), 3.0, 1.0)
    with pytest.raises(ValueError, match="in views 7"):
        fdk(beam, with_nan(beam, 7), Grid(CUBE, (4, 4, 4)))
    with pytest.raises(TypeError, match="fbp"):
        fdk(BEAM, torch.zeros(45), SMALL)  # type: ignore[arg-type]
