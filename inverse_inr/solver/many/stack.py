"""Several priors of one architecture, whose parameters are slices of one stacked tensor each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.evaluation import sample

State = dict[str, Tensor]
"""Tensors by their names in the prior, with a first axis of one entry per prior."""


class Stack:
    """Several priors that are evaluated together.

    Each prior stays whole: its parameters become views of the stacked ones, so that it always has
    the values of the newest step, and can be evaluated, saved and restored by itself.

    Args:
        priors: Priors of one architecture, each with parameters of its own.

    Attributes:
        own: What is learnt, (priors, *shape) by name.

    Raises:
        ValueError: They differ in a name or a shape, or `torch.func` cannot evaluate them together.
    """

    def __init__(self, priors: Sequence[nn.Module]) -> None:
        self.priors = list(priors)
        first = self.priors[0]
        shapes = [{n: v.shape for n, v in prior.state_dict().items()} for prior in self.priors]
        if any(type(p) is not type(first) for p in self.priors) or any(
            s != shapes[0] for s in shapes
        ):
            raise ValueError("the priors differ in architecture or size")
        self._asked = _Asked(first)
        learnt = [n for n, p in first.named_parameters() if p.requires_grad]
        stacked = [_tensors(prior) for prior in self.priors]
        self.own: State = {}
        self._fixed: State = {}
        for name, value in stacked[0].items():
            values = [tensors[name].detach() for tensors in stacked]
            if name in learnt:
                self.own[name] = torch.stack(values).requires_grad_()
            elif not all(torch.equal(value, other) for other in values[1:]):
                self._fixed[name] = torch.stack(values)
        self._bind()

    def _bind(self) -> None:
        """Make each prior's parameters slices of the stacked ones."""
        self._parameters: dict[str, list[nn.Parameter]] = {name: [] for name in self.own}
        for k, prior in enumerate(self.priors):
            for name, parameter in prior.named_parameters():
                if name in self.own:
                    parameter.data = self.own[name].detach()[k]
                    self._parameters[name].append(parameter)

    def __call__(self, points: Tensor) -> Tensor:
        """Evaluate all priors.

        Args:
            points: (n, d) physical coordinates for all, or (priors, n, d).

        Returns:
            (priors, n, channels).
        """
        dims = 0
        if points.ndim == 2:
            dims = None
        return torch.func.vmap(self._one, in_dims=(0, 0, dims))(self.own, self._fixed, points)

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate all priors on a lattice, (priors, *grid.shape, channels)."""
        return torch.func.vmap(lambda own, fixed: self._one(own, fixed, grid))(
            self.own, self._fixed
        )

    def _one(self, own: State, fixed: State, where: Tensor | Grid) -> Tensor:
        state = {f"prior.{name}": value for name, value in (own | fixed).items()}
        return torch.func.functional_call(self._asked, state, (where,))

    def collect_gradients(self) -> None:
        """Add the gradients that single priors got to those of the stacked parameters."""
        for name, stacked in self.own.items():
            single = [parameter.grad for parameter in self._parameters[name]]
            if all(gradient is None for gradient in single):
                continue
            filled = [torch.zeros_like(stacked[0]) if g is None else g for g in single]
            total = torch.stack(filled)
            if stacked.grad is not None:
                total += stacked.grad
            stacked.grad = total

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for name, stacked in self.own.items():
            stacked.grad = None
            for parameter in self._parameters[name]:
                parameter.grad = None

    def without(self, keep: Sequence[int]) -> Stack:
        """Make a stack of some of the priors; the others keep the values that they have."""
        for k, prior in enumerate(self.priors):
            if k not in keep:
                for parameter in prior.parameters():
                    parameter.data = parameter.detach().clone()
        return Stack([self.priors[k] for k in keep])


class _Asked(nn.Module):
    """A prior that is asked for points or for a lattice, as `functional_call` can ask it."""

    def __init__(self, prior: nn.Module) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, where: Tensor | Grid) -> Tensor:
        if isinstance(where, Grid):
            return sample(self.prior, where)
        return self.prior(where)


def _tensors(prior: nn.Module) -> State:
    return {**dict(prior.named_parameters()), **dict(prior.named_buffers())}
