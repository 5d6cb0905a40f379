"""Calls that work of what reads a field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from cases.calls.components import SQUARE
from cases.calls.judge import Good

from inverse_inr import Grid, families, priors, reading

TINY = {"width": 4, "depth": 1, "omega0": 8.0}
GRID = Grid(SQUARE, (4, 4))


def _reading() -> list[Good]:
    r = reading
    image = torch.linspace(0, 1, 16).reshape(4, 4) ** 2
    problems = r.image_problems([image, image.flip(0)], GRID)
    labels = [(image > 0.3).long(), (image.flip(0) > 0.3).long()]
    segmenter = r.Segmenter(families.MetaLearned("siren", TINY, inner_steps=1), 2)
    teaching = {
        "segmenter": segmenter,
        "problems": problems,
        "labels": labels,
        "steps": 1,
        "tasks": 2,
        "held_out": 0.5,
        "patience": 3,
        "lr": 1e-3,
        "seed": 0,
        "callbacks": [],
    }
    known = r.train_segmenter(**teaching)
    aware = r.TaskAware(2, "siren", TINY, inner_steps=1, features=4, blocks=1)
    classing = {**teaching, "family": aware, "labels": [0, 1], "every": 1}
    del classing["segmenter"]
    told = r.train_classifier(**classing)
    modulated = families.Modulated("siren", TINY, code=2, inner_steps=1, inner_lr=0.1)
    modulated = modulated.for_problems(problems)
    modulated.begin([])
    net, other = (priors.siren(SQUARE, width=4, depth=1, seed=k) for k in (0, 1))
    gauge = r.QualityGauge(image, GRID, options=TINY, residual=0.5, steps=20)
    rows = np.arange(1.0, 9.0).reshape(4, 2)
    one, two = torch.arange(1.0, 6.0), torch.arange(2.0, 7.0)

    def read(made: r.Segmenter) -> torch.Tensor:
        return made.probabilities(problems[0])

    def taught(made: r.Segmenter) -> torch.Tensor:
        return read(r.train_segmenter(made, problems, labels, steps=1, callbacks=[]))

    def classed(family: r.TaskAware) -> torch.Tensor:
        made = r.train_classifier(family, problems, [0, 1], steps=1, callbacks=[])
        return torch.as_tensor(made.probabilities(problems))

    def arrays(found: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(found))

    return [
        Good("image_problems", r.image_problems, {"images": [image], "grid": GRID}),
        Good(
            "one_hot",
            r.one_hot,
            {"labels": labels[0], "grid": GRID, "classes": 2},
            names=("labels",),
        ),
        Good(
            "Segmenter",
            r.Segmenter,
            {
                "family": families.MetaLearned("siren", TINY, inner_steps=1),
                "classes": 2,
                "channels": 1,
                "intensity_weight": 1.0,
            },
            taught,
            names=("train", "labels"),
        ),
        Good(
            "train_segmenter",
            r.train_segmenter,
            {**teaching, "checkpoint": None},
            read,
            fixed=("steps", "checkpoint"),
            names=("Training", "Segmenter", "train"),
        ),
        Good(
            "probabilities",
            known.probabilities,
            {"problem": problems[0], "grid": GRID, "steps": 1, "seed": 0},
            names=("Segmenter",),
        ),
        Good("metaseg", r.metaseg, {"classes": 2, "channels": 1, "steps": 1}, lambda s: s.classes),
        Good("iosnet", r.iosnet, {"classes": 2, "features": 2, "depth": 1}, lambda s: s.classes),
        Good(
            "TaskAware",
            r.TaskAware,
            {
                "classes": 2,
                "prior": "siren",
                "options": TINY,
                "inner_steps": 1,
                "order": 2,
                "features": 4,
                "blocks": 1,
                "share": 0.1,
                "dropout": 0.1,
            },
            classed,
            names=("prior", "train", "labels"),
        ),
        Good(
            "train_classifier",
            r.train_classifier,
            {**classing, "checkpoint": None},
            lambda family: arrays(family.probabilities(problems)),
            fixed=("steps", "checkpoint"),
            names=("Training", "train"),
        ),
        Good("tokens", told.tokens, {"problems": problems, "steps": 1}, arrays),
        Good("features", told.features, {"problems": problems, "steps": 1}, arrays),
        Good("probabilities", told.probabilities, {"problems": problems, "steps": 1}, arrays),
        Good(
            "weight_features",
            r.weight_features,
            {"fields": [net, other], "start": net, "align": True},
            arrays,
        ),
        Good(
            "code_features",
            r.code_features,
            {"family": modulated, "problems": problems, "steps": 1, "seed": 0},
            arrays,
        ),
        Good("heat_maps", r.heat_maps, {"fields": [net], "grid": GRID, "layers": [0]}, arrays),
        Good("fused", r.fused, {"blocks": [rows, rows], "weights": [1.0, 0.5]}, arrays),
        Good(
            "QualityGauge",
            r.QualityGauge,
            {
                "reference": image,
                "grid": GRID,
                "prior": "siren",
                "options": TINY,
                "residual": 0.5,
                "steps": 20,
                "seed": 0,
            },
            lambda made: made.distance(image + 0.1),
            fixed=("steps",),
            names=("image_problems",),
        ),
        Good("distance", gauge.distance, {"image": image, "normalisation": "profile"}),
        Good("variance_divergence", r.variance_divergence, {"first": one, "second": two}),
        Good("profile_divergence", r.profile_divergence, {"first": one, "second": two}),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {"reading": _reading}
