"""Figures and files of the image problems: rows of pictures, and the solution as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from inverse_inr import Problem, SampledField, Solution, metrics
from inverse_inr.io import write_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = Callable[[Problem], Tensor]
"""The picture (h, w, c) of a problem's measurements."""


def shows(
    measured: Picture, name: str = "measured"
) -> Callable[[Problem, Sequence[Solution]], Figure]:
    """Make the `Suggestion.figure` of an image problem.

    Args:
        measured: The picture of a problem's measurements, (h, w, c).
        name: The title of that picture.

    Returns:
        A function (problem, solutions) -> figure. The figure shows the measurements, the truth
        where it is known, and every solution with its PSNR.
    """

    def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
        pictures = [(name, measured(problem))]
        truth = None
        if problem.reference is not None:
            truth = SampledField.sample(_sampled(problem), problem.grid)
            pictures.append(("truth", truth))
        for solution in solutions:
            image = solution.sample(problem.grid)
            title = solution.method
            if truth is not None:
                title += f"\nPSNR {solution.psnr():.2f} dB"
            pictures.append((title, image))
        drawn = row_of(pictures)
        if truth is not None:
            drawn.supxlabel(metrics.PSNR_MEANS, fontsize="small")
        return drawn

    return figure


def _sampled(problem: Problem) -> SampledField:
    assert isinstance(problem.reference, SampledField)
    return problem.reference


def row_of(pictures: Sequence[tuple[str, Tensor]], panel: float = 2.6) -> Figure:
    """Draw titled pictures in rows of at most five.

    Args:
        pictures: Pairs of a title and a picture: (h, w, 1) grey, or (h, w, 3) RGB, in [0, 1].
        panel: Width of a picture in inches.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    columns = min(5, len(pictures))
    rows = -(-len(pictures) // columns)
    aspect = max(p.shape[0] / p.shape[1] for _, p in pictures)
    figure = Figure(figsize=(panel * columns, rows * (panel * aspect + 0.7)), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, picture) in zip(axes, pictures, strict=False):
        values = picture.detach().cpu().nan_to_num(0.0).clamp(0, 1).numpy()
        if values.shape[-1] == 1:
            values = values.repeat(3, -1)
        ax.imshow(values[..., :3])
        ax.set_title(title, fontsize="medium")
    return figure


def write_picture(solution: Solution, folder: Path) -> list[Path]:
    """Write an image problem's solution as a picture: its `Suggestion.write`.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        image.png, 8-bit colour or 16-bit grey; nothing for another number of channels.
    """
    image = solution.sample()
    if image.shape[-1] not in (1, 3):
        return []
    write_image(folder / "image.png", image, solution.problem.grid)
    return [folder / "image.png"]
