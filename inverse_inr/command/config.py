"""Runs as TOML files. The signature is the schema: each table is checked against the component it names.

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
import inspect
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inverse_inr import priors
from inverse_inr.command.catalogue import optimizer_names, problems, regularizers, stoppings
from inverse_inr.command.records import Key, arguments, call, keys_of, unknown_key
from inverse_inr.problem import Problem
from inverse_inr.registry import Registry, nearest
from inverse_inr.regularizers import as_weighted
from inverse_inr.solver import Callback, Solver, make_prior

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Table = dict[str, Any]

MADE_IN_PYTHON = "(made in Python)"
GIVEN_TO_PRIORS = ("box", "channels")
SECTIONS = ("problem", "prior", "regularizers", "stopping", "optimizer", "solver", "baselines")


class ConfigError(ValueError):
    """A config that cannot be run; the message says where it is wrong."""


@dataclass(frozen=True)
class Run:
    """A checked config: nothing is built before it is asked for. `given` is a problem made in Python (see `on`)."""

    tables: Table
    given: Problem | None = None

    @classmethod
    def read(cls, path: str | Path) -> Run:
        """Raises FileNotFoundError, or ConfigError for bad TOML, an unknown table or a wrong key."""
        return cls.of(read_tables(path))

    @classmethod
    def of(cls, tables: Table) -> Run:
        run = cls(tables)
        run.check()
        return run

    @classmethod
    def on(cls, problem: Problem, **tables: Any) -> Run:
        """The same for a problem made in Python: `Run.on(problem, solver={"steps": 400}, prior={"name": "siren"})`."""
        run = cls(
            {"problem": {"name": MADE_IN_PYTHON, "measurements": _digest(problem)}, **tables},
            problem,
        )
        run.check()
        return run

    def varied(self, seed: int, prior: Table) -> Run:
        """This run with another prior and other random numbers: the solver's, and the noise's where it has a seed."""
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
        """The problem is simulated, with noise of a seed."""
        name = self.tables["problem"]["name"]
        return self.given is None and "seed" in keys_of(problems.get(name))

    def check(self) -> None:
        """Every table against the signature it will be called with."""
        t = self.tables
        for key in t:
            if key not in SECTIONS:
                raise ConfigError(f"Unknown table [{key}]. {nearest(key, SECTIONS)}")
        if "name" not in t.get("problem", {}):
            raise ConfigError(
                f"A config needs [problem] with a name. {nearest('', problems.names())}"
            )
        if self.given is None:
            _check("problem", problems, t["problem"])
        if "prior" in t:
            _check("prior", priors.registry, t["prior"], taken=GIVEN_TO_PRIORS)
        for table in t.get("regularizers", []):
            _check(
                "regularizers", regularizers, table, extra=("weight", "on_grid"), taken=("grid",)
            )
        for section, registry in (("stopping", stoppings), ("optimizer", optimizer_names)):
            if section in t:
                _check(section, registry, t[section])
        taken = ("problem", "prior", "regularizers", "stopping", "optimizer", "callbacks", "self")
        _validate("[solver]", Solver.__init__, t.get("solver", {}), taken)

    def problem(self) -> Problem:
        return _make(problems, self.tables["problem"]) if self.given is None else self.given

    def solver(self, problem: Problem, callbacks: list[Callback]) -> Solver:
        """The solver that the config describes, for its problem."""
        t = self.tables
        options = dict(t.get("solver", {}))
        seed = options.get("seed", 0)
        native = dict(t.get("prior", {}))
        if "name" in native:
            native = arguments(priors.registry.get(native["name"]), native, GIVEN_TO_PRIORS)
        prior = make_prior(problem, native.pop("name", None), native.pop("seed", seed), **native)
        if "regularizers" in t:
            options["regularizers"] = [
                self._regularizer(table, problem) for table in t["regularizers"]
            ]
        if "stopping" in t:
            options["stopping"] = _make(stoppings, t["stopping"])
        if "optimizer" in t:
            options["optimizer"] = _make(optimizer_names, t["optimizer"])
        return Solver(problem, prior, callbacks=callbacks, **options)

    def _regularizer(self, table: Table, problem: Problem) -> Any:
        options = {k: v for k, v in table.items() if k not in ("name", "weight", "on_grid")}
        if table.get("on_grid"):
            options["grid"] = problem.grid
        return table.get("weight", 1.0) * as_weighted(
            call(regularizers.get(table["name"]), options, ("grid",))
        )

    def baselines(self, problem: Problem) -> dict[str, Callable[[Problem], Any]]:
        """The named classical methods of the problem, all of them by default."""
        known = problem.suggested.baselines
        names = self.tables.get("baselines", {}).get("names", list(known))
        for name in names:
            if name not in known:
                raise ConfigError(f"[baselines] unknown method {name!r}. {nearest(name, known)}")
        return {name: known[name] for name in names}


def read_tables(path: str | Path) -> Table:
    """What a TOML file says, not yet checked. Raises FileNotFoundError, or ConfigError for bad TOML."""
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no config {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid TOML: {error}.") from None


def override(tables: Table, assignments: Iterable[str]) -> None:
    """Put "section.key=value" into the tables, the value as in TOML, else as text. Raises ConfigError."""
    for assignment in assignments:
        key, _, value = assignment.partition("=")
        section, _, name = key.strip().partition(".")
        if not name or not value:
            raise ConfigError(
                f"--set {assignment!r}: write section.key=value, e.g. solver.steps=200."
            )
        tables.setdefault(section, {})[name] = _parsed(value)


def set_keywords(tables: Table, keywords: Mapping[str, Sequence[str]]) -> None:
    """Put the command line's own words into [problem]: several words, or one where a list is asked for, are a list."""
    table = tables.setdefault("problem", {})
    known: dict[str, Key] = keys_of(problems.get(table["name"])) if "name" in table else {}
    for key, words in keywords.items():
        name = key.replace("-", "_")
        values = [_parsed(word) for word in words]
        listed = name in known and not _fits(values[0], known[name].annotation)
        table[name] = values if len(values) > 1 or listed else values[0]


def _fits(value: object, annotation: Any) -> bool:
    from pydantic import ValidationError

    try:
        _adapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def _parsed(text: str) -> Any:
    """A value as in TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check(
    section: str,
    registry: Registry,
    table: Table,
    *,
    extra: tuple[str, ...] = (),
    taken: tuple[str, ...] = (),
) -> None:
    if "name" not in table:
        raise ConfigError(f"[{section}] needs a name. {nearest('', registry.names())}")
    try:
        component = registry.get(table["name"])
    except ValueError as error:
        raise ConfigError(f"[{section}] {error}") from None
    keywords = {k: v for k, v in table.items() if k not in ("name", *extra)}
    _validate(f"[{section}] {table['name']}", component, keywords, taken)


def _validate(
    where: str, component: Callable[..., Any], keywords: Table, taken: tuple[str, ...]
) -> None:
    """Names against the signature, values against its annotations (pydantic), and what records say of their own."""
    try:
        known = keys_of(component, taken)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from None
    for key in keywords:
        if key in taken:
            raise ConfigError(f"{where}: {key!r} is not set here.")
        if reason := unknown_key(component, key, known):
            raise ConfigError(f"{where}: {reason}")
    for key, value in keywords.items():
        if key in known:
            _check_value(f"{where}: {key}", value, known[key].annotation)
    missing = [
        n for n, key in known.items() if key.required and n not in keywords and n not in taken
    ]
    if missing:
        raise ConfigError(f"{where} needs {', '.join(missing)}.")
    try:
        arguments(component, keywords, taken)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check_value(what: str, value: object, annotation: Any) -> None:
    from pydantic import ValidationError

    if annotation is inspect.Parameter.empty:
        return
    try:
        _adapter(annotation).validate_python(value)
    except ValidationError as error:
        detail = "; ".join(e["msg"] for e in error.errors()[:3])
        raise ConfigError(f"{what} = {value!r}. {detail}.") from None


def _digest(problem: Problem) -> str:
    """A fingerprint of the measurements, by which a later session knows the problem again."""
    digest = hashlib.sha256()
    for term in problem.terms:
        digest.update(
            term.y.detach().cpu().resolve_conj().resolve_neg().contiguous().numpy().tobytes()
        )
    return digest.hexdigest()[:16]


def _make(registry: Registry, table: Table) -> Any:
    return call(registry.get(table["name"]), {k: v for k, v in table.items() if k != "name"})
