"""Good calls of k-space operators and sequences, for `judge.py`."""

from __future__ import annotations

from typing import Any

import torch
from cases.calls.judge import Good
from cases.calls.operators import GRID, bump, seen

from inverse_inr import operators


def kspace() -> list[Good]:
    mask = torch.ones(8, 8, dtype=torch.bool)
    places = torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    scattered = {"grid": GRID, "trajectory": places, "oversampling": 1.5, "width": 5}
    recovery = {"times": torch.tensor([0.1, 0.5]), "repetition": 3.0}
    echoes = {"times": torch.tensor([0.001, 0.002]), "field": 3.0}
    return [
        Good(
            "CartesianKSpace", operators.CartesianKSpace, {"grid": GRID, "mask": mask}, seen(bump)
        ),
        Good("NonCartesianKSpace", operators.NonCartesianKSpace, scattered, seen(bump)),
        Good("MovingKSpace", operators.MovingKSpace, _moving(places), seen(bump)),
        Good("SpinEcho", operators.SpinEcho, {"times": torch.tensor([0.0, 0.1])}, _signals(2)),
        Good("InversionRecovery", operators.InversionRecovery, recovery, _signals(2)),
        Good("GradientEchoes", operators.GradientEchoes, echoes, _signals(4)),
        Good("ThroughSequence", operators.ThroughSequence, _through(places), seen(maps)),
    ]


def _moving(places: torch.Tensor) -> dict[str, Any]:
    times = torch.tensor([0.1, 0.5])
    trajectory = places.reshape(2, 3, 2)
    return {
        "grid": GRID,
        "trajectory": trajectory,
        "times": times,
        "period": 1.0,
        "stiffness": 0.1,
    }


def _through(places: torch.Tensor) -> dict[str, Any]:
    sequence = operators.SpinEcho(torch.tensor([0.0, 0.1]))
    return {"operator": operators.PointSamples(places), "sequence": sequence}


def maps(points: torch.Tensor) -> torch.Tensor:
    """Magnetisation and rate of relaxation, as a field."""
    return bump(points).expand(*points.shape[:-1], 2)


def _signals(channels: int) -> Any:
    return lambda sequence: sequence(torch.ones(3, channels))


ROOMS = {"kspace": kspace}
