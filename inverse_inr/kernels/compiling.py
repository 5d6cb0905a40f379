"""A step's loss and gradient as one compiled graph, by `torch.compile`.

What the host does per step stays outside: rows, seeds, random points and the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType

import torch
from torch import Tensor

Evaluate = Callable[[Sequence[Tensor], Tensor], Tensor]
"""The weighted parts of the loss for rows of each term and points of the box."""


def require_compilable(wanted: bool, optimizer: object, by_gradient: bool, world: int) -> None:
    """Refuse a compiled fit where more than the loss and its gradient on one device is asked for.

    Args:
        wanted: Whether the step is to be compiled.
        optimizer: The optimizer's settings.
        by_gradient: Whether it asks for the loss and its gradient alone.
        world: The number of processes that share the fit.

    Raises:
        ValueError: The optimizer linearises the step, or several processes share the fit.
    """
    if wanted and world > 1:
        raise ValueError(
            f"compile=True: {world} processes share the fit, which sum gradients between graphs. "
            "Fit in one process, or leave compile out."
        )
    if wanted and not by_gradient:
        raise ValueError(
            f"compile=True: {type(optimizer).__name__} linearises the step, which is not compiled. "
            "Take Adam, Muon or LBFGS, or leave compile out."
        )


def compiled(objective: Evaluate, device: torch.device, what: str) -> Evaluate:
    """Compile an objective; the first call, which takes a while, does it.

    Random numbers are those of torch's generators, as without compiling. On a CUDA device the graph
    is recorded once and replayed.

    Args:
        objective: The objective, whose parts may change in value but not in shape.
        device: The device of its prior.
        what: Its name in messages: "the step of ...".

    Returns:
        The objective's function. It raises ValueError if the step cannot be one graph: nothing is
        run uncompiled in its place.
    """
    options: dict[str, str | int | bool | Callable] = {"fallback_random": True}
    recorded = device.type == "cuda"
    if recorded:
        options["triton.cudagraphs"] = True

    def parts(rows: Sequence[Tensor], points: Tensor) -> Tensor:
        return objective(rows, points)

    # torch remembers what it compiled by the code object: of its own, one fit does not use up
    # the few compilations that another may need
    own = FunctionType(parts.__code__.replace(), globals(), parts.__name__, None, parts.__closure__)
    graph = torch.compile(own, fullgraph=True, dynamic=False, options=options)

    def evaluate(rows: Sequence[Tensor], points: Tensor) -> Tensor:
        if recorded:
            torch.compiler.cudagraph_mark_step_begin()
        try:
            found = graph(rows, points)
        except _failures() as error:
            raise ValueError(_refusal(what, error)) from error
        if recorded:
            return found.clone()  # the next replay writes into the same memory
        return found

    return evaluate


def _failures() -> tuple[type[Exception], ...]:
    """What torch raises where it cannot compile; loading the compiler takes a second."""
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    return TorchDynamoException, FailOnRecompileLimitHit


def _refusal(what: str, error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = "; ".join(lines[:2])[:300]
    return (
        f"compile=True: {what} cannot be one compiled graph: {reason}. Nothing runs uncompiled in "
        "its place; leave compile out."
    )
