"""The objective names and weighs its parts, asks each lattice once, and draws rows by the step."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, OnGrid, Term, fidelity, noise, predict, priors
from inverse_inr.regularizers import L1, TotalVariation, as_weighted
from inverse_inr.solver.objective import Objective
from inverse_inr.solver.schedule import RowSchedule

BOX = Box((-1.0, -1.0), (1.0, 1.0))


class Counting(nn.Module):
    """A pixel field that counts how often a lattice asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.rand(8, 8, 1))
        self.lattices = 0

    def forward(self, points: Tensor) -> Tensor:
        return points[..., :1] * self.values.mean()

    def sample(self, grid: Grid) -> Tensor:
        self.lattices += 1
        return self.values


def test_objective_names_and_weighs_its_parts(problem):
    first = problem.terms[0]
    terms = [first, replace(first, weight=2.0, fidelity=fidelity.L2())]
    regularizers = [2e-3 * L1() + 0.0 * TotalVariation()]
    objective = Objective(priors.grid(BOX, cells=8), terms, regularizers).eval()
    assert objective.names == ["D(ParallelBeam)", "D(ParallelBeam)", "R(L1)"]
    rows = torch.arange(9)
    points = BOX.random_points(20)
    with torch.no_grad():
        parts = objective([rows, rows], points)
        predicted = predict(first.operator, objective.prior, rows)
        assert torch.allclose(parts[0], first.fidelity(predicted, first.y[:9]))
        assert torch.allclose(parts[1], 2 * fidelity.L2()(predicted, first.y[:9]))
        assert torch.allclose(parts[2], 2e-3 * objective.prior(points).abs().mean())


def test_one_lattice_serves_data_and_regularizers():
    grid = Grid(BOX, (8, 8))
    operator = OnGrid(torch.fft.fft2, grid, (8, 8))
    term = Term(operator, torch.zeros(64, dtype=torch.complex64), noise.ComplexGaussian(1.0))
    shared = [as_weighted(TotalVariation(grid)), as_weighted(L1(grid))]
    coarser = as_weighted(L1(Grid(BOX, (8, 4))))
    for regularizers, expected in ((shared, 1), ([*shared, coarser], 2)):
        prior = Counting()
        objective = Objective(prior, [term, term], regularizers)
        objective([torch.arange(64)] * 2, BOX.random_points(4)).sum().backward()
        assert prior.lattices == expected


def test_rows_at_a_step_are_a_pure_function():
    rows = torch.arange(100)[::2]
    a, b = RowSchedule(rows, 8, seed=3), RowSchedule(rows, 8, seed=3)
    order = [17, 3, 3, 0, 40, 17]
    assert all(torch.equal(a.at(k), b.at(k)) for k in order)
    forwards = {k: a.at(k).tolist() for k in range(60)}
    assert forwards == {k: b.at(k).tolist() for k in reversed(range(60))}
    epochs = [torch.cat([a.at(6 * e + k) for k in range(6)]) for e in range(9)]
    for epoch in epochs:
        assert len(epoch) == 48  # constant batches: the last 2 rows of an epoch's order wait
        assert len(epoch.unique()) == 48
        assert torch.isin(epoch, rows).all()
    assert len({tuple(e.tolist()) for e in epochs}) == 9
    assert torch.equal(torch.cat(epochs).unique(), rows)
    assert not torch.equal(a.at(0), RowSchedule(rows, 8, seed=4).at(0))
    for batch in (None, 50, 1000):
        assert torch.equal(RowSchedule(rows, batch, 0).at(5), rows)
