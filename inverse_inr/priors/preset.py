"""Tools that presets share: checked options, the recipe, the bandwidth in its two units."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ParamSpec, TypeVar

import torch

from inverse_inr.domain import Box
from inverse_inr.memory import Guarded, OutOfMemoryError
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.encodings import Encoding, Identity
from inverse_inr.priors.heads import HeadName
from inverse_inr.priors.prior import Prior
from inverse_inr.priors.state import Recipe
from inverse_inr.priors.topologies import MLP, MakeLinear
from inverse_inr.ranges import Range, checked

P = ParamSpec("P")
Made = TypeVar("Made", bound=Prior)

Moderate = Annotated[float, Range(least=1e-9, most=1e9)]
"""A number that is not so far from 1 that its square leaves single precision."""
Layers = Annotated[int, Range(least=1, most=256)]
"""A number of hidden layers on coordinates: none of them is a plane."""
LayersOrNone = Annotated[int, Range(least=0, most=256)]
"""A number of hidden layers on an encoding, of which a linear map is a field already."""
Levels = Annotated[int, Range(least=1, most=64)]
"""A number of levels, each about twice as fine as the one before."""
Log2Size = Annotated[int, Range(least=1, most=40)]
"""The logarithm of a table's size to the base 2."""

DEFAULT_PIXELS = 128
"""The default bandwidth is the Nyquist frequency of this many pixels along the longest side."""


def preset(build: Callable[P, Made]) -> Callable[P, Made]:
    """Make a function an entry of the catalogue.

    Its options are checked against their annotations (`inverse_inr.ranges`), nothing larger than
    the memory at hand is made, and the priors that it makes remember how they were made. The first
    paragraph of the function's docstring becomes the recipe's summary, which `Prior.describe`
    prints.

    Args:
        build: The function that makes the prior.

    Returns:
        The same function. It raises TypeError or ValueError for an option of another kind or out of
        its range, and OutOfMemoryError; the message begins with the preset's name.
    """
    signature = inspect.signature(build)
    make = checked(build)

    @functools.wraps(build)
    def create(*args: P.args, **kwargs: P.kwargs) -> Made:
        # nn.Linear draws weights before ours replace them: the caller's random numbers stay as they
        # were
        with torch.random.fork_rng(devices=[]), _guarded(build.__name__, kwargs):
            try:
                prior = make(*args, **kwargs)
            except (TypeError, ValueError, MemoryError) as error:
                raise _named(build.__name__, error) from error.__cause__
        _require_finite(build.__name__, prior)
        options = signature.bind(*args, **kwargs)
        options.apply_defaults()
        summary = inspect.getdoc(build) or ""
        chosen = {k: v for k, v in options.arguments.items() if k != "box"}
        prior.recipe = Recipe(build.__name__, chosen, summary.split("\n\n")[0])
        return prior

    return create


def _named(preset: str, error: Exception) -> Exception:
    """The error, whose message begins with the preset's name."""
    if isinstance(error, OutOfMemoryError) or str(error).startswith(preset):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemoryError(f"{preset}: the options ask for more than any memory. {error}")
    if type(error) in (TypeError, ValueError):
        return type(error)(f"{preset}: {error}")
    return error


def _require_finite(preset: str, prior: Prior) -> None:
    """Refuse a prior that options at the edge of the numbers have spoilt."""
    for name, tensor in (*prior.named_parameters(), *prior.named_buffers()):
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"{preset}: {name} starts with NaN or Inf. Is an option very large or small?"
            )


def _guarded(preset: str, options: Mapping[str, Any]) -> Guarded:
    """Nothing larger than the memory at hand is made of the options; the largest are named.

    Training needs the gradient as well, so weights count twice.
    """
    numbers = {k: v for k, v in options.items() if type(v) in (int, float) and k != "seed"}
    largest = sorted(numbers, key=lambda k: -numbers[k])[:4]
    named = ", ".join(f"{k}={numbers[k]:.15g}" for k in largest)
    return Guarded(
        f"{preset}: a network with {named or 'these options'}", "Make it smaller.", times=2
    )


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
