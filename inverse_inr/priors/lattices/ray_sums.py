"""Integrals of a `hash` field along rays, in one kernel on a CUDA device: `ray_sums`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.kernels.triton.available import usable
from inverse_inr.kernels.triton.rays import Layers, fits, hidden_sums
from inverse_inr.priors.activations import ReLU
from inverse_inr.priors.encodings import Encoding
from inverse_inr.priors.heads import Heads
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.topologies import MLP, Layer, Linear
from inverse_inr.ranges import Count, checked


class Parts(NamedTuple):
    """The parts of a field that the kernels take.

    Attributes:
        encoding: The lattices of features.
        layers: The two hidden layers, for the levels that are in.
        last: The linear map to the values.
    """

    encoding: GridEncoding
    layers: Layers
    last: Linear


class AlongLines(nn.Module):
    """The part of a `Prior` that sums it along lines (`hooks.SumsLines`).

    Attributes:
        box: Where the field lives.
        encoding: Of normalised coordinates.
        network: From the encoding to the head's inputs.
        head: From the network's outputs to the values.
    """

    box: Box
    encoding: Encoding
    network: nn.Module
    head: Heads

    @property
    def sums_lines(self) -> bool:
        """Whether a kernel sums this field along lines: a small `hash` field on a CUDA device."""
        return fused_parts(self) is not None

    def line_sums(self, first: Tensor, step: Tensor, samples: int) -> Tensor:
        """Sum the field at equally spaced points of lines: `ray_sums` of this field."""
        return ray_sums(self, first, step, samples)


@checked
def ray_sums(prior: AlongLines, first: Tensor, step: Tensor, samples: Count) -> Tensor:
    """Sum a field at equally spaced points of rays: Σ_k f(first + k step) |step|.

    On a CUDA device with triton a `hash` field in float32 with a decoder of two hidden layers, at
    most 32 features wide, a linear head and at most 32 features of its lattices is summed by one
    kernel, which writes no point to memory and computes the field again for the first derivatives.
    Every other field, rays that are learnt and higher derivatives take the definition: the field at
    all points, n · samples of them.

    Args:
        prior: The field.
        first: (n, d) first point of each ray, in physical units.
        step: (n, d) from each point to the next, in physical units.
        samples: Points of each ray.

    Returns:
        (n, channels) sums, in units of the field times those of the box.

    Raises:
        ValueError: `first` and `step` are not both (n, d).
    """
    d = prior.box.ndim
    if first.ndim != 2 or first.shape[1] != d or step.shape != first.shape:
        raise ValueError(
            f"ray_sums: first is {tuple(first.shape)} and step {tuple(step.shape)}; both must be "
            f"(n, {d}), a point and a step of each ray."
        )
    parts = None
    if not (first.requires_grad or step.requires_grad):
        parts = fused_parts(prior)
    if parts is None:
        return defined_sums(prior, first, step, samples)
    return fused_sums(prior, parts, first, step, samples)


def defined_sums(prior: AlongLines, first: Tensor, step: Tensor, samples: int) -> Tensor:
    """Sum the field at all points, which are kept: the definition of `ray_sums`.

    Args:
        prior: The field.
        first: (n, d) first point of each ray.
        step: (n, d) from each point to the next.
        samples: Points of each ray.

    Returns:
        (n, channels).
    """
    number = torch.arange(samples, dtype=first.dtype, device=first.device)
    values = prior(first[:, None] + number[:, None] * step[:, None])
    length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
    return values.sum(1) * length.to(values.dtype)


def fused_sums(
    prior: AlongLines, parts: Parts, first: Tensor, step: Tensor, samples: int
) -> Tensor:
    """Sum the field by the kernels.

    Args:
        prior: The field.
        parts: Its parts.
        first: (n, d) first point of each ray.
        step: (n, d) from each point to the next.
        samples: Points of each ray.

    Returns:
        (n, channels).
    """
    encoding, layers, last = parts
    # in double precision, because a small step is the difference of two near points
    begin = prior.box.normalize(first.double())
    along = prior.box.normalize(first.double() + step.double()) - begin
    hidden = hidden_sums(
        begin.float(),
        along.float(),
        samples,
        encoding.table,
        encoding.on_device(),
        layers,
        encoding.features,
    )
    # the last layer is linear, so it may follow the sum
    values = hidden @ last.weight.T + samples * last.bias
    length = torch.linalg.vector_norm(step, dim=-1, keepdim=True)
    return values * length.to(values.dtype)


def fused_parts(prior: AlongLines) -> Parts | None:
    """Take a field apart as the kernels want it.

    Args:
        prior: The field.

    Returns:
        Its parts; None where the kernels do not know the field, or may not be used.
    """
    encoding = prior.encoding
    network = prior.network
    if not isinstance(encoding, GridEncoding) or not isinstance(network, MLP):
        return None
    if _is_changed(prior) or type(encoding.table) not in (Tensor, nn.Parameter):
        return None
    if not usable(encoding.table) or set(prior.head.names) != {"linear"}:
        return None
    linears = [_plain(layer) for layer in network.layers]
    if len(linears) != 2 or type(network.head) is not Linear:
        return None
    one, two = linears
    if one is None or two is None:
        return None
    # features of levels that are not in are zero
    used = encoding.levels_in * encoding.table.shape[1]
    layers = Layers(one.weight[:, :used], one.bias, two.weight, two.bias)
    if not fits(encoding.on_device(), layers):
        return None
    return Parts(encoding, layers, network.head)


def _is_changed(prior: AlongLines) -> bool:
    """Whether a call of the field does more than its parts: a subclass, or hooks of torch."""
    kind = type(prior)
    (plain,) = (each for each in kind.__mro__ if AlongLines in each.__bases__)
    if any(getattr(kind, name) is not getattr(plain, name) for name in ("forward", "_values")):
        return True
    modules = (prior, prior.encoding, prior.network)
    return any(each._forward_hooks or each._forward_pre_hooks for each in modules)


def _plain(layer: object) -> Linear | None:
    """The map of a layer that is ReLU(W h + b) and no more."""
    if not isinstance(layer, Layer) or type(layer.activation) is not ReLU or layer.lift:
        return None
    (linear,) = layer.linears
    if type(linear) is not Linear:
        return None
    return linear
