"""Priors side by side on one problem: each fitted with each seed, classical baselines above.

Every fit is a cell with a folder of its own, so that a comparison that was cut off goes on where it
was, with the identical result, and a later one with more priors or seeds computes only what is new.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from inverse_inr.command.cell import FILES, Cell, attempt, baseline, fit
from inverse_inr.command.code import check_unchanged, code_of
from inverse_inr.command.config import Run
from inverse_inr.command.folder import read_record, regular_files, remove_orphans, require_free
from inverse_inr.command.keeping import Keeper
from inverse_inr.command.lock import locked
from inverse_inr.command.outcome import WRITTEN, Outcome
from inverse_inr.command.reporting import write_json
from inverse_inr.command.several.seeds import Seed, fit_together
from inverse_inr.command.tables import ConfigError, Table, anywhere
from inverse_inr.problem import Problem
from inverse_inr.solver import Progress
from inverse_inr.solver.identity import versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Comparison:
    """Several priors on the problem of one config, with its solver, regularizers and stopping rule.

    Args:
        run: The config. Each of `priors` replaces its [prior], with that prior's own defaults, and
            0 to seeds - 1 replace its seeds: of the solver, and of the noise where the problem
            draws any.
        priors: Names of the catalogue.
        out: Folder of the cells, the table and the figure.
        seeds: How often each prior is fitted.
        options: Keywords that all priors get, e.g. {"bandwidth": 20.0}.
        progress: Makes what is shown while a prior is fitted.
        command: How the comparison was asked for, for the caption of its table.
        together: Fit the seeds of a prior as one batch where that pays: to rounding the same.

    Raises:
        ConfigError: A prior is unknown or named twice, or one of them lacks an option. It is raised
            before any work starts.
    """

    run: Run
    priors: Sequence[str]
    out: Path
    seeds: int = 3
    options: Table = field(default_factory=dict)
    progress: Callable[[], Progress] = Progress
    command: str = ""
    together: bool = False
    alone: dict[str, str] = field(default_factory=dict)  # why priors were fitted one by one

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

    def claim(self, *, force: bool = False) -> None:
        """Take the folder: a new one, or one that holds cells of the same config.

        Args:
            force: Remove what an earlier comparison wrote, and begin again.

        Raises:
            ConfigError: The folder holds anything else, and `force` is not set.
        """
        path = self.out / "config.json"
        mine = json.loads(json.dumps(self._record()))
        if force and self.out.exists():
            self._clear()
        elif path.exists():
            self._check_same(mine, read_record(self.out))
        elif self.out.exists():
            require_free(self.out, "holds no comparison")
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
            "together": self.together,
            "code": code_of(config, self.priors),
            "folder": str(Path.cwd()),
            "versions": versions(),
        }

    def finish(self) -> None:
        """Note in the folder that all cells are done."""
        path = self.out / "config.json"
        write_json(path, {**read_record(self.out), "finished": True})

    def _check_same(self, mine: Table, theirs: Table) -> None:
        if "priors" not in theirs:
            raise ConfigError(
                f"{self.out} holds a single run. Choose another --out, or pass --force."
            )
        a, b = (
            anywhere(r["config"]) | {"prior": r["options"], "baselines": None}
            for r in (mine, theirs)
        )
        different = [f"[{k}]" for k in {**a, **b} if a.get(k) != b.get(k)]
        if any(self.out.glob("cells/*/*")):
            check_unchanged(theirs.get("code"), mine["code"], self.out)
        if different and any(self.out.glob("cells/*/*")):
            raise ConfigError(
                f"{self.out} holds a comparison whose {' and '.join(different)} said something "
                "else. Choose another --out, or pass --force to begin again."
            )

    def _clear(self) -> None:
        """Remove only what a comparison wrote, and nothing that a link leads to."""
        found = regular_files(self.out, ("config.json", *WRITTEN))
        cells = self.out / "cells"
        folders = []
        if cells.is_symlink():
            raise ConfigError(f"{cells} is a link, no folder of a comparison. Nothing was removed.")
        if cells.is_dir():
            folders = [p for p in cells.iterdir() if p.is_dir() and not p.is_symlink()]
        for folder in folders:
            found += regular_files(folder, FILES)
        for path in found:
            path.unlink()
        for folder in folders:
            remove_orphans(folder)
            if not any(folder.iterdir()):
                folder.rmdir()

    def _folder(self, method: str, seed: int, *, classical: bool = False) -> Path:
        name = f"{quote(method, safe='')}-{seed}"
        if classical:
            name = f"baseline-{name}"
        return self.out / "cells" / name

    def cells(self) -> Iterator[Cell]:
        """Go through all cells, seed by seed, baselines first.

        Finished cells come as they are, the others when they are done. A method that fails gives a
        cell that says why.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the checkpoint is written.
        """
        for seed in range(self.seeds):
            problem = self._problem(seed)
            if seed == 0 or self.run.draws_noise:  # equal measurements would give the same image
                for name, method in self.run.baselines(problem).items():
                    folder = self._folder(name, seed, classical=True)
                    cell = attempt(name, seed, folder, partial(baseline, method, problem))
                    self._grow(seed)
                    yield cell
            for name in self.priors:
                if self.together and seed == 0:
                    every = [
                        Seed(self._varied(name, k), self._problem(k), self._folder(name, k))
                        for k in range(self.seeds)
                    ]
                    self.alone[name] = fit_together(name, every, self.progress())
                work = partial(fit, self._varied(name, seed), problem, self.progress())
                cell = attempt(name, seed, self._folder(name, seed), work)
                self._grow(seed)
                yield cell

    def _grow(self, seed: int) -> None:
        """Write the table of what is done; the figure too, which shows the first seed."""
        keeper = Keeper(self.out)
        self.outcome.write(keeper, figure=seed == 0)

    @cached_property
    def first(self) -> Problem:
        """The problem of seed 0."""
        return self._varied(self.priors[0], 0).problem()

    def _problem(self, seed: int) -> Problem:
        if seed == 0 or not self.run.draws_noise:
            return self.first
        return self._varied(self.priors[0], seed).problem()

    # --- the outcome ------------------------------------------------------------------------------

    @property
    def outcome(self) -> Outcome:
        """The outcome of the cells that the folder holds by now."""
        baselines = list(self.run.baselines(self.first))
        classical = self._found(baselines, classical=True)
        learnt = self._found(self.priors, classical=False)
        return Outcome(self.first, classical, learnt, self._caption())

    def _found(self, names: Sequence[str], *, classical: bool) -> dict[str, list[Cell]]:
        found = {}
        for name in names:
            folders = [self._folder(name, seed, classical=classical) for seed in range(self.seeds)]
            found[name] = [cell for cell in map(Cell.read, folders) if cell is not None]
        return found

    def _caption(self) -> list[str]:
        lines = [f"`{self.command}`"] * bool(self.command)
        drawn = "the solver"
        if self.run.draws_noise:
            drawn = "noise and solver"
        said = f"Seeds 0 to {self.seeds - 1} of {drawn}: mean ± standard deviation."
        if self.seeds == 1:
            said = "One seed."
        alone = [f"{name} one by one: {why}." for name, why in self.alone.items() if why]
        return [*lines, said, *alone]

    def table(self) -> list[Table]:
        """Summarise each method in a row; see `Outcome.table`."""
        return self.outcome.table()

    def figure(self) -> Figure | None:
        """Draw the first seed of each method; see `Outcome.figure`."""
        return self.outcome.figure()

    def markdown(self) -> str:
        """Write the table for a document, and below it what its numbers are."""
        return self.outcome.markdown()

    def write(self) -> None:
        """Write table.json, table.md and figure.png of the cells that are there."""
        keeper = Keeper(self.out)
        self.outcome.write(keeper)
        keeper.finish()


def compare(
    problem: Run | Problem,
    priors: Sequence[str],
    *,
    out: str | Path,
    seeds: int = 3,
    force: bool = False,
    options: Table | None = None,
    device: str | None = None,
    dtype: str | None = None,
    together: bool = False,
) -> Comparison:
    """Fit every prior with every seed, and write table and figure. Finished fits in `out` are kept.

    Args:
        problem: A config, e.g. `Run.read("problems/ct.toml")`, or a problem made in Python, with
            settings of its own as in `Run.on(problem, solver={"steps": 400})`.
        priors: Names of the catalogue.
        out: Folder of the comparison.
        seeds: How often each prior is fitted, with seeds 0, 1, ...
        force: Begin again in a folder that holds an earlier comparison.
        options: Keywords that all priors get.
        device: As for `solve`; the config's if None. Classical methods are there too.
        dtype: As for `solve`; the config's if None.
        together: Fit the seeds of a prior as one batch where that pays: to rounding the same.

    Returns:
        The comparison, with its `table()`.
    """
    run = problem
    if isinstance(problem, Problem):
        run = Run.on(problem)
    assert isinstance(run, Run)
    asked = {k: v for k, v in (("device", device), ("dtype", dtype)) if v is not None}
    if asked:
        run = replace(run, tables={**run.tables, "solver": run.tables.get("solver", {}) | asked})
        run.check()
    comparison = Comparison(run, priors, Path(out), seeds, options or {}, together=together)
    with locked(comparison.out):
        comparison.claim(force=force)
        for _ in comparison.cells():
            pass
        comparison.write()
        comparison.finish()
    return comparison
