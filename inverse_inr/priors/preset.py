"""Tools that presets share: checked options, the recipe, the bandwidth in its two units."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

import torch

from inverse_inr.domain import Box
from inverse_inr.memory import Guarded
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.state import Recipe
from inverse_inr.priors.topologies import MLP, MakeLinear

P = ParamSpec("P")
Made = TypeVar("Made", bound=Prior)

MAY_BE_ZERO = ("coarse_to_fine", "depth", "seed")
"""Options of presets that may be 0; every other number must be positive."""

DEFAULT_PIXELS = 128
"""The default bandwidth is the Nyquist frequency of this many pixels along the longest side."""


def preset(build: Callable[P, Made]) -> Callable[P, Made]:
    """Make a function an entry of the catalogue.

    Its numbers are checked, and the priors that it makes remember how they were made. The first
    paragraph of the function's docstring becomes the recipe's summary, which `Prior.describe`
    prints.

    Args:
        build: The function that makes the prior.

    Returns:
        The same function. It raises ValueError for a number that is not positive and finite.
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def create(*args: P.args, **kwargs: P.kwargs) -> Made:
        options = signature.bind(*args, **kwargs)
        options.apply_defaults()
        for name, value in options.arguments.items():
            _check_positive(build.__name__, name, value)
        # nn.Linear draws weights before ours replace them: the caller's random numbers stay as they
        # were
        with torch.random.fork_rng(devices=[]), _guarded(build.__name__, options.arguments):
            prior = build(*args, **kwargs)
        summary = inspect.getdoc(build) or ""
        chosen = {k: v for k, v in options.arguments.items() if k != "box"}
        prior.recipe = Recipe(build.__name__, chosen, summary.split("\n\n")[0])
        return prior

    return create


def _guarded(preset: str, options: Mapping[str, object]) -> Guarded:
    """Nothing larger than the memory at hand is made of the options; the largest are named."""
    numbers = {k: v for k, v in options.items() if type(v) is int and k != "seed"}
    largest = sorted(numbers, key=lambda k: -numbers[k])[:4]
    named = ", ".join(f"{k}={numbers[k]}" for k in largest)
    return Guarded(f"{preset}({named})", "Make one of these options smaller.")


def _check_positive(preset: str, name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if not math.isfinite(value) or value < 0 or (value == 0 and name not in MAY_BE_ZERO):
        raise ValueError(f"{preset}: {name} must be positive and finite, got {value}.")


def choose(preset: str, name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Check an option that is one of a few words.

    Args:
        preset: The preset's name, for the message.
        name: The option's name, for the message.
        value: The word that was given.
        allowed: The words that may be given.

    Returns:
        `value`, unchanged.

    Raises:
        ValueError: If `value` is not allowed; the message lists what is.
    """
    if value not in allowed:
        raise ValueError(
            f"{preset}: {name} must be {' or '.join(map(repr, allowed))}, got {value!r}."
        )
    return value


def band(box: Box, bandwidth: float | None) -> tuple[float, float]:
    """Give the bandwidth in its two units.

    Args:
        box: The box of the field.
        bandwidth: In cycles per unit of the box's first axis; None for what 128 pixels along the
            longest side hold.

    Returns:
        (bandwidth in cycles per unit, b in cycles per normalised unit). The longest side is two
        normalised units.
    """
    if bandwidth is None:
        bandwidth = DEFAULT_PIXELS / 4 * box.scale[0]
    return bandwidth, bandwidth / box.scale[0]


def seeded(seed: int) -> torch.Generator:
    """A generator of random numbers on the CPU that starts from `seed`."""
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
    """Make the common kind of prior: an MLP on coordinates, or on an encoding of them.

    Args:
        box: Where the field lives, in physical units.
        activation: One for all layers, or one per layer.
        channels: Values of the field at each point.
        head: A name of `heads.HEADS`, or one name per channel.
        bandwidth: In cycles per unit of the box's first axis.
        width: Features per hidden layer.
        depth: Number of hidden layers.
        seed: Seed of the starting weights.
        learning_rate: Step size of Adam that suits this network.
        encoding: Of normalised coordinates; None for the coordinates themselves.
        hidden: Makes the maps between hidden layers; None for plain linear ones.

    Returns:
        The prior, without a recipe: `preset` adds it.
    """
    if encoding is None:
        encoding = Identity(box.ndim)
    inputs = encoding.size

    def network(outputs: int) -> MLP:
        return MLP(
            inputs,
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
