"""Let Ctrl-C wait for the end of a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Request:
    made = False


@contextmanager
def interruptible() -> Iterator[_Request]:
    """Turn Ctrl-C into a request inside the block, so that a step is never cut in two.

    The first Ctrl-C sets `made` of the request; a second one raises KeyboardInterrupt as usual. In
    any thread but the main one nothing changes, because signals arrive in the main thread only.

    Returns:
        A context manager that gives the request, whose `made` is True after a Ctrl-C.
    """
    request = _Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = signal.getsignal(signal.SIGINT)

    def on_interrupt(*_: Any) -> None:
        request.made = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)
