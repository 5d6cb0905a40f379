"""Numbers of a JSON that people and tools write: text in hexadecimal, 3.0 for 3, NaN."""

from __future__ import annotations

import math
from typing import Any


def optional_time(value: Any) -> float | None:
    """Read a time in microseconds.

    Args:
        value: As the JSON has it; None where it is not there.

    Returns:
        In s, or None.

    Raises:
        ValueError: It is no finite number.
    """
    if value is None:
        return None
    return real(value) * 1e-6


def real(value: Any) -> float:
    """Read a number.

    Args:
        value: As the JSON has it; text may be hexadecimal.

    Raises:
        ValueError: It is no finite number.
    """
    if isinstance(value, str) and value.strip().lower().startswith("0x"):
        return float(int(value, 0))
    found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"a number is {found}")
    return found


def whole(value: Any) -> int:
    """Read a whole number below 2^31 in modulus.

    Args:
        value: As the JSON has it.

    Raises:
        ValueError: It is none.
    """
    found = number(value)
    if abs(found) >= 2**31:
        raise ValueError(f"a whole number is {found}")
    return found


def number(value: Any) -> int:
    """Read a whole number, which may be written as text: "0xF".

    Args:
        value: As the JSON has it.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str):
        return int(value, 0)
    found = int(value)
    if found != value:
        raise ValueError(f"{value} is not whole")
    return found
