"""Priors of whole frames: their lattice, their time, their sums, and what they refuse."""

import pytest
import torch

from inverse_inr import Box, Grid, Problem, Solver, Term, predict, priors
from inverse_inr.derivatives import SmoothnessError, gradient
from inverse_inr.fidelity import L2
from inverse_inr.operators import Frames, Gradient
from inverse_inr.priors.frames.lattice import FrameLattice
from inverse_inr.priors.frames.network import FrameNetwork
from inverse_inr.priors.frames.parts import at_times, doubled, shuffled
from inverse_inr.regularizers import TotalVariation
from inverse_inr.stopping import Never

BOX = Box((0.0, 0.0, 0.0), (10.0, 12.0, 5.0), ("px", "px", "frame"))
GRID = Grid(BOX, (10, 12, 5))
NAMES = ("nerv", "hnerv", "hinerv")
SMALL = {"size": (10, 12), "times": 5, "blocks": 2, "width": 6}
names = pytest.mark.parametrize("name", NAMES)


def test_doubling_is_bilinear_interpolation():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(doubled(x), expected)


def test_shuffling_is_torch_s_for_two_axes():
    x = torch.randn(2, 12, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shuffled(x), torch.nn.functional.pixel_shuffle(x, 2))


def test_a_plane_stays_a_plane_between_pixels():
    """Multilinear interpolation gives linear functions exactly, up to the last pixel centres."""
    lattice = FrameLattice((6, 4), (1.0, 0.5))
    i = torch.arange(6, dtype=torch.float64)[:, None]
    j = torch.arange(4, dtype=torch.float64)
    frames = torch.stack([2 * i - j + 1, i + 0 * j])[:, None]  # two frames of one channel
    points = torch.tensor([[0.1, -0.2], [-0.4, 0.3]], dtype=torch.float64)
    at = (points / torch.tensor([2.0, 1.0]).double() + 0.5) * torch.tensor([6, 4]) - 0.5
    seen = lattice.at_points(frames, torch.tensor([0, 1]), points)[:, 0]
    expected = torch.stack([2 * at[0, 0] - at[0, 1] + 1, at[1, 0]])
    torch.testing.assert_close(seen, expected)


def test_between_two_times_it_is_linear():
    nodes = torch.tensor([[1.0], [3.0], [7.0]])
    middles = torch.tensor([[-2 / 3], [0.0], [2 / 3]])
    torch.testing.assert_close(at_times(nodes, middles), nodes)
    torch.testing.assert_close(
        at_times(nodes, torch.tensor([[1 / 3], [1.0]]))[0], torch.tensor([5.0])
    )


@names
def test_its_own_lattice_is_what_its_network_makes(name):
    prior = priors.create(name, BOX, 3, **SMALL)
    times = torch.tensor([[2 * (k + 0.5) / 5 - 1] for k in range(5)])
    assert isinstance(prior.network, FrameNetwork)
    frames = prior.network.frames(times)
    assert frames.shape == (5, 3, 10, 12)
    torch.testing.assert_close(prior.sample(GRID), frames.permute(2, 3, 0, 1))


@names
def test_rows_are_whole_frames_in_any_order(name):
    prior = priors.create(name, BOX, 3, **SMALL)
    clip = prior.sample(GRID)
    rows = torch.tensor([3, 1])
    seen = predict(Frames(GRID), prior, rows)
    torch.testing.assert_close(seen, clip[:, :, rows].movedim(2, 0))


@names
def test_slopes_are_refused_by_name_and_differences_on_a_grid_are_not(name):
    prior = priors.create(name, BOX, 1, **SMALL)
    points = BOX.random_points(7, generator=torch.Generator().manual_seed(0))
    message = f"'{name}' makes whole frames and has no derivatives.*'siren'"
    with pytest.raises(SmoothnessError, match=message):
        gradient(prior, points)
    with pytest.raises(SmoothnessError, match=message):
        prior(points.requires_grad_())
    with pytest.raises(SmoothnessError, match=message):
        predict(Gradient(points.detach()), prior)
    with pytest.raises(SmoothnessError, match=message):
        TotalVariation()(prior, points)
    assert float(TotalVariation(grid=GRID)(prior, points).detach()) > 0
    assert "no derivatives by place" in prior.describe()


@names
def test_a_short_fit_of_frames_lowers_the_loss(name):
    place = GRID.points()
    clip = torch.sin(place[..., :1]) * torch.cos(0.5 * place[..., 1:2] + place[..., 2:])
    operator = Frames(GRID)
    y = clip.movedim(2, 0).contiguous()
    problem = Problem([Term(operator, y, L2())], BOX, GRID)
    prior = priors.create(name, BOX, 1, **SMALL)
    before = (prior.sample(GRID) - clip).square().mean().detach()
    solution = Solver(problem, prior, steps=60, batch=5, lr=5e-3, stopping=Never()).run()
    assert float((solution.sample(GRID) - clip).square().mean()) < 0.7 * float(before)


def test_a_frame_of_other_axes_is_refused():
    with pytest.raises(
        ValueError, match=r"nerv: size=\(10,\) has 1 axes; the box has 2 beside time"
    ):
        priors.nerv(BOX, size=(10,))


@pytest.mark.parametrize("kept", [[], [0, 0], [7]])
def test_frames_that_are_not_there_or_twice_are_refused(kept):
    with pytest.raises(ValueError, match="different frames from 0 to 4"):
        Frames(GRID, kept)
