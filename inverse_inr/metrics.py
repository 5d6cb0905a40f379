"""How close an image is to a reference. For reporting only: nothing in the library stops or tunes on these.

Images are sampled fields, (*grid.shape, c), or plain arrays, (*grid.shape); both sides have one shape. A `mask`
(a field of view) is boolean, of the image's shape with or without the channel axis. Everything is computed in
float64 on the CPU. `data_range` is the span that values can take, always explicit: inferred ranges make figures
of two papers, or of two dtypes, differ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

WINDOW = 11
"""Pixels of SSIM's window an axis: a Gaussian of 1.5 pixels cut at 3.5 deviations (Wang et al., TIP 2004)."""


def modulus(image: Tensor) -> Tensor:
    """|image| of complex values; a real image as it is."""
    return image.abs() if image.is_complex() else image


def psnr(
    image: Tensor, reference: Tensor, *, data_range: float, mask: Tensor | None = None
) -> float:
    """Peak signal-to-noise ratio, 10 log10(data_range^2 / mse), in dB; inf for equal images. Complex is welcome.

    Raises ValueError for shapes that disagree, non-finite values, data_range <= 0, an empty mask.
    """
    return -20 * _log10(nrmse(image, reference, data_range=data_range, mask=mask))


def nrmse(
    image: Tensor, reference: Tensor, *, data_range: float, mask: Tensor | None = None
) -> float:
    """Root mean square error as a fraction of `data_range`. Complex is welcome. Raises as `psnr`."""
    image, reference = _pair("psnr and nrmse", image, reference, mask)
    _check_range(data_range)
    return (image - reference).abs().square().mean().sqrt().item() / data_range


def relative_error(image: Tensor, reference: Tensor, *, mask: Tensor | None = None) -> float:
    """|image - reference| / |reference| in the l2 norm. Complex is welcome.

    Raises ValueError as `psnr`, and for a reference that is zero everywhere.
    """
    image, reference = _pair("relative_error", image, reference, mask)
    norm = reference.abs().square().sum().sqrt().item()
    if norm == 0:
        raise ValueError(
            "relative_error: the reference is zero everywhere; there is nothing to be relative to."
        )
    return (image - reference).abs().square().sum().sqrt().item() / norm


def band_psnr(cube: Tensor, reference: Tensor, *, data_range: float = 1.0) -> Tensor:
    """PSNR of each band, (*space, bands) -> (bands,) in dB; their mean is the PSNR of CASSI papers. Raises as `psnr`.

    Those take `data_range` 1 and no rounding to 8 bits here (Meng et al. 2020 round: 0.03 dB less).
    """
    cube, reference = _pair("band_psnr", cube, reference, None)
    _check_range(data_range)
    error = (cube - reference).abs().square().flatten(0, -2).mean(0)
    return 10 * torch.log10(data_range**2 / error)


def spectral_angle(cube: Tensor, reference: Tensor, *, mask: Tensor | None = None) -> float:
    """SAM: mean over pixels of the angle between spectra, in degrees (Kruse et al. 1993); (*space, bands) cubes.

    Pixels whose reference is zero in all bands have no angle and are left out. Raises ValueError as `psnr`, and where
    no pixel is left.
    """
    cube, reference = _pair("spectral_angle", cube, reference, None)
    lengths = torch.linalg.vector_norm(reference, dim=-1), torch.linalg.vector_norm(cube, dim=-1)
    lit = lengths[0] > 0
    if mask is not None:
        lit &= _inside("spectral_angle", mask, tuple(lit.shape))
    if not lit.any():
        raise ValueError(
            "spectral_angle: the reference is zero everywhere; spectra of length zero have no angle."
        )
    # atan2 of the two diagonals, exact for small angles, where arccos loses half the digits (Kahan)
    a, b = (
        v / n.clamp(min=1e-300)[..., None] for v, n in zip((reference, cube), lengths, strict=True)
    )
    angle = 2 * torch.atan2(
        torch.linalg.vector_norm(a - b, dim=-1), torch.linalg.vector_norm(a + b, dim=-1)
    )
    angle = torch.where(
        lengths[1] > 0, angle, math.pi / 2
    )  # a dark pixel where there is light: as wrong as can be
    return math.degrees(float(angle[lit].mean()))


def ergas(cube: Tensor, reference: Tensor, *, ratio: float = 1.0) -> float:
    """100 ratio sqrt(mean over bands of mse / mean²) of (*space, bands) cubes (Wald 2000): lower is better, 0 at best.

    `ratio` is the fine over the coarse pixel size of a fusion, 1 elsewhere. Raises ValueError as `psnr`, and for a band
    of mean zero.
    """
    cube, reference = _pair("ergas", cube, reference, None)
    means = reference.flatten(0, -2).mean(0)
    if not bool(means.abs().min() > 0):
        raise ValueError(
            f"ergas: band {int(means.abs().argmin())} of the reference has mean zero; nothing to divide by."
        )
    error = (cube - reference).square().flatten(0, -2).mean(0)
    return 100 * ratio * float((error / means.square()).mean().sqrt())


def ssim(image: Tensor, reference: Tensor, *, data_range: float, ndim: int | None = None) -> float:
    """Structural similarity of Wang et al. (TIP 2004) by scikit-image, over a 2-D or 3-D Gaussian window.

    `ndim` is the dimension of the grid; what lies beyond is channels, whose scores are averaged. It can be left out
    where the shape tells: two axes, four axes, or three of which the last is too short for the window.
    Raises ValueError as `psnr`, for complex images, an unclear `ndim`, an image smaller than the 11-pixel window.
    """
    image, reference = _pair("ssim", image, reference, None)
    _check_range(data_range)
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

    score = structural_similarity(
        image.numpy(),
        reference.numpy(),
        data_range=float(data_range),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if image.ndim > ndim else None,
    )
    assert not isinstance(score, tuple)
    return float(score)


def _grid_ndim(shape: tuple[int, ...], ndim: int | None) -> int:
    """The number of leading axes that are the grid's."""
    if ndim is None:
        ndim = {2: 2, 4: 3}.get(len(shape), 2 if len(shape) == 3 and shape[-1] < WINDOW else None)
        if ndim is None and len(shape) == 3:
            raise ValueError(
                f"ssim: shape {shape} may be an image of {shape[-1]} channels or a volume; pass ndim=2 or ndim=3."
            )
    if ndim not in (2, 3) or len(shape) - ndim not in (0, 1):
        raise ValueError(
            f"ssim: shape {shape} is not a 2-D or 3-D image (ndim={ndim}) with at most one channel axis."
        )
    return ndim


def _pair(
    name: str, image: Tensor, reference: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Both images in double precision on the CPU, of one shape, or the values of both under the mask."""
    image, reference = (
        _double(name, v, w) for v, w in ((image, "image"), (reference, "reference"))
    )
    if image.shape != reference.shape:
        raise ValueError(
            f"{name}: image has shape {tuple(image.shape)} and reference {tuple(reference.shape)}. "
            "A channel axis on one of them only?"
        )
    if image.numel() == 0:
        raise ValueError(f"{name}: the images are empty, of shape {tuple(image.shape)}.")
    if mask is not None:
        inside = _inside(name, mask, tuple(image.shape))
        image, reference = image[inside], reference[inside]
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
    return value.detach().cpu().to(torch.complex128 if value.is_complex() else torch.float64)


def _inside(name: str, mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    mask = mask.detach().cpu()
    if mask.dtype != torch.bool:
        raise ValueError(f"{name}: mask must be boolean, got {mask.dtype}; mask > 0?")
    if tuple(mask.shape) not in (shape, shape[:-1]):
        raise ValueError(
            f"{name}: mask has shape {tuple(mask.shape)}, the images {shape} (channels may be left out)."
        )
    if not mask.any():
        raise ValueError(f"{name}: the mask is empty: no pixel lies in it.")
    return mask


def _check_range(data_range: float) -> None:
    if not (math.isfinite(data_range) and data_range > 0):
        raise ValueError(
            f"data_range={data_range} must be positive and finite: the span that values can take."
        )


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf
