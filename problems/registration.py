"""Deformable registration: the field is a displacement u, and the moving image seen through it is the fixed one.

F(x) ≈ M(x + u(x))        u has one channel an axis, in the box's units        (Wolterink et al. 2022, IDIR)
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from inverse_inr import Field, Grid, Problem, SampledField, Solution, Suggestion, Term, noise, priors, solve
from inverse_inr.fidelity import NCC, Fidelity, LocalNCC
from inverse_inr.io import read_image, write_nifti
from inverse_inr.operators import BendingEnergy, WarpedImage, deform_jacobian
from inverse_inr.problems.images import binned, cropped, grey, load_image
from inverse_inr.stopping import Never

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def register(moving: str = "retina", fixed: str | None = None, *, amplitude: float = 5.0, noise_level: float = 0.01,
             volume: bool = False, slice: int | None = None, bin: int = 1, crop: int | None = None,
             fidelity: Literal["gaussian", "ncc", "local_ncc"] = "gaussian", seed: int = 0) -> Problem:  # fmt: skip
    """Align `moving` to `fixed`, files or examples by name; or, without `fixed`, to itself under a known deformation.

    moving     an image; "mni152" is the T1 template of nilearn at 1 mm. `slice`, `bin` and `crop` are of both images
    volume     take whole volumes rather than a slice
    amplitude  largest displacement of the known deformation, in pixels
    fidelity   "gaussian" (same contrast, noise of `noise_level`), "ncc" (another gain and offset) or "local_ncc"
               (gain and offset that vary)
    Raises ValueError where only one of the images has an affine, or their sizes differ and neither has one.
    """
    values, grid = _load(moving, volume, slice, bin, crop)
    reference = None
    if fixed is None:
        reference = Deformation(grid, amplitude, seed)
        clean = _deformed(values, grid, reference)
        seen = noise.Gaussian(noise_level).sample(clean, torch.Generator().manual_seed(seed))
        frame = grid
    else:
        seen, frame = _load(fixed, volume, slice, bin, crop)
        if grid.affine is None and frame.affine is None and grid.shape != frame.shape:
            raise ValueError(f"register: {moving} has {grid.shape} pixels and {fixed} {frame.shape}, and no affines.")
    operator = WarpedImage(SampledField(values, grid), frame)
    terms = [Term(operator, seen.reshape(-1), _fidelity(fidelity, noise_level, frame))]
    d = frame.ndim
    smooth = {"gaussian": 1.0, "ncc": 1e-4, "local_ncc": 1e-4}[fidelity] * _mean_square(frame)
    suggested = Suggestion(
        prior="siren", options={"omega0": 8.0, "width": 64, "depth": 3, "head": "vector"}, steps=400,
        regularizers=(smooth * BendingEnergy(),), stopping=Never(every=50) if fidelity == "local_ncc" else None,
        figure=_figure, write=_write, baselines={"no registration": unregistered, "TV-L1 flow": optical_flow,
                                                 "B-spline grid": b_spline},
    )  # fmt: skip
    return Problem(terms, frame.box, frame, channels=d, reference=reference, suggested=suggested, average=1)


def _mean_square(grid: Grid) -> float:
    return grid.spacing[0] ** 2


class Deformation:
    """A smooth displacement that vanishes at the faces of the grid's box: sums of low sine modes, (*s, d) -> (*s, d).

    Its largest component is `amplitude` pixels. Three half waves an axis at most, so that it does not fold.
    """

    def __init__(self, grid: Grid, amplitude: float, seed: int = 0, modes: int = 3) -> None:
        generator = torch.Generator().manual_seed(seed)
        d = grid.ndim
        self.lower, self.lengths = torch.tensor(grid.box.lower), torch.tensor(grid.box.lengths)
        self.weights = torch.randn(*[modes] * d, d, generator=generator)
        for k in range(d):  # rougher modes are weaker
            order = torch.arange(1, modes + 1).float().reshape([-1 if j == k else 1 for j in range(d)] + [1])
            self.weights = self.weights / order
        if amplitude:
            largest = self(Grid(grid.box, (24,) * d).points()).abs().amax()
            self.weights = self.weights * amplitude * max(grid.spacing) / largest
        else:
            self.weights = 0 * self.weights

    def __call__(self, points: Tensor) -> Tensor:
        t = (points - self.lower.to(points)) / self.lengths.to(points)
        values: Any = self.weights.to(points)
        lead = points.shape[:-1]
        flat = t.reshape(-1, t.shape[-1])
        order = torch.arange(1, self.weights.shape[0] + 1).to(flat)
        waves = [torch.sin(math.pi * order * flat[:, k : k + 1]) for k in range(flat.shape[1])]
        values = torch.einsum("na,a...->n...", waves[0], values)
        for wave in waves[1:]:
            values = torch.einsum("na,na...->n...", wave, values)
        return values.reshape(*lead, -1)


def _deformed(values: Tensor, grid: Grid, u: Field) -> Tensor:
    """The moving image at x + u(x) by cubic splines: not the multilinear look of the operator that fits it."""
    from scipy.ndimage import map_coordinates

    points = grid.points()
    where = ((points + u(points) - torch.tensor(grid.box.lower)) / torch.tensor(grid.spacing) - 0.5).movedim(-1, 0)
    seen = map_coordinates(values[..., 0].double().numpy(), where.double().numpy(), order=3, mode="constant")
    return torch.from_numpy(seen).to(values.dtype)[..., None]


def _load(image: str, volume: bool, index: int | None, bin: int, crop: int | None) -> tuple[Tensor, Grid]:
    """One channel in [0, 1], in 2-D or 3-D; crop and bin as `load_image`, of volumes along all axes."""
    if image == "mni152":
        values, grid = _mni152()
        if not volume:
            k = grid.shape[2] // 2 if index is None else index
            box = type(grid.box)(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2])
            values, grid = values[:, :, k], Grid(box, grid.shape[:2])
    elif volume:
        values, grid = read_image(image)
    else:
        values, grid = load_image(image, slice=index, bin=bin, crop=crop)
        return grey(values), grid
    if not torch.isfinite(values).all():
        raise ValueError(f"{image} holds NaN or Inf.")
    values = values / max(float(values.max()), 1e-30)
    values, grid = cropped(*binned(values, grid, bin), crop)
    return values.mean(-1, keepdim=True), grid


def _mni152() -> tuple[Tensor, Grid]:
    try:
        from nilearn.datasets import load_mni152_template
    except ImportError:
        raise ImportError("The 'mni152' template comes with nilearn: pip install nilearn. Or name an image.") from None
    import numpy as np

    image: Any = load_mni152_template(resolution=1)
    values = torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32))[..., None]
    box = type(Grid)  # placeholder
    return values, box
