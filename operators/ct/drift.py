"""A detector whose elements drift during the scan.

The drift is what remains of the flat field; it shows as rings in the image.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from inverse_inr import Grid, Operator, Query, flatten, unflatten
from inverse_inr.hooks import AsksLines, Lines
from inverse_inr.operators.quadrature import legendre
from inverse_inr.operators.rows import beside_operator
from inverse_inr.ranges import FiniteTensor, Range, checked

Degree = Annotated[int, Range(least=0, most=100)]
"""The degree of a polynomial in time; one of more than a few follows the noise."""


class DetectorDrift(nn.Module):
    """An operator with an offset per detector element, which changes during the scan and is learnt.

        y[view, element] = (A f)[view, element] + Σ_k P_k(t_view) c_k[element], k = 0 .. degree

    P_k are Legendre polynomials of the time of the view, scaled to [-1, 1]; the coefficients c are
    learnt with the image. Degree 0 is a constant offset of each element (an error of its gain, a
    ring in the image), degree 1 lets it grow during the scan. The offset is in units of the
    measurements: for a line integral it is minus the relative error of the flat field. An offset
    that is constant in time and smooth along the detector looks like a radially symmetric image: a
    regularizer of the image and a small `operator_lr` keep it there.

    Args:
        operator: Any with natural shape (views, *elements); one with `.on(grid)` keeps it.
        degree: The highest degree of the polynomials, 0 (constant) to 100.
        times: (views,) of acquisition, in any unit; by default the views were taken in their order,
            evenly.

    Raises:
        ValueError: The operator has no elements behind its views, `degree` is out of range, or the
            times do not match.
    """

    @checked
    def __init__(
        self, operator: Operator, degree: Degree = 1, *, times: FiniteTensor | None = None
    ) -> None:
        super().__init__()
        shape = tuple(getattr(operator, "shape", ()))
        if len(shape) < 2:
            raise ValueError(
                f"DetectorDrift: {type(operator).__name__} has shape {shape}; "
                "it needs (views, elements)."
            )
        if times is None:
            times = torch.arange(shape[0], dtype=torch.float64)
        if times.shape != shape[:1] or not torch.isfinite(times).all():
            raise ValueError(
                f"DetectorDrift: {shape[0]} views need as many finite times, "
                f"got {tuple(times.shape)}."
            )
        self.operator = operator
        self.shape = shape
        basis = _over_time(times, degree)  # (views, degree + 1)
        self.basis = nn.Buffer(basis.to(torch.get_default_dtype()))
        self.coefficients = nn.Parameter(torch.zeros(degree + 1, math.prod(shape[1:])))

    def __len__(self) -> int:
        return len(self.operator)

    @property
    def degree(self) -> int:
        """The highest degree of the polynomials in time."""
        return len(self.coefficients) - 1

    def forward(self, rows: Tensor) -> Query:
        """Look where the operator looks for `rows` (b,), and add offsets to its measurements."""
        points, measure = self.operator(rows)
        return Query(points, lambda values: self._drifted(measure(values), rows))

    def along_lines(self, rows: Tensor) -> Lines | None:
        """Say along which lines the operator sums the field, whose offsets are added to its sums.

        Args:
            rows: (b,) numbers of the measurements.

        Returns:
            The lines; None where the operator asks for points.
        """
        if not isinstance(self.operator, AsksLines):
            return None
        lines = self.operator.along_lines(rows)
        if lines is None:
            return None
        return lines._replace(measure=lambda sums: self._drifted(lines.measure(sums), rows))

    def offset(self, rows: Tensor) -> Tensor:
        """The offsets Σ_k P_k c_k of some measurements.

        Args:
            rows: (b,) numbers of the measurements.

        Returns:
            (b,) offsets, in the unit of the measurements.
        """
        view, element = self._split(rows)
        return (self.basis[view] * self.coefficients.T[element]).sum(-1)

    def _drifted(self, y: Tensor, rows: Tensor) -> Tensor:
        offset = self.offset(rows).to(y.dtype)
        return y + offset.reshape(-1, *(1,) * (y.ndim - 1))

    def _split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        rows = rows.to(self.basis.device)
        return rows // self.coefficients.shape[1], rows % self.coefficients.shape[1]

    @torch.no_grad()
    def fit(self, residual: Tensor, precision: Tensor, rows: Tensor) -> Tensor:
        """Set the coefficients by weighted least squares to what the image leaves unexplained.

        A classical method does this in turn with the image. Elements with fewer rows than
        coefficients get the shortest solution.

        Args:
            residual: (b,) measurements minus predictions, y - A f.
            precision: (b,) weights.
            rows: (b,) numbers of the measurements.

        Returns:
            (b,) offsets at `rows`.
        """
        view, element = self._split(rows)
        basis = self.basis[view].double()
        weight = precision.double()
        count = self.coefficients.shape[0]
        normal = basis.new_zeros(self.coefficients.shape[1], count, count)
        normal.index_add_(0, element, weight[:, None, None] * basis[:, :, None] * basis[:, None])
        right = basis.new_zeros(self.coefficients.shape[1], count)
        right.index_add_(0, element, (weight * residual.double())[:, None] * basis)
        solved = (torch.linalg.pinv(normal, hermitian=True) @ right[..., None])[..., 0]
        self.coefficients.copy_(solved.T)
        return self.offset(rows)

    @beside_operator
    def on(self, grid: Grid) -> DetectorDrift:
        """The same detector behind the operator's own map of the sampled image, if it has one.

        Args:
            grid: The grid of the image.

        Returns:
            A detector that shares the coefficients; this one if the operator has no such map.
        """
        make: Any = getattr(self.operator, "on", None)
        if make is None:
            return self
        same = DetectorDrift(make(grid), self.degree)
        same.basis = self.basis
        same.coefficients = self.coefficients
        return same

    @property
    def groups(self) -> Tensor:
        """(rows,) the number of the view that each row belongs to."""
        return torch.arange(self.shape[0]).repeat_interleave(math.prod(self.shape[1:]))

    def flatten(self, y: Tensor) -> Tensor:
        """Bring measurements from their natural shape (views, *elements) to (rows,)."""
        return flatten(self, y)

    def unflatten(self, y: Tensor) -> Tensor:
        """Bring measurements from (rows,) to their natural shape (views, *elements)."""
        return unflatten(self, y)


def _over_time(times: Tensor, degree: int) -> Tensor:
    """P_0 .. P_degree at times scaled to [-1, 1]: (views, degree + 1), float64."""
    times = times.double()
    span = times.max() - times.min()
    if span > 0:
        return legendre(2 * (times - times.min()) / span - 1, degree)
    return legendre(torch.zeros_like(times), degree)
