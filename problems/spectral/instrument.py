"""The instrument of a simulated snapshot: its optics, how they are aligned, its detector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from inverse_inr import noise
from inverse_inr.io import read_matlab
from inverse_inr.operators.spectral.camera_inputs import ImageAxis
from inverse_inr.ranges import Finite, NoiseLevelOrNone, NonNegative, Positive, Range, checked

Calibration = Literal["true", "nominal", "learnt"]
"""What the model knows of the alignment; see `Alignment`."""

Efficiency = Annotated[float, Range(least=0, below=1)]
"""A quantum efficiency: a fraction below 1, and 0 for Poisson noise."""

Blurring = Annotated[float, Range(above=0, most=100)]
"""A standard deviation in pixels, of an optic that still tells bands apart."""

TEN_BITS = 1e-3
"""Rounding error of a 10-bit camera, as a fraction of the largest measurement: the noise that a
model assumes where the simulation has none."""


@checked
@dataclass(frozen=True)
class Optics:
    """Mask and disperser: they code the light of a scene.

    Args:
        mask: A MATLAB file with a calibrated mask, cropped to the scene, or "random" (half open).
            By default the mask.mat next to the scene, or else a random mask.
        mask_variable: The mask's name in that file.
        step: Pixels of dispersion from one band to the next, which may be a fraction; negative
            where longer wavelengths fall on lower pixels.
        mode: "single" masks, then disperses; "dual" disperses, masks and undoes the dispersion
            (as in `CASSI`).
        axis: The image axis that is dispersed: 1 to the right or left, 0 down or up.
    """

    mask: str | None = None
    mask_variable: str = "mask"
    step: Finite = 2.0
    mode: Literal["single", "dual"] = "single"
    axis: ImageAxis = 1

    def reach(self, bands: int) -> float:
        """Return the pixels between the first band and the last.

        Args:
            bands: Number of bands.
        """
        return abs(self.step) * (bands - 1)

    def code(self, beside: str | None, shape: tuple[int, int], bands: int, seed: int) -> Tensor:
        """Return the mask of a scene, longer if the light is dispersed in front of it.

        Args:
            beside: The file to use where `mask` is None.
            shape: Pixels of the scene, (H, W).
            bands: Number of bands.
            seed: Of a random mask.

        Returns:
            (H, W) for "single", and for "dual" longer along `axis` by the reach, rounded up.

        Raises:
            ValueError: If the file holds a smaller mask.
        """
        name = self.mask or beside or "random"
        wanted = list(shape)
        if self.mode != "single":
            wanted[self.axis] += math.ceil(self.reach(bands) - 1e-6)
        height, width = wanted
        if name == "random":
            generator = torch.Generator().manual_seed(seed + 1)
            return (torch.rand(height, width, generator=generator) < 0.5).float()
        code = torch.from_numpy(read_matlab(name, self.mask_variable)).float()
        if code.ndim != 2 or code.shape[0] < height or code.shape[1] < width:
            raise ValueError(
                f"{name}: the mask {tuple(code.shape)} is smaller than the scene, "
                f"({height}, {width})."
            )
        return code[:height, :width].contiguous()


@checked
@dataclass(frozen=True)
class Alignment:
    """The true place of the optics, and whether the model knows it.

    Args:
        mask_shift: How far the mask lies from its nominal place, in pixels along both image axes.
        dispersion_scale: The true dispersion, as a multiple of the nominal one.
        calibration: "true": the model knows both. "nominal": it takes the nominal ones. "learnt":
            they are found together with the image.
    """

    mask_shift: tuple[Finite, Finite] = (0.0, 0.0)
    dispersion_scale: Positive = 1.0
    calibration: Calibration = "true"


@checked
@dataclass(frozen=True)
class Detector:
    """The noise of a detector: Gaussian, or that of electrons where a full well is given.

    Args:
        noise_level: Standard deviation of Gaussian noise, as a fraction of the largest measurement.
        full_well: Electrons of the largest measurement: shot noise instead of `noise_level`.
        readout: Standard deviation of the readout noise in electrons, together with shot noise.
        efficiency: Quantum efficiency of binomial detection, as in `noise.Sensor`; 0 for Poisson.
    """

    noise_level: NoiseLevelOrNone = 0.01
    full_well: Positive | None = None
    readout: NonNegative = 10.0
    efficiency: Efficiency = 0.0

    def measured(self, mean: Tensor, seed: int) -> tuple[Tensor, noise.Noise]:
        """Draw noisy measurements.

        Args:
            mean: (n,) noise-free values.
            seed: Of the noise.

        Returns:
            Measurements (n,), and the model of their noise.

        Raises:
            ValueError: If no light reaches the detector.
        """
        top = float(mean.max())
        if not top > 0:
            raise ValueError("Detector: no light reaches the detector. An opaque mask or scene?")
        generator = torch.Generator().manual_seed(seed)
        if self.full_well is not None:
            sensor = noise.Sensor(self.full_well / top, self.readout, self.efficiency)
            return sensor.sample(mean, generator), sensor
        if self.noise_level == 0:
            return mean, noise.Gaussian(TEN_BITS * top)
        model = noise.Gaussian(self.noise_level * top)
        return model.sample(mean, generator), model
