"""A video as a field of place and time: fitted from all of its frames, or from some of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    memory,
    noise,
    predict,
)
from inverse_inr.fidelity import L2, Fidelity
from inverse_inr.operators import Frames
from inverse_inr.problems.pictures import row_of
from inverse_inr.problems.restoration.clips import moving_shapes
from inverse_inr.problems.restoration.films import read_film, write_film
from inverse_inr.ranges import Count, NoiseLevelOrNone, WholeNumber, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import Never

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH = 8
"""Frames per step."""


@checked
def video(
    clip: str = "moving_shapes",
    *,
    frames: Count = 32,
    size: Count = 64,
    every: Count = 1,
    noise_level: NoiseLevelOrNone = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Fit a video, or find the frames between those that are known.

    Args:
        clip: "moving_shapes" (generated: textured shapes that move), or a GIF, a TIFF stack or an
            MP4 of your own.
        frames: Number of frames; those of a file from its beginning.
        size: Pixels along each side of the generated clip.
        every: Each n-th frame is known, from the first on.
        noise_level: Standard deviation of the noise of known frames, of white.
        seed: Seed of the generated clip and of the noise.

    Returns:
        The problem on (rows, columns, frames), with the whole clip as its reference.

    Raises:
        ValueError: The file has fewer frames, or fewer than two frames are known.
        FileNotFoundError: There is no such file.
    """
    if clip == "moving_shapes":
        memory.require(
            f"video: frames={frames} of size={size} pixels a side",
            60.0 * frames * size**2,
            "Fewer or smaller frames.",
        )
        values = moving_shapes(frames, size, seed)
    else:
        values = read_film(clip)[:, :, :frames]
        if values.shape[2] < frames:
            raise ValueError(f"video: {clip} has {values.shape[2]} frames, frames={frames}.")
    shape = tuple(values.shape[:3])
    kept = list(range(0, frames, every))
    if len(kept) < 2:
        raise ValueError(f"video: every={every} of frames={frames} keeps fewer than two.")
    grid = Grid(Box((0.0,) * 3, tuple(float(n) for n in shape), ("px", "px", "frame")), shape)
    truth = SampledField(values, grid)
    operator = Frames(grid, kept)
    y = predict(operator, truth)
    model: Fidelity = L2()
    if noise_level:
        model = noise.Gaussian(noise_level)
        y = model.sample(y, torch.Generator().manual_seed(seed))
    # in time the field is as fine as the frames that are known
    options = {"size": list(shape[:2]), "times": len(kept), "head": "sigmoid"}
    suggested = Suggestion(
        prior="nerv",
        options=options,
        steps=2000,
        batch=min(BATCH, len(kept)),
        lr=8e-3,
        stopping=Never(),
        baselines={"blend": blended},
        figure=film_strip,
        write=write_clip,
    )
    return Problem(
        [Term(operator, y, model)],
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        suggested=suggested,
    )


def blended(problem: Problem) -> Solution:
    """Blend the known frames before and after, linearly in time: the line that knows no motion.

    Args:
        problem: A problem of `video`.

    Returns:
        The clip; before the first and after the last known frame it stands still.
    """
    began = time.perf_counter()
    [term] = problem.terms
    operator = term.operator
    assert isinstance(operator, Frames)
    known = operator.kept.double().cpu()
    wanted = torch.arange(problem.grid.shape[-1], dtype=torch.float64)
    after = torch.searchsorted(known, wanted).clamp(1, len(known) - 1)
    low, high = known[after - 1], known[after]
    part = ((wanted - low) / (high - low)).clamp(0, 1).to(term.y)[:, None, None, None]
    values = (term.y[after - 1] * (1 - part) + term.y[after] * part).movedim(0, 2)
    return Solution(
        SampledField(values, problem.grid),
        problem,
        "blend",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{len(known)} known frames"),
    )


def between(problem: Problem) -> Tensor:
    """List the frames that a problem of `video` leaves to be found.

    Args:
        problem: The problem.

    Returns:
        (n,) numbers of frames, of which there may be none.
    """
    operator = problem.terms[0].operator
    assert isinstance(operator, Frames)
    known = set(operator.kept.tolist())
    return torch.tensor([k for k in range(problem.grid.shape[-1]) if k not in known])


def film_strip(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw a frame in the middle that is not known, or is, of the truth and of each solution.

    Args:
        problem: A problem of `video`.
        solutions: The solutions.

    Returns:
        The figure.
    """
    unknown = between(problem)
    frame = problem.grid.shape[-1] // 2
    if len(unknown):
        frame = int(unknown[len(unknown) // 2])
    assert isinstance(problem.reference, SampledField)
    panels = [(f"frame {frame}, truth", problem.reference.values[:, :, frame])]
    for solution in solutions:
        clip = solution.sample(problem.grid)
        title = f"{solution.method}\nPSNR {solution.psnr():.2f} dB"
        panels.append((title, clip[:, :, frame]))
    return row_of(panels)


def write_clip(solution: Solution, folder: Path) -> list[Path]:
    """Write clip.gif, with twice as many frames as the grid where the field can be asked between.

    Args:
        solution: A solution of `video`.
        folder: The folder, which exists.

    Returns:
        The file.
    """
    grid = solution.problem.grid
    rate = 12.0
    if not isinstance(solution.field, SampledField):
        grid = Grid(grid.box, (*grid.shape[:-1], 2 * grid.shape[-1]))
        rate = 24.0
    return [write_film(folder / "clip.gif", solution.sample(grid), rate)]
