"""Calls that work of what stands around the solver: splits, starts, estimates of noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from cases.calls.components import GRID, SQUARE, bump, problem
from cases.calls.judge import Good

from inverse_inr import Solver, noise, optimizers, priors, regularizers, stopping
from inverse_inr.least_squares import LeastSquares
from inverse_inr.solver import alternate, fitted_to, split
from inverse_inr.viewing import Watch


def _solving() -> list[Good]:
    task = problem()
    rows = [task.terms[0].trusted]
    image = torch.zeros(*GRID.shape, 1)
    whole = {
        "problem": task,
        "prior": "grid",
        "regularizers": [regularizers.L1()],
        "rounds": 2,
        "steps": 2,
        "iterations": 3,
        "penalty": 0.1,
        "optimizer": "adam",
        "lr": 1e-2,
        "stopping": stopping.Never(),
        "seed": 0,
    }
    sides = {
        "system": LeastSquares.of(task, rows),
        "near": lambda v, penalty: v,
        "x": image,
        "rounds": 2,
        "penalty": 0.1,
        "iterations": 3,
    }
    start = {"source": bump, "grid": GRID, "steps": 2, "optimizer": "adam", "seed": 0}

    rule = {"every": 1, "patience": 3, "epsilon": 0.5, "limit": 9}
    of_terms = {"terms": list(task.terms), "estimate": lambda terms: bump}

    def watched(rule: Any) -> float:
        run = Solver(task, priors.grid(SQUARE, cells=4), stopping=rule, steps=2).run()
        return run.misfit(rows)

    def started(start: Any) -> torch.Tensor:
        prior = priors.grid(SQUARE, cells=4)
        start(prior)
        return prior.sample(GRID).detach()

    def last(rounds: Any) -> torch.Tensor:
        return list(rounds)[-1].f

    watch = {"picture": Path("a.png"), "record": Path("a.json"), "seconds": 2.0}
    y = torch.randn(12, 12, generator=torch.Generator().manual_seed(0))
    light = torch.linspace(0.2, 1.0, 32).expand(32, 32)
    photons = torch.poisson(100 * light, torch.Generator().manual_seed(0)) / 100
    level = {"values": y, "axes": (0, 1), "quantile": 0.25}
    return [
        Good(
            "split",
            split,
            whole,
            lambda solution: solution.sample(),
            fixed=("rounds", "steps"),
        ),
        Good("alternate", alternate, sides, last, fixed=("rounds",)),
        Good("fitted_to", fitted_to, start, started, fixed=("steps",)),
        Good("SURE", stopping.SURE, rule, watched),
        Good("Watch", Watch, watch, lambda made: made.seconds, fixed=("record",)),
        Good("sure", stopping.sure, {**of_terms, "probes": 1, "epsilon": 0.5, "seed": 0}),
        Good("estimate_deviation", noise.estimate_deviation, level, nan_passes=True),
        Good("estimate_sensor", noise.estimate_sensor, {"values": photons, "readout": 1.0}),
        Good(
            "estimate_from_replicates",
            noise.estimate_from_replicates,
            {"values": y},
            nan_passes=True,
        ),
    ]


def _optimizers() -> list[Good]:
    def steps(optimizer: Any) -> torch.Tensor:
        prior = priors.siren(SQUARE, width=4, depth=2)
        solver = Solver(problem(), prior, optimizer=optimizer, steps=2, stopping=stopping.Never())
        return solver.run().sample()

    o = optimizers
    adam = {"lr": 1e-3, "betas": (0.9, 0.99), "epsilon": 1e-15, "schedule": "cosine"}
    muon = {"lr": 1e-3, "adam_lr": 1e-3, "momentum": 0.9, "schedule": "cosine"}
    newton = {"iterations": 3, "damping": 0.1, "progress": 1e-3}
    projection = {"rest": o.LBFGS(), "iterations": 3, "tolerance": 1e-3}
    lbfgs = {"lr": 1.0, "iterations": 2, "history": 3, "schedule": "constant"}
    return [
        Good("Adam", o.Adam, adam),
        Good("Adam.steps", o.Adam, {"lr": 1e-3, "schedule": "cosine"}, steps, names=("Adam",)),
        Good("Muon", o.Muon, muon),
        Good("LBFGS", o.LBFGS, lbfgs),
        Good("GaussNewton", o.GaussNewton, newton, steps),
        Good("VariableProjection", o.VariableProjection, projection, steps),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {
    "optimizers": _optimizers,
    "solving": _solving,
}
