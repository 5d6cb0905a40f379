"""Images as `xarray.DataArray`s, whose axes carry coordinates and units."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from inverse_inr.domain import Grid
from inverse_inr.interoperation.images import sampled
from inverse_inr.ranges import checked
from inverse_inr.solver import Solution


@checked
def to_xarray(
    solution: Solution, grid: Grid | None = None, *, names: tuple[str, ...] | None = None
) -> Any:
    """Sample a solution as an `xarray.DataArray` with pixel centres as coordinates.

    Args:
        solution: The solution.
        grid: The pixels; default: the image on the problem's grid, as it is shown.
        names: Names of the grid's axes; default: "x0", "x1", ... as in the docs.

    Returns:
        An array with the grid's axes and, of several channels, "channel"; each axis has the
        attribute "units", and the array "method".

    Raises:
        ValueError: There are other than `grid.ndim` names, or two are the same.
    """
    values, grid = sampled(solution, grid)
    if names is None:
        names = tuple(f"x{k}" for k in range(grid.ndim))
    if len(names) != grid.ndim or len({*names, "channel"}) != grid.ndim + 1:
        raise ValueError(
            f"to_xarray: names={names} must be {grid.ndim} different ones, none of them 'channel'."
        )
    axes = grid.axes()
    units = grid.box.units
    coordinates = {
        name: (name, axis.numpy(), {"units": unit})
        for name, axis, unit in zip(names, axes, units, strict=True)
    }
    dims = (*names, "channel")
    if values.shape[-1] == 1:
        values = values[..., 0]
        dims = names
    return import_module("xarray").DataArray(
        values.numpy(),
        coords=coordinates,
        dims=dims,
        name="image",
        attrs={"method": solution.method},
    )
