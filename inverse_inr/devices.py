"""One rule of placement: things are made on the CPU by its generators, and moved as they are.

Nothing of the user's moves: what must be elsewhere is a copy. Constants are sent to a device once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

CPU = torch.device("cpu")
KINDS = ("auto", "cpu", "cuda", "mps")
"""What a device may be called; "cuda:1" is the second one."""

PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
"""The precisions of a fit. In bfloat16 are the field's products alone."""

HALF = (torch.float16, torch.bfloat16)
T = TypeVar("T")


def chosen_device(name: str | torch.device) -> torch.device:
    """Turn a name into a device that is there.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps", or "auto": the CUDA device where there is one, else
            the CPU. "mps" has no float64 and must be asked for.

    Returns:
        The device, with its number where the kind has one.

    Raises:
        ValueError: The name is unknown, or there is no such device.
    """
    text = str(name)
    if text == "auto":
        if not torch.cuda.is_available():
            return CPU
        text = "cuda"
    try:
        device = torch.device(text)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in KINDS:
        raise ValueError(f"device={text!r} is unknown: take auto, cpu, cuda, cuda:1 or mps.")
    if device.type == "cpu":
        return CPU
    count = _count(device.type)
    if count == 0:
        raise ValueError(
            f"device={text!r}: torch {torch.__version__} finds no {device.type} device here. Take "
            "device='cpu', or 'auto' for a GPU where there is one."
        )
    index = device.index
    if index is None:
        index = 0
        if device.type == "cuda":
            index = torch.cuda.current_device()
    if index >= count:
        raise ValueError(
            f"device={text!r}: there are {count} of the kind, numbered from 0 to {count - 1}."
        )
    return torch.device(device.type, index)


def _count(kind: str) -> int:
    """The number of devices of a kind that can be used now."""
    if kind == "cuda":
        if torch.cuda.is_available():
            return torch.cuda.device_count()
        return 0
    return int(torch.backends.mps.is_available())


def chosen_precision(name: str | torch.dtype) -> torch.dtype:
    """Turn a name into a precision in which a field can be fitted.

    Args:
        name: "float32", "float64", or "bfloat16" for the field's products alone; or torch's type.

    Returns:
        Torch's type.

    Raises:
        ValueError: The name is unknown, or float16, whose range is too small for gradients.
    """
    text = str(name).removeprefix("torch.")
    if text in PRECISIONS:
        return PRECISIONS[text]
    slip = ""
    if text in ("float16", "half"):
        slip = " Gradients underflow in float16; bfloat16 is as fast."
    raise ValueError(f"dtype={text!r} must be float32, float64 or bfloat16.{slip}")


def require_full_precision(what: str, dtype: torch.dtype) -> None:
    """Refuse half precision where numbers are kept.

    Args:
        what: The place, for the message: "Problem.to".
        dtype: The precision that is asked for.

    Raises:
        TypeError: It is float16 or bfloat16, or no floating type at all.
    """
    name = str(dtype).removeprefix("torch.")
    if dtype in HALF:
        raise TypeError(
            f"{what}: measurements and coordinates in {name} would lose their digits. Half "
            "precision is for products alone: Solver(dtype='bfloat16') runs the field's products "
            "under torch.autocast and keeps everything else."
        )
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{what}: the precision is float32 or float64, not {name}.")


def device_of(part: object) -> torch.device | None:
    """Find the device of an operator, fidelity or field.

    Args:
        part: A module, or an object that names its `device`.

    Returns:
        The device of its first parameter or buffer; None for what has neither.
    """
    if isinstance(part, nn.Module):
        first = next(chain(part.parameters(), part.buffers()), None)
        if first is not None:
            return first.device
        return None
    device = getattr(part, "device", None)
    if isinstance(device, torch.device):
        return device
    return None


def moved(part: T, device: torch.device, memo: dict[int, Any] | None = None) -> T:
    """Copy an object to a device with all tensors that it holds, in whatever attribute.

    The tensors are copied once, straight to the device. What a function has closed over stays
    where it is: maps are modules for that reason.

    Args:
        part: An operator, a fidelity, a field, or anything else.
        device: The device.
        memo: What was copied already, by identity, so that objects that share a part share its
            copy too.

    Returns:
        The copy; the object itself where it holds no tensor of another device.
    """
    if memo is None:
        memo = {}
    if id(part) in memo:
        return memo[id(part)]
    held = list(_tensors(part, set()))
    if all(t.device == device for t in held):
        return part
    for tensor in held:
        if id(tensor) not in memo:
            memo[id(tensor)] = _copied(tensor, device)
    return copy.deepcopy(part, memo)


def _copied(tensor: Tensor, device: torch.device) -> Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor.detach().to(device, copy=True), tensor.requires_grad)
    if tensor.is_leaf:
        return tensor.detach().to(device, copy=True).requires_grad_(tensor.requires_grad)
    return tensor.to(device)


def _tensors(value: object, seen: set[int]) -> Iterator[Tensor]:
    """All tensors that can be reached through attributes and containers."""
    if isinstance(value, Tensor):
        yield value
        return
    if value is None or isinstance(value, _PLAIN) or id(value) in seen:
        return
    seen.add(id(value))
    inner: list[object] = []
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif isinstance(value, partial):
        inner = [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, MethodType):
        inner = [value.__self__]
    inner += vars(value).values() if hasattr(value, "__dict__") else ()
    for each in inner:
        yield from _tensors(each, seen)


_PLAIN = (
    str,
    bytes,
    int,
    float,
    complex,
    type,
    torch.dtype,
    torch.device,
    torch.Generator,
    FunctionType,
    BuiltinFunctionType,
    ModuleType,
)
"""What holds no tensors, or cannot be copied."""


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor of the CPU to a device without waiting for it.

    Args:
        tensor: A tensor of the CPU that nobody changes meanwhile.
        device: The device.

    Returns:
        The tensor there.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def constant(values: Sequence[float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Give numbers that do not change as a tensor: sent to a device once, then remembered.

    Args:
        values: A few numbers.
        dtype: Their type.
        device: Their device.

    Returns:
        (len(values),) tensor, which nobody may write into.
    """
    if torch.compiler.is_compiling():
        # numbers of the graph; one that is sent there would be sent in each step
        numbers = [torch.full((), value, dtype=dtype, device=device) for value in values]
        return torch.stack(numbers)
    return _constant(tuple(values), dtype, device)


@lru_cache(maxsize=1024)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # they are remembered, and must serve training too
        return torch.tensor(values, dtype=dtype, device=device)


def unravel(index: Tensor, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """Convert flat indices to one index per axis, as `torch.unravel_index` does.

    Args:
        index: (*s,) whole numbers, on any device.
        shape: The array's shape.

    Returns:
        For each axis (*s,) indices. Nothing is sent to the device for it.
    """
    found = []
    for n in reversed(shape):
        found.append(index.remainder(n))
        index = index.div(n, rounding_mode="floor")
    return tuple(reversed(found))
