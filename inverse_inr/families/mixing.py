"""Between two fields of a family, and weights aligned up to the symmetries of a network."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor

from inverse_inr.families.modulated import Code
from inverse_inr.priors import Prior
from inverse_inr.priors.state import state_differences
from inverse_inr.priors.topologies import MLP, Layer, Linear
from inverse_inr.ranges import Count, Finite, checked

One = TypeVar("One", Code, Prior)

SWEEPS = 20
"""Sweeps over the layers of an alignment, at most: it converges in a few."""


@checked
def between(first: One, second: One, fraction: Finite) -> One:
    """Mix two codes of a family, or two fields of one start.

    Args:
        first: A code, or a prior.
        second: Another of the same family, or of the same architecture and box.
        fraction: 0 gives the first, 1 the second; beyond them it goes on along the line.

    Returns:
        The mixture, of the same kind.

    Raises:
        TypeError: One is a code and the other a field, or neither is one of them.
        ValueError: The codes are of two families, or the fields of two architectures or boxes.
    """
    if isinstance(first, Code) and isinstance(second, Code):
        if first.decoder != second.decoder:
            raise ValueError(
                f"between: the codes belong to two families, {first.decoder[:12]} and "
                f"{second.decoder[:12]}; nothing lies between them."
            )
        values = torch.lerp(first.values, second.values, fraction)
        return Code(values, first.decoder, first.box)
    if not isinstance(first, Prior) or not isinstance(second, Prior):
        raise TypeError(
            f"between: {type(first).__name__} and {type(second).__name__}; take two codes of one "
            "family, or two priors."
        )
    require_comparable("between", first, second)
    made = copy.deepcopy(first)
    state = second.state_dict()
    learnt = {n: torch.lerp(p.detach(), state[n], fraction) for n, p in first.named_parameters()}
    made.load_state_dict({**first.state_dict(), **learnt})
    return made


def require_comparable(name: str, first: Prior, second: Prior) -> None:
    """Refuse two priors whose weights do not mean the same.

    Args:
        name: Who asks, for the message.
        first: A prior.
        second: Another.

    Raises:
        ValueError: They differ in architecture or box.
    """
    differ = state_differences(first.state_dict(), second.state_dict())
    if first.name != second.name or differ:
        what = differ[0] if differ else f"{first.name!r} and {second.name!r}"
        raise ValueError(f"{name}: the fields are of two architectures: {what}.")
    if first.box != second.box:
        raise ValueError(f"{name}: the fields live on two boxes, {first.box} and {second.box}.")


def weights_of(field: Prior) -> Tensor:
    """Lay what a prior has learnt in one vector, in an order that all of its architecture share.

    Args:
        field: The prior.

    Returns:
        (n,) real numbers.
    """
    parts = [p.detach() for _, p in sorted(field.named_parameters())]
    parts = [torch.view_as_real(p) if p.is_complex() else p for p in parts]
    return torch.cat([p.reshape(-1) for p in parts])


@checked
def aligned(field: Prior, to: Prior, sweeps: Count = SWEEPS) -> Prior:
    """Renumber the hidden units of a network, so that its weights are near those of another.

    Units of a layer can be exchanged, and those of an odd activation (a sine) can change their
    sign together with the weights that lead on, without any change of the field. Layer by layer,
    the assignment is taken whose weights before and after agree best, until none changes.

    Args:
        field: The prior whose units are renumbered, an MLP.
        to: The prior that it is compared with.
        sweeps: Sweeps over the layers, at most.

    Returns:
        A copy with the same values everywhere.

    Raises:
        TypeError: The network is no MLP with one linear map in each layer.
        ValueError: The priors differ in architecture or box.

    Source:
        Ainsworth et al. 2023 (Git Re-Basin), weight matching; signs of odd activations added.
    """
    require_comparable("aligned", field, to)
    made = copy.deepcopy(field)
    own, other = _maps(made), _maps(to)
    odd = [_is_odd(layer) for layer in _layers(made)]
    with torch.no_grad():
        for _ in range(sweeps):
            moved = [_renumbered(own, other, k, odd[k]) for k in range(len(own) - 1)]
            if not any(moved):
                break
    return made


def _layers(field: Prior) -> list[Layer]:
    network = field.network
    layers = list(network.layers) if isinstance(network, MLP) else []
    plain = [m for m in layers if isinstance(m, Layer) and len(m.linears) == 1]
    if not layers or len(plain) != len(layers):
        raise TypeError(
            f"aligned: the network of {field.name!r} is no MLP with one linear map in each layer."
        )
    return plain


def _maps(field: Prior) -> list[Linear]:
    """The linear maps from the first to the head."""
    network = field.network
    found = [layer.linears[0] for layer in _layers(field)]
    assert isinstance(network, MLP)
    maps = [m for m in (*found, network.head) if isinstance(m, Linear)]
    if len(maps) != len(found) + 1:
        raise TypeError(f"aligned: {field.name!r} has complex layers; only real ones are known.")
    return maps


def _is_odd(layer: Layer) -> bool:
    """Whether the activation is odd, so that a unit's sign is free."""
    linear = layer.linears[0]
    assert isinstance(linear, Linear)
    z = torch.linspace(-1.7, 2.3, 64, dtype=linear.weight.dtype)[:, None]
    width = len(linear.bias)
    with torch.no_grad():
        there = layer.activation(z.expand(-1, width))
        back = layer.activation(-z.expand(-1, width))
    return bool(torch.allclose(there, -back, atol=1e-5))


def _renumbered(own: list[Linear], other: list[Linear], k: int, odd: bool) -> bool:
    """Renumber the units behind map k, in place; whether anything changed."""
    from scipy.optimize import linear_sum_assignment

    before, after = own[k], own[k + 1]
    agreement = other[k].weight @ before.weight.T + torch.outer(other[k].bias, before.bias)
    agreement = agreement + other[k + 1].weight.T @ after.weight
    score = agreement.abs() if odd else agreement
    rows, units = linear_sum_assignment(score.double().numpy(), maximize=True)
    units = torch.as_tensor(units)
    signs = torch.ones(len(units), dtype=agreement.dtype)
    if odd:
        chosen = agreement[torch.as_tensor(rows), units]
        signs = torch.where(chosen < 0, -signs, signs)
    if bool((units == torch.arange(len(units))).all()) and bool((signs > 0).all()):
        return False
    before.weight.copy_(signs[:, None] * before.weight[units])
    before.bias.copy_(signs * before.bias[units])
    after.weight.copy_(signs * after.weight[:, units])
    return True
