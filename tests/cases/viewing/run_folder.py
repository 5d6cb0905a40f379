"""Folders of runs, small and made by hand, for what looks at them."""

import json
from pathlib import Path
from typing import Any

import torch

from inverse_inr.domain import Box, Grid
from inverse_inr.io import write_image, write_ply

TETRAHEDRON = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
FACES = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])

HISTORY = [
    {"step": 50 * k, "seconds": 0.5 * k, "loss": 8.0 / k, "D(Rays)": 6.0 / k, "held-out": 9.0 / k}
    for k in (1, 2, 3)
]
TABLE = [{"method": "TV", "PSNR": 30.0}, {"method": "hash", "PSNR": 25.5}]


def grid_of(shape: tuple[int, ...], units: tuple[str, ...]) -> Grid:
    """A lattice whose pixels have sides of one half."""
    return Grid(Box((0.0,) * len(shape), tuple(n / 2 for n in shape), units), shape)


def numbered(shape: tuple[int, ...], channels: int = 1) -> torch.Tensor:
    """Values from 0 to 1, no two of them equal."""
    count = torch.Size((*shape, channels)).numel()
    return torch.linspace(0, 1, count).reshape(*shape, channels)


def make_run(
    folder: Path,
    shape: tuple[int, ...] = (6, 8),
    units: tuple[str, ...] = ("cm", "cm"),
    *,
    channels: int = 1,
    is_complex: bool = False,
    surface: bool = False,
    finished: bool = True,
) -> Path:
    """Write a folder as `inverse-inr run` does: truth, a method, a result, curves, a table."""
    folder.mkdir(parents=True)
    grid = grid_of(shape, units)
    values = numbered(shape, channels)
    write_image(folder / "truth.npz", values, grid)
    write_image(folder / "baseline-TV.npz", values + 0.05, grid)
    write_image(folder / "uncertainty.npz", 0.1 * values, grid)
    result = 0.8 * values
    if is_complex:
        result = torch.polar(result, 3 * values)
    write_image(folder / "image.npz", result, grid)
    details = {"weight": 0.1, "held-out by weight": {"0.01": 3.0, "0.1": 2.0, "1": 4.0}}
    write(folder, "history.json", {"method": "hash", "details": details, "history": HISTORY})
    write(folder, "table.json", TABLE)
    write(folder, "verdict.json", {"text": "TV predicts the held-out measurements best."})
    if surface:
        write_ply(folder / "surface.ply", TETRAHEDRON, FACES)
        write(folder, "files.json", {"surface.ply": ""})
    config = {"config": {"problem": {"name": "made"}}, "finished": finished}
    write(folder, "config.json", config)
    return folder


def write(folder: Path, name: str, content: Any) -> None:
    """Write a JSON file."""
    (folder / name).write_text(json.dumps(content))
