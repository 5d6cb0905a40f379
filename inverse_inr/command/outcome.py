"""What a comparison comes to: a table, a figure and a page of markdown, from its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr.command.cell import MEASURES, Cell, notes
from inverse_inr.command.folder import TRUTH
from inverse_inr.command.keeping import Keeper
from inverse_inr.command.reporting import (
    display_range,
    markdown_table,
    notes_of,
    picture,
    save_figure,
    spread,
    truth_of,
    write_json,
)
from inverse_inr.command.tables import Table
from inverse_inr.io import read_image, write_image
from inverse_inr.io.files import atomic_write
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = ("table.json", "table.md", "figure.png", TRUTH)
"""What a comparison writes beside its record and its cells."""

WIDEST = 5
"""Images in one row of the figure, unless the classical methods are more."""

Cells = Mapping[str, Sequence[Cell]]
Pictures = dict[str, Tensor]


@dataclass(frozen=True)
class Outcome:
    """The cells of a comparison, and what is made of them.

    Args:
        problem: The problem of seed 0.
        classical: The cells of each baseline, by its name, one for each seed.
        learnt: The cells of each prior.
        caption: What was asked for and which seeds were drawn: lines below the table.
    """

    problem: Problem
    classical: Cells
    learnt: Cells
    caption: Sequence[str] = ()

    def table(self) -> list[Table]:
        """Summarise each method in a row.

        Returns:
            Rows with "method", every measure as mean and standard deviation over the seeds that did
            not fail, and "note". A column that no method fills is left out.
        """
        rows = []
        for name, cells in [*self.classical.items(), *self.learnt.items()]:
            if not cells:
                continue  # its turn has not come yet
            row: Table = {"method": name}
            for key, title in MEASURES.items():
                row[title] = spread([cell.values.get(key) for cell in cells])
            row["note"] = "; ".join(notes(cells)) or None
            rows.append(row)
        used = [key for key in rows[0] if any(row[key] is not None for row in rows)]
        return [{key: row[key] for key in used} for row in rows]

    def figure(self) -> Figure | None:
        """Draw truth and baselines in the first row and priors below, the first seed of each.

        Returns:
            The figure. Where the methods give no image, as on a line, what the problem itself draws
            of them; None where it draws nothing.
        """
        from inverse_inr import plotting

        truth = self._truth()
        rows = self._rows(truth)
        if not rows:
            return self._drawn_by_the_problem()
        if truth is None:
            # the median of all: no outlier among the methods decides the scale
            scale = torch.stack([image for row in rows for image in row.values()]).median(0)[0]
        else:
            scale = truth
        return plotting.gallery(rows, value_range=display_range(scale)).flat[0].figure

    def _truth(self) -> Tensor | None:
        truth = truth_of(self.problem)
        if truth is None:
            return None
        return picture(truth, self.problem.grid)

    def _rows(self, truth: Tensor | None) -> list[Pictures]:
        top = _pictures(self.classical)
        if truth is not None:
            top = {"truth": truth, **top}
        below = _pictures(self.learnt)
        columns = max(len(top), min(len(below), WIDEST), 1)
        names = list(below)
        parts = [names[start : start + columns] for start in range(0, len(names), columns)]
        rows = [top, *({name: below[name] for name in part} for part in parts)]
        return [row for row in rows if row]

    def _drawn_by_the_problem(self) -> Figure | None:
        draw = self.problem.suggested.figure
        done = _first_done({**self.classical, **self.learnt})
        if draw is None or not done:
            return None
        images = {name: read_image(cell.folder / "image.npz") for name, cell in done.items()}
        solutions = [Solution(SampledField(*v), self.problem, n) for n, v in images.items()]
        return draw(self.problem, solutions)

    def markdown(self) -> str:
        """Write the table for a document, and below it what its numbers are."""
        found = [*self.classical.values(), *self.learnt.values()]
        machines = sorted({cell.machine for cells in found for cell in cells if cell.machine})
        rows = self.table()
        lines = [
            *self.caption,
            *notes_of(rows).splitlines(),
            f"Seconds: wall-clock of the whole fit, {' and '.join(machines)}.",
            "Memory: tensors alive at once in one training step.",
        ]
        return f"{markdown_table(rows)}\n\n" + "\n".join(lines) + "\n"

    def write(self, keeper: Keeper, *, figure: bool = True) -> None:
        """Write table.json, table.md and figure.png, and once the truth, where it is known.

        Args:
            keeper: Writes to the comparison's folder.
            figure: Whether to draw the figure as well.
        """
        keeper.keep("table.json", lambda path: write_json(path, self.table()))
        keeper.keep("table.md", self._write_markdown)
        if figure:
            keeper.keep("figure.png", self._draw)
        if self.problem.reference is not None and not (keeper.out / TRUTH).exists():
            keeper.keep(TRUTH, self._write_truth)

    def _write_truth(self, path: Path) -> None:
        truth = truth_of(self.problem)
        assert truth is not None
        write_image(path, truth, self.problem.grid)

    def _write_markdown(self, path: Path) -> None:
        with atomic_write(path) as temporary:
            temporary.write_text(self.markdown(), encoding="utf-8")

    def _draw(self, path: Path) -> None:
        drawn = self.figure()
        if drawn is not None:
            save_figure(drawn, path)


def _first_done(found: Cells) -> dict[str, Cell]:
    """The first cell of each method that did not fail."""
    done = {}
    for name, cells in found.items():
        finished = [cell for cell in cells if not cell.failed]
        if finished:
            done[name] = finished[0]
    return done


def _pictures(found: Cells) -> Pictures:
    """One image of each method that has any, by its name and PSNR."""
    pictures = {}
    for name, cell in _first_done(found).items():
        psnr = cell.values.get("PSNR")
        title = name
        if psnr is not None:
            title = f"{name}, PSNR {psnr:.1f} dB"
        shown = picture(*read_image(cell.folder / "image.npz"))
        if shown is not None:
            pictures[title] = shown
    return pictures
