"""The rules of the make-believe device: what CUDA refuses, and what it makes wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA = torch.device("cuda", 0)
CPU = torch.device("cpu")

SYNC = "synchronisation"
PAGEABLE = "pageable copy"
PINNED = "pinned copy"
ATOMIC = "atomic addition"

WAITING = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "equal",
    "is_nonzero",
    "bincount",
    "histc",
    "argwhere",
}
"""Operations whose result, or the size of it, the host must know."""

INDEXING = {
    "index",
    "index_put",
    "index_put_",
    "_index_put_impl_",
    "_unsafe_index",
    "_unsafe_index_put",
}
"""Operations that copy an index of the host to the device where they need it."""

UNORDERED = {
    "index_add",
    "index_add_",
    "scatter_add",
    "scatter_add_",
    "scatter_reduce",
    "scatter_reduce_",
    "embedding_dense_backward",
    "_embedding_bag_backward",
    "_embedding_bag_dense_backward",
    "grid_sampler_2d_backward",
    "grid_sampler_3d_backward",
}
"""Operations that add on the device in no fixed order."""

POINTWISE = ("_foreach", "where", "fill_", "div", "mul", "add", "sub", "masked_fill", "lerp", "pow")
"""Operations beside those that torch tags as pointwise: they take numbers of the host."""


class FunctionRules(TorchFunctionMode):
    """Calls as Python makes them: the device that they ask for, and reads by the host."""

    def __init__(self, gpu: Any) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        own = bool(args) and isinstance(args[0], Tensor)
        if own and name in METHODS:
            return METHODS[name](self.gpu, func, args, kwargs)
        return self._made(func, name, args, kwargs, own)

    def _made(self, func: Any, name: str, args: Any, kwargs: Any, own: bool) -> Any:
        """The result of a call that may make a tensor, where it was asked for."""
        gpu = self.gpu
        asked = kwargs.get("device")
        there = asked is not None and torch.device(asked).type == "cuda"
        inherits = own and (name.startswith("new_") or name.endswith("_like"))
        if asked is None and inherits:
            there = gpu.holds(args[0])
        draws = there or (own and gpu.holds(args[0]))
        generators = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Generator)]
        if draws and any(g.device.type == "cpu" for g in generators):
            gpu.fail(f"{name}: expected a 'cuda' generator but found one of the 'cpu'")
        if asked is not None:
            kwargs["device"] = CPU
        if there and name in ("tensor", "as_tensor", "asarray", "new_tensor"):
            data = args[-1]
            if isinstance(data, Tensor) and name != "new_tensor":
                return gpu.move(func(*args, **kwargs), True)
            gpu.note(PAGEABLE, f"{name} of a value of the host")
        gpu.asked.append(there or (asked is None and any(map(gpu.holds, _inside(args, kwargs)))))
        try:
            out = func(*args, **kwargs)
        finally:
            gpu.asked.pop()
        if asked is not None or there:
            for tensor in _inside(out):
                if there:
                    gpu.put(tensor)
                elif inherits:
                    gpu.take(tensor)
        return out


def _inside(*values: Any) -> list[Tensor]:
    """The tensors among values, those in lists, tuples and dictionaries included, in order."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _inside(*value)
        elif isinstance(value, dict):
            found += _inside(*value.values())
    return found


def _to(gpu: Any, func: Any, args: Any, kwargs: Any) -> Any:
    """The rule of `Tensor.to` and `Tensor.type_as`."""
    target = kwargs.pop("device", None)
    rest = []
    for value in args[1:]:
        if isinstance(value, Tensor):
            target = value.device
            value = value.dtype
        if isinstance(value, str | torch.device):
            target = value
        elif value is not None:
            rest.append(value)
    if len(rest) > 1 and isinstance(rest[-1], bool):
        kwargs.setdefault("non_blocking", rest[1])
    rest = [value for value in rest if isinstance(value, torch.dtype)]
    if func is torch.Tensor.type_as:
        func = torch.Tensor.to
    quick = bool(kwargs.pop("non_blocking", False))
    out = args[0]
    if rest or kwargs:
        out = func(out, *rest, **kwargs)
    if target is None:
        return out
    return gpu.move(out, torch.device(target).type == "cuda", quick)


def _read(gpu: Any, func: Any, args: Any, kwargs: Any) -> Any:
    if gpu.holds(args[0]):
        gpu.fail(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first", TypeError
        )
    return func(*args, **kwargs)


def _listed(gpu: Any, func: Any, args: Any, kwargs: Any) -> Any:
    if gpu.holds(args[0]):
        gpu.note(SYNC, "tolist")
    return func(*args, **kwargs)


METHODS = {
    "to": _to,
    "type_as": _to,
    "numpy": _read,
    "__array__": _read,
    "tolist": _listed,
    "cuda": lambda gpu, func, args, kwargs: gpu.move(args[0], True),
    "cpu": lambda gpu, func, args, kwargs: gpu.move(args[0], False),
    "pin_memory": lambda gpu, func, args, kwargs: gpu.pin(args[0]),
    "is_pinned": lambda gpu, func, args, kwargs: gpu.is_pinned(args[0]),
}
"""Methods of tensors that know of devices, and their rules."""


class DispatchRules(TorchDispatchMode):
    """Every operation, the backward ones included: devices agree, and results stay there."""

    def __init__(self, gpu: Any) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        gpu = self.gpu
        kwargs = kwargs or {}
        if gpu.quiet:
            return func(*args, **kwargs)
        name = func._schema.name.split("::")[-1]
        tensors = _inside(args, kwargs)
        there = [gpu.holds(t) for t in tensors]
        if not any(there):
            out = func(*args, **kwargs)
            if not tensors and isinstance(out, Tensor):
                gpu.make(out)
            return out
        if not all(there):
            self._mixed(func, name, args, tensors, there)
        self._count(name, args, kwargs)
        out = func(*args, **kwargs)
        to_host = name == "copy_" and not there[0]
        if not to_host and name != "_local_scalar_dense":
            for tensor in _inside(out):
                gpu.put(tensor)
        return out

    def _count(self, name: str, args: Any, kwargs: Any) -> None:
        gpu = self.gpu
        if name in WAITING:
            gpu.note(SYNC, name)
        if name == "repeat_interleave" and kwargs.get("output_size") is None:
            gpu.note(SYNC, name)
        if name in INDEXING:
            indices = [t for t in args[1] if t is not None]
            if any(t.dtype == torch.bool for t in indices):
                gpu.note(SYNC, "index by a boolean mask")
            if len(args) > 3 and args[3] is True:
                gpu.note(ATOMIC, name)
        if name in UNORDERED:
            gpu.note(ATOMIC, name)

    def _mixed(self, func: Any, name: str, args: Any, tensors: Any, there: Any) -> None:
        """The rule of an operation on tensors of both devices."""
        gpu = self.gpu
        host = [t for t, c in zip(tensors, there, strict=True) if not c]
        if name in ("copy_", "_copy_from"):
            if not there[0]:
                return gpu.note(SYNC, "copy_ to the host")
            if not gpu.is_pinned(host[0]):
                gpu.note(PAGEABLE, "copy_ to the device")
            return None
        if name in INDEXING and there[0]:
            values = [t for t in args[2:3] if isinstance(t, Tensor)]
            if all(gpu.holds(t) or t.ndim == 0 for t in values):
                if any(t is not None and not gpu.holds(t) for t in args[1]):
                    gpu.note(PAGEABLE, "index of the host")
                return None
        host = [t for t in host if not gpu.goes_with_either(t)]
        takes_numbers = torch.Tag.pointwise in func.tags or name.startswith(POINTWISE)
        if not host or (takes_numbers and all(t.ndim == 0 for t in host)):
            return None
        words = [
            f"{'cuda' if c else 'cpu'}{tuple(t.shape)}" for t, c in zip(tensors, there, strict=True)
        ]
        return gpu.fail(
            f"Expected all tensors to be on the same device: {name} of {', '.join(words[:4])}"
        )
