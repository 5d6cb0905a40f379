"""Files that a C library reads are first read on trial, in a process that may die of them."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

SECONDS = 60.0
"""Time that a trial may take."""
PROGRAM = Path(__file__).with_name("trial_process.py")
"""The script that the other process runs."""


class Trial:
    """A process that looks through files, started when the first one is asked for.

    A file that was looked through and has not changed since is not looked through again.

    Args:
        seconds: Time that a file may take, in seconds.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._passed: set[tuple[str, int, int]] = set()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._owner = os.getpid()

    def fault(self, path: Path) -> str:
        """Look through a file.

        Args:
            path: An existing file.

        Returns:
            What happened to the process, in words for a message; empty where it lives.
        """
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._passed or not sys.executable:
                return ""
            fault = self._attempt(key[0])
            if fault:
                # the process may have suffered from an earlier file: a fresh one decides
                fault = self._attempt(key[0])
            if not fault:
                self._passed.add(key)
            return fault

    def close(self) -> None:
        """End the process."""
        process = self._process
        self._process = None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def _attempt(self, path: str) -> str:
        try:
            process = self._running()
        except OSError:
            return ""  # no further process may be started here: the file is read without a trial
        assert process.stdin is not None
        with suppress(OSError):  # a process that is dead gives no answer either
            process.stdin.write(json.dumps(path) + "\n")
            process.stdin.flush()
        try:
            answer = self._answers.get(timeout=self.seconds)
        except queue.Empty:
            self.close()
            return f"the library that reads it came to no end in {self.seconds:g} s"
        if answer:
            return ""
        self.close()
        return "it makes the library that reads it crash"

    def _running(self) -> subprocess.Popen[str]:
        """The process, which belongs to the one that started it and to no fork of that."""
        if self._process is not None and self._owner == os.getpid():
            if self._process.poll() is None:
                return self._process
            self.close()
        self._owner = os.getpid()
        self._answers = queue.Queue()
        process = subprocess.Popen(
            # -P: the folder of the script is no place where modules are looked for
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._process = process
        threading.Thread(target=_listen, args=(process, self._answers), daemon=True).start()
        return process


def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    """Pass on each line of a process, and an empty one when it ends."""
    assert process.stdout is not None
    with suppress(ValueError, OSError):  # closed while waiting
        for line in process.stdout:
            answers.put(line)
    answers.put("")


HDF5 = Trial()
"""The one trial process of this process for HDF5."""
atexit.register(HDF5.close)
