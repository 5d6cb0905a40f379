"""Writes that a full disk does not turn into the end of a run: what failed is tried again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from inverse_inr.solver import disk_full

Write = Callable[[Path], object]


class Keeper:
    """Writes the files of a run, each whole or not at all.

    Args:
        out: The folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.missing: dict[str, Write] = {}

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

    def retry(self) -> None:
        """Write again what a full disk refused."""
        for name, write in list(self.missing.items()):
            self.keep(name, write)

    def finish(self) -> None:
        """Write again what a full disk refused, for the last time.

        Raises:
            OSError: The disk is still full; the message names the files that are missing.
        """
        self.retry()
        if self.missing:
            raise OSError(
                f"disk full: {', '.join(self.missing)} could not be written to {self.out}. "
                f"Make room, then: inverse-inr resume {self.out}"
            )
