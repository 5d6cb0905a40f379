"""Figures of fields on regions: what is outside stays white; below each solution its errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from inverse_inr import Problem, Solution, sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = 2.8
"""Width of a panel in inches."""


def fields_with_errors(
    names: Sequence[str] = ("u",),
) -> Callable[[Problem, Sequence[Solution]], Figure | None]:
    """Make the `Suggestion.figure` of problems with a known solution.

    Args:
        names: A letter for each channel of the field.

    Returns:
        A function (problem, solutions) -> figure. For each channel there is a row with the truth
        and every solution, and one with the solutions' errors in powers of ten. Places where the
        truth is not known, which is outside of a region, are left out.
    """

    def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure | None:
        from matplotlib.figure import Figure

        if problem.reference is None:
            return None
        truth = sample(problem.reference, problem.grid).detach().double().cpu().numpy()
        images = [s.image().detach().double().cpu().numpy() for s in solutions]
        shape = problem.grid.box.lengths
        size = (PANEL * (1 + len(images)), 2 * len(names) * (PANEL * shape[0] / shape[1] + 0.4))
        drawn = Figure(figsize=size, layout="constrained")
        axes = drawn.subplots(2 * len(names), 1 + len(images), squeeze=False)
        extent = (
            problem.grid.box.lower[1],
            problem.grid.box.upper[1],
            problem.grid.box.upper[0],
            problem.grid.box.lower[0],
        )
        for axis in axes.flat:
            axis.set_axis_off()
        for c, name in enumerate(names):
            known = truth[..., c]
            limits = (float(np.nanmin(known)), float(np.nanmax(known)))
            values, errors = axes[2 * c], axes[2 * c + 1]
            values[0].imshow(known, extent=extent, vmin=limits[0], vmax=limits[1])
            values[0].set_title(f"{name}, truth", fontsize="medium")
            logs = [_log_error(image[..., c], known) for image in images]
            finite = np.concatenate([e[np.isfinite(e)] for e in logs])
            shown = tuple(np.percentile(finite, (2, 99.5)))
            for k, (solution, image, log) in enumerate(zip(solutions, images, logs, strict=True)):
                inside = np.where(np.isnan(known), np.nan, image[..., c])
                values[k + 1].imshow(inside, extent=extent, vmin=limits[0], vmax=limits[1])
                errors_of = _relative(image[..., c], known)
                title = f"{name}, {solution.method}\nrelative error {errors_of:.1e}"
                values[k + 1].set_title(title, fontsize="medium")
                last = errors[k + 1].imshow(
                    log, extent=extent, vmin=shown[0], vmax=shown[1], cmap="magma"
                )
                errors[k + 1].set_title("log10 of its error", fontsize="medium")
                drawn.colorbar(last, ax=errors[k + 1], shrink=0.7)
        return drawn

    return figure


def errors_by_channel(solution: Solution, names: Sequence[str]) -> dict[str, float]:
    """Give the relative error of each channel, |image - truth| / |truth| where the truth is known.

    Args:
        solution: A solution of a problem with a reference.
        names: A letter for each channel.

    Returns:
        The error by the channel's letter.

    Raises:
        ValueError: The problem has no reference.
    """
    problem = solution.problem
    if problem.reference is None:
        raise ValueError("errors_by_channel: the problem has no reference.")
    truth = sample(problem.reference, problem.grid).detach().double().cpu().numpy()
    image = solution.image().detach().double().cpu().numpy()
    return {name: _relative(image[..., c], truth[..., c]) for c, name in enumerate(names)}


def _relative(image: np.ndarray, truth: np.ndarray) -> float:
    known = ~np.isnan(truth)
    return float(np.linalg.norm((image - truth)[known]) / np.linalg.norm(truth[known]))


def _log_error(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(np.abs(image - truth), 1e-16))
