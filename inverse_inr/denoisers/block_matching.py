"""BM3D as a denoiser, where the package `bm3d` is installed (the extra of that name).

The package is free for non-commercial use only, so nothing of it is needed unless it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.denoisers.planes import by_planes
from inverse_inr.ranges import checked

SMALLEST = 16
"""Pixels per axis to which smaller planes are mirrored."""


@checked
@dataclass(frozen=True)
class BM3D(CheckedDenoiser):
    """Block matching and collaborative filtering of planes, by the authors' package `bm3d`.

    Colour images of three real channels are denoised in opponent colours; else each channel is
    denoised on its own, and so are the parts of a complex image after its main phase was taken off.

    Args:
        stages: "both" of hard thresholds and Wiener filter, or "hard" for the first alone.
        axis: The axis of a volume that planes are cut across; None for the shortest one.

    Raises:
        ModuleNotFoundError: The package `bm3d` is not installed (when called).

    Source:
        Dabov, Foi, Katkovnik & Egiazarian 2007; Mäkinen, Azzari & Foi 2020.
    """

    stages: Literal["both", "hard"] = "both"
    axis: int | None = None

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        bm3d = _package()
        stage = bm3d.BM3DStages.ALL_STAGES
        if self.stages == "hard":
            stage = bm3d.BM3DStages.HARD_THRESHOLDING
        in_colour = x.shape[-1] == 3 and not x.is_complex() and self.stages == "both"

        def plane(values: np.ndarray) -> np.ndarray:
            height, width = values.shape[:2]
            # the package refuses planes smaller than its blocks
            margins = [(0, max(0, SMALLEST - n)) for n in (height, width)]
            wide = np.pad(values, [*margins, (0, 0)], mode="symmetric")
            if in_colour:
                clean = bm3d.bm3d_rgb(wide, sigma)
            else:
                clean = np.reshape(bm3d.bm3d(wide[..., 0], sigma, stage_arg=stage), wide.shape)
            return clean[:height, :width]

        def planes(stack: Tensor) -> Tensor:
            each = [plane(v) for v in stack.detach().double().cpu().numpy()]
            return torch.from_numpy(np.stack(each)).to(stack)

        return by_planes(x, planes, name="BM3D", together=in_colour, axis=self.axis)


def _package() -> Any:
    try:
        import bm3d  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "BM3D needs the package 'bm3d' (free for non-commercial use): "
            "pip install 'inverse-inr[bm3d]'. The denoiser 'collaborative' is the same method by "
            "this library's own code, and needs nothing.",
            name="bm3d",
        ) from None
    return bm3d
