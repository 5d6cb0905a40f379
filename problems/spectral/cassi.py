"""Coded-aperture snapshot spectral imaging: a cube from one simulated monochrome exposure.

    y = A(f_θ) + noise,     f(x, y, λ), A: mask, disperse, sum (operators.CASSI)

Space is in pixels, wavelengths in nm. `cassi_real` is the same problem with a measured snapshot.
The scene is simulated at the camera's own bands, as every published table does. That is an inverse
crime; `SpectralScene` has a truth between the bands to judge by.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
    memory,
    noise,
)
from inverse_inr.operators import (
    CASSI,
    BandTotalVariation,
    CassiOnGrid,
    Placement,
)
from inverse_inr.operators.spectral.dispersion import TSA_WAVELENGTHS, Scaled, steps
from inverse_inr.problems.spectral.data import is_cube, mask_file, photograph, scene_cube
from inverse_inr.problems.spectral.figures import spectral_figure, write_cube
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.instrument import Alignment, Detector, Optics
from inverse_inr.problems.spectral.refinement import HARDLY_ANY_NOISE, fitted_and_refined
from inverse_inr.problems.spectral.scenes import Reflectances, SpectralScene, spectral_scene
from inverse_inr.problems.spectral.second_camera import SecondCamera, first_alone, second_camera
from inverse_inr.ranges import Count, NonNegative, WholeNumber, checked
from inverse_inr.stopping import HeldOut

CALIBRATION_RATE = 3e-3
"""Adam's rate for a mask's shift (px) and a dispersion's scale: 0.6 px in a few hundred steps."""

SPEED = 7.0
"""omega0 of a separable prior's spatial factors on 128 pixels: how fast their sines are."""

RANK_BANDS = 4
"""Spectral rank of a separable prior: the number of materials that it can tell apart."""

OMEGA_BANDS = 6.0
"""omega0 of the spectral factor for 28 bands. Measured spectra have steps; fewer bands hold slower
ones."""

VARIATION = 15.0
"""Weight of the bands' total variation where the noise is 1 % of the brightest pixel."""


@checked
def cassi(
    scene: str = "astronaut",
    *,
    size: Count = 128,
    bands: Count = 28,
    reflectances: Reflectances = "pigments",
    variable: str | None = None,
    optics: Optics = Optics(),
    alignment: Alignment = Alignment(),
    detector: Detector = Detector(),
    second: SecondCamera | None = None,
    seed: WholeNumber = 0,
) -> Problem:
    """Simulate a snapshot of a generated spectral scene, or of a cube from a file.

    Args:
        scene: "astronaut", "coffee", "cat" ... (`images.EXAMPLES`), or an RGB image file, coloured
            by `reflectances`. Or a cube (H, W, L): "indian_pines", any file that `io.read_cube`
            reads, or a scene of a published folder, "TSA_simu_data:3" (spectral/data.py).
        size: Pixels per axis of a generated scene, and the most of a cube.
        bands: Number of bands, to which a cube is brought.
        reflectances: Materials of a generated scene, "pigments" or "colorchecker".
        variable: Name of the cube in a file.
        optics: Mask and disperser.
        alignment: Their true place, and what the model knows of it.
        detector: The noise.
        second: Another camera that sees the scene without mask and disperser, all wavelengths alike
            ("panchromatic") or in three colours ("rgb"). It is a second term, with the detector's
            `noise_level` relative to its own largest value.
        seed: Of a random mask and of the noise.

    Detector pixels that see a place of a cube where nothing was measured are not trusted, and no
    metric counts these places: the truth is NaN there.

    Raises:
        ValueError: If every detector pixel sees such a place, or the cube has too few bands.

    Source:
        Wang et al. (2015) for the second camera (dual-camera CASSI).
    """
    wavelengths = band_centres(bands)
    if not is_cube(scene):  # 24 materials, and the cube a few times
        memory.require(f"cassi: size={size}, bands={bands}", size**2 * (800.0 + 16.0 * bands))
    values = None
    shape = (size, size)
    notes: dict[str, Any] = {}
    if is_cube(scene):
        values, notes = scene_cube(scene, variable, wavelengths, size)
        shape = (values.shape[0], values.shape[1])
    box = Box((0.0, 0.0, 450.0), (*map(float, shape), 650.0), ("px", "px", "nm"))
    code = optics.code(_calibrated_mask(scene, optics), shape, bands, seed)
    true, model = _cameras(box, code, wavelengths, optics, alignment)
    truth: SpectralScene | SampledField
    if values is None:
        truth = spectral_scene(photograph(scene, size), box, reflectances=reflectances)
    else:
        truth = SampledField(values[..., None], true.bands)
    cube = truth.sample(true.bands)[..., 0]
    unknown = torch.isnan(cube)
    cube = cube.nan_to_num(0.0)
    rows = None
    if bool(unknown.any()):
        rows = _known_rows(true.on(true.bands), unknown)
        notes["no data"] = (
            f"{int(unknown.sum())} of {unknown.numel()} values of the cube; "
            f"{len(true) - len(rows)} of {len(true)} detector pixels see them and are not trusted"
        )
    y, fidelity = detector.measured(true.on(true.bands).snapshot(cube).reshape(-1), seed)
    terms = [Term(model.on(true.bands), y, fidelity, rows=rows)]
    suggested = replace(suggestion(terms[0], true.bands), operator_lr=CALIBRATION_RATE)
    if detector.full_well is None and detector.noise_level < HARDLY_ANY_NOISE:
        # a refinement explains pixels one by one: blocks that it cannot see would speak against it
        suggested = replace(
            suggested,
            stopping=HeldOut(),
            baselines=suggested.baselines | {"separable + GAP": fitted_and_refined},
        )
    if second is not None:
        other = second_camera(second, true.bands, cube, Detector(detector.noise_level), seed)
        if rows is not None:
            whole = unknown.any(-1).flatten()
            other = replace(other, rows=(~whole).nonzero()[:, 0])
        terms.append(other)
        suggested = replace(suggested, baselines={"GAP-TV": first_alone, "CGLS": baselines.cgls})
    return Problem(
        terms, box, true.bands, reference=truth, suggested=suggested, notes=notes, average=1
    )


def _known_rows(camera: CassiOnGrid, unknown: Tensor) -> Tensor:
    """The detector pixels that no unknown value of the scene lights, whatever the mask."""
    touched = copy.deepcopy(camera)
    with torch.no_grad():
        touched.camera.mask.fill_(1.0)
        lit = touched.snapshot(unknown.float()).flatten() > 0
    if bool(lit.all()):
        raise ValueError(
            "cassi: every detector pixel sees a place of the cube where nothing was measured. "
            "Crop the cube, or leave out its bands without data."
        )
    return (~lit).nonzero()[:, 0]


def _calibrated_mask(scene: str, optics: Optics) -> str | None:
    """The mask.mat of a published folder, if the optics name no other mask."""
    file = mask_file(scene)
    if optics.mask is not None or file is None:
        return None
    return str(file)


def _cameras(
    box: Box, code: Tensor, wavelengths: Tensor, optics: Optics, alignment: Alignment
) -> tuple[CASSI, CASSI]:
    """The camera that measures, and the camera that the model takes it for."""
    nominal = steps(wavelengths, optics.step)
    scale = float(alignment.dispersion_scale)
    width = None
    if optics.mode == "single":
        # a detector with room for the dispersion as it is and as it may be learnt
        room = math.ceil(optics.reach(len(wavelengths)) * max(1.0, scale) - 1e-6)
        if alignment.calibration == "learnt":
            room += 1
        width = round(box.lengths[optics.axis]) + room

    def camera(shift: Tensor | None, law: Callable[[Tensor], Tensor]) -> CASSI:
        return CASSI(
            box,
            code,
            wavelengths,
            law,
            optics.mode,
            optics.axis,
            placement=Placement(shift),
            width=width,
        )

    shift = None
    if any(alignment.mask_shift):
        shift = torch.tensor(alignment.mask_shift)
    law: Callable[[Tensor], Tensor] = nominal
    if scale != 1:
        law = Scaled(nominal, scale)
    true = camera(shift, law)
    if alignment.calibration == "true":
        return true, true
    if alignment.calibration == "nominal":
        return true, camera(None, nominal)
    learnt = Scaled(nominal, nn.Parameter(torch.ones(())))
    return true, camera(nn.Parameter(torch.zeros(2)), learnt)


@checked
def suggestion(
    term: Term, grid: Grid, stopping: HeldOut | None = None, *, variation: NonNegative = VARIATION
) -> Suggestion:
    """Suggest a separable prior, a penalty on the bands' edges, and the classical methods.

    The prior's rank is a quarter of the pixels, and its sines have `SPEED` on 128 pixels, which is
    0.14 of the pixels' Nyquist frequency per axis. Bands share their edges. The weight of that
    penalty, relative to the data term, is what 1 % noise asks for, however little noise there is:
    misfit beyond the noise then comes from the prior.

    Args:
        term: The snapshot, whose fidelity is a noise model.
        grid: (H, W, L) of the cube.
        stopping: The rule that ends a fit; by default blocks of pixels are held out, because single
            pixels rank cubes wrongly (docs/spectral.md).
        variation: Weight of the bands' total variation, in the unit of `VARIATION`.
    """
    assert isinstance(term.fidelity, noise.Noise)
    y = term.y[term.trusted]
    precision = term.fidelity.least_squares(y)[1].mean()
    weight = variation * float(precision * (0.01 * y.max()) ** 2)
    classical: dict[str, Callable[[Problem], Solution]] = {"GAP-TV": gap_tv, "ADMM-TV": admm_tv}
    return Suggestion(
        prior="separable",
        options=_separable_options(grid),
        regularizers=(weight * BandTotalVariation(grid),),
        steps=1500,
        stopping=stopping or HeldOut(together=True),
        baselines=classical,
        figure=spectral_figure,
        write=write_cube,
    )


def _separable_options(grid: Grid) -> dict[str, Any]:
    height, width, bands = grid.shape
    omega0 = [max(4.0, SPEED * n / 128) for n in (height, width)]
    omega0.append(max(1.0, OMEGA_BANDS * bands / 28))
    options: dict[str, Any] = {
        "head": "softplus",
        "rank": [max(4, height // 4), max(4, width // 4), RANK_BANDS],
        "depth": 3,
        "omega0": omega0,
    }
    if bands > 1:  # nothing is measured between the bands, and there the sines would swing
        options["knots"] = grid.axes(torch.float64)[2].tolist()
    return options


# --- what is measured -----------------------------------------------------------------------------


@checked
def band_centres(bands: Count) -> Tensor:
    """Return the TSA camera's 28 bands, or another number spread evenly between 450 and 650 nm.

    Args:
        bands: Their number.

    Returns:
        (bands,) in nm, float64.
    """
    memory.require(f"cassi: bands={bands}", 64.0 * bands)
    if bands == len(TSA_WAVELENGTHS):
        return torch.tensor(TSA_WAVELENGTHS, dtype=torch.float64)
    return 450 + 200 * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands
