"""Mutations of small valid files, and what a reader may do with them.

A mutated file ends in an error of ours that begins with its path, or in a value. One that was cut
never ends in another value than the whole one. `run` is the body of a child process.
"""

import dataclasses
import os
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from inverse_inr.io import FileFormatError

OURS = (FileFormatError, FileNotFoundError, ValueError, MemoryError)
LONGEST = 20.0  # seconds for one file
ROOM = 3 << 30  # bytes that a reader may take
LENGTHS = (0, 1, 2**15, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


class Example(NamedTuple):
    """A small valid file, or several that belong together."""

    files: list[Path]
    read: Callable[[], Any]


def mutated(content: bytes, seed: int) -> tuple[bytes, str]:
    """A mutation of a file and its name; the same for the same seed."""
    chance = random.Random(seed)
    size = len(content)
    kind = ("flip", "flip", "length", "cut", "zero", "double", "text")[seed % 7]
    # headers are where lengths and kinds stand: half of the places are among the first bytes
    at = chance.randrange(min(size, 512) if chance.random() < 0.5 else size)
    out = bytearray(content)
    if kind == "flip":
        out[at] ^= 1 << chance.randrange(8)
        return bytes(out), f"bit of byte {at} flipped to {out[at]}"
    if kind == "length":
        order = chance.choice(("little", "big"))
        number = chance.choice(LENGTHS)
        at -= at % 4
        out[at : at + 4] = number.to_bytes(4, order)
        return bytes(out), f"bytes {at} to {at + 4} set to {number} ({order})"
    if kind == "cut":
        return bytes(out[:at]), f"cut after {at} bytes"
    span = min(chance.choice((4, 16, 64, 256)), size - at)
    if kind == "zero":
        out[at : at + span] = bytes(span)
        return bytes(out), f"bytes {at} to {at + span} zeroed"
    if kind == "double":
        return bytes(out[: at + span] + out[at:]), f"bytes {at} to {at + span} repeated"
    digits = [k for k, b in enumerate(content[:4096]) if 48 <= b <= 57]
    if not digits:
        out[at] = 255
        return bytes(out), f"byte {at} set to 255"
    k = chance.choice(digits)
    word = chance.choice((b"9", b"-1", b"99999999999", b"nan", b"1e400", b"x", b""))
    return bytes(out[:k] + word + out[k + 1 :]), f"digit at byte {k} replaced by {word!r}"


def content_of(value: Any) -> Any:
    """A value as plain data that can be compared."""
    if isinstance(value, torch.nn.Module):
        return [content_of(v) for v in value.state_dict().values()]
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object and value.dtype.names is None:
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return [(str(k), content_of(v)) for k, v in value.items()]
    if isinstance(value, np.ndarray):
        return [content_of(v) for v in value.ravel().tolist()]
    if isinstance(value, list | tuple):
        return [content_of(v) for v in value]
    if dataclasses.is_dataclass(value):
        return [content_of(getattr(value, f.name)) for f in dataclasses.fields(value)]
    return repr(value)


def fault_of(example: Example, seed: int, whole: Any) -> tuple[str, str]:
    """The mutation of a seed in words, and what its reader did wrong: "" if nothing."""
    file = example.files[seed % len(example.files)]
    before = file.read_bytes()
    content, words = mutated(before, seed)
    words = f"{file.name}, seed {seed}: {words}"
    print(words, flush=True)  # the last line tells what ended the interpreter
    file.write_bytes(content)
    began = time.perf_counter()
    fault = ""
    try:
        value = example.read()
    except OURS as error:
        if type(error).__module__.split(".")[0] not in ("inverse_inr", "builtins"):
            fault = f"{type(error).__name__} of {type(error).__module__}: {error}"
        elif not str(error).startswith(str(file.parent)):
            fault = f"{type(error).__name__} without the file's name: {error}"
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    else:
        if ": cut after" in words and content_of(value) != whole:
            fault = "a file that was cut is read as another value"
    file.write_bytes(before)
    if time.perf_counter() - began > LONGEST:
        fault = fault or f"{time.perf_counter() - began:.0f} s"
    return words, fault


def faults(example: Example, seeds: range) -> list[str]:
    """What readers do wrong with the mutations of some seeds."""
    whole = content_of(example.read())
    found = [fault_of(example, seed, whole) for seed in seeds]
    return [f"{words}: {fault}" for words, fault in found if fault]


def run(name: str, folder: str, first: int, count: int) -> None:
    """Try the mutations of one format in this process, with bounded memory."""
    from cases.fuzzed_formats import FORMATS

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    example = FORMATS[name](Path(folder))
    example.read()  # libraries are loaded before the room is measured
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    room = pages * os.sysconf("SC_PAGE_SIZE") + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    for fault in faults(example, range(first, first + count)):
        print(f"FAULT {fault}", flush=True)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
