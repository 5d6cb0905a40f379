"""Networks of tiny-cuda-nn as fields. The package needs a GPU, and is imported only when asked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box
from inverse_inr.ranges import Count, Seed, checked

INSTEAD = (
    'The prior "hash" is the same encoding and network in PyTorch, on any device: '
    'ii.solve(problem, "hash").'
)


class TinyCudaField(nn.Module):
    """A network of coordinates in [0, 1] as a field of physical coordinates.

    It computes in half precision where tiny-cuda-nn was built so, and answers in float32. Second
    derivatives are those that tiny-cuda-nn has: of grid encodings with smooth interpolation, none
    through a network with ReLU.

    Args:
        network: A `tinycudann.NetworkWithInputEncoding` or `Module`: (n, d) to (n, channels), with
            the attributes `n_input_dims` and `n_output_dims`.
        box: Where the field lives; its corners are 0 and 1 to the network.

    Raises:
        TypeError: `network` is none of these.
        ValueError: It takes points of another number of axes than the box has.
    """

    def __init__(self, network: nn.Module, box: Box) -> None:
        super().__init__()
        name = type(network).__name__
        axes = getattr(network, "n_input_dims", None)
        channels = getattr(network, "n_output_dims", None)
        if not (isinstance(network, nn.Module) and isinstance(axes, int) and channels):
            raise TypeError(
                f"from_tinycudann: {name} is no module of tinycudann: it has no n_input_dims, "
                "n_output_dims."
            )
        if axes != box.ndim:
            raise ValueError(
                f"from_tinycudann: {name} takes points of {axes} axes, the box has {box.ndim}."
            )
        self.network = network
        self.box = box
        self.channels = int(channels)
        self.register_buffer("lower", torch.tensor(box.lower))
        self.register_buffer("lengths", torch.tensor(box.lengths))

    lower: Tensor
    lengths: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at points (*s, d) in the unit of the box: (*s, channels) float32."""
        unit = (points.to(self.lower) - self.lower) / self.lengths
        values = self.network(unit.reshape(-1, self.box.ndim))
        return values.float().reshape(*points.shape[:-1], self.channels)


@checked
def from_tinycudann(network: Any, box: Box) -> TinyCudaField:
    """Take a network of tiny-cuda-nn as the prior of any problem.

    Args:
        network: A `tinycudann.NetworkWithInputEncoding` or `Module` on the GPU.
        box: The problem's box.

    Returns:
        A field, to be passed to `ii.solve(problem, field, device="cuda")`.

    Raises:
        TypeError: This is no such network.
        ValueError: It takes points of another number of axes than the box has.
    """
    return TinyCudaField(network, box)


@checked
def tinycudann_prior(
    box: Box,
    encoding: Mapping[str, Any],
    network: Mapping[str, Any],
    *,
    channels: Count = 1,
    seed: Seed = 0,
) -> TinyCudaField:
    """Make a prior of tiny-cuda-nn from its own two dictionaries.

    Args:
        box: The problem's box.
        encoding: E.g. {"otype": "HashGrid", "n_levels": 16, ...}.
        network: E.g. {"otype": "FullyFusedMLP", "n_neurons": 64, "n_hidden_layers": 2, ...}.
        channels: Values of the field at each point.
        seed: Seed of the initial parameters.

    Returns:
        A field, to be passed to `ii.solve(problem, field, device="cuda")`.

    Raises:
        ImportError: tiny-cuda-nn is not installed, or finds no GPU; the message says which, and
            what does the same without.
    """
    if not torch.cuda.is_available():
        raise ImportError(
            f"tinycudann_prior: tiny-cuda-nn needs a CUDA GPU, none is here. {INSTEAD}"
        )
    try:
        theirs = import_module("tinycudann")
    except (ImportError, OSError) as error:  # it raises OSError where its build is of another GPU
        raise ImportError(
            f"tinycudann_prior: {error}. tiny-cuda-nn is built on the machine by pip, from "
            "its repository's bindings/torch, and needs nvcc and the GPU that it will run on. "
            f"{INSTEAD}"
        ) from error
    made = theirs.NetworkWithInputEncoding(
        box.ndim, channels, encoding_config=dict(encoding), network_config=dict(network), seed=seed
    )
    return TinyCudaField(made, box)
