"""Every public name says in help() what it is: whole sentences, and parameters that exist."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from cases.tree import modules

FRAGMENTS = re.compile(r"^(Of|The same of|As of|What|Where) ")
PUBLIC = sorted(
    name for name in modules() if not any(part.startswith("_") for part in name.split("."))
)


class Named(NamedTuple):
    """A public object and the name under which a user meets it."""

    name: str
    value: Any


def _own(module: ModuleType) -> Iterator[Named]:
    """Public classes and functions of a module, and those classes' methods and properties."""
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
    """Its docstring or that of the method it overrides; what dataclasses make up is none."""
    text = inspect.getdoc(named.value) or ""
    if inspect.isclass(named.value):
        text = named.value.__doc__ or ""
        if text.startswith(f"{named.value.__name__}("):
            return ""
    return text


def _repeats(named: Named) -> bool:
    """Whether the docstring has no word that the name has not."""
    said = {word.lower() for word in re.findall(r"[A-Za-z]+", _text(named))}
    own = {
        word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", named.name.rpartition(".")[2])
    }
    return said <= own | {"the", "a", "an", "of", "its"}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring_that_can_be_read_alone(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    for named in _own(module):
        text = _text(named)
        assert text.strip(), f"{named.name} has no docstring"
        assert not FRAGMENTS.match(text), (
            f"{named.name} begins with a fragment: {text.splitlines()[0]}"
        )
        assert not _repeats(named), f"{named.name}: its docstring only repeats its name"


@pytest.mark.parametrize("name", PUBLIC)
def test_documented_parameters_exist(name):
    """Each name below `Args:` is a parameter, or a field, of what it documents."""
    for named in _own(importlib.import_module(name)):
        section = re.search(
            r"^Args:\n((?:[ ]{4,}.*\n?|\n)+)", inspect.cleandoc(_text(named)), flags=re.MULTILINE
        )
        if section is None or isinstance(named.value, property):
            continue
        told = re.findall(r"^ {4}\*{0,2}(\w+)(?: \(.*?\))?:", section[1], flags=re.MULTILINE)
        known = set(inspect.signature(named.value).parameters)
        assert set(told) <= known, f"{named.name} documents {sorted(set(told) - known)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_in_docstrings_give_what_they_say(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(example)
    assert runner.failures == 0, f"{runner.failures} examples of {name} fail; their output is above"


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
