"""Pictures of solids in closed form, and the same by the operator on fine rays."""

import math

import pytest
import torch

from inverse_inr import Box, predict
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.problems.scene import MovingSolids, Solids
from inverse_inr.problems.scene.simulated import BOX, around, photographed, table_top


def one(block: float, density: float = 2.0) -> Solids:
    return Solids(
        torch.tensor([[0.5, 0.0, 0.0]]),
        torch.tensor([[0.5, 0.25, 0.25]]),
        torch.tensor([block]),
        torch.tensor([density]),
        torch.tensor([[1.0, 0.5, 0.0]]),
    )


@pytest.mark.parametrize("block", [0.0, 1.0])
def test_a_ray_through_the_middle_is_dimmed_by_the_whole_width(block):
    seen = one(block).render(
        torch.tensor([[-3.0, 0.0, 0.0]]),
        torch.tensor([[1.0, 0.0, 0.0]]),
        torch.tensor([0.0, 0.0, 1.0]),
    )
    through = math.exp(-2.0)
    expected = torch.tensor([[1 - through, 0.5 * (1 - through), through]], dtype=torch.float64)
    torch.testing.assert_close(seen, expected)


def test_a_ray_beside_an_ellipsoid_still_meets_the_block_around_it():
    corner = torch.tensor([[-3.0, 0.24, 0.24]])
    ahead = torch.tensor([[1.0, 0.0, 0.0]])
    dark = torch.zeros(3)
    assert float(one(0.0).render(corner, ahead, dark).sum()) == 0
    assert float(one(1.0).render(corner, ahead, dark).sum()) > 1


def test_a_camera_inside_sees_only_what_is_before_it():
    seen = one(1.0).render(
        torch.tensor([[0.75, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(3)
    )
    assert float(seen[0, 0]) == pytest.approx(1 - math.exp(-0.5))


def test_exact_pictures_are_the_limit_of_fine_rays():
    cameras = Cameras(around(2), (6, 6), 7.5)
    operator = VolumeRendering(BOX, cameras, 3000, background=1.0)
    exact = photographed(table_top(), cameras, torch.ones(3), 1)
    torch.testing.assert_close(predict(operator, table_top()), exact, atol=2e-2, rtol=0)


def test_without_takes_one_solid_away():
    left = table_top().without(1)
    points = torch.tensor([[-0.4, -0.3, -0.1], [0.45, -0.25, 0.05]])
    assert table_top()(points)[:, 0].tolist() == [30.0, 30.0]
    assert left(points)[:, 0].tolist() == [0.0, 30.0]
    assert Box((-2.0,) * 3, (2.0,) * 3).ndim == 3


@pytest.mark.parametrize("block", [0.0, 1.0])
def test_points_on_a_solid_are_uniform_on_its_surface(block):
    """Ellipsoid: the moment of x² of a surface by quadrature; block: the areas of its faces."""
    solid = one(block)
    points = solid.surface_points(8000) - torch.tensor([0.5, 0.0, 0.0])
    assert len(points) == 8000
    local = points / solid.halves
    if block:
        on_ends = local[:, 0].abs() >= 1 - 1e-12
        assert float(on_ends.double().mean()) == pytest.approx(2 / 10, abs=0.02)
        torch.testing.assert_close(local.abs().amax(1), torch.ones(8000).double())
        return
    torch.testing.assert_close(local.norm(dim=1), torch.ones(8000).double())
    x = torch.linspace(-1, 1, 20_001).double()
    ring = (0.25**2 * (1 - x.square()) + 0.25**2 * (0.25 / 0.5) ** 2 * x.square()).sqrt()
    expected = float((x.square() * ring).sum() / ring.sum())
    assert float(local[:, 0].square().mean()) == pytest.approx(expected, abs=0.01)


def test_points_inside_another_solid_are_left_out():
    points = table_top().surface_points(2000)
    assert 1700 < len(points) < 2000
    assert float(table_top()(0.9 * points + 0.1 * torch.tensor([0.0, 0.0, 5.0]))[:, 0].min()) == 0


def test_moving_solids_are_those_of_each_time():
    solids = MovingSolids(one(0.0), lambda t: t[..., None, None] * torch.tensor([0.0, 1.0, 0.0]))
    assert solids.at(0.5).centers.tolist() == [[0.5, 0.5, 0.0]]
    points = torch.tensor([[0.5, 0.5, 0.0, 0.5], [0.5, 0.5, 0.0, 0.0]])
    assert solids(points)[:, 0].tolist() == [2.0, 0.0]


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"colours must be \(1, 3\)"):
        Solids(torch.zeros(1, 3), torch.ones(1, 3), torch.ones(1), torch.ones(1), torch.ones(3))
    with pytest.raises(ValueError, match="not positive"):
        Solids(torch.zeros(1, 3), torch.zeros(1, 3), torch.ones(1), torch.ones(1), torch.ones(1, 3))
