"""Cine: the moving phantom, signals, films and their variation, and fits beside GRASP."""

from typing import Any

import pytest
import torch

import inverse_inr as ii
from inverse_inr.problems.kspace import kspace_cine
from inverse_inr.problems.kspace.cine import classical
from inverse_inr.problems.kspace.cine.classical import (
    grasp,
    in_frames,
    low_rank_plus_sparse,
    readouts_of,
)
from inverse_inr.problems.kspace.cine.film import FilmField, SpaceTimeVariation
from inverse_inr.problems.kspace.cine.phantom import chest, contraction, retimed
from inverse_inr.problems.kspace.cine.signals import breathing, heart_phases, ranks, self_gating
from inverse_inr.problems.kspace.cine.simulated import cine_fit

F64 = torch.float64
BOX = ii.Box((-1.0, -1.0, 0.0), (1.0, 1.0, 1.0))
SMALL: dict[str, Any] = {"size": 16, "frames": 4, "per_frame": 5, "coils": 2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("motion", ["cardiac", "breathing"])
def test_the_phantom_has_the_spectrum_of_its_ellipses_at_each_time(motion: str):
    body = chest(motion, 3)  # pyright: ignore[reportArgumentType]
    times = torch.tensor([0.1, 0.6], dtype=F64)
    k = 4 * torch.randn(2, 5, 2, generator=generator(), dtype=F64)
    exact = torch.stack([body.at(t).fourier(q) for t, q in zip(times.tolist(), k, strict=True)])
    torch.testing.assert_close(body.fourier(k, times), exact, rtol=0, atol=1e-10)
    point = torch.tensor([[0.05, 0.1, 0.6]])
    torch.testing.assert_close(body(point), body.at(0.6)(point[:, :2]))


def test_the_heart_beats_periodically_and_contracts_once():
    assert contraction(0.3) == pytest.approx(contraction(1.3))
    phases = [contraction(n / 200) for n in range(200)]
    rises = sum(b > a for a, b in zip(phases, phases[1:] + phases[:1], strict=True))
    turns = sum((b > a) != (c > b) for a, b, c in zip(phases, phases[1:], phases[2:], strict=False))
    assert max(phases) > 0.99
    assert min(phases) < 0.01
    assert turns <= 2
    assert rises < 100


def test_signals_have_the_readouts_in_order():
    phases = heart_phases(200, generator())
    assert float(phases.min()) >= 0
    assert float(phases.max()) < 1
    assert 4 <= int((phases.diff() < 0).sum()) <= 6  # 200 readouts are more than five beats
    breath = breathing(200, generator())
    assert float(breath.min()) >= 0
    order = ranks(breath)
    torch.testing.assert_close(order.sort().values, (torch.arange(200).double() + 0.5) / 200)
    assert torch.equal(order.argsort(), breath.argsort(stable=True))


def test_self_gating_finds_what_the_centre_of_k_space_does():
    """A slow wave under noise, in coils that see it with both signs."""
    wave = torch.sin(torch.arange(120, dtype=F64) / 9)
    size = 10 + wave[:, None] * torch.tensor([1.0, -0.5, 0.8], dtype=F64)
    y = torch.complex(size, 0.3 * torch.randn(120, 3, generator=generator(), dtype=F64))
    y = y[:, None].expand(-1, 4, -1)
    found = self_gating(y)
    assert abs(float(torch.corrcoef(torch.stack([found, wave]))[0, 1])) > 0.97
    with pytest.raises(ValueError, match="spokes, samples, coils"):
        self_gating(y[:, 0])


def test_a_body_in_the_gauge_of_ranks_is_itself():
    body = chest("breathing", 0)
    signal = torch.tensor([0.3, 0.1, 0.9], dtype=F64)
    moved = retimed(body, signal)
    for place, value in zip(ranks(signal).tolist(), signal.tolist(), strict=True):
        assert torch.equal(moved.at(place).centers, body.at(value).centers)


def test_a_film_closes_where_it_is_periodic():
    grid = ii.Grid(BOX, (3, 3, 4))
    values = torch.arange(36.0).reshape(3, 3, 4, 1)
    film = FilmField(grid, periodic=True)
    film.begin_with(ii.SampledField(values, grid))
    points = grid.points()
    torch.testing.assert_close(film(points), values)
    torch.testing.assert_close(film(points + torch.tensor([0.0, 0.0, 3.0])), values)
    ends = film(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    torch.testing.assert_close(ends, values[1, 1, [0, 3]].mean(0).expand(2, 1))


def test_variation_of_space_and_time_is_that_of_a_plane():
    """F = 3 t has |∂f/∂t| / speed everywhere but where it jumps back by three quarters."""
    grid = ii.Grid(BOX, (4, 4, 4))
    film = ii.SampledField(3 * grid.points()[..., 2:], grid)
    none = torch.zeros(0)
    flat = SpaceTimeVariation(grid, 2.0, periodic=False, epsilon=0.0)
    assert float(flat(film, none)) == pytest.approx(0.75 * 3 / 2)
    closed = SpaceTimeVariation(grid, 2.0, periodic=True, epsilon=0.0)
    assert float(closed(film, none)) == pytest.approx((3 * 3 + 9) / 4 / 2)
    slope = ii.SampledField(2 * grid.points()[..., :1], grid)
    assert float(closed(slope, none)) == pytest.approx(0.75 * 2)


def test_frames_hold_readouts_at_their_middle():
    framed = in_frames(kspace_cine(**SMALL))
    times = readouts_of(framed).times
    assert set((4 * times - 0.5).round(decimals=4).tolist()) <= {-1.0, 0.0, 1.0, 2.0, 3.0, 4.0}


def test_low_rank_plus_sparse_is_also_stopped_by_its_rule(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(classical, "LOW_RANK", (0.1,))
    monkeypatch.setattr(classical, "SPARSE", (0.05,))
    problem = kspace_cine(**SMALL)
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid, average=problem.average)

    def off(weight: Any, iterations: int) -> float:
        found = low_rank_plus_sparse(problem, weight, iterations=iterations)
        return float((found.sample() - truth).norm())

    at_stops = [off((0.1, 0.05), count) for count in (20, 22)]
    assert off("oracle", 22) == pytest.approx(min(at_stops), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["radial", "lines"])
def test_a_short_fit_is_nearer_than_an_empty_film(sampling: str):
    problem = kspace_cine(**SMALL, sampling=sampling)  # pyright: ignore[reportArgumentType]
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid, average=2)
    for found in (
        cine_fit(problem, steps=2),
        grasp(problem, 0.5),
        low_rank_plus_sparse(problem, (0.1, 0.05), iterations=10),
    ):
        assert float((found.sample() - truth).norm() / truth.norm()) < 0.75


@pytest.mark.slow
def test_a_learnt_signal_is_a_parameter_that_moves():
    problem = kspace_cine("breathing", **SMALL, signal="learnt")
    before = readouts_of(problem).times.detach().clone()
    found = cine_fit(problem, steps=1)
    assert len(found.learnt) == 1
    after = next(iter(found.learnt.values()))
    assert after.shape == before.shape
    assert not torch.equal(after, before)
    assert torch.equal(readouts_of(problem).times, before)  # the problem stays as it was


def test_a_signal_that_nothing_tells_is_refused():
    with pytest.raises(ValueError, match="centre of k-space"):
        kspace_cine("cardiac", **SMALL, signal="self-gated")
    with pytest.raises(TypeError, match="MovingKSpace"):
        grasp(
            ii.Problem(
                [ii.Term(Nothing(), torch.zeros(2), ii.noise.Gaussian(1.0))],
                BOX,
                ii.Grid(BOX, (2, 2, 2)),
            ),
            1.0,
        )


class Nothing(ii.RowOperator):
    """Two zeros."""

    def __init__(self) -> None:
        super().__init__((2,))

    def forward(self, rows: torch.Tensor) -> ii.Query:
        """Look at the middle."""
        points = torch.full((len(rows), 3), 0.5)
        return ii.Query(points, lambda values: values[:, 0])
