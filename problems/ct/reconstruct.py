"""A slice from a sinogram in one call: an array in, an array out."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from inverse_inr.problems.ct.sinogram import ct_sinogram
from inverse_inr.problems.reconstruction import Reconstruction, as_tensor, reconstructed


def reconstruct(
    sinogram: ArrayLike | Tensor,
    angles: ArrayLike | Tensor,
    *,
    solving: dict[str, Any] | None = None,
    **keywords: Any,
) -> Reconstruction:
    """Reconstruct a slice from a sinogram of a parallel or fan beam.

    Args:
        sinogram: (views, detectors) line integrals; `values=` says if they are transmissions or
            counts.
        angles: (views,) in radians; `angle_unit="degrees"` says otherwise.
        solving: Keywords of `solve`, e.g. {"prior": "hash", "steps": 500}. Without them `solve`
            decides by held-out measurements.
        **keywords: Further keywords of `ct_sinogram`: `convention="astra"`, `pitch=`, `center=`.

    Returns:
        The slice (size, size) in attenuation per `unit`, and the solution.

    Raises:
        TypeError: An argument is no array of numbers, or a keyword is unknown.
        ValueError: As in `ct_sinogram`.
    """
    problem = ct_sinogram(
        as_tensor("sinogram", sinogram), angles=as_tensor("angles", angles), **keywords
    )
    return reconstructed(problem, **(solving or {}))
