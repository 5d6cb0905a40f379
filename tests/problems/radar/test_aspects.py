"""One image a sector of azimuth: the operator, its variance field, and what solve answers with."""

import importlib

import pytest
import torch

from inverse_inr import Solution
from inverse_inr.evaluation import sample
from inverse_inr.problems.radar import surfaces
from inverse_inr.problems.radar.aspects import Aspects, looks, sub_apertures, without_aspects
from inverse_inr.problems.radar.variance_field import variance_field
from inverse_inr.surfaces import SignedDistance

SMALL = {"azimuths": 36, "heights": 6, "tones": 10, "pitch": 0.0129, "scatterers": 600}


def test_a_pulse_sees_the_image_of_its_sector_alone():
    problem = surfaces("sphere", azimuths=8, heights=2, pitch=0.03, scatterers=50)
    radar = problem.terms[0].operator
    groups = sub_apertures(problem, 4)
    operator = Aspects(radar, groups)
    images = torch.randn(
        *problem.grid.shape,
        4,
        dtype=torch.complex64,
        generator=torch.Generator().manual_seed(0),
    )
    rows = torch.tensor([9, 3, 0, 14])
    seen = operator(rows)[1](images)
    for k, row in enumerate(rows.tolist()):
        sector = next(m for m, group in enumerate(groups) if row in group.tolist())
        expected = radar(rows[k : k + 1])[1](images[..., sector : sector + 1])[0]
        assert torch.allclose(seen[k], expected, atol=1e-5 * float(expected.abs().max()))
    assert len(operator) == 16
    assert torch.allclose(looks(problem).norm(dim=1), torch.ones(16, dtype=torch.float64))


def near(problem, image) -> float:
    """Fraction of an image's energy within a voxel of the body."""
    power = image.abs().double().square().sum(-1)
    distance = problem.notes["shape"](problem.grid.points(torch.float64))[..., 0].abs()
    return float(power[distance <= problem.grid.spacing[0]].sum() / power.sum())


@pytest.mark.slow
def test_aspects_predict_unseen_pulses_of_a_body_that_shadows_itself():
    problem = surfaces("sphere", **SMALL, seed=3)
    solution = variance_field(problem, apertures=6)
    term = problem.terms[0]
    (rows,) = solution.watched
    nothing = float((term.y[rows] / term.fidelity.sigma).abs().square().mean())
    assert solution.held_out() < 0.8 * nothing
    everywhere = near(problem, torch.ones_like(solution.sample()))
    assert near(problem, solution.sample()) > 3 * everywhere
    assert solution.sample().shape == (*problem.grid.shape, 6)
    assert solution.details["variance"].shape == (*problem.grid.shape, 1)
    assert isinstance(solution.problem.terms[0].operator, Aspects)
    assert without_aspects(solution.problem).terms[0].operator is term.operator


def test_the_figure_shows_the_mesh(monkeypatch):
    problem = surfaces("sphere", azimuths=8, heights=2, pitch=0.03, scatterers=50)
    start = SignedDistance(problem.box, radius=0.04).requires_grad_(False)
    module = importlib.import_module("inverse_inr.problems.radar.surfaces")
    monkeypatch.setattr(module, "two_stages", lambda p: Solution(start, p, "two stages"))
    solution = variance_field(problem, apertures=4, rounds=2, steps=2)
    draw = problem.suggested.figure
    assert draw is not None
    figure = draw(problem, [solution])
    solid = [axes for axes in figure.axes if hasattr(axes, "zaxis")]
    assert [axes.get_title() for axes in solid] == ["two stages"]


def test_a_concave_body_has_exact_points_and_shadows():
    module = importlib.import_module("inverse_inr.problems.radar.surfaces")
    problem = surfaces("cylinder on a plate", azimuths=8, heights=2, pitch=0.03, scatterers=50)
    body = problem.notes["shape"]
    points, normals = body.scatterers(1000, torch.Generator().manual_seed(0))
    assert points.shape == (1000, 3)
    assert float(body(points).abs().max()) < 1e-9
    outwards = body(points + 0.001 * normals)
    assert float(outwards.min()) > 0
    assert float((outwards > 0.00099).double().mean()) > 0.95  # all but those in the corner
    assert float(body(points - 0.001 * normals).max()) < 0
    # a place on the plate, close to the cylinder: seen from its own side, hidden from behind it
    x, y, z = body.center
    place = torch.tensor([[x + 0.03, y, z]], dtype=torch.float64)
    towards = torch.nn.functional.normalize(
        torch.tensor([[[1.0, 0.0, 0.5]], [[-1.0, 0.0, 0.5]], [[-1.0, 0.0, 9.0]]]).double(), dim=-1
    )
    assert module.visible(body, place, towards)[:, 0].tolist() == [1.0, 0.0, 1.0]
    inside = sample(body, problem.grid) < 0
    assert inside.any()
