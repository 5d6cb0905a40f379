"""A simulated snapshot of a camera that is not where its files say, solved as a measured one.

The truth is known: `cassi_real`'s whole route (which camera, which light is not coded, which noise,
which cube) can be judged by it. The camera that measures has its mask moved, stretched and turned
by less than a pixel, blurs, adds light that the mask does not code, and counts electrons. The
problem is made from the snapshot and the mask as it was filed, as if they had come from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Box, Problem, SampledField, memory
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.instrument import Detector
from inverse_inr.problems.spectral.measured import Modelling, measured
from inverse_inr.problems.spectral.snapshot import Snapshot
from inverse_inr.problems.spectral.textures import Ground, textured_scene
from inverse_inr.ranges import Count, Finite, Fraction, NonNegative, WholeNumber, checked

PITCH = 1.87
"""Side (px) of the cells of a generated mask, which are no whole pixels, as in TSA-Net's camera."""

LEAK = 0.02
"""Transmission of closed cells."""

FINE = 4
"""Samples per axis of a pixel, over which a generated mask is averaged."""


@checked
@dataclass(frozen=True)
class TrueCamera:
    """The facts of a camera that its files do not say.

    Args:
        shift: How far the mask lies from its place, in pixels along both image axes.
        magnification: How far the mask's edges have moved outwards, in pixels.
        rotation: Radians about the mask's middle, positive from axis 0 to axis 1.
        blur: Standard deviation in pixels of the blur behind the mask; 0 for none.
        background: Light that does not pass the mask, as a fraction of the brightest coded pixel.
    """

    shift: tuple[Finite, Finite] = (0.9, 0.0)
    magnification: Finite = 0.3
    rotation: Finite = 0.004
    blur: NonNegative = 0.6
    background: Fraction = 0.01


@checked
def cassi_uncalibrated(
    ground: Ground = "dark",
    *,
    size: Count = 96,
    bands: Count = 28,
    mask: str | None = None,
    camera: TrueCamera = TrueCamera(),
    detector: Detector = Detector(full_well=4000.0),
    modelling: Modelling | None = None,
    scene: WholeNumber = 0,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a snapshot of a generated scene by a camera that its files do not describe.

    Args:
        ground: What is behind the scene's things: "dark" or "bright".
        size: Pixels per axis.
        bands: Number of bands, two pixels apart.
        mask: A MATLAB file with a calibrated `mask`; None for a generated one.
        camera: The facts that the files do not say.
        detector: The noise.
        modelling: How the problem is made from the snapshot; None for `cassi_real`'s way.
        scene: Seed of the scene.
        seed: Of a generated mask and of the noise.

    Returns:
        The problem as `cassi_real` would make it, with its truth as `reference` and the camera that
        measured as `notes["true camera"]`.
    """
    memory.require(
        f"cassi_uncalibrated: size={size}, bands={bands}", size**2 * (800.0 + 16 * bands)
    )
    wavelengths = band_centres(bands)
    box = Box((0.0, 0.0, 450.0), (float(size), float(size), 650.0), ("px", "px", "nm"))
    filed, moved = _masks(mask, size, camera, seed)
    law = steps(wavelengths, 2.0)
    true = CASSI(box, moved, wavelengths, law, psf=camera.blur or None)
    as_filed = CASSI(box, filed, wavelengths, law)
    truth = textured_scene(box, (size, size), ground, seed=scene).sample(true.bands)[..., 0]
    mean = true.on(true.bands).snapshot(truth)
    top = float(mean.max())
    y, _ = detector.measured((mean + camera.background * top).reshape(-1), seed)
    y = y.reshape(mean.shape) / top
    seen = Snapshot(y, torch.isfinite(y) & (y >= 0), as_filed)

    def reference(unit: float) -> SampledField:
        return SampledField(truth[..., None] / (top * unit), true.bands)

    notes: dict[str, Any] = {"true camera": true, "true background": camera.background}
    return measured(seen, modelling or Modelling(), notes=notes, reference=reference)


def _masks(file: str | None, size: int, camera: TrueCamera, seed: int) -> tuple[Tensor, Tensor]:
    """The mask (size, size) as it was filed, and where it lies."""
    still = TrueCamera((0.0, 0.0), 0.0, 0.0)
    if file is None:
        generator = torch.Generator().manual_seed(seed + 1)
        cells = int(size / PITCH) + 16
        table = torch.rand(cells, cells, generator=generator).lt(0.5).double()
        table = LEAK + (1 - LEAK) * table
        return _averaged(table, size, still), _averaged(table, size, camera)
    from scipy.ndimage import map_coordinates

    code = np.asarray(read_matlab(file, "mask"), dtype=np.float64)
    if code.ndim != 2 or min(code.shape) < size:
        raise ValueError(f"{file}: the mask {code.shape} is smaller than size={size}.")
    first = [(n - size) // 2 for n in code.shape]
    places = _back(camera, size, torch.arange(size, dtype=torch.float64))
    where = [p.numpy() + k for p, k in zip(places, first, strict=True)]
    moved = map_coordinates(code, where, order=3, mode="nearest").clip(0, code.max())
    filed = code[first[0] : first[0] + size, first[1] : first[1] + size]
    return torch.from_numpy(filed).float(), torch.from_numpy(moved).float()


def _averaged(table: Tensor, size: int, camera: TrueCamera) -> Tensor:
    """A mask of square cells, averaged over pixels."""
    fine = (torch.arange(size * FINE, dtype=torch.float64) + 0.5) / FINE - 0.5
    i, j = (
        ((p / PITCH).floor().long() + 8).clamp(0, len(table) - 1) for p in _back(camera, size, fine)
    )
    return table[i, j].reshape(size, FINE, size, FINE).mean((1, 3)).float()


def _back(camera: TrueCamera, size: int, line: Tensor) -> Sequence[Tensor]:
    """Pixels of the filed mask that come to the pixels of a line x line lattice."""
    middle = (size - 1) / 2
    i = line[:, None].expand(len(line), len(line)) - middle - camera.shift[0]
    j = line[None].expand(len(line), len(line)) - middle - camera.shift[1]
    turn = torch.tensor(camera.rotation, dtype=torch.float64)
    scale = 1 + camera.magnification / (size / 2)
    i, j = turn.cos() * i + turn.sin() * j, turn.cos() * j - turn.sin() * i
    return i / scale + middle, j / scale + middle
