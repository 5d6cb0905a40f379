"""Coded-aperture snapshot spectral imaging: a cube from one monochrome exposure, simulated or measured.

    y = A(f_θ) + noise,     f(x, y, λ), A: mask, disperse, sum (operators.CASSI)

Space is in pixels, wavelengths in nm. The scene is simulated at the camera's own bands, as every published table does:
that is an inverse crime, and `SpectralScene` has a truth between the bands to judge by.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, Problem, SampledField, Solution, Suggestion, Term, baselines, noise
from inverse_inr.io import read_matlab
from inverse_inr.operators import CASSI, BandTotalVariation, SpectralResponse
from inverse_inr.operators.dispersion import TSA_WAVELENGTHS, Scaled, steps
from inverse_inr.problems.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral_data import is_cube, mask_file, photograph, scene_cube, scene_file
from inverse_inr.problems.spectral_figures import spectral_figure, write_cube
from inverse_inr.problems.spectral_scenes import Reflectances, spectral_scene
from inverse_inr.problems.spectral_sr import camera_curves
from inverse_inr.stopping import HeldOut

Calibration = Literal["true", "nominal", "learnt"]
SecondCamera = Literal["panchromatic", "rgb"]
CALIBRATION_RATE = 3e-3
"""Adam's step for a mask's shift (px) and a dispersion's scale: 0.6 px in a few hundred steps."""
RANK_BANDS, OMEGA_BANDS = 4, 6.0
"""Materials that a separable prior can tell apart, and how fast their spectra may turn: measured ones have steps."""
VARIATION = 15.0
"""Weight of the bands' total variation where the noise is 1 % of the brightest pixel."""


def cassi(scene: str = "astronaut", *, mask: str | None = None, size: int = 128, bands: int = 28, step: float = 2.0,
          mode: Literal["single", "dual"] = "single", reflectances: Reflectances = "pigments",
          noise_level: float = 0.01, full_well: float | None = None, readout: float = 10.0, efficiency: float = 0.0,
          mask_shift: tuple[float, float] = (0.0, 0.0), dispersion_scale: float = 1.0,
          calibration: Calibration = "true", second: SecondCamera | None = None, variable: str | None = None,
          mask_variable: str = "mask", seed: int = 0) -> Problem:  # fmt: skip
    """A simulated snapshot of a generated spectral scene, or of a cube from a file.

    scene        "astronaut", "coffee", "cat" ... (`images.EXAMPLES`), or an RGB image file, coloured by `reflectances`;
                 or a cube (H, W, L): "indian_pines", any file that `io.read_cube` reads, `variable` in it, or a scene
                 of a published folder, "TSA_simu_data:3" (`spectral_data`); brought to `bands` bands
    mask         a MATLAB file with a calibrated mask in `mask_variable`, cropped to `size`; "random" (half open), the
                 default where no mask.mat lies beside the scenes
    step         pixels of dispersion a band
    noise_level  standard deviation of Gaussian noise as a fraction of the largest measurement
    full_well    electrons of the largest measurement: shot noise instead, with `readout` electrons and `efficiency` as
                 of `noise.Sensor` (0: Poisson, else binomial)
    mask_shift, dispersion_scale  where the mask really is (px along both axes), and by what the dispersion is larger
    calibration  whether the model knows: "true" it does, "nominal" it does not, "learnt" jointly with the image
    second       dual-camera CASSI (Wang et al. 2015): another camera sees the scene without mask and disperser, all
                 wavelengths alike ("panchromatic") or in three colours ("rgb"), with `noise_level` of its own largest
                 value; a second term
    """
    wavelengths = _wavelengths(bands)
    values = scene_cube(scene, variable, wavelengths, size) if is_cube(scene) else None
    shape = (values.shape[0], values.shape[1]) if values is not None else (size, size)
    box = Box((0.0, 0.0, 450.0), (*map(float, shape), 650.0), ("px", "px", "nm"))
    reach = step * (bands - 1)
    beside = mask_file(scene) if mask is None else None
    code = _mask(mask or str(beside or "random"), mask_variable, shape, mode, reach, seed)

    def camera(shift: Tensor | None, scale: float | Tensor) -> CASSI:
        # a detector with room for the dispersion as it is and as it may be learnt
        wide = shape[1] + math.ceil(reach * max(1.0, dispersion_scale) - 1e-6) + (calibration == "learnt")
        law = steps(wavelengths, step) if isinstance(scale, float) and scale == 1 else None
        return CASSI(box, code, wavelengths, law or Scaled(steps(wavelengths, step), scale), mode,
                     mask_shift=shift, width=wide if mode == "single" else None)  # fmt: skip

    moved = any(mask_shift)
    true = camera(torch.tensor(mask_shift) if moved else None, float(dispersion_scale))
    model = {
        "true": lambda: true,
        "nominal": lambda: camera(None, 1.0),
        "learnt": lambda: camera(nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(()))),
    }[calibration]()
    truth: Any = spectral_scene(photograph(scene, size), box, reflectances=reflectances) if values is None else None
    truth = truth or SampledField(cast(Tensor, values)[..., None], true.bands)
    mean = true.on(true.bands).snapshot(truth.sample(true.bands)[..., 0]).reshape(-1)
    y, fidelity = _noisy(mean, noise_level, full_well, readout, efficiency, seed)
    terms = [Term(model.on(true.bands), y, fidelity)]
    # almost no noise to fear: a finer prior explains more (held-out pixels of kodim23 and of an AVIRIS crop say so)
    fine = full_well is None and noise_level < 0.003
    native: dict[str, Any] = {"speed": 10.0, "share": 2, "materials": 6, "variation": VARIATION / 5} if fine else {}
    suggested = replace(suggestion(terms[0], true.bands, **native), operator_lr=CALIBRATION_RATE)
    if second is not None:
        terms.append(_second_camera(second, true.bands, truth.sample(true.bands)[..., 0], noise_level, seed))
        suggested = replace(suggested, baselines={"GAP-TV": first_alone, "CGLS": baselines.cgls})
    return Problem(terms, box, true.bands, reference=truth, suggested=suggested, average=1)


def cassi_real(measurement: str, mask: str | None = None, *, variable: str = "meas_real", mask_variable: str = "mask",
               bands: int = 28, step: float = 2.0, psf: float | None = None,
               calibrate: Sequence[str] = ("mask", "dispersion"),
               background: float | None = None, noise_level: float | None = None, saturation: float = 1.0,
               rows: tuple[int, int] | None = None, hold_out: float = 0.05) -> Problem:  # fmt: skip
    """A measured snapshot of a single-disperser camera with a calibrated mask, both MATLAB files (TSA-Net's layout).

    measurement  (H, W + (bands - 1) step), or a scene of a published folder, "TSA_real_data:2"; mask (H, W), by default
                 the mask.mat beside it
    psf          standard deviation in pixels of a blur behind the mask
    calibrate    what is learnt with the image: "mask" (shift), "dispersion" (scale), "gains" (one a band), "psf"; () is
                 the camera as its files say
    background   light that does not pass the mask, taken off (its shot noise stays, as read noise); default:
                 `uncoded_light`
    noise_level  standard deviation of Gaussian noise as a fraction of the largest trusted measurement; default: the
                 shot and read noise that the snapshot itself shows (`shot_noise`)
    saturation   pixels at this fraction of the largest value or above are not trusted, nor negative ones; see `notes`
    rows         crop: first and last row (exclusive)
    Raises ValueError where measurement, mask, bands and step do not fit together, or for an unknown part to calibrate.
    """
    unknown = set(calibrate) - {"mask", "dispersion", "gains", "psf"}
    if unknown:
        raise ValueError(f"cassi_real: cannot calibrate {sorted(unknown)}; there is mask, dispersion, gains, psf.")
    file, code_file = scene_file(measurement), mask or mask_file(measurement)
    if code_file is None:
        raise ValueError(f"{measurement}: no mask.mat beside it; pass mask='...'.")
    y = torch.from_numpy(read_matlab(file, variable)).float()
    code = torch.from_numpy(read_matlab(code_file, mask_variable)).float()
    if rows is not None:
        y, code = y[rows[0] : rows[1]], code[rows[0] : rows[1]]
    wide = code.shape[1] + round(step * (bands - 1))
    if y.ndim != 2 or y.shape != (code.shape[0], wide):
        raise ValueError(
            f"{measurement}: {variable} is {tuple(y.shape)}; a mask of {tuple(code.shape)} and {bands} bands {step:g} "
            f"px apart need ({code.shape[0]}, {wide}). Another number of bands, or transposed?"
        )
    wavelengths, one = _wavelengths(bands), torch.ones(())
    box = Box((0.0, 0.0, 450.0), (*map(float, code.shape), 650.0), ("px", "px", "nm"))
    law = steps(wavelengths, step)
    camera = CASSI(
        box, code, wavelengths, Scaled(law, nn.Parameter(one.clone())) if "dispersion" in calibrate else law,
        psf=_blur(psf, "psf" in calibrate), response=nn.Parameter(torch.ones(bands)) if "gains" in calibrate else None,
        mask_shift=nn.Parameter(torch.zeros(2)) if "mask" in calibrate else None,
        width=wide,
    )  # fmt: skip
    top = float(y.max())
    bad = (y < 0) | (y > saturation * top) | ~torch.isfinite(y)
    with torch.no_grad():
        coded = CASSI(box, code, wavelengths, law).on(camera.bands).snapshot(torch.ones(camera.bands.shape))
    dark = uncoded_light(y[~bad], coded[~bad]) if background is None else background
    # in units of a scene that is 1 in all bands where the detector is brightest: what priors start from
    unit = (top - dark) / float(coded.max())
    y, top = (y - dark) / unit, top / unit
    model = shot_noise(y, ~bad) if noise_level is None else noise.Gaussian(noise_level * top)
    trusted = (~bad).flatten().nonzero()[:, 0]
    term = Term(camera.on(camera.bands), y.flatten(), model, rows=trusted)
    # chosen by held-out pixels of 24 rows of TSA-Net's first scene: bright things on black ask for less smoothing
    suggested = suggestion(term, camera.bands, HeldOut(hold_out, limit=2**17), speed=5.0, share=3,
                           variation=VARIATION / 20)  # fmt: skip
    suggested = replace(suggested, operator_lr=CALIBRATION_RATE, steps=400)
    notes = {"negative or saturated pixels": f"{int(bad.sum())} of {y.numel()}", "background": dark, "noise": model}
    return Problem([term], box, camera.bands, suggested=suggested, notes=notes, average=1)


def uncoded_light(y: Tensor, coded: Tensor) -> float:
    """The level that the mask does not modulate: the intercept of dark pixels' y over `coded`, what a grey scene gives.

    Dark: below the median.
    """
    below = y <= y.median()
    seen, light = coded[below].double(), y[below].double()
    slope = ((seen - seen.mean()) * (light - light.mean())).mean() / seen.var().clamp(min=1e-12)
    return max(0.0, float(light.mean() - slope.clamp(min=0) * seen.mean()))


def shot_noise(y: Tensor, trusted: Tensor) -> noise.Sensor:
    """The `noise.Sensor` that a snapshot (H, W) shows: variance = a y + c, from second differences.

    Along the dispersed axis a snapshot is smooth (each pixel is a sum over bands), and medians of eight classes of
    brightness keep edges out. What is left of them makes this an upper bound.
    """
    use = trusted[:, 2:] & trusted[:, 1:-1] & trusted[:, :-2]
    second = ((y[:, 2:] - 2 * y[:, 1:-1] + y[:, :-2]) / math.sqrt(6))[use].double()
    level = ((y[:, 2:] + 2 * y[:, 1:-1] + y[:, :-2]) / 4)[use].double()
    edges = torch.linspace(float(level.min()), float(level.max()), 9, dtype=level.dtype)
    classes = [(level >= a) & (level <= b) for a, b in itertools.pairwise(edges)]
    points = [(level[k].mean(), (1.4826 * second[k].abs().median()) ** 2) for k in classes if int(k.sum()) >= 100]
    x, variance = (torch.stack(v) for v in zip(*points, strict=True))
    # relative errors of all classes are alike: weigh by 1 / variance
    design = torch.stack([x, torch.ones_like(x)], -1) / variance[:, None]
    slope, floor = torch.linalg.lstsq(design, torch.ones_like(x)[:, None]).solution[:, 0].tolist()
    slope = max(slope, 1e-12)
    return noise.Sensor(1 / slope, max(math.sqrt(max(floor, 0.0)) / slope, 1e-3))


def suggestion(term: Term, grid: Grid, stopping: HeldOut | None = None, *, speed: float = 7.0, share: int = 4,
               materials: int = RANK_BANDS, variation: float = VARIATION) -> Suggestion:  # fmt: skip
    """Separable prior whose rank is a `share`-th of the pixels and whose sines have `speed` on 128 pixels.

    7 is 0.14 of the pixels' Nyquist frequency an axis. Bands share their edges; that penalty stays where 1 % noise puts
    it beside the data, however little noise there is: what remains unexplained then is the prior's.
    """
    rank = [max(4, n // share) for n in grid.shape[:2]] + [materials]
    omega0 = [max(4.0, speed * n / 128) for n in grid.shape[:2]] + [OMEGA_BANDS]
    options = {"head": "softplus", "rank": rank, "depth": 3, "omega0": omega0}
    assert isinstance(term.fidelity, noise.Noise)
    y = term.y[term.trusted]
    precision = term.fidelity.least_squares(y)[1].mean()
    weight = variation * float(precision * (0.01 * y.max()) ** 2)
    classical: dict[str, Callable[[Problem], Solution]] = {"GAP-TV": gap_tv, "ADMM-TV": admm_tv}
    return Suggestion(prior="separable", options=options, regularizers=(weight * BandTotalVariation(grid),), steps=1500,
                      stopping=stopping, baselines=classical, figure=spectral_figure, write=write_cube)  # fmt: skip


# --- what is measured -------------------------------------------------------------------------------------------------


def _wavelengths(bands: int) -> Tensor:
    """The TSA camera's 28 bands, else as many evenly between 450 and 650 nm."""
    if bands < 1:
        raise ValueError(f"cassi: bands={bands} must be at least 1.")
    if bands == len(TSA_WAVELENGTHS):
        return torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    return 450 + 200 * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands


def _blur(width: float | None, learnt: bool) -> nn.Module | float | None:
    return Width(0.5 if width is None else width) if learnt else width


class Width(nn.Module):
    """One width (px) for all wavelengths, learnt, not negative."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width = nn.Parameter(torch.tensor(float(width)))

    def forward(self, wavelengths: Tensor) -> Tensor:
        return self.width.abs().to(wavelengths).expand_as(wavelengths)


def _noisy(mean: Tensor, level: float, full_well: float | None, readout: float, efficiency: float,
           seed: int) -> tuple[Tensor, noise.Noise]:  # fmt: skip
    top, generator = float(mean.max()), torch.Generator().manual_seed(seed)
    if full_well is not None:
        model = noise.Sensor(full_well / top, readout, efficiency)
        return model.sample(mean, generator), model
    if level == 0:
        return mean, noise.Gaussian(1e-3 * top)  # without noise: what a 10-bit camera would round
    model = noise.Gaussian(level * top)
    return model.sample(mean, generator), model


def _second_camera(kind: SecondCamera, bands: Grid, cube: Tensor, level: float, seed: int) -> Term:
    """What a camera behind a beam splitter sees of the same scene, pixel on pixel."""
    low, high = bands.box.lower[2], bands.box.upper[2]
    knots = torch.arange(low, high + 1, 5.0, dtype=torch.float64)
    curves = camera_curves(knots) if kind == "rgb" else torch.ones_like(knots)
    space = Grid(Box(bands.box.lower[:2], bands.box.upper[:2], bands.box.units[:2]), bands.shape[:2])
    camera = SpectralResponse(knots, curves, space, normalized=True).on(bands)
    y, fidelity = _noisy(camera.flatten(camera.map(cube)), level, None, 0.0, 0.0, seed + 10**6)
    return Term(camera, y, fidelity)


def first_alone(problem: Problem) -> Solution:
    """GAP-TV of the coded snapshot, which knows nothing of the second camera."""
    return gap_tv(replace(problem, terms=problem.terms[:1]))


def _mask(name: str, variable: str, shape: tuple[int, int], mode: str, reach: float, seed: int) -> Tensor:
    wide = shape[1] + (0 if mode == "single" else round(reach))
    if name == "random":
        return (torch.rand(shape[0], wide, generator=torch.Generator().manual_seed(seed + 1)) < 0.5).float()
    code = torch.from_numpy(read_matlab(name, variable)).float()
    if code.ndim != 2 or code.shape[0] < shape[0] or code.shape[1] < wide:
        raise ValueError(f"{name}: the mask {tuple(code.shape)} is smaller than the scene, ({shape[0]}, {wide}).")
    return code[: shape[0], :wide].contiguous()
