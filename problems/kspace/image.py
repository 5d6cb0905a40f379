"""An image from k-space in one call: an array in, an array out."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from inverse_inr.problems.kspace.scan import kspace_scan
from inverse_inr.problems.reconstruction import Reconstruction, as_tensor, reconstructed

AXES = {2: "x y", 3: "coil x y", 4: "coil x y z"}
"""What an array's axes are, by their number."""


def image(
    samples: ArrayLike | Tensor,
    mask: ArrayLike | Tensor | None = None,
    *,
    solving: dict[str, Any] | None = None,
    **keywords: Any,
) -> Reconstruction:
    """Reconstruct an image from Cartesian k-space, the zero frequency at index n // 2.

    Args:
        samples: (h, w), (coils, h, w) or (coils, h, w, d) complex; `axes="x y z"` says otherwise.
        mask: True where a sample was measured; it broadcasts to the axes of the image, so that
            (w,) names lines. None: zeros were not measured.
        solving: Keywords of `solve`. Without them `solve` decides by held-out measurements.
        **keywords: Further keywords of `kspace_scan`: `sigma=`, `maps=`, `phase=`, ...

    Returns:
        The image, real where the coils hold the phase and else complex, in the unit of the unitary
        inverse FFT of the samples (`norm="ortho"`); and the solution.

    Raises:
        TypeError: An argument is no array of numbers, or a keyword is unknown.
        ValueError: Samples and mask disagree, or as in `kspace_scan`.
    """
    values = as_tensor("samples", samples)
    if mask is not None:
        values = torch.where(_fitting(as_tensor("mask", mask), values), values, 0)
    if keywords.get("coil_axis") is None:
        keywords.setdefault("axes", AXES.get(values.ndim))
    problem = kspace_scan(values, **keywords)
    return reconstructed(problem, 1 / problem.notes["scale"], **(solving or {}))


def _fitting(mask: Tensor, values: Tensor) -> Tensor:
    """The mask in the shape of the samples' last axes."""
    try:
        torch.broadcast_to(mask, values.shape)
    except RuntimeError:
        raise ValueError(
            f"image: a mask of shape {tuple(mask.shape)} does not fit samples of shape "
            f"{tuple(values.shape)}: it must have the axes of the image, or broadcast to them."
        ) from None
    if mask.is_complex() or not ((mask == 0) | (mask == 1)).all():
        raise ValueError("image: the mask must be true or 1 where a sample was measured, else 0.")
    return mask.bool()
