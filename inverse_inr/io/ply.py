"""PLY (Stanford polygon files): point clouds and triangle meshes.

Vertices may have normals and further numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write, reading
from inverse_inr.io.ply_tables import EXPECTED, read_tables
from inverse_inr.ranges import checked


class Polygons(NamedTuple):
    """A point cloud or a triangle mesh, as a PLY file holds it."""

    vertices: Tensor
    """(n, 3) float64."""
    faces: Tensor
    """(m, 3) int64; (0, 3) for a point cloud."""
    extra: dict[str, Tensor]
    """Further numbers per vertex by name, (n,) each: nx, ny, nz, red, intensity ..."""


@checked
def write_ply(
    path: PathLike,
    vertices: Tensor,
    faces: Tensor | None = None,
    *,
    normals: Tensor | None = None,
    extra: Mapping[str, Tensor] | None = None,
) -> None:
    """Write points or triangles as little-endian binary: doubles for the points, else floats.

    Args:
        path: The file to write.
        vertices: (n, 3) points.
        faces: (m, 3) integers, the vertices of triangles, counted from 0.
        normals: (n, 3), written as nx, ny, nz.
        extra: Further numbers per vertex by name, (n,) each; uint8 stays so (red, green, blue).

    Raises:
        ValueError: Shapes disagree, or faces name vertices that are not there.
    """
    columns = _columns(path, vertices, normals, extra or {})
    layout = [(name, f"<{v.dtype.str[1:]}") for name, v in columns.items()]
    table = np.empty(len(vertices), dtype=layout)
    for name, values in columns.items():
        table[name] = values
    names = {"f8": "double", "f4": "float", "u1": "uchar"}
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment written by inverse_inr",
        f"element vertex {len(table)}",
    ]
    header += [f"property {names[v.dtype.str[1:]]} {name}" for name, v in columns.items()]
    body = table.tobytes()
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        body += _packed(path, faces, len(table)).tobytes()
    with atomic_write(path) as temporary:
        temporary.write_bytes("\n".join([*header, "end_header\n"]).encode() + body)


def _columns(
    path: PathLike, vertices: Tensor, normals: Tensor | None, extra: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """The vertices' numbers by the names of their properties, (n,) each."""
    n = len(vertices)
    _check_shape(path, "vertices", vertices, (n, 3))
    if normals is not None:
        _check_shape(path, "normals", normals, (n, 3))
    for name, value in extra.items():
        _check_shape(path, name, value, (n,))
    columns = {k: vertices[:, i].detach().cpu().double().numpy() for i, k in enumerate("xyz")}
    if normals is not None:
        columns |= {
            f"n{k}": normals[:, i].detach().cpu().float().numpy() for i, k in enumerate("xyz")
        }
    for name, value in extra.items():
        if name in columns or not name.isidentifier():
            raise ValueError(
                f"{path}: {name!r} cannot be the name of a further property: "
                "taken, or not one word."
            )
        numbers = value.detach().cpu()
        if numbers.dtype != torch.uint8:
            numbers = numbers.float()
        columns[name] = numbers.numpy()
    return columns


def _check_shape(path: PathLike, name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise ValueError(f"{path}: {name} has shape {tuple(value.shape)}; {shape} is needed.")


def _packed(path: PathLike, faces: Tensor, count: int) -> np.ndarray:
    """The records of the faces as they are written: the number 3 and three vertices each."""
    faces = faces.detach().cpu()
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.is_floating_point():
        raise ValueError(
            f"{path}: faces must be (m, 3) integers, got {faces.dtype} "
            f"of shape {tuple(faces.shape)}."
        )
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < count:
        raise ValueError(
            f"{path}: faces name vertices up to {int(faces.max())}; there are {count}. "
            "Counted from 1?"
        )
    packed = np.empty(len(faces), dtype=[("count", "u1"), ("index", "<i4", (3,))])
    packed["count"] = 3
    packed["index"] = faces.numpy()
    return packed


@checked
def read_ply(path: PathLike) -> Polygons:
    """Read vertices, triangles and further numbers per vertex, from ASCII or binary PLY.

    Args:
        path: The file.

    Returns:
        The point cloud or mesh.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind or truncated, or has polygons of more corners.
    """
    with reading(path, EXPECTED, ("PLY",)) as file:
        tables = read_tables(file, file.read_bytes())
        vertex = tables.pop("vertex")
        columns = [torch.from_numpy(vertex.pop(k).astype(np.float64)) for k in "xyz"]
        places = torch.stack(columns, 1)
        triangles = tables.get("face", {}).get("triangles", np.zeros((0, 3)))
        if not (np.isfinite(triangles).all() and (triangles == np.round(triangles)).all()):
            raise FileFormatError(f"{file}: a face names a vertex that is no whole number.")
        faces = torch.from_numpy(triangles.astype(np.int64))
        extra = {k: torch.from_numpy(v.astype(np.float32)) for k, v in vertex.items()}
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < len(places):
        raise FileFormatError(
            f"{file}: faces name vertices up to {int(faces.max())}; there are {len(places)}."
        )
    return Polygons(places, faces, extra)
