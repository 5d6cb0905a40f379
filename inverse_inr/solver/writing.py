"""What a solution says and writes: its report, image, weights, and how it was found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from inverse_inr.io.files import atomic_write
from inverse_inr.solver.weights import save_field

Solution = Any  # a `Solution` writes itself by these functions, so this file cannot import it


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
    found: dict[str, Callable[[Path], None]] = {
        "image.npz": lambda path: write_image(path, image, grid)
    }
    if grid.affine is not None:
        found["image.nii.gz"] = lambda path: write_image(path, modulus(image), grid)
    if isinstance(solution.field, nn.Module):
        field = solution.field
        found["field.safetensors"] = lambda path: save_field(field, path)
    found["history.json"] = lambda path: _write_history(solution, path)
    return found


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


def _write_history(solution: Solution, path: Path) -> None:
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps(_record(solution), indent=1, default=_plain))


def _record(solution: Solution) -> dict[str, Any]:
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


def _plain(value: object) -> object:
    if isinstance(value, np.generic | Tensor):
        return value.item()
    return str(value)
