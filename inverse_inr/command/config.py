"""Runs as TOML files. Each table is checked against the signature of the component it names.

[problem]           name = "ct", and the keywords of problems.ct.ct
[prior]             name = "hash", and the keywords of priors.hash
[[regularizers]]    name = "total_variation", weight = 1e-3, ...
[stopping]          name = "held_out", ...
[solver]            steps, lr, seed, ...: the keywords of Solver
[baselines]         names = ["FBP", "TV"]

Parameters that are records are written as their fields, keys like all others (`records`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inverse_inr import priors
from inverse_inr.command.catalogue import optimizer_names, problems, regularizers, stoppings
from inverse_inr.command.records import arguments, call, keys_of
from inverse_inr.command.tables import (
    ConfigError,
    Table,
    check_component,
    check_keywords,
    read_tables,
)
from inverse_inr.problem import Problem
from inverse_inr.registry import Registry, nearest
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver import Callback, Solver, make_prior

MADE_IN_PYTHON = "(made in Python)"
"""The name of a problem that no config can make again."""

GIVEN_TO_PRIORS = ("box", "channels")
"""What the problem decides of its prior."""

SECTIONS = ("problem", "prior", "regularizers", "stopping", "optimizer", "solver", "baselines")


@dataclass(frozen=True)
class Run:
    """A checked config. Nothing is built before it is asked for.

    Args:
        tables: The config's tables, by name.
        given: A problem made in Python (see `on`), which then takes the place of [problem].
    """

    tables: Table
    given: Problem | None = None

    @classmethod
    def read(cls, path: str | Path) -> Run:
        """Read and check a TOML file.

        Raises:
            FileNotFoundError: There is no such file.
            ConfigError: The file is no TOML, or has an unknown table, a wrong key or a wrong value.
        """
        return cls.of(read_tables(path))

    @classmethod
    def of(cls, tables: Table) -> Run:
        """Check tables and keep them. Raises ConfigError as `read` does."""
        run = cls(tables)
        run.check()
        return run

    @classmethod
    def on(cls, problem: Problem, **tables: Any) -> Run:
        """Check the settings of a problem made in Python.

        Args:
            problem: The problem.
            tables: The other tables, e.g. `solver={"steps": 400}, prior={"name": "siren"}`.

        Raises:
            ConfigError: A table is unknown, or a key or value wrong.
        """
        run = cls(
            {"problem": {"name": MADE_IN_PYTHON, "measurements": _digest(problem)}, **tables},
            problem,
        )
        run.check()
        return run

    def varied(self, seed: int, prior: Table) -> Run:
        """Return this run with another prior and other random numbers.

        Args:
            seed: Of the solver, and of the noise where the problem draws any.
            prior: The table that replaces [prior].
        """
        tables = self.tables | {
            "prior": prior,
            "solver": self.tables.get("solver", {}) | {"seed": seed},
        }
        if self.draws_noise:
            tables["problem"] = self.tables["problem"] | {"seed": seed}
        run = replace(self, tables=tables)
        run.check()
        return run

    @property
    def draws_noise(self) -> bool:
        """Whether the problem is simulated, with noise from a seed."""
        name = self.tables["problem"]["name"]
        return self.given is None and "seed" in keys_of(problems.get(name))

    def check(self) -> None:
        """Check every table against the signature it will be called with. Raises ConfigError."""
        t = self.tables
        for key in t:
            if key not in SECTIONS:
                raise ConfigError(f"Unknown table [{key}]. {nearest(key, SECTIONS)}")
        if "name" not in t.get("problem", {}):
            raise ConfigError(
                f"A config needs [problem] with a name. {nearest('', problems.names())}"
            )
        if self.given is None:
            check_component("problem", problems, t["problem"])
        if "prior" in t:
            check_component("prior", priors.registry, t["prior"], taken=GIVEN_TO_PRIORS)
        for table in t.get("regularizers", []):
            extra = ("weight", "on_grid")
            check_component("regularizers", regularizers, table, extra=extra, taken=("grid",))
        for section, registry in (("stopping", stoppings), ("optimizer", optimizer_names)):
            if section in t:
                check_component(section, registry, t[section])
        taken = ("problem", "prior", "regularizers", "stopping", "optimizer", "callbacks", "self")
        check_keywords("[solver]", Solver.__init__, t.get("solver", {}), taken)

    def problem(self) -> Problem:
        """Make the problem, or return the one that was given."""
        if self.given is not None:
            return self.given
        return _make(problems, self.tables["problem"])

    def solver(self, problem: Problem, callbacks: list[Callback]) -> Solver:
        """Make the solver that the config describes.

        Args:
            problem: What `problem()` made.
            callbacks: They are called at the stopping rule's checks.
        """
        t = self.tables
        options = dict(t.get("solver", {}))
        seed = options.get("seed", 0)
        native = dict(t.get("prior", {}))
        if "name" in native:
            native = arguments(priors.registry.get(native["name"]), native, GIVEN_TO_PRIORS)
        prior = make_prior(problem, native.pop("name", None), native.pop("seed", seed), **native)
        if "regularizers" in t:
            chosen = [self._regularizer(table, problem) for table in t["regularizers"]]
            options["regularizers"] = chosen
        if "stopping" in t:
            options["stopping"] = _make(stoppings, t["stopping"])
        if "optimizer" in t:
            options["optimizer"] = _make(optimizer_names, t["optimizer"])
        return Solver(problem, prior, callbacks=callbacks, **options)

    def _regularizer(self, table: Table, problem: Problem) -> Any:
        options = {k: v for k, v in table.items() if k not in ("name", "weight", "on_grid")}
        if table.get("on_grid"):
            options["grid"] = problem.grid
        made = call(regularizers.get(table["name"]), options, ("grid",))
        return table.get("weight", 1.0) * as_weighted(made)

    def baselines(self, problem: Problem) -> dict[str, Callable[[Problem], Any]]:
        """Return the classical methods that the config names, by default all of the problem's.

        Raises:
            ConfigError: The problem has no method of that name.
        """
        known = problem.suggested.baselines
        names = self.tables.get("baselines", {}).get("names", list(known))
        for name in names:
            if name not in known:
                raise ConfigError(f"[baselines] unknown method {name!r}. {nearest(name, known)}")
        return {name: known[name] for name in names}


def _digest(problem: Problem) -> str:
    """A fingerprint of the measurements, by which a later session knows the problem again."""
    digest = hashlib.sha256()
    for term in problem.terms:
        y = term.y.detach().cpu().resolve_conj().resolve_neg().contiguous()
        digest.update(y.numpy().tobytes())
    return digest.hexdigest()[:16]


def _make(registry: Registry, table: Table) -> Any:
    return call(registry.get(table["name"]), {k: v for k, v in table.items() if k != "name"})
