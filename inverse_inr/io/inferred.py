"""Inferences of readers: what a file did not say outright, in sentences for `problem.notes`.

Readers call `infer`, whoever reads for a problem collects:

    with inferences() as found:
        values, grid = read_image(path)
    notes["files"] = found
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from inverse_inr.io.files import PathLike

_collected: ContextVar[list[str] | None] = ContextVar("inferences of readers", default=None)


@contextmanager
def inferences() -> Iterator[list[str]]:
    """Collect what readers infer.

    Yields:
        A list that fills while files are read, one sentence an inference. An inner collection does
        not fill an outer one.
    """
    found: list[str] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def infer(path: PathLike, sentence: str) -> None:
    """Say what a reader inferred; nobody hears it outside `inferences`.

    Args:
        path: The file.
        sentence: What was inferred from which fact.
    """
    found = _collected.get()
    if found is not None:
        found.append(f"{path}: {sentence}")
