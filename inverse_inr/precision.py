"""The type and the device of the numbers that a field computes with."""

from __future__ import annotations

from itertools import chain

import torch

from inverse_inr.devices import CPU, device_of


def real_type(dtype: torch.dtype) -> torch.dtype:
    """Find the real type of a complex one, as `dtype.to_real()` does, which compilers do not know.

    Args:
        dtype: A floating or complex type.

    Returns:
        The real type of the same precision; that of a real type is itself.
    """
    return _REAL.get(dtype, dtype)


_REAL = {torch.complex32: torch.float16, torch.complex64: torch.float32}
_REAL[torch.complex128] = torch.float64


def placement(field: object) -> tuple[torch.dtype, torch.device]:
    """Find the real dtype and the device that a field computes in.

    Args:
        field: A field. One that is no module has no parameters to ask, but may name its `device`.

    Returns:
        The dtype and device of its first floating parameter or buffer; torch's default dtype and
        the CPU where it has none.
    """
    if isinstance(field, torch.nn.Module):
        for tensor in chain(field.parameters(), field.buffers()):
            if tensor.is_floating_point() or tensor.is_complex():
                return real_type(tensor.dtype), tensor.device
    return torch.get_default_dtype(), device_of(field) or CPU


HALF = {torch.float16: 2048, torch.bfloat16: 256}
"""Half precisions, and into how many places each divides half an axis of a normalised box."""


def require_precise(name: str, dtype: torch.dtype) -> None:
    """Refuse half precision, which cannot tell the places of a field apart.

    A number of float16 has 11 bits and one of bfloat16 has 8. Coordinates fall on few places, and
    the phase of a wave of many radians has no digits left. Measurements, which a solver brings to
    the field's precision, would lose theirs as well.

    Args:
        name: Name of the field, for the message.
        dtype: Type of its points or parameters.

    Raises:
        TypeError: The type is float16 or bfloat16.
    """
    if dtype in HALF:
        raise TypeError(
            f"{name}: {str(dtype).removeprefix('torch.')} tells only {HALF[dtype]} places apart "
            "along half an axis. Use float32 or float64; torch.autocast speeds products up and "
            "keeps the coordinates."
        )
