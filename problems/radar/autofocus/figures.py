"""The figure of autofocus: images in decibels, and the phases of the pulses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from inverse_inr import Problem, Solution
from inverse_inr.operators.radar.pulse_errors import PulseErrors
from inverse_inr.problems.radar.autofocus.phases import phases_apart
from inverse_inr.problems.radar.imaging import decibels
from inverse_inr.ranges import Finite, checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def from_above(axes: Axes, problem: Problem, solution: Solution, floor: float) -> AxesImage:
    """Draw a solution's image from above, in decibels below its maximum.

    Args:
        axes: Where to draw.
        problem: The problem, for its box and grid.
        solution: The image.
        floor: Lower end of the scale in dB.

    Returns:
        What is shown, for a colour bar.
    """
    low, high = problem.box.lower, problem.box.upper
    image = decibels(torch.linalg.vector_norm(solution.sample(problem.grid), dim=-1), floor)
    axes.set(xlabel="x (m)", ylabel="y (m)")
    axes.set_title(solution.method, fontsize=9)
    return axes.imshow(
        image.amax(2).T.cpu().numpy(),
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        vmin=floor,
        vmax=0,
        cmap="inferno",
    )


@checked
def focus_figure(problem: Problem, solutions: Sequence[Solution], floor: Finite = -30.0) -> Figure:
    """Each solution's image from above, in decibels below its own maximum, and its phases.

    The phases stand as their difference from the true ones where these are known, else as they are.

    Args:
        problem: The problem, for its grid and what is known of the phases.
        solutions: One image each.
        floor: Lower end of the scale in dB.

    Returns:
        A Matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * (len(solutions) + 1) + 0.8, 3.2), layout="constrained")
    panels = figure.subplots(1, len(solutions) + 1, squeeze=False)[0]
    shown = None
    true = problem.notes.get("true phases")
    for axes, solution in zip(panels, solutions, strict=False):
        shown = from_above(axes, problem, solution, floor)
        operator = solution.problem.terms[0].operator
        if isinstance(operator, PulseErrors) and solution.method != "as measured":
            phases = operator.phases.detach().cpu()
            if true is not None:
                phases = phases_apart(phases, true)
            panels[-1].plot(phases.numpy(), label=solution.method, linewidth=1)
    if shown is not None:
        figure.colorbar(shown, ax=panels[:-1], label="dB below each maximum", shrink=0.8)
    what = "phase error left (rad)" if true is not None else "phase (rad)"
    panels[-1].set(xlabel="pulse", ylabel=what)
    if panels[-1].lines:
        panels[-1].legend(fontsize=7)
    return figure
