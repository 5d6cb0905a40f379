"""Calls that work of families of fields."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from cases.calls.components import SQUARE, problem
from cases.calls.judge import Good

from inverse_inr import families, priors

TINY = {"width": 4, "depth": 1, "omega0": 8.0}


def _families() -> list[Good]:
    f = families
    task = problem()

    def laid_out(family: f.Family) -> torch.Tensor:
        made = family.for_problems([task])
        made.begin(made.tasks([task]))
        return made.solve(task).sample()

    def solved(family: f.Family) -> torch.Tensor:
        return family.solve(task).sample()

    def trained(training: f.Training) -> torch.Tensor:
        return solved(training.run())

    start = {"prior": "siren", "options": TINY, "inner_steps": 2}
    encoder = {"encoder": f.Convolutions(2, 1), "prior": "siren", "options": TINY}
    convolutions = {"features": 2, "depth": 2}
    training = {
        "family": f.MetaLearned("siren", TINY, inner_steps=1),
        "problems": [task, task],
        "targets": [task, task],
        "steps": 2,
        "tasks": 2,
        "held_out": 0.5,
        "every": 1,
        "patience": 3,
        "batch": 30,
        "lr": 1e-3,
        "clip": 1.0,
        "seed": 0,
        "callbacks": [],
    }
    known = f.Modulated("siren", TINY, code=2, inner_steps=1, inner_lr=0.1).for_problems([task])
    known.begin([])
    code = known.code(task)
    many = {"problems": [task], "prior": "siren", "options": TINY, "steps": 2, "batch": 30}
    net, other = (priors.siren(SQUARE, width=4, depth=1, seed=k) for k in (0, 1))
    points = SQUARE.random_points(5, generator=torch.Generator().manual_seed(0))
    samples = {"field": net, "points": points, "targets": torch.zeros(5, 1)}
    images = torch.randn(10, *task.grid.shape, task.channels)
    path = Path(tempfile.mkdtemp()) / "family.safetensors"
    f.save(known, path)

    def values(found: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        return list(found.values())

    return [
        Good(
            "MetaLearned",
            f.MetaLearned,
            {**start, "order": 2, "rates": "tensor", "inner_lr": 0.1},
            laid_out,
        ),
        Good(
            "Modulated",
            f.Modulated,
            {**start, "code": 2, "by": "film", "inner_lr": 0.1},
            laid_out,
        ),
        Good(
            "Generated",
            f.Generated,
            {**encoder, "sees_image": False},
            laid_out,
            names=("prior",),
        ),
        Good(
            "Conditioned",
            f.Conditioned,
            {**encoder, "base": f.LinearEstimate(images)},
            laid_out,
            names=("prior",),
        ),
        Good(
            "LinearEstimate",
            f.LinearEstimate,
            {"images": images, "white": 0.1, "level": 1.0},
            lambda base: base.estimate(task),
        ),
        Good(
            "LinearEstimate.of",
            f.LinearEstimate.of,
            {"problems": [task] * 10, "images": images},
            lambda base: base.estimate(task),
            names=("LinearEstimate",),
        ),
        Good("Channels", f.Channels, {"sizes": {"intensity": 1, "labels": 2}}),
        Good("Convolutions", f.Convolutions, convolutions),
        Good("Parameters", f.Parameters, {"names": ("width",), "features": 2, "depth": 1}),
        Good("Training", f.Training, training, trained, fixed=("steps",), names=("train",)),
        Good(
            "train",
            f.train,
            {**training, "checkpoint": None},
            solved,
            fixed=("steps", "checkpoint"),  # any text is the name of a file
            names=("Training",),
        ),
        Good("solve", known.solve, {"problem": task, "steps": 1, "seed": 0}, lambda s: s.sample()),
        Good("start", known.start, {"problem": task, "steps": 1, "seed": 0}, lambda s: s(points)),
        Good("code", known.code, {"problem": task, "steps": 1, "seed": 0}, lambda c: c.values),
        Good("field", known.field, {"code": code}, lambda field: field(points)),
        Good(
            "fit_many",
            f.fit_many,
            {**many, "lr": 1e-3, "seed": 0},
            lambda fits: [fit.sample() for fit in fits],
            fixed=("steps",),
        ),
        Good(
            "between",
            f.between,
            {"first": net, "second": other, "fraction": 0.5},
            lambda field: field(points),
        ),
        Good("aligned", f.aligned, {"field": net, "to": other, "sweeps": 2}, lambda g: g(points)),
        Good("sample_gradients", f.sample_gradients, samples, values, nan_passes=True),
        Good("fisher_diagonal", f.fisher_diagonal, samples, values, nan_passes=True),
        Good("activations", f.activations, {"field": net, "points": points}, nan_passes=True),
        Good("truth", f.truth, {"problem": task}, lambda p: p.terms[0].y),
        Good("save", f.save, {"family": known, "path": path}, fixed=("path",)),
        Good("load", f.load, {"path": path, "encoder": None}, lambda family: solved(family)),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {"families": _families}
