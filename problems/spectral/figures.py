"""Figures of spectral cubes: colours as an eye sees them, a few bands, spectra of a few places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, sample
from inverse_inr.io import write_png
from inverse_inr.io.files import atomic_write
from inverse_inr.operators import render_srgb
from inverse_inr.ranges import checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@checked
def colours_of(cube: Tensor, grid: Grid) -> Tensor:
    """Return the colours of radiances, with the brightest 0.5 % shown as white.

    Args:
        cube: (H, W, L) radiances.
        grid: (H, W, L); its last axis is the wavelength in nm.

    Returns:
        (H, W, 3) sRGB in [0, 1].
    """
    return render_srgb(cube, grid.axes(torch.float64)[-1])


@checked
def spectral_figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw a column for the truth and for every solution: colours, four bands, spectra of 3 places.

    If there is a truth, an error map |f - truth| stands under each band, on one scale for all
    methods and bands.

    Args:
        problem: Its grid is (H, W, L), with the wavelength in nm.
        solutions: The methods to compare, of one channel.
    """
    from matplotlib.figure import Figure

    grid = problem.grid
    truth = None
    cubes = {s.method: s.sample()[..., 0] for s in solutions}
    if problem.reference is not None:
        truth = sample(problem.reference, grid, average=problem.average)[..., 0].nan_to_num(0.0)
        cubes = {"truth": truth} | cubes
    centers = grid.axes(torch.float64)[-1]
    chosen = [round(f * (grid.shape[2] - 1)) for f in (0.1, 0.37, 0.63, 0.9)]
    each = 1  # panels per band
    if truth is not None:
        each = 2
    rows = 2 + each * len(chosen)
    figure = Figure(figsize=(2.0 * (len(cubes) + 1.4), 1.73 * rows), layout="compressed")
    panels = figure.subplots(rows, len(cubes), squeeze=False)
    first = next(iter(cubes.values()))
    worst = 0.25 * float(first.flatten()[: 2**24].quantile(0.995))
    for column, (name, cube) in zip(panels.T, cubes.items(), strict=True):
        column[0].imshow(colours_of(cube, grid).numpy())
        column[0].set_title(name, fontsize="medium")
        for axes, band in zip(column[1:-1:each], chosen, strict=True):
            top = float(first[..., band].flatten()[: 2**24].quantile(0.995))
            axes.imshow(cube[..., band].numpy(), cmap="gray", vmin=0, vmax=max(top, 1e-12))
            if name == next(iter(cubes)):
                axes.set_ylabel(f"{float(centers[band]):.0f} nm")
        if cube is truth:
            _error_scale(column[2:-1:2], worst)
        elif truth is not None:
            _errors(column[2:-1:2], (cube - truth).abs(), chosen, worst)
        for axes in column[:-1]:
            axes.set(xticks=[], yticks=[])
        _spectra(column[0], column[-1], centers, first, cube)
    return figure


def _spectra(image: Axes, below: Axes, centers: Tensor, first: Tensor, cube: Tensor) -> None:
    """Mark three places on an image, and draw their spectra below; those of `first` are dashed."""
    for (i, j), color in zip(_places(first), ("tab:red", "tab:green", "tab:blue"), strict=True):
        image.plot(j, i, "o", color=color, ms=4, mec="white")
        below.plot(centers, first[i, j], color=color, lw=0.8, ls="--")
        below.plot(centers, cube[i, j], color=color, lw=1.2)
    below.set_xlabel("nm", fontsize="small")
    below.tick_params(labelsize="x-small")


def _error_scale(panels: Sequence[Axes], worst: float) -> None:
    """The truth has no errors: say instead how the maps of the others are scaled."""
    for axes in panels:
        axes.set_frame_on(False)
        axes.text(
            0.95,
            0.5,
            f"error, 0 to {worst:.2g}",
            fontsize="x-small",
            ha="right",
            transform=axes.transAxes,
        )


def _errors(panels: Sequence[Axes], error: Tensor, bands: Sequence[int], worst: float) -> None:
    """Error maps of some bands, from black (0) to white (`worst` or more), and their rms."""
    for axes, band in zip(panels, bands, strict=True):
        axes.imshow(error[..., band].numpy(), cmap="magma", vmin=0, vmax=max(worst, 1e-12))
        axes.set_xlabel(
            f"rms {float(error[..., band].square().mean().sqrt()):.3f}",
            fontsize="x-small",
            labelpad=1,
        )


def _places(cube: Tensor) -> list[tuple[int, int]]:
    """Three places of unlike spectra: the brightest in the blue, the green and the red third."""
    third = max(1, cube.shape[2] // 3)
    total = cube.mean(-1).clamp(min=0.2 * float(cube.max()))
    found = []
    for k in range(3):
        share = cube[..., k * third : (k + 1) * third].mean(-1) / total
        at = int(share.argmax())
        found.append((at // cube.shape[1], at % cube.shape[1]))
    return found


@checked
def write_cube(solution: Solution, folder: Path) -> list[Path]:
    """Write cube.mat, (H, W, L) with its wavelengths in nm, and colours.png.

    Args:
        solution: A cube of one channel on its problem's grid.
        folder: An existing folder.

    Returns:
        The two files.
    """
    from scipy.io import savemat

    cube = solution.sample()[..., 0]
    grid = solution.problem.grid
    centers = grid.axes(torch.float64)[-1]
    path = folder / "cube.mat"
    colours = folder / "colours.png"
    with atomic_write(path) as temporary:
        savemat(
            temporary,
            {"cube": cube.numpy(), "wavelengths_nm": centers.numpy()},
            do_compression=True,
        )
    space = Grid(Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2]), grid.shape[:2])
    write_png(colours, colours_of(cube, grid).float(), space, value_range=(0, 1))
    return [path, colours]
