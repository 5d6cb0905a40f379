"""Groups of parameters: what a fit learns, with a role and a learning rate for each."""

from __future__ import annotations

from typing import Any

from torch import nn

from inverse_inr.priors.linear import linear_parameters
from inverse_inr.ranges import Positive, checked

Group = dict[str, Any]
"""Parameters with their "role" and "lr", as torch's optimizers take them."""

PLAIN_MODULE_LR = 1e-3
"""Learning rate of a prior that suggests none, the usual one of Adam."""


@checked
def parameter_groups(
    prior: nn.Module,
    operators: list[nn.Module],
    operator_lr: Positive,
    *,
    split_linear: bool = False,
) -> list[Group]:
    """Collect all parameters of a fit in groups.

    Args:
        prior: The prior; a module without `param_groups` makes one group.
        operators: Operators and fidelities that learn.
        operator_lr: Learning rate of what they learn.
        split_linear: Put parameters in which the prior is linear (`priors.linear_parameters`) into
            a group of role "linear" of their own.

    Returns:
        The prior's groups, and one of role "operator" where operators have parameters.
    """
    own_groups = getattr(prior, "param_groups", None)
    if own_groups:
        groups = own_groups()
    else:
        groups = [{"role": "other", "params": list(prior.parameters()), "lr": PLAIN_MODULE_LR}]
    if split_linear:
        groups = _with_linear_apart(groups, prior)
    nuisance = [p for operator in operators for p in operator.parameters()]
    if not nuisance:
        return groups
    return [*groups, {"role": "operator", "params": nuisance, "lr": operator_lr}]


def _with_linear_apart(groups: list[Group], prior: nn.Module) -> list[Group]:
    """The groups without the parameters in which the prior is linear, and these in one group."""
    linear = linear_parameters(prior)
    known = {id(p) for p in linear}
    rest = [{**g, "params": [p for p in g["params"] if id(p) not in known]} for g in groups]
    rest = [g for g in rest if g["params"]]
    if not linear:
        return rest
    return [*rest, {"role": "linear", "params": linear, "lr": PLAIN_MODULE_LR}]


def rescaled(groups: list[Group], lr: float | None) -> list[Group]:
    """Scale the learning rates of groups to a largest one, except for what operators learn.

    Args:
        groups: Parameters as `parameter_groups` collects them.
        lr: The largest learning rate; None to keep all as they are.

    Returns:
        New groups of the same parameters.
    """
    if lr is None:
        return [dict(g) for g in groups]
    largest = max((g["lr"] for g in groups if g["role"] != "operator"), default=1.0)
    factor = lr / largest
    rescaled = []
    for group in groups:
        rate = group["lr"]
        if group["role"] != "operator":
            rate = rate * factor
        rescaled.append({**group, "lr": rate})
    return rescaled
