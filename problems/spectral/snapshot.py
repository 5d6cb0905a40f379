"""A measured snapshot and its mask, read from files and checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.data import mask_file, scene_file
from inverse_inr.problems.spectral.detector_pixels import (
    check_axes,
    check_transmission,
    clipped_pixels,
    hot_pixels,
)
from inverse_inr.problems.spectral.mask_turn import Turned, turned_mask

MOST_NEGATIVE = 0.9
"""The most negative pixels (fraction) of a snapshot from which its dark frame was subtracted."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot and the camera that its files describe.

    Args:
        y: (H, W) float32, as the detector counts; NaN at hot pixels.
        trusted: (H, W) bool: the pixels that are finite, not negative and not saturated.
        camera: The camera as filed: nothing is blurred, moved or learnt.
        turned: How the mask compares with its turned copies; None where that was not asked.
        notes: Pixels that were found to be no measurement.
    """

    y: Tensor
    trusted: Tensor
    camera: CASSI
    turned: Turned | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def top(self) -> float:
        """The largest finite value of the snapshot."""
        return float(self.y[torch.isfinite(self.y)].max())

    @property
    def coded(self) -> Tensor:
        """The snapshot (H, W) that the camera takes of a scene that is 1 everywhere."""
        return grey_scene(self.camera)

    @property
    def coded_bands(self) -> Tensor:
        """The snapshots (H, W, L) that the camera takes of scenes that are 1 in one band."""
        on_grid = self.camera.on(self.camera.bands)
        sheets = []
        with torch.no_grad():
            for band in range(on_grid.grid.shape[-1]):
                cube = torch.zeros(on_grid.grid.shape)
                cube[..., band] = 1.0
                sheets.append(on_grid.snapshot(cube))
        return torch.stack(sheets, -1)

    def dispersed_last(self, image: Tensor) -> Tensor:
        """Return an image of the detector or of the mask with its dispersed axis last.

        Args:
            image: (H, W).
        """
        if self.camera.axis == 1:
            return image
        return image.T


def read_snapshot(
    measurement: str,
    mask: str | None,
    *,
    variables: tuple[str, str],
    wavelengths: Tensor,
    box: tuple[float, float],
    step: float,
    axis: int,
    saturation: float,
    lines: tuple[int, int] | None,
    check_mask: bool,
) -> Snapshot:
    """Read a snapshot and its mask, and build the camera that the two describe.

    Args:
        measurement: A file with the snapshot, or a scene of a published folder.
        mask: A file with the mask; None for the mask.mat beside the measurement.
        variables: Names of the snapshot and of the mask in their files.
        wavelengths: (L,) in nm.
        box: The least and the largest wavelength of the scene, in nm.
        step: Pixels from one band to the next, of either sign.
        axis: The image axis that is dispersed, 0 or 1.
        saturation: The fraction of the largest value above which pixels are not trusted.
        lines: Crop to these lines across the dispersion, (first, last).
        check_mask: Compare the snapshot with turned and inverted copies of the mask.

    Raises:
        FileFormatError: A variable is no real image.
        ValueError: The files do not fit together, or the mask is not the right way round.
    """
    code_file = mask or mask_file(measurement)
    if code_file is None:
        raise ValueError(f"{measurement}: no mask.mat beside it; pass mask='...'.")
    name, mask_name = variables
    y = _image(scene_file(measurement), name, "snapshot")
    code = _image(code_file, mask_name, "mask")
    check_transmission(code_file, mask_name, code, check_mask)

    def camera(values: Tensor) -> CASSI:
        space = Box(
            (0.0, 0.0, box[0]), (*map(float, values.shape), box[1]), units=("px", "px", "nm")
        )
        return CASSI(space, values, wavelengths, steps(wavelengths, step), axis=axis)

    whole = camera(code)
    _check_size(measurement, name, y, whole, step)
    notes: dict[str, Any] = {}
    hot = hot_pixels(y)
    if bool(hot.any()):
        y = y.masked_fill(hot, float("nan"))
        notes["hot pixels"] = f"{int(hot.sum())} outshine all their neighbours, not trusted"
    trusted = _trusted(measurement, y, saturation)
    clipped = clipped_pixels(y) & trusted
    if bool(clipped.any()):
        trusted &= ~clipped
        notes["saturated"] = f"{int(clipped.sum())} pixels share the largest value, not trusted"
    turned = None
    if check_mask:
        turned = turned_mask(y, code, _grey(camera), trusted)
        if turned.speaks_against:
            raise ValueError(
                f"{code_file}: the mask does not lie as in the camera: {turned}. "
                f"Give it {turned.name}, or pass check_mask=False to use it as it is."
            )
    if lines is None:
        return Snapshot(y, trusted, whole, turned, notes)
    part = _lines(lines, code.shape[1 - axis])
    kept = (part, slice(None))
    if axis == 0:
        kept = (slice(None), part)
    return Snapshot(y[kept], trusted[kept], camera(code[kept].contiguous()), turned, notes)


def grey_scene(camera: CASSI) -> Tensor:
    """Return what a camera sees of a scene that is 1 everywhere.

    Args:
        camera: The camera.
    """
    on_grid = camera.on(camera.bands)
    with torch.no_grad():
        height, width, bands = on_grid.grid.shape
        # band by band in memory, as they are laid
        return on_grid.snapshot(torch.ones(bands, height, width).movedim(0, -1))


def _grey(camera: Callable[[Tensor], CASSI]) -> Callable[[Tensor], Tensor]:
    return lambda mask: grey_scene(camera(mask))


def _image(path: object, variable: str, what: Literal["snapshot", "mask"]) -> Tensor:
    """A variable (H, W) of a MATLAB file as float32."""
    array = np.asarray(read_matlab(str(path), variable))
    check_axes(path, variable, array, what)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _check_size(measurement: str, name: str, y: Tensor, camera: CASSI, step: float) -> None:
    if tuple(y.shape) == camera.shape:
        return
    bands = len(camera.wavelengths)
    slip = "Another number of bands or step, or transposed?"
    other = 1 - camera.axis
    longer = y.shape[other] > camera.scene[other]
    if longer and y.shape[camera.axis] == camera.scene[camera.axis]:
        slip = f"Dispersed along axis {other}? Pass axis={other}. Or transposed?"
    elif tuple(y.shape) == tuple(camera.scene):
        slip = "The mask is as long as the snapshot: give it without the dispersion's margin."
    elif step != round(step):
        slip = (
            f"The last band reaches {abs(step) * (bands - 1):g} px: a fraction of a pixel lights "
            "the whole pixel, which must not be cropped."
        )
    raise ValueError(
        f"{measurement}: {name} is {tuple(y.shape)}; a mask of {tuple(camera.scene)} and {bands} "
        f"bands {step:g} px apart along axis {camera.axis} need {tuple(camera.shape)}. {slip}"
    )


def _trusted(measurement: str, y: Tensor, saturation: float) -> Tensor:
    finite = torch.isfinite(y)
    if not bool((y[finite] > 0).any()):
        raise ValueError(f"{measurement}: the snapshot has no positive value: no light, or NaN.")
    if bool((y[finite] == y[finite][0]).all()):
        raise ValueError(f"{measurement}: the snapshot is {float(y[finite][0]):g} everywhere.")
    negative = float((y[finite] < 0).float().mean())
    if negative > MOST_NEGATIVE:
        raise ValueError(
            f"{measurement}: {100 * negative:.0f} % of the snapshot's pixels are negative; light "
            "counts upwards. Inverted, or too much dark subtracted?"
        )
    return finite & (y >= 0) & (y <= saturation * y[finite].max())


def _lines(lines: tuple[int, int], count: int) -> slice:
    first, last = lines
    if not 0 <= first < last <= count:
        raise ValueError(
            f"cassi_real: rows={tuple(lines)} must be (first, last) with 0 <= first < last <= "
            f"{count}, the lines across the dispersion."
        )
    return slice(first, last)
