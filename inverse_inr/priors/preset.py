"""What presets share: checked options, a recipe that makes the prior again, the bandwidth in its two units."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import torch

from inverse_inr.domain import Box
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.prior import Prior, Recipe
from inverse_inr.priors.topologies import MLP, MakeLinear

P = ParamSpec("P")
Made = TypeVar("Made", bound=Prior)

MAY_BE_ZERO = ("coarse_to_fine", "depth", "seed")


def preset(build: Callable[P, Made]) -> Callable[P, Made]:
    """A catalogue entry: its numbers must be positive, and the prior remembers how it was made."""
    signature = inspect.signature(build)

    @functools.wraps(build)
    def create(*args: P.args, **kwargs: P.kwargs) -> Made:
        options = signature.bind(*args, **kwargs)
        options.apply_defaults()
        for name, value in options.arguments.items():
            _check_positive(build.__name__, name, value)
        with torch.random.fork_rng(
            devices=[]
        ):  # nn.Linear fills its weights before ours replace them
            prior = build(*args, **kwargs)
        summary = inspect.getdoc(build) or ""
        chosen = {k: v for k, v in options.arguments.items() if k != "box"}
        prior.recipe = Recipe(build.__name__, chosen, summary.split("\n\n")[0])
        return prior

    return create


def _check_positive(preset: str, name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if not math.isfinite(value) or value < 0 or (value == 0 and name not in MAY_BE_ZERO):
        raise ValueError(f"{preset}: {name} must be positive and finite, got {value}.")


def choose(preset: str, name: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value` where it is one of `allowed`. Raises ValueError that lists them."""
    if value not in allowed:
        raise ValueError(
            f"{preset}: {name} must be {' or '.join(map(repr, allowed))}, got {value!r}."
        )
    return value


def band(box: Box, bandwidth: float | None) -> tuple[float, float]:
    """(cycles per unit, cycles per normalised unit); by default what 128 pixels along the longest side can hold."""
    bandwidth = 32 * box.scale[0] if bandwidth is None else bandwidth
    return bandwidth, bandwidth / box.scale[0]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def coordinate_network(
    box: Box,
    activation: Activation | Sequence[Activation],
    *,
    channels: int,
    head: HeadName,
    bandwidth: float,
    width: int,
    depth: int,
    seed: int,
    learning_rate: float,
    encoding: Encoding | None = None,
    hidden: MakeLinear | None = None,
) -> Prior:
    """The common case: an MLP of one kind of activation on coordinates, or on an encoding of them."""
    encoding = Identity(box.ndim) if encoding is None else encoding

    def network(outputs: int) -> MLP:
        return MLP(
            encoding.size,
            outputs,
            width=width,
            depth=depth,
            activation=activation,
            generator=seeded(seed),
            hidden=hidden,
        )

    return Prior(
        box,
        encoding,
        network,
        channels=channels,
        head=head,
        bandwidth=bandwidth,
        learning_rate=learning_rate,
    )
