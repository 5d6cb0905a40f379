"""Whether the Triton kernels can be used: on CUDA tensors, where triton can be imported."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.autograd import forward_ad


def usable(tensor: Tensor) -> bool:
    """Say whether a tensor's work may be done by the Triton kernels.

    Args:
        tensor: The tensor.

    Returns:
        True for float32 on a CUDA device, where triton is installed; torch's wheels for CUDA bring
        it.
    """
    return tensor.is_cuda and tensor.element_size() == 4 and _installed()


def transformed() -> bool:
    """Say whether something looks on that the kernels do not know.

    Returns:
        True in a compiled function, inside `torch.func`, and under forward derivatives.
    """
    if torch.compiler.is_compiling():
        return True
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


@lru_cache(maxsize=1)
def _installed() -> bool:
    return find_spec("triton") is not None
