"""Embeddings of points: singular values of the embedding matrix, local Lipschitz constants.

A shallow network on an embedding Ψ memorises n points where the matrix of their embeddings has rank
n, and generalises between them where Ψ changes slowly: the stable rank of the one is traded against
the Lipschitz constant of the other. Sources: Ramasinghe & Lucey, Beyond Periodicity, ECCV 2022;
Zheng et al., Rethinking Positional Encoding, 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inverse_inr.analysis.figures import panels
from inverse_inr.priors import Prior
from inverse_inr.ranges import FiniteTensor, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Embedding = Callable[[Tensor], Tensor]
"""(n, d) coordinates -> (n, size) features."""


@dataclass(frozen=True)
class SingularValues:
    """Singular values of the (points, features) matrix of an embedding.

    Attributes:
        values: (n,), the largest first.
    """

    values: Tensor

    @property
    def stable_rank(self) -> float:
        """‖Ψ‖²_F / ‖Ψ‖²₂: at most the rank, and robust to tiny singular values."""
        return float(self.values.square().sum() / self.values[0].square())

    @property
    def condition(self) -> float:
        """The condition number: the largest singular value over the smallest."""
        return float(self.values[0] / self.values[-1])

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the singular values over the largest, and the stable rank.

        Args:
            axes: One axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(1)
        axes[0].semilogy(
            torch.arange(1, len(self.values) + 1), self.values / self.values[0], color="0.2"
        )
        axes[0].axvline(self.stable_rank, color="C1", label=f"stable rank {self.stable_rank:.1f}")
        axes[0].set(xlabel="singular value number", ylabel="singular value / largest")
        axes[0].legend(frameon=False)
        return axes


@dataclass(frozen=True)
class LocalLipschitz:
    """‖∂Ψ/∂x‖₂ at points: how fast the embedding can change there.

    Attributes:
        points: (n, d).
        values: (n,), the norms per unit of the coordinates.
    """

    points: Tensor
    values: Tensor

    @property
    def constant(self) -> float:
        """The largest norm: a lower bound of the Lipschitz constant, sharp for dense points."""
        return float(self.values.max())

    def plot(self, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
        """Draw the norms against the coordinate in one dimension, as a distribution in more.

        Args:
            axes: One axes to draw on; default: a new figure's.
        """
        if axes is None:
            axes = panels(1)
        if self.points.shape[-1] == 1:
            order = self.points[:, 0].argsort()
            axes[0].plot(self.points[order, 0], self.values[order], color="0.2")
            axes[0].set(xlabel="coordinate", ylabel="local Lipschitz constant")
        else:
            axes[0].hist(self.values.tolist(), bins=40, color="0.6")
            axes[0].set(xlabel="local Lipschitz constant", ylabel="points")
        return axes


@checked
def features(prior: Prior) -> Embedding:
    """A prior's embedding of physical points, (n, d) -> (n, size).

    It is the prior's encoding; where coordinates enter the network as they are, its first layer is
    added.
    """
    layers = getattr(prior.network, "layers", None)
    plain = prior.encoding.size == prior.box.ndim
    first: nn.Module = nn.Identity()
    if plain and isinstance(layers, nn.ModuleList) and len(layers):
        first = layers[0]
    return lambda points: first(prior.encoding(prior.box.normalize(points)))


@checked
def embedding_singular_values(embedding: Prior | Embedding, points: FiniteTensor) -> SingularValues:
    """Singular values of the matrix whose rows embed points.

    Args:
        embedding: A prior, whose `features` are taken, or any callable (n, d) -> (n, size).
        points: (*s, d).

    Raises:
        ValueError: The embedding is complex or has another shape, or there are no points.
    """
    check_points("embedding_singular_values", points)
    with torch.no_grad():
        matrix = _callable(embedding)(points.reshape(-1, points.shape[-1]))
    _check(matrix, points)
    return SingularValues(torch.linalg.svdvals(matrix.double()))


@checked
def local_lipschitz(embedding: Prior | Embedding, points: FiniteTensor) -> LocalLipschitz:
    """The spectral norm of ∂Ψ/∂x at points, by one backward pass per feature.

    The embedding of a point must not depend on the other points.

    Args:
        embedding: A prior, whose `features` are taken per unit of its box, or any callable (n, d)
            -> (n, size), per unit of its argument.
        points: (*s, d).

    Raises:
        ValueError: The embedding is complex or has another shape, or there are no points.
    """
    check_points("local_lipschitz", points)
    flat = points.reshape(-1, points.shape[-1]).detach().clone().requires_grad_(True)
    with torch.enable_grad():
        matrix = _callable(embedding)(flat)
        _check(matrix, points)
        gram = flat.new_zeros(len(flat), flat.shape[1], flat.shape[1])
        for column in matrix.unbind(1):
            (slope,) = torch.autograd.grad(
                column.sum(), flat, retain_graph=True, materialize_grads=True
            )
            # JᵀJ needs d² numbers per point, J would need d for each of the features
            gram += slope[:, :, None] * slope[:, None, :]
    return LocalLipschitz(flat.detach(), torch.linalg.eigvalsh(gram)[:, -1].clamp(min=0).sqrt())


def check_points(name: str, points: Tensor) -> None:
    """Check that there are points, and that their coordinates come last.

    Args:
        name: Who asks, for the message.
        points: (*s, d).

    Raises:
        ValueError: They do not, or there are none.
    """
    if not points.ndim or not points.numel():
        raise ValueError(f"{name}: points must be (*s, d), got shape {tuple(points.shape)}.")


def _callable(embedding: Prior | Embedding) -> Embedding:
    if isinstance(embedding, Prior):
        return features(embedding)
    return embedding


def _check(matrix: Tensor, points: Tensor) -> None:
    count = points[..., 0].numel()
    if matrix.ndim != 2 or len(matrix) != count or matrix.is_complex():
        raise ValueError(
            "An embedding maps (n, d) points to real (n, size) features; "
            f"{count} points gave {matrix.dtype} of shape {tuple(matrix.shape)}."
        )
