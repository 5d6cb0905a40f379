"""Angles that contradict their views, told by the centre of gravity of each view.

In a parallel beam the sum of a view is the same for all angles, and its centre of gravity follows
c + x0 cos(angle) + x1 sin(angle): the axis of rotation and the object's own centre of gravity. Both
are moments of the consistency conditions of Helgason and Ludwig (Natterer, The Mathematics of
Computerized Tomography, 1986, section II.4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STEADY = 0.02
"""Scatter of the sums of views, relative to their mean, up to which a view is seen whole."""
FEWEST = 8
"""Views that a statement needs."""
LEAST = 0.05
"""Bins that a sampled view without noise may be off."""
BETTER = 3.0
"""How many times better other angles must fit before these are doubted."""
SLIPS = (
    (2.0, "twice these angles. A full turn labelled as half a turn?"),
    (0.5, "half of these angles. Half a turn labelled as a full one?"),
    (math.pi / 180, "these numbers in degrees. Use torch.deg2rad(angles)."),
    (180 / math.pi, "57.3 times these angles. Were radians converted as degrees?"),
)
"""Factors that people lose, and how the message names them."""


def contradiction(views: Tensor, angles: Tensor) -> str | None:
    """Compare how well these and other angles explain the centre of gravity of the views.

    Nothing is said where the sums of the views scatter, as in scans that cut the object off, whose
    light drifts, or which are too noisy; a stage that wobbles fits no angles better than others.

    Args:
        views: (views, detectors) line integrals of a parallel beam.
        angles: (views,) in radians.

    Returns:
        The fact that speaks against the angles, or None.
    """
    values = views.detach().double().cpu()
    angle = angles.detach().double().cpu()
    if len(values) < FEWEST or not bool(torch.isfinite(values).all()):
        return None
    total = values.sum(1)
    if not float(total.abs().min()) > 0:
        return None
    scatter = float(total.std() / total.mean().abs().clamp(min=1e-300))
    if scatter > STEADY:
        return None
    bins = values.shape[1]
    place = torch.arange(bins, dtype=torch.float64) - 0.5 * (bins - 1)
    centre = values @ place / total
    misfit = _misfit(centre, angle)
    # white noise alone moves the sum and the centre of gravity in this proportion
    doubt = LEAST + scatter * bins / math.sqrt(12)
    if misfit <= doubt:
        return None
    for factor, slip in SLIPS:
        other = _misfit(centre, factor * angle)
        if BETTER * other < misfit:
            return (
                f"the centre of gravity of the views is {misfit:.2g} bins (rms) off any sinusoid "
                f"of these angles, and {other:.2g} bins off one of {slip}"
            )
    return None


def _misfit(centre: Tensor, angles: Tensor) -> float:
    """The root mean square that the best sinusoid leaves, in bins."""
    design = torch.stack([torch.ones_like(angles), angles.cos(), angles.sin()], -1)
    found = torch.linalg.lstsq(design, centre[:, None], driver="gelsd").solution[:, 0]
    return float((centre - design @ found).square().mean().sqrt())
