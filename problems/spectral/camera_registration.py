"""A measured snapshot's camera, found before its cube: its mask's place, its blur, its dark light.

First `mask_displacement` finds the mask across the dispersion, without any image. Then a short fit
of a smooth image learns what is left of the shift across the dispersion, magnification, rotation,
the blur, and the light that is not coded. Then all of it is kept: in a long fit the camera strays,
because details of the image make up for a wrong camera. Nothing is learnt along the dispersion:
there a shift of the mask is one of the spectrum. The mask is taken for a rigid plate, so that its
magnification and its rotation across the dispersion tell those along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inverse_inr import Box, Problem, Term, solve
from inverse_inr.operators import CASSI, CassiOnGrid
from inverse_inr.problems.spectral.cassi import suggestion
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.mask_placement import bright_windows, mask_displacement
from inverse_inr.problems.spectral.snapshot import Snapshot
from inverse_inr.ranges import WholeNumber, checked
from inverse_inr.stopping import HeldOut

BLUR = 0.6
"""Standard deviation (px) from which the blur is learnt."""

LINES = 256
"""The most detector lines that the short fit sees: those where the light is."""

STEPS = 400
"""Steps of the short fit."""

RATE = 1e-2
"""Learning rate of the camera's numbers: pixels, and light in the unit of the scene."""

LOW = 0.005
"""Fraction of the pixels that may be darker than the first guess of light that is not coded."""


@checked
@dataclass(frozen=True, eq=False)
class Registration:
    """A camera as a snapshot shows it.

    Args:
        camera: The camera with its mask in its place and its blur. Nothing of it is learnt.
        background: Light that the mask does not code, in the unit of the snapshot.
        displacement: (3,) how far the mask lies across the dispersion, in pixels downwards (to the
            right where the dispersion is vertical): in the middle, how much more at the edge across
            the dispersion, and how much more at the edge along it.
        blur: Standard deviation in pixels of the blur behind the mask; 0 for none.
    """

    camera: CASSI
    background: float
    displacement: Tensor
    blur: float


@checked
def registered(
    seen: Snapshot,
    *,
    blur: float | None = None,
    background: float | None = None,
    seed: WholeNumber = 0,
) -> Registration | None:
    """Find a snapshot's camera.

    Args:
        seen: The snapshot, and the camera as filed.
        blur: Standard deviation in pixels where it is known; None to find it.
        background: Light that is not coded where it is known, in the snapshot's unit; None to find
            it.
        seed: Of the pixels left out of local fits, and of the image's start.

    Returns:
        The camera; None where no part of the snapshot is large and bright enough to tell.
    """
    axis = seen.camera.axis
    y = seen.dispersed_last(seen.y)
    mask = seen.dispersed_last(seen.camera.mask)
    trusted = seen.dispersed_last(seen.trusted)
    if not bright_windows(torch.where(trusted, y, 0), trusted):
        return None
    start = mask_displacement(y, mask, y.shape[1] - mask.shape[1], trusted, seed)
    unit = seen.top / float(seen.coded.max())
    dark = background
    if dark is None:
        dark = _first_guess(seen)
    lines = _bright_lines(torch.where(trusted, y, 0), LINES)
    camera = RigidMask(seen.camera, lines, start, blur)
    on_grid = WithBackground(camera, dark / unit, learnt=background is None)
    kept = (lines, slice(None))
    if axis == 0:
        kept = (slice(None), lines)
    part = (seen.y[kept] / unit).nan_to_num(0.0, 0.0, 0.0)
    good = seen.trusted[kept]
    model = shot_noise(part, good, seen.coded_bands[kept])
    term = Term(on_grid, part.flatten(), model, rows=good.flatten().nonzero()[:, 0])
    suggested = suggestion(term, camera.bands, HeldOut())
    problem = Problem([term], camera.box, camera.bands, suggested=suggested, average=1)
    found = solve(problem, steps=STEPS, operator_lr=RATE, seed=seed, callbacks=[])
    learnt = found.problem.terms[0].operator
    assert isinstance(learnt, WithBackground)
    assert isinstance(learnt.camera, RigidMask)
    if background is None:
        dark = max(0.0, float(learnt.background.detach()) * unit)
    return learnt.camera.kept(seen.camera, dark)


class RigidMask(CASSI):
    """A camera that learns where its mask lies: across the dispersion, magnified and turned.

    The mask is interpolated by cubics. Bilinear interpolation blurs it between whole pixels, and
    the fit would take that for a place.

    Args:
        filed: The camera as filed.
        lines: The detector lines that are looked at.
        start: (3,) displacement from which to learn, as in `Registration`.
        blur: Standard deviation in pixels where it is known; None to learn it.
    """

    def __init__(self, filed: CASSI, lines: slice, start: Tensor, blur: float | None) -> None:
        axis = filed.axis
        kept = (lines, slice(None))
        if axis == 0:
            kept = (slice(None), lines)
        part = filed.mask[kept]
        low, high = filed.box.lower[2], filed.box.upper[2]
        box = Box((0.0, 0.0, low), (*map(float, part.shape), high), filed.box.units)
        psf: float | Tensor | None = blur or None
        if blur is None:
            psf = nn.Parameter(torch.tensor(BLUR))
        super().__init__(
            box, part, filed.wavelengths, filed.dispersion, axis=axis, psf=psf, width=filed.sizes[2]
        )
        self.whole = nn.Buffer(filed.mask.detach().clone())
        self.lines = kept
        shift, grown, turned = start.tolist()
        self.shift = nn.Parameter(torch.tensor(shift))
        self.grown = nn.Parameter(torch.tensor(grown))
        self.turned = nn.Parameter(torch.tensor(turned))

    def placed(self, lines: tuple[slice, slice] = (slice(None), slice(None))) -> Tensor:
        """Return the whole mask where it lies, or a part of it.

        Args:
            lines: The part, along both image axes.
        """
        mask = self.whole
        height, width = mask.shape
        half = (height / 2, width / 2)
        i, j = (torch.arange(n, dtype=mask.dtype, device=mask.device) for n in mask.shape)
        i = i[lines[0], None] - (height - 1) / 2
        j = j[None, lines[1]] - (width - 1) / 2
        # a turn moves the edge of one axis to one side, and that of the other axis to the other
        angle = -self.turned / half[1]
        if self.axis == 1:
            i = i - self.shift
        else:
            j = j - self.shift
            angle = self.turned / half[0]
        scale = 1 + self.grown / half[1 - self.axis]
        across = (i * angle.cos() + j * angle.sin()) / scale
        along = (j * angle.cos() - i * angle.sin()) / scale
        return cubic(mask, across + (height - 1) / 2, along + (width - 1) / 2).clamp(min=0)

    def codes(self) -> Tensor:
        """Return the part of the mask that is looked at, (1, 1, across, along)."""
        part = self.placed(self.lines)[None, None]
        if self.axis == 1:
            return part
        return part.transpose(-1, -2)

    @torch.no_grad()
    def kept(self, filed: CASSI, background: float) -> Registration:
        """Return what was learnt, of which nothing is learnt any more.

        Args:
            filed: The camera as filed.
            background: Light that is not coded, in the unit of the snapshot.
        """
        blur = 0.0
        if self.psf is not None:
            assert isinstance(self.psf, Tensor)
            blur = float(self.psf)
        camera = CASSI(
            filed.box,
            self.placed(),
            filed.wavelengths,
            filed.dispersion,
            axis=filed.axis,
            psf=blur or None,
            width=filed.sizes[2],
        )
        displacement = torch.stack([self.shift, self.grown, self.turned]).detach().double()
        return Registration(camera, background, displacement, blur)


class WithBackground(CassiOnGrid):
    """A camera of a sampled cube, and light on its detector that the mask does not code.

    Args:
        camera: The camera.
        background: Light on every pixel, in the unit of the measurements.
        learnt: Whether it is learnt.
    """

    def __init__(self, camera: CASSI, background: float, *, learnt: bool) -> None:
        super().__init__(camera)
        self.background = nn.Parameter(torch.tensor(float(background)), requires_grad=learnt)

    def snapshot(self, cube: Tensor) -> Tensor:
        """Return what the detector sees of a cube (H, W, L): (H, W)."""
        return super().snapshot(cube) + self.background


def cubic(image: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Interpolate an image by cubics that keep straight lines straight; its edges go on.

    PyTorch's bicubic interpolation moves a ramp by up to 0.05 px.

    Args:
        image: (H, W).
        i: Places along the first axis, in pixels.
        j: Places along the second axis, in pixels, of the same shape.

    Returns:
        Values of the shape of i.

    Source:
        Keys (1981), with a = -1/2.
    """
    rows, row_taps = _taps(i, image.shape[0])
    columns, column_taps = _taps(j, image.shape[1])
    total = torch.zeros_like(i)
    for row, a in zip(rows, row_taps, strict=True):
        for column, b in zip(columns, column_taps, strict=True):
            total = total + a * b * image[row, column]
    return total


def _taps(at: Tensor, count: int) -> tuple[list[Tensor], list[Tensor]]:
    """The four pixels around each place, and their weights."""
    whole = at.detach().floor()
    t = at - whole
    weights = [
        0.5 * t * (t * (2 - t) - 1),
        0.5 * (t.square() * (3 * t - 5) + 2),
        0.5 * t * (t * (4 - 3 * t) + 1),
        0.5 * t.square() * (t - 1),
    ]
    return [(whole.long() + k).clamp(0, count - 1) for k in (-1, 0, 1, 2)], weights


def _first_guess(seen: Snapshot) -> float:
    """Light that is not coded: no more than the darkest places show, nor than a grey scene says."""
    y = torch.where(seen.trusted, seen.y, float("inf"))
    dark = torch.nn.functional.avg_pool2d(y[None], 3, 1)[0].flatten()
    dark = dark[torch.isfinite(dark)]
    grey = uncoded_light(seen.y[seen.trusted], seen.coded[seen.trusted])
    if not len(dark):
        return grey
    return max(0.0, min(grey, float(dark.sort().values[int(LOW * len(dark))])))


def _bright_lines(y: Tensor, count: int) -> slice:
    """The `count` lines next to each other with the most light."""
    light = y.double().sum(1)
    if len(light) <= count:
        return slice(0, len(light))
    sums = torch.cat([light.new_zeros(1), light.cumsum(0)])
    first = int((sums[count:] - sums[:-count]).argmax())
    return slice(first, first + count)
