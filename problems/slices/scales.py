"""Stacks that cannot belong together: lengths or brightness in another unit."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from inverse_inr.problems.slices.stacks import Stack

SIZES = 50.0
"""How many times larger one stack may be than another."""
BRIGHTNESS = 50.0
"""How many times brighter; scanners and gains differ by less than ten."""
THICKEST = 8.0
"""Gaps between slices that one of them may be thick: interleaved ones overlap."""
THINNEST = 0.05
"""The part of a gap that a slice is thick at least."""


def check_scales(stacks: Sequence[Stack]) -> None:
    """Refuse stacks of another unit than the others, and slices of impossible thickness.

    Args:
        stacks: The stacks.

    Raises:
        ValueError: A slice is far thicker or thinner than the gap to the next one, or two stacks
            differ in size or brightness as no two scans of one subject do.
    """
    steps = [
        torch.linalg.vector_norm(torch.as_tensor(stack.affine)[:3, :3].double(), dim=0)
        for stack in stacks
    ]
    sizes = [
        float((step * torch.tensor(stack.values.shape)).max())
        for stack, step in zip(stacks, steps, strict=True)
    ]
    _check_ratio(stacks, sizes, SIZES, "mm large", "Metres in a header that says mm?")
    for stack, step in zip(stacks, steps, strict=True):
        gap = float(step[2])
        if not THINNEST * gap <= stack.thickness <= THICKEST * gap:
            raise ValueError(
                f"slices: {stack.name} has slices {gap:.4g} mm apart, and thickness="
                f"{stack.thickness:.4g} mm. Metres, or the number of another stack?"
            )
    brightness = [_brightness(stack) for stack in stacks]
    if min(brightness) > 0:
        _check_ratio(
            stacks, brightness, BRIGHTNESS, "bright (the 90th percentile)", "Scaled otherwise?"
        )


def _brightness(stack: Stack) -> float:
    usable = stack.values[stack.usable]
    return float(usable[:: 1 + len(usable) // 2**22].float().quantile(0.9))


def _check_ratio(
    stacks: Sequence[Stack], values: list[float], limit: float, what: str, slip: str
) -> None:
    low, high = (values.index(v) for v in (min(values), max(values)))
    if values[high] > limit * values[low]:
        raise ValueError(
            f"slices: {stacks[low].name} is {values[low]:.4g} {what}, and {stacks[high].name} "
            f"{values[high]:.4g}. {slip}"
        )
