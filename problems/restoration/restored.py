"""Restored photographs in one call: an array in, an array out, in the input's unit."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor

from inverse_inr.problems.reconstruction import Reconstruction, as_tensor, reconstructed
from inverse_inr.problems.restoration.deblurring import deblur
from inverse_inr.problems.restoration.denoising import denoise
from inverse_inr.problems.restoration.photographs import inpaint, super_resolution


def inpainted(
    image: ArrayLike | Tensor,
    mask: ArrayLike | Tensor,
    *,
    solving: dict[str, Any] | None = None,
    **keywords: Any,
) -> Reconstruction:
    """Fill in the lost pixels of an image.

    Args:
        image: (h, w) or (h, w, c); its values at lost pixels decide nothing.
        mask: (h, w), true where a pixel is known.
        solving: Keywords of `solve`. Without them `solve` decides by held-out measurements.
        **keywords: Further keywords of `inpaint`.

    Returns:
        The whole image in the unit of `image`, and the solution.

    Raises:
        TypeError: An argument is no array of numbers, or a keyword is unknown.
        ValueError: Image and mask disagree, or as in `inpaint`.
    """
    values = as_tensor("image", image)
    known = as_tensor("mask", mask)
    if tuple(known.shape) == tuple(values.shape[:2]):
        values = values.clone()
        values[known != known.max()] = 0  # what stands there, NaN too, must not set the scale
    values, white = _relative_to_white(values)
    problem = inpaint(values, mask=known, measured=True, **keywords)
    return reconstructed(problem, white, **(solving or {}))


def denoised(
    image: ArrayLike | Tensor, *, solving: dict[str, Any] | None = None, **keywords: Any
) -> Reconstruction:
    """Remove the noise of an image.

    Args:
        image: (h, w) or (h, w, c).
        solving: Keywords of `solve`.
        **keywords: Further keywords of `denoise`, e.g. `noise_level=` as a fraction of the largest
            value, or `photons=` and `readout=`. Without them Gaussian noise is estimated.

    Returns:
        The image without noise, in the unit of `image`, and the solution.

    Raises:
        TypeError: `image` is no array of numbers, or a keyword is unknown.
        ValueError: As in `denoise`.
    """
    values, white = _relative_to_white(as_tensor("image", image))
    problem = denoise(values, measured=True, **keywords)
    return reconstructed(problem, white, **(solving or {}))


def deblurred(
    image: ArrayLike | Tensor, *, solving: dict[str, Any] | None = None, **keywords: Any
) -> Reconstruction:
    """Sharpen a blurred image.

    Args:
        image: (h, w) or (h, w, c).
        solving: Keywords of `solve`.
        **keywords: Further keywords of `deblur`: `kernel=`, `size=`, `angle=`, `noise_level=`.

    Returns:
        The sharp image in the unit of `image`, and the solution.

    Raises:
        TypeError: `image` is no array of numbers, or a keyword is unknown.
        ValueError: As in `deblur`.
    """
    values, white = _relative_to_white(as_tensor("image", image))
    problem = deblur(values, measured=True, **keywords)
    return reconstructed(problem, white, **(solving or {}))


def enlarged(
    image: ArrayLike | Tensor,
    factor: int,
    *,
    solving: dict[str, Any] | None = None,
    **keywords: Any,
) -> Reconstruction:
    """Enlarge an image whose pixels are means over their area.

    Args:
        image: (h, w) or (h, w, c).
        factor: How many times more pixels there will be along each side.
        solving: Keywords of `solve`.
        **keywords: Further keywords of `super_resolution`.

    Returns:
        The (factor · h, factor · w) image in the unit of `image`, and the solution.

    Raises:
        TypeError: `image` is no array of numbers, or a keyword is unknown.
        ValueError: As in `super_resolution`.
    """
    values, white = _relative_to_white(as_tensor("image", image))
    problem = super_resolution(values, factor=factor, measured=True, **keywords)
    return reconstructed(problem, white, **(solving or {}))


def _relative_to_white(values: Tensor) -> tuple[Tensor, float]:
    """An image between 0 and 1, and the number it was divided by; photographs are left as they are.

    What is no photograph at all, such as NaN, goes on to be refused by name.
    """
    largest = 1.0
    if values.numel() and not values.is_complex():
        largest = float(values.max())
    if 1.0 < largest < float("inf"):
        return values / largest, largest
    return values, 1.0
