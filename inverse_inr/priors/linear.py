"""The parameters in which a prior is linear: its last layer, a grid's values, amplitudes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn

from inverse_inr.priors.prior import Prior


@runtime_checkable
class HasLinearParameters(Protocol):
    """A prior, or the network or encoding that ends it, with parameters that enter linearly."""

    def linear_parameters(self) -> list[nn.Parameter]:
        """List the parameters of which the values are an affine function, taken together."""
        ...


def linear_parameters(prior: nn.Module) -> list[nn.Parameter]:
    """Find the parameters in which a field is affine, all of them together.

    Args:
        prior: Any module that is a field. One that is no `Prior` may have `linear_parameters` of
            its own.

    Returns:
        Its parameters; none where the head is not linear or nobody knows.
    """
    last: nn.Module = prior
    if isinstance(prior, Prior):
        if not all(head.is_linear for head in prior.head.heads):
            return []
        last = prior.network
        if isinstance(last, nn.Identity):
            last = prior.encoding
    if not isinstance(last, HasLinearParameters):
        return []
    return last.linear_parameters()
