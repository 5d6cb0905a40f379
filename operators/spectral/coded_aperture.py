"""The coded aperture of a snapshot camera: what a mask must be, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr.ranges import Finite, checked


@checked
@dataclass(frozen=True, eq=False)
class Placement:
    """The true place of a coded aperture. Parts that are `nn.Parameter`s are learnt.

    Args:
        shift: (2,) pixels along both image axes. Interpolated bilinearly, because square mask
            elements overlap square pixels.
        rotation: Radians about the mask's middle, positive from axis 0 to axis 1.
        stretch: (2, 2) pixels: how far the mask's edges have moved from where its size says. Column
            k is the displacement of the edge across axis k (magnification, shear, small rotations).
        position: τ along the light's path, without unit, for the mode "spatial-spectral": 0 in the
            image, 1 in the spectrum (which is the mode "dual").

    Raises:
        ValueError: If a part has another shape, or holds NaN or Inf.
    """

    shift: Tensor | None = None
    rotation: Finite | Tensor = 0.0
    stretch: Tensor | None = None
    position: Finite = 1.0

    def __post_init__(self) -> None:
        for name, shape in (("shift", (2,)), ("rotation", ()), ("stretch", (2, 2))):
            part = getattr(self, name)
            if part is None:
                continue
            found = torch.as_tensor(part).detach()
            if found.shape != shape:
                raise ValueError(
                    f"Placement: {name} must have shape {shape}, got {tuple(found.shape)}."
                )
            if not bool(torch.isfinite(found).all()):
                raise ValueError(f"Placement: {name} holds NaN or Inf.")


def check_mask(mask: Tensor, scene: tuple[int, int], axis: int, bands: int, mode: str) -> None:
    """Check that a mask suits a scene and its bands, and lets light through.

    Args:
        mask: (H, W), (H, W, L) or (K, H, W, 1 or L), floating.
        scene: Pixels of the scene, (H, W).
        axis: Image axis that is dispersed, 0 or 1. The mask may be longer along it, except in the
            mode "single".
        bands: The number L of bands.
        mode: "single", "dual" or "spatial-spectral".

    Raises:
        ValueError: If the mask is smaller or larger than the scene, has another number of colours,
            holds NaN or Inf, or lets no light through.
    """
    shape = tuple(mask.shape)
    if mask.ndim not in (2, 3, 4) or not mask.is_floating_point():
        raise ValueError(
            f"CASSI: mask must be a floating (H, W), (H, W, L) or (K, H, W, 1 or L), got {shape}."
        )
    space = shape[:2]
    colours: tuple[int, ...] = (bands,)
    if mask.ndim == 4:
        space = shape[1:3]
        colours = (1, bands)
    _check_size(space, scene, axis, mode)
    if mask.ndim > 2 and shape[-1] not in colours:
        raise ValueError(
            f"CASSI: mask of shape {shape} has {shape[-1]} colours for {bands} bands. Several "
            "shots are (K, H, W, 1)."
        )
    if not bool(torch.isfinite(mask).all()) or not bool(mask.any()):
        raise ValueError("CASSI: the mask holds NaN or Inf, or lets no light through.")


def _check_size(space: tuple[int, ...], scene: tuple[int, int], axis: int, mode: str) -> None:
    if any(n < m for n, m in zip(space, scene, strict=True)):
        slip = ""
        if space == scene[::-1]:
            slip = " Transposed?"
        raise ValueError(
            f"CASSI: the mask, {space} px, is smaller than the scene, {scene} px.{slip}"
        )
    for k, (n, m) in enumerate(zip(space, scene, strict=True)):
        may_be_longer = k == axis and mode != "single"
        if n != m and not may_be_longer:
            raise ValueError(
                f"CASSI: the mask, {space} px, is larger than the scene, {scene} px. Crop it to "
                "the box."
            )


def moved_mask(
    mask: Tensor, shift: Tensor | None, rotation: Tensor | None, stretch: Tensor | None
) -> Tensor:
    """Resample a mask where it lies: bilinear between its elements, and zero outside.

    A point at x from the mask's middle comes to R (x + stretch · x / half size) + shift.

    Args:
        mask: (shots, colours, n0, n1), as it was made.
        shift: (2,) in pixels, or None.
        rotation: One number in radians, or None.
        stretch: (2, 2) in pixels, as in `Placement`, or None.

    Returns:
        (shots, colours, n0, n1).
    """
    n0, n1 = mask.shape[-2:]
    dtype = mask.dtype
    i = torch.arange(n0, dtype=dtype, device=mask.device)[:, None].expand(n0, n1) - (n0 - 1) / 2
    j = torch.arange(n1, dtype=dtype, device=mask.device)[None].expand(n0, n1) - (n1 - 1) / 2
    if shift is not None:
        i = i - shift[0].to(dtype)
        j = j - shift[1].to(dtype)
    if rotation is not None:
        c, s = rotation.to(dtype).cos(), rotation.to(dtype).sin()
        i, j = c * i + s * j, c * j - s * i
    if stretch is not None:
        half = stretch.new_tensor([n0 / 2, n1 / 2])
        identity = torch.eye(2, dtype=stretch.dtype, device=stretch.device)
        back = torch.linalg.inv(identity + stretch / half).to(dtype)
        i, j = back[0, 0] * i + back[0, 1] * j, back[1, 0] * i + back[1, 1] * j
    where = torch.stack([j * (2 / n1), i * (2 / n0)], -1).expand(len(mask), n0, n1, 2)
    return nn.functional.grid_sample(
        mask, where, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def along_row(codes: Tensor, shot: Tensor, band: Tensor, i: Tensor, v: Tensor) -> Tensor:
    """Average codes over pixels that lie between two mask elements of a line; zero outside.

    Args:
        codes: (shots, 1 or L, n, m).
        shot: Index of the shot, of a shape that broadcasts with v.
        band: Index of the band, of a shape that broadcasts with v.
        i: Index of the line, of a shape that broadcasts with v.
        v: Centre of the pixel along the line, in pixels, fractional.

    Returns:
        Codes of the shape to which the indices and v broadcast.
    """
    codes = nn.functional.pad(codes, (1, 1))
    if codes.shape[1] == 1:
        band = torch.zeros_like(band)
    m = codes.shape[-1]
    base = (v.detach() + 1e-6).floor()
    t = v - base
    if not t.requires_grad:
        t = torch.where(t.abs() < 2e-6, 0.0, t)
    # clamped to the padding, which is opaque
    left, right = ((base.long() + k).clamp(0, m - 1) for k in (1, 2))
    return (1 - t) * codes[shot, band, i, left].to(t) + t * codes[shot, band, i, right].to(t)
