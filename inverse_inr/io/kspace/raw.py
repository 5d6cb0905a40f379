"""`RawKSpace`, the k-space that every format is read into, and the checks that all of them pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, SelectionError


class RawKSpace(NamedTuple):
    """The k-space of one image as measured: a matrix, or the samples of a trajectory."""

    values: Tensor
    """(coils, *shape) complex64, zero where nothing was measured, zero frequency at n // 2; or
    (coils, readouts, samples) along a trajectory."""
    mask: Tensor
    """(*shape) bool, True where something was measured."""
    spacing: tuple[float, ...] | None
    """Pixel size in mm, None if the file does not tell."""
    support: Tensor | None = None
    """(*shape) bool, True where the scan meant to measure: the rest is zero-filled by intention.
    None: everywhere."""
    counts: Tensor | None = None
    """(*shape) how many measurements were averaged in each entry, None: one."""
    noise: Tensor | None = None
    """(coils, coils) covariance E n nᴴ of one measurement, from a noise scan."""
    calibration: Tensor | None = None
    """(coils, *shape) separate reference lines, for coil maps alone; zero where there are none."""
    trajectory: Tensor | None = None
    """(readouts, samples, d) float64 in cycles per mm; None for a matrix."""
    shape: tuple[int, ...] | None = None
    """Pixels of the image of a trajectory; None for a matrix, whose shape they are."""
    notes: Mapping[str, str] = MappingProxyType({})
    """What was chosen and inferred, by keyword."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Pixels of the image."""
        if self.shape is not None:
            return self.shape
        return tuple(self.values.shape[1:])

    @property
    def fully_sampled(self) -> bool:
        """Whether all of the matrix was measured that the scan meant to measure."""
        if self.trajectory is not None:
            return False
        if self.support is None:
            return bool(self.mask.all())
        return bool(self.mask[self.support].all())


def checked_values(path: PathLike, values: Tensor) -> Tensor:
    """Refuse k-space that is not finite, all zero, or not largest near n // 2.

    Args:
        path: The file, for messages.
        values: (coils, *shape) complex.

    Returns:
        The values.

    Raises:
        FileFormatError: The values are no k-space in the convention of files.
    """
    check_finite(path, values)
    energy = values.abs().square().sum(0)
    peak = torch.unravel_index(energy.argmax(), energy.shape)
    shape = energy.shape
    off = [int(p) - n // 2 for p, n in zip(peak, shape, strict=True)]
    if any(abs(o) > max(2, n // 8) for o, n in zip(off, shape, strict=True)):
        slip = "Another axis order, or images and not k-space?"
        if all(abs(o) >= n // 2 - max(2, n // 8) for o, n in zip(off, shape, strict=True)):
            slip = "In the order of an FFT? Apply fftshift."
        where = tuple(int(p) for p in peak)
        raise FileFormatError(
            f"{path}: the energy of k-space peaks at {where} of {tuple(shape)}, not at the centre "
            f"{tuple(n // 2 for n in shape)}. {slip}"
        )
    return values


def check_finite(path: PathLike, values: Tensor) -> None:
    """Refuse k-space that holds NaN or Inf, or nothing.

    Args:
        path: The file, for messages.
        values: Complex values of any shape.

    Raises:
        FileFormatError: The values are not finite, or all zero.
    """
    if not torch.isfinite(torch.view_as_real(values)).all():
        raise FileFormatError(f"{path}: k-space holds NaN or Inf.")
    if not values.any():
        raise FileFormatError(f"{path}: k-space is zero everywhere.")


def check_size(path: PathLike, shape: Sequence[int], held: int) -> None:
    """Refuse a matrix that is absurdly larger than the file, before it is allocated.

    Args:
        path: The file, for messages.
        shape: (coils, *shape) that its header claims.
        held: Bytes of the file.

    Raises:
        FileFormatError: The matrix would take more than 1 GiB and 64 times the file.
    """
    size = 8
    for n in shape:
        size *= n
    if size > max(2**30, 64 * held):
        raise FileFormatError(
            f"{path}: the header claims {tuple(shape)} (coils, matrix), {size / 2**30:.3g} GiB, in "
            f"a file of {held / 2**30:.3g} GiB. A damaged header?"
        )


def picked(path: PathLike, name: str, wanted: int | None, values: Sequence[int]) -> int:
    """Choose one of the values that a counter takes in a file.

    Args:
        path: The file, for messages.
        name: The counter's name, which is the keyword that chooses.
        wanted: The wanted value, or a negative number that counts from the end; None for the
            default, which is the middle slice and the first of everything else.
        values: The values that there are, ascending.

    Returns:
        The chosen value.

    Raises:
        SelectionError: There is no such value.
    """
    if wanted is None:
        if name == "slice":
            return values[len(values) // 2]
        return values[0]
    if wanted in values:
        return wanted
    if -len(values) <= wanted < 0:
        return values[wanted]
    raise SelectionError(
        f"{path}: {name}={wanted}, but the file holds {len(values)}: {listed(values)}."
    )


def listed(values: Sequence[int]) -> str:
    """Write ascending whole numbers in short: "0 to 11", "0, 2, 5".

    Args:
        values: The numbers, ascending.

    Returns:
        The words.
    """
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]} to {values[-1]}"
    text = ", ".join(map(str, values[:12]))
    if len(values) > 12:
        return f"{text} ... {values[-1]}"
    return text


def choice_note(name: str, value: int, values: Sequence[int], wanted: int | None) -> str:
    """Say which value of a counter was read, of which.

    Args:
        name: The counter's name.
        value: The value that was read.
        values: The values that there are.
        wanted: The value that was asked for; None for the default.

    Returns:
        A note.
    """
    said = f"{value} of {listed(values)}"
    if wanted is None:
        return f"{said} (default; {name}=... chooses another)"
    return said
