"""Radar operators by the conformance kit, occlusion, CUDA, and input that is refused."""

import math

import pytest
import torch
from cases.radar import (
    F64,
    NEAR,
    SLOW,
    bistatic,
    error,
    point,
    readouts,
    scatterers,
)
from torch import nn

from inverse_inr import Box, Grid, adjoint
from inverse_inr.operators import FMCW, Chirp, Occluded, PhaseHistory, RadarGeometry
from inverse_inr.testing import OperatorTests


@pytest.mark.gpu
@readouts
def test_cuda_gives_the_same_numbers(make):
    operator = make(bistatic(), points=Grid(NEAR, (9, 10, 11)))
    x = torch.randn(9, 10, 11, 1, generator=torch.Generator().manual_seed(0))
    rows = torch.tensor([3, 1])
    y = operator(rows)[1](x)
    back = adjoint(operator, rows, y, dtype=torch.float32)
    there = operator.to("cuda")
    measured = there(rows)[1](x.cuda())
    assert error(measured.cpu(), y) < 1e-5
    assert error(adjoint(there, rows, y.cuda(), dtype=torch.float32).cpu(), back) < 1e-5


class TestOccluded(OperatorTests):
    linear = False
    channels = 2

    def make(self) -> Occluded:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return Occluded(PhaseHistory(NEAR, bistatic(9), f, points=Grid(NEAR, (3, 4, 5))))


def occluded() -> Occluded:
    """One tone that looks along x, through 40 x 8 x 8 voxels that dim each other."""
    tone = torch.tensor([1e9], dtype=F64)
    geometry = RadarGeometry(point(50.0, 0, 0))
    grid = Grid(NEAR, (40, 8, 8))
    return Occluded(PhaseHistory(NEAR, geometry, tone, points=grid), step=0.25)


def test_a_slab_dims_what_is_behind_it():
    """The amplitude is exp(-rho d) behind a slab of thickness d, and 1 in front of it.

    In the middle of the slab half its thickness counts.
    """
    operator = occluded()
    plain = operator.operator
    x = operator.grid.axes(F64)[0]
    rho = torch.where((x > 0.0) & (x < 0.1), 12.0, 0.0).to(F64)
    row = torch.tensor([0])
    # behind, before, inside (as far as the face of the slab)
    for place, depth in ((5, 0.1), (35, 0.0), (24, 0.055)):
        values = torch.zeros(40, 8, 8, 2, dtype=F64)
        values[place, 4, 4, 0] = 1.0
        values[..., 1] = rho[:, None, None]
        dimmed = operator(row)[1](values) / plain(row)[1](values[..., :1])
        assert float(dimmed.abs()) == pytest.approx(math.exp(-12.0 * depth), rel=0.02)


def test_occlusion_without_a_density_is_refused():
    with pytest.raises(ValueError, match="needs 2 channels"):
        occluded()(torch.tensor([0]))[1](torch.zeros(40, 8, 8, 1, dtype=F64))


def test_occlusion_between_points_is_refused():
    with pytest.raises(ValueError, match="needs a radar operator of isotropic voxels"):
        Occluded(occluded().operator.at(scatterers()))


class TestFMCW(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(9), SLOW, points=Grid(NEAR, (3, 4, 5)), window="hann")


class TestSamples(OperatorTests):
    def make(self) -> FMCW:
        return FMCW(NEAR, bistatic(9), SLOW, points=scatterers(), readout="samples")


class TestPhaseHistory(OperatorTests):
    def make(self) -> PhaseHistory:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return PhaseHistory(
            NEAR, bistatic(9, sign=-1), f, points=Grid(NEAR, (3, 4, 5)), basis="cell"
        )


class TestDirectional(OperatorTests):
    channels = 9

    def make(self) -> PhaseHistory:
        f = torch.linspace(9e9, 10e9, 13, dtype=F64)
        return PhaseHistory(NEAR, bistatic(9), f, points=Grid(NEAR, (3, 4, 5)), degree=2)


class TestLearnsItsAntennas(OperatorTests):
    def make(self) -> FMCW:
        g = bistatic(4)
        moved = RadarGeometry(nn.Parameter(g.transmitters), nn.Parameter(g.receivers))
        return FMCW(NEAR, moved, SLOW, points=Grid(NEAR, (2, 3, 2)))


# --- bad input ----------------------------------------------------------------------------------


def test_an_antenna_inside_the_box_is_refused():
    with pytest.raises(ValueError, match=r"transmitter of pulse 1 .* lies inside the box"):
        FMCW(NEAR, RadarGeometry(torch.tensor([[1.0, 0, 0], [0.1, 0, 0]])), SLOW)


def test_a_box_beyond_the_unambiguous_swath_is_refused():
    f = torch.linspace(9e9, 10e9, 11, dtype=F64)  # 100 MHz: 1.499 m
    far = RadarGeometry(point(10, 0, 0), sign=-1, reference_path=20.0)
    message = r"spans ranges of 2 m, beyond the unambiguous swath .* = 1\.499 m"
    with pytest.raises(ValueError, match=message):
        PhaseHistory(Box((-1, -0.01, -0.01), (1, 0.01, 0.01)), far, f)
    PhaseHistory(Box((-0.7, -0.01, -0.01), (0.7, 0.01, 0.01)), far, f, points=point(0, 0, 0))


def test_frequencies_must_ascend():
    with pytest.raises(ValueError, match=r"must ascend: f\[1\] = 1e\+10 Hz"):
        PhaseHistory(NEAR, bistatic(), torch.tensor([9e9, 10e9, 9.5e9], dtype=F64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"receivers": torch.ones(4, 3)}, "5 transmitters but 4 receivers"),
        (
            {"reference_path": torch.ones(4)},
            r"reference_path has shape \(4,\); there are 5 pulses",
        ),
    ],
    ids=["receivers", "reference path"],
)
def test_pulse_counts_that_differ_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RadarGeometry(torch.ones(5, 3), **options)


def test_float32_geometry_from_orbit_is_refused():
    place = torch.tensor([[700e3, 0.0, 0.0]])
    f = torch.linspace(9.6e9, 9.61e9, 3, dtype=F64)
    message = r"given in float32, whose steps .* wavelengths.*Pass float64"
    with pytest.raises(ValueError, match=message):
        PhaseHistory(NEAR, RadarGeometry(place), f)
    PhaseHistory(NEAR, RadarGeometry(place.double()), f)
    PhaseHistory(NEAR, RadarGeometry(torch.tensor([[50.0, 0, 0]])), f)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: FMCW(Box((-1,) * 3, (1,) * 3, ("mm",) * 3), bistatic(), SLOW),
            ValueError,
            r"in metres; the box has units \('mm'",
        ),
        (
            lambda: FMCW(Box((-1, -1), (1, 1)), bistatic(), SLOW),
            ValueError,
            "3-D; the box has 2 axes",
        ),
        (lambda: RadarGeometry(torch.ones(2, 3), sign=0), ValueError, "sign must be"),
        (lambda: Chirp(77e9, 0.0, 5e6, 64), ValueError, "slope must be finite and not 0"),
        (
            lambda: FMCW(NEAR, bistatic(), SLOW, bins=torch.tensor([70])),
            ValueError,
            r"bins must lie in 0 \.\. 63",
        ),
        (
            lambda: FMCW(NEAR, bistatic(), SLOW).stored(limit=1000),
            MemoryError,
            "over the limit",
        ),
    ],
    ids=["units", "axes", "sign", "slope", "bins", "memory"],
)
def test_wrong_units_numbers_and_sizes_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
