"""The checks that all metrics share: two images of one shape and a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr.ranges import checked


@checked
def modulus(image: Tensor) -> Tensor:
    """Take |image| of complex values; a real image stays as it is.

    Args:
        image: Image of any shape, real or complex.

    Returns:
        A real image of the same shape.
    """
    if image.is_complex():
        return image.abs()
    return image


@checked
def where_known(image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out the places where the reference is NaN: there the truth is not known.

    Args:
        image: The image, of any shape.
        reference: The reference, of the same shape.

    Returns:
        Both as they are if the reference is known everywhere, else the flat values where it is.
    """
    known = ~reference.isnan()
    if image.shape != reference.shape or bool(known.all()) or not bool(known.any()):
        return image, reference
    return image[known], reference[known]


def matched_pair(
    name: str, image: Tensor, reference: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Bring an image and its reference to double precision on the CPU, checked for comparison.

    Args:
        name: Name of the metric, for error messages.
        image: The image, of any shape.
        reference: The reference, of the same shape.
        mask: Boolean field of view, with or without the channel axis; None for all pixels.

    Returns:
        Both images, or the flat values of both under the mask.

    Raises:
        TypeError: The image or the reference is no tensor.
        ValueError: Shapes disagree, values are not finite, or the mask is empty or not boolean.
    """
    image = _double(name, image, "image")
    reference = _double(name, reference, "reference")
    if image.shape != reference.shape:
        raise ValueError(
            f"{name}: image has shape {tuple(image.shape)} and reference {tuple(reference.shape)}. "
            "A channel axis on one of them only?"
        )
    if image.numel() == 0:
        raise ValueError(f"{name}: the images are empty, of shape {tuple(image.shape)}.")
    if mask is not None:
        inside = checked_mask(name, mask, tuple(image.shape))
        image = image[inside]
        reference = reference[inside]
    # after the mask: what lies outside the field of view may well be NaN
    for value, which in ((image, "image"), (reference, "reference")):
        if not value.isfinite().all():
            raise ValueError(f"{name}: the {which} has NaN or infinite values.")
    return image, reference


def _double(name: str, value: Tensor, which: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}: {which} must be a tensor, got {type(value).__name__}; torch.from_numpy(...)?"
        )
    dtype = torch.float64
    if value.is_complex():
        dtype = torch.complex128
    return value.detach().cpu().to(dtype)


def checked_mask(name: str, mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Check a field of view and move it to the CPU.

    Args:
        name: Name of the metric, for error messages.
        mask: Boolean, of the images' shape with or without the channel axis.
        shape: Shape of the images.

    Returns:
        The mask.

    Raises:
        ValueError: The mask is not boolean, has another shape or holds no pixel.
    """
    mask = mask.detach().cpu()
    if mask.dtype != torch.bool:
        raise ValueError(f"{name}: mask must be boolean, got {mask.dtype}; mask > 0?")
    if tuple(mask.shape) not in (shape, shape[:-1]):
        raise ValueError(
            f"{name}: mask has shape {tuple(mask.shape)}, "
            f"the images {shape} (channels may be left out)."
        )
    if not mask.any():
        raise ValueError(f"{name}: the mask is empty: no pixel lies in it.")
    return mask
