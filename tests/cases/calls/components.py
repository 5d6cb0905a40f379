"""A call that works of every component, by room, whose arguments `judge.py` spoils."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from cases.calls.judge import Good

import inverse_inr as ii
from inverse_inr import (
    Box,
    Grid,
    Problem,
    Solver,
    Term,
    baselines,
    fidelity,
    noise,
    phantoms,
    priors,
    regularizers,
    stopping,
)
from inverse_inr.solver import load_field, save_field

SQUARE = Box((-1.0, -1.0), (1.0, 1.0))
CUBE = Box((-1.0,) * 3, (1.0,) * 3)
GRID = Grid(SQUARE, (8, 8))
POINTS = SQUARE.random_points(5, generator=torch.Generator().manual_seed(0))


def bump(points: torch.Tensor) -> torch.Tensor:
    """A smooth field of one channel."""
    return torch.exp(-points.square().sum(-1, keepdim=True))


class Places:
    """An operator that looks at the points of a grid, a row each."""

    def __init__(self, grid: Grid = GRID) -> None:
        self.points = grid.points().reshape(-1, grid.ndim)

    def __len__(self) -> int:
        return len(self.points)

    def __call__(self, rows):
        return self.points[rows], lambda values: values[..., 0]


def term(**changes: Any) -> Term:
    operator = Places()
    y = ii.predict(operator, bump)
    return Term(**{"operator": operator, "y": y, "fidelity": noise.Gaussian(0.01), **changes})


def problem() -> Problem:
    return Problem([term()], SQUARE, GRID, reference=bump)


SMALL: dict[str, dict[str, Any]] = {
    "grid": {"cells": 5.0},
    "hash": {"levels": 2, "coarsest": 4.0, "finest": 8.0, "log2_table": 6},
    "phased": {"levels": 2, "coarsest": 4.0, "finest": 8.0, "log2_table": 6},
    "planes": {"levels": 2, "coarsest": 4.0, "finest": 8.0, "features": 2},
    "tensor": {"cells": 5.0, "rank": 2},
    "gaussian_mixture": {"count": 5, "width": 0.5},
    "miner": {"scales": 2, "width": 4, "coarsest_width": 4},
    "acorn": {"level": 2, "nodes": 3, "features": 2, "blocks": 20},
    "separable": {"rank": 3, "width": 4},
    "spectral_basis": {"components": 3, "cells": 4.0},
    "mixed": {"activations": ("sine", "gaussian")},
}


def _priors() -> list[Good]:
    return [_prior(name) for name in priors.names()]


def _prior(name: str) -> Good:
    preset = priors.registry.get(name)
    parameters = inspect.signature(preset).parameters
    known = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    small = {"width": 6, "depth": 1, "features": 4, "decoder": 4, "bandwidth": 4.0}
    given = {k: v for k, v in small.items() if k in known and known[k] is not None}
    given = {**known, **given, "bandwidth": 4.0, **SMALL.get(name, {})}
    # options whose default is worked out get a number where one will do, and are spoilt as numbers
    worked_out = [k for k, v in given.items() if v is None]
    given = {"box": SQUARE, **{k: v for k, v in given.items() if v is not None}}
    for option in worked_out:
        for number in (3, 5.0):
            if option not in given and _works(preset, {**given, option: number}):
                given[option] = number
    return Good(name, preset, given, _values)


def _works(preset: Callable[..., Any], given: dict[str, Any]) -> bool:
    try:
        _values(preset(**given))
    except (TypeError, ValueError):
        return False
    return True


def _values(prior: Any) -> torch.Tensor:
    with torch.no_grad():
        return prior(POINTS.to(next(prior.parameters()).dtype.to_real())).abs()


def _regularizers() -> list[Good]:
    def of_prior(regularizer: Any) -> torch.Tensor:
        return regularizer(priors.siren(SQUARE, width=4, depth=1), POINTS).detach()

    def of_field(regularizer: Any) -> torch.Tensor:
        return regularizer(bump, POINTS)

    slopes = {"grid": GRID, "patch": 4, "joint": False}
    small = {"patch": 3, "search": 2, "neighbours": 2}
    r = regularizers
    return [
        Good("TotalVariation", r.TotalVariation, {**slopes, "epsilon": 1e-6}, of_field),
        Good("EdgePreserving", r.EdgePreserving, {**slopes, "delta": 1.0}, of_field),
        Good("Sobolev", r.Sobolev, {**slopes, "order": 1}, of_field),
        Good("PairDifference", r.PairDifference, {"delta": 1.0}),
        Good("L1", r.L1, {"grid": GRID}, of_field),
        Good("Smoothness", r.Smoothness, {"distance": 0.1}, of_field),
        Good("WeightDecay", r.WeightDecay, {}, of_prior),
        Good("Weighted", r.Weighted, {"parts": ((1.0, r.L1()),)}, of_field),
        Good("RED", r.RED, {"denoiser": "tv", "sigma": 0.1, "grid": GRID, "every": 2}, of_field),
        Good("NonLocal", r.similarity.NonLocal, {"guide": bump, "grid": GRID, **small}, of_field),
        Good(
            "LocalGaussians",
            r.patch_models.LocalGaussians,
            {"guide": bump, "grid": GRID, **small, "stride": 2, "floor": 0.1},
            of_field,
        ),
    ]


def _stopping() -> list[Good]:
    def split(rule: Any) -> Any:
        solver = Solver(problem(), priors.grid(SQUARE, cells=4), stopping=rule, steps=2)
        return float(solver.solution().misfit(solver.fit_rows))

    s = stopping
    held = {"fraction": 0.2, "every": 1, "patience": 3, "limit": 9}
    return [
        Good("HeldOut", s.HeldOut, held, split),
        Good("Discrepancy", s.Discrepancy, {"tau": 1.0, "every": 1, "limit": 9}, split),
        Good("Never", s.Never, {"every": 1}, split),
        Good("hold_out", s.hold_out, {"rule": s.HeldOut(), "terms": [term()], "seed": 0}),
    ]


def _baselines() -> list[Good]:
    def image(solution: Any) -> torch.Tensor:
        return solution.sample()

    b = baselines
    task = problem()
    tv = {"problem": task, "weight": 0.1, "iterations": 3, "nonnegative": False, "seed": 0}
    l1 = {**tv, "wavelets": 1, "weights": [0.1, 0.05]}
    plug = {"problem": task, "denoiser": "tv", "strength": 1.0, "method": "admm", "coupling": 1.0}
    plug |= {"iterations": 2, "strengths": [2.0, 1.0], "nonnegative": False, "seed": 0}
    return [
        Good("cgls", b.cgls, {"problem": task, "iterations": 3, "maximum": 4, "seed": 0}, image),
        Good("tv", b.tv, {**tv, "weights": [0.1, 0.2]}, image),
        Good("l1", b.l1, l1, image),
        Good("plug_and_play", b.plug_and_play, plug, image),
        Good("Wavelets", b.Wavelets, {"shape": (8, 8), "levels": 2}),
    ]


def _domain() -> list[Good]:
    units = ("mm", "mm")
    seen = {"field": bump, "points": POINTS, "chunk": 2}
    return [
        Good("Box", Box, {"lower": (0.0, 0.0), "upper": (1.0, 2.0), "units": units}),
        Good("Grid", Grid, {"box": SQUARE, "shape": (4, 5)}, Grid.points),
        Good("pixel_grid", ii.domain.pixel_grid, {"shape": (4, 5)}, Grid.points),
        Good("Grid.refined", GRID.refined, {"factor": 2}, Grid.points, names=("Grid",)),
        Good("Grid.crop", GRID.crop, {"start": (1, 1), "shape": (2, 3)}, Grid.points),
        Good("Box.random_points", SQUARE.random_points, {"count": 5}),
        Good(
            "Box.normalize",
            SQUARE.normalize,
            {"points": POINTS},
            names=("points",),
            nan_passes=True,
        ),
        Good("sample", ii.sample, {"field": bump, "grid": GRID, "average": 2, "chunk": 9}),
        Good("evaluate", ii.evaluate, seen, nan_passes=True),
        Good(
            "SampledField",
            ii.SampledField,
            {"values": GRID.points(), "grid": GRID},
            lambda field: field(POINTS),
            nan_passes=True,
        ),
        Good("interpolation_matrix", ii.interpolation_matrix, {"grid": GRID, "points": POINTS}),
    ]


def _phantoms() -> list[Good]:
    def seen(field: Any) -> torch.Tensor:
        return field(POINTS.double())

    def seen_3d(field: Any) -> torch.Tensor:
        return field(torch.zeros(1, 3, dtype=torch.float64))

    p = phantoms
    ellipses = {
        "centers": torch.zeros(1, 2),
        "semi_axes": torch.ones(1, 2),
        "rotations": torch.eye(2)[None],
        "values": torch.ones(1),
    }
    blobs = {"centers": torch.zeros(1, 2), "widths": torch.ones(1), "values": torch.ones(1)}
    drawn = {"box": SQUARE, "count": 3, "width": 0.05, "seed": 0}
    return [
        Good("shepp_logan", p.shepp_logan, {"box": SQUARE, "modified": True}, seen),
        Good("shepp_logan_3d", p.shepp_logan_3d, {"box": CUBE, "modified": True}, seen_3d),
        Good("Ellipsoids", p.Ellipsoids, ellipses, seen),
        Good("GaussianBlobs", p.GaussianBlobs, blobs, seen),
        Good("gaussian_blobs", p.gaussian_blobs, drawn, seen),
    ]


def _solver() -> list[Good]:
    task = problem()
    given = {
        "problem": task,
        "prior": "grid",
        "regularizers": [regularizers.L1()],
        "steps": 2,
        "batch": 4,
        "points": 4,
        "optimizer": "adam",
        "lr": 1e-2,
        "operator_lr": 1e-3,
        "stopping": stopping.Never(),
        "seed": 0,
        "chunk": 16,
        "callbacks": [],
    }
    own = {"operator": Places(), "y": task.terms[0].y, "fidelity": fidelity.L2(), "weight": 1.0}
    whole = {"terms": [term()], "box": SQUARE, "grid": GRID, "channels": 1, "average": 4}
    choices = {"prior": "grid", "steps": 3, "batch": 4, "lr": 1e-2, "operator_lr": 1e-3}
    path = Path(tempfile.mkdtemp()) / "field.safetensors"
    save_field(priors.grid(SQUARE, cells=4), path)
    return [
        Good("Solver", Solver, given, lambda solver: solver.solution().sample()),
        Good("Term", Term, own, lambda made: made.loss(bump, torch.arange(3))),
        Good("Problem", Problem, {**whole, "is_complex": False, "reference": bump}),
        Good("Suggestion", ii.Suggestion, {**choices, "optimizer": "adam"}),
        Good("load_field", load_field, {"path": str(path)}, _values),
        Good(
            "predict",
            ii.predict,
            {"operator": Places(), "field": bump, "rows": torch.arange(3), "chunk": 2},
            names=("rows",),
        ),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {
    "priors": _priors,
    "regularizers": _regularizers,
    "stopping": _stopping,
    "baselines": _baselines,
    "domain": _domain,
    "phantoms": _phantoms,
    "solver": _solver,
}
"""The good calls of each room, made when they are asked for."""
