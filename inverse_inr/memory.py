"""The memory at hand, asked before anything large is allocated.

An allocation that does not fit ends the process on most systems, or drives it into the swap, long
before Python hears of it. So whoever is about to make something whose size a user chose asks here.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

SMALL = 64 * 2**20
"""Bytes below which nobody asks: what costs less than the question is not worth it."""

UNLIMITED = 2**60
"""Limits of control groups from here on are none."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the limits of control groups, of version 1 and 2."""

PROCESS = Path("/proc")
"""Where Linux shows what a process may know of its machine."""


class OutOfMemoryError(MemoryError, ValueError):
    """Something that was asked for does not fit the memory at hand; nothing was allocated."""


def available(device: torch.device | None = None) -> int:
    """Find how much memory can be allocated now.

    Args:
        device: The device whose memory is asked for; the machine's own if None.

    Returns:
        Bytes: the free memory of a CUDA device; otherwise the least of what the machine has to give
        and what is left of the limits of the process's control groups (containers, batch systems).
        Where nothing is known, more than any machine has.
    """
    if device is not None and device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        # what torch holds and does not use can be given out again
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(_machine(), _control_groups())


def require(
    what: str,
    needed: float,
    advice: str | Callable[[int], str] = "",
    device: torch.device | None = None,
) -> None:
    """Refuse to go on where something would not fit the memory at hand.

    Args:
        what: The thing and its size as the user chose it, for the message: "Grid of (9, 9) points".
        needed: Bytes that it takes.
        advice: A sentence that says what would fit, or a function that makes it from the bytes that
            there are.
        device: The device on which it would lie; the machine's own memory if None.

    Raises:
        OutOfMemoryError: There is less memory than it takes; it is a MemoryError and a ValueError.
    """
    if needed <= SMALL:
        return
    there = available(device)
    if needed <= there:
        return
    if callable(advice):
        advice = advice(there)
    raise OutOfMemoryError(
        f"{what} needs {in_words(needed)} of memory; {in_words(there)} are free. {advice}".strip()
    )


class Guarded(TorchFunctionMode):
    """While it is entered, every tensor that torch is asked to fill must fit the memory at hand.

    `with Guarded("hash"): ...` guards the making of something whose size depends on many options in
    ways that only its making shows.

    Args:
        what: What is being made, for the message.
        advice: A sentence that says what to change.
        times: How often each tensor counts, e.g. 2 where a gradient will stand beside it.
    """

    def __init__(self, what: str, advice: str = "", times: int = 1) -> None:
        super().__init__()
        self.times = times
        self.what = what
        self.advice = advice
        self.made = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FACTORIES:
            self.made += self.times * self._size(func, args, kwargs)
            require(self.what, self.made, self.advice)
        return func(*args, **kwargs)

    def _size(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> int:
        """The bytes of what a factory is about to make, which torch itself counts."""
        if func is torch.cartesian_prod:
            return math.prod(map(len, args)) * len(args) * args[0].element_size()
        without_numbers = {k: v for k, v in kwargs.items() if k != "generator"} | {"device": "meta"}
        try:
            shape_only = func(*args, **without_numbers)
        except (RuntimeError, OverflowError, TypeError) as error:
            if "overflow" not in str(error).lower():
                return 0  # the call itself says what is wrong with it
            raise OutOfMemoryError(
                f"{self.what} is larger than any memory. {self.advice}".strip()
            ) from None
        return shape_only.numel() * shape_only.element_size()


FACTORIES = {
    torch.arange,
    torch.cartesian_prod,
    torch.empty,
    torch.eye,
    torch.full,
    torch.linspace,
    torch.ones,
    torch.rand,
    torch.randint,
    torch.randn,
    torch.randperm,
    torch.zeros,
    torch.Tensor.new_empty,
    torch.Tensor.new_full,
    torch.Tensor.new_ones,
    torch.Tensor.new_zeros,
}
"""Functions of torch that make a tensor of a size that their arguments say."""


def allocation_failed(error: BaseException) -> bool:
    """Whether an error is a torch allocator's, which found no memory.

    On the CPU that is a plain RuntimeError, which only its text tells apart.

    Args:
        error: The error.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    words = ("can't allocate memory", "not enough memory", "out of memory", "invalid buffer size")
    return isinstance(error, RuntimeError) and any(word in text for word in words)


def in_words(size: float) -> str:
    """Write a number of bytes for people.

    Args:
        size: Bytes.

    Returns:
        The number in the unit that suits it.

    Example:
        >>> in_words(3 * 2**29)
        '1.5 GiB'
    """
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} EiB"


def _machine() -> int:
    """What the machine can give without swapping, in bytes."""
    try:
        lines = (PROCESS / "meminfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system has these
        return sys.maxsize


def _control_groups() -> int:
    """What the limits of the process's control groups leave, in bytes."""
    try:
        memberships = (PROCESS / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return sys.maxsize
    room = sys.maxsize
    for line in memberships:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            root, limit, usage = CONTROL_GROUPS, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root = CONTROL_GROUPS / "memory"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        own = root / path.lstrip("/")
        # each group above limits what is in it; inside a container the path may not be there
        for group in (own, *own.parents):
            if group.is_relative_to(root):
                room = min(room, _left(group, limit, usage))
    return room


def _left(group: Path, limit: str, usage: str) -> int:
    """What one control group leaves: its limit less its usage, files apart that may be dropped."""
    most = _number(group / limit)
    used = _number(group / usage)
    if most is None or used is None or most >= UNLIMITED:
        return sys.maxsize
    return max(0, most - used + _droppable(group))


def _droppable(group: Path) -> int:
    """Bytes of files that the kernel keeps in a group's memory while nobody needs it."""
    try:
        lines = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    kept = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(kept.get("total_inactive_file", kept.get("inactive_file", "0")))


def _number(path: Path) -> int | None:
    """The number that a file of a control group holds; None for "max" or where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
