"""What a solution says and writes: its report, image, weights, and how it was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from inverse_inr.domain import Grid
from inverse_inr.io.files import PathLike, atomic_write
from inverse_inr.io.provenance import plain, recording
from inverse_inr.solver.identity import record_of, recorded, tensors_of
from inverse_inr.solver.volumes import write_volume
from inverse_inr.solver.weights import save_field

Solution = Any  # a `Solution` writes itself by these functions, so this file cannot import it


def write_field(
    solution: Solution, path: PathLike, grid: Grid, average: int, options: Mapping[str, Any]
) -> Path:
    """Write a solution's field on a grid, with its record.

    Args:
        solution: The solution.
        path: The file or folder.
        grid: The voxels.
        average: Sub-samples per axis of each voxel.
        options: Options of a format that is written whole.

    Returns:
        The path.
    """
    from inverse_inr.io import write_image
    from inverse_inr.io.slabs import SUFFIXES

    with recorded(solution):
        if str(path).lower().endswith(SUFFIXES):
            if options:
                raise TypeError(f"{path}: written slab by slab, without options {list(options)}.")
            return write_volume(solution.field, grid, path, average, tensors_of(solution))
        write_image(path, solution.sample(grid, average=average).cpu(), grid, **options)
    return Path(path)


def writers_of(solution: Solution) -> dict[str, Callable[[Path], None]]:
    """List the files of a solution, from whatever device it is on.

    Args:
        solution: The solution.

    Returns:
        By name, functions that write one file to the path that they are given, whole or not at all.
    """
    from inverse_inr.io import write_image
    from inverse_inr.metrics import modulus

    image = solution.sample().cpu()
    grid = solution.problem.grid
    record = record_of(solution)

    def write(path: Path, values: Tensor) -> None:
        with recording(record):
            write_image(path, values, grid)

    found: dict[str, Callable[[Path], None]] = {"image.npz": lambda path: write(path, image)}
    if grid.affine is not None:
        found["image.nii.gz"] = lambda path: write(path, modulus(image))
    if isinstance(solution.field, nn.Module):
        field = solution.field
        found["field.safetensors"] = lambda path: save_field(field, path)
    found["history.json"] = lambda path: _write_history(solution, record, path)
    return found


def summary_of(solution: Solution) -> dict[str, Any]:
    """One row of a comparison table: see `Solution.summary`."""
    row = {
        "method": solution.method,
        "seconds": solution.seconds,
        "held-out": solution.held_out(),
    }
    if solution.problem.reference is not None:
        row |= solution.metrics()
    return row


def report_of(solution: Solution) -> str:
    """Say in a few plain lines what was done, why it ended and how well it fits.

    Args:
        solution: The solution.
    """
    done = f"{solution.steps} steps in "
    if not solution.steps:
        done = ""
    lines = [f"{solution.method}: {done}{solution.seconds:.1f} s; {solution.stopped}"]
    if isinstance(solution.field, nn.Module):
        count = sum(p.numel() for p in solution.field.parameters())
        kept = ""
        if solution.steps:
            kept = f", state of step {solution.best_step} kept"
        lines.append(f"parameters {count}{kept}")
    lines += [
        f"{k}: {v:.4g}"
        for k, v in solution.summary().items()
        if isinstance(v, float) and k != "seconds"
    ]
    lines += [
        f"learnt {name} = {value.tolist()}"
        for name, value in solution.learnt.items()
        if value.numel() < 4
    ]
    lines += [f"{k}: {v}" for k, v in solution.details.items()]
    return "\n".join(lines)


def _write_history(solution: Solution, record: dict[str, Any], path: Path) -> None:
    history = {**_history(solution), "record": record}
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(history, indent=1, default=plain))


def _history(solution: Solution) -> dict[str, Any]:
    return {
        "method": solution.method,
        "steps": solution.steps,
        "seconds": solution.seconds,
        "stopped": str(solution.stopped),
        "ended": solution.stopped.kind,
        "best_step": solution.best_step,
        "summary": solution.summary(),
        "details": solution.details,
        "learnt": {k: v.tolist() for k, v in solution.learnt.items()},
        "history": solution.history,
    }
