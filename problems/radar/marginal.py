"""The likelihood of measurements given the variances of voxels, whose values are integrated out.

    y = A s + n,   s_x ~ CN(0, γ_x),   n ~ CN(0, σ²),   C = σ² + A Γ A*

Source: sparse Bayesian learning (Tipping 2001).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor


class Posterior(NamedTuple):
    """The distribution of an image given the measurements and the variances of its voxels."""

    mean: Tensor
    """μ (n,): the expected image."""
    curvature: Tensor
    """h (n,): how much of each voxel's unit variance the other ones and the noise leave
    unexplained."""
    evidence: float
    """log det C + y* C⁻¹ y, without constants: lower is likelier."""


@dataclass(frozen=True)
class Marginal:
    """Measurements as a Gaussian of an image's variances.

    Args:
        matrix: (m, n) response of m measurements to n voxels.
        data: (m,) measurements.
        noise: The variance σ².
        beyond: Energy of measurements that no image can explain, left by `compressed`.
        others: Number of measurements that no image can explain, left by `compressed`.
    """

    matrix: Tensor
    data: Tensor
    noise: float
    beyond: float = 0.0
    others: int = 0

    def posterior(self, variance: Tensor) -> Posterior:
        """The image given its variances, exactly, by the Cholesky factor of C.

        Where the noise is too little for single precision (C is no longer positive), the
        computation is repeated in double precision.

        Args:
            variance: (n,), γ of each voxel.
        """
        seen = variance > 1e-6 * variance.max()  # the others add less than the noise to C
        columns = self.matrix[:, seen]
        covariance = (columns * variance[seen]) @ columns.mH
        covariance.diagonal().add_(self.noise)
        factor, failed = torch.linalg.cholesky_ex(covariance)
        if failed and variance.dtype != torch.float64:
            mean, curvature, evidence = self._wide().posterior(variance.double())
            return Posterior(mean.to(self.data), curvature.to(variance), evidence)
        white = torch.cholesky_solve(self.data[:, None], factor)[:, 0]
        curvature = (
            torch.linalg.solve_triangular(factor, self.matrix, upper=False).abs().square().sum(0)
        )
        spread = 2 * factor.diagonal().real.double().log().sum()
        misfit = (self.data.conj() * white).real.sum()
        return Posterior(variance * (self.matrix.mH @ white), curvature, float(spread + misfit))

    def _wide(self) -> Marginal:
        """The same in double precision."""
        dtype = torch.complex128 if self.matrix.is_complex() else torch.float64
        return replace(self, matrix=self.matrix.to(dtype), data=self.data.to(dtype))

    def compressed(self, tolerance: float = 1e-4, block: int = 400, seed: int = 0) -> Marginal:
        """The same in fewer numbers: in an orthonormal basis of the matrix's range.

        The measurements have more samples than the scene has degrees of freedom. White noise stays
        white.

        Args:
            tolerance: Fraction of the matrix's energy that the basis may miss.
            block: Directions that are added at a time.
            seed: Seed of the random directions.

        Source: randomised range finder with one power iteration (Halko, Martinsson & Tropp 2011).
        """
        generator = torch.Generator().manual_seed(seed)
        rows = self.matrix.shape[0]
        total = float(self.matrix.abs().square().sum())
        kept = 0.0
        parts: list[Tensor] = []
        basis = self.matrix[:, :0]
        while kept < (1 - tolerance) * total and basis.shape[1] < rows:
            draw = self._random(min(block, rows - basis.shape[1]), generator)
            draw = self.matrix @ (self.matrix.mH @ draw)
            # twice: what is left of a column that was in the basis already is round-off
            for _ in range(2):
                draw = torch.linalg.qr(draw - basis @ (basis.mH @ draw))[0]
            parts.append(draw.mH @ self.matrix)
            kept += float(parts[-1].abs().square().sum())
            basis = torch.cat([basis, draw], 1)
        data = basis.mH @ self.data
        lost = max(0.0, float(self.data.abs().square().sum() - data.abs().square().sum()))
        return Marginal(
            torch.cat(parts),
            data,
            self.noise,
            self.beyond + lost,
            self.others + rows - basis.shape[1],
        )

    def _random(self, count: int, generator: torch.Generator) -> Tensor:
        """Random directions (m, count), real or complex as the matrix."""
        pair = torch.randn(
            2, len(self.matrix), count, dtype=self.matrix.dtype.to_real(), generator=generator
        ).to(self.matrix.device)
        if self.matrix.is_complex():
            return torch.complex(*pair)
        return pair[0]

    def likelier_noise(self, variance: Tensor, found: Posterior) -> Marginal:
        """The same with the noise's variance by one step of expectation maximisation.

        The step never lowers the likelihood. σ² becomes (|y - A μ|² + σ² Σ γ h) / m, the expected
        residual.

        Args:
            variance: (n,), γ of each voxel.
            found: The posterior under these variances.
        """
        left = float((self.data - self.matrix @ found.mean).abs().square().sum()) + self.beyond
        noise = (left + self.noise * float((variance * found.curvature).sum())) / (
            len(self.data) + self.others
        )
        return replace(self, noise=noise)
