"""Other people's projectors behind `OnGrid`: ASTRA on the CPU, torch-radon on a GPU.

Both are licensed under the GPL (version 3), optional, and imported when asked for.
`operator.on(grid)` needs neither.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Grid, OnGrid, with_adjoint
from inverse_inr.operators.ct.diverging_beams import FanBeam
from inverse_inr.operators.ct.geometry_exchange import Geometry, to_astra
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.ranges import checked

PARALLEL = ("linear", "line", "strip")
"""ASTRA's projectors for parallel beams; the first is the default."""
FAN = ("line_fanflat", "strip_fanflat")
"""ASTRA's projectors for fan beams; the first is the default."""
RADON_VIEWS = 4096
"""Most views that torch-radon takes: it keeps so many angles in shared memory, without a check."""


@checked
def on_astra(
    operator: ParallelBeam | FanBeam, grid: Grid, *, projector: str | None = None
) -> OnGrid:
    """Project sampled images by ASTRA's CPU projectors.

    The adjoint is ASTRA's backprojection, which is the exact transpose on the CPU. ASTRA computes
    in float32 on the CPU, one channel at a time: other dtypes and devices are converted there and
    back. The geometry is read now: learning it needs the operator itself.

    Args:
        operator: The scan.
        grid: The 2-D grid of the images.
        projector: "linear" (default), "line" or "strip" for ParallelBeam; "line_fanflat" (default)
            or "strip_fanflat" for FanBeam. Strips average over a detector bin, as `operator.on`
            does; that of the fan needs a centred detector. The others are thin rays. All but
            "strip" need square pixels.

    Returns:
        The map, with the operator's rows.

    Raises:
        ImportError: There is no astra-toolbox 2.5 or newer.
        ValueError: The projector, or `to_astra`, cannot express the scan.
        TypeError: The map is given complex images.

    Source:
        van Aarle et al., Opt. Express 24, 2016.
    """
    astra = _astra()
    projection, volume = to_astra(operator, grid)
    kind = _projector(operator, grid, projection, projector)

    def run(direct: Callable[..., object], x: Tensor, shape: tuple[int, ...]) -> Tensor:
        out = torch.zeros(shape, dtype=torch.float32)
        # this takes 0.1 ms; a projector that is kept would die with astra.clear()
        handle = astra.create_projector(kind, projection, volume)
        try:
            direct(handle, x, out=out)
        finally:
            astra.projector.delete(handle)
        return out

    def forward(image: Tensor) -> Tensor:
        return _slices(lambda x: run(astra.projector.direct_FP, x, operator.shape), image)

    def backward(y: Tensor) -> Tensor:
        return _slices(lambda x: run(astra.projector.direct_BP, x, grid.shape), y)

    return OnGrid(with_adjoint(forward, backward), grid, operator.shape)


@checked
def on_torch_radon(operator: ParallelBeam | FanBeam, grid: Grid) -> OnGrid:
    """Project sampled images by torch-radon 1.0, on CUDA tensors only.

    It computes in float32. Its backprojection is driven by pixels and is not the exact transpose of
    its projection, and gradients use it: dot tests hold only roughly, and CG or power iteration may
    stall.

    Args:
        operator: The scan, with a centred detector and at most 4096 views.
        grid: The grid of the images, square with square pixels; the axis of rotation lies in its
            middle.

    Returns:
        The map, with the operator's rows.

    Raises:
        ImportError: The package or its CUDA part is missing.
        ValueError: torch-radon cannot express the scan.
        TypeError: The map is given complex images.

    Source:
        Ronchetti, arXiv 2009.14788.
    """
    module = _torch_radon()
    pixel = _radon_pixel(operator, grid)
    radon = _radon_projector(module, operator, grid, pixel)

    def channels_first(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        # lengths count pixels there and box units here: one factor, in both directions
        if x.ndim == 2:
            return (pixel * call(_real32(x, "torch-radon").contiguous())).to(x)
        y = pixel * call(_real32(x.movedim(-1, 0), "torch-radon").contiguous())
        return y.movedim(0, -1).to(x)

    def forward(image: Tensor) -> Tensor:
        return channels_first(radon.forward, image)

    def backward(y: Tensor) -> Tensor:
        return channels_first(radon.backprojection, y)

    return OnGrid(with_adjoint(forward, backward), grid, operator.shape)


def _radon_projector(
    module: ModuleType, operator: ParallelBeam | FanBeam, grid: Grid, pixel: float
) -> Any:
    """torch-radon's object for the scan, with lengths in pixels."""
    # torch-radon follows ASTRA's angles
    angles = torch.from_numpy(to_astra(operator, grid)[0]["ProjectionAngles"]).float()
    options = {"det_count": operator.shape[1], "det_spacing": operator.pitch / pixel}
    try:
        if isinstance(operator, FanBeam):
            options["det_distance"] = float(operator.detector_distance.detach()) / pixel
            source = float(operator.source_distance.detach()) / pixel
            return module.RadonFanbeam(grid.shape[0], angles, source, **options)
        return module.Radon(grid.shape[0], angles, clip_to_circle=False, **options)
    except NameError as error:
        # its __init__ swallows the failure to load the CUDA part, then misses RaysCfg
        raise ImportError(
            "torch_radon is installed without its CUDA extension: rebuild it for this torch."
        ) from error


def _slices(apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function to each channel of (n, m) or (n, m, c).

    The channels are float32, contiguous and on the CPU, so that ASTRA can link them.
    """
    work = _real32(x, "ASTRA").cpu()
    if x.ndim == 2:
        return apply(work.contiguous()).to(x)
    return torch.stack([apply(part.contiguous()) for part in work.unbind(-1)], -1).to(x)


def _real32(x: Tensor, name: str) -> Tensor:
    if x.is_complex():
        raise TypeError(
            f"{name} projects real images, got {x.dtype}. "
            "Make real and imaginary parts two channels."
        )
    return x.detach().float()


def _projector(
    operator: ParallelBeam | FanBeam, grid: Grid, projection: Geometry, name: str | None
) -> str:
    """The projector's name; ValueError if ASTRA cannot do it.

    With oblong pixels it would not fail, but be wrong by tens of per cent.
    """
    known = PARALLEL
    way_out = "Use projector='strip' or operator.on(grid)."
    if isinstance(operator, FanBeam):
        known = FAN
        way_out = "Use operator.on(grid)."
    if name is None:
        name = known[0]
    if name not in known:
        raise ValueError(
            f"on_astra: {type(operator).__name__} has projectors {', '.join(known)}, not {name!r}."
        )
    if name == "strip_fanflat" and projection["type"] == "fanflat_vec":
        raise ValueError(
            "on_astra: 'strip_fanflat' needs a centred detector; "
            f"center is {_largest(operator.center):.4g}. Use 'line_fanflat'."
        )
    if name != "strip" and not _square(grid):
        raise ValueError(
            f"on_astra: ASTRA's {name!r} needs square pixels; "
            f"those of the grid {grid.shape} are {grid.spacing}. {way_out}"
        )
    return name


def _largest(value: Tensor) -> float:
    """The value farthest from 0, of one for the scan or one for each view."""
    flat = value.detach().reshape(-1)
    return float(flat[flat.abs().argmax()])


def _square(grid: Grid) -> bool:
    return abs(grid.spacing[0] - grid.spacing[1]) <= 1e-6 * max(grid.spacing)


def _radon_pixel(operator: ParallelBeam | FanBeam, grid: Grid) -> float:
    """The pixel's side, once it is sure that torch-radon can express the scan."""
    pixel = grid.spacing[0]
    center = _largest(operator.center)
    offset = [abs(a - b) for a, b in zip(grid.box.center, operator.box.center, strict=True)]
    if grid.shape[0] != grid.shape[1] or not _square(grid):
        raise ValueError(
            "on_torch_radon: images must be square; "
            f"the grid is {grid.shape} of {grid.spacing} pixels."
        )
    if max(offset) > 1e-6 * pixel:
        raise ValueError(
            f"on_torch_radon: the grid's centre lies {max(offset):.4g} off the axis of rotation."
        )
    if center:
        raise ValueError(f"on_torch_radon: the detector must be centred; center is {center:.4g}.")
    if operator.shape[0] > RADON_VIEWS:
        raise ValueError(
            f"on_torch_radon: {operator.shape[0]} views; torch-radon takes {RADON_VIEWS} at most."
        )
    return pixel


def _astra() -> ModuleType:
    hint = 'on_astra needs astra-toolbox 2.5 or newer (GPLv3): pip install "inverse-inr[ct]".'
    try:
        astra = importlib.import_module("astra")
    except ImportError as error:
        raise ImportError(hint) from error
    if not hasattr(astra.projector, "direct_FP"):
        raise ImportError(f"{hint} This is {getattr(astra, '__version__', 'older')}.")
    return astra


def _torch_radon() -> ModuleType:
    try:
        return importlib.import_module("torch_radon")
    except ImportError as error:
        raise ImportError(
            "on_torch_radon needs torch-radon 1.0 (GPLv3), which is not on PyPI and needs CUDA: "
            "clone https://github.com/matteo-ronchetti/torch-radon and run "
            "`python setup.py install` there, for your torch. "
            "operator.on(grid) does the same without it."
        ) from error
