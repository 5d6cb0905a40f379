"""The processes of a batch: a signal that ends it lets each run keep its state."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from inverse_inr.command.session import INTERRUPTED


class Processes:
    """Processes that are at work, each started by a thread that waits for it."""

    def __init__(self) -> None:
        self._at_work: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._ends = False

    def run(self, words: Sequence[str], log: Path) -> int:
        """Start a process and wait for it.

        Args:
            words: Its command line.
            log: The file that takes what it prints, at its end.

        Returns:
            Its exit status; `INTERRUPTED` where none begins any more.
        """
        with log.open("a", encoding="utf-8") as file:
            with self._lock:  # between the start and the list there is no time for `terminate`
                if self._ends:
                    return INTERRUPTED
                process = subprocess.Popen(words, stdout=file, stderr=file)
                self._at_work.add(process)
            try:
                return process.wait()
            finally:
                with self._lock:
                    self._at_work.discard(process)

    def terminate(self) -> None:
        """Send SIGTERM to all processes, and start no other."""
        with self._lock:
            self._ends = True
            for process in self._at_work:
                process.terminate()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Send SIGTERM on to the processes in the block, which then ends as by Ctrl-C.

        Ctrl-C itself reaches the processes without us: a terminal sends it to all.
        """

        def handler(*_: Any) -> None:
            # a lock that the main thread might hold: processes are started in other threads only
            self.terminate()
            raise KeyboardInterrupt

        try:
            before = signal.signal(signal.SIGTERM, handler)
        except ValueError:  # not in the main thread
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
