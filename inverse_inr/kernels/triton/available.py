"""Whether the Triton kernels can be used: on CUDA tensors, where triton can be imported."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def usable(tensor: Tensor) -> bool:
    """Say whether a tensor's work may be done by the Triton kernels.

    Args:
        tensor: The tensor.

    Returns:
        True for float32 on a CUDA device, where triton is installed, which torch's wheels for CUDA
        bring. False in a compiled function, inside `torch.func` and under forward derivatives,
        which need to see the definition, and where torch must add in a fixed order.
    """
    if not tensor.is_cuda or tensor.element_size() != 4:
        return False
    if _transformed() or torch.are_deterministic_algorithms_enabled():
        return False
    return _installed()


def device_with_kernels() -> bool:
    """Say whether this machine has a CUDA device for which the kernels can be compiled."""
    return torch.cuda.is_available() and _installed()


def on_device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Make a tensor's device the current one, on which Triton starts its kernels.

    Args:
        tensor: The tensor.

    Returns:
        A context; on a CPU, where kernels are interpreted, it does nothing.
    """
    if tensor.is_cuda:
        return torch.cuda.device(tensor.device)
    return nullcontext()


def _transformed() -> bool:
    if torch.compiler.is_compiling():
        return True
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


@lru_cache(maxsize=1)
def _installed() -> bool:
    if not torch.backends.cuda.is_built():  # a make-believe device takes the definitions
        return False
    return find_spec("triton") is not None
