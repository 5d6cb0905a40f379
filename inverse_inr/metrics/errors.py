"""Errors of an image, pixel by pixel: PSNR, NRMSE and the relative error."""

from __future__ import annotations

import math

from torch import Tensor

from inverse_inr.metrics.pairs import matched_pair, modulus
from inverse_inr.ranges import Positive, checked

PSNR_MEANS = "PSNR: 20 log10(span of the truth / RMS error), of the image's pixels."
"""The line below tables and figures that says which PSNR their numbers are: `psnr_of_span`."""


@checked
def psnr(
    image: Tensor, reference: Tensor, *, data_range: Positive, mask: Tensor | None = None
) -> float:
    """Compute the peak signal-to-noise ratio, 10 log10(data_range^2 / mse).

    Args:
        image: The image, real or complex.
        reference: The reference, of the same shape.
        data_range: Span that values can take.
        mask: Boolean field of view; None for all pixels.

    Returns:
        The ratio in dB; inf for equal images.

    Raises:
        ValueError: Shapes disagree, values are not finite, `data_range` is not positive, or the
            mask is empty.
    """
    error = nrmse(image, reference, data_range=data_range, mask=mask)
    if error == 0:
        return math.inf
    return -20 * math.log10(error)


@checked
def span(reference: Tensor) -> float:
    """Find the span of a reference, its largest less its smallest value; moduli if complex.

    Args:
        reference: The reference.

    Returns:
        The span, in the reference's unit.

    Raises:
        ValueError: The reference is empty, constant or not finite, so that it has no span.
    """
    if not reference.numel():
        raise ValueError("span: the reference is empty.")
    values = modulus(reference)
    found = float(values.max() - values.min())
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"span: the reference is constant or not finite; its span is {found:g}.")
    return found


@checked
def psnr_of_span(image: Tensor, reference: Tensor) -> float:
    """Compute the PSNR that tables and figures show: the data range is the reference's span.

    It does not change when image and reference are given in another unit or with another offset. A
    photograph that does not reach from black to white gets less than by a data range of 1.

    Args:
        image: The image, real or complex.
        reference: The reference, of the same shape.

    Returns:
        10 log10(span^2 / mse) of the moduli, in dB; inf for equal images.

    Raises:
        ValueError: Shapes disagree, values are not finite, or the reference is constant.
    """
    return psnr(modulus(image), modulus(reference), data_range=span(reference))


@checked
def nrmse(
    image: Tensor, reference: Tensor, *, data_range: Positive, mask: Tensor | None = None
) -> float:
    """Compute the root mean square error as a fraction of the range.

    Args:
        image: The image, real or complex.
        reference: The reference, of the same shape.
        data_range: Span that values can take.
        mask: Boolean field of view; None for all pixels.

    Returns:
        The error, without unit.

    Raises:
        ValueError: In the cases in which `psnr` raises it.
    """
    image, reference = matched_pair("psnr and nrmse", image, reference, mask)
    return (image - reference).abs().square().mean().sqrt().item() / data_range


@checked
def relative_error(image: Tensor, reference: Tensor, *, mask: Tensor | None = None) -> float:
    """Compute |image - reference| / |reference| in the l2 norm.

    Args:
        image: The image, real or complex.
        reference: The reference, of the same shape.
        mask: Boolean field of view; None for all pixels.

    Returns:
        The error, without unit.

    Raises:
        ValueError: In the cases in which `psnr` raises it, or the reference is zero everywhere.
    """
    image, reference = matched_pair("relative_error", image, reference, mask)
    norm = reference.abs().square().sum().sqrt().item()
    if norm == 0:
        raise ValueError(
            "relative_error: the reference is zero everywhere; there is nothing to be relative to."
        )
    return (image - reference).abs().square().sum().sqrt().item() / norm
