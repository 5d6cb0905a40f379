"""The empirical neural tangent kernel: what gradient descent learns first.

It ranks signals, or measurements, by how quickly they are learnt.

    K = J Jᵀ,   J = ∂ A(f_θ) / ∂θ

Under gradient flow the residual along an eigenvector decays as exp(-λ t).

Sources: Jacot et al., Neural Tangent Kernel, NeurIPS 2018; for fields Tancik et al. 2020, section
4; signals in its eigenvectors: Yüce et al., A Structured Dictionary Perspective on Implicit Neural
Representations, CVPR 2022, section 5.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.embedding import check_points
from inverse_inr.analysis.figures import panels
from inverse_inr.protocol import Operator, Query, chosen_rows, evaluating, predict
from inverse_inr.ranges import Count, FiniteTensor, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 4096
"""The most outputs that a kernel is made of: it has their number squared of entries."""

MEMORY = 2**30
"""Bytes of Jacobian that are held at once; what does not fit is computed again."""


@dataclass(frozen=True)
class KernelSpectrum:
    """The spectrum of a tangent kernel.

    Attributes:
        eigenvalues: (m,), the largest first.
        eigenvectors: (m, m), in columns.
        energy: (m,), the share of the given data's squared norm along each eigenvector; None
            without data.
    """

    eigenvalues: Tensor
    eigenvectors: Tensor
    energy: Tensor | None = None

    @property
    def effective_rank(self) -> float:
        """(Σ λ)² / Σ λ²: how many directions share the learning."""
        return float(self.eigenvalues.sum().square() / self.eigenvalues.square().sum())

    def energy_above(self, fraction: float = 0.1) -> float:
        """The data's share along eigenvectors of large λ, which are learnt quickly.

        Args:
            fraction: λ counts as large from this fraction of the largest one.

        Raises:
            ValueError: No data were given.
        """
        if self.energy is None:
            raise ValueError("KernelSpectrum has no energy: pass data=... to ntk_spectrum.")
        return float(self.energy[self.eigenvalues >= fraction * self.eigenvalues[0]].sum())

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the eigenvalues over the largest and, given data, how their energy accumulates.

        Args:
            axes: One or, given data, two axes to draw on; default: a new figure's.
        """
        if axes is None:
            count = 2
            if self.energy is None:
                count = 1
            axes = panels(count)
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


@checked
def ntk_spectrum(
    prior: nn.Module,
    points: FiniteTensor | None = None,
    operator: Operator | None = None,
    rows: Tensor | None = None,
    *,
    data: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
    chunk: Count = 8,
) -> KernelSpectrum:
    """Eigenvalues of the tangent kernel J Jᵀ of a field at points, or of its measurements A∘f.

    Outputs are the values in order, channels last; complex ones count twice: real parts, then
    imaginary parts. Rows of the Jacobian come one by one from autograd, since custom kernels of
    grids and operators have no batching rule.

    Args:
        prior: The field f.
        points: (*s, d), for the kernel of f; or give an operator.
        operator: A, for the kernel of A∘f.
        rows: The indices of the measurements; default: all of the operator's.
        data: The signal to be learnt, of the outputs' shape; it gives the energies.
        dtype: The precision of the computation, on a copy of the prior and the operator.
        chunk: Points or rows that are evaluated together.

    Raises:
        ValueError: Both or neither of points and operator are given, or there are more than 4096
            outputs.
    """
    if (points is None) == (operator is None):
        raise ValueError(
            "ntk_spectrum: give points (the kernel of f) or an operator (the kernel of A∘f), "
            "one of them."
        )
    prior = copy.deepcopy(prior).to(dtype)
    if points is not None:
        check_points("ntk_spectrum", points)
        operator = _Values(points.reshape(-1, points.shape[-1]).to(dtype))
    elif isinstance(operator, nn.Module):
        operator = copy.deepcopy(operator).to(dtype)
    assert operator is not None
    with evaluating(operator, prior):
        gram = _gram(_Jacobian(prior, operator, chunk), chosen_rows(operator, rows))
    values, vectors = torch.linalg.eigh(gram)
    values = values.flip(0).clamp(min=0)
    vectors = vectors.flip(1)
    if data is None:
        return KernelSpectrum(values, vectors)
    return KernelSpectrum(values, vectors, _energy(data, vectors))


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
        self.prior = prior
        self.operator = operator
        self.chunk = chunk
        self.parameters = [p.requires_grad_(True) for p in prior.parameters()]
        self.width = sum(p.numel() for p in self.parameters)

    def __call__(self, rows: Tensor) -> Tensor:
        """(outputs, 1 or 2, parameters): the second axis is real and imaginary part."""
        blocks = []
        for part in rows.split(self.chunk):
            with torch.enable_grad():
                outputs = predict(self.operator, self.prior, part)
                flat = _real_parts(outputs)
            rows_of_part = torch.stack([self._row(v) for v in flat.flatten()])
            blocks.append(rows_of_part.unflatten(0, (-1, flat.shape[-1])))
        return torch.cat(blocks)

    def _row(self, output: Tensor) -> Tensor:
        gradients = torch.autograd.grad(
            output, self.parameters, retain_graph=True, materialize_grads=True
        )
        return torch.cat([g.flatten() for g in gradients])


def _real_parts(values: Tensor) -> Tensor:
    """(*s, 2) real and imaginary parts of complex values, (*s, 1) for real ones."""
    if values.is_complex():
        return torch.view_as_real(values)
    return values[..., None]


def _gram(jacobian: _Jacobian, rows: Tensor) -> Tensor:
    """J Jᵀ by blocks of rows: as many are held as fit in `MEMORY`, the others are made anew."""
    first = jacobian(rows[:1])
    outputs = first.shape[0] * first.shape[1]
    if outputs * len(rows) > LARGEST:
        raise ValueError(
            f"ntk_spectrum: {len(rows)} points or rows of {outputs} numbers each are "
            f"more than {LARGEST} outputs. Pass fewer points, or a subset of rows."
        )
    held = max(1, MEMORY // (2 * outputs * jacobian.width * first.element_size()))
    parts = rows.split(held)
    blocks = [[first.new_zeros(0)] * len(parts) for _ in parts]
    for i, part in enumerate(parts):
        left = jacobian(part)
        for j in range(i + 1):
            right = left
            if j != i:
                right = jacobian(parts[j])
            blocks[i][j] = torch.einsum("apw,bqw->paqb", left, right)
            blocks[j][i] = blocks[i][j].permute(2, 3, 0, 1)
    gram = torch.cat([torch.cat(line, 3) for line in blocks], 1)
    return gram.flatten(2).flatten(0, 1)


def _energy(data: Tensor, vectors: Tensor) -> Tensor:
    flat = data.flatten()
    if data.is_complex():
        flat = torch.cat([flat.real, flat.imag])
    if len(flat) != len(vectors):
        raise ValueError(
            f"ntk_spectrum: data of shape {tuple(data.shape)} for {len(vectors)} outputs."
        )
    flat = flat.to(vectors)
    return (vectors.mT @ flat).square() / flat.square().sum().clamp(min=1e-300)
