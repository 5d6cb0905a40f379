"""Interpolation stencils: the weights of the nodes around a point of one axis."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def linear_stencil(t: Tensor) -> list[Tensor]:
    """Weights of the two nodes around a point, C⁰.

    Args:
        t: Any shape, the fraction of the cell left of the point, from 0 to 1.

    Returns:
        Two weights of the same shape, from the left node.
    """
    return [1 - t, t]


def smoothstep_stencil(t: Tensor) -> list[Tensor]:
    """Weights of the two nodes around a point, by 3t² - 2t³: C¹.

    Args:
        t: Any shape, the fraction of the cell left of the point, from 0 to 1.

    Returns:
        Two weights of the same shape, from the left node.

    Source:
        Müller et al. 2022, appendix A.
    """
    return linear_stencil(t * t * (3 - 2 * t))


def cubic_stencil(t: Tensor) -> list[Tensor]:
    """Weights of the uniform cubic B-spline, C².

    Args:
        t: Any shape, the fraction of the cell left of the point, from 0 to 1.

    Returns:
        Four weights of the same shape, from the leftmost node.
    """
    s = 1 - t
    return [s**3 / 6, (4 - 6 * t**2 + 3 * t**3) / 6, (4 - 6 * s**2 + 3 * s**3) / 6, t**3 / 6]


STENCILS: dict[str, tuple[Callable[[Tensor], list[Tensor]], int]] = {
    "linear": (linear_stencil, 0),
    "smoothstep": (smoothstep_stencil, 1),
    "cubic": (cubic_stencil, 2),
}
"""By name the stencil, and the number of its continuous derivatives."""
