"""The surface of a fitted shape: as a mesh, as a file, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from inverse_inr import Grid, Problem, Solution
from inverse_inr.io import write_ply
from inverse_inr.problems.shapes.classical import NearestPoint
from inverse_inr.ranges import Count, checked
from inverse_inr.surfaces import CrossEntropy, Mesh, UnsignedDistance, level_set, open_surface
from inverse_inr.surfaces import plotting as plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SignOfLogit(nn.Module):
    """Minus the logit of an inside: negative inside, as a signed distance is.

    Args:
        field: The logit.
    """

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field

    def forward(self, points):
        """The value, (*s, 1), at points (*s, 3)."""
        return -self.field(points)


def as_distance(solution: Solution) -> nn.Module:
    """Give a field that is negative inside, whatever the problem sought.

    Args:
        solution: A solution of `shape_cloud` or `shape_mesh`.
    """
    field = solution.field
    assert isinstance(field, nn.Module)
    if isinstance(solution.problem.terms[0].fidelity, CrossEntropy):
        return SignOfLogit(field)
    return field


@checked
def surface_of(solution: Solution, factor: Count = 1) -> Mesh:
    """Mesh a fitted shape, closed from a signed distance or an inside, open from an unsigned one.

    Args:
        solution: A solution of `shape_cloud` or `shape_mesh`.
        factor: How many times finer than the problem's grid.

    Returns:
        The mesh.

    Raises:
        ValueError: There is no surface on the grid.
    """
    grid = solution.problem.grid
    finer = Grid(grid.box, tuple(factor * n for n in grid.shape))
    if isinstance(solution.field, (UnsignedDistance, NearestPoint)):
        return open_surface(solution.field, finer)
    return level_set(as_distance(solution), finer)


def write_surface(solution: Solution, folder: Path) -> list[Path]:
    """Write surface.ply: the `Suggestion.write` of shapes.

    Args:
        solution: The solution.
        folder: The folder, which exists.

    Returns:
        The file.
    """
    mesh = surface_of(solution)
    write_ply(folder / "surface.ply", mesh.vertices, mesh.faces, normals=mesh.vertex_normals)
    return [folder / "surface.ply"]


def figure(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw each solution's surface.

    Args:
        problem: The problem.
        solutions: The solutions.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4.2 * len(solutions), 4.0), layout="constrained")
    for k, solution in enumerate(solutions):
        axes = drawn.add_subplot(1, len(solutions), k + 1, projection="3d")
        unit = problem.box.units[0]
        plotting.mesh(surface_of(solution), axes=axes, title=solution.method, unit=unit)
    return drawn
