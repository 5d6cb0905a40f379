"""Scattered light: a smooth field over detector and angle, added to what the rays bring.

    I = exp(-p) + s        s = s_0 exp(Σ c_ij.. P_i(view) P_j(bin) ..)

p are line integrals, or what a polychromatic beam makes of them, and s is the scattered part of the
unattenuated intensity. The logarithm of s is a product of Legendre polynomials of low degree, which
keeps it positive and smooth.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from inverse_inr import Operator, Query
from inverse_inr.devices import unravel
from inverse_inr.operators.ct.beam.around import AroundScan, natural_shape
from inverse_inr.operators.quadrature import legendre
from inverse_inr.ranges import PositiveFraction, Range, checked

Degree = Annotated[int, Range(least=0, most=20)]
"""The degree of a polynomial along an axis; scatter is smooth."""


class Scatter(AroundScan):
    """An operator of logged intensities with an unknown smooth background, which is learnt.

        y = -log(exp(-p) + s)

    Args:
        operator: Predicts line integrals without unit, of shape (views, *detector).
        degrees: The highest degree along each axis of the shape, views first; by default 2 along
            views and 4 along each axis of the detector.
        start: The level of s at which learning begins, as part of the unattenuated intensity.

    Raises:
        ValueError: There are not as many degrees as axes.

    Source:
        Ohnesorge et al., Eur. Radiol. 9 (1999), for scatter as a smooth field; Rührnschopf &
        Klingenbeck, Med. Phys. 38 (2011), a review of its corrections.
    """

    @checked
    def __init__(
        self,
        operator: Operator,
        degrees: tuple[Degree, ...] | None = None,
        start: PositiveFraction = 0.01,
    ) -> None:
        super().__init__(operator, natural_shape(operator))
        if degrees is None:
            degrees = (2, *(4,) * (len(self.shape) - 1))
        if len(degrees) != len(self.shape):
            raise ValueError(
                f"Scatter: {len(degrees)} degrees for an operator of shape {self.shape}; "
                "give one for each axis, views first."
            )
        self.start = start
        real = torch.get_default_dtype()
        self.coefficients = nn.Parameter(torch.zeros([d + 1 for d in degrees], dtype=real))
        for axis, (count, degree) in enumerate(zip(self.shape, degrees, strict=True)):
            t = torch.linspace(-1, 1, count, dtype=torch.float64) * (count > 1)
            self.register_buffer(f"basis{axis}", legendre(t, degree).to(real))

    def forward(self, rows: Tensor) -> Query:
        """Look where the operator looks for `rows` (b,), and add scatter to the intensities."""
        points, measure = self.operator(rows)

        def seen(values: Tensor) -> Tensor:
            p = measure(values)
            return -torch.logaddexp(-p, self.log_scatter(rows).to(p.dtype))

        return Query(points, seen)

    def log_scatter(self, rows: Tensor) -> Tensor:
        """The logarithm of the scattered part of the unattenuated intensity.

        Args:
            rows: (b,) numbers of the measurements.

        Returns:
            (b,).
        """
        rows = rows.to(self.coefficients.device)
        total = self.coefficients.expand(len(rows), *self.coefficients.shape)
        for axis, index in enumerate(unravel(rows, self.shape)):
            basis = self.get_buffer(f"basis{axis}")[index]
            total = torch.einsum("bk,bk...->b...", basis, total)
        return math.log(self.start) + total
