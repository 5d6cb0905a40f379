"""Tools of all radar problems: the classical images as solutions, and figures in decibels."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.baselines import cgls_iterates
from inverse_inr.least_squares import LeastSquares
from inverse_inr.operators.radar.matched_filter import range_profiles
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.aspects import without_aspects
from inverse_inr.ranges import Count, Finite, checked
from inverse_inr.solver import Candidate, Ended
from inverse_inr.stopping import HeldOut, hold_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXES = "xyz"
"""Names of the box's axes in figures."""


@checked
def held_out_pulses(pulses: Count) -> HeldOut:
    """The stopping rule of simulated radar: 6 % of the pulses, six where there are enough.

    Args:
        pulses: Number of pulses.

    Returns:
        A rule that holds out whole pulses.
    """
    return HeldOut(fraction=max(0.06, min(0.25, 6 / pulses)))


def no_fits(problem: Problem) -> Iterator[Candidate]:
    """Candidates of radar volumes: none beside the suggested baselines.

    One of these is the variance field, whose logarithm is a prior's field. A reflectivity that is
    itself a prior's field predicts held-out pulses worse, and takes longer than all of them.

    Args:
        problem: Any.

    Returns:
        Nothing.
    """
    del problem
    return iter(())


@checked
def backprojection(problem: Problem) -> Solution:
    """The matched filter A* y with the one gain that explains the data best.

    It is complex, and uses the rows that every method may fit.

    Args:
        problem: A linear problem with a grid.

    Returns:
        The image as a solution.
    """
    began = time.perf_counter()
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    system = LeastSquares.of(problem, fit)
    image = system.adjoint(system.data())
    seen = system.whitened(image)
    top = sum(float((a.conj() * b).real.sum()) for a, b in zip(seen, system.data(), strict=True))
    image = image * (top / max(sum(float(a.abs().square().sum()) for a in seen), 1e-30))
    return Solution(
        SampledField(image, problem.grid),
        problem,
        "backprojection",
        watched=watch,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "adjoint, one gain"),
        details=dict(note),
    )


@checked
def least_squares(problem: Problem, iterations: Count = 80) -> Solution:
    """Least squares by conjugate gradients on the normal equations.

    Args:
        problem: A linear problem with a grid.
        iterations: Number of iterations.

    Returns:
        The image as a solution.
    """
    began = time.perf_counter()
    fit, watch, note = hold_out(problem.suggested.stopping, problem.terms)
    image = list(cgls_iterates(LeastSquares.of(problem, fit), iterations))[-1]
    return Solution(
        SampledField(image, problem.grid),
        problem,
        "least squares",
        watched=watch,
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{iterations} iterations"),
        details=dict(note),
    )


@checked
def decibels(image: Tensor, floor: Finite = -40.0) -> Tensor:
    """Amplitudes in decibels below the largest one, 20 log10 of the modulus.

    Args:
        image: Any shape, real or complex.
        floor: Smallest value in dB; smaller ones are cut.

    Returns:
        In dB, of the shape of `image`; 0 at the largest.
    """
    size = image.abs()
    return (20 * (size / size.max().clamp(min=1e-30)).clamp(min=1e-12).log10()).clamp(min=floor)


@checked
def radar_figure(
    problem: Problem,
    solutions: Sequence[Solution],
    floor: Finite = -30.0,
    beside: bool = False,
) -> Figure:
    """Maximum-intensity projections along each axis, and the measured range profiles below.

    Amplitudes are in decibels below each image's own maximum, on one scale.

    Args:
        problem: The radar problem, for its grid and measurements.
        solutions: One row of projections each.
        floor: Lower end of the scale in dB.
        beside: True to leave the last panel of the lowest row free.

    Returns:
        A Matplotlib figure.
    """
    from matplotlib.figure import Figure

    views = _views(problem.grid.shape)
    rows = len(solutions)
    figure = Figure(figsize=(3.1 * len(views) + 1.2, 2.3 * rows + 2.2), layout="constrained")
    panels = figure.subplots(
        rows + 1, len(views), squeeze=False, height_ratios=[1.0] * rows + [0.9]
    )
    shown = None
    for line, solution in zip(panels, solutions, strict=False):
        channels = solution.sample(problem.grid)
        image = decibels(torch.linalg.vector_norm(channels, dim=-1), floor)
        for axes, along in zip(line, views, strict=True):
            shown = _projection(axes, problem, image, along, floor)
        line[0].set_title(solution.method, loc="left", fontsize=9)
    if shown is not None:
        figure.colorbar(shown, ax=panels[:rows], label="amplitude, dB below each maximum")
    for axes in panels[rows]:
        axes.remove()
    width = len(views) - beside
    axes = figure.add_subplot(panels[rows, 0].get_gridspec()[rows, :width])
    _profiles(axes, problem)
    return figure


def _views(shape: tuple[int, ...]) -> list[int]:
    """Axes to look along: all of them for a volume, the thin one for a plane."""
    thin = [k for k in range(3) if shape[k] == 1]
    if len(thin) in (0, 3):
        return [2, 1, 0]
    return thin[:1]


def _projection(axes: Any, problem: Problem, image: Tensor, along: int, floor: float) -> Any:
    """The largest decibels along one axis, drawn."""
    box = problem.box
    a, b = (k for k in range(3) if k != along)
    shown = axes.imshow(
        image.amax(along).T.numpy(),
        origin="lower",
        extent=(box.lower[a], box.upper[a], box.lower[b], box.upper[b]),
        vmin=floor,
        vmax=0,
        cmap="inferno",
        aspect="equal",
    )
    axes.set(xlabel=f"{AXES[a]} (m)", ylabel=f"{AXES[b]} (m)")
    axes.tick_params(labelsize=7)
    axes.locator_params(nbins=4, min_n_ticks=2)  # a thin box would have one label upon another
    return shown


def _profiles(axes: Any, problem: Problem) -> None:
    """Measured range profiles: pulses along the abscissa."""
    operator = without_aspects(problem).terms[0].operator
    y = problem.terms[0].y
    assert isinstance(operator, RadarOperator)
    paths, profiles = range_profiles(operator, y)
    shown = axes.imshow(
        decibels(profiles, -40.0).T.numpy(),
        origin="lower",
        aspect="auto",
        vmin=-40,
        vmax=0,
        cmap="inferno",
        extent=(0, len(y), 0.5 * float(paths[0]), 0.5 * float(paths[-1])),
    )
    axes.set(xlabel="pulse", ylabel="range (m)", title="measured range profiles")
    axes.figure.colorbar(shown, ax=axes, label="dB below the maximum")
