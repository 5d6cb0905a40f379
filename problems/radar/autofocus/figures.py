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


def images_from_above(
    problem: Problem, solutions: Sequence[Solution], floor: float, further: int
) -> tuple[Figure, Sequence[Axes]]:
    """Draw solutions from above side by side, each in decibels below its own maximum.

    Args:
        problem: The problem, for its box and grid.
        solutions: One image each.
        floor: Lower end of the scale in dB.
        further: Number of panels that are left empty at the right.

    Returns:
        The figure, and the empty panels.
    """
    from matplotlib.figure import Figure

    count = len(solutions) + further
    figure = Figure(figsize=(2.9 * count + 0.8, 3.2), layout="constrained")
    panels = figure.subplots(1, count, squeeze=False)[0]
    shown = None
    for axes, solution in zip(panels, solutions, strict=False):
        shown = _from_above(axes, problem, solution, floor)
    if shown is not None:
        figure.colorbar(shown, ax=panels[:-further], label="dB below each maximum", shrink=0.8)
    return figure, panels[-further:]


def _from_above(axes: Axes, problem: Problem, solution: Solution, floor: float) -> AxesImage:
    """One image from above; what is shown, for a colour bar."""
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
    figure, (panel,) = images_from_above(problem, solutions, floor, 1)
    true = problem.notes.get("true phases")
    for solution in solutions:
        operator = solution.problem.terms[0].operator
        if isinstance(operator, PulseErrors) and solution.method != "as measured":
            phases = operator.phases.detach().cpu()
            if true is not None:
                phases = phases_apart(phases, true)
            panel.plot(phases.numpy(), label=solution.method, linewidth=1)
    what = "phase error left (rad)" if true is not None else "phase (rad)"
    panel.set(xlabel="pulse", ylabel=what)
    if panel.lines:
        panel.legend(fontsize=7)
    return figure
