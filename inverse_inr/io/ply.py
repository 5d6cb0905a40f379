"""PLY (Stanford polygon files): point clouds and triangle meshes, with normals and further numbers a vertex."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, atomic_write, describe, existing_file

EXPECTED = "a PLY file of vertices and triangles"
TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "float32": "f4",
    "float64": "f8",
}
ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}


class Polygons(NamedTuple):
    """What a PLY file holds."""

    vertices: Tensor
    """(n, 3) float64."""
    faces: Tensor
    """(m, 3) int64; (0, 3) for a point cloud."""
    extra: dict[str, Tensor]
    """Further numbers a vertex by name, (n,): nx, ny, nz, red, intensity ..."""


def write_ply(
    path: PathLike,
    vertices: Tensor,
    faces: Tensor | None = None,
    *,
    normals: Tensor | None = None,
    extra: Mapping[str, Tensor] | None = None,
) -> None:
    """Write (n, 3) points, and (m, 3) triangles of them, as little-endian binary: doubles, floats for the rest.

    `normals` (n, 3) become nx, ny, nz; `extra` are further (n,) numbers by name (uint8 stays so: red, green, blue).
    Raises ValueError for shapes that disagree or faces of vertices that are not there.
    """
    columns = _columns(path, vertices, normals, extra or {})
    table = np.empty(
        len(vertices), dtype=[(name, f"<{v.dtype.str[1:]}") for name, v in columns.items()]
    )
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
    n = len(vertices)
    for name, value, shape in (
        ("vertices", vertices, (n, 3)),
        ("normals", normals, (n, 3)),
        *((k, v, (n,)) for k, v in extra.items()),
    ):
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(f"{path}: {name} has shape {tuple(value.shape)}; {shape} is needed.")
    columns = {k: vertices[:, i].detach().cpu().double().numpy() for i, k in enumerate("xyz")}
    if normals is not None:
        columns |= {
            f"n{k}": normals[:, i].detach().cpu().float().numpy() for i, k in enumerate("xyz")
        }
    for name, value in extra.items():
        if name in columns or not name.isidentifier():
            raise ValueError(
                f"{path}: {name!r} cannot be the name of a further property: taken, or not one word."
            )
        value = value.detach().cpu()
        columns[name] = (value if value.dtype == torch.uint8 else value.float()).numpy()
    return columns


def _packed(path: PathLike, faces: Tensor, count: int) -> np.ndarray:
    faces = faces.detach().cpu()
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.is_floating_point():
        raise ValueError(
            f"{path}: faces must be (m, 3) integers, got {faces.dtype} of shape {tuple(faces.shape)}."
        )
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < count:
        raise ValueError(
            f"{path}: faces name vertices up to {int(faces.max())}; there are {count}. Counted from 1?"
        )
    packed = np.empty(len(faces), dtype=[("count", "u1"), ("index", "<i4", (3,))])
    packed["count"], packed["index"] = 3, faces.numpy()
    return packed


def read_ply(path: PathLike) -> Polygons:
    """Vertices, triangles and further numbers a vertex, from ASCII or binary PLY.

    Raises FileNotFoundError, FileFormatError for another kind of file, a truncated one, or polygons of more corners.
    """
    file = existing_file(path, EXPECTED)
    content = file.read_bytes()
    order, elements, start = _header(file, content)
    parse = _ascii if order == "=" else _binary
    tables = parse(file, content[start:], elements, order)
    vertex = tables.pop("vertex")
    places = torch.stack([torch.from_numpy(vertex.pop(k).astype(np.float64)) for k in "xyz"], 1)
    faces = torch.from_numpy(
        tables.get("face", {}).get("triangles", np.zeros((0, 3))).astype(np.int64)
    )
    if len(faces) and not 0 <= int(faces.min()) <= int(faces.max()) < len(places):
        raise FileFormatError(
            f"{file}: faces name vertices up to {int(faces.max())}; there are {len(places)}."
        )
    return Polygons(
        places, faces, {k: torch.from_numpy(v.astype(np.float32)) for k, v in vertex.items()}
    )


Element = tuple[str, int, list[tuple[str, ...]]]
"""name, count, properties: (type, name), or ("list", count type, type, name)."""


def _header(file: Path, content: bytes) -> tuple[str, list[Element], int]:
    end = content.find(b"end_header")
    stop = content.find(b"\n", end)
    if not content.startswith(b"ply") or end < 0 or stop < 0:
        found = describe(file)
        raise FileFormatError(
            f"{file}: expected {EXPECTED}, found {found}: no header 'ply' to 'end_header'."
        )
    order, elements = "", []
    for line in content[:end].decode("ascii", "replace").splitlines()[1:]:
        match line.split():
            case ["format", kind, _] if kind in ORDERS:
                order = ORDERS[kind]
            case ["element", name, count] if count.isdigit():
                elements.append((name, int(count), []))
            case ["property", *words] if elements and len(words) in (2, 4) and _known(words):
                elements[-1][2].append(tuple(words))
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise FileFormatError(f"{file}: the header's line {line.strip()!r} is no PLY.")
    vertex = next((e for e in elements if e[0] == "vertex"), None)
    if not order or vertex is None or not {"x", "y", "z"} <= {p[-1] for p in vertex[2]}:
        raise FileFormatError(f"{file}: the header names no format, or no vertices with x, y, z.")
    return order, elements, stop + 1


def _known(words: list[str]) -> bool:
    return (
        all(w in TYPES for w in words[1:3])
        if words[0] == "list"
        else len(words) == 2 and words[0] in TYPES
    )


def _triangular(file: Path, name: str, properties: list[tuple[str, ...]]) -> bool:
    lists = [p for p in properties if p[0] == "list"]
    if lists and (name != "face" or len(properties) > 1):
        raise FileFormatError(
            f"{file}: element {name!r} has a list among {len(properties)} properties: not read here."
        )
    return bool(lists)


def _binary(
    file: Path, body: bytes, elements: list[Element], order: str
) -> dict[str, dict[str, np.ndarray]]:
    tables, at = {}, 0
    for name, count, properties in elements:
        triangles = _triangular(file, name, properties)
        if triangles:
            _, number, index, _ = properties[0]
            dtype = np.dtype(
                [("count", order + TYPES[number]), ("triangles", order + TYPES[index], (3,))]
            )
        else:
            dtype = np.dtype([(p[1], order + TYPES[p[0]]) for p in properties])
        if len(body) - at < count * dtype.itemsize:
            _short(file, name, count, (len(body) - at) // dtype.itemsize)
        table = np.frombuffer(body, dtype, count, at)
        if triangles and not (table["count"] == 3).all():
            raise FileFormatError(
                f"{file}: only triangles are read; a face has {int(table['count'].max())} corners."
            )
        tables[name] = {
            k: table[k] for k in table.dtype.names or () if k != "count" or not triangles
        }
        at += count * dtype.itemsize
    return tables


def _ascii(
    file: Path, body: bytes, elements: list[Element], _: str
) -> dict[str, dict[str, np.ndarray]]:
    lines = [line for line in body.decode("ascii", "replace").splitlines() if line.strip()]
    tables, at = {}, 0
    for name, count, properties in elements:
        triangles, part = _triangular(file, name, properties), lines[at : at + count]
        if len(part) < count:
            _short(file, name, count, len(part))
        width = 4 if triangles else len(properties)
        try:
            rows = np.array([[float(w) for w in line.split()] for line in part]).reshape(
                count, -1 if count else width
            )
        except ValueError:
            raise FileFormatError(
                f"{file}: the lines of {name!r} do not hold as many numbers each."
            ) from None
        if rows.shape[1] != width or (triangles and not (rows[:, 0] == 3).all()):
            needed = (
                "triangles (3 and three numbers)"
                if triangles
                else f"{width} numbers, one a property"
            )
            raise FileFormatError(
                f"{file}: a line of {name!r} must hold {needed}; it has {rows.shape[1]} numbers."
            )
        columns = {p[1]: rows[:, k] for k, p in enumerate(properties)}
        tables[name] = {"triangles": rows[:, 1:]} if triangles else columns
        at += count
    return tables


def _short(file: Path, name: str, expected: int, found: int) -> None:
    raise FileFormatError(
        f"{file}: the header promises {expected} of {name!r}, the file ends after {found}. Truncated?"
    )
