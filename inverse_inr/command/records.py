"""Records in signatures: a parameter that is a frozen dataclass is written as its fields.

    def stacks(volume: str, *, motion: Motion = Motion(), seed: int = 0) -> Problem: ...

    volume = "mni152"
    degrees = 5.0
    distance = 2.0

What a signature groups for a Python caller stays flat for whoever writes a config or words on the
command line. No record is known by name here: any parameter whose annotation is a frozen dataclass
is one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any, get_type_hints

from inverse_inr.command.values import converted
from inverse_inr.registry import nearest


@dataclass(frozen=True)
class Key:
    """One key that a table may have for a component.

    annotation  a value is converted by it; `inspect.Parameter.empty` where there is none
    required    neither the signature nor a record has a default for it
    record      the parameter whose field it is; None for a parameter itself
    default     what holds where a table says nothing; `inspect.Parameter.empty` if required
    owner       the record that documents it; None for a parameter itself
    """

    annotation: Any
    required: bool
    record: str | None = None
    default: Any = inspect.Parameter.empty
    owner: type | None = None


def keys_of(component: Callable[..., Any], taken: Container[str] = ()) -> dict[str, Key]:
    """All keys of a component, those of its records spread; parameters in `taken` stay whole.

    Raises TypeError where two records have a field of one name, or a record has one with a
    parameter's name.
    """
    found: dict[str, Key] = {}
    for parameter in _parameters(component).values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        for name, key in _spread(parameter, whole=parameter.name in taken).items():
            if name in found:
                raise TypeError(_collision(component, name, found[name], key))
            found[name] = key
    return found


def call(
    component: Callable[..., Any], table: Mapping[str, Any], taken: Container[str] = ()
) -> Any:
    """The component called with a table of flat keys: see `arguments`."""
    return component(**arguments(component, table, taken))


def arguments(
    component: Callable[..., Any], table: Mapping[str, Any], taken: Container[str] = ()
) -> dict[str, Any]:
    """Keywords of the component from flat keys: converted, and records made of their fields.

    A record differs from the signature's default in what the table says. One that the table says
    nothing of is left to that default. Raises ValueError for what an annotation or a record
    refuses.
    """
    keys, parameters = keys_of(component, taken), _parameters(component)
    made: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in table.items():
        key = keys.get(name)
        if key is None:
            made[name] = value
            continue
        if name not in taken:
            value = _meant(name, value, key)
        if key.record is None:
            made[name] = value
        else:
            parts.setdefault(key.record, {})[name] = value
    for name, parameter in parameters.items():
        if is_record(parameter.annotation) and name not in taken:
            if name in parts and parameter.default is not parameter.empty:
                made[name] = replace(parameter.default, **parts[name])
            elif name in parts or parameter.default is parameter.empty:
                made[name] = parameter.annotation(**parts.get(name, {}))
    return made


def _meant(name: str, value: Any, key: Key) -> Any:
    """The value as it is used. Raises ValueError with the key, the value and what is allowed."""
    try:
        return converted(value, key.annotation, key.default)
    except ValueError as error:
        raise ValueError(f"{name} = {value!r} {error}") from None


def unknown_key(component: Callable[..., Any], name: str, keys: Mapping[str, Key]) -> str:
    """Why a table may not have `name`, for an error message; empty where it may."""
    if name in keys or any(p.kind is p.VAR_KEYWORD for p in _parameters(component).values()):
        return ""
    own = [field for field, key in keys.items() if key.record == name]
    if own:
        return f"{name} is no table: its parts are keys beside the others, {', '.join(own)}."
    return f"there is no option {name!r}. {nearest(name, keys)}"


def is_record(annotation: object) -> bool:
    """A frozen dataclass by itself; not one that may also be None, and not one value of it."""
    if not (isinstance(annotation, type) and is_dataclass(annotation)):
        return False
    return annotation.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]


def _parameters(component: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(component, eval_str=True).parameters


def _spread(parameter: inspect.Parameter, whole: bool) -> dict[str, Key]:
    given = parameter.default is not parameter.empty
    if whole or not is_record(parameter.annotation):
        return {parameter.name: Key(parameter.annotation, not given, None, parameter.default)}
    hints = get_type_hints(parameter.annotation, include_extras=True)
    found = {}
    for field in fields(parameter.annotation):
        if not field.init:
            continue
        default = _default(field)
        if given:
            default = getattr(parameter.default, field.name)
        required = not given and _has_no_default(field)
        found[field.name] = Key(
            hints[field.name], required, parameter.name, default, parameter.annotation
        )
    return found


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty


def _has_no_default(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _collision(component: Callable[..., Any], name: str, one: Key, other: Key) -> str:
    places = [f"a field of {k.record!r}" if k.record else "a parameter" for k in (one, other)]
    what = getattr(component, "__name__", type(component).__name__)
    slip = "a config could not tell them apart. Rename one."
    return f"{what}: {name!r} is {places[0]} and {places[1]}; {slip}"
