"""Draw docs/ct_convention.png: where angle 0 points, which way it turns, and the sinogram of that.

    python docs/draw_ct_convention.py

Everything is drawn from the operators and from `conventions.PROGRAMS`, so that the picture cannot
disagree with the code.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from inverse_inr import Box, Grid, phantoms
from inverse_inr.operators import ParallelBeam
from inverse_inr.problems.ct.conventions import PROGRAMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 64
HALF = SIZE / 2
TURNED = math.radians(25)
COLOURS = ("#0b4f8a", "#d95f02")
"""Of angle 0, and of the turned view."""


def disks() -> phantoms.Ellipsoids:
    """Three disks without any symmetry."""
    centers = torch.tensor([[0.0, 0.0], [-14.0, 4.0], [8.0, 12.0]], dtype=torch.float64)
    radii = torch.tensor([[24.0, 24.0], [6.0, 6.0], [4.0, 4.0]], dtype=torch.float64)
    values = torch.tensor([0.3, 0.7, 0.5], dtype=torch.float64)
    return phantoms.Ellipsoids(
        centers, radii, torch.eye(2, dtype=torch.float64).repeat(3, 1, 1), values
    )


def beam(angles: list[float]) -> ParallelBeam:
    """A parallel beam about the middle of the image."""
    box = Box((-HALF, -HALF), (HALF, HALF), ("px", "px"))
    return ParallelBeam(box, torch.tensor(angles, dtype=torch.float64), SIZE, pitch=1.0)


def draw_geometry(axes: Axes, title: str, offset: float) -> None:
    """Draw detector and rays at angle 0 and at a small angle, from the operator's own rays."""
    grid = Grid(beam([0.0]).box, (SIZE, SIZE))
    axes.imshow(
        disks()(grid.points(torch.float64)).reshape(SIZE, SIZE),
        cmap="Greys",
        vmin=0,
        vmax=2.5,
        extent=(-HALF, HALF, HALF, -HALF),
    )
    views = beam([offset, offset + TURNED])
    for view, colour in enumerate(COLOURS):
        rows = torch.arange(SIZE) + view * SIZE
        origin, direction = (v[:, 0] for v in views.rays(rows, 1))
        behind = origin + 42 * direction
        axes.annotate(
            "",
            xy=behind[-1].flip(0).tolist(),
            xytext=behind[0].flip(0).tolist(),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2.5},
        )
        for k in range(8, SIZE, 16):
            start = origin[k] - 38 * direction[k]
            axes.annotate(
                "",
                xy=behind[k].flip(0).tolist(),
                xytext=start.flip(0).tolist(),
                arrowprops={"arrowstyle": "->", "color": colour, "lw": 0.7, "alpha": 0.7},
            )
        along = (behind[-1] - behind[0]) / (SIZE - 1)
        label = behind[-1] + 9 * along
        if view == 1:
            label = behind[0] - 9 * along
        name = "0" if view == 0 else f"{math.degrees(TURNED):.0f}°"
        axes.text(
            float(label[1]),
            float(label[0]),
            f"angle {name}",
            color=colour,
            ha="center",
            va="center",
        )
    axes.set(xlim=(-72, 72), ylim=(72, -72), title=title, xlabel="x1, axis 1 (columns)")
    axes.set_ylabel("x0, axis 0 (rows)")


def draw_sinogram(axes: Axes, title: str, offset: float) -> None:
    """Draw the sinogram over a half turn, a view a row."""
    angles = [offset + math.pi * k / 90 for k in range(90)]
    operator = beam(angles)
    line = disks().line_integral(*operator.rays(torch.arange(len(operator)), 4)).mean(1)
    axes.imshow(
        line.reshape(operator.shape), cmap="Greys", aspect="auto", extent=(-HALF, HALF, 180, 0)
    )
    for degrees, colour in zip((0, math.degrees(TURNED)), COLOURS, strict=True):
        axes.axhline(degrees + 1, color=colour, lw=2.5)
    axes.set(title=title, xlabel="s, axis 1 (detector)", ylabel="angle in degrees, axis 0 (views)")


def main() -> None:
    """Draw and write the picture."""
    import matplotlib.pyplot as plt

    others = ", ".join(name for name in PROGRAMS if name != "ours")
    figure, axes = plt.subplots(1, 4, figsize=(17, 4.6), layout="constrained")
    draw_geometry(axes[0], "ours: s = x0 cos + x1 sin", PROGRAMS["ours"].offset)
    draw_sinogram(axes[1], "ours", PROGRAMS["ours"].offset)
    draw_geometry(axes[2], f"{others}:\ns = x1 cos - x0 sin", PROGRAMS["astra"].offset)
    draw_sinogram(axes[3], "theirs (scikit-image: transposed)", PROGRAMS["astra"].offset)
    figure.savefig(Path(__file__).parent / "ct_convention.png", dpi=80)


if __name__ == "__main__":
    main()
