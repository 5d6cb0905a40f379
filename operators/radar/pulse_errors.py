"""A radar whose pulses have unknown phases and ranges: an antenna that did not fly where it should.

y_p(f) = exp{ j φ_p + sign · j 4π (f - f_c) / c · r_p } (A σ)_p(f)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr import Query
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.operators.radar.sar import PhaseHistory
from inverse_inr.ranges import FiniteTensor, checked


class PulseErrors(nn.Module):
    """A radar with a phase and, if asked for, a range error per pulse, learnt with the scene.

    A range error of a fraction of the resolution turns the phase of a whole pulse; one that is not
    small against it also shifts the echoes, which the term in f - f_c describes. A phase that is
    constant, or linear along the aperture, moves the scene and does not defocus it: it cannot be
    told from measurements.

    Args:
        radar: The radar as its geometry says.
        phases: (P,) in rad, where learning begins; default zero.
        ranges: (P,) in metres, one way, beside them; None where ranges are right.
        learnt: False to keep phases and ranges as they are given.

    Attributes:
        phases: (P,) in rad.
        ranges: (P,) in metres, or None.

    Raises:
        TypeError: Ranges are asked of a radar without frequencies.
        ValueError: There is another number of phases or ranges than of pulses.
    """

    @checked
    def __init__(
        self,
        radar: RadarOperator,
        phases: FiniteTensor | None = None,
        ranges: FiniteTensor | None = None,
        *,
        learnt: bool = True,
    ) -> None:
        super().__init__()
        self.radar = radar
        self.shape = radar.shape
        if phases is None:
            phases = torch.zeros(len(radar))
        self.phases = _one_per_pulse("phases", phases, len(radar), learnt)
        self.ranges = None
        if ranges is not None:
            if not isinstance(radar, PhaseHistory):
                raise TypeError(
                    f"PulseErrors: ranges=... needs the frequencies of a PhaseHistory; "
                    f"{type(radar).__name__} has none."
                )
            self.ranges = _one_per_pulse("ranges", ranges, len(radar), learnt)

    def __len__(self) -> int:
        return len(self.radar)

    def forward(self, rows: Tensor) -> Query:
        """Look where the radar looks, and turn its echoes (b, K) by the errors of their pulses."""
        points, measure = self.radar(rows)
        return Query(points, lambda values: self._turned(measure(values), rows))

    def factors(self, rows: Tensor) -> Tensor:
        """The factors exp(j ...) of some pulses: (b, 1), or (b, K) where ranges are learnt."""
        rows = rows.to(self.phases.device)
        angle = self.phases[rows][:, None] + self._of_ranges(rows)
        return torch.polar(torch.ones_like(angle), angle)

    def _of_ranges(self, rows: Tensor) -> Tensor:
        """The phases that ranges turn each frequency by, (b, K) in rad; (b, 1) zeros without."""
        if self.ranges is None:
            return self.phases.new_zeros(len(rows), 1)
        assert isinstance(self.radar, PhaseHistory)
        f = self.radar.frequencies
        scale = self.radar.geometry.sign * 4 * math.pi / SPEED_OF_LIGHT
        return self.ranges[rows][:, None] * (scale * (f - f.mean())).to(self.ranges)

    @torch.no_grad()
    def corrected(self, y: Tensor) -> Tensor:
        """Echoes without the errors.

        Args:
            y: (P, K) complex echoes.

        Returns:
            (P, K) complex, as the radar of the geometry would have measured them.
        """
        return y * self.factors(torch.arange(len(self))).conj().to(y)

    @torch.no_grad()
    def fit(self, predicted: Tensor, y: Tensor, rows: Tensor) -> None:
        """Set the phases of some pulses to those that explain their echoes best.

        It is the closed form φ_p = arg Σ_k conj(ŷ_pk) y_pk, with the ranges as they are.

        Args:
            predicted: (b, K) echoes of the scene, without the pulses' errors.
            y: (b, K) measured echoes.
            rows: (b,) numbers of the pulses.
        """
        rows = rows.to(self.phases.device)
        angle = self._of_ranges(rows)
        shifted = predicted * torch.polar(torch.ones_like(angle), angle).to(predicted)
        self.phases[rows] = (shifted.conj() * y).sum(-1).angle().to(self.phases)

    def _turned(self, y: Tensor, rows: Tensor) -> Tensor:
        return y * self.factors(rows).to(y)


def _one_per_pulse(name: str, values: Tensor, pulses: int, learnt: bool) -> nn.Parameter:
    if values.shape != (pulses,):
        raise ValueError(
            f"PulseErrors: {name} has shape {tuple(values.shape)}; the radar has {pulses} pulses."
        )
    return nn.Parameter(values.detach().clone().to(torch.float32), requires_grad=learnt)
