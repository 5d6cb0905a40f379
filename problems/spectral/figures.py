"""Figures of spectral cubes: colours as an eye would see them, a few bands, spectra of a few places."""

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def colours_of(cube: Tensor, grid: Grid) -> Tensor:
    """(H, W, L) radiances -> (H, W, 3) sRGB, white the brightest 0.5 %."""
    return render_srgb(cube, grid.axes(torch.float64)[-1])


def spectral_figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """A column for the truth and for every solution: its colours, four bands, and spectra of three places.

    Where there is a truth, an error map |f - truth| stands under each band, on one scale for all methods and bands.
    """
    from matplotlib.figure import Figure

    grid, truth = problem.grid, None
    cubes = {s.method: s.sample()[..., 0] for s in solutions}
    if problem.reference is not None:
        truth = sample(problem.reference, grid, average=problem.average)[..., 0]
        cubes = {"truth": truth} | cubes
    centers = grid.axes(torch.float64)[-1]
    chosen = [round(f * (grid.shape[2] - 1)) for f in (0.1, 0.37, 0.63, 0.9)]
    each = 1 if truth is None else 2
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
        if truth is not None:
            _errors(column[2:-1:2], None if cube is truth else (cube - truth).abs(), chosen, worst)
        for axes in column[:-1]:
            axes.set(xticks=[], yticks=[])
        for (i, j), color in zip(_places(first), ("tab:red", "tab:green", "tab:blue"), strict=True):
            column[0].plot(j, i, "o", color=color, ms=4, mec="white")
            column[-1].plot(centers, first[i, j], color=color, lw=0.8, ls="--")
            column[-1].plot(centers, cube[i, j], color=color, lw=1.2)
        column[-1].set_xlabel("nm", fontsize="small")
        column[-1].tick_params(labelsize="x-small")
    return figure


def _errors(
    panels: Sequence[Axes], error: Tensor | None, bands: Sequence[int], worst: float
) -> None:
    """Error maps of some bands, from black (0) to white (`worst` or more), and their rms; the truth has none."""
    for axes, band in zip(panels, bands, strict=True):
        if error is None:
            axes.set_frame_on(False)
            axes.text(
                0.95,
                0.5,
                f"error, 0 to {worst:.2g}",
                fontsize="x-small",
                ha="right",
                transform=axes.transAxes,
            )
            continue
        axes.imshow(error[..., band].numpy(), cmap="magma", vmin=0, vmax=max(worst, 1e-12))
        axes.set_xlabel(
            f"rms {float(error[..., band].square().mean().sqrt()):.3f}",
            fontsize="x-small",
            labelpad=1,
        )


def _places(cube: Tensor) -> list[tuple[int, int]]:
    """Three places of unlike spectra: the brightest in the blue, the green and the red third."""
    third = max(1, cube.shape[2] // 3)
    found = []
    for k in range(3):
        share = cube[..., k * third : (k + 1) * third].mean(-1) / cube.mean(-1).clamp(
            min=0.2 * float(cube.max())
        )
        at = int(share.argmax())
        found.append((at // cube.shape[1], at % cube.shape[1]))
    return found


def write_cube(solution: Solution, folder: Path) -> list[Path]:
    """cube.mat (H, W, L) with its wavelengths in nm, and colours.png."""
    from scipy.io import savemat

    cube, grid = solution.sample()[..., 0], solution.problem.grid
    centers = grid.axes(torch.float64)[-1]
    path, colours = folder / "cube.mat", folder / "colours.png"
    with atomic_write(path) as temporary:
        savemat(
            temporary,
            {"cube": cube.numpy(), "wavelengths_nm": centers.numpy()},
            do_compression=True,
        )
    space = Grid(Box(grid.box.lower[:2], grid.box.upper[:2], grid.box.units[:2]), grid.shape[:2])
    write_png(colours, colours_of(cube, grid).float(), space, value_range=(0, 1))
    return [path, colours]
