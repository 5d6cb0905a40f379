"""What a problem looks like to a linear method: weighted least squares in the image on its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inverse_inr.compose import LinearMap, as_linear_map
from inverse_inr.fidelity import least_squares
from inverse_inr.hooks import HasGridMap
from inverse_inr.kernels.linear import largest_singular_value
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.sampled import SampledField


@dataclass
class LeastSquares:
    """½ Σ_t weight_t mean |A_t x - y_t|² precision_t: what a problem looks like to a classical method."""

    maps: list[LinearMap]
    targets: list[Tensor]
    precisions: list[Tensor]

    @classmethod
    def of(cls, problem: Problem, rows: Sequence[Tensor]) -> LeastSquares:
        maps, targets, precisions = [], [], []
        for term, chosen in zip(problem.terms, rows, strict=True):
            target, precision = least_squares(term.fidelity, term.y)
            real = term.y.dtype.to_real()
            dtype = real.to_complex() if problem.is_complex else real
            maps.append(
                as_linear_map(
                    term.operator, problem.grid, rows=chosen, channels=problem.channels, dtype=dtype
                )
            )
            targets.append(target[chosen] - maps[-1].offset.to(target))
            precisions.append(term.weight * precision[chosen].to(real) / target[chosen].numel())
        return cls(maps, targets, precisions)

    def value(self, x: Tensor) -> float:
        return sum(
            0.5 * float((p * (a(x) - t).abs().square()).sum())
            for a, t, p in zip(self.maps, self.targets, self.precisions, strict=True)
        )

    def misfits(self, x: Tensor) -> Tensor:
        """½ |residual|² · precision of each row, scaled so that their mean is `value` for one term."""
        parts = [
            (p * (a(x) - t).abs().square()).flatten(1 if t.ndim > 1 else 0)
            for a, t, p in zip(self.maps, self.targets, self.precisions, strict=True)
        ]
        return torch.cat([0.5 * (v.sum(1) if v.ndim > 1 else v) * len(v) for v in parts])

    def whitened(self, x: Tensor) -> list[Tensor]:
        return [p.sqrt() * a(x) for a, p in zip(self.maps, self.precisions, strict=True)]

    def adjoint(self, residuals: Sequence[Tensor]) -> Tensor:
        parts = [
            a.adjoint(p.sqrt() * r)
            for a, p, r in zip(self.maps, self.precisions, residuals, strict=True)
        ]
        return torch.stack(parts).sum(0)

    def data(self) -> list[Tensor]:
        return [p.sqrt() * t for t, p in zip(self.targets, self.precisions, strict=True)]

    def norm(self, iterations: int = 30) -> float:
        """Largest singular value of the whitened maps, stacked. Raises ValueError where they see nothing at all."""
        zeros = self.maps[0].zeros()
        start = torch.randn(
            zeros.shape, dtype=zeros.dtype, generator=torch.Generator().manual_seed(0)
        ).to(zeros)
        found = largest_singular_value(lambda x: self.adjoint(self.whitened(x)), start, iterations)
        if found == 0:
            raise ValueError(
                "LeastSquares: A x is zero for every image x. Do the measurements look at the problem's box?"
            )
        return found


def back_projection(problem: Problem, rows: Sequence[Tensor]) -> Tensor:
    """-dD/dx at the empty image, from `rows` of each term: A'Wy for least squares. (*grid.shape, channels)."""
    real = problem.terms[0].y.dtype.to_real()
    dtype = real.to_complex() if problem.is_complex else real
    image = torch.zeros(*problem.grid.shape, problem.channels, dtype=dtype, requires_grad=True)
    loss = torch.zeros(())
    for term, chosen in zip(problem.terms, rows, strict=True):
        seen = (
            term.operator.on(problem.grid)
            if isinstance(term.operator, HasGridMap)
            else term.operator
        )
        with evaluating(seen):
            loss = loss + term.weight * replace(term, operator=seen).loss(
                SampledField(image, problem.grid), chosen
            )
    return -torch.autograd.grad(loss, image)[0]
