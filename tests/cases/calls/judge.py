"""Bad calls, made of good ones: one argument is spoilt at a time, and the answer is judged.

    python tests/cases/calls/judge.py [ROOM ...]

A spoilt call must give a right result (finite numbers) or an error of ours: of a common kind,
raised by a line of this library, that names the argument or the callable, within seconds and
without a large allocation. The script prints what does not, a line each. The other files of this
folder have the table of good calls; a new component needs a line there.

The calls run in another process, which is replaced where one of them hangs or kills it.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import math
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
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
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "judge")
    tables = [importlib.import_module(f"cases.calls.{name}") for name in names]
    return {room: calls for table in tables for room, calls in table.ROOMS.items()}


def bad_calls(good: Good) -> Iterator[Bad]:
    """All spoilt versions of a call."""
    annotations = _annotations(good.function)
    for argument, value in good.keywords.items():
        if argument in good.fixed:
            continue
        annotation = annotations.get(argument, "Any")
        for word, other, must_fail in _spoilt(value, annotation):
            yield Bad(good, {argument: other}, f"{argument}={word}", must_fail)
    free = [argument for argument in good.keywords if argument not in good.fixed]
    for first, second in itertools.pairwise(free):
        changes = {first: good.keywords[second], second: good.keywords[first]}
        yield Bad(good, changes, f"{first} <-> {second}", must_fail=False)


def _annotations(function: Callable[..., Any]) -> dict[str, str]:
    """The annotations as text, with aliases resolved where that is possible."""
    from inverse_inr.ranges import annotations_of

    found = {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is not parameter.empty
    }
    target = function if isinstance(function, type) else inspect.unwrap(function)
    if inspect.isfunction(target) or isinstance(target, type):
        found |= {name: str(kind) for name, kind in annotations_of(target).items()}
    return found


def _spoilt(value: object, annotation: str) -> Iterator[tuple[str, object, bool]]:
    """Other values in words, and whether they can never be right."""
    anything = any(word in annotation for word in ("Any", "object", "Callable"))
    texts = isinstance(value, str) or any(w in annotation for w in ("str", "Path", "Literal"))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    yield "object()", object(), not anything
    yield "'nonsense'", "nonsense", not (anything or texts)
    yield "[]", [], number and "Sequence" not in annotation and not anything
    yield "None", None, False
    if number:
        yield from _spoilt_numbers(value, annotation)
    if isinstance(value, bool):
        yield "2", 2, not anything
    if isinstance(value, tuple | list) and value and isinstance(value[0], int | float):
        yield from _spoilt_sequences(value)
    if isinstance(value, Tensor):
        yield from _spoilt_tensors(value, annotation)


def _spoilt_numbers(value: Any, annotation: str) -> Iterator[tuple[str, object, bool]]:
    yield "-1", type(value)(-1), False
    yield "0", type(value)(0), False
    yield "nan", math.nan, True
    yield "inf", math.inf, isinstance(value, int) and "float" not in annotation
    yield "True", True, "bool" not in annotation
    if isinstance(value, int) and "float" not in annotation:
        yield "1.5", 1.5, True
        yield "10**12", 10**12, False
    else:
        yield "1e12", 1e12, False
        yield "1e-300", 1e-300, False


def _spoilt_sequences(value: Any) -> Iterator[tuple[str, object, bool]]:
    kind = type(value)
    yield "[nan, ...]", kind([math.nan, *value[1:]]), True
    yield "[-1, ...]", kind([-1, *value[1:]]), False
    yield "['a', ...]", kind(["a", *value[1:]]), True
    yield "longer", kind([*value, value[0]]), False
    yield "empty", kind([]), False
    yield "backwards", kind(reversed(value)), False


def _spoilt_tensors(value: Tensor, annotation: str) -> Iterator[tuple[str, object, bool]]:
    if value.is_floating_point() or value.is_complex():
        yield "nan tensor", value * math.nan, "FiniteValues" in annotation
        yield "negative tensor", -value, False
    yield "empty tensor", value[..., :0], False
    yield "one number", value.flatten()[0].clone(), False
    yield "transposed", value.mT if value.ndim > 1 else value[:, None], False
    yield "list", value.tolist(), False


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


def _answer(room: str, start: int, step: int) -> None:
    """Judge the bad calls of a room from number `start` on, with a line of JSON for each."""
    from inverse_inr import memory

    torch.set_num_threads(1)
    # every machine refuses the same
    memory._machine = lambda: LARGEST
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    signal.signal(signal.SIGALRM, _too_long)
    calls = [bad for good in rooms()[room]() for bad in bad_calls(good)]
    for good in {id(calls[n].good): calls[n].good for n in range(start, len(calls), step)}.values():
        good.use(good.function(**good.keywords))  # it works, and loads what it needs
    print(json.dumps({"ready": True}), flush=True)
    for number in range(start, len(calls), step):
        print(json.dumps({"number": number, "call": str(calls[number])}), flush=True)
        print(json.dumps({"number": number, "reason": judge(calls[number])}), flush=True)


def _too_long(signum: int, frame: object) -> None:
    raise TimeoutError


def failing_calls(room: str, step: int = 1) -> tuple[int, list[str]]:
    """Judge every `step`-th bad call of a room.

    Returns:
        The number of calls that were judged, and a line for each wrong answer.
    """
    found: list[str] = []
    number, judged, last = 0, 0, ""
    while True:
        command = [sys.executable, "-u", __file__, "--answer", room, str(number), str(step)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            ready = False
            for line in process.stdout:
                record = json.loads(line)
                if "ready" in record:
                    ready = True
                elif "call" in record:
                    number, last = record["number"], record["call"]
                else:
                    judged += 1
                    number = record["number"] + step
                    if record["reason"]:
                        found.append(f"{room}: {last}: {record['reason']}")
        if process.returncode == 0:
            return judged, found
        if not ready:
            raise RuntimeError(f"The good calls of {room!r} do not work.")
        judged += 1
        found.append(f"{room}: {last}: ended the process ({process.returncode})")
        number += step


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    if sys.argv[1:2] == ["--answer"]:
        _answer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        for each in sys.argv[1:] or list(rooms()):
            total, lines = failing_calls(each)
            print(f"# {each}: {len(lines)} of {total} bad calls are answered wrongly")
            print("\n".join(lines), flush=True)
