"""Images of any kind as stacks of real planes, for denoisers that know no others.

A complex image is turned by one global phase first, so that its real part holds as much energy as
any: what comes out then turns with the image, which no denoising of moduli or of fixed parts does.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inverse_inr.ranges import checked

Planes = Callable[[Tensor], Tensor]
"""A function of real planes (n, h, w, c) that keeps their shape."""


@checked
def by_planes(
    x: Tensor, denoise: Planes, *, name: str, together: bool = False, axis: int | None = None
) -> Tensor:
    """Denoise an image plane by plane.

    Args:
        x: (*shape, c), real or complex, of two or three axes.
        denoise: Function of real planes, (n, h, w, k), with the noise's size in it.
        name: The denoiser's name, for messages.
        together: Planes keep their channels, and k = c; else each channel is a plane and k = 1.
            Real and imaginary part are planes of their own.
        axis: The axis of a volume that planes are cut across; None for the shortest one, the last
            of those where several are as short.

    Returns:
        (*shape, c).

    Raises:
        ValueError: The image has one axis, or more than three, or no such axis.
    """
    if x.is_complex():
        turn = main_phase(x)
        turned = x * turn.conj()
        parts = torch.stack([turned.real, turned.imag], -2)  # (*shape, 2, c)
        clean = [
            by_planes(part, denoise, name=name, together=together, axis=axis)
            for part in parts.unbind(-2)
        ]
        return torch.complex(*clean) * turn
    ndim = x.ndim - 1
    if ndim not in (2, 3):
        raise ValueError(
            f"{name}: the image has {ndim} axes, {tuple(x.shape[:-1])}; it denoises planes, and "
            "volumes plane by plane. TotalVariation and WaveletShrinkage take any number of axes."
        )
    if ndim == 2:
        return _on_stack(x[None], denoise, together)[0]
    if axis is None:
        axis = max(range(3), key=lambda k: (-x.shape[k], k))
    if not -3 <= axis < 3:
        raise ValueError(f"{name}: axis={axis} of a volume with 3 axes.")
    axis %= 3
    return _on_stack(x.movedim(axis, 0), denoise, together).movedim(0, axis)


def _on_stack(stack: Tensor, denoise: Planes, together: bool) -> Tensor:
    """Planes (n, h, w, c), their channels together or each on its own."""
    if together:
        return denoise(stack)
    n, _, _, c = stack.shape
    apart = stack.movedim(-1, 1).flatten(0, 1)[..., None]
    return denoise(apart)[..., 0].unflatten(0, (n, c)).movedim(1, -1)


def main_phase(x: Tensor) -> Tensor:
    """The global phase of a complex image: turned back by it, its real part is largest.

    Args:
        x: A complex image of any shape.

    Returns:
        A complex number of modulus 1, which turns as x turns. It is 1 where all phases are alike.
    """
    second = x.square().sum()
    if float(second.abs()) <= 1e-12 * float(x.abs().square().sum()):
        return torch.ones((), dtype=x.dtype, device=x.device)
    turn = torch.exp(0.5j * second.angle()).to(x.dtype)
    if float((x * turn.conj()).real.sum()) < 0:
        return -turn
    return turn


def turned(x: Tensor, k: int, axes: tuple[int, int] = (-2, -1)) -> Tensor:
    """Turn an image by k quarters, of the eight ways the last four mirrored before.

    Args:
        x: An image.
        k: The way; eight ways repeat.
        axes: The axes of its planes.

    Returns:
        The image, its sides exchanged where k is odd.
    """
    if k % 8 >= 4:
        x = x.flip(axes[1])
    return x.rot90(k, axes)


def turned_back(x: Tensor, k: int, axes: tuple[int, int] = (-2, -1)) -> Tensor:
    """Undo `turned`.

    Args:
        x: The turned image.
        k: The way that it was turned.
        axes: The axes of its planes.

    Returns:
        The image.
    """
    x = x.rot90(-k, axes)
    if k % 8 >= 4:
        x = x.flip(axes[1])
    return x
