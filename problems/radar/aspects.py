"""Reflectivity that depends on the aspect: the radar with one complex image a sector of azimuth.

A body hides parts of itself from each antenna, and its faces glint. One isotropic reflectivity
cannot say so; images of neighbouring pulses can, each by itself.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from inverse_inr import Problem, Query
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.ranges import Count, checked


class Aspects(nn.Module):
    """A radar whose scene has a channel for each sector: a pulse sees that of its own.

    Args:
        radar: The radar of one channel.
        sectors: Numbers of the pulses of each sector, which hold every pulse once.
    """

    def __init__(self, radar: RadarOperator, sectors: list[Tensor]) -> None:
        super().__init__()
        self.radar = radar
        self.count = len(sectors)
        self.shape = radar.shape
        sector = torch.empty(len(radar), dtype=torch.long)
        for k, rows in enumerate(sectors):
            sector[rows] = k
        self.sector = nn.Buffer(sector)

    def __len__(self) -> int:
        return len(self.radar)

    def forward(self, rows: Tensor) -> Query:
        """Ask for the radar's points and answer with the echoes of some pulses.

        Args:
            rows: (b,) numbers of pulses.

        Returns:
            A query of (*s, sectors) values whose answer is (b, K) complex.
        """

        def measure(values: Tensor) -> Tensor:
            flat = values.reshape(-1, self.count)
            echoes = torch.zeros(
                len(rows),
                self.radar.transform.count,
                dtype=flat.dtype.to_complex(),
                device=flat.device,
            )
            for k in self.sector[rows].unique().tolist():
                here = (self.sector[rows] == k).nonzero()[:, 0]
                echoes = echoes.index_add(0, here, self.radar.echoes(flat[:, k], rows[here]))
            return echoes

        return Query(self.radar(rows)[0], measure)


def without_aspects(problem: Problem) -> Problem:
    """The problem of one image for all pulses, from that of one image a sector.

    Args:
        problem: A problem of one radar term, by aspect or not.

    Returns:
        A problem of one channel whose operator is the radar.
    """
    term = problem.terms[0]
    if not isinstance(term.operator, Aspects):
        return problem
    return replace(problem, terms=[replace(term, operator=term.operator.radar)], channels=1)


@checked
def sub_apertures(problem: Problem, count: Count) -> list[Tensor]:
    """Pulses grouped by azimuth about the grid's centre.

    Args:
        problem: A problem of one radar term, with a grid.
        count: Number of equal sectors.

    Returns:
        Numbers of pulses of each sector; empty sectors are left out.
    """
    look = looks(problem)
    turn = torch.atan2(look[:, 1], look[:, 0]) / (2 * torch.pi) % 1
    sector = (turn * count + 1e-9).long().clamp(max=count - 1)
    groups = [(sector == k).nonzero()[:, 0] for k in range(count)]
    return [g for g in groups if len(g)]


def looks(problem: Problem) -> Tensor:
    """Directions from the grid's centre to the radar, (P, 3)."""
    operator = problem.terms[0].operator
    assert isinstance(operator, RadarOperator)
    return operator.geometry.look(problem.grid.box.center)
