"""The empirical neural tangent kernel: which signals, and which measurements, gradient descent learns first.

    K = J Jᵀ,   J = ∂ A(f_θ) / ∂θ:   under gradient flow the residual along an eigenvector decays as exp(-λ t)

Jacot et al., Neural Tangent Kernel, NeurIPS 2018; for fields Tancik et al. 2020, section 4; signals in its
eigenvectors: Yüce et al., A Structured Dictionary Perspective on Implicit Neural Representations, CVPR 2022, section 5.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.spectrum import panels
from inverse_inr.protocol import Operator, Query, all_rows, check_rows, evaluating, predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 4096
"""Outputs: the kernel has their number squared."""
MEMORY = 2**30
"""Bytes of Jacobian held at once; what does not fit is computed again."""


@dataclass(frozen=True)
class KernelSpectrum:
    """Eigenvalues (m,), largest first, their eigenvectors (m, m) in columns, and the `energy` (m,) of given data.

    `energy[k]` is the share of the data's squared norm along eigenvector k; None where no data were given.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    energy: Tensor | None = None

    @property
    def effective_rank(self) -> float:
        """(Σ λ)² / Σ λ²: how many directions share the learning."""
        return float(self.eigenvalues.sum().square() / self.eigenvalues.square().sum())

    def energy_above(self, fraction: float = 0.1) -> float:
        """The data's share along eigenvectors with λ of at least `fraction` of the largest: what is learnt quickly."""
        if self.energy is None:
            raise ValueError("KernelSpectrum has no energy: pass data=... to ntk_spectrum.")
        return float(self.energy[self.eigenvalues >= fraction * self.eigenvalues[0]].sum())

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """The eigenvalues over the largest and, beside them, how the data's energy accumulates."""
        axes = panels(1 if self.energy is None else 2) if axes is None else axes
        number = torch.arange(1, len(self.eigenvalues) + 1)
        axes[0].loglog(
            number, (self.eigenvalues / self.eigenvalues[0]).clamp(min=1e-16), color="0.2"
        )
        axes[0].set(xlabel="eigenvalue number", ylabel="eigenvalue / largest", ylim=(1e-12, 2))
        if self.energy is not None:
            axes[1].semilogx(number, self.energy.cumsum(0), color="C1")
            axes[1].set(
                xlabel="eigenvectors, most quickly learnt first",
                ylabel="share of the data's energy",
                ylim=(0, 1.02),
            )
        return axes


def ntk_spectrum(
    prior: nn.Module,
    points: Tensor | None = None,
    operator: Operator | None = None,
    rows: Tensor | None = None,
    *,
    data: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
    chunk: int = 8,
) -> KernelSpectrum:
    """Eigenvalues of J Jᵀ for f at `points` (n, d), or for A∘f at `rows` of `operator` (default: all).

    data   what is to be learnt, of the outputs' shape: its energy in the eigenvectors
    dtype  of the computation, on a copy of the prior and the operator
    chunk  outputs evaluated together

    Outputs are the values in order, channels last; complex ones count twice: real parts, then imaginary parts. Rows of
    the Jacobian come one by one from autograd, since custom kernels of grids and operators have no batching rule.
    Raises ValueError for both or neither of points and operator, and for more than 4096 outputs.
    """
    if (points is None) == (operator is None):
        raise ValueError(
            "ntk_spectrum: give points (the kernel of f) or an operator (the kernel of A∘f), one of them."
        )
    prior = copy.deepcopy(prior).to(dtype)
    if points is not None:
        operator = _Values(points.reshape(-1, points.shape[-1]).to(dtype))
    elif isinstance(operator, nn.Module):
        operator = copy.deepcopy(operator).to(dtype)
    assert operator is not None
    chosen = all_rows(operator) if rows is None else check_rows(operator, rows)
    with evaluating(operator, prior):
        gram = _gram(_Jacobian(prior, operator, chunk), chosen)
    values, vectors = torch.linalg.eigh(gram)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    return KernelSpectrum(values, vectors, None if data is None else _energy(data, vectors))


class _Values:
    """The field itself at given points, as an operator."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    def __len__(self) -> int:
        return len(self.points)

    def __call__(self, rows: Tensor) -> Query:
        return Query(self.points[rows], lambda values: values)


class _Jacobian:
    """Rows of ∂A(f_θ)/∂θ as a matrix."""

    def __init__(self, prior: nn.Module, operator: Operator, chunk: int) -> None:
        self.prior, self.operator, self.chunk = prior, operator, chunk
        self.parameters = [p.requires_grad_(True) for p in prior.parameters()]
        self.width = sum(p.numel() for p in self.parameters)

    def __call__(self, rows: Tensor) -> Tensor:
        """(outputs, 1 or 2, parameters): the second axis is real and imaginary part."""
        blocks = []
        for part in rows.split(self.chunk):
            with torch.enable_grad():
                outputs = predict(self.operator, self.prior, part)
                flat = torch.view_as_real(outputs) if outputs.is_complex() else outputs[..., None]
            blocks.append(
                torch.stack([self._row(v) for v in flat.flatten()]).unflatten(
                    0, (-1, flat.shape[-1])
                )
            )
        return torch.cat(blocks)

    def _row(self, output: Tensor) -> Tensor:
        gradients = torch.autograd.grad(
            output, self.parameters, retain_graph=True, materialize_grads=True
        )
        return torch.cat([g.flatten() for g in gradients])


def _gram(jacobian: _Jacobian, rows: Tensor) -> Tensor:
    """J Jᵀ by blocks of rows: as many rows of J are held as fit in `MEMORY`, and the others are made anew."""
    first = jacobian(rows[:1])
    outputs = first.shape[0] * first.shape[1]
    if outputs * len(rows) > LARGEST:
        raise ValueError(
            f"ntk_spectrum: {len(rows)} points or rows of {outputs} numbers each are more than {LARGEST} outputs. "
            "Pass fewer points, or a subset of rows."
        )
    held = max(1, MEMORY // (2 * outputs * jacobian.width * first.element_size()))
    parts = rows.split(held)
    blocks = [[first.new_zeros(0)] * len(parts) for _ in parts]
    for i, part in enumerate(parts):
        left = jacobian(part)
        for j in range(i + 1):
            right = left if j == i else jacobian(parts[j])
            blocks[i][j] = torch.einsum("apw,bqw->paqb", left, right)
            blocks[j][i] = blocks[i][j].permute(2, 3, 0, 1)
    gram = torch.cat([torch.cat(line, 3) for line in blocks], 1)
    return gram.flatten(2).flatten(0, 1)


def _energy(data: Tensor, vectors: Tensor) -> Tensor:
    flat = (
        torch.cat([data.real.flatten(), data.imag.flatten()])
        if data.is_complex()
        else data.flatten()
    )
    if len(flat) != len(vectors):
        raise ValueError(
            f"ntk_spectrum: data of shape {tuple(data.shape)} for {len(vectors)} outputs."
        )
    flat = flat.to(vectors)
    return (vectors.mT @ flat).square() / flat.square().sum().clamp(min=1e-300)
