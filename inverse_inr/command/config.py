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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from inverse_inr import families, priors
from inverse_inr.command.catalogue import optimizer_names, problems, regularizers, stoppings
from inverse_inr.command.presets import with_data_folder
from inverse_inr.command.records import arguments, call, keys_of
from inverse_inr.command.tables import (
    ConfigError,
    Table,
    check_component,
    check_keywords,
    check_place,
    check_sections,
    read_tables,
)
from inverse_inr.problem import Problem
from inverse_inr.ranges import NonNegative
from inverse_inr.registry import Registry, nearest
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver import Callback, Solver, make_prior, measurements_digest, weight_path

BY_ROWS = "held-out"
"""The weight of a regularizer that held-out measurements are to choose."""

MADE_IN_PYTHON = "(made in Python)"
"""The name of a problem that no config can make again."""

GIVEN_TO_PRIORS = ("box", "channels")
"""What the problem decides of its prior."""


@dataclass(frozen=True)
class Run:
    """A checked config. Nothing is built before it is asked for.

    Args:
        tables: The config's tables, by name.
        given: A problem made in Python (see `on`), which then takes the place of [problem].
        found: Settings that were found from the measurements, e.g. weights, as they are found.
    """

    tables: Table
    given: Problem | None = None
    found: Table = field(default_factory=dict, compare=False)

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
            {
                "problem": {
                    "name": MADE_IN_PYTHON,
                    "measurements": measurements_digest(problem)[:16],
                },
                **tables,
            },
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
        run = replace(self, tables=tables, found={})
        run.check()
        return run

    @property
    def draws_noise(self) -> bool:
        """Whether the problem is simulated, with noise from a seed."""
        return self.given is None and "seed" in keys_of(
            problems.get(self.tables["problem"]["name"])
        )

    def check(self) -> None:
        """Check every table against the signature it will be called with. Raises ConfigError."""
        t = self.tables
        check_sections(t)
        if "name" not in t.get("problem", {}):
            raise ConfigError(
                f"A config needs [problem] with a name. {nearest('', problems.names())}"
            )
        taken = ("problem", "prior", "regularizers", "stopping", "optimizer", "callbacks", "self")
        if self.given is None:
            self._check_solver_words(taken)
            check_component("problem", problems, t["problem"])
        if "name" in t.get("prior", {}):
            check_component("prior", priors.registry, t["prior"], taken=GIVEN_TO_PRIORS)
        elif "family" in t.get("prior", {}):
            check_keywords("[prior]", lambda family: family, t["prior"], ())
        for k, table in enumerate(t.get("regularizers", [])):
            where = f"regularizers.{k}"
            check_component(
                where, regularizers, table, extra=("weight", "on_grid"), taken=("grid",)
            )
            own = {key: value for key, value in table.items() if key in ("weight", "on_grid")}
            check_keywords(f"[{where}] {table['name']}", _beside, own, ())
        for section, registry in (("stopping", stoppings), ("optimizer", optimizer_names)):
            if section in t:
                check_component(section, registry, t[section])
        check_keywords("[solver]", Solver.__init__, t.get("solver", {}), taken)
        check_place(t.get("solver", {}))
        check_keywords("[baselines]", _chosen, t.get("baselines", {}), ())

    def _check_solver_words(self, taken: tuple[str, ...]) -> None:
        """Refuse keys of the solver in [problem], where words of the command line go."""
        table = self.tables["problem"]
        if table["name"] not in problems:
            return
        try:
            own = keys_of(problems.get(table["name"]))
        except TypeError:  # its parts share a name, which check_component reports
            return
        for key in keys_of(Solver.__init__, taken):
            if key in table and key not in own:
                raise ConfigError(
                    f"[problem] {table['name']}: {key} belongs to the solver: [solver] {key} = "
                    f"{table[key]!r}, or --set solver.{key}={table[key]} on the command line."
                )

    def problem(self) -> Problem:
        """Make the problem, or return the one that was given.

        Raises:
            FileNotFoundError: A path begins with the data folder, and that is not known.
        """
        problem = self.given or _make(problems, with_data_folder(self.tables["problem"]))
        if self.device is not None and isinstance(problem, Problem):
            return problem.to(self.device)
        return problem

    @property
    def device(self) -> str | None:
        """The device that [solver] names, on which the problem and all methods then are."""
        return self.tables.get("solver", {}).get("device")

    def solver(self, problem: Problem, callbacks: list[Callback], **further: Any) -> Solver:
        """Make the solver that the config describes.

        Args:
            problem: What `problem()` made.
            callbacks: They are called at the stopping rule's checks.
            **further: Keywords of `Solver` that replace what the config says.
        """
        t = self.tables
        taken = ("problem", "prior", "callbacks", "self")
        options = arguments(Solver.__init__, t.get("solver", {}), taken)
        native = dict(t.get("prior", {}))
        if not {"name", "family"} & {*native} and not {"lr", "optimizer"} & {*options, *t}:
            options["lr"] = problem.suggested.lr  # it suits the suggested prior, as in `solve`
        prior = self._prior(problem, native, options.get("seed", 0))
        seen = problem
        if "lattice" in options:
            seen = problem.on_lattice(options.pop("lattice"))
        if "regularizers" in t:
            chosen = [self._regularizer(table, seen) for table in t["regularizers"]]
            options["regularizers"] = chosen
        if "stopping" in t:
            options["stopping"] = _make(stoppings, t["stopping"])
        if "optimizer" in t:
            options["optimizer"] = _make(optimizer_names, t["optimizer"])
        if any(table.get("weight") == BY_ROWS for table in t.get("regularizers", [])):
            options["regularizers"] = self._weighted(seen, prior, options)
        return Solver(seen, prior, callbacks=callbacks, **{**options, **further})

    def _weighted(self, problem: Problem, prior: Any, options: Table) -> list[Any]:
        """The regularizers with the weight that predicts held-out measurements best.

        It is found once and kept in `found`.
        """
        key = "weight of the regularizers"
        tables = self.tables["regularizers"]
        sought = [table.get("weight") == BY_ROWS for table in tables]
        pairs = list(zip(sought, options["regularizers"], strict=True))
        if key not in self.found:
            own = {k: v for k, v in options.items() if k != "regularizers"}
            scaled = [made for is_sought, made in pairs if is_sought]
            fixed = [made for is_sought, made in pairs if not is_sought]
            path = weight_path(problem, prior, scaled, fixed=fixed, **own)
            self.found[key] = path.details()
        weight = self.found[key]["weight"]
        return [weight * made if is_sought else made for is_sought, made in pairs]

    def _prior(self, problem: Problem, table: Table, seed: int) -> Any:
        """The prior of a table, or the problem's own with what the table says of it."""
        given = {k: v for k, v in table.items() if k != "seed"}
        if "family" in given:
            return families.load(given["family"]).start(problem, seed=seed)
        if "name" in given:
            component = priors.registry.get(given["name"])
            native = arguments(component, given, GIVEN_TO_PRIORS)
            return make_prior(problem, native.pop("name"), table.get("seed", seed), **native)
        own = problem.suggested.prior
        check_component("prior", priors.registry, {**table, "name": own}, taken=GIVEN_TO_PRIORS)
        native = arguments(priors.registry.get(own), table, GIVEN_TO_PRIORS)
        suggested = replace(problem.suggested, options={**problem.suggested.options, **native})
        try:
            return make_prior(replace(problem, suggested=suggested), None, seed)
        except RuntimeError as error:
            if not native:
                raise
            raise ConfigError(
                f"[prior] {', '.join(native)}: the problem's own prior, {own}, starts from an "
                f"earlier fit and keeps its sizes. Name a prior to begin anew: "
                f"prior.name={own} ({' '.join(str(error).split())[:120]})."
            ) from None

    def _regularizer(self, table: Table, problem: Problem) -> Any:
        options = {k: v for k, v in table.items() if k not in ("name", "weight", "on_grid")}
        own = {k: v for k, v in table.items() if k in ("weight", "on_grid")}
        beside = arguments(_beside, own)
        if beside.get("on_grid"):
            options["grid"] = problem.grid.refined(problem.finer or 1)
        made = call(regularizers.get(table["name"]), options, ("grid",))
        weight = beside.get("weight", 1.0)
        if weight == BY_ROWS:
            weight = 1.0
        return weight * as_weighted(made)

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
            if names.count(name) > 1:
                raise ConfigError(f"[baselines] the method {name!r} is named twice.")
        return {name: known[name] for name in names}


def _beside(weight: NonNegative | Literal["held-out"] = 1.0, on_grid: bool = False) -> None:
    """The keys that every table of regularizers may have beside those of its component."""


def _chosen(names: Sequence[str] = ()) -> None:
    """The keys of [baselines]."""


def _make(registry: Registry, table: Table) -> Any:
    return call(registry.get(table["name"]), {k: v for k, v in table.items() if k != "name"})
