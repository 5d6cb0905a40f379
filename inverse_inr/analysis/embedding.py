"""What an encoding does to neighbouring points: singular values of the embedding matrix, local Lipschitz constants.

A shallow network on an embedding Ψ memorises n points where the matrix of their embeddings has rank n, and generalises
between them where Ψ changes slowly: the stable rank of the one is traded against the Lipschitz constant of the other.
Ramasinghe & Lucey, Beyond Periodicity, ECCV 2022; Zheng et al., Rethinking Positional Encoding, 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.spectrum import panels
from inverse_inr.priors import Prior

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Embedding = Callable[[Tensor], Tensor]
"""(n, d) coordinates -> (n, size) features."""


@dataclass(frozen=True)
class SingularValues:
    """Singular values of the (points, features) matrix, largest first."""

    values: Tensor

    @property
    def stable_rank(self) -> float:
        """‖Ψ‖²_F / ‖Ψ‖²₂: at most the rank, and robust to tiny singular values."""
        return float(self.values.square().sum() / self.values[0].square())

    @property
    def condition(self) -> float:
        return float(self.values[0] / self.values[-1])

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        axes = panels(1) if axes is None else axes
        axes[0].semilogy(
            torch.arange(1, len(self.values) + 1), self.values / self.values[0], color="0.2"
        )
        axes[0].axvline(self.stable_rank, color="C1", label=f"stable rank {self.stable_rank:.1f}")
        axes[0].set(xlabel="singular value number", ylabel="singular value / largest")
        axes[0].legend(frameon=False)
        return axes


@dataclass(frozen=True)
class LocalLipschitz:
    """‖∂Ψ/∂x‖₂ at each of `points` (n, d): how fast the embedding can change there, per unit of the coordinates."""

    points: Tensor
    values: Tensor

    @property
    def constant(self) -> float:
        """The largest: a lower bound of the Lipschitz constant, sharp where the points are dense."""
        return float(self.values.max())

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Against the coordinate in one dimension, as a distribution in more."""
        axes = panels(1) if axes is None else axes
        if self.points.shape[-1] == 1:
            order = self.points[:, 0].argsort()
            axes[0].plot(self.points[order, 0], self.values[order], color="0.2")
            axes[0].set(xlabel="coordinate", ylabel="local Lipschitz constant")
        else:
            axes[0].hist(self.values.tolist(), bins=40, color="0.6")
            axes[0].set(xlabel="local Lipschitz constant", ylabel="points")
        return axes


def features(prior: Prior) -> Embedding:
    """A prior's embedding of physical points: its encoding, or its first layer where coordinates enter as they are."""
    layers = getattr(prior.network, "layers", None)
    plain = prior.encoding.size == prior.box.ndim
    first = (
        layers[0] if plain and isinstance(layers, nn.ModuleList) and len(layers) else nn.Identity()
    )
    return lambda points: first(prior.encoding(prior.box.normalize(points)))


def embedding_singular_values(embedding: Prior | Embedding, points: Tensor) -> SingularValues:
    """Singular values of the matrix whose rows embed `points` (n, d): a prior's `features`, or any callable's."""
    with torch.no_grad():
        matrix = _callable(embedding)(points.reshape(-1, points.shape[-1]))
    _check(matrix, points)
    return SingularValues(torch.linalg.svdvals(matrix.double()))


def local_lipschitz(embedding: Prior | Embedding, points: Tensor) -> LocalLipschitz:
    """The spectral norm of ∂Ψ/∂x at each of `points` (n, d); one backward pass a feature.

    Of a prior per unit of its box, of any other callable per unit of its argument. Points are embedded one by one.
    """
    flat = points.reshape(-1, points.shape[-1]).detach().clone().requires_grad_(True)
    with torch.enable_grad():
        matrix = _callable(embedding)(flat)
        _check(matrix, points)
        gram = flat.new_zeros(len(flat), flat.shape[1], flat.shape[1])
        for column in matrix.unbind(1):
            (slope,) = torch.autograd.grad(
                column.sum(), flat, retain_graph=True, materialize_grads=True
            )
            gram += (
                slope[:, :, None] * slope[:, None, :]
            )  # JᵀJ needs no more memory than d² a point
    return LocalLipschitz(flat.detach(), torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0).sqrt())


def _callable(embedding: Prior | Embedding) -> Embedding:
    return features(embedding) if isinstance(embedding, Prior) else embedding


def _check(matrix: Tensor, points: Tensor) -> None:
    count = points[..., 0].numel()
    if matrix.ndim != 2 or len(matrix) != count or matrix.is_complex():
        raise ValueError(
            f"An embedding maps (n, d) points to real (n, size) features; {count} points gave {matrix.dtype} of shape "
            f"{tuple(matrix.shape)}."
        )
