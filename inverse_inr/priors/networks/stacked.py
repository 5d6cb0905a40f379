"""Several priors of one architecture as one function of stacked parameters: `functional`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inverse_inr.priors.prior import Prior


def functional(
    priors: Sequence[Prior],
) -> tuple[Callable[[dict[str, Tensor], Tensor], Tensor], dict[str, Tensor]]:
    """Turn several priors of one architecture into one function of stacked parameters.

    One batched network replaces a loop over signals. The parameters can be differentiated,
    optimised and written back by `prior.load_state_dict(..., strict=False)`.

    Args:
        priors: One prior per signal, all of one architecture and size.

    Returns:
        (call, parameters). `parameters` holds what is learnt, stacked along a first axis.
        `call(parameters, points)` maps points in physical units, (signals, n, d) or (n, d) shared
        by all, to values (signals, n, channels).

    Raises:
        ValueError: If the priors differ in architecture or size.
    """
    if len({(p.name, tuple(v.shape for v in p.state_dict().values())) for p in priors}) != 1:
        raise ValueError(
            f"functional: priors {[p.name for p in priors]} must be of one architecture and size."
        )
    parameters, buffers = torch.func.stack_module_state(list(priors))
    first = priors[0]

    def one(state: dict[str, Tensor], fixed: dict[str, Tensor], points: Tensor) -> Tensor:
        return torch.func.functional_call(first, (state, fixed), (points,))

    def call(state: dict[str, Tensor], points: Tensor) -> Tensor:
        if points.ndim == 2:
            points = points.expand(len(priors), *points.shape).contiguous()
        return torch.func.vmap(one)(state, buffers, points)

    return call, parameters
