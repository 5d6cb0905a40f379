"""Bad calls, made of good ones: one argument is spoilt at a time, and the answer is judged.

    python tests/cases/calls/judge.py [ROOM ...]

A spoilt call must give a right result (finite numbers) or an error of ours: of a common kind,
raised by a line of this library, that names the argument or the callable, within seconds and
without a large allocation. The script prints what does not, a line each. The other files of this
folder have the table of good calls; a new component needs a line there.

The calls run in another process, which is replaced where one of them hangs or kills it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

ROOT = Path(__file__).parents[3]
OURS = [str(ROOT / top) + "/" for top in ("inverse_inr", "operators", "problems")]
KINDS = (ValueError, TypeError, IndexError, MemoryError, FileNotFoundError, FloatingPointError)
SECONDS = 5.0
"""Most time that a bad call may take."""
LARGEST = 500 * 2**20
"""Most bytes by which a bad call may make the process grow."""
ADDRESSES = 10 * 2**30
"""Addresses that the process may have, so that no call can harm the machine."""


@dataclass(frozen=True)
class Good:
    """A call that works.

    Args:
        name: Its name, in reports and, somewhere, in its errors.
        function: What is called.
        keywords: Its arguments.
        use: What is asked of the result, which gives tensors (or nothing).
        fixed: Arguments that stay as they are.
        nan_passes: Whether NaN in tensors may come out again, as values at points do.
        names: Further words of which its errors may contain one.
    """

    name: str
    function: Callable[..., Any]
    keywords: dict[str, Any]
    use: Callable[[Any], Any] = lambda made: made
    fixed: tuple[str, ...] = ()
    nan_passes: bool = False
    names: tuple[str, ...] = field(default=())


class Bad(NamedTuple):
    """A spoilt call: the good one, the arguments that differ, how, and whether it must fail."""

    good: Good
    changes: dict[str, Any]
    how: str
    must_fail: bool

    def __str__(self) -> str:
        return f"{self.good.name}({self.how})"


def rooms() -> dict[str, Callable[[], list[Good]]]:
    """The good calls of each room, made when they are asked for."""
    files = Path(__file__).parent.glob("*.py")
    names = sorted(path.stem for path in files if path.stem not in ("judge", "spoiling"))
    tables = [importlib.import_module(f"cases.calls.{name}") for name in names]
    return {room: calls for table in tables for room, calls in table.ROOMS.items()}


def judge(bad: Bad) -> str:
    """Make a bad call; the reason why its answer is wrong, or nothing."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    reason = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = bad.good.use(bad.good.function(**{**bad.good.keywords, **bad.changes}))
        if bad.must_fail:
            reason = "accepted"
        elif not (finite(made) or bad.good.nan_passes):
            reason = "NaN or Inf"
    except TimeoutError:
        reason = f"took more than {SECONDS:g} s"
    except Exception as error:
        reason = _wrong_error(bad, error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if not reason and grown > LARGEST:
        reason = f"took {grown / 2**20:.0f} MiB"
    if not reason and time.perf_counter() - began > SECONDS:
        reason = f"took {time.perf_counter() - began:.1f} s"
    return reason


def finite(made: object) -> bool:
    """Whether all tensors of a result are finite."""
    if isinstance(made, Tensor):
        return bool(torch.isfinite(made).all())
    if isinstance(made, list | tuple):
        return all(finite(part) for part in made)
    return not isinstance(made, float) or math.isfinite(made)


def _wrong_error(bad: Bad, error: Exception) -> str:
    """What is wrong with an error, or nothing."""
    text = " ".join(str(error).split())
    shown = f"{type(error).__name__}: {text[:100]}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if not any(frame.filename.startswith(top) for top in OURS):
        return f"foreign, {Path(frame.filename).name}:{frame.lineno}: {shown}"
    if not isinstance(error, KINDS):
        return f"of another kind: {shown}"
    words = (
        *(name.rpartition("__")[2] for name in bad.changes),
        *(word for word in bad.changes.values() if isinstance(word, str)),
        bad.good.name.split(".")[-1],
        *bad.good.names,
    )
    if not any(word.lower() in text.lower() for word in words):
        return f"names nothing: {shown}"
    return ""


# --- the other process --------------------------------------------------------------------------


def _answer(steps: dict[str, int], start: int) -> None:
    """Judge every n-th bad call of each room, of the first from number `start` on.

    Each room, each call and each answer is a line of JSON.
    """
    from cases.calls.spoiling import bad_calls

    from inverse_inr import memory

    torch.set_num_threads(1)
    # every machine refuses the same
    memory._machine = lambda: LARGEST
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    signal.signal(signal.SIGALRM, _too_long)
    for room, step in steps.items():
        print(json.dumps({"room": room}), flush=True)
        calls = [bad for good in rooms()[room]() for bad in bad_calls(good)]
        asked = range(start, len(calls), step)
        for good in {id(calls[n].good): calls[n].good for n in asked}.values():
            good.use(good.function(**good.keywords))  # it works, and loads what it needs
        print(json.dumps({"ready": True}), flush=True)
        _forget_the_peak()
        for number in asked:
            print(json.dumps({"number": number, "call": str(calls[number])}), flush=True)
            print(json.dumps({"number": number, "reason": judge(calls[number])}), flush=True)
        start = 0


def _forget_the_peak() -> None:
    """Let the memory that the good calls took hide nothing of what the bad ones take."""
    with contextlib.suppress(OSError):  # not everywhere
        Path("/proc/self/clear_refs").write_text("5")


def _too_long(signum: int, frame: object) -> None:
    raise TimeoutError


class Judged(NamedTuple):
    """How many calls of a room were judged, and a line for each wrong answer."""

    count: int
    wrong: list[str]


def failing_calls(steps: dict[str, int]) -> dict[str, Judged]:
    """Judge every n-th bad call of rooms, in one process as long as no call ends it.

    Args:
        steps: n of each room.
    """
    found = {room: Judged(0, []) for room in steps}
    left = dict(steps)
    number, last, room = 0, "", ""
    while True:
        command = [sys.executable, "-u", __file__, "--answer", json.dumps(left), str(number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = False
            for line in process.stdout:
                record = json.loads(line)
                if "room" in record:
                    room, ready = record["room"], False
                    left = dict(list(left.items())[list(left).index(room) :])
                elif "ready" in record:
                    ready = True
                elif "call" in record:
                    number, last = record["number"], record["call"]
                else:
                    found[room] = Judged(found[room].count + 1, found[room].wrong)
                    number = record["number"] + left[room]
                    if record["reason"]:
                        found[room].wrong.append(f"{room}: {last}: {record['reason']}")
        if process.returncode == 0:
            return found
        if not ready:
            raise RuntimeError(f"The good calls of {room!r} do not work.")
        ended = f"{room}: {last}: ended the process ({process.returncode})"
        found[room] = Judged(found[room].count + 1, [*found[room].wrong, ended])
        number += left[room]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    if sys.argv[1:2] == ["--answer"]:
        _answer(json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        for each in sys.argv[1:] or list(rooms()):
            total, lines = failing_calls({each: 1})[each]
            print(f"# {each}: {len(lines)} of {total} bad calls are answered wrongly")
            print("\n".join(lines), flush=True)
