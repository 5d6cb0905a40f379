"""Checks of a radar geometry: shapes, finite numbers, units, and the precision of positions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from inverse_inr import Box, memory

DOUBLE = torch.finfo(torch.float64).eps
"""Relative step of numbers in float64."""


def antenna_positions(value: Tensor, name: str) -> Tensor:
    """Return antenna positions as float64 that a module can own.

    Args:
        value: (P, 3) positions in metres; an `nn.Parameter` is kept as it is.
        name: "transmitters" or "receivers", for messages.

    Returns:
        (P, 3) in metres, float64: the parameter itself, or a buffer with a copy.

    Raises:
        ValueError: If the shape is wrong, a number is not finite, or a parameter is not float64.
    """
    if value.ndim != 2 or value.shape[1] != 3 or not len(value):
        raise ValueError(
            f"RadarGeometry: {name} must be (P, 3) positions in metres, "
            f"got shape {tuple(value.shape)}."
        )
    bad = (~torch.isfinite(value).all(1)).nonzero()
    if len(bad):
        raise ValueError(
            f"RadarGeometry: {name} holds NaN or Inf at {len(bad)} of {len(value)} pulses, the "
            f"first is pulse {int(bad[0])}."
        )
    if isinstance(value, nn.Parameter):
        if value.dtype != torch.float64:
            raise ValueError(f"RadarGeometry: learnable {name} must be float64, got {value.dtype}.")
        return value
    return nn.Buffer(value.detach().clone().double())


def reference_paths(value: Tensor | float | None, pulses: int) -> Tensor:
    """Return one reference path per pulse.

    Args:
        value: (pulses,) or a scalar, two-way paths in metres; None stands for 0.
        pulses: Number of pulses.

    Returns:
        (pulses,) in metres, float64.

    Raises:
        ValueError: If the shape does not fit the pulses, or a number is not finite.
    """
    if value is None:
        value = 0.0
    if isinstance(value, Tensor):
        path = value.detach().double()
    else:
        path = torch.tensor(value, dtype=torch.float64)
    if path.ndim > 1 or (path.ndim == 1 and len(path) != pulses):
        raise ValueError(
            f"RadarGeometry: reference_path has shape {tuple(path.shape)}; there are {pulses} "
            "pulses. Pass one two-way path in metres for each."
        )
    if not torch.isfinite(path).all():
        first = int((~torch.isfinite(path.reshape(-1))).nonzero()[0])
        raise ValueError(
            f"RadarGeometry: reference_path holds NaN or Inf, the first at pulse {first}."
        )
    return path.expand(pulses).clone()


def pulse_numbers(rows: Tensor, pulses: int) -> Tensor:
    """Return numbers of pulses that are there.

    Args:
        rows: (b,) numbers of pulses.
        pulses: How many pulses there are.

    Returns:
        (b,) int64.

    Raises:
        IndexError: There is no such pulse.
        ValueError: There are none, or they are no whole numbers.
    """
    if rows.ndim != 1 or not len(rows) or rows.dtype.is_floating_point or rows.dtype.is_complex:
        raise ValueError(
            f"RadarGeometry: numbers of pulses must be (b,) integers, got {rows.dtype} of shape "
            f"{tuple(rows.shape)}."
        )
    if rows.dtype == torch.bool:
        raise ValueError("RadarGeometry: a mask; pass numbers of pulses: mask.nonzero()[:, 0].")
    low, high = (int(v) for v in rows.aminmax())
    if low < 0 or high >= pulses:
        raise IndexError(
            f"RadarGeometry: pulses {low} to {high} are asked for; there are {pulses}, from 0."
        )
    return rows.long()


def coarseness(value: Tensor | float | None) -> float:
    """Return the relative step of numbers as they were given.

    Args:
        value: Positions or paths, before any cast.

    Returns:
        The dtype's machine epsilon; 0 for float64, whole numbers and anything but a tensor.
    """
    if not isinstance(value, Tensor):
        return 0.0
    if not value.is_floating_point() or value.dtype == torch.float64:
        return 0.0
    return torch.finfo(value.dtype).eps


def check_box(box: Box) -> None:
    """Check that a box has three axes in metres.

    Args:
        box: The scene's box; units "" count as metres.

    Raises:
        ValueError: If it has not.
    """
    if box.ndim != 3:
        raise ValueError(
            f"Radar geometry is 3-D; the box has {box.ndim} axes. A plane is a thin box."
        )
    if set(box.units) - {"", "m"}:
        raise ValueError(
            f"Radar geometry is in metres; the box has units {box.units}. "
            "Convert the box to metres."
        )


def check_outside(box: Box, antennas: Mapping[str, Tensor]) -> None:
    """Check that no antenna lies inside the box.

    Args:
        box: The scene's box, in metres.
        antennas: (P, 3) positions in metres by the antenna's name.

    Raises:
        ValueError: If one lies inside; the message names its pulse.
    """
    for name, antenna in antennas.items():
        lower = antenna.new_tensor(box.lower)
        upper = antenna.new_tensor(box.upper)
        inside = ((antenna > lower) & (antenna < upper)).all(-1).nonzero()[:, 0]
        if len(inside):
            k = int(inside[0])
            raise ValueError(
                f"RadarGeometry: the {name} of pulse {k} at {antenna[k].tolist()} m lies inside "
                f"the box {box.lower} to {box.upper}. Are positions and box in the same frame and "
                "unit (metres)?"
            )


def check_step(coarse: float, longest: float, wavelength: float) -> None:
    """Check that rounding of the given positions leaves the phase below 2 rad.

    Args:
        coarse: Relative step of the numbers as given; 0 for float64.
        longest: The longest path, in metres.
        wavelength: In metres.

    Raises:
        ValueError: If the phase of one step is more than 2 rad.
    """
    if 2 * math.pi * longest * DOUBLE / wavelength > 2.0:
        raise ValueError(
            f"RadarGeometry: a path of {longest:.3g} m is more than float64 counts in wavelengths "
            f"of {wavelength:.3g} m: phases would be noise. Another unit, or a distance that no "
            "radar reaches?"
        )
    step = coarse * longest
    if 2 * math.pi * step / wavelength > 2.0:
        raise ValueError(
            f"RadarGeometry was given in float32, whose steps at this range are {step:.3g} m of "
            f"path, {step / wavelength:.2g} wavelengths: phases would be noise. Pass float64 "
            "positions and reference_path, or positions relative to the scene's centre."
        )


def require_lattice(box: Box, ranges: int, pitch: float, samples: int, lines: int) -> None:
    """Refuse images whose one line asks for more points than the memory at hand holds.

    Args:
        box: The scene.
        ranges: Pixels of a line.
        pitch: Side of a pixel.
        samples: Points along the range of a pixel.
        lines: Lines of points in a line of pixels.

    Raises:
        OutOfMemoryError: They do.
    """
    across = max(box.lengths[:3]) / pitch
    memory.require(
        f"SarImage: a line of {ranges} pixels of pitch={pitch:.6g} with lines={lines} and "
        f"samples={samples}",
        3 * 8.0 * lines * samples * (ranges + across) * (1 + across),
        "Fewer samples or lines, or larger pixels.",
    )
