"""Running the kits without pytest, as `inverse-inr check` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from inverse_inr.testing.operators import OperatorTests
from inverse_inr.testing.priors import PriorTests


def checks(kit: OperatorTests | PriorTests) -> Iterator[tuple[str, Callable[[], Any]]]:
    """List every check of a kit.

    Args:
        kit: An instance of a subclass that defines `make`.

    Yields:
        The name of a check in words, and the check.
    """
    for name in dir(kit):
        if name.startswith("test_"):
            yield name.removeprefix("test_").replace("_", " "), getattr(kit, name)


def run_checks(kit: OperatorTests | PriorTests) -> list[tuple[str, str | None]]:
    """Run a kit without pytest.

    Args:
        kit: An instance of a subclass that defines `make`.

    Returns:
        The name of each check, with None if it passed and else the error as text.
    """
    results: list[tuple[str, str | None]] = []
    for name, check in checks(kit):
        try:
            check()
            results.append((name, None))
        except Exception as error:
            results.append((name, f"{type(error).__name__}: {error}"))
    return results
