"""The figures of the gallery: each a function of a few seconds, drawn from the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

import inverse_inr as ii
from inverse_inr import baselines, noise, operators, phantoms, plotting, priors
from inverse_inr.problems.ct import ct, filtered_backprojection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS = 100


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list]:
    """A figure without any window, and its axes in a row.

    Args:
        width: In inches.
        height: In inches.
        columns: Number of axes.

    Returns:
        The figure and the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def axes() -> Figure:
    """A grid on its box: where the axes point, and where the centres of pixels lie."""
    grid = ii.Grid(ii.Box((0.0, 0.0), (4.0, 6.0), ("mm", "mm")), (4, 6))
    centres = grid.points()
    figure, (left,) = new_figure(5.2, 3.6)
    left.set_xticks(range(7))
    left.set_yticks(range(5))
    left.grid(color="0.8")
    left.scatter(centres[..., 1], centres[..., 0], s=12, color="#0b4f8a")
    first = centres[0, 0].tolist()
    left.annotate(
        f"pixel (0, 0) at ({first[0]:g}, {first[1]:g})",
        (first[1], first[0]),
        (1.1, 0.95),
        arrowprops={"arrowstyle": "->"},
    )
    left.set(xlim=(0, 6), ylim=(4, 0), aspect="equal")
    left.set_xlabel("x1 in mm: axis 1, columns →")
    left.set_ylabel("← x0 in mm: axis 0, rows")
    return figure


def sinogram() -> Figure:
    """A phantom and its exact, bin-averaged line integrals over half a turn."""
    box = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
    phantom = phantoms.shepp_logan(box)
    beam = operators.ParallelBeam(box, torch.arange(90) * torch.pi / 90, detectors=96)
    lines = phantom.line_integral(*beam.rays(torch.arange(len(beam)), 4)).mean(1)
    figure, (left, right) = new_figure(8.0, 3.6, 2)
    image = ii.sample(phantom, ii.Grid(box, (96, 96)), average=2)
    plotting.image(image, axes=left, value_range=(0, 0.5), title="the field f")
    plotting.measurements(
        lines, beam.shape, labels=("view", "detector bin"), axes=right, title="A(f): 90 views"
    )
    return figure


def reconstructions() -> Figure:
    """Sixteen views of a phantom by three classical methods, and the answer without knobs."""
    problem = ct("shepp_logan", size=48, views=16)
    found = {
        "FBP": filtered_backprojection(problem),
        "CGLS": baselines.cgls(problem),
        "TV": baselines.tv(problem, iterations=100),
        "ii.solve": ii.solve(problem),
    }
    figure, panels = new_figure(11.5, 2.9, 5)
    truth = ii.sample(problem.reference, problem.grid, average=2)
    plotting.image(truth, axes=panels[0], value_range=(0, 0.5), title="truth")
    for panel, (name, solution) in zip(panels[1:], found.items(), strict=True):
        psnr = solution.metrics()["PSNR"]
        title = f"{name}, {psnr:.1f} dB"
        plotting.image(solution.image(), axes=panel, value_range=(0, 0.5), title=title)
    return figure


def bandwidths() -> Figure:
    """Untrained fields of one architecture at three bandwidths."""
    box = ii.Box((0.0, 0.0), (1.0, 1.0), ("cm", "cm"))
    grid = ii.Grid(box, (96, 96))
    figure, panels = new_figure(8.4, 3.2, 3)
    for panel, bandwidth in zip(panels, (4.0, 12.0, 36.0), strict=True):
        field = priors.siren(box, bandwidth=bandwidth, seed=0)
        with torch.no_grad():
            values = ii.sample(field, grid)
        plotting.image(values, axes=panel, title=f"{bandwidth:g} cycles per cm")
    return figure


def kspace_patterns() -> Figure:
    """Where k-space is measured: lines, variable density, spokes and a spiral."""
    figure, panels = new_figure(10.5, 3.2, 4)
    shape = (64, 64)
    masks = {
        "lines, R = 4": operators.line_mask(shape, 4.0, seed=0),
        "variable density, R = 6": operators.variable_density_mask(shape, 6.0, seed=0),
    }
    for panel, (name, mask) in zip(panels, masks.items(), strict=False):
        panel.imshow(mask.numpy(), cmap="gray", extent=(-32, 32, 32, -32))
        panel.set_title(name)
    grid = ii.Grid(ii.Box((0.0, 0.0), (1.0, 1.0), ("cm", "cm")), shape)
    paths = (operators.radial_trajectory(grid, 21), operators.spiral_trajectory(grid, 2))
    for panel, path in zip(panels[2:], paths, strict=True):
        samples = path.reshape(-1, 2)
        panel.plot(samples[:, 1], samples[:, 0], ".", color="#0b4f8a", ms=0.7)
        panel.set(aspect="equal", xlabel="k1 in cycles per cm")
    panels[3].set_title("2 spirals")
    panels[2].set_title("21 spokes, golden angle")
    return figure


def snapshot() -> Figure:
    """A coloured scene through a coded aperture and a prism: one snapshot."""
    wavelengths = torch.linspace(450.0, 650.0, 8)
    box = ii.Box((-0.5, -0.5, 435.0), (47.5, 47.5, 665.0), ("px", "px", "nm"))
    draw = torch.Generator().manual_seed(0)
    mask = (torch.rand(48, 48, generator=draw) > 0.5).float()
    camera = operators.CASSI(box, mask, wavelengths, operators.dispersion.steps(wavelengths, 2.0))

    def scene(points: torch.Tensor) -> torch.Tensor:
        values = torch.zeros(points.shape[:-1])
        for row, column, peak in ((16, 16, 480.0), (16, 34, 550.0), (34, 24, 620.0)):
            near = (points[..., 0] - row).square() + (points[..., 1] - column).square() < 90
            values = values + near * torch.exp(-(((points[..., 2] - peak) / 35) ** 2))
        return values[..., None]

    figure, (left, right) = new_figure(8.0, 3.4, 2)
    plotting.image(mask[..., None], axes=left, title="the mask")
    y = ii.predict(camera, scene)
    plotting.measurements(
        y, camera.shape, labels=("row", "column"), axes=right, title="one snapshot of three discs"
    )
    return figure


def stopping() -> Figure:
    """What held-out rays say during a fit, and what the truth would say."""
    box = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))
    grid = ii.Grid(box, (40, 40))
    camera = operators.PointSamples(grid.points().flatten(0, -2))
    model = noise.Gaussian(0.1)
    truth = phantoms.gaussian_blobs(box, count=6, seed=0)
    exact = ii.predict(camera, truth).flatten().float()
    y = model.sample(exact, torch.Generator().manual_seed(0))
    problem = ii.Problem([ii.Term(camera, y, model)], box, grid)
    watching = ii.stopping.HeldOut(fraction=0.2, every=10)
    prior = priors.siren(box, bandwidth=16.0, width=64, depth=2)
    fit = ii.Solver(
        problem, prior, regularizers=[], steps=300, lr=5e-4, stopping=watching, callbacks=[]
    )
    solution = fit.run()
    steps = [record["step"] for record in solution.history]
    values = [record[watching.label] for record in solution.history]
    figure, (left,) = new_figure(5.2, 3.4)
    left.plot(steps, values, color="#0b4f8a", label="held-out misfit")
    left.axvline(solution.best_step, color="#d95f02", label=f"kept: step {solution.best_step}")
    left.axhline(0.5, color="0.6", ls=":", label="noise alone")
    left.set(xlabel="step", ylabel="mean negative log-likelihood")
    left.legend(frameon=False)
    return figure


FIGURES = {
    "axes": axes,
    "sinogram": sinogram,
    "reconstructions": reconstructions,
    "bandwidths": bandwidths,
    "kspace_patterns": kspace_patterns,
    "snapshot": snapshot,
    "stopping": stopping,
}
"""File name without suffix: the function that draws it."""


def write_figures(folder: Path) -> None:
    """Draw what is not there yet, or older than this file.

    Args:
        folder: Where the pictures go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = Path(__file__).stat().st_mtime
    for name, draw in FIGURES.items():
        path = folder / f"{name}.png"
        if not path.exists() or path.stat().st_mtime < drawn:
            draw().savefig(path, dpi=DOTS)
