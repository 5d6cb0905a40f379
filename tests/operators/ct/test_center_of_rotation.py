"""The centre of rotation: found over phantoms, centres and angles, or refused."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, phantoms
from inverse_inr.operators import ParallelBeam, center_by_symmetry, center_of_rotation
from inverse_inr.phantoms import Ellipsoids

F64 = torch.float64
WIDE = Box((-64.0, -64.0), (64.0, 64.0), ("px", "px"))
BINS = 128


def discs(*rows: tuple[float, float, float, float]) -> Ellipsoids:
    """Discs of (x0, x1, radius, value)."""
    table = torch.tensor(rows, dtype=F64)
    turned = torch.eye(2, dtype=F64).repeat(len(rows), 1, 1)
    return Ellipsoids(table[:, :2], table[:, 2:3].expand(-1, 2), turned, table[:, 3])


FIELDS: dict[str, Any] = {
    "one disc": discs((25, 10, 6, 1)),
    "two discs": discs((20, 10, 5, 1), (-15, 5, 8, 0.5)),
    "details in a large disc": discs((0, 0, 40, 0.2), (20, 10, 5, 1), (-15, 5, 8, 0.5)),
    "wider than the detector": discs((0, 0, 90, 0.2), (30, 10, 5, 1), (-35, 5, 8, 0.5)),
    "head": phantoms.shepp_logan(Box((-50.0, -50.0), (50.0, 50.0))),
}
fields = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


def steps(views: int, degrees: float) -> Tensor:
    return torch.deg2rad(torch.arange(views, dtype=F64) * degrees)


GOLDEN = torch.arange(180, dtype=F64) * math.pi * (math.sqrt(5) - 1) / 2
GENERATOR = torch.Generator().manual_seed(1)
ANGLES = {
    "half a turn": steps(180, 1),
    "half a turn, closed": steps(181, 1),
    "half a turn, coarse": steps(45, 4),
    "a turn": steps(360, 1),
    "a turn, closed": steps(361, 1),
    "eight views": steps(8, 45),
    "odd number": steps(91, 360 / 91),
    "golden": GOLDEN,
    "golden, wrapped": GOLDEN % (2 * math.pi),
    "random": 2 * math.pi * torch.rand(200, generator=GENERATOR, dtype=F64),
    "shuffled": steps(181, 1)[torch.randperm(181, generator=GENERATOR)],
    "descending": -steps(181, 1),
    "repeated": steps(181, 1).repeat(2),
    "230 degrees": steps(231, 1),
    "five turns": steps(900, 2),
}
FULL = {"a turn", "eight views", "odd number", "golden", "random", "five turns"}


def measured(field: Any, angles: Tensor, center: float, noise: float = 0.0) -> Tensor:
    beam = ParallelBeam(WIDE, angles, BINS, pitch=1.0, center=center)
    y = field.line_integral(*beam.rays(torch.arange(len(beam)), 2)).mean(1).reshape(beam.shape)
    generator = torch.Generator().manual_seed(7)
    return y + noise * y.max() * torch.randn(y.shape, generator=generator, dtype=y.dtype)


@fields
@pytest.mark.parametrize("angles", ANGLES.values(), ids=ANGLES)
@pytest.mark.parametrize("center", [3.3, -19.6])
def test_the_axis_is_found(field: Any, angles: Tensor, center: float):
    assert center_of_rotation(measured(field, angles, center), angles) == pytest.approx(
        center, abs=0.15
    )


@fields
@pytest.mark.parametrize("name", ["half a turn, closed", "a turn", "golden"])
def test_the_axis_is_found_in_noise(field: Any, name: str):
    """3 % of the largest line integral, and a pedestal."""
    y = measured(field, ANGLES[name], -8.4, 0.03) + 5
    assert center_of_rotation(y, ANGLES[name]) == pytest.approx(-8.4, abs=0.5)


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize("center", [30.0, -40.5, 50.0, -55.0])
def test_half_acquisition_is_found_over_the_whole_detector(name: str, center: float):
    y = measured(FIELDS["wider than the detector"], ANGLES[name], center)
    assert center_of_rotation(y, ANGLES[name]) == pytest.approx(center, abs=0.2)


@pytest.mark.parametrize("center", [-45.0, 55.0])
@pytest.mark.parametrize("name", ["half a turn", "half a turn, closed"])
def test_an_axis_near_the_edge_of_half_a_turn_is_refused(name: str, center: float):
    y = measured(FIELDS["wider than the detector"], ANGLES[name], center)
    with pytest.raises(ValueError, match="Give center"):
        center_of_rotation(y, ANGLES[name])


def test_views_and_elements_with_nan_are_left_out():
    y = measured(FIELDS["two discs"], ANGLES["a turn"], 5.2)
    y[[3, 40]] = math.nan
    y[:, 77] = math.nan
    y[:, 20:22] = 0.0
    assert center_of_rotation(y, ANGLES["a turn"]) == pytest.approx(5.2, abs=0.1)


def with_nan(part: slice) -> Tensor:
    y = measured(FIELDS["two discs"], ANGLES["a turn"], 5.2)
    y[part, 60:66] = math.nan
    return y


LATTICE = discs(*((x, y, 3, 1) for x in range(-40, 41, 16) for y in range(-40, 41, 16)))
NOISE = torch.randn(360, BINS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("y", "angles", "message"),
    [
        (torch.ones(1, BINS), steps(1, 1), "1 views"),
        (torch.ones(9, BINS), steps(9, 1), "half a turn"),
        (measured(FIELDS["head"], steps(170, 1), 3.0), steps(170, 1), "half a turn"),
        (measured(FIELDS["head"], steps(18, 10), 3.0), steps(18, 10), "4.5 at most"),
        (NOISE, steps(360, 1), "correlate by|edge of the search"),
        (torch.zeros(360, BINS), steps(360, 1), "Give center"),
        (1 + 1e-3 * NOISE, steps(360, 1), "Give center"),
        (measured(FIELDS["two discs"], steps(180, 1), 3.0), steps(180, 2), "Half a turn labelled"),
        (with_nan(slice(0, 150)), steps(360, 1), None),
        (with_nan(slice(0, 200)), steps(360, 1), "200 of 360 views hold NaN"),
        (torch.ones(9, BINS), steps(8, 1), r"got \(9, 128\) and \(8,\)"),
        (torch.ones(2, BINS), torch.tensor([0.0, math.nan]), "finite numbers"),
        (torch.ones(2, 4), steps(2, 180), "eight detectors"),
    ],
    ids=[
        "one view",
        "nine degrees",
        "170 degrees",
        "coarse",
        "noise",
        "nothing",
        "nothing that varies",
        "half a turn said to be one",
        "NaN in some",
        "NaN in most",
        "shapes",
        "NaN angle",
        "few detectors",
    ],
)
def test_what_shows_no_axis_is_refused(y: Tensor, angles: Tensor, message: str | None):
    if message is None:
        assert center_of_rotation(y, angles) == pytest.approx(5.2, abs=0.1)
        return
    with pytest.raises(ValueError, match=message):
        center_of_rotation(y, angles)


def test_a_lattice_seen_by_one_pair_is_ambiguous():
    angles = torch.tensor([0.0, math.pi], dtype=F64)
    y = measured(LATTICE, angles, -9.8)
    with pytest.raises(ValueError, match="may be at"):
        center_of_rotation(y, angles)


# ---------------------------------------------------------------- by symmetry

CANDIDATES = torch.arange(-12, 12, 0.25)


@pytest.mark.parametrize(
    "name",
    [
        "half a turn",
        "half a turn, closed",
        "a turn",
        "a turn, closed",
        "shuffled",
        "descending",
        "repeated",
        "230 degrees",
        "five turns",
    ],
)
@pytest.mark.parametrize("center", [3.3, -8.0])
@pytest.mark.parametrize("field", ["one disc", "head"])
def test_symmetry_finds_the_axis_of_half_a_turn_in_any_scan(name: str, center: float, field: str):
    y = measured(FIELDS[field], ANGLES[name], center)
    assert center_by_symmetry(y, ANGLES[name], CANDIDATES) == pytest.approx(center, abs=0.5)


@pytest.mark.parametrize(
    ("angles", "candidates", "message"),
    [
        (steps(150, 1), CANDIDATES, "cover 149.0 degrees"),
        (ANGLES["random"], CANDIDATES, "evenly spaced"),
        (steps(180, 1), torch.arange(-2, 1.5, 0.5), "seek further"),
        (steps(180, 1), torch.zeros(0), "candidates"),
        (steps(180, 1), torch.tensor([0.0, math.nan]), "candidates"),
    ],
    ids=["150 degrees", "random", "edge", "none", "NaN"],
)
def test_symmetry_refuses_what_is_no_half_turn(angles: Tensor, candidates: Tensor, message: str):
    y = measured(FIELDS["head"], angles, 5.0)
    with pytest.raises(ValueError, match=message):
        center_by_symmetry(y, angles, candidates)


@pytest.mark.parametrize("center", [10.0, -40.0])
def test_symmetry_refuses_an_object_that_is_cut_off(center: float):
    y = measured(FIELDS["wider than the detector"], steps(180, 1), center)
    with pytest.raises(ValueError, match="cut off"):
        center_by_symmetry(y, steps(180, 1), torch.arange(-50, 50, 1.0))
