"""The coded aperture of a snapshot camera: what a mask must be, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Placement:
    """The true place of a coded aperture. What is an `nn.Parameter` is learnt.

    shift     (2,) pixels along both image axes; bilinear, as square mask elements overlap square
              pixels
    rotation  radians about the mask's middle, positive from axis 0 to axis 1
    stretch   (2, 2): how far, in pixels, the mask's edges have moved from where its size says:
              column k is the displacement of the edge across axis k (magnification, shear, small
              rotations)
    position  τ along the light's way, for the mode "spatial-spectral": 0 in the image, 1 in the
              spectrum (as "dual")
    Raises ValueError for parts of another shape, NaN or Inf.
    """

    shift: Tensor | None = None
    rotation: float | Tensor = 0.0
    stretch: Tensor | None = None
    position: float = 1.0

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
    shape = tuple(mask.shape)
    if mask.ndim not in (2, 3, 4) or not mask.is_floating_point():
        raise ValueError(
            f"CASSI: mask must be a floating (H, W), (H, W, L) or (K, H, W, 1 or L), got {shape}."
        )
    space = shape[:2] if mask.ndim < 4 else shape[1:3]
    if any(n < m for n, m in zip(space, scene, strict=True)):
        slip = " Transposed?" if space == scene[::-1] else ""
        raise ValueError(
            f"CASSI: the mask, {space} px, is smaller than the scene, {scene} px.{slip}"
        )
    longer = axis if mode != "single" else None
    if any(n != m for k, (n, m) in enumerate(zip(space, scene, strict=True)) if k != longer):
        raise ValueError(
            f"CASSI: the mask, {space} px, is larger than the scene, {scene} px. Crop it to the box."
        )
    if mask.ndim > 2 and shape[-1] not in ((bands,) if mask.ndim == 3 else (1, bands)):
        raise ValueError(
            f"CASSI: mask of shape {shape} has {shape[-1]} colours for {bands} bands. Several shots are (K, H, W, 1)."
        )
    if not bool(torch.isfinite(mask).all()) or not bool(mask.any()):
        raise ValueError("CASSI: the mask holds NaN or Inf, or lets no light through.")


def moved_mask(
    mask: Tensor, shift: Tensor | None, rotation: Tensor | None, stretch: Tensor | None
) -> Tensor:
    """The mask where it lies: what is at x from its middle comes to R (x + stretch · x / half size) + shift.

    Bilinear and zero outside: (shots, colours, n0, n1). shift (2,) and stretch (2, 2) in pixels, rotation in radians.
    """
    n0, n1 = mask.shape[-2:]
    dtype = mask.dtype
    i = torch.arange(n0, dtype=dtype, device=mask.device)[:, None].expand(n0, n1) - (n0 - 1) / 2
    j = torch.arange(n1, dtype=dtype, device=mask.device)[None].expand(n0, n1) - (n1 - 1) / 2
    if shift is not None:
        i, j = i - shift[0].to(dtype), j - shift[1].to(dtype)
    if rotation is not None:
        c, s = rotation.to(dtype).cos(), rotation.to(dtype).sin()
        i, j = c * i + s * j, c * j - s * i
    if stretch is not None:
        half = stretch.new_tensor([n0 / 2, n1 / 2])
        back = torch.linalg.inv(
            torch.eye(2, dtype=stretch.dtype, device=stretch.device) + stretch / half
        ).to(dtype)
        i, j = back[0, 0] * i + back[0, 1] * j, back[1, 0] * i + back[1, 1] * j
    where = torch.stack([j * (2 / n1), i * (2 / n0)], -1).expand(len(mask), n0, n1, 2)
    return nn.functional.grid_sample(
        mask, where, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def along_row(codes: Tensor, shot: Tensor, band: Tensor, i: Tensor, v: Tensor) -> Tensor:
    """Codes (shots, 1 or L, n, m) averaged over a pixel centred at fractional v of row i, zero outside."""
    codes = nn.functional.pad(codes, (1, 1))
    band = torch.zeros_like(band) if codes.shape[1] == 1 else band
    m = codes.shape[-1]
    base = (v.detach() + 1e-6).floor()
    t = v - base
    t = torch.where(t.abs() < 2e-6, 0.0, t) if not t.requires_grad else t
    left, right = ((base.long() + k).clamp(0, m - 1) for k in (1, 2))
    # clamped to the padding, which is opaque
    return (1 - t) * codes[shot, band, i, left].to(t) + t * codes[shot, band, i, right].to(t)
