"""Priors side by side on one problem: each fitted with each seed, the classical baselines above them, one table.

Every fit is a cell with a folder of its own, so that a comparison that was cut off goes on where it was, with the
identical result, and a later one with more priors or seeds computes only what is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import torch
from torch import Tensor

from inverse_inr.command.cell import FILES, MEASURES, Cell, attempt, baseline, fit, notes
from inverse_inr.command.config import ConfigError, Run, Table
from inverse_inr.command.reporting import (
    HELD_OUT,
    display_range,
    markdown_table,
    picture,
    save_figure,
    spread,
    truth_of,
    versions,
    write_json,
)
from inverse_inr.io import read_image
from inverse_inr.io.files import atomic_write
from inverse_inr.problem import Problem
from inverse_inr.sampled import SampledField
from inverse_inr.solver import Progress, Solution

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """`priors` on the problem of `run`, with its solver, optimizer, regularizers and stopping rule.

    run       the config; its [prior] is replaced by each of `priors` at its own defaults, its seeds by
              0 ... seeds - 1: of the solver, and of the noise where the problem draws any
    out       folder of the cells, the table and the figure
    options   keywords that all priors get, e.g. {"bandwidth": 20.0}
    progress  makes what is shown while a prior is fitted
    command   how the comparison was asked for, for the caption of its table

    Raises ConfigError for an unknown or repeated prior, or an option that one of them does not have: before any work.
    """

    run: Run
    priors: Sequence[str]
    out: Path
    seeds: int = 3
    options: Table = field(default_factory=dict)
    progress: Callable[[], Progress] = Progress
    command: str = ""

    def __post_init__(self) -> None:
        if not self.priors or self.seeds < 1:
            raise ConfigError(
                f"A comparison needs priors and seeds, got {list(self.priors)} and {self.seeds}."
            )
        for name in self.priors:
            if list(self.priors).count(name) > 1:
                raise ConfigError(f"The prior {name!r} is named twice.")
            self._varied(name, 0)

    def _varied(self, prior: str, seed: int) -> Run:
        return self.run.varied(seed, {**self.options, "name": prior})

    # --- the folder -------------------------------------------------------------------------------------------------

    def claim(self, *, force: bool = False) -> None:
        """Take the folder: a new one, or one that holds cells of the same config, whatever their priors and seeds.

        Raises ConfigError where it holds anything else, unless `force`, which removes what an earlier comparison wrote.
        """
        path, mine = self.out / "config.json", json.loads(json.dumps(self._record()))
        if force:
            self._clear()
        elif path.exists():
            self._check_same(mine, json.loads(path.read_text()))
        elif self.out.exists() and any(self.out.iterdir()):
            raise ConfigError(
                f"{self.out} is not empty and holds no comparison. Choose another --out, or pass --force."
            )
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)

    def _record(self) -> Table:
        config = {k: v for k, v in self.run.tables.items() if k != "prior"}
        return {
            "config": config,
            "options": dict(self.options),
            "priors": list(self.priors),
            "seeds": self.seeds,
            "command": self.command,
            "versions": versions(),
        }

    def _check_same(self, mine: Table, theirs: Table) -> None:
        if "priors" not in theirs:
            raise ConfigError(
                f"{self.out} holds a single run. Choose another --out, or pass --force."
            )
        a, b = (r["config"] | {"prior": r["options"], "baselines": None} for r in (mine, theirs))
        different = [f"[{k}]" for k in {**a, **b} if a.get(k) != b.get(k)]
        if different and any(self.out.glob("cells/*/*")):
            raise ConfigError(
                f"{self.out} holds a comparison whose {' and '.join(different)} said something else. "
                "Choose another --out, or pass --force to begin again."
            )

    def _clear(self) -> None:
        """Only what a comparison wrote goes."""
        for name in ("config.json", "table.json", "table.md", "figure.png"):
            (self.out / name).unlink(missing_ok=True)
        for folder in self.out.glob("cells/*/"):
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
            if not any(folder.iterdir()):
                folder.rmdir()

    def _folder(self, method: str, seed: int, *, classical: bool) -> Path:
        return (
            self.out
            / "cells"
            / f"{'baseline-' if classical else ''}{quote(method, safe='')}-{seed}"
        )

    # --- the work ---------------------------------------------------------------------------------------------------

    def cells(self) -> Iterator[Cell]:
        """All cells, seed by seed, baselines first: finished ones as they are, the others when they are done.

        A method that fails gives a cell that says why. Ctrl-C raises KeyboardInterrupt once the checkpoint is written.
        """
        for seed in range(self.seeds):
            problem = self._problem(seed)
            if (
                seed == 0 or self.run.draws_noise
            ):  # the same measurements would give the same image again
                for name, method in self.run.baselines(problem).items():
                    yield attempt(
                        name,
                        seed,
                        self._folder(name, seed, classical=True),
                        partial(baseline, method, problem),
                    )
            for name in self.priors:
                work = partial(fit, self._varied(name, seed), problem, self.progress())
                yield attempt(name, seed, self._folder(name, seed, classical=False), work)

    @cached_property
    def first(self) -> Problem:
        """The problem of seed 0."""
        return self._varied(self.priors[0], 0).problem()

    def _problem(self, seed: int) -> Problem:
        if seed == 0 or not self.run.draws_noise:
            return self.first
        return self._varied(self.priors[0], seed).problem()

    # --- the outcome ------------------------------------------------------------------------------------------------

    def _found(self, names: Sequence[str], *, classical: bool) -> dict[str, list[Cell]]:
        """The cells that the folder holds of some methods."""
        folders = {
            n: [self._folder(n, seed, classical=classical) for seed in range(self.seeds)]
            for n in names
        }
        return {
            n: [c for c in map(Cell.read, paths) if c is not None] for n, paths in folders.items()
        }

    @property
    def _classical(self) -> dict[str, list[Cell]]:
        return self._found(list(self.run.baselines(self.first)), classical=True)

    @property
    def _learnt(self) -> dict[str, list[Cell]]:
        return self._found(self.priors, classical=False)

    def table(self) -> list[Table]:
        """A row for each method: every measure by mean and standard deviation over the seeds that did not fail."""
        rows = []
        for name, cells in [*self._classical.items(), *self._learnt.items()]:
            measures = {
                title: spread([c.values.get(k) for c in cells]) for k, title in MEASURES.items()
            }
            rows.append({"method": name, **measures, "note": "; ".join(notes(cells)) or None})
        used = [k for k in rows[0] if any(row[k] is not None for row in rows)]
        return [{k: row[k] for k in used} for row in rows]

    def figure(self) -> Figure | None:
        """Truth and baselines in the first row, priors below, the first seed of each.

        Where there is no image, as on a line, what the problem itself draws of them; None where it draws nothing.
        """
        from inverse_inr import plotting

        truth = truth_of(self.first)
        images = {} if truth is None else {"truth": picture(truth, self.first.grid)}
        classical, learnt = self._classical, self._learnt
        top, below = images | self._pictures(classical), self._pictures(learnt)
        columns = max(len(top), min(len(below), 5), 1)
        names = list(below)
        rows = [
            top,
            *({n: below[n] for n in names[k : k + columns]} for k in range(0, len(names), columns)),
        ]
        rows = [{n: v for n, v in row.items() if v is not None} for row in rows]
        rows = [row for row in rows if row]
        if not rows:
            return self._drawn(classical | learnt)
        # without a truth the median of all: no outlier among the methods decides the scale
        scale = (
            rows[0]["truth"]
            if truth is not None
            else torch.stack([v for r in rows for v in r.values()]).median(0)[0]
        )
        return plotting.gallery(rows, value_range=display_range(scale)).flat[0].figure

    def _drawn(self, found: dict[str, list[Cell]]) -> Figure | None:
        draw, done = self.first.suggested.figure, _first_done(found)
        if draw is None or not done:
            return None
        fields = {
            n: SampledField(*read_image(cell.folder / "image.npz")) for n, cell in done.items()
        }
        return draw(self.first, [Solution(f, self.first, name) for name, f in fields.items()])

    def _pictures(self, found: dict[str, list[Cell]]) -> dict[str, Tensor | None]:
        """One image of each method that has any, by its name and PSNR."""
        pictures = {}
        for name, cell in _first_done(found).items():
            psnr = cell.values.get("PSNR")
            title = name if psnr is None else f"{name}, {psnr:.1f} dB"
            pictures[title] = picture(*read_image(cell.folder / "image.npz"))
        return pictures

    def markdown(self) -> str:
        """The table for a document, and below it what its numbers are."""
        cells = [
            c
            for found in (self._classical, self._learnt)
            for several in found.values()
            for c in several
        ]
        machines = sorted({c.machine for c in cells if c.machine})
        drawn = "noise and solver" if self.run.draws_noise else "the solver"
        caption = [f"`{self.command}`"] * bool(self.command) + [
            f"Seeds 0 to {self.seeds - 1} of {drawn}: mean ± standard deviation."
            if self.seeds > 1
            else "One seed.",
            HELD_OUT,
            f"Seconds: wall-clock of the whole fit, {' and '.join(machines)}.",
            "Memory: tensors alive at once in one training step.",
        ]
        return f"{markdown_table(self.table())}\n\n" + "\n".join(caption) + "\n"

    def write(self) -> None:
        """table.json, table.md and figure.png of the cells that are there."""
        write_json(self.out / "table.json", self.table())
        with atomic_write(self.out / "table.md") as temporary:
            temporary.write_text(self.markdown())
        figure = self.figure()
        if figure is not None:
            save_figure(figure, self.out / "figure.png")


def _first_done(found: dict[str, list[Cell]]) -> dict[str, Cell]:
    """The first cell of each method that did not fail."""
    done = {name: next((c for c in cells if not c.failed), None) for name, cells in found.items()}
    return {name: cell for name, cell in done.items() if cell is not None}


def compare(
    problem: Run | Problem,
    priors: Sequence[str],
    *,
    out: str | Path,
    seeds: int = 3,
    force: bool = False,
    options: Table | None = None,
) -> Comparison:
    """Fit every prior with every seed, write table and figure to `out`, and return the comparison with its `table()`.

    `problem` is a config, `Run.read("problems/ct.toml")`, or a problem made in Python, with settings of its own as
    `Run.on(problem, solver={"steps": 400})`. Keywords are those of `Comparison`. Finished fits in `out` are kept.
    """
    run = problem if isinstance(problem, Run) else Run.on(problem)
    comparison = Comparison(run, priors, Path(out), seeds, options or {})
    comparison.claim(force=force)
    for _ in comparison.cells():
        pass
    comparison.write()
    return comparison
