"""The samples of k-space by which fits are judged.

Random samples lie mostly in the fully sampled centre, whose neighbours tell them, and what
undersampling leaves wrong lies outside. Held out are therefore whole readouts outside the
calibration region, the more often the fewer of their neighbours were measured: their mean misfit is
then that of the part of k-space which must be guessed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.operators import CartesianKSpace, NonCartesianKSpace, RadialSpokes
from inverse_inr.operators.kspace.coil_estimation import central_block
from inverse_inr.operators.kspace.samples import KSpace
from inverse_inr.operators.kspace.sampling_patterns import readout_axis
from inverse_inr.ranges import Count, ProperFraction, checked
from inverse_inr.stopping import HeldOut

BANDS = 8
"""Bands of radius in which the measured share of k-space is counted."""
MOST = 0.3
"""Of the readouts outside the calibration region, at most so many are held out."""


@checked
def held_out_readouts(
    operator: KSpace | RadialSpokes, fraction: ProperFraction, every: Count
) -> HeldOut:
    """Hold out readouts that stand for what was not measured.

    A matrix holds out lines, or points where single ones are sampled, that are spread evenly over
    the k-space outside the calibration region. A trajectory holds out spokes or interleaves that
    are spread evenly over the order of acquisition. Rows that are whole spokes, and samples where
    all of a trajectory is one readout, are drawn.

    Args:
        operator: The k-space samples.
        fraction: The part of all readouts that is held out.
        every: Number of steps between two checks.

    Returns:
        The stopping rule.
    """
    drawn = HeldOut(fraction=fraction, every=every, together=True)
    if isinstance(operator, NonCartesianKSpace) and operator.shape[0] > 1:
        groups = operator.groups.cpu()
        count = int(groups.max()) + 1
        out = max(1, round(fraction * count))
        held = ((torch.arange(out) + 0.5) * count / out).long()
        return HeldOut(every=every, rows=[torch.isin(groups, held).nonzero()[:, 0]])
    if not isinstance(operator, CartesianKSpace) or operator.mask.ndim > operator.grid.ndim:
        return drawn
    mask = operator.mask.cpu()
    axis = readout_axis(mask)
    encoded = mask
    if axis is not None:
        encoded = mask.any(axis)
    chosen = _spread(encoded, fraction)
    if not bool(chosen.any()):
        return drawn
    where = mask.nonzero()
    if axis is not None:
        where = where[:, [k for k in range(mask.ndim) if k != axis]]
    return HeldOut(every=every, rows=[chosen[where.unbind(-1)].nonzero()[:, 0]])


def _spread(encoded: Tensor, fraction: float) -> Tensor:
    """Which of the measured places outside the calibration region are held out, (*shape)."""
    none = torch.zeros_like(encoded)
    if not bool(encoded[tuple(n // 2 for n in encoded.shape)]):
        return none
    outside = torch.ones_like(encoded)
    outside[central_block(encoded)] = False
    measured = outside & encoded
    count = min(round(fraction * int(encoded.sum())), int(MOST * int(measured.sum())))
    if count < 1:
        return none
    axes = [(torch.arange(n) - n // 2) / (n / 2) for n in encoded.shape]
    radius = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).norm(dim=-1)
    band = (radius * BANDS / float(radius[measured].max())).long().clamp(max=BANDS)
    places, found = (
        torch.bincount(band[which], minlength=BANDS + 1) for which in (outside, measured)
    )
    share = (places / found.clamp(min=1))[band[measured]]
    order = radius[measured].argsort(stable=True)
    passed = share[order].cumsum(0)
    marks = (torch.arange(count) + 0.5) * passed[-1] / count
    picked = torch.searchsorted(passed, marks).clamp(max=len(order) - 1)
    places_held = measured.nonzero()[order[picked]]
    none[places_held.unbind(-1)] = True
    return none
