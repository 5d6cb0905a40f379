"""Meshes and point clouds from files: PLY by our reader, OBJ and STL by trimesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inverse_inr.io import FileFormatError, read_ply
from inverse_inr.surfaces.meshes import Mesh

BY_TRIMESH = (".obj", ".stl")
"""Suffixes that trimesh reads."""


class Cloud(NamedTuple):
    """Points on a surface."""

    points: Tensor
    """(n, 3) float64."""
    normals: Tensor | None
    """(n, 3) unit vectors, or None where the file has none."""


def read_mesh(path: str | Path) -> Mesh:
    """Read a triangle mesh; corners at the same place are one vertex.

    Args:
        path: A .ply, .obj or .stl file.

    Returns:
        The mesh.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind, damaged, or has no faces.
        ImportError: An OBJ or STL, without trimesh.
    """
    file = _existing(path)
    if file.suffix.lower() == ".ply":
        read = read_ply(file)
        vertices, faces = read.vertices, read.faces
    elif file.suffix.lower() in BY_TRIMESH:
        vertices, faces = _by_trimesh(file)
    else:
        raise FileFormatError(f"{file}: a mesh is a .ply, .obj or .stl file.")
    if not len(faces):
        raise FileFormatError(f"{file}: it has no faces. A point cloud? Take `shape_cloud`.")
    vertices, number = vertices.unique(dim=0, return_inverse=True)
    faces = number[faces]
    apart = (faces != faces.roll(1, 1)).all(1)  # faces of which two corners fell together are gone
    return Mesh(vertices, faces[apart])


def read_cloud(path: str | Path) -> Cloud:
    """Read a point cloud from a PLY, with its normals nx, ny, nz where it has them.

    Args:
        path: A .ply file; faces in it are left out.

    Returns:
        The points, and their normals made unit vectors.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is of another kind or damaged, has no points, or has normals that
            are NaN or zero.
    """
    file = _existing(path)
    if file.suffix.lower() != ".ply":
        raise FileFormatError(f"{file}: a point cloud is a .ply file.")
    read = read_ply(file)
    if not len(read.vertices):
        raise FileFormatError(f"{file}: the cloud is empty.")
    names = ("nx", "ny", "nz")
    if not all(name in read.extra for name in names):
        return Cloud(read.vertices, None)
    normals = torch.stack([read.extra[name] for name in names], 1).double()
    return Cloud(read.vertices, unit_normals(str(file), normals))


def unit_normals(name: str, normals: Tensor) -> Tensor:
    """Make normals unit vectors.

    Args:
        name: Whose they are, for the message.
        normals: (n, 3).

    Raises:
        FileFormatError: Some are NaN, infinite or zero.
    """
    length = torch.linalg.vector_norm(normals, dim=1, keepdim=True)
    bad = ~torch.isfinite(length[:, 0]) | (length[:, 0] == 0)
    if bool(bad.any()):
        raise FileFormatError(
            f"{name}: {int(bad.sum())} of {len(normals)} normals are NaN or zero, the first at "
            f"point {int(bad.nonzero()[0])}."
        )
    return normals / length


def _existing(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file.absolute()}.")
    return file


def _by_trimesh(file: Path) -> tuple[Tensor, Tensor]:
    try:
        import trimesh  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(
            f"{file}: {file.suffix} is read by trimesh: pip install 'inverse-inr[shapes]'. PLY "
            "needs nothing."
        ) from None
    try:
        mesh: Any = trimesh.load(file, force="mesh", process=False)
        vertices = torch.tensor(mesh.vertices, dtype=torch.float64)
        faces = torch.tensor(mesh.faces, dtype=torch.int64)
    except Exception as error:  # trimesh raises whatever its parsers do
        raise FileFormatError(f"{file}: trimesh cannot read it: {error}") from None
    return vertices.reshape(-1, 3), faces.reshape(-1, 3)
