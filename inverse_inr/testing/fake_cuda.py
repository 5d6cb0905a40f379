"""`FakeCuda`: a make-believe CUDA device, so that placement can be proved without a GPU.

Values are computed on the CPU, so they are real and can be compared. A tensor put on "cuda" is one
whose storage is marked; whatever is computed from it is marked too. What CUDA refuses raises here,
and what makes the host wait for the device, or the other way round, is counted with its place.

It cannot know whether CUDA has a kernel for an operation and a dtype, nor how fast one would be.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from inverse_inr.testing.device_rules import ATOMIC as ATOMIC
from inverse_inr.testing.device_rules import CPU as CPU
from inverse_inr.testing.device_rules import CUDA as CUDA
from inverse_inr.testing.device_rules import PAGEABLE as PAGEABLE
from inverse_inr.testing.device_rules import PINNED as PINNED
from inverse_inr.testing.device_rules import SYNC as SYNC
from inverse_inr.testing.device_rules import DispatchRules, FunctionRules

functorch: Any = torch._C.__dict__["_functorch"]
TORCH = str(Path(torch.__file__).parent)

_MARKED: dict[int, StorageWeakRef] = {}
"""Storages on the device. They outlive a `FakeCuda`, since libraries remember constants by device.

A weak reference keeps the address of a storage that has gone from being given to another one.
"""
_PINNED: dict[int, StorageWeakRef] = {}
_EITHER: dict[int, StorageWeakRef] = {}
"""Storages that torch made inside one of its own functions: they are where it wants them."""


class DeviceError(RuntimeError):
    """The error of a real CUDA device where two devices meet in one operation."""


class Event(NamedTuple):
    """Something that CUDA allows and that costs time.

    Attributes:
        kind: "synchronisation" (the host waits for the device), "pageable copy" (the device waits
            for memory of the host, and the host for the copy), "pinned copy" (neither waits) or
            "atomic addition" (sums in no fixed order).
        what: The operation.
        where: File and line of the innermost caller outside of torch.
    """

    kind: str
    what: str
    where: str


class FakeCuda:
    """A context in which "cuda" is a device: `with FakeCuda() as gpu: prior.to("cuda")`.

    Attributes:
        log: How often each `Event` happened.
    """

    def __init__(self) -> None:
        self.log: Counter[Event] = Counter()
        self.quiet = 0
        self.asked: list[bool] = []  # for each call of torch that runs, whether it is the device's
        self._stack = ExitStack()

    def count(self, *kinds: str) -> int:
        """Count the events of some kinds; without a name, of all."""
        return sum(n for event, n in self.log.items() if not kinds or event.kind in kinds)

    def waits(self) -> dict[Event, int]:
        """Give the events in which host or device waits for the other."""
        return {event: n for event, n in self.log.items() if event.kind in (SYNC, PAGEABLE)}

    # --- which tensors are on the device --------------------------------------------------------

    def holds(self, tensor: Tensor) -> bool:
        """Say whether a tensor is on the device."""
        return any(key in _MARKED for key in _keys(tensor))

    def is_pinned(self, tensor: Tensor) -> bool:
        """Say whether a tensor is in pinned memory of the host."""
        return any(key in _PINNED for key in _keys(tensor))

    def goes_with_either(self, tensor: Tensor) -> bool:
        """Say whether torch made a tensor for itself, e.g. the zeros of a missing gradient."""
        return any(key in _EITHER for key in _keys(tensor))

    def make(self, tensor: Tensor) -> None:
        """Mark a tensor that comes from no other one, by the call in which it was made."""
        if not self.asked:
            _mark(tensor, _EITHER)
        elif self.asked[-1]:
            self.put(tensor)

    def put(self, tensor: Tensor) -> Tensor:
        """Mark a tensor as one on the device."""
        _mark(tensor, _MARKED)
        return tensor

    def take(self, tensor: Tensor) -> Tensor:
        """Mark a tensor as one on the host."""
        for key in _keys(tensor):
            _MARKED.pop(key, None)
        return tensor

    def pin(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to pinned memory of the host."""
        self.quiet += 1
        copy = tensor.clone()
        self.quiet -= 1
        _mark(copy, _PINNED)
        return copy

    def move(self, tensor: Tensor, there: bool, non_blocking: bool = False) -> Tensor:
        """Copy a tensor to the device or to the host, known to autograd; none that is there."""
        if self.holds(tensor) == there:
            return tensor
        what = f"copy of {tuple(tensor.shape)} to the host"
        kind = SYNC
        if there:
            what = f"copy of {tuple(tensor.shape)} to the device"
            kind = PAGEABLE
            if non_blocking and self.is_pinned(tensor):
                kind = PINNED
        self.note(kind, what)
        moved = _Move.apply(tensor, self, there)
        assert isinstance(moved, Tensor)
        return moved

    # --- what happens -----------------------------------------------------------------------------

    def note(self, kind: str, what: str) -> None:
        """Count an event."""
        if not self.quiet:
            self.log[Event(kind, what, _caller())] += 1

    def fail(self, message: str, error: type[Exception] = DeviceError) -> None:
        """Raise what CUDA raises, with the place.

        Raises:
            DeviceError: Always, or the given kind of error.
        """
        raise error(f"{message} [{_caller()}]")

    # --- on and off -------------------------------------------------------------------------------

    def __enter__(self) -> FakeCuda:
        self._stack = ExitStack()
        self._stack.callback(_forget, torch.Tensor, "device", "is_cuda")
        plain = torch.Tensor.device
        tensor: Any = torch.Tensor
        tensor.device = property(lambda t: CUDA if self.holds(t) else plain.__get__(t))
        tensor.is_cuda = property(self.holds)
        for name, value in _runtime().items():
            self._stack.enter_context(mock.patch.object(torch.cuda, name, value))
        # functions that torch writes in Python run under the modes, not beside them
        for module in (
            torch.autograd,
            torch.overrides,
            torch.functional,
            torch.nn.functional,
            sys.modules["torch._tensor"],
        ):
            for name in ("has_torch_function", "has_torch_function_unary"):
                self._without(module, name)
            self._without(module, "has_torch_function_variadic")
        grad = torch.autograd.grad
        self._stack.enter_context(
            mock.patch.object(torch.autograd, "grad", lambda *a, **k: self._placed(grad, *a, **k))
        )
        self._stack.enter_context(DispatchRules(self))
        self._stack.enter_context(FunctionRules(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _without(self, module: Any, name: str) -> None:
        if hasattr(module, name):
            self._stack.enter_context(mock.patch.object(module, name, return_value=False))

    def _placed(self, grad: Any, outputs: Any, inputs: Any, *args: Any, **keywords: Any) -> Any:
        """Gradients where their inputs are: zeros that the engine makes carry no mark."""
        found = grad(outputs, inputs, *args, **keywords)
        listed = [inputs]
        if not isinstance(inputs, Tensor):
            listed = list(inputs)
        for x, g in zip(listed, found, strict=True):
            if g is not None and self.holds(x):
                self.put(g)
        return found


class _Move(torch.autograd.Function):
    """A copy between the devices; its backward is the copy back."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, gpu: FakeCuda, there: bool) -> Tensor:
        gpu.quiet += 1
        out = x.clone()
        gpu.quiet -= 1
        if there:
            return gpu.put(out)
        return gpu.take(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.gpu, ctx.there = inputs[1:]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return ctx.gpu.move(grads[0], not ctx.there), None, None


def _keys(tensor: Tensor) -> list[int]:
    """The addresses of a tensor's storages."""
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        while functorch.is_functorch_wrapped_tensor(tensor):
            tensor = functorch.get_unwrapped(tensor)
        if tensor.layout == torch.sparse_csr:
            tensor = tensor.values()
        return [tensor.untyped_storage()._cdata]


def _mark(tensor: Tensor, marks: dict[int, StorageWeakRef]) -> None:
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        while functorch.is_functorch_wrapped_tensor(tensor):
            tensor = functorch.get_unwrapped(tensor)
        if tensor.layout == torch.sparse_csr:
            tensor = tensor.values()
        storage = tensor.untyped_storage()
        marks.setdefault(storage._cdata, StorageWeakRef(storage))
    if len(marks) > 20_000:
        for key in [k for k, reference in marks.items() if reference.expired()]:
            del marks[key]


def _forget(kind: type, *names: str) -> None:
    """Take attributes off a class, which then has those of its base again."""
    for name in names:
        if name in vars(kind):
            delattr(kind, name)


def _caller() -> str:
    """File and line of the innermost frame that is neither torch's nor of this room."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        if not name.startswith((TORCH, "<")) and Path(name).name not in (
            "fake_cuda.py",
            "device_rules.py",
        ):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def _runtime() -> dict[str, Any]:
    """What torch.cuda says where there is one device."""
    return {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda _=None: "make-believe",
        "manual_seed": lambda _: None,
        "get_rng_state": lambda _=None: torch.zeros(1, dtype=torch.uint8),
        "set_rng_state": lambda *_: None,
        "synchronize": lambda _=None: None,
        "empty_cache": lambda: None,
        "mem_get_info": lambda _=None: (2**37, 2**37),
        "memory_allocated": lambda _=None: 0,
        "memory_reserved": lambda _=None: 0,
        "max_memory_allocated": lambda _=None: 0,
        "reset_peak_memory_stats": lambda _=None: None,
    }
