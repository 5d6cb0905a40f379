"""Let Ctrl-C wait for the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interruption:
    """A request to end, which a handler of SIGINT notes.

    Args:
        outer: The handler that was there before. If it is one of ours, as where one fit runs inside
            another, it learns of the request as well.
        at_once: Raise KeyboardInterrupt at the first Ctrl-C, and not only at the second.

    Attributes:
        made: Whether Ctrl-C was pressed.
    """

    def __init__(self, outer: Any, at_once: bool) -> None:
        self.outer = outer
        self.at_once = at_once
        self.made = False

    def note(self) -> None:
        """Remember the request, here and in whatever this block runs inside."""
        self.made = True
        if isinstance(self.outer, Interruption):
            self.outer.note()

    def __call__(self, *_: Any) -> None:
        """Do what the signal asks for.

        Raises:
            KeyboardInterrupt: The request was made before, or is to be heard at once.
        """
        again = self.made
        self.note()
        if again or self.at_once:
            raise KeyboardInterrupt


@contextmanager
def interruptible(*, at_once: bool = False) -> Iterator[Interruption]:
    """Turn Ctrl-C into a request inside the block, so that a step is never cut in two.

    The first Ctrl-C sets `made` of the request, and that of a block around this one; a second one
    raises KeyboardInterrupt as usual. In any thread but the main one nothing changes, because
    signals arrive in the main thread only.

    Args:
        at_once: Raise KeyboardInterrupt at the first Ctrl-C already. The block is then told of
            requests that a fit inside it took for its own.

    Returns:
        A context manager that gives the request, whose `made` is True after a Ctrl-C.
    """
    previous = signal.getsignal(signal.SIGINT)
    request = Interruption(previous, at_once)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    signal.signal(signal.SIGINT, request)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)
