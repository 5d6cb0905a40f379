"""Draw point clouds and meshes in perspective, on equal axes, as matplotlib axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.surfaces.meshes import Mesh

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = "xyz"
"""The names of the three axes."""


def point_cloud(
    points: Tensor,
    *,
    values: Tensor | None = None,
    axes: Axes | None = None,
    title: str = "",
    unit: str = "m",
    label: str = "",
    size: float = 4.0,
) -> Axes:
    """Draw points, coloured by values or by height.

    Args:
        points: (n, 3) in the box's unit.
        values: (n,) numbers that colour the points; default: their height.
        axes: 3-D axes to draw on; default: a new figure's.
        title: The title above the axes.
        unit: The coordinates' unit, for the labels.
        label: The values and their unit, e.g. decibels, for the colour bar of a new figure.
        size: The area of the markers, in square points.

    Raises:
        ValueError: The shapes are others, or there are no points.
    """
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise ValueError(f"point_cloud: points must be (n, 3) and some, got {tuple(points.shape)}.")
    if values is not None and tuple(values.shape) != (len(points),):
        raise ValueError(
            f"point_cloud: values must be ({len(points)},), one a point, got {tuple(values.shape)}."
        )
    ax, own = _solid_axes(axes)
    place = points.detach().cpu().double().numpy()
    colour = place[:, 2]
    if values is not None:
        colour = values.detach().cpu().double().numpy()
    shown = ax.scatter(*place.T, c=colour, s=size, cmap="viridis", linewidths=0)
    if own and values is not None:
        ax.figure.colorbar(shown, ax=ax, shrink=0.6, pad=0.12, label=label)
    return _finish(ax, place, title, unit)


def mesh(
    shape: Mesh,
    *,
    axes: Axes | None = None,
    title: str = "",
    unit: str = "m",
    colour: str = "#8fb3d9",
    light: tuple[float, float, float] = (0.4, -0.5, 0.8),
) -> Axes:
    """Draw a mesh with its faces shaded by their angle to the light.

    Args:
        shape: The mesh.
        axes: 3-D axes to draw on; default: a new figure's.
        title: The title above the axes.
        unit: The coordinates' unit, for the labels.
        colour: The colour of a face that looks towards the light.
        light: The direction towards the light, of any length.

    Raises:
        ValueError: The mesh has no faces.
    """
    from matplotlib.colors import to_rgb
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    if not len(shape.faces):
        raise ValueError("mesh: there are no faces to draw; point_cloud draws vertices.")
    ax, _ = _solid_axes(axes)
    corners = shape.vertices[shape.faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = torch.nn.functional.normalize(normals, dim=1)
    towards = torch.nn.functional.normalize(normals.new_tensor(light), dim=0)
    shade = (0.45 + 0.55 * (normals @ towards).clamp(min=0)).numpy()
    colours = shade[:, None] * np.array(to_rgb(colour))
    ax.add_collection3d(
        Poly3DCollection(corners.numpy(), facecolors=colours, linewidths=0, antialiased=False)
    )
    return _finish(ax, shape.vertices[shape.faces.unique()].numpy(), title, unit)


def _solid_axes(axes: Axes | None) -> tuple[Any, bool]:
    if axes is not None:
        if not hasattr(axes, "zaxis"):
            raise ValueError(
                "These axes are flat; make them by figure.add_subplot(projection='3d')."
            )
        return axes, False
    from matplotlib.figure import Figure

    return Figure(figsize=(5.2, 4.4), layout="constrained").add_subplot(projection="3d"), True


def _finish(ax: Any, places: np.ndarray, title: str, unit: str) -> Axes:
    """Label the axes and give them one scale, on which earlier drawings still fit."""
    low = places.min(0)
    high = places.max(0)
    if getattr(ax, "_inverse_inr_limits", None) is not None:
        before_low, before_high = ax._inverse_inr_limits
        low = np.minimum(low, before_low)
        high = np.maximum(high, before_high)
    ax._inverse_inr_limits = (low, high)
    half = 0.52 * max(float((high - low).max()), 1e-12)
    for name, middle in zip(NAMES, 0.5 * (low + high), strict=True):
        getattr(ax, f"set_{name}lim")(middle - half, middle + half)
        getattr(ax, f"set_{name}label")(f"{name} ({unit})", fontsize=8)
    ax.tick_params(labelsize=6)
    ax.set_box_aspect((1, 1, 1), zoom=0.86)
    ax.set_title(title, fontsize="medium")
    return ax
