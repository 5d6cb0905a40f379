"""Writes that a full disk does not turn into the end of a run: what failed is tried again.

What is written anew after each of many quick methods is written seldom, and at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from inverse_inr.solver import disk_full

Write = Callable[[Path], object]

REST = 2.0
"""Seconds for which a file that is written seldom is left as it is."""


class Keeper:
    """Writes the files of a run, each whole or not at all.

    Args:
        out: The folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.missing: dict[str, Write] = {}
        self._waiting: dict[str, Write] = {}
        self._rests_until: dict[str, float] = {}

    def keep(self, name: str, write: Write) -> None:
        """Write one file, or remember it for later if the disk is full.

        Args:
            name: The file's name, or what stands for several.
            write: Writes to the path that it is given.

        Raises:
            OSError: The file cannot be written for another reason.
        """
        try:
            write(self.out / name)
        except OSError as error:
            if not disk_full(error):
                raise
            if name not in self.missing:
                print(
                    f"inverse-inr: {self.out / name}: disk full ({error.strerror}); "
                    "the run goes on, and tries again later.",
                    file=sys.stderr,
                    flush=True,
                )
            self.missing[name] = write
        else:
            self.missing.pop(name, None)

    def keep_seldom(self, name: str, write: Write) -> None:
        """Write one file as `keep` does; one that was written just now waits for `finish`.

        Args:
            name: The file's name.
            write: Writes to the path that it is given, what a later call makes out of date.
        """
        self._waiting[name] = write
        if time.monotonic() >= self._rests_until.get(name, 0.0):
            self.keep(name, self._waiting.pop(name))
            self._rests_until[name] = time.monotonic() + REST

    def retry(self) -> None:
        """Write again what a full disk refused."""
        for name, write in list(self.missing.items()):
            self.keep(name, write)

    def finish(self) -> None:
        """Write what waits, and again what a full disk refused, for the last time.

        Raises:
            OSError: The disk is still full; the message names the files that are missing.
        """
        while self._waiting:
            self.keep(*self._waiting.popitem())
        self.retry()
        if self.missing:
            raise OSError(
                f"disk full: {', '.join(self.missing)} could not be written to {self.out}. "
                f"Make room, then: inverse-inr resume {self.out}"
            )
