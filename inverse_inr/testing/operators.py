"""`OperatorTests`: the contract of an operator, as tests to inherit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field
from inverse_inr.protocol import Operator, adjoint, predict
from inverse_inr.ranges import Count, checked


@checked
def smooth_field(channels: Count = 1, dtype: torch.dtype = torch.float64) -> Field:
    """Make a deterministic smooth field of any dimension that no symmetry leaves unchanged.

    Args:
        channels: Number of channels of the field.
        dtype: Dtype of its values.

    Returns:
        The field, (*s, d) -> (*s, channels).
    """

    def field(points: Tensor) -> Tensor:
        axis = torch.arange(1, points.shape[-1] + 1, dtype=points.dtype, device=points.device)
        phase = (points * axis.sqrt()).sum(-1, keepdim=True)
        values = [
            torch.sin((1 + 0.3 * c) * phase + 0.5 * c) + 0.2 * phase.cos() for c in range(channels)
        ]
        return torch.cat(values, -1).to(dtype)

    return field


class OperatorTests:
    """The contract of every operator, as tests to inherit.

    Attributes:
        linear: Whether A is linear; False skips the tests of the adjoint and of additivity.
        channels: Number of channels of the field that the operator looks at.
        tolerance: Largest error of the dot test, relative to |A x| |y|.
    """

    linear = True
    channels = 1
    tolerance = 1e-10

    def make(self) -> Operator:
        """Make a small operator in float64, a fresh one at each call."""
        raise NotImplementedError(f"{type(self).__name__} must define make() -> Operator.")

    def operator(self) -> Operator:
        """Make an operator in float64 and eval mode."""
        operator = self.make()
        if isinstance(operator, nn.Module):
            return operator.double().eval()
        return operator

    def rows(self, operator: Operator, count: int = 7) -> Tensor:
        """Draw `count` rows, or all if there are fewer: (b,) indices, the same at each call."""
        generator = torch.Generator().manual_seed(0)
        return torch.randperm(len(operator), generator=generator)[: min(count, len(operator))]

    def test_is_an_operator(self) -> None:
        """It has a length, and answers rows with points and a callable."""
        operator = self.operator()
        assert isinstance(operator, Operator), (
            "needs __len__ and __call__(rows) -> (points, measure)"
        )
        assert len(operator) > 0, "has no rows"
        points, measure = operator(self.rows(operator))
        assert isinstance(points, Tensor | Grid), (
            f"points must be a Tensor or a Grid, got {type(points).__name__}"
        )
        assert callable(measure), "measure must be callable"

    def test_rows_are_independent(self) -> None:
        """A batch is the slice of the whole, in any order, one row alone included."""
        operator = self.operator()
        field = smooth_field(self.channels)
        whole = predict(operator, field)
        rows = self.rows(operator)
        assert len(whole) == len(operator), f"{len(operator)} rows gave {len(whole)} measurements"
        for chosen in (rows, rows.flip(0), rows[:1]):
            part = predict(operator, field, chosen)
            assert part.shape == whole[chosen].shape, (
                f"rows {tuple(chosen.shape)} gave shape {tuple(part.shape)}"
            )
            size = float(whole.detach().abs().max())
            assert torch.allclose(part, whole[chosen], rtol=1e-9, atol=1e-9 * size), (
                "a batch of rows differs from the same rows of the whole"
            )

    def test_evaluation_is_deterministic(self) -> None:
        """Two calls in eval mode predict the same."""
        operator = self.operator()
        field = smooth_field(self.channels)
        assert torch.equal(predict(operator, field), predict(operator, field)), (
            "two calls in eval mode differ"
        )

    def test_points_are_finite(self) -> None:
        """The operator looks at no NaN or Inf."""
        points, _ = self.operator()(self.rows(self.operator()))
        assert isinstance(points, Grid) or bool(torch.isfinite(points).all()), (
            "points hold NaN or Inf"
        )

    def _values(
        self, operator: Operator, rows: Tensor, seed: int
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Random values at the points of some rows, and the `measure` that takes them."""
        points, measure = operator(rows)
        shape = points.shape
        if not isinstance(points, Grid):
            shape = points.shape[:-1]
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(*shape, self.channels, dtype=torch.float64, generator=generator)
        return values, measure

    def test_dot(self) -> None:
        """The adjoint is the adjoint: <A x, y> = <x, A' y> in float64."""
        if not self.linear:
            return
        operator = self.operator()
        rows = self.rows(operator)
        x, measure = self._values(operator, rows, 1)
        ax = measure(x).detach()
        y = torch.randn(ax.shape, dtype=ax.dtype, generator=torch.Generator().manual_seed(2))
        back = adjoint(operator, rows, y, channels=self.channels, dtype=x.dtype)
        left = (ax.conj() * y).sum().real
        right = (x * back).sum().real
        size = torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
        assert abs(left - right) <= self.tolerance * float(size), (
            f"<Ax, y> = {left:.12g} but <x, A'y> = {right:.12g}"
        )

    def test_linear(self) -> None:
        """Sums are measured term by term: A(x + 2 z) = A x + 2 A z."""
        if not self.linear:
            return
        operator = self.operator()
        x, measure = self._values(operator, self.rows(operator), 1)
        z, _ = self._values(operator, self.rows(operator), 3)
        whole = measure(x + 2 * z)
        parts = measure(x) + 2 * measure(z)
        size = float(parts.detach().abs().max())
        assert torch.allclose(whole, parts, rtol=1e-8, atol=1e-8 * size), "not additive"

    def test_gradients_of_what_it_learns(self) -> None:
        """Gradients of the operator's parameters agree with finite differences."""
        operator = self.operator()
        if not isinstance(operator, nn.Module):
            return
        parameters = [p for p in operator.parameters() if p.requires_grad]
        if not parameters:
            return
        field = smooth_field(self.channels)
        rows = self.rows(operator, 3)
        count = predict(operator, field, rows).numel()
        weights = torch.linspace(0.5, 1.5, count, dtype=torch.float64)

        def loss() -> Tensor:
            return (predict(operator, field, rows).abs().flatten() * weights).sum()

        for p, grad in zip(parameters, torch.autograd.grad(loss(), parameters), strict=True):
            for k in range(min(3, p.numel())):
                numeric = _difference(loss, p, k)
                assert abs(numeric - float(grad.flatten()[k])) <= 1e-5 * (1 + abs(numeric)), (
                    f"gradient {float(grad.flatten()[k]):.6g}, finite difference {numeric:.6g}"
                )

    def test_precision_follows_the_field(self) -> None:
        """A field in float32 or float64 gives measurements in its own precision."""
        operator = self.make()
        for dtype in (torch.float32, torch.float64):
            if isinstance(operator, nn.Module):
                operator = operator.to(dtype)
            network = nn.Linear(self._dimension(operator), self.channels).to(dtype)
            predicted = predict(operator, network, self.rows(operator))
            assert predicted.dtype.to_real() == dtype, (
                f"a field in {dtype} was measured as {predicted.dtype}"
            )

    def test_works_on_another_device(self) -> None:
        """A copy on a (make-believe) CUDA device predicts the same there, and is linear there."""
        from inverse_inr.testing.placement import operator_on_device

        operator = self.operator()
        if not isinstance(operator, nn.Module):
            return
        network = nn.Linear(self._dimension(operator), self.channels).double()
        rows = self.rows(operator, 3)
        operator_on_device(operator, network, rows, channels=self.channels, linear=self.linear)

    def _dimension(self, operator: Operator) -> int:
        """Number of axes d of the space that the operator looks at."""
        points, _ = operator(self.rows(operator, 1))
        if isinstance(points, Grid):
            return points.ndim
        return points.shape[-1]


def _difference(
    loss: Callable[[], Tensor], parameter: nn.Parameter, k: int, step: float = 1e-6
) -> float:
    """The central difference of a loss by entry k of a parameter."""
    flat = parameter.data.view(-1)
    old = float(flat[k])
    values = []
    for sign in (1, -1):
        flat[k] = old + sign * step
        values.append(float(loss().detach()))
    flat[k] = old
    return (values[0] - values[1]) / (2 * step)
