"""Raw detector counts as line integrals: quanta, masks, binning, and a flat field as bright as air.

Masks are found on the detector's own pixels; only then are pixels taken together, without the
masked ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import noise
from inverse_inr.problems.ct.masking import Masks, masks_of_counts

UNEVEN = 0.02
"""Fraction by which pixels that see air may differ, if their beam is to be even."""
AIR_PIXELS = 4
"""Pixels at each end of the detector that stand for air where a scan has no flat field."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of one detector row in quanta, and which of them can be trusted.

    Args:
        signal: (views, detectors) above the dark field; 1 where not trusted. Zero or below where
            no light came and that is a measurement.
        flat: (views, detectors) above the dark field without object; 1 where not trusted.
        dark: (views, detectors) without beam, not negative.
        good: (views, detectors) bool: the values that an attenuation can explain.
    """

    signal: Tensor
    flat: Tensor
    dark: Tensor
    good: Tensor

    @property
    def line(self) -> Tensor:
        """Line integrals (views, detectors), without unit."""
        # half a quantum stands for none
        return (self.flat / self.signal.where(self.signal > 0, 0.5)).log()

    @property
    def sigma(self) -> Tensor:
        """Standard deviations (views, detectors) of the line integrals, to first order."""
        return (self.signal + self.dark).clamp(min=1).sqrt() / self.signal.clamp(min=1)


def corrected(
    counts: Tensor,
    white: Tensor,
    dark: Tensor,
    gain: float,
    ceiling: float,
    angles: Tensor,
    bin: int,
    air: int,
    keep_zeros: bool = False,
) -> tuple[Counts, Masks]:
    """Mask, bin and scale the counts of one detector row.

    Args:
        counts: (views, detectors) as read.
        white: (views or 1, detectors) frames without object.
        dark: (1, detectors) frames without beam.
        gain: Counts per quantum.
        ceiling: The largest number that the file's integers hold.
        angles: (views,) in radians.
        bin: Detector pixels that are taken together.
        air: Detector pixels at both ends that never see the object; 0 for no scaling.
        keep_zeros: Whether no light is a measurement, as it is for Poisson counts.

    Returns:
        The counts in quanta, (views, detectors // bin), and the masks, (views, detectors).

    Raises:
        ValueError: No value can be trusted, or bins do not fit on the detector.
    """
    flat = white - dark
    _check_signs(counts - dark, flat)
    masks = masks_of_counts(counts, flat, dark, gain, ceiling, angles, keep_zeros)
    good = ~masks.bad
    if not good.any():
        slip = "Are white and dark swapped?"
        if 2 * masks.kinds.get("saturated", 0) > counts.numel():
            slip = "An overexposed scan cannot be reconstructed."
        raise ValueError(
            f"no value is above its dark field and within its flat field ({masks}). {slip}"
        )
    parts = [
        binned(v.expand_as(counts).where(good, 0.0) / gain, bin)
        for v in (counts - dark, flat, dark.clamp(min=0))
    ]
    # half of a bin's pixels tell its transmission: both signal and flat field leave out the others
    trusted = 2 * binned(good.to(counts), bin) >= bin
    signal, full, below = parts
    trusted &= full > 0
    if not keep_zeros:
        trusted &= signal > 0
    full = as_bright_as_air(signal, full, trusted, air // bin)
    return Counts(
        signal.where(trusted, 1.0), full.where(trusted, 1.0), below.nan_to_num(0.0), trusted
    ), masks


def _check_signs(signal: Tensor, flat: Tensor) -> None:
    """Refuse counts so far below the dark field that only a lost sign bit explains them."""
    light = float(flat.nanmedian())
    if light <= 0 and float(signal.nanmedian()) > 0 and float(flat.nan_to_num(0.0).max()) <= 0:
        raise ValueError(
            f"the flat field is {light:.4g} above its dark field, and the views are "
            f"{float(signal.nanmedian()):.4g}. Are white and dark swapped, or unsigned numbers "
            "read as signed ones?"
        )
    below = signal < -0.25 * abs(light)
    share = float(below.float().mean())
    if light > 0 and share > 0.01:
        raise ValueError(
            f"{share:.0%} of the values lie far below the dark field, down to "
            f"{float(signal[below].min()):.6g}, where the beam is {light:.6g} above it. Unsigned "
            "numbers read as signed ones (add 65536 to negative ones of 16 bits), or a dark field "
            "of another exposure?"
        )


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


def flat_field_from_air(counts: Tensor, dark: Tensor, air: int) -> Tensor:
    """Make a flat field from the views themselves: a line between the air at both ends.

    Args:
        counts: (views, detectors) as read.
        dark: (1, detectors) frames without beam.
        air: Pixels at both ends that see no object, as the caller knows; 0 to test a few, which
            must look like an even beam.

    Returns:
        (views, detectors) as the detector would count without object, dark field included.

    Raises:
        ValueError: The pixels at the ends see no even beam: they differ, their light varies, or
            others are brighter.

    Source:
        The normalisation by background of TomoPy (Gürsoy et al., J. Synchrotron Rad. 21, 2014).
    """
    signal = counts - dark
    width = air or AIR_PIXELS
    if 2 * width > signal.shape[1]:
        raise ValueError(f"air={air} does not fit on a detector of {signal.shape[1]} pixels.")
    ends = torch.stack([signal[:, :width].median(1).values, signal[:, -width:].median(1).values])
    if not air:
        _check_even_beam(signal, width)
    position = torch.linspace(0, 1, signal.shape[1], dtype=signal.dtype)
    return dark + ends[0][:, None] + (ends[1] - ends[0])[:, None] * position


def _check_even_beam(signal: Tensor, width: int) -> None:
    """Refuse ends of the detector that cannot be air of a beam that is the same everywhere."""
    ends = torch.cat([signal[:, :width], signal[:, -width:]], 1)
    columns = ends.median(0).values
    level = float(columns.median())
    if not level > 0:
        raise ValueError(
            f"there is no flat field, and the outermost {width} pixels at both ends show no even "
            "beam: no light at all."
        )
    scatter = (ends - columns).abs().median(0).values * 1.4826
    doubt = 4 * float(scatter.max()) / math.sqrt(len(signal))
    uneven = float((columns - level).abs().max())
    varies = float((ends.median(1).values - level).abs().median())
    brightest = float(signal.nanquantile(0.98, dim=1).median())
    even = uneven < UNEVEN * level + doubt
    if not (even and varies < 0.1 * level and brightest < 1.1 * level + doubt):
        raise ValueError(
            f"there is no flat field, and the outermost {width} pixels at both ends show no even "
            f"beam: they differ by {uneven / level:.1%}, their light varies by "
            f"{varies / level:.1%} over the views, and others are "
            f"{brightest / level:.3g} times as bright."
        )


def quanta_of_air(transmission: Tensor) -> float:
    """Estimate how many quanta make a transmission of 1, from the noise of a scan itself.

    The root of a Poisson count has a standard deviation of one half, whatever the count. The noise
    is what second differences along views and detector leave of the root of the transmission.

    Args:
        transmission: (views, detectors), NaN where not known.

    Returns:
        The number of quanta, or infinity if there is no noise to see.

    Source:
        Immerkær, "Fast noise variance estimation", 1996; Anscombe, 1948.
    """
    noise = noise_of(transmission.clamp(min=0).sqrt())
    if not noise > 1e-7:
        return math.inf
    return 0.25 / noise**2


def noise_of(values: Tensor) -> float:
    """Estimate the standard deviation of a sinogram's noise from its second differences.

    Args:
        values: (views, detectors), NaN where not known.

    Returns:
        The standard deviation; NaN if there are fewer than three views or bins.

    """
    if min(values.shape) < 3:
        return math.nan
    # noise differs between rays through air and through the object: the middle of all blocks
    return noise.estimate_deviation(values, quantile=0.5)
