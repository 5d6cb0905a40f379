"""Every preset made tiny, and the whole way of a user with it, on the device that is asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inverse_inr import Problem, Solution
from inverse_inr.command.config import Run
from inverse_inr.command.reporting import figure_of
from inverse_inr.command.tables import read_tables
from inverse_inr.solver import Checkpoint, Solver, read_checkpoint

FOLDER = Path(__file__).parents[3] / "problems"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))

TINY: dict[str, dict[str, Any]] = {
    "audio": {"seconds": 0.05},
    "cassi": {"size": 24},
    "cassi_dual": {"size": 24},
    "ct": {"size": 24, "views": 8},
    "deblur": {"crop": 24, "size": 5.0},
    "denoise": {"crop": 24},
    "fmcw": {"azimuths": 4, "heights": 2, "pitch": 0.03},
    "fmcw_calibration": {"samples": 32, "bandwidth": 1.5e9, "pitch": (0.08, 0.05)},
    "fusion": {"size": 16, "factor": 4},
    "inpaint": {"crop": 24},
    "kspace": {"size": 24, "coils": 2, "calibration": 8},
    "kspace_cine": {"size": 12, "frames": 2, "per_frame": 4, "coils": 2},
    "kspace_maps": {"size": 16, "coils": 2},
    "poisson_edit": {"crop": 24},
    "register": {"bin": 32},
    "sar": {"azimuths": 4, "frequencies": 8, "pitch": 1.0},
    "sar_autofocus": {"pulses": 12, "frequencies": 40, "pitch": 0.8},
    "sar_views": {"views": 6, "pixels": 12, "pitch": 1.5},
    "single_pixel": {"crop": 16, "bin": 4},
    "slices_simulated": {"resolution": 12.0},
    "spectral_sr": {"size": 16},
    "super_resolution": {"crop": 32},
    "surfaces": {"azimuths": 12, "heights": 3, "pitch": 0.03, "scatterers": 50},
    "video_snapshot": {"crop": 16, "frames": 2},
}
"""Keywords that make a preset's problem small."""


def tiny(name: str, device: str | None) -> Run:
    """The config of a preset with two steps of a few rows, on a device."""
    tables = read_tables(FOLDER / f"{name}.toml")
    tables["problem"].update(TINY.get(name, {}))
    solver = {k: v for k, v in tables.get("solver", {}).items() if k != "batch"}
    tables["solver"] = solver | {"steps": 2}
    if "lattice" not in solver:
        tables["solver"]["batch"] = 8
    if device is not None:
        tables["solver"]["device"] = device
    for table in tables.get("regularizers", []):
        if table.get("weight") == "held-out":
            table["weight"] = 1e-3
    return Run.of(tables)


def go_the_whole_way(
    run: Run,
    folder: Path,
    done: Callable[[str], None] = lambda what: None,
    problem: Problem | None = None,
) -> tuple[Problem, list[Solution]]:
    """Make the problem, solve, judge, save, resume, and solve by every classical method beside.

    Args:
        run: The config.
        folder: Where files go.
        done: Told of each part that went well.
        problem: The problem where it is made already; None to make that of the config.

    Returns:
        The problem and all solutions, the fit last.
    """
    if problem is None:
        problem = run.problem()
    done("problem")
    solver = run.solver(problem, [Checkpoint(folder / "state.pt")])
    fit = solver.run()
    done("run")
    assert {v.device for v in solver.objective.parameters()} == {problem.device}
    assert bool(torch.isfinite(torch.view_as_real(fit.image() + 0j)).all())
    fit.report()
    done("report")
    fit.save(folder / "saved")
    if problem.suggested.write is not None:
        problem.suggested.write(fit, folder)
    done("save")
    again = run.solver(problem, [])
    again.load_state_dict(read_checkpoint(folder / "state.pt"))
    assert again.step_number == 2
    assert fit.to("cpu").summary().keys() == fit.summary().keys()
    done("resume")
    classical = []
    for name, method in run.baselines(problem).items():
        found = method(problem)
        found.summary()
        classical.append(found)
        done(name)
    draw: Callable[..., Any] = problem.suggested.figure or figure_of
    draw(problem, [*classical, fit])
    done("figure")
    return problem, [*classical, fit]


def waits_of_a_step(solver: Solver, gpu: Any) -> dict[Any, int]:
    """What one step waits for, after another one."""
    solver.step()
    gpu.log.clear()
    solver.step()
    return gpu.waits()
