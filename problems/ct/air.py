"""What the ends of the detector say: air has a transmission of 1 and a line integral of 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.problems.ct.counts import AIR_PIXELS

BRIGHTER = 1.1
"""The transmission of air above which it is said that the flat field does not belong to it."""
ADVICE = "air= scales each view to the air at its ends"


def ends_of(values: Tensor) -> tuple[float, bool]:
    """The measurements at the ends of the detector, and whether both ends and all views agree.

    Args:
        values: (views, detectors), NaN where not known.
    """
    width = min(AIR_PIXELS, values.shape[1] // 4)
    if not width:
        return math.nan, False
    ends = torch.stack([values[:, :width].nanmean(1), values[:, -width:].nanmean(1)])
    level = float(ends.nanmedian())
    spread = float((ends - level).abs().nan_to_num(0.0).max())
    known = values[values.isfinite()]
    if not len(known):
        return level, False
    return level, spread < 0.05 * float(known.max() - known.min())


def check_transmissions(values: Tensor) -> None:
    """Refuse line integrals that are given as transmissions: air would let the least through.

    Args:
        values: (views, detectors), NaN where not known.

    Raises:
        ValueError: The ends of the detector are dark in all views, and the middle is not.
    """
    level, steady = ends_of(values)
    high = float(_some(values).nanquantile(0.98))
    if steady and level < 0.1 * high:
        raise ValueError(
            f"the ends of the detector show {level:.3g} in all views, and the brightest values "
            f"are {high:.3g}: air would let less through than the object. Line integrals? Say so: "
            "values='line integrals'."
        )


def check_line_integrals(values: Tensor, notes: dict[str, str]) -> None:
    """Refuse transmissions and counts that are given as line integrals, and note a wrong sign.

    Args:
        values: (views, detectors), NaN where not known.
        notes: What is remarkable is written here.

    Raises:
        ValueError: The ends of the detector, alike in all views, hold the largest values of all.
    """
    level, steady = ends_of(values)
    some = _some(values)
    low, high = float(some.nanquantile(0.02)), float(some.nanquantile(0.98))
    if not steady or not high > low:
        return
    if level > 0 and level > high - 0.1 * (high - low) and low >= -0.1 * level:
        raise ValueError(
            f"the ends of the detector, where there should be air, measure {level:.4g}, more than "
            f"the object does (from {low:.3g}). Transmissions or counts? Say so: "
            "values='transmissions' or 'counts'. Of line integrals take off what air measures."
        )
    if low < 0 and -low > 3 * max(high, 0.0) and abs(level) < 0.1 * -low:
        notes["sign"] = (
            f"most line integrals are negative, down to {low:.4g}: an attenuation is -log of the "
            "transmission"
        )


def remark_on_air(transmission: Tensor) -> dict[str, str]:
    """Say that air is not as bright as the flat field, or changes while the scan goes on.

    Args:
        transmission: (views, detectors), NaN where not known.
    """
    level = float(transmission.nanmedian(0).values.nanquantile(0.9))
    air, steady = ends_of(transmission)
    if level > BRIGHTER:
        return {"beam": f"{level - 1:.0%} brighter than the flat field: another exposure? {ADVICE}"}
    if steady and air < 1 / BRIGHTER:
        return {
            "beam": f"the ends of the detector show {air:.0%} of the flat field in all views: "
            f"another exposure? {ADVICE}"
        }
    return _drift_of_light(transmission)


def _drift_of_light(transmission: Tensor) -> dict[str, str]:
    """Say that both ends of the detector grow darker or brighter alike while the scan goes on."""
    width = min(AIR_PIXELS, transmission.shape[1] // 4)
    if width < 2 or len(transmission) < 8:
        return {}
    ends = [
        transmission[:, :width].nanmedian(1).values,
        transmission[:, -width:].nanmedian(1).values,
    ]
    eighth = len(transmission) // 8
    first, last = (
        torch.stack([end[part].nanmedian() for end in ends])
        for part in (slice(None, eighth), slice(-eighth, None))
    )
    change = last / first - 1
    if not (float(change.abs().min()) > BRIGHTER - 1 and float(change.diff().abs()) < 0.05):
        return {}
    return {
        "beam": f"the light at both ends of the detector changes by {float(change.mean()):+.0%} "
        f"from the first views to the last: {ADVICE}"
    }


def _some(values: Tensor) -> Tensor:
    """As many of the values as a quantile takes."""
    return values.flatten()[:: 1 + values.numel() // 2**22]
