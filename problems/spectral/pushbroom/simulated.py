"""A push-broom cube of radiances with smile, keystone and stray light, which are learnt with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, SampledField, Suggestion, Term, noise, predict
from inverse_inr.io import read_cube
from inverse_inr.io.files import reading
from inverse_inr.memory import require
from inverse_inr.operators.spectral.pushbroom import LegendreSurface, PushBroom
from inverse_inr.problems.spectral.pushbroom.correcting import corrected, uncorrected, with_stray
from inverse_inr.problems.spectral.pushbroom.fitting import COMPONENTS, candidates
from inverse_inr.problems.spectral.pushbroom.scenes import Patches, light_with_lines
from inverse_inr.ranges import (
    Count,
    Range,
    WholeNumber,
    checked,
)

SMILE = (3, 2)
"""Legendre polynomials of the learnt smile along samples and bands."""
KEYSTONE = (2, 2)
"""The same of the keystone, whose bands differ."""
LEAST_NOISE = 1e-6
"""Noise, as a fraction of the largest radiance, for which a fit takes none."""
FEWEST = 16
"""The fewest samples, and bands, of a cube."""
STEP = 0.5
"""Distance in nm of the wavelengths at which the light is tabulated."""


Shift = Annotated[float, Range(least=0, most=5)]
"""A largest shift, in nm or samples."""
Stray = Annotated[float, Range(least=0, most=0.5)]
"""A share of the light."""
Width = Annotated[float, Range(least=0.1, most=100)]
"""Full width at half maximum of a band, in nm."""
Noise = Annotated[float, Range(least=1e-6, most=1, or_zero=True)]
"""Standard deviation of noise, as a fraction of the largest radiance."""


@checked
@dataclass(frozen=True)
class Distortions:
    """How far a simulated spectrometer is from an ideal one.

    Args:
        smile: Largest shift of a band's centre, in nm.
        keystone: Largest shift of a sample, in samples.
        stray: Share of the light that is laid over its frame.
    """

    smile: Shift = 2.0
    keystone: Shift = 0.6
    stray: Stray = 0.04


@checked
def pushbroom(
    lines: Count = 12,
    *,
    samples: Count = 48,
    bands: Count = 60,
    fwhm: Width = 6.0,
    distortions: Distortions = Distortions(),
    noise_level: Noise = 0.003,
    known: bool = False,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a push-broom cube of radiances, 650 to 950 nm, with a distorted spectrometer.

    The field is the reflectance that an ideal spectrometer would see below known light: with the
    lines of oxygen and water at their wavelengths, and each sample at the same place in all bands.
    Smile, keystone and the share of stray light are learnt with it.

    Args:
        lines: Lines along the track.
        samples: Samples across the track.
        bands: Bands.
        fwhm: Full width at half maximum of a band, in nm.
        distortions: Of the spectrometer.
        noise_level: Standard deviation of Gaussian noise as a fraction of the largest radiance.
        known: Give the distortions instead of learning them, for comparison.
        seed: Of the scene, the distortions and the noise.

    Raises:
        ValueError: There are too few lines, samples or bands to find distortions in.
        OutOfMemoryError: The equations of a line do not fit the memory at hand.
    """
    if samples < FEWEST or bands < FEWEST:
        raise ValueError(
            f"pushbroom: samples={samples} and bands={bands}; fewer than {FEWEST} of one tell no "
            "distortion."
        )
    require(
        f"pushbroom: lines={lines} of samples={samples} and bands={bands}",
        16.0 * samples * bands * (samples + 4) * COMPONENTS + 400.0 * lines * samples * bands,
        "Fewer lines, samples or bands would fit.",
    )
    box = Box((0.0, 0.0, 650.0), (float(lines), float(samples), 950.0), ("px", "px", "nm"))
    grid = Grid(box, (lines, samples, bands))
    nm = torch.arange(620.0, 980.0 + STEP, STEP, dtype=torch.float64)
    light = torch.stack([nm, light_with_lines(nm)], -1)
    scene = Patches(box, (lines, samples), seed=seed)
    smile, keystone = drawn(distortions, grid, seed)
    shared = {"fwhm": fwhm, "light": light}
    true = PushBroom(grid, smile=smile, keystone=keystone, nodes=25, **shared)
    with torch.no_grad():
        frames = predict(true, scene).reshape(grid.shape).numpy()
        ideal = PushBroom(grid, fwhm=fwhm, nodes=25)
        truth = predict(ideal, scene).reshape(*grid.shape, 1).float()
    clean = torch.from_numpy(with_stray(frames, distortions.stray, true.spread)).flatten()
    model = noise.Gaussian(max(noise_level, LEAST_NOISE) * float(clean.max()))
    y = clean.float()
    if noise_level:
        y = model.sample(y, torch.Generator().manual_seed(seed))
    given = (smile, keystone, distortions.stray) if known else None
    notes = {"smile, keystone": true.surfaces, "stray": distortions.stray}
    return _problem(y, model, grid, light, fwhm, given, SampledField(truth, grid), notes)


@checked
def pushbroom_scan(
    path: str,
    light: str,
    *,
    fwhm: Width | None = None,
    noise_level: Noise = 0.003,
    size: Count | None = None,
) -> Problem:
    """Learn the distortions of a measured cube of radiances with its reflectance.

    The grid carries what the cube's file says besides, coordinates of a map included, so that
    `solution.write("reflectance.hdr")` or .tif writes it again.

    Args:
        path: A cube of radiances with wavelengths: whatever `io.read_cube` reads.
        light: A text file of two columns: wavelengths in nm, beyond both ends of the cube's, and
            the light on the ground with the lines of the air, in the cube's unit over π per
            reflectance, or in any unit: the reflectance has the rest.
        fwhm: Full width at half maximum of the bands in nm; by default the mean of the file's own.
        noise_level: Standard deviation of Gaussian noise as a fraction of the largest radiance.
        size: The most lines and samples, from the first ones; all by default.

    Raises:
        ValueError: The cube has no wavelengths or widths, their distances differ by more than a
            tenth, or a value was not measured.
    """
    cube = read_cube(path)
    values = cube.values[:size, :size]
    grid = cube.grid.crop((0, 0, 0), values.shape)
    if fwhm is None and cube.fwhm is not None:
        fwhm = float(cube.fwhm.mean())
    if fwhm is None:
        raise ValueError(f"{path}: the file names no widths of its bands; pass fwhm=... in nm.")
    steps = grid.axes(torch.float64)[2].diff()
    if float(steps.max() - steps.min()) > 0.1 * float(steps.mean()):
        raise ValueError(
            f"{path}: bands lie {float(steps.min()):.3g} to {float(steps.max()):.3g} nm apart; a "
            "spectrometer's are even. Two spectrometers, or bad bands left out?"
        )
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"{path}: some values were not measured. Cut them out: size=...")
    top = float(values.max())
    with reading(light, "two columns of numbers, wavelengths in nm and light", ()) as file:
        table = torch.from_numpy(np.loadtxt(file, dtype=np.float64, ndmin=2))
    model = noise.Gaussian(max(noise_level, LEAST_NOISE) * top)
    notes = {**{f"cube: {k}": v for k, v in cube.notes.items()}, "fwhm": f"{fwhm:.4g} nm"}
    return _problem(values.flatten().float(), model, grid, table, fwhm, None, None, notes)


def drawn(
    distortions: Distortions, grid: Grid, seed: int
) -> tuple[LegendreSurface, LegendreSurface]:
    """Draw smooth distortions of given largest size.

    Args:
        distortions: Their sizes.
        grid: Of the cube.
        seed: Of their shapes.

    Returns:
        Smile in distances of bands, and keystone in samples.
    """
    generator = torch.Generator().manual_seed(9000 + seed)
    found = []
    for size, (p, q), apart, plain in (
        (distortions.smile, SMILE, grid.spacing[2], False),
        (distortions.keystone, KEYSTONE, 1.0, True),
    ):
        shape = torch.randn(p, q, generator=generator, dtype=torch.float64)
        if not plain:
            shape[2, 0] += 2.0  # a smile bends: its square along the samples is the largest part
        surface = LegendreSurface(shape, without_mean=plain)
        frame = PushBroom(grid, fwhm=1.0, keystone=surface).surfaces[1]
        scale = size / apart / float(frame.abs().max())
        found.append(LegendreSurface(scale * shape, without_mean=plain))
    return found[0], found[1]


def _problem(
    y: Tensor,
    model: Any,
    grid: Grid,
    light: Tensor,
    fwhm: float,
    given: tuple[Any, Any, float] | None,
    truth: SampledField | None,
    notes: dict[str, Any],
) -> Problem:
    if given is None:
        smile = LegendreSurface(nn.Parameter(torch.zeros(SMILE)))
        keystone = LegendreSurface(nn.Parameter(torch.zeros(KEYSTONE)), without_mean=True)
        stray: Any = nn.Parameter(torch.zeros(()))
    else:
        smile, keystone, stray = given
    operator = PushBroom(grid, fwhm=fwhm, light=light, smile=smile, keystone=keystone, stray=stray)
    suggested = Suggestion(
        prior="spectral_basis",
        options={"cells": float(max(grid.shape[:2])), "components": COMPONENTS, "smooth": 4.0},
        steps=100,
        optimizer="lbfgs",
        batch=len(operator),
        operator_lr=1e-2,
        baselines={
            "uncorrected": partial(uncorrected, hold_out=True),
            "correlation": partial(corrected, hold_out=True),
        },
        candidates=candidates,
    )
    return Problem(
        [Term(operator, y, model)], grid.box, grid, 1, truth, suggested, notes, average=1
    )
