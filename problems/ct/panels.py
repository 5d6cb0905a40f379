"""Counts of a whole panel as line integrals: row by row as a parallel beam's, then binned."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.io import Scan
from inverse_inr.problems.ct.counts import noise_of
from inverse_inr.problems.ct.limits import Values
from inverse_inr.problems.ct.masking import masks_of_integrals
from inverse_inr.problems.ct.scan import measured_row


@dataclass(frozen=True, eq=False)
class Panels:
    """Line integrals of a whole panel, ready to be fitted.

    Args:
        line: (views, rows, columns) line integrals; anything where not trusted.
        sigma: Their standard deviations.
        good: The values to fit, bool.
    """

    line: Tensor
    sigma: Tensor
    good: Tensor


def panels_of(
    path: str, scan: Scan, every: int, air: int, values: Values, notes: dict[str, object]
) -> Panels:
    """Make line integrals of all detector rows, each masked by itself.

    Args:
        path: The file, for messages.
        scan: The scan, rows and columns in the order of the coordinates.
        every: Each how-manieth view is used.
        air: Detector pixels at both ends of each row that never see the object.
        values: What the numbers are.
        notes: What is inferred is written here.

    Raises:
        ValueError: A row has no value that can be trusted, or flat fields are missing.
    """
    turned = scan.angles
    if turned is None:
        turned = torch.arange(len(scan.counts)).double()
    if values == "line integrals":
        return _integrals(path, scan.counts[::every], turned[::every], air, notes)
    found = []
    for row in range(scan.counts.shape[1]):
        part = slice(row, row + 1)
        white = scan.white
        if white is not None:
            white = white[..., part, :]
        gain = None
        if scan.gain is not None:
            gain = scan.gain[part]
        one = scan._replace(
            counts=scan.counts[:, part], white=white, dark=scan.dark[part], gain=gain
        )
        choice = (1, every, air)
        found.append(
            measured_row(path, row, one, turned[::every], values, choice, "gaussian", notes)
        )
    return Panels(
        *(torch.stack([getattr(m, name) for m in found], 1) for name in ("line", "sigma", "good"))
    )


def _integrals(
    path: str, lines: Tensor, angles: Tensor, air: int, notes: dict[str, object]
) -> Panels:
    """Line integrals as they are, with one standard deviation for the whole panel."""
    largest = float(lines.nan_to_num(0.0, 0.0, 0.0).abs().max())
    if largest == 0:
        raise ValueError(f"{path}: all line integrals are 0, or none is finite.")
    if air:
        raise ValueError(f"{path}: air={air} scales counts or transmissions.")
    # a row that sees air alone would tell nothing of the noise: all rows are asked together
    level = max(noise_of(lines.flatten(0, 1)), 1e-4 * largest)
    if math.isnan(level):
        level = 1e-2 * largest
    notes["noise of a line integral"] = f"{level:.3g}, from second differences"
    bad = [masks_of_integrals(row, level, angles).bad for row in lines.unbind(1)]
    good = ~torch.stack(bad, 1)
    return Panels(lines.where(good, 0.0), torch.full_like(lines, level), good)


def binned_panels(panels: Panels, bin: int) -> Panels:
    """Take the means of neighbouring pixels, at least half of which must be good.

    Args:
        panels: The panels.
        bin: Pixels along each axis that are taken together.

    Returns:
        Panels of (rows // bin, columns // bin) pixels.
    """
    if bin == 1:
        return panels
    line = panels.line.where(panels.good, 0.0)
    variance = panels.sigma.square().where(panels.good, 0.0)
    number = _sums(panels.good.to(line), bin)
    known = number.clamp(min=1)
    # plain means: precision favours the side of an edge that lets light through
    return Panels(
        _sums(line, bin) / known,
        (_sums(variance, bin).sqrt() / known).where(number > 0, 1.0),
        2 * number >= bin * bin,
    )


def _sums(values: Tensor, bin: int) -> Tensor:
    rows, columns = (n // bin for n in values.shape[1:])
    cut = values[:, : rows * bin, : columns * bin]
    return cut.unflatten(1, (rows, bin)).unflatten(3, (columns, bin)).sum((2, 4))
