"""Corrections of raw detector counts: quanta, binning, and a flat field as bright as air."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.io import read_hdf5


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of one detector row in quanta, and which of them can be trusted.

    Args:
        signal: (views, detectors) above the dark field; 1 where not trusted.
        flat: (views, detectors) above the dark field without object; 1 where not trusted.
        dark: (1, detectors) without beam, not negative.
        good: (views, detectors) bool: the values that an attenuation can explain.
    """

    signal: Tensor
    flat: Tensor
    dark: Tensor
    good: Tensor

    @property
    def line(self) -> Tensor:
        """Line integrals (views, detectors), without unit."""
        return (self.flat / self.signal).log()


def counts_per_quantum(path: str, row: int) -> float:
    """Estimate a detector's gain from the variance of repeated flat fields (photon transfer).

    Args:
        path: A DXchange file.
        row: The detector row.

    Returns:
        Counts per quantum, or 1 if there are fewer than three flat fields.
    """
    flats = read_hdf5(path, "exchange/data_white")[:, row].float()
    if len(flats) < 3:
        return 1.0
    gain = float((flats.var(0) / flats.mean(0)).nanmedian())
    if math.isfinite(gain) and gain > 0:
        return gain
    return 1.0


def binned(values: Tensor, bin: int) -> Tensor:
    """Return sums of neighbours along the detector; a rest at the end is dropped.

    Args:
        values: (*s, detectors).
        bin: Number of neighbours.

    Returns:
        (*s, detectors // bin).

    Raises:
        ValueError: If `bin` is below 1 or larger than the detector.
    """
    if bin < 1 or bin > values.shape[-1]:
        raise ValueError(f"bin={bin}: the detector has {values.shape[-1]} pixels.")
    return values[..., : values.shape[-1] // bin * bin].unflatten(-1, (-1, bin)).sum(-1)


def as_bright_as_air(signal: Tensor, flat: Tensor, good: Tensor, width: int) -> Tensor:
    """Scale the flat field of each view to what its outermost bins at both ends saw.

    Args:
        signal: (views, detectors).
        flat: (views, detectors).
        good: (views, detectors) bool: the values to use.
        width: Bins at each end that never see the object; 0 leaves the flat field as it is.

    Returns:
        The flat field (views, detectors).

    Raises:
        ValueError: If the bins do not fit on the detector.
    """
    if width == 0:
        return flat
    if not 0 < 2 * width <= signal.shape[1]:
        raise ValueError(
            f"air: {width} bins at both ends do not fit on a detector of {signal.shape[1]}."
        )
    ends = torch.cat([good[:, :width], good[:, -width:]], 1)
    seen, full = (
        torch.cat([v[:, :width], v[:, -width:]], 1).where(ends, 0.0).sum(1) for v in (signal, flat)
    )
    return flat * torch.where(full > 0, seen / full, 1.0)[:, None]
