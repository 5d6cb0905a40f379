"""The radar problems: simulated scenes, gated phase history, presets."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from cases.radar import F64, error
from torch import Tensor

from inverse_inr import Box, Grid, Problem, as_linear_map, priors, solve
from inverse_inr.command.config import Run
from inverse_inr.io import PhaseData, write_radar
from inverse_inr.operators import FMCW, PhaseHistory
from inverse_inr.problems.radar import fmcw, gotcha, phase_history, sar
from inverse_inr.problems.radar.fmcw import cylinder, echoes
from inverse_inr.problems.radar.imaging import backprojection, decibels, radar_figure
from inverse_inr.problems.radar.phase_data import block_numbers, gated, radar_of, spotlighted
from inverse_inr.problems.radar.sar import passes
from inverse_inr.problems.radar.scenes import aeroplane, car

# narrow apertures cannot show the sign: tests/operators/radar/test_phase_sign.py
pytestmark = pytest.mark.filterwarnings("ignore:The phase sign -1 was not checked")

SMALL = {"azimuths": 6, "heights": 3, "pitch": 0.02}


def test_scenes():
    plane = aeroplane(3000)
    assert plane.shape == (3000, 3)
    size = plane.amax(0) - plane.amin(0)
    assert 0.14 < float(size[0]) < 0.17
    assert 0.13 < float(size[1]) < 0.16
    assert torch.equal(plane, aeroplane(3000))
    assert car().shape == (1200, 3)
    assert torch.allclose(car().amax(0), torch.tensor([2.2, 0.9, 0.75], dtype=F64), atol=0.02)


def test_fmcw_problem():
    problem = fmcw(**SMALL)
    operator, y = problem.terms[0].operator, problem.terms[0].y
    assert isinstance(operator, FMCW)
    clean = echoes(operator, aeroplane()) / problem.notes["gain of y"]
    snr = 10 * math.log10(float(clean.abs().square().mean() / (y - clean).abs().square().mean()))
    assert snr == pytest.approx(20.0, abs=0.7)
    solution = solve(problem, steps=30, batch=9, callbacks=[])
    assert float(solution.sample().min()) >= 0.0
    image = backprojection(problem)
    figure = problem.suggested.figure(problem, [image, solution])  # pyright: ignore[reportOptionalCall]
    assert figure is not None
    assert float(decibels(image.sample()).max()) == 0.0
    with pytest.raises(ValueError, match="Unknown scene 'plane'"):
        fmcw("plane")


def test_sar_problem():
    problem = sar(azimuths=5, frequencies=32, pitch=0.45)
    assert problem.is_complex
    solution = solve(
        problem,
        priors.create("phased", problem.box, cells=12.0, finest=12.0),
        steps=20,
        callbacks=[],
    )
    assert solution.sample().is_complex()
    assert solution.held_out() is not None


def test_gate_keeps_the_region_and_drops_the_rest():
    box = Box((2.0, 3.0, -0.1), (6.0, 7.0, 0.1))
    geometry = passes((45.0,), 9, 2.0, 10_000.0)
    f = torch.linspace(9.3e9, 9.9e9, 424, dtype=F64)
    whole = PhaseHistory(
        Box((-10, -10, -0.1), (10, 10, 0.1)), geometry, f, points=torch.zeros(1, 3)
    )
    inside, outside = (torch.tensor([p], dtype=F64) for p in ([4.5, 4.0, 0.0], [-8.0, -8.0, 0.0]))
    data = PhaseData(
        torch.zeros(9, 424),
        f,
        geometry.transmitters,
        geometry.transmitters,
        geometry.reference_path,
        -1,
    )
    kept, local = gated(data._replace(y=echoes(whole, inside)), box)
    dropped, _ = gated(data._replace(y=echoes(whole, outside)), box)
    operator = radar_of(local, box, Grid(box, (4, 4, 1)))
    expected = echoes(operator, inside)
    assert len(local.frequencies) < 424
    middle = slice(expected.shape[1] // 8, -expected.shape[1] // 8)
    assert error(kept[:, middle], expected[:, middle]) < 0.05
    assert float(dropped[:, middle].abs().max()) < 0.05


def test_gotcha_problem(data):
    paths = [str(data.file(f"gotcha_pass1_HH_az00{k}.mat")) for k in (1, 2)]
    problem = gotcha(paths, center=(-15.0, 20.0), size=(8.0, 6.0), pitch=0.5, every=4)
    operator = problem.terms[0].operator
    assert isinstance(operator, PhaseHistory)
    assert len(operator) == 59
    assert problem.grid.shape == (16, 12, 1)
    solution = solve(
        problem,
        priors.create("phased", problem.box, cells=16.0, finest=16.0),
        steps=5,
        callbacks=[],
    )
    assert solution.held_out() is not None
    assert as_linear_map(operator, problem.grid, dtype=torch.complex64)(
        problem_image(problem)
    ).shape == (
        59,
        operator.transform.count,
    )


def problem_image(problem: Problem) -> Tensor:
    return torch.ones(*problem.grid.shape, 1, dtype=torch.complex64)


def test_phase_history_file(tmp_path):
    box = Box((-1.0, -1.0, -0.25), (1.0, 1.0, 0.25))
    geometry = passes((40.0,), 20, 10.0, 30.0)
    operator = PhaseHistory(
        box, geometry, torch.linspace(9e9, 9.6e9, 32, dtype=F64), points=torch.zeros(1, 3)
    )
    y = echoes(operator, torch.tensor([[0.3, 0.2, 0.0]], dtype=F64)).to(torch.complex64)
    data = PhaseData(
        y,
        operator.frequencies,
        geometry.transmitters,
        geometry.transmitters,
        geometry.reference_path,
        -1,
    )
    write_radar(tmp_path / "scan.h5", data)
    problem = phase_history(str(tmp_path / "scan.h5"), size=(1.0, 1.0), pitch=0.25)
    assert problem.grid.shape == (4, 4, 1)
    figure = radar_figure(problem, [backprojection(problem)])  # a plane: one projection
    assert len(figure.axes) == 4
    figure.draw_without_rendering()
    labels = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert all(a.x1 < b.x0 for a, b in pairwise(labels))


@pytest.mark.parametrize("name", ["fmcw", "sar", "gotcha"])
def test_presets_are_valid(name):
    Run.read(Path(__file__).parents[3] / "problems" / f"{name}.toml")


def test_cylinder_offsets_lie_between():
    a, b = cylinder(4, 1, 0.5, 0.0), cylinder(4, 1, 0.5, 0.0, offset=0.5)
    assert not torch.isclose(a.transmitters[:, None], b.transmitters[None]).all(-1).any()


def test_spotlight_keeps_the_region_and_drops_what_is_beside_it():
    """Each block by itself: what another one holds changes nothing."""
    box = Box((-4.0, -4.0, -0.1), (4.0, 4.0, 0.1))
    geometry = passes((45.0,), 120, 1.5, 10_000.0)
    f = torch.linspace(9.55e9, 9.65e9, 16, dtype=F64)
    whole = PhaseHistory(Box((-4, -30, -0.1), (4, 30, 0.1)), geometry, f, points=torch.zeros(1, 3))
    data = PhaseData(
        torch.zeros(120, 16),
        f,
        geometry.transmitters,
        geometry.transmitters,
        geometry.reference_path,
        -1,
    )
    block = block_numbers([60, 60], 120)
    inside, beside = (
        echoes(whole, torch.tensor([p], dtype=F64)) for p in ([1.0, 2.0, 0.0], [1.0, 22.0, 0.0])
    )
    kept, dropped = (spotlighted(y, data, box, block) for y in (inside, beside))
    middle = torch.cat([torch.arange(10, 50), torch.arange(70, 110)])
    assert error(kept[middle], inside[middle]) < 0.1
    assert float(dropped[middle].abs().max()) < 0.1
    other = inside.clone()
    other[60:] = 7.0
    assert torch.equal(spotlighted(other, data, box, block)[:60], kept[:60])
    with pytest.raises(ValueError, match=r"blocks=\[60, 50\] hold 110 pulses.* the data have 120"):
        block_numbers([60, 50], 120)
