"""What the commands print and write: tables of methods, a figure of their images, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.evaluation import sample
from inverse_inr.io.files import atomic_write
from inverse_inr.metrics import PSNR_MEANS, modulus
from inverse_inr.problem import Problem
from inverse_inr.solver import Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
"""Values by column: numbers, text, None for an empty place, or a `Spread` (also as its JSON)."""

HELD_OUT = (
    "Held-out: mean negative log-likelihood of rows that no fit saw; "
    "0.5 would be noise alone (Gaussian)."
)
"""The line below every table."""


def notes_of(rows: Sequence[Row]) -> str:
    """Say what the numbers of a table are: the lines below it."""
    if any(key.startswith("PSNR") for row in rows for key in row):
        return f"{HELD_OUT}\n{PSNR_MEANS}"
    return HELD_OUT


# --- tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over repetitions."""

    mean: float
    std: float

    def __str__(self) -> str:
        """Two digits of the deviation, and the mean to the same place: "31.24 ± 0.15".

        A deviation below 1e-4 of the mean is not shown.
        """
        if math.isfinite(self.std) and self.std <= 1e-4 * abs(self.mean):
            return f"{self.mean:.4g}"
        if not 1e-5 <= self.std < 1e6:
            return f"{self.mean:.4g} ± {self.std:.2g}"
        places = max(0, 1 - math.floor(math.log10(self.std)))
        return f"{self.mean:.{places}f} ± {self.std:.{places}f}"


def spread(values: Sequence[Any]) -> Any:
    """Make one entry of a table from the values of several repetitions, of which None are left out.

    Returns:
        None for no value; the value itself where there is one, or where all are the same whole
        number or text; else their `Spread`.
    """
    values = [v for v in values if v is not None]
    if not values:
        return None
    if len(values) == 1 or (not isinstance(values[0], float) and len(set(values)) == 1):
        return values[0]
    mean = sum(values) / len(values)
    return Spread(mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)))


def text_table(rows: Sequence[Row]) -> str:
    """Lay rows out in aligned columns: text to the left, numbers to the right."""
    keys, cells = _cells(rows)
    text = [any(isinstance(row.get(k), str) for row in rows) for k in keys]
    widths = [max(len(k), *(len(c[i]) for c in cells)) for i, k in enumerate(keys)]
    rule = ["-" * min(w, 40) for w in widths]
    lines = []
    for line in [keys, rule, *cells]:
        places = zip(line, widths, text, strict=True)
        padded = [v.ljust(w) if is_text else v.rjust(w) for v, w, is_text in places]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def markdown_table(rows: Sequence[Row]) -> str:
    """Lay rows out as a GitHub table: text to the left, numbers to the right."""
    keys, cells = _cells(rows)
    rule = ["---" if any(isinstance(row.get(k), str) for row in rows) else "---:" for k in keys]
    escaped = [[v.replace("|", "\\|") for v in line] for line in (keys, rule, *cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    keys = list(dict.fromkeys(k for row in rows for k in row))
    return keys, [[entry(row.get(k)) for k in keys] for row in rows]


def entry(value: object) -> str:
    """Write one place of a table as text: floats in four digits, nothing for None."""
    if isinstance(value, dict):
        value = Spread(**value)
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


# --- figures --------------------------------------------------------------------------------------


def truth_of(problem: Problem) -> Tensor | None:
    """Pixel averages of the reference, (*shape, channels); None where the problem has none."""
    if problem.reference is None:
        return None
    return sample(problem.reference, problem.grid, average=problem.average)


def picture(image: Tensor, grid: Grid) -> Tensor | None:
    """Make a 2-D view: the modulus, the mean of the channels, the middle slice across short axes.

    Args:
        image: (*shape, channels).
        grid: Where its pixels lie.

    Returns:
        (height, width), or None where the grid has one axis only.
    """
    values = modulus(image).detach().cpu().mean(-1)
    lengths = list(grid.box.lengths)
    while values.ndim > 2:
        k = min(range(values.ndim), key=lambda axis: (values.shape[axis] > 1, lengths[axis]))
        values = values.select(k, values.shape[k] // 2)
        lengths.pop(k)
    if values.ndim < 2:
        return None
    return values


def display_range(values: Tensor) -> tuple[float, float] | None:
    """Find a grey scale that a few outliers do not decide; None where there is nothing to scale."""
    finite = values[torch.isfinite(values)].float()
    finite = finite[:: 1 + finite.numel() // 2**22]  # torch sorts no more than 2^24 values
    if not finite.numel():
        return None
    low, high = (float(v) for v in finite.quantile(torch.tensor([0.001, 0.999])))
    if low >= high:
        return None
    return low, high


def figure_of(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw truth and solutions in a row, their errors below; on a line, as curves of the modulus.

    Args:
        problem: The problem.
        solutions: The solutions, the last of which sets the scale where there is no truth.

    Returns:
        The figure.
    """
    from inverse_inr import plotting

    found = {s.method: s.image() for s in solutions}
    truth = truth_of(problem)
    if truth is not None:
        found = {"truth": truth} | found
    grid = problem.grid
    if grid.ndim == 1:
        curves = {name: modulus(image).detach().cpu().mean(-1) for name, image in found.items()}
        axes = plotting.profiles(curves, grid.axes()[0], unit=grid.box.units[0])
        return axes.figure  # type: ignore[return-value]
    pictures = {name: picture(image, grid) for name, image in found.items()}
    shown = {name: image for name, image in pictures.items() if image is not None}
    if truth is None:
        scale = display_range(shown[solutions[-1].method])
        return plotting.compare(shown, value_range=scale).flat[0].figure
    scale = display_range(shown["truth"])
    return plotting.compare(shown, value_range=scale, errors_against="truth").flat[0].figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all: the old file stays until the new one is complete."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150)


# --- files ----------------------------------------------------------------------------------------


def write_json(path: Path, content: object) -> None:
    """Write JSON whole or not at all; what JSON does not know becomes text."""
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Spread):
        return asdict(value)
    return str(value)
