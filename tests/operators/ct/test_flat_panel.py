"""Projections of lattices onto flat panels."""

from typing import Any

import torch
from cases.cone import CUBE, F64, cone, moves

from inverse_inr import Grid
from inverse_inr.operators.ct.flat_panel import projected_lattice


@moves
def test_a_lattice_is_projected_as_its_points_are(move: dict[str, Any]):
    beam = cone(**move)
    grid = Grid(CUBE, (3, 4, 5))
    index, depth = beam.locate(grid.points(F64), 2)
    counts = (beam.shape[1], beam.shape[2])
    near = torch.tensor(CUBE.center, dtype=F64)
    found = projected_lattice(beam.frame(2), grid.axes(F64), counts, near)
    torch.testing.assert_close(found, (index[..., 0], index[..., 1], depth))
