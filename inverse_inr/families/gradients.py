"""Gradients of single samples, the diagonal Fisher information, and what layers give."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr.priors import Prior
from inverse_inr.priors.topologies import Layer
from inverse_inr.ranges import checked

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""The loss of one sample: (prediction (channels,), target (channels,)) -> scalar."""


def half_squared(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the squared distance of one sample, the loss of Gaussian noise of unit deviation."""
    return 0.5 * (prediction - target).abs().square().sum()


@checked
def sample_gradients(
    field: Prior, points: Tensor, targets: Tensor, loss: SampleLoss = half_squared
) -> dict[str, Tensor]:
    """Compute the gradient of each sample's own loss in the parameters.

    Args:
        field: The prior.
        points: (n, d) physical coordinates.
        targets: (n, channels) values there.
        loss: The loss of one sample.

    Returns:
        (n, *shape) for each parameter.

    Raises:
        ValueError: There are not as many targets as points.
    """
    _require_pairs("sample_gradients", field, points, targets)
    state = {name: p.detach() for name, p in field.named_parameters()}

    def one(state: dict[str, Tensor], point: Tensor, target: Tensor) -> Tensor:
        seen = torch.func.functional_call(field, state, (point[None],))
        assert isinstance(seen, Tensor)
        return loss(seen[0], target)

    return torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))(state, points, targets)


@checked
def fisher_diagonal(
    field: Prior, points: Tensor, targets: Tensor, loss: SampleLoss = half_squared
) -> dict[str, Tensor]:
    """Compute Σ_k (∂ loss_k / ∂θ)², the diagonal of the empirical Fisher information.

    Args:
        field: The prior.
        points: (n, d) physical coordinates.
        targets: (n, channels) values there.
        loss: The loss of one sample, a negative log-likelihood.

    Returns:
        A tensor of its shape for each parameter.
    """
    _require_pairs("fisher_diagonal", field, points, targets)
    total = {name: torch.zeros_like(p) for name, p in field.named_parameters()}
    for some, there in zip(points.split(256), targets.split(256), strict=True):
        for name, slope in sample_gradients(field, some, there, loss).items():
            total[name] = total[name] + slope.square().sum(0)
    return total


def _require_pairs(name: str, field: Prior, points: Tensor, targets: Tensor) -> None:
    """Refuse what is not one target for each point."""
    if points.ndim != 2 or targets.shape != (len(points), field.channels):
        raise ValueError(
            f"{name}: points of shape {tuple(points.shape)} and targets of shape "
            f"{tuple(targets.shape)} do not match; (n, {field.box.ndim}) and (n, {field.channels}) "
            "do."
        )


@checked
def activations(field: Prior, points: Tensor) -> list[Tensor]:
    """Give what each hidden layer of a network makes of points.

    Args:
        field: A prior whose network has layers.
        points: (*s, d) physical coordinates.

    Returns:
        (*s, width) for each layer, in order.

    Raises:
        TypeError: The network has no such layers.
    """
    found: list[Tensor] = []

    def tap(_: nn.Module, __: object, result: Tensor) -> None:
        found.append(result.detach())

    hooks = [m.register_forward_hook(tap) for m in field.modules() if isinstance(m, Layer)]
    if not hooks:
        raise TypeError(f"activations: the network of {field.name!r} has no layers to look at.")
    try:
        with torch.no_grad():
            field(points)
    finally:
        for hook in hooks:
            hook.remove()
    return found
