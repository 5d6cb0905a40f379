"""Coded-aperture snapshot spectral imaging: a cube from one monochrome exposure, simulated or measured.

    y = A(f_θ) + noise,     f(x, y, λ), A: mask, disperse, sum (operators.CASSI)

Space is in pixels, wavelengths in nm. The scene is simulated at the camera's own bands, as every published table does:
that is an inverse crime, and `SpectralScene` has a truth between the bands to judge by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    baselines,
    noise,
)
from inverse_inr.operators import CASSI, BandTotalVariation, Placement, SpectralResponse
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS, Scaled, steps
from inverse_inr.problems.spectral.data import is_cube, mask_file, photograph, scene_cube
from inverse_inr.problems.spectral.figures import spectral_figure, write_cube
from inverse_inr.problems.spectral.from_colours import camera_curves
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.instrument import Alignment, Detector, Optics
from inverse_inr.problems.spectral.refinement import HARDLY_ANY_NOISE, fitted_and_refined
from inverse_inr.problems.spectral.scenes import Reflectances, spectral_scene
from inverse_inr.stopping import HeldOut

SecondCamera = Literal["panchromatic", "rgb"]
CALIBRATION_RATE = 3e-3
"""Adam's step for a mask's shift (px) and a dispersion's scale: 0.6 px in a few hundred steps."""
SPEED, RANK_BANDS, OMEGA_BANDS = 7.0, 4, 6.0
"""How fast a separable prior's sines of space are, materials it can tell apart, and how fast spectra may turn in 28
bands: measured ones have steps. Fewer bands hold slower ones."""
VARIATION = 15.0
"""Weight of the bands' total variation where the noise is 1 % of the brightest pixel."""


def cassi(
    scene: str = "astronaut",
    *,
    size: int = 128,
    bands: int = 28,
    reflectances: Reflectances = "pigments",
    variable: str | None = None,
    optics: Optics = Optics(),
    alignment: Alignment = Alignment(),
    detector: Detector = Detector(),
    second: SecondCamera | None = None,
    seed: int = 0,
) -> Problem:
    """A simulated snapshot of a generated spectral scene, or of a cube from a file.

    scene      "astronaut", "coffee", "cat" ... (`images.EXAMPLES`), or an RGB image file, coloured
               by `reflectances`; or a cube (H, W, L): "indian_pines", any file that `io.read_cube`
               reads, `variable` in it, or a scene of a published folder, "TSA_simu_data:3"
               (`spectral_data`); brought to `bands` bands
    optics     mask and disperser; `alignment` says where they really are and what the model knows
               of it
    detector   its noise
    second     dual-camera CASSI (Wang et al. 2015): another camera sees the scene without mask and
               disperser, all wavelengths alike ("panchromatic") or in three colours ("rgb"), with
               the detector's `noise_level` of its own largest value; a second term
    """
    wavelengths = band_centres(bands)
    values = scene_cube(scene, variable, wavelengths, size) if is_cube(scene) else None
    shape = (values.shape[0], values.shape[1]) if values is not None else (size, size)
    box = Box((0.0, 0.0, 450.0), (*map(float, shape), 650.0), ("px", "px", "nm"))
    beside = mask_file(scene) if optics.mask is None else None
    code = optics.code(None if beside is None else str(beside), shape, bands, seed)
    true, model = _cameras(box, code, wavelengths, optics, alignment)
    truth: Any = (
        spectral_scene(photograph(scene, size), box, reflectances=reflectances)
        if values is None
        else None
    )
    truth = truth or SampledField(cast(Tensor, values)[..., None], true.bands)
    mean = true.on(true.bands).snapshot(truth.sample(true.bands)[..., 0]).reshape(-1)
    y, fidelity = detector.measured(mean, seed)
    terms = [Term(model.on(true.bands), y, fidelity)]
    suggested = replace(suggestion(terms[0], true.bands), operator_lr=CALIBRATION_RATE)
    if detector.full_well is None and detector.noise_level < HARDLY_ANY_NOISE:
        more = {"separable + GAP": fitted_and_refined}
        suggested = replace(suggested, baselines=suggested.baselines | more)
    if second is not None:
        level = Detector(detector.noise_level)
        terms.append(
            _second_camera(second, true.bands, truth.sample(true.bands)[..., 0], level, seed)
        )
        suggested = replace(suggested, baselines={"GAP-TV": first_alone, "CGLS": baselines.cgls})
    return Problem(terms, box, true.bands, reference=truth, suggested=suggested, average=1)


def _cameras(
    box: Box, code: Tensor, wavelengths: Tensor, optics: Optics, alignment: Alignment
) -> tuple[CASSI, CASSI]:
    """The camera that measures, and the one that the model takes it for."""
    nominal, scale = steps(wavelengths, optics.step), float(alignment.dispersion_scale)
    learnt = alignment.calibration == "learnt"
    # a detector with room for the dispersion as it is and as it may be learnt
    room = math.ceil(optics.reach(len(wavelengths)) * max(1.0, scale) - 1e-6) + learnt
    width = round(box.lengths[1]) + room if optics.mode == "single" else None

    def camera(shift: Tensor | None, law: Callable[[Tensor], Tensor]) -> CASSI:
        return CASSI(
            box, code, wavelengths, law, optics.mode, placement=Placement(shift), width=width
        )

    shift = torch.tensor(alignment.mask_shift) if any(alignment.mask_shift) else None
    true = camera(shift, nominal if scale == 1 else Scaled(nominal, scale))
    if learnt:
        return true, camera(
            nn.Parameter(torch.zeros(2)), Scaled(nominal, nn.Parameter(torch.ones(())))
        )
    return true, true if alignment.calibration == "true" else camera(None, nominal)


def suggestion(
    term: Term, grid: Grid, stopping: HeldOut | None = None, *, variation: float = VARIATION
) -> Suggestion:
    """Separable prior whose rank is a quarter of the pixels and whose sines have `SPEED` on 128 pixels.

    7 is 0.14 of the pixels' Nyquist frequency an axis. Bands share their edges; that penalty stays where 1 % noise puts
    it beside the data, however little noise there is: what remains unexplained then is the prior's.
    """
    rank = [max(4, n // 4) for n in grid.shape[:2]] + [RANK_BANDS]
    omega0 = [max(4.0, SPEED * n / 128) for n in grid.shape[:2]] + [
        max(1.0, OMEGA_BANDS * grid.shape[2] / 28)
    ]
    options: dict[str, Any] = {"head": "softplus", "rank": rank, "depth": 3, "omega0": omega0}
    if grid.shape[2] > 1:  # nothing is measured between the bands, and there the sines would swing
        options["knots"] = grid.axes(torch.float64)[2].tolist()
    assert isinstance(term.fidelity, noise.Noise)
    y = term.y[term.trusted]
    precision = term.fidelity.least_squares(y)[1].mean()
    weight = variation * float(precision * (0.01 * y.max()) ** 2)
    classical: dict[str, Callable[[Problem], Solution]] = {"GAP-TV": gap_tv, "ADMM-TV": admm_tv}
    return Suggestion(
        prior="separable",
        options=options,
        regularizers=(weight * BandTotalVariation(grid),),
        steps=1500,
        stopping=stopping,
        baselines=classical,
        figure=spectral_figure,
        write=write_cube,
    )


# --- what is measured -------------------------------------------------------------------------------------------------


def band_centres(bands: int) -> Tensor:
    """The TSA camera's 28 bands, else as many evenly between 450 and 650 nm."""
    if bands < 1:
        raise ValueError(f"cassi: bands={bands} must be at least 1.")
    if bands == len(TSA_WAVELENGTHS):
        return torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    return 450 + 200 * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands


def _second_camera(
    kind: SecondCamera, bands: Grid, cube: Tensor, detector: Detector, seed: int
) -> Term:
    """What a camera behind a beam splitter sees of the same scene, pixel on pixel."""
    low, high = bands.box.lower[2], bands.box.upper[2]
    knots = torch.arange(low, high + 1, 5.0, dtype=torch.float64)
    curves = camera_curves(knots) if kind == "rgb" else torch.ones_like(knots)
    space = Grid(
        Box(bands.box.lower[:2], bands.box.upper[:2], bands.box.units[:2]), bands.shape[:2]
    )
    camera = SpectralResponse(knots, curves, space, normalized=True).on(bands)
    y, fidelity = detector.measured(camera.flatten(camera.map(cube)), seed + 10**6)
    return Term(camera, y, fidelity)


def first_alone(problem: Problem) -> Solution:
    """GAP-TV of the coded snapshot, which knows nothing of the second camera."""
    return gap_tv(replace(problem, terms=problem.terms[:1]))
