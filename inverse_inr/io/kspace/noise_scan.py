"""Noise scans of ISMRMRD: the covariance of the receivers.

Source:
    Hansen & Kellman, JMRI 41, 2015 (prewhitening, and its scaling to the bandwidth).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.kspace.acquisitions import Acquisitions

WORST_CONDITION = 1e8
"""Ratio of eigenvalues of a covariance beyond which it measures no noise of all receivers."""


def noise_covariance(
    noise: Acquisitions,
    imaging: Acquisitions,
    bandwidth: float | None,
    notes: dict[str, str],
) -> Tensor | None:
    """The covariance of the receivers in one sample of the imaging acquisitions.

    The variance of noise is proportional to the bandwidth, the inverse of the sampling time. A
    noise scan fills the receiver's band with its weak edges: its mean variance is the relative
    noise bandwidth times that of the middle, where the image is.

    Args:
        noise: The noise scans.
        imaging: The acquisitions of the image.
        bandwidth: The relative noise bandwidth of the receivers; None for 1.
        notes: Gets a note.

    Returns:
        (channels, channels) complex128, E n nᴴ; None where the scans do not tell.
    """
    if not len(noise):
        return None
    channels = int(imaging.field("active_channels")[0])
    noise = noise.where(noise.field("active_channels") == channels)
    if not len(noise):
        notes["noise scan"] = f"not used: it does not have the image's {channels} channels"
        return None
    samples = np.concatenate(noise.readouts(), 1).astype(np.complex128)
    count = samples.shape[1]
    covariance = samples @ samples.conj().T / count
    values = np.linalg.eigvalsh(covariance)
    if not values[-1] > 0 or values[0] * WORST_CONDITION < values[-1]:
        rank = int((values * WORST_CONDITION > max(values[-1], 0)).sum())
        notes["noise scan"] = (
            f"not used: the covariance of its {count} samples has rank {rank} for {channels} "
            "channels"
        )
        return None
    scale, said = _scale(noise, imaging, bandwidth)
    notes["noise scan"] = f"{count} samples of {channels} channels, {said}"
    return torch.from_numpy(covariance * scale)


def _scale(
    noise: Acquisitions, imaging: Acquisitions, bandwidth: float | None
) -> tuple[float, str]:
    """The factor from the noise scan's variance to the image's, and the reason."""
    times = [float(np.median(a.field("sample_time_us"))) for a in (noise, imaging)]
    scale, said = 1.0, []
    if min(times) > 0:
        scale *= times[0] / times[1]
        said.append(f"sampling times {times[0]:g} and {times[1]:g} µs")
    else:
        said.append("not scaled by sampling times, which are not given")
    if bandwidth is not None and bandwidth > 0:
        scale /= bandwidth
        said.append(f"relative noise bandwidth {bandwidth:g}")
    return scale, ", ".join(said)
