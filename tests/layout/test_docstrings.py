"""Every public name can be read alone in help(): whole sentences, parameters that exist."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from cases.tree import by_room, modules

FRAGMENTS = re.compile(r"^(Of|The same of|As of|What|Where) ")
PUBLIC = by_room(
    name for name in modules() if not any(part.startswith("_") for part in name.split("."))
)
ROOMS = pytest.mark.parametrize("room", PUBLIC)


class Named(NamedTuple):
    """A public object and the name under which a user meets it."""

    name: str
    value: Any


def _own(module: ModuleType) -> Iterator[Named]:
    """Public classes and functions that a module defines, with their methods and properties."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield Named(f"{module.__name__}.{name}", value)
        if inspect.isclass(value):
            yield Named(f"{module.__name__}.{name}", value)
            for member, what in vars(value).items():
                plain = what
                if isinstance(what, classmethod | staticmethod):
                    plain = what.__func__
                if not member.startswith("_") and (
                    inspect.isfunction(plain) or isinstance(plain, property)
                ):
                    yield Named(f"{module.__name__}.{name}.{member}", getattr(value, member))


def _text(named: Named) -> str:
    """Its docstring or that of the method it overrides; a dataclass's generated one is none."""
    text = inspect.getdoc(named.value) or ""
    if inspect.isclass(named.value):
        text = named.value.__doc__ or ""
        if text.startswith(f"{named.value.__name__}("):
            return ""
    return text


def _repeats(named: Named) -> bool:
    """True if the docstring has no word that the name has not."""
    said = {word.lower() for word in re.findall(r"[A-Za-z]+", _text(named))}
    own = {
        word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", named.name.rpartition(".")[2])
    }
    return said <= own | {"the", "a", "an", "of", "its"}


def _unreadable(named: Named) -> str:
    """What is wrong with a docstring, in words; empty if nothing is."""
    text = _text(named)
    if not text.strip():
        return f"{named.name} has no docstring"
    if FRAGMENTS.match(text):
        return f"{named.name} begins with a fragment: {text.splitlines()[0]}"
    if _repeats(named):
        return f"{named.name}: its docstring only repeats its name"
    return ""


@ROOMS
def test_every_public_name_has_a_docstring_that_can_be_read_alone(room):
    faults = []
    for name in PUBLIC[room]:
        module = importlib.import_module(name)
        if not (module.__doc__ or "").strip():
            faults.append(f"{name} has no docstring")
        faults += filter(None, map(_unreadable, _own(module)))
    assert faults == []


def _without_parameter(named: Named) -> set[str]:
    """The names below `Args:` that are no parameter, or field, of what it documents."""
    section = re.search(
        r"^Args:\n((?:[ ]{4,}.*\n?|\n)+)", inspect.cleandoc(_text(named)), flags=re.MULTILINE
    )
    if section is None or isinstance(named.value, property):
        return set()
    told = re.findall(r"^ {4}\*{0,2}(\w+)(?: \(.*?\))?:", section[1], flags=re.MULTILINE)
    return set(told) - set(inspect.signature(named.value).parameters)


@ROOMS
def test_documented_parameters_exist(room):
    """Each name below `Args:` is a parameter, or a field, of what it documents."""
    named = [own for name in PUBLIC[room] for own in _own(importlib.import_module(name))]
    faults = {own.name: _without_parameter(own) for own in named}
    assert {name: found for name, found in faults.items() if found} == {}


@ROOMS
def test_examples_in_docstrings_give_what_they_say(room):
    failed = []
    for name in PUBLIC[room]:
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
        finder = doctest.DocTestFinder(exclude_empty=True)
        for example in finder.find(importlib.import_module(name), name):
            runner.run(example)
        if runner.failures:
            failed.append(f"{runner.failures} of {name}")
    assert failed == [], "examples fail; their output is above"


def test_what_is_missing_or_empty_is_found():
    class Plain:
        def method(self):
            return 1

    def the_value():
        """The value."""

    assert _text(Named("Plain", Plain)) == ""
    assert _text(Named("Plain.method", Plain.method)) == ""
    assert _repeats(Named("module.the_value", the_value))
    assert FRAGMENTS.match("Of L-BFGS in each round.")
    assert _unreadable(Named("Plain.method", Plain.method)) == "Plain.method has no docstring"
    assert "only repeats" in _unreadable(Named("module.the_value", the_value))


def test_a_parameter_that_is_none_is_found():
    def read(path):
        """Read a file.

        Args:
            path: The file.
            mode: No parameter.
        """

    assert _without_parameter(Named("read", read)) == {"mode"}
