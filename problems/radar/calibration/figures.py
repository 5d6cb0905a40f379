"""The figure of a calibration: images in decibels, and the channels' phases and gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Problem, Solution
from inverse_inr.operators import ChannelErrors
from inverse_inr.problems.radar.autofocus.figures import images_from_above
from inverse_inr.problems.radar.autofocus.phases import phases_apart
from inverse_inr.problems.radar.calibration.errors import DECIBEL
from inverse_inr.ranges import Finite, checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked
def channel_figure(
    problem: Problem, solutions: Sequence[Solution], floor: Finite = -30.0
) -> Figure:
    """Each solution's image from above, in decibels below its own maximum, and its channels.

    Phases and gains stand as their difference from the true ones where these are known (phases
    without a constant and a linear part), else as they are.

    Args:
        problem: The problem, for its grid and what is known of the channels.
        solutions: One image each.
        floor: Lower end of the scale in dB.

    Returns:
        A Matplotlib figure.
    """
    figure, panels = images_from_above(problem, solutions, floor, 2)
    for solution in solutions:
        operator = solution.problem.terms[0].operator
        if isinstance(operator, ChannelErrors) and solution.method != "as measured":
            for axes, values in zip(panels, _curves(operator, problem), strict=True):
                axes.plot(values.cpu().numpy(), label=solution.method, linewidth=1)
    left = "error left in " if "true phases" in problem.notes else ""
    panels[0].set(xlabel="channel", ylabel=f"{left}phase (rad)")
    panels[1].set(xlabel="channel", ylabel=f"{left}gain (dB)")
    if panels[0].lines:
        panels[0].legend(fontsize=7)
    return figure


@torch.no_grad()
def _curves(found: ChannelErrors, problem: Problem) -> tuple[Tensor, Tensor]:
    """Phases in rad and gains in dB of the virtual channels, less the true ones."""
    phases = found.array.joined(found.phases)
    gains = found.array.joined(found.gains.log())
    if "true phases" in problem.notes:
        phases = phases_apart(phases, problem.notes["true phases"])
        gains = gains - problem.notes["true gains"].log()
    return phases, DECIBEL * gains
