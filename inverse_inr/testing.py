"""The public conformance kit: subclass `OperatorTests` or `PriorTests`, define `make`, and inherit the contract.

    class TestMyOperator(OperatorTests):
        def make(self):
            return MyOperator(...)

`inverse-inr check my_file.py:MyOperator` runs the same checks without pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.protocol import Operator, adjoint, predict


def smooth_field(channels: int = 1, dtype: torch.dtype = torch.float64) -> Field:
    """A deterministic smooth field of any dimension that no symmetry leaves unchanged."""

    def field(points: Tensor) -> Tensor:
        axis = torch.arange(1, points.shape[-1] + 1, dtype=points.dtype, device=points.device)
        phase = (points * axis.sqrt()).sum(-1, keepdim=True)
        values = [
            torch.sin((1 + 0.3 * c) * phase + 0.5 * c) + 0.2 * phase.cos() for c in range(channels)
        ]
        return torch.cat(values, -1).to(dtype)

    return field


class OperatorTests:
    """What every operator must satisfy. `linear = False` skips adjoint and additivity; `channels` of the field."""

    linear = True
    channels = 1
    tolerance = 1e-10

    def make(self) -> Operator:
        """A small operator in float64 (a fresh one at each call)."""
        raise NotImplementedError(f"{type(self).__name__} must define make() -> Operator.")

    def operator(self) -> Operator:
        operator = self.make()
        return operator.double().eval() if isinstance(operator, nn.Module) else operator

    def rows(self, operator: Operator, count: int = 7) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randperm(len(operator), generator=generator)[: min(count, len(operator))]

    def test_is_an_operator(self) -> None:
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
        operator, field = self.operator(), smooth_field(self.channels)
        whole, rows = predict(operator, field), self.rows(operator)
        assert len(whole) == len(operator), f"{len(operator)} rows gave {len(whole)} measurements"
        for chosen in (rows, rows.flip(0), rows[:1]):
            part = predict(operator, field, chosen)
            assert part.shape == whole[chosen].shape, (
                f"rows {tuple(chosen.shape)} gave shape {tuple(part.shape)}"
            )
            assert torch.allclose(
                part, whole[chosen], rtol=1e-9, atol=1e-9 * float(whole.detach().abs().max())
            ), "a batch of rows differs from the same rows of the whole"

    def test_evaluation_is_deterministic(self) -> None:
        operator, field = self.operator(), smooth_field(self.channels)
        assert torch.equal(predict(operator, field), predict(operator, field)), (
            "two calls in eval mode differ"
        )

    def test_points_are_finite(self) -> None:
        points, _ = self.operator()(self.rows(self.operator()))
        assert isinstance(points, Grid) or bool(torch.isfinite(points).all()), (
            "points hold NaN or Inf"
        )

    def _values(
        self, operator: Operator, rows: Tensor, seed: int
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        points, measure = operator(rows)
        shape = points.shape if isinstance(points, Grid) else points.shape[:-1]
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(*shape, self.channels, dtype=torch.float64, generator=generator), measure

    def test_dot(self) -> None:
        """<A x, y> = <x, A' y> in float64."""
        if not self.linear:
            return
        operator = self.operator()
        rows = self.rows(operator)
        x, measure = self._values(operator, rows, 1)
        ax = measure(x).detach()
        y = torch.randn(ax.shape, dtype=ax.dtype, generator=torch.Generator().manual_seed(2))
        back = adjoint(operator, rows, y, channels=self.channels, dtype=x.dtype)
        left, right = (ax.conj() * y).sum().real, (x * back).sum().real
        size = torch.linalg.vector_norm(ax) * torch.linalg.vector_norm(y)
        assert abs(left - right) <= self.tolerance * float(size), (
            f"<Ax, y> = {left:.12g} but <x, A'y> = {right:.12g}"
        )

    def test_linear(self) -> None:
        """A(x + 2 z) = A x + 2 A z."""
        if not self.linear:
            return
        operator = self.operator()
        x, measure = self._values(operator, self.rows(operator), 1)
        z, _ = self._values(operator, self.rows(operator), 3)
        whole, parts = measure(x + 2 * z), measure(x) + 2 * measure(z)
        assert torch.allclose(
            whole, parts, rtol=1e-8, atol=1e-8 * float(parts.detach().abs().max())
        ), "not additive"

    def test_gradients_of_what_it_learns(self) -> None:
        """Every learnable parameter's gradient against finite differences."""
        operator, field = self.operator(), smooth_field(self.channels)
        parameters = (
            [p for p in operator.parameters() if p.requires_grad]
            if isinstance(operator, nn.Module)
            else []
        )
        if not parameters:
            return
        rows = self.rows(operator, 3)
        weights = torch.linspace(
            0.5, 1.5, predict(operator, field, rows).numel(), dtype=torch.float64
        )

        def loss() -> Tensor:
            return (predict(operator, field, rows).abs().flatten() * weights).sum()

        for p, grad in zip(parameters, torch.autograd.grad(loss(), parameters), strict=True):
            for k in range(min(3, p.numel())):
                numeric = _difference(loss, p, k)
                assert abs(numeric - float(grad.flatten()[k])) <= 1e-5 * (1 + abs(numeric)), (
                    f"gradient {float(grad.flatten()[k]):.6g}, finite difference {numeric:.6g}"
                )

    def test_precision_follows_the_field(self) -> None:
        operator = self.make()
        for dtype in (torch.float32, torch.float64):
            placed = operator.to(dtype) if isinstance(operator, nn.Module) else operator
            network = nn.Linear(self._dimension(placed), self.channels).to(dtype)
            predicted = predict(placed, network, self.rows(placed))
            assert predicted.dtype.to_real() == dtype, (
                f"a field in {dtype} was measured as {predicted.dtype}"
            )

    def _dimension(self, operator: Operator) -> int:
        points, _ = operator(self.rows(operator, 1))
        return points.ndim if isinstance(points, Grid) else points.shape[-1]


def _difference(
    loss: Callable[[], Tensor], parameter: nn.Parameter, k: int, step: float = 1e-6
) -> float:
    flat = parameter.data.view(-1)
    old = float(flat[k])
    values = []
    for sign in (1, -1):
        flat[k] = old + sign * step
        values.append(float(loss().detach()))
    flat[k] = old
    return (values[0] - values[1]) / (2 * step)


class PriorTests:
    """What every prior must satisfy: an nn.Module from points to values, on `box`."""

    box = Box((-1.0, 0.0), (2.0, 1.0))
    channels = 1

    def make(self) -> nn.Module:
        """A small prior on `box` with `channels` channels (the same at each call)."""
        raise NotImplementedError(f"{type(self).__name__} must define make() -> nn.Module.")

    def points(self, count: int = 33, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.box.random_points(
            count, dtype=dtype, generator=torch.Generator().manual_seed(0)
        )

    def test_shape(self) -> None:
        prior = self.make()
        for lead in ((), (5,), (2, 3)):
            points = self.points(6)[0].expand(*lead, self.box.ndim)
            assert prior(points).shape == (*lead, self.channels), (
                f"points of shape {tuple(points.shape)}"
            )

    def test_is_deterministic(self) -> None:
        a, b = self.make(), self.make()
        assert torch.equal(a(self.points()), b(self.points())), "two priors of one seed differ"

    def test_lattice_equals_points(self) -> None:
        prior = self.make()
        grid = Grid(self.box, (9, 7, 5)[: self.box.ndim])
        assert torch.allclose(sample(prior, grid), prior(grid.points()), atol=1e-5), (
            "sample(grid) differs from points"
        )

    def test_state_restores_it(self) -> None:
        a, b = self.make(), self.make()
        with torch.no_grad():
            for p in a.parameters():
                p.add_(0.01)
        b.load_state_dict(a.state_dict())
        assert torch.equal(a(self.points()), b(self.points())), (
            "state_dict does not hold everything"
        )

    def test_every_parameter_has_a_gradient_and_one_group(self) -> None:
        prior = self.make()
        prior(self.points(4096)).abs().square().sum().backward()
        assert all(
            p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in prior.parameters()
        )
        groups = getattr(prior, "param_groups", None)
        if groups is not None:
            listed = sorted(id(p) for g in groups() for p in g["params"])
            assert listed == sorted(id(p) for p in prior.parameters()), (
                "param_groups must list each parameter once"
            )

    def test_precision(self) -> None:
        value = self.make().double()(self.points(dtype=torch.float64))
        assert value.dtype.to_real() == torch.float64


def checks(kit: OperatorTests | PriorTests) -> Iterator[tuple[str, Callable[[], Any]]]:
    """(name, check) of every check in a kit."""
    for name in dir(kit):
        if name.startswith("test_"):
            yield name.removeprefix("test_").replace("_", " "), getattr(kit, name)


def run_checks(kit: OperatorTests | PriorTests) -> list[tuple[str, str | None]]:
    """Run a kit without pytest: (check, None or what failed)."""
    results: list[tuple[str, str | None]] = []
    for name, check in checks(kit):
        try:
            check()
            results.append((name, None))
        except Exception as error:
            results.append((name, f"{type(error).__name__}: {error}"))
    return results
