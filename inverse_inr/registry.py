"""Names for components: built-in ones, plug-ins loaded on demand, and hints for wrong names."""

from __future__ import annotations

import difflib
import gc
import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep garbage collections out of large imports.

    An import makes objects that stay. Each collection looks at all that were imported before, which
    takes a quarter of the time of importing torch's compiler after torch.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def nearest(word: str, known: Iterable[str]) -> str:
    """Word a hint for error messages: the closest known name, or all of them.

    Args:
        word: The unknown name.
        known: The names that there are.

    Returns:
        One sentence.

    Example:
        >>> nearest("sirne", ["siren", "wire"])
        "Did you mean 'siren'?"
        >>> nearest("x", ["siren", "wire"])
        'There is: siren, wire.'
    """
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There is: {', '.join(known)}."


class Registry:
    """Components of one kind by name: the built-in ones, and those of installed plug-ins.

    Args:
        kind: Word for a component in error messages, e.g. "prior".
        group: Name of the entry points of plug-ins.
        built_in: Callables by name, or a function that makes such a map when it is first needed.
        find: Finds one built-in callable by its name without making that map; None if it cannot.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: dict[str, Any] | Callable[[], dict[str, Any]],
        find: Callable[[str], Any] = lambda name: None,
    ) -> None:
        self.kind = kind
        self.group = group
        self.built_in = built_in
        self.find = find

    @cached_property
    def _known(self) -> dict[str, Any]:
        if callable(self.built_in):
            with uncollected():
                return dict(self.built_in())
        return dict(self.built_in)

    @cached_property
    def _plug_ins(self) -> dict[str, EntryPoint]:
        """The entry points of what was installed when a name was first asked for."""
        # of two with one name the first counts
        return {entry.name: entry for entry in reversed([*entry_points(group=self.group)])}

    def names(self) -> list[str]:
        """List the names of all components, sorted."""
        return sorted({*self._known, *self._plug_ins})

    def __contains__(self, name: object) -> bool:
        """Tell whether a built-in component or a plug-in has that name."""
        if not isinstance(name, str) or ".py:" in name:
            return False
        return self._found(name) is not None or name in self._known or name in self._plug_ins

    def _found(self, name: str) -> Any:
        """A built-in component, found alone as long as not all of them are known."""
        if "_known" in vars(self):
            return None
        with uncollected():
            return self.find(name)

    def get(self, name: str) -> Callable[..., Any]:
        """Find a component.

        Args:
            name: Its name; "my_file.py:name" loads it from a file, whose code is run.

        Returns:
            The component.

        Raises:
            FileNotFoundError: The name is that of a file, and there is none.
            ValueError: The name is unknown, or the code of the file or the plug-in fails.
        """
        if ".py:" in name:
            found = load_object(name)
            if not callable(found):
                raise ValueError(f"{name} is {type(found).__name__}, no {self.kind}.")
            return found
        found = self._found(name)
        if found is not None:
            return found
        if name not in self._known:
            if name not in self._plug_ins:
                raise ValueError(f"Unknown {self.kind} {name!r}. {nearest(name, self.names())}")
            self._known[name] = self._loaded(self._plug_ins[name])
        return self._known[name]

    def _loaded(self, entry: EntryPoint) -> Callable[..., Any]:
        """The object of a plug-in's entry point, whose code is run for that."""
        try:
            found = entry.load()
        except Exception as error:
            by = ""
            if entry.dist is not None:
                by = f" of the plug-in {entry.dist.name} {entry.dist.version}"
            raise ValueError(
                f"{self.kind} {entry.name!r}{by} cannot be loaded from {entry.value}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not callable(found):
            raise ValueError(
                f"{self.kind} {entry.name!r}: {entry.value} is {type(found).__name__}, "
                f"no {self.kind}."
            )
        return found

    def call(self, name: str, *args: Any, **keywords: Any) -> Any:
        """Make a component, refusing unknown keywords by name.

        Args:
            name: Its name, as for `get`.
            *args: Its positional arguments.
            **keywords: Its options.

        Returns:
            What the component's callable returns.

        Raises:
            ValueError: The name or a keyword is unknown.
        """
        component = self.get(name)
        check_keywords(f"{self.kind} {name!r}", component, keywords)
        return component(*args, **keywords)


def check_keywords(what: str, function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Refuse keywords that a function does not have.

    Args:
        what: Name of the function in the error message.
        function: The function. One that takes any keyword passes.
        keywords: Names of the keywords.

    Raises:
        ValueError: A keyword is unknown; the message names the nearest one that there is.
    """
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in keywords:
        if key not in parameters:
            raise ValueError(f"{what} has no option {key!r}. {nearest(key, parameters)}")


def load_object(reference: str) -> Callable[..., Any]:
    """Load an object from a Python file, whose code is run for that.

    Code that was run before and has not changed is not run again.

    Args:
        reference: Path and name, as in "path/to/file.py:Name".

    Returns:
        The object.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file's code fails, or does not define the name.
    """
    path, _, name = reference.rpartition(":")
    module = _executed(str(Path(path).resolve()), _source(reference, path))
    if not hasattr(module, name):
        own = {n: value for n, value in vars(module).items() if not isinstance(value, ModuleType)}
        public = [n for n in own if n[0] != "_"]
        raise ValueError(f"{path} defines no {name!r}. {nearest(name, public)}")
    return getattr(module, name)


def code_digest(reference: str) -> str:
    """Compute the SHA-256 of the file that a reference names, without running it.

    Args:
        reference: Path and name, as for `load_object`.

    Returns:
        64 hexadecimal digits.

    Raises:
        FileNotFoundError: There is no such file.
    """
    return hashlib.sha256(_source(reference, reference.rpartition(":")[0])).hexdigest()


def _source(reference: str, path: str) -> bytes:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{reference}: there is no file {Path(path).absolute()}.")
    return Path(path).read_bytes()


@lru_cache(maxsize=32)
def _executed(path: str, source: bytes) -> ModuleType:
    """The module that a file's code makes, under a name that no other module has."""
    name = f"{Path(path).stem}_{hashlib.sha256(source).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        line = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        at = f", line {line[-1]}" if line else ""
        raise ValueError(f"{path}{at}: {type(error).__name__}: {error}") from error
    return module
