"""Structural similarity, by scikit-image."""

from __future__ import annotations

from torch import Tensor

from inverse_inr.metrics.pairs import matched_pair
from inverse_inr.ranges import Positive, checked

DEVIATION = 1.5
"""Standard deviation of SSIM's Gaussian window, in pixels (Wang et al., TIP 2004)."""

WINDOW = 11
"""Pixels of SSIM's window per axis: the Gaussian is cut at 3.5 deviations (Wang et al. 2004)."""


@checked
def ssim(
    image: Tensor, reference: Tensor, *, data_range: Positive, ndim: int | None = None
) -> float:
    """Compute the structural similarity over a 2-D or 3-D Gaussian window.

    Args:
        image: Real image, (*grid.shape) or (*grid.shape, c); scores of channels are averaged.
        reference: The reference, of the same shape.
        data_range: Span that values can take.
        ndim: Dimension of the grid; what lies beyond is channels. None where the shape tells: two
            axes, four axes, or three of which the last is too short for the window.

    Returns:
        The similarity, at most 1.

    Raises:
        ValueError: In the cases in which `psnr` raises it, and for complex images, an unclear
            `ndim`, or an image smaller than the 11-pixel window.

    Source:
        Wang et al., TIP 2004.
    """
    image, reference = matched_pair("ssim", image, reference)
    if image.is_complex() or reference.is_complex():
        raise ValueError(
            "ssim: complex images have no structural similarity; compare their moduli, image.abs()."
        )
    ndim = _grid_ndim(tuple(image.shape), ndim)
    if min(image.shape[:ndim]) < WINDOW:
        raise ValueError(
            f"ssim: the {WINDOW}-pixel window does not fit an image of shape {tuple(image.shape)}."
        )
    from skimage.metrics import structural_similarity  # slow to import

    channel_axis = None
    if image.ndim > ndim:
        channel_axis = -1
    score = structural_similarity(
        image.numpy(),
        reference.numpy(),
        data_range=float(data_range),
        gaussian_weights=True,
        sigma=DEVIATION,
        use_sample_covariance=False,
        channel_axis=channel_axis,
    )
    assert not isinstance(score, tuple)
    return float(score)


def _grid_ndim(shape: tuple[int, ...], ndim: int | None) -> int:
    """The number of leading axes that are the grid's."""
    if ndim is None:
        ndim = _guessed_ndim(shape)
    if ndim not in (2, 3) or len(shape) - ndim not in (0, 1):
        raise ValueError(
            f"ssim: shape {shape} is not a 2-D or 3-D image (ndim={ndim}) "
            "with at most one channel axis."
        )
    return ndim


def _guessed_ndim(shape: tuple[int, ...]) -> int | None:
    """The grid's dimension where the shape tells; None for a shape that no image has."""
    if len(shape) == 3:
        if shape[-1] < WINDOW:
            return 2
        raise ValueError(
            f"ssim: shape {shape} may be an image of {shape[-1]} channels or a volume; "
            "pass ndim=2 or ndim=3."
        )
    return {2: 2, 4: 3}.get(len(shape))
